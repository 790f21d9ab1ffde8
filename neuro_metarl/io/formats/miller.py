"""The MATLAB 7.3 files of Miller's two-step rats.

The file holds a cell array ``ratdatas`` with one struct per rat, one value per trial in each
field. What bites, and is handled here: forced trials have no flag of their own (the field
``better_choices`` is NaN there); left leads commonly to the left port in some rats and to the
right port in others; violations are marked in two places that do not overlap.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.files.damage import DAMAGE
from neuro_metarl.io.matlab_tables import fields_of_matlab
from neuro_metarl.io.readers import Reader

__all__ = ["read_miller"]

EVENTS = {
    "t_initiation": "c1_times",
    "t_choice": "s1_times",
    "t_second_initiation": "c2_times",
    "t_outcome": "s2_times",
}
FIELDS = (
    "ratname", "sides1", "sides2", "trans_common", "rewards", "leftprobs", "rightprobs",
    "better_choices", "viols", "new_sess",
)  # fmt: skip
TASK_CONFIG = {
    "p_common": 0.8,
    "p_reward_high": 0.8,
    "p_reward_low": 0.2,
    "p_switch": 0.02,
    "min_block": 10,
}
SIDES = "lrv"
VIOLATED = SIDES.index("v")
VIOLATION = 2
MOST_LETTERS = 0x10FFFF


def read_miller(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a file of rats on the two-step task of Miller et al.

    Parameters
    ----------
    path
        MATLAB 7.3 (HDF5) file with the cell array ``ratdatas``.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option. ``choice`` 0 left, 1 right; ``state`` 0 left port,
        1 right port; ``common`` relative to the rat's own mapping; ``forced`` 1 where
        ``better_choices`` is NaN; ``valid`` 0 (reason: violation) where either mark says so;
        ``correct`` from the ports' nominal probabilities and the rat's mapping, also on forced
        trials; ``p_reward`` (option) of the left and of the right port; ``t_initiation,
        t_choice, t_second_initiation, t_outcome`` in s since the session began, NaN where there
        was none.

    Raises
    ------
    InputError
        The file is missing, damaged, in another format, or breaks its own rules; the message
        names the file, the rat, the field and the trial.

    References
    ----------
    Miller, Botvinick & Brody 2017, doi:10.1038/nn.4613; Miller, Botvinick & Brody 2022,
    doi:10.7554/eLife.64575.

    Examples
    --------
    >>> read_miller("nothing.mat")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.mat: there is no such file
    """
    file_path = Path(path)
    if not file_path.is_file():
        raise InputError(f"{file_path}: there is no such file")
    try:
        with h5py.File(file_path) as file:
            rats = _read_rats(file, file_path)
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{file_path}: {_why_unreadable(file_path, error)}") from None
    if not rats:
        raise InputError(f"{file_path}: field 'ratdatas' holds no rats")
    return cohort_of_rats(rats, file_path)


def _why_unreadable(path: Path, error: Exception) -> str:
    start = path.read_bytes()[:19]
    if start.startswith(b"MATLAB 5.0"):
        return (
            "a MATLAB 5 file; if it holds these rats ('ratdatas'), save it in MATLAB with "
            "save(..., '-v7.3'); a plain table is read by read_table"
        )
    if start.startswith(b"MATLAB 7.3") or start.startswith(b"\x89HDF"):
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"cannot be read, the file is damaged or truncated ({detail})"
    return "not a MATLAB 7.3 file"


def _read_rats(file: h5py.File, path: Path) -> list[dict[str, np.ndarray]]:
    if "ratdatas" not in file:
        there = ", ".join(sorted(k for k in file if not k.startswith("#")))
        raise InputError(
            f"{path}: field 'ratdatas' is missing; there are: {there or 'none'}; a plain table is "
            "read by read_table"
        )
    rats = []
    for number, struct in enumerate(_structs(file, path)):
        missing = [name for name in FIELDS if name not in struct]
        if missing:
            raise InputError(f"{path}, rat {number}: field {missing[0]!r} is missing")
        names = [*FIELDS, *(e for e in EVENTS.values() if e in struct)]
        rats.append({name: field_values(struct, name, f"{path}, rat {number}") for name in names})
    return rats


def _structs(file: h5py.File, path: Path) -> list[h5py.Group]:
    """Follow the cell's references; one rat may stand there as a struct without a cell."""
    cells = file["ratdatas"]
    if isinstance(cells, h5py.Group):
        return [cells]
    if h5py.check_ref_dtype(cells.dtype) is not h5py.Reference:
        raise InputError(f"{path}: field 'ratdatas' is not a cell array of structs")
    references = np.ravel(cells[()])
    structs = [file[reference] if reference else None for reference in references]
    for number, struct in enumerate(structs):
        if not isinstance(struct, h5py.Group):
            raise InputError(f"{path}, rat {number}: field 'ratdatas' does not hold a struct")
    return structs


def field_values(struct: h5py.Group, name: str, where: str) -> np.ndarray:
    """Read a field of numbers or characters, flat."""
    stored = struct[name]
    if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "biuf":
        raise InputError(f"{where}: field {name!r} holds neither numbers nor characters")
    return np.ravel(stored[()])


