"""Which model, and which family of models, is the most frequent in a population.

References
----------
Stephan et al. 2009, doi:10.1016/j.neuroimage.2009.03.025; Penny et al. 2010,
doi:10.1371/journal.pcbi.1000709; Rigoux et al. 2014, doi:10.1016/j.neuroimage.2013.08.065.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError

__all__ = ["select_families", "select_models"]

DRAWS, MOST_ROUNDS, SMALL = 200_000, 1000, 1e-10
PARTICLES, DRAWS_EACH = 10_000, 20


def select_models(log_evidence: xr.DataArray, *, seed: int = 0) -> xr.Dataset:
    """Select among models whose frequencies in the population are unknown.

    Parameters
    ----------
    log_evidence
        Dims subject, model.
    seed
        Of the draws behind exceedance probabilities.

    Returns
    -------
    xarray.Dataset
        ``frequency`` (model), expected share of subjects; ``exceedance`` (model), probability
        that the model is the most frequent; ``protected_exceedance`` (model), the same weighed
        against the chance that all are equally frequent, ``omnibus_risk``; ``assignment``
        (subject, model), posterior of each subject's model.

    Raises
    ------
    InputError
        Evidence that is not finite.

    Examples
    --------
    >>> votes = np.repeat([[3.0, 0, 0], [0, 3.0, 0]], [14, 6], axis=0)
    >>> result = select_models(xr.DataArray(votes, dims=("subject", "model")))
    >>> result.protected_exceedance.values.round(2)
    array([0.97, 0.03, 0.  ])
    """
    evidence = log_evidence.transpose("subject", "model").values
    if not np.isfinite(evidence).all():
        raise InputError("log_evidence holds values that are not finite")
    n_models = evidence.shape[1]
    prior = np.ones(n_models)
    counts, assignment = _variational(evidence, prior)
    rng = np.random.default_rng(seed)
    draws = rng.dirichlet(counts, DRAWS)
    exceedance = np.bincount(draws.argmax(axis=1), minlength=n_models) / DRAWS
    gain = _free_energy(evidence, assignment, counts, prior) - _null(evidence)
    risk = float(1 / (1 + np.exp(np.clip(gain, -700, 700))))
    return xr.Dataset(
        {
            "frequency": ("model", counts / counts.sum()),
            "exceedance": ("model", exceedance),
            "protected_exceedance": ("model", (1 - risk) * exceedance + risk / n_models),
            "assignment": (("subject", "model"), assignment),
            "omnibus_risk": ((), risk),
        },
        coords={k: v for k, v in log_evidence.coords.items() if v.dims in (("model",),)},
    )


def select_families(
    log_evidence: xr.DataArray, family: Sequence[str], *, seed: int = 0
) -> xr.Dataset:
    """Select among families of models, whatever their sizes.

    Parameters
    ----------
    log_evidence
        Dims subject, model.
    family
        Family of each model.
    seed
        Of the draws behind exceedance probabilities.

    Returns
    -------
    xarray.Dataset
        Dims family_name, in order of first appearance: ``family_frequency``,
        ``family_exceedance`` and ``family_protected_exceedance``, as :func:`select_models` has them
        of models.

    Raises
    ------
    InputError
        Evidence that is not finite, or not one family per model.

    Notes
    -----
    All families have the same prior: each member of a family of k has the prior count 1/k, and the
    counts of its members are summed. Counts that small are drawn, not approximated: a variational
    approximation would punish large families. Subjects are assigned to models one after another by
    10,000 particles, which are exact but for the draws; their weights give the evidence that
    families differ in frequency, against all families being equally frequent and all members of a
    family alike.

    References
    ----------
    Penny et al. 2010, doi:10.1371/journal.pcbi.1000709.

    Examples
    --------
    >>> votes = np.repeat([[3.0, 0, 2.5], [0, 3.0, 0]], [14, 6], axis=0)
    >>> votes = xr.DataArray(votes, dims=("subject", "model"))
    >>> select_families(votes, ["a", "b", "a"]).family_exceedance.values.round(1)
    array([1., 0.])
    """
    evidence = log_evidence.transpose("subject", "model").values
    if not np.isfinite(evidence).all():
        raise InputError("log_evidence holds values that are not finite")
    if len(family) != evidence.shape[1]:
        raise InputError(f"{len(family)} families for {evidence.shape[1]} models")
    names = list(dict.fromkeys(family))
    member = np.array([[f == name for name in names] for f in family], float)
    prior = (member / member.sum(axis=0)).sum(axis=1)
    rng = np.random.default_rng(seed)
    counts, gain = _assigned(evidence, prior, rng)
    alike = np.logaddexp.reduce(evidence + np.log(prior / prior.sum()), axis=1).sum()
    risk = float(1 / (1 + np.exp(np.clip(gain - alike, -700, 700))))
    of_family = 1 + counts @ member
    draws = rng.gamma(np.repeat(of_family, DRAWS_EACH, axis=0))
    exceedance = np.bincount(draws.argmax(axis=1), minlength=len(names)) / len(draws)
    frequency = (of_family / of_family.sum(axis=1, keepdims=True)).mean(axis=0)
    return xr.Dataset(
        {
            "family_frequency": ("family_name", frequency),
            "family_exceedance": ("family_name", exceedance),
            "family_protected_exceedance": (
                "family_name", (1 - risk) * exceedance + risk / len(names)
            ),
        },
        coords={"family_name": names},
    )  # fmt: skip


def _assigned(
    evidence: np.ndarray, prior: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draw the models of all subjects; give counts, dims (particle, model), and log p(data)."""
    decided = np.sort(evidence, axis=1)
    order = np.argsort(decided[:, -2] - decided[:, -1], kind="stable") if len(prior) > 1 else None
    counts, log_weight, total = np.zeros((PARTICLES, len(prior))), np.zeros(PARTICLES), 0.0
    each = np.arange(PARTICLES)
    for n, subject in enumerate(range(len(evidence)) if order is None else order):
        worth = np.exp(evidence[subject] - evidence[subject].max())
        reach = np.cumsum((prior + counts) * worth, axis=1)
        log_weight += np.log(reach[:, -1] / (prior.sum() + n)) + evidence[subject].max()
        drawn = (rng.random((PARTICLES, 1)) * reach[:, -1:] < reach).argmax(axis=1)
        counts[each, drawn] += 1
        share = np.exp(log_weight - log_weight.max())
        if share.sum() ** 2 < 0.5 * PARTICLES * (share**2).sum():
            counts, total = _resampled(counts, share, rng), total + _log_mean(log_weight)
            log_weight = np.zeros(PARTICLES)
    share = np.exp(log_weight - log_weight.max())
    return _resampled(counts, share, rng), total + _log_mean(log_weight)


