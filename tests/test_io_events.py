"""Alignment: counts by hand, rates that are known, signals that equal the time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.io import add_activity, align

SEEDS = [0, 1, 2]


def signal(y: np.ndarray, times: np.ndarray, **more: Any) -> xr.DataArray:
    dims = ("time", "channel")[: np.ndim(y)]
    return xr.DataArray(y, dims=dims, coords={"time": times}, attrs={"units": "dF/F"}, **more)


# ---------------------------------------------------------------- spikes and licks


def test_counts_by_hand() -> None:
    """Bins hold their beginning and not their end."""
    rate = align(np.array([10.0, 10.4, 10.5, 11.0]), [10.0, 20.0], window=(-0.5, 1), bin_s=0.5)
    assert rate.dims == ("trial", "time")
    assert rate.values.tolist() == [[0, 4, 2], [0, 0, 0]]
    assert rate.time.values.tolist() == [-0.25, 0.25, 0.75]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("smooth_s", [None, 0.05])
def test_a_rate_is_found(seed: int, smooth_s: float | None) -> None:
    """Poisson at 20/s: the mean over 200 trials of 3 s has a standard error of .18."""
    rng = np.random.default_rng(seed)
    spikes = rng.uniform(0, 1000, rng.poisson(20 * 1000))
    rate = align({"a": spikes}, np.arange(200) * 4.9 + 5, window=(-1, 2), smooth_s=smooth_s)
    assert rate.dims == ("trial", "unit", "time")
    assert float(rate.mean()) == pytest.approx(20, abs=4 * np.sqrt(20 / 600))
    edges = rate.isel(time=[0, -1]).mean("trial").values
    assert edges == pytest.approx(20, abs=4 * np.sqrt(20 / (200 * 0.05)))


def test_smoothing_keeps_every_spike() -> None:
    """A Gaussian holds .6827 of its area within one standard deviation, and all of it in all."""
    rate = align(np.array([5.0]), [5.0], window=(-1, 1), bin_s=0.1, smooth_s=0.1)
    area = rate.values[0] * 0.1
    assert area.sum() == pytest.approx(1, abs=1e-9)
    assert area[9:11].sum() == pytest.approx(0.6827, abs=1e-4)
    assert area == pytest.approx(area[::-1], abs=1e-12)


def test_a_spike_outside_of_the_window_counts_with_its_tail() -> None:
    rate = align(np.array([4.9]), [5.0], window=(0, 0.1), bin_s=0.1, smooth_s=0.1)
    assert rate.item() == pytest.approx(1.359, abs=1e-3)
    assert align(np.array([4.9]), [5.0], window=(0, 0.1), bin_s=0.1).item() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_spikes_and_shift_of_clocks_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spikes, events = rng.uniform(0, 50, 300), np.sort(rng.uniform(0, 50, 10))
    rate = align(spikes, events, bin_s=0.25)
    assert np.array_equal(rate, align(rng.permutation(spikes), events, bin_s=0.25))
    assert np.array_equal(rate, align(spikes + 2.0**20, events + 2.0**20, bin_s=0.25))
    assert not np.array_equal(rate, align(spikes, events + 0.5, bin_s=0.25))


def test_trials_without_the_event_are_nan() -> None:
    rate = align([np.array([1.0]), np.array([2.0])], [1.0, np.nan], window=(0, 2), bin_s=1)
    assert np.isnan(rate.values[1]).all()
    assert rate.values[0].tolist() == [[1, 0], [0, 1]]


def test_no_spikes_are_a_rate_of_nothing() -> None:
    assert align(np.empty(0), [1.0], window=(0, 1), bin_s=1).values.tolist() == [[0.0]]
    assert align({"a": np.empty(0)}, [1.0], window=(0, 1), bin_s=1).values.tolist() == [[[0.0]]]


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("step", [0.01, 0.05, 0.31])
def test_a_signal_that_equals_the_time(step: float) -> None:
    """Its mean in a bin is the bin's middle, whatever the sampling."""
    times = np.arange(0, 20, step)
    cut = align(signal(3 * times, times), [5.0, 9.123], window=(-1, 2), bin_s=0.1)
    assert cut.dims == ("trial", "time")
    assert cut.attrs["units"] == "dF/F"
    assert cut.values == pytest.approx(3 * (np.array([[5.0], [9.123]]) + cut.time.values))


def test_downsampling_averages() -> None:
    """A fast sine sampled within a bin vanishes in its mean; at the middle alone it would not."""
    times = np.arange(0, 20, 0.01)
    cut = align(signal(np.sin(2 * np.pi * 5 * times), times), [3.05], window=(0, 2), bin_s=0.2)
    assert np.abs(cut.values).max() < 1e-9


def test_where_a_signal_does_not_reach_it_is_nan() -> None:
    times = np.arange(0, 10.05, 0.1)
    cut = align(signal(times, times), [0.5, 5.0, 9.5, np.nan], window=(-1, 1), bin_s=0.5)
    assert np.isnan(cut.values).tolist() == [
        [True, False, False, False], [False] * 4, [False, False, False, True], [True] * 4
    ]  # fmt: skip
    holes = np.where((times > 5.2) & (times < 5.35), np.nan, times)
    cut = align(signal(holes, times), [5.0], window=(-1, 1), bin_s=0.25)
    assert np.isnan(cut.values[0]).tolist() == [False] * 4 + [True, True] + [False] * 2
    assert cut.values[0, -1] == pytest.approx(5.875)


