"""The two-step task: a choice leads commonly to one of two states, rarely to the other.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Miller et al. 2017, doi:10.1038/nn.4613.
"""

from __future__ import annotations

from neuro_metarl.behavior.profiles import profile
from neuro_metarl.cohort import kind_of_task
from neuro_metarl.measures.two_step import TWO_STEP_MEASURES
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

__all__ = ["TWO_STEP", "TWO_STEP_HUMAN"]

TWO_STEP = Paradigm(
    name="two-step",
    holds=lambda cohort: kind_of_task(cohort) == "two-step",
    profile=profile,
    measures=TWO_STEP_MEASURES,
    needs=("state", "common"),
    agents="two-step",
    plays="form",
    sessions="two-step",
    forms="two-step",
    fitted=("model_based", "model_free", "hybrid", "mixture", "latent_state"),
    own_model="mixture",
    controls={
        "planner": Control("model_based", {"learning_rate": 0.5, "inverse_temperature": 6.0}),
        "model-free TD(1)": Control(
            "model_free",
            {"learning_rate": 0.5, "eligibility_trace": 1.0, "inverse_temperature": 4.0},
        ),
        "latent state": Control("latent_state", {"hazard": 0.025, "inverse_temperature": 6.0}),
    },
    placed=("latent state",),
    predicting=("model-free TD(1)",),
    methods=(
        "<b>Profile.</b> Lagged logistic regression of the choice on the last five trials by kind "
        "(common or rare, rewarded or not), Firth's penalty; planning = CR &minus; RR &minus; CO + "
        "RO, model-free = CR + RR &minus; CO &minus; RO, stay = sum, common-stay = CR &minus; RR + "
        f"CO &minus; RO, each at lag 1 and summed over lags 2 to 5. {SANDWICH}",
        *CLOUD,
        "<b>Yoked sessions.</b> Agents play copies of every animal's sessions: lengths, forced "
        "choices and nominal probabilities trial by trial, with fresh transitions and rewards.",
        PREDICTION.format(own="a mixture of agents"),
        GROUPS,
    ),
    limits=(
        FEW,
        "An agent that uses reward as a cue is a blind spot of this profile.",
        "Weights scale with the transition probability; odds, forced trials and session "
        "lengths are matched, the agents' learning history is not.",
        REPLICATION,
        WEAK,
        CALIBRATED,
        "Error rates were measured on simulated rats of one model family; power against agents "
        "that are not of it is optimistic.",
    ),
)

TWO_STEP_HUMAN = Paradigm(
    name="two-step-human",
    holds=lambda cohort: kind_of_task(cohort) == "two-step-human",
    profile=profile,
    measures=TWO_STEP_MEASURES,
    agents="two-step",
    sessions="two-step-human",
    forms="two-step",
    methods=TWO_STEP.methods[:3],
    limits=(
        *TWO_STEP.limits[:2],
        REPLICATION,
        "No agents of the package choose at the second step.",
    ),
)
