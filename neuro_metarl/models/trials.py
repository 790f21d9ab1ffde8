"""The trials of a cohort as a model reads them, and what the task says of its parameters.

Invalid trials do not exist: they are neither learned from nor predicted. Forced trials are learned
from, and are no responses. Memory starts anew with every session and, within a session, with every
new problem.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Model
from neuro_metarl.models.requirements import (
    check_codes,
    check_cohort,
    check_needs,
    check_rewards,
    reward_levels,
)

__all__ = ["Trials", "borders_of", "known_values", "restarts", "trials_of"]

READ = ("choice", "state", "choice2", "reward", "common", "valid", "forced", "forced2")
PER_ROW = (
    "choice", "state", "choice2", "reward", "belief", "free", "start", "session", "place",
    "respond",
)  # fmt: skip


@dataclass(frozen=True)
class Trials:
    """The valid trials of several subjects, one after another.

    Parameters
    ----------
    subjects
        Names.
    first
        Dims (subject + 1): where each subject's rows begin.
    choice, state, choice2, reward, belief, free
        Dims (row); see :class:`neuro_metarl.models.model.Trial`.
    start
        Dims (row): memory starts anew here, because a session or a problem begins.
    session
        Dims (row): number of the session in the cohort.
    place
        Dims (row): number of the trial in its session.
    respond
        Dims (choice, row): the choice counts in the likelihood.
    """

    subjects: tuple[str, ...]
    first: np.ndarray
    choice: np.ndarray
    state: np.ndarray
    choice2: np.ndarray
    reward: np.ndarray
    belief: np.ndarray
    free: np.ndarray
    start: np.ndarray
    session: np.ndarray
    place: np.ndarray
    respond: np.ndarray

    @property
    def n_responses(self) -> np.ndarray:
        """Dims (subject): choices in the likelihood."""
        counts = np.concatenate([[0], np.cumsum(self.respond.sum(0))])
        return counts[self.first[1:]] - counts[self.first[:-1]]

    @property
    def n_stretches(self) -> np.ndarray:
        """Dims (subject): times that memory starts anew."""
        return np.add.reduceat(self.start.astype(int), self.first[:-1])

    def beginning(self, n_rows: int, longer_than: int) -> Trials:
        """Keep the first rows of each subject that has more than so many, all of the others."""
        kept = [np.arange(a, a + n_rows if b - a > longer_than else b) for a, b in self._spans()]
        rows = np.concatenate(kept)
        per_row = {name: getattr(self, name)[..., rows] for name in PER_ROW}
        first = np.concatenate([[0], np.cumsum([len(k) for k in kept])])
        return replace(self, first=first, **per_row)

    def responding(self, sessions: np.ndarray) -> Trials:
        """Keep every trial, but count only responses in these sessions."""
        return replace(self, respond=self.respond & np.isin(self.session, sessions))

    def rows_of(self, subject: int) -> slice:
        """Where a subject's rows are."""
        return slice(int(self.first[subject]), int(self.first[subject + 1]))

    def _spans(self) -> list[tuple[int, int]]:
        return list(zip(self.first[:-1].tolist(), self.first[1:].tolist(), strict=True))


def trials_of(cohort: xr.Dataset, model: Model, *, across_problems: bool = False) -> Trials:
    """Read from a cohort what a model needs.

    Parameters
    ----------
    cohort
        Dims session, trial.
    model
        The model.
    across_problems
        Memory runs on where the number of the ``problem`` changes within a session; else it starts
        anew there, as it does with every session.

    Returns
    -------
    Trials

    Raises
    ------
    InputError
        A variable is missing, a subject has no valid trial or no response, choices or rewards
        are not those that the model takes, the cohort is of learning sets, or a subject's
        transitions change sides.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import find_model
    >>> trials_of(load_dataset("synthetic-rats"), find_model("hybrid")).subjects[0]
    'synthetic-1'
    """
    check_needs(check_cohort(cohort), model)
    _check_responses(cohort, model)
    check_rewards(cohort, f"model {model.name!r}", binary=model.binary)
    tables = {
        name: cohort[name].transpose("session", "trial").values for name in READ if name in cohort
    }
    tables["border"] = borders_of(cohort, across_problems)
    of_session = cohort["subject"].values
    parts, sessions = [], {}
    for name in subjects_of(cohort):
        sessions[name] = np.flatnonzero(of_session == name)
        mine = {key: table[sessions[name]] for key, table in tables.items()}
        parts.append(_one(mine, name, model))
    for name, part in zip(sessions, parts, strict=True):
        part["session"] = sessions[name][part["session"]]
    first = np.concatenate([[0], np.cumsum([len(part["choice"]) for part in parts])])
    joined = {key: np.concatenate([p[key] for p in parts], axis=-1) for key in parts[0]}
    return Trials(subjects=tuple(sessions), first=first, **joined)


