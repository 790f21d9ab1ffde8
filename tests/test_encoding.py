"""Encoding: planted tuning found, error rates held under drift, units by session, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy.stats import binom

from neuro_metarl.cohort import concat_cohorts, make_cohort, select_subjects
from neuro_metarl.errors import InputError
from neuro_metarl.neural.areas import fraction_significant
from neuro_metarl.neural.encoding import encode, unit_correlations
from neuro_metarl.neural.regressors import task_regressors
from neuro_metarl.neural.virtual import virtual_spikes

TRIAL = ("session", "trial")
ACTIVITY = (*TRIAL, "event", "unit")


def task(
    seed: int, sessions: int = 12, trials: int = 100, subject: str = "a", n_events: int = 1
) -> xr.Dataset:
    """A learner whose ``past_value`` lasts for blocks; no activity yet."""
    rng = np.random.default_rng([seed, 1])
    shape = (sessions, trials)
    better = np.cumsum(rng.random(shape) < 0.03, axis=1) % 2
    better = (better + rng.integers(2, size=(sessions, 1))) % 2
    value, worth = np.zeros(shape), np.zeros(sessions)
    choice, reward = np.zeros(shape, int), np.zeros(shape, int)
    for t in range(trials):
        value[:, t] = worth
        choice[:, t] = rng.random(sessions) < 1 / (1 + np.exp(-3 * worth))
        reward[:, t] = rng.random(sessions) < np.where(choice[:, t] == better[:, t], 0.8, 0.2)
        side = (2 * choice[:, t] - 1) * (2 * reward[:, t] - 1)
        worth = worth + 0.1 * (side - worth)
    cohort = make_cohort(
        {"choice": choice, "reward": reward}, subject=[subject] * sessions, task="reversal",
        source="animal", coords={"event": [f"e{k}" for k in range(n_events)]},
    )  # fmt: skip
    return cohort.assign(past_value=(TRIAL, value))


def with_activity(cohort: xr.Dataset, activity: np.ndarray) -> xr.Dataset:
    return cohort.assign(activity=(ACTIVITY, activity.astype("float32")))


def noisy(seed: int, n_units: int = 6, n_events: int = 2, **options: int) -> xr.Dataset:
    """Units that code choice, reward and nothing else, at two events."""
    cohort = task(seed, n_events=n_events, **options)
    rng = np.random.default_rng([seed, 2])
    activity = rng.normal(size=(*cohort.choice.shape, n_events, n_units))
    activity[..., 0] += cohort.choice.values[..., None]
    activity[..., 1, 1] += 2 * cohort.reward.values
    return with_activity(cohort, activity)


def walks(rng: np.random.Generator, shape: tuple[int, ...], trials: float) -> np.ndarray:
    keep, out = np.exp(-1 / trials), rng.standard_normal(shape)
    for t in range(1, shape[1]):
        out[:, t] = keep * out[:, t - 1] + np.sqrt(1 - keep**2) * out[:, t]
    return out


def test_the_result_is_labelled() -> None:
    cohort = noisy(0).assign_coords(area=("unit", list("xxyyzz")))
    fit = encode(cohort, ["choice", "reward"], lags=[0, 1])
    dims = ("subject", "event", "unit", "regressor", "lag")
    for name in ("coefficient", "standard_error", "low", "high", "statistic", "p", "q", "cpd"):
        assert fit[name].dims == dims
    assert fit.population_cpd.dims == ("subject", "event", "regressor", "lag")
    assert fit.regressor.values.tolist() == ["choice", "reward"]
    assert fit.coding.values.tolist() == ["+-1/2", "+-1/2"]
    assert fit.lag.values.tolist() == [0, 1]
    assert fit.area.values.tolist() == list("xxyyzz")
    assert (fit.n_trials == 12 * 99).all()
    assert fit.sel(event="e1", unit=1, regressor="reward", lag=0).coefficient == pytest.approx(
        2, abs=0.2
    )
    assert abs(fit.sel(event="e0", unit=1, regressor="reward", lag=0).coefficient.item()) < 0.3


@pytest.mark.parametrize("seed", [0, 1])
def test_encode_equals_statsmodels_with_lags(seed: int) -> None:
    cohort = noisy(seed)
    names = ["choice", "reward", "past_value"]
    fit = encode(cohort, names, lags=(0, 1, 2))
    columns = np.stack([task_regressors(cohort, names, lag=k).values for k in range(3)], axis=1)
    x = columns.reshape(9, -1).T
    kept = np.isfinite(x).all(axis=1)
    assert kept.sum() == 12 * 98
    for event in range(2):
        y = cohort.activity.values[:, :, event, 3].ravel().astype(float)
        theirs = sm.OLS(y[kept], sm.add_constant(x[kept])).fit()
        ours = fit.isel(subject=0, event=event, unit=3)
        assert np.allclose(ours.coefficient.values.ravel(), theirs.params[1:], atol=1e-9)
        assert np.allclose(ours.standard_error.values.ravel(), theirs.bse[1:], rtol=1e-6)
        ends = theirs.conf_int(0.05)[1:]
        assert np.allclose(ours.low.values.ravel(), ends[:, 0], atol=1e-6)
        assert np.allclose(ours.high.values.ravel(), ends[:, 1], atol=1e-6)


def test_poisson_reads_spikes_per_second() -> None:
    cohort = task(3)
    rng = np.random.default_rng(3)
    counts = rng.poisson(np.exp(0.5 + 0.6 * cohort.choice.values))[..., None, None]
    recorded = with_activity(cohort, counts / 0.2)
    fit = encode(recorded, ["choice", "reward"], family="poisson", window=0.2)
    x = task_regressors(cohort, ["choice", "reward"]).values.reshape(2, -1).T
    theirs = sm.GLM(counts.ravel(), sm.add_constant(x), family=sm.families.Poisson())
    params = theirs.fit(tol=1e-12).params
    assert np.allclose(fit.coefficient.values.ravel(), params[1:], atol=1e-6)
    recorded.activity.attrs["window"] = 0.13  # another name is another thing
    with pytest.raises(InputError, match=r"attrs\['window_s'\], for example '0 to 0.5'"):
        encode(recorded, ["choice", "reward"], family="poisson")
    recorded.activity.attrs["window_s"] = "-0.05 to 0.15"
    same = encode(recorded, ["choice", "reward"], family="poisson")
    assert np.array_equal(same.coefficient, fit.coefficient)
    with pytest.raises(InputError, match=r"window is 0.4 s, but .* in a window of -0.05 to 0.15 s"):
        encode(recorded, ["choice"], family="poisson", window=0.4)
    with pytest.raises(InputError, match=r"spikes/s, which is .* spikes in a window of 0\.13 s"):
        encode(with_activity(cohort, counts / 0.2), ["choice"], family="poisson", window=0.13)
    for wrong in ("half a second", "0 to 1 to 2", "0.5 to 0"):
        recorded.activity.attrs["window_s"] = wrong
        with pytest.raises(InputError, match=r"window is .*expected seconds"):
            encode(recorded, ["choice"], family="poisson")
    with pytest.raises(InputError, match="needs the window in which spikes were counted"):
        encode(with_activity(cohort, counts), ["choice"], family="poisson")
    with pytest.raises(InputError, match=r"window is -1, expected seconds above 0"):
        encode(with_activity(cohort, counts), ["choice"], family="poisson", window=-1)


def test_subjects_are_handled_one_by_one() -> None:
    a, b = noisy(1), noisy(2, subject="b", sessions=8, trials=90)
    alone = encode(select_subjects(b, "b"), ["choice", "past_value"])
    padded = b.past_value.pad(trial=(0, 10))
    value = np.concatenate([a.past_value.values, padded.values])
    both = concat_cohorts([c.drop_vars("past_value") for c in (a, b)])
    both = both.assign(past_value=(TRIAL, value))
    together = encode(both, ["choice", "past_value"])
    for name in ("coefficient", "p", "q", "cpd"):
        assert np.allclose(together[name].sel(subject="b"), alone[name].sel(subject="b"))
    assert not np.allclose(together.coefficient.sel(subject="a"), alone.coefficient[0])


def test_a_unit_belongs_to_the_sessions_it_was_recorded_in() -> None:
    cohort = noisy(4)
    split = cohort.copy(deep=True)
    split.activity[:5, :, :, 2:4] = np.nan
    split.activity[5:, :, :, 4] = np.nan
    fit = encode(split, ["choice", "reward"])
    late = encode(cohort.isel(session=slice(5, None)), ["choice", "reward"])
    early = encode(cohort.isel(session=slice(0, 5)), ["choice", "reward"])
    full = encode(cohort, ["choice", "reward"])
    for units, other in (([2, 3], late), ([4], early), ([0, 1, 5], full)):
        for name in ("coefficient", "standard_error", "p", "cpd", "n_trials"):
            assert np.allclose(fit[name].isel(unit=units), other[name].isel(unit=units))
    nowhere = split.copy(deep=True)
    nowhere.activity[..., 5] = np.nan
    with pytest.warns(UserWarning, match="no estimate for unit 5 .NaN throughout."):
        lost = encode(nowhere, ["choice", "reward"])
    assert np.isnan(lost.coefficient.isel(unit=5)).all()
    assert (lost.n_trials.isel(unit=5) == 0).all()
    counted = fraction_significant(lost).n_units
    assert (counted == 5).all()


@pytest.mark.parametrize("null", [None, "circular_shift", "session_permutation"])
def test_order_and_scale_of_units_change_nothing(null: str | None) -> None:
    cohort = noisy(5)
    names = ["choice", "reward", "past_value"]
    fit = encode(cohort, names, null=null, n_permutations=60)
    order = [4, 2, 0, 5, 1, 3]
    mixed = cohort.isel(unit=order).assign_coords(unit=order)
    mixed["activity"] = (8 * mixed.activity - 2).astype("float32")
    again = encode(mixed, names, null=null, n_permutations=60).sel(unit=range(6))
    again = again.transpose(*fit.dims)
    straight = fit.assign_coords(unit=np.arange(6))
    for name in ("p", "q", "cpd", "p_null")[: 4 if null else 3]:
        assert np.allclose(again[name].sel(unit=range(6)), straight[name], atol=2e-5)
    assert np.allclose(again.coefficient, 8 * straight.coefficient, rtol=1e-4, atol=1e-4)
    assert not np.allclose(straight.p.isel(unit=order), straight.p)


def test_lags_find_what_a_unit_remembers() -> None:
    cohort = task(6)
    rng = np.random.default_rng(6)
    past = np.zeros(cohort.choice.shape)
    past[:, 2:] = cohort.reward.values[:, :-2]
    activity = past[..., None, None] + 0.5 * rng.normal(size=(*past.shape, 1, 8))
    fit = encode(with_activity(cohort, activity), ["reward"], lags=(0, 1, 2, 3))
    weights = fit.coefficient.squeeze().mean("unit")
    assert weights.sel(lag=2).item() == pytest.approx(1, abs=0.05)
    assert abs(weights.sel(lag=[0, 1, 3])).max() < 0.05


def test_activity_of_the_session_before_is_never_used() -> None:
    """What the last trial of a session brought is no regressor of the next one's first."""
    cohort = noisy(7)
    changed = cohort.copy(deep=True)
    changed["reward"][:, -1] = 1 - changed["reward"][:, -1]
    before, after = (encode(c, ["previous_reward"]) for c in (cohort, changed))
    assert np.array_equal(before.coefficient, after.coefficient)
    assert before.n_trials.max() == 12 * 99
    here = [encode(c, ["reward"]).coefficient for c in (cohort, changed)]
    assert not np.array_equal(*here)


