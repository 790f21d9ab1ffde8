"""Compare subjects: the same measures on each, and how far one lies from a cloud of animals."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
