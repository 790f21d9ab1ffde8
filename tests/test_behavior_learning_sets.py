"""Learning sets: subjects of known curve, blocks, intervals, the profile in the cloud, guppies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import compare_groups, concat_cohorts, learning_curve, make_cohort
from neuro_metarl.behavior import learning_set_profile, mean_learning_curve, published_curve
from neuro_metarl.comparison import leave_one_out, place
from neuro_metarl.datasets import load_reference
from neuro_metarl.errors import InputError
from tests.designs import large_distances

CURVE = np.array([0.5, 0.75, 0.85, 0.9, 0.92, 0.95])


def logit(p: np.ndarray | float) -> np.ndarray:
    return np.log(p) - np.log1p(-np.asarray(p))


def cohort_of(correct: np.ndarray, subject: Sequence[str], *, seed: int = 0) -> xr.Dataset:
    """Sessions with a problem each; sides at random, so that they say nothing."""
    rng = np.random.default_rng([seed, 99])
    stimulus = rng.integers(2, size=correct.shape)
    return make_cohort(
        {
            "choice": np.where(correct == 1, stimulus, 1 - stimulus), "correct": correct,
            "reward": correct, "stimulus": stimulus,
        },
        subject=subject, task="harlow", source="animal",
    )  # fmt: skip


def planted(curve: np.ndarray, n_problems: int, *, subject: str = "a", seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    correct = (rng.random((n_problems, 6)) < curve).astype(int)
    return cohort_of(correct, [subject] * n_problems, seed=seed)


def strategist(
    win_stay: float, lose_shift: float, n_problems: int, *, subject: str = "a", seed: int = 0
) -> xr.Dataset:
    """Guess on trial 1, then keep the object after a reward and leave it after none."""
    rng = np.random.default_rng(seed)
    correct = np.zeros((n_problems, 6), int)
    correct[:, 0] = rng.random(n_problems) < 0.5
    for t in range(1, 6):
        p = np.where(correct[:, t - 1] == 1, win_stay, lose_shift)
        correct[:, t] = rng.random(n_problems) < p
    return cohort_of(correct, [subject] * n_problems, seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_curve_comes_back(seed: int) -> None:
    n = 2000
    found = learning_curve(planted(CURVE, n, seed=seed)).p_correct
    error = np.sqrt(CURVE * (1 - CURVE) / n)
    # 24 numbers in all: beyond 4 standard errors in 1 of 600 runs
    assert (np.abs(found.sel(statistic="value").values[0, 0] - CURVE) < 4 * error).all()
    assert (found.sel(statistic="low") < found.sel(statistic="high")).all()


def test_blocks_of_problems_have_their_own_curve() -> None:
    early, late = np.full(6, 0.5), np.array([0.5, 1, 1, 1, 1, 1.0])
    cohort = concat_cohorts([
        planted(curve, 400, seed=k).assign_coords(
            session_id=("session", [f"{k}-{j}" for j in range(400)])
        )
        for k, curve in enumerate((early, late))
    ])  # fmt: skip
    found = learning_curve(cohort, blocks=2)
    value = found.p_correct.sel(statistic="value", subject="a")
    assert found.block.values.tolist() == ["1-400", "401-800"]
    assert abs(float(value.sel(block="1-400", trial=2)) - 0.5) < 0.1  # 4 standard errors
    assert (value.sel(block="401-800", trial=slice(2, 6)) == 1).all()
    edges = learning_curve(cohort, blocks=(100, 400))
    assert edges.n_problems.values.tolist() == [[100, 300]]
    stages = cohort.assign_coords(stage=("session", ["first"] * 400 + ["last"] * 400))
    named = learning_curve(stages, blocks="stage")
    assert named.block.values.tolist() == ["first", "last"]
    np.testing.assert_array_equal(
        named.p_correct.sel(statistic="value"), found.p_correct.sel(statistic="value")
    )


def test_problems_trials_and_responses_are_counted_by_hand() -> None:
    cohort = make_cohort(
        {
            "choice": [[0, -1, 1, 1, 0, 1], [1, 1, 0, 0, 0, -1]],
            "reward": np.zeros((2, 6)), "valid": [[1, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]],
            "correct": [[0, -1, 1, 1, 0, 1], [1, 1, 0, 0, -1, -1]],
            "forced": [[0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]],
            "problem": [[7, 7, 7, 3, 3, 3], [3, 3, 7, 7, 7, 7]],
        },
        subject=["a", "a"], task="harlow", source="animal",
    )  # fmt: skip
    found = learning_curve(cohort, n_trials=3)
    # problems: [0 1], [1 forced 1], [1 1], [0 0 undefined]; a miss is no trial
    assert int(found.n_problems.item()) == 4
    assert found.n.values.tolist() == [[[4, 3, 1]]]
    value = found.p_correct.sel(statistic="value").values
    assert value[0, 0] == pytest.approx([0.5, 2 / 3, 1])
    by_number = learning_curve(cohort, n_trials=2, blocks="problem")
    assert by_number.block.values.tolist() == ["3", "7"]
    assert by_number.p_correct.sel(statistic="value").values[0].tolist() == [[1, 1], [0, 0.5]]


@pytest.mark.parametrize(("n_problems", "seed"), [(20, 0), (60, 1)])
def test_intervals_cover(n_problems: int, seed: int) -> None:
    correct = (np.random.default_rng(seed).random((200 * n_problems, 6)) < CURVE).astype(int)
    names = [f"s{k}" for k in range(200) for _ in range(n_problems)]
    found = learning_curve(cohort_of(correct, names)).p_correct
    inside = (found.sel(statistic="low") <= CURVE) & (found.sel(statistic="high") >= CURVE)
    by_trial = inside.mean(("subject", "block")).values
    # of 200 subjects: three standard errors of .95 are .046; near 1 intervals are conservative
    assert (by_trial > 0.90).all()
    assert by_trial[0] < 0.99


def test_sessions_are_resampled_where_problems_of_a_session_belong_together() -> None:
    rng = np.random.default_rng(0)
    good_day = rng.random(30) < 0.5
    correct = (rng.random((30, 60)) < np.where(good_day, 0.95, 0.55)[:, None]).astype(int)
    problem = np.tile(np.arange(60) // 6, (30, 1))
    cohort = make_cohort(
        {"choice": correct, "reward": correct, "correct": correct, "problem": problem},
        subject=["a"] * 30, task="harlow", source="animal",
    )  # fmt: skip
    alone = cohort_of(correct.reshape(300, 6), ["a"] * 300)
    wide, narrow = (
        np.diff(learning_curve(c).p_correct.sel(trial=3, statistic=["low", "high"])).item()
        for c in (cohort, alone)
    )
    assert wide > 1.5 * narrow


def test_sides_and_order_do_not_matter_but_correct_does() -> None:
    cohort = concat_cohorts([planted(CURVE, 50, subject=s, seed=k) for k, s in enumerate("abc")])
    first = learning_set_profile(cohort)
    mirrored = cohort.assign(choice=1 - cohort.choice)
    np.testing.assert_allclose(learning_set_profile(mirrored).profile, first.profile)
    turned = cohort.isel(session=slice(None, None, -1))
    again = learning_set_profile(turned).sel(subject=first.subject)
    kept = [m for m in first.measure.values if m != "change_over_problems"]
    np.testing.assert_allclose(
        again.profile.sel(measure=kept), first.profile.sel(measure=kept), atol=1e-9
    )
    np.testing.assert_allclose(
        again.profile.sel(measure="change_over_problems"),
        -first.profile.sel(measure="change_over_problems"), atol=1e-9,
    )  # fmt: skip
    wrong = cohort.assign(correct=1 - cohort.correct)
    assert not np.allclose(learning_set_profile(wrong).profile, first.profile)


@pytest.mark.parametrize("seed", range(3))
def test_planted_strategies_come_back(seed: int) -> None:
    ws, ls, n = 0.9, 0.7, 3000
    found = learning_set_profile(strategist(ws, ls, n, seed=seed))
    p = [0.5]
    for _ in range(5):
        p.append(p[-1] * ws + (1 - p[-1]) * ls)
    truth = [0.0, logit(p[1]), logit(np.mean(p[2:])), 0.0, logit(ws), logit(ls)]
    error = np.sqrt(np.diag(found.covariance.values[0]))
    assert (np.abs(found.profile.values[0] - truth) < 4 * error).all()
    assert (error < 0.2).all()


def test_a_change_over_problems_comes_back() -> None:
    n, slope = 4000, 2.0
    progress = np.arange(n) / (n - 1) - 0.5
    p = 1 / (1 + np.exp(-(1.0 + slope * progress)))
    curve = np.stack([np.full(n, 0.5)] + [p] * 5, axis=1)
    found = learning_set_profile(planted(curve, n)).isel(subject=0)
    error = np.sqrt(np.diag(found.covariance.values))
    truth = {"trial_1": 0.0, "trial_2": 1.0, "trials_3_6": 1.0, "change_over_problems": slope}
    for k, (name, value) in enumerate(truth.items()):
        assert abs(float(found.profile.sel(measure=name)) - value) < 4 * error[k]


def test_weights_are_those_of_statsmodels() -> None:
    import statsmodels.api as sm

    cohort = strategist(0.85, 0.6, 4000)
    found = learning_set_profile(cohort).profile.isel(subject=0)
    correct = cohort.correct.values
    last, now = correct[:, :-1].ravel(), correct[:, 1:].ravel()
    design = np.stack([last == 1, last == 0], axis=1).astype(float)
    fit = sm.Logit((last == now).astype(int), design).fit(disp=0)
    # Firth's and maximum likelihood differ by about 1/n
    assert found.sel(measure="win_stay").item() == pytest.approx(fit.params[0], abs=2e-3)
    assert found.sel(measure="lose_shift").item() == pytest.approx(-fit.params[1], abs=2e-3)


def test_the_covariance_is_that_of_repeated_subjects() -> None:
    n, repeats = 80, 300
    parts = np.concatenate(
        [strategist(0.85, 0.65, n, seed=k).correct.values for k in range(repeats)]
    )
    names = [f"s{k}" for k in range(repeats) for _ in range(n)]
    found = learning_set_profile(cohort_of(parts, names))
    spread = found.profile.values.std(axis=0, ddof=1)
    error = np.sqrt(np.einsum("sjj->sj", found.covariance.values)).mean(axis=0)
    # an SD of 300 has a standard error of 4 %; the floor makes errors a little large
    assert (error / spread > 0.87).all()
    assert (error / spread < 1.3).all()
    true = np.corrcoef(found.profile.values.T)
    scale = np.sqrt(np.einsum("sjj->sj", found.covariance.values))
    mean = (found.covariance.values / scale[:, :, None] / scale[:, None, :]).mean(axis=0)
    assert np.abs(mean - true).max() < 0.2
    assert large_distances(found) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / repeats))


def test_perfect_and_reversing_subjects_have_finite_signatures() -> None:
    perfect = planted(np.array([0.5, 1, 1, 1, 1, 1.0]), 40, seed=3)
    reversing = planted(np.array([0.0, 0, 0, 1, 1, 1.0]), 40, subject="b", seed=4)
    found = learning_set_profile(concat_cohorts([perfect, reversing]))
    assert np.isfinite(found.profile).all()
    assert np.isfinite(found.covariance).all()
    assert float(found.profile.sel(subject="a", measure="lose_shift")) > 3
    assert float(found.profile.sel(subject="b", measure="trial_1")) < -3


def animals(n: int, seed: int, *, n_problems: int = 120) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(n):
        ws, ls = (1 / (1 + np.exp(-rng.normal(m, 0.4))) for m in (2.0, 0.8))
        parts.append(strategist(ws, ls, n_problems, subject=f"m{k}", seed=1000 * seed + k))
    return concat_cohorts(parts)


def test_learning_set_profiles_run_through_the_cloud() -> None:
    cloud = learning_set_profile(animals(8, 1))
    guesser = learning_set_profile(strategist(0.5, 0.5, 200, subject="guesser", seed=5))
    placed = place(guesser, cloud, n_bootstrap=500)
    assert float(placed.p_max[0]) < 0.05
    assert str(placed.verdict.sel(subject="guesser", measure="win_stay").item()) == "outside"
    assert str(placed.verdict.sel(subject="guesser", measure="trial_1").item()) != "outside"
    alone = leave_one_out(cloud, n_bootstrap=300)
    assert int((alone.p_max < 0.05).sum()) <= 2  # of 8 at .05: three or more in 1 of 170
    groups = compare_groups(cloud, learning_set_profile(animals(8, 2)))
    assert (groups.p_holm > 0.001).all()
    other = concat_cohorts([strategist(0.6, 0.5, 120, subject=f"g{k}", seed=k) for k in range(6)])
    assert (
        float(compare_groups(cloud, learning_set_profile(other)).p_holm.sel(measure="win_stay"))
        < 0.001
    )


@pytest.mark.slow
def test_a_new_animal_is_called_outside_at_the_nominal_rate() -> None:
    called = []
    for g in range(150):
        found = learning_set_profile(animals(10, 5000 + g))
        cloud, fresh = found.isel(subject=slice(0, 6)), found.isel(subject=slice(6, None))
        called.append((place(fresh, cloud, n_bootstrap=400, seed=g).p_max < 0.05).mean())
    # standard error over 150 groups is about .012
    assert 0.015 <= np.mean(called) <= 0.09


def test_means_over_subjects() -> None:
    cohort = concat_cohorts([planted(CURVE, 60, subject=f"s{k}", seed=k) for k in range(12)])
    curve = learning_curve(cohort)
    mean = mean_learning_curve(curve)
    each = curve.p_correct.sel(statistic="value")
    np.testing.assert_allclose(mean.p_correct.sel(statistic="value"), each.mean("subject"))
    assert (mean.n_subjects == 12).all()
    assert (mean.p_correct.sel(statistic="low") <= mean.p_correct.sel(statistic="value")).all()


def test_published_curves_have_provenance() -> None:
    harlow = load_reference("harlow1949")
    assert harlow.groupby("block").size().tolist() == [6] * 8
    assert "figure" in harlow.attrs["how"]
    assert "doi" in harlow.attrs["citation"]
    curve = published_curve(harlow)
    value = curve.p_correct.sel(statistic="value", subject="published")
    assert value.sel(block="1-8").values.tolist() == [0.5, 0.52, 0.59, 0.69, 0.72, 0.78]
    # later blocks of the same length of problem are better on trial 2
    later = [float(value.sel(block=b, trial=2)) for b in ("1-100", "101-200", "201-256", "257-312")]
    assert later == sorted(later)
    wang = published_curve(load_reference("wang2018-harlow"))
    assert wang.block.values.tolist() == ["1st", "2nd", "3rd", "4th", "5th", "6th", "final"]
    with pytest.raises(InputError, match=r"no reference values of 'harlow'; did you mean"):
        load_reference("harlow")
    with pytest.raises(InputError, match="no column 'block'"):
        published_curve(load_reference("miller2022-rats"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.drop_vars("correct"), "needs the variable 'correct'"),
        (lambda c: c.isel(session=[0]), "has 1 problem; a learning set needs two or more"),
        (lambda c: c.assign(choice=c.choice * 2), "choice 2, expected 0 and 1"),
        (lambda c: c.isel(trial=[0]), "regression of correct"),
    ],
)
def test_what_has_no_profile_says_why(change, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        learning_set_profile(change(planted(CURVE, 40)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 0}, "0 blocks of 20 problems; expected 1 to 20"),
        ({"blocks": 21}, "21 blocks of 20 problems"),
        ({"blocks": (8, 8)}, r"\(8, 8\), expected to rise"),
        ({"blocks": "stage"}, "'stage': no such variable"),
        ({"n_trials": 0}, "n_trials is 0"),
    ],
)
def test_blocks_that_there_are_none_of_are_refused(options, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        learning_curve(planted(CURVE, 20), **options)


def test_real_guppies_learn_to_reverse(real_data: Path) -> None:
    pytest.importorskip("openpyxl")
    from neuro_metarl.io import read_boussard

    cohort = read_boussard(real_data / "boussard_guppy_serial_reversal" / "SRL(all_data).xlsx")
    curve = learning_curve(cohort, blocks="problem", n_trials=30)
    mean = mean_learning_curve(curve).p_correct
    assert curve.p_correct.shape == (96, 11, 30, 3)
    first = mean.sel(trial=1, statistic="value").values
    # the deposit's own first trials (reversals 1 to 7 lack no choice there)
    np.testing.assert_allclose(
        first[1:8], [0.064, 0.094, 0.156, 0.302, 0.344, 0.260, 0.292], atol=0.003
    )
    # perseveration on the old color at first, and less of it later: not chance
    assert float(mean.sel(block="1", trial=1, statistic="high")) < 0.2
    reversals = cohort.isel(session=(cohort.problem.max("trial") > 0).values)
    found = learning_set_profile(reversals)
    assert np.isfinite(found.profile).all()
    change = found.profile.sel(measure="change_over_problems").values
    assert change.mean() > 3 * change.std() / np.sqrt(len(change))
    some = found.isel(subject=slice(0, 20))
    assert int((leave_one_out(some, n_bootstrap=300).p_max < 0.05).sum()) <= 4