@pytest.mark.parametrize(
    ("null", "kind"),
    [
        ("circular_shift", "drift"),
        ("circular_shift", "levels"),
        ("session_permutation", "drift"),
        ("session_permutation", "walk"),
        ("session_permutation", "trend"),
    ],
)
def test_false_positives_under_drift(null: str, kind: str) -> None:
    """Units that drift and know nothing of the value: 6 data sets of 40 units.

    The null's rate lies within the 99.9 % range of .05 (of 240 units); t exceeds twice that.
    """
    naive, held = [], []
    for seed in range(6):
        cohort, rng = task(seed), np.random.default_rng([seed, 3])
        shape = (*cohort.choice.shape, 40)
        activity = 0.5 * rng.standard_normal(shape)
        activity += 2 * cohort.reward.values[..., None]
        if kind == "drift":
            activity += walks(rng, shape, 8)
        elif kind == "levels":
            activity += rng.standard_normal((shape[0], 1, 40))
        elif kind == "walk":
            activity += np.cumsum(0.2 * rng.standard_normal(shape), axis=1)
        else:
            ramp = np.linspace(-1, 1, shape[1])[:, None]
            activity += 2 * ramp * rng.standard_normal(40)
            cohort["past_value"] = cohort.past_value + xr.DataArray(0.5 * ramp[:, 0], dims="trial")
        recorded = with_activity(cohort, activity[:, :, None])
        fit = encode(
            recorded, ["choice", "reward", "past_value"], null=null, n_permutations=199, seed=seed
        ).sel(regressor="past_value")  # fmt: skip
        naive.append(fit.p.values.ravel() < 0.05)
        held.append(fit.p_null.values.ravel() < 0.05)
    most = binom.ppf(0.9995, 240, 0.05)
    assert np.sum(held) <= most
    assert np.sum(naive) > 2 * most


