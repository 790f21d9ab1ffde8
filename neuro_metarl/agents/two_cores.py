"""Networks of two cores: an actor that is driven by prediction errors, a critic that sees rewards.

The critic, an LSTM, sees the last action and its reward, and gives the value. The actor, another
LSTM, sees the last action and the *prediction error* instead of the reward: dopamine is the only
word it has of how things went. So a prediction error that is blocked or added changes what it
learns within the session, while its weights stay as they are.

References
----------
Wang et al. 2018, doi:10.1038/s41593-018-0147-8, simulation 6.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path
from neuro_metarl.progress import progress_bar
from neuro_metarl.tasks.base import Episodes
from neuro_metarl.tasks.registry import make_task
from neuro_metarl.tasks.risky import Risky

__all__ = ["Change", "TwoCores", "load_two_cores", "play_two_cores", "train_two_cores"]

FORMAT = "neuro_metarl.two_cores/1"
DATA = Path(__file__).resolve().parents[1] / "data" / "two_cores"
N_UNITS, N_UPDATES, N_EPISODES, DISCOUNT = 48, 1500, 32, 0.9
RATE, RATE_END, VALUE_WEIGHT, ENTROPY, CLIP = 5e-3, 0.1, 0.5, 0.3, 1.0

Change = Callable[[Tensor, Tensor], Tensor]
"""The action and the reward of a trial, dims (agent, episode), to what is added to its error."""


@dataclass(frozen=True)
class TwoCores:
    """Separately trained networks of two cores.

    Parameters
    ----------
    tensors
        Weights, agents first: ``actor`` and ``critic`` (agent, gate and unit, input), their
        ``_head`` and ``_initial`` state.
    names
        One per network.
    task
        What they were trained on.
    seed
        Of the training.
    curve
        Reward per free trial of each agent along training, dims (point, agent).
    n_updates
        Of the training.
    """

    tensors: dict[str, Tensor]
    names: tuple[str, ...]
    task: Risky
    seed: int
    curve: list[list[float]] = field(default_factory=list)
    n_updates: int = N_UPDATES

    def __len__(self) -> int:
        """Count the networks."""
        return len(self.names)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write weights and card into a folder.

        Parameters
        ----------
        path
            The folder; what is there of these names is replaced.

        Returns
        -------
        pathlib.Path
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        card = {
            "format": FORMAT, "task": self.task.name, "task_config": json.loads(self.task.config),
            "names": list(self.names), "seed": self.seed, "n_updates": self.n_updates,
            "n_episodes": N_EPISODES, "discount": DISCOUNT,
            "curve": [[round(v, 4) for v in row] for row in self.curve],
        }  # fmt: skip
        with atomic_path(folder / "agents.safetensors", overwrite=True) as file:
            save_file({k: v.contiguous() for k, v in self.tensors.items()}, file)
        with atomic_path(folder / "agents.json", overwrite=True) as file:
            file.write_text(json.dumps(card, indent=1) + "\n")
        return folder


def load_two_cores(name: str | os.PathLike[str]) -> TwoCores:
    """Load networks of two cores.

    Parameters
    ----------
    name
        ``"risky-choice"`` or ``"risky-choice-variable"``, of the package, or a folder;
        ``"untrained"``: four that learned nothing.

    Returns
    -------
    TwoCores

    Raises
    ------
    InputError
        There are none, or the files are damaged.

    Examples
    --------
    >>> len(load_two_cores("risky-choice-variable"))
    8
    """
    if str(name) == "untrained":
        return train_two_cores("risky-choice", n_agents=4, n_updates=0, name="untrained")
    folder = DATA / str(name) if (DATA / str(name)).is_dir() else Path(name)
    try:
        card = json.loads((folder / "agents.json").read_text())
        tensors = load_file(folder / "agents.safetensors")
        task = make_task(card["task"], **card["task_config"])
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        known = ", ".join(sorted(p.name for p in DATA.iterdir()))
        raise InputError(
            f"no networks of two cores {str(name)!r} that can be read; there are {known}, and "
            "folders that TwoCores.save wrote"
        ) from error
    assert isinstance(task, Risky)
    return TwoCores(
        tensors, tuple(card["names"]), task, card["seed"], card["curve"], card["n_updates"]
    )


def train_two_cores(
    task: Risky | str = "risky-choice-variable",
    *,
    n_agents: int = 1,
    seed: int = 0,
    n_updates: int = N_UPDATES,
    name: str | None = None,
    progress: bool = False,
) -> TwoCores:
    """Train networks of two cores, side by side.

    Parameters
    ----------
    task
        A risky choice, or its name.
    n_agents
        Separately initialised and separately trained networks.
    seed
        The same seed and number give the same weights on the same machine.
    n_updates
        Of 32 episodes each; the rates fall to their end over them.
    name
        What they are called; default the task's.
    progress
        Show progress on standard error.

    Returns
    -------
    TwoCores

    Raises
    ------
    InputError
        Another task, or no agents.

    Notes
    -----
    Advantage actor-critic over whole episodes; advantages are scaled by their spread over free
    trials, because rewards of 4 make them large. No gradient goes from the actor through the
    prediction error into the critic. Forced trials teach the policy nothing, but are seen.

    Examples
    --------
    >>> train_two_cores("risky-choice", n_agents=2, n_updates=1).names
    ('risky-choice/0', 'risky-choice/1')
    """
    if isinstance(task, str):
        task = make_task(task)  # type: ignore[assignment]
    if not isinstance(task, Risky):
        raise InputError("networks of two cores learn the risky choice, no other task")
    if n_agents < 1 or n_updates < 0:
        raise InputError(
            f"n_agents is {n_agents} and n_updates {n_updates}, expected 1 and 0 or more"
        )
    called = task.name if name is None else name
    names = tuple(f"{called}/{k}" for k in range(n_agents))
    curve: list[list[float]] = []
    with one_thread(), progress_bar("training", max(n_updates, 1), shown=progress) as show:
        generators = seed_generators(seed, names, "two cores")
        tensors = _initialise(generators, task.n_actions)
        optimizer = torch.optim.Adam(tensors.values(), lr=RATE)
        for update in range(n_updates):
            past = update / n_updates
            optimizer.param_groups[0]["lr"] = RATE * (1 - (1 - RATE_END) * past)
            episodes = task.draw(N_EPISODES, generators)
            noise = _noise(task, N_EPISODES, generators)
            played = play_two_cores(tensors, task, episodes, noise)
            loss = _loss(played, episodes, ENTROPY * (1 - past))
            optimizer.zero_grad()
            loss.backward()
            _clip(tensors)
            optimizer.step()
            earned = played["reward"][task.n_forced :].mean(dim=(0, 2)).tolist()
            if update % max(n_updates // 50, 1) == 0:
                curve.append(earned)
            show(update + 1, f"reward {sum(earned) / n_agents:.3f}")
    fixed = {key: value.detach().clone() for key, value in tensors.items()}
    return TwoCores(fixed, names, task, seed, curve, n_updates)


def play_two_cores(
    tensors: dict[str, Tensor],
    task: Risky,
    episodes: Episodes,
    noise: Tensor,
    change: Change | None = None,
) -> dict[str, Tensor]:
    """Play a batch of episodes.

    Parameters
    ----------
    tensors
        See :class:`TwoCores`.
    task, episodes
        What is played.
    noise
        Uniform numbers that decide the actions, dims (trial, agent, episode).
    change
        What is added to the prediction error of each trial before the actor sees it.

    Returns
    -------
    dict
        ``action``, ``reward``, ``value``, ``rpe`` (as the actor saw it; of the last trial it saw
        none, it has no successor: 0), dims (trial, agent, episode), ``logits``, dims (trial, agent,
        action, episode).

    Examples
    --------
    >>> networks, task = load_two_cores("untrained"), Risky()
    >>> generators = [torch.Generator().manual_seed(k) for k in range(4)]
    >>> noise = torch.full((60, 4, 3), 0.5)
    >>> with torch.no_grad():
    ...     play_two_cores(networks.tensors, task, task.draw(3, generators), noise)["rpe"].shape
    torch.Size([60, 4, 3])
    """
    n_agents, n_episodes = noise.shape[1:]
    states = {
        core: [
            part.unsqueeze(2).expand(-1, -1, n_episodes)
            for part in tensors[f"{core}_initial"].unbind(1)
        ]
        for core in ("actor", "critic")
    }
    seen = torch.zeros(n_agents, task.n_actions, n_episodes)
    reward, error = (torch.zeros(n_agents, n_episodes) for _ in range(2))
    found: dict[str, list[Tensor]] = {k: [] for k in ("action", "reward", "value", "rpe", "logits")}
    for t in range(task.n_trials):
        value = _step(tensors, "critic", seen, reward, states)[:, 0]
        if t:
            error = reward + DISCOUNT * value.detach() - found["value"][-1].detach()
            if change is not None:
                error = error + change(found["action"][-1], reward)
            found["rpe"].append(error)
        logits = _step(tensors, "actor", seen, error, states)
        chosen = (noise[t] > logits.softmax(dim=1)[:, 0].detach()).long()
        imposed = episodes.variables["forced_choice"][t]
        action = torch.where(imposed >= 0, imposed, chosen)
        reward = episodes.variables["reward_if"][t].gather(1, action.unsqueeze(1)).squeeze(1)
        seen = torch.nn.functional.one_hot(action, task.n_actions).movedim(-1, 1).float()
        for key, item in (("action", action), ("reward", reward), ("value", value)):
            found[key].append(item)
        found["logits"].append(logits)
    found["rpe"].append(torch.zeros_like(reward))
    return {key: torch.stack(items) for key, items in found.items()}


def _initialise(generators: list[torch.Generator], n_actions: int) -> dict[str, Tensor]:
    made: dict[str, list[Tensor]] = {}
    for generator in generators:
        for core, n_out in (("actor", n_actions), ("critic", 1)):
            n_in = n_actions + 1 + N_UNITS + 1
            weight = torch.randn(4 * N_UNITS, n_in, generator=generator) / n_in**0.5
            weight[:, -1] = 0
            weight[N_UNITS : 2 * N_UNITS, -1] = 1
            head = 0.1 * torch.randn(n_out, N_UNITS + 1, generator=generator) / N_UNITS**0.5
            for key, one in (("", weight), ("_head", head), ("_initial", torch.zeros(2, N_UNITS))):
                made.setdefault(core + key, []).append(one)
    return {key: torch.stack(items).requires_grad_() for key, items in made.items()}


def _noise(task: Risky, n_episodes: int, generators: list[torch.Generator]) -> Tensor:
    drawn = [torch.rand(task.n_trials, n_episodes, generator=g) for g in generators]
    return torch.stack(drawn, dim=1)


def _step(
    tensors: dict[str, Tensor],
    core: str,
    seen: Tensor,
    signal: Tensor,
    states: dict[str, list[Tensor]],
) -> Tensor:
    """Step one core and return its head; gates are input, forget, candidate, output."""
    hidden, cell = states[core]
    one = torch.ones_like(signal).unsqueeze(1)
    gates = torch.bmm(tensors[core], torch.cat([seen, signal.unsqueeze(1), hidden, one], dim=1))
    take, keep, candidate, give = gates.chunk(4, dim=1)
    cell = keep.sigmoid() * cell + take.sigmoid() * candidate.tanh()
    hidden = give.sigmoid() * cell.tanh()
    states[core] = [hidden, cell]
    return torch.bmm(tensors[f"{core}_head"], torch.cat([hidden, one], dim=1))


def _loss(played: dict[str, Tensor], episodes: Episodes, entropy_weight: float) -> Tensor:
    free = (episodes.variables["forced_choice"] < 0).float()
    reward, value = played["reward"], played["value"]
    returns, later = torch.zeros_like(reward), torch.zeros_like(reward[0])
    for t in range(len(reward) - 1, -1, -1):
        later = reward[t] + DISCOUNT * later
        returns[t] = later
    advantage = (returns - value).detach()
    n = free.sum(dim=(0, 2)).view(1, -1, 1)
    spread = ((advantage**2 * free).sum(dim=(0, 2), keepdim=True) / n).sqrt() + 1e-6
    log_policy = played["logits"].log_softmax(dim=2)
    chosen = log_policy.gather(2, played["action"].unsqueeze(2)).squeeze(2)
    entropy = -(log_policy.exp() * log_policy).sum(dim=2)
    gain = (chosen * advantage / spread + entropy_weight * entropy) * free / n
    return -gain.sum() + VALUE_WEIGHT * ((returns - value) ** 2).mean(dim=(0, 2)).sum()


def _clip(tensors: dict[str, Tensor]) -> None:
    """Limit the gradient of each agent."""
    gradients = [t.grad for t in tensors.values() if t.grad is not None]
    norm = sum(g.flatten(1).square().sum(dim=1) for g in gradients)
    factor = (CLIP / (torch.as_tensor(norm).sqrt() + 1e-12)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))
