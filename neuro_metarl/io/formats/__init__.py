"""Published formats, one file each: how it is recognised, and what reads it."""
