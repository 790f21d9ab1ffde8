"""Verbs on activity: what units code, how populations are shaped, how they move."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