def borders_of(cohort: xr.Dataset, across_problems: bool = False) -> np.ndarray:
    """Count the stretches over which memory lasts: sessions, and problems within them.

    Parameters
    ----------
    cohort
        Dims session, trial.
    across_problems
        A session is one stretch; else a new ``problem`` begins a new one.

    Returns
    -------
    numpy.ndarray
        Dims (session, trial): number of the stretch in its session, from 0. Invalid trials belong
        to the stretch before them, because they do not exist.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1, 1, 0]], "reward": [[1, 0, 0, 1]],
    ...                       "problem": [[4, 4, 7, 7]]}, subject=["a"], task="bandit",
    ...                      source="animal")
    >>> borders_of(cohort).tolist(), borders_of(cohort, True).tolist()
    ([[0, 0, 1, 1]], [[0, 0, 0, 0]])
    """
    valid = cohort["valid"].transpose("session", "trial").values == 1
    number = np.zeros(valid.shape, int)
    if across_problems or "problem" not in cohort:
        return number
    problem = cohort["problem"].transpose("session", "trial").values
    session, place = np.nonzero(valid)
    changes = (session[1:] == session[:-1]) & (np.diff(problem[session, place]) != 0)
    number[session[1:][changes], place[1:][changes]] = 1
    return np.cumsum(number, axis=1)


def restarts(cohort: xr.Dataset, across_problems: bool = False) -> dict[str, str | int]:
    """Say where memory starts anew, for the attributes of a fit.

    Parameters
    ----------
    cohort, across_problems
        See :func:`borders_of`.

    Returns
    -------
    dict
        ``across_problems``, 0 or 1, and ``memory_restarts``, what memory starts anew with:
        ``"session"``, or ``"session, problem"`` where sessions have several problems.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> restarts(load_dataset("synthetic-rats"))
    {'across_problems': 0, 'memory_restarts': 'session'}
    """
    several = borders_of(cohort, across_problems).any()
    return {
        "across_problems": int(across_problems),
        "memory_restarts": "session, problem" if several else "session",
    }


def known_values(cohort: xr.Dataset, model: Model) -> dict[str, dict[str, float]]:
    """Find what the task and the rewards say of a model's parameters that are not fitted.

    A subject's values rest on its own trials and on what is declared of the task, never on the
    subjects beside it.

    Parameters
    ----------
    cohort
        The cohort; its ``task_config`` and nominal probabilities are looked at.
    model
        The model.

    Returns
    -------
    dict
        Subject to its values: of ``p_common``, ``p_reward_high``, ``p_reward_low`` those that the
        model has. ``p_common`` is the configured value, else the share of the subject's transitions
        that were common; the others are the configured ones, else the largest and the smallest
        nominal probability of the subject's trials. Models of any reward have ``value_initial``,
        the middle of the range of the subject's rewards, and ``reward_scale``, that range (1/2 and
        1 for rewards of 0 and 1).

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import find_model
    >>> rats = load_dataset("synthetic-rats")
    >>> known_values(rats, find_model("hybrid"))["synthetic-1"]
    {'p_common': 0.811}
    >>> rewards = rats.assign(reward=20 + 60 * rats.reward)
    >>> known_values(rewards, find_model("q_learning"))["synthetic-1"]
    {'value_initial': 50.0, 'reward_scale': 60.0}
    """
    check_cohort(cohort)
    config = json.loads(cohort.attrs.get("task_config", "{}"))
    held = {p.name for p in model.parameters if not p.free}
    told = {k: float(config[k]) for k in held if isinstance(config.get(k), (int, float))}
    names = ("reward", "valid", "common", "p_reward")
    needed = cohort[[name for name in names if name in cohort]]
    return {
        name: _known_of(needed.isel(session=cohort["subject"].values == name), model, held, told)
        for name in subjects_of(cohort)
    }


def _known_of(
    cohort: xr.Dataset, model: Model, held: set[str], told: dict[str, float]
) -> dict[str, float]:
    """Find what one subject's trials say beside what is told of the task."""
    values = dict(told)
    valid = cohort["valid"].transpose("session", "trial").values == 1
    if "p_common" in held - set(values) and "common" in cohort:
        common = cohort["common"].transpose("session", "trial").values[valid]
        if (common >= 0).any():
            values["p_common"] = round(float((common[common >= 0] == 1).mean()), 3)
    if "p_reward" in cohort:
        nominal = cohort["p_reward"].transpose("session", "trial", "option").values[valid]
        nominal = nominal[np.isfinite(nominal)].astype(float)
        for name, pick in (("p_reward_high", np.max), ("p_reward_low", np.min)):
            if name in held - set(values) and nominal.size:
                values[name] = round(float(pick(nominal)), 6)
    if {"value_initial", "reward_scale"} <= set(model.parameter_map):
        values = _range_of_rewards(cohort, model) | values
    return values


