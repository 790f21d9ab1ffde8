"""The network's own map: equal to how it is played; its Jacobian; its fixed points."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

from neuro_metarl import InputError, load_agents, record
from neuro_metarl.agents.cores import core_named
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.neural import fixed_points, input_of, step_map
from neuro_metarl.neural.dynamics import step_network


@pytest.fixture(scope="module")
def agents():
    return load_agents("two-step").select([0, 5])


@pytest.fixture(scope="module")
def cohort(agents) -> xr.Dataset:
    return record(agents, n_sessions=4, seed=3)


@pytest.mark.parametrize("agent", [0, 1])
def test_the_map_is_the_step_that_the_network_plays(agents, agent: int) -> None:
    """Float32 against float64, one step each: 1e-5."""
    one = agents.select([agent])
    rollout = Rollout(one.population, one.task, 8)
    generators = [torch.Generator().manual_seed(agent)]
    noise = torch.zeros(rollout.n_steps, 1, one.task.n_actions, 8)
    rollout.play(one.task.draw(8, generators), noise.uniform_(generator=generators[0]))
    n_in, worst, still = one.population.shape.n_inputs, 0.0, 0.0
    for t in range(0, rollout.n_steps, 7):
        x = rollout.x[t].numpy().T.astype(float)
        cell = rollout.engine.cell[t].numpy().T.astype(float)
        before = {"hidden": x[:, n_in + 1 :], "cell": cell}
        after = step_network(agents, before, x[:, :n_in], agent=agent)
        recorded = {name: rollout.part(name)[t, 0].numpy().T for name in before}
        worst = max(worst, *(np.abs(after[name] - recorded[name]).max() for name in before))
        wrong = step_network(agents, before | {"cell": 0 * cell}, x[:, :n_in], agent=agent)
        still = max(still, np.abs(wrong["hidden"] - recorded["hidden"]).max())
    assert worst < 1e-5
    assert still > 0.01


@pytest.mark.parametrize("n_steps", [1, 3])
def test_the_jacobian_is_that_of_small_differences(agents, cohort, n_steps: int) -> None:
    """Central differences of 1e-5 in double precision: errors of 1e-9."""
    rows = np.stack(
        [
            input_of(agents, "fixation", action="left", reward=1),
            input_of(agents, "first_step", action="center"),
            input_of(agents, "second_step/0", action="left"),
        ]
    )[:n_steps]
    advance = step_map(agents, rows, agent=1)
    state = np.concatenate([cohort.activity.values[4, 50, 0], cohort.cell.values[4, 50, 0]])
    state = state[None].astype(float)
    _, jacobian = advance(state)
    steps = 1e-5 * np.eye(96)
    differences = (advance(state + steps)[0] - advance(state - steps)[0]).T / 2e-5
    np.testing.assert_allclose(jacobian[0], differences, atol=1e-8)


def test_the_input_is_what_the_network_saw(agents, cohort) -> None:
    """Recorded trial by trial: the state after each event follows from the one before."""
    table = cohort.isel(session=0)
    dims = ("trial", "event", "unit")
    hidden, cell = (table[k].transpose(*dims).values.astype(float) for k in ("activity", "cell"))
    for t in range(20, 26):
        choice = ["left", "right"][int(table.choice[t])]
        where = f"second_step/{int(table.state[t])}"
        row = input_of(agents, where, action=choice)
        states = {"hidden": hidden[t, 1], "cell": cell[t, 1]}
        found = step_network(agents, states, row)["hidden"][0]
        np.testing.assert_allclose(found, hidden[t, 2], atol=1e-5)
        other = input_of(agents, where, action="center")
        assert np.abs(step_network(agents, states, other)["hidden"][0] - found).max() > 0.01


def test_all_points_are_fixed_and_read_out_as_the_network_does(agents, cohort) -> None:
    row = input_of(agents, "fixation")
    found = fixed_points(agents, cohort, row, n_starts=40)
    assert found.sizes["fixed_point"] == int(found.n_found.sum()) >= 2
    assert (found.n_starts.groupby("subject_of").sum().values + found.n_failed.values == 40).all()
    assert (found.speed < 1e-6).all()
    for k, name in enumerate(agents.names):
        mine = found.isel(fixed_point=found.subject_of.values == name)
        states = {name: mine[name].values for name in ("hidden", "cell")}
        later = step_network(agents, states, row, agent=k)
        assert max(np.abs(states[name] - later[name]).max() for name in states) < 1e-6
        heads = agents.population.tensors["heads"][k].numpy()
        logits = mine.hidden.values @ heads[:-1, 1:].T + heads[:-1, 0]
        expected = torch.softmax(torch.from_numpy(logits), 1).numpy()
        np.testing.assert_allclose(mine.policy, expected, atol=1e-6)
    np.testing.assert_allclose(found.policy.sum("action"), 1)


def distances(agents, one: xr.Dataset, row: np.ndarray, *, n_steps: int, agent: int = 0):
    """Start near a fixed point; how far away five states are before and after some steps."""
    point = np.concatenate([one.hidden.values, one.cell.values])
    h = len(point) // 2
    states = point + 1e-4 * np.random.default_rng(0).normal(size=(5, 2 * h))
    before = np.linalg.norm(states - point, axis=1)
    for _ in range(n_steps):
        pair = {"hidden": states[:, :h], "cell": states[:, h:]}
        states = np.concatenate(list(step_network(agents, pair, row, agent=agent).values()), axis=1)
    return before, np.linalg.norm(states - point, axis=1)


def test_trained_networks_fall_back_onto_each_stable_point(agents, cohort) -> None:
    row = input_of(agents, "fixation")
    found = fixed_points(agents, cohort, row, n_starts=25)
    seen = {name: 0 for name in agents.names}
    for k in range(found.sizes["fixed_point"]):
        one = found.isel(fixed_point=k)
        if int(one.n_unstable) or float(np.abs(one.eigenvalue[0])) > 0.98:
            continue
        name = str(one.subject_of.values)
        before, after = distances(agents, one, row, n_steps=300, agent=agents.names.index(name))
        assert (after < 0.1 * before).all()
        seen[name] += 1
    assert min(seen.values()) >= 1, seen


def planted_network(weights: np.ndarray) -> SimpleNamespace:
    """A network of given gate weights, with two actions and one observation."""
    shape = Shape(n_observations=1, n_actions=2, n_units=len(weights) // 4)
    generators = [torch.Generator().manual_seed(0)]
    population = Population.initialise(shape, generators, torch.float64)
    population.flat.zero_()
    population.tensors["recurrent"][0] = torch.from_numpy(weights)
    return SimpleNamespace(
        population=population,
        task=SimpleNamespace(events=("pull",), actions=("left", "right")),
        names=("planted",),
    )


def states_of(h: int) -> xr.Dataset:
    """Twenty recorded states, from which the search starts."""
    states = np.random.default_rng(0).normal(size=(2, 1, 20, 1, h)).astype("float32")
    dims = ("session", "trial", "event", "unit")
    return xr.Dataset(
        {
            "activity": (dims, states[0]),
            "cell": (dims, states[1]),
            "valid": (("session", "trial"), np.ones((1, 20), "int8")),
        },
        coords={"subject": ("session", ["planted"])},
    )


@pytest.mark.parametrize("slope", [2.0, 3.0])
def test_states_leave_an_unstable_point_for_the_stable_ones_beside_it(slope: float) -> None:
    """Open gates that forget at once: h becomes tanh(tanh(slope h)), with a slope above 1 at 0."""
    weights = np.zeros((4, 4 + 1 + 1))
    weights[:3, 4] = (40.0, 40.0, -40.0)
    weights[3, 5] = slope
    planted = planted_network(weights)
    row = input_of(planted, "pull")
    found = fixed_points(planted, states_of(1), row, n_starts=20)
    away = 1.0
    for _ in range(2000):
        away = np.tanh(np.tanh(slope * away))
    hidden = found.hidden.values[:, 0]
    np.testing.assert_allclose(np.sort(hidden), [-away, 0, away], atol=1e-8)
    for k in range(3):
        one = found.isel(fixed_point=k)
        middle = abs(hidden[k]) < 0.1
        assert int(one.n_unstable) == int(middle)
        before, after = distances(planted, one, row, n_steps=12)
        assert (after > 10 * before).all() if middle else (after < 0.1 * before).all()
        if middle:
            assert float(one.eigenvalue[0].real) == pytest.approx(slope, abs=1e-8)


def test_a_planted_network_without_recurrence_has_its_known_point_and_spectrum() -> None:
    """Without weights from hidden: c = i g / (1 - f), and the modes are f of each unit and 0."""
    h, weights = 3, np.zeros((12, 5 + 3))
    bias = np.array([0.3, -1.0, 2.0])
    for gate, sign in enumerate((1, -1, 0.5, 0.8)):
        weights[3 * gate : 3 * gate + 3, 4] = sign * bias
    planted = planted_network(weights)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    out, inp, forget, cand = (
        sigmoid(bias),
        sigmoid(-bias),
        sigmoid(0.5 * bias),
        np.tanh(0.8 * bias),
    )
    cohort = states_of(h)
    found = fixed_points(planted, cohort, input_of(planted, "pull"), n_starts=20)
    assert found.sizes["fixed_point"] == 1
    cell = inp * cand / (1 - forget)
    np.testing.assert_allclose(found.cell.values[0], cell, atol=1e-8)
    np.testing.assert_allclose(found.hidden.values[0], out * np.tanh(cell), atol=1e-8)
    np.testing.assert_allclose(found.eigenvalue.values[0, :3], np.sort(forget)[::-1], atol=1e-8)
    np.testing.assert_allclose(found.eigenvalue.values[0, 3:], 0, atol=1e-8)
    np.testing.assert_allclose(
        found.time_constant.values[0, :3], -1 / np.log(np.sort(forget)[::-1]), atol=1e-6
    )
    twice = fixed_points(planted, cohort, np.zeros((2, 4)), n_starts=5)
    np.testing.assert_allclose(twice.eigenvalue.values[0, :3], np.sort(forget)[::-1] ** 2)
    np.testing.assert_allclose(
        twice.time_constant.values[0, :3], found.time_constant.values[0, :3], atol=1e-6
    )


def test_bad_input(agents, cohort) -> None:
    row = input_of(agents, "fixation")
    with pytest.raises(InputError, match="no 'cell' in this cohort: fixed points start from"):
        fixed_points(agents, cohort.drop_vars("cell"), row)
    with pytest.raises(InputError, match="no 'activity' in this cohort"):
        fixed_points(agents, cohort.drop_vars("activity"), row)
    with pytest.raises(InputError, match=r"none of the cohort's subjects \(two-step/0, two-step/5"):
        fixed_points(load_agents("two-step/1"), cohort, row)
    with pytest.raises(InputError, match=r"inputs have shape \(3,\), expected .* 8 rows"):
        fixed_points(agents, cohort, np.zeros(3))
    with pytest.raises(InputError, match="n_starts is 0"):
        fixed_points(agents, cohort, row, n_starts=0)
    with pytest.raises(InputError, match="no event 'fixatoin'; did you mean 'fixation'"):
        fixed_points(agents, cohort, row, event="fixatoin")
    with pytest.raises(InputError, match="the cohort has 20 units, network 'two-step/0' 48"):
        fixed_points(agents, cohort.isel(unit=slice(20)), row)
    with pytest.raises(InputError, match="activity or cell is NaN everywhere"):
        fixed_points(agents, cohort.assign(cell=cohort.cell * np.nan), row)
    with pytest.raises(InputError, match="no event 'second_step'; did you mean 'second_step/"):
        input_of(agents, "second_step")
    with pytest.raises(InputError, match="no action 'up'; there are: center, left, right"):
        input_of(agents, "fixation", action="up")
    with pytest.raises(InputError, match="agent is 2, expected 0 to 1"):
        step_map(agents, row, agent=2)
    with pytest.raises(InputError, match=r"hidden has dims \(1, 3\), .* the network has 48 units"):
        step_network(agents, {"hidden": np.zeros((1, 3)), "cell": np.zeros((1, 3))}, row)
    with pytest.raises(InputError, match="states are hidden, expected hidden, cell"):
        step_network(agents, {"hidden": np.zeros((1, 48))}, row)


def network_of(core: str, n_observations: int = 0) -> SimpleNamespace:
    """A fresh network of a core, on a task that does not show its events."""
    shape = Shape(n_observations, 3, 2, core_named(core))
    population = Population.initialise(shape, [torch.Generator().manual_seed(0)])
    task = SimpleNamespace(name="maze", events=("move",), actions=("a", "b", "c"))
    return SimpleNamespace(population=population, task=task, names=("planted",))


def test_other_networks_and_tasks_are_refused() -> None:
    flat, stack = network_of("feed-forward"), network_of("stacked")
    with pytest.raises(InputError, match="core 'feed-forward' carry nothing from step to step"):
        step_map(flat, np.zeros(4))
    with pytest.raises(InputError, match=r"core 'stacked' carry 'first_hidden' .* no cohort holds"):
        fixed_points(stack, states_of(2), np.zeros(4))
    assert step_map(stack, np.zeros(4))(np.zeros((3, 8)))[1].shape == (3, 8, 8)
    with pytest.raises(InputError, match="task 'maze' does not show its events one-hot"):
        input_of(flat, "move")


@pytest.mark.parametrize("core", ["lstm", "gru", "vanilla", "stacked"])
@pytest.mark.parametrize("n_steps", [1, 2])
def test_the_jacobian_of_each_core_is_that_of_small_differences(core: str, n_steps: int) -> None:
    """Central differences of 1e-5 in double precision: errors of 1e-9."""
    network, rng = network_of(core, 2), np.random.default_rng(1)
    advance = step_map(network, rng.normal(size=(n_steps, 6)))
    n = 2 * len(core_named(core).states)
    state = rng.normal(size=(1, n))
    _, jacobian = advance(state)
    steps = 1e-5 * np.eye(n)
    differences = (advance(state + steps)[0] - advance(state - steps)[0]).T / 2e-5
    np.testing.assert_allclose(jacobian[0], differences, atol=1e-8)
    assert np.abs(jacobian).max() > 0.01


def test_fixed_points_of_a_gru_start_from_its_hidden_states_alone() -> None:
    """Two units that keep nothing come to rest at tanh of their bias, at once."""
    network = network_of("gru", 1)
    network.population.flat.zero_()
    recurrent = network.population.tensors["recurrent"][0]
    recurrent[2:4, 5], recurrent[4:, 5] = -40.0, torch.tensor([0.5, -1.0])
    found = fixed_points(network, states_of(2).drop_vars("cell"), np.zeros(5), n_starts=5)
    np.testing.assert_allclose(found.hidden.values, np.tanh([[0.5, -1.0]]), atol=1e-12)
    np.testing.assert_allclose(found.eigenvalue.values, 0, atol=1e-12)
    assert "cell" not in found


def test_under_a_repeated_trial_a_network_falls_onto_the_point_found(agents, cohort) -> None:
    """Reward in state 0, again and again."""
    rows = np.stack(
        [
            input_of(agents, "first_step", action="center"),
            input_of(agents, "second_step/0", action="left"),
            input_of(agents, "fixation", action="left", reward=1),
        ]
    )
    found = fixed_points(agents, cohort, rows, event="fixation", n_starts=8)
    for k, name in enumerate(agents.names):
        states = {"hidden": np.zeros((1, 48)), "cell": np.zeros((1, 48))}
        for row in np.tile(rows, (200, 1)):
            states = step_network(agents, states, row, agent=k)
        mine = found.isel(fixed_point=found.subject_of.values == name)
        distance = np.linalg.norm(mine.hidden.values - states["hidden"], axis=1)
        assert distance.min() < 1e-6
        assert int(mine.n_unstable[int(distance.argmin())]) == 0
