"""How well a subject predicts an animal's choices, beside the animal's own model and other animals.

A subject is read along each animal's history (open loop): its log odds ``x`` before every trial are
calibrated by temperature, bias and perseveration on half the sessions, ``logit P(1) = T x + bias +
perseveration last``, and scored on the other half, and the halves swapped. On the same folds stand
bias and perseveration alone, and a model fitted to the animal itself (a mixture of agents; on
bandits, Ito and Doya's learner). The *share* is
``(subject - bare) / (own - bare)`` in log-likelihood: 0 predicts no better than repeating, 1 as
well as the animal's own model. Other animals' fitted models are scored alike: the ceiling.

References
----------
Crawford & Howell 1998, doi:10.1076/clin.12.4.482.7241; Miller et al. 2022,
doi:10.7554/eLife.64575; Ito & Doya 2009, doi:10.1523/JNEUROSCI.6157-08.2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit, fit_trials, planted_values
from neuro_metarl.models.likelihood import log_odds
from neuro_metarl.models.model import Model, find_model
from neuro_metarl.models.trials import Trials, known_values, trials_of
from neuro_metarl.paradigms.registry import paradigm_of
from neuro_metarl.progress import progress_bar
from neuro_metarl.regression import fit_logistic

__all__ = ["excess_gap_test", "model_log_odds", "predict_animals"]

FEW_SESSIONS, N_BLOCKS, LEAST_RESPONSES, LEAST_GAIN, N_STARTS = 4, 8, 1000, 10.0, 3


def model_log_odds(
    animals: xr.Dataset, model: str | Model, values: Mapping[str, Mapping[str, float]]
) -> xr.DataArray:
    """Read models with given parameters along every animal's history.

    Parameters
    ----------
    animals
        Cohort of a two-step task or of a bandit with two arms.
    model
        Model or its name.
    values
        Subject to its parameters.

    Returns
    -------
    xarray.DataArray
        Log odds of choosing 1, dims subject, session, trial; NaN on invalid trials.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> odds = model_log_odds(load_dataset("synthetic-rats"), "hybrid", {"planner": {}})
    >>> odds.dims
    ('subject', 'session', 'trial')
    """
    chosen = find_model(model)
    trials, known = trials_of(animals, chosen), known_values(animals, chosen)
    shape = (len(values), animals.sizes["session"], animals.sizes["trial"])
    odds = np.full(shape, np.nan)
    for k, name in enumerate(trials.subjects):
        rows = trials.rows_of(k)
        theta = [
            list(chosen.planted("", **{**known[name], **given}).values.values())
            for given in values.values()
        ]
        found = log_odds(chosen, trials, k, np.array(theta))[:, 0]
        odds[:, trials.session[rows], trials.place[rows]] = found
    return xr.DataArray(
        odds, dims=("subject", "session", "trial"), coords={"subject": list(values)}
    )


def predict_animals(
    animals: xr.Dataset,
    log_odds_of: xr.DataArray,
    *,
    model: str | Model | None = None,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Score subjects, and the animals themselves, as predictors of every animal.

    Parameters
    ----------
    animals
        At least four animals on a two-step task or a bandit with two arms.
    log_odds_of
        Log odds of choosing 1 of each subject along the animals' sessions, dims subject, session,
        trial: from :func:`neuro_metarl.yoking.replay` or :func:`model_log_odds`.
    model
        What is fitted to the animals themselves; default: the own model of their paradigm.
    seed
        Of the fits' starting points.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        ``share`` and ``mean_likelihood`` (subject, animal), ``calibration`` (subject, animal,
        term: scale, bias, perseveration); ``mean_share`` and ``p`` (subject), the two-sided
        Crawford-Howell test of the subject's excess gap against the animals' own;
        ``other_share`` (candidate, animal), NaN on the diagonal, ``ceiling`` (candidate), its
        mean over the other animals; ``bare`` and ``own`` (animal), mean likelihoods of bias and
        perseveration alone and of the animal's own model; ``n`` (animal), responses.
        Animals with fewer than 1,000 responses are predicted but are no candidates. A share is NaN
        where an animal's own model explains less than 10 nats beyond bias and perseveration, for
        then there is nothing to share.

    Raises
    ------
    InputError
        Fewer than four animals, or log odds of other sessions.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> odds = model_log_odds(rats, "model_based", {"planner": {"learning_rate": 0.6}})
    >>> table = predict_animals(rats, odds)
    >>> bool(0 < table.mean_share[0] < 1)
    True
    """
    usual = None if model is not None else paradigm_of(animals).own_model
    if model is None and usual is None:
        raise InputError(
            f"no model is the usual one of animals on {animals.attrs['task']!r}; name one"
        )
    chosen = find_model(model or str(usual))
    names = subjects_of(animals)
    if len(names) < 4:
        raise InputError(f"{len(names)} animals; a prediction beside other animals needs 4 or more")
    shape = (animals.sizes["session"], animals.sizes["trial"])
    if log_odds_of.shape[1:] != shape:
        raise InputError(
            f"log odds of {log_odds_of.shape[1:]} (session, trial), the animals have {shape}"
        )
    fitted = planted_values(fit(animals, chosen, n_starts=N_STARTS, seed=seed), chosen)
    others = model_log_odds(animals, chosen, fitted)
    both = np.concatenate([log_odds_of.values, others.values])
    scores = []
    with progress_bar("predicting", len(names), shown=progress) as show:
        for k, name in enumerate(names):
            mine = animals["subject"].values == name
            animal = _animal(select_subjects(animals, name), chosen, seed)
            scores.append(animal.score(both[:, mine]))
            show(k + 1, name)
    return _as_dataset(scores, log_odds_of["subject"].values.tolist(), names, chosen.name)


