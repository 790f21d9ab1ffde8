"""Checks of what subjects did: mapping, forced choices, order, odds, units, copies.

The readers refuse what cannot be. These checks look for what can be, but seldom is: a column that
stands for another, rows that are not in order of time, odds of the other arm, milliseconds.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import xarray as xr

from neuro_metarl.doctor.findings import Check, Finding
from neuro_metarl.schema import TRIAL

__all__ = ["CHECKS", "examine_trials"]

# a test over thousands of trials that chance passes once in a million
SURPRISING = 5.0
# below it, nothing is known to depend on anything
WEAK = 3.0
ENOUGH, LEAST = 500, 20
SHORT_S, LONG_S = 0.2, 900.0


def examine_trials(cohort: xr.Dataset) -> list[Finding]:
    """Check what subjects did.

    Parameters
    ----------
    cohort
        A cohort, dims session, trial.

    Returns
    -------
    list of Finding
        At least one of each check that applies.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1] * 20], "reward": [[1] * 40]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> [f.verdict for f in examine_trials(cohort) if f.check == "reward"]
    ['wrong']
    """
    return [finding for check in CHECKS for finding in check(cohort)]


def _rows(cohort: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(cohort[name].transpose(*TRIAL, ...).values)


def _valid(cohort: xr.Dataset) -> np.ndarray:
    return _rows(cohort, "valid") == 1


def check_what_counts(cohort: xr.Dataset) -> list[Finding]:
    """Trials that count, and forced choices."""
    valid, undeclared = _valid(cohort), str(cohort.attrs.get("undeclared", "")).split(", ")
    exists = valid.copy()
    if "invalid_reason" in cohort:
        exists |= _rows(cohort, "invalid_reason") > 1
    share = valid.sum() / max(exists.sum(), 1)
    found = []
    if "valid" in undeclared:
        said = "no column says which trials were missed or aborted, so all were counted"
        found.append(Finding("valid", "look", said))
    elif share < 0.5:
        said = f"only {share:.0%} of {exists.sum()} trials count; is 1 the code of what counts?"
        found.append(Finding("valid", "look", said))
    else:
        found.append(Finding("valid", "fine", f"{valid.sum()} of {exists.sum()} trials count"))
    if "forced" in undeclared:
        said = "no column says which choices were forced, so all were taken for free ones"
        return [*found, Finding("forced", "look", said)]
    if "forced" not in cohort:
        return found
    forced = valid & (_rows(cohort, "forced") == 1)
    share = forced.sum() / max(valid.sum(), 1)
    if share > 0.5:
        said = f"{share:.0%} of the trials are forced; is 1 the code of a forced choice?"
        return [*found, Finding("forced", "look", said)]
    sides = np.unique(_rows(cohort, "choice")[forced])
    if forced.sum() >= LEAST and len(sides) == 1:
        said = (
            f"all {forced.sum()} forced choices are {sides[0]}; is it the column of another flag?"
        )
        return [*found, Finding("forced", "look", said)]
    return [*found, Finding("forced", "fine", f"{share:.0%} of the trials are forced")]


def check_mapping(cohort: xr.Dataset) -> list[Finding]:
    """Whether ``common`` means one mapping from choice to state in each subject."""
    if "common" not in cohort or "state" not in cohort:
        return []
    choice, state, common = (_rows(cohort, n) for n in ("choice", "state", "common"))
    known = _valid(cohort) & (choice >= 0) & (state >= 0) & (common >= 0)
    if not known.any():
        return [Finding("mapping", "unknown", "no transition is known")]
    names = cohort["subject"].values.astype(str)
    leads_to_own = (choice == state) == (common == 1)
    found = []
    if "common_from" in cohort.attrs:
        said = "no column says which transitions were common: the more frequent mapping was taken"
        found.append(Finding("mapping", "look", said))
    straight, rare, turning = [], [], []
    for name in dict.fromkeys(names.tolist()):
        mine = known & (names == name)[:, None]
        if not mine.any():
            continue
        share = float(leads_to_own[mine].mean())
        straight.append(share > 0.5)
        often = float((common[mine] == 1).mean())
        rare += [f"{name} ({often:.0%})"] * (mine.sum() >= LEAST and often < 0.6)
        turning += [f"{name} ({min(share, 1 - share):.0%})"] * (0.01 < share < 0.99)
    if rare:
        said = f"transitions called common are not the frequent ones in {_listed(rare)}"
        found.append(Finding("mapping", "wrong", said))
    if turning:
        said = (
            f"'common' changes which state a choice leads to in {_listed(turning)}: right where "
            "transitions are reversed (Akam), else codes or rows are mixed"
        )
        found.append(Finding("mapping", "look", said))
    if not rare and not turning:
        sides = f"{sum(straight)} of {len(straight)} subjects have choice 0 to state 0"
        found.append(Finding("mapping", "fine", f"one mapping within each subject; {sides}"))
    return found


def check_order(cohort: xr.Dataset) -> list[Finding]:
    """Whether trials are in the order in which they were played."""
    found = _check_times(cohort)
    valid, choice, reward = _valid(cohort), _rows(cohort, "choice"), _rows(cohort, "reward")
    for name, values in (("reward", reward), ("choice", choice)):
        n_sorted, n_sessions = _sorted_sessions(values, valid)
        if n_sessions and n_sorted > n_sessions / 2:
            said = f"{n_sorted} of {n_sessions} sessions are sorted by {name}; were rows sorted?"
            return [*found, Finding("order", "wrong" if name == "reward" else "look", said)]
    strongest, n = _carried_over(cohort)
    if n < ENOUGH:
        said = f"{n} pairs of trials are too few to see whether choices depend on the trial before"
        return [*found, Finding("order", "unknown", said)]
    if strongest < WEAK:
        said = f"in {n} pairs of trials choices do not depend on the trial before; shuffled rows?"
        return [*found, Finding("order", "look", said)]
    said = f"choices depend on the trial before (z = {strongest:.0f})"
    return [*found, Finding("order", "fine", said)]


def _check_times(cohort: xr.Dataset) -> list[Finding]:
    valid = _valid(cohort)
    for name in sorted(str(n) for n in cohort.data_vars if str(n).startswith("t_")):
        times = np.where(valid, _rows(cohort, name), np.nan)
        steps = [np.diff(row[np.isfinite(row)]) for row in times]
        if any((step < 0).any() for step in steps):
            back = sum(int((step < 0).sum()) for step in steps)
            return [Finding("order", "wrong", f"{name} goes back in time {back} times")]
        every = np.concatenate(steps) if steps else np.empty(0)
        if len(every) and not SHORT_S <= np.median(every) <= LONG_S:
            said = f"{name}: {np.median(every):.3g} s from trial to trial; is it in seconds?"
            return [Finding("units of time", "look", said)]
        if len(every):
            said = f"{name}: {np.median(every):.3g} s from trial to trial"
            return [Finding("units of time", "fine", said)]
    return []


def _sorted_sessions(values: np.ndarray, valid: np.ndarray) -> tuple[int, int]:
    """Count sessions with one change only, and all that are long and mixed enough to tell."""
    n_sorted = n_sessions = 0
    for row, there in zip(values, valid, strict=True):
        mine = row[there & np.isfinite(row)]
        counts = Counter(mine.tolist()).values()
        if len(mine) >= LEAST and len(counts) > 1 and min(counts) >= 5:
            n_sessions += 1
            n_sorted += int((mine[1:] != mine[:-1]).sum()) == len(counts) - 1
    return n_sorted, n_sessions


def _carried_over(cohort: xr.Dataset) -> tuple[float, int]:
    """Find how far a choice depends on the choice, reward and transition before it, as |z|."""
    valid, choice = _valid(cohort), _rows(cohort, "choice")
    reward = np.nan_to_num(_rows(cohort, "reward"))
    free = valid & (_rows(cohort, "forced") != 1) if "forced" in cohort else valid
    pairs = valid[:, :-1] & free[:, 1:] & (choice[:, :-1] >= 0) & (choice[:, 1:] >= 0)
    stays = (choice[:, 1:] == choice[:, :-1]).astype(float)
    before = [_centered(reward[:, :-1], pairs)]
    if "common" in cohort:
        common = _centered(_rows(cohort, "common")[:, :-1].astype(float), pairs)
        before += [common, before[0] * common]
    stays = _centered(stays, pairs)
    z = [_z(stays, other, pairs) for other in before]
    n_options = int(choice.max()) + 1
    for option in range(min(n_options, 12)):
        now, then = (
            _centered((part == option).astype(float), pairs)
            for part in (choice[:, 1:], choice[:, :-1])
        )
        z.append(_z(now, then, pairs))
    return max(z, default=0.0), int(pairs.sum())


def _centered(values: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Take away each session's mean."""
    counts = np.maximum(pairs.sum(axis=1, keepdims=True), 1)
    mean = (values * pairs).sum(axis=1, keepdims=True) / counts
    return np.asarray((values - mean) * pairs)


