"""Cores: each is what its definition says, whatever computes it, plays it, records it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import neuro_metarl as nm
from neuro_metarl.agents import cores
from neuro_metarl.agents.calibrated import Calibration
from neuro_metarl.agents.cards import CARD, WEIGHTS
from neuro_metarl.agents.cores import Core, Seen, Sizes, core_named, list_cores, register_core
from neuro_metarl.agents.cores.base import NamePart, unchanged
from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.network import FAST, Rollout
from neuro_metarl.agents.population import Population, Shape, views_of
from neuro_metarl.agents.recipes import Recipe
from neuro_metarl.agents.traced import Traced
from neuro_metarl.agents.training import train
from neuro_metarl.agents.zoo import load_agents, untrained
from neuro_metarl.errors import InputError
from neuro_metarl.perturb.perturbation import Perturbation, clamp, inject, lesion, scale
from neuro_metarl.recording import record, record_to_zarr
from neuro_metarl.storage import open_cohort
from tests.worlds import Walk

CORES = list_cores()
SMALL = {"n_updates": 2, "n_episodes": 4, "n_units": 6, "learning_rate": 0.01}
TWO_STEP = nm.make_task("two-step", n_trials=8)


def generators(n: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + k) for k in range(n)]


def networks(core: str, n: int, dtype: torch.dtype = torch.float64) -> Population:
    shape = Shape(4, 3, 7, core_named(core))
    population = Population.initialise(shape, generators(n), dtype)
    for name in shape.first_states:
        population.tensors[name].normal_(generator=generators(1, 50)[0])
    return population


def played(population: Population, batch: int, engine: type | None = None) -> Rollout:
    rollout = Rollout(population, TWO_STEP, batch, learns=True, engine=engine)
    n = population.n_agents
    noise = draw_noise(rollout.n_steps, 3, batch, generators(n, 20))
    rollout.play(TWO_STEP.draw(batch, generators(n, 30)), noise)
    return rollout


def backward(rollout: Rollout) -> Tensor:
    d_logits = torch.randn(rollout.logits.shape, generator=generators(1)[0], dtype=torch.float64)
    d_values = torch.randn(rollout.values.shape, generator=generators(1)[0], dtype=torch.float64)
    return rollout.backward(d_logits, d_values)


# ---- a fast implementation is the definition


@pytest.mark.parametrize("core", FAST, ids=lambda core: core.name)
@pytest.mark.parametrize(("n", "batch"), [(1, 1), (1, 12), (3, 5), (2, 40)])
def test_a_fast_implementation_equals_the_definition(core: Core, n: int, batch: int) -> None:
    """Inputs, every named part, outputs and all gradients, in double precision."""
    population = networks(core.name, n)
    fast, reference = played(population, batch), played(population, batch, Traced)
    assert type(fast.engine) is FAST[core]
    torch.testing.assert_close(fast.x, reference.x, rtol=0, atol=1e-12)
    for part in core.parts:
        torch.testing.assert_close(fast.part(part), reference.part(part), rtol=0, atol=1e-12)
    for name in ("logits", "values"):
        torch.testing.assert_close(
            getattr(fast, name), getattr(reference, name), atol=1e-12, rtol=0
        )
    torch.testing.assert_close(fast.engine.next_value(), reference.engine.next_value())
    pair = [views_of(population.shape, backward(rollout)) for rollout in (fast, reference)]
    for name in population.tensors:
        torch.testing.assert_close(pair[0][name], pair[1][name], rtol=1e-9, atol=1e-11)
        assert float(pair[0][name].abs().max()) > 1e-3, name


@pytest.mark.parametrize("where", ["cell", "output", "input", "forget", "candidate", "hidden"])
def test_a_change_in_flight_is_the_same_in_a_fast_implementation(where: str) -> None:
    population = networks("lstm", 1)
    found = []
    for engine in (None, Traced):
        rollout = Rollout(population, TWO_STEP, 5, engine=engine)
        noise = draw_noise(rollout.n_steps, 3, 5, generators(1, 20))
        change = {where: lambda value: value[..., 2, :].mul_(0.25)}
        rollout.play(
            TWO_STEP.draw(5, generators(1, 30)),
            noise,
            lambda t, change=change: change if t > 4 else None,
        )
        found.append((rollout.x.clone(), rollout.part(where).clone()))
    for fast, reference in zip(*found, strict=True):
        torch.testing.assert_close(fast, reference, rtol=0, atol=1e-12)
    plain = played(population, 5)
    assert not torch.allclose(plain.part(where), found[0][1])


# ---- cores are what torch calls by these names


@pytest.mark.parametrize("seed", range(3))
def test_a_gru_is_torch_s(seed: int) -> None:
    population = networks("gru", 1)
    population.tensors["recurrent"].normal_(generator=generators(1, seed)[0])
    rollout, (h, i) = played(population, 9), (7, population.shape.n_inputs)
    theirs = torch.nn.GRU(i, h).double()
    weights = population.tensors["recurrent"][0]
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(weights[:, :i])
        theirs.bias_ih_l0.copy_(weights[:, i])
        theirs.weight_hh_l0.copy_(weights[:, i + 1 :])
        theirs.bias_hh_l0.zero_()
        start = population.tensors["initial_hidden"].view(1, 1, h).expand(1, 9, h).contiguous()
        hidden, _ = theirs(rollout.x[:-1, :i].transpose(1, 2).contiguous(), start)
    torch.testing.assert_close(rollout.hidden[:, 0], hidden.transpose(1, 2), rtol=0, atol=1e-12)


def test_a_vanilla_network_is_torch_s() -> None:
    population = networks("vanilla", 1)
    rollout, (h, i) = played(population, 9), (7, population.shape.n_inputs)
    theirs = torch.nn.RNN(i, h).double()
    weights = population.tensors["recurrent"][0]
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(weights[:, :i])
        theirs.bias_ih_l0.copy_(weights[:, i])
        theirs.weight_hh_l0.copy_(weights[:, i + 1 :])
        theirs.bias_hh_l0.zero_()
        start = population.tensors["initial_hidden"].view(1, 1, h).expand(1, 9, h).contiguous()
        hidden, _ = theirs(rollout.x[:-1, :i].transpose(1, 2).contiguous(), start)
    torch.testing.assert_close(rollout.hidden[:, 0], hidden.transpose(1, 2), rtol=0, atol=1e-12)


# ---- each core, on a task of numbers


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("n", [1, 2])
def test_the_gradient_is_that_of_the_loss(core: str, n: int) -> None:
    """Move each network along its gradient a little: outputs change as it says."""
    population = networks(core, n)
    rollout = played(population, 6)
    weights = [torch.randn(rollout.logits.shape, generator=generators(1)[0]).double()]
    weights.append(torch.randn(rollout.values.shape, generator=generators(1)[0]).double())

    def loss(r: Rollout) -> Tensor:
        return (r.logits * weights[0]).sum((0, 2, 3)) + (r.values * weights[1]).sum((0, 2))

    before, actions = loss(rollout).clone(), rollout.actions.clone()
    gradient = rollout.backward(*weights)
    step = 1e-7 / gradient.norm(dim=1, keepdim=True)
    after = played(Population(population.shape, population.flat + step * gradient), 6)
    assert torch.equal(after.actions, actions)
    expected = (step * gradient.square()).sum(1)
    torch.testing.assert_close(loss(after) - before, expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("core", CORES)
def test_one_network_alone_plays_as_in_a_population(core: str) -> None:
    together = networks(core, 3)
    noise = draw_noise(24, 3, 4, generators(3)).double()
    many, one = Rollout(together, TWO_STEP, 4), Rollout(together.select([1]), TWO_STEP, 4)
    many.play(TWO_STEP.draw(4, generators(3)), noise)
    one.play(TWO_STEP.draw(4, generators(3)[1:2]), noise[:, 1:2])
    torch.testing.assert_close(many.hidden[:, 1], one.hidden[:, 0], rtol=0, atol=1e-12)


@pytest.fixture(scope="module", params=CORES)
def agents(request: pytest.FixtureRequest) -> nm.agents.Agents:
    recipe = Recipe(**SMALL, core=request.param)
    return train(TWO_STEP, recipe=recipe, n_agents=2, progress=False)


def test_a_core_is_trained_saved_and_loaded(agents: nm.agents.Agents, tmp_path: Path) -> None:
    assert agents.population.shape.core.name == agents.recipe.core
    again = load_agents(nm.save_agents(agents, tmp_path / "a"))
    assert torch.equal(again.population.flat, agents.population.flat)
    assert again.population.shape == agents.population.shape
    assert again.recipe == agents.recipe
    fresh = untrained(agents, n_agents=2, seed=1)
    assert fresh.population.shape == agents.population.shape
    assert not torch.equal(fresh.population.flat, agents.population.flat)


def test_gates_in_any_declared_order_are_the_same_network(
    agents: nm.agents.Agents, tmp_path: Path
) -> None:
    core = agents.population.shape.core
    folder = nm.save_agents(agents, tmp_path / "a")
    card, tensors = json.loads((folder / CARD).read_text()), load_file(folder / WEIGHTS)
    assert card.pop("gate_order") == list(core.gates)
    del card["sha256"]
    order = list(reversed(core.gates))
    for name in core.gate_rows:
        blocks = tensors[name].chunk(len(core.gates), dim=1)
        tensors[name] = torch.cat(blocks[::-1], dim=1).contiguous()
    save_file(tensors, folder / WEIGHTS)
    (folder / CARD).write_text(json.dumps(card | {"gate_order": order}))
    assert torch.equal(load_agents(folder).population.flat, agents.population.flat)
    (folder / CARD).write_text(json.dumps(card | {"gate_order": ["input"]}))
    with pytest.raises(InputError, match="gate_order is"):
        load_agents(folder)


def test_a_core_is_recorded_and_perturbed_by_its_own_names(agents: nm.agents.Agents) -> None:
    core = agents.population.shape.core
    plain, control = record(agents, n_sessions=3), record(agents, n_sessions=3, perturb=[])
    assert np.array_equal(plain.activity, control.activity)
    assert ("cell" in plain) == ("cell" in core.parts)
    for part in core.parts:
        where = "activity" if part == "hidden" else part
        held = record(agents, n_sessions=3, perturb=clamp(0.125, [2], where=where))
        assert not np.array_equal(held.value, plain.value), part
        if where in ("activity", "cell"):
            assert (held[where].sel(unit=2) == 0.125).all()
    if core.gates:
        gates = record(agents, n_sessions=3, variables=["gates"], perturb=scale(1, where="reward"))
        assert tuple(gates.gate.values) == core.gates
        held = record(agents, n_sessions=3, variables=["gates"],
                      perturb=clamp(0.5, [1], where=core.gates[0]))  # fmt: skip
        assert (held.gates.sel(unit=1, gate=core.gates[0]) == 0.5).all()


def test_a_core_is_recorded_to_disk_as_in_memory(agents: nm.agents.Agents, tmp_path: Path) -> None:
    path = record_to_zarr(agents, n_sessions=3, out=tmp_path / "a.zarr", seed=2)
    for name, values in record(agents, n_sessions=3, seed=2).data_vars.items():
        assert np.array_equal(open_cohort(path)[name], values, equal_nan=True), name


def test_what_a_core_lacks_is_refused_by_name(agents: nm.agents.Agents) -> None:
    core = agents.population.shape.core
    for where in sorted({"cell", "forget", "reset", "first_cell"} - set(core.parts)):
        with pytest.raises(InputError, match=f"core '{core.name}' have no '{where}'; there are: "):
            record(agents, n_sessions=1, perturb=inject(0.1, where=where))
    for variable in ("cell", "gates"):
        if (variable == "cell" and "cell" not in core.parts) or not core.gates:
            with pytest.raises(InputError, match=f"'{variable}' does not exist in networks with"):
                record(agents, n_sessions=1, variables=[variable])


def test_agents_of_any_core_play_animals_sessions(agents: nm.agents.Agents) -> None:
    rats = nm.load_dataset("synthetic-rats").isel(session=slice(0, 40, 20))
    yoked = nm.record_yoked(agents, rats, n_replicates=1, allow_mismatch=True)
    assert yoked.sizes["session"] == 4
    left = nm.record_yoked(agents, rats, n_replicates=1, allow_mismatch=True,
                           calibration=Calibration(bias=-50.0))  # fmt: skip
    free = (left.valid == 1) & (left.forced == 0)
    assert (left.choice.values[free.values] == 0).all()
    assert bool(np.isfinite(nm.replay(agents, rats)).any())


@pytest.mark.parametrize("core", CORES)
def test_a_population_without_reward_input_never_sees_it(core: str) -> None:
    recipe = Recipe(**SMALL, core=core, see_reward=False)
    agents = train(TWO_STEP, recipe=recipe, progress=False)
    plain = record(agents, n_sessions=2)
    blind = record(agents, n_sessions=2, perturb=scale(0.0, where="reward"))
    assert np.array_equal(plain.value, blind.value)
    seeing = train(TWO_STEP, recipe=Recipe(**SMALL, core=core), progress=False)
    blind = record(seeing, n_sessions=2, perturb=scale(0.0, where="reward"))
    assert not np.array_equal(record(seeing, n_sessions=2).value, blind.value)


def test_only_cores_with_memory_answer_to_the_past() -> None:
    """The same action, observation and reward, after another trial before."""
    for name in CORES:
        core, sizes = core_named(name), Shape(4, 3, 7, core_named(name))
        population = networks(name, 1)
        weights = population.agent(0)
        generator = generators(1, 3)[0]
        draw = lambda n: torch.rand(n, 5, generator=generator, dtype=torch.float64)  # noqa: B023, E731
        last = Seen(draw(3), draw(4), draw(1))
        hidden = []
        for _ in range(2):
            state = core.first_state(weights, sizes, 5)
            state = core.step(weights, Seen(draw(3), draw(4), draw(1)), state)
            hidden.append(core.step(weights, last, state)["hidden"])
        assert torch.allclose(*hidden) != core.remembers


# ---- a core of one's own


class Leaky(Core):
    """Tanh units that keep a learned share of what they were."""

    name = "leaky"
    gates = ("share",)
    open_gates = ("share",)

    def tensors(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        h = sizes.n_units
        return {"drive": (h, sizes.n_inputs + 1 + h), "leak": (h,)}

    def step(
        self,
        weights: Mapping[str, Tensor],
        seen: Seen,
        state: Mapping[str, Tensor],
        part: NamePart = unchanged,
    ) -> dict[str, Tensor]:
        drive = weights["drive"] @ torch.cat([*seen.rows(), state["hidden"]], dim=-2)
        share = part("share", weights["leak"].sigmoid().unsqueeze(-1).expand_as(drive))
        return {"hidden": part("hidden", share * state["hidden"] + (1 - share) * drive.tanh())}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_CORES", dict(cores._CORES))


@pytest.mark.usefixtures("registry")
def test_a_core_of_ones_own_needs_its_step_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"core is 'leaky'; .*register_core first"):
        train(TWO_STEP, recipe=Recipe(**SMALL, core="leaky"), progress=False)
    register_core(Leaky())
    recipe = Recipe(**SMALL, core="leaky")
    agents = train(TWO_STEP, recipe=recipe, n_agents=2, out=tmp_path / "a", progress=False)
    assert torch.equal(load_agents(tmp_path / "a").population.flat, agents.population.flat)
    cohort = record(agents, n_sessions=2, variables=["activity", "gates"],
                    perturb=Perturbation("share", "clamp", 1.0, units=(3,)))  # fmt: skip
    assert (cohort.gates.sel(gate="share", unit=3) == 1).all()
    assert np.allclose(np.ptp(cohort.activity.sel(unit=3).values, axis=(1, 2)), 0)
    fixation = nm.neural.input_of(agents, "fixation")
    recorded = record(agents, n_sessions=2)
    found = nm.neural.fixed_points(agents, recorded, fixation, n_starts=5, max_speed=1e-4)
    assert (found.n_found.values + found.n_failed.values > 0).all()
    with pytest.raises(InputError, match="does not say which weights see the reward"):
        train(TWO_STEP, recipe=Recipe(**SMALL, core="leaky", see_reward=False), progress=False)
    with pytest.raises(InputError, match="the share gate is open from 0 to 1"):
        clamp(2.0, where="share")
    walk = Walk(dtype=torch.float32)
    seeing = Recipe(**SMALL, core="leaky", encoder="small", n_features=5)
    looking = train(walk, recipe=seeing, progress=False)
    assert record(looking, n_sessions=2, perturb=lesion([1])).sizes["unit"] == 6


@pytest.mark.usefixtures("registry")
def test_a_checkpoint_of_a_core_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    register_core(Leaky())
    recipe = Recipe(**SMALL, core="leaky")
    train(TWO_STEP, recipe=recipe, out=tmp_path / "a", progress=False)
    del cores._CORES["leaky"]
    with pytest.raises(InputError, match=r"core is 'leaky'.*register_core first") as refusal:
        load_agents(tmp_path / "a")
    assert "\n" not in str(refusal.value)


def broken(**changes: Any) -> Core:
    return type("Broken", (Leaky,), {"name": "broken", **changes})()


def step_giving(change: Any) -> Any:
    def step(self: Leaky, weights: Any, seen: Any, state: Any, part: Any = unchanged) -> Any:
        return change(Leaky.step(self, weights, seen, state, part))

    return step


BROKEN: dict[str, tuple[Any, str]] = {
    "no core": (lambda: "lstm", "expected an object of a subclass of Core with a name"),
    "no name": (lambda: broken(name=""), "expected an object of a subclass of Core with a name"),
    "taken": (lambda: broken(name="gru"), "there is another one called 'gru'"),
    "reserved": (lambda: broken(gates=("value",)), "'value', which has a meaning of its own"),
    "twice": (lambda: broken(gates=("share", "share")), "name a part twice"),
    "cell as a gate": (lambda: broken(gates=("share", "cell")), "'cell' is the name of a state"),
    "open": (lambda: broken(open_gates=("shore",)), "open_gates names a part"),
    "heads": (lambda: broken(tensors=lambda self, sizes: {"heads": (2, 3)}), "may not be called"),
    "dims": (lambda: broken(tensors=lambda self, sizes: {"w": 3}), "dims of 'w' are 3"),
    "gate rows": (lambda: broken(gate_rows=("leak2",)), "no block of rows per gate"),
    "unnamed": (lambda: broken(gates=("share", "other")), "names with part.* but not 'other'"),
    "undeclared": (lambda: broken(gates=(), open_gates=()), "'share', which is none of its"),
    "state": (lambda: broken(states=("hidden", "trace")), "returns hidden, but not 'trace'"),
    "dims of hidden": (
        lambda: broken(step=step_giving(lambda new: {"hidden": new["hidden"][:2]})),
        r"'hidden' with dims \(2, 4\), expected \(unit, episode\), here \(5, 4\)",
    ),
    "raises": (
        lambda: broken(step=step_giving(lambda new: new["hiden"])),
        "tensors, draw or step failed .KeyError: 'hiden'",
    ),
    "does not fit": (
        lambda: broken(tensors=lambda self, sizes: {"drive": (3, 4), "leak": (5,)}),
        "tensors, draw or step failed .RuntimeError",
    ),
    "deaf": (
        lambda: broken(step=step_giving(lambda new: {"hidden": new["hidden"] + 1})),
        "'hidden' is not what part",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("name", BROKEN)
def test_a_core_that_does_not_do_what_it_says_is_refused(name: str) -> None:
    make, message = BROKEN[name]
    before = list_cores()
    with pytest.raises(InputError, match=message) as refusal:
        register_core(make())
    assert "\n" not in str(refusal.value)
    assert list_cores() == before


@pytest.mark.usefixtures("registry")
def test_registering_again_changes_nothing() -> None:
    first = register_core(Leaky())
    assert register_core(Leaky()) == first
    assert lesion([1]).where == "activity"


def test_names_of_cores_are_compared_in_one_place() -> None:
    """No module but the registry's own files asks what a core is called."""
    root = Path(nm.__file__).parent
    for path in root.rglob("*.py"):
        if "cores" in path.parts:
            continue
        text = path.read_text()
        for name in CORES:
            for quoted in (f'== "{name}"', f'!= "{name}"', f'in ("{name}"'):
                assert quoted not in text, (path, quoted)
