"""Rows of Wang et al. 2018, doi:10.1038/s41593-018-0147-8."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from neuro_metarl.behavior.bandits import regret
from neuro_metarl.behavior.learning_sets import learning_curve
from neuro_metarl.behavior.matching_law import matching
from neuro_metarl.behavior.phase_rates import phase_learning_rates
from neuro_metarl.behavior.risky_choices import risky_choice
from neuro_metarl.behavior.two_step import stay_probability
from neuro_metarl.models.model import find_model
from neuro_metarl.models.signals import model_signals
from neuro_metarl.neural.prediction_errors import prediction_error_regression
from neuro_metarl.neural.value_inference import inferred_value
from neuro_metarl.scorecard.row import DIGITIZED, DIRECTION, REMEMBERED, Row
from neuro_metarl.scorecard.stage import Stage
from neuro_metarl.scorecard.wang2016 import below, value_of

__all__ = ["ROWS_2018"]

# kinds of the trial before: published, of the exact filter
STAYS = {
    "common_rewarded": (0.99, 1.00),
    "rare_rewarded": (0.64, 0.66),
    "common_omitted": (0.62, 0.66),
    "rare_omitted": (0.99, 1.00),
}
# % correct of trials 1, 2 and 6 after training: published, and of whoever never errs
HARLOW = {1: (0.54, 0.50), 2: (0.967, 1.0), 6: (0.983, 1.0)}


def law(stage: Stage, agents: str, measure: str) -> np.ndarray:
    """Measure foraging."""
    return value_of(matching(stage.plays(agents, "bandit-foraging"))[measure])


def rate_ratio(stage: Stage, agents: str) -> np.ndarray:
    """Measure the learning rate of volatile phases over that of stable ones."""
    cohort = stage.plays(agents, "bandit-volatility", 200)
    return value_of(phase_learning_rates(cohort).rate_ratio)


def inferred(stage: Stage, agents: str, measure: str) -> np.ndarray:
    """Measure the index of inference, or the prediction error at the other target."""
    cohort = stage.plays(agents, "inferred-value", 200, variables=("value", "rpe"))
    found = inferred_value(cohort)
    if measure == "index":
        return value_of(found["index"].sel(measure="value"))
    return value_of(found.rpe.sel(kind="inferred", when="post"))


def stays(stage: Stage, agents: str, kind: str) -> np.ndarray:
    """Measure how often the choice is repeated after one kind of trial."""
    found = stay_probability(stage.plays(agents, "two-step", 100)).stay_probability
    return np.asarray(found.sel(statistic="value").sel(
        {dim: kind for dim in found.dims if dim not in ("subject", "statistic")}
    ).values)  # fmt: skip


def error_weight(stage: Stage, agents: str, system: str) -> np.ndarray:
    """Weigh model-based and model-free errors in the networks' own, arriving at the second step."""
    cohort = stage.plays(agents, "two-step", 100, variables=("rpe",))
    planned = find_model("latent_state").planted(hazard=0.025)
    free = find_model("model_free").planted(learning_rate=0.3, eligibility_trace=0.5)
    signals = [model_signals(cohort, planted) for planted in (planned, free)]
    n_trials = cohort.sizes["trial"]
    kept = xr.DataArray(np.arange(n_trials) < n_trials - 1, dims="trial")
    found = prediction_error_regression(cohort, signals, events=["first_step"], where=kept)
    weight = found.weight.sel(system=system, statistic="value", event="first_step")
    return np.asarray(weight.values)


def right_on(stage: Stage, agents: str, trial: int) -> np.ndarray:
    """Measure how often a trial of a new problem is right."""
    curve = learning_curve(stage.plays(agents, "harlow", 400), n_trials=6).p_correct
    return np.asarray(curve.sel(statistic="value", trial=trial).isel(block=0).values)


def missed_between(stage: Stage, agents: str) -> np.ndarray:
    """Measure the regret of networks on arms of .25 and .75."""
    played = stage.plays(agents, "bandit-dependent-medium", n_sessions=1000)
    return value_of(regret(played).total_regret)


