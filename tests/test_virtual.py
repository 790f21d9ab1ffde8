"""Virtual physiology: rates, drift, calcium and spike times of known truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest

from neuro_metarl.cohort import make_cohort, validate_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.neural.encoding import encode
from neuro_metarl.neural.regressors import task_regressors
from neuro_metarl.neural.virtual import spike_times, virtual_calcium, virtual_spikes
from neuro_metarl.storage import open_cohort, save_cohort

TRIAL = ("session", "trial")


def agents(seed: int = 0, sessions: int = 6, trials: int = 60, n_units: int = 5) -> xr.Dataset:
    """Like a recorded network: hidden activity, cell state, two events, a short session."""
    rng = np.random.default_rng(seed)
    choice = rng.integers(2, size=(sessions, trials))
    choice[-1, trials // 2 :] = -1
    hidden = np.tanh(rng.normal(size=(sessions, trials, 2, n_units)))
    hidden[..., 0] = 0.9 * (2 * choice[..., None] - 1)
    return make_cohort(
        {
            "choice": choice, "reward": rng.integers(2, size=choice.shape),
            "activity": hidden, "cell": hidden, "value": hidden[..., 1],
        },
        subject=["a"] * (sessions // 2) + ["b"] * (sessions - sessions // 2), task="two-step",
        source="agent", coords={"event": ["cue", "outcome"], "unit": np.arange(n_units)},
    )  # fmt: skip


def weights(values: list[list[float]], names: list[str]) -> xr.DataArray:
    return xr.DataArray(values, dims=("unit", "regressor"), coords={"regressor": names})


@pytest.mark.parametrize("make", [virtual_spikes, virtual_calcium])
def test_the_result_is_a_cohort_that_can_be_saved(make, tmp_path: Path) -> None:
    made = make(agents(), seed=3)
    validate_cohort(made)
    assert made.activity.dims == (*TRIAL, "event", "unit")
    assert "cell" not in made
    assert made.choice.equals(agents().choice)
    assert made.value.equals(agents().value)
    valid = made.valid.values == 1
    assert np.isfinite(made.activity.values[valid]).all()
    assert np.isnan(made.activity.values[~valid]).all()
    again = open_cohort(save_cohort(made, tmp_path / "v.nc"))
    assert again.activity.equals(made.activity)
    assert again.activity.attrs == made.activity.attrs
    assert json.loads(again.attrs["virtual"])["seed"] == 3
    planted = make(agents(), weights([[1.0]], ["choice"]))
    again = open_cohort(save_cohort(planted, tmp_path / "w.nc"))
    assert again.tuning.equals(planted.tuning)


@pytest.mark.parametrize("make", [virtual_spikes, virtual_calcium])
def test_seeds(make) -> None:
    a, b, c = (make(agents(), seed=s).activity.values for s in (1, 1, 2))
    assert np.array_equal(a, b, equal_nan=True)
    assert not np.array_equal(a, c, equal_nan=True)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_counts_are_poisson_with_the_planted_rate(seed: int) -> None:
    cohort = agents(seed, sessions=20, trials=250)
    truth = weights([[0.7, 0.0], [0.0, -0.4], [0.0, 0.0]], ["choice", "reward"])
    made = virtual_spikes(cohort, truth, base_rate=10, window=0.5, seed=seed)
    coded = task_regressors(cohort, ["choice", "reward"])
    expected = 10 * np.exp((coded * truth).sum("regressor", skipna=False))
    valid = cohort.valid.values == 1
    counts = made.activity.values[valid] * 0.5
    assert np.allclose(counts, np.round(counts), atol=1e-4)
    mean = 0.5 * expected.transpose(*TRIAL, "unit").values[valid][:, None]
    z = (counts - mean) / np.sqrt(mean)
    n = z[..., 0].size
    assert np.abs(z.mean(axis=(0, 1))).max() < 4 / np.sqrt(n)
    assert np.abs((z**2).mean(axis=(0, 1)) - 1).max() < 4 * np.sqrt(2.5 / n)
    wrong = (counts - 5) / np.sqrt(5)
    assert np.abs((wrong[..., 0] ** 2).mean() - 1) > 0.1


def test_tuning_may_differ_between_events_and_undefined_regressors_drive_nothing() -> None:
    cohort = agents(sessions=20, trials=200)
    truth = xr.DataArray(
        [[[1.0]], [[0.0]]],
        dims=("event", "unit", "regressor"),
        coords={"regressor": ["previous_reward"], "event": ["outcome", "cue"]},
    )
    made = virtual_spikes(cohort, truth, base_rate=20, seed=1)
    fit = encode(made, ["previous_reward"], family="poisson").coefficient.mean("subject").squeeze()
    assert fit.sel(event="outcome").item() == pytest.approx(1, abs=0.1)
    assert abs(fit.sel(event="cue").item()) < 0.1
    first = made.activity[:, 0].mean().item()
    assert first == pytest.approx(20, abs=4 * np.sqrt(20 / 0.25 / 40))
    only = virtual_spikes(cohort, truth.sel(event=["outcome"]), seed=1)
    assert only.tuning.sel(event=["cue", "outcome"]).values.ravel().tolist() == [0, 1]
    assert np.array_equal(only.activity, virtual_spikes(cohort, truth, seed=1).activity, True)


def test_neurons_follow_the_hidden_units_of_their_own_subject() -> None:
    cohort = agents(sessions=10, trials=200)
    made = virtual_spikes(cohort, gain=1.0, base_rate=20, seed=5)
    assert np.array_equal(made.mixture, np.eye(5))
    for unit in range(5):
        rates = np.log(made.activity.isel(unit=unit) + 2)
        hidden = [cohort.activity.isel(unit=u) for u in range(5)]
        r = [abs(xr.corr(rates, h).item()) for h in hidden]
        assert int(np.argmax(r)) == unit
        assert r[unit] > 0.7
    flat = virtual_spikes(cohort, gain=0.0, base_rate=20, seed=5).activity
    assert abs(xr.corr(flat.isel(unit=0), cohort.activity.isel(unit=0)).item()) < 0.1


def test_mixtures_of_hidden_units() -> None:
    cohort = agents(sessions=10, trials=200)
    made = virtual_spikes(cohort, n_units=40, seed=5)
    assert made.sizes["unit"] == 40
    assert np.allclose((made.mixture**2).sum("hidden_unit"), 1)
    hidden = cohort.activity.values[cohort.valid.values == 1].reshape(-1, 5)
    hidden = (hidden - hidden.mean(0)) / hidden.std(0)
    rates = made.activity.values[made.valid.values == 1].reshape(-1, 40)
    r = [np.corrcoef(hidden @ made.mixture.values[u], rates[:, u])[0, 1] for u in range(40)]
    assert min(r) > 0.5


@pytest.mark.parametrize("trials", [5.0, 30.0])
def test_drift_has_the_stated_spread_and_memory(trials: float) -> None:
    cohort = agents(sessions=40, trials=300)
    truth = weights([[0.0]] * 30, ["choice"])
    made = virtual_spikes(
        cohort, truth, base_rate=1e5, max_rate=1e9, window=1.0, drift=0.5, drift_trials=trials
    )  # fmt: skip
    walk = np.log(made.activity.isel(session=slice(0, 39), event=0).values / 1e5)
    n = 39 * 300 * 30 / (2 * trials)
    assert walk.std() == pytest.approx(0.5, rel=4 / np.sqrt(n))
    for lag in (1, 5, 20):
        r = (walk[:, lag:] * walk[:, :-lag]).mean() / walk.var()
        assert r == pytest.approx(np.exp(-lag / trials), abs=6 / np.sqrt(n))
    across = (walk[1:, 0] * walk[:-1, -1]).mean() / walk.var()
    assert abs(across) < 4 / np.sqrt(38 * 30)
    both = np.corrcoef(walk[..., 0].ravel(), walk[..., 1].ravel())[0, 1]
    assert abs(both) < 4 * np.sqrt(2 * trials / (39 * 300))


def test_rates_stop_at_the_largest() -> None:
    made = virtual_spikes(
        agents(sessions=20, trials=200), weights([[9.0]], ["choice"]), max_rate=40, window=1.0
    )  # fmt: skip
    fast = made.activity.values[made.choice.values == 1]
    assert fast.mean() == pytest.approx(40, abs=4 * np.sqrt(40 / fast.size))


def test_spike_times_count_back_to_the_activity() -> None:
    made = virtual_spikes(agents(), seed=2, window=0.3)
    for background in (True, False):
        times = spike_times(made, background=background, seed=1)
        for session, unit in ((0, 0), (3, 2), (5, 4)):
            mine = (times.session == session) & (times.unit == unit)
            train = times.time.values[mine]
            assert (np.diff(train) >= 0).all()
            for event in ("cue", "outcome"):
                starts = made[f"t_{event}"].values[session]
                here = (train >= starts[:, None]) & (train < starts[:, None] + 0.3)
                rates = made.activity.sel(event=event).values[session, :, unit]
                valid = made.valid.values[session] == 1
                assert np.allclose(here.sum(axis=1)[valid], 0.3 * rates[valid], atol=1e-3)
        assert np.array_equal(times.session_id, made.session_id.values[times.session])
    inside = times.time.values % 1.0
    assert inside.max() < 0.3
    assert kstest(inside / 0.3, "uniform").pvalue > 1e-4


def test_background_has_the_neurons_mean_rate() -> None:
    made = virtual_spikes(
        agents(sessions=20, trials=200), weights([[0.0], [0.0]], ["choice"]), base_rate=12
    )  # fmt: skip
    times = spike_times(made)
    outside = (times.time.values % 1.0) >= 0.25
    seconds = (19 * (2 * 200 - 1) + 2 * 100 - 1) * 0.75 * 2
    assert outside.sum() / seconds == pytest.approx(12, abs=5 * np.sqrt(12 / seconds) + 0.15)


def test_calcium_rises_with_spikes_and_decays_until_the_next_event() -> None:
    cohort, truth = agents(sessions=4, trials=50), weights([[0.5], [0.0]], ["choice"])
    spikes = virtual_spikes(cohort, truth, seed=4)
    made = virtual_calcium(cohort, truth, seed=4, noise=0.0, decay=0.8, amplitude=0.2)
    counts = spikes.activity.values * 0.25
    keep, expected = np.exp(-1 / 0.8), np.full(counts.shape, np.nan)
    for s in range(4):
        level = np.zeros(2)
        for t in range(int(cohort.valid[s].sum())):
            for e in range(2):
                level = level * keep * (t + e > 0) + 0.2 * counts[s, t, e]
                expected[s, t, e] = level
    expected -= np.nanmean(expected.reshape(-1, 2, 2), axis=0)
    assert np.allclose(made.activity, expected, atol=1e-5, equal_nan=True)
    noisy = virtual_calcium(cohort, truth, seed=4, noise=0.3, decay=0.8, amplitude=0.2)
    away = (noisy.activity - made.activity).values
    assert np.nanstd(away) == pytest.approx(0.3, rel=0.1)
    assert made.activity.attrs["units"] == "dF/F"


def test_an_animals_own_event_times_are_kept() -> None:
    rng = np.random.default_rng(0)
    start = np.cumsum(rng.uniform(5, 9, (2, 30)), axis=1)
    cohort = make_cohort(
        {
            "choice": rng.integers(2, size=(2, 30)), "reward": rng.integers(2, size=(2, 30)),
            "t_outcome": start + 2.0, "t_choice": start,
        },
        subject=["a", "a"], task="bandit", source="animal",
    )  # fmt: skip
    made = virtual_spikes(cohort, weights([[1.0]], ["choice"]))
    assert made.event.values.tolist() == ["choice", "outcome"]
    assert np.array_equal(made.t_choice, start)
    assert spike_times(made).time.max() <= start.max() + 2.25


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tuning": weights([[1.0]], ["chioce"])}, "did you mean 'choice'"),
        ({"tuning": xr.DataArray([1.0], dims="unit")}, r"dims \(unit\), expected unit, regressor"),
        ({"tuning": xr.DataArray([[1.0]], dims=("unit", "regressor"))}, "names of its regressors"),
        ({"tuning": weights([[np.nan]], ["choice"])}, "not finite"),
        ({"tuning": weights([[1.0]], ["choice"]).expand_dims(event=["cu"])}, "event 'cu'; did you"),
        ({"tuning": weights([[1.0]], ["choice"]), "n_units": 3}, "tuning has 1 units"),
        ({"n_units": 0}, "n_units is 0"),
        ({"base_rate": 0}, "base_rate is 0, expected a number above 0"),
        ({"drift": -1}, "drift is -1, expected 0 or more"),
        ({"window": 2.0}, "windows would overlap"),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        virtual_spikes(agents(), **change)


def test_bad_sources() -> None:
    with pytest.raises(InputError, match="no 'activity' to record from"):
        virtual_spikes(agents().drop_vars("activity"))
    with pytest.raises(InputError, match="noise is -1"):
        virtual_calcium(agents(), noise=-1)
    with pytest.raises(InputError, match="decay is 0"):
        virtual_calcium(agents(), decay=0)
    for bad in (agents(), virtual_calcium(agents()), agents().drop_vars("activity")):
        with pytest.raises(InputError, match="expected spikes as virtual_spikes makes them"):
            spike_times(bad)
    broken = agents()
    broken.activity[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="activity is not finite on some valid trials"):
        virtual_spikes(broken)
