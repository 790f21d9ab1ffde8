"""What a measure takes for granted is said, switched by name, or refused: known numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.behavior.bandits import first_arms, regret, suboptimal_pulls, win_stay
from neuro_metarl.behavior.learning_sets import (
    learning_curve,
    mean_learning_curve,
    published_curve,
)
from neuro_metarl.behavior.learning_signatures import learning_set_profile
from neuro_metarl.behavior.navigation import goal_latency
from neuro_metarl.behavior.profiles import bandit_profile, profile
from neuro_metarl.behavior.reward_levels import lagged_by_reward, stay_by_reward
from neuro_metarl.behavior.two_step import (
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.cohort import make_cohort
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit as fit_model
from neuro_metarl.recording import record
from neuro_metarl.yoking import record_yoked
from tests.plain_loops import ragged

STATISTICS = ["value", "low", "high"]


def bandit(choice: list, reward: list, task: str = "bandit", **more: list) -> xr.Dataset:  # type: ignore[type-arg]
    """One subject, one session per row."""
    names = ["a"] * len(choice)
    return make_cohort(
        {"choice": choice, "reward": reward, **more}, subject=names, task=task, source="animal"
    )


def number(result: xr.DataArray) -> float:
    return float(result.sel(statistic="value").item())


def test_a_miss_between_two_choices_is_skipped_or_stops_history() -> None:
    """Of five pairs after a reward the two neighbors stay, of the three over a miss one does."""
    cohort = bandit(
        [[0, 0, -1, 1, -1, 1, 1, -1, 0], [0, 1, -1, -1, -1, -1, -1, -1, -1]],
        [[1] * 9, [0] * 9],
    )
    skipping, adjacent = (win_stay(cohort, adjacent=a) for a in (False, True))
    assert number(skipping.win_stay) == pytest.approx(0.6)
    assert number(adjacent.win_stay) == 1.0
    assert [r.n_rewarded.item() for r in (skipping, adjacent)] == [5, 2]
    assert [r.attrs["adjacent"] for r in (skipping, adjacent)] == [0, 1]


def test_history_stops_where_the_problem_changes() -> None:
    cohort = bandit([[0, 0, 1, 1, 0, 0]], [[1, 1, 1, 0, 1, 1]], problem=[[3, 3, 3, 7, 7, 7]])
    stops, runs = (win_stay(cohort, across_problems=a) for a in (False, True))
    assert [stops.n_rewarded.item(), runs.n_rewarded.item()] == [3, 4]
    assert number(stops.win_stay) == pytest.approx(2 / 3)
    assert number(runs.win_stay) == pytest.approx(3 / 4)
    unnumbered = cohort.assign(problem=cohort.problem.where(cohort.trial != 4, -1).astype("int32"))
    with pytest.raises(InputError, match=r"problem: -1 at subject 'a', session 'a/0', trial 4 .*"):
        win_stay(unnumbered)
    number_of_all = number(win_stay(unnumbered, across_problems=True).win_stay)
    assert number_of_all == pytest.approx(3 / 4)


@pytest.mark.parametrize("seed", range(3))
def test_levels_of_reward_are_not_mixed(seed: int) -> None:
    """Planted stays of .9, .5 and .4 after high, medium and none; the border mixes two of them.
    Tolerance: 4 standard errors of 6,000 trials by level."""
    rng = np.random.default_rng(seed)
    truth = {1.0: 0.9, 0.5: 0.5, 0.0: 0.4}
    n = 18_000
    reward = rng.choice(list(truth), size=n)
    choice = np.zeros(n, int)
    for t in range(1, n):
        choice[t] = choice[t - 1] if rng.random() < truth[reward[t - 1]] else 1 - choice[t - 1]
    cohort = bandit([choice.tolist()], [reward.tolist()])
    stay = stay_by_reward(cohort)
    found = stay.stay_probability.sel(statistic="value", subject="a")
    for level, p in truth.items():
        assert float(found.sel(level=level)) == pytest.approx(p, abs=4 * 0.5 / 6000**0.5)
    mixed = number(win_stay(cohort).win_stay)
    high = win_stay(cohort, rewarded=0.5)
    assert mixed == pytest.approx(0.7, abs=0.02)
    assert number(high.win_stay) == pytest.approx(float(found.sel(level=1.0)))
    assert high.attrs["rewarded"] == 0.5
    fit = lagged_by_reward(cohort, n_lags=1)
    weight = fit.lagged_weight.sel(statistic="value", lag=1, subject="a")
    for level, p in truth.items():
        assert float(weight.sel(level=level)) == pytest.approx(np.log(p / (1 - p)), abs=0.15)


def test_rewards_of_points_are_no_levels() -> None:
    points = np.arange(40.0)[None]
    cohort = bandit([[0, 1] * 20], points.tolist())
    for measure in (stay_by_reward, lagged_by_reward):
        with pytest.raises(InputError, match="40 different rewards from 0 to 39, expected at most"):
            measure(cohort)  # type: ignore[operator]


def test_what_counts_as_rewarded_is_compared_in_the_precision_of_rewards() -> None:
    cohort = bandit([[0, 0, 1, 1]], [[0.1, 0.7, 0.1, 0.7]])
    for border in (0.1, np.float64(0.1), np.float32(0.1)):
        found = win_stay(cohort, rewarded=border)  # type: ignore[arg-type]
        assert found.n_rewarded.item() == 1
    with pytest.raises(InputError, match=r"rewards are 0.1, 0.7; above rewarded=0 counts"):
        win_stay(cohort)


@pytest.mark.parametrize("lengths", [(4, 4, 4), (4, 2, 3)])
def test_an_always_wrong_subject_is_always_wrong(lengths: tuple[int, ...]) -> None:
    """Sessions that end and trials that are missed are no optimal choices."""
    made = np.arange(4) < np.array(lengths)[:, None]
    made[0, 1] = False
    choice = np.where(made, 1, -1)
    cohort = bandit(
        choice.tolist(), np.where(made, 0.0, np.nan).tolist(),
        correct=np.where(made, 0, -1).tolist(),
        expected_reward=np.broadcast_to([0.75, 0.25], (3, 4, 2)).tolist(), valid=made.tolist(),
    )  # fmt: skip
    pulls = suboptimal_pulls(cohort)
    assert pulls.suboptimal.sel(statistic="value").values.tolist() == [[1, 1, 1, 1]]
    assert pulls.n.values.tolist() == [made.sum(axis=0).tolist()]
    missed = regret(cohort)
    ends = np.array([0 if not row.any() else row.nonzero()[0].max() for row in made])
    reach = np.arange(4) <= ends[:, None]
    steps = np.where(made, 0.5, 0.0).cumsum(axis=1)
    expected = np.where(reach, steps, np.nan)
    assert missed.regret.sel(statistic="value").values[0] == pytest.approx(
        np.nanmean(expected, axis=0)
    )
    assert missed.n.values.tolist() == [reach.sum(axis=0).tolist()]
    assert number(missed.total_regret) == pytest.approx(0.5 * made.sum(axis=1).mean())


def test_odds_that_are_not_known_are_no_zeros() -> None:
    odds = np.broadcast_to([0.75, 0.25], (2, 3, 2)).copy()
    odds[1, 1:] = np.nan
    cohort = bandit([[1, 1, 1], [1, 1, 1]], [[0, 0, 0]] * 2, expected_reward=odds.tolist())
    result = regret(cohort)
    assert result.regret.sel(statistic="value").values.tolist() == [[0.5, 1.0, 1.5]]
    assert result.n.values.tolist() == [[2, 1, 1]]
    assert number(result.total_regret) == 1.5
    assert result.n_sessions.item() == 1


def test_imposed_pulls_are_not_the_subjects() -> None:
    cohort = bandit(
        [[1, 1, 0]], [[0, 0, 1]], correct=[[0, 0, 1]], forced=[[1, 0, 0]],
        expected_reward=[[[0.75, 0.25]] * 3],
    )  # fmt: skip
    pulls = suboptimal_pulls(cohort)
    np.testing.assert_array_equal(pulls.suboptimal.sel(statistic="value").values[0], [np.nan, 1, 0])
    assert regret(cohort).regret.sel(statistic="value").values[0].tolist() == [
        0, 0.5, 0.5,
    ]  # fmt: skip


def learning_set(n: int, *, stimulus: bool, correct: bool, seed: int = 0) -> xr.Dataset:
    """A subject that repeats a rewarded object, and shifts after none, in .95 of trials."""
    rng = np.random.default_rng(seed)
    side = rng.integers(2, size=(n, 6))
    right = np.zeros((n, 6), int)
    right[:, 0] = rng.integers(2, size=n)
    for t in range(1, 6):
        keeps = rng.random(n) < 0.95
        right[:, t] = np.where(right[:, t - 1] == 1, keeps, keeps)
    table = {
        "choice": np.where(right == 1, side, 1 - side),
        "reward": right,
        "problem": np.broadcast_to(np.arange(n)[:, None], (n, 6)),
    }
    table |= {"correct": right} if correct else {}
    table |= {"stimulus": np.where(side == 0, 11, 12)} if stimulus else {}
    return make_cohort(table, subject=["a"] * n, task="harlow", source="animal")


@pytest.mark.parametrize(("stimulus", "correct"), [(True, True), (False, True), (True, False)])
def test_learning_sets_are_measured_by_object(stimulus: bool, correct: bool) -> None:
    cohort = learning_set(2000, stimulus=stimulus, correct=correct)
    by_object = win_stay(cohort)
    by_side = win_stay(cohort, by="choice")
    # 10,000 pairs: four standard errors are .01 and .02
    assert number(by_object.win_stay) == pytest.approx(0.95, abs=0.01)
    assert number(by_side.win_stay) == pytest.approx(0.5, abs=0.02)
    assert [by_object.attrs["by"], by_side.attrs["by"]] == ["object", "choice"]
    both = learning_set(2000, stimulus=True, correct=True)
    xr.testing.assert_allclose(by_object, win_stay(both))


def test_objects_that_are_not_known_are_refused() -> None:
    neither = learning_set(20, stimulus=False, correct=False)
    with pytest.raises(InputError, match="does not say which was chosen; give 'correct', or"):
        win_stay(neither)
    assert 0 <= number(win_stay(neither, by="choice").win_stay) <= 1
    pair = neither.assign(stimulus=neither.problem)  # the number of the pair tells no object
    with pytest.raises(InputError, match="does not say which was chosen"):
        win_stay(pair)
    three = learning_set(20, stimulus=True, correct=False)
    three["stimulus"][0, :3] = [1, 2, 3]
    with pytest.raises(InputError, match=r"a problem with . different 'stimulus'"):
        win_stay(three)
    known = learning_set(20, stimulus=False, correct=True)
    with pytest.raises(InputError, match="the next problem has other objects"):
        win_stay(known, across_problems=True)
    with pytest.raises(InputError, match="by is 'side', expected 'choice', 'object' or None"):
        win_stay(known, by="side")  # type: ignore[arg-type]
    for measure in (bandit_profile, lagged_by_reward):
        with pytest.raises(InputError, match="objects change sides; use learning_set_profile"):
            measure(known)  # type: ignore[operator]
    assert bandit_profile(learning_set(60, stimulus=False, correct=True), by="choice").sizes


def test_a_task_of_unknown_kind_is_not_guessed() -> None:
    """A learning set, or arms that reverse? With and without numbers of problems."""
    cohort = learning_set(30, stimulus=False, correct=True).assign_attrs(task="my-task")
    bare = cohort.drop_vars(["problem", "correct"], errors="ignore")
    for one in (cohort, bare, cohort.assign(choice=cohort.correct)):
        for measure in (win_stay, stay_by_reward, lagged_by_reward, bandit_profile):
            with pytest.raises(InputError, match=r"by='choice' if choices are arms, by='object'"):
                measure(one)  # type: ignore[operator]
            assert measure(one, by="choice")  # type: ignore[operator]
        with pytest.raises(InputError, match="no kind of task is known by the name 'my-task'"):
            fit_model(one, "q_learning")
    assert number(win_stay(cohort, by="object").win_stay) > 0.8
    arms = cohort.assign_attrs(task="bandit-restless")
    assert win_stay(arms).attrs["by"] == "choice"


def test_networks_on_learning_sets_repeat_objects() -> None:
    cohort = record(load_agents("harlow").select([0]), "harlow", 200, seed=1, activity=False)
    assert number(win_stay(cohort).win_stay) > 0.95
    assert number(win_stay(cohort, by="choice").win_stay) < 0.6


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000), share=st.floats(0.99, 1), n_sessions=st.integers(1, 15),
    n_trials=st.integers(60, 200),
)  # fmt: skip
def test_a_subject_on_one_side_has_finite_intervals(
    seed: int, share: float, n_sessions: int, n_trials: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (n_sessions, n_trials)
    table = {k: rng.integers(2, size=shape) for k in ("reward", "state")}
    table |= {"choice": rng.random(shape) > share, "common": rng.random(shape) < 0.7}
    cohort = make_cohort(
        {k: v.astype(int) for k, v in table.items()},
        subject=["a"] * n_sessions, task="two-step", source="animal",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = lagged_regression(cohort)
        one = one_back_regression(cohort)
    for result, name in ((fit, "stay_index"), (fit, "bias"), (one, "one_back")):
        table_of = result[name].values
        if np.isfinite(table_of[..., 0]).all():
            if n_sessions in (2, 3):
                assert np.isnan(table_of[..., 1:]).all()
                continue
            assert (np.abs(table_of) < 100).all()
            assert (table_of[..., 1] <= table_of[..., 0]).all()
            assert (table_of[..., 0] <= table_of[..., 2]).all()
        else:
            assert str(result.problem.item())
    rare = min(n := int(cohort.choice.sum()), cohort.choice.size - n)
    assert rare > 0.01 * cohort.choice.size or str(fit.problem.item())


def test_a_subject_whose_choices_vary_has_no_problem() -> None:
    fit = lagged_regression(load_dataset("synthetic-rats"))
    assert fit.problem.values.tolist() == [""] * 6


def test_probabilities_have_intervals_within_their_range() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 40):
        right = (rng.random((n, 6)) < 0.97).astype(int)
        cohort = make_cohort(
            {"choice": right, "reward": right, "correct": right,
             "expected_reward": np.broadcast_to([0.0, 1.0], (n, 6, 2))},
            subject=[f"s{k // 2}" for k in range(n)], task="bandit", source="animal",
        )  # fmt: skip
        curve = learning_curve(cohort)
        for variable in (
            suboptimal_pulls(cohort).suboptimal,
            curve.p_correct,
            mean_learning_curve(curve).p_correct,
        ):
            assert ((variable >= 0) & (variable <= 1) | variable.isnull()).all()
        missed = regret(cohort).regret
        assert ((missed >= 0) | missed.isnull()).all()


MEASURES: dict[str, Callable[..., xr.Dataset]] = {
    f.__name__: f
    for f in (
        stay_probability, one_back_regression, lagged_regression, profile, bandit_profile,
        win_stay, regret, suboptimal_pulls, first_arms, stay_by_reward, lagged_by_reward,
        learning_curve, learning_set_profile, goal_latency,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_says_what_was_passed(name: str) -> None:
    cohort = ragged(1)
    stay = stay_probability(cohort)
    wrong = {
        "the text 'rats'; load it first": "rats",
        "the text 'rats.csv'; load it first": Path("rats.csv"),
        "a dict of 1; measure each cohort, or use compare": {"rats": cohort},
        "one variable .*'choice'.*; give the whole cohort": cohort.choice,
        "a pandas.DataFrame; make a cohort of it with from_dataframe": stay.n.to_dataframe(),
        "a list of 2; join cohorts with concat_cohorts": [cohort, cohort],
        "NoneType; a cohort is what": None,
        "a result of another measure": stay,
    }
    for message, thing in wrong.items():
        with pytest.raises(InputError, match=f"^{name} takes a cohort, got {message}"):
            MEASURES[name](thing)
    for message, change in (
        ("has dims \\(trial\\), expected session and trial", cohort.isel(session=0)),
        ("the cohort has no session", cohort.isel(session=[])),
        ("the cohort has no 'reward'", cohort.drop_vars("reward")),
    ):
        with pytest.raises(InputError, match=message):
            MEASURES[name](change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": np.nan}, "reward: nan at subject 's0', session 's0/0', trial"),
        ({"choice": -1}, "choice: -1.* at subject 's0', session 's0/0', trial"),
        ({"choice": 0.5}, "choice: 0.5 at subject 's0', session 's0/0', trial"),
        ({"forced": 2}, "forced: 2.* at subject 's0', session 's0/0', trial"),
        ({"common": -1}, "common: -1.* at subject 's0', session 's0/0', trial"),
        ({"correct": 2}, "correct: 2.* at subject 's0', session 's0/0', trial"),
        ({"valid": 2}, "valid: 2.* at subject 's0', session 's0/0', trial"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(
    change: dict[str, float], message: str
) -> None:
    cohort = ragged(3)
    ((name, wrong),) = change.items()
    trial = int(np.flatnonzero(cohort.valid.values[0] == 1)[4])
    at = (cohort.trial == trial) & (cohort.session == 0)
    bad = cohort.assign({name: cohort[name].where(~at, wrong)})
    for measure in (stay_probability, one_back_regression, lagged_regression):
        with pytest.raises(InputError, match=f"{message} {trial} .*which is valid; expected"):
            measure(bad)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rewarded": "high"}, "rewarded is 'high', expected a finite number"),
        ({"rewarded": np.nan}, "rewarded is nan, expected a finite number"),
        ({"adjacent": "yes"}, "adjacent is 'yes', expected True or False"),
        ({"across_problems": None}, "across_problems is None, expected True or False"),
        ({"confidence": "95"}, "confidence is '95', expected a number"),
    ],
)
def test_conventions_of_the_wrong_type_are_refused(
    options: dict[str, object], message: str
) -> None:
    cohort = ragged(1)
    warnings.simplefilter(
        "ignore", UserWarning
    )  # of regressions of ten trials; until the test ends
    for measure in (stay_probability, one_back_regression, lagged_regression):
        with pytest.raises(InputError, match=message):
            measure(cohort, **options)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        win_stay(cohort, by="choice", **options)  # type: ignore[arg-type]


def test_published_lags_run_on_and_exclude_neighbors_only() -> None:
    cohort = load_dataset("synthetic-rats")
    with pytest.raises(InputError, match="history='published' removes invalid trials"):
        lagged_regression(cohort, history="published", adjacent=True)
    fit = lagged_regression(cohort, history="published")
    assert fit.attrs["across_problems"] == 1
    with pytest.raises(InputError, match=r"trial is 1.5, expected a position"):
        stay_probability(cohort, trial=1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"n_lags is 2.5, expected a whole number"):
        lagged_regression(cohort, n_lags=2.5)  # type: ignore[arg-type]


def test_curves_say_what_was_passed() -> None:
    cohort = ragged(1, task="harlow")
    with pytest.raises(InputError, match="takes what learning_curve gives, got a cohort"):
        mean_learning_curve(cohort)
    with pytest.raises(InputError, match="takes what learning_curve gives, got str"):
        mean_learning_curve("curve")  # type: ignore[arg-type]
    curve = learning_curve(cohort)
    with pytest.raises(InputError, match="'p_correct' has dims"):
        mean_learning_curve(curve.isel(subject=0))
    with pytest.raises(InputError, match="published_curve takes a table, got NoneType"):
        published_curve(None)  # type: ignore[arg-type]


def test_a_search_without_a_time_is_refused_with_its_place() -> None:
    cohort = ragged(2, task="navigation", n_arms=4)
    trial = int(np.flatnonzero(cohort.valid.values[0] == 1)[1])
    cohort["t_goal"][0, trial] = np.nan
    with pytest.raises(InputError, match=f"session 0, trial {trial} .*which is valid"):
        goal_latency(cohort, n_goals=2)


def test_agents_on_animals_sessions_have_the_animals_problems() -> None:
    """Their lags stop where the animals' do, in sessions with misses, too."""
    rats = load_dataset("synthetic-rats").isel(session=slice(0, 3))
    number = np.broadcast_to(np.arange(rats.sizes["trial"]) // 25, rats.choice.shape)
    rats = rats.assign(problem=(("session", "trial"), number.astype("int32")))
    agents = load_agents("two-step").select([0, 1])
    played = record_yoked(agents, rats, n_replicates=2, seed=1)
    for s in range(played.sizes["session"]):
        kept = rats.isel(session=s % 3)
        expected = kept.problem.values[kept.valid.values == 1]
        mine = played.isel(session=s)
        np.testing.assert_array_equal(mine.problem.values[mine.valid.values == 1], expected)
    assert "problem" not in record_yoked(agents, rats.drop_vars("problem"), n_replicates=1)
