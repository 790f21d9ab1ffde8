"""Demixed PCA: components of the condition means that each show one factor of the task.

References
----------
Kobak et al. 2016, doi:10.7554/eLife.10989.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.neural.conditions import Conditions, Factors, Samples, conditions_of
from neuro_metarl.neural.populations import complete_means, event_coords, event_counts
from neuro_metarl.neural.recordings import (
    Per,
    Population,
    one_by_one,
    population_coords,
    unit_coords,
)

__all__ = ["demixed_pca", "marginalize"]

STRENGTHS = np.logspace(-9, -1, 17)


def demixed_pca(
    cohort: xr.Dataset,
    by: Factors,
    *,
    n_components: int = 2,
    regularization: float | None = None,
    n_splits: int = 10,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    per: Per = "auto",
    seed: int = 0,
) -> xr.Dataset:
    """Find components that each show one factor of the condition means (demixed PCA).

    Parameters
    ----------
    cohort, by, variable
        See :func:`neuro_metarl.neural.populations.condition_means`.
    n_components
        Components of each marginalisation.
    regularization
        Ridge penalty, as a share of the condition means' sum of squares; default, chosen per
        subject among 17 from 1e-9 to 1e-1 by cross-validation.
    n_splits
        Of the cross-validation: each holds out one random trial of each condition (units that were
        recorded apart, and events that some trials lack, have trials of their own).
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    per
        ``"auto"``: one population per subject where its units were recorded together, else one per
        recording; ``"recording"``; or ``"subject"``: units that were recorded apart are
        pooled into a pseudo-population; see
        :mod:`neuro_metarl.neural.recordings`.
    seed
        Of the trials held out.

    Returns
    -------
    xarray.Dataset
        Dims subject, or recording. ``projection`` (subject, component, each factor, event);
        ``decoder`` and ``encoder`` (subject, component, unit); ``marginal_variance`` (subject,
        marginalization), shares of the condition means' variance, which add to 1;
        ``component_variance`` (subject, component, marginalization), the share of each component's
        own variance that each marginalisation makes (1 in its own: perfectly demixed);
        ``variance_explained`` (subject, component), share of the total that the component
        reconstructs; ``regularization`` (subject), ``cross_validation_error`` (subject, strength),
        NaN where it was given; ``n`` (subject, each factor), trials, and ``n_trials``
        (subject, each factor, event), those of them that have the event. Coordinates
        ``marginalization_of(component)``, ``rank(component)``.

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.populations.complete_means`; too many components; or, for
        cross-validation, a condition with a single trial.

    Warns
    -----
    UserWarning
        Recordings that cannot be analyzed: they are left out by name.

    Notes
    -----
    ``X = sum X_m`` is the orthogonal split of :func:`marginalize`. For each part,
    ``|X_m - F D X|^2 + penalty |F D|^2`` is least for the reduced-rank ridge regression:
    with ``A = X_m X' (X X' + penalty)^-1``, ``F`` holds the leading eigenvectors of
    ``A (X X' + penalty) A'`` and ``D = F' A``. The penalty minimises the error of
    reconstructing the parts of the training means from held-out trials.

    References
    ----------
    Kobak et al. 2016, doi:10.7554/eLife.10989.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> cohort = record("two-step/0", n_sessions=5)
    >>> result = demixed_pca(cohort, ["state", "reward"], n_components=1, n_splits=2)
    >>> result.marginalization_of.values.tolist()
    ['event', 'state', 'reward', 'state x reward']
    """
    conditions = conditions_of(cohort, by, variable=variable, where=where, per=per)
    if regularization is not None and not regularization >= 0:
        raise InputError(f"regularization is {regularization}, expected 0 or more")
    factors, shape = list(conditions.levels), conditions.shape

    def analysis(population: Population, samples: Samples) -> dict[str, Any]:
        means = complete_means(conditions, population, samples)
        table = np.moveaxis(means.reshape(*shape, *means.shape[1:]), -1, 0)
        error, chosen = np.full(len(STRENGTHS), np.nan), regularization
        if chosen is None:
            error = _cross_validate(
                samples, shape, factors, n_components, n_splits, np.random.default_rng(seed)
            )
            chosen = float(STRENGTHS[int(np.argmin(error))])
        n = np.bincount(samples.cell, minlength=prod(shape)).reshape(shape)
        counts = event_counts(samples, prod(shape))
        return _describe(population.label, table, factors, n_components, chosen) | {
            "cross_validation_error": (("strength",), error),
            "n": (tuple(factors), n),
            "n_trials": ((*factors, "event"), counts.reshape(*shape, -1)),
        }

    populations, results, left_out = one_by_one(conditions.samples(), analysis)
    return _demixed_dataset(conditions, populations, results, n_components, left_out)


def marginalize(
    table: np.ndarray, factors: Sequence[str], *, apart: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Split a table of means into orthogonal parts, one per factor and interaction.

    Parameters
    ----------
    table
        Dims (unit, each factor, event); the mean over all conditions and events is removed.
    factors
        Names of the middle dims.
    apart
        ``["event"]``: split interactions with the event off from what they interact with;
        default, they stay together.

    Returns
    -------
    dict
        Name ("event", "choice", "choice x reward") to the part, of the table's shape. The parts
        add to the centred table, and their sums of squares to its sum of squares. A table with
        one event has no part "event".

    Examples
    --------
    >>> table = np.random.default_rng(0).normal(size=(5, 2, 2, 3))
    >>> parts = marginalize(table, ["choice", "reward"])
    >>> list(parts)
    ['event', 'choice', 'reward', 'choice x reward']
    >>> centred = table - table.mean(axis=(1, 2, 3), keepdims=True)
    >>> bool(np.isclose(sum((p**2).sum() for p in parts.values()), (centred**2).sum()))
    True
    """
    centred = table - table.mean(axis=tuple(range(1, table.ndim)), keepdims=True)
    names = [*factors, "event"] if "event" in apart else list(factors)
    parts = {}
    subsets = [s for size in range(len(names) + 1) for s in combinations(names, size)]
    for subset in subsets:
        part = centred
        for axis, name in enumerate(names, start=1):
            level = part.mean(axis=axis, keepdims=True)
            part = part - level if name in subset else level
        label = " x ".join(subset) or "event"
        if subset or ("event" not in names and table.shape[-1] > 1):
            parts[label] = np.broadcast_to(part, table.shape)
    return parts


def _fit(
    table: np.ndarray, factors: list[str], n_components: int, strengths: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Find encoders and decoders of every part at every strength of the penalty.

    Each is an array with dims (strength, component, unit). The table is centred.
    """
    flat = table.reshape(len(table), -1)
    left, singular, right = np.linalg.svd(flat, full_matrices=False)
    real = singular > 1e-10 * singular[0]
    left, singular, right = left[:, real], singular[real], right[real]
    found = {}
    for label, part in marginalize(table, factors).items():
        inner = part.reshape(len(table), -1) @ right.T
        encoders, decoders = [], []
        for penalty in strengths * (singular**2).sum():
            shrunk = singular**2 + penalty
            half = inner * (singular / np.sqrt(shrunk))
            encoder = np.linalg.svd(half, full_matrices=False)[0][:, :n_components].T
            encoders.append(encoder)
            decoders.append(encoder @ (inner * (singular / shrunk)) @ left.T)
        found[label] = np.array(encoders), np.array(decoders)
    return found


def _cross_validate(
    mine: Samples,
    shape: tuple[int, ...],
    factors: list[str],
    n_components: int,
    n_splits: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Measure, for every strength, how badly held-out trials rebuild the parts of the others."""
    n_cells = prod(shape)
    if np.bincount(mine.cell, minlength=n_cells).min() < 2:
        raise InputError(
            f"{mine.population.label} has a condition with a single trial, which cross-validation "
            "cannot split; give regularization, fewer conditions or more sessions"
        )
    if n_splits < 1:
        raise InputError(f"n_splits is {n_splits}, expected 1 or more")
    error = np.zeros(len(STRENGTHS))
    for _ in range(n_splits):
        train, test = (
            np.moveaxis(part.reshape(*shape, *part.shape[1:]), -1, 0)
            for part in _split(mine, n_cells, rng)
        )
        centre = train.mean(axis=tuple(range(1, train.ndim)), keepdims=True)
        train, test = train - centre, (test - centre).reshape(len(test), -1)
        parts = marginalize(train, factors)
        total = sum((part**2).sum() for part in parts.values())
        for label, (encoder, decoder) in _fit(train, factors, n_components, STRENGTHS).items():
            part = parts[label].reshape(len(test), -1)
            rebuilt = encoder.swapaxes(1, 2) @ (decoder @ test)
            error += ((part - rebuilt) ** 2).sum(axis=(1, 2)) / total
    return error / n_splits


def _split(mine: Samples, n_cells: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hold out one trial of each condition, each unit's own where units were recorded apart."""
    train, test = [], []
    n_events, n_units = mine.stored.shape[1:]
    for cell in range(n_cells):
        rows = np.flatnonzero(mine.cell == cell)
        known = ~np.isnan(mine.stored[rows])
        apart = bool((known.any(axis=1) != known.any(axis=(1, 2))[:, None]).any())
        n = known.sum(axis=0)
        if n.min() < 2:
            raise InputError(
                f"{mine.population.label}: a unit has fewer than two trials of some condition, "
                "which cross-validation cannot split; give regularization or use fewer conditions"
            )
        key = rng.random((len(rows), n_units if apart else 1))
        held, rest = np.empty((n_events, n_units)), np.empty((n_events, n_units))
        for event in range(n_events):  # one by one: a cell may be large
            values = mine.stored[rows, event].astype(float)
            chosen = np.where(known[:, event], key, -1).argmax(axis=0)
            held[event] = np.take_along_axis(values, chosen[None], axis=0)[0]
            rest[event] = np.nansum(values, axis=0) - held[event]
        test.append(held)
        train.append(rest / (n - 1))
    return np.array(train), np.array(test)


def _describe(
    population: str, table: np.ndarray, factors: list[str], n_components: int, strength: float
) -> dict[str, Any]:
    centred = table - table.mean(axis=tuple(range(1, table.ndim)), keepdims=True)
    parts = marginalize(centred, factors)
    flat = centred.reshape(len(centred), -1)
    total = (flat**2).sum()
    for label, part in parts.items():
        allowed = min(len(flat), np.linalg.matrix_rank(part.reshape(len(flat), -1)))
        if not 1 <= n_components <= allowed:
            raise InputError(
                f"n_components is {n_components}; {population} allows 1 to {allowed} for {label!r}"
            )
    found = _fit(centred, factors, n_components, np.array([strength]))
    encoder = np.concatenate([found[label][0][0] for label in parts])
    decoder = np.concatenate([found[label][1][0] for label in parts])
    shown = np.stack(
        [((decoder @ p.reshape(len(flat), -1)) ** 2).sum(axis=1) for p in parts.values()], axis=1
    )
    rebuilt = encoder[:, :, None] * (decoder @ flat)[:, None]
    left_over = ((flat - rebuilt) ** 2).sum(axis=(1, 2))
    return {
        "projection": (
            ("component", *factors, "event"),
            (decoder @ flat).reshape(-1, *table.shape[1:]),
        ),
        "encoder": encoder,
        "decoder": decoder,
        "marginal_variance": (("marginalization",), [(p**2).sum() / total for p in parts.values()]),
        "component_variance": (
            ("component", "marginalization"),
            shown / shown.sum(axis=1, keepdims=True),
        ),
        "variance_explained": (("component",), 1 - left_over / total),
        "regularization": ((), strength),
        "labels": list(parts),
    }


def _demixed_dataset(
    conditions: Conditions,
    populations: Sequence[Population],
    results: list[dict[str, Any]],
    n_components: int,
    left_out: str,
) -> xr.Dataset:
    labels, dim, cohort = results[0]["labels"], conditions.dim, conditions.cohort
    variables = {}
    for key in results[0]:
        if key in ("labels", "encoder", "decoder"):
            continue
        dims = results[0][key][0]
        variables[key] = ((dim, *dims), np.array([r[key][1] for r in results]))
    for key in ("encoder", "decoder"):
        weights = np.full((len(results), len(labels) * n_components, cohort.sizes["unit"]), np.nan)
        for k, (result, mine) in enumerate(zip(results, populations, strict=True)):
            weights[k][:, mine.unit] = result[key]
        variables[key] = ((dim, "component", "unit"), weights)
    return xr.Dataset(
        variables,
        coords={
            **population_coords(populations),
            **conditions.levels,
            **event_coords(cohort),
            **unit_coords(cohort, dim),
            "marginalization": labels,
            "strength": STRENGTHS,
            "component": np.arange(1, len(labels) * n_components + 1),
            "marginalization_of": ("component", np.repeat(labels, n_components)),
            "rank": ("component", np.tile(np.arange(1, n_components + 1), len(labels))),
        },
        attrs={"measure": "demixed PCA", "variable": conditions.variable, "left_out": left_out},
    )
