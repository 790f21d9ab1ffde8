"""Lesions, clamps and injections: networks whose units or inputs are changed while they play."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
