"""Recipes and cards: nothing declared is ignored, and no card says what its weights are not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import neuro_metarl as nm
from neuro_metarl.agents.cards import CARD, WEIGHTS
from neuro_metarl.agents.cores import GATES, core_named, list_cores
from neuro_metarl.agents.recipes import OF_PICTURES, RECIPES, Recipe, fit_recipe, make_recipe
from neuro_metarl.agents.training import train, train_in_stages
from neuro_metarl.agents.zoo import ZOO, Agents, list_agents, load_agents, save_agents, untrained
from neuro_metarl.errors import InputError
from neuro_metarl.tasks import TwoStep, VisualTask, make_task
from tests.worlds import Walk

WALK = Walk(dtype=torch.float32)
PLAIN = ["two-step", "two-step-miller", "bandit-restless", "bandit-eleven", "harlow"]
CHANGED: dict[str, object] = {
    "encoder": "small",
    "n_features": 32,
    "rectified_features": True,
    "standardize_features": True,
    "encoder_learning_rate": 0.1,
    "encoder_frozen": 3,
    "unroll": 10,
    "bootstrap": True,
    "curriculum": 0.5,
    "hold": True,
}


@pytest.mark.parametrize("task", PLAIN)
@pytest.mark.parametrize("field", OF_PICTURES)
def test_a_field_without_effect_is_refused_by_name(task: str, field: str) -> None:
    recipe = make_recipe(task, changes={field: CHANGED[field], "n_updates": 1})
    message = (
        f"recipe: {field} is .*, but task '{task}' shows no pictures.*(did you mean|there are)"
    )
    with pytest.raises(InputError, match=message):
        train(task, recipe=recipe, progress=False)


def test_every_field_of_a_recipe_is_used_somewhere_and_changes_numbers_or_is_refused() -> None:
    """Each field of pictures, changed on a task of pictures, changes the weights."""
    base: dict[str, Any] = {
        "n_updates": 3, "n_episodes": 4, "n_units": 6, "learning_rate": 0.05, "encoder": "linear",
        "n_features": 5, "learn_initial_state": False,
    }  # fmt: skip
    values = {
        **CHANGED,
        "core": "feed-forward",
        "curriculum": None,
        "hold": None,
        "encoder": None,
        "unroll": 4,
    }
    plain = train(WALK, recipe=Recipe(**base), progress=False).population.flat
    for field, value in values.items():
        if value is not None:
            changed = train(WALK, recipe=Recipe(**base | {field: value}), progress=False)
            other = changed.population.flat
            assert other.shape != plain.shape or not torch.equal(other, plain), field
    with pytest.raises(InputError, match="hold is True, but there is no 'curriculum'"):
        train(WALK, recipe=Recipe(**base, hold=True), progress=False)


def test_recipes_of_the_package_fit_their_tasks() -> None:
    for name, recipes in RECIPES.items():
        for recipe in recipes.values():
            assert fit_recipe(recipe, make_task(name)) == recipe


def test_a_reward_that_is_shown_anyway_cannot_be_taken_away() -> None:
    recipe = make_recipe("bandit-eleven", changes={"see_reward": False, "n_updates": 1})
    with pytest.raises(InputError, match="see_reward is False, but task 'bandit-eleven' shows"):
        train("bandit-eleven", recipe=recipe, progress=False)


@pytest.mark.parametrize("core", ["stacked", "feed-forward"])
def test_the_card_of_a_core_without_a_learned_first_state_says_so(
    core: str, tmp_path: Path
) -> None:
    recipe = Recipe(n_updates=1, n_episodes=2, learning_rate=0.1, encoder="linear", core=core)
    agents = train(WALK, recipe=recipe, progress=False)
    assert recipe.learn_initial_state
    assert not agents.recipe.learn_initial_state
    assert agents.population.shape.core == core_named(core)


def test_a_core_learns_while_its_encoder_is_frozen() -> None:
    base = {"n_updates": 1, "n_episodes": 2, "learning_rate": 0.1, "encoder": "linear"}
    for core in list_cores():
        recipe = Recipe(**base, core=core, encoder_frozen=1)
        before, after = train_in_stages(WALK, [0, 1], recipe=recipe, progress=False)
        n_core = after.population.shape.n_core
        moved = before.population.flat != after.population.flat
        assert moved[:, :n_core].any()
        assert not moved[:, n_core:].any()


# ---- checkpoints


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    agents = load_agents("two-step").select([3, 5])
    return save_agents(agents, tmp_path_factory.mktemp("saved") / "two")


def variant(
    saved: Path,
    folder: Path,
    weights: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None,
    card: Callable[[dict[str, Any]], object] | None = None,
    *,
    checksum: bool = False,
) -> Path:
    """Copy a checkpoint with other weights or another card, as another program may write it."""
    folder.mkdir()
    tensors, said = load_file(saved / WEIGHTS), json.loads((saved / CARD).read_text())
    if not checksum:
        del said["sha256"]
    if card is not None:
        card(said)
    changed = weights(tensors) if weights is not None else tensors
    save_file({k: v.contiguous() for k, v in changed.items()}, folder / WEIGHTS)
    (folder / CARD).write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("seed", range(4))
def test_gates_in_any_declared_order_are_the_same_network(
    seed: int, saved: Path, tmp_path: Path
) -> None:
    order = random.Random(seed).sample(GATES, len(GATES))

    def reordered(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        gates = dict(zip(GATES, tensors["recurrent"].chunk(4, dim=1), strict=True))
        return tensors | {"recurrent": torch.cat([gates[name] for name in order], dim=1)}

    folder = variant(saved, tmp_path / "a", reordered, lambda c: c.update(gate_order=order))
    assert torch.equal(load_agents(folder).population.flat, load_agents(saved).population.flat)
    lying = variant(saved, tmp_path / "b", reordered, checksum=True)
    if order != list(GATES):
        with pytest.raises(InputError, match="checksum"):
            load_agents(lying)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda card: card.pop(key)


def in_part(part: str, **changes: object) -> Callable[[dict[str, Any]], object]:
    return lambda card: card[part].update(changes)


CARDS = {
    "later schema": (lambda c: c.update(format="neuro_metarl.agents/2"), "agents/2.*made by"),
    "no schema": (without("format"), "not a checkpoint of format"),
    "no names": (without("names"), "'names' is missing"),
    "no gates": (without("gate_order"), "'gate_order' is missing"),
    "no seed": (without("seed"), "'seed' is missing"),
    "no curve": (without("curve"), "'curve' is missing"),
    "no recipe": (without("recipe"), "'recipe' is missing"),
    "unknown key": (lambda c: c.update(gate_ordr=["input"]), "'gate_ordr'.*'gate_order'"),
    "three gates": (lambda c: c.update(gate_order=list(GATES[:3])), "gate_order is"),
    "gates twice": (lambda c: c.update(gate_order=["input"] * 4), "gate_order is"),
    "gates no list": (lambda c: c.update(gate_order=3), "gate_order is 3"),
    "one name": (lambda c: c.update(names=["a"], curve=[]), "shape .*expected .* for 1 names"),
    "same names": (lambda c: c.update(names=["a", "a"]), "names has 'a' twice"),
    "numbers as names": (lambda c: c.update(names=[1, 2]), "names is"),
    "no name": (lambda c: c.update(names=["a", ""]), "names is"),
    "text as seed": (lambda c: c.update(seed="abc"), "seed is 'abc'"),
    "negative seed": (lambda c: c.update(seed=-1), "seed is -1"),
    "a list as shape": (lambda c: c.update(shape=[1]), r"shape is \[1\]"),
    "a huge network": (in_part("shape", n_units=10**9), "does not belong|n_units"),
    "no units": (in_part("shape", n_units=0), "n_units"),
    "units as text": (in_part("shape", n_units="48"), "n_units"),
    "other core": (in_part("shape", core="stacked"), "core|belong|weight"),
    "unknown core": (in_part("shape", core="grue"), "core is 'grue'; did you mean 'gru'"),
    "unknown part": (in_part("shape", depth=2), "depth"),
    "an encoder": (in_part("shape", encoder={"kind": "small"}), "shape"),
    "other observations": (in_part("shape", n_observations=5), "5 observations"),
    "recipe of a control": (
        in_part("recipe", core="feed-forward"),
        "core 'feed-forward', the shape 'lstm'",
    ),
    "recipe of others": (in_part("recipe", n_units=32), "n_units 32, the shape 48"),
    "unknown field": (in_part("recipe", lr=0.1), "unknown key 'lr'"),
    "text in the recipe": (in_part("recipe", n_updates="many"), "n_updates is many"),
    "unknown task": (lambda c: c.update(task="two-stp"), "no task of the package.*'two-step'"),
    "another task": (lambda c: c.update(task="two-step-miller"), "task_config makes"),
    "unknown parameter": (in_part("task_config", p_comon=0.5), "p_comon.*p_common"),
    "impossible value": (in_part("task_config", p_common=1.5), "p_common is 1.5"),
    "text as value": (in_part("task_config", p_common="0.8"), "p_common is '0.8'"),
    "a list as value": (in_part("task_config", p_common=[0.8]), "task_config"),
    "no parameter": (lambda c: c["task_config"].pop("p_common"), "p_common is missing"),
    "short curve": (lambda c: c.update(curve=[[0.1]]), "curve has a row"),
    "text as curve": (lambda c: c.update(curve="up"), "curve has a row"),
    "too many updates": (lambda c: c.update(n_updates_done=-2), "n_updates_done is -2"),
    "a list": (lambda c: c.update(created_by=["me"]), "created_by is"),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_that_cannot_be_honoured_is_refused(name: str, saved: Path, tmp_path: Path) -> None:
    change, message = CARDS[name]
    folder = variant(saved, tmp_path / "a", card=change)
    with pytest.raises(InputError, match=message) as refusal:
        load_agents(folder)
    assert "\n" not in str(refusal.value)
    assert str(tmp_path / "a") in str(refusal.value)


WEIGHT_CHANGES: dict[str, tuple[Callable[[dict[str, torch.Tensor]], Any], str]] = {
    "half": (lambda t: {k: v.half() for k, v in t.items()}, "float16, expected torch.float32"),
    "double": (lambda t: {k: v.double() for k, v in t.items()}, "float64, expected"),
    "nan": (lambda t: {**t, "heads": t["heads"] * torch.nan}, "not finite"),
    "infinite": (lambda t: {**t, "heads": t["heads"] / 0}, "not finite"),
    "missing": (lambda t: {k: v for k, v in t.items() if k != "initial_cell"}, "'initial_cell'"),
    "more": (lambda t: {**t, "recurrent_2": torch.zeros(2, 3)}, "'recurrent_2', which is no"),
    "renamed": (lambda t: {f"w_{k}": v for k, v in t.items()}, "which is no weight"),
    "transposed": (lambda t: {**t, "heads": t["heads"].transpose(1, 2)}, "'heads'.* has shape"),
    "one agent": (lambda t: {k: v[:1] for k, v in t.items()}, "expected .* for 2 names"),
}


@pytest.mark.parametrize("name", WEIGHT_CHANGES)
def test_weights_that_the_card_does_not_describe_are_refused(
    name: str, saved: Path, tmp_path: Path
) -> None:
    change, message = WEIGHT_CHANGES[name]
    with pytest.raises(InputError, match=message):
        load_agents(variant(saved, tmp_path / "a", change))


@pytest.mark.parametrize("content", ["[" * 200_000, "null", "[]", '"card"', "{", "\ufeff{}"])
def test_what_is_no_card_is_said_in_one_line(content: str, saved: Path, tmp_path: Path) -> None:
    folder = variant(saved, tmp_path / "a")
    (folder / CARD).write_text(content)
    with pytest.raises(InputError, match=r"cannot be read|not a checkpoint"):
        load_agents(folder)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), in_card=st.booleans())
def test_a_flipped_bit_is_refused_or_changes_nothing(
    place: float, bit: int, in_card: bool, saved: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bit") / "a"
    variant(saved, folder, checksum=True)
    assert torch.equal(load_agents(folder).population.flat, load_agents(saved).population.flat)
    file = folder / (CARD if in_card else WEIGHTS)
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    file.write_bytes(content)
    try:
        found = load_agents(folder)
    except InputError:
        return
    true = load_agents(saved)
    assert torch.equal(found.population.flat, true.population.flat)
    assert (found.names, found.task, found.recipe, found.seed, found.curve) == (
        true.names, true.task, true.recipe, true.seed, true.curve,
    )  # fmt: skip


@pytest.mark.parametrize("name", list_agents())
def test_the_zoo_is_whole_and_survives_a_round_trip(name: str, tmp_path: Path) -> None:
    card = json.loads((ZOO / name / CARD).read_text())
    agents = load_agents(name)
    again = load_agents(save_agents(agents, tmp_path / "a"))
    assert torch.equal(agents.population.flat, again.population.flat)
    assert (again.names, again.task, again.recipe, again.seed) == (
        agents.names, agents.task, agents.recipe, agents.seed,
    )  # fmt: skip
    assert "sha256" in card
    said = json.loads((tmp_path / "a" / CARD).read_text())["recipe"]
    assert ("encoder" in said) == isinstance(agents.task, VisualTask)


def test_agents_that_did_not_finish_say_how_far_they_came(tmp_path: Path) -> None:
    recipe = Recipe(n_updates=3, n_episodes=2, n_units=6, learning_rate=0.01)
    early, late = train_in_stages("two-step", [1, 3], recipe=recipe, progress=False)
    fresh = untrained(late, n_agents=1)
    for number, (agents, done) in enumerate(((early, 1), (late, 3), (fresh, 0))):
        again = load_agents(save_agents(agents, tmp_path / str(number)))
        assert again.n_updates_done == done
        cohort = nm.record(again, n_sessions=1)
        assert cohort.attrs.get("n_updates_done", 3) == done


def test_double_weights_and_doubled_names_are_not_saved(tmp_path: Path) -> None:
    agents = load_agents("two-step").select([0, 1])
    population = type(agents.population)(agents.population.shape, agents.population.flat.double())
    with pytest.raises(InputError, match="float64; a checkpoint holds float32"):
        save_agents(replace(agents, population=population), tmp_path / "a")
    with pytest.raises(InputError, match="one twice"):
        save_agents(replace(agents, names=("a", "a")), tmp_path / "a")
    with pytest.raises(InputError, match="1 names for 2 networks"):
        replace(agents, names=("a",))


class Own(TwoStep):
    """A task of one's own."""

    @property
    def name(self) -> str:
        """Not of the package."""
        return "own-task"


