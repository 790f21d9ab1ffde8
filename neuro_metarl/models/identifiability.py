"""What the data cannot tell: why the numbers of a fit should not be trusted.

A fit always gives numbers; where the data say nothing of a parameter, the number is its prior.
Causes that can be seen in the data are named (one reward value, no rare transition, a choice that
never varies, choices that bias and perseveration explain as well). Beyond these, the posterior of
each parameter is held against its weak prior on the real line:

* a weight between two systems is called untold where its natural error is above .25, or where
  the posterior's SD is above .7 of the prior's;
* another parameter where posterior and prior overlap by more than .9 (of 1, the area that two
  densities share), or where the posterior's SD is above .98 of the prior's;
* several parameters are told only together where the likelihood is flat along a direction: where
  the data's information along it, in units of the prior's, is below .02.

With one reward value or without rare transitions there is no weight between planning and model-free
learning, whatever its posterior: its estimate is refused (:func:`refused`).

In simulations of 12 subjects (inverse temperature 4; 300, 500, 1,000 and 5,000 trials; two seeds
each) weights of .5 and .8 were never called untold, those of pure planners in 4 of 96 subjects, and
those of random subjects in all 96.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuro_metarl.models.climbing import Climb, Problem
from neuro_metarl.models.model import Trial, theta_type
from neuro_metarl.models.trials import Trials

__all__ = ["learns", "overlap", "problems_of", "refused"]

WEIGHT_RATIO, WEIGHT_ERROR, MOST_OVERLAP, FLAT, IN_DIRECTION = 0.7, 0.25, 0.9, 0.02, 0.3
HABITS, BETWEEN = ("bias", "perseveration", "weight_perseveration"), ("weight_", "share_")
NOT_NARROWED = 0.98
CONFIDENCE, MOST_STEPS = 0.95, 50
FEW_TRIALS = tuple(
    (float(c), float(s), float(d), float(r))
    for c, s, d, r in ((0, 0, 1, 1), (1, 0, 0, 0), (1, 1, 1, 0), (0, 1, 0, 1), (1, 1, 0, 1)) * 2
)


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
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import find_model
    >>> from neuro_metarl.models.fitting import fit_trials
    >>> from neuro_metarl.models.trials import trials_of
    >>> rats, model = load_dataset("synthetic-rats"), find_model("model_based")
    >>> found = fit_trials(model, trials_of(rats.assign(reward=0 * rats.reward), model), {})
    >>> problems_of(*found)[0][:48]
    'every reward is 0; bias and perseveration alone '
    """
    untold, directions = _against_the_prior(problem, best)
    habits = _habit_log_likelihood(problem.trials) if learns(problem) else None
    texts = []
    for subject in range(len(problem.trials.subjects)):
        found = _of_choices(problem, subject) + _of_the_climb(problem, best, subject)
        reasons = []
        if habits is not None:
            gain = float(best.log_likelihood[subject] - habits[subject])
            reasons = [*_of_outcomes(problem, subject), *_of_habits(problem, gain)]
        texts.append("; ".join([
            *found, *_named(problem, reasons, untold[subject], directions[subject])
        ]))  # fmt: skip
    return texts


def _named(
    problem: Problem, reasons: list[Reason], untold: set[str], directions: list[list[str]]
) -> list[str]:
    """Give the reasons, and name every parameter that they leave untold once."""
    learned = {p.name for p in problem.free if not p.name.startswith(HABITS)}
    for reason in reasons:
        untold = untold | (learned if reason.untold is None else reason.untold & learned)
    found = [reason.text for reason in reasons]
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


