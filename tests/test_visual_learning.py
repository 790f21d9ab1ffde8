"""Learning by looking: unrolls, curricula, frozen encoders, interruption."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from neuro_metarl.agents.cores import list_cores
from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.agents.population import views_of
from neuro_metarl.agents.recipes import Recipe
from neuro_metarl.agents.training import train, train_in_stages
from neuro_metarl.agents.visual_learning import VisualLearner, fresh_networks
from neuro_metarl.errors import InputError
from tests.worlds import Walk

SMALL = Recipe(
    n_updates=4,
    n_episodes=6,
    n_units=8,
    optimizer="adam",
    learning_rate=0.01,
    encoder="small",
    n_features=6,
    unroll=6,
    bootstrap=True,
    normalize_advantage=True,
)
WALK = Walk(dtype=torch.float32)


def changed(recipe: Recipe = SMALL, **values: object) -> Recipe:
    return Recipe(**recipe.model_dump() | values)


def learner(recipe: Recipe, task: Walk = WALK, n_agents: int = 1) -> VisualLearner:
    names = [str(k) for k in range(n_agents)]
    return VisualLearner(task, recipe, seed_generators(0, names, "train"))


@pytest.mark.parametrize("core", list_cores())
@pytest.mark.parametrize("rendered", [False, True])
def test_each_core_learns_to_walk_to_the_reward(core: str, rendered: bool) -> None:
    """Reward lies at one place: standing there pays 12 a episode, chance 2."""
    recipe = changed(core=core, n_updates=60, n_episodes=32, learning_rate=0.02, discount=0.9)
    task = Walk(dtype=torch.float32, rendered=rendered)
    agents = train(task, recipe=recipe, seed=1, progress=False)
    first, last = agents.curve[0][0], agents.curve[-1][0]
    assert first < 4
    assert last > 8


def test_agents_do_not_disturb_each_other() -> None:
    """An agent's course is its own: bit for bit the same alone and beside others."""
    two = train(WALK, recipe=SMALL, n_agents=2, progress=False)
    three = train(WALK, recipe=SMALL, n_agents=3, progress=False)
    assert torch.equal(two.population.flat, three.population.flat[:2])
    assert not torch.equal(three.population.flat[0], three.population.flat[1])


@pytest.mark.parametrize("stop_at", [1, 3])
def test_an_interrupted_training_ends_with_the_same_weights(
    stop_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(WALK, recipe=SMALL, n_agents=2, progress=False)
    update = VisualLearner.update

    def interrupted(self: VisualLearner) -> torch.Tensor:
        if self.n_done == stop_at:
            signal.raise_signal(signal.SIGINT)
        return update(self)

    monkeypatch.setattr(VisualLearner, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(WALK, recipe=SMALL, n_agents=2, out=tmp_path / "a", progress=False)
    monkeypatch.setattr(VisualLearner, "update", update)
    resumed = train(WALK, recipe=SMALL, n_agents=2, out=tmp_path / "a", progress=False)
    assert torch.equal(resumed.population.flat, whole.population.flat)


def test_stages_are_the_same_training() -> None:
    whole = train(WALK, recipe=SMALL, progress=False)
    none, half, end = train_in_stages(WALK, [0, 2, 4], recipe=SMALL, progress=False)
    assert torch.equal(end.population.flat, whole.population.flat)
    assert not torch.equal(half.population.flat, end.population.flat)
    fresh = fresh_networks(WALK, SMALL, seed_generators(0, none.names, "train"))
    assert torch.equal(none.population.flat, fresh.flat)
    with pytest.raises(InputError, match=r"updates are \[2, 1\], expected rising numbers"):
        train_in_stages(WALK, [2, 1], recipe=SMALL, progress=False)


def test_a_frozen_encoder_rests_and_then_learns() -> None:
    pupil = learner(changed(encoder_frozen=2))
    n_core = pupil.population.shape.n_core
    start = pupil.population.flat.clone()
    for _ in range(2):
        pupil.update()
    assert torch.equal(pupil.population.flat[:, n_core:], start[:, n_core:])
    assert not torch.equal(pupil.population.flat[:, :n_core], start[:, :n_core])
    pupil.update()
    learned = views_of(pupil.population.shape, pupil.population.flat - start)
    assert all(float(learned[n].abs().max()) > 0 for n in pupil.population.shape.encoder.learned())
    assert float(pupil.population.tensors["encoder_scale"].sub(1).abs().max()) == 0


def test_a_thawed_encoder_moves_as_a_fresh_optimiser_moves_it() -> None:
    """Adam's first step is the learning rate in size, however long the core has moved before."""
    pupil = learner(changed(encoder_frozen=3, encoder_learning_rate=1e-3, n_updates=1000))
    for _ in range(3):
        pupil.update()
    before = pupil.population.flat.clone()
    names = pupil.population.shape.encoder.learned()
    pupil.pupils[0].n_unrolls = 1
    pupil.update()
    moved = views_of(pupil.population.shape, pupil.population.flat - before)
    assert max(float(moved[n].abs().max()) for n in names) == pytest.approx(1e-3, rel=0.02)


def test_features_are_standardized_once() -> None:
    population = fresh_networks(
        WALK, changed(standardize_features=True), [torch.Generator().manual_seed(0)]
    )
    encoder = population.shape.encoder
    features = encoder.encode(population.agent(0), WALK.pictures())
    torch.testing.assert_close(features.mean(0), torch.zeros(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(features.std(0), torch.ones(6), rtol=0, atol=1e-4)


@dataclass(frozen=True)
class Staged(Walk):
    """Easy stage: half of the ring."""

    def easier(self) -> Walk:
        return Walk(n_places=2, dtype=self.dtype)


@pytest.mark.parametrize("hold", [False, True])
def test_a_curriculum_begins_the_task_at_the_score(hold: bool) -> None:
    pupil = learner(changed(curriculum=0.3, hold=hold, n_updates=40), Staged(dtype=torch.float32))
    start = pupil.population.flat.clone()
    n_core = pupil.population.shape.n_core
    course = pupil.pupils[0].course
    while course[0] < 0:
        pupil.update()
    assert 1 <= int(course[0]) < 20
    rested = torch.equal(pupil.population.flat[:, n_core:], start[:, n_core:])
    assert rested == hold
    slow = learner(changed(curriculum=0.99, n_updates=6), Staged(dtype=torch.float32))
    for _ in range(3):
        slow.update()
    assert int(slow.pupils[0].course[0]) == 3


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(InputError, match="encoder is missing, but task 'walk' shows pictures"):
        learner(changed(encoder=None))
    with pytest.raises(InputError, match="unroll is 5, expected a divisor of the 12 steps"):
        learner(changed(unroll=5))
    with pytest.raises(InputError, match="'walk' has no easier stage"):
        learner(changed(curriculum=0.5))
    with pytest.raises(InputError, match="device 'cud' cannot be used"):
        train(WALK, recipe=SMALL, device="cud", progress=False)
