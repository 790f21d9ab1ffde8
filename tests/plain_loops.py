"""Ragged cohorts, and every measure of choices written as plain loops over single trials."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from hypothesis import strategies as st

from neuro_metarl.cohort import make_cohort

TERMS = ("common_rewarded", "rare_rewarded", "common_omitted", "rare_omitted")
Trial = dict[str, Any]
Session = list[Trial | None]
"""A session's trials in order; None where there was no trial (a miss, or padding)."""


def ragged(
    seed: int, *, n_subjects: int = 2, task: str = "two-step", n_arms: int = 2
) -> xr.Dataset:
    """Sessions of different lengths with misses, forced trials, problems and graded rewards."""
    rng = np.random.default_rng(seed)
    subject = [f"s{k}" for k in range(n_subjects) for _ in range(rng.integers(1, 5))]
    n, longest = len(subject), 30
    shape = (n, longest)
    length = rng.integers(8, longest, n)
    padding = np.arange(longest) >= length[:, None]
    missed = ~padding & (rng.random(shape) < 0.2)
    valid = ~padding & ~missed
    expected = rng.random((*shape, n_arms)).astype("float32")
    unknown = rng.random(n) < 0.3
    expected[unknown, rng.integers(5, longest) :] = np.nan
    choice = rng.integers(n_arms, size=shape)
    stimulus = rng.integers(2, size=shape)
    correct = rng.integers(2, size=shape)
    correct[rng.random(shape) < 0.1] = -1
    problem = np.cumsum(rng.random(shape) < 0.15, axis=1) + 10 * rng.integers(3, size=(n, 1))
    start = np.cumsum(rng.random(shape) + 0.5, axis=1)
    table = {
        "choice": np.where(valid, choice, -1),
        "reward": np.where(valid, rng.choice([0.0, 0.5, 1.0], size=shape), np.nan),
        "valid": valid,
        "invalid_reason": np.where(padding, 1, np.where(missed, 3, 0)),
        "forced": valid & (rng.random(shape) < 0.15),
        "state": np.where(valid, rng.integers(2, size=shape), -1),
        "common": np.where(valid, rng.random(shape) < 0.7, -1),
        "correct": np.where(valid, correct, -1),
        "stimulus": np.where(valid, stimulus, -1),
        "problem": np.where(padding, -1, problem),
        "expected_reward": np.where(padding[..., None], np.nan, expected),
        "t_start": np.where(valid, start, np.nan),
        "t_goal": np.where(valid, start + 0.4 * rng.random(shape), np.nan),
    }
    if not task.startswith("two-step"):
        table = {k: v for k, v in table.items() if k not in ("state", "common")}
    return make_cohort(
        {k: np.asarray(v, float) if np.asarray(v).dtype != bool else np.asarray(v, int)
         for k, v in table.items()},
        subject=subject, task=task, source="model",
        coords={"option": ("option", np.arange(n_arms))},
    )  # fmt: skip


seeds = st.integers(0, 10**6)


def sessions_of(cohort: xr.Dataset) -> dict[str, list[Session]]:
    """Read the cohort trial by trial."""
    found: dict[str, list[Session]] = {}
    for i in range(cohort.sizes["session"]):
        one = cohort.isel(session=i)
        session: Session = []
        for j in range(cohort.sizes["trial"]):
            trial = one.isel(trial=j)
            exists = int(trial["valid"]) == 1
            session.append(
                {str(k): v.values for k, v in trial.data_vars.items()} if exists else None
            )
        found.setdefault(str(one["subject"].values), []).append(session)
    return found


def histories(
    session: Session, *, across_problems: bool, adjacent: bool
) -> Iterator[tuple[int, Trial, list[Trial]]]:
    """Give each trial with the trials before it, last first, as far as history goes."""
    before: list[Trial] = []
    for place, trial in enumerate(session):
        if trial is None:
            if adjacent:
                before = []
            continue
        if before and not across_problems and before[0].get("problem") != trial.get("problem"):
            before = []
        yield place, trial, before
        before = [trial, *before]


def term_of(trial: Trial, rewarded: float) -> str:
    """Name the kind of a two-step trial."""
    kind = "common" if trial["common"] == 1 else "rare"
    return f"{kind}_{'rewarded' if trial['reward'] > rewarded else 'omitted'}"


