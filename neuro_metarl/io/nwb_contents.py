"""What an NWB file holds, as it is: its table of trials, its spikes, its time series."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from neuro_metarl.io.nwb_events import table_times
from neuro_metarl.io.nwb_files import find_table, opened, table_columns
from neuro_metarl.io.nwb_signals import find_series, no_series, series_places
from neuro_metarl.io.nwb_units import stored_spikes
from neuro_metarl.io.recorded import SpikeTimes

__all__ = ["nwb_columns", "nwb_series", "nwb_spikes"]


def nwb_columns(path: str | os.PathLike[str], *, trials: str = "trials") -> dict[str, np.ndarray]:
    """Read a table of trials as it is: what there is to declare.

    Parameters
    ----------
    path
        NWB 2 file.
    trials
        Name of the table in ``intervals``, or wherever the file holds a table of that name; or its
        path.

    Returns
    -------
    dict
        Column to its values, one per trial, in the file's order; a column of several values per
        trial becomes ``name_0``, ``name_1``; ragged columns and references are left out.

    Raises
    ------
    InputError
        The file cannot be read or has no such table.

    Examples
    --------
    >>> import tempfile, h5py
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["intervals/trials/side"] = [1, 2]
    >>> {name: values.tolist() for name, values in nwb_columns(file).items()}
    {'side': [1, 2]}
    """
    with opened(Path(path)) as nwb:
        return table_columns(find_table(nwb, trials, Path(path)))


def nwb_spikes(path: str | os.PathLike[str], *, units: str | None = None) -> SpikeTimes:
    """Read the spike times of the table ``units``.

    Parameters
    ----------
    path
        NWB 2 file.
    units
        Path of another table of units.

    Returns
    -------
    dict
        Unit to its spike times, s on the clock of the trials. A unit is called by the column
        ``unit_name`` where that gives each unit a name of its own, else by its id; where ids
        restart, by ``<probe>/<id>``. The attribute ``about`` holds ``unit_id`` and, where the file
        says so, ``unit_name``, ``probe`` and ``area``; the attribute ``observed`` the intervals in
        which units were observed, which :func:`neuro_metarl.io.events.align` respects.

    Raises
    ------
    InputError
        There are no units, their index does not fit the spikes, or a spike time is NaN.

    Examples
    --------
    >>> import tempfile, h5py
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["units/id"] = [0, 1]
    ...     nwb["units/spike_times"] = [0.1, 0.2, 0.3]
    ...     nwb["units/spike_times_index"] = [2, 3]
    >>> {unit: times.tolist() for unit, times in nwb_spikes(file).items()}
    {'0': [0.1, 0.2], '1': [0.3]}
    """
    file = Path(path)
    with opened(file) as nwb:
        stored = stored_spikes(nwb, file, table=units)
        return SpikeTimes(dict(stored.items()), stored.observed, stored.about)


def nwb_series(path: str | os.PathLike[str], name: str) -> xr.DataArray:
    """Read a time series: licks, photometry, a position.

    Parameters
    ----------
    path
        NWB 2 file.
    name
        Name of the series or of a table of events, or its path in the file where several have that
        name.

    Returns
    -------
    xarray.DataArray
        Dims time (, channel), in the unit of the series (attribute ``units``): data times
        ``conversion`` times ``channel_conversion`` plus ``offset``. Coordinate ``time``, s on the
        clock of the trials. For a series of events, such as licks, the times are what counts:
        ``.time.values``. Of a series of intervals, whose data are above 0 where an interval begins
        and below where it ends (also where +1 and -1 alternate at stored times), the beginnings; of
        a table, one row each. A single time that is NaN stands for "none" and gives an empty
        series.

    Raises
    ------
    InputError
        There is no such series (with a suggestion), its times are NaN or of another length, or
        nothing says which dimension of its data is time.

    Examples
    --------
    >>> import tempfile, h5py
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["acquisition/licks/timestamps"] = [0.5, 1.5]
    ...     nwb["acquisition/licks/data"] = [1.0, 1.0]
    >>> nwb_series(file, "licks").time.values.tolist()
    [0.5, 1.5]
    """
    file = Path(path)
    with opened(file) as nwb:
        series = find_series(nwb, name, file)
        if series is None:
            times = table_times(nwb, name, file)
            if times is None:
                raise no_series(name, list(series_places(nwb)[0]), file)
            return xr.DataArray(
                np.ones(len(times)), dims="time", coords={"time": times}, name=name,
                attrs={"units": ""},
            )  # fmt: skip
        times, values = series.clock.times(), series.values()
        if series.marks_intervals:
            times, values = times[values > 0], values[values > 0]
        dims = ("time", "channel")[: values.ndim]
        return xr.DataArray(
            values, dims=dims, coords={"time": times}, name=name, attrs={"units": series.units}
        )
