"""Plots of results: one function per measure, every subject visible."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
