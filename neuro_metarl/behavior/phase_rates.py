"""How fast a subject learns in the stable and in the volatile phases of its sessions.

Learning rates differ from phase to phase within a session; :mod:`.learning_rates` is for sessions
of one volatility each.

References
----------
Behrens et al. 2007, doi:10.1038/nn1954.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import xarray as xr

from neuro_metarl.behavior.rows import Rows, read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, session_interval

__all__ = ["LEAST_TRIALS", "PHASES", "phase_learning_rates"]

PHASES = ("stable", "volatile")
STATISTIC = ["value", "low", "high"]
LEAST_TRIALS = 20
# logit of the learning rate and log of the inverse temperature: where they are looked for
RATES, TEMPERATURES = (-6.0, 6.0), (float(np.log(0.1)), float(np.log(60.0)))
ZOOMS, POINTS, STEP, POLISH = 3, 17, 0.05, 3


def phase_learning_rates(
    cohort: xr.Dataset,
    *,
    update: Literal["both", "chosen"] = "both",
    part: float = 0.5,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Fit the learning rate of a delta rule to each kind of phase, by maximum likelihood.

    Parameters
    ----------
    cohort
        Cohort of two arms, rewards of 0 and 1, with the phase of each trial in ``problem``: 0
        stable, 1 volatile.
    update
        ``"both"``: exactly one arm pays on each trial, so that every outcome tells which, and arm
        0's probability moves on every trial. ``"chosen"``: arms pay independently, and the value of
        the chosen arm alone moves.
    part
        Share of each phase, at its end, whose responses count: its beginning is about the change.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``learning_rate`` and ``inverse_temperature`` (subject, phase, statistic);
        ``rate_ratio`` (subject, statistic), volatile over stable; ``reward_rate`` (subject, phase)
        on all trials of the phase; ``at_bound`` (subject, phase), 1 where the inverse temperature
        is at a limit of the search, 0.1 or 60, as for a chooser who makes no errors or none but
        errors: the learning rate is then still what orders the choices best; ``n`` (subject,
        phase), responses.

    Raises
    ------
    InputError
        More arms than two, other rewards, no ``problem`` of 0 and 1, a phase that a subject never
        had, or a phase of fewer than 20 valid trials.

    Notes
    -----
    Values start at 1/2 in each session and are carried on through its phases with the learning
    rate that is being fitted; ``logit P(choice 0) = inverse_temperature (v_0 - v_1)``. Imposed
    choices are learned from and are no responses. Intervals are on the scales of the search (log
    odds of the rate, logarithm of the temperature); what the other sessions give when one is left
    out is one Newton step away from what all give.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> player = make_player("delta-rule", learning_rate=0.3, inverse_temperature=6.0)
    >>> rates = phase_learning_rates(record(player, "bandit-volatility", 100, seed=1))
    >>> rates.learning_rate.sel(statistic="value").values.round(1)
    array([[0.3, 0.3]])
    """
    if update not in ("both", "chosen"):
        raise InputError(f"update is {update!r}, expected 'both' or 'chosen'")
    if not 0 < part <= 1:
        raise InputError(f"part is {part}, expected a share above 0, at most 1")
    verb = "phase_learning_rates"
    subjects = read_rows(cohort, verb, needs=("problem",), across_problems=True)
    problem = cohort["problem"].transpose("session", "trial").values
    owner, tables, ratios, paid, counted = cohort["subject"].values.astype(str), [], [], [], []
    for name, rows in subjects.items():
        phase = problem[owner == name][rows.session, rows.position]
        _check(rows, phase)
        late = _late(rows, phase, part) & ~rows.forced
        fits = [_fit(rows, late & (phase == k), update) for k in (0, 1)]
        tables.append([session_interval(*fit, confidence) for fit in fits])
        ratios.append(_ratio(fits, confidence))
        paid.append([float(rows.reward[phase == k].mean()) for k in (0, 1)])
        counted.append([int((late & (phase == k)).sum()) for k in (0, 1)])
    table = np.array(tables)
    dims, at = ("subject", "phase", "statistic"), table[:, :, 1, 0]
    return xr.Dataset(
        {
            "learning_rate": (dims, _rate(table[:, :, 0])),
            "inverse_temperature": (dims, np.exp(table[:, :, 1])),
            "rate_ratio": (("subject", "statistic"), np.array(ratios)),
            "reward_rate": (("subject", "phase"), np.array(paid)),
            "at_bound": (("subject", "phase"), _at_bound(at).astype("int8")),
            "n": (("subject", "phase"), np.array(counted)),
        },
        coords={"subject": list(subjects), "phase": list(PHASES), "statistic": STATISTIC},
        attrs={
            "interval": OVER_SESSIONS, "confidence": confidence, "update": update, "part": part,
        },
    )  # fmt: skip


