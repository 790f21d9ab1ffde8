"""Twins: the gradient is exact, planted truths are found and never beaten, twins are subjects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.errors import InputError
from neuro_metarl.models.designs import simulate_design
from neuro_metarl.twins import (
    closed_loop,
    fit_twin,
    open_twins,
    phase_portrait,
    record_replay,
    record_yoked,
    save_twins,
    twin_players,
)
from neuro_metarl.twins.networks import loss_and_gradient, n_weights, run_network
from neuro_metarl.twins.sequences import folds_of, read_sequences
from tests.designs import bandit_design, two_step_design


def rows(n: int, n_codes: int, seed: int) -> tuple[np.ndarray, ...]:
    """Trials with soft targets, some that do not count, some at which memory starts anew."""
    rng = np.random.default_rng(seed)
    start = rng.random(n) < 0.1
    start[0] = True
    counts = np.where(rng.random(n) < 0.2, 0.0, rng.random(n))
    return rng.integers(n_codes, size=n), rng.random(n), counts, start


@pytest.mark.parametrize("n_units", [1, 2, 3, 4])
@pytest.mark.parametrize("n_codes", [4, 8])
def test_the_gradient_is_that_of_finite_differences(n_units: int, n_codes: int) -> None:
    code, target, counts, start = rows(60, n_codes, n_units)
    x = np.random.default_rng(1).normal(size=n_weights(n_units, n_codes))
    of = (code, target, counts, start, n_units, n_codes)
    _, gradient = loss_and_gradient(x, *of)
    numeric = np.empty_like(x)
    for i in range(len(x)):
        e = 1e-5 * (np.arange(len(x)) == i)
        numeric[i] = (loss_and_gradient(x + e, *of)[0] - loss_and_gradient(x - e, *of)[0]) / 2e-5
    assert abs(gradient - numeric).max() <= 1e-7 * abs(numeric).max()


def test_the_loss_is_the_cross_entropy_of_the_run() -> None:
    code, target, counts, start = rows(200, 8, 0)
    x = np.random.default_rng(2).normal(size=n_weights(2, 8))
    odds, before, after = run_network(x, code, start, 2, 8)
    p = 1 / (1 + np.exp(-odds))
    expected = -(counts * (target * np.log(p) + (1 - target) * np.log(1 - p))).sum()
    assert loss_and_gradient(x, code, target, counts, start, 2, 8)[0] == pytest.approx(expected)
    assert np.array_equal(before[1:][~start[1:]], after[:-1][~start[1:]])


def test_what_does_not_exist_is_not_read_and_what_was_imposed_is_not_scored() -> None:
    rng = np.random.default_rng(0)
    table = {k: rng.integers(2, size=(3, 12)) for k in ("choice", "reward")}
    cohort = nm.make_cohort(table, subject=["a", "a", "b"], task="bandit", source="animal")
    cohort.valid[0, 4] = 0
    cohort.choice[0, 4] = -1
    forced = np.zeros((3, 12), "int8")
    forced[1, 2:5] = 1
    cohort = cohort.assign(forced=(("session", "trial"), forced))
    mine = read_sequences(cohort).of_subject(0)
    assert (len(mine.code), mine.counts.sum()) == (23, 20)
    assert np.flatnonzero(mine.trials.start).tolist() == [0, 11]
    assert read_sequences(cohort, "subject").of_subject(0).trials.start.sum() == 1


def test_a_fold_is_a_whole_session_or_said_to_be_a_block() -> None:
    rats = nm.load_dataset("synthetic-rats")
    mine = read_sequences(rats).of_subject(0)
    fold, how = folds_of(mine, 3)
    assert how == "session"
    assert all(len(set(fold[mine.trials.session == s])) == 1 for s in set(mine.trials.session))
    one = read_sequences(rats.isel(session=[0])).of_subject(0)
    fold, how = folds_of(one, 5)
    assert how == "block"
    assert (np.diff(fold) >= 0).all()


PLANTED = {"weight_model_based": 2.0, "weight_perseveration": 0.5, "learning_rate_model_based": 0.4}


def simulated(n_trials: int, seed: int) -> xr.Dataset:
    design = two_step_design("miller", 1, n_trials, seed)
    return simulate_design(design, "mixture", {"a": PLANTED}, seed=seed)


@pytest.mark.parametrize("seed", range(2))
def test_a_planted_model_is_learned_and_not_beaten(seed: int) -> None:
    table = fit_twin(simulated(3500, seed), folds=3, prior="none")
    assert table.mean_likelihood[0, 0] > 0.52
    assert table.gain[0, 0] / table.gain_se[0, 0] < 2
    prior = fit_twin(simulated(3500, seed), folds=3, prior_trials=3000)
    assert prior.gain[0, 0] / prior.gain_se[0, 0] < 2
    assert prior.gain[0, 0] > -0.01 * 3500


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_in_coin_flips(seed: int) -> None:
    rng = np.random.default_rng(seed)
    choice = (rng.random((8, 300)) < 0.55).astype(int)
    table = {"choice": choice, "reward": rng.integers(2, size=choice.shape)}
    cohort = nm.make_cohort(table, subject=["a"] * 8, task="bandit", source="animal")
    twin = fit_twin(cohort, prior="none", folds=4, model="bias")
    assert -0.008 < float(twin.gain[0, 0]) / choice.size < 0.001


def one_dimensional(n_trials: int, seed: int) -> xr.Dataset:
    """x' = .8 x + side (1 if paid, -.3 if not), log odds x, on a bandit that swaps."""
    design = bandit_design(1, n_trials, seed=seed)
    rng = np.random.default_rng([seed, 5])
    x = np.zeros(design.sizes["session"])
    choice, reward = np.zeros(design.choice.shape, int), np.zeros(design.choice.shape)
    for t in range(design.sizes["trial"]):
        choice[:, t] = rng.random(len(x)) < 1 / (1 + np.exp(-x))
        odds = design.p_reward.values[np.arange(len(x)), t, choice[:, t]]
        reward[:, t] = rng.random(len(x)) < odds
        x = 0.8 * x + (2 * choice[:, t] - 1) * np.where(reward[:, t] > 0, 1.0, -0.3)
    return design.assign(choice=(("session", "trial"), choice.astype("int8")),
                         reward=(("session", "trial"), reward.astype("float32")))  # fmt: skip


