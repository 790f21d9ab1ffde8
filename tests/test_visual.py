"""Networks that look: gradients by hand against autograd, fields against their views."""

from __future__ import annotations

import pytest
import torch

from neuro_metarl.agents.buffers import Engine
from neuro_metarl.agents.cores import core_named, list_cores
from neuro_metarl.agents.encoder import ENCODERS, Encoder
from neuro_metarl.agents.fast_lstm import FastLstm
from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.population import Population, Shape, views_of
from neuro_metarl.agents.traced import Traced
from neuro_metarl.agents.visual import Sight, VisualRollout
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Bank, VisualTask
from tests.worlds import Walk

BATCH = 7


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(task: Walk, core: str = "lstm", kind: str = "small") -> Population:
    shape = Shape(10, 3, 9, core_named(core), Encoder(kind, task.image_shape, 10, rectified=True))
    population = Population.initialise(shape, [seeded(3)], torch.float64)
    for name in shape.first_states:
        population.tensors[name].normal_(generator=seeded(4))
    return population


def play(engine: type[Engine], task: Walk, population: Population, n_parts: int = 1):
    n_steps = task.n_steps // n_parts
    rollout = VisualRollout(population, task, BATCH, n_steps, learns=True, engine=engine)
    world = task.start(BATCH, seeded(0))
    noise = draw_noise(task.n_steps, 3, BATCH, [seeded(1)]).double()
    parts = []
    for k in range(n_parts):
        sight = Sight(population.shape.encoder, population.agent(0), world, learn=True)
        rollout.explore(sight, noise[k * n_steps : (k + 1) * n_steps], resume=k > 0)
        parts.append([rollout.logits.clone(), rollout.rewards.clone(), rollout.hidden.clone()])
    return rollout, [torch.cat(p) for p in zip(*parts, strict=True)]


def test_the_walk_is_a_visual_task() -> None:
    assert isinstance(Walk(), VisualTask)


@pytest.mark.parametrize("rendered", [False, True])
@pytest.mark.parametrize("offsets", [(0,), (0, 2, 6)])
@pytest.mark.parametrize("kind", ["linear", "small"])
def test_gradients_by_hand_reach_the_encoder_as_autograd_s(
    kind: str, offsets: tuple[int, ...], rendered: bool
) -> None:
    task = Walk(offsets=offsets, rendered=rendered)
    population = network(task, kind=kind)
    gradients = []
    for way in (FastLstm, Traced):
        rollout, played = play(way, task, population)
        d_logits = torch.randn(played[0].shape, generator=seeded(8), dtype=torch.float64)
        d_values = torch.randn(played[1].shape, generator=seeded(9), dtype=torch.float64)
        next_value = rollout.next_value().clone()
        gradients.append((*played, next_value, rollout.backward(d_logits, d_values)))
    for ours, reference in zip(*gradients, strict=True):
        assert float((ours - reference).abs().max()) < 1e-11
    views = views_of(population.shape, gradients[0][-1])
    for name in population.shape.encoder.learned():
        assert float(views[name].abs().max()) > 1e-6, name
    assert float(views["encoder_scale"].abs().max()) == 0


@pytest.mark.parametrize("core", list_cores())
@pytest.mark.parametrize("way", [FastLstm, Traced])
def test_two_halves_are_the_whole(way: type[Engine], core: str) -> None:
    if way is FastLstm and core != "lstm":
        return
    task = Walk()
    population = network(task, core)
    _, whole = play(way, task, population)
    _, halves = play(way, task, population, 2)
    for one, other in zip(whole, halves, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("core", list_cores())
def test_the_gradient_is_that_of_the_loss(core: str) -> None:
    """Move along the gradient a little: logits and values change as it says."""
    task = Walk()
    population = network(task, core)
    rollout, played = play(Traced, task, population)
    d_logits = torch.randn(played[0].shape, generator=seeded(8), dtype=torch.float64)
    d_values = torch.randn(rollout.values.shape, generator=seeded(9), dtype=torch.float64)

    def loss(r: VisualRollout) -> torch.Tensor:
        return (r.logits * d_logits).sum() + (r.values * d_values).sum()

    before, gradient = float(loss(rollout)), rollout.backward(d_logits, d_values)
    step = 1e-7 / gradient.norm()
    moved = Population(population.shape, population.flat + step * gradient)
    after, replayed = play(Traced, task, moved)
    assert torch.equal(replayed[1], played[1])
    expected = float(step * gradient.square().sum())
    assert float(loss(after) - before) == pytest.approx(expected, rel=1e-3)


def test_a_stack_remembers_and_a_feed_forward_network_does_not() -> None:
    """The same picture after another past: only cores with memory answer differently."""
    task = Walk(n_places=2, n_steps=6)
    for core in list_cores():
        remembers = core_named(core).remembers
        rollout, _ = play(Traced, task, network(task, core))
        action = rollout.actions[:-1, 0].argmax(1)
        reward = rollout.rewards[:-1, 0]
        keys: dict[tuple[int, int], list[torch.Tensor]] = {}
        for t in range(len(action)):
            for b in range(BATCH):
                key = (int(action[t, b]), int(reward[t, b]))
                keys.setdefault(key, []).append(rollout.logits[t + 1, 0, :, b])
        spread = max(float(torch.stack(v).std(0).max()) for v in keys.values() if len(v) > 1)
        assert (spread > 1e-6) == remembers, core


@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_a_field_convolved_once_equals_each_view(kind: str) -> None:
    first = ENCODERS[kind][0][2] if ENCODERS[kind] else 2
    image = (3, 40, 44)
    encoder = Encoder(kind, image, 6)
    offsets = tuple(first * k for k in (0, 1, 2, 5))
    field = torch.randn(3, 3, 40, 44 + 5 * first, generator=seeded(0), dtype=torch.float64)
    bank = Bank(field, 44, offsets)
    shape = Shape(6, 2, 4, encoder=encoder)
    tensors = Population.initialise(shape, [seeded(1)], torch.float64).agent(0)
    encoder.standardize(tensors, bank.views())
    once, each = encoder.encode_bank(tensors, bank), encoder.encode(tensors, bank.views())
    torch.testing.assert_close(once, each, rtol=0, atol=1e-12)
    torch.testing.assert_close(each.mean(0), torch.zeros(6).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(each.std(0), torch.ones(6).double(), rtol=0, atol=1e-9)
    assert float((once[0] - once[1]).abs().max()) > 0.1


def test_offsets_between_strides_are_encoded_one_by_one() -> None:
    encoder = Encoder("small", (3, 16, 20), 4)
    field = torch.randn(2, 3, 16, 25, generator=seeded(0))
    tensors = Population.initialise(Shape(4, 2, 4, encoder=encoder), [seeded(1)]).agent(0)
    bank = Bank(field, 20, (0, 1, 3))
    once, each = encoder.encode_bank(tensors, bank), encoder.encode(tensors, bank.views())
    assert torch.equal(once, each)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="too small for the encoder 'paper'"):
        Encoder("paper", (3, 10, 12), 8)
    with pytest.raises(InputError, match="encoder is 'smal'; did you mean 'small'"):
        Encoder("smal", (3, 40, 40), 8)
    with pytest.raises(InputError, match="core is 'grue'; did you mean 'gru'"):
        core_named("grue")
    task = Walk()
    other = Shape(10, 3, 9, encoder=Encoder("small", (3, 16, 40), 10))
    with pytest.raises(InputError, match=r"pictures of \(3, 16, 40\)"):
        other.check(task)
    with pytest.raises(InputError, match="sees numbers, but task 'walk' shows pictures"):
        Shape(10, 3, 9).check(task)
