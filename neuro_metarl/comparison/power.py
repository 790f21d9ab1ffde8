"""How many animals, sessions and trials show a difference? Answered by simulation.

A cognitive model is fitted to pilot animals. New animals are drawn from the spread of the fitted
parameters, half of them with some parameters changed; both kinds play sessions of the pilot's
design and are measured by the same measure that the experiment will use; groups of each size are
compared by Welch's test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.comparison.measures import compare
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.measures.measure import Measure
from neuro_metarl.models.designs import simulate_design
from neuro_metarl.models.fitting import fit
from neuro_metarl.models.model import Model, find_model
from neuro_metarl.paradigms.registry import paradigm_of
from neuro_metarl.progress import progress_bar

__all__ = ["plan_power"]

N_GROUPS, N_BOOTSTRAP, N_STARTS = 1000, 40, 3
WIDEST = 1.5


def plan_power(
    pilot: xr.Dataset,
    model: str | Model,
    change: Mapping[str, float],
    *,
    measure: str | Measure,
    n_animals: Sequence[int] = (4, 6, 8, 12, 16, 24),
    n_sessions: Sequence[int] = (5, 10, 20),
    n_trials: int | None = None,
    n_bank: int = 100,
    alpha: float = 0.05,
    seed: int = 0,
    progress: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Simulate how often two groups of animals are told apart, by their number and sessions.

    Parameters
    ----------
    pilot
        A cohort of animals on the task, with ``p_reward``: it lends the spread of its animals and
        its sessions.
    model
        Cognitive model that is fitted to them, or its name.
    change
        Parameter to what is added to it in the second group, in the parameter's units:
        ``{"weight_model_based": -0.3}``. A value that would leave its range stays at the end.
    measure
        What is measured: a name of the paradigm's own, or an object; one number a subject.
    n_animals
        Sizes of each of the two groups.
    n_sessions
        Sessions of each animal.
    n_trials
        Trials of a session; default those of the pilot's.
    n_bank
        Animals of each kind that are simulated; groups are drawn from them.
    alpha
        Of the two-sided test.
    seed
        Of the simulation.
    progress
        Show progress on standard error.
    **options
        Of the measure.

    Returns
    -------
    xarray.Dataset
        ``power`` (n_sessions, n_animals) with ``power_low`` and ``power_high``, its 95 % interval
        over the banks; ``difference`` and ``effect`` (n_sessions), the second group's mean minus
        the first's and that in SDs as they are seen with so many sessions.

    Raises
    ------
    InputError
        Unknown parameters or measures, a measure of more than one number, groups larger than half
        of the bank, fewer than three pilot animals, or a cohort that cannot be simulated.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> table = plan_power(load_dataset("synthetic-rats"), "hybrid", {"weight_model_based": -0.5},
    ...                    measure="planning_index", n_animals=[4, 8], n_sessions=[3], n_bank=20)
    >>> bool(table.power.sel(n_animals=8) >= table.power.sel(n_animals=4))
    True
    """
    chosen = find_model(model)
    sizes = _check(pilot, chosen, change, n_animals, n_sessions, n_bank)
    drawn = _parameters(pilot, chosen, n_bank, seed)
    most, rng = max(n_sessions), np.random.default_rng([seed, 1])
    measured = np.empty((len(n_sessions), 2, n_bank))
    with progress_bar("simulating", 2 * len(n_sessions), shown=progress) as show:
        for k in (0, 1):
            values = _changed(drawn, chosen, change if k else {})
            design = _design(pilot, list(values), most, n_trials, rng)
            played = simulate_design(design, chosen, values, seed=seed + k)
            number = np.tile(np.arange(most), n_bank)
            for s, sessions in enumerate(n_sessions):
                some = played.isel(session=number < sessions)
                measured[s, k] = _measured(some, measure, options)
                show(k * len(n_sessions) + s + 1, f"{sessions} sessions")
    power = np.array(
        [[_power(both[0], both[1], n, alpha, seed) for n in sizes] for both in measured]
    )
    difference = measured[:, 1].mean(axis=1) - measured[:, 0].mean(axis=1)
    spread = np.sqrt(measured.var(axis=2, ddof=1).mean(axis=1))
    dims = ("n_sessions", "n_animals")
    return xr.Dataset(
        {
            "power": (dims, power[..., 0]), "power_low": (dims, power[..., 1]),
            "power_high": (dims, power[..., 2]), "difference": ("n_sessions", difference),
            "effect": ("n_sessions", difference / spread),
        },
        coords={"n_sessions": list(n_sessions), "n_animals": sizes},
        attrs={
            "model": chosen.name, "change": ", ".join(f"{k} {v:+g}" for k, v in change.items()),
            "measure": measure if isinstance(measure, str) else measure.name, "alpha": alpha,
            "n_trials": n_trials or int((pilot["valid"] == 1).sum("trial").median()),
            "n_pilot": len(subjects_of(pilot)), "n_bank": n_bank, "seed": seed,
            "test": "Welch over subjects, two-sided",
        },
    )  # fmt: skip


