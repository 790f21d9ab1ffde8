"""Tables that say something in another way: one right cohort, or one refusal, at every door."""

from __future__ import annotations

import decimal
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.door.rows import cohort_of_table
from neuro_metarl.door.transitions import HAZARDS, P_COMMON, log_evidence_of_reversals
from neuro_metarl.errors import InputError
from neuro_metarl.io import read
from neuro_metarl.storage import from_dataframe
from neuro_metarl.storage.tables import table_of_frame
from tests.lab_tables import bandit_table, put, two_step_table

FILES = ("csv", "tsv", "semicolon", "xlsx", "parquet", "json", "mat5", "mat73")
FEW = settings(max_examples=25, deadline=None,
               suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip


def days(n: int = 3, **kwargs: Any) -> list[pd.DataFrame]:
    """One animal, a table for each day."""
    one = [bandit_table(k, n_subjects=1, n_sessions=1, **kwargs) for k in range(n)]
    return [frame.assign(session=1) for frame in one]


def folder_of(frames: list[pd.DataFrame], door: str, folder: Path) -> Path:
    into = folder / "days"
    into.mkdir()
    for k, frame in enumerate(frames):
        file = put(frame, door, folder)
        file.rename(into / f"day{k}{file.suffix}")
    return into


@pytest.mark.parametrize("door", FILES)
@pytest.mark.parametrize("trial", [True, False])
def test_days_of_one_session_number_are_not_one_session(
    door: str, trial: bool, tmp_path: Path
) -> None:
    frames = [f if trial else f.drop(columns="trial") for f in days()]
    folder = folder_of(frames, door, tmp_path)
    with pytest.raises(InputError, match=r"stands in file 'day0' and 'day1'.*session=\{file\}"):
        read(folder, task="bandit")
    cohort = read(folder, task="bandit", columns={"session": "{file}"})
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(cohort.choice.values[k], frame["choice"])


def test_trials_that_run_on_do_not_join_days(tmp_path: Path) -> None:
    frames = [f.assign(trial=f["trial"] + 60 * k) for k, f in enumerate(days())]
    with pytest.raises(InputError, match="would become one session"):
        read(folder_of(frames, "csv", tmp_path), task="bandit")


@FEW
@given(cut=st.integers(2, 178), n_sessions=st.just(3))
def test_a_long_table_cut_in_two_is_the_table(cut: int, n_sessions: int, tmp_path: Path) -> None:
    whole = bandit_table(1, n_subjects=1, n_sessions=n_sessions)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    whole.iloc[:cut].to_csv(files[0], index=False)
    whole.iloc[cut:].to_csv(files[1], index=False)
    expected = from_dataframe(whole, task="bandit", source="animal")
    cohort = read(files, task="bandit")
    np.testing.assert_array_equal(cohort.choice.values, expected.choice.values)


@pytest.mark.parametrize("ending", ["json", "mat"])
def test_records_of_one_session_number_are_not_one_session(ending: str, tmp_path: Path) -> None:
    frames = days()
    records = [{"subject": "m", "session": 1, "choice": f["choice"].tolist(),
                "reward": f["reward"].tolist()} for f in frames]  # fmt: skip
    path = tmp_path / f"t.{ending}"
    if ending == "json":
        path.write_text(json.dumps(records))
    else:
        structs = np.empty(len(records), dtype=[(name, object) for name in records[0]])
        for k, record in enumerate(records):
            structs[k] = tuple(record.values())
        savemat(path, {"data": structs})
    with pytest.raises(InputError, match=r"stands in record '1' and '2'.*session=\{record\}"):
        read(path, task="bandit")
    cohort = read(path, task="bandit", columns={"session": "{record}"})
    assert cohort.sizes["session"] == len(records)
    two = tmp_path / "two"
    two.mkdir()
    for name in ("a", "b"):
        (two / f"{name}.{ending}").write_bytes(path.read_bytes())
    with pytest.warns(UserWarning, match="session 'b 1' of subject 'm' holds the same 60 choices"):
        both = read(two, task="bandit", columns={"session": "{record}"})
    assert both.sizes["session"] == 6


@pytest.mark.parametrize("door", ["csv", "xlsx", "parquet", "json"])
@given(data=st.data())
@settings(max_examples=6, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_spaces_around_names_do_not_matter(door: str, data: st.DataObject, tmp_path: Path) -> None:
    frame = bandit_table(2, n_sessions=1, n_trials=20)
    space = st.sampled_from(["", " ", "  ", "\t" if door != "xlsx" else " ", "\u00a0"])
    names = [data.draw(space) + name + data.draw(space) for name in frame]
    expected = from_dataframe(frame, task="bandit", source="animal")
    given_names = frame.set_axis(names, axis=1)
    xr.testing.assert_identical(
        from_dataframe(given_names, task="bandit", source="animal"), expected
    )
    cohort = read(put(given_names, door, tmp_path), task="bandit")
    xr.testing.assert_equal(cohort.p_reward, expected.p_reward)
    xr.testing.assert_equal(cohort.choice, expected.choice)


def test_a_column_of_parquet_that_stands_twice(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = bandit_table(3)
    table = pa.Table.from_pandas(frame)
    for name in ("reward", " reward"):
        pq.write_table(
            table.append_column(name, pa.array(1 - frame["reward"])), tmp_path / "t.parquet"
        )
        with pytest.raises(InputError, match="column 'reward' appears twice"):
            read(tmp_path / "t.parquet", task="bandit")


@pytest.mark.parametrize("scale", [0, 2])
def test_exact_decimals_of_parquet_are_numbers(scale: int, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = bandit_table(3)
    table = pa.Table.from_pandas(frame)
    for name in ("choice", "reward", "trial"):
        exact = pa.array([decimal.Decimal(int(v)) for v in frame[name]], pa.decimal128(12, scale))
        table = table.set_column(table.column_names.index(name), name, exact)
    pq.write_table(table, tmp_path / "t.parquet")
    expected = from_dataframe(frame, task="bandit", source="animal")
    cohort = read(tmp_path / "t.parquet", task="bandit")
    for name in ("choice", "reward"):
        np.testing.assert_array_equal(cohort[name].values, expected[name].values)


def with_lists(frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Odds as one list in each cell."""
    odds = frame[["p_reward_0", "p_reward_1"]].to_numpy()
    return frame.drop(columns=["p_reward_0", "p_reward_1"]), odds


@pytest.mark.parametrize(
    "form", ["frame", "tuples", "csv", "json", "lines", "transposed", "parquet", "mat", "mat(2,n)"]
)
@pytest.mark.parametrize("name", ["p_reward", "odds"])
def test_odds_of_all_options_in_one_cell_or_matrix(form: str, name: str, tmp_path: Path) -> None:
    frame = bandit_table(4, n_subjects=1, n_sessions=1)
    plain, odds = with_lists(frame)
    expected = from_dataframe(frame, task="bandit", source="animal")
    columns = None if name == "p_reward" else {"p_reward": name}
    lists = plain.assign(**{name: odds.tolist()})
    path = tmp_path / "t.json"
    if form in ("frame", "tuples"):
        values = odds if form == "frame" else map(tuple, odds.tolist())
        ours = plain.assign(p_reward=list(values))
        cohort = from_dataframe(ours, task="bandit", source="animal")
        xr.testing.assert_identical(cohort, expected)
        return
    if form == "csv":
        path = tmp_path / "t.csv"
        lists.to_csv(path, index=False)
    elif form == "parquet":
        path = tmp_path / "t.parquet"
        lists.to_parquet(path)
    elif form == "lines":
        path = tmp_path / "t.jsonl"
        lists.to_json(path, orient="records", lines=True)
    elif form.startswith("mat"):
        path = tmp_path / "t.mat"
        matrix = odds if form == "mat" else odds.T
        vectors = {n: plain[n].to_numpy() for n in ("trial", "choice", "reward")}
        savemat(path, {"subject": "m0", "session": "d0", **vectors, name: matrix})
    else:
        whole = {n: plain[n].tolist() for n in plain}
        path.write_text(
            json.dumps(whole | {name: (odds.T if form == "transposed" else odds).tolist()})
        )
    cohort = read(path, task="bandit", columns=columns)
    np.testing.assert_array_equal(cohort.p_reward.values, expected.p_reward.values)


def test_odds_that_hold_for_all_trials(tmp_path: Path) -> None:
    frame = bandit_table(4, n_subjects=1, n_sessions=1)
    whole = {"subject": "m", "choice": frame["choice"].tolist(), "reward": frame["reward"].tolist()}
    path = tmp_path / "t.json"
    path.write_text(json.dumps({**whole, "p_reward": [0.8, 0.2]}))
    odds = read(path, task="bandit").p_reward.values
    np.testing.assert_array_equal(odds, np.broadcast_to(np.float32([0.8, 0.2]), odds.shape))


@pytest.mark.parametrize(
    ("odds", "message"),
    [
        ([[0.8, 0.2]] * 59 + [[1.0]], r"row 59.*'\[1.0\]', expected a list with one number per"),
        ([[80, 20]] * 60, "'80', expected a probability"),
        ([[0.8, 0.2]] * 59 + ["x"], "'x', expected a list"),
    ],
)
def test_lists_of_odds_that_are_none(odds: list[Any], message: str) -> None:
    plain, _ = with_lists(bandit_table(4, n_subjects=1, n_sessions=1))
    with pytest.raises(InputError, match=message):
        from_dataframe(plain.assign(p_reward=odds), task="bandit", source="animal")


def test_a_single_number_is_no_list_of_odds() -> None:
    plain, _ = with_lists(bandit_table(4))
    with pytest.warns(UserWarning, match="'p_reward' has one value per trial and is not used"):
        cohort = from_dataframe(plain.assign(p_reward=0.5), task="bandit", source="animal")
    assert "p_reward" not in cohort
    both = bandit_table(4).assign(p_reward=[[0.5, 0.5]] * 240)
    with pytest.raises(InputError, match="and so does column 'p_reward_0'"):
        from_dataframe(both, task="bandit", source="animal")


@pytest.mark.parametrize("door", ["frame", *FILES])
@pytest.mark.parametrize("name", ["Forced", "TRIAL", "Valid", "Correct", "P_reward_0", "stimulus "])
def test_a_name_that_is_nearly_ours_is_never_passed_over(
    door: str, name: str, tmp_path: Path
) -> None:
    ours = name.lower().strip()
    frame = bandit_table(5, n_subjects=1).assign(valid=1, forced=0, correct=1, stimulus=3)
    named = frame.rename(columns={ours: name})
    if name.endswith(" "):
        if not door.startswith("mat"):
            assert "stimulus" in through(named, door, tmp_path)
        return
    with pytest.raises(InputError, match=f"column '{name}' is not used.*if it is '{ours}'"):
        through(named, door, tmp_path)


def through(frame: pd.DataFrame, door: str, folder: Path) -> xr.Dataset:
    given = put(frame, door, folder)
    if door == "frame":
        return from_dataframe(given, task="bandit", source="animal")
    return read(given, task="bandit")


@pytest.mark.parametrize("door", ["frame", *FILES])
@pytest.mark.parametrize("name", ["Session_ID", "day", "Date"])
def test_days_that_nobody_declared_are_not_one_session(
    door: str, name: str, tmp_path: Path
) -> None:
    frame = bandit_table(5).drop(columns="trial").rename(columns={"session": name})
    with pytest.raises(InputError, match=f"values of column '{name}' would be one session"):
        through(frame, door, tmp_path)
    one_day = bandit_table(5, n_sessions=1).rename(columns={"session": name})
    assert through(one_day, door, tmp_path).sizes["session"] == 2
    each_row = bandit_table(5, n_sessions=1).rename(columns={"session": name})
    each_row[name] = [f"2024-01-01 10:00:{k}" for k in range(len(each_row))]
    assert through(each_row, door, tmp_path).sizes["session"] == 2


@pytest.mark.parametrize("code", ["99", "9", "5"])
def test_arms_far_beyond_the_others_are_no_arms(code: str, tmp_path: Path) -> None:
    frame = bandit_table(6).drop(columns=["p_reward_0", "p_reward_1"])
    frame["choice"] = frame["choice"].astype(object).mask(frame.index % 9 == 0, code)
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=f"row 2, column 'choice': {code} beside arms 0, 1.*=?"):
        read(tmp_path / "t.csv", task="bandit")
    codes = {"choice": {"0": 0, "1": 1, code: -1}}
    cohort = read(tmp_path / "t.csv", task="bandit", codes=codes)
    assert int(cohort.valid.sum()) == (frame["choice"] != code).sum()


@pytest.mark.parametrize("code", [-9, -99, 99, 999])
def test_rewards_that_mark_misses_are_no_rewards(code: int) -> None:
    frame = bandit_table(6)
    missed = frame.index % 9 == 0
    coded = frame.assign(reward=frame["reward"].mask(missed, code))
    with pytest.raises(InputError, match=f"row 0, column 'reward': {code} \\(27 such rows\\)"):
        from_dataframe(coded, task="bandit", source="animal")
    cohort = from_dataframe(
        coded.assign(valid=(~missed).astype(int)), task="bandit", source="animal"
    )
    assert set(np.unique(cohort.reward.values[cohort.valid.values == 1])) == {0.0, 1.0}
    kept = from_dataframe(
        coded, task="bandit", source="animal", codes={"reward": {"0": 0, "1": 1, code: code}}
    )
    assert float(abs(kept.reward).max()) == abs(code)


@pytest.mark.parametrize("rewards", [[0, 1, -1], [0, 0.02], [10, 50, 99], [-9, -5, 4], [0, 2, 7]])
def test_rewards_of_any_size_are_rewards(rewards: list[float]) -> None:
    frame = bandit_table(6)
    frame["reward"] = np.resize(rewards, len(frame))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cohort = from_dataframe(frame, task="bandit", source="animal")
    np.testing.assert_allclose(cohort.reward.values.ravel(), frame["reward"], rtol=1e-6)


def test_german_thousands_in_a_column_of_their_own(tmp_path: Path) -> None:
    frame = bandit_table(7)
    frame["reward"] = np.where(frame["reward"] == 1, "1.000", "0")
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False, sep=";", decimal=",")
    with pytest.raises(InputError, match=r"row \d+, column 'reward': '1.000' has a point"):
        read(path, task="bandit")


@pytest.mark.parametrize(("one", "other"), [("m1", "M1"), ("1", "01"), ("rat 7", "Rat 7")])
def test_names_that_may_be_one_animal_are_told(one: str, other: str) -> None:
    frame = bandit_table(8)
    frame["subject"] = np.where(frame["subject"] == "m0", one, other)
    with pytest.warns(UserWarning, match=f"subjects '{one}' and '{other}' are taken for two"):
        from_dataframe(frame, task="bandit", source="animal")


@given(names=st.lists(st.from_regex(r"[a-z]{1,3}[1-9][0-9]?", fullmatch=True), min_size=2,
                      max_size=5, unique=True))  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_ordinary_names_of_animals_are_not_remarked(names: list[str]) -> None:
    frames = [bandit_table(k, n_subjects=1, n_sessions=1).assign(subject=n)
              for k, n in enumerate(names)]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cohort = from_dataframe(pd.concat(frames, ignore_index=True), task="bandit",
                                source="animal")  # fmt: skip
    assert cohort.subject.values.tolist() == names


def test_times_in_milliseconds_are_told() -> None:
    frame = bandit_table(9)
    frame["t_cue"] = frame["trial"] * 4000.0
    with pytest.warns(UserWarning, match=r"'t_cue' rises by 4000 .* milliseconds"):
        from_dataframe(frame, task="bandit", source="animal")


def test_two_days_that_were_read_one_by_one(tmp_path: Path) -> None:
    paths = [tmp_path / "d1.csv", tmp_path / "d2.csv"]
    for path, frame in zip(paths, days(2), strict=True):
        frame.drop(columns="session").to_csv(path, index=False)
    first, second = (read(path, task="bandit") for path in paths)
    with pytest.raises(InputError, match="with different trials; read files of several days by"):
        concat_cohorts([first, second])
    with pytest.raises(InputError, match="with the same choices and rewards; leave one"):
        concat_cohorts([first, first])
    assert read(paths, task="bandit").session_id.values.tolist() == ["d1", "d2"]
    named = second.assign_coords(session_id=("session", ["day2"]))
    assert concat_cohorts([first, named]).sizes["session"] == 2


def test_repeated_rows_are_told_as_such() -> None:
    frame = bandit_table(9)
    twice = pd.concat([frame, frame.iloc[3:4]], ignore_index=True)
    with pytest.raises(InputError, match=r"appears twice, first in row 3; rows are repeated, or"):
        from_dataframe(twice, task="bandit", source="animal")


def test_a_mapping_counter_to_hbayesdms_layout_is_told_as_such(tmp_path: Path) -> None:
    frame = two_step_table(1, n_subjects=2, n_sessions=1, n_trials=200)
    rows = ["subjID\tlevel1_choice\tlevel2_choice\treward"]
    rows += [
        f"{r.subject}\t{r.choice + 1}\t{2 * r.state + 1}\t{r.reward}" for r in frame.itertuples()
    ]
    path = tmp_path / "h.txt"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(
        InputError, match="of subject 'r1' choice 1 led to the second state"
    ) as told:
        read(path)
    assert "leave" not in str(told.value)


def test_names_of_rows_that_r_wrote(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"subject","choice","reward"\n"1","m",0,1\n"2","m",1,0\n')
    with pytest.raises(InputError, match=r"4 cells.*row\.names=FALSE"):
        read(path, task="bandit")


def test_sessions_with_a_list_of_trials(tmp_path: Path) -> None:
    frames = days(2)
    path = tmp_path / "t.json"
    path.write_text(json.dumps([
        {"subject": "m", "trials": f[["choice", "reward"]].to_dict("records")} for f in frames
    ]))  # fmt: skip
    cohort = read(path, task="bandit")
    assert cohort.session_id.values.tolist() == ["1", "2"]
    np.testing.assert_array_equal(cohort.choice.values[1], frames[1]["choice"])


def test_one_column_is_not_two_things() -> None:
    frame = bandit_table(9).rename(columns={"choice": "side"}).drop(columns="reward")
    with pytest.raises(InputError, match="'side' is declared as choice and as reward"):
        read_frame(frame, {"choice": "side", "reward": "side"})
    one_session = bandit_table(9, n_sessions=1).drop(columns="session")
    cohort = read_frame(one_session, {"subject": "subject", "session": "subject"})
    assert cohort.session_id.values.tolist() == ["m0", "m1"]


def read_frame(frame: pd.DataFrame, columns: dict[str, str]) -> xr.Dataset:
    table = table_of_frame(frame)
    return cohort_of_table(table, task="bandit", source="animal", columns=columns)


def test_what_stands_where_no_choice_was_forced() -> None:
    frame = bandit_table(9)
    with pytest.raises(InputError, match="write 0 where the choice was free, 1 where it was"):
        from_dataframe(
            frame.assign(forced=np.where(frame["trial"] % 5 == 0, 1, np.nan)),
            task="bandit", source="animal",
        )  # fmt: skip


@given(
    lengths=st.lists(st.integers(1, 150), min_size=1, max_size=5),
    p=st.floats(0.1, 0.9),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_evidence_of_reversals_is_that_of_a_plain_loop(
    lengths: list[int], p: float, seed: int
) -> None:
    same = np.random.default_rng(seed).random(sum(lengths)) < p
    session = np.repeat(np.arange(len(lengths)), lengths)
    scores = []
    for q in P_COMMON:
        total = 0.0
        for number in range(len(lengths)):
            k, n = int(same[session == number].sum()), lengths[number]
            one, other = q**k * (1 - q) ** (n - k), (1 - q) ** k * q ** (n - k)
            total += np.log((one + other) / 2)
        scores.append(total)
    for q in P_COMMON:
        for hazard in HAZARDS:
            total = 0.0
            for number in range(len(lengths)):
                belief = 0.5
                for trial, agrees in enumerate(same[session == number]):
                    belief = belief * (1 - hazard) + (1 - belief) * hazard if trial else belief
                    one = belief * (q if agrees else 1 - q)
                    other = (1 - belief) * (1 - q if agrees else q)
                    belief = one / (one + other)
                    total += np.log(one + other)
            scores.append(total)
    best = max(same.mean(), 1 - same.mean())
    constant = sum(np.log(max(x, 1e-12)) * c for x, c in (
        (best, max(same.sum(), (~same).sum())), (1 - best, min(same.sum(), (~same).sum()))
    ))  # fmt: skip
    expected = np.logaddexp.reduce(scores) - np.log(len(scores)) - constant
    assert log_evidence_of_reversals(same, session) == pytest.approx(expected, abs=1e-8)


def test_a_copied_file_is_told(tmp_path: Path) -> None:
    frame = bandit_table(9, n_subjects=1, n_sessions=1).drop(columns="session")
    for name in ("a", "a (copy)"):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.warns(UserWarning, match=r"holds the same 60 choices and rewards as session 'a"):
        read(tmp_path, task="bandit")


@pytest.mark.parametrize("task", ["Two-Step", "twostep", "two_step", "TWO-STEP-miller"])
def test_another_way_to_write_the_two_step_task_is_not_another_task(task: str) -> None:
    with pytest.raises(InputError, match="did you mean 'two-step'"):
        from_dataframe(two_step_table(0), task=task, source="animal")


def test_a_state_that_never_varies_is_told_as_such() -> None:
    frame = two_step_table(0).drop(columns="common").assign(state=0)
    with pytest.raises(InputError, match="column 'state': 0 on every one of 240 trials"):
        from_dataframe(frame, task="two-step", source="animal")


def hbayesdm_text(seed: int, subject: str = "1") -> str:
    frame = two_step_table(seed, n_subjects=1, n_sessions=1)
    rows = [f"{subject}\t{r.choice + 1}\t{2 * r.state + 1}\t{r.reward}" for r in frame.itertuples()]
    return "\n".join(["subjID\tlevel1_choice\tlevel2_choice\treward", *rows, ""])


def test_files_of_hbayesdm_with_one_subject_are_sessions(tmp_path: Path) -> None:
    paths = [tmp_path / "day1.txt", tmp_path / "day2.txt"]
    for k, path in enumerate(paths):
        path.write_text(hbayesdm_text(k))
    cohort = read(paths)
    assert cohort.session_id.values.tolist() == ["day1", "day2"]
    assert cohort.subject.values.tolist() == ["1", "1"]
    paths[1].write_text(hbayesdm_text(0))
    with pytest.warns(UserWarning, match="session 'day2' of subject '1' holds the same 60"):
        read(paths)
    paths[1].write_text("\ufeff" + hbayesdm_text(1, "2"), encoding="utf-8")
    assert read(paths).session_id.values.tolist() == ["1/0", "2/0"]
