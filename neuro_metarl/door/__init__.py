"""The one door: raw columns and what was declared about them become a cohort, or one refusal.

Every reader hands its columns over as they stand, with the place of each row in its source. Here,
and nowhere else, it is decided what a code means, which rows count, in which order they were, what
is derived from them, and what is refused. So a table says the same whichever file it came in.
"""
