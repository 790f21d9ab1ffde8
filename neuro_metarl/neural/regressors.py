"""Named variables of the task as columns of a regression.

A regressor is named by a variable of the cohort with dims session, trial (and event):

====================  ==============================================================
``choice``            first-step action 1 against 0
``reward``            outcome
``common``            common against rare transition
``state``             second-step state 1 against 0
``correct``           the better option against the worse; 0 where undefined
``choice2, forced``   second-step action; imposed against free
``value, rpe``        value and reward-prediction error, event by event
``chosen_value``      ``action_value`` (session, trial, option) of the action taken
``value_difference``  ``action_value`` of action 1 less that of action 0
====================  ==============================================================

and by any other variable put into the cohort, or any labelled array that is handed over. Names
combine: ``previous_reward`` and ``next_choice`` are of the trial before and after;
``choice_x_reward`` is an interaction. A prefix belongs to the one name it stands before:
``previous_choice_x_previous_reward`` is the interaction of two things past.

Coding. What has two values is -1/2 (the lower) and +1/2, so that a coefficient is the difference
between the two; all else is z-scored over the subject's valid trials (event by event where it has
events), so that a coefficient is the change with one standard deviation. An interaction is the
product of its parts, signs and z-scores; where all parts are signs it is coded -1/2 and +1/2 again.

The trial before is the valid trial before, in the same session: invalid trials do not exist, and
the first trial of a session has none before it (NaN). Choices imposed are choices made.

What an event can code. In a recorded network, activity at an event is the state after that
event's input. The outcome of trial *t* reaches the network at the first event of trial *t + 1*:
there it is ``previous_reward``, and at no event of trial *t* can ``reward`` be coded, unless by
prediction. The second-step state is seen at ``second_step`` of its own trial. In animals the
outcome falls into the trial: ``reward`` at, say, ``t_outcome``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["Rows", "rows_of", "task_regressors"]

TRIAL = ("session", "trial")
FLAGS = ("choice", "choice2", "state", "common", "correct", "forced")
DERIVED = ("chosen_value", "value_difference")
SYNONYMS = {
    "action": "choice", "outcome": "reward", "rewarded": "reward", "transition": "common",
    "rare": "common", "prediction_error": "rpe", "second_step_state": "state",
}  # fmt: skip
NOT_TASK = ("valid", "invalid_reason")
SHIFTS = {"previous_": 1, "next_": -1}


@dataclass(frozen=True)
class Rows:
    """The valid trials of a cohort in order: session by session, trial by trial.

    Parameters
    ----------
    session, trial
        Dims (row): where the row is in the cohort.
    subject
        Dims (row): whole numbers, in the order of ``names``.
    names
        Subjects.
    """

    session: np.ndarray
    trial: np.ndarray
    subject: np.ndarray
    names: tuple[str, ...]

    def earlier(self, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """Return, dims (row), the row ``lag`` valid trials before, and whether there is one."""
        n = len(self.session)
        source = np.arange(n) - lag
        inside = (source >= 0) & (source < n)
        source = source.clip(0, max(n - 1, 0))
        return source, inside & (self.session[source] == self.session)


def rows_of(cohort: xr.Dataset) -> Rows:
    """List a cohort's valid trials.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    Rows

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1], [1, -1]], "reward": [[1, 0], [1, 0]]},
    ...                      subject=["a", "b"], task="bandit", source="animal")
    >>> rows_of(cohort).session.tolist(), rows_of(cohort).subject.tolist()
    ([0, 0, 1], [0, 0, 1])
    """
    if not isinstance(cohort, xr.Dataset) or "valid" not in cohort:
        raise InputError("expected a cohort (an xarray.Dataset with 'valid'); see make_cohort")
    session, trial = np.nonzero(cohort["valid"].transpose(*TRIAL).values == 1)
    names = [str(s) for s in cohort["subject"].values.tolist()]
    unique = tuple(dict.fromkeys(names))
    number = np.array([unique.index(name) for name in names], int)
    return Rows(session, trial, number[session], unique)


def task_regressors(
    cohort: xr.Dataset, names: Sequence[str | xr.DataArray], *, lag: int = 0
) -> xr.DataArray:
    """Code named task variables as the columns of a regression.

    Parameters
    ----------
    cohort
        A cohort, dims session, trial.
    names
        Names as the module explains them, or arrays of your own with a name and the dims session,
        trial (and event), NaN where undefined. Names may refer to your own arrays too:
        ``"state_x_belief"`` with an array called ``belief``.
    lag
        Take everything from this many valid trials earlier; negative: later.

    Returns
    -------
    xarray.DataArray
        Dims regressor, session, trial (, event, where any regressor has events). NaN on invalid
        trials and where undefined. The coordinate ``coding`` (regressor) is ``"+-1/2"`` or
        ``"z"``, or ``"sign x z"`` for an interaction with something continuous.

    Raises
    ------
    InputError
        An unknown name, a variable of more than two categories, text, or an array of other dims.

    Notes
    -----
    The intercept is not among the columns.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1, 1]], "reward": [[1, 0, 1]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> names = ["choice", "previous_reward", "choice_x_reward"]
    >>> task_regressors(cohort, names).isel(session=0).values.tolist()
    [[-0.5, 0.5, 0.5], [nan, 0.5, -0.5], [-0.5, -0.5, 0.5]]
    """
    rows = rows_of(cohort)
    given = [names] if isinstance(names, str | xr.DataArray) else list(names)
    own = {_name_of(item): item for item in given if isinstance(item, xr.DataArray)}
    labels = [_name_of(item) for item in given]
    _check_labels(labels)
    columns, codings = [], []
    for label in labels:
        values, coding = _term(cohort, rows, own, label)
        columns.append(_shifted(values, rows, lag))
        codings.append(coding)
    with_events = [c.shape[1] for c in columns if c.ndim == 2]
    shape: tuple[int, ...] = (cohort.sizes["session"], cohort.sizes["trial"])
    if with_events:
        shape = (*shape, with_events[0])
        columns = [c if c.ndim == 2 else np.repeat(c[:, None], shape[2], 1) for c in columns]
    table = np.full((len(labels), *shape), np.nan)
    for k, column in enumerate(columns):
        table[k, rows.session, rows.trial] = column
    found = xr.DataArray(
        table,
        dims=("regressor", *TRIAL, *(["event"] if with_events else [])),
        coords={"regressor": labels, "coding": ("regressor", codings)},
        attrs={"lag": lag, "lag_unit": "valid trials earlier, within the session"},
    )
    keep = [c for c in ("subject", "session_id") if c in cohort.coords]
    found = found.assign_coords({c: cohort[c] for c in keep})
    return found.assign_coords(event=cohort["event"]) if with_events else found


def _name_of(item: str | xr.DataArray) -> str:
    if isinstance(item, xr.DataArray):
        if item.name is None:
            raise InputError("an array given as a regressor needs a name: array.rename('belief')")
        return str(item.name)
    if not isinstance(item, str):
        raise InputError(
            f"a regressor is a name or a labelled array, got {type(item).__name__}: {item!r}"
        )
    return item


def _check_labels(labels: list[str]) -> None:
    if not labels:
        raise InputError("no regressors: name one at least, for example 'choice'")
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if twice:
        raise InputError(f"regressor {twice[0]!r} is named twice")


def _term(
    cohort: xr.Dataset, rows: Rows, own: dict[str, xr.DataArray], label: str
) -> tuple[np.ndarray, str]:
    """Return a coded term, dims (row) or (row, event), and its coding."""
    known = _known(cohort, own)
    factors = [label] if label in known else label.split("_x_")
    parts = [_factor(cohort, rows, own, factor, label) for factor in factors]
    if len(parts) == 1:
        return parts[0]
    n_events = max((v.shape[1] for v, _ in parts if v.ndim == 2), default=0)
    product = np.ones((len(rows.session), n_events) if n_events else len(rows.session))
    for values, coding in parts:
        scaled = 2 * values if coding == "+-1/2" else values
        product = product * (scaled[:, None] if n_events and values.ndim == 1 else scaled)
    if all(coding == "+-1/2" for _, coding in parts):
        return product / 2, "+-1/2"
    return product, "sign x z" if any(c == "+-1/2" for _, c in parts) else "z x z"


def _factor(
    cohort: xr.Dataset, rows: Rows, own: dict[str, xr.DataArray], factor: str, label: str
) -> tuple[np.ndarray, str]:
    known = _known(cohort, own)
    name, lag = factor, 0
    while name not in known:
        prefix = next((p for p in SHIFTS if name.startswith(p)), None)
        if prefix is None:
            raise _unknown(name, label, known)
        name, lag = name.removeprefix(prefix), lag + SHIFTS[prefix]
    if name in own:
        values = _flat(cohort, rows, own[name], f"regressor {name!r}")
    elif name in DERIVED and name not in cohort:
        values = _derived(cohort, rows, name)
    else:
        values = _flat(cohort, rows, cohort[name], f"regressor {name!r}")
    values, coding = _coded(values, rows, name, flag=name in FLAGS and name not in own)
    return _shifted(values, rows, lag), coding


def _known(cohort: xr.Dataset, own: Iterable[str]) -> set[str]:
    shaped = {
        str(name)
        for name, variable in cohort.data_vars.items()
        if set(TRIAL) <= set(variable.dims) <= {*TRIAL, "event"} and name not in NOT_TASK
    }
    return shaped | set(own) | (set(DERIVED) if "action_value" in cohort else set())


def _unknown(name: str, label: str, known: set[str]) -> InputError:
    where = f"regressor {label!r}: " if label != name else ""
    if name in DERIVED:
        return InputError(
            f"{where}{name!r} needs the variable 'action_value' (session, trial, option), which "
            "the cohort lacks; assign it from a model, or give an array of that name"
        )
    if name in SYNONYMS and SYNONYMS[name] in known:
        return InputError(f"{where}no variable {name!r}; here it is called {SYNONYMS[name]!r}")
    return InputError(f"{where}no variable {name!r} in the cohort; {did_you_mean(name, known)}")


def _flat(cohort: xr.Dataset, rows: Rows, array: xr.DataArray, what: str) -> np.ndarray:
    dims = (*TRIAL, "event") if "event" in array.dims else TRIAL
    sizes = {d: cohort.sizes.get(d) for d in dims}
    if set(array.dims) != set(dims) or any(array.sizes[d] != sizes[d] for d in dims):
        raise InputError(
            f"{what} has dims {dict(array.sizes)}, expected session {cohort.sizes['session']}, "
            f"trial {cohort.sizes['trial']} (and event {cohort.sizes.get('event', 0)})"
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} has values of type {array.dtype}, expected numbers")
    if "event" in dims and "event" in array.coords and "event" in cohort.coords:
        if set(array["event"].values.tolist()) != set(cohort["event"].values.tolist()):
            raise InputError(f"{what} has other events than the cohort")
        array = array.sel(event=cohort["event"])
    return array.transpose(*dims).values[rows.session, rows.trial].astype(float)


def _derived(cohort: xr.Dataset, rows: Rows, name: str) -> np.ndarray:
    table = cohort["action_value"].transpose(*TRIAL, "option").values
    values = table[rows.session, rows.trial].astype(float)
    if name == "chosen_value":
        choice = cohort["choice"].transpose(*TRIAL).values[rows.session, rows.trial]
        return values[np.arange(len(choice)), choice]
    if values.shape[1] != 2:
        raise InputError(f"'value_difference' needs two options, there are {values.shape[1]}")
    return values[:, 1] - values[:, 0]


def _coded(values: np.ndarray, rows: Rows, name: str, *, flag: bool) -> tuple[np.ndarray, str]:
    if flag:
        neutral = values < 0
        if name == "correct":
            return np.where(neutral, 0.0, values - 0.5), "+-1/2"
        if values.max(initial=0) > 1:
            raise InputError(
                f"{name!r} takes {int(values.max()) + 1} values; a regressor of categories has "
                f"two: give one of your own, for example (cohort.{name} == 2).rename('{name}_2')"
            )
        return np.where(neutral, np.nan, values - 0.5), "+-1/2"
    if np.isinf(values).any():
        raise InputError(f"regressor {name!r} is infinite on {int(np.isinf(values).sum())} trials")
    levels = np.unique(values[~np.isnan(values)])
    if len(levels) <= 2:
        signs = np.where(values == levels.max(initial=-np.inf), 0.5, -0.5)
        return np.where(np.isnan(values), np.nan, signs), "+-1/2"
    coded = np.full(values.shape, np.nan)
    for k in range(len(rows.names)):
        mine = rows.subject == k
        coded[mine] = _z_scored(values[mine])
    return coded, "z"


def _z_scored(values: np.ndarray) -> np.ndarray:
    """Return z-scores along the rows, NaN left out; what does not vary is 0."""
    defined = ~np.isnan(values)
    n = np.maximum(defined.sum(axis=0), 1)
    away = values - np.where(defined, values, 0).sum(axis=0) / n
    spread = np.sqrt((np.where(defined, away, 0) ** 2).sum(axis=0) / n)
    return away / np.where(spread > 0, spread, 1)


def _shifted(values: np.ndarray, rows: Rows, lag: int) -> np.ndarray:
    if lag == 0:
        return values
    source, there = rows.earlier(lag)
    shape = (-1, *[1] * (values.ndim - 1))
    return np.where(there.reshape(shape), values[source], np.nan)
