"""The Allen Institute's mice: a small NWB file in that form, and the mice where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import neuro_metarl as nm
from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_aind

SHARED = Path(__file__).parents[2] / "shared/data/aind_mouse_foraging_nwb"
START = 1_301_166.0


def table(**changes: Any) -> dict[str, Any]:
    """Left and rewarded, right, none, right and rewarded."""
    start = START + 10 * np.arange(4)
    columns = {
        "animal_response": np.array([0.0, 1, 2, 1]),
        "rewarded_historyL": np.array([True, False, False, False]),
        "rewarded_historyR": np.array([False, False, False, True]),
        "reward_probabilityL": np.array([0.9, 0.9, 0.1, 0.5]),
        "reward_probabilityR": np.array([0.1, 0.1, 0.9, 0.5]),
        "start_time": start,
        "goCue_start_time": start + 1,
        "reward_outcome_time": start + 2,
        "stop_time": start + 9,
        "laser_on_trial": np.array([0, 1, 1, 0], dtype="int32"),
        "auto_train_stage": np.array([b"STAGE_1"] * 4, dtype=object),
    }
    return {k: v for k, v in (columns | changes).items() if v is not None}


def written(
    folder: Path, columns: dict[str, Any], *, mouse: str | None = "689514", name: str = "one"
) -> Path:
    path = folder / f"{name}.nwb"
    with h5py.File(path, "w") as nwb:
        for column, values in columns.items():
            dtype = h5py.string_dtype() if np.asarray(values).dtype.kind == "O" else None
            nwb.create_dataset(f"intervals/trials/{column}", data=values, dtype=dtype)
        if mouse is not None:
            nwb["general/subject/subject_id"] = mouse
            nwb["general/subject/species"] = "Mus musculus"
        nwb["acquisition/left_lick_time/timestamps"] = START + np.array([0.5, 2.001, 33.0])
        nwb["acquisition/right_lick_time/timestamps"] = START + np.array([12.001, 29.5, 32.001])
    return path


def test_choices_rewards_and_times(tmp_path: Path) -> None:
    cohort = read_aind(written(tmp_path, table()))
    assert cohort.subject.values.tolist() == ["689514"]
    assert cohort.session_id.values.tolist() == ["one"]
    assert cohort.species.values.tolist() == ["mouse"]
    assert cohort.choice.values.tolist() == [[0, 1, -1, 1]]
    assert cohort.reward.values.tolist() == [[1, 0, 0, 1]]
    assert cohort.correct.values.tolist() == [[1, 0, -1, -1]]
    assert cohort.p_reward.values[0, 2] == pytest.approx([0.1, 0.9])
    relative = {name: (cohort[name].values[0] - START).round(3).tolist() for name in cohort}
    assert relative["t_go_cue"] == [1, 11, 21, 31]
    assert relative["t_choice"] == pytest.approx([2, 12, np.nan, 32], nan_ok=True)
    assert relative["t_first_lick"] == pytest.approx([2.001, 12.001, np.nan, 32.001], nan_ok=True)
    assert cohort.n_laser.values.tolist() == [2]


def test_no_response_is_kept_and_does_not_count(tmp_path: Path) -> None:
    cohort = read_aind(written(tmp_path, table()))
    assert cohort.valid.values.tolist() == [[1, 1, 0, 1]]
    assert cohort.invalid_reason.values.tolist() == [[0, 0, 3, 0]]


def test_a_session_with_one_trial_and_no_licks(tmp_path: Path) -> None:
    path = written(tmp_path, {k: v[2:3] for k, v in table(laser_on_trial=None).items()}, name="b")
    with h5py.File(path, "a") as nwb:
        del nwb["acquisition"]
        nwb["acquisition/left_lick_time/timestamps"] = [np.nan]
    cohort = read_aind(path)
    assert cohort.sizes["trial"] == 1
    assert cohort.valid.values.tolist() == [[0]]
    assert np.isnan(cohort.t_first_lick.values).all()
    assert cohort.n_laser.values.tolist() == [0]
    both = concat_cohorts([read_aind(written(tmp_path, table())), cohort])
    assert both.valid.values.tolist() == [[1, 1, 0, 1], [0, 0, 0, 0]]
    assert both.invalid_reason.values.tolist() == [[0, 0, 3, 0], [3, 1, 1, 1]]
    assert read(path).identical(cohort)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (table(animal_response=np.array([0, 3, 1, 2])), "trial 1: column 'animal_response' is 3, "),
        (table(animal_response=np.array([0, np.nan, 1, 2])), "'animal_response' is nan, expected "),
        (table(rewarded_historyR=np.array([0, 0, 4, 0])), "trial 2: column 'rewarded_historyR' is"),
        (table(reward_probabilityL=np.array(["a"] * 4, object)), "'reward_probabilityL' holds te"),
        (table(stop_time=np.zeros(3)), "column 'stop_time' has 3 values, 'animal_response' has 4"),
        (table(goCue_start_time=None), "column 'goCue_start_time' of 'intervals/trials' is missi"),
        (table(reward_probabilityR=np.full(4, 45.0)), "expected a probability"),
        ({k: v[:0] for k, v in table().items()}, "'intervals/trials' holds no trials"),
        ({"id": np.zeros(1)}, "column 'animal_response' of 'intervals/trials' is missing"),
        ({}, "group 'intervals/trials' is missing"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = written(tmp_path, columns)
    with pytest.raises(InputError, match=message) as caught:
        read_aind(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'general/subject/subject_id' is missing or empty"):
        read_aind(written(tmp_path, table(), mouse=None))
    with pytest.raises(InputError, match=r"nothing\.nwb: there is no such file"):
        read_aind(tmp_path / "nothing.nwb")
    (tmp_path / "text.nwb").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read as NWB in HDF5"):
        read_aind(tmp_path / "text.nwb")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the mice's files are not here")
def test_three_mice() -> None:
    """Stays as stated with the files, and the one trial of the third."""
    cohort = concat_cohorts([read_aind(path) for path in sorted(SHARED.glob("*.nwb"))])
    assert cohort.subject.values.tolist() == ["689514", "703548", "705599"]
    assert (cohort.invalid_reason != 1).sum("trial").values.tolist() == [432, 555, 1]
    assert (cohort.invalid_reason == 3).sum("trial").values.tolist() == [49, 50, 1]
    assert cohort.n_laser.values.tolist() == [132, 0, 0]
    known = {0: (361, 0.874, 0.777), 1: (470, 0.926, 0.789)}
    for k, (n, win, lose) in known.items():
        one = cohort.isel(session=k)
        valid = one.valid.values == 1
        both = valid[1:] & valid[:-1]
        stay = one.choice.values[1:] == one.choice.values[:-1]
        won = one.reward.values[:-1] == 1
        assert both.sum() == n
        assert stay[both & won].mean() == pytest.approx(win, abs=6e-4)
        assert stay[both & ~won].mean() == pytest.approx(lose, abs=6e-4)
        reaction = (one.t_first_lick - one.t_go_cue).values[valid]
        assert ((reaction > 0) & (reaction < 2)).all()


@pytest.mark.parametrize(
    "verb",
    [
        lambda c: nm.win_stay(c),
        lambda c: nm.behavior.bandit_profile(c),
        lambda c: nm.behavior.suboptimal_pulls(c),
        lambda c: nm.fit(c, "q_learning"),
        lambda c: nm.encode(c, ["choice"]),
        lambda c: nm.neural.unit_correlations(c, ["choice"]),
        lambda c: nm.decode(c, c["choice"]),
        lambda c: nm.neural.dimensionality(c),
        lambda c: nm.condition_means(c, ["choice"]),
    ],
    ids=[
        "win_stay",
        "profile",
        "suboptimal",
        "fit",
        "encode",
        "correlations",
        "decode",
        "dimensions",
        "means",
    ],
)
def test_one_trial_without_a_response_is_too_short_for_any_analysis(verb) -> None:
    cohort = nm.make_cohort(
        {"choice": [[-1]], "reward": [[0]], "correct": [[-1]], "activity": np.ones((1, 1, 1, 3))},
        subject=["705599"],
        task="bandit-baited",
        source="animal",
        coords={"event": ["outcome"], "unit": [0, 1, 2]},
    )
    with pytest.raises(InputError, match=r"subject '705599' has no|factor 'choice' has 0 level"):
        verb(cohort)