def _resampled(counts: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw particles by their weights, systematically."""
    places = (np.arange(len(share)) + rng.random()) / len(share)
    reach = np.cumsum(share) / share.sum()
    return counts[np.minimum(np.searchsorted(reach, places), len(share) - 1)]


def _log_mean(x: np.ndarray) -> float:
    return float(np.logaddexp.reduce(x) - np.log(len(x)))


def _variational(evidence: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import digamma, logsumexp

    counts = prior.copy()
    for _ in range(MOST_ROUNDS):
        log_weight = evidence + digamma(counts) - digamma(counts.sum())
        assignment = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
        new = prior + assignment.sum(axis=0)
        if np.abs(new - counts).max() < SMALL:
            break
        counts = new
    return new, assignment


def _free_energy(
    evidence: np.ndarray, assignment: np.ndarray, counts: np.ndarray, prior: np.ndarray
) -> float:
    from scipy.special import digamma, gammaln

    log_share = digamma(counts) - digamma(counts.sum())
    sure = np.where(assignment > 0, assignment, 1.0)
    expected = (assignment * (evidence + log_share - np.log(sure))).sum()
    divergence = (
        gammaln(counts.sum()) - gammaln(counts).sum() - gammaln(prior.sum())
        + gammaln(prior).sum() + ((counts - prior) * log_share).sum()
    )  # fmt: skip
    return float(expected - divergence)


def _null(evidence: np.ndarray) -> float:
    """Evidence that every model is equally frequent."""
    from scipy.special import logsumexp

    return float((logsumexp(evidence, axis=1) - np.log(evidence.shape[1])).sum())