def _z(first: np.ndarray, second: np.ndarray, pairs: np.ndarray) -> float:
    spread = np.sqrt((first**2).sum() * (second**2).sum() / max(pairs.sum(), 1))
    return float(abs((first * second).sum()) / spread) if spread else 0.0


def check_odds(cohort: xr.Dataset) -> list[Finding]:
    """Whether rewards came as often as the odds say."""
    if "p_reward" not in cohort:
        return _check_expected(cohort) if "expected_reward" in cohort else []
    taken = _rows(cohort, "state") if "state" in cohort else _rows(cohort, "choice")
    odds, reward = _rows(cohort, "p_reward"), _rows(cohort, "reward")
    n_options = odds.shape[-1]
    there = _valid(cohort) & (taken >= 0) & (taken < n_options) & np.isfinite(odds).all(-1)
    if not there.any() or not set(np.unique(reward[there]).tolist()) <= {0.0, 1.0}:
        return [Finding("odds", "unknown", "rewards are not 0 and 1, or no odds are known")]
    outcome, index = reward[there].astype(bool), taken[there].astype(int)
    each = odds[there]
    p = each[np.arange(len(index)), index]
    fits = [_log_likelihood(each[np.arange(len(index)), (index + k) % n_options], outcome)
            for k in range(n_options)]  # fmt: skip
    if max(fits) > fits[0] + SURPRISING:
        said = "rewards follow the odds of another option; are the columns of p_reward exchanged?"
        return [Finding("odds", "wrong", said)]
    impossible = int(((p == 0) & outcome).sum() + ((p == 1) & ~outcome).sum())
    variance = (p * (1 - p)).sum()
    z = float((outcome - p).sum() / np.sqrt(variance)) if variance else 0.0
    compared = f"{outcome.mean():.0%} were rewarded, the odds say {p.mean():.0%}"
    if impossible:
        said = f"{impossible} outcomes have a probability of 0; {compared}"
        return [Finding("odds", "look", said)]
    if abs(z) > SURPRISING:
        return [Finding("odds", "look", f"{compared} (z = {z:.0f}); are they of these trials?")]
    return [Finding("odds", "fine", compared)]


