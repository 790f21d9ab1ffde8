"""The fused kernel is the LSTM that torch computes: outputs, states, choices and every gradient.

Both work in float32 and round differently; 24 steps of a network with weights of usual size leave
differences of a few times 1e-6, so 2e-5 is asked.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import neuro_metarl as nm
from neuro_metarl.agents.cores import core_named
from neuro_metarl.agents.engines import engine_of, settle_engine
from neuro_metarl.agents.fused_lstm import FusedLstm
from neuro_metarl.agents.kernel.activations import exp_16, sigmoid_16, tanh_16
from neuro_metarl.agents.kernel.compiling import compiled
from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape, views_of
from neuro_metarl.agents.training import train
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.errors import InputError
from neuro_metarl.perturb.perturbation import clamp, lesion_reward, scale
from neuro_metarl.recording import record, record_to_zarr
from neuro_metarl.storage import open_cohort
from neuro_metarl.tasks.base import Episodes

TWO_STEP = nm.make_task("two-step", n_trials=8)
CLOSE = {"rtol": 0, "atol": 2e-5}
# one lane, few lanes, a full vector, several vectors, more than a group of 8 vectors
BATCHES = [(1, 1), (3, 1), (1, 5), (1, 16), (3, 20), (2, 150)]


def generators(n: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + k) for k in range(n)]


def networks(n: int, units: int) -> Population:
    population = Population.initialise(Shape(4, 3, units), generators(n), torch.float32)
    for name in ("initial_hidden", "initial_cell"):
        population.tensors[name].normal_(generator=generators(1, 50)[0])
    return population


def played(population, batch, engine, changes=None, impose=False) -> Rollout:
    rollout = Rollout(population, TWO_STEP, batch, learns=True, engine=engine_of(engine, LSTM))
    n = population.n_agents
    episodes: Episodes = TWO_STEP.draw(batch, generators(n, 30))
    if impose:
        size = (rollout.n_steps, n, batch)
        imposed = torch.randint(-1, 3, size, generator=generators(1, 60)[0])
        episodes = replace(episodes, imposed=imposed)
    rollout.play(episodes, draw_noise(rollout.n_steps, 3, batch, generators(n, 20)), changes)
    if impose:
        given = imposed >= 0
        assert torch.equal(rollout.actions.argmax(2)[given], imposed[given])
    return rollout


LSTM = Shape(4, 3, 7).core


def hold_equal(fused: Rollout, reference: Rollout) -> None:
    """Inputs, states, gates, outputs, and the gradient of every weight."""
    torch.testing.assert_close(fused.x, reference.x, **CLOSE)
    assert torch.equal(fused.actions, reference.actions)
    for part in LSTM.parts:
        torch.testing.assert_close(fused.part(part), reference.part(part), **CLOSE)
    for name in ("logits", "values"):
        torch.testing.assert_close(getattr(fused, name), getattr(reference, name), **CLOSE)
    torch.testing.assert_close(fused.engine.next_value(), reference.engine.next_value(), **CLOSE)
    d_logits = torch.randn(fused.logits.shape, generator=generators(1)[0])
    d_values = torch.randn(fused.values.shape, generator=generators(1)[0])
    shape = fused.population.shape
    mine, theirs = (views_of(shape, r.backward(d_logits, d_values)) for r in (fused, reference))
    for name in fused.population.tensors:
        size = float(theirs[name].abs().max())
        assert size > 1e-3, name
        torch.testing.assert_close(mine[name], theirs[name], rtol=0, atol=2e-5 * max(1, size))


@pytest.mark.parametrize("units", [7, 48, 50])
@pytest.mark.parametrize(("n", "batch"), BATCHES)
def test_the_kernel_is_the_lstm_of_torch(n: int, batch: int, units: int) -> None:
    population = networks(n, units)
    fused, reference = (played(population, batch, engine) for engine in ("fused", "torch"))
    assert type(fused.engine) is FusedLstm
    assert type(reference.engine) is not FusedLstm
    hold_equal(fused, reference)


@pytest.mark.parametrize(("n", "batch"), BATCHES)
def test_actions_are_imposed_on_the_kernel_too(n: int, batch: int) -> None:
    population = networks(n, 10)
    hold_equal(*(played(population, batch, kind, impose=True) for kind in ("fused", "torch")))


@pytest.mark.parametrize("where", ["seen", "heads", "hidden", "cell", "output", "candidate"])
@pytest.mark.parametrize("batch", [1, 20])
def test_what_is_changed_in_flight_is_changed_in_the_kernel(where: str, batch: int) -> None:
    population = networks(1, 10)
    change = {where: lambda value: value[..., 2, :].mul_(0.25)}

    def changes(t: int):
        return change if t > 4 else None

    hold_equal(*(played(population, batch, kind, changes) for kind in ("fused", "torch")))


def test_lanes_that_stand_for_no_episode_change_nothing() -> None:
    """The same five episodes give the same bits whatever else stands beside them."""
    population = networks(1, 10)
    many = played(population, 21, "fused")
    few = Rollout(population, TWO_STEP, 5, engine=FusedLstm)
    episodes = TWO_STEP.draw(21, generators(1, 30))
    noise = draw_noise(few.n_steps, 3, 21, generators(1, 20))
    cut = [replace(e, table=e.table[..., :5]) for e in episodes.effects]
    few.play(replace(episodes, effects=cut), noise[..., :5])
    assert torch.equal(few.x, many.x[..., :5])


# ---- activations


@compiled
def apply(which, source, target):
    """Apply a function to an array, 16 numbers at a time."""
    for k in range(0, source.size, 16):
        at, to = source.ctypes.data + 4 * k, target.ctypes.data + 4 * k
        if which == 0:
            exp_16(at, to)
        elif which == 1:
            sigmoid_16(at, to)
        else:
            tanh_16(at, to)


def of(which: int, x: np.ndarray) -> np.ndarray:
    out = np.zeros_like(x)
    apply(which, x, out)
    return out


def ulps(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest error, in units of the last place of the exact value's float32."""
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(float)
    return float((np.abs(found.astype(float) - exact) / unit).max())