@pytest.mark.slow
def test_one_dimension_is_picked_and_its_portrait_is_the_truth() -> None:
    """Six learners of 10,000 trials: one unit in five or more; slopes -.20 +- .07, intercepts."""
    made = [one_dimensional(10_000, seed) for seed in range(6)]
    found = [fit_twin(one, n_units=(1, 2, 3), prior="none") for one in made]
    assert sum(int(one.chosen[0]) == 1 for one in found) >= 5
    for one in made[:3]:
        portrait = phase_portrait(fit_twin(one, n_units=1, prior="none"))
        near = portrait.change[0].sel(log_odds=slice(-1.5, 1.5))
        for choice, paid, size in ((1, "rewarded", 1.0), (0, "rewarded", -1.0),
                                   (1, "unrewarded", -0.3), (0, "unrewarded", 0.3)):  # fmt: skip
            line = near.sel(trial_kind=f"choice {choice}, {paid}").dropna("log_odds")
            slope, at_zero = np.polyfit(line.log_odds, line, 1)
            assert slope == pytest.approx(-0.2, abs=0.07)
            assert at_zero == pytest.approx(size, abs=0.12)


@pytest.mark.slow
def test_real_rats(real_data: Path) -> None:
    """What was measured beforehand; ridge fits of other seeds differ by up to .005."""
    rats = nm.io.read(real_data / "miller2022_rat_twostep" / "ofc_physdata_3rats.mat")
    plain, prior = fit_twin(rats, prior="none"), fit_twin(rats, prior_trials=3000)
    for table, expected, within in (
        (plain, (0.7074, 0.6690, 0.5924), 0.005),
        (prior, (0.7075, 0.6754, 0.5975), 0.0015),
    ):
        assert table.mean_likelihood.values[:, 0] == pytest.approx(expected, abs=within)
    assert prior.gain[0, 0] > 60


@pytest.fixture(scope="module")
def pair() -> tuple[xr.Dataset, xr.Dataset]:
    rats = nm.load_dataset("synthetic-rats")
    some = nm.select_subjects(rats, ["synthetic-1", "synthetic-2"])
    return some, fit_twin(some, prior="none", folds=2)


