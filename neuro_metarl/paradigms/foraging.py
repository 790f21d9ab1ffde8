"""Foraging between two baited arms whose probabilities stay within a session.

References
----------
Tsutsui et al. 2016, doi:10.1038/ncomms12554; Wang et al. 2018, doi:10.1038/s41593-018-0147-8,
simulation 1.
"""

from __future__ import annotations

from neuro_metarl.behavior.profiles import bandit_profile
from neuro_metarl.measures.foraging import FORAGING_MEASURES
from neuro_metarl.paradigms.methods import CLOUD, FEW, GROUPS, REPLICATION
from neuro_metarl.paradigms.paradigm import Paradigm

__all__ = ["FORAGING"]

FORAGING = Paradigm(
    name="foraging",
    holds=lambda cohort: str(cohort.attrs.get("task", "")).startswith("bandit-foraging"),
    profile=bandit_profile,
    measures=FORAGING_MEASURES,
    needs=("p_reward",),
    agents="bandit-foraging",
    forms="bandit-foraging",
    fitted=("q_learning", "q_forgetting", "choice_kernel", "q_differential_forgetting"),
    methods=(
        "<b>Matching.</b> Least-squares line through sessions of log2((C1 + 1)/(C0 + 1)) on "
        "log2((R1 + 1)/(R0 + 1)), choices C and rewards R of the two arms; beside it the reward "
        "per trial and how often the choice switches, because a subject that ignores how long an "
        "arm was left matches perfectly and earns what a coin earns.",
        "<b>History.</b> Logistic regression of the choice on 15 trials of rewards and of choices, "
        "jointly, with a ridge of 1, in the last two thirds of each session.",
        *CLOUD,
        GROUPS,
    ),
    limits=(
        FEW,
        REPLICATION,
        "Slopes depend on the constant that is added to the counts.",
        "No animals of this task are among the data sets; error rates were not measured.",
    ),
)
