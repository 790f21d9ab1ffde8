"""Cognitive models: one step function each."""
