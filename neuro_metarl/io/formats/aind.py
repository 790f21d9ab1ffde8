"""The NWB files of mice on the dynamic foraging task of the Allen Institute: a column map.

One file is one session of one mouse. What bites, and is handled here: a response of 2 is "no
response"; a reward may have come at either port; arms are baited, so that the nominal probability
is less than the chance of a reward; a session may have a single trial; stimulation by laser marks
some trials of some sessions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.io.columns import Map
from neuro_metarl.io.nwb import in_order_of_start, read_nwb
from neuro_metarl.io.nwb_contents import nwb_columns
from neuro_metarl.io.readers import Reader

__all__ = ["AIND_COLUMNS", "holds_aind", "read_aind"]

ARMS = ("reward_probabilityL", "reward_probabilityR")
LICKS = ("left_lick_time", "right_lick_time")
AIND_COLUMNS: Map = {
    "choice": {
        "column": "animal_response",
        "codes": {0: 0, 1: 1},
        "invalid": {2: "no_response"},
    },
    "reward": {"any": ["rewarded_historyL", "rewarded_historyR"]},
    "correct": {"best_of": ARMS},
    "p_reward_0": ARMS[0],
    "p_reward_1": ARMS[1],
    "t_start": "start_time",
    "t_go_cue": "goCue_start_time",
    "t_choice": {"column": "reward_outcome_time", "when": "valid"},
    "t_first_lick": {
        "first": LICKS,
        "after": "goCue_start_time",
        "before": "stop_time",
        "optional": True,
    },
    "n_laser": {"count": "laser_on_trial", "optional": True},
}
BAITED = {"task_config": json.dumps({"baited": True})}


def read_aind(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> xr.Dataset:
    """Read sessions of mice on the dynamic foraging task, from NWB.

    Parameters
    ----------
    path
        NWB 2 file (HDF5) with the table of trials that aind-dynamic-foraging writes, or several,
        which are joined in order of their start.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option, a session of each file. ``choice`` 0 left, 1 right;
        ``reward`` 1 where either port gave one, free water included; trials without a response
        are kept (reason: no response); ``p_reward`` (option: left, right) as nominal, without
        what baiting adds; ``correct`` 1 where the more probable arm was chosen, -1 where both are
        equal; ``t_start``, ``t_go_cue``, ``t_choice`` (when the choice was registered) and
        ``t_first_lick`` (after the go cue, within the trial) in s on the rig's clock, NaN where
        there was none. Coordinate ``n_laser(session)``: trials with laser. What else the file
        holds is had by ``read_nwb(path, columns=AIND_COLUMNS, ...)``,
        :func:`neuro_metarl.io.nwb_contents.nwb_series` and
        :func:`neuro_metarl.io.events.align`.

    Raises
    ------
    InputError
        The file is missing, damaged, in another format, or a value is not of the layout; the
        message names the file, the column and the trial (from 0).

    References
    ----------
    Allen Institute for Neural Dynamics, aind-dynamic-foraging-basic-analysis; NWB: Rübel et al.
    2022, doi:10.7554/eLife.78362.

    Examples
    --------
    >>> import tempfile, h5py
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["general/subject/subject_id"] = "1"
    ...     for name in ("animal_response", "rewarded_historyL", "rewarded_historyR", *ARMS,
    ...                  "start_time", "goCue_start_time", "reward_outcome_time", "stop_time"):
    ...         nwb[f"intervals/trials/{name}"] = [0.0, 1.0]
    >>> cohort = read_aind(file)
    >>> cohort.choice.values.tolist(), cohort.reward.values.tolist()
    ([[0, 1]], [[0.0, 1.0]])
    """
    files = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    if not files:
        raise InputError("no NWB files were given")
    return concat_cohorts([_session(file) for file in in_order_of_start([Path(f) for f in files])])


def _session(file: Path) -> xr.Dataset:
    attrs = BAITED | {
        "created_by": f"neuro_metarl read_aind from {file.name}",
        "licence": "MIT (as distributed with aind-dynamic-foraging-basic-analysis)",
        "references": "Allen Institute for Neural Dynamics, dynamic foraging",
    }
    cohort = read_nwb(file, columns=AIND_COLUMNS, task="bandit-baited", attrs=attrs)
    return cohort if "n_laser" in cohort.coords else cohort.assign_coords(n_laser=("session", [0]))


def holds_aind(path: str | os.PathLike[str]) -> bool:
    """Say whether an NWB file has the columns of the dynamic foraging task.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_aind(__file__)
    False
    """
    try:
        return {"animal_response", *ARMS} <= set(nwb_columns(path))
    except InputError:
        return False


READER = Reader(
    "aind",
    "Mice of the Allen Institute on dynamic foraging: NWB whose trials have animal_response and "
    "both arms' rewards.",
    holds_aind,
    read_aind,
    several=True,
)
