"""Learning sets: problem after problem with new objects, of which one is right.

References
----------
Harlow 1949, doi:10.1037/h0062474.
"""

from __future__ import annotations

import xarray as xr

from neuro_metarl.behavior.learning_sets import learning_curve
from neuro_metarl.behavior.learning_signatures import LEARNING_SET_PROFILE, learning_set_profile
from neuro_metarl.cohort import kind_of_task
from neuro_metarl.measures.signatures import signature_measures
from neuro_metarl.paradigms.methods import CLOUD, FEW, GROUPS, REPLICATION
from neuro_metarl.paradigms.paradigm import Paradigm

__all__ = ["LEARNING_SET"]


def _holds(cohort: xr.Dataset) -> bool:
    """Whether problems follow one another: also reversals of two arms, problem after problem."""
    kind = kind_of_task(cohort)
    named = str(cohort.attrs.get("task", "")).startswith("bandit")
    return kind == "learning-set" or (kind == "bandit" and "problem" in cohort and not named)


LEARNING_SET = Paradigm(
    name="learning set",
    holds=_holds,
    profile=learning_set_profile,
    measures=signature_measures(learning_set_profile, LEARNING_SET_PROFILE),
    curve=learning_curve,
    agents="harlow",
    sessions="learning-set",
    forms="harlow",
    methods=(
        "<b>Profile.</b> Two logistic regressions with Firth's penalty over the first six trials "
        "of each problem: correct on trial 1, trial 2 and trials 3 to 6 (in the middle of a "
        "subject's problems) and the change over problems after trial 1; choosing the same object "
        "after a reward (win-stay) and another after none (lose-shift). Errors by the session "
        "sandwich, never below the model-based ones, correlated as the scores of problems are.",
        *CLOUD,
        GROUPS,
    ),
    limits=(
        FEW,
        REPLICATION,
        "On simulated animals the test is cautious: it calls a new one outside in 2 to 4 % of "
        "cases.",
    ),
)