def test_twins_are_subjects(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    rats, table = pair
    own = nm.lagged_regression(rats)
    played = nm.record(twin_players(table), "two-step-miller", n_sessions=12, seed=1)
    yoked = record_yoked(table, rats, n_replicates=2)
    for cohort in (played, yoked):
        mine = nm.lagged_regression(cohort)
        for index in ("planning_index", "stay_index"):
            for k in range(2):
                value, low, high = own[index].values[k]
                assert float(mine[index][k, 0]) == pytest.approx(value, abs=high - low)
    seen = record_replay(table, played)
    assert nm.validate_cohort(seen).activity.shape[2:] == (2, 2)
    assert np.isfinite(nm.encode(seen, ["choice", "previous_reward"]).coefficient).all()


def test_units_are_led_by_the_choices_that_were_made(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    rats, table = pair
    seen = record_replay(table, rats)
    p = seen.policy.sel(event="choice", action="1")
    free = (rats.valid == 1) & (rats.forced == 0)
    log_p = np.log(np.where(rats.choice == 1, p, 1 - p))
    assert float(xr.where(free, log_p, 0).sum()) > float(table.log_likelihood.sum())
    assert np.isnan(seen.activity.values[(rats.valid == 0).values]).all()


def test_the_closed_loop_tells_a_twin_from_a_stranger(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    """A twin is nearer to its own animal than to one whose name was put on another's sessions."""
    rats, table = pair
    own = closed_loop(table, rats, n_plays=2)
    names = rats.subject.values
    other = np.where(names == "synthetic-1", "synthetic-2", "synthetic-1")
    swapped = closed_loop(table, rats.assign_coords(subject=("session", other)), n_plays=2)
    assert float(own.chi2.median()) < float(swapped.chi2.median())
    assert np.isfinite(own.chi2_halves).all()
    assert own.attrs["degrees_of_freedom"] == 8


def test_a_file_holds_all_and_damage_is_a_line(
    pair: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    _, table = pair
    path = save_twins(table, tmp_path / "twins.nc")
    again = open_twins(path)
    assert again.equals(table)
    assert again.attrs == table.attrs
    with pytest.raises(InputError, match="is there already"):
        save_twins(table, path)
    save_twins(table, path, overwrite=True)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot be read"):
        open_twins(path)
    with pytest.raises(InputError, match="has 66 weights"):
        save_twins(table.isel(weight=slice(66)), tmp_path / "less.nc")


def test_the_number_of_threads_changes_nothing(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    rats, table = pair
    assert fit_twin(rats, prior="none", folds=2, n_jobs=2).equals(table)


def test_one_network_for_several_animals_is_judged_on_animals() -> None:
    rats = nm.load_dataset("synthetic-rats")
    table = fit_twin(rats, n_units=1, prior="none", pool=True, folds=3)
    assert table.subject.values.tolist() == ["pool"]
    of_animal = [set(table.fold.values[table.animal == name]) for name in nm.subjects_of(rats)]
    assert all(len(folds) == 1 for folds in of_animal)
    assert record_replay(table, rats).activity.sizes["unit"] == 1


def test_learning_sets_are_coded_by_object() -> None:
    """Win-stay, lose-shift between objects: known after the first trial of a problem."""
    rng = np.random.default_rng(0)
    paying = np.repeat(rng.integers(2, size=(6, 20)), 6, axis=1)
    problem = np.tile(np.repeat(np.arange(20), 6), (6, 1))
    correct = np.where(np.arange(120) % 6 == 0, rng.integers(2, size=(6, 120)), 1)
    side = np.where(rng.integers(2, size=(6, 120)) == 1, correct, 1 - correct)
    cohort = nm.make_cohort(
        {"choice": side, "reward": correct, "correct": correct, "problem": problem},
        subject=["a"] * 6, task="harlow", source="animal")  # fmt: skip
    assert paying.shape == side.shape
    twin = fit_twin(cohort, n_units=1, folds=3, prior="none", reset="problem")
    assert int(twin.n_choices[0]) == 6 * 20 * 5
    assert float(twin.mean_likelihood[0, 0]) > 0.9
    with pytest.raises(InputError, match="choose between objects"):
        twin_players(twin)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_units": 5}, "n_units is 5, expected numbers from 1 to 4"),
        ({"prior_trials": -1}, "prior_trials is -1"),
        ({"reset": "never"}, "reset is 'never'"),
        ({"folds": 1}, "folds is 1"),
        ({"pool": True}, "takes prior="),
        ({"model": "nothing"}, "no model 'nothing'"),
    ],
)
def test_mistakes(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_twin(nm.load_dataset("synthetic-rats"), **given)


def test_what_cannot_be_done_is_refused(pair: tuple[xr.Dataset, xr.Dataset]) -> None:
    rats, table = pair
    with pytest.raises(InputError, match="has 2 units; a portrait on one axis"):
        phase_portrait(table)
    with pytest.raises(InputError, match="has no twin; there are synthetic-1"):
        record_replay(table, nm.load_dataset("synthetic-rats"))
    with pytest.raises(InputError, match="the attribute 'schema' is"):
        twin_players(rats)
    few = rats.isel(session=[0], trial=slice(60))
    with pytest.raises(InputError, match="choices of its own, a twin needs 100"):
        fit_twin(few, n_units=1)
