"""The same seed, the same bits: whatever the threads, torch's settings, and the company."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import neuro_metarl as nm
from neuro_metarl.agents.cores import core_named, list_cores
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.tasks.base import VisualTask
from tests.digests import FORMS, SURROUNDINGS, digest, digests, of_cohort, population

HOME = Path(__file__).parents[1]


def in_a_process(n_threads: int, surroundings: str) -> dict[str, str]:
    settings = os.environ | {"OMP_NUM_THREADS": str(n_threads), "MKL_NUM_THREADS": str(n_threads)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.digests", str(n_threads), surroundings],
        cwd=HOME, env=settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    return in_a_process(1, "plain")


@pytest.mark.parametrize("surroundings", ["plain", "double"])
def test_threads_and_default_type_change_no_bit(surroundings: str, plain: dict[str, str]) -> None:
    assert in_a_process(2, surroundings) == plain


@pytest.mark.parametrize("surroundings", [s for s in SURROUNDINGS if s != "plain"])
def test_settings_of_torch_change_no_bit(surroundings: str, plain: dict[str, str]) -> None:
    with SURROUNDINGS[surroundings]():
        found = digests(pictures=surroundings in ("autocast", "precision", "inference"))
    assert found
    assert {name: plain[name] for name in found} == found


def test_digests_tell_two_seeds_apart() -> None:
    one, two = population("two-step", 2), population("two-step", 2)
    assert of_cohort(nm.record(one, n_sessions=2)) == of_cohort(nm.record(two, n_sessions=2))
    assert of_cohort(nm.record(one, n_sessions=2)) != of_cohort(
        nm.record(one, n_sessions=2, seed=1)
    )


def test_settings_are_put_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with SURROUNDINGS["precision"](), SURROUNDINGS["denormals"](), torch.device("meta"):
        with one_thread(), one_thread(flush_denormals=True):
            inside = torch.get_num_threads(), torch.zeros(1).device.type
            precision = torch.get_float32_matmul_precision()
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.zeros(1).device.type == "meta"
        tiny = torch.full((1,), 1e-310, dtype=torch.float64, device="cpu")
        assert float(tiny * 1.0) == 0
    assert (inside, precision) == ((1, "cpu"), "highest")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", list(FORMS))
@pytest.mark.parametrize("seed", [0, 1])
def test_episodes_do_not_depend_on_the_default_type(name: str, seed: int) -> None:
    def drawn() -> str:
        task = nm.make_task(name, **FORMS[name])
        generators = seed_generators(seed, ["a", "b"], "train")
        if isinstance(task, VisualTask):
            world = task.start(3, generators[0])
            rewards = [world.step(torch.zeros(3, dtype=torch.long)) for _ in range(4)]
            return digest(world.frames().numpy(), *(reward.numpy() for reward in rewards))
        episodes = task.draw(3, generators)
        tables = [effect.table for effect in episodes.effects]
        tables += [task.fixed_observations(), *episodes.variables.values()]
        if episodes.observed is not None:
            tables.append(episodes.observed)
        return digest(*(table.numpy() for table in tables))

    single = drawn()
    with SURROUNDINGS["double"]():
        assert drawn() == single


@pytest.mark.parametrize("core", list_cores())
def test_first_weights_are_the_same_in_company_and_on_two_threads(core: str) -> None:
    shape = Shape(40, 3, 96, core_named(core))
    three = Population.initialise(shape, seed_generators(0, ["a", "b", "c"], "train"))
    torch.set_num_threads(2)
    one = Population.initialise(shape, seed_generators(0, ["b"], "train"))
    torch.set_num_threads(1)
    assert torch.equal(three.flat[1], one.flat[0])


@pytest.mark.parametrize("task", ["two-step", "bandit-restless", "harlow"])
def test_a_subject_recorded_alone_is_the_subject_in_company(task: str) -> None:
    agents = nm.load_agents(task).select([0, 1, 2])
    together = nm.record(agents, n_sessions=3, seed=4)
    for k in (2, 0):
        alone = nm.record(agents.select([k]), n_sessions=3, seed=4)
        mine = nm.select_subjects(together, agents.names[k])
        assert of_cohort(alone) == of_cohort(mine)


def test_recordings_of_more_than_one_batch_begin_alike() -> None:
    agents = nm.load_agents("two-step/0")
    short, long = (nm.record(agents, n_sessions=n, seed=2) for n in (100, 130))
    for name in short.data_vars:
        first = long[name].isel(session=slice(100)).values
        assert np.array_equal(first, short[name].values, equal_nan=True), name
