"""One way to walk a subject's trials: which exist, which are responses, where history stops.

Every measure of choices reads its cohort here. A *valid* trial exists; a *response* is a valid
trial on which the choice was free; a *forced* trial is history, never a response. History stops at
the borders of a *chain*: where a session begins, where the number of the ``problem`` changes
(unless ``across_problems``), and, with ``adjacent``, at every trial that was missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError

__all__ = ["Rows", "check_cohort", "conventions", "read_rows"]

NEEDED = ("choice", "reward", "valid")
OPTIONAL = {"forced": 0, "problem": 0, "correct": -1, "common": -1, "stimulus": -1}


@dataclass(frozen=True)
class Rows:
    """The valid trials of one subject in order of time; every array has dims (row).

    Parameters
    ----------
    subject
        Name.
    choice, reward
        As in the cohort.
    forced
        Whether the choice was imposed.
    session, position
        Number of the session within the subject, and of the trial within the session, from 0;
        trials that do not exist are counted in ``position``.
    problem
        Number of the problem over the subject's whole history, from 0: a run of equal ``problem``
        numbers within a session, or the whole session where the cohort has none.
    chain
        Number of the chain: lags and stays look back within it only.
    correct, common, stimulus
        As in the cohort; -1 where it has none.
    shape
        Sessions of the subject, trials of the longest session.
    """

    subject: str
    choice: np.ndarray
    reward: np.ndarray
    forced: np.ndarray
    session: np.ndarray
    position: np.ndarray
    problem: np.ndarray
    chain: np.ndarray
    correct: np.ndarray
    common: np.ndarray
    stimulus: np.ndarray
    shape: tuple[int, int]

    def won(self, rewarded: float) -> np.ndarray:
        """Say which trials were rewarded: those with a reward above ``rewarded``."""
        return self.reward > self.reward.dtype.type(rewarded)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Give each response that has a trial before it in its chain, and that trial."""
        follows = self.chain[1:] == self.chain[:-1]
        now = np.flatnonzero(follows & ~self.forced[1:]) + 1
        return now, now - 1

    def table(self, values: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Lay values of some rows out by session and trial, NaN elsewhere."""
        laid = np.full(self.shape, np.nan)
        laid[self.session[there], self.position[there]] = values[there]
        return laid

    def rewards(self) -> str:
        """List the rewards that were paid, for messages."""
        paid = np.unique(self.reward)
        shown = ", ".join(f"{value:g}" for value in paid[:6])
        return f"rewards are {shown}" + (", ..." if len(paid) > 6 else "")


def conventions(*, rewarded: float, across_problems: bool, adjacent: bool) -> dict[str, float]:
    """Say, as attributes of a result, what counted as rewarded and where history stopped.

    Parameters
    ----------
    rewarded
        A trial counts as rewarded if its reward is above this.
    across_problems
        Whether history ran on from one problem of a session into the next.
    adjacent
        Whether history stopped at every missed trial.

    Returns
    -------
    dict
        The same names; flags are 0 or 1.

    Raises
    ------
    InputError
        ``rewarded`` is no number, or a flag is neither true nor false.

    Examples
    --------
    >>> conventions(rewarded=0.5, across_problems=False, adjacent=True)
    {'rewarded': 0.5, 'across_problems': 0, 'adjacent': 1}
    """
    if not _is_number(rewarded):
        raise InputError(
            f"rewarded is {rewarded!r}, expected a finite number: a trial counts as rewarded if "
            "its reward is above it"
        )
    flags = {"across_problems": across_problems, "adjacent": adjacent}
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise InputError(f"{name} is {value!r}, expected True or False")
    return {"rewarded": float(rewarded)} | {name: int(value) for name, value in flags.items()}


def check_cohort(cohort: object, verb: str, *, needs: Sequence[str] = ()) -> xr.Dataset:
    """Refuse what is not a cohort, and say what is right.

    Parameters
    ----------
    cohort
        What was passed.
    verb
        The measure that was called.
    needs
        Variables that it needs beside choice, reward and valid.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    InputError
        Something else, no session, or a variable or dimension is missing.

    Examples
    --------
    >>> check_cohort("synthetic-rats", "win_stay")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: win_stay takes a cohort, got the text 'synthetic-rats'; ...
    """
    if not isinstance(cohort, xr.Dataset):
        raise InputError(f"{verb} takes a cohort, got {_describe(cohort)}")
    if "statistic" in cohort.dims and "choice" not in cohort:
        raise InputError(
            f"{verb} takes a cohort, got a result of another measure (variables "
            f"{', '.join(map(str, list(cohort.data_vars)[:4]))}); give the cohort that was measured"
        )
    for name in (*NEEDED, *needs):
        if name not in cohort:
            raise InputError(
                f"the cohort has no {name!r}; {verb} needs "
                f"{', '.join(dict.fromkeys((*NEEDED, *needs)))}"
            )
    for name in NEEDED:
        if set(cohort[name].dims) != {"session", "trial"}:
            raise InputError(
                f"{verb}: {name!r} has dims ({', '.join(map(str, cohort[name].dims))}), expected "
                "session and trial; select with lists, for example isel(session=[0]), to keep both"
            )
    if "subject" not in cohort.coords or cohort["subject"].dims != ("session",):
        raise InputError(f"{verb}: the cohort has no coordinate 'subject' along 'session'")
    if not cohort.sizes["session"]:
        raise InputError(f"{verb}: the cohort has no session; was every session deselected?")
    return cohort


def read_rows(
    cohort: xr.Dataset,
    verb: str,
    *,
    needs: Sequence[str] = (),
    across_problems: bool = False,
    adjacent: bool = False,
) -> dict[str, Rows]:
    """Lay out the valid trials of each subject in order of time.

    Parameters
    ----------
    cohort
        Dims session, trial, in any order.
    verb
        The measure, for messages.
    needs
        Variables that it needs beside choice, reward and valid.
    across_problems
        History runs on where the number of the problem changes within a session.
    adjacent
        History stops at a missed trial: only neighbouring trials follow one another.

    Returns
    -------
    dict
        Name of the subject to its rows, in order of first appearance.

    Raises
    ------
    InputError
        See :func:`check_cohort`; a valid trial without choice, reward or, where others of its
        session have one, without a problem: the message names the place.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort(
    ...     {"choice": [[0, -1, 1, 1]], "reward": [[1, 0, 0, 1]], "problem": [[1, 1, 1, 2]]},
    ...     subject=["a"], task="bandit", source="animal")
    >>> rows = read_rows(cohort, "win_stay")["a"]
    >>> rows.choice.tolist(), rows.chain.tolist()
    ([0, 1, 1], [0, 0, 1])
    >>> read_rows(cohort, "win_stay", adjacent=True)["a"].chain.tolist()
    [0, 1, 2]
    """
    check_cohort(cohort, verb, needs=needs)
    tables = {name: _table(cohort, name) for name in NEEDED}
    valid = tables["valid"] == 1
    for name, default in OPTIONAL.items():
        given = name in cohort
        tables[name] = _table(cohort, name) if given else np.full(valid.shape, default)
    _check_values(cohort, tables, valid, needs)
    if not across_problems:
        _check_problems(cohort, tables["problem"], valid)
    subject = cohort["subject"].values.astype(str)
    return {
        name: _rows(name, {k: v[subject == name] for k, v in tables.items()},
                    across_problems=across_problems, adjacent=adjacent)
        for name in subjects_of(cohort)
    }  # fmt: skip


def _rows(
    name: str, tables: Mapping[str, np.ndarray], *, across_problems: bool, adjacent: bool
) -> Rows:
    valid = tables["valid"] == 1
    session, position = np.nonzero(valid)
    flat = {key: table[valid] for key, table in tables.items()}
    border = np.ones(len(session), bool)
    border[1:] = session[1:] != session[:-1]
    new = border.copy()
    new[1:] |= flat["problem"][1:] != flat["problem"][:-1]
    stops = border.copy() if across_problems else new.copy()
    if adjacent:
        stops[1:] |= position[1:] - position[:-1] > 1
    return Rows(
        subject=name,
        choice=flat["choice"].astype(int),
        reward=flat["reward"] if flat["reward"].dtype.kind == "f" else flat["reward"].astype(float),
        forced=flat["forced"] == 1,
        session=session,
        position=position,
        problem=np.cumsum(new) - 1,
        chain=np.cumsum(stops) - 1,
        correct=flat["correct"].astype(int),
        common=flat["common"].astype(int),
        stimulus=flat["stimulus"].astype(int),
        shape=(valid.shape[0], valid.shape[1]),
    )


def _table(cohort: xr.Dataset, name: str) -> np.ndarray:
    variable = cohort[name]
    extra = [str(d) for d in variable.dims if d not in ("session", "trial")]
    if extra:
        raise InputError(f"{name}: dims are {variable.dims}, expected session and trial")
    if variable.dims != ("session", "trial"):
        variable = variable.broadcast_like(cohort["choice"]).transpose("session", "trial")
    return np.asarray(variable.values)


def _check_values(
    cohort: xr.Dataset, tables: Mapping[str, np.ndarray], valid: np.ndarray, needs: Sequence[str]
) -> None:
    """Refuse, on valid trials, what would be counted as something that it is not."""
    choice, reward = tables["choice"], tables["reward"]
    unknown = ~np.isin(tables["valid"], (0, 1)) & ~np.isnan(tables["valid"])
    rules: dict[str, tuple[np.ndarray, str]] = {
        "valid": (unknown, "0 or 1"),
        "choice": (valid & ~((choice >= 0) & (choice == np.round(choice))), "0, 1, ..."),
        "reward": (valid & ~np.isfinite(reward), "a finite number"),
        "forced": (valid & ~np.isin(tables["forced"], (0, 1)), "0 or 1"),
        "correct": (valid & ~np.isin(tables["correct"], (-1, 0, 1)), "-1, 0 or 1"),
    }
    if "common" in needs:
        rules["common"] = (valid & ~np.isin(tables["common"], (0, 1)), "0 or 1")
    for name, (bad, right) in rules.items():
        _refuse(cohort, name, tables[name], bad, f"which is valid; expected {right}")


def _check_problems(cohort: xr.Dataset, problem: np.ndarray, valid: np.ndarray) -> None:
    if "problem" not in cohort:
        return
    numbered = np.any(valid & (problem >= 0), axis=1, keepdims=True)
    bad = valid & ~(problem >= 0) & numbered
    _refuse(
        cohort, "problem", problem, bad,
        "which is valid, while other trials of the session have a number; history stops where the "
        "number changes: give this trial its number, or set valid to 0",
    )  # fmt: skip


def _refuse(cohort: xr.Dataset, name: str, table: np.ndarray, bad: np.ndarray, why: str) -> None:
    if not bad.any():
        return
    session, trial = (int(i) for i in np.argwhere(bad)[0])
    many = f" ({int(bad.sum())} such trials)" if bad.sum() > 1 else ""
    raise InputError(
        f"{name}: {table[session, trial]} at {_place(cohort, session, trial)}{many}, {why}"
    )


def _place(cohort: xr.Dataset, session: int, trial: int) -> str:
    label = str(cohort["subject"].values[session])
    of = cohort["session_id"].values[session] if "session_id" in cohort.coords else session
    return f"subject {label!r}, session {str(of)!r}, trial {trial} (counted from 0)"


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return bool(np.isfinite(value))


def _describe(thing: object) -> str:
    """Say what was passed instead of a cohort, and what to do with it."""
    if isinstance(thing, str | PathLike):
        return (
            f"the text {str(thing)!r}; load it first, for example cohort = load_dataset(name) or "
            "cohort = read(file)"
        )
    if isinstance(thing, Mapping):
        return f"a {type(thing).__name__} of {len(thing)}; measure each cohort, or use compare"
    if isinstance(thing, pd.DataFrame):
        return "a pandas.DataFrame; make a cohort of it with from_dataframe"
    if isinstance(thing, xr.DataArray):
        return f"one variable (xarray.DataArray {thing.name!r}); give the whole cohort"
    if isinstance(thing, xr.DataTree):
        return "an xarray.DataTree; give one cohort"
    if isinstance(thing, list | tuple):
        return f"a {type(thing).__name__} of {len(thing)}; join cohorts with concat_cohorts"
    return (
        f"{type(thing).__name__}; a cohort is what record, read, load_dataset or make_cohort gives"
    )
