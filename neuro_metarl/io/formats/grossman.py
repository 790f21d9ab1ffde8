"""The MATLAB file of Grossman, Bari & Cohen's mice: a two-armed bandit whose odds drift in blocks.

What bites, and is handled here: odds are in percent; a reward is NaN at the side that was not
chosen, and at both where there was no choice; no-go cues (``CSminus``) ask for none; sessions
appear again in other branches of the file, of which only ``behavior`` is read.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.io import loadmat

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.matlab5 import check_matlab5
from neuro_metarl.io.matlab_tables import fields_of_matlab
from neuro_metarl.io.readers import Reader

__all__ = ["holds_grossman", "read_grossman"]

MEMBER = "data/data.mat"
BRANCH = ("data", "dynamicForaging", "behavior")
CUES = ("CSplus", "CSminus")
NUMBERS = {
    "rewardL": "0, 1 or NaN", "rewardR": "0, 1 or NaN",
    "rewardProbL": "percent, 0 to 100 or NaN", "rewardProbR": "percent, 0 to 100 or NaN",
}  # fmt: skip
NO_RESPONSE = 3


def read_grossman(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the mice on the two-armed bandit from ``grossmanBariCohenData.zip``.

    Parameters
    ----------
    path
        The deposit's zip, or the MATLAB 5 file ``data.mat`` in it: nested structs
        ``data.dynamicForaging.behavior.<mouse>.<session>``, where a session is a struct array
        with one element per trial: ``trialType`` (CSplus go, CSminus no-go), ``rewardL`` and
        ``rewardR`` (0, 1, NaN where not chosen), ``rewardProbL`` and ``rewardProbR`` (percent). An
        empty value counts as NaN.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option. ``choice`` 0 left, 1 right; ``p_reward`` (option:
        left, right); ``correct`` 1 where the better arm was chosen, -1 where both are equal.
        Trials without a choice and no-go trials are invalid (no response).

    Raises
    ------
    InputError
        The file cannot be read, lacks a branch or a field, or a value is not of the layout; the
        message names the file, the session, the trial (from 0) and the field.

    References
    ----------
    Grossman, Bari & Cohen 2022, doi:10.1016/j.cub.2021.12.006; data doi:10.5061/dryad.cz8w9gj4s.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> fields = ["trialType", "rewardL", "rewardR", "rewardProbL", "rewardProbR"]
    >>> rows = [("CSplus", 1.0, np.nan, 90.0, 10.0), ("CSplus", np.nan, 0.0, 90.0, 10.0)]
    >>> trials = np.array(rows, dtype=[(name, object) for name in fields])
    >>> file = Path(tempfile.mkdtemp(), "data.mat")
    >>> savemat(file, {"data": {"dynamicForaging": {"behavior": {"AB01": {"mAB01d20200102":
    ...         trials}}}}})
    >>> cohort = read_grossman(file)
    >>> cohort.choice.values.tolist(), cohort.correct.values.tolist()
    ([[0, 1]], [[1, 0]])
    """
    file = Path(path)
    tables = [
        _session(trials, str(mouse), str(name), f"{file}, session {str(name)!r}")
        for mouse, sessions in _mice(file).items()
        for name, trials in _branch(sessions, f"{file}: mouse {str(mouse)!r}").items()
    ]
    if not tables:
        raise InputError(f"{file}: {'.'.join(BRANCH)} holds no sessions")
    frame = pd.concat(tables, ignore_index=True)
    attrs = {
        "created_by": f"neuro_metarl read_grossman from {file.name}",
        "licence": "CC0 (Dryad 10.5061/dryad.cz8w9gj4s)",
        "references": "doi:10.1016/j.cub.2021.12.006; doi:10.5061/dryad.cz8w9gj4s",
    }
    return animal_cohort(frame, file, task="bandit", species="mouse", attrs=attrs)


def holds_grossman(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is the deposit's zip, or a MATLAB 5 file with the struct ``data``.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_grossman(__file__)
    False
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return MEMBER in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return BRANCH[1] in fields_of_matlab(path).get(BRANCH[0], ())


def _mice(file: Path) -> dict[str, Any]:
    """Read the branch of the behavior: mouse to session to trials."""
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        source: Any = file
        check_matlab5(file)
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                source = io.BytesIO(archive.read(MEMBER))
        content = loadmat(source, simplify_cells=True)
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file}: cannot be read as a MATLAB 5 file ({detail})") from None
    for name in BRANCH:
        if name not in content:
            raise InputError(f"{file}: {name!r} of {'.'.join(BRANCH)} is missing")
        content = _branch(content[name], f"{file}: {name!r}")
    return content


def _branch(node: Any, where: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise InputError(f"{where} is not a struct")
    return node


def _session(trials: Any, mouse: str, name: str, where: str) -> pd.DataFrame:
    rows = [trials] if isinstance(trials, dict) else list(np.ravel(trials))
    if not rows:
        raise InputError(f"{where}: holds no trials")
    values = pd.DataFrame([_trial(row, f"{where}, trial {k}") for k, row in enumerate(rows)])
    left, right = values["rewardL"].notna(), values["rewardR"].notna()
    twice = (left & right).to_numpy()
    if twice.any():
        raise InputError(
            f"{where}, trial {int(twice.argmax())}: fields 'rewardL' and 'rewardR' are both "
            "numbers, expected NaN at the side that was not chosen"
        )
    valid = (left | right) & (values["trialType"] == CUES[0])
    odds = values[["rewardProbL", "rewardProbR"]].to_numpy() / 100
    gain = odds[:, 1] - odds[:, 0]
    return pd.DataFrame({
        "subject": mouse, "session": name,
        "choice": np.where(valid, right.astype(int), -1),
        "reward": values["rewardL"].fillna(values["rewardR"]),
        "valid": valid.astype(int), "invalid_reason": np.where(valid, 0, NO_RESPONSE),
        "correct": np.where(valid & (np.abs(gain) > 0), right == (gain > 0), -1),
        "p_reward_0": odds[:, 0], "p_reward_1": odds[:, 1],
    })  # fmt: skip


def _trial(row: Any, where: str) -> dict[str, Any]:
    fields = _branch(row, where)
    missing = [name for name in ("trialType", *NUMBERS) if name not in fields]
    if missing:
        raise InputError(f"{where}: field {missing[0]!r} is missing")
    cue = str(fields["trialType"])
    if cue not in CUES:
        raise InputError(f"{where}: field 'trialType' is {cue!r}, expected {' or '.join(CUES)}")
    return {"trialType": cue} | {name: _number(fields[name], name, where) for name in NUMBERS}


def _number(given: Any, name: str, where: str) -> float:
    stored = np.asarray(given)
    if not stored.size:
        return np.nan
    number = float(stored) if stored.ndim == 0 and stored.dtype.kind in "biuf" else np.inf
    odds = name.startswith("rewardProb")
    right = np.isnan(number) or (0 <= number <= 100 if odds else number in (0, 1))
    if not right:
        shown = f"{number:g}" if np.isfinite(number) else "not a single number"
        raise InputError(f"{where}: field {name!r} is {shown}, expected {NUMBERS[name]}")
    return number


READER = Reader(
    "grossman",
    "Grossman's mice on a bandit: MATLAB 5 with data.dynamicForaging, or the .zip around it.",
    holds_grossman,
    read_grossman,
    (".mat", ".zip"),
    "refused",
)
