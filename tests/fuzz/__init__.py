"""Damaged files for every reader: seeded, run in a child, compared with what was not damaged."""
