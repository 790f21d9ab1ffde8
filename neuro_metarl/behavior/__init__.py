"""Verbs on choices."""
