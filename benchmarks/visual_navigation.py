"""Speed of navigation: frames drawn, and actions learned from, beside a plain version.

Plain: every picture rendered and encoded at every step, an nn.LSTMCell, one Categorical per step,
autograd through all of it. Both are measured in turns in one process, one thread, CPU seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

import neuro_metarl as nm
from neuro_metarl.agents.visual_learning import VisualLearner
from neuro_metarl.tasks.navigation import Navigation
from neuro_metarl.tasks.raycaster import render
from neuro_metarl.tasks.raycaster_cpu import render_compiled
from neuro_metarl.tasks.searches import SETBACK, StepWorld, _places

CASES = {
    "steps, 16 x 24": (Navigation(), {}),
    "steps, 84 x 84": (
        Navigation(height=84, width=84), {"encoder": "paper", "n_features": 256}
    ),
    "motion, 8 x 16": (
        Navigation(continuous=True, height=8, width=16), {"encoder": "linear", "n_episodes": 48}
    ),
    "motion, 16 x 24": (
        Navigation(continuous=True, height=16, width=24), {"n_episodes": 48}
    ),
}  # fmt: skip
LAYERS = {"linear": (), "small-4": ((16, 4, 2), (16, 4, 2)), "paper": ((16, 8, 4), (32, 4, 2))}
GAMMA, UNROLL = 0.95, 100


def draw(world) -> torch.Tensor:  # type: ignore[no-untyped-def]
    """Render every episode's picture with tensor operations, bank or not."""
    if isinstance(world, StepWorld):
        place, heading = _places(world.task, world.seen(), SETBACK)
    else:
        place, heading = world.states[world.n_done].split([2, 1])
    return world.task.look_around(place, heading.view(-1)) - 0.35


class Plain(nn.Module):
    def __init__(self, task: Navigation, encoder: str, n_features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for n, kernel, stride in LAYERS[encoder]:
            layers += [nn.Conv2d(channels, n, kernel, stride), nn.ReLU()]
            channels = n
        convolutions = nn.Sequential(*layers, nn.Flatten())
        size = convolutions(torch.zeros(1, *task.image_shape)).shape[1]
        self.encoder = nn.Sequential(convolutions, nn.Linear(size, n_features), nn.ReLU())
        self.cell = nn.LSTMCell(n_features + task.n_actions + 1, 64)
        self.heads = nn.Linear(64, task.n_actions + 1)


def plain(task: Navigation, encoder: str, n_features: int, n_episodes: int) -> Callable[[], None]:
    net = Plain(task, encoder, n_features)
    optimizer = torch.optim.Adam(net.parameters(), lr=8e-3, eps=1e-5)
    generator = torch.Generator().manual_seed(0)

    def update() -> None:
        world = task.start(n_episodes, generator)
        action, reward = torch.zeros(n_episodes, task.n_actions), torch.zeros(n_episodes)
        state = (torch.zeros(n_episodes, 64), torch.zeros(n_episodes, 64))
        for _ in range(task.n_steps // UNROLL):
            state = (state[0].detach(), state[1].detach())
            log_p, entropy, values, rewards = [], [], [], []
            for _ in range(UNROLL):
                features = net.encoder(draw(world))
                state = net.cell(torch.cat([features, reward[:, None], action], dim=1), state)
                output = net.heads(state[0])
                policy = torch.distributions.Categorical(logits=output[:, :-1])
                choice = policy.sample()
                reward = world.step(choice)
                action = nn.functional.one_hot(choice, task.n_actions).float()
                log_p.append(policy.log_prob(choice))
                entropy.append(policy.entropy())
                values.append(output[:, -1])
                rewards.append(reward)
            with torch.no_grad():
                features = net.encoder(draw(world))
                last = net.cell(torch.cat([features, reward[:, None], action], dim=1), state)
                total = net.heads(last[0])[:, -1]
            returns = []
            for r in reversed(rewards):
                total = r + GAMMA * total
                returns.append(total)
            target, value = torch.stack(returns[::-1]), torch.stack(values)
            advantage = (target - value).detach()
            advantage = (advantage - advantage.mean()) / advantage.std()
            loss = -(torch.stack(log_p) * advantage).mean()
            loss += 0.25 * (target - value).square().mean() - 0.1 * torch.stack(entropy).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()

    return update


def ours(task: Navigation, changes: dict[str, object]) -> Callable[[], None]:
    recipe = nm.make_recipe("navigation", "fast", changes)
    learner = VisualLearner(task, recipe, [torch.Generator().manual_seed(0)])
    return lambda: (learner.update(), None)[1]


def rounds(candidates: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    """CPU seconds of one update of each candidate, the median, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for update in candidates.values():
        update()
    until = time.process_time() + seconds
    while time.process_time() < until or len(times["ours"]) < 3:
        for name, update in candidates.items():
            start = time.process_time()
            update()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def frames(seconds: float) -> None:
    print("frames drawn, k/s: tensor operations, compiled")
    batches, sizes = (16, 64, 256), ((8, 16), (16, 24), (24, 32), (84, 84))
    print("size      " + "".join(f"{f'batch {b}':>18s}" for b in batches))
    for height, width in sizes:
        cells = []
        for batch in batches:
            task = Navigation(continuous=True, height=height, width=width)
            place, heading = (
                task.start(batch, torch.Generator().manual_seed(0)).states[0].split([2, 1])
            )
            speeds = []
            for draw_all in (render, render_compiled):
                task.look_around(place, heading.view(-1), draw=draw_all)
                n, start = 0, time.process_time()
                while time.process_time() < start + seconds / 24:
                    task.look_around(place, heading.view(-1), draw=draw_all)
                    n += batch
                speeds.append(n / (time.process_time() - start) / 1e3)
            cells.append(f"{speeds[0]:9.1f}{speeds[1]:9.1f}")
        print(f"{height:3d} x {width:3d} " + "".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=12.0, help="of each comparison")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames(arguments.seconds)
    print("\nactions learned from, k/s\n" + f"{'form':18s}{'ours':>8s}{'plain':>8s}{'ratio':>8s}")
    for name, (task, changes) in CASES.items():
        recipe = nm.make_recipe("navigation", "fast", changes)
        assert recipe.encoder is not None
        other = plain(task, recipe.encoder, recipe.n_features, recipe.n_episodes)
        median = rounds({"ours": ours(task, changes), "plain": other}, arguments.seconds)
        n = task.n_steps * recipe.n_episodes / 1e3
        speeds = [n / median[k] for k in ("ours", "plain")]
        ratio = median["plain"] / median["ours"]
        print(f"{name:18s}{speeds[0]:8.1f}{speeds[1]:8.1f}{ratio:8.1f}", flush=True)


if __name__ == "__main__":
    main()