def _range_of_rewards(cohort: xr.Dataset, model: Model) -> dict[str, float]:
    """Start values in the middle of the rewards; variances in units of their range."""
    levels = reward_levels(cohort).astype(float)
    if not len(levels):
        return {}
    low, high = float(levels[0]), float(levels[-1])
    if low == high:
        low, high = (0.0, 1.0) if low in (0, 1) else (low - 0.5, low + 0.5)
    known = {"value_initial": (low + high) / 2, "reward_scale": high - low}
    for p in model.parameters:
        if not p.free and p.reward_power and p.name not in known:
            known[p.name] = p.default * known["reward_scale"] ** p.reward_power
    return known


def _check_responses(cohort: xr.Dataset, model: Model) -> None:
    """Refuse subjects that have no valid trial, or no choice of their own."""
    valid = cohort["valid"].transpose("session", "trial").values == 1
    forced = np.zeros_like(valid)
    if "forced" in cohort:
        forced = cohort["forced"].transpose("session", "trial").values == 1
    of_session = cohort["subject"].values
    for name in subjects_of(cohort):
        mine = of_session == name
        if not valid[mine].any():
            raise InputError(f"subject {name!r} has no valid trial; leave the subject out")
        if not (valid & ~forced)[mine].any():
            raise InputError(f"subject {name!r} has no response: every valid trial is forced")


def _one(tables: dict[str, np.ndarray], name: str, model: Model) -> dict[str, Any]:
    def flat(variable: str, default: float = 0) -> np.ndarray:
        if variable not in tables:
            return np.full(int(valid.sum()), float(default))
        return tables[variable][valid].astype(float)

    valid = tables["valid"] == 1
    session, place = np.nonzero(valid)
    choice, reward, free = flat("choice"), flat("reward"), flat("forced") != 1
    check_codes(name, "choice", choice, session, place)
    state, choice2 = choice, np.zeros_like(choice)
    if "state" in model.needs:
        state = _relative_state(model, flat("state"), choice, flat("common", -1), name)
        check_codes(name, "state", state, session, place)
    respond = [free]
    if model.n_choices == 2:
        choice2 = flat("choice2", -1)
        check_codes(name, "choice2", choice2, session, place)
        respond.append(flat("forced2") != 1)
    stretch = tables["border"][valid]
    start = np.append(True, (session[1:] != session[:-1]) | (stretch[1:] != stretch[:-1]))
    belief = _beliefs(model, choice, reward, session, start)
    return {
        "choice": choice, "state": state, "choice2": choice2, "reward": reward, "belief": belief,
        "free": free.astype(float), "start": start, "session": session, "place": place,
        "respond": np.array(respond),
    }  # fmt: skip


def _relative_state(
    model: Model, state: np.ndarray, choice: np.ndarray, common: np.ndarray,
    name: str,
) -> np.ndarray:  # fmt: skip
    """Relabel the states so that the common transition leads from choice k to state k."""
    told = common >= 0
    congruent = ((state == choice) == (common == 1))[told]
    if not told.any() or congruent.all():
        return state
    if not congruent.any():
        return 1 - state
    if "common" in model.needs:
        raise InputError(
            f"subject {name!r}: the common transition changes sides ({int(congruent.sum())} trials "
            f"one way, {int((~congruent).sum())} the other), but model {model.name!r} takes the "
            "transitions for known; models that learn them have names with 'akam_model_based'"
        )
    return state


def _beliefs(
    model: Model, choice: np.ndarray, reward: np.ndarray, session: np.ndarray, start: np.ndarray
) -> np.ndarray:
    belief = np.zeros(len(choice))
    if model.observer is None:
        return belief
    number = np.cumsum(start) - 1
    within = np.arange(len(choice)) - np.flatnonzero(start)[number]
    observer = model.observer()
    observer.start(int(number[-1]) + 1)
    for t in range(int(within.max()) + 1):
        now = np.flatnonzero(within == t)
        belief[now] = observer.belief()[number[now]]
        padded = np.zeros((3, int(number[-1]) + 1))
        padded[:, number[now]] = choice[now], reward[now], np.ones(len(now))
        observer.learn(padded[0], padded[1], padded[2] == 1)
    return belief
