"""Known tests of a network that is said to have learned to learn, whoever trained it.

A recording is enough for most: a cohort with ``value``, ``rpe`` and ``activity``, of this package
or of another program. A checkpoint is played besides without seeing its rewards, without memory
from trial to trial, and against networks like it that learned nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neuro_metarl.doctor.findings import Check, Finding
from neuro_metarl.errors import InputError
from neuro_metarl.schema import TRIAL

if TYPE_CHECKING:
    from neuro_metarl.agents.zoo import Agents

__all__ = ["CHECKS", "examine_agents", "examine_recording"]

SESSIONS, MOST_AGENTS, MOST_SESSIONS_SEEN = 40, 4, 12
ENOUGH_SESSIONS = 8
# one-sided, as multiples of the standard error over sessions
SURE = 3.0
SAME_STATE = 1e-4
# share of the steps whose prediction error is what reward and values say
CONSISTENT = 0.5


def examine_recording(cohort: xr.Dataset) -> list[Finding]:
    """Check what networks did, and what happened in them.

    Parameters
    ----------
    cohort
        A cohort whose source is ``"agent"``, dims session, trial (, event, unit).

    Returns
    -------
    list of Finding
        Of the critic, of the memory at the start of a session and within it, and of the choices.

    Examples
    --------
    >>> from neuro_metarl.recording import record
    >>> cohort = record("two-step/0", n_sessions=12, seed=1)
    >>> {f.check: f.verdict for f in examine_recording(cohort)}["critic"]
    'fine'
    """
    return [finding for check in CHECKS for finding in check(cohort)]


def _trials(cohort: xr.Dataset, name: str, *more: str) -> np.ndarray:
    return np.asarray(cohort[name].transpose(*TRIAL, *more).values, dtype=float)


def _valid(cohort: xr.Dataset) -> np.ndarray:
    return np.asarray(_trials(cohort, "valid") == 1)


def check_critic(cohort: xr.Dataset) -> list[Finding]:
    """Whether values foresee the discounted rewards better than the mean at each event does."""
    if "rpe" not in cohort or "value" not in cohort:
        return [Finding("critic", "unknown", "the recording has no value and no rpe")]
    valid = _valid(cohort)[..., None]
    error, value = (np.where(valid, _trials(cohort, n, "event"), np.nan) for n in ("rpe", "value"))
    if float(np.nanmax(value, initial=0.0) - np.nanmin(value, initial=0.0)) < SAME_STATE:
        return [Finding("critic", "wrong", "its value is the same everywhere; is it trained?")]
    reward = np.zeros_like(value)
    reward[..., -1] = np.nan_to_num(_trials(cohort, "reward"))
    error, value, reward = (v.reshape(len(v), -1) for v in (error, value, reward))
    discount, consistent = _discount(error, value, reward)
    if consistent < CONSISTENT:
        said = "rpe is not reward + discount * next value - value: not every step was recorded"
        return [Finding("critic", "unknown", said)]
    following = np.concatenate([np.nan_to_num(value[:, 1:]), np.zeros((len(value), 1))], axis=1)
    # what a step paid, penalties too, which are no reward of a trial
    reward = np.nan_to_num(error + value - discount * following)
    n_events = cohort.sizes["event"]
    returns, foreseen, event = _returns(reward, value, discount, n_events)
    usual = np.bincount(event, returns) / np.maximum(np.bincount(event), 1)
    explained = 1 - ((returns - foreseen) ** 2).sum() / ((returns - usual[event]) ** 2).sum()
    said = (
        f"its values explain {explained:.0%} of the variance of the rewards to come (discount "
        f"{discount:.2f}); the mean at each event would explain 0%"
    )
    if explained > 0:
        return [Finding("critic", "fine", said)]
    return [Finding("critic", "wrong", f"{said}; is it trained?")]


def _discount(error: np.ndarray, value: np.ndarray, reward: np.ndarray) -> tuple[float, float]:
    """Find the discount in the prediction errors; say in which share of steps it is that one."""
    following = value[:, 1:]
    left = (error + value - reward)[:, :-1]
    known = np.isfinite(left) & np.isfinite(following) & (abs(following) > SAME_STATE)
    if not known.any():
        return 0.0, 0.0
    each = left[known] / following[known]
    discount = float(np.median(each))
    return discount, float((abs(each - discount) * abs(following[known]) < SAME_STATE).mean())


def _returns(
    reward: np.ndarray, value: np.ndarray, discount: float, n_events: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum up discounted rewards to come; those that the end of a session cuts off are left out."""
    sums, total = np.zeros_like(reward), np.zeros(len(reward))
    for step in range(reward.shape[1] - 1, -1, -1):
        total = reward[:, step] + discount * total
        sums[:, step] = total
    n_steps = np.isfinite(value).sum(axis=1)
    horizon = 1 / max(1 - discount, 0.01)
    last = n_steps - np.minimum(horizon, n_steps / 5).astype(int)
    kept = np.isfinite(value) & (np.isfinite(value).cumsum(axis=1) <= last[:, None])
    event = np.broadcast_to(np.arange(reward.shape[1]) % n_events, reward.shape)
    return sums[kept], value[kept], event[kept]


