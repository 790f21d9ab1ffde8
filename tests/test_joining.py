"""Joined cohorts: whose units are whose, and that what needs no joining stays as it was."""

from __future__ import annotations

import time

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.io import add_activity
from neuro_metarl.schema import specification
from tests.interchange_cohorts import KINDS, make


def day(
    session: str, units: list[str], *, subject: str = "m1", n_trials: int = 4, seed: int = 0
) -> xr.Dataset:
    """One day of one animal; each unit has a rate of its own."""
    rng = np.random.default_rng([seed, len(session), *map(ord, session), *map(ord, subject)])
    start = 2.0 * np.arange(n_trials)
    cohort = make_cohort(
        {
            "choice": rng.integers(2, size=(1, n_trials)),
            "reward": rng.integers(2, size=(1, n_trials)),
            "t_cue": start[None],
        },
        subject=[subject], session_id=[session], task="bandit", source="animal",
    )  # fmt: skip
    spikes = {u: rng.uniform(0, 2 * n_trials, 30) for u in units}
    return add_activity(cohort, spikes, events="cue")


def bare(session: str, units: list, *, subject: str = "m1", source: str = "animal") -> xr.Dataset:
    """A cohort made by hand, which says nothing about recordings."""
    rng = np.random.default_rng([*map(ord, session), *map(ord, subject)])
    return make_cohort(
        {
            "choice": [[0, 1, 1]], "reward": [[1, 0, 1]],
            "activity": rng.normal(size=(1, 3, 1, len(units))),
        },
        subject=[subject], session_id=[session], task="bandit", source=source,
        coords={"event": ["cue"], "unit": ("unit", units)},
    )  # fmt: skip


def rates(cohort: xr.Dataset) -> dict[tuple[str, str], list]:
    """Session and unit to the rates of every unit that was recorded there: order forgotten."""
    found = {}
    for k, session in enumerate(cohort.session_id.values.tolist()):
        for j in range(cohort.sizes["unit"]):
            values = cohort.activity.transpose("session", "unit", "trial", "event").values[k, j]
            if np.isfinite(values).any():
                name = (str(cohort.recording.values[j]), str(cohort.unit_id.values[j]))
                found[session, *name] = values[np.isfinite(values)].tolist()
    return found


# ---------------------------------------------------------------- as it was