def _check_expected(cohort: xr.Dataset) -> list[Finding]:
    choice, reward = _rows(cohort, "choice"), _rows(cohort, "reward")
    expected = _rows(cohort, "expected_reward")
    n_options = expected.shape[-1]
    there = _valid(cohort) & (choice >= 0) & np.isfinite(expected).all(-1) & np.isfinite(reward)
    if not there.any():
        return [Finding("odds", "unknown", "no expected reward is known")]
    index, each = choice[there].astype(int), expected[there]
    errors = [float(((reward[there] - each[np.arange(len(index)), (index + k) % n_options]) ** 2)
              .mean()) for k in range(n_options)]  # fmt: skip
    compared = (
        f"the mean reward is {reward[there].mean():.3g}, expected were "
        f"{each[np.arange(len(index)), index].mean():.3g}"
    )
    if len(index) >= ENOUGH and min(errors) < 0.95 * errors[0]:
        said = f"rewards are nearer to what another arm pays; are arms exchanged? {compared}"
        return [Finding("odds", "wrong", said)]
    return [Finding("odds", "fine", compared)]


def _log_likelihood(p: np.ndarray, outcome: np.ndarray) -> float:
    p = np.clip(p, 1e-3, 1 - 1e-3)
    return float(np.log(np.where(outcome, p, 1 - p)).sum())


