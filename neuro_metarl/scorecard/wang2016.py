"""Rows of Wang et al. 2016, "Learning to reinforcement learn" (arXiv:1611.05763)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.behavior.bandits import first_arms, regret
from neuro_metarl.behavior.learning_rates import fit_learning_rates
from neuro_metarl.behavior.learning_sets import learning_curve
from neuro_metarl.behavior.navigation import goal_latency
from neuro_metarl.behavior.two_step import stay_probability
from neuro_metarl.scorecard.row import DIGITIZED, DIRECTION, READ, Row
from neuro_metarl.scorecard.stage import Stage

__all__ = ["ROWS_2016"]

# exact expected regret of optimal play in 100 trials
DEPENDENT = {"uniform": 1.221, "easy": 0.625, "medium": 1.000, "hard": 2.312}


def value_of(found: xr.DataArray) -> np.ndarray:
    """Take the values of a result, without their intervals."""
    return np.asarray(found.sel(statistic="value").values)


def missed(stage: Stage, agents: str) -> np.ndarray:
    """Measure the regret of networks on the task they were trained on."""
    return value_of(regret(stage.plays(agents, n_sessions=1000)).total_regret)


def missed_by(stage: Stage, player: str, task: str, **options: Any) -> np.ndarray:
    """Measure the regret of a player."""
    return value_of(regret(stage.player(player, task, **options)).total_regret)


def below(ours: np.ndarray, control: np.ndarray) -> bool:
    """Say whether the networks miss less than the control on average."""
    return bool(ours.mean() < control.mean())


def earned_of_eleven(stage: Stage) -> np.ndarray:
    """Measure what five trials among eleven arms pay."""
    return np.asarray(first_arms(stage.plays("bandit-eleven")).total_reward.values)


def thompson_of_eleven(stage: Stage) -> np.ndarray:
    """Measure what Thompson sampling earns among eleven arms."""
    cohort = stage.player("thompson", "bandit-eleven")
    return np.array([float(cohort.reward.sum("trial").mean())])


def faster(cohort: xr.Dataset) -> np.ndarray:
    """Measure by how much the learning rate is higher in volatile episodes."""
    fits = fit_learning_rates(cohort)
    fits = fits[fits.model == "ab"]
    rates = fits.groupby(["subject", "volatility"]).learning_rate.mean().unstack()
    return np.asarray((rates.high - rates.low).to_numpy())


def model_based(stage: Stage, agents: str) -> np.ndarray:
    """Measure the interaction of reward and transition in the second trial's choice."""
    stay = stay_probability(stage.plays(agents, "two-step-2016"), trial=1).stay_probability
    by_kind = stay.sel(statistic="value").values
    common_rewarded, rare_rewarded, common_omitted, rare_omitted = by_kind.T
    return np.asarray((common_rewarded + rare_omitted - rare_rewarded - common_omitted) / 2)


def after_the_first(stage: Stage, agents: str) -> np.ndarray:
    """Measure how often trials from the second on are right, with pictures never seen."""
    cohort = stage.plays(agents, n_sessions=160)
    n_trials = min(6, cohort.sizes["trial"])
    curve = learning_curve(cohort, n_trials=n_trials).p_correct
    return np.asarray(
        curve.sel(statistic="value").isel(block=0, trial=slice(1, None)).mean("trial")
    )


def later_over_first(stage: Stage, agents: str) -> np.ndarray:
    """Measure later searches of the same goal over the first."""
    return value_of(goal_latency(stage.plays(agents, n_sessions=200)).ratio)


def _dependent(kind: str) -> Row:
    task = f"bandit-dependent-{kind}"
    return Row(
        "wang2016", f"2: dependent arms, {kind}", "regret in 100 trials",
        "below Gittins, Thompson and UCB, which take arms for independent", DIRECTION,
        f"{DEPENDENT[kind]:.3f} (exact)", "below the Gittins player",
        partial(missed, agents=task), below, "Gittins player",
        partial(missed_by, player="gittins", task=task), task, "wang2016_fig2_bandits",
        (0.0, np.inf),
    )  # fmt: skip


ROWS_2016 = (
    Row(
        "wang2016", "1: independent arms", "regret in 100 trials",
        "between Gittins and Thompson", DIRECTION, "1.748 (exact)", "below the Thompson player",
        partial(missed, agents="bandit-independent"), below, "Thompson player",
        partial(missed_by, player="thompson", task="bandit-independent"), "bandit-independent",
        "wang2016_fig2_bandits", (0.0, np.inf),
    ),
    *(_dependent(kind) for kind in DEPENDENT),
    Row(
        "wang2016", "3: eleven arms", "reward in 5 trials",
        "the informative arm once, then the target", READ, "20.55 (exact)",
        "20 or more in the mean", earned_of_eleven,
        lambda ours, control: bool(ours.mean() >= 20 > control.mean()), "Thompson player",
        thompson_of_eleven, "bandit-eleven", "wang2016_fig3_eleven_arms", (0.0, np.inf),
    ),
    Row(
        "wang2016", "4: restless arms", "regret in 100 trials",
        "below Thompson, UCB and Rescorla-Wagner", DIRECTION, "6.5 (exact filter, simulated)",
        "below the UCB player", partial(missed, agents="bandit-restless"), below,
        "UCB player, c = 1", partial(missed_by, player="ucb", task="bandit-restless", c=1.0),
        "bandit-restless", "wang2016_fig4_restless", (0.0, np.inf),
    ),
    Row(
        "wang2016", "4: restless arms", "learning rate, volatile minus stable episodes",
        "higher where volatile", DIRECTION, "", "above 0 in the mean, and three times the control",
        lambda stage: faster(stage.plays("bandit-restless", n_sessions=160)),
        lambda ours, control: bool(ours.mean() > max(3 * abs(control.mean()), 0.0)),
        "Rescorla-Wagner player",
        lambda stage: faster(
            stage.player("rescorla-wagner", "bandit-restless", 800, inverse_temperature=5.0)
        ),
        "bandit-restless", "wang2016_fig4_restless",
    ),
    Row(
        "wang2016", "5: two-step", "model-based pattern of the second trial's choice",
        ".985, from bars of 1.00, .00, .00, .97", DIGITIZED, "1.00 (exact filter)",
        ".85 or more in the mean", partial(model_based, agents="two-step-2016"),
        lambda ours, control: bool(ours.mean() >= 0.85 > control.mean()), "untrained networks",
        partial(model_based, agents="untrained two-step-2016"), "two-step-2016",
        "wang2016_fig5_two_step",
    ),
    Row(
        "wang2016", "6: learning sets from pixels", "right from the second trial on, new pictures",
        "always, after successful training", READ, "1.00", ".85 or more in the mean",
        partial(after_the_first, agents="harlow-pixels"),
        lambda ours, control: bool(ours.mean() >= 0.85 > control.mean()), "untrained networks",
        partial(after_the_first, agents="untrained harlow-pixels"), "harlow-pixels",
        "wang2016_fig6_harlow", (0.0, 1.0),
    ),
    Row(
        "wang2016", "7: navigation", "later searches over the first",
        ".3, from about 30 and 100 steps", READ, ".37 (exact, of this maze)",
        ".5 or less in the median network", partial(later_over_first, agents="navigation"),
        lambda ours, control: bool(np.nanmedian(ours) <= 0.5 < np.nanmedian(control)),
        "feed-forward networks", partial(later_over_first, agents="navigation-feed-forward"),
        "navigation", "wang2016_fig7_navigation", (0.0, np.inf), rests_on_reward=False,
    ),
)  # fmt: skip
