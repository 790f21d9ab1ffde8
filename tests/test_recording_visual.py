"""Recording agents that see pictures: what is kept is what was played."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from neuro_metarl.agents.cores import list_cores
from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.recipes import Recipe
from neuro_metarl.agents.training import train
from neuro_metarl.errors import InputError
from neuro_metarl.perturb.perturbation import lesion
from neuro_metarl.recording import record, record_to_zarr, trace
from neuro_metarl.recording.visual import _play, _start
from neuro_metarl.storage import open_cohort
from tests import worlds

RECIPE = Recipe(
    n_updates=3,
    n_episodes=4,
    n_units=5,
    optimizer="adam",
    learning_rate=1e-3,
    encoder="small",
    n_features=6,
)


class Late(worlds.WalkWorld):
    """Its third trial is never reached."""

    def event_steps(self) -> Tensor:
        steps = super().event_steps() * 3 + 1
        steps[2] = -1
        return steps


class Walk(worlds.Walk):
    def start(self, n_episodes: int, generator: torch.Generator, *, held_out: bool = False) -> Late:
        world = super().start(n_episodes, generator)
        return Late(self, world.place)


WALK = Walk(dtype=torch.float32)


@pytest.fixture(scope="module", params=list_cores())
def agents(request: pytest.FixtureRequest):
    recipe = Recipe(**RECIPE.model_dump() | {"core": request.param})
    return train(WALK, recipe=recipe, n_agents=2, progress=False)


def test_activity_at_an_event_is_that_of_its_step(agents) -> None:
    cohort = record(agents, n_sessions=7, seed=3)
    steps = trace(agents, n_sessions=7, seed=3)
    assert cohort.activity.dims == ("session", "trial", "event", "unit")
    for trial, step in ((0, 1), (1, 4)):
        for name in ("activity", "value", "policy"):
            kept = cohort[name].isel(trial=trial, event=0)
            np.testing.assert_array_equal(kept, steps[name].isel(step=step))
    assert bool(cohort.activity.isel(trial=2).isnull().all())
    assert ("cell" in cohort) == ("cell" in agents.population.shape.core.parts)
    assert steps.subject.values.tolist() == cohort.subject.values.tolist()


def test_prediction_errors_are_those_of_the_values(agents) -> None:
    one = agents.select([0])
    cohort, steps = record(one, n_sessions=4, seed=1), trace(one, n_sessions=4, seed=1)
    expected = steps.reward + one.recipe.discount * steps.value.shift(step=-1) - steps.value
    np.testing.assert_allclose(cohort.rpe.isel(trial=1, event=0), expected.isel(step=4), atol=1e-6)


def test_actions_bring_the_rewards_of_the_world(agents) -> None:
    """Replayed by hand: the ring walked by the recorded actions pays the recorded rewards."""
    steps = trace(agents.select([1]), n_sessions=6, seed=2, frames=True)
    place = steps.view.isel(step=0).values
    pictures = WALK.pictures().numpy()
    for t in range(WALK.n_steps):
        np.testing.assert_array_equal(steps.view.isel(step=t), place)
        np.testing.assert_array_equal(steps.frame.isel(step=t), pictures[place])
        place = (place + steps.chosen.isel(step=t).values - 1) % WALK.n_places
        np.testing.assert_array_equal(steps.reward.isel(step=t), place == 0)


def test_a_subject_s_sessions_do_not_depend_on_who_else_is_recorded(agents) -> None:
    both, second = record(agents, n_sessions=3), record(agents.select([1]), n_sessions=3)
    np.testing.assert_array_equal(both.activity[3:], second.activity)
    other = record(agents.select([1]), n_sessions=3, seed=1)
    assert not np.array_equal(other.activity[:, :2], second.activity[:, :2])


def test_a_long_recording_is_streamed_as_it_is(agents, tmp_path) -> None:
    one = agents.select([0])
    path = record_to_zarr(one, n_sessions=120, out=tmp_path / "a.zarr", variables=["value"])
    whole = record(one, n_sessions=120, variables=["value"])
    np.testing.assert_array_equal(open_cohort(path).value, whole.value)


def test_a_perturbation_lasts_the_whole_session(agents) -> None:
    one = agents.select([0])
    plain, control = record(one, n_sessions=5), record(one, n_sessions=5, perturb=[])
    lesioned = record(one, n_sessions=5, perturb=lesion([1]))
    np.testing.assert_array_equal(plain.activity, control.activity)
    assert bool((lesioned.activity.isel(trial=slice(2)).sel(unit=1) == 0).all())
    assert not np.array_equal(plain.value[:, 1], lesioned.value[:, 1])
    assert "units 1" in lesioned.perturbation.values[0]
    with pytest.raises(InputError, match="leave events and trials out"):
        record(one, n_sessions=2, perturb=lesion([1], events=["start"]))


def test_playing_is_sampling_from_the_policy(agents) -> None:
    """Actions over many episodes are as frequent as the policy says, within sampling error."""
    one = agents.select([0])
    world, generator = _start(WALK, 4000, 0, "x", 0)
    rollout = _play(one, WALK, world, generator, 4000)
    policy = torch.softmax(rollout.logits, dim=2)[:, 0]
    action = rollout.actions[:, 0]
    error = (policy * (1 - policy)).mean(-1).div(4000).sqrt()
    assert float(((action.mean(-1) - policy.mean(-1)).abs() / error).max()) < 4.5
    assert draw_noise(1, 2, 3, [generator]).shape == (1, 1, 2, 3)


def test_what_a_core_lacks_is_refused(agents) -> None:
    core = agents.population.shape.core
    if core.gates:
        gates = record(agents, n_sessions=2, variables=["gates"]).gates
        assert gates.dims == ("session", "trial", "event", "unit", "gate")
        assert tuple(gates.gate.values) == core.gates
        assert 0 < float(gates.isel(gate=0).min()) < float(gates.isel(gate=0).max()) < 1
    else:
        with pytest.raises(InputError, match="'gates' does not exist in networks with the core"):
            record(agents, n_sessions=2, variables=["gates"])
    if "cell" not in core.parts:
        with pytest.raises(InputError, match="'cell' does not exist in networks with the core"):
            record(agents, n_sessions=2, variables=["cell", "value"])
    with pytest.raises(InputError, match="no pictures; use record"):
        trace("two-step")
    with pytest.raises(InputError, match="n_sessions is 0, expected 1 to 100"):
        trace(agents, n_sessions=0)
    with pytest.raises(InputError, match="sees pictures, but task 'two-step' shows numbers"):
        record(agents, "two-step")


def test_whole_batches_of_a_longer_recording_are_those_of_a_shorter_one(
    agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuro_metarl.recording.visual.EPISODES_AT_ONCE", 3)
    short, long = (record(agents, n_sessions=n, seed=2) for n in (6, 8))
    for name in short.data_vars:
        first = long[name].isel(session=long.session_id.isin(short.session_id.values).values)
        assert np.array_equal(first.values, short[name].values, equal_nan=True), name