def pairs(
    sessions: list[Session], *, across_problems: bool, adjacent: bool
) -> Iterator[tuple[int, Trial, Trial]]:
    """Give each free response with the trial before it."""
    for session in sessions:
        for place, trial, before in histories(
            session, across_problems=across_problems, adjacent=adjacent
        ):
            if trial["forced"] == 0 and before:
                yield place, trial, before[0]


def stay_loop(
    sessions: list[Session], rewarded: float, trial: int | None = None, **how: bool
) -> dict[str, tuple[float, int]]:
    """P(stay) and number of responses by term."""
    made: dict[str, list[bool]] = defaultdict(list)
    for place, now, last in pairs(sessions, **how):
        if trial is None or place == trial:
            made[term_of(last, rewarded)].append(now["choice"] == last["choice"])
    return {t: (float(np.mean(made[t])) if made[t] else np.nan, len(made[t])) for t in TERMS}


def one_back_loop(
    sessions: list[Session], rewarded: float, *, correct: bool, **how: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Design and outcome of the one-back regression."""
    design, stayed = [], []
    for _, now, last in pairs(sessions, **how):
        x = 0.5 if last["reward"] > rewarded else -0.5
        y = 0.5 if last["common"] == 1 else -0.5
        z = {1: 0.5, 0: -0.5, -1: 0.0}[int(last["correct"])]
        design.append([1, x, y, 2 * x * y] + [z] * correct)
        stayed.append(now["choice"] == last["choice"])
    return np.array(design, float), np.array(stayed, float)


def lagged_loop(
    sessions: list[Session], kinds: list[Any], kind_of: Any, n_lags: int, **how: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Design and outcome of a regression on the last trials by their kind."""
    design, chosen = [], []
    for session in sessions:
        for _, trial, before in histories(session, **how):
            if trial["forced"] == 1:
                continue
            row = np.zeros((len(kinds), n_lags))
            for lag, earlier in enumerate(before[:n_lags]):
                side = 1 if earlier["choice"] == 1 else -1
                row[kinds.index(kind_of(earlier)), lag] = side
            design.append([1.0, *row.ravel()])
            chosen.append(float(trial["choice"]))
    return np.array(design), np.array(chosen)


def win_stay_loop(
    sessions: list[Session], rewarded: float, by: str, **how: bool
) -> tuple[list[bool], list[bool]]:
    """Stays after rewards, and shifts after omissions."""
    stays, shifts = [], []
    for _, now, last in pairs(sessions, **how):
        if by == "choice":
            same = now["choice"] == last["choice"]
        elif now["correct"] < 0 or last["correct"] < 0:
            continue
        else:
            same = now["correct"] == last["correct"]
        if last["reward"] > rewarded:
            stays.append(bool(same))
        else:
            shifts.append(not same)
    return stays, shifts


def regret_loop(sessions: list[Session]) -> tuple[list[list[float]], list[float]]:
    """Cumulated regret of each session by trial, NaN where it is not known; and its total."""
    table, totals = [], []
    for session in sessions:
        ends = max((j for j, trial in enumerate(session) if trial is not None), default=-1)
        total, row = 0.0, []
        for j, trial in enumerate(session):
            if trial is not None:
                pays = [float(p) for p in trial["expected_reward"]]
                if any(np.isnan(p) for p in pays):
                    total = np.nan
                elif trial["forced"] == 0:
                    total += max(pays) - pays[int(trial["choice"])]
            row.append(total if j <= ends else np.nan)
        table.append(row)
        totals.append(total if ends >= 0 else np.nan)
    return table, totals


def mean_of_known(values: list[float]) -> tuple[float, int]:
    """Mean and number of the values that are known."""
    known = [v for v in values if not np.isnan(v)]
    return (sum(known) / len(known) if known else np.nan), len(known)


def problems_loop(sessions: list[Session]) -> list[tuple[int, int, list[Trial]]]:
    """Session, number and valid trials of each problem."""
    found: list[tuple[int, int, list[Trial]]] = []
    for s, session in enumerate(sessions):
        current: Any = None
        for trial in session:
            if trial is None:
                continue
            number = int(trial["problem"])
            if current is None or number != current:
                found.append((s, number, []))
            current = number
            found[-1][2].append(trial)
    return found
