"""Full Bayes: the posterior of a group and its subjects, sampled by NUTS on our own likelihood.

Needs the extra ``bayes`` (``pip install "neuro_metarl[bayes]"``). On the real line subject i's
parameters are ``x_i = mean + sd z_i`` with ``z_i ~ Normal(0, 1)`` (non-centred).

References
----------
Hoffman & Gelman 2014, JMLR 15:1593; Ahn et al. 2017, doi:10.1162/CPSY_a_00002 (hBayesDM).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.climbing import Problem, make_problem
from neuro_metarl.models.held import held_text, held_values
from neuro_metarl.models.likelihood import STEP, evaluate, log_odds
from neuro_metarl.models.model import Model, Parameter, find_model
from neuro_metarl.models.trials import known_values, restarts, trials_of

__all__ = ["sample_posterior", "to_arviz"]

Convention = Literal["plain", "hbayesdm"]
SPREAD_PRIOR = {"plain": 1.0, "hbayesdm": 0.2}
WIDEST_PERSEVERATION = 5.0


def sample_posterior(
    cohort: xr.Dataset,
    model: str | Model,
    *,
    fixed: Mapping[str, float] | None = None,
    free: Sequence[str] = (),
    convention: Convention = "plain",
    across_problems: bool = False,
    n_chains: int = 4,
    n_tune: int = 1000,
    n_draws: int = 1000,
    thin: int = 4,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Sample the posterior of a group of subjects.

    Parameters
    ----------
    cohort
        Dims session, trial.
    model, fixed, free
        See :func:`neuro_metarl.models.fitting.fit`.
    convention
        ``"plain"``: logit, log and identity; group means have the weak priors of single fits,
        SDs are half-normal(1). ``"hbayesdm"``: that package's scales and priors (probit, log,
        ``perseveration`` between 0 and 5 by probit; means N(0, 1), SDs half-normal(.2)), for
        parity with its fits; take a model whose eligibility is "updated".
    across_problems
        See :func:`neuro_metarl.models.fitting.fit`.
    n_chains, n_tune, n_draws
        Of the sampler.
    thin
        Every so many draws have per-trial log-likelihoods; 0 leaves them out.
    seed
        Of the sampler.
    progress
        Show progress.

    Returns
    -------
    xarray.DataTree
        ArviZ's schema: ``posterior`` (chain, draw): ``mean``, ``sd`` (parameter) on the real
        line, ``estimate`` (subject, parameter) in natural values; ``sample_stats``;
        ``observed_data``: ``choice`` (response); ``log_likelihood``: ``choice`` (chain, draw,
        response). Attributes: ``model``, ``convention``, ``seed``, ``largest_rhat``,
        ``n_divergences``, ``across_problems``, ``memory_restarts``.

    Raises
    ------
    InputError
        The extra is not installed, or see :func:`neuro_metarl.models.fitting.fit`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> tree = sample_posterior(load_dataset("synthetic-rats"), "model_based", n_chains=2,
    ...                         n_tune=50, n_draws=20)  # doctest: +SKIP
    >>> tree["posterior"]["mean"].dims  # doctest: +SKIP
    ('chain', 'draw', 'parameter')
    """
    nutpie = _import("nutpie")
    if convention not in SPREAD_PRIOR:
        raise InputError(f"convention is {convention!r}, expected 'plain' or 'hbayesdm'")
    chosen = find_model(model)
    trials = trials_of(cohort, chosen, across_problems=across_problems)
    problem, mean, sd = make_problem(
        chosen, trials, known_values(cohort, chosen), fixed=fixed, free=free
    )
    if convention == "hbayesdm":
        mean, sd = np.zeros_like(mean), np.ones_like(sd)
    density = _Density(problem, mean, sd, SPREAD_PRIOR[convention], convention)
    names = [p.name for p in problem.free]
    from nutpie.compiled_pyfunc import from_pyfunc

    shape = (len(trials.subjects), len(names))
    compiled = from_pyfunc(
        density.n_dims,
        lambda: density,
        lambda *_: density.expand,
        [np.dtype("float64")] * 3,
        [(len(names),), (len(names),), shape],
        ["mean", "sd", "estimate"],
        coords={"parameter": names, "subject": list(trials.subjects)},
        dims={"mean": ("parameter",), "sd": ("parameter",), "estimate": ("subject", "parameter")},
        make_initial_point_fn=density.start,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        trace = nutpie.sample(
            compiled, chains=n_chains, tune=n_tune, draws=n_draws, seed=seed, cores=1,
            progress_bar=progress, save_warmup=False,
        )  # fmt: skip
    tree = _as_tree(trace, density, thin, seed)
    tree.attrs |= restarts(cohort, across_problems)
    return tree


def to_arviz(tree: xr.DataTree) -> Any:
    """Hand a posterior to the installed ArviZ.

    Parameters
    ----------
    tree
        What :func:`sample_posterior` gave.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        InferenceData where ArviZ is older than 1, else the tree itself.

    Raises
    ------
    InputError
        ArviZ is not installed.

    Examples
    --------
    >>> to_arviz(xr.DataTree.from_dict({"posterior": xr.Dataset()})).groups()  # doctest: +SKIP
    ['posterior']
    """
    arviz = _import("arviz")
    if int(arviz.__version__.split(".")[0]) >= 1:
        return tree
    return arviz.InferenceData(
        attrs=tree.attrs, **{name: node.to_dataset() for name, node in tree.children.items()}
    )


def _import(name: str) -> Any:
    import importlib

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"{name} is not installed; it comes with: pip install 'neuro_metarl[bayes]'"
        ) from None


