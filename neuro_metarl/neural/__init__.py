"""Verbs on activity: what units code, how populations are shaped, how they move."""
