"""Our LSTM against torch.nn.LSTM and autograd, and what acting means."""

from __future__ import annotations

import pytest
import torch

from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape, views_of
from neuro_metarl.errors import InputError
from neuro_metarl.tasks import make_task

H, N_INPUTS, A = 48, 8, 3
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def generators(n: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(k) for k in range(n)]


def played(n: int, batch: int, dtype: torch.dtype, n_trials: int = 30) -> Rollout:
    task = make_task("two-step", n_trials=n_trials)
    population = Population.initialise(Shape(4, A, H), generators(n), dtype)
    draw = torch.Generator().manual_seed(9)
    for name in ("initial_hidden", "initial_cell"):
        population.tensors[name].copy_(torch.randn(n, H, generator=draw))
    rollout = Rollout(population, task, batch)
    episodes = task.draw(batch, generators(n))
    rollout.play(episodes, draw_noise(rollout.n_steps, A, batch, generators(n)))
    return rollout


def reference(rollout: Rollout, agent: int) -> dict[str, torch.Tensor]:
    """Replay the recorded inputs through torch's own LSTM, with autograd."""
    tensors, dtype = rollout.population.tensors, rollout.population.flat.dtype
    lstm, heads = torch.nn.LSTM(N_INPUTS, H).to(dtype), torch.nn.Linear(H, A + 1).to(dtype)
    out, inp, forget, candidate = tensors["recurrent"][agent].split(H)
    theirs = torch.cat([inp, forget, candidate, out])
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(theirs[:, :N_INPUTS])
        lstm.bias_ih_l0.copy_(theirs[:, N_INPUTS])
        lstm.bias_hh_l0.zero_()
        lstm.weight_hh_l0.copy_(theirs[:, N_INPUTS + 1 :])
        heads.bias.copy_(tensors["heads"][agent][:, 0])
        heads.weight.copy_(tensors["heads"][agent][:, 1:])
    first = [tensors[k][agent].clone().requires_grad_() for k in ("initial_hidden", "initial_cell")]
    x = rollout.x if rollout.x.ndim == 4 else rollout.x.unsqueeze(1)
    inputs = x[:-1, agent, :N_INPUTS].transpose(1, 2).contiguous()
    start = [f.expand(1, inputs.shape[1], H).contiguous() for f in first]
    hidden, _ = lstm(inputs, tuple(start))
    return {"hidden": hidden, "output": heads(hidden), "lstm": lstm, "heads": heads, "first": first}


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "batch"), [(1, 1), (1, 16), (1, 40), (2, 20), (3, 5)])
def test_forward_and_gradients_equal_torch(n: int, batch: int, dtype: torch.dtype) -> None:
    rollout = played(n, batch, dtype)
    refs = [reference(rollout, agent) for agent in range(n)]
    draw = torch.Generator().manual_seed(1)
    d_logits = torch.randn(rollout.n_steps, n, A, batch, generator=draw).to(dtype)
    d_values = torch.randn(rollout.n_steps, n, batch, generator=draw).to(dtype)
    hidden, logits, values = rollout.hidden, rollout.logits.clone(), rollout.values.clone()
    gradient = views_of(rollout.population.shape, rollout.backward(d_logits, d_values))
    for agent, ref in enumerate(refs):
        limit = TOLERANCE[dtype]
        output = ref["output"].transpose(1, 2)
        assert relative(hidden[:, agent], ref["hidden"].transpose(1, 2)) < limit
        assert relative(logits[:, agent], output[:, :A]) < limit
        assert relative(values[:, agent], output[:, A]) < limit
        (
            (output[:, :A] * d_logits[:, agent]).sum() + (output[:, A] * d_values[:, agent]).sum()
        ).backward()
        lstm, heads = ref["lstm"], ref["heads"]
        bias = lstm.bias_ih_l0.grad[:, None]
        theirs = torch.cat([lstm.weight_ih_l0.grad, bias, lstm.weight_hh_l0.grad], 1).split(H)
        theirs = torch.cat([theirs[3], theirs[0], theirs[1], theirs[2]])
        assert relative(gradient["recurrent"][agent], theirs) < limit
        theirs = torch.cat([heads.bias.grad[:, None], heads.weight.grad], 1)
        assert relative(gradient["heads"][agent], theirs) < limit
        assert relative(gradient["initial_hidden"][agent], ref["first"][0].grad) < limit
        assert relative(gradient["initial_cell"][agent], ref["first"][1].grad) < limit


@pytest.mark.parametrize("batch", [1, 16, 64])
def test_replayed_log_probabilities_equal_acting_ones(batch: int) -> None:
    rollout = played(1, batch, torch.float32, n_trials=100)
    acting = torch.log_softmax(rollout.logits[:, 0], dim=1)
    replayed = torch.log_softmax(reference(rollout, 0)["output"].transpose(1, 2)[:, :A], dim=1)
    assert float((acting - replayed).detach().abs().max()) < 1e-5


def test_sampling_follows_the_softmax() -> None:
    """The share of each action is its mean probability, within four standard errors."""
    rollout = played(1, 400, torch.float32)
    policy = torch.softmax(rollout.logits, dim=2)
    chosen = rollout.actions
    error = (policy * (1 - policy)).sum((0, 1, 3)).sqrt()
    assert ((chosen - policy).sum((0, 1, 3)).abs() < 4 * error).all()


def test_zero_noise_is_the_greedy_policy() -> None:
    task = make_task("two-step", n_trials=10)
    rollout = Rollout(Population.initialise(Shape(4, A, H), generators(1)), task, 20)
    rollout.play(task.draw(20, generators(1)), torch.zeros(30, 1, A, 20))
    assert torch.equal(rollout.actions.argmax(2), rollout.logits.argmax(2))


def test_ties_are_broken_so_that_one_action_is_taken() -> None:
    task = make_task("two-step", n_trials=10)
    population = Population.initialise(Shape(4, A, H), generators(1))
    population.tensors["heads"].zero_()
    rollout = Rollout(population, task, 20)
    rollout.play(task.draw(20, generators(1)), torch.zeros(30, 1, A, 20))
    assert rollout.actions.sum(2).eq(1).all()


def test_memory_starts_afresh_in_every_batch_and_is_not_the_hidden_state() -> None:
    rollout = played(2, 8, torch.float32, n_trials=5)
    first = rollout.hidden.clone(), rollout.part("cell").clone()
    episodes = rollout.task.draw(8, generators(2))
    rollout.play(episodes, draw_noise(rollout.n_steps, A, 8, generators(2)))
    assert torch.equal(rollout.hidden, first[0])
    start = rollout.x[0, :, -H:]
    assert torch.equal(start[..., 0], rollout.population.tensors["initial_hidden"])
    assert not torch.allclose(rollout.hidden[0], rollout.part("cell")[0])


def test_one_agent_alone_plays_as_in_a_population() -> None:
    task = make_task("two-step", n_trials=20)
    together = Population.initialise(Shape(4, A, H), generators(3), torch.float64)
    noise = draw_noise(60, A, 10, generators(3)).double()
    many = Rollout(together, task, 10)
    many.play(task.draw(10, generators(3)), noise)
    one = Rollout(together.select([1]), task, 10)
    one.play(task.draw(10, generators(3)[1:2]), noise[:, 1:2])
    assert torch.allclose(many.hidden[:, 1], one.hidden[:, 0], atol=1e-12)


def test_a_task_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="made for 4 observations and 3 actions, but task"):
        Rollout(Population.initialise(Shape(4, A, H), generators(1)), make_task("two-step-2016"), 2)