def stacked_by_xarray(cohorts: list[xr.Dataset]) -> xr.Dataset:
    """What concat_cohorts was before units were told apart."""
    n_trials = max(c.sizes["trial"] for c in cohorts)
    padded = []
    for cohort in cohorts:
        missing = n_trials - cohort.sizes["trial"]
        wide = {
            n: v.pad(trial=(0, missing), constant_values=specification(str(n))[2])
            for n, v in cohort.variables.items()
            if "trial" in v.dims and missing
        }
        padded.append(cohort.drop_vars(list(wide)).assign(wide))
    return xr.concat(
        padded, dim="session", data_vars="minimal", coords="minimal", compat="override",
        join="override", combine_attrs="drop_conflicts",
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_shares_its_units_joins_as_before(kind: str, seed: int) -> None:
    """Networks recorded twice, animals that share nothing, behavior alone: identical."""
    one, other = (make(kind, seed + k).assign_attrs(task_config="{}") for k in (0, 10))
    if kind == "odd":
        other = other.assign_coords(session_id=("session", ["later"]))
        other = other.assign(lesion=one.lesion)
    else:
        other = other.isel(trial=slice(5)).assign_coords(
            subject=("session", [f"x{s}" for s in other.subject.values])
        )
    xr.testing.assert_identical(concat_cohorts([one, other]), stacked_by_xarray([one, other]))
    assert concat_cohorts([one]).identical(one)


def test_a_network_recorded_twice_stays_one_network() -> None:
    one = make("networks")
    again = one.assign_coords(session_id=("session", ["x", "y", "z"]))
    joined = concat_cohorts([one, again])
    assert joined.unit.identical(one.unit)
    assert joined.sizes["session"] == 6
    assert "recording" not in joined.coords


def test_units_of_a_network_meet_by_their_label() -> None:
    """The same population, of which other units were recorded, and in another order."""
    one = bare("a", [0, 1, 2], source="agent")
    other = bare("b", [2, 3], source="agent")
    joined = concat_cohorts([one, other])
    assert joined.unit.values.tolist() == [0, 1, 2, 3]
    assert np.array_equal(joined.activity.values[0, ..., :3], one.activity.values[0])
    assert np.isnan(joined.activity.values[0, ..., 3]).all()
    assert np.array_equal(joined.activity.values[1, ..., 2:], other.activity.values[0])
    turned = concat_cohorts(
        [one, one.isel(unit=[2, 0, 1]).assign_coords(session_id=("session", ["c"]))]
    )
    assert np.array_equal(turned.activity.values[0], turned.activity.values[1])


# ---------------------------------------------------------------- different units


@pytest.mark.parametrize("made", [day, bare])
def test_two_days_with_the_same_ids_are_different_units(made) -> None:
    one, other = made("day0", ["0", "1", "2"]), made("day1", ["0", "1", "2"])
    joined = concat_cohorts([one, other])
    assert joined.unit.values.tolist() == [f"day{d}/{u}" for d in range(2) for u in range(3)]
    assert joined.recording.values.tolist() == ["day0"] * 3 + ["day1"] * 3
    assert joined.unit_id.values.tolist() == ["0", "1", "2"] * 2
    assert np.array_equal(joined.activity.values[0, ..., :3], one.activity.values[0])
    assert np.array_equal(joined.activity.values[1, ..., 3:], other.activity.values[0])
    assert np.isnan(joined.activity.values[0, ..., 3:]).all()
    assert np.isnan(joined.activity.values[1, ..., :3]).all()
    assert joined.activity.dtype == np.float32


@pytest.mark.parametrize("made", [day, bare])
def test_the_same_neurons_where_it_is_declared(made) -> None:
    one, other = made("day0", ["0", "1"]), made("day1", ["1", "2"])
    joined = concat_cohorts([one, other], same_units=True)
    assert joined.unit.values.tolist() == ["0", "1", "2"]
    assert np.array_equal(joined.activity.values[1, ..., 1:], other.activity.values[0])
    assert joined.recording.values.tolist()[1] == "m1"
    followed = {"n": {"day0": "0", "day1": "2"}}
    some = concat_cohorts([one, other], same_units=followed)
    assert some.unit.values.tolist() == ["n", "day0/1", "day1/1"]
    assert np.array_equal(some.activity.values[0, ..., 0], one.activity.values[0, ..., 0])
    assert np.array_equal(some.activity.values[1, ..., 0], other.activity.values[0, ..., 1])
    again = concat_cohorts([concat_cohorts([one, other])], same_units=True)
    assert rates(again) == rates(joined)


def test_same_ids_of_two_animals_are_never_the_same_neuron() -> None:
    one, other = day("d", ["0"], subject="m1"), day("d", ["0"], subject="m2")
    joined = concat_cohorts([one, other])
    assert joined.unit.values.tolist() == ["m1/d/0", "m2/d/0"]
    assert np.isnan(joined.activity.values[0, ..., 1]).all()
    later = day("e", ["0"], subject="m1")
    same = concat_cohorts([one, other, later], same_units=True)
    assert same.unit.values.tolist() == ["m1/0", "m2/0"]
    assert same.recording.values.tolist() == ["m1", "m2/d"]
    more = concat_cohorts([same, day("f", ["0"], subject="m1")], same_units=True)
    assert more.unit.values.tolist() == ["m1/0", "m2/0"]


def test_what_is_said_of_units_is_kept() -> None:
    one = day("d0", ["0", "1"]).assign_coords(
        area=("unit", ["OFC", "VTA"]), depth=("unit", [100, 200])
    )
    other = day("d1", ["0"])
    joined = concat_cohorts([one, other])
    assert joined.area.values.tolist() == ["OFC", "VTA", ""]
    assert joined.depth.values[:2].tolist() == [100, 200]
    assert np.isnan(joined.depth.values[2])
    moved = day("d1", ["0"]).assign_coords(area=("unit", ["VTA"]))
    with pytest.raises(InputError, match="area of unit '0' is OFC in one cohort and VTA in ano"):
        concat_cohorts([one, moved], same_units=True)


CUTS = st.lists(st.integers(1, 3), min_size=1, max_size=3)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 3), min_size=2, max_size=5),
    owners=st.lists(st.sampled_from(["m1", "m2"]), min_size=5, max_size=5),
    order=st.randoms(use_true_random=False),
    cut=st.integers(1, 4),
)
def test_order_and_grouping_of_the_parts_do_not_matter(
    sizes: list[int], owners: list[str], order, cut: int
) -> None:
    """Joined at once, in another order, or in two steps: the same rates of the same units."""
    days = [
        day(f"d{k}", [str(u) for u in range(n)], subject=owners[k], n_trials=3 + k)
        for k, n in enumerate(sizes)
    ]
    known = rates(concat_cohorts(days))
    assert len(known) == sum(sizes)
    alone = {key: v for one in days for key, v in rates(one).items()}
    assert known == alone
    turned = days.copy()
    order.shuffle(turned)
    assert rates(concat_cohorts(turned)) == known
    k = min(cut, len(days) - 1)
    halves = [concat_cohorts(days[:k]), concat_cohorts(days[k:])]
    assert rates(concat_cohorts(halves)) == known
    whole = concat_cohorts(days)
    parts = [whole.isel(session=[n]) for n in range(len(days))]
    assert concat_cohorts(parts).identical(whole)


