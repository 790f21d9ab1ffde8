"""Where the scorecard's subjects play: recordings that several rows share are made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import xarray as xr

from neuro_metarl.agents.players import make_player
from neuro_metarl.agents.population import Population
from neuro_metarl.agents.training import train
from neuro_metarl.agents.two_cores import TwoCores, load_two_cores, train_two_cores
from neuro_metarl.agents.zoo import Agents, load_agents, untrained
from neuro_metarl.recording.cohorts import record
from neuro_metarl.recording.two_cores import record_two_cores
from neuro_metarl.tasks.base import Task, VisualTask

__all__ = ["Stage", "without_reward"]


def without_reward(agents: Agents) -> Agents:
    """Cut the reward input of networks: a deliberately broken agent.

    Parameters
    ----------
    agents
        Networks that see numbers.

    Returns
    -------
    Agents
        The same, with weights of 0 from the last reward; where a task shows the last reward as
        well (eleven arms), from what is shown, too.

    Examples
    --------
    >>> blind = without_reward(load_agents("bandit-restless/0"))
    >>> seen = blind.population.shape.n_inputs
    >>> float(blind.population.tensors["recurrent"][..., seen - 1].abs().max())
    0.0
    """
    shape = agents.population.shape
    cut = Population(shape, agents.population.flat.clone())
    first = shape.n_inputs - 1
    if agents.task.name == "bandit-eleven":
        first = shape.n_actions
    for name in ("recurrent", "layer"):
        if name in cut.tensors:
            cut.tensors[name][..., first : shape.n_inputs] = 0
    return replace(agents, population=cut)


@dataclass
class Stage:
    """Networks of the package, or freshly trained ones, with their recordings.

    Parameters
    ----------
    quick
        Fewer sessions, for a look; rows are judged by the same rules.
    train
        Train every set of networks anew, by the recipe on its card and another seed.
    seed
        Of the recordings; and of the training, plus one.
    n_agents
        Networks that are trained of each set, at most; only with ``train``.
    breaks
        Applied to the networks before they play: a broken agent must turn its rows red.

    Examples
    --------
    >>> stage = Stage(quick=True)
    >>> stage.plays("bandit-restless", n_sessions=40).sizes["session"]  # 8 networks, 10 each
    80
    """

    quick: bool = False
    train: bool = False
    seed: int = 2018
    n_agents: int = 4
    breaks: Callable[[Agents], Agents] | None = None
    _intact: Stage | None = field(default=None, repr=False)
    _agents: dict[str, Agents] = field(default_factory=dict, repr=False)
    _two_cores: dict[str, TwoCores] = field(default_factory=dict, repr=False)
    _played: dict[Any, xr.Dataset] = field(default_factory=dict, repr=False)

    def intact(self) -> Stage:
        """Give a stage on which nothing is broken, for controls.

        Returns
        -------
        Stage
            Itself, if nothing is broken here.
        """
        if self.breaks is None:
            return self
        if self._intact is None:
            self._intact = Stage(self.quick, self.train, self.seed, self.n_agents)
        return self._intact

    def agents(self, name: str) -> Agents:
        """Give the networks of a name.

        Parameters
        ----------
        name
            Of the package; ``"untrained NAME"``: fresh ones of the same kind, which nothing breaks.

        Returns
        -------
        Agents
        """
        if name not in self._agents:
            if name.startswith("untrained "):
                found = untrained(load_agents(name.removeprefix("untrained ")))
            else:
                found = self._trained(name) if self.train else load_agents(name)
                found = self.breaks(found) if self.breaks else found
            self._agents[name] = found
        return self._agents[name]

    def _trained(self, name: str) -> Agents:
        known = load_agents(name)
        return train(
            known.task, recipe=known.recipe, n_agents=min(len(known), self.n_agents),
            seed=self.seed + 1, engine="auto", name=name,
        )  # fmt: skip

    def plays(
        self,
        name: str,
        task: Task | VisualTask | str | None = None,
        n_sessions: int = 400,
        *,
        variables: tuple[str, ...] = (),
    ) -> xr.Dataset:
        """Let networks play; a quarter of the sessions if quick.

        Parameters
        ----------
        name
            See :meth:`agents`.
        task
            Default: what they were trained on.
        n_sessions
            Of each network.
        variables
            What is kept at each step, besides choices and outcomes.

        Returns
        -------
        xarray.Dataset
        """
        key = (name, task, n_sessions, variables)
        if key not in self._played:
            self._played[key] = record(
                self.agents(name), task, self._n(n_sessions), seed=self.seed,
                activity=bool(variables), variables=list(variables) or None,
            )  # fmt: skip
        return self._played[key]

    def two_cores(self, name: str, dopamine: str, n_sessions: int = 800) -> xr.Dataset:
        """Let networks of two cores make risky choices; a quarter of the sessions if quick.

        Parameters
        ----------
        name
            See :func:`neuro_metarl.agents.load_two_cores`.
        dopamine
            See :func:`neuro_metarl.recording.record_two_cores`.
        n_sessions
            Of each network.

        Returns
        -------
        xarray.Dataset
        """
        key = (name, dopamine, n_sessions)
        if key not in self._played:
            if name not in self._two_cores:
                self._two_cores[name] = self._made_two_cores(name)
            self._played[key] = record_two_cores(
                self._two_cores[name], n_sessions=self._n(n_sessions), seed=self.seed,
                dopamine=dopamine,
            )  # fmt: skip
        return self._played[key]

    def _made_two_cores(self, name: str) -> TwoCores:
        found = load_two_cores(name)
        if self.train and name != "untrained":
            n_agents = min(len(found), self.n_agents)
            found = train_two_cores(found.task, n_agents=n_agents, seed=self.seed + 1)
        if self.breaks is None:
            return found
        cut = {key: value.clone() for key, value in found.tensors.items()}
        for core in ("actor", "critic"):
            cut[core][:, :, found.task.n_actions] = 0
        return replace(found, tensors=cut)

    def player(self, name: str, task: str, n_sessions: int = 2000, **options: Any) -> xr.Dataset:
        """Let a player play; a quarter of the sessions if quick.

        Parameters
        ----------
        name
            See :func:`neuro_metarl.make_player`.
        task
            What it plays.
        n_sessions
            How many.
        **options
            Of the player.

        Returns
        -------
        xarray.Dataset
        """
        key = (name, task, n_sessions, tuple(sorted(options.items())))
        if key not in self._played:
            self._played[key] = record(
                make_player(name, **options), task, self._n(n_sessions), seed=self.seed
            )
        return self._played[key]

    def _n(self, n_sessions: int) -> int:
        return max(n_sessions // 4, 10) if self.quick else n_sessions
