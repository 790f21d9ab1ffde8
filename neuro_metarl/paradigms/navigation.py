"""One-shot navigation: a goal is searched for once, then walked to from wherever one begins.

References
----------
Wang et al. 2016, arXiv:1611.05763, experiment 7.
"""

from __future__ import annotations

from neuro_metarl.behavior.navigation_signatures import NAVIGATION_PROFILE, navigation_profile
from neuro_metarl.cohort import kind_of_task
from neuro_metarl.measures.signatures import signature_measures
from neuro_metarl.paradigms.methods import CLOUD, FEW, GROUPS, REPLICATION
from neuro_metarl.paradigms.paradigm import Paradigm

__all__ = ["NAVIGATION"]

NAVIGATION = Paradigm(
    name="navigation",
    holds=lambda cohort: kind_of_task(cohort) == "navigation",
    profile=navigation_profile,
    measures=signature_measures(
        navigation_profile, NAVIGATION_PROFILE,
        units={"first_search": "log steps", "later_searches": "log steps", "complete": "log odds"},
    ),
    agents="navigation",
    forms="navigation",
    methods=(
        "<b>Profile.</b> The logarithm of the mean number of steps of the first search and of "
        "later ones, over the same episodes (those in which the goal was met six times), and the "
        "log odds of such an episode. Errors by the jackknife over episodes.",
        *CLOUD,
        GROUPS,
    ),
    limits=(
        FEW,
        REPLICATION,
        "No animals have walked this maze; error rates were not measured.",
    ),
)  # fmt: skip
