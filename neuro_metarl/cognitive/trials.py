"""The trials of a cohort as a model reads them, and what the task says of its parameters.

Invalid trials do not exist: they are neither learned from nor predicted. Forced trials are learned
from, and are no responses. Memory starts anew with every session.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cognitive.models import Model
from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError

__all__ = ["Trials", "known_values", "trials_of"]


@dataclass(frozen=True)
class Trials:
    """The valid trials of several subjects, one after another.

    Parameters
    ----------
    subjects
        Names.
    first
        Dims (subject + 1): where each subject's rows begin.
    choice, state, choice2, reward, belief
        Dims (row); see :class:`neuro_metarl.cognitive.models.Trial`.
    start
        Dims (row): a session begins here.
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
    start: np.ndarray
    session: np.ndarray
    place: np.ndarray
    respond: np.ndarray

    @property
    def n_responses(self) -> np.ndarray:
        """Dims (subject): choices in the likelihood."""
        counts = np.concatenate([[0], np.cumsum(self.respond.sum(0))])
        return counts[self.first[1:]] - counts[self.first[:-1]]

    def beginning(self, n_rows: int) -> Trials:
        """Keep the first rows of each subject."""
        kept = [np.arange(a, min(b, a + n_rows)) for a, b in self._spans()]
        rows = np.concatenate(kept)
        per_row = {
            name: getattr(self, name)[..., rows]
            for name in ("choice", "state", "choice2", "reward", "belief", "start", "session",
                         "place", "respond")
        }  # fmt: skip
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


def trials_of(cohort: xr.Dataset, model: Model) -> Trials:
    """Read from a cohort what a model needs.

    Parameters
    ----------
    cohort
        Dims session, trial.
    model
        The model.

    Returns
    -------
    Trials

    Raises
    ------
    InputError
        A variable is missing, a subject has no valid trial or no response, choices or rewards
        are not those that the model takes, or a subject's transitions change sides.

    Examples
    --------
    >>> from neuro_metarl import find_model, load_dataset
    >>> trials_of(load_dataset("synthetic-rats"), find_model("hybrid")).subjects[0]
    'synthetic-1'
    """
    _check_needs(cohort, model)
    parts = [_one(select_subjects(cohort, name), name, model) for name in subjects_of(cohort)]
    sessions = {}
    for name in subjects_of(cohort):
        sessions[name] = np.flatnonzero(cohort["subject"].values == name)
    for name, part in zip(sessions, parts, strict=True):
        part["session"] = sessions[name][part["session"]]
    first = np.concatenate([[0], np.cumsum([len(part["choice"]) for part in parts])])
    joined = {key: np.concatenate([p[key] for p in parts], axis=-1) for key in parts[0]}
    return Trials(subjects=tuple(sessions), first=first, **joined)


def known_values(cohort: xr.Dataset, model: Model) -> dict[str, float]:
    """Find what the task says of a model's parameters that are not fitted.

    Parameters
    ----------
    cohort
        The cohort; its ``task_config`` and nominal probabilities are looked at.
    model
        The model.

    Returns
    -------
    dict
        Of ``p_common``, ``p_reward_high``, ``p_reward_low`` those that the model has.
        ``p_common`` is the configured value, else the share of common transitions.

    Examples
    --------
    >>> from neuro_metarl import find_model, load_dataset
    >>> known_values(load_dataset("synthetic-rats"), find_model("hybrid"))
    {'p_common': 0.81}
    """
    config = json.loads(cohort.attrs.get("task_config", "{}"))
    held = {p.name for p in model.parameters if not p.free}
    values = {k: float(config[k]) for k in held if isinstance(config.get(k), (int, float))}
    if "p_common" in held - set(values) and "common" in cohort:
        common = cohort["common"].values[cohort["valid"].values == 1]
        if (common >= 0).any():
            values["p_common"] = round(float((common[common >= 0] == 1).mean()), 3)
    if "p_reward" in cohort:
        nominal = cohort["p_reward"].values
        nominal = nominal[np.isfinite(nominal)].astype(float)
        for name, pick in (("p_reward_high", np.max), ("p_reward_low", np.min)):
            if name in held - set(values) and nominal.size:
                values[name] = round(float(pick(nominal)), 6)
    return values


def _check_needs(cohort: xr.Dataset, model: Model) -> None:
    for name in ("choice", "reward", "valid", *model.needs):
        if name not in cohort:
            needed = ", ".join(("choice", "reward", *model.needs))
            other = "; models of bandits need choice and reward alone" if "state" in needed else ""
            raise InputError(
                f"model {model.name!r} needs {needed}; the cohort (task "
                f"{cohort.attrs.get('task')!r}) has no {name!r}{other}"
            )


def _one(cohort: xr.Dataset, name: str, model: Model) -> dict[str, Any]:
    def flat(variable: str, default: float = 0) -> np.ndarray:
        if variable not in cohort:
            return np.full(int(valid.sum()), float(default))
        return cohort[variable].transpose("session", "trial").values[valid].astype(float)

    valid = cohort["valid"].transpose("session", "trial").values == 1
    if not valid.any():
        raise InputError(f"subject {name!r} has no valid trial; leave the subject out")
    session, place = np.nonzero(valid)
    choice, reward, free = flat("choice"), flat("reward"), flat("forced") != 1
    if not free.any():
        raise InputError(f"subject {name!r} has no response: every valid trial is forced")
    _check_codes(name, "choice", choice, session, place)
    if model.binary:
        _check_codes(name, "reward", reward, session, place, model.name)
    state, choice2 = choice, np.zeros_like(choice)
    if "state" in model.needs:
        state = _relative_state(cohort, model, flat("state"), choice, flat("common", -1), name)
        _check_codes(name, "state", state, session, place)
    respond = [free]
    if model.n_choices == 2:
        choice2 = flat("choice2", -1)
        _check_codes(name, "choice2", choice2, session, place)
        respond.append(np.ones(len(free), bool))
    start = np.append(True, session[1:] != session[:-1])
    belief = _beliefs(model, choice, reward, session, start)
    return {
        "choice": choice, "state": state, "choice2": choice2, "reward": reward, "belief": belief,
        "start": start, "session": session, "place": place, "respond": np.array(respond),
    }  # fmt: skip


def _check_codes(
    subject: str,
    variable: str,
    values: np.ndarray,
    session: np.ndarray,
    place: np.ndarray,
    model: str = "",
) -> None:
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        k = int(wrong.argmax())
        who = f"model {model!r} takes" if model else "models take"
        raise InputError(
            f"subject {subject!r}, session {session[k]}, trial {place[k]}: {variable} is "
            f"{values[k]:g}; {who} 0 and 1"
            + ("; recode, for example cohort.assign(reward=cohort.reward > 0)" if model else "")
        )


def _relative_state(
    cohort: xr.Dataset, model: Model, state: np.ndarray, choice: np.ndarray, common: np.ndarray,
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
