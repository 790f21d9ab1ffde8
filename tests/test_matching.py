"""Foraging: the optimum by two roads, players at their known rewards, and the measures' truths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize

import neuro_metarl as nm
from neuro_metarl.agents.foragers import foraging_plan, foraging_value
from neuro_metarl.agents.zoo import untrained
from neuro_metarl.behavior.history import history_regression
from neuro_metarl.behavior.matching_law import HELD_OUT, matching, matching_points
from neuro_metarl.errors import InputError
from neuro_metarl.models.foraging_beliefs import foraging_belief
from neuro_metarl.neural.coding import coding_strength
from neuro_metarl.paradigms.registry import paradigm_of

TASK = "bandit-foraging"
# p of arm 0: optimum per trial for ever, of 100 trials, stays on the better arm before it samples
OPTIMA = {
    0.25: (0.4375, 0.4356, 1), 0.3: (0.4350, 0.4336, 1), 0.35: (0.4389, 0.4380, 3),
    0.4: (0.4517, 0.4511, 6), 0.45: (0.4723, 0.4721, 15),
}  # fmt: skip


def cycle(p: float, n: int) -> float:
    """Reward per trial of n trials on the better arm and one on the other, in closed form."""
    good = 1 - (1 - p) ** 2 + (n - 1) * p
    return (good + 1 - (1 - (0.5 - p)) ** (n + 1)) / (n + 1)


def periodic(p: float, longest: int) -> float:
    """Find the best reward per trial of every periodic sequence, by trying all."""
    best = 0.0
    for length in range(1, longest + 1):
        for sequence in product((0, 1), repeat=length):
            last = {a: k - length for k, a in enumerate(sequence)}
            paid = 0.0
            for k, a in enumerate(sequence):
                paid += 1 - (1 - (p, 0.5 - p)[a]) ** (k - last[a])
                last[a] = k
            best = max(best, paid / length)
    return best


@pytest.mark.parametrize("p", OPTIMA)
def test_the_optimum_is_a_cycle(p: float) -> None:
    for_ever, finite, stays = OPTIMA[p]
    assert max(cycle(p, n) for n in range(1, 40)) == pytest.approx(for_ever, abs=5e-5)
    assert np.argmax([cycle(p, n) for n in range(1, 40)]) + 1 == stays
    value, switch = foraging_plan(np.array([p]), 100)
    assert value[0] / 100 == pytest.approx(finite, abs=5e-5)
    assert int(switch[20, 0, 0].argmax()) == stays
    long = foraging_value(np.array([p]), 3000)[0]
    assert long == pytest.approx(for_ever, abs=3e-4)


def test_no_periodic_sequence_beats_the_cycle() -> None:
    for p in (0.3, 0.35, 0.4):
        assert periodic(p, 9) == pytest.approx(max(cycle(p, n) for n in range(1, 9)), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "reward", "slope"),
    [
        ("foraging-optimum", {}, 0.452, 1.06),
        ("foraging-bayes", {}, 0.4435, 0.84),
        ("foraging-bayes", {"plans": False}, 0.443, 0.79),
        ("matching", {}, 0.430, 0.92),
        ("alternation", {}, 0.4156, 0.0),
        ("random", {}, 0.375, 0.0),
        ("oracle", {}, 0.375, 1.27),
    ],
)
def test_players_stand_at_their_known_reward_and_slope(
    name: str, options: dict[str, bool], reward: float, slope: float
) -> None:
    law = matching(nm.record(nm.make_player(name, **options), TASK, 1500, seed=11))
    value = law.sel(statistic="value").isel(subject=0)
    assert float(value.reward_rate) == pytest.approx(reward, abs=0.005)
    assert float(value.slope) == pytest.approx(slope, abs=0.04)
    if name in ("alternation", "oracle"):
        assert float(value.switch_rate) == float(name == "alternation")


def test_the_optimum_earns_what_it_is_worth() -> None:
    cohort = nm.record(nm.make_player("foraging-optimum"), TASK, 2000, seed=3)
    p = cohort.p_reward.values[:, 0, 0].astype(float)
    paid = cohort.reward.values.sum(axis=1)
    away = paid - 100 * foraging_value(p, 100)
    assert abs(away.mean()) < 4 * away.std() / np.sqrt(len(away))


@pytest.mark.parametrize("seed", range(2))
def test_the_belief_is_bayes_by_counting(seed: int) -> None:
    """Against the likelihood of whole histories, and against the player's own belief."""
    cohort = nm.record(nm.make_player("random"), nm.make_task(TASK, n_trials=12), 40, seed=seed)
    belief = foraging_belief(cohort)
    p = np.linspace(0, 0.5, 4001)
    choice, reward = cohort.choice.values, cohort.reward.values
    for session in range(5):
        weight, last = np.ones(len(p)), {0: -1, 1: -1}
        for t in range(12):
            mean = (weight * p).sum() / weight.sum()
            assert float(belief["posterior_mean"][session, t]) == pytest.approx(mean, abs=2e-4)
            arm = int(choice[session, t])
            pays = 1 - (1 - (p if arm == 0 else 0.5 - p)) ** (t - last[arm])
            weight = weight * (pays if reward[session, t] else 1 - pays)
            last[arm] = t
    myopic = nm.make_player("foraging-bayes", plans=False)
    played = nm.record(myopic, nm.make_task(TASK, n_trials=12), 40, seed=seed)
    lead = foraging_belief(played, n_grid=100).lead.values
    clear = np.abs(lead) > 1e-9
    assert (played.choice.values == (lead > 0))[clear].all()