def _check(
    pilot: xr.Dataset,
    model: Model,
    change: Mapping[str, float],
    n_animals: Sequence[int],
    n_sessions: Sequence[int],
    n_bank: int,
) -> list[int]:
    names = [p.name for p in model.parameters if p.free]
    for name in change:
        if name not in names:
            raise InputError(f"change: {name!r} is no parameter of {model.name}; "
                             + did_you_mean(name, names))  # fmt: skip
    if not change:
        raise InputError(f"change is empty; name one of {', '.join(names)}")
    if len(subjects_of(pilot)) < 3:
        raise InputError("the pilot has fewer than 3 animals: their spread is not known")
    sizes = [int(n) for n in n_animals]
    if min(sizes) < 2 or 2 * max(sizes) > n_bank:
        raise InputError(
            f"n_animals is {sizes}, expected numbers from 2 to half of n_bank ({n_bank})"
        )
    if min(n_sessions) < 1:
        raise InputError(f"n_sessions is {list(n_sessions)}, expected numbers from 1")
    return sizes


def _parameters(pilot: xr.Dataset, model: Model, n: int, seed: int) -> np.ndarray:
    """Draw animals around the pilot's, dims (animal, free parameter), on the real line."""
    fitted = fit(pilot, model, n_starts=N_STARTS, seed=seed)
    table = fitted["unconstrained"].values
    spread = np.minimum(table.std(axis=0, ddof=1), WIDEST)
    rng = np.random.default_rng([seed, 0])
    return np.asarray(np.median(table, axis=0) + spread * rng.standard_normal((n, table.shape[1])))


def _changed(
    drawn: np.ndarray, model: Model, change: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    free = [p for p in model.parameters if p.free]
    values: dict[str, dict[str, float]] = {}
    columns = []
    for p, x in zip(free, drawn.T, strict=True):
        natural = p.natural(x) + change.get(p.name, 0.0)
        low, high = (float(p.natural(np.array(end))) for end in (-p.furthest, p.furthest))
        columns.append(np.clip(natural, low, high))
    kind = "changed" if change else "as they are"
    for k, row in enumerate(np.transpose(columns)):
        values[f"{kind} {k:04d}"] = dict(zip([p.name for p in free], map(float, row), strict=True))
    return values


def _design(
    pilot: xr.Dataset,
    names: Sequence[str],
    n_sessions: int,
    n_trials: int | None,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Lend each new animal sessions of the pilot, drawn at random."""
    taken = rng.integers(pilot.sizes["session"], size=len(names) * n_sessions)
    kept = [v for v in pilot.data_vars if set(pilot[v].dims) <= {"session", "trial", "option"}]
    design = pilot[kept].isel(session=taken, trial=slice(None, n_trials))
    subject = np.repeat(np.asarray(names), n_sessions)
    return design.assign_coords(
        subject=("session", subject),
        session_id=("session", [f"{name}/{k}" for name in names for k in range(n_sessions)]),
    )


def _measured(cohort: xr.Dataset, measure: str | Measure, options: Mapping[str, Any]) -> np.ndarray:
    kind = paradigm_of(cohort)
    found = compare({"simulated": cohort}, measures=[measure], paradigm=kind, **options)
    name = measure if isinstance(measure, str) else measure.name
    if set(found[name].dims) != {"subject", "statistic"}:
        dims = ", ".join(str(d) for d in found[name].dims if d not in ("subject", "statistic"))
        raise InputError(f"measure {name!r} has several numbers a subject (dims {dims}); take one")
    return np.asarray(found[name].sel(statistic="value").values)


def _power(
    first: np.ndarray, second: np.ndarray, n: int, alpha: float, seed: int
) -> tuple[float, float, float]:
    """Draw groups of n from both banks; give power and its interval over resampled banks."""
    rng = np.random.default_rng([seed, n])
    shares = [_share(first, second, n, alpha, rng, N_GROUPS)]
    for _ in range(N_BOOTSTRAP):
        one, two = (rng.choice(bank, len(bank)) for bank in (first, second))
        shares.append(_share(one, two, n, alpha, rng, N_GROUPS // 5))
    error = 1.96 * float(np.std(shares[1:]))
    return shares[0], max(0.0, shares[0] - error), min(1.0, shares[0] + error)


def _share(
    first: np.ndarray, second: np.ndarray, n: int, alpha: float, rng: np.random.Generator,
    n_groups: int,
) -> float:  # fmt: skip
    from scipy.stats import t as student

    groups = [
        bank[rng.random((n_groups, len(bank))).argsort(axis=1)[:, :n]] for bank in (first, second)
    ]
    shares = np.array([group.var(axis=1, ddof=1) / n for group in groups])
    error = np.maximum(shares.sum(axis=0), 1e-300)
    freedom = error**2 / np.maximum((shares**2).sum(axis=0) / (n - 1), 1e-300)
    t = (groups[0].mean(axis=1) - groups[1].mean(axis=1)) / np.sqrt(error)
    return float(np.mean(2 * student.sf(np.abs(t), np.maximum(freedom, 1)) < alpha))
