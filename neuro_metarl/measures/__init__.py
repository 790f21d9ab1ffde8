"""Measures as objects: what :func:`neuro_metarl.compare` computes, and how it is shown."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