def test_rotations_do_not_hold_for_a_trend_that_activity_and_value_share() -> None:
    """The stated limit of ``circular_shift``: the other null's case in the test above."""
    cohort, rng = task(0), np.random.default_rng(3)
    ramp = np.linspace(-1, 1, cohort.sizes["trial"])
    activity = rng.standard_normal((*cohort.choice.shape, 1, 40)) + 2 * ramp[:, None, None]
    cohort["past_value"] = cohort.past_value + xr.DataArray(0.5 * ramp, dims="trial")
    fit = encode(
        with_activity(cohort, activity), ["past_value"], null="circular_shift", n_permutations=99
    )  # fmt: skip
    assert (fit.p_null < 0.05).mean() > 0.9


@pytest.mark.parametrize("null", ["circular_shift", "session_permutation"])
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_nulls_find_what_is_there(null: str, family: str) -> None:
    cohort = task(8)
    weights = xr.DataArray(
        [[0.5]] * 6 + [[0.0]] * 6,
        dims=("unit", "regressor"),
        coords={"regressor": ["past_value"]},
    )
    spikes = virtual_spikes(cohort, weights, drift=0.3, drift_trials=10, seed=8)
    fit = encode(
        spikes, ["past_value", "reward"], null=null, family=family, n_permutations=99, seed=1
    )  # fmt: skip
    p = fit.p_null.sel(regressor="past_value").squeeze()
    assert (p[:6] <= 0.02).all()
    assert (p[6:] > 0.02).sum() >= 4
    assert fit.population_p.sel(regressor="past_value").item() <= 0.02
    assert (fit.population_cpd > fit.population_null).sel(regressor="past_value").all()
    assert fit.population_p.sel(regressor="reward").item() > 0.01