def test_beliefs_are_calibrated() -> None:
    cohort = nm.record(nm.make_player("random"), TASK, 1500, seed=5)
    belief = foraging_belief(cohort)
    truth = cohort.p_reward.isel(option=0)
    z = (
        ((truth - belief["posterior_mean"]) / belief["posterior_sd"])
        .isel(trial=[20, 50, 99])
        .values
    )
    assert np.abs(z.mean(0)).max() < 4 / np.sqrt(1500)
    assert np.abs((z**2).mean(0) - 1).max() < 0.15


def test_points_and_line_against_a_plain_count() -> None:
    cohort = nm.record(nm.make_player("matching"), "bandit-foraging-training", 40, seed=2)
    points = matching_points(cohort, constant=0.5)
    x, y = [], []
    for session in range(40):
        there = cohort.valid.values[session] == 1
        c, r = cohort.choice.values[session][there], cohort.reward.values[session][there]
        y.append(np.log2(((c == 1).sum() + 0.5) / ((c == 0).sum() + 0.5)))
        x.append(np.log2((r[c == 1].sum() + 0.5) / (r[c == 0].sum() + 0.5)))
    assert points.choice_ratio.values == pytest.approx(y)
    assert points.reward_ratio.values == pytest.approx(x)
    law = matching(cohort, constant=0.5)
    slope = np.polyfit(x, y, 1)[0]
    assert float(law.slope.sel(statistic="value").item()) == pytest.approx(slope)
    assert float(law.r2.sel(statistic="value").item()) == pytest.approx(
        np.corrcoef(x, y)[0, 1] ** 2
    )
    assert np.isnan(law.held_out_slope.sel(statistic="value").item())
    assert law.n_held_out.item() == 0


def test_held_out_sessions_are_marked_by_what_arm_0_is_baited_with() -> None:
    cohort = nm.record(nm.make_player("random"), TASK, 100, seed=2)
    p = cohort.p_reward.values[:, 0, 0]
    inside = np.any([(p > low) & (p < high) for low, high in HELD_OUT], axis=0)
    assert (matching_points(cohort).held_out.values == inside).all()
    law = matching(cohort)
    assert law.n_held_out.item() == inside.sum() > 10


def test_the_interval_of_the_slope_covers() -> None:
    """Over 60 recordings of 40 sessions, about 95 % hold the slope of very many sessions."""
    truth = matching(nm.record(nm.make_player("matching"), TASK, 6000, seed=1))
    truth_slope = truth.slope.sel(statistic="value").item()
    cohort = nm.record(nm.make_player("matching"), TASK, 60 * 40, seed=9)
    names = np.repeat([f"p{k}" for k in range(60)], 40)
    cohort = cohort.assign_coords(subject=("session", names))
    law = matching(cohort).slope
    low, high = (law.sel(statistic=s).values for s in ("low", "high"))
    assert 0.85 <= ((low <= truth_slope) & (truth_slope <= high)).mean() <= 1


