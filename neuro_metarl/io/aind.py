"""The NWB files of mice on the dynamic foraging task of the Allen Institute.

One file is one session of one mouse. What bites, and is handled here: a response of 2 is "no
response"; a reward may have come at either port; arms are baited, so that the nominal probability
is less than the chance of a reward; a session may have a single trial; stimulation by laser marks
some trials of some sessions.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort

__all__ = ["read_aind"]

TABLE = "intervals/trials"
EVENTS = {
    "t_start": "start_time", "t_go_cue": "goCue_start_time", "t_choice": "reward_outcome_time",
}  # fmt: skip
REWARDED = ("rewarded_historyL", "rewarded_historyR")
ODDS = ("reward_probabilityL", "reward_probabilityR")
NEEDED = ("animal_response", *REWARDED, *ODDS, *EVENTS.values(), "stop_time")
LICKS = ("left_lick_time", "right_lick_time")
LASER = "laser_on_trial"
LABELS = ("subject_id", "species")
LEFT_RIGHT_NONE = (0, 1, 2)
NONE, NO_RESPONSE = 2, 3
SPECIES = {"Mus musculus": "mouse"}


def read_aind(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a session of a mouse on the dynamic foraging task, from NWB.

    Parameters
    ----------
    path
        NWB 2 file (HDF5) with the table of trials that aind-dynamic-foraging writes. Join sessions
        with :func:`neuro_metarl.cohort.concat_cohorts`.

    Returns
    -------
    xarray.Dataset
        Cohort of one session, dims session, trial, option. ``choice`` 0 left, 1 right;
        ``reward`` 1 where either port gave one, free water included; trials without a response
        are kept (reason: no response); ``p_reward`` (option: left, right) as nominal, without
        what baiting adds; ``correct`` 1 where the more probable arm was chosen, -1 where both are
        equal; ``t_start``, ``t_go_cue``, ``t_choice`` (when the choice was registered) and
        ``t_first_lick`` (after the go cue, within the trial) in s on the rig's clock, NaN where
        there was none. Coordinate ``n_laser(session)``: trials with laser. Fiber photometry is
        not read.

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
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["general/subject/subject_id"] = "1"
    ...     for name in NEEDED:
    ...         nwb[f"intervals/trials/{name}"] = [0.0, 1.0]
    >>> cohort = read_aind(file)
    >>> cohort.choice.values.tolist(), cohort.reward.values.tolist()
    ([[0, 1]], [[0.0, 1.0]])
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        with h5py.File(file) as nwb:
            trials = _columns(nwb, file)
            licks = _licks(nwb, file)
            labels = {name: _text(nwb, f"general/subject/{name}") for name in LABELS}
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file}: cannot be read as NWB in HDF5 ({detail})") from None
    if not labels["subject_id"]:
        raise InputError(f"{file}: field 'general/subject/subject_id' is missing or empty")
    return _cohort(_frame(trials, licks, file), trials, labels, file)


def _columns(nwb: h5py.File, file: Path) -> dict[str, np.ndarray]:
    if TABLE not in nwb:
        raise InputError(f"{file}: group {TABLE!r} is missing; expected a table of trials")
    table = nwb[TABLE]
    for name in NEEDED:
        if name not in table:
            raise InputError(f"{file}: column {name!r} of {TABLE!r} is missing")
    trials = {name: table[name][()] for name in (*NEEDED, LASER) if name in table}
    n_trials = len(trials["animal_response"])
    for name, values in trials.items():
        if values.dtype.kind not in "biuf":
            raise InputError(f"{file}: column {name!r} holds text where numbers belong")
        if values.shape != (n_trials,):
            raise InputError(
                f"{file}: column {name!r} has {len(values)} values, 'animal_response' has "
                f"{n_trials}"
            )
    if not n_trials:
        raise InputError(f"{file}: {TABLE!r} holds no trials")
    return trials


def _licks(nwb: h5py.File, file: Path) -> np.ndarray:
    """Join the licks at both ports in order of time, with infinity at the end."""
    series = [nwb.get(f"acquisition/{name}/timestamps") for name in LICKS]
    times = np.concatenate([np.ravel(s[()]) for s in series if s is not None] or [np.empty(0)])
    if times.dtype.kind not in "iuf":
        raise InputError(f"{file}: 'acquisition/{LICKS[0]}' holds no times")
    return np.append(np.sort(times[~np.isnan(times)]), np.inf)


def _text(nwb: h5py.File, name: str) -> str:
    stored = nwb[name][()] if name in nwb else b""
    return (stored.decode() if isinstance(stored, bytes) else str(stored)).strip()


def _frame(trials: dict[str, np.ndarray], licks: np.ndarray, file: Path) -> pd.DataFrame:
    response = trials["animal_response"]
    _check(response, LEFT_RIGHT_NONE, "animal_response", file)
    for name in REWARDED:
        _check(trials[name], (0, 1), name, file)
    made = response != NONE
    left, right = (trials[name].astype(float) for name in ODDS)
    better = np.where(left == right, -1, (right > left).astype(int))
    first = licks[np.searchsorted(licks, trials["goCue_start_time"])]
    times = {ours: trials[theirs].astype(float) for ours, theirs in EVENTS.items()}
    return pd.DataFrame({
        "choice": np.where(made, response, -1).astype(int),
        "reward": ((trials[REWARDED[0]] == 1) | (trials[REWARDED[1]] == 1)).astype(float),
        "valid": made.astype(int), "invalid_reason": np.where(made, 0, NO_RESPONSE),
        "correct": np.where(made & (better >= 0), response == better, -1).astype(int),
        "p_reward_0": left, "p_reward_1": right, **times,
        "t_choice": np.where(made, times["t_choice"], np.nan),
        "t_first_lick": np.where(first < trials["stop_time"], first, np.nan),
    })  # fmt: skip


def _check(values: np.ndarray, allowed: tuple[int, ...], name: str, file: Path) -> None:
    wrong = ~np.isin(values, allowed)
    if wrong.any():
        trial = int(wrong.argmax())
        raise InputError(
            f"{file}, trial {trial}: column {name!r} is {values[trial]:g}, expected one of "
            f"{', '.join(map(str, allowed))}"
        )


def _cohort(
    frame: pd.DataFrame, trials: dict[str, np.ndarray], labels: dict[str, str], file: Path
) -> xr.Dataset:
    attrs = {
        "task_config": json.dumps({"baited": True}),
        "created_by": f"neuro_metarl read_aind from {file.name}",
        "licence": "MIT (as distributed with aind-dynamic-foraging-basic-analysis)",
        "references": "Allen Institute for Neural Dynamics, dynamic foraging",
    }
    frame = frame.assign(subject=labels["subject_id"], session=file.stem)
    n_laser = int(np.nansum(trials.get(LASER, np.zeros(1)) == 1))
    species = SPECIES.get(labels["species"], labels["species"] or "unknown")
    cohort = animal_cohort(frame, file, task="bandit-baited", species=species, attrs=attrs)
    return cohort.assign_coords(n_laser=("session", np.array([n_laser])))
