"""Plots of results: one function per measure, every subject visible."""

from neuro_metarl.plotting.assessment import plot_assessment, plot_placement, plot_prediction
from neuro_metarl.plotting.comparison import plot_comparison
from neuro_metarl.plotting.learning_sets import (
    plot_first_trials,
    plot_learning_curve,
    plot_learning_curves,
)
from neuro_metarl.plotting.measures import (
    plot_indices,
    plot_lagged_weights,
    plot_stay_probability,
)
from neuro_metarl.plotting.models import plot_confusion, plot_model_comparison, plot_recovery

__all__ = [
    "plot_assessment",
    "plot_comparison",
    "plot_confusion",
    "plot_first_trials",
    "plot_indices",
    "plot_lagged_weights",
    "plot_learning_curve",
    "plot_learning_curves",
    "plot_model_comparison",
    "plot_placement",
    "plot_prediction",
    "plot_recovery",
    "plot_stay_probability",
]