@pytest.mark.parametrize("seed", range(2))
def test_history_weights_are_the_penalised_maximum(seed: int) -> None:
    cohort = nm.record(
        nm.make_player("rescorla-wagner", inverse_temperature=3.0), TASK, 20, seed=seed
    )
    found = history_regression(cohort, n_lags=3, ridge=2.0)
    side, paid, rows, made = 2.0 * cohort.choice.values - 1, None, [], []
    paid = side * cohort.reward.values
    for session in range(20):
        for t in range(34, 100):
            back = [t - 1, t - 2, t - 3]
            rows.append([1.0, *paid[session, back], *side[session, back]])
            made.append(cohort.choice.values[session, t])
    x, y = np.array(rows), np.array(made)

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, x @ w).sum() - y @ (x @ w) + (w[1:] ** 2).sum())

    best = minimize(loss, np.zeros(7), tol=1e-10).x[1:]
    assert found.history_weight.sel(statistic="value").values.ravel() == pytest.approx(
        best, abs=1e-3
    )
    assert found.n.item() == len(y)


def test_history_weights_of_a_planted_chooser_come_back() -> None:
    """A chooser with known weights of two rewards and two choices, fitted with four lags."""
    rng, truth = np.random.default_rng(4), {"paid": (1.0, 0.5), "side": (-1.5, 0.4)}
    n, length = 200, 120
    side, paid = np.zeros((2, n, length))
    won = (rng.random((n, length)) < 0.4).astype(float)
    for t in range(length):
        logit = sum(
            w * past[:, t - k]
            for past, weights in ((paid, truth["paid"]), (side, truth["side"]))
            for k, w in enumerate(weights, 1)
            if t >= k
        )
        side[:, t] = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), 1, -1)
        paid[:, t] = side[:, t] * won[:, t]
    cohort = nm.make_cohort({"choice": (side > 0).astype(int), "reward": won}, subject=["a"] * n,
                            task="foraging", source="model")  # fmt: skip
    found = history_regression(cohort, n_lags=4).history_weight.isel(subject=0)
    wanted = np.array([[1.0, 0.5, 0, 0], [-1.5, 0.4, 0, 0]])
    value, low, high = (found.sel(statistic=s).values for s in ("value", "low", "high"))
    assert np.abs(value - wanted).max() < 0.12
    assert ((low < wanted) & (wanted < high)).sum() >= 6


def test_separation_has_finite_weights() -> None:
    cohort = nm.record(nm.make_player("alternation"), TASK, 20)
    found = history_regression(cohort).history_weight
    assert np.isfinite(found.values).all()
    # all lags say the same, so they share the weight, with turning signs
    weight = found.sel(term="choice", statistic="value").values.ravel()
    assert weight == pytest.approx(-0.459 * (-1.0) ** np.arange(15), abs=0.02)


def test_coding_strength_of_planted_units() -> None:
    """A unit that is the last reward, one that is noise, one that follows the place alone."""
    cohort = nm.record(nm.make_player("random"), TASK, 40, seed=1)
    rng = np.random.default_rng(0)
    last = np.concatenate([np.zeros((40, 1)), cohort.reward.values[:, :-1]], axis=1)
    units = np.stack([last, rng.normal(size=last.shape), np.tile(np.arange(100.0), (40, 1))], -1)
    seen = cohort.assign(
        activity=(("session", "trial", "event", "unit"), units[:, :, None].astype("float32"))
    ).assign_coords(event=["choice"])
    place = xr.DataArray(np.tile(np.arange(100.0), (40, 1)), dims=("session", "trial"))
    found = coding_strength(seen, ["previous_reward", place.rename("place")])
    strength, null = (found[v].sel(lag=0).isel(subject=0).values for v in ("strength", "null"))
    assert strength[0] == pytest.approx(1 / 3, abs=0.03)
    assert null[0] < 0.03
    # what all sessions have in common stays in the null
    assert strength[1] == pytest.approx(null[1], abs=0.02)
    assert found.n.values.ravel().tolist() == [40 * 99, 40 * 100]


