"""How far a subject lies from a group of animals, with known error rates.

Animals differ, and each is measured with its own error: ``y_i = b_i + e_i``, ``e_i ~ Normal(0,
S_i)``, ``b_i ~ Normal(mean, between)``. Per measure, the standard deviation between animals is
integrated out on a grid with Jeffreys' prior, and a subject is scored by its predictive z: where it
lies in the distribution of a new animal. Without measurement error this is the single-case t-test
of Crawford and Howell. Over all measures, the largest ``|z|`` and the distance ``D2`` are referred
to a parametric bootstrap that estimates everything again in every replicate. It draws animals from
a t with 16 degrees of freedom: with 8, new animals are called outside too seldom, and with normal
ones too often where animals are heavy-tailed (``benchmarks/error_rates.py --freedom``).

No reference knows how animals are distributed. So whoever is called outside must also lie further
out than every animal does when each is held against all others and the subject: of ``n + 1`` of one
kind that is one, hence the rate is at most ``1 / (n + 1)`` for animals of any distribution
(``benchmarks/outside_rates.py``). Below six animals nobody is called outside or inside.

References
----------
Crawford & Howell 1998, doi:10.1076/clin.12.4.482.7241.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.comparison.predictive import estimate, held_out_z, predictive_z
from neuro_metarl.errors import InputError
from neuro_metarl.progress import progress_bar
from neuro_metarl.stats import holm

__all__ = ["Cloud", "leave_one_out", "place"]

FREEDOM, N_BOOTSTRAP, N_DRAWS = 16, 2000, 4000
LEAST_ANIMALS, LEAST_OTHERS, LEAST_JUDGED = 4, 3, 6
MARGIN, INSIDE, ALPHA = 2.0, 0.9, 0.05
MOST_CORRELATION, LEAST_EIGENVALUE = 0.95, 0.1


class Cloud:
    """A group of animals, ready to score subjects.

    Parameters
    ----------
    values
        Dims (animal, measure); the order of animals does not matter.
    covariance
        Measurement error, dims (animal, measure, measure).
    n_bootstrap, seed
        Of the reference.
    freedom
        Degrees of freedom of the t that the reference draws animals from; above 2.

    Attributes
    ----------
    center, spread
        Posterior means of the animals' mean and of the SD between them, dims (measure).
    correlation
        Between animals, dims (measure, measure).
    """

    def __init__(
        self,
        values: np.ndarray,
        covariance: np.ndarray,
        *,
        n_bootstrap: int = N_BOOTSTRAP,
        freedom: int = FREEDOM,
        seed: int = 0,
    ) -> None:
        order = np.lexsort(values.T)
        self.values, self.covariance, self.seed = values[order], covariance[order], seed
        self.freedom = freedom
        values = self.values
        self._grid, self._weight, self._mean, self._scale = self._estimate(values)
        self.spread = (self._weight * self._grid).sum(axis=0)
        self.center = (self._weight * self._mean).sum(axis=0)
        self.correlation = self._correlation(values[None], self.spread[None])[0]
        rng = np.random.default_rng(seed)
        animals = self._draw(n_bootstrap, rng)
        _, *self._reference = self._estimate(animals)
        self._again = (self._reference[0] * self._grid).sum(axis=1)
        self._correlations = self._correlation(animals, self._again)
        self._fresh = self.center + self._animals((n_bootstrap,), rng)
        self._noise = rng.standard_normal(self._fresh.shape)

    def score(self, value: np.ndarray, covariance: np.ndarray) -> dict[str, np.ndarray]:
        """Score a subject.

        Parameters
        ----------
        value
            Dims (measure).
        covariance
            Dims (measure, measure).

        Returns
        -------
        dict
            ``z`` and ``p`` (measure), two-sided; ``max_z``, ``p_max``, ``d2``, ``p_d2``.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> cloud = Cloud(rng.normal(size=(6, 2)), np.zeros((6, 2, 2)), n_bootstrap=200)
        >>> bool(cloud.score(np.array([9.0, 0.0]), np.zeros((2, 2)))["p_max"] < 0.05)
        True
        """
        noise = np.diag(covariance)
        z = predictive_z(value, noise, self._grid, self._weight, self._mean, self._scale)
        distance = _distance(z, self.correlation, self.spread, covariance)
        drawn = self._fresh + self._noise @ _root(covariance).T
        weight, mean, scale = self._reference
        z_drawn = predictive_z(drawn, noise, self._grid, weight, mean, scale)
        distances = _distance(z_drawn, self._correlations, self._again, covariance)
        worst = np.abs(z).max()
        n = len(drawn)
        return {
            "z": z,
            "p": 2 * _upper_tail(np.abs(z)),
            "max_z": worst,
            "p_max": (1 + (np.abs(z_drawn).max(axis=1) >= worst - 1e-12).sum()) / (n + 1),
            "d2": distance,
            "p_d2": (1 + (distances >= distance - 1e-12).sum()) / (n + 1),
        }

    def position(self, value: np.ndarray, covariance: np.ndarray) -> dict[str, np.ndarray]:
        """Locate a subject in units of the animals' spread, with its uncertainty.

        Parameters
        ----------
        value, covariance
            See :meth:`score`.

        Returns
        -------
        dict
            Dims (measure): ``delta_low``, ``delta_high``, the central 90 % interval of (subject -
            mean) / SD between animals; ``share``, ``share_low``, ``share_high``, the share of
            animals further out with its 95 % interval.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> cloud = Cloud(rng.normal(size=(30, 1)), np.zeros((30, 1, 1)), n_bootstrap=200)
        >>> where = cloud.position(np.zeros(1), np.zeros((1, 1)))
        >>> bool(where["delta_low"][0] > -1 and where["share"][0] > 0.7)
        True
        """
        rng = np.random.default_rng([self.seed, 1])
        n_measures = len(value)
        deltas = np.empty((N_DRAWS, n_measures))
        for j in range(n_measures):
            pick = rng.choice(len(self._grid), N_DRAWS, p=self._weight[:, j])
            tau = self._grid[pick, j]
            mean = self._mean[pick, j] + rng.standard_normal(N_DRAWS) / np.sqrt(
                self._scale[pick, j]
            )
            true = value[j] + rng.standard_normal(N_DRAWS) * np.sqrt(covariance[j, j])
            deltas[:, j] = (true - mean) / tau
        low, high = np.quantile(deltas, [(1 - INSIDE) / 2, (1 + INSIDE) / 2], axis=0)
        shares = 2 * _upper_tail(np.abs(deltas))
        share_low, share_high = np.quantile(shares, [0.025, 0.975], axis=0)
        return {
            "delta_low": low, "delta_high": high,
            "share": shares.mean(axis=0), "share_low": share_low, "share_high": share_high,
        }  # fmt: skip

    def _estimate(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Integrate over the SD between animals; dims (..., animal, measure)."""
        return estimate(values, np.einsum("njj->nj", self.covariance), self.values)

    def _correlation(self, values: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Correlate animals, noise removed, shrunk, kept positive; dims (..., measure, measure)."""
        n, n_measures = values.shape[-2:]
        centred = values - values.mean(axis=-2, keepdims=True)
        between = np.einsum("bnj,bnk->bjk", centred, centred) / (n - 1) - self.covariance.mean(0)
        scaled = between / (spread[:, :, None] * spread[:, None, :])
        shrunk = np.clip(scaled, -MOST_CORRELATION, MOST_CORRELATION) * n / (n + 6)
        each = np.arange(n_measures)
        shrunk[:, each, each] = 1
        lengths, vectors = np.linalg.eigh(shrunk)
        kept = np.einsum("bij,bj,bkj->bik", vectors, np.maximum(lengths, LEAST_EIGENVALUE), vectors)
        size = np.sqrt(np.einsum("bjj->bj", kept))
        return kept / (size[:, :, None] * size[:, None, :])

    def _draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw groups of animals with these animals' errors, dims (group, animal, measure)."""
        between = self._animals((n, len(self.values)), rng)
        roots = np.stack([_root(s) for s in self.covariance])
        noise = rng.standard_normal(between.shape)
        return self.center + between + np.einsum("njk,bnk->bnj", roots, noise)

    def _animals(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw animals about their mean: Student's t, scaled so that the spread is its SD."""
        normal = rng.standard_normal((*shape, len(self.spread)))
        drawn = normal @ _root(self.correlation).T * self.spread
        return drawn * np.sqrt((self.freedom - 2) / rng.chisquare(self.freedom, (*shape, 1)))


def place(
    subjects: xr.Dataset,
    animals: xr.Dataset,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Say of each subject where it lies among the animals.

    Parameters
    ----------
    subjects, animals
        From :func:`neuro_metarl.behavior.profiles.profile`.
    n_bootstrap, seed
        Of the reference.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        ``z``, ``p``, ``p_holm`` and ``verdict`` (subject, measure): "outside" where Holm's p is
        below .05 and the subject lies further out than every animal, "inside" where the 90 %
        interval of ``delta`` lies within two animal SDs, else, and with fewer than six animals
        always, "undecided"; ``delta_low``, ``delta_high``, ``share``, ``share_low``,
        ``share_high`` (subject, measure); ``max_z``, ``p_max``, ``d2``, ``p_d2``, ``most_unlike``
        (subject). ``p_rank`` (subject) is the share of the animals and the subject whose largest
        ``|z|``, each held against all others, is at least the subject's: at best ``1 / (n + 1)``.
        ``outside`` (subject): ``p_max`` is below .05 and nobody lies further out. ``animals_mean``
        and ``animals_sd`` (measure).

    Raises
    ------
    InputError
        Fewer than four animals, or measures that do not vary.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.behavior.profiles import profile
    >>> rats = profile(load_dataset("synthetic-rats"))
    >>> place(rats.isel(subject=[0]), rats.isel(subject=slice(1, None)), n_bootstrap=200).p_max.dims
    ('subject',)
    """
    cloud = _cloud(animals, n_bootstrap, seed)
    names = subjects["subject"].values.tolist()
    scores = []
    with progress_bar("placing", len(names), shown=progress) as show:
        for k in range(len(names)):
            value, error = subjects["profile"].values[k], subjects["covariance"].values[k]
            scores.append(cloud.score(value, error) | cloud.position(value, error))
            show(k + 1, str(names[k]))
    n_animals = animals.sizes["subject"]
    all_z = [_among(one, animals) for one in _each(subjects)]
    result = _as_dataset(scores, subjects, all_z, n_animals >= LEAST_JUDGED)
    result["animals_mean"] = ("measure", cloud.center)
    result["animals_sd"] = ("measure", cloud.spread)
    result.attrs = {
        "n_animals": n_animals, "n_bootstrap": n_bootstrap, "seed": seed,
        "reference": f"parametric bootstrap, t with {FREEDOM} degrees of freedom",
        "margin": MARGIN, "interval": INSIDE, "alpha": ALPHA, "least_judged": LEAST_JUDGED,
    }  # fmt: skip
    return result


def leave_one_out(
    animals: xr.Dataset, *, n_bootstrap: int = N_BOOTSTRAP, seed: int = 0, progress: bool = False
) -> xr.Dataset:
    """Place every animal among the others.

    Parameters
    ----------
    animals
        From :func:`neuro_metarl.behavior.profiles.profile`; at least four.
    n_bootstrap, seed
        Of the reference.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        As :func:`place` gives; with fewer than six animals nobody is judged.

    Raises
    ------
    InputError
        Fewer than four animals, or measures that do not vary among the others.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.behavior.profiles import profile
    >>> table = leave_one_out(profile(load_dataset("synthetic-rats")), n_bootstrap=200)
    >>> table.z.shape
    (6, 8)
    """
    n = animals.sizes["subject"]
    if n <= LEAST_OTHERS:
        raise InputError(
            f"{n} animals; holding each against the others needs at least {LEAST_OTHERS + 1}: with "
            "fewer, describe them"
        )
    scores = []
    with progress_bar("each animal against the others", n, shown=progress) as show:
        for k in range(n):
            others = animals.isel(subject=np.arange(n) != k)
            cloud = _cloud(others, n_bootstrap, seed, least=LEAST_OTHERS)
            value, error = animals["profile"].values[k], animals["covariance"].values[k]
            scores.append(cloud.score(value, error) | cloud.position(value, error))
            show(k + 1, str(animals["subject"].values[k]))
    z = np.abs(held_out_z(*_numbers(animals)))
    all_z = [np.roll(z, -k, axis=0) for k in range(n)]
    return _as_dataset(scores, animals, all_z, n >= LEAST_JUDGED)


def _numbers(profiles: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Give values and error variances, dims (subject, measure)."""
    return profiles["profile"].values, np.einsum("njj->nj", profiles["covariance"].values)


def _each(subjects: xr.Dataset) -> list[xr.Dataset]:
    return [subjects.isel(subject=[k]) for k in range(subjects.sizes["subject"])]


def _among(subject: xr.Dataset, animals: xr.Dataset) -> np.ndarray:
    """Hold the subject (first) and every animal against all others; ``|z|`` by measure."""
    pairs = zip(_numbers(subject), _numbers(animals), strict=True)
    values, noise = (np.concatenate(pair) for pair in pairs)
    return np.abs(held_out_z(values, noise))


def _cloud(
    animals: xr.Dataset, n_bootstrap: int, seed: int, *, least: int = LEAST_ANIMALS
) -> Cloud:
    n = animals.sizes["subject"]
    if n < least:
        raise InputError(f"{n} animals; a cloud needs at least {least}: with fewer, describe them")
    values = animals["profile"].values
    still = np.ptp(values, axis=0) == 0
    if still.any():
        name = str(animals["measure"].values[int(still.argmax())])
        raise InputError(f"measure {name!r} is the same in all {n} animals: there is no spread")
    return Cloud(values, animals["covariance"].values, n_bootstrap=n_bootstrap, seed=seed)


def _as_dataset(
    scores: list[dict[str, np.ndarray]], subjects: xr.Dataset, all_z: list[np.ndarray],
    judged: bool,
) -> xr.Dataset:  # fmt: skip
    """Label the scores; ``all_z`` has for each subject everybody's ``|z|``, its own first."""
    per_measure = ("z", "p", "delta_low", "delta_high", "share", "share_low", "share_high")
    measures = subjects["measure"].values
    table = {
        name: (("subject", "measure"), np.array([s[name] for s in scores])) for name in per_measure
    }
    corrected = np.array([holm(s["p"]) for s in scores])
    within = (np.array([s["delta_low"] for s in scores]) > -MARGIN) & (
        np.array([s["delta_high"] for s in scores]) < MARGIN
    )
    furthest = np.array([(z[0] > z[1:]).all(axis=0) for z in all_z])
    outside = judged & furthest & (corrected < ALPHA)
    inside = judged & within & (corrected >= ALPHA)
    verdict = np.where(outside, "outside", np.where(inside, "inside", "undecided"))
    worst = np.array([np.abs(s["z"]).argmax() for s in scores])
    largest = [z.max(axis=1) for z in all_z]
    rank = np.array([(1 + (m[1:] >= m[0]).sum()) / len(m) for m in largest])
    first = np.array([(m[0] > m[1:]).all() for m in largest])
    unlikely = np.array([float(s["p_max"]) for s in scores]) < ALPHA
    return xr.Dataset(
        {
            **table,
            "p_holm": (("subject", "measure"), corrected),
            "verdict": (("subject", "measure"), verdict),
            **{
                name: ("subject", np.array([float(s[name]) for s in scores]))
                for name in ("max_z", "p_max", "d2", "p_d2")
            },
            "p_rank": ("subject", rank),
            "outside": ("subject", judged & first & unlikely),
            "most_unlike": ("subject", measures[worst]),
        },
        coords={"subject": subjects["subject"].values, "measure": measures},
    )


def _distance(
    z: np.ndarray, correlation: np.ndarray, spread: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """Give ``z' C^-1 z`` with C the correlation of a new subject's profile."""
    expected = correlation * (spread[..., :, None] * spread[..., None, :]) + covariance
    size = np.sqrt(np.einsum("...jj->...j", expected))
    c = expected / (size[..., :, None] * size[..., None, :])
    return np.einsum("...j,...j->...", z, np.linalg.solve(c, z[..., None])[..., 0])


def _root(covariance: np.ndarray) -> np.ndarray:
    lengths, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(lengths, 0))


def _upper_tail(z: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(-z)