def check_values(cohort: xr.Dataset) -> list[Finding]:
    """Whether choices and rewards vary, and what is coded how."""
    valid = _valid(cohort)
    reward, choice = _rows(cohort, "reward")[valid], _rows(cohort, "choice")[valid]
    levels = np.unique(reward[np.isfinite(reward)])
    shown = ", ".join(f"{v:g}" for v in levels[:6]) + ", ..." * (len(levels) > 6)
    found = []
    if len(levels) < 2:
        said = f"is {shown or 'never known'} on every trial; is it the column of another thing?"
        # who solves a maze is rewarded each time
        kind = "look" if "problem" in cohort else "wrong"
        found.append(Finding("reward", kind, said))  # type: ignore[arg-type]
    elif len(levels) == 2 and set(levels.tolist()) != {0.0, 1.0}:
        said = f"has the values {shown}; are they amounts, or codes of reward and none?"
        found.append(Finding("reward", "look", said))
    else:
        found.append(Finding("reward", "fine", f"has the values {shown}"))
    counts = Counter(choice[choice >= 0].tolist())
    top, n = counts.most_common(1)[0] if counts else (0, 0)
    if sum(counts.values()) >= LEAST and n > 0.98 * sum(counts.values()):
        said = f"{n} of {sum(counts.values())} choices are {top}; is it the column of a choice?"
        return [*found, Finding("choice", "look", said)]
    shares = ", ".join(f"{k}: {counts[k] / sum(counts.values()):.0%}" for k in sorted(counts)[:6])
    return [*found, Finding("choice", "fine", f"options chosen: {shares}")]


def check_copies(cohort: xr.Dataset) -> list[Finding]:
    """Whether two sessions are the same, and two names may be one subject."""
    seen: dict[bytes, str] = {}
    names, found = cohort["session_id"].values.astype(str), []
    valid, choice, reward = _valid(cohort), _rows(cohort, "choice"), _rows(cohort, "reward")
    twice = []
    for k, name in enumerate(names.tolist()):
        mine = valid[k]
        if mine.sum() < 2 * LEAST or len(np.unique(choice[k][mine])) < 2:
            continue
        content = choice[k][mine].tobytes() + reward[k][mine].tobytes()
        if seen.setdefault(content, name) != name:
            twice.append(f"{seen[content]} and {name}")
    if twice:
        said = f"choices and rewards are the same in {_listed(twice)}"
        found.append(Finding("copies", "wrong", said))
    subjects = dict.fromkeys(cohort["subject"].values.astype(str).tolist())
    alike = Counter("".join(s.split()).casefold() for s in subjects)
    doubtful = [s for s in subjects if alike["".join(s.split()).casefold()] > 1]
    if doubtful:
        found.append(Finding("subjects", "look", f"may be one: {_listed(map(repr, doubtful))}"))
    if not found:
        found.append(Finding("copies", "fine", f"no two of {len(names)} sessions are the same"))
    return found


def check_activity(cohort: xr.Dataset) -> list[Finding]:
    """Whether units do something, and were recorded."""
    if "activity" not in cohort:
        return []
    activity = cohort["activity"]
    others = [dim for dim in activity.dims if dim != "unit"]
    recorded = activity.notnull().any(others).values
    low, high = activity.min(others).values, activity.max(others).values
    still = recorded & (low == high)
    n = len(recorded)
    if (~recorded).any():
        return [Finding("units", "look", f"{(~recorded).sum()} of {n} units have no value at all")]
    if still.mean() > 0.5:
        return [Finding("units", "wrong", f"{still.sum()} of {n} units never change")]
    if still.any():
        return [Finding("units", "look", f"{still.sum()} of {n} units never change")]
    said = f"{n} units, from {np.nanmin(low):.3g} to {np.nanmax(high):.3g}"
    return [Finding("units", "fine", said)]


def _listed(names: object) -> str:
    every = list(names)  # type: ignore[call-overload]
    return ", ".join(every[:3]) + f" and {len(every) - 3} more" * (len(every) > 3)


CHECKS: tuple[Check, ...] = (
    check_values,
    check_what_counts,
    check_mapping,
    check_order,
    check_odds,
    check_copies,
    check_activity,
)
