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

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.populations import select_events

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
    n_delays, rank, event, variable
        See :func:`delay_operators`.
    n_starts
        Rotations from which the best is sought.
    seed
        Of the rotations.

    Returns
    -------
    xarray.DataArray
        Dims (subject, subject_2): radians from 0 to pi, or a distance in the plane of
        eigenvalues.

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
    settings: dict[str, Any] = {
        "n_delays": n_delays,
        "rank": rank,
        "event": event,
        "variable": variable,
    }
    first = delay_operators(cohort, **settings)
    second = first if other is None else delay_operators(other, **settings)
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
        dims=("subject", "subject_2"),
        coords={"subject": first["subject"].values, "subject_2": second["subject"].values},
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
) -> xr.Dataset:
    """Fit each subject's linear operator on delay embeddings of its activity (HAVOK).

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit. A session is one run of steps
        (trials x events); trials that are padded at its end are left out.
    n_delays
        Steps of the embedding.
    rank
        Leading components of the embedding that the operator acts in.
    event
        Events that count as steps; default all. One event makes the trial the step.
    variable
        ``"activity"`` or ``"cell"``.

    Returns
    -------
    xarray.Dataset
        ``operator`` (subject, component, component_2), takes the components a step on;
        ``eigenvalue`` (subject, mode), complex, by falling size; ``variance_explained`` (subject),
        share of the embedding's variance in the components; ``n`` (subject), steps.

    Raises
    ------
    InputError
        No such variable or event, activity that is NaN within a session or does not vary,
        fewer than two units, sessions that are too short for the delays, a rank that the
        embedding does not have, or dsa-metric is not installed.

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
    operators, shares, counts = [], [], []
    for name in subjects_of(chosen):
        runs = _runs(name, select_subjects(chosen, name), variable, n_delays)
        operator, share = _operator(name, runs, n_delays, rank)
        operators.append(operator)
        shares.append(share)
        counts.append(sum(len(run) for run in runs))
    eigenvalue = np.linalg.eigvals(np.array(operators)).astype(complex)
    order = np.argsort(-np.abs(eigenvalue), axis=1, kind="stable")
    return xr.Dataset(
        {
            "operator": (("subject", "component", "component_2"), np.array(operators)),
            "eigenvalue": (("subject", "mode"), np.take_along_axis(eigenvalue, order, axis=1)),
            "variance_explained": ("subject", shares),
            "n": ("subject", counts),
        },
        coords={"subject": subjects_of(chosen), "component": np.arange(1, rank + 1)},
        attrs={"measure": "delay operators", "n_delays": n_delays, "variable": variable},
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


def _runs(name: str, mine: xr.Dataset, variable: str, n_delays: int) -> list[np.ndarray]:
    """Cut each session's steps out, dims (step, unit), centred over all."""
    values = mine[variable].transpose("session", "trial", "event", "unit").values.astype(float)
    values = values[..., ~np.isnan(values).all(axis=(0, 1, 2))]
    if values.shape[-1] < 2:
        raise InputError(
            f"subject {name!r} has {values.shape[-1]} unit(s); a population needs 2 or more"
        )
    runs = []
    for session, table in zip(mine["session_id"].values, values, strict=True):
        there = ~np.isnan(table).all(axis=(1, 2))
        n_trials = int(np.flatnonzero(there).max()) + 1 if there.any() else 0
        run = table[:n_trials].reshape(-1, values.shape[-1])
        if np.isnan(run).any():
            trial, unit = np.argwhere(np.isnan(table[:n_trials]).any(axis=1))[0]
            raise InputError(
                f"{variable}: nan at subject {name!r}, session {str(session)!r}, trial {trial}, "
                f"unit {unit}; dynamics need every step of a session"
            )
        if len(run) >= n_delays + 2:
            runs.append(run)
    if not runs:
        raise InputError(
            f"subject {name!r} has no session of {n_delays + 2} steps or more, which {n_delays} "
            "delays need"
        )
    centre = np.concatenate(runs).mean(axis=0)
    runs = [run - centre for run in runs]
    if max(np.abs(run).max() for run in runs) <= 1e-10 * (1 + np.abs(centre).max()):
        raise InputError(f"subject {name!r}: {variable} is constant; it has no dynamics")
    return runs


def _operator(
    name: str, runs: list[np.ndarray], n_delays: int, rank: int
) -> tuple[np.ndarray, float]:
    dmd_class = _toolbox()
    equal = len({len(run) for run in runs}) == 1
    n_rows = sum(len(run) - n_delays + 1 for run in runs)
    most = min(n_delays * runs[0].shape[1], n_rows - len(runs))
    if rank > most:
        raise InputError(f"rank is {rank}; subject {name!r} allows {most} with {n_delays} delays")
    scale = np.sqrt(np.mean([np.mean(run**2) for run in runs]))
    data: Any = np.stack(runs) / scale if equal else [run / scale for run in runs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dmd = dmd_class(data[0] if len(runs) == 1 else data, n_delays=n_delays, rank=rank, lamb=0)
        dmd.fit()
    strength = np.asarray(dmd.S.numpy(), float) ** 2
    if strength[rank - 1] < 1e-10 * strength[0]:
        least = int((strength > 1e-10 * strength[0]).sum())
        raise InputError(f"rank is {rank}; the embedding of subject {name!r} has {least}")
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
