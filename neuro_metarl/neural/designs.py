"""Designs of regressions: regressors at several lags, coded on the sessions of each recording.

Scales are those of the recording's own sessions (see
:func:`neuro_metarl.neural.regressors.task_regressors`), so that the numbers of a unit are the same
whether its recording is analyzed alone or with others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.neural.regressors import Rows, task_regressors

__all__ = ["Source", "columns_at", "labels_of"]


@dataclass(frozen=True)
class Source:
    """What designs are made from.

    Parameters
    ----------
    cohort
        A cohort; units are not needed.
    regressors
        Names or labelled arrays.
    lags
        Trials back.
    only
        Position of the one regressor that is kept; default all.
    """

    cohort: xr.Dataset
    regressors: str | xr.DataArray | Sequence[str | xr.DataArray]
    lags: Sequence[int]
    only: int | None = None

    def on(self, sessions: np.ndarray | None = None) -> xr.DataArray:
        """Code the regressors on some sessions.

        Parameters
        ----------
        sessions
            Positions; default all.

        Returns
        -------
        xarray.DataArray
            Dims regressor, lag, session, trial (, event).
        """
        cohort, names = self.cohort, self.regressors
        given = [names] if isinstance(names, str | xr.DataArray) else list(names)
        if sessions is not None:
            cohort = cohort.isel(session=sessions)
            given = [g if isinstance(g, str) else g.isel(session=sessions) for g in given]
        wanted = [self.lags] if isinstance(self.lags, int | np.integer) else list(self.lags)
        if not wanted or any(lag != int(lag) for lag in wanted) or len(set(wanted)) < len(wanted):
            raise InputError(f"lags are {wanted}, expected different whole numbers, trials back")
        parts = [task_regressors(cohort, given, lag=int(lag)) for lag in wanted]
        joined = xr.concat(parts, "lag", coords="minimal", compat="override", combine_attrs="drop")
        dims = ("regressor", "lag", "session", "trial")
        design = joined.assign_coords(lag=np.array(wanted, int)).transpose(*dims, ...)
        return design if self.only is None else design.isel(regressor=[self.only])


def columns_at(design: xr.DataArray, rows: Rows, event: int) -> np.ndarray:
    """Return the columns of an event.

    Parameters
    ----------
    design
        From :meth:`Source.on`.
    rows
        Valid trials of the same sessions.
    event
        Position.

    Returns
    -------
    numpy.ndarray
        Dims (row, column), regressors slow and lags fast.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> from neuro_metarl.neural.regressors import rows_of
    >>> cohort = record("two-step/0", n_sessions=2)
    >>> columns_at(Source(cohort, ["choice"], (0, 1)).on(), rows_of(cohort), 0).shape
    (200, 2)
    """
    here = design.isel(event=event) if "event" in design.dims else design
    return here.values[:, :, rows.session, rows.trial].reshape(-1, len(rows.session)).T


def labels_of(design: xr.DataArray) -> list[str]:
    """Name the columns in messages.

    Parameters
    ----------
    design
        From :meth:`Source.on`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from neuro_metarl import record
    >>> labels_of(Source(record("two-step/0", n_sessions=1), ["choice"], (0, 1)).on())
    ['choice (0 back)', 'choice (1 back)']
    """
    lags = design["lag"].values.tolist()
    alone = lags == [0]
    return [
        str(name) if alone else f"{name} ({lag} back)"
        for name in design["regressor"].values
        for lag in lags
    ]
