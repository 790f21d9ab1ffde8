"""Environment steps per second in training, against peers, as ratios within one run.

Peers, all on one thread, the same task, network, loss and batch:

* ``naive``: an ``nn.LSTMCell`` loop with ``torch.distributions``, autograd and a tensor
  environment that draws its randomness step by step;
* ``jax``: one compiled pass, rollout and gradients together (extra ``[jax]``).

Ours and the peer take turns, so that a machine that drifts does so for both.

    python benchmarks/training_speed.py [--seconds 4] [--jax] [--batches 1 32 512]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import torch
from torch import nn

from neuro_metarl.agents.learning import Learner, seed_generators
from neuro_metarl.agents.recipes import Recipe
from neuro_metarl.tasks import TwoStep

N_TRIALS, N_UNITS = 100, 48
N_STEPS = 3 * N_TRIALS
RECIPE = {"n_updates": 1000, "learning_rate": 1e-2, "n_units": N_UNITS}


def ours(batch: int) -> Callable[[], None]:
    recipe = Recipe(n_episodes=batch, **RECIPE)
    learner = Learner(TwoStep(n_trials=N_TRIALS), recipe, seed_generators(0, ["a"], "train"))
    return lambda: learner.update() and None


class NaiveTwoStep:
    """The same task, one step at a time."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.good = torch.randint(2, (batch,))
        self.stage = 0
        self.state = torch.zeros(batch, dtype=torch.long)
        self.chose = torch.ones(batch, dtype=torch.bool)

    def observe(self) -> torch.Tensor:
        shown = torch.zeros(self.batch, 4)
        if self.stage == 2:
            shown[torch.arange(self.batch), 2 + self.state] = self.chose.float()
        else:
            shown[:, self.stage] = 1
        return shown

    def step(self, action: torch.Tensor) -> torch.Tensor:
        if self.stage == 0:
            reward = -(action != 2).float()
        elif self.stage == 1:
            self.chose = action < 2
            common = torch.rand(self.batch) < 0.8
            self.state = torch.where(common, action, 1 - action).clamp(0, 1)
            reward = -(~self.chose).float()
        else:
            p = torch.where(self.state == self.good, 0.9, 0.1)
            reward = (torch.rand(self.batch) < p).float() * self.chose
            self.good = torch.where(torch.rand(self.batch) < 0.025, 1 - self.good, self.good)
        self.stage = (self.stage + 1) % 3
        return reward


def naive(batch: int) -> Callable[[], None]:
    cell, heads = nn.LSTMCell(8, N_UNITS), nn.Linear(N_UNITS, 4)
    first = nn.Parameter(torch.zeros(2, N_UNITS))
    parameters = [*cell.parameters(), *heads.parameters(), first]
    optimizer = torch.optim.RMSprop(parameters, lr=1e-2, eps=1e-5)

    def update() -> None:
        task = NaiveTwoStep(batch)
        hidden, memory = first[0].expand(batch, -1), first[1].expand(batch, -1)
        action, reward = torch.zeros(batch, 3), torch.zeros(batch)
        log_probabilities, entropies, values, rewards = [], [], [], []
        for _ in range(N_STEPS):
            inputs = torch.cat([action, task.observe(), reward[:, None]], dim=1)
            hidden, memory = cell(inputs, (hidden, memory))
            output = heads(hidden)
            policy = torch.distributions.Categorical(logits=output[:, :3])
            choice = policy.sample()
            reward = task.step(choice)
            action = nn.functional.one_hot(choice, 3).float()
            log_probabilities.append(policy.log_prob(choice))
            entropies.append(policy.entropy())
            values.append(output[:, 3])
            rewards.append(reward)
        returns, total = [], torch.zeros(batch)
        for reward_then in reversed(rewards):
            total = reward_then + 0.8 * total
            returns.append(total)
        target = torch.stack(returns[::-1])
        value = torch.stack(values)
        advantage = (target - value).detach()
        loss = -(torch.stack(log_probabilities) * advantage).mean()
        loss += 0.025 * (target - value).square().mean() - 0.05 * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 0.01)
        optimizer.step()

    return update