def _check(rows: Rows, phase: np.ndarray) -> None:
    if rows.choice.size and rows.choice.max() > 1:
        raise InputError(
            f"subject {rows.subject!r} has choice {rows.choice.max()}; phase_learning_rates takes "
            "two arms, 0 and 1"
        )
    if not np.isin(rows.reward, (0, 1)).all():
        raise InputError(
            f"subject {rows.subject!r}: {rows.rewards()}; phase_learning_rates takes 0 and 1"
        )
    if not np.isin(phase, (0, 1)).all():
        odd = phase[~np.isin(phase, (0, 1))][0]
        raise InputError(
            f"subject {rows.subject!r}: 'problem' is {odd} on a valid trial; expected the phase, 0 "
            "(stable) or 1 (volatile)"
        )
    for number, label in enumerate(PHASES):
        if not (phase == number).any():
            raise InputError(
                f"subject {rows.subject!r} has no {label} phase: 'problem' is never {number}"
            )


def _late(rows: Rows, phase: np.ndarray, part: float) -> np.ndarray:
    """Mark the last share of each run of trials of one phase."""
    new = np.ones(len(phase), bool)
    new[1:] = (rows.session[1:] != rows.session[:-1]) | (phase[1:] != phase[:-1])
    run = np.cumsum(new) - 1
    length = np.bincount(run)
    if length.min() < LEAST_TRIALS:
        short = int(np.argmin(length))
        raise InputError(
            f"subject {rows.subject!r}, session {rows.session[new][short]}: a phase has "
            f"{length.min()} valid trials, expected at least {LEAST_TRIALS}"
        )
    place = np.arange(len(phase)) - np.flatnonzero(new)[run]
    return place >= (1 - part) * length[run]


def _leads(rows: Rows, rates: np.ndarray, update: str) -> np.ndarray:
    """Return v(chosen) - v(other) at each trial, dims (rate, row)."""
    n_sessions, n_trials = rows.shape
    at = rows.session, rows.position
    choice, won = np.zeros(rows.shape, int), np.zeros(rows.shape)
    there = np.zeros(rows.shape, bool)
    choice[at], won[at], there[at] = rows.choice, rows.reward, True
    first = ((choice == 0) == (won == 1)).astype(float)
    values = np.full((len(rates), n_sessions, 2), 0.5)
    table, each = np.zeros((len(rates), *rows.shape)), np.arange(n_sessions)
    for t in range(n_trials):
        chosen, rate = choice[:, t], rates[:, None] * there[:, t]
        table[:, :, t] = values[:, each, chosen] - values[:, each, 1 - chosen]
        if update == "both":
            values[:, :, 0] += rate * (first[:, t] - values[:, :, 0])
            values[:, :, 1] = 1 - values[:, :, 0]
        else:
            old = values[:, each, chosen]
            values[:, each, chosen] = old + rate * (won[:, t] - old)
    return np.asarray(table[:, at[0], at[1]])


Fit = tuple[np.ndarray, np.ndarray, np.ndarray]