def test_planted_log_rates_are_covered_at_the_stated_rate() -> None:
    """200 neurons x 3 weights: within the 99.9 % range of .95."""
    cohort, rng = task(9, sessions=6, trials=150), np.random.default_rng(9)
    names = ["choice", "reward", "past_value"]
    tuning = xr.DataArray(
        rng.normal(0, 0.4, (200, 3)), dims=("unit", "regressor"), coords={"regressor": names}
    )
    fit = encode(virtual_spikes(cohort, tuning, seed=2), names, family="poisson")
    truth = tuning.values[None, None, :, :, None]
    inside = (fit.low <= truth) & (truth <= fit.high)
    low, high = binom.ppf([0.0005, 0.9995], 200, 0.95)
    for name in names:
        assert low <= inside.sel(regressor=name).sum() <= high
    wrong = (fit.low <= truth + 0.3) & (truth + 0.3 <= fit.high)
    assert wrong.mean() < 0.5


def test_q_is_over_units_and_events() -> None:
    fit = encode(noisy(10), ["choice", "reward"])
    p = fit.p.sel(regressor="reward").values.ravel()
    order = np.argsort(p)
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    expected = np.minimum.accumulate(steps[::-1])[::-1].clip(max=1)
    assert np.allclose(fit.q.sel(regressor="reward").values.ravel()[order], expected)


