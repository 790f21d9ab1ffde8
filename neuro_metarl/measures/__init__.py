"""Measures as objects: what :func:`neuro_metarl.compare` computes, and how it is shown."""

from neuro_metarl.measures.measure import Measure, measures_in
from neuro_metarl.measures.signatures import signature_measures
from neuro_metarl.measures.two_step import TWO_STEP_MEASURES

__all__ = ["TWO_STEP_MEASURES", "Measure", "measures_in", "signature_measures"]
