"""The scorecard: published results, each beside its optimum, ours, and a control."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
