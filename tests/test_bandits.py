"""Bandit tasks, exact optima, players and measures against computed truths."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.agents.optimal import bayes_value, finite_gittins, gittins_index, gittins_table
from neuro_metarl.agents.players import PLAYERS, make_player
from neuro_metarl.behavior.bandits import first_arms, regret, suboptimal_pulls, win_stay
from neuro_metarl.behavior.learning_rates import fit_learning_rates
from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record
from neuro_metarl.tasks import Task, list_tasks, make_task
from tests.test_tasks import generators, play

# foraging, whose arms react, is in test_foraging
BANDITS = [
    name
    for name in list_tasks()
    if name.startswith("bandit") and not name.startswith("bandit-foraging")
]
DEPENDENT = {"uniform": 1.2214, "easy": 0.6250, "medium": 1.0000, "hard": 2.3121}


@pytest.mark.parametrize("name", BANDITS)
def test_every_bandit_completes_random_episodes(name: str) -> None:
    task = make_task(name)
    assert isinstance(task, Task)
    assert task.name == name
    rollout, trials = play(task, 60)  # type: ignore[arg-type]
    assert trials["valid"].eq(1).all()
    assert len(trials["choice"].unique()) == task.n_actions
    assert rollout.rewards.eq(trials["reward"]).all()
    observed = rollout.x[1:, :, : task.n_actions]
    assert observed.sum(2).eq(1).all()


@pytest.mark.parametrize("name", BANDITS)
def test_arms_pay_what_is_expected_of_them(name: str) -> None:
    table = make_task(name).draw(400, generators(2)).variables
    expected, reward = table["expected_reward"], table["reward_if"]
    variance = (expected * (1 - expected)).clamp(min=0).sum().sqrt()
    assert abs(float((reward - expected).sum())) <= 4 * float(variance) + 1e-3
    if name.startswith("bandit-dependent") or name == "bandit-restless":
        assert (expected.sum(2) - 1).abs().max() < 1e-6
    if name == "bandit-independent":
        correlation = np.corrcoef(expected[0, 0].numpy())[0, 1]
        assert abs(correlation) < 4 / 400**0.5


@pytest.mark.parametrize(("kind", "high"), [("easy", 0.9), ("medium", 0.75), ("hard", 0.6)])
def test_structured_arms(kind: str, high: float) -> None:
    expected = make_task(f"bandit-dependent-{kind}").draw(100, generators(1)).variables
    levels = expected["expected_reward"].mul(1000).round().unique().div(1000).tolist()
    assert levels == pytest.approx([1 - high, high])


def test_eleven_arms_pay_as_the_paper_says() -> None:
    table = make_task("bandit-eleven").draw(500, generators(1)).variables["expected_reward"][0, 0]
    target = table[:10].argmax(0)
    assert table[:10].max(0).values.eq(5).all()
    assert table[:10].sum(0).eq(14).all()
    assert (table[10] - (target + 1) / 10).abs().max() < 1e-6
    assert len(target.unique()) == 10


def test_restless_arms_walk_at_two_speeds() -> None:
    task = make_task("bandit-restless", sd_low="0.01", sd_high="0.1")
    table = task.draw(400, generators(1)).variables
    p, volatile = table["expected_reward"][:, 0, 0], table["problem"][0, 0] == 1
    assert float(p.min()) >= 0
    assert float(p.max()) <= 1
    speed = p.diff(dim=0).pow(2).mean(0).sqrt()
    assert float(speed[~volatile].mean()) == pytest.approx(0.01, rel=0.1)
    assert 0.08 < float(speed[volatile].mean()) < 0.1
    assert 0.4 < float(volatile.float().mean()) < 0.6


@pytest.mark.parametrize(
    ("discount", "index"),
    [(0.5, 0.5590), (0.7, 0.6046), (0.9, 0.7029), (0.95, 0.7614), (0.99, 0.8699)],
)
def test_gittins_indices_are_the_published_ones(discount: float, index: float) -> None:
    assert gittins_index(discount=discount) == pytest.approx(index, abs=1e-4)


def test_the_table_of_gittins_indices() -> None:
    table = gittins_table(0.9, 10)
    assert table[0, 0] == pytest.approx(0.7029, abs=1e-4)
    assert table[0, 1] == pytest.approx(0.5001, abs=1e-4)
    assert table[1, 0] == pytest.approx(0.8001, abs=1e-4)
    assert table[1, 1] == pytest.approx(0.6346, abs=1e-4)
    assert table[3, 4] == pytest.approx(gittins_index(4, 5, discount=0.9), abs=2e-4)


def test_finite_horizon_indices() -> None:
    tables = finite_gittins(100)
    known = {1: 0.5, 2: 0.5556, 5: 0.6357, 10: 0.6981, 50: 0.8262, 100: 0.8685}
    for left, index in known.items():
        assert tables[left][0, 0] == pytest.approx(index, abs=1e-4)


@pytest.mark.parametrize(
    ("n_trials", "value"),
    [(5, 2.8889), (10, 6.0218), (20, 12.4313), (50, 31.9967), (100, 64.9184)],
)
def test_the_exact_bayes_optimum(n_trials: int, value: float) -> None:
    assert bayes_value(n_trials) == pytest.approx(value, abs=1e-4)


def total(
    player: str, task: str, n: int = 4000, seed: int = 0, **parameters: object
) -> tuple[float, float]:
    """Mean regret of a player and its standard error."""
    cohort = record(make_player(player, **parameters), task, n, seed=seed)
    result = regret(cohort).total_regret.squeeze("subject")
    expected = cohort.expected_reward
    best = expected.max("option") - expected.isel(option=cohort.choice.astype(int))
    return float(result.sel(statistic="value")), float(best.sum("trial").std() / n**0.5)


@pytest.mark.parametrize(
    ("player", "parameters", "truth"),
    [
        ("bayes", {}, 1.7482),
        ("gittins", {}, 1.7543),
        ("gittins", {"discount": 0.9}, 1.979),
        ("thompson", {}, 2.791),
        ("ucb", {"c": 2}, 5.581),
        ("ucb", {"c": "0.5"}, 2.970),
        ("random", {}, 16.667),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_regret_on_independent_arms(
    player: str, parameters: dict[str, object], truth: float, seed: int
) -> None:
    """Within 3.5 standard errors of the exact value."""
    mean, error = total(player, "bandit-independent", seed=seed, **parameters)
    assert mean == pytest.approx(truth, abs=3.5 * error)


@pytest.mark.parametrize(("kind", "truth"), DEPENDENT.items())
def test_the_majority_is_optimal_on_dependent_arms(kind: str, truth: float) -> None:
    mean, error = total("bayes", f"bandit-dependent-{kind}")
    assert mean == pytest.approx(truth, abs=3.5 * error)


@pytest.mark.parametrize(
    ("kind", "naive", "knowing"),
    [("easy", 2.13, 0.73), ("medium", 3.00, 1.31), ("hard", 4.06, 3.14), ("uniform", 2.80, 2.10)],
)
def test_thompson_with_and_without_knowledge_of_the_structure(
    kind: str, naive: float, knowing: float
) -> None:
    """Known to about .03; plus 3.5 standard errors."""
    for structured, truth in ((False, naive), (True, knowing)):
        mean, error = total("thompson", f"bandit-dependent-{kind}", structured=structured)
        assert mean == pytest.approx(truth, abs=0.03 + 3.5 * error)


def test_eleven_arms_optimum_and_searches() -> None:
    best = first_arms(record(make_player("bayes"), "bandit-eleven", 4000))
    assert float(best.informed.item()) == 1
    assert best.target.values[0, 1:].tolist() == [1, 1, 1, 1]
    assert float(best.total_reward.item()) == pytest.approx(20.55, abs=4 * 0.287 / 4000**0.5)
    search = first_arms(record(make_player("thompson"), "bandit-eleven", 4000))
    assert float(search.informed.item()) == 0
    assert float(search.total_reward.item()) == pytest.approx(11.0, abs=0.4)


def test_restless_filter_beats_the_players_that_do_not_know_the_walk() -> None:
    means = {
        p: total(p, "bandit-restless", 2000)
        for p in ("bayes", "thompson", "ucb", "rescorla-wagner")
    }
    best, error = means.pop("bayes")
    assert all(best + 5 * error < mean for mean, _ in means.values())


@pytest.mark.parametrize("name", ["bandit-independent", "bandit-restless", "bandit-eleven"])
@pytest.mark.parametrize("player", PLAYERS)
def test_every_player_plays_or_says_why_not(player: str, name: str) -> None:
    if (player, name) == ("gittins", "bandit-eleven"):
        with pytest.raises(InputError, match="plays Bernoulli arms"):
            record(make_player(player), name, 3)
        return
    if player in ("foraging-optimum", "foraging-bayes", "hazard-filter"):
        with pytest.raises(InputError, match=r"forages between baited|plays 'bandit-volatility'"):
            record(make_player(player), name, 3)
        return
    a, b = (record(make_player(player), name, 30, seed=4) for _ in "ab")
    xr.testing.assert_identical(a, b)
    assert a.subject.values.tolist() == [player] * 30


def test_regret_counts_expected_not_paid_reward() -> None:
    cohort = record(make_player("oracle"), "bandit-dependent-hard", 50)
    assert float(cohort.reward.mean()) < 0.7
    assert np.abs(regret(cohort).regret).max() == 0
    wrong = suboptimal_pulls(cohort).suboptimal
    assert (wrong.sel(statistic=["value", "low"]) == 0).all()
    assert (wrong.sel(statistic="high") > 0).all()


def test_regret_and_pulls_by_hand() -> None:
    cohort = make_cohort(
        {
            "choice": [[0, 1, 1], [1, 1, 0]],
            "reward": [[1, 0, 0], [1, 1, 1]],
            "correct": [[0, 1, 1], [0, 0, 1]],
            "expected_reward": [[[0.2, 0.6]] * 3, [[0.9, 0.4]] * 3],
        },
        subject=["a", "a"], task="bandit-independent", source="animal",
        coords={"option": ("option", [0, 1])},
    )  # fmt: skip
    result = regret(cohort)
    assert result.regret.sel(statistic="value").values[0] == pytest.approx([0.45, 0.7, 0.7])
    pulls = suboptimal_pulls(cohort).suboptimal.sel(statistic="value").values[0]
    assert pulls.tolist() == [1, 0.5, 0]
    staying = win_stay(cohort)
    assert float(staying.win_stay.sel(statistic="value").item()) == pytest.approx(1 / 3)
    assert float(staying.lose_shift.sel(statistic="value").item()) == 0


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_learning_rates_of_a_fixed_learner_do_not_depend_on_volatility(rate: float) -> None:
    """Mean over blocks within 3.5 standard errors of the truth, in both; ab is not preferred."""
    player = make_player("rescorla-wagner", learning_rate=rate, inverse_temperature=4.0)
    fits = fit_learning_rates(record(player, "bandit-restless", 160, seed=2))
    ab = fits[fits.model == "ab"].groupby("volatility").learning_rate
    for volatility in ("low", "high"):
        mean, error = ab.mean()[volatility], ab.sem()[volatility]
        assert mean == pytest.approx(rate, abs=3.5 * error + 0.01), volatility
    bic = fits.groupby("model").bic.sum()
    assert (bic["b"] < bic["ab"]) == (rate == 0.5)


def test_the_likelihood_is_a_plain_loops() -> None:
    from neuro_metarl.behavior.learning_rates import _log_likelihood

    rng = np.random.default_rng(0)
    choice, reward = rng.integers(2, size=(3, 20)), rng.integers(2, size=(3, 20))
    total = 0.0
    for c, r in zip(choice, reward, strict=True):
        value = [0.5, 0.5]
        for k, won in zip(c, r, strict=True):
            p = 1 / (1 + np.exp(-3.0 * (value[k] - value[1 - k])))
            total += np.log(0.9 * p + 0.05)
            value[k] += 0.3 * (won - value[k])
    found = _log_likelihood(choice, reward, np.array([0.3]), np.log([3.0]), np.array([0.1]))
    assert float(found.item()) == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_player("thomson"), "no player 'thomson'; did you mean 'thompson'"),
        (lambda: make_player("ucb", k=1), "ucb has no parameter 'k'"),
        (lambda: make_player("ucb", c="wide"), "c is 'wide', expected a number"),
        (lambda: make_task("bandit-independent", arms="equal"), "arms is 'equal'"),
        (lambda: make_task("bandit-restless", sd_low=0.5), "expected 0 <= low <= high"),
        (lambda: make_task("bandit-eleven", target_reward=0.5), "expected more than other"),
        (lambda: record(make_player("ucb"), "two-step", 2), "'ucb' plays bandits; 'two-step' is"),
        (lambda: record(make_player("ucb")), "a player has no task of its own"),
        (lambda: gittins_index(discount=1.0), "discount is 1.0"),
    ],
)
def test_refusals(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        call()


def test_measures_refuse_what_they_cannot_measure() -> None:
    two_step = record("two-step/0", n_sessions=2, activity=False)
    with pytest.raises(InputError, match="'expected_reward', which the cohort lacks"):
        regret(two_step)
    with pytest.raises(InputError, match="needs the eleven-armed task"):
        first_arms(two_step)
    with pytest.raises(InputError, match="needs 'problem'"):
        fit_learning_rates(two_step)