def test_many_recordings_are_joined_in_seconds() -> None:
    """Sixty days of 20 units and 300 trials: 1,200 units."""
    days = [day(f"d{k}", [str(u) for u in range(20)], n_trials=300) for k in range(60)]
    began = time.perf_counter()
    joined = concat_cohorts(days)
    assert joined.sizes["unit"] == 1200
    assert time.perf_counter() - began < 20


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("same_units", "message"),
    [
        ({"n": {"day0": "0", "dya1": "1"}}, "no recording 'dya1'; did you mean 'day1'"),
        ({"n": {"day0": "7"}}, "recording 'day0' has no unit '7'; there are: 0, 1"),
        ({"n": {"day0": "0"}, "k": {"day0": "0"}}, "unit '0' of recording 'day0' is named twice"),
        ({"n": "0"}, "neuron 'n' is '0', expected a mapping of session to unit"),
        ({"n": {"day0": "0", "other": "0"}}, "neuron 'n' is given to several subjects, m1, m2"),
        ("yes", "same_units is 'yes', expected True, False, None or a mapping"),
    ],
)
def test_declarations_that_do_not_fit(same_units, message: str) -> None:
    days = [day("day0", ["0", "1"]), day("day1", ["0", "1"]), day("other", ["0"], subject="m2")]
    with pytest.raises(InputError, match=message):
        concat_cohorts(days, same_units=same_units)


def test_units_that_cannot_be_told_apart_or_measured_together() -> None:
    twice = bare("d0", ["0", "0"])
    with pytest.raises(InputError, match="unit '0' appears twice in recording 'd0'; units of diff"):
        concat_cohorts([twice, bare("d1", ["0"])])
    one = day("d0", ["0"])
    longer = day("d1", ["0"])
    longer["activity"].attrs["window_s"] = "0.0 to 1.0"
    with pytest.raises(
        InputError, match=r"the window_s of activity differ, 0\.0 to 0\.5 and 0\.0 to"
    ):
        concat_cohorts([one, longer])
    volts = day("d1", ["0"])
    volts["activity"].attrs["units"] = "volts"
    with pytest.raises(InputError, match="the units of activity differ, spikes/s and volts"):
        concat_cohorts([one, volts])


def test_one_animal_s_shared_units_come_back_as_they_were(tmp_path) -> None:
    """Through NWB, Neo and pynapple: a cohort's own units stay its own, and joined ones, too."""
    from neuro_metarl.io import (
        from_neo,
        from_pynapple,
        read_nwb,
        to_neo,
        to_pynapple,
        write_nwb,
    )  # fmt: skip

    pytest.importorskip("pynapple")
    shared = concat_cohorts([bare("d0", ["0", "1"]), bare("d1", ["0", "1"])], same_units=True)
    assert shared.sizes["unit"] == 2
    joined = concat_cohorts([day("d0", ["0", "1"]), day("d1", ["1"], n_trials=6)])
    followed = concat_cohorts([day("d0", ["0", "1"]), day("d1", ["1"])], same_units=True)
    for k, cohort in enumerate((shared, joined, followed)):
        files = write_nwb(cohort, tmp_path / f"out{k}")
        assert read_nwb(files).identical(cohort)
        assert from_neo(to_neo(cohort)).identical(cohort)
        assert from_pynapple(to_pynapple(cohort)).identical(cohort)
    apart = [write_nwb(bare(f"d{k}", ["0"]), tmp_path / f"d{k}.nwb")[0] for k in range(2)]
    assert read_nwb(apart).unit.values.tolist() == ["d0/0", "d1/0"]
    same = read_nwb(apart, same_units=True)
    assert same.unit.values.tolist() == ["0"]
    with pytest.raises(InputError, match="comes back as it was; subject would not be used"):
        read_nwb(apart, subject="x")
    with pytest.raises(InputError, match="comes back as it was; species would not be used"):
        from_neo(to_neo(shared), species="mouse")
