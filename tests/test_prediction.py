"""Open-loop prediction: known shares, folds, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import concat_cohorts, subjects_of
from neuro_metarl.comparison.prediction import model_log_odds, predict_animals
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.models.recovery import simulate_design
from tests.designs import bandit_design, human_design, two_step_design

TRUTH = {
    f"r{k}": {
        "learning_rate_model_based": 0.5 + 0.05 * k, "weight_model_based": 2.0 + 0.3 * k,
        "weight_perseveration": 1.5, "learning_rate_perseveration": 0.3, "bias": 0.2 * (k - 2),
    }
    for k in range(5)
}  # fmt: skip


LEARNERS = {
    f"m{k}": {
        "learning_rate": 0.3 + 0.1 * k, "forgetting": 0.2 + 0.1 * k, "value_reward": 3.0 + 0.3 * k,
        "value_omission": 0.5, "perseveration": -0.3, "bias": 0.1 * (k - 2),
    }
    for k in range(5)
}  # fmt: skip
PLANTED = {"two-step": ("mixture", TRUTH), "bandit": ("q_differential_forgetting", LEARNERS)}


@pytest.fixture(scope="module")
def rats() -> xr.Dataset:
    return simulate_design(two_step_design("miller", 5, 4200), "mixture", TRUTH, seed=1)


@pytest.fixture(scope="module")
def mice() -> xr.Dataset:
    design = bandit_design(5, 4000).assign_attrs(task="bandit-baited")
    design["p_reward"][:] = design.p_reward / 2
    return simulate_design(design, "q_differential_forgetting", LEARNERS, seed=1)


@pytest.mark.parametrize("kind", PLANTED)
def test_the_true_model_has_share_one_and_no_memory_has_none(
    kind: str, rats: xr.Dataset, mice: xr.Dataset
) -> None:
    """Each animal's own true parameters: 1; log odds that know nothing: 0 +- .03."""
    rats = rats if kind == "two-step" else mice
    odds = model_log_odds(rats, *PLANTED[kind])
    table = predict_animals(rats, odds)
    assert table.attrs["own_model"] == PLANTED[kind][0]
    own = np.diag(table.share.values)
    assert own == pytest.approx(1, abs=0.04)
    noise = odds.isel(subject=[0]).copy()
    noise[:] = np.random.default_rng(0).normal(size=noise.shape)
    nothing = predict_animals(rats, noise.where(np.isfinite(odds.values[:1])))
    assert float(nothing.mean_share[0]) == pytest.approx(0, abs=0.03)
    assert (table.bare.values < table.own.values).all()


@pytest.mark.parametrize("kind", PLANTED)
def test_shuffled_log_odds_predict_nothing(kind: str, rats: xr.Dataset, mice: xr.Dataset) -> None:
    """The true models' log odds, permuted within sessions: share 0 +- .03 for every animal."""
    rats = rats if kind == "two-step" else mice
    odds = model_log_odds(rats, *PLANTED[kind])
    rng = np.random.default_rng(1)
    shuffled = odds.copy(data=rng.permuted(odds.values, axis=2))
    table = predict_animals(rats, shuffled)
    assert table.mean_share.values == pytest.approx(0, abs=0.03)


def test_scale_and_bias_do_not_matter(rats: xr.Dataset) -> None:
    """Calibration undoes them: an overconfident copy predicts as well."""
    odds = model_log_odds(rats, "model_based", {"a": {"learning_rate": 0.6}})
    loud = xr.concat([odds, 7 * odds + 3], dim="subject").assign_coords(subject=["a", "b"])
    table = predict_animals(rats, loud)
    np.testing.assert_allclose(table.share.values[0], table.share.values[1], atol=2e-3)
    ratio = table.calibration.sel(term="scale").values
    np.testing.assert_allclose(ratio[0], 7 * ratio[1], rtol=0.02)


