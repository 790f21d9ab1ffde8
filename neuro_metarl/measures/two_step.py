"""Measures of two-step tasks: how often a choice is repeated, and what the last trials weigh.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Miller et al. 2017, doi:10.1038/nn.4613; Akam et
al. 2015, doi:10.1371/journal.pcbi.1004648.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any

import xarray as xr

from neuro_metarl.behavior.two_step import (
    INDICES,
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.measures.measure import Measure

__all__ = ["TWO_STEP_MEASURES"]


@wraps(one_back_regression)
def _one_back(cohort: xr.Dataset, **options: Any) -> xr.Dataset:
    """Call the terms of the one-back regression predictors: they are others than the kinds."""
    return one_back_regression(cohort, **options).rename(term="predictor")


def _with_correct(cohorts: Mapping[str, xr.Dataset], options: Mapping[str, Any]) -> dict[str, Any]:
    """Decide, for all subjects of all sources, whether regressions have the predictor correct."""
    correct = options.get("correct")
    if correct not in (None, True, False):
        raise InputError(f"correct is {correct!r}, expected True, False or None")
    lacking = [
        f"{source} ({name!r})"
        for source, cohort in cohorts.items()
        for name in subjects_of(cohort)
        if not _knows_correct(cohort, name)
    ]
    if correct and lacking:
        raise InputError(
            f"correct=True needs 'correct' in all sources; not known in {', '.join(lacking)}: "
            "leave it to the default, which then takes it in none"
        )
    return {"correct": not lacking if correct is None else bool(correct)}


def _knows_correct(cohort: xr.Dataset, subject: str) -> bool:
    if "correct" not in cohort:
        return False
    told = (cohort["correct"] >= 0) & (cohort["valid"] == 1)
    return bool(told.isel(session=cohort["subject"].values == subject).any())


TWO_STEP_MEASURES = (
    Measure(
        "stay_probability", stay_probability, ("term",), unit="P(stay)",
        axis="previous trial", count="n_stay",
        count_dims=("term",), line=0.5, limits=(0.0, 1.0),
    ),
    Measure(
        "lagged_weight", lagged_regression, ("term", "lag"), unit="weight (log odds)",
        count="n_lagged", line=0.0, summarized=False,
    ),
    *(
        Measure(
            name, lagged_regression, label=label, unit="index (log odds, summed over lags)",
            panel="indices", count="n_lagged", line=0.0,
        )
        for name, label in zip(
            INDICES, ("planning", "model-free", "stay", "common-stay"), strict=True
        )
    ),
    Measure(
        "one_back", _one_back, ("predictor",), unit="weight (log odds)", line=0.0,
        summarized=False, drawn=False, agree=_with_correct,
    ),
)  # fmt: skip
