"""What the data cannot tell: why the numbers of a fit should not be trusted.

A fit always gives numbers; where the data say nothing of a parameter, the number is its prior.
Causes that can be seen in the data are named (one reward value, no rare transition, a choice that
never varies, choices that bias and perseveration explain as well). Beyond these, the posterior of
each parameter is held against its weak prior on the real line:

* a weight between two systems is called untold where its natural error is above .25, or where
  posterior and prior overlap by more than .75 (of 1, the area that two densities share);
* another parameter where they overlap by more than .9, or where the posterior's SD is above .98 of
  the prior's;
* several parameters are told only together where the likelihood is flat along a direction: where
  the data's information along it, in units of the prior's, is below .02.

In simulations with an inverse temperature of 4 and 500 trials the overlap of the weight was below
.61, for true weights from .5 to 1; with random choices, one reward value or no rare transition it
was .85 to 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuro_metarl.cognitive.climbing import Climb, Problem
from neuro_metarl.cognitive.likelihood import log_odds
from neuro_metarl.cognitive.models import Parameter
from neuro_metarl.cognitive.trials import Trials

__all__ = ["learns", "overlap", "problems_of"]

WEIGHT_OVERLAP, WEIGHT_ERROR, MOST_OVERLAP, FLAT, IN_DIRECTION = 0.75, 0.25, 0.9, 0.02, 0.3
HABITS = ("bias", "bias_second", "perseveration", "perseveration_second", "weight_perseveration")
NOT_NARROWED = 0.98
CONFIDENCE, MOST_STEPS, FEW_ROWS = 0.95, 50, 60


class Reason(NamedTuple):
    """Something seen in the data, and the parameters that it leaves untold; None: all learned."""

    text: str
    untold: set[str] | None


def problems_of(problem: Problem, best: Climb) -> list[str]:
    """Say of each subject's fit why it should not be trusted.

    Parameters
    ----------
    problem
        What was fitted.
    best
        Where the climbs ended, one row per subject.

    Returns
    -------
    list of str
        One per subject; empty where nothing was found.

    Examples
    --------
    >>> from neuro_metarl import find_model, load_dataset
    >>> from neuro_metarl.cognitive.fitting import fit_trials
    >>> from neuro_metarl.cognitive.trials import trials_of
    >>> rats, model = load_dataset("synthetic-rats"), find_model("model_based")
    >>> found = fit_trials(model, trials_of(rats.assign(reward=0 * rats.reward), model), {})
    >>> problems_of(*found)[0][:48]
    'every reward is 0; bias and perseveration alone '
    """
    return ["; ".join(_of_one(problem, best, s)) for s in range(len(problem.trials.subjects))]


def _of_one(problem: Problem, best: Climb, subject: int) -> list[str]:
    found = _of_choices(problem, subject) + _of_the_climb(problem, best, subject)
    untold, directions = _against_the_prior(problem, best, subject)
    if learns(problem, subject, best.x[subject]):
        learned = {p.name for p in problem.free} - set(HABITS)
        for reason, names in (
            *_of_outcomes(problem, subject), *_of_habits(problem, best, subject, len(learned))
        ):  # fmt: skip
            found.append(reason)
            untold |= learned if names is None else names & learned
    if untold:
        listed = ", ".join(p.name for p in problem.free if p.name in untold)
        found.append(f"the data cannot tell {listed}")
    for together in directions:
        if not set(together) <= untold:
            found.append(
                f"the data cannot tell {' from '.join(together)}: they trade off against each "
                "other, and only their combination is known"
            )
    return found


def learns(problem: Problem, subject: int, x: np.ndarray) -> bool:
    """Say whether a model's choices depend on rewards at all.

    Parameters
    ----------
    problem
        What was fitted.
    subject
        Number of the subject.
    x
        Dims (free): where, on the real line.

    Returns
    -------
    bool
        The log odds change when every reward is another.

    Examples
    --------
    >>> from neuro_metarl import find_model, load_dataset
    >>> from neuro_metarl.cognitive.climbing import make_problem
    >>> from neuro_metarl.cognitive.trials import trials_of
    >>> model = find_model("model_based")
    >>> problem, mean, _ = make_problem(model, trials_of(load_dataset("synthetic-rats"), model), {})
    >>> learns(problem, 0, mean)
    True
    """
    if problem.model.observer is not None:
        return True
    some = problem.trials.of_subject(subject).beginning(FEW_ROWS)
    middle = np.array([p.weak_prior[0] for p in problem.free])
    theta = problem.full(np.stack([x, middle + 0.5]))
    odds = [
        log_odds(problem.model, trials, 0, theta, executor=problem.executor)
        for trials in (some, some.with_rewards(1.25 - some.reward))
    ]
    return not np.array_equal(odds[0], odds[1])


def overlap(mean: float, sd: float, other_mean: float, other_sd: float) -> float:
    """Give the area that two normal densities share, from 0 to 1.

    Parameters
    ----------
    mean, sd, other_mean, other_sd
        Of the two.

    Returns
    -------
    float

    Examples
    --------
    >>> overlap(0.0, 1.0, 0.0, 1.0), round(overlap(0.0, 1.0, 2.0, 1.0), 3)
    (1.0, 0.317)
    """
    from scipy.special import ndtr

    if sd > other_sd:
        mean, sd, other_mean, other_sd = other_mean, other_sd, mean, sd
    if other_sd - sd < 1e-9 * other_sd:
        return float(2 * ndtr(-abs(mean - other_mean) / (2 * sd)))
    a = 1 / sd**2 - 1 / other_sd**2
    b = mean / sd**2 - other_mean / other_sd**2
    c = (mean / sd) ** 2 - (other_mean / other_sd) ** 2 - 2 * np.log(other_sd / sd)
    root = np.sqrt(max(b * b - a * c, 0.0))
    low, high = (b - root) / a, (b + root) / a
    wide = ndtr((high - other_mean) / other_sd) - ndtr((low - other_mean) / other_sd)
    narrow = ndtr((high - mean) / sd) - ndtr((low - mean) / sd)
    return float(wide + 1 - narrow)


def _of_choices(problem: Problem, subject: int) -> list[str]:
    trials, found, total = problem.trials, [], 0
    rows = trials.rows_of(subject)
    for kind, made, respond in zip(
        ("", "second "), (trials.choice, trials.choice2), trials.respond, strict=False
    ):
        choices = made[rows][respond[rows]]
        total += len(choices)
        if len(np.unique(choices)) == 1:
            found.append(f"all {len(choices)} {kind}responses are choice {choices[0]:.0f}")
    if total <= len(problem.free):
        found.append(f"{total} responses for {len(problem.free)} parameters")
    return found


def _of_the_climb(problem: Problem, best: Climb, subject: int) -> list[str]:
    found = []
    if not best.converged[subject] or not np.isfinite(best.objective[subject]):
        found.append("the climb did not come to rest")
    far = np.abs(best.x[subject]) > 0.97 * problem.furthest
    if far.any():
        names = ", ".join(p.name for p, f in zip(problem.free, far, strict=True) if f)
        found.append(f"at the end of the range: {names}")
    return found


def _of_outcomes(problem: Problem, subject: int) -> list[Reason]:
    """Name rewards and states that never vary, over all trials that the model learns from."""
    trials, found = problem.trials, []
    rows = trials.rows_of(subject)
    reward, state = trials.reward[rows], trials.state[rows]
    if len(np.unique(reward)) == 1:
        found.append(Reason(f"every reward is {reward[0]:g}", None))
    if "state" in problem.model.needs:
        same = np.unique(state == trials.choice[rows])
        if len(same) == 1:
            kind = "rare" if same[0] else "common"
            text = f"no {kind} transition, so that planning looks like model-free learning"
            found.append(Reason(text, {"weight_model_based"}))
        elif len(np.unique(state)) == 1:
            found.append(Reason(f"the second-step state is always {state[0]:.0f}", set()))
    return found


def _of_habits(problem: Problem, best: Climb, subject: int, n_learned: int) -> list[Reason]:
    """Compare with bias and perseveration alone, which know no outcome."""
    from scipy.special import chdtri

    gain = best.log_likelihood[subject] - _habit_log_likelihood(problem.trials, subject)
    if not n_learned or gain >= 0.5 * chdtri(n_learned, 1 - CONFIDENCE):
        return []
    text = (
        "bias and perseveration alone explain the choices as well (log-likelihood "
        f"{gain:+.1f} for {n_learned} more parameters)"
    )
    return [Reason(text, None)]


def _habit_log_likelihood(trials: Trials, subject: int) -> float:
    """Maximise the likelihood of bias and perseveration, from counts of what followed what."""
    rows = trials.rows_of(subject)
    total = 0.0
    for number, made in enumerate((trials.choice, trials.choice2)[: len(trials.respond)]):
        side = 2 * made[rows] - 1
        last = np.append(0.0, side[:-1])
        last[trials.start[rows]] = 0
        respond = trials.respond[number, rows]
        levels = np.array([-1.0, 0.0, 1.0])
        n = np.array([(last[respond] == level).sum() for level in levels], float)
        ones = np.array([made[rows][respond & (last == level)].sum() for level in levels])
        total += _two_weights(levels, n, ones)
    return total


def _two_weights(levels: np.ndarray, n: np.ndarray, ones: np.ndarray) -> float:
    """Maximise a logistic regression of counts on a constant and a level, with a trace of ridge."""
    design = np.stack([np.ones_like(levels), levels], axis=1)
    w, ridge = np.zeros(2), 1e-6 * np.eye(2)
    for _ in range(MOST_STEPS):
        p = 0.5 * (1 + np.tanh(0.5 * design @ w))
        score = design.T @ (ones - n * p) - ridge @ w
        step = np.linalg.solve(design.T @ ((n * p * (1 - p))[:, None] * design) + ridge, score)
        w += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-9:
            break
    x = design @ w
    return float((ones * x - n * np.logaddexp(0, x)).sum())


def _against_the_prior(
    problem: Problem, best: Climb, subject: int
) -> tuple[set[str], list[list[str]]]:
    """Find parameters, and directions, of which the data say no more than the prior."""
    information, x = best.information[subject], best.x[subject]
    if not np.isfinite(information).all():
        return set(), []
    names = [p.name for p in problem.free]
    mean, sd = np.array([p.weak_prior for p in problem.free], float).T
    spread = np.sqrt(np.diag(np.linalg.inv(information + np.diag(sd**-2.0))))
    untold = {
        p.name for k, p in enumerate(problem.free) if _untold(p, x[k], spread[k], mean[k], sd[k])
    }
    directions = []
    values, vectors = np.linalg.eigh(information * np.outer(sd, sd))
    for value, vector in zip(values, vectors.T, strict=True):
        together = [name for name, v in zip(names, vector, strict=True) if abs(v) > IN_DIRECTION]
        if value < FLAT and len(together) > 1:
            directions.append(together)
    return untold, directions


def _untold(parameter: Parameter, x: float, spread: float, mean: float, sd: float) -> bool:
    shared = overlap(x, spread, mean, sd)
    if parameter.range == "unit" and parameter.name.startswith("weight_"):
        error = float(parameter.slope(np.array(x))) * spread
        return shared > WEIGHT_OVERLAP or error > WEIGHT_ERROR
    return shared > MOST_OVERLAP or spread > NOT_NARROWED * sd