def cohort_of_rats(rats: list[dict[str, np.ndarray]], path: Path) -> xr.Dataset:
    """Put rats' fields together, trials checked against each other."""
    subjects, sessions, tables = [], [], []
    for rat in rats:
        name = _text(rat["ratname"])
        tables.append(_trials(rat, f"{path}, rat {name!r}"))
        lengths = np.bincount(tables[-1].pop("session").astype(int))
        subjects += [name] * len(lengths)
        sessions += lengths.tolist()
    shape = (len(sessions), max(sessions))
    there = np.arange(shape[1]) < np.array(sessions)[:, None]
    variables = {}
    for key in [k for k in tables[0] if all(k in table for table in tables)]:
        values = np.concatenate([table[key] for table in tables])
        kind = np.nan if values.dtype.kind == "f" else -1
        fill = {"valid": 0, "forced": 0, "invalid_reason": 1}.get(key, kind)
        padded = np.full((*shape, *values.shape[1:]), fill, values.dtype)
        padded[there] = values
        variables[key] = padded
    try:
        return make_cohort(
            variables,
            subject=subjects,
            task="two-step-miller",
            source="animal",
            coords={
                "option": ("option", np.arange(2, dtype="int8")),
                "species": ("session", np.full(len(sessions), "rat")),
            },
            attrs={
                "task_config": json.dumps(TASK_CONFIG, sort_keys=True),
                "created_by": f"neuro_metarl read_miller from {path.name}",
                "licence": "MIT (as distributed with Brody-Lab/MixtureAgentsModels)",
                "references": "doi:10.1038/nn.4613; doi:10.7554/eLife.64575",
            },
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _trials(rat: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    _check_lengths(rat, where)
    side = _side(rat["sides1"], where, "sides1")
    port = _side(rat["sides2"], where, "sides2")
    valid = (rat["viols"] == 0) & (port < VIOLATED) & (side < VIOLATED)
    congruent, stated = port == side, rat["trans_common"] == 1
    incongruent_rat = bool((congruent == stated)[valid].mean() < 0.5) if valid.any() else False
    common = congruent ^ incongruent_rat
    wrong = valid & (common != stated)
    if wrong.any():
        raise InputError(
            f"{where}, trial {int(wrong.argmax())}: field 'trans_common' disagrees with 'sides1', "
            f"'sides2' and the rat's mapping ({int(wrong.sum())} such trials)"
        )
    _check_rewards(rat["rewards"], valid, where)
    p_reward = np.stack([rat["leftprobs"], rat["rightprobs"]], axis=1).astype(float)
    trials = {
        "session": np.cumsum(_session_starts(rat["new_sess"])) - 1,
        "choice": np.where(side < VIOLATED, side, -1),
        "state": np.where(valid, port, -1),
        "common": np.where(valid, common, -1),
        "reward": rat["rewards"].astype(float),
        "valid": valid.astype(int),
        "invalid_reason": np.where(valid, 0, VIOLATION),
        "forced": np.isnan(rat["better_choices"]).astype(int),
        "correct": _correct(rat, side ^ int(incongruent_rat), p_reward, valid, where),
        "p_reward": p_reward,
    }
    return trials | {event: rat[field] for event, field in EVENTS.items() if field in rat}


def _correct(
    rat: dict[str, np.ndarray], leads_to: np.ndarray, p_reward: np.ndarray, valid: np.ndarray,
    where: str,
) -> np.ndarray:  # fmt: skip
    """Whether the choice commonly leads to the better port, forced trials included."""
    gain = p_reward[:, 1] - p_reward[:, 0]
    undefined = (gain == 0) | np.isnan(gain) | ~np.isin(leads_to, (0, 1))
    correct = np.where(undefined, -1, leads_to == (gain > 0)).astype(int)
    given = rat["better_choices"]
    wrong = ~np.isnan(given) & valid & (given != correct)
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(
            f"{where}, trial {place}: field 'better_choices' is {given[place]:g}, but the ports' "
            f"probabilities and the rat's mapping say {correct[place]}"
        )
    return correct


def _check_lengths(rat: dict[str, np.ndarray], where: str) -> None:
    n_trials = len(rat["sides1"])
    if not n_trials:
        raise InputError(f"{where}: field 'sides1' holds no trials")
    for name, values in rat.items():
        if name != "ratname" and len(values) != n_trials:
            raise InputError(
                f"{where}: field {name!r} has {len(values)} values, 'sides1' has {n_trials}"
            )


def _side(values: np.ndarray, where: str, field: str) -> np.ndarray:
    codes = np.array([ord(letter) for letter in SIDES])
    unknown = ~np.isin(values, codes)
    if unknown.any():
        place = int(unknown.argmax())
        raise InputError(
            f"{where}, trial {place}: field {field!r} is {_text(values[[place]])!r}, expected one "
            f"of {', '.join(SIDES)}"
        )
    return (values[:, None] == codes).argmax(axis=1)


def _session_starts(new_session: np.ndarray) -> np.ndarray:
    starts = (new_session == 1).astype(int)
    if len(starts):
        starts[0] = 1
    return starts


def _check_rewards(rewards: np.ndarray, valid: np.ndarray, where: str) -> None:
    bad = valid & ~np.isin(rewards, (0, 1))
    if bad.any():
        place = int(bad.argmax())
        raise InputError(
            f"{where}, trial {place}: field 'rewards' is {rewards[place]:g}, not 0 or 1"
        )


def _text(values: np.ndarray) -> str:
    """Letters, or the numbers themselves where these are none."""
    letters = np.all(np.isfinite(values)) and np.all((values >= 0) & (values < MOST_LETTERS))
    return "".join(chr(int(v)) for v in values) if letters else " ".join(f"{v:g}" for v in values)


READER = Reader(
    "miller",
    "Miller's rats on the two-step task: MATLAB 7.3 with the cell array ratdatas.",
    lambda path: "ratdatas" in fields_of_matlab(path),
    read_miller,
    (".mat",),
    "refused",
)
