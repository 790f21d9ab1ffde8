"""Agreement of populations beyond their events: type-I, power, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.neural import (
    dissimilarities,
    dissimilarity_agreement,
    population_agreement,
)
from neuro_metarl.neural.agreement import _aligned, _turned
from neuro_metarl.neural.similarity import linear_cka

BY = ["choice", "reward", "stage"]


def population(rng: np.random.Generator, patterns: np.ndarray, name: str) -> xr.Dataset:
    """Twelve units that follow each event's mean, and patterns (condition, event, dimension)."""
    condition = np.tile(np.arange(8), 30)
    shape = (1, len(condition))
    levels = {"choice": condition // 4, "reward": condition // 2 % 2, "stage": condition % 2}
    table = {k: v.reshape(shape) for k, v in levels.items() if k != "stage"}
    cohort = make_cohort(table, subject=[name], task="bandit", source="animal")
    mix = rng.standard_normal((patterns.shape[2], 12))
    events = 5 * rng.standard_normal((patterns.shape[1], 12))
    activity = (
        patterns[condition] @ mix
        + events
        + rng.standard_normal((len(condition), patterns.shape[1], 12))
    )
    return cohort.assign(
        stage=(("session", "trial"), levels["stage"].reshape(shape)),
        activity=(("session", "trial", "event", "unit"), activity[None]),
    ).assign_coords(event=["cue", "outcome"])


def pair(seed: int, shared: float) -> tuple[xr.Dataset, xr.Dataset]:
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((2, 8, 2, 3))
    common = rng.standard_normal((8, 2, 3))
    return tuple(population(rng, shared * common + (1 - shared) * own[k], "ab"[k]) for k in (0, 1))  # type: ignore[return-value]


def test_populations_that_share_events_only_agree_at_the_nominal_rate() -> None:
    """120 pairs: .05 and three and a half standard errors, .07."""
    found = [
        population_agreement(*pair(seed, 0.0), by=BY, n_permutations=99, seed=seed)
        for seed in range(120)
    ]
    assert np.mean([one.p.item() <= 0.05 for one in found]) <= 0.12
    assert abs(np.mean([one.agreement.item() for one in found])) < 0.05
    raw = [linear_of(*pair(seed, 0.0)) for seed in range(5)]
    assert min(raw) > 0.5, "without centering, events alone make them agree"


def linear_of(first: xr.Dataset, second: xr.Dataset) -> float:
    tables = []
    for one in (first, second):
        means = [one.activity.values[0, k::8].mean(axis=0) for k in range(8)]
        tables.append(np.array(means).reshape(16, -1))
    return linear_cka(*tables, debiased=True)


def test_what_is_shared_is_found() -> None:
    found = [population_agreement(*pair(seed, 0.8), by=BY, n_permutations=199) for seed in range(5)]
    assert max(one.p.item() for one in found) <= 0.05
    assert found[0].smallest_p == pytest.approx(1 / 200)


def test_the_statistic_is_debiased_alignment() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 4))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    assert _aligned(x @ x.T, y @ y.T) == pytest.approx(linear_cka(x, y, debiased=True))
    order = rng.permutation(6)
    rows = (order[:, None] * 2 + np.arange(2)).ravel()
    assert np.allclose(_turned(y @ y.T, order, 2), y[rows] @ y[rows].T)


def test_matrices() -> None:
    pytest.importorskip("rsatoolbox")
    first, second = pair(0, 0.9)
    matrices = [dissimilarities(one, BY) for one in (first, second)]
    found = dissimilarity_agreement(*matrices)
    assert found.p.item() < 0.05
    none = [
        dissimilarity_agreement(*(dissimilarities(c, BY) for c in pair(s, 0.0)), n_permutations=99)
        for s in range(40)
    ]
    assert np.mean([one.p.item() <= 0.05 for one in none]) <= 0.17


def test_few_conditions_are_refused() -> None:
    with pytest.raises(InputError, match="4 conditions are too few to permute them"):
        population_agreement(*pair(0, 0.0), by=["choice", "reward"])