def test_agents_of_a_task_of_ones_own_are_loaded_with_it(tmp_path: Path) -> None:
    task = Own(n_trials=5)
    recipe = Recipe(n_updates=1, n_episodes=2, n_units=6, learning_rate=0.01)
    agents = train(task, recipe=recipe, out=tmp_path / "a", progress=False)
    with pytest.raises(InputError, match=r"no task of the package.*load_agents"):
        load_agents(tmp_path / "a")
    again: Agents = load_agents(tmp_path / "a", task=task)
    assert torch.equal(again.population.flat, agents.population.flat)
    with pytest.raises(InputError, match="n_trials is 5, but task 'own-task' has 6"):
        load_agents(tmp_path / "a", task=Own(n_trials=6))


# ---- names


def test_populations_of_two_seeds_bear_different_names() -> None:
    recipe = Recipe(n_updates=1, n_episodes=2, n_units=6, learning_rate=0.01)
    zero, one, two = (
        train("two-step", recipe=recipe, n_agents=2, seed=seed, progress=False) for seed in range(3)
    )
    assert zero.names == ("two-step/0", "two-step/1")
    assert one.names == ("two-step/seed-1/0", "two-step/seed-1/1")
    assert not set(one.names) & set(two.names)
    cohorts = [nm.record(agents, n_sessions=2, seed=7) for agents in (zero, one, two)]
    joined = nm.concat_cohorts(cohorts)
    assert len(nm.subjects_of(joined)) == 6
    assert not np.array_equal(cohorts[0].p_reward.values, cohorts[1].p_reward.values)