def test_smoothing_a_signal_keeps_its_mean_and_its_slope() -> None:
    times = np.arange(0, 60, 0.05)
    cut = align(signal(times, times), [30.0], window=(-1, 1), bin_s=0.05, smooth_s=0.2)
    assert cut.values[0] == pytest.approx(30 + cut.time.values, abs=1e-9)
    rng = np.random.default_rng(0)
    noise = signal(rng.normal(size=len(times)), times)
    plain, smooth = (
        align(noise, np.arange(5, 50, 2.0), window=(-1, 1), bin_s=0.05, smooth_s=s).std()
        for s in (None, 0.2)
    )
    assert smooth < 0.5 * plain


def test_channels_keep_their_names() -> None:
    times = np.arange(0, 10, 0.1)
    both = signal(np.stack([times, -times], axis=1), times).assign_coords(channel=["g", "r"])
    cut = align(both, [5.0], window=(0, 1), bin_s=1)
    assert cut.dims == ("trial", "channel", "time")
    assert cut.sel(channel="r").item() == pytest.approx(-5.5)


# ---------------------------------------------------------------- activity


def cohort(n_sessions: int = 1) -> xr.Dataset:
    none, times = np.zeros((n_sessions, 3)), np.array([[1.0, 2.0, np.nan]] * n_sessions)
    return make_cohort(
        {"choice": none, "reward": none, "t_cue": times, "t_end": times + 0.5},
        subject=[f"m{k}" for k in range(n_sessions)], task="bandit", source="animal",
    )  # fmt: skip


def test_activity_of_units_around_events() -> None:
    spikes = {"n1": np.array([1.1, 1.6, 1.7]), "n2": np.array([2.4])}
    added = add_activity(cohort(), spikes, events=["cue", "end"], area=["OFC", "VTA"])
    assert added.activity.dims == ("session", "trial", "event", "unit")
    assert added.activity.dtype == np.float32
    expected = np.array([[[2, 0], [4, 0]], [[0, 2], [0, 0]]])
    assert np.array_equal(added.activity.values[0, :2], expected)
    assert np.isnan(added.activity.values[0, 2]).all()
    assert added.event.values.tolist() == ["cue", "end"]
    assert added.area.values.tolist() == ["OFC", "VTA"]
    assert added.activity.attrs == {"units": "spikes/s", "window_s": "0.0 to 0.5"}


def test_activity_of_a_signal() -> None:
    times = np.arange(0, 5, 0.01)
    added = add_activity(cohort(), signal(times, times), events="cue", window=(0, 1))
    assert added.activity.values[0, :2, 0, 0] == pytest.approx([1.5, 2.5])
    assert added.activity.attrs["units"] == "dF/F"


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"samples": np.array([1.0, np.nan])}, r"the times: time 1 \(from 0\) is nan, .* finite"),
        (
            {"samples": 1e3 * np.arange(100.0), "events": np.arange(2.0, 98.0)},
            "the times: its times run from 0 to 99000, .* look like ms, expected s; scale them",
        ),
        ({"samples": {"u": np.array([np.inf])}}, "unit 'u': time 0 .* is inf"),
        ({"samples": np.zeros((2, 2))}, r"expected a 1-d array of times in s, got shape \(2, 2\)"),
        ({"samples": np.array(["a"])}, "expected a 1-d array of times"),
        ({"window": (1, 1)}, r"window is \(1, 1\), expected two times in s"),
        ({"window": (0, np.nan)}, "expected two times in s"),
        ({"bin_s": 0.0}, "bin_s is 0.0, expected a width in s above 0"),
        ({"bin_s": 0.7}, "the window 0 to 1 s is 1.42857 bins of 0.7 s, expected a whole number"),
        ({"bin_s": 3.0}, "is 0.333333 bins of 3 s, expected a whole number"),
        ({"smooth_s": -1.0}, "smooth_s is -1.0, expected a width in s above 0, or None"),
        ({"events": np.zeros((2, 2))}, r"events have shape \(2, 2\)"),
        ({"events": cohort(2).t_cue}, "events are of 2 sessions; align one session at a time"),
        ({"samples": signal(np.zeros(3), np.array([0.0, 2, 1]))}, "must be finite and increase"),
        ({"samples": xr.DataArray([1.0], dims="t")}, "a signal has the dim time"),
    ],
)
def test_what_cannot_be_aligned(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        align(
            **{"samples": np.array([1.0]), "events": [1.0], "window": (0, 1), "bin_s": 0.5, **how}
        )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"cohort": cohort(2)}, "one session at a time, the cohort has 2"),
        ({"events": ["ceu"]}, "no times of event 'ceu': did you mean 'cue'"),
        ({"events": []}, "name at least one event"),
        ({"area": ["a", "b"]}, "area names 2 units, there are 1"),
        (
            {"cohort": cohort().drop_vars(["t_cue", "t_end"])},
            "the cohort has no variable t_<event>",
        ),
    ],
)
def test_what_cannot_be_added(how: dict[str, Any], message: str) -> None:
    given = {"cohort": cohort(), "samples": np.array([1.0]), "events": "cue", **how}
    with pytest.raises(InputError, match=message):
        add_activity(given.pop("cohort"), given.pop("samples"), **given)
