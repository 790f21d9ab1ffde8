"""Kinds of experiment, one file each; which one a cohort is of is asked here and nowhere else."""

from neuro_metarl.attach import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
