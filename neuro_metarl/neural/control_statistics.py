"""Statistics of how a population holds a variable, beyond whether it can be read.

Each is a number of one population: its features on the trials of one subject (units of a network,
or the columns of a description without any network), the variable, and the history of the trials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neuro_metarl.neural.ridge import nested_ridge

__all__ = ["STATISTICS", "Held"]

N_DRAWS = 20
FEW = 5
LEAST = 1e-9


@dataclass(frozen=True)
class Held:
    """Features and the variable on the trials of one subject, and on others to which it is carried.

    Parameters
    ----------
    x
        Dims (trial, feature).
    y
        Dims (trial): the variable.
    history
        Dims (trial, column).
    fold
        Dims (trial): folds from 0, whole sessions.
    x_other, y_other
        The same on trials whose choices were imposed, or None.
    axis
        Dims (feature): weights of the choice's log odds, or None.
    seed
        Of noise and of drawn units.
    """

    x: np.ndarray
    y: np.ndarray
    history: np.ndarray
    fold: np.ndarray
    x_other: np.ndarray | None = None
    y_other: np.ndarray | None = None
    axis: np.ndarray | None = None
    seed: int = 0

    @cached_property
    def near(self) -> np.ndarray:
        """Which folds a trial is not trained on with, bool, dims (trial, fold)."""
        return np.eye(int(self.fold.max()) + 1, dtype=bool)[self.fold]

    @cached_property
    def centred(self) -> np.ndarray:
        """Features about their mean, dims (trial, feature)."""
        return self.x - self.x.mean(axis=0)

    @cached_property
    def components(self) -> np.ndarray:
        """Principal directions, the widest first, dims (component, feature)."""
        values, vectors = np.linalg.eigh(self.centred.T @ self.centred)
        return vectors[:, np.argsort(values)[::-1]].T

    @cached_property
    def left(self) -> np.ndarray:
        """What the history leaves of the variable, predicted across folds; dims (trial)."""
        return self.y - self.predict(self.history, self.y[:, None])[:, 0]

    @cached_property
    def coded(self) -> np.ndarray:
        """Unit vector along which features follow the variable, dims (feature)."""
        together = self.centred.T @ (self.y - self.y.mean())
        return together / max(float(np.linalg.norm(together)), LEAST)

    @cached_property
    def spread(self) -> float:
        """SD of the features along it."""
        return float((self.centred @ self.coded).std())

    def predict(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Predict each fold from the others; dims (trial, column) of ``y``."""
        found, _ = nested_ridge(x, y[:, None, :], self.fold, self.near)
        return found[:, 0, :].astype(float)

    def read(self, x: np.ndarray) -> float:
        """R2 of the variable from features, across folds."""
        return _r2(self.y, self.predict(x, self.y[:, None])[:, 0])

    def carried(self, n_components: int | None = None) -> float:
        """R2 on other trials of a decoder that was fitted to these."""
        assert self.x_other is not None
        assert self.y_other is not None
        x, other = self.centred, self.x_other - self.x.mean(axis=0)
        if n_components is not None:
            wide = self.components[:n_components].T
            x, other = x @ wide, other @ wide
        _, chosen = nested_ridge(x, self.y[:, None, None], self.fold, self.near)
        sd = x.std(axis=0)
        sd = np.where(sd > LEAST, sd, np.inf)
        z, aim = x / sd, self.y - self.y.mean()
        penalty = float(np.median(chosen))
        size = np.eye(z.shape[1]) * penalty
        weights = np.linalg.lstsq(z.T @ z / len(z) + size, z.T @ aim / len(z), rcond=None)[0]
        return _r2(self.y_other, self.y.mean() + (other / sd) @ weights)


def _r2(y: np.ndarray, prediction: np.ndarray) -> float:
    return float(1 - ((y - prediction) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def beyond_history(held: Held) -> float:
    """R2 of what ten past trials, linearly, leave of the variable."""
    return _r2(held.left, held.predict(held.x, held.left[:, None])[:, 0])


def partial(held: Held) -> float:
    """Share of what the history leaves that features add, history held in both."""
    own = held.x - held.predict(held.history, held.x)
    rest = held.left - held.predict(own, held.left[:, None])[:, 0]
    return float(1 - (rest**2).sum() / (held.left**2).sum())


def imposed(held: Held) -> float:
    """R2, on imposed random choices, of the decoder of the subject's own play."""
    return held.carried()


def imposed_three(held: Held) -> float:
    """R2, on imposed random choices, from three principal components of own play."""
    return held.carried(3)


def read_all(held: Held) -> float:
    """R2 of the variable from all features."""
    return held.read(held.x)


def read_one(held: Held) -> float:
    """R2 of the variable from the first principal component."""
    return held.read(held.centred @ held.components[:1].T)


def along(held: Held) -> float:
    """Share of the features' variance that lies along the variable."""
    return held.spread**2 / float(held.centred.var(axis=0).sum())


def noisy(held: Held) -> float:
    """R2 with independent noise added to each unit, as large as a unit's own SD on average."""
    rng = np.random.default_rng([held.seed, 1])
    sd = np.sqrt(held.centred.var(axis=0).mean())
    return held.read(held.centred + rng.normal(scale=sd, size=held.x.shape))


def few(held: Held) -> float:
    """R2 from five units, the median of twenty draws."""
    rng = np.random.default_rng([held.seed, 2])
    n = held.x.shape[1]
    chosen = [rng.choice(n, min(FEW, n), replace=False) for _ in range(N_DRAWS)]
    return float(np.median([held.read(held.x[:, units]) for units in chosen]))


def push(held: Held) -> float:
    """Change of the choice's log odds by one SD along the variable."""
    assert held.axis is not None
    return held.spread * float(held.coded @ held.axis)


def push_at_random(held: Held) -> float:
    """Change of the log odds in random directions, without its sign: mean over directions."""
    assert held.axis is not None
    rng = np.random.default_rng([held.seed, 3])
    directions = rng.normal(size=(1000, len(held.axis)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return held.spread * float(np.abs(directions @ held.axis).mean())


def cosine(held: Held) -> float:
    """Cosine, without its sign, of the variable's direction and the policy's."""
    assert held.axis is not None
    return abs(float(held.coded @ held.axis)) / max(float(np.linalg.norm(held.axis)), LEAST)


STATISTICS: dict[str, tuple[Callable[[Held], float], str, str]] = {
    "beyond_history": (beyond_history, "", "R2 of what history leaves"),
    "partial": (partial, "", "partial R2 beyond history"),
    "imposed": (imposed, "other", "R2 on imposed choices"),
    "imposed_3pc": (imposed_three, "other", "R2 on imposed choices, 3 PCs"),
    "r2": (read_all, "", "R2 of all units"),
    "r2_1pc": (read_one, "", "R2 of 1 PC"),
    "along": (along, "", "share of variance along it"),
    "r2_noise": (noisy, "", "R2 with noise of 1 SD"),
    "r2_5units": (few, "", "R2 of 5 units"),
    "push": (push, "axis", "log odds moved by +1 SD"),
    "push_random": (push_at_random, "axis", "log odds moved, random direction"),
    "cosine": (cosine, "axis", "|cosine| with policy axis"),
}
"""Name of each statistic: what computes it, what it needs besides, and its label."""