@dataclass(frozen=True)
class _Animal:
    """One animal's responses, the fold of each, and its own model's held-out likelihood."""

    place: tuple[np.ndarray, np.ndarray]
    choice: np.ndarray
    last: np.ndarray
    fold: np.ndarray
    own: float

    def score(self, odds: np.ndarray) -> dict[str, np.ndarray]:
        bare, _ = self._held_out(None)
        found = [self._held_out(x[self.place]) for x in odds]
        return {
            "likelihood": np.array([f[0] for f in found]),
            "calibration": np.array([f[1] for f in found]),
            "bare": np.array(bare),
            "own": np.array(self.own),
            "n": np.array(len(self.choice)),
        }

    def _held_out(self, x: np.ndarray | None) -> tuple[float, np.ndarray]:
        """Mean held-out log-likelihood, and the calibration over both halves."""
        columns = [np.ones(len(self.choice)), self.last]
        design = np.stack([*([x] if x is not None else []), *columns], axis=1)
        total, weights = 0.0, []
        for out in (0, 1):
            inside = self.fold != out
            w = _calibrate(design[inside], self.choice[inside])
            weights.append(w)
            logit = design[~inside] @ w
            made = self.choice[~inside]
            total -= float(np.logaddexp(0, np.where(made == 1, -logit, logit)).sum())
        return total / len(self.choice), np.mean(weights, axis=0)


