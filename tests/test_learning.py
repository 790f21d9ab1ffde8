"""Returns, gradients, training: truths, reproducibility, and the bugs others had."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

from neuro_metarl.agents import training
from neuro_metarl.agents.learning import (
    Learner,
    actor_critic_gradients,
    discount_matrix,
    seed_generators,
)
from neuro_metarl.agents.population import views_of
from neuro_metarl.agents.recipes import RECIPES, Recipe, make_recipe
from neuro_metarl.agents.training import train
from neuro_metarl.agents.zoo import load_agents, save_agents
from neuro_metarl.errors import InputError
from neuro_metarl.tasks import make_task

SMALL = Recipe(n_updates=6, n_episodes=4, learning_rate=0.01)


def learner(seed: int = 0, n_agents: int = 2, recipe: Recipe = SMALL) -> Learner:
    names = [str(k) for k in range(n_agents)]
    return Learner(
        make_task("two-step", n_trials=10), recipe, seed_generators(seed, names, "train")
    )


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.9, 1.0])
def test_returns_equal_the_recursion(discount: float) -> None:
    rewards = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5], dtype=torch.float64)
    expected, total = [], 0.0
    for reward in reversed(rewards.tolist()):
        total = reward + discount * total
        expected.insert(0, total)
    matrix = discount_matrix(5, discount, torch.float64)
    assert (matrix @ rewards).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_loss_gradients_equal_autograd(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    shape = (7, 2, 3, 5)
    logits = torch.randn(shape, generator=draw, dtype=torch.float64, requires_grad=True)
    values = torch.randn((7, 2, 5), generator=draw, dtype=torch.float64, requires_grad=True)
    returns = torch.randn((7, 2, 5), generator=draw, dtype=torch.float64)
    index = torch.randint(3, (7, 2, 5), generator=draw)
    actions = torch.nn.functional.one_hot(index, 3).movedim(-1, 2).double()
    policy = torch.distributions.Categorical(logits=logits.movedim(2, -1))
    advantage = (returns - values).detach()
    loss = -(policy.log_prob(index) * advantage).mean((0, 2)).sum()
    loss = loss + 0.4 / 2 * (returns - values).square().mean((0, 2)).sum()
    loss = loss - 0.3 * policy.entropy().mean((0, 2)).sum()
    loss.backward()
    d_logits, d_values = actor_critic_gradients(
        logits.detach(), values.detach(), actions, returns, value_weight=0.4, entropy_weight=0.3
    )
    assert torch.allclose(d_logits, logits.grad, atol=1e-14)
    assert torch.allclose(d_values, values.grad, atol=1e-14)


def test_entropy_bonus_raises_entropy() -> None:
    logits = torch.tensor([2.0, 0.0, -1.0]).view(1, 1, 3, 1)
    zero = torch.zeros(1, 1, 1)
    d_logits, _ = actor_critic_gradients(
        logits, zero, torch.zeros_like(logits), zero, value_weight=0.0, entropy_weight=1.0
    )

    def entropy(z: torch.Tensor) -> float:
        return float(torch.distributions.Categorical(logits=z.flatten()).entropy())

    assert entropy(logits - 0.1 * d_logits) > entropy(logits)


def test_imposed_actions_teach_the_policy_nothing_but_the_critic_something() -> None:
    logits, values = torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 4)
    actions = torch.zeros_like(logits)
    actions[:, :, 0] = 1
    imposed = torch.full((2, 1, 4), -1)
    imposed[1] = 0
    d_logits, d_values = actor_critic_gradients(
        logits, values, actions, values + 1, value_weight=1.0, entropy_weight=0.1, imposed=imposed
    )
    assert d_logits[0].abs().min() > 0
    assert d_logits[1].abs().max() == 0
    assert d_values.abs().min() > 0


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_after_one_update_every_parameter_has_a_finite_gradient(optimizer: str) -> None:
    one = learner(recipe=SMALL.model_copy(update={"optimizer": optimizer, "n_episodes": 16}))
    seen = []
    take_step = one.moves.step
    one.moves.step = lambda gradient, rate: (
        seen.append(gradient.clone()),
        take_step(gradient, rate),
    )  # type: ignore
    before = one.population.flat.clone()
    one.update()
    assert torch.isfinite(seen[0]).all()
    for name, gradient in views_of(one.population.shape, seen[0]).items():
        assert gradient.ne(0).float().mean() > 0.999, name
    assert (one.population.flat - before).abs().max() > 0


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_optimisers_equal_torch(optimizer: str) -> None:
    one = learner(n_agents=1, recipe=SMALL.model_copy(update={"optimizer": optimizer}))
    weight = one.population.flat.clone().requires_grad_()
    theirs = (
        torch.optim.RMSprop([weight], lr=0.01, alpha=0.99, eps=1e-5)
        if optimizer == "rmsprop"
        else torch.optim.Adam([weight], lr=0.01, eps=1e-5)
    )
    draw = torch.Generator().manual_seed(0)
    for _ in range(5):
        gradient = torch.randn(weight.shape, generator=draw) * 1e-3
        weight.grad = gradient.clone()
        theirs.step()
        one.moves.step(gradient, 0.01)
    assert torch.allclose(one.population.flat, weight.detach(), atol=1e-6)


def test_gradient_is_clipped_for_each_agent_alone() -> None:
    one = learner(recipe=SMALL.model_copy(update={"gradient_clip": 0.5}))
    gradient = torch.zeros_like(one.population.flat)
    gradient[0, 0], gradient[1, 0] = 100.0, 0.1
    one.moves.step(gradient, 0.0)
    assert one.moves.second_moment[0, 0].item() == pytest.approx(0.01 * 0.5**2)
    assert one.moves.second_moment[1, 0].item() == pytest.approx(0.01 * 0.1**2)


@pytest.mark.parametrize("seed", [0, 7])
def test_same_seed_same_weights_bit_for_bit(seed: int) -> None:
    a, b = (train("two-step", recipe=SMALL, n_agents=2, seed=seed, progress=False) for _ in "ab")
    assert torch.equal(a.population.flat, b.population.flat)
    assert a.curve == b.curve
    other = train("two-step", recipe=SMALL, n_agents=2, seed=seed + 1, progress=False)
    assert not torch.equal(a.population.flat, other.population.flat)


def test_agents_of_a_population_are_separate_and_do_not_disturb_each_other() -> None:
    three = train("two-step", recipe=SMALL, n_agents=3, progress=False).population.flat
    two = train("two-step", recipe=SMALL, n_agents=2, progress=False).population.flat
    assert not torch.allclose(three[0], three[1])
    assert torch.allclose(three[:2], two, atol=1e-3)


@pytest.mark.parametrize("stop_at", [1, 4])
def test_an_interrupted_training_ends_with_the_same_weights(
    stop_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("two-step", recipe=SMALL, n_agents=2, progress=False)
    update = Learner.update

    def interrupted(self: Learner) -> torch.Tensor:
        if self.n_done == stop_at:
            signal.raise_signal(signal.SIGINT)
        return update(self)

    monkeypatch.setattr(Learner, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train("two-step", recipe=SMALL, n_agents=2, out=tmp_path / "a", progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.partial"]
    monkeypatch.setattr(Learner, "update", update)
    resumed = train("two-step", recipe=SMALL, n_agents=2, out=tmp_path / "a", progress=False)
    assert torch.equal(resumed.population.flat, whole.population.flat)
    assert resumed.curve == whole.curve
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_partial_training_of_another_configuration_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_SAVES", -1.0)
    monkeypatch.setattr(
        training, "save_agents", lambda *_, **__: (_ for _ in ()).throw(InputError("no"))
    )
    with pytest.raises(InputError):
        train("two-step", recipe=SMALL, out=tmp_path / "a", progress=False)
    with pytest.raises(InputError, match="interrupted training of another task, recipe, seed"):
        train("two-step", recipe=SMALL, seed=1, out=tmp_path / "a", progress=False)


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    agents = train("two-step", recipe=SMALL, n_agents=2, out=tmp_path / "a", progress=False)
    again = load_agents(tmp_path / "a")
    assert torch.equal(agents.population.flat, again.population.flat)
    assert (again.names, again.task, again.recipe) == (agents.names, agents.task, agents.recipe)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "agents.json",
        "agents.safetensors",
    ]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "agents.safetensors").write_bytes(b"x" * 40), "cannot be read"),
        (lambda d: (d / "agents.safetensors").unlink(), "cannot be read"),
        (lambda d: (d / "agents.json").write_text("{"), "cannot be read"),
        (lambda d: (d / "agents.json").write_text("{}"), "not a checkpoint of format"),
    ],
)
def test_damaged_checkpoints_are_refused(damage, message: str, tmp_path: Path) -> None:  # type: ignore
    folder = save_agents(load_agents("two-step/0"), tmp_path / "a")
    damage(folder)
    with pytest.raises(InputError, match=message):
        load_agents(folder)


def test_a_card_that_does_not_fit_its_weights_is_refused(tmp_path: Path) -> None:
    folder = save_agents(load_agents("two-step/0"), tmp_path / "a")
    card = json.loads((folder / "agents.json").read_text())
    card["shape"]["n_units"] = 40
    (folder / "agents.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="does not belong to the agents"):
        load_agents(folder)


def test_saving_over_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="holds other files"):
        save_agents(load_agents("two-step/0"), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lerning_rate": 0.1}, "unknown key 'lerning_rate'; did you mean 'learning_rate'"),
        ({"learning_rate": -1}, "learning_rate is -1"),
        ({"discount": 1.5}, "discount is 1.5"),
        ({"n_updates": 0}, "n_updates is 0"),
        ({"optimizer": "sgd"}, "optimizer is sgd"),
        ({"n_units": "many"}, "n_units is many"),
    ],
)
def test_impossible_recipes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_recipe("two-step", changes=changes)


def test_published_recipe_is_the_papers() -> None:
    recipe = RECIPES["two-step"]["published"]
    assert (recipe.learning_rate, recipe.discount) == (7e-4, 0.9)
    assert (recipe.value_weight, recipe.entropy_weight) == (0.05, 0.05)
    assert (recipe.n_units, recipe.n_episodes, recipe.n_updates) == (48, 1, 10_000)


def test_divergence_is_said_in_one_line() -> None:
    recipe = SMALL.model_copy(update={"learning_rate": float("nan")})
    with pytest.raises(InputError, match="diverged at update"):
        train("two-step", recipe=recipe, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_fast_recipe_learns_the_task_in_most_seeds(seed: int) -> None:
    from neuro_metarl.recording import record

    agents = train("two-step", recipe="fast", n_agents=8, seed=seed, progress=False)
    cohort = record(agents, n_sessions=200, activity=False)
    reward = cohort.reward.where(cohort.valid == 1, 0).groupby("subject").mean(...)
    assert (reward > 0.68).sum() >= 6


def test_other_agents_are_not_replaced_by_the_way(tmp_path: Path) -> None:
    """Refused before the work; the same call again is no other."""
    folder = tmp_path / "a"
    train("two-step", recipe=SMALL, out=folder, progress=False)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for other in ({"seed": 1}, {"n_agents": 2}, {"name": "b"}):
        with pytest.raises(InputError, match=r"holds other agents \(two-step/0; .*overwrite=True"):
            train("two-step", recipe=SMALL, out=folder, progress=False, **other)
    with pytest.raises(InputError, match="holds other agents"):
        save_agents(load_agents("two-step/3"), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    train("two-step", recipe=SMALL, out=folder, progress=False)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    train("two-step", recipe=SMALL, seed=1, out=folder, overwrite=True, progress=False)
    assert load_agents(folder).seed == 1
