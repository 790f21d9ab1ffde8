"""Twins: small gated networks that are fitted to the choices of one animal."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