def check_start(cohort: xr.Dataset) -> list[Finding]:
    """Whether memory is reset between sessions."""
    if "activity" not in cohort:
        return [Finding("memory at the start", "unknown", "the recording has no activity")]
    activity = cohort["activity"].isel(trial=0, event=0).transpose("session", "unit").values
    subjects = cohort["subject"].values
    if len(subjects) < 2 * len(set(subjects.tolist())):
        said = "too few sessions of each network to compare their starts"
        return [Finding("memory at the start", "unknown", said)]
    spread, before = 0.0, []
    for name in dict.fromkeys(subjects.tolist()):
        mine = subjects == name
        spread = max(spread, float(np.nanmax(np.nanstd(activity[mine], axis=0), initial=0.0)))
        before.append(_follows(cohort, activity, np.flatnonzero(mine)))
    if spread < SAME_STATE:
        said = "every session begins in the same state"
        return [Finding("memory at the start", "fine", said)]
    followed = float(np.mean(before))
    if followed > 0.5:
        said = f"the state at the start follows the end of the session before (r = {followed:.2f})"
        return [Finding("memory at the start", "wrong", said)]
    said = "sessions begin in different states: right if their first observations differ"
    return [Finding("memory at the start", "look", said)]


def _follows(cohort: xr.Dataset, first: np.ndarray, sessions: np.ndarray) -> float:
    """Correlate the states at the start with those at the end of the session before."""
    valid = _valid(cohort)
    ends = []
    for session in sessions[:-1]:
        last = int(np.flatnonzero(valid[session])[-1]) if valid[session].any() else 0
        end = cohort["activity"].isel(session=session, trial=last)
        steps = end.transpose("event", "unit").values
        known = steps[np.isfinite(steps).all(axis=1)]
        ends.append(known[-1] if len(known) else np.full(first.shape[1], np.nan))
    before, after = np.array(ends), first[sessions[1:]]
    before, after = before - before.mean(axis=0), after - after.mean(axis=0)
    size = np.sqrt(np.nansum(before**2) * np.nansum(after**2))
    return float(np.nansum(before * after) / size) if size else 0.0