def _calibrate(design: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Fit scale, bias and perseveration; an uninformative column gets weight 0."""
    alive = np.ptp(design, axis=0) > 0
    alive[-2] = True
    weights = np.zeros(design.shape[1])
    found = fit_logistic(design[:, alive], choice, penalty="firth")
    if not found.problem:
        weights[alive] = found.weights
    return weights


def _animal(cohort: xr.Dataset, model: Model, seed: int) -> _Animal:
    trials = trials_of(cohort, model)
    fold = _folds(trials)
    respond = trials.respond[0]
    side = 2 * trials.choice - 1
    last = np.append(0.0, side[:-1])
    last[trials.start] = 0
    known, total = known_values(cohort, model), 0.0
    for out in (0, 1):
        inside = replace(trials, respond=trials.respond & (fold != out))
        problem, best = fit_trials(model, inside, known, n_starts=N_STARTS, seed=seed)
        held = replace(trials, respond=trials.respond & (fold == out))
        total += float(problem.on(held).values(np.array([0]), best.x)[0])
    rows = np.flatnonzero(respond)
    return _Animal(
        (trials.session[rows], trials.place[rows]),
        trials.choice[rows],
        last[rows],
        fold[rows],
        total / len(rows),
    )


def _folds(trials: Trials) -> np.ndarray:
    """Split sessions in turn, or blocks of trials where there are few sessions."""
    number = np.unique(trials.session, return_inverse=True)[1]
    if number[-1] + 1 >= FEW_SESSIONS:
        return number % 2
    return np.arange(len(number)) * N_BLOCKS // len(number) % 2


def _as_dataset(
    scores: list[dict[str, np.ndarray]], subjects: list[str], animals: list[str], model: str
) -> xr.Dataset:
    likelihood = np.stack([s["likelihood"] for s in scores], axis=1)
    bare, own = (np.array([float(s[key]) for s in scores]) for key in ("bare", "own"))
    n = np.array([int(s["n"]) for s in scores])
    gain = np.where((own - bare) * n >= LEAST_GAIN, own - bare, np.nan)
    share = (likelihood - bare) / gain
    k = len(subjects)
    others, other_share = likelihood[k:].copy(), share[k:].copy()
    np.fill_diagonal(others, np.nan)
    np.fill_diagonal(other_share, np.nan)
    candidates = n >= LEAST_RESPONSES
    if candidates.sum() < 3:
        candidates = np.ones(len(n), bool)
    others, other_share = others[candidates], other_share[candidates]
    p = excess_gap_test(likelihood[:k], others, np.flatnonzero(candidates))
    calibration = np.stack([s["calibration"][:k] for s in scores], axis=1)
    return xr.Dataset(
        {
            "share": (("subject", "animal"), share[:k]),
            "mean_likelihood": (("subject", "animal"), np.exp(likelihood[:k])),
            "calibration": (("subject", "animal", "term"), calibration),
            "mean_share": ("subject", _mean(share[:k])),
            "p": ("subject", p),
            "other_share": (("candidate", "animal"), other_share),
            "ceiling": ("candidate", _mean(other_share)),
            "bare": ("animal", np.exp(bare)),
            "own": ("animal", np.exp(own)),
            "n": ("animal", n),
        },
        coords={
            "subject": subjects,
            "animal": animals,
            "candidate": [a for a, c in zip(animals, candidates, strict=True) if c],
            "term": ["scale", "bias", "perseveration"],
        },
        attrs={"own_model": model, "folds": "2, by session; by blocks of trials below 4 sessions"},
    )


def _mean(shares: np.ndarray) -> np.ndarray:
    """Average over the animals that have a share, dims (subject, animal); NaN where none has."""
    known = np.isfinite(shares)
    with np.errstate(invalid="ignore"):
        return np.where(known, shares, 0).sum(axis=1) / known.sum(axis=1)


def excess_gap_test(subjects: np.ndarray, others: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Test whether subjects predict animals worse, or better, than other animals' models do.

    Parameters
    ----------
    subjects
        Mean log-likelihood of every animal's responses under each subject, dims (subject, animal).
    others
        The same under each candidate animal's own model, dims (candidate, animal); NaN where the
        candidate is the animal.
    owner
        Dims (candidate): which animal each candidate is.

    Returns
    -------
    numpy.ndarray
        Two-sided p, dims (subject): the subject's gap to the candidates' mean, averaged over
        animals, against each candidate's gap to the other candidates' (Crawford and Howell). NaN
        where all candidates predict alike, so that there is no spread to compare with.

    Examples
    --------
    >>> others = np.log([[np.nan, 0.6, 0.7], [0.62, np.nan, 0.68], [0.6, 0.61, np.nan]])
    >>> p = excess_gap_test(np.log([[0.61, 0.6, 0.69], [0.3, 0.3, 0.3]]), others, np.arange(3))
    >>> bool(p[0] > 0.3 and p[1] < 0.01)
    True
    """
    excess = (np.nanmean(others, axis=0) - subjects).mean(axis=1)
    own = []
    for c in range(len(others)):
        rest = np.delete(others, c, axis=0)
        gap = np.nanmean(rest, axis=0) - others[c]
        own.append(np.nanmean(np.delete(gap, owner[c])))
    return _crawford_howell(excess, np.array(own))


def _crawford_howell(values: np.ndarray, sample: np.ndarray) -> np.ndarray:
    from scipy.stats import t

    n = len(sample)
    spread = sample.std(ddof=1) * np.sqrt(1 + 1 / n)
    if spread == 0:
        return np.full(len(values), np.nan)
    return 2 * t.sf(np.abs((values - sample.mean()) / spread), n - 1)