def state_of_arms(stage: Stage, agents: str) -> np.ndarray:
    """Correlate the first component of each network's last state with the difference of arms."""
    cohort = stage.plays(agents, n_sessions=400, variables=("activity",))
    found = []
    for _, one in cohort.groupby("subject", squeeze=False):
        states = one.activity.isel(event=0).transpose("session", "trial", "unit").values
        centered = states.astype(float) - states.mean(axis=(0, 1))
        flat = centered.reshape(-1, centered.shape[-1])
        first = np.linalg.eigh(flat.T @ flat)[1][:, -1]
        pays = one.expected_reward.isel(trial=0).transpose("session", "option").values
        found.append(abs(np.corrcoef(centered[:, -1] @ first, pays[:, 0] - pays[:, 1])[0, 1]))
    return np.array(found)


def shift(stage: Stage, agents: str, dopamine: str) -> np.ndarray:
    """Measure by how much changed prediction errors shift P(risky), on the same sessions."""
    taken = [
        value_of(risky_choice(stage.two_cores(agents, done)).p_risky.sel(odds="all"))
        for done in (dopamine, "left alone")
    ]
    return np.asarray(taken[0] - taken[1])


def _stay(kind: str) -> Row:
    published, exact = STAYS[kind]
    return Row(
        "wang2018", "4: two-step", f"P(stay), {kind.replace('_', ' ')}", f"{published:.2f}",
        DIGITIZED, f"{exact:.2f} (exact filter)", "within .08 of the exact filter in the mean",
        partial(stays, agents="two-step", kind=kind),
        lambda ours, control: bool(abs(ours.mean() - exact) <= 0.08), "untrained networks",
        partial(stays, agents="untrained two-step", kind=kind), "two-step",
        "wang2018_fig5_two_step", (0.0, 1.0), rests_on_reward=kind != "rare_omitted",
    )  # fmt: skip


def _harlow(trial: int) -> Row:
    published, exact = HARLOW[trial]
    return Row(
        "wang2018", "5: learning sets", f"right on trial {trial}, new objects",
        f"{published:.3g}, final", DIGITIZED, f"{exact:.2f}",
        "within .03 of .50 in the mean" if trial == 1 else ".95 or more in the mean",
        partial(right_on, agents="harlow", trial=trial),
        lambda ours, control: bool(
            abs(ours.mean() - 0.5) <= 0.03 if trial == 1 else ours.mean() >= 0.95 > control.mean()
        ),
        "untrained networks", partial(right_on, agents="untrained harlow", trial=trial), "harlow",
        "wang2018_fig6_harlow", (0.0, 1.0), rests_on_reward=trial > 1,
    )  # fmt: skip