def refused(problem: Problem) -> np.ndarray:
    """Say which weights between two systems have no meaning in a subject's data.

    Parameters
    ----------
    problem
        What was fitted.

    Returns
    -------
    numpy.ndarray
        Dims (subject, free): true for a weight or share from 0 to 1 where every reward is the same,
        and for one of planning where no transition is rare, or none common.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import find_model
    >>> from neuro_metarl.models.climbing import make_problem
    >>> from neuro_metarl.models.trials import trials_of
    >>> rats, model = load_dataset("synthetic-rats"), find_model("hybrid")
    >>> same = rats.assign(reward=0 * rats.reward + 1)
    >>> bool(refused(make_problem(model, trials_of(same, model), {})[0]).any())
    True
    """
    weight = _between_systems(problem)
    untold = np.zeros((len(problem.trials.subjects), len(problem.free)), bool)
    for subject in range(len(untold) if weight.any() else 0):
        for reason in _of_outcomes(problem, subject):
            named = [reason.untold is None or p.name in reason.untold for p in problem.free]
            untold[subject] |= weight & named
    return untold


def _between_systems(problem: Problem) -> np.ndarray:
    return np.array([p.range == "unit" and p.name.startswith(BETWEEN) for p in problem.free])


def learns(problem: Problem) -> bool:
    """Say whether a model's choices depend on rewards at all.

    Parameters
    ----------
    problem
        What was fitted; its trials play no part.

    Returns
    -------
    bool
        The log odds of a few trials change when every reward is another.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import find_model
    >>> from neuro_metarl.models.climbing import make_problem
    >>> from neuro_metarl.models.trials import trials_of
    >>> rats = load_dataset("synthetic-rats")
    >>> for name in ("model_based", "side_kernel"):
    ...     model = find_model(name)
    ...     learns(make_problem(model, trials_of(rats, model), {})[0])
    True
    False
    """
    model = problem.model
    if model.observer is not None:
        return True
    middle = np.array([p.weak_prior[0] for p in problem.free]) + 0.5
    theta = theta_type(tuple(model.parameter_map))(*problem.full(0, middle).tolist())
    odds = []
    with np.errstate(all="ignore"):
        for other in (False, True):
            memory, seen = model.initial, []
            for choice, state, choice2, reward in FEW_TRIALS:
                paid = 1.0 - reward if other else reward
                trial = Trial(choice, state, choice2, paid, 0.5)
                logits, memory = model.step(memory, trial, theta)
                seen += [float(x) for x in logits]
            odds.append(seen)
    return odds[0] != odds[1]


def overlap(
    mean: np.ndarray, sd: np.ndarray, other_mean: np.ndarray, other_sd: np.ndarray
) -> np.ndarray:
    """Give the area that two normal densities share, from 0 to 1.

    Parameters
    ----------
    mean, sd, other_mean, other_sd
        Of the two; numbers or arrays.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> overlap(0.0, 1.0, np.array([0.0, 2.0]), 1.0).round(3).tolist()
    [1.0, 0.317]
    """
    from scipy.special import ndtr

    mean, sd, other_mean, other_sd = np.broadcast_arrays(mean, sd, other_mean, other_sd)
    turn = sd > other_sd
    m, n = np.where(turn, other_mean, mean), np.where(turn, mean, other_mean)
    s, t = np.where(turn, other_sd, sd), np.where(turn, sd, other_sd)
    same = t - s < 1e-9 * t
    t = np.where(same, 2 * s, t)
    a = 1 / s**2 - 1 / t**2
    b = m / s**2 - n / t**2
    c = (m / s) ** 2 - (n / t) ** 2 - 2 * np.log(t / s)
    root = np.sqrt(np.maximum(b * b - a * c, 0.0))
    low, high = (b - root) / a, (b + root) / a
    wide = ndtr((high - n) / t) - ndtr((low - n) / t)
    narrow = ndtr((high - m) / s) - ndtr((low - m) / s)
    return np.where(same, 2 * ndtr(-np.abs(m - n) / (2 * s)), wide + 1 - narrow)


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
            found.append(Reason(text, {"weight_model_based", "share_model_based"}))
        elif len(np.unique(state)) == 1:
            found.append(Reason(f"the second-step state is always {state[0]:.0f}", set()))
    return found


