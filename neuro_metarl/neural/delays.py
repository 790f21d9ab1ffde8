"""Dynamical similarity (DSA): whether two populations move alike, whatever their coordinates.

Each subject's activity is embedded in delays, and a linear operator that takes the embedding one
step on is fitted in its leading components (dsa-metric; ``pip install
neuro_metarl[geometry]``). Two operators are compared up to a rotation of the components, or by
their eigenvalues alone.

The operators are *autonomous*: what the task's inputs do to the state is taken for dynamics.
Subjects that met different inputs can differ for that reason alone.

References
----------
Ostrow et al. 2023, arXiv:2306.10168; Redman et al. 2024, arXiv:2302.09160.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.conditions import select_events
from neuro_metarl.neural.recordings import (
    Per,
    Population,
    counted_trials,
    names_of,
    one_by_one,
    pair_coords,
    population_coords,
    populations_of,
)

__all__ = ["aligned_angle", "delay_operators", "dynamical_similarity"]

Score = Literal["angular", "wasserstein"]
SCORES = ("angular", "wasserstein")


def dynamical_similarity(
    cohort: xr.Dataset,
    other: xr.Dataset | None = None,
    *,
    score: Score = "angular",
    n_delays: int = 3,
    rank: int = 10,
    event: str | Sequence[str] | None = None,
    n_starts: int = 30,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    other_where: xr.DataArray | None = None,
    per: Per = "auto",
    seed: int = 0,
) -> xr.DataArray:
    """Compare the dynamics of all subjects, or of one cohort's with another's (DSA).

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    other
        A second cohort; default, the first is compared with itself.
    score
        ``"angular"``: the angle between operators after the best rotation, see
        :func:`aligned_angle`. ``"wasserstein"``: distance between the sets of eigenvalues, which
        is 0 too for operators that are conjugate but not by a rotation.
    n_delays, rank, event, variable, where, per
        See :func:`delay_operators`.
    other_where
        Trials of the second cohort that count.
    n_starts
        Rotations from which the best is sought.
    seed
        Of the rotations.

    Returns
    -------
    xarray.DataArray
        Dims (subject, subject_2), or recordings in their place: radians from 0 to pi, or a distance
        in the plane of eigenvalues.

    Raises
    ------
    InputError
        See :func:`delay_operators`.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> cohort = record(load_agents("two-step").select([0, 1]), n_sessions=4)
    >>> apart = dynamical_similarity(cohort, rank=5)
    >>> apart.dims, bool(apart[0, 0] < 1e-6 < apart[0, 1])
    (('subject', 'subject_2'), True)
    """
    if score not in SCORES:
        raise InputError(f"no score {score!r}; {did_you_mean(score, SCORES)}")
    if other is None and other_where is not None:
        raise InputError("other_where belongs to a second cohort, and there is none")
    settings: dict[str, Any] = {
        "n_delays": n_delays,
        "rank": rank,
        "event": event,
        "variable": variable,
        "per": per,
    }
    first = delay_operators(cohort, where=where, **settings)
    second = first if other is None else delay_operators(other, where=other_where, **settings)
    rows, columns = first["operator"].values, second["operator"].values
    found = np.zeros((len(rows), len(columns)))
    for i, a in enumerate(rows):
        for j, b in enumerate(columns):
            if other is None and j < i:
                found[i, j] = found[j, i]
            elif score == "angular":
                found[i, j] = aligned_angle(a, b, n_starts=n_starts, seed=seed)
            else:
                found[i, j] = _eigenvalue_distance(a, b)
    return xr.DataArray(
        found,
        **pair_coords(first["n"], second["n"]),
        name="dynamical_similarity",
        attrs={
            "measure": f"dynamical similarity, {score}",
            "variable": variable,
            "n_delays": n_delays,
            "rank": rank,
            "event": "all" if event is None else str(event),
        },
    )


def delay_operators(
    cohort: xr.Dataset,
    *,
    n_delays: int = 3,
    rank: int = 10,
    event: str | Sequence[str] | None = None,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    per: Per = "auto",
) -> xr.Dataset:
    """Fit each subject's linear operator on delay embeddings of its activity (HAVOK).

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit. A session is one run of steps
        (trials x events). A run ends where a trial does not count, or lacks an event: what comes
        after is a run of its own, so that no step leads across the gap.
    n_delays
        Steps of the embedding.
    rank
        Leading components of the embedding that the operator acts in.
    event
        Events that count as steps; default all. One event makes the trial the step.
    variable
        ``"activity"`` or ``"cell"``.
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    per
        ``"auto"``: one population per subject where its units were recorded together, else one per
        recording; ``"recording"``; or ``"subject"``; see :mod:`neuro_metarl.neural.recordings`.

    Returns
    -------
    xarray.Dataset
        Dims subject, or recording. ``operator`` (subject, component, component_2), takes the
        components a step on;
        ``eigenvalue`` (subject, mode), complex, by falling size; ``variance_explained`` (subject),
        share of the embedding's variance in the components; ``n`` (subject), steps.

    Raises
    ------
    InputError
        No such variable or event, units of which some are NaN where others are not, activity that
        does not vary, fewer than two units, runs that are too short for the delays, a rank that the
        embedding does not have, or dsa-metric is not installed.

    Warns
    -----
    UserWarning
        Recordings that cannot be analyzed: they are left out by name.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> result = delay_operators(record("two-step/0", n_sessions=4), rank=5)
    >>> dict(result.operator.sizes)
    {'subject': 1, 'component': 5, 'component_2': 5}
    """
    if n_delays < 1 or rank < 1:
        raise InputError(f"n_delays is {n_delays} and rank {rank}, expected 1 or more")
    if variable not in cohort:
        raise InputError(f"no {variable!r} in this cohort: record it with activity=True")
    chosen = select_events(cohort, event)
    counted = counted_trials(chosen, where)
    populations = populations_of(chosen, counted, per=per, variable=variable)

    def analysis(population: Population, _: None) -> tuple[np.ndarray, float, int]:
        runs = _runs(population, chosen, counted, variable, n_delays)
        operator, share = _operator(population.label, runs, n_delays, rank)
        return operator, share, sum(len(run) for run in runs)

    done, found, left_out = one_by_one(((p, None) for p in populations), analysis)
    operators, shares, counts = (np.array(part) for part in zip(*found, strict=True))
    eigenvalue = np.linalg.eigvals(operators).astype(complex)
    order = np.argsort(-np.abs(eigenvalue), axis=1, kind="stable")
    dim = done[0].kind
    return xr.Dataset(
        {
            "operator": ((dim, "component", "component_2"), operators),
            "eigenvalue": ((dim, "mode"), np.take_along_axis(eigenvalue, order, axis=1)),
            "variance_explained": (dim, shares),
            "n": (dim, counts),
        },
        coords={**population_coords(done), "component": np.arange(1, rank + 1)},
        attrs={
            "measure": "delay operators",
            "n_delays": n_delays,
            "variable": variable,
            "left_out": left_out,
        },
    )


def aligned_angle(a: np.ndarray, b: np.ndarray, *, n_starts: int = 30, seed: int = 0) -> float:
    """Measure the angle between two operators after the best rotation of one.

    Parameters
    ----------
    a, b
        Dims (component, component_2), of one size.
    n_starts
        Rotations from which the best is sought; half of them match the eigenvectors of the
        operators' symmetric parts, half are random.
    seed
        Of the rotations.

    Returns
    -------
    float
        ``min arccos(<A, C B C'> / (|A| |B|))`` over orthogonal C: radians, 0 to pi.

    Raises
    ------
    InputError
        Not two square matrices of one size, or one of them is 0.

    Notes
    -----
    ``tr(A' C B C')`` is made convex in C by a constant, and C replaced by the nearest orthogonal
    matrix to its gradient until it rests: each step is an ascent. The search can end at a local
    maximum, so that the angle is an upper bound.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, c = rng.normal(size=(4, 4)), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    >>> round(aligned_angle(a, c @ a @ c.T), 4)
    0.0
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.ndim != 2 or a.shape != b.shape or a.shape[0] != a.shape[1]:
        raise InputError(f"operators have shapes {a.shape} and {b.shape}, expected one square")
    if not (a.any() and b.any() and np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("an operator is 0 or not finite; there is no angle to it")
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    rotations = _first_rotations(a, b, n_starts, np.random.default_rng(seed))
    lift = float(np.linalg.norm(a, 2) * np.linalg.norm(b, 2))
    rotations = _ascend(a, b, rotations, lift, 100)
    best = np.argsort(-_overlap(a, b, rotations))[:3]
    rotations = _ascend(a, b, rotations[best], lift, 3000)
    chosen = rotations[int(np.argmax(_overlap(a, b, rotations)))]
    chord = float(np.linalg.norm(a - chosen @ b @ chosen.T))
    return float(2 * np.arcsin(min(chord / 2, 1.0)))


def _first_rotations(
    a: np.ndarray, b: np.ndarray, n_starts: int, rng: np.random.Generator
) -> np.ndarray:
    if n_starts < 1:
        raise InputError(f"n_starts is {n_starts}, expected 1 or more")
    mine, yours = (np.linalg.eigh(m + m.T)[1] for m in (a, b))
    size, matched = len(a), (n_starts + 1) // 2
    signs = rng.choice([-1.0, 1.0], size=(matched, 1, size))
    random = np.linalg.qr(rng.normal(size=(n_starts - matched, size, size)))[0]
    return np.concatenate([np.eye(size)[None], (mine * signs) @ yours.T, random])


def _overlap(a: np.ndarray, b: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    return np.einsum("ij,sij->s", a, rotations @ b @ rotations.swapaxes(1, 2))


def _ascend(
    a: np.ndarray, b: np.ndarray, rotations: np.ndarray, lift: float, n_iterations: int
) -> np.ndarray:
    before = _overlap(a, b, rotations)
    for k in range(n_iterations):
        slope = a @ rotations @ b.T + a.T @ rotations @ b + 2 * lift * rotations
        left, _, right = np.linalg.svd(slope)
        rotations = left @ right
        if k % 20 == 19:
            now = _overlap(a, b, rotations)
            if (now - before).max() < 1e-13:
                break
            before = now
    return rotations


def _eigenvalue_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Match the eigenvalues of two operators: root mean square distance in the plane."""
    from scipy.optimize import linear_sum_assignment

    mine, yours = np.linalg.eigvals(a), np.linalg.eigvals(b)
    cost = np.abs(mine[:, None] - yours) ** 2
    matched = linear_sum_assignment(cost)
    return float(np.sqrt(cost[matched].mean()))


def _runs(
    population: Population, cohort: xr.Dataset, counted: np.ndarray, variable: str, n_delays: int
) -> list[np.ndarray]:
    """Cut each session into runs of steps without a gap, dims (step, unit), centred over all."""
    label, unit = population.label, population.unit
    if len(unit) < 2:
        raise InputError(f"{label} has {len(unit)} unit(s); a population needs 2 or more")
    if not population.together:
        raise InputError(
            f"{label}: its units were not recorded in the same sessions, and move together in "
            "none; use per='recording'"
        )
    activity = cohort[variable].transpose("session", "trial", "event", "unit")
    runs = []
    for session in population.session:
        table = activity.isel(session=int(session), unit=unit).values.astype(float)
        table[~counted[session]] = np.nan
        if np.isinf(table).any():
            raise InputError(
                f"{label}: {variable} is infinite on some trial; expected numbers, or NaN for none"
            )
        missing = np.isnan(table)
        partly = missing.any(axis=2) & ~missing.all(axis=2)
        if partly.any():
            trial, event = np.argwhere(partly)[0]
            lost = names_of(cohort[variable], unit[np.flatnonzero(missing[trial, event])])
            name = str(cohort["session_id"].values[session])
            raise InputError(
                f"{variable}: nan at {label}, session {name!r}, trial {trial}, unit {lost}, where "
                "other units have numbers; leave out these units (cohort.isel(unit=...)) or these "
                "trials (where=)"
            )
        steps = table.reshape(-1, len(unit))
        known = ~np.isnan(steps[:, 0])
        edges = np.flatnonzero(np.diff(np.r_[False, known, False].astype(int)))
        runs += [
            steps[start:stop]
            for start, stop in zip(edges[::2], edges[1::2], strict=True)
            if stop - start >= n_delays + 2
        ]
    if not runs:
        raise InputError(
            f"{label} has no session of {n_delays + 2} steps or more, which {n_delays} delays need "
            "(without a trial that does not count or lacks an event)"
        )
    centre = np.concatenate(runs).mean(axis=0)
    runs = [run - centre for run in runs]
    if max(np.abs(run).max() for run in runs) <= 1e-10 * (1 + np.abs(centre).max()):
        raise InputError(f"{label}: {variable} is constant; it has no dynamics")
    return runs


def _operator(
    label: str, runs: list[np.ndarray], n_delays: int, rank: int
) -> tuple[np.ndarray, float]:
    dmd_class = _toolbox()
    equal = len({len(run) for run in runs}) == 1
    n_rows = sum(len(run) - n_delays + 1 for run in runs)
    most = min(n_delays * runs[0].shape[1], n_rows - len(runs))
    if rank > most:
        raise InputError(f"rank is {rank}; {label} allows {most} with {n_delays} delays")
    scale = np.sqrt(np.mean([np.mean(run**2) for run in runs]))
    data: Any = np.stack(runs) / scale if equal else [run / scale for run in runs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dmd = dmd_class(data[0] if len(runs) == 1 else data, n_delays=n_delays, rank=rank, lamb=0)
        dmd.fit()
    strength = np.asarray(dmd.S.numpy(), float) ** 2
    if strength[rank - 1] < 1e-10 * strength[0]:
        least = int((strength > 1e-10 * strength[0]).sum())
        raise InputError(f"rank is {rank}; the embedding of {label} has {least}")
    return np.asarray(dmd.A_v.numpy(), float), float(strength[:rank].sum() / strength.sum())


def _toolbox() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from DSA import DMD
    except ImportError:
        raise InputError(
            "dynamical similarity needs dsa-metric, which is not installed: "
            "pip install 'neuro_metarl[geometry]'"
        ) from None
    return DMD