GRID = np.concatenate([
    np.linspace(-20, 20, 1_600_000), np.geomspace(1e-7, 20, 200_000),
    -np.geomspace(1e-7, 20, 200_000),
]).astype(np.float32)  # fmt: skip


@pytest.mark.parametrize(
    ("which", "exact", "bound"),
    [
        (0, np.exp, 1.5),
        (1, lambda x: 1 / (1 + np.exp(-x)), 2.5),
        (2, np.tanh, 2.5),
    ],
    ids=["exp", "sigmoid", "tanh"],
)
def test_activations_are_exact_to_the_last_places(which, exact, bound) -> None:
    assert ulps(of(which, GRID), exact(GRID.astype(float))) <= bound


def test_activations_at_their_ends() -> None:
    ends = np.tile(np.float32([-np.inf, -1e30, -200, 0, 200, 1e30, np.inf, np.nan]), 2)
    exp, sigmoid, tanh = (of(which, ends)[:8] for which in range(3))
    assert (exp[:3] < 2e-38).all()
    assert exp[3] == 1
    assert (exp[4:7] > 1e38).all()
    np.testing.assert_allclose(sigmoid[:7], [0, 0, 0, 0.5, 1, 1, 1], atol=1e-37)
    assert tanh[:7].tolist() == [-1, -1, -1, 0, 1, 1, 1]
    assert np.isnan([exp[7], sigmoid[7], tanh[7]]).all()


# ---- who asks for it