def test_relabelling_sides_changes_nothing(rats: xr.Dataset) -> None:
    odds = model_log_odds(rats, "mixture", {"a": TRUTH["r0"]})
    mirrored = rats.assign(
        choice=(1 - rats.choice).where(rats.valid == 1, -1).astype("int8"),
        state=(1 - rats.state).where(rats.valid == 1, -1).astype("int8"),
    )
    a, b = predict_animals(rats, odds), predict_animals(mirrored, -odds)
    np.testing.assert_allclose(a.share, b.share, atol=5e-3)


def test_an_animal_among_its_like_is_not_a_worse_predictor(rats: xr.Dataset) -> None:
    new = {"fresh": {**TRUTH["r2"], "bias": 0.0}}
    table = predict_animals(rats, model_log_odds(rats, "mixture", new))
    assert float(table.p[0]) > 0.05
    assert float(table.mean_share[0]) > 0.85
    free = {"free": {"eligibility_trace": 1.0, "inverse_temperature": 4.0}}
    other = predict_animals(rats, model_log_odds(rats, "model_free", free))
    assert float(other.p[0]) < 0.05
    assert float(other.mean_share[0]) < 0.6


def test_where_an_animals_own_model_explains_nothing_there_is_no_share(rats: xr.Dataset) -> None:
    """One rat's choices are shuffled: its share is NaN, the others' are as they were."""
    blank = rats.copy(deep=True)
    mine = np.flatnonzero(rats.subject.values == "r1")
    rng = np.random.default_rng(3)
    blank["choice"][mine] = rng.integers(2, size=blank.choice[mine].shape)
    blank["state"][mine] = np.where(
        blank.common[mine] == 1, blank.choice[mine], 1 - blank.choice[mine]
    )
    odds = model_log_odds(blank, "model_based", {"a": {"learning_rate": 0.6}, "b": {}})
    table, before = predict_animals(blank, odds), predict_animals(rats, odds)
    assert np.isnan(table.share.sel(animal="r1")).all()
    assert np.isfinite(table.share.drop_sel(animal="r1")).all()
    np.testing.assert_allclose(
        table.mean_share, before.share.drop_sel(animal="r1").mean("animal"), atol=1e-6
    )
    assert np.isfinite(table.p).all()


def test_animals_with_few_trials_are_predicted_but_are_no_candidates() -> None:
    long = simulate_design(two_step_design("miller", 4, 1400), "mixture", TRUTH, seed=2)
    long = long.isel(session=long.subject.isin(subjects_of(long)[:4]).values)
    short = simulate_design(
        two_step_design("miller", 1, 350, 3), "mixture", {"few": TRUTH["r1"]}, seed=3
    )
    both = concat_cohorts([long, short])
    table = predict_animals(both, model_log_odds(both, "model_based", {"a": {}}))
    assert "few" in table.animal.values
    assert "few" not in table.candidate.values
    assert np.isfinite(table.share.sel(animal="few")).all()


def test_refusals(rats: xr.Dataset) -> None:
    three = rats.isel(session=rats.subject.isin(["r0", "r1", "r2"]).values)
    odds = model_log_odds(three, "model_based", {"a": {}})
    with pytest.raises(InputError, match="3 animals; a prediction beside other animals needs 4"):
        predict_animals(three, odds)
    people = human_design(4, 100)
    with pytest.raises(InputError, match="usual one of animals on 'two-step-human'; name one"):
        predict_animals(people, odds)
    with pytest.raises(InputError, match="the animals have"):
        predict_animals(rats, odds)


def test_without_spread_between_animals_there_is_no_test() -> None:
    """A model that knows no outcomes explains nothing beyond bias and repetition, in any animal."""
    rats = load_dataset("synthetic-rats")
    odds = model_log_odds(rats, "model_based", {"planner": {}})
    found = predict_animals(rats, odds, model="bias_perseveration")
    assert found.attrs["own_model"] == "bias_perseveration"
    assert np.isnan(found["p"]).all()
    assert np.isnan(found["share"]).all()
