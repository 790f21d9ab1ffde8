"""Files into a cohort, and a cohort into files."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
