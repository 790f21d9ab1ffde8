"""Playing by looking: networks that see pictures, step by step with the world.

Where the core has gradients by hand, those of its input go on into the encoder, which autograd
differentiates; elsewhere autograd follows the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neuro_metarl.agents.encoder import Encoder
from neuro_metarl.agents.network import Changes, Rollout
from neuro_metarl.agents.population import views_of
from neuro_metarl.tasks.base import VisualTask, World

__all__ = ["Sight", "VisualRollout"]

FRAMES_AT_ONCE = 2048


class Sight:
    """What one network sees of a world, as features, and the way back into its encoder.

    Parameters
    ----------
    encoder
        Sizes.
    tensors
        Parameters of one network.
    world
        A running batch of episodes.
    learn
        Keep what gradients need.
    """

    def __init__(
        self, encoder: Encoder, tensors: dict[str, Tensor], world: World, *, learn: bool
    ) -> None:
        self.encoder, self.world, self.learn = encoder, world, learn
        self.leaves = {
            name: tensors[name].detach().requires_grad_(learn and name in encoder.learned())
            for name in encoder.tensors()
        }
        self.table: Tensor | None = None
        self.looks: list[Tensor] = []
        if world.bank is not None:
            with torch.set_grad_enabled(learn):
                self.table = encoder.encode_bank(self.leaves, world.bank)
            self._rows = self.table.detach()

    def look(self, *, traced: bool = False) -> Tensor:
        """See what each episode shows now.

        Parameters
        ----------
        traced
            For autograd, where it learns; otherwise what :meth:`gradients` needs is kept.

        Returns
        -------
        torch.Tensor
            Dims (episode, feature).
        """
        keep = self.learn and not traced
        seen = self.world.frames() if self.table is None else self.world.seen()
        if keep:
            self.looks.append(seen)
        with torch.set_grad_enabled(self.learn and traced):
            if self.table is not None:
                return (self.table if traced else self._rows).index_select(0, seen)
            return self.encoder.encode(self.leaves, seen)

    def gradients(self, d_features: Tensor) -> dict[str, Tensor]:
        """Carry the gradient of all that was looked at back into the encoder.

        Parameters
        ----------
        d_features
            Dims (step, episode, feature), in the order of the looks.

        Returns
        -------
        dict of torch.Tensor
            By the name of the parameter.
        """
        names = self.encoder.learned()
        leaves = [self.leaves[name] for name in names]
        if self.table is not None:
            d_table = torch.zeros_like(self._rows)
            views = torch.cat(self.looks[: len(d_features)])
            d_table.index_add_(0, views, d_features.flatten(0, 1))
            return dict(zip(names, torch.autograd.grad(self.table, leaves, d_table), strict=True))
        sums = [torch.zeros_like(leaf) for leaf in leaves]
        at_once = max(1, FRAMES_AT_ONCE // d_features.shape[1])
        for start in range(0, len(d_features), at_once):
            d = d_features[start : start + at_once]
            frames = torch.cat(self.looks[start : start + len(d)])
            with torch.enable_grad():
                features = self.encoder.encode(self.leaves, frames)
            for total, part in zip(
                sums, torch.autograd.grad(features, leaves, d.flatten(0, 1)), strict=True
            ):
                total += part
        return dict(zip(names, sums, strict=True))


class VisualRollout(Rollout):
    """Buffers of one network that plays a world by looking.

    Parameters
    ----------
    population
        One network.
    task
        What is played.
    n_episodes
        Episodes of a batch.
    n_steps
        Steps between two gradients.
    learns, engine
        See :class:`neuro_metarl.agents.network.Rollout`.
    """

    task: VisualTask
    sight: Sight

    def explore(
        self,
        sight: Sight,
        noise: Tensor,
        *,
        resume: bool = False,
        changes: Changes | None = None,
    ) -> None:
        """Play on in a world; the buffers then hold all that happened.

        Parameters
        ----------
        sight
            How the world is seen.
        noise
            Standard Gumbel noise, dims (step, agent, action, episode).
        resume
            Go on where the last steps ended, rather than from the first state.
        changes
            See :meth:`Rollout.play`.
        """
        first, last = self.population.shape.observation_rows
        self.sight = sight
        with torch.no_grad():
            if resume:
                self.x[0] = self.x[-1].clone()
                self.engine.go_on()
            else:
                self.x[0, : self.population.shape.n_inputs] = 0
                self._begin()
            self._look(0)

            def react(step: int) -> None:
                later = self._x[step + 1]
                action = later[:first].argmax(0)
                later[:first].zero_().scatter_(0, action.unsqueeze(0), 1.0)
                later[last] = sight.world.step(action)
                self._look(step + 1)

            self._run(noise.to(self.x.dtype), changes, [], react)

    def _look(self, step: int) -> None:
        first, last = self.population.shape.observation_rows
        features = self.sight.look(traced=self.engine.traces)
        self._x[step][first:last] = features.detach().T
        if self.engine.traces:
            self.engine.observe(features)

    def next_value(self) -> Tensor:
        """Evaluate what is seen after the last step.

        Returns
        -------
        torch.Tensor
            Dims (agent, episode).
        """
        return self.engine.next_value()

    def backward(self, d_logits: Tensor, d_values: Tensor) -> Tensor:
        """Propagate gradients back through the steps just played, and into the encoder.

        Parameters
        ----------
        d_logits, d_values
            See :meth:`Rollout.backward`.

        Returns
        -------
        torch.Tensor
            Gradient of every parameter, dims (agent, parameter).
        """
        gradient = torch.zeros_like(self.population.flat)
        views = views_of(self.population.shape, gradient)
        learned = {n: v for n, v in self.sight.leaves.items() if v.requires_grad}
        self.engine.backward(d_logits, d_values, views, learned)
        d_features = self.engine.d_features() if learned else None
        if d_features is not None:
            for name, value in self.sight.gradients(d_features).items():
                views[name][0] = value
        return gradient
