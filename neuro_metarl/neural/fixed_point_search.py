"""Fixed points of any map: states that it leaves where they are, with its spectrum there.

References
----------
Sussillo & Barak 2013, doi:10.1162/NECO_a_00409.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError

__all__ = ["Map", "find_fixed_points"]

Map = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-14, 1e6


def find_fixed_points(
    advance: Map,
    starts: np.ndarray,
    *,
    max_speed: float = 1e-6,
    separation: float = 1e-3,
    n_iterations: int = 300,
) -> xr.Dataset:
    """Find the fixed points of a map from many states.

    Parameters
    ----------
    advance
        From states (state, dimension) to the states after and their Jacobians (state, dimension,
        dimension).
    starts
        Dims (state, dimension).
    max_speed
        Points are kept where ``|F(z) - z|`` is at most this. A larger number keeps slow points
        too: local minima of the speed.
    separation
        Points nearer than this times the typical size of the starts (root mean square norm) are
        one.
    n_iterations
        At most, of the Levenberg-Marquardt steps.

    Returns
    -------
    xarray.Dataset
        ``state`` (fixed_point, dimension); ``speed`` (fixed_point), ``|F(z) - z|``; ``q``, half its
        square; ``eigenvalue`` (fixed_point, mode), complex, by falling size; ``time_constant``
        (fixed_point, mode), ``-1 / ln |eigenvalue|`` in steps of the map, infinite at 1 and
        negative where the mode grows; ``n_unstable`` (fixed_point), eigenvalues beyond the unit
        circle; ``n_starts`` (fixed_point), starts that ended there. Points come in the order of
        ``n_starts``. ``attrs["n_failed"]``: starts that ended at no point kept.

    Raises
    ------
    InputError
        Starts that are not numbers, or numbers out of range.

    Notes
    -----
    ``q(z) = |F(z) - z|^2 / 2`` is minimised from every start, with the map's own Jacobian;
    saddles are found as well as attractors.

    References
    ----------
    Sussillo & Barak 2013, doi:10.1162/NECO_a_00409.

    Examples
    --------
    >>> def advance(z):
    ...     return np.tanh(2 * z), np.eye(1) * (2 / np.cosh(2 * z) ** 2)[:, :, None]
    >>> found = find_fixed_points(advance, np.linspace(-1, 1, 20)[:, None])
    >>> np.abs(np.sort(found.state.values[:, 0])).round(4).tolist()
    [0.9575, 0.0, 0.9575]
    """
    starts = np.asarray(starts, float)
    if starts.ndim != 2 or not len(starts) or not np.isfinite(starts).all():
        raise InputError("starts: expected finite numbers with dims (state, dimension)")
    for name, value in (("max_speed", max_speed), ("separation", separation)):
        if not value > 0:
            raise InputError(f"{name} is {value}, expected more than 0")
    states = _descend(advance, starts, n_iterations)
    speed = np.linalg.norm(advance(states)[0] - states, axis=1)
    size = float(np.sqrt((starts**2).sum(axis=1).mean())) or 1.0
    kept, counts = _distinct(states, speed, max_speed, separation * size)
    points = states[kept]
    jacobian = advance(points)[1]
    values: np.ndarray = np.zeros((0, starts.shape[1]))
    if len(kept):
        values = np.linalg.eigvals(jacobian)
    values = np.take_along_axis(values, np.argsort(-np.abs(values), axis=1, kind="stable"), axis=1)
    with np.errstate(divide="ignore"):
        constant = -1 / np.log(np.abs(values))
    return xr.Dataset(
        {
            "state": (("fixed_point", "dimension"), points),
            "speed": ("fixed_point", speed[kept]),
            "q": ("fixed_point", speed[kept] ** 2 / 2),
            "eigenvalue": (("fixed_point", "mode"), values.astype(complex)),
            "time_constant": (("fixed_point", "mode"), constant),
            "n_unstable": ("fixed_point", (np.abs(values) > 1).sum(axis=1)),
            "n_starts": ("fixed_point", counts),
        },
        coords={"mode": np.arange(1, starts.shape[1] + 1)},
        attrs={
            "measure": "fixed points",
            "max_speed": max_speed,
            "n": len(starts),
            "n_failed": int(len(starts) - sum(counts)),
        },
    )


def _descend(advance: Map, starts: np.ndarray, n_iterations: int) -> np.ndarray:
    """Minimise half the squared speed from every start: Levenberg-Marquardt, all at once."""
    states, damping = starts.copy(), np.full(len(starts), DAMPING)
    active = np.arange(len(starts))
    identity = np.eye(starts.shape[1])
    after, jacobian = advance(states)
    velocity, slope = after - states, jacobian - identity
    for _ in range(n_iterations):
        v, j = velocity[active], slope[active]
        gradient = np.einsum("sij,si->sj", j, v)
        normal = j.swapaxes(1, 2) @ j + damping[active][:, None, None] * identity
        proposal = states[active] - np.linalg.solve(normal, gradient[..., None])[..., 0]
        after, jacobian = advance(proposal)
        better = ((after - proposal) ** 2).sum(axis=1) < (v**2).sum(axis=1)
        moved, chosen = active[better], np.flatnonzero(better)
        states[moved] = proposal[chosen]
        velocity[moved] = (after - proposal)[chosen]
        slope[moved] = (jacobian - identity)[chosen]
        damping[moved] = np.maximum(damping[moved] * 0.1, LEAST_DAMPING)
        damping[active[~better]] *= 10
        at_rest = np.linalg.norm(velocity, axis=1) < 1e-13 * (1 + np.linalg.norm(states, axis=1))
        active = np.flatnonzero(~at_rest & (damping < MOST_DAMPING))
        if not len(active):
            break
    return states


def _distinct(
    states: np.ndarray, speed: np.ndarray, max_speed: float, distance: float
) -> tuple[list[int], list[int]]:
    """Keep one of each group of nearby points, the slowest; count who ended there."""
    kept: list[int] = []
    counts: list[int] = []
    for k in np.argsort(speed):
        if not speed[k] <= max_speed:
            break
        apart = np.linalg.norm(states[kept] - states[k], axis=1) if kept else np.zeros(0)
        if len(apart) and apart.min() < distance:
            counts[int(np.argmin(apart))] += 1
        else:
            kept.append(int(k))
            counts.append(1)
    order = np.argsort(-np.array(counts, int), kind="stable")
    return [kept[i] for i in order], [counts[i] for i in order]