def test_an_engine_that_cannot_is_refused() -> None:
    with pytest.raises(InputError, match="'gru', it is made for 'lstm'"):
        settle_engine("fused", Shape(4, 3, 8, core_named("gru")))
    with pytest.raises(InputError, match="made for the CPU"):
        settle_engine("fused", Shape(4, 3, 8), "cuda")
    with pytest.raises(InputError, match="float64"):
        settle_engine("fused", Shape(4, 3, 8), dtype=torch.float64)
    with pytest.raises(InputError, match="engine is 'fast'"):
        record("two-step", n_sessions=2, engine="fast")
    assert settle_engine("auto", Shape(4, 3, 8, core_named("gru"))) == "torch"


def test_training_says_its_engine_and_learns_the_same_at_first(tmp_path: Path) -> None:
    recipe = nm.make_recipe("two-step", changes={"n_updates": 3})
    found = {}
    for engine in ("torch", "fused"):
        agents = train("two-step", n_agents=2, seed=4, recipe=recipe, engine=engine, progress=False)
        found[engine] = agents.population.flat
        assert agents.engine == engine
    torch.testing.assert_close(found["fused"], found["torch"], rtol=0, atol=1e-5)
    assert not torch.equal(found["fused"], found["torch"])


def same_where_choices_are(fused, torch_made) -> None:
    """Sessions of the same choices hold the same values, to rounding; hardly one differs."""
    together = (fused.choice == torch_made.choice).all("trial").values
    assert together.mean() > 0.97
    for name in torch_made.data_vars:
        if "session" not in torch_made[name].dims:
            continue
        mine, theirs = fused[name].values[together], torch_made[name].values[together]
        if theirs.dtype.kind == "f":
            np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-4, err_msg=name)
        else:
            assert (mine == theirs).all(), name


@pytest.mark.parametrize("task", ["two-step", "bandit-restless", "harlow", "bandit-foraging"])
def test_recordings_of_the_kernel_are_those_of_torch(task: str) -> None:
    agents = load_agents(task).select(range(2))
    stored = ["activity", "cell", "value", "policy", "rpe", "gates", "inputs"]
    made = {
        engine: record(agents, task, 23, seed=4, engine=engine, variables=stored)
        for engine in ("torch", "fused")
    }
    assert made["fused"].attrs["engine"] == "fused"
    assert "engine" not in made["torch"].attrs
    same_where_choices_are(made["fused"], made["torch"])


@pytest.mark.parametrize(
    "change", [lesion_reward(), clamp(0.5, [3]), scale(0.8, [2], where="forget")]
)
def test_perturbed_recordings_of_the_kernel_are_those_of_torch(change) -> None:
    agents = load_agents("two-step").select(range(1))
    made = [
        record(agents, n_sessions=9, perturb=change, engine=kind) for kind in ("fused", "torch")
    ]
    same_where_choices_are(*made)


def test_rollouts_are_used_again_and_recordings_stand_apart(tmp_path: Path) -> None:
    """Several batches and networks in the same buffers give what each alone gives."""
    agents = load_agents("two-step").select(range(2))
    for engine in ("torch", "fused"):
        both = record(agents, n_sessions=130, seed=5, engine=engine)
        alone = record(agents.select([1]), n_sessions=130, seed=5, engine=engine)
        second = nm.select_subjects(both, nm.subjects_of(alone))
        for name in ("choice", "reward", "activity", "value", "rpe", "policy"):
            np.testing.assert_array_equal(second[name].values, alone[name].values)
        out = record_to_zarr(
            agents, n_sessions=130, seed=5, engine=engine, out=tmp_path / f"{engine}.zarr"
        )
        for name in ("choice", "activity", "value"):
            np.testing.assert_array_equal(open_cohort(out)[name].values, both[name].values)


# ---- compiled once


def test_the_next_process_finds_the_compiled_code(tmp_path: Path) -> None:
    code = (
        "import torch; from neuro_metarl.recording import record;"
        "from neuro_metarl.agents.kernel import lanes;"
        "record('two-step', n_sessions=2, engine='fused', activity=False);"
        "stats = lanes.forward.stats; print(sum(stats.cache_hits.values()),"
        " sum(stats.cache_misses.values()))"
    )
    counts = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        counts.append(done.stdout.split())
    assert counts[1] == ["1", "0"]