def check_within(cohort: xr.Dataset) -> list[Finding]:
    """Whether memory is kept within a session."""
    earned, name = _earned(cohort)
    if earned is None:
        said = "no column says which option was better"
        return [Finding("learning within a session", "unknown", said)]
    n = earned.shape[1]
    n_first = max(1, min(n // 10, 10))
    first = _mean(earned[:, :n_first])
    later = _mean(earned[:, n // 2 :])
    both = np.isfinite(later - first)
    if both.sum() < ENOUGH_SESSIONS:
        return [Finding("learning within a session", "unknown", "too few sessions are that long")]
    z = _over_sessions((later - first)[both])
    said = f"{name} from {first[both].mean():.2f} to {later[both].mean():.2f} (z = {z:.1f})"
    verdict = "fine" if z > SURE else "look"
    said += "" if z > SURE else "; is its memory reset at every trial?"
    return [Finding("learning within a session", verdict, said)]  # type: ignore[arg-type]


def check_choices(cohort: xr.Dataset) -> list[Finding]:
    """Whether choices are better than chance."""
    earned, name = _earned(cohort)
    if earned is None:
        return [Finding("better than chance", "unknown", "no column says which option was better")]
    each = _mean(earned)
    each = each[np.isfinite(each)]
    if len(each) < ENOUGH_SESSIONS:
        return [Finding("better than chance", "unknown", "too few sessions")]
    z = _over_sessions(each)
    said = f"{name}: {each.mean():.2f} (z = {z:.0f})"
    if z > SURE:
        return [Finding("better than chance", "fine", said)]
    # on the way to a goal, choices at crossings are not all there is to learn
    return [Finding("better than chance", "look" if "problem" in cohort else "wrong", said)]


CHECKS: tuple[Check, ...] = (check_critic, check_start, check_within, check_choices)


def _mean(values: np.ndarray) -> np.ndarray:
    """Take the mean of each session; NaN where nothing is known of it."""
    known = np.isfinite(values)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)


def _earned(cohort: xr.Dataset) -> tuple[np.ndarray | None, str]:
    """Say how much better than a random choice each choice was, dims (session, trial)."""
    valid = _valid(cohort)
    choice = _trials(cohort, "choice").astype(int)
    if "expected_reward" in cohort or ("p_reward" in cohort and "state" not in cohort):
        name = "expected_reward" if "expected_reward" in cohort else "p_reward"
        pays = _trials(cohort, name, "option")
        here = valid & (choice >= 0) & (choice < pays.shape[-1]) & np.isfinite(pays).all(-1)
        index = np.where(here, choice, 0)
        chosen = np.take_along_axis(pays, index[..., None], axis=-1)[..., 0]
        return np.where(here, chosen - pays.mean(axis=-1), np.nan), "expected reward above chance"
    if "correct" in cohort:
        correct = _trials(cohort, "correct")
        n = int(choice.max()) + 1 if choice.max() > 1 else 2
        n = 2 if "problem" in cohort else n
        return np.where(
            valid & (correct >= 0), correct - 1 / n, np.nan
        ), "share of better choices above chance"
    return None, ""


def _over_sessions(values: np.ndarray) -> float:
    if len(values) < 2:
        return 0.0
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    mean = float(values.mean())
    return mean / error if error else float(np.sign(mean)) * 99.0


def examine_agents(agents: Agents, *, seed: int = 0) -> list[Finding]:
    """Play trained networks with and without their rewards and memory, and beside a control.

    Parameters
    ----------
    agents
        From :func:`neuro_metarl.agents.zoo.load_agents`; at most four of them play.
    seed
        Of the sessions and of the control.

    Returns
    -------
    list of Finding
        Those of :func:`examine_recording`, and whether reward and memory reach the choices, and
        whether networks like these that learned nothing earn less.

    Examples
    --------
    >>> from neuro_metarl.agents.zoo import load_agents
    >>> found = examine_agents(load_agents("two-step/0"))
    >>> {f.check: f.verdict for f in found}["reward reaches the network"]
    'fine'
    """
    from neuro_metarl.agents.zoo import untrained
    from neuro_metarl.recording.cohorts import record
    from neuro_metarl.tasks.base import VisualTask

    several = agents.select(range(min(len(agents), MOST_AGENTS)))
    n = MOST_SESSIONS_SEEN if isinstance(agents.task, VisualTask) else SESSIONS
    intact = record(several, n_sessions=n, seed=seed)
    control = untrained(several, n_agents=len(several), seed=seed)
    beside = record(control, n_sessions=n, seed=seed, activity=False)
    return [
        *examine_recording(intact),
        *_check_reward(several, intact, n, seed),
        *_check_memory(several, intact, n, seed),
        *_check_control(intact, beside),
        *_check_curve(agents),
    ]


def _check_reward(agents: Agents, intact: xr.Dataset, n: int, seed: int) -> list[Finding]:
    from neuro_metarl.perturb.perturbation import lesion_reward
    from neuro_metarl.recording.cohorts import record

    check = "reward reaches the network"
    if getattr(agents.task, "shows_reward", False):
        said = "the task shows rewards in what is observed, too; they cannot be hidden"
        return [Finding(check, "unknown", said)]
    if not agents.recipe.see_reward:
        return [Finding(check, "look", "its recipe hides rewards from it (see_reward=False)")]
    try:
        blind = record(agents, n_sessions=n, seed=seed, perturb=lesion_reward())
    except InputError as error:
        return [Finding(check, "unknown", str(error))]
    if np.array_equal(blind["activity"].values, intact["activity"].values, equal_nan=True):
        said = "whether rewards are shown to it changes nothing in it"
        return [Finding(check, "wrong", said)]
    return [_compare(check, intact, blind, "without seeing its rewards", "does it use them?")]


def _check_memory(agents: Agents, intact: xr.Dataset, n: int, seed: int) -> list[Finding]:
    from neuro_metarl.perturb.perturbation import Perturbation
    from neuro_metarl.recording.cohorts import record

    check, last = "memory from trial to trial", str(intact["event"].values[-1])
    places = ("activity", "cell") if "cell" in intact else ("activity",)
    wipe = [Perturbation(place, "clamp", 0.0, events=[last]) for place in places]  # type: ignore[arg-type]
    try:
        blank = record(agents, n_sessions=n, seed=seed, perturb=wipe, activity=False)
    except InputError as error:
        return [Finding(check, "unknown", str(error))]
    said = "its state set to 0 at the end of each trial"
    return [_compare(check, intact, blank, said, "does it remember anything?")]


def _compare(check: str, intact: xr.Dataset, changed: xr.Dataset, how: str, doubt: str) -> Finding:
    before, after = _per_session(intact), _per_session(changed)
    z = _over_sessions(before - after)
    said = f"{how} it earns {after.mean():.3g} a session, not {before.mean():.3g} (z = {z:.0f})"
    return Finding(check, "fine", said) if z > SURE else Finding(check, "look", f"{said}; {doubt}")


def _check_control(intact: xr.Dataset, beside: xr.Dataset) -> list[Finding]:
    check = "better than its control"
    before, after = _per_session(intact), _per_session(beside)
    error = np.sqrt(before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after))
    z = float((before.mean() - after.mean()) / error) if error else 0.0
    said = (
        f"it earns {before.mean():.3g} a session, networks like it that learned nothing "
        f"{after.mean():.3g} (z = {z:.0f})"
    )
    if z > SURE:
        return [Finding(check, "fine", said)]
    return [Finding(check, "wrong", f"{said}; was it trained?")]


def _check_curve(agents: Agents) -> list[Finding]:
    curve = np.asarray(agents.curve, dtype=float)
    if len(curve) < 2:
        return [Finding("learning curve", "unknown", "the checkpoint has none")]
    fell = int((curve[-1] < curve[0]).sum())
    said = f"mean reward from {curve[0].mean():.3g} to {curve[-1].mean():.3g}"
    if fell:
        return [Finding("learning curve", "look", f"{said}; {fell} of {len(agents)} fell")]
    return [Finding("learning curve", "fine", said)]


def _per_session(cohort: xr.Dataset) -> np.ndarray:
    reward = np.where(_valid(cohort), _trials(cohort, "reward"), np.nan)
    return np.asarray(np.nansum(reward, axis=1))
