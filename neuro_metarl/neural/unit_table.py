"""The table that regressions of units fill, block by block, and what is said of units left out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.neural.blocks import Block, UnfitError
from neuro_metarl.neural.glm import UnitFits
from neuro_metarl.neural.recordings import names_of
from neuro_metarl.stats import permutation_p

__all__ = ["UnitTable"]

PER_UNIT = ("coefficient", "standard_error", "low", "high", "statistic", "p", "p_null", "cpd")
POPULATION = ("population_cpd", "population_p", "population_null")


class UnitTable:
    """Regressions of a cohort's units, filled block by block.

    Parameters
    ----------
    n_subjects, n_events, n_units
        Sizes.
    columns
        Regressors and lags.
    """

    def __init__(self, n_subjects: int, n_events: int, n_units: int, columns: tuple[int, int]):
        self.columns = columns
        shape = (n_subjects, n_events, n_units)
        self.unit = {name: np.full((*shape, *columns), np.nan) for name in PER_UNIT}
        self.explained, self.n_trials = np.full(shape, np.nan), np.zeros(shape, int)
        self.pooled = np.zeros((n_subjects, n_events, 2, *columns))
        self.null: dict[tuple[int, int], np.ndarray] = {}
        self.observed: dict[tuple[int, int], np.ndarray] = {}
        self.known = np.zeros((n_subjects, n_units), bool)
        self.failed = np.zeros(shape, bool)
        self.problems: dict[tuple[int, int], list[UnfitError]] = {}

    @contextmanager
    def failing(self, k: int, e: int, unit: np.ndarray) -> Iterator[None]:
        """Note why some units could not be fitted, and go on with the others."""
        try:
            yield
        except UnfitError as error:
            self.failed[k, e, unit] = True
            self.problems.setdefault((k, e), []).append(error)

    def report(self, activity: xr.DataArray, names: Sequence[str], events: Sequence[str]) -> None:
        """Name the units and events without numbers; refuse a subject that has none at all."""
        fitted = (self.n_trials > 0) & self.known[:, None]
        for (k, _), errors in self.problems.items():
            if not fitted[k].any():
                raise errors[0]
            warnings.warn("no estimate: " + "; ".join(map(str, errors)), stacklevel=4)
        never = ~self.known.any(axis=0)
        if never.all():
            raise InputError("activity is NaN throughout on valid trials; there is no unit")
        for e, event in enumerate(events):
            if not (fitted[:, e] | self.failed[:, e]).any():
                raise InputError(
                    f"event {event!r}: activity is NaN throughout on the trials that count; "
                    "leave the event out: events=[...]"
                )
            for k, name in enumerate(names):
                lost = self.known[k] & ~fitted[k, e] & ~self.failed[k, e]
                if lost.any():
                    labels = names_of(activity, np.flatnonzero(lost))
                    warnings.warn(
                        f"subject {name!r} at event {event!r}: no estimate for unit {labels} (NaN "
                        "on every trial that counts)", stacklevel=4,
                    )  # fmt: skip
        if never.any():
            labels = names_of(activity, np.flatnonzero(never))
            warnings.warn(f"no estimate for unit {labels} (NaN throughout)", stacklevel=4)

    def put(self, at: tuple[int, int], block: Block, fits: UnitFits, reach: float) -> None:
        """Store the fits of a block; intervals reach that many standard errors."""
        values = {name: getattr(fits, name) for name in PER_UNIT if hasattr(fits, name)}
        values["low"] = fits.coefficient - reach * fits.standard_error
        values["high"] = fits.coefficient + reach * fits.standard_error
        for name, found in values.items():
            self.unit[name][(*at, block.unit)] = found.T.reshape(-1, *self.columns)
        self.explained[(*at, block.unit)] = fits.explained
        self.n_trials[(*at, block.unit)] = len(block.session)
        self.pooled[at] += fits.pooled.reshape(2, *self.columns)

    def put_null(
        self, at: tuple[int, int], block: Block, p: np.ndarray, pair: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Store the p values of a block, and add its part to the null over all units."""
        self.unit["p_null"][(*at, block.unit)] = p.T.reshape(-1, *self.columns)
        observed, pooled = pair
        self.observed[at] = self.observed.get(at, 0) + observed
        self.null[at] = self.null.get(at, 0) + pooled

    def population(self) -> dict[str, np.ndarray]:
        """Return the partial determination over units, and what the null gives."""
        with np.errstate(invalid="ignore", divide="ignore"):
            cpd = self.pooled[:, :, 0] / self.pooled[:, :, 1]
        p, quantile = np.full(cpd.shape, np.nan), np.full(cpd.shape, np.nan)
        for at, sums in self.null.items():
            draws = sums[:, 0] / sums[:, 1]
            observed = self.observed[at][0] / self.observed[at][1]
            p[at] = permutation_p(observed, draws).reshape(self.columns)
            # the test is of whitened activity; told on the scale of what is reported
            reached = np.quantile(draws, 0.95, axis=0) / observed
            quantile[at] = reached.reshape(self.columns) * cpd[at]
        return dict(zip(POPULATION, (cpd, p, quantile), strict=True))
