"""Learning sets from pixels: frames rendered and decisions trained per second, on one thread.

``plain`` is the same task, network and loss, written down as one would: every frame of every
episode is rendered and goes through ``nn.Conv2d`` and an ``nn.LSTMCell`` that autograd follows.
``ours`` convolves each episode's fields once and has the LSTM's gradients by hand. They take turns,
so that a machine that drifts does so for both.

    python benchmarks/visual_harlow.py [--seconds 10] [--forms harlow-pixels harlow-pixels-paper]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from neuro_metarl.agents.encoder import ENCODERS
from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.agents.recipes import make_recipe
from neuro_metarl.agents.visual_learning import VisualLearner
from neuro_metarl.tasks import make_task

FORMS = ("harlow-pixels-direct", "harlow-pixels", "harlow-pixels-paper")


def ours(form: str) -> Callable[[], None]:
    recipe = make_recipe(form, changes={"encoder_frozen": 0, "curriculum": None})
    learner = VisualLearner(make_task(form), recipe, seed_generators(0, ["a"], "train"))
    return lambda: learner.update() and None


def plain(form: str) -> Callable[[], None]:
    task, recipe = make_task(form), make_recipe(form)
    generator = torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    channels = 3
    for n, kernel, stride in ENCODERS[recipe.encoder]:
        layers += [nn.Conv2d(channels, n, kernel, stride), nn.ReLU()]
        channels = n
    encoder = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(recipe.n_features))
    encoder(torch.zeros(1, *task.image_shape))
    cell = nn.LSTMCell(task.n_actions + recipe.n_features + 1, recipe.n_units)
    heads = nn.Linear(recipe.n_units, task.n_actions + 1)
    parameters = [p for module in (encoder, cell, heads) for p in module.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    batch = recipe.n_episodes

    def update() -> None:
        world = task.start(batch, generator)
        hidden, memory = torch.zeros(2, batch, recipe.n_units)
        action, reward = torch.zeros(batch, task.n_actions), torch.zeros(batch)
        log_probabilities, entropies, values, rewards = [], [], [], []
        for _ in range(task.n_steps):
            features = encoder(world.frames())
            inputs = torch.cat([action, features, reward[:, None]], dim=1)
            hidden, memory = cell(inputs, (hidden, memory))
            output = heads(hidden)
            policy = torch.distributions.Categorical(logits=output[:, :-1])
            choice = policy.sample()
            reward = world.step(choice)
            action = nn.functional.one_hot(choice, task.n_actions).float()
            log_probabilities.append(policy.log_prob(choice))
            entropies.append(policy.entropy())
            values.append(output[:, -1])
            rewards.append(reward)
        returns, total = [], torch.zeros(batch)
        for reward_then in reversed(rewards):
            total = reward_then + recipe.discount * total
            returns.append(total)
        target, value = torch.stack(returns[::-1]), torch.stack(values)
        advantage = (target - value).detach()
        loss = -(torch.stack(log_probabilities) * advantage).mean()
        loss += 0.025 * (target - value).square().mean() - 0.05 * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return update


def fields_only(form: str) -> Callable[[], None]:
    """Draw all fields of a batch of episodes."""
    task, generator = make_task(form), torch.Generator().manual_seed(0)
    return lambda: task.start(make_recipe(form).n_episodes, generator) and None


def frames_only(form: str) -> Callable[[], None]:
    """Render one frame of each episode."""
    world = make_task(form).start(512, torch.Generator().manual_seed(0))
    return lambda: world.frames() is None


def rounds(candidates: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    """Median CPU seconds of each candidate, in turns."""
    for once in candidates.values():
        once()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(times["ours"]) < 3:
        for name, once in candidates.items():
            start = time.process_time()
            once()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--forms", nargs="+", default=FORMS, choices=FORMS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("per second of CPU     fields   frames | decisions trained: ours  plain  ratio")
    for form in arguments.forms:
        task, recipe = make_task(form), make_recipe(form)
        work = {"ours": ours, "plain": plain, "fields": fields_only, "frames": frames_only}
        taken = rounds({name: make(form) for name, make in work.items()}, arguments.seconds)
        fields, frames = 2 * recipe.n_episodes / taken["fields"], 512 / taken["frames"]
        decisions = recipe.n_episodes * task.n_steps
        mine, theirs = decisions / taken["ours"], decisions / taken["plain"]
        print(
            f"{form:21s}{fields / 1e3:6.1f} k {frames / 1e3:6.1f} k | {mine / 1e3:18.1f} k"
            f"{theirs / 1e3:6.1f} k   x {mine / theirs:4.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