def jax_single_pass(batch: int) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp

    def lstm(p, h, c, x):
        o, i, f, g = jnp.split(x @ p["x"] + h @ p["h"] + p["b"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def episode(p, key):
        k_act, k_tr, k_rew, k_sw, k_good = jax.random.split(key, 5)
        gumbel = jax.random.gumbel(k_act, (N_TRIALS, 3, batch, 3))
        common = jax.random.uniform(k_tr, (N_TRIALS, batch)) < 0.8
        u_reward = jax.random.uniform(k_rew, (N_TRIALS, batch))
        swap = jax.random.uniform(k_sw, (N_TRIALS, batch)) < 0.025
        good0 = jax.random.bernoulli(k_good, 0.5, (batch,))
        eye = jnp.eye(4)

        def act(h, c, a, shown, r, noise):
            h, c = lstm(p, h, c, jnp.concatenate([a, shown, r[:, None]], axis=1))
            out = h @ p["wo"] + p["bo"]
            logits, value = out[:, :3], out[:, 3]
            choice = jnp.argmax(jax.lax.stop_gradient(logits) + noise, axis=-1)
            return h, c, jax.nn.one_hot(choice, 3), choice, logits, value

        def trial(carry, drawn):
            h, c, a, r, good = carry
            g, com, u, sw = drawn
            fixation = jnp.broadcast_to(eye[0], (batch, 4))
            h, c, a, choice, l0, v0 = act(h, c, a, fixation, r, g[0])
            r0, a0 = -(choice != 2).astype(jnp.float32), a
            h, c, a, choice, l1, v1 = act(h, c, a, jnp.broadcast_to(eye[1], (batch, 4)), r0, g[1])
            chose, a1 = choice < 2, a
            state = jnp.where(com, choice, 1 - choice)
            r1 = -(~chose).astype(jnp.float32)
            shown = jax.nn.one_hot(2 + state, 4) * chose[:, None]
            h, c, a, choice, l2, v2 = act(h, c, a, shown, r1, g[2])
            pay = jnp.where(state == good, 0.9, 0.1)
            r2 = (u < pay).astype(jnp.float32) * chose
            carry = (h, c, a, r2, jnp.where(sw, ~good, good))
            stack = (jnp.stack([l0, l1, l2]), jnp.stack([v0, v1, v2]), jnp.stack([a0, a1, a]))
            return carry, (*stack, jnp.stack([r0, r1, r2]))

        zero = jnp.zeros
        h = jnp.broadcast_to(p["h0"], (batch, N_UNITS))
        c = jnp.broadcast_to(p["c0"], (batch, N_UNITS))
        first = (h, c, zero((batch, 3)), zero(batch), good0)
        _, out = jax.lax.scan(trial, first, (gumbel, common, u_reward, swap))
        return [o.reshape(N_STEPS, *o.shape[2:]) for o in out]

    def loss(p, key):
        logits, value, action, reward = episode(p, key)

        def back(total, r):
            return r + 0.8 * total, r + 0.8 * total

        target = jax.lax.scan(back, jnp.zeros(batch), reward, reverse=True)[1]
        log_policy = jax.nn.log_softmax(logits)
        advantage = jax.lax.stop_gradient(target - value)
        entropy = -(jnp.exp(log_policy) * log_policy).sum(-1)
        chosen = (log_policy * action).sum(-1)
        return (-chosen * advantage + 0.025 * (target - value) ** 2 - 0.05 * entropy).mean()

    @jax.jit
    def step(p, s, key):
        key, sub = jax.random.split(key)
        g = jax.grad(loss)(p, sub)
        norm = jnp.sqrt(sum((x**2).sum() for x in jax.tree.leaves(g)))
        g = jax.tree.map(lambda x: x * 0.01 / jnp.maximum(norm, 0.01), g)
        s = jax.tree.map(lambda a, x: 0.99 * a + 0.01 * x**2, s, g)
        p = jax.tree.map(lambda a, x, m: a - 1e-2 * x / (jnp.sqrt(m) + 1e-5), p, g, s)
        return p, s, key

    normal = iter(jax.random.split(jax.random.key(0), 4))
    p = {
        "x": jax.random.normal(next(normal), (8, 4 * N_UNITS)) * 0.3,
        "h": jax.random.normal(next(normal), (N_UNITS, 4 * N_UNITS)) * 0.14,
        "b": jnp.zeros(4 * N_UNITS),
        "wo": jax.random.normal(next(normal), (N_UNITS, 4)) * 0.05,
        "bo": jnp.zeros(4),
        "h0": jnp.zeros(N_UNITS),
        "c0": jnp.zeros(N_UNITS),
    }
    state = [p, jax.tree.map(jnp.zeros_like, p), jax.random.key(1)]

    def update() -> None:
        state[:] = step(*state)
        jax.block_until_ready(state[0])

    return update


def rounds(candidates: dict[str, Callable[[], None]], seconds: float) -> dict[str, list[float]]:
    """CPU seconds of one update of each candidate, in turns."""
    for update in candidates.values():
        update()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    until = time.monotonic() + seconds * len(candidates)
    while time.monotonic() < until or len(times["ours"]) < 3:
        for name, update in candidates.items():
            start = time.process_time()
            update()
            times[name].append(time.process_time() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--jax", action="store_true")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 32, 64, 128, 512])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("batch  " + "".join(f"{c:>28}" for c in ("ours", "naive", "jax")[: 2 + arguments.jax]))
    for batch in arguments.batches:
        candidates = {"ours": ours(batch), "naive": naive(batch)}
        if arguments.jax:
            candidates["jax"] = jax_single_pass(batch)
        times = rounds(candidates, arguments.seconds)
        median = {name: statistics.median(t) for name, t in times.items()}
        cells = [
            f"{batch * N_STEPS / seconds / 1e3:9.1f} k/s (x {seconds / median['ours']:5.2f})"
            for seconds in median.values()
        ]
        print(f"{batch:5d}  " + "".join(f"{cell:>28}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
