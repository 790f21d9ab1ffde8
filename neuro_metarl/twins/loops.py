"""The closed loop: twins play, and are held against their animals and these against themselves."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import chi2 as chi2_distribution

from neuro_metarl.behavior.profiles import bandit_profile, profile
from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.twins.files import check_twins
from neuro_metarl.twins.playing import record_yoked

__all__ = ["closed_loop"]

MEASURED = {"two-step": profile, "bandit": bandit_profile}


def closed_loop(
    twins: xr.Dataset, animals: xr.Dataset, *, n_plays: int = 3, seed: int = 0
) -> xr.Dataset:
    """Let twins play their animals' sessions, and hold signatures against the animals' own.

    Parameters
    ----------
    twins
        From :func:`neuro_metarl.twins.fit_twin`.
    animals
        Sessions to play and to be judged by, with ``p_reward``. Give sessions that were not fitted,
        such as the odd ones for a twin of the even ones: on those that were, it is in-sample.
    n_plays
        Times that each twin plays all sessions.
    seed
        Of outcomes and choices.

    Returns
    -------
    xarray.Dataset
        ``chi2`` (subject, play), the squared distance of signatures of a play and of the animal, in
        units of the measurement errors of both; ``p`` (subject, play), how often it is larger
        between two measurements of one subject; ``chi2_halves`` and ``p_halves`` (subject), the
        same between the animal's own even and odd sessions, NaN where it has fewer than two. The
        attribute ``degrees_of_freedom`` is the number of signatures: 8 on two-step tasks, 4 on
        bandits. Halves have half of the trials, and so larger errors than plays.

    Raises
    ------
    InputError
        Twins of learning sets, or see :func:`neuro_metarl.twins.record_yoked`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, select_subjects
    >>> from neuro_metarl.twins import fit_twin
    >>> rat = select_subjects(load_dataset("synthetic-rats"), "synthetic-1")
    >>> result = closed_loop(fit_twin(rat, n_units=1, prior="none", folds=2), rat, n_plays=1)
    >>> result.chi2.dims, result.attrs["degrees_of_freedom"]
    (('subject', 'play'), 8)
    """
    check_twins(twins)
    kind = str(twins.attrs["kind"])
    if kind not in MEASURED:
        raise InputError(f"twins of the kind {kind!r} do not play; {', '.join(MEASURED)} do")
    if n_plays < 1:
        raise InputError(f"n_plays is {n_plays}, expected 1 or more")
    measure, names = MEASURED[kind], subjects_of(animals)
    own, n_measures = measure(animals), 0
    distance, halves = np.full((len(names), n_plays), np.nan), np.full(len(names), np.nan)
    for r in range(n_plays):
        played = measure(record_yoked(twins, animals, seed=seed + 7919 * r))
        for k, name in enumerate(names):
            distance[k, r] = _distance(own.sel(subject=name), played.sel(subject=name))
            n_measures = played.sizes["measure"]
    for k, name in enumerate(names):
        mine = select_subjects(animals, name)
        if mine.sizes["session"] > 1:
            even, odd = (measure(mine.isel(session=slice(s, None, 2))) for s in (0, 1))
            halves[k] = _distance(even.isel(subject=0), odd.isel(subject=0))
    return xr.Dataset(
        {
            "chi2": (("subject", "play"), distance),
            "p": (("subject", "play"), chi2_distribution.sf(distance, n_measures)),
            "chi2_halves": ("subject", halves),
            "p_halves": ("subject", chi2_distribution.sf(halves, n_measures)),
        },
        coords={"subject": names, "play": np.arange(n_plays)},
        attrs={"degrees_of_freedom": n_measures, "seed": seed},
    )


def _distance(a: xr.Dataset, b: xr.Dataset) -> float:
    """Squared distance of two profiles in units of both measurement errors."""
    gap = a["profile"].values - b["profile"].values
    error = a["covariance"].values + b["covariance"].values
    return float(gap @ np.linalg.solve(error, gap))
