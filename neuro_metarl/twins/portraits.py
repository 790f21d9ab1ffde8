"""The dynamics of a twin with one unit: how each kind of trial moves its preference."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.twins.files import check_twins
from neuro_metarl.twins.networks import run_network, split_weights
from neuro_metarl.twins.playing import network_of

__all__ = ["phase_portrait"]


def phase_portrait(twins: xr.Dataset, *, n_points: int = 41, widest: float = 4.0) -> xr.Dataset:
    """Say how much each kind of trial changes the log odds of a choice, from where they stand.

    Parameters
    ----------
    twins
        From :func:`neuro_metarl.twins.fit_twin`.
    n_points, widest
        Of the log odds: so many from ``-widest`` to ``widest``, as far as the unit reaches.

    Returns
    -------
    xarray.Dataset
        ``change`` (subject, trial_kind, log_odds): of the log odds by one trial, NaN where the
        twin's unit cannot be; ``trial_kind`` says choice, second-step state and outcome.

    Raises
    ------
    InputError
        A twin for which left-out choices picked more than one unit: from the same log odds it may
        go different ways, and one axis cannot show which.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, select_subjects
    >>> from neuro_metarl.twins import fit_twin
    >>> rat = select_subjects(load_dataset("synthetic-rats"), "synthetic-1")
    >>> phase_portrait(fit_twin(rat, n_units=1, prior="none", folds=2)).change.dims
    ('subject', 'trial_kind', 'log_odds')
    """
    labels = check_twins(twins)
    grid, parts = np.linspace(-widest, widest, n_points), []
    names = twins["subject"].values.tolist()
    for name in names:
        weights, n_units, n_codes = network_of(twins, name)
        if n_units != 1:
            raise InputError(
                f"the twin of {name!r} has {n_units} units; a portrait on one axis is of twins "
                "with one unit: fit_twin(..., n_units=(1, 2)) says whether one is enough"
            )
        parts.append(_changes(weights, n_codes, grid))
    return xr.Dataset(
        {"change": (("subject", "trial_kind", "log_odds"), np.array(parts))},
        coords={"subject": names, "trial_kind": list(labels), "log_odds": grid},
        attrs={"kind": twins.attrs["kind"]},
    )


def _changes(weights: np.ndarray, n_codes: int, grid: np.ndarray) -> np.ndarray:
    """Put the unit where it gives each of the log odds, and take one trial of each kind."""
    part = split_weights(weights, 1, n_codes)
    readout, bias = float(part["readout"][0]), float(part["bias"][0])
    if readout == 0:
        return np.full((n_codes, len(grid)), np.nan)
    state = (grid - bias) / readout
    reached = np.flatnonzero(np.abs(state) < 1)
    change = np.full((n_codes, len(grid)), np.nan)
    for k in range(n_codes):
        for i in reached:
            placed = weights.copy()
            placed[-2] = state[i]
            after = run_network(placed, np.array([k]), np.array([True]), 1, n_codes)[2]
            change[k, i] = readout * (after[0, 0] - state[i])
    return change
