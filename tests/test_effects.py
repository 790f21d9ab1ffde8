"""Effect sizes and power: closed forms, tables, and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from neuro_metarl import compare_groups, load_dataset, profile
from neuro_metarl.comparison.effects import animals_needed, effect_size, power_of
from neuro_metarl.errors import InputError


def test_hedges_g_by_hand() -> None:
    one, two = np.array([4.0, 6.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0])
    sd = two.std(ddof=1)
    assert effect_size(one, two)[0] == pytest.approx((6 - 2.5) / sd * (1 - 3 / 11))
    squares = 2 * one.var(ddof=1) + 3 * two.var(ddof=1)
    pooled = (6 - 2.5) / np.sqrt(squares / 5) * (1 - 3 / 19)
    assert effect_size(one, two, pooled=True)[0] == pytest.approx(pooled)
    g, low, high = effect_size(one, two)
    turned = effect_size(-one, -two)
    assert turned == pytest.approx((-g, -high, -low))
    assert effect_size(10 * one, 10 * two) == pytest.approx((g, low, high))


@pytest.mark.parametrize(("n_first", "n_second", "ratio"), [(6, 6, 1.0), (16, 6, 0.3), (20, 20, 1)])
@pytest.mark.parametrize("effect", [0.0, 1.0, 2.0])
def test_the_interval_holds_the_truth(
    n_first: int, n_second: int, ratio: float, effect: float
) -> None:
    """400 pairs of groups: .95 within three and a half standard errors, .038."""
    rng = np.random.default_rng([n_first, n_second, int(effect)])
    found = [
        effect_size(rng.normal(effect, ratio, n_first), rng.normal(0, 1, n_second))
        for _ in range(400)
    ]
    held = np.mean([low <= effect <= high for _, low, high in found])
    assert 0.912 <= held <= 0.988
    assert np.mean([g for g, _, _ in found]) == pytest.approx(effect, abs=0.16)


@pytest.mark.parametrize(
    ("effect", "equal", "corrected"),
    [(0.8, 26, 42), (1.0, 17, 28), (1.2, 12, 20), (1.5, 9, 14), (2.0, 6, 9)],
)
def test_the_table_of_animals(effect: float, equal: int, corrected: int) -> None:
    assert abs(animals_needed(effect) - equal) <= 1
    assert abs(animals_needed(effect, alpha=0.05 / 8) - corrected) <= 1


@pytest.mark.parametrize(("effect", "n"), [(0.8, 16), (1.0, 11), (1.5, 6), (2.0, 5)])
def test_animals_against_sixteen_networks(effect: float, n: int) -> None:
    assert abs(animals_needed(effect, n_others=16, ratio=0.3) - n) <= 1
    assert animals_needed(0.5, n_others=4, ratio=0.3) is None


@pytest.mark.parametrize(
    ("effect", "n", "others", "ratio", "sessions", "w"),
    [(1.0, 8, 8, 1.0, None, 0.0), (1.2, 6, 16, 0.3, None, 0.0), (1.5, 10, 10, 1.0, 4, 6.0)],
)
def test_power_is_that_of_brute_force(
    effect: float, n: int, others: int, ratio: float, sessions: int | None, w: float
) -> None:
    """8,000 experiments, within .03; sessions add noise of their own to each animal."""
    rng = np.random.default_rng(n)
    noise = 0.0 if sessions is None else np.sqrt(w / sessions)
    animals = rng.normal(effect, 1, (8000, n)) + noise * rng.normal(size=(8000, n))
    networks = rng.normal(0, ratio, (8000, others))
    if ratio == 1.0:
        networks = networks + noise * rng.normal(size=networks.shape)
    seen = (ttest_ind(animals, networks, axis=1, equal_var=False).pvalue < 0.05).mean()
    spread = ratio if ratio != 1.0 else np.sqrt(1 + noise**2)
    expected = power_of(effect, n, others, ratio=spread, sessions=sessions, w=w)
    assert expected == pytest.approx(seen, abs=0.03)


def test_groups_have_effect_sizes() -> None:
    rats = profile(load_dataset("synthetic-rats"))
    table = compare_groups(rats.isel(subject=slice(0, 3)), rats.isel(subject=slice(3, 6)))
    measure = table.measure.values[0]
    values = rats.profile.sel(measure=measure).values
    assert float(table.g.sel(measure=measure)) == pytest.approx(
        effect_size(values[:3], values[3:])[0]
    )
    assert ((table.g_low <= table.g) & (table.g <= table.g_high)).all()


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(InputError, match="the first group has 1 subject"):
        effect_size(np.ones(1), np.arange(3.0))
    with pytest.raises(InputError, match="does not vary"):
        effect_size(np.arange(3.0), np.ones(3))
    with pytest.raises(InputError, match=r"power is 0\.01, expected a number between alpha"):
        animals_needed(1.0, power=0.01)
    with pytest.raises(InputError, match="effect is 0"):
        animals_needed(0.0)
    with pytest.raises(InputError, match="sessions is None"):
        power_of(1.0, 6, 6, w=2.0)
