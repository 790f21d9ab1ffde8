"""Latencies of searches: planted players, the trap of censoring, plots."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from neuro_metarl import plot
from neuro_metarl.behavior.navigation import goal_latency
from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record
from neuro_metarl.tasks.navigation import Navigation
from tests.navigators import cohort_of, play

TASK = Navigation(n_steps=400, n_trials=12)


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_players(remembers: bool, seed: int) -> None:
    """Intervals are wide enough for the truth in most of twelve numbers."""
    cohort = cohort_of(play(TASK, 300, remembers=remembers, seed=seed))
    result = goal_latency(cohort).isel(subject=0)
    truth = TASK.references()
    later = truth["known"] if remembers else truth["search"]
    expected = np.array([truth["search"], *[later] * 5])
    value, low, high = (result.latency.sel(statistic=s).values for s in result.statistic.values)
    assert ((low <= expected) & (expected <= high)).sum() >= 4
    assert np.abs(value - expected).max() < 2
    ratio = float(result.ratio.sel(statistic="value"))
    assert ratio == pytest.approx(later / truth["search"], abs=0.07)
    assert float(result.complete.sel(statistic="value")) == 1
    assert int(result.one_shot) == remembers
    assert result.found_by_arm.values.tolist() == [1, 1, 1, 1]
    assert result.first_arm.values[1:].mean() == pytest.approx(1 if remembers else 0.25, abs=0.07)
    assert (int(result.n), int(result.n_complete)) == (300, 300)


def random_cohort(n_steps: int, n_episodes: int, seed: int) -> xr.Dataset:
    generator = torch.Generator().manual_seed(seed)
    task = Navigation(half=0, arm=1, n_steps=n_steps, n_trials=20)
    world = task.start(n_episodes, generator)
    for _ in range(n_steps):
        world.step(torch.randint(3, (n_episodes,), generator=generator))
    return cohort_of(world)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_random_walk_is_flat_where_the_naive_mean_falls(seed: int) -> None:
    """The control: means over all searches that ended fall by more than a tenth."""
    cohort = random_cohort(700, 1500, seed)
    result = goal_latency(cohort, n_goals=6).isel(subject=0)
    naive = (cohort.t_goal - cohort.t_start).mean("session").values[:12]
    assert naive[8:].mean() < 0.9 * naive[0]
    first, *later = result.latency.sel(statistic="value").values
    error = np.diff(result.latency.isel(goal=0).values[1:])[0] / 4
    assert np.mean(later) == pytest.approx(first, abs=4 * error)
    assert 0.3 < float(result.complete.sel(statistic="value")) < 1
    assert int(result.one_shot) == 0


def test_a_half_maze_searcher_is_fast_but_not_complete() -> None:
    """Of goals that it never searches it completes none, and it does not pass."""
    cohort = cohort_of(play(TASK, 200, remembers=True))
    lost = cohort.problem.isel(trial=0) >= 2
    half = cohort.copy(deep=True)
    for name in ("valid", "choice", "reward", "t_goal", "correct", "invalid_reason"):
        fill = {"choice": -1, "correct": -1, "t_goal": np.nan, "invalid_reason": 1}.get(name, 0)
        half[name] = half[name].where(~lost, fill).astype(half[name].dtype)
    result = goal_latency(half).isel(subject=0)
    fastest = TASK.references()["search"]
    assert float(result.latency.sel(goal=1, statistic="value")) < fastest - 2
    assert result.complete_by_arm.values.tolist() == [1, 1, 0, 0]
    assert result.found_by_arm.values.tolist() == [1, 1, 0, 0]
    assert int(result.one_shot) == 0
    assert int(goal_latency(cohort).one_shot.item()) == 1


def small(latencies: list[list[float]], subject: str = "a") -> xr.Dataset:
    ends = np.cumsum(latencies, axis=1)
    starts = np.concatenate([np.zeros((len(ends), 1)), ends[:, :-1]], axis=1)
    return make_cohort(
        {
            "choice": np.ones(ends.shape), "reward": np.ones(ends.shape),
            "problem": np.ones(ends.shape), "t_start": starts, "t_goal": ends,
        },
        subject=[subject] * len(ends), task="navigation", source="model",
    )  # fmt: skip


def test_by_hand() -> None:
    both = concat_cohorts([small([[10, 4, 6], [30, 8, 2]]), small([[5, 5, 5]], "b")])
    result = goal_latency(both, n_goals=3)
    assert result.subject.values.tolist() == ["a", "b"]
    value = result.latency.sel(statistic="value").values
    assert value.tolist() == [[20, 6, 4], [5, 5, 5]]
    assert result.ratio.sel(statistic="value").values.tolist() == [0.25, 1]
    assert result.one_shot.values.tolist() == [1, 0]
    assert result.n.values.tolist() == [2, 1]
    assert np.isnan(result.found_by_arm.sel(arm="upper_left")).all()
    assert result.found_by_arm.sel(arm="upper_right").values.tolist() == [1, 1]


def test_order_of_sessions_and_dims_does_not_matter() -> None:
    cohort = cohort_of(play(TASK, 60, remembers=True))
    turned = cohort.isel(session=slice(None, None, -1)).transpose("trial", "session")
    a, b = goal_latency(cohort), goal_latency(turned)
    for name in ("latency", "ratio", "complete"):
        np.testing.assert_allclose(
            a[name].sel(statistic="value"), b[name].sel(statistic="value"), rtol=1e-12
        )


def test_nobody_completes() -> None:
    cohort = random_cohort(20, 10, 0)
    result = goal_latency(cohort, n_goals=20).isel(subject=0)
    assert np.isnan(result.latency).all()
    assert float(result.complete.sel(statistic="value")) == 0
    assert (int(result.n_complete), int(result.one_shot)) == (0, 0)


@pytest.mark.parametrize("n_goals", [1, 13])
def test_too_few_searches(n_goals: int) -> None:
    cohort = cohort_of(play(TASK, 5, remembers=True))
    with pytest.raises(InputError, match=f"n_goals is {n_goals}, expected 2 to 12"):
        goal_latency(cohort, n_goals=n_goals)


def test_other_tasks_are_refused() -> None:
    cohort = make_cohort(
        {"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"], task="bandit", source="animal"
    )
    with pytest.raises(InputError, match="needs the variable 't_start' of a navigation task"):
        goal_latency(cohort)


def test_plot_of_latencies_shows_every_subject_and_the_optimum() -> None:
    a = goal_latency(concat_cohorts([small([[10, 4, 6]]), small([[5, 5, 5]], "b")]), n_goals=3)
    b = goal_latency(small([[9, 9, 9]], "c"), n_goals=3)
    ax = plot.goal_latency({"agents": a, "control": b}, optimum={"search": 8, "known": 3})
    thin = [line.get_ydata().tolist() for line in ax.lines if line.get_linewidth() < 1]
    assert thin == [[10, 4, 6], [5, 5, 5], [9, 9, 9]]
    named = {line.get_label(): line for line in ax.lines if line.get_label()[0] != "_"}
    assert list(named) == ["agents (n = 2)", "control (n = 1)", "optimum"]
    assert named["agents (n = 2)"].get_ydata().tolist() == [7.5, 4.5, 5.5]
    assert named["optimum"].get_ydata().tolist() == [8, 3, 3]
    assert named["optimum"].get_linestyle() == "--"
    assert ax.get_ylim()[0] == 0


def test_plot_of_the_maze_from_above() -> None:
    task = Navigation()
    ax = plot.maze(task.maze.walls, goal=(5.5, 1.5))
    (image,) = ax.images
    shown = np.asarray(image.get_array())
    assert ((shown < 1) == task.maze.walls).all()
    assert tuple(image.get_extent()) == (0, 7, 9, 0)
    (star,) = ax.lines
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (5.5, 1.5)
    path = np.array([[3.5, 4.5, 0], [3.5, 3.5, 0], [3.5, 3.5, 1], [4.5, 3.5, 1], [4.5, 3.5, 1]])
    plot.path(path, ax, shift=0.1)
    line, dot = ax.lines[1:]
    assert line.get_xdata().tolist() == pytest.approx([3.6, 3.6, 3.6, 4.6, 4.6])
    assert dot.get_ydata().tolist() == pytest.approx([4.6])
    (arrow,) = [t for t in ax.texts if t.arrow_patch is not None]
    assert arrow.xy == pytest.approx((4.6, 3.6))
    with pytest.raises(InputError, match="walls has 1 dimensions"):
        plot.maze([1, 1])


def test_plot_of_the_value_marks_the_goals() -> None:
    ax = plot.value([0.1, 0.5, 0.9, 0.2], [2, 3])
    *marks, value = ax.lines
    assert [m.get_xdata()[0] for m in marks] == [2, 3]
    assert value.get_ydata().tolist() == [0.1, 0.5, 0.9, 0.2]


def test_agents_of_the_package_navigate_in_one_shot() -> None:
    """At least four of five; those without memory never do."""
    task = Navigation(n_steps=400, n_trials=6)
    agents = goal_latency(record("navigation", task, 60, seed=3, activity=False))
    assert len(agents.subject) == 5
    assert int(agents.one_shot.sum()) >= 4
    found = agents.sel(statistic="value").where(agents.one_shot == 1, drop=True)
    assert float(found.latency.sel(goal=slice(2, None)).mean()) < 1.3 * task.references()["known"]
    assert float(found.complete_by_arm.min()) > 0.8
    control = goal_latency(record("navigation-feed-forward", task, 60, seed=3, activity=False))
    assert int(control.one_shot.sum()) == 0
    assert float(control.ratio.sel(statistic="value").min()) > 0.75
