"""Climb a posterior: what is fitted, and batched Levenberg-Marquardt steps up to its maximum.

Parameters are moved onto the real line (logit, log or identity). The Fisher information is the
curvature, so that standard errors, evidence and hierarchical fits need nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.models.likelihood import STEP, Executor, evaluate
from neuro_metarl.models.model import Model, Parameter
from neuro_metarl.models.trials import Trials

__all__ = ["Climb", "Problem", "climb", "make_problem", "polish"]

MOST_STEPS, MOST_NEWTON, MOST_HALVINGS, LONGEST_STEP = 30, 12, 20, 2.5
SHIFT, RESTING, NEAR = 1e-4, 1e-3, 1e-3
ROUGH, FINE = 1e-5, 1e-9


@dataclass(frozen=True)
class Problem:
    """What is fitted: a model on trials, some parameters free, a normal prior on the real line.

    Parameters
    ----------
    model, trials
        The model and what the subjects did.
    free
        The free parameters.
    base
        Dims (subject, parameter): natural values of all parameters; the free ones are replaced.
    unit, origin
        Dims (subject, free): in what, and from where, each subject's parameters are measured on the
        real line (see ``reward_power`` of :class:`~neuro_metarl.models.model.Parameter`).
    executor
        See :func:`neuro_metarl.models.likelihood.log_odds`.
    """

    model: Model
    trials: Trials
    free: tuple[Parameter, ...]
    base: np.ndarray
    unit: np.ndarray
    origin: np.ndarray
    executor: Executor = "numba"

    def natural(self, subject: np.ndarray | int, x: np.ndarray) -> np.ndarray:
        """Map dims (problem, ..., free), or (..., free) of one subject, to natural values."""
        plain = np.stack([p.natural(x[..., k]) for k, p in enumerate(self.free)], axis=-1)
        return _rows(self.origin, subject, x) + _rows(self.unit, subject, x) * plain

    def slope(self, subject: np.ndarray | int, x: np.ndarray) -> np.ndarray:
        """Differentiate :meth:`natural`."""
        plain = np.stack([p.slope(x[..., k]) for k, p in enumerate(self.free)], axis=-1)
        return _rows(self.unit, subject, x) * plain

    def full(self, subject: np.ndarray | int, x: np.ndarray) -> np.ndarray:
        """Natural values of all parameters, dims (..., parameter)."""
        return self.full_from(subject, self.natural(subject, x))

    def full_from(self, subject: np.ndarray | int, natural: np.ndarray) -> np.ndarray:
        """Put natural values of the free parameters among the held and tied ones."""
        names = [p.name for p in self.model.parameters]
        base = _rows(self.base, subject, natural)
        values = np.broadcast_to(base, (*natural.shape[:-1], len(names))).copy()
        values[..., [names.index(p.name) for p in self.free]] = natural
        for mine, other in self.model.tied:
            values[..., names.index(mine)] = values[..., names.index(other)]
        return values

    def evaluate(
        self, subject: np.ndarray, x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-likelihood, gradient and information at dims (problem, free)."""
        moved = x[:, None, :] + STEP * np.concatenate(
            [np.zeros((1, x.shape[1])), np.eye(x.shape[1])]
        )
        with np.errstate(all="ignore"):
            return evaluate(
                self.model, self.trials, subject, self.full(subject, moved), executor=self.executor
            )

    def on(self, trials: Trials) -> Problem:
        """Put the same model on other trials."""
        return replace(self, trials=trials)

    def values(self, subject: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Log-likelihood alone, at dims (problem, free)."""
        with np.errstate(all="ignore"):
            full = self.full(subject, x)[:, None, :]
            return evaluate(self.model, self.trials, subject, full, executor=self.executor)[0]

    @property
    def furthest(self) -> np.ndarray:
        """How far from 0 each free parameter may go."""
        return np.array([p.furthest for p in self.free])


def _rows(table: np.ndarray, subject: np.ndarray | int, x: np.ndarray) -> np.ndarray:
    """Take subjects' rows of a table, with dims added that they broadcast against x."""
    rows = table[subject]
    return rows.reshape(rows.shape[:-1] + (1,) * (x.ndim - rows.ndim) + rows.shape[-1:])


@dataclass
class Climb:
    """Where climbs ended; dims (problem, ...) on the real line.

    ``objective`` is the log-likelihood plus the log density of the prior up to a constant.
    """

    x: np.ndarray
    objective: np.ndarray
    log_likelihood: np.ndarray
    gradient: np.ndarray
    information: np.ndarray
    converged: np.ndarray


def make_problem(
    model: Model,
    trials: Trials,
    known: Mapping[str, Mapping[str, float]],
    *,
    fixed: Mapping[str, float] | None = None,
    free: Sequence[str] = (),
    executor: Executor = "numba",
) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Set up what is to be fitted.

    Parameters
    ----------
    model, trials
        The model and what the subjects did.
    known
        Subject to what the task says of held parameters, see
        :func:`~neuro_metarl.models.trials.known_values`.
    fixed, free, executor
        See :func:`fit`.

    Returns
    -------
    problem, mean, sd
        And the weak prior on the real line, dims (free).

    Raises
    ------
    InputError
        Unknown parameters, or nothing to fit.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models.model import find_model
    >>> from neuro_metarl.models.trials import trials_of
    >>> model = find_model("model_based")
    >>> trials = trials_of(load_dataset("synthetic-rats"), model)
    >>> problem, mean, sd = make_problem(model, trials, {}, fixed={"bias": 0.0})
    >>> [p.name for p in problem.free]
    ['learning_rate', 'inverse_temperature', 'perseveration']
    """
    fixed, freed = dict(fixed or {}), tuple(free)
    model.check_names(dict.fromkeys((*freed, *fixed)))
    tied = {mine for mine, _ in model.tied}
    chosen = tuple(
        p
        for p in model.parameters
        if (p.free or p.name in freed) and p.name not in fixed and p.name not in tied
    )
    if not chosen:
        raise InputError(f"model {model.name!r}: every parameter is held, nothing to fit")
    defaults = {p.name: p.default for p in model.parameters}
    values = [{**defaults, **known.get(name, {}), **fixed} for name in trials.subjects]
    base = np.array([[p.check(mine[p.name]) for p in model.parameters] for mine in values])
    units = np.array([[_in_units_of_reward(p, mine) for p in chosen] for mine in values], float)
    mean, sd = np.array([p.weak_prior for p in chosen], float).T
    return Problem(model, trials, chosen, base, units[..., 0], units[..., 1], executor), mean, sd


def _in_units_of_reward(parameter: Parameter, values: Mapping[str, float]) -> tuple[float, float]:
    """Let the prior of a parameter in units of reward follow the range of a subject's rewards."""
    power = parameter.reward_power
    unit = float(values.get("reward_scale", 1.0)) ** power if power else 1.0
    return unit, float(values[parameter.name]) if power == 1 else 0.0


def climb(
    problem: Problem,
    subject: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    *,
    decrement: float = FINE,
) -> Climb:
    """Climb to a maximum from every point at once.

    Parameters
    ----------
    problem
        What is fitted.
    subject
        Dims (problem): number of the subject.
    x
        Dims (problem, free): where to start.
    mean, precision
        Dims (free) or (problem, free), and (free) or (free, free): the prior.
    decrement
        A climb is done when the next step promises to gain less than this.

    Returns
    -------
    Climb

    Examples
    --------
    See :func:`fit`, which calls it.

    >>> Climb.__name__
    'Climb'
    """
    weight = np.diag(precision) if precision.ndim == 1 else precision
    mean = np.broadcast_to(mean, x.shape)
    x = np.clip(x, -problem.furthest, problem.furthest)
    state = Climb(x, *_objective(problem, subject, x, mean, weight), np.zeros(len(x), bool))
    damping = np.full(len(x), 1e-3)
    for _ in range(MOST_STEPS):
        todo = np.flatnonzero(~state.converged)
        if not len(todo):
            break
        _advance(problem, subject, state, damping, todo, mean, weight, decrement)
    return state


def _advance(
    problem: Problem, subject: np.ndarray, state: Climb, damping: np.ndarray, todo: np.ndarray,
    mean: np.ndarray, weight: np.ndarray, decrement: float,
) -> None:  # fmt: skip
    """Take one damped step in each unfinished problem; keep it where it does not lose."""
    curvature = state.information[todo] + weight
    diagonal = np.einsum("pii->pi", curvature)
    eye = np.eye(curvature.shape[1])
    damped = curvature + eye * (damping[todo, None] * (diagonal + 1e-3))[:, None, :]
    slope = state.gradient[todo][..., None]
    step = np.linalg.solve(damped + 1e-10 * eye, slope)[..., 0]
    whole = np.linalg.solve(curvature + 1e-8 * eye, slope)[..., 0]
    promised = 0.5 * np.einsum("pk,pk->p", whole, slope[..., 0])
    longest = np.abs(step).max(axis=1, keepdims=True)
    step = step * np.minimum(1, LONGEST_STEP / np.maximum(longest, 1e-300))
    tried = np.clip(state.x[todo] + step, -problem.furthest, problem.furthest)
    new = _objective(problem, subject[todo], tried, mean[todo], weight)
    better = np.isfinite(new[0]) & (new[0] >= state.objective[todo] - 1e-11)
    kept = todo[better]
    state.x[kept] = tried[better]
    for name, values in zip(
        ("objective", "log_likelihood", "gradient", "information"), new, strict=True
    ):
        getattr(state, name)[kept] = values[better]
    damping[todo] = np.where(better, damping[todo] / 8, damping[todo] * 6).clip(1e-9, 1e9)
    still = np.abs(tried - state.x[todo]).max(axis=1) < 1e-12
    state.converged[todo] = promised < decrement
    state.converged[todo] |= still & ~better & (damping[todo] > 1e8)


def _objective(
    problem: Problem, subject: np.ndarray, x: np.ndarray, mean: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    value, score, information = problem.evaluate(subject, x)
    away = x - mean
    pull = away @ weight
    objective = value - 0.5 * np.einsum("pk,pk->p", pull, away)
    return objective, value, score - pull, information


def polish(
    problem: Problem, subject: np.ndarray, state: Climb, mean: np.ndarray, precision: np.ndarray
) -> None:
    """Finish, in place, what Fisher scoring did not bring to rest.

    Where the Fisher information is far from the curvature, steps to and fro gain little: Newton
    steps with the curvature itself (differences of the gradient) end that. What is not at rest
    then, as at a kink, is left to L-BFGS.

    Parameters
    ----------
    problem, subject, mean, precision
        See :func:`climb`.
    state
        Where the climbs ended.

    Examples
    --------
    Called by :func:`neuro_metarl.models.fitting.fit` after :func:`climb`.

    >>> Climb.__name__
    'Climb'
    """
    weight = np.diag(precision) if precision.ndim == 1 else precision
    for k in np.flatnonzero(~state.converged):
        at = np.broadcast_to(mean, state.x.shape)[[k]]
        _newton(problem, subject[[k]], state, int(k), at, weight)
        if not state.converged[k]:
            _quasi_newton(problem, subject[[k]], state, int(k), at, weight)


def _newton(
    problem: Problem, who: np.ndarray, state: Climb, k: int, mean: np.ndarray, weight: np.ndarray
) -> None:
    n = state.x.shape[1]
    repeated, means = np.repeat(who, n), np.repeat(mean, n, axis=0)
    for _ in range(MOST_NEWTON):
        moved = state.x[k] + SHIFT * np.eye(n)
        gradients = _objective(problem, repeated, moved, means, weight)[2]
        slope = (gradients - state.gradient[k]) / SHIFT
        if not np.isfinite(slope).all():
            return
        values, vectors = np.linalg.eigh(-(slope + slope.T) / 2)
        values = np.maximum(np.abs(values), 1e-6)
        step = vectors @ (vectors.T @ state.gradient[k] / values)
        if 0.5 * step @ state.gradient[k] < FINE:
            state.converged[k] = True
            return
        step *= min(1.0, LONGEST_STEP / np.abs(step).max())
        for _ in range(MOST_HALVINGS):
            x = np.clip(state.x[k] + step, -problem.furthest, problem.furthest)
            new = _objective(problem, who, x[None], mean, weight)
            if np.isfinite(new[0][0]) and new[0][0] > state.objective[k]:
                _keep(state, k, x, new)
                break
            step = step / 2
        else:
            return


def _quasi_newton(
    problem: Problem, who: np.ndarray, state: Climb, k: int, mean: np.ndarray, weight: np.ndarray
) -> None:
    from scipy.optimize import Bounds, minimize

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, _, gradient, _ = _objective(problem, who, x[None], mean, weight)
        if not np.isfinite(value[0]):
            return 1e300, np.zeros_like(x)
        return -float(value[0]), -gradient[0]

    limits = Bounds(-problem.furthest, problem.furthest)
    tight = {"ftol": 1e-13, "gtol": 1e-7}
    done = minimize(loss, state.x[k], jac=True, method="L-BFGS-B", bounds=limits, options=tight)
    if -done.fun >= state.objective[k]:
        _keep(state, k, done.x, _objective(problem, who, done.x[None], mean, weight))
    resting = bool(done.success) or np.abs(state.gradient[k]).max() < RESTING
    state.converged[k] = resting or _is_peak(problem, who, state, k, mean, weight)


def _is_peak(
    problem: Problem, who: np.ndarray, state: Climb, k: int, mean: np.ndarray, weight: np.ndarray
) -> bool:
    """Say whether every neighbor is lower, as at a kink, where the gradient does not vanish."""
    n = state.x.shape[1]
    around = np.concatenate([NEAR * np.eye(n), -NEAR * np.eye(n)])
    moved = np.clip(state.x[k] + around, -problem.furthest, problem.furthest)
    many, means = np.repeat(who, 2 * n), np.repeat(mean, 2 * n, axis=0)
    heights = _objective(problem, many, moved, means, weight)[0]
    return bool((heights <= state.objective[k] + 1e-7).all())


def _keep(state: Climb, k: int, x: np.ndarray, new: tuple[np.ndarray, ...]) -> None:
    state.x[k] = x
    names = ("objective", "log_likelihood", "gradient", "information")
    for name, values in zip(names, new, strict=True):
        getattr(state, name)[k] = values[0]