def test_fraction_of_significant_units() -> None:
    cohort, rng = task(11), np.random.default_rng(11)
    activity = rng.normal(size=(*cohort.choice.shape, 1, 100))
    activity[..., :30] += cohort.choice.values[..., None, None]
    fit = encode(with_activity(cohort, activity), ["choice", "reward"])
    found = fraction_significant(fit).fraction.squeeze()
    low, high = binom.ppf([0.0005, 0.9995], 70, 0.05)
    hits = 100 * found.sel(regressor="choice", statistic="value").item()
    assert 30 + low <= hits <= 30 + high
    chance = 100 * found.sel(regressor="reward", statistic="value").item()
    assert chance <= binom.ppf(0.9995, 100, 0.05)
    corrected = fraction_significant(fit, corrected=True)
    assert corrected.attrs["test"] == "q"
    assert 0.29 < corrected.fraction.squeeze().sel(regressor="choice", statistic="value") <= 0.36
    n, z = 100, 1.959964
    share = hits / n
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / 4 / n**2) / (1 + z**2 / n)
    width = found.sel(regressor="choice", statistic="high") - found.sel(
        regressor="choice", statistic="low"
    )
    assert width.item() == pytest.approx(2 * reach, rel=1e-5)
    for bad in ({"alpha": 1.5}, {"confidence": 0.0}):
        with pytest.raises(InputError, match="expected a number between 0 and 1"):
            fraction_significant(fit, **bad)
    with pytest.raises(InputError, match="expected a result of encode"):
        fraction_significant(cohort)


def test_unit_correlations_are_pearsons() -> None:
    cohort = noisy(12)
    cohort["value"] = (ACTIVITY[:3], np.random.default_rng(1).normal(size=(12, 100, 2)))
    cohort["value"] = cohort["value"].astype("float32")
    found = unit_correlations(cohort, null="circular_shift", n_permutations=20)
    names = ["previous_choice", "previous_reward", "previous_choice_x_previous_reward", "value"]
    assert found.regressor.values.tolist() == names
    for name in names:
        x = task_regressors(cohort, [name]).isel(regressor=0)
        for e in range(2):
            here = (x.isel(event=e) if "event" in x.dims else x).values.ravel()
            y = cohort.activity.values[:, :, e, 2].ravel()
            kept = np.isfinite(here)
            truth = np.corrcoef(here[kept], y[kept])[0, 1]
            mine = found.sel(regressor=name).isel(subject=0, event=e, unit=2)
            assert mine.correlation.item() == pytest.approx(truth, abs=1e-6)
            assert mine.n_trials.item() == kept.sum()
    assert {"p", "p_null", "q"} <= set(found.data_vars)
    belief = xr.DataArray(np.random.default_rng(2).normal(size=(12, 100)), dims=TRIAL).rename("b")
    pair = unit_correlations(cohort, [belief, "choice_x_b"])
    assert pair.sizes["regressor"] == 2


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_gives_the_same_null(seed: int) -> None:
    cohort = noisy(13)
    options = {"null": "circular_shift", "n_permutations": 50}
    a, b, c = (encode(cohort, ["choice", "reward"], seed=s, **options) for s in (seed, seed, 9))
    assert np.array_equal(a.p_null, b.p_null)
    assert not np.array_equal(a.p_null, c.p_null)


def test_session_intercepts_take_levels_out() -> None:
    cohort = noisy(14)
    shifted = cohort.copy(deep=True)
    levels = np.random.default_rng(0).normal(0, 9, (12, 1, 1, 6))
    shifted["activity"] = (shifted.activity + levels).astype("float32")
    within = [encode(c, ["choice"], intercept="session") for c in (cohort, shifted)]
    assert np.allclose(within[0].coefficient, within[1].coefficient, atol=1e-5)
    across = [encode(c, ["choice"]).coefficient for c in (cohort, shifted)]
    assert not np.allclose(*across, atol=0.05)


def broken(name: str) -> xr.Dataset:
    cohort = noisy(15)
    if name == "no activity":
        return cohort.drop_vars("activity")
    if name == "no event":
        return cohort.assign(activity=cohort.activity.isel(event=0, drop=True))
    if name == "infinite":
        cohort.activity[3, 7, 1, 2] = np.inf
    if name == "all NaN":
        cohort.activity[...] = np.nan
    return cohort