def test_refusals() -> None:
    cohort = nm.record(nm.make_player("random"), TASK, 12)
    few = cohort.isel(session=slice(5))
    with pytest.raises(InputError, match="has 5 sessions, expected at least 10"):
        matching(few)
    with pytest.raises(InputError, match="no 'p_reward'"):
        matching(cohort.drop_vars("p_reward"))
    assert matching(cohort.drop_vars("p_reward"), held_out=()).n.item() == 12
    bad = cohort.copy(deep=True)
    bad["p_reward"] = bad.p_reward + 0.2
    with pytest.raises(InputError, match=r"p_reward of the two arms is \[.*add up to 0.5"):
        matching(bad)
    with pytest.raises(InputError, match="constant is 0"):
        matching(cohort, constant=0)
    short = cohort.isel(trial=slice(14))
    with pytest.raises(InputError, match="14 valid trials, too few for 15 lags"):
        history_regression(short)
    with pytest.raises(InputError, match="has none; play 'bandit-foraging'"):
        nm.record(nm.make_player("foraging-bayes"), "bandit-independent", 2)
    with pytest.raises(InputError, match="takes a cohort with activity"):
        coding_strength(cohort)


def test_compare_measures_foraging_by_itself() -> None:
    cohort = nm.record(nm.make_player("foraging-bayes"), TASK, 30, seed=1)
    assert paradigm_of(cohort).name == "foraging"
    result = nm.compare({"Bayes": cohort})
    assert {"slope", "reward_rate", "switch_rate", "history_weight"} <= set(result.data_vars)
    assert "slope" in nm.to_table(result).measure.values
    nm.plot.comparison(result)


@pytest.fixture(scope="module")
def agents() -> xr.Dataset:
    return nm.record(TASK, TASK, 500, seed=2018)


def values(law: xr.Dataset, name: str) -> np.ndarray:
    return law[name].sel(statistic="value").values


@pytest.mark.slow
def test_agents_match_earn_and_switch(agents: xr.Dataset) -> None:
    """Each of 8 networks; undermatching is what the Bayes player shows too."""
    law = matching(agents)
    assert law.sizes["subject"] == 8
    assert values(law, "reward_rate").min() >= 0.432
    assert (values(law, "slope") >= 0.60).all()
    assert (values(law, "slope") <= 0.90).all()
    assert np.abs(values(law, "held_out_slope") - values(law, "trained_slope")).max() < 0.2
    assert (values(law, "switch_rate") > 0.45).all()
    assert (values(law, "switch_rate") < 0.65).all()
    held = matching_points(agents)
    held = held.isel(session=held.held_out.values == 1)
    rewards = (held.rewards / held.trials).groupby(held.subject).mean().values
    assert rewards.min() >= 0.42


@pytest.mark.slow
def test_agents_weigh_rewards_and_choices(agents: xr.Dataset) -> None:
    weight = history_regression(agents).history_weight.sel(statistic="value")
    assert (weight.sel(term="choice", lag=1) < -2).all()
    assert (weight.sel(term="reward").sel(lag=slice(1, 10)) > 0).all()


@pytest.mark.slow
def test_controls_show_what_matching_does_not() -> None:
    """Blind networks alternate; those trained without baits match, and earn what a coin earns."""
    blind = matching(nm.record("bandit-foraging-blind", TASK, 300, seed=1))
    assert np.abs(values(blind, "slope")).max() < 0.05
    assert values(blind, "switch_rate").min() > 0.95
    unbaited = matching(nm.record("bandit-foraging-unbaited", TASK, 300, seed=1))
    assert values(unbaited, "slope").min() > 0.9
    assert values(unbaited, "reward_rate").max() < 0.385
    fresh = matching(nm.record(untrained(nm.load_agents(TASK)), TASK, 300, seed=1))
    assert np.abs(values(fresh, "slope")).max() < 0.1


@pytest.mark.slow
def test_units_code_rewarded_choices_of_two_trials_back(agents: xr.Dataset) -> None:
    """More than fresh networks in every one, and the exact posterior can be decoded."""

    def measured(cohort: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        paid = ((2.0 * cohort.choice - 1) * cohort.reward).rename("paid")
        code = coding_strength(cohort, [paid.rename("paid"), "previous_paid"], lags=(1,))
        belief = foraging_belief(cohort)["posterior_mean"].rename("p")
        score = nm.decode(cohort, belief, n_permutations=0, n_bootstrap=20).score
        return (
            code.strength.sel(regressor="previous_paid").values.ravel(),
            score.sel(statistic="value").values.ravel(),
        )

    trained = measured(agents.groupby("subject").map(lambda one: one.isel(session=slice(100))))
    fresh = untrained(nm.load_agents(TASK), n_agents=8)
    bare = measured(nm.record(fresh, TASK, 100, seed=1))
    assert trained[0].min() > bare[0].max()
    assert trained[1].min() > 0.9 > bare[1].max()