@dataclass(frozen=True)
class _Density:
    """Log posterior density with its gradient; called by the sampler on a flat vector.

    The vector holds ``mean``, ``log sd`` and ``z`` (subject, parameter).
    """

    problem: Problem
    prior_mean: np.ndarray
    prior_sd: np.ndarray
    spread: float
    convention: str

    @property
    def n_subjects(self) -> int:
        return len(self.problem.trials.subjects)

    @property
    def n_dims(self) -> int:
        return len(self.prior_mean) * (2 + self.n_subjects)

    def start(self, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        point = 0.1 * rng.standard_normal(self.n_dims)
        k = len(self.prior_mean)
        point[:k] += self.prior_mean
        point[k : 2 * k] += np.log(0.5 * self.spread)
        return point

    def parts(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        k = len(self.prior_mean)
        mean, log_sd = point[:k], point[k : 2 * k]
        z = point[2 * k :].reshape(self.n_subjects, k)
        return mean, log_sd, z, mean + np.exp(log_sd) * z

    def natural(self, x: np.ndarray) -> np.ndarray:
        plain = self.problem.natural(np.arange(self.n_subjects), x)
        if self.convention == "plain":
            return plain
        free = enumerate(self.problem.free)
        return np.stack(
            [plain[..., k] if p.range == "positive" else _hbayesdm(p)(x[..., k]) for k, p in free],
            axis=-1,
        )

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            return self._evaluate(point)

    def _evaluate(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        mean, log_sd, z, x = self.parts(point)
        problem, k = self.problem, len(mean)
        moved = x[:, None, :] + STEP * np.concatenate([np.zeros((1, k)), np.eye(k)])
        full = problem.full_from(np.arange(self.n_subjects), self.natural(moved))
        value, score, _ = evaluate(problem.model, problem.trials, np.arange(self.n_subjects), full)
        sd, away = np.exp(log_sd), (mean - self.prior_mean) / self.prior_sd
        total = value.sum() - 0.5 * (away**2).sum() - 0.5 * (z**2).sum()
        total += log_sd.sum() - 0.5 * ((sd / self.spread) ** 2).sum()
        if not (np.isfinite(total) and np.isfinite(score).all()):
            return -np.inf, np.zeros_like(point)
        gradient = np.concatenate([
            score.sum(axis=0) - away / self.prior_sd,
            (score * z).sum(axis=0) * sd + 1 - (sd / self.spread) ** 2,
            (score * sd - z).ravel(),
        ])  # fmt: skip
        return float(total), gradient

    def expand(self, point: np.ndarray) -> dict[str, np.ndarray]:
        mean, log_sd, _, x = self.parts(point)
        return {"mean": mean, "sd": np.exp(log_sd), "estimate": self.natural(x)}


def _hbayesdm(parameter: Parameter) -> Callable[[np.ndarray], np.ndarray]:
    widest = WIDEST_PERSEVERATION if parameter.range == "real" else 1.0

    def probit(x: np.ndarray) -> np.ndarray:
        """Approximate the normal distribution function as the published programs do."""
        return widest * 0.5 * (1 + np.tanh(0.5 * (0.07056 * x**3 + 1.5976 * x)))

    return probit


def _as_tree(trace: Any, density: _Density, thin: int, seed: int) -> xr.DataTree:
    posterior = _dataset(trace, "posterior")[["mean", "sd", "estimate"]]
    stats = _dataset(trace, "sample_stats")
    stats = stats[[name for name in stats if stats[name].dims == ("chain", "draw")]]
    groups = {"posterior": posterior, "sample_stats": stats}
    trials, model = density.problem.trials, density.problem.model
    respond = trials.respond
    made = np.stack([trials.choice, trials.choice2])[: model.n_choices][respond]
    owner = np.repeat(trials.subjects, np.diff(trials.first))
    coords = {
        "response": np.arange(len(made)),
        "subject_of_response": (
            "response", np.broadcast_to(owner, respond.shape)[respond].astype(str)
        ),
    }  # fmt: skip
    groups["observed_data"] = xr.Dataset({"choice": ("response", made)}, coords=coords)
    if thin:
        some = posterior["estimate"].isel(draw=slice(0, None, thin))
        logs = _log_likelihoods(density.problem, some.values, made)
        groups["log_likelihood"] = xr.Dataset(
            {"choice": (("chain", "draw", "response"), logs)},
            coords={"chain": some["chain"].values, "draw": some["draw"].values, **coords},
        )
    rhat = max(_rhat(posterior[name].values) for name in ("mean", "sd"))
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "model": model.name,
        "convention": density.convention,
        "held": held_text(held_values(density.problem)),
        "seed": seed,
        "largest_rhat": rhat,
        "n_divergences": int(stats["diverging"].sum()) if "diverging" in stats else 0,
        "created_by": f"neuro_metarl {version('neuro_metarl')} sample_posterior",
    }  # fmt: skip
    return tree


def _dataset(trace: Any, group: str) -> xr.Dataset:
    found = trace[group]
    return found.to_dataset() if isinstance(found, xr.DataTree) else found


def _log_likelihoods(problem: Problem, estimate: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Log probability of each response, dims (chain, draw, response), float32."""
    n_chains, n_draws = estimate.shape[:2]
    trials = problem.trials
    odds = np.empty((n_chains * n_draws, problem.model.n_choices, len(trials.choice)), np.float32)
    for k in range(len(trials.subjects)):
        full = problem.full_from(k, estimate[:, :, k].reshape(n_chains * n_draws, -1))
        odds[:, :, trials.rows_of(k)] = log_odds(problem.model, trials, k, full)
    picked = odds[:, trials.respond]
    logs = -np.logaddexp(0, np.where(made == 1, -picked, picked))
    return logs.reshape(n_chains, n_draws, -1).astype(np.float32)


def _rhat(draws: np.ndarray) -> float:
    """Largest split R-hat of dims (chain, draw, ...)."""
    half = draws.shape[1] // 2
    split = np.concatenate([draws[:, :half], draws[:, half : 2 * half]])
    within = split.var(axis=1, ddof=1).mean(axis=0)
    between = split.mean(axis=1).var(axis=0, ddof=1)
    return float(np.sqrt((half - 1) / half + between / within).max())
