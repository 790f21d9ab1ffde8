"""A bandit of two arms, baited or not, whose odds drift or reverse.

References
----------
Ito & Doya 2009, doi:10.1523/JNEUROSCI.6157-08.2009; Bari et al. 2019,
doi:10.1016/j.neuron.2019.06.001.
"""

from __future__ import annotations

from neuro_metarl.behavior.profiles import BANDIT_PROFILE, bandit_profile
from neuro_metarl.cohort import kind_of_task
from neuro_metarl.measures.signatures import signature_measures
from neuro_metarl.paradigms.methods import (
    CALIBRATED,
    CLOUD,
    FEW,
    GROUPS,
    PREDICTION,
    REPLICATION,
    SANDWICH,
    WEAK,
)
from neuro_metarl.paradigms.paradigm import Control, Paradigm

__all__ = ["BANDIT"]

BANDIT = Paradigm(
    name="bandit",
    holds=lambda cohort: kind_of_task(cohort) == "bandit",
    profile=bandit_profile,
    measures=signature_measures(bandit_profile, BANDIT_PROFILE),
    agents="bandit-restless",
    plays="yoked",
    sessions="bandit",
    forms="bandit",
    fitted=(
        "q_learning", "q_forgetting", "choice_kernel", "q_differential_forgetting", "reversal_hmm",
    ),
    # of seven models the one that predicted the held-out choices of 16 mice (Bari et al. 2019) best
    own_model="q_differential_forgetting",
    controls={
        "Q learning": Control("q_learning", {"learning_rate": 0.5, "inverse_temperature": 6.0}),
        "win-stay, lose-shift": Control(
            "q_differential_forgetting",
            {"learning_rate": 1.0, "forgetting": 1.0, "value_reward": 3.0, "value_omission": -3.0},
        ),
        "reversal inference": Control(
            "reversal_hmm", {"hazard": 0.05, "inverse_temperature": 6.0}
        ),
    },
    placed=("reversal inference",),
    predicting=("Q learning",),
    methods=(
        "<b>Profile.</b> Logistic regression of the choice on the last five trials, Firth's "
        "penalty: x is +1 or &minus;1 for a rewarded choice, y for one without; reward = R &minus; "
        f"U, stay = R + U, each at lag 1 and summed over lags 2 to 5. {SANDWICH}",
        *CLOUD,
        "<b>Yoked sessions.</b> Agents play copies of every animal's sessions: lengths, imposed "
        "choices and nominal probabilities trial by trial, with fresh rewards, baited where the "
        "animals' are.",
        PREDICTION.format(own="differential-forgetting Q learning (Ito &amp; Doya)"),
        GROUPS,
    ),
    limits=(
        FEW,
        REPLICATION,
        "A plain Q learner that is about as noisy as the animals is a blind spot of this profile: "
        "see its share in the prediction.",
        "Error rates were measured on simulated mice of one model family on baited arms.",
        "Odds, imposed choices and session lengths are matched, the agents' learning history is "
        "not; their clock runs from 0 to 1 over the longest session.",
        WEAK,
        CALIBRATED,
    ),
)  # fmt: skip