def _fit(rows: Rows, counts: np.ndarray, update: str) -> Fit:
    """Return the maximum, (logit rate, log temperature), that of other sessions, and its error."""

    def table(rates: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
        """Return log likelihoods, dims (rate, temperature, response)."""
        lead = _leads(rows, _rate(rates), update)[:, counts]
        return -np.logaddexp(0, -np.exp(temperatures)[:, None] * lead[:, None])

    bounds = np.array([RATES, TEMPERATURES])
    low, high = bounds.T.copy()
    for _ in range(ZOOMS):
        axes = [np.linspace(a, b, POINTS) for a, b in zip(low, high, strict=True)]
        found = np.stack([table(axes[0], t[None])[:, 0].sum(axis=-1) for t in axes[1]], axis=1)
        k = np.unravel_index(int(found.argmax()), found.shape)
        best = np.array([axis[i] for axis, i in zip(axes, k, strict=True)])
        width = (high - low) / 8
        low, high = (np.clip(best + s * width, bounds[:, 0], bounds[:, 1]) for s in (-1, 1))
    best, near = _polish(table, best, bounds)
    by_session = np.zeros((rows.shape[0], 3, 3))
    np.add.at(by_session, rows.session[counts], near.transpose(2, 0, 1))
    there = np.bincount(rows.session[counts], minlength=rows.shape[0]) > 0
    others, error = _without_each(by_session.transpose(1, 2, 0), free=not _at_bound(best[1]))
    return best, np.where(there[:, None], best + others, np.nan), error


def _polish(
    table: Callable[[np.ndarray, np.ndarray], np.ndarray], best: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Climb by Newton's steps; return the maximum and log likelihoods around it, (3, 3, row)."""

    def around(at: np.ndarray) -> np.ndarray:
        return table(at[0] + STEP * np.arange(-1, 2), at[1] + STEP * np.arange(-1, 2))

    near = around(best)
    for _ in range(POLISH):
        slope, bend = _slopes(near.sum(axis=-1, keepdims=True), 1 if _at_bound(best[1]) else 2)
        if np.linalg.eigvalsh(bend[0]).max() >= 0:
            break
        step = np.zeros(2)
        step[: slope.shape[1]] = -np.linalg.solve(bend[0], slope[0])
        closer = np.clip(best + step, bounds[:, 0], bounds[:, 1])
        found = around(closer)
        if not found[1, 1].sum() > near[1, 1].sum():
            break
        best, near = closer, found
    return best, near


def _slopes(near: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first and second differences, of the rate alone if ``size`` is 1; near (3, 3, n)."""
    n = near.shape[-1]
    slope, bend = np.zeros((n, 2)), np.zeros((n, 2, 2))
    for k, line in enumerate((near[:, 1], near[1])):
        slope[:, k] = (line[2] - line[0]) / (2 * STEP)
        bend[:, k, k] = (line[2] - 2 * line[1] + line[0]) / STEP**2
    corners = near[2, 2] - near[2, 0] - near[0, 2] + near[0, 0]
    bend[:, 0, 1] = bend[:, 1, 0] = corners / (4 * STEP**2)
    return slope[:, :size], bend[:, :size, :size]


def _without_each(by_session: np.ndarray, *, free: bool) -> tuple[np.ndarray, np.ndarray]:
    """Step from the maximum to that without each session; log likelihoods (3, 3, session).

    Where the temperature is at its limit it stays there: ``free`` is false.
    """
    size = 2 if free else 1
    slope, bend = _slopes(by_session, size)
    steps, error = np.zeros((len(slope), 2)), np.zeros(2)
    if np.linalg.eigvalsh(bend.sum(axis=0)).max() >= 0:
        return np.full(steps.shape, np.nan), error
    steps[:, :size] = np.linalg.solve(bend.sum(axis=0) - bend, slope[..., None])[..., 0]
    error[:size] = np.sqrt(np.diag(np.linalg.inv(-bend.sum(axis=0))))
    return steps, error


def _ratio(fits: list[Fit], confidence: float) -> np.ndarray:
    """Return the volatile phase's rate over the stable one's, and its interval."""
    stable, volatile = (np.log(_rate(best[:1])) for best, _, _ in fits)
    others = [np.log(_rate(np.where(np.isnan(o[:, :1]), b[:1], o[:, :1]))) for b, o, _ in fits]
    # d log(rate) = (1 - rate) d logit(rate)
    errors = [(1 - _rate(best[:1])) * error[:1] for best, _, error in fits]
    return np.asarray(np.exp(session_interval(
        volatile - stable, others[1] - others[0], np.hypot(*errors), confidence
    )[0]))  # fmt: skip


def _at_bound(log_temperature: np.ndarray) -> np.ndarray:
    low, high = TEMPERATURES
    return np.asarray((log_temperature < low + 0.02) | (log_temperature > high - 0.02))


def _rate(logit: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))