ROWS_2018 = (
    Row(
        "wang2018", "figure 1: two arms", "regret in 100 trials, arms of .25 and .75",
        "less after dependent arms", DIRECTION, "1.000 (exact); 1.345 takes arms for independent",
        "1.25 or less in the mean, and below the control",
        partial(missed_between, agents="bandit-dependent-uniform"),
        lambda ours, control: bool(ours.mean() <= 1.25 and below(ours, control)),
        "trained on independent arms", partial(missed_between, agents="bandit-independent"),
        "bandit-dependent-uniform", "wang2018_fig1_learning", (0.0, np.inf),
    ),
    Row(
        "wang2018", "figure 1: two arms",
        "states at trial 100: correlation of component 1 with the arms",
        "states follow the arms", DIRECTION, "", ".8 or more in every network, control below .5",
        partial(state_of_arms, agents="bandit-dependent-uniform"),
        lambda ours, control: bool(ours.min() >= 0.8 and control.max() < 0.5),
        "untrained networks", partial(state_of_arms, agents="untrained bandit-dependent-uniform"),
        "bandit-dependent-uniform", "wang2018_fig1_learning", (0.0, 1.0),
    ),
    Row(
        "wang2018", "1: foraging", "reward per trial", "not given", DIRECTION,
        ".452 that knows p, .444 Bayes", ".432 or more in every network",
        partial(law, agents="bandit-foraging", measure="reward_rate"),
        lambda ours, control: bool(ours.min() >= 0.432 > control.max()),
        "trained without baits", partial(law, agents="bandit-foraging-unbaited",
                                         measure="reward_rate"),
        "bandit-foraging", "wang2018_fig2_foraging", (0.0, 1.0),
    ),
    Row(
        "wang2018", "1: foraging", "slope of matching", "choices match rewards", DIRECTION,
        "1.06 that knows p, .84 Bayes", ".60 to .90 in the mean, with the reward above",
        partial(law, agents="bandit-foraging", measure="slope"),
        lambda ours, control: bool(0.6 <= ours.mean() <= 0.9 < control.mean()),
        "trained without baits (match without foraging)",
        partial(law, agents="bandit-foraging-unbaited", measure="slope"),
        "bandit-foraging", "wang2018_fig2_foraging",
    ),
    Row(
        "wang2018", "2: volatility", "learning rate, volatile over stable phases",
        "higher where volatile",
        DIRECTION, "8 (exact filter: .04, .34)", "2 to 12 in the mean, control .75 to 1.25",
        partial(rate_ratio, agents="bandit-volatility"),
        lambda ours, control: bool(2 <= ours.mean() <= 12 and abs(control.mean() - 1) <= 0.25),
        "trained on volatile episodes only",
        partial(rate_ratio, agents="bandit-volatility-volatile"),
        "bandit-volatility", "wang2018_fig3_volatility", (0.0, np.inf),
    ),
    Row(
        "wang2018", "3: inferred value", "prediction error at the other target, not met again",
        "turned", DIRECTION, ".41 (exact)", "above .10 in every network",
        partial(inferred, agents="inferred-value", measure="rpe"),
        lambda ours, control: bool(ours.min() > 0.10), "trained on independent targets",
        partial(inferred, agents="inferred-value-independent", measure="rpe"),
        "inferred-value", "wang2018_fig4_inferred_value",
    ),
    Row(
        "wang2018", "3: inferred value", "inferred over experienced change of value",
        "as for the target met again", DIRECTION, "1.00 (exact); -.59 infers nothing",
        ".8 to 1.2 in the mean, control below .2",
        partial(inferred, agents="inferred-value", measure="index"),
        lambda ours, control: bool(0.8 <= ours.mean() <= 1.2 and control.max() < 0.2),
        "trained on independent targets",
        partial(inferred, agents="inferred-value-independent", measure="index"),
        "inferred-value", "wang2018_fig4_inferred_value",
    ),
    *(_stay(kind) for kind in STAYS),
    Row(
        "wang2018", "4: two-step", "weight of model-based errors in the networks'", "model-based",
        REMEMBERED, "1.00", ".6 or more in every network, model-free within .2 of 0",
        partial(error_weight, agents="two-step", system="model_based"),
        lambda ours, control: bool(ours.min() >= 0.6 and np.abs(control).max() <= 0.2),
        "their model-free weight",
        partial(error_weight, agents="two-step", system="model_free"), "two-step",
        "wang2018_fig5_prediction_errors",
    ),
    *(_harlow(trial) for trial in HARLOW),
    Row(
        "wang2018", "6: dopamine", "shift of P(risky), errors of risky wins blocked", "less risk",
        REMEMBERED, "-.44 (exact belief)", "-.2 or less in every network, control within .03",
        partial(shift, agents="risky-choice-variable", dopamine="block risky reward"),
        lambda ours, control: bool(ours.max() <= -0.2 and np.abs(control).max() <= 0.03),
        "untrained networks", partial(shift, agents="untrained", dopamine="block risky reward"),
        "risky-choice-variable", "wang2018_fig7_dopamine",
    ),
    Row(
        "wang2018", "6: dopamine", "shift of P(risky), errors of safe rewards blocked", "more risk",
        REMEMBERED, "0 if the safe pay is known",
        ".05 or more in the mean, control within .05 of 0",
        partial(shift, agents="risky-choice-variable", dopamine="block safe reward"),
        lambda ours, control: bool(ours.mean() >= 0.05 and abs(control.mean()) <= 0.05),
        "trained with a fixed safe pay",
        partial(shift, agents="risky-choice", dopamine="block safe reward"),
        "risky-choice-variable", "wang2018_fig7_dopamine",
    ),
    Row(
        "wang2018", "6: dopamine", "shift of P(risky), errors of risky losses raised", "more risk",
        REMEMBERED, "0 if both pays are known", ".03 or more in the mean, control within .03 of 0",
        partial(shift, agents="risky-choice-variable", dopamine="stimulate risky loss"),
        lambda ours, control: bool(ours.mean() >= 0.03 and abs(control.mean()) <= 0.03),
        "untrained networks", partial(shift, agents="untrained", dopamine="stimulate risky loss"),
        "risky-choice-variable", "wang2018_fig7_dopamine",
    ),
)  # fmt: skip