def test_a_name_of_ones_own_changes_no_weight() -> None:
    recipe = Recipe(n_updates=1, n_episodes=2, n_units=6, learning_rate=0.01)
    plain = train("two-step", recipe=recipe, seed=1, progress=False)
    named = train("two-step", recipe=recipe, seed=1, name="small", progress=False)
    assert named.names == ("small/0",)
    assert torch.equal(plain.population.flat, named.population.flat)


# ---- what cannot be


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train("two-step", seed=1.5, progress=False), "seed is 1.5"),
        (lambda: train("two-step", seed=-1, progress=False), "seed is -1"),
        (lambda: train("two-step", seed=True, progress=False), "seed is True"),
        (lambda: train("two-step", n_agents=1.5, progress=False), "n_agents is 1.5"),
        (lambda: nm.record("two-step/0", n_sessions=2.5), "n_sessions is 2.5"),
        (lambda: nm.record("two-step/0", seed="a"), "seed is 'a'"),
        (lambda: nm.record("two-step/0", "two-stp"), "did you mean 'two-step'"),
        (
            lambda: nm.record("two-step/0", make_task("two-step", n_trials=10**9)),
            "GB of memory, more than",
        ),
        (
            lambda: train(make_task("two-step", n_trials=10**9), progress=False),
            "GB of memory, more than",
        ),
        (
            lambda: train(
                "two-step", recipe=make_recipe("two-step", changes={"n_units": 10**9}),
                progress=False,
            ),
            "1 networks of 1000000000 units need .* GB",
        ),
    ],
)  # fmt: skip
def test_impossible_numbers_are_refused_in_one_line(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