@pytest.mark.parametrize(
    ("what", "regressors", "options", "message"),
    [
        ("no activity", ["choice"], {}, "has no 'activity'.*record with activity=True"),
        ("no event", ["choice"], {}, r"activity has dims \(session, trial, unit\), expected"),
        ("infinite", ["choice"], {}, "unit 2 is inf at session 3, trial 7"),
        ("all NaN", ["choice"], {}, "activity is NaN throughout"),
        ("", ["chioce"], {}, "did you mean 'choice'"),
        ("", ["choice"], {"events": ["e2"]}, "no event 'e2'; there are: e0, e1"),
        ("", ["choice"], {"events": []}, "no events asked for; there are: e0, e1"),
        ("", ["choice"], {"family": "poison"}, "family is 'poison'; did you mean 'poisson'"),
        ("", ["choice"], {"null": "shift"}, "null is 'shift'"),
        ("", ["choice"], {"intercept": "subjct"}, "intercept is 'subjct'; did you mean 'subject'"),
        ("", ["choice"], {"n_permutations": 0}, "n_permutations is 0"),
        ("", ["choice"], {"confidence": 95}, "confidence is 95"),
        ("", ["choice"], {"lags": (0, 0)}, "lags are"),
        ("", ["choice"], {"lags": (0.5,)}, "lags are"),
        ("", ["choice"], {"lags": (100,)}, "no trial on which every regressor is defined"),
        ("", ["choice"], {"family": "poisson", "window": 1.0}, "spikes in a window of 1 s"),
    ],
)  # fmt: skip
def test_bad_input(what: str, regressors: list[str], options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        encode(broken(what), regressors, **options)


def test_units_of_the_wrong_length() -> None:
    with pytest.raises(ValueError, match="conflicting sizes"):
        noisy(0).assign(activity=(ACTIVITY, np.zeros((12, 99, 2, 3), "float32")))
    with pytest.raises(InputError, match="activity: got 3 dimensions"):
        make_cohort(
            {"choice": [[0, 1]], "reward": [[0, 1]], "activity": np.zeros((1, 2, 5))},
            subject=["a"], task="bandit", source="animal",
        )  # fmt: skip


def test_constant_and_collinear_regressors_are_named() -> None:
    cohort = noisy(16)
    ones = xr.DataArray(np.ones((12, 100)), dims=TRIAL, name="always")
    with pytest.raises(InputError, match="regressor 'always' does not vary"):
        encode(cohort, ["choice", ones])
    copy = (1 - 2 * cohort.choice).rename("left")
    with pytest.raises(InputError, match="regressor 'left' follows from choice; leave one of"):
        encode(cohort, ["reward", "choice", copy])
    mixed = (3.0 * cohort.choice - cohort.reward).rename("mixed")
    with pytest.raises(InputError, match="'mixed' follows from reward and choice"):
        encode(cohort, ["reward", "choice", mixed])
    level = xr.DataArray(np.arange(12.0), dims="session").expand_dims(trial=100).rename("day")
    encode(cohort, ["choice", level])
    with pytest.raises(InputError, match="'day' does not vary within any session"):
        encode(cohort, ["choice", level], null="circular_shift")
    close = cohort.past_value + 0.01 * np.random.default_rng(0).normal(size=(12, 100))
    encode(cohort, ["past_value", close.rename("close")])


def test_too_few_trials_are_called_too_few() -> None:
    short = noisy(17).isel(session=[0], trial=slice(0, 12))
    with pytest.raises(InputError, match="12 trials are too few for 2 regressors and 1 intercept;"):
        encode(short, ["choice", "reward"])
    encode(short, ["choice"])
    with pytest.raises(InputError, match="12 trials have too few rotations"):
        encode(short, ["choice"], null="circular_shift")
    few = noisy(17).isel(session=slice(0, 5))
    with pytest.raises(InputError, match="5 sessions are too few to permute them; at least 6"):
        encode(few, ["choice"], null="session_permutation")
    uneven = noisy(17)
    uneven["valid"][0, 20:] = 0
    with pytest.raises(InputError, match="sessions have 20 to 100 trials; cut to the shortest"):
        encode(uneven, ["choice"], null="session_permutation")
    even = noisy(17)
    even["valid"][0, 90:] = 0
    fit = encode(even, ["choice"], null="session_permutation", n_permutations=10)
    assert (fit.n_trials == 1190).all()


def test_a_unit_that_does_not_vary_is_warned_of() -> None:
    cohort = noisy(18)
    cohort.activity[..., 4] = 3
    with pytest.warns(UserWarning, match=r"no estimate for unit 4 \(constant\)"):
        fit = encode(cohort, ["choice"], null="circular_shift", n_permutations=5)
    assert np.isnan(fit.isel(unit=4).p).all()
    assert np.isnan(fit.isel(unit=4).p_null).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode(cohort.isel(unit=[0, 1, 2, 3, 5]), ["choice"])