def _of_habits(problem: Problem, gain: float) -> list[Reason]:
    """Compare with bias and perseveration alone, which know no outcome."""
    from scipy.special import chdtri

    n_learned = sum(not p.name.startswith(HABITS) for p in problem.free)
    if not n_learned or gain >= 0.5 * chdtri(n_learned, 1 - CONFIDENCE):
        return []
    text = (
        "bias and perseveration alone explain the choices as well (log-likelihood "
        f"{gain:+.1f} for {n_learned} more parameters)"
    )
    return [Reason(text, None)]


def _habit_log_likelihood(trials: Trials) -> np.ndarray:
    """Maximise the likelihood of bias and perseveration, from counts of what followed what."""
    n_subjects = len(trials.subjects)
    owner = np.repeat(np.arange(n_subjects), np.diff(trials.first))
    total = np.zeros(n_subjects)
    for made, respond in zip((trials.choice, trials.choice2), trials.respond, strict=False):
        last = np.append(1.0, 2 * made[:-1]).astype(int)
        last[trials.start] = 1
        cell = (3 * owner + last)[respond]
        n = np.bincount(cell, minlength=3 * n_subjects).reshape(-1, 3)
        ones = np.bincount(cell, made[respond], minlength=3 * n_subjects).reshape(-1, 3)
        total += _two_weights(n, ones)
    return total


def _two_weights(n: np.ndarray, ones: np.ndarray) -> np.ndarray:
    """Maximise logistic regressions of counts, dims (subject, level -1, 0, 1), all at once.

    A trace of ridge keeps one who always chooses one side finite.
    """
    design = np.array([[1.0, -1.0], [1.0, 0.0], [1.0, 1.0]])
    w, ridge = np.zeros((len(n), 2)), 1e-6 * np.eye(2)
    for _ in range(MOST_STEPS):
        p = 0.5 * (1 + np.tanh(0.5 * w @ design.T))
        score = (ones - n * p) @ design - w @ ridge
        curvature = np.einsum("sl,li,lj->sij", n * p * (1 - p), design, design) + ridge
        step = np.linalg.solve(curvature, score[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        w += step * np.minimum(1.0, 2.0 / np.maximum(longest, 1e-300))
        if longest.max() < 1e-7:
            break
    x = w @ design.T
    return np.asarray((ones * x - n * np.logaddexp(0, x)).sum(axis=1))


def _against_the_prior(
    problem: Problem, best: Climb
) -> tuple[list[set[str]], list[list[list[str]]]]:
    """Find of each subject parameters, and directions, of which the data say no more."""
    names = np.array([p.name for p in problem.free])
    mean, sd = np.array([p.weak_prior for p in problem.free], float).T
    sound = np.isfinite(best.information).all(axis=(1, 2))
    information = np.where(sound[:, None, None], best.information, np.diag(1e9 * sd**-2.0))
    covariance = np.linalg.inv(information + np.diag(sd**-2.0))
    spread = np.sqrt(np.einsum("skk->sk", covariance))
    shared = overlap(best.x, spread, mean, sd)
    slope = np.stack([p.slope(best.x[:, k]) for k, p in enumerate(problem.free)], axis=1)
    weight = _between_systems(problem)
    of_weight = (spread > WEIGHT_RATIO * sd) | (slope * spread > WEIGHT_ERROR)
    of_other = (shared > MOST_OVERLAP) | (spread > NOT_NARROWED * sd)
    untold = np.where(weight, of_weight, of_other)
    values, vectors = np.linalg.eigh(information * np.outer(sd, sd))
    directions: list[list[list[str]]] = [[] for _ in range(len(values))]
    for s, k in np.argwhere(values < FLAT):
        together = np.abs(vectors[s, :, k]) > IN_DIRECTION
        if together.sum() > 1:
            directions[s].append(names[together].tolist())
    return [set(names[row].tolist()) for row in untold], directions
