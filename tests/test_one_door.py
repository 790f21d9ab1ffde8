"""Inputs that once gave a wrong number and no word: the right value, or a line with a way out."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.behavior.two_step import lagged_regression, stay_probability
from neuro_metarl.cohort import make_cohort
from neuro_metarl.door.codes import decode, known_codes
from neuro_metarl.door.table import Column, Source, as_text
from neuro_metarl.door.transitions import MOST, log_evidence_of_reversals
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_table
from neuro_metarl.storage import from_dataframe
from tests.lab_tables import bandit_table, two_step_table

SEEDS = range(4)


def put(frame: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    return path


# ---------------------------------------------------------------- codes


@pytest.mark.parametrize("values", [[-1, 1], [1, 2], ["A", "B"], [0, 1, 2], ["1", "2", "x"]])
def test_all_unknown_codes_are_named_at_once(values: list[object], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = two_step_table(0).assign(choice=lambda f: rng.choice(values, len(f)))
    with pytest.raises(InputError, match=r"row \d+, column 'choice': unknown code") as caught:
        read_table(put(frame, tmp_path))
    known = {"0", "1"}
    for value in {str(v) for v in values} - known:
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values"),
    [("choice", [1, 2]), ("choice", [-1, 1]), ("choice", [0, 1, 9]), ("choice", ["A", "B"]),
     ("state", [1, 2]), ("state", ["port1", "port2"]), ("reward", ["yes", "no"]),
     ("reward", ["hit", "miss", "none"]), ("common", [1, 2]), ("forced", ["f", "u"])],
)  # fmt: skip
def test_following_a_proposal_never_destroys_the_data(
    column: str, values: list[object], tmp_path: Path
) -> None:
    """Paste what a message proposes until the table reads: different codes stay different."""
    rng = np.random.default_rng(1)
    frame = two_step_table(5).assign(forced=0)
    frame = frame.assign(**{column: rng.choice(values, len(frame))})
    frame = frame.drop(columns={"common": "state"}.get(column, "common"))
    codes: dict[str, dict[str, float]] = {}
    for _ in range(4):
        message = refusal_of(put(frame, tmp_path), codes)
        if not message or "cannot be told" in message:
            return
        proposed = re.findall(rf"{column}:(\S+?)=(-?[\d.]+|\?)", message)
        assert proposed, message
        if any(value == "?" for _, value in proposed):
            return
        mapping: dict[str, float] = {}
        for code, value in proposed:
            if code in mapping:
                break
            mapping[code] = float(value)
        assert len(set(mapping.values())) == len(mapping), message
        codes[column] = mapping
    pytest.fail("the messages go round in a circle")


def refusal_of(path: Path, codes: dict[str, dict[str, float]]) -> str:
    try:
        read_table(path, codes=codes)
    except InputError as error:
        return str(error)
    return ""


def test_codes_that_make_everything_one_value_are_refused(tmp_path: Path) -> None:
    path = put(bandit_table(0).assign(reward=lambda f: f.reward.map({0: "n", 1: "y"})), tmp_path)
    with pytest.raises(InputError, match=r"'n', 'y' all 1, so that the reward never varies"):
        read(path, task="bandit", codes={"reward": {"n": 1, "y": 1}})
    path = put(bandit_table(0), tmp_path)
    with pytest.raises(InputError, match="so that the choice never varies"):
        read(path, task="bandit", codes={"choice": {"0": 1, "1": 1}})
    good = read(put(bandit_table(0), tmp_path), task="bandit", codes={"choice": {"0": 1, "1": 0}})
    assert set(np.unique(good.choice)) == {0, 1}


@pytest.mark.parametrize("name", ["choice", "reward"])
def test_what_never_varies_in_the_source_is_named(name: str, tmp_path: Path) -> None:
    path = put(bandit_table(0).assign(**{name: 1}), tmp_path)
    with pytest.warns(UserWarning, match=f"the {name} is 1 on every one of 240 trials"):
        read(path, task="bandit")


def test_no_more_choices_than_options(tmp_path: Path) -> None:
    frame = bandit_table(1)
    frame.loc[frame.index % 9 == 4, "choice"] = 2
    with pytest.raises(InputError, match=r"row 6, column 'choice': 2, but there are 2 options"):
        read(put(frame, tmp_path), task="bandit")
    cohort = read(put(frame, tmp_path), task="bandit", codes={"choice": {"0": 0, "1": 1, "2": -1}})
    assert int((cohort.valid == 0).sum()) == int((frame.choice == 2).sum())
    with pytest.raises(InputError, match="there are 2 options"):
        make_cohort(
            {"choice": [[0, 2]], "reward": [[1, 0]], "p_reward": [[[0.5, 0.5]] * 2]},
            subject=["a"], task="bandit", source="animal",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "message"),
    [([[-1, 1, 1, -1, 1]], "-1 and 1 but never 0"), ([[1, 2, 2, 1, 2]], "lowest code is 1")],
)
def test_arrays_are_asked_the_same(choice: list[list[int]], message: str) -> None:
    reward = np.arange(5)[None] % 2
    with pytest.raises(InputError, match=message):
        make_cohort({"choice": choice, "reward": reward}, subject=["a"], task="bandit",
                    source="animal")  # fmt: skip
    trailing = make_cohort({"choice": [[1, 1, -1]], "reward": [[1, 0, np.nan]]}, subject=["a"],
                           task="bandit", source="animal")  # fmt: skip
    assert trailing.valid.values.tolist() == [[1, 1, 0]]


@given(
    st.lists(st.sampled_from([0, 1, 0.0, 1.0, "0", "1", "l", "R", " left ", True, False, "1.0"]),
             min_size=1, max_size=12)
)  # fmt: skip
def test_every_way_to_write_a_side_is_one_code(values: list[object]) -> None:
    truth = {"0": 0, "1": 1, "l": 0, "r": 1, "left": 0, "true": 1, "false": 0}
    column, source = Column.of(values), Source("", np.arange(len(values)))
    known = known_codes("choice", column, None, source, sides=True)
    found = decode("choice", column, known, np.ones(len(values), bool), source)
    assert found.tolist() == [truth[as_text(v).lower()] for v in values]


# ---------------------------------------------------------------- order and names


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_rows_columns_and_types_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = two_step_table(seed % 50, n_trials=30)
    expected = from_dataframe(frame, task="two-step", source="animal")
    shuffled = frame.iloc[rng.permutation(len(frame))][list(rng.permutation(frame.columns))]
    kinds = ["int8", "float64", "int64", "str", "object"]
    shuffled = shuffled.astype({n: str(rng.choice(kinds)) for n in ("choice", "state", "reward")})
    found = from_dataframe(shuffled, task="two-step", source="animal")
    order = [
        expected.subject.values.tolist().index(s) + int(d[1:])
        for s, d in zip(found.subject.values, found.session_id.values, strict=True)
    ]
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name][order])


def test_a_swapped_pair_of_trials_is_seen_by_the_invariance() -> None:
    """The control: what the property holds fixed does move when the order is lost."""
    frame = two_step_table(3)
    expected = from_dataframe(frame, task="two-step", source="animal")
    k = int(np.flatnonzero(frame.choice.to_numpy()[:-1] != frame.choice.to_numpy()[1:])[0])
    frame.loc[[k, k + 1], "trial"] = frame.loc[[k + 1, k], "trial"].to_numpy()
    found = from_dataframe(frame, task="two-step", source="animal")
    assert not np.array_equal(found.choice, expected.choice)


def test_shuffled_rows_without_a_trial_number_are_refused(tmp_path: Path) -> None:
    frame = two_step_table(0).drop(columns="trial")
    shuffled = frame.sample(frac=1, random_state=0)
    with pytest.raises(InputError, match=r"row \d+: session 'd\d' of subject 'r\d' goes on after"):
        read_table(put(shuffled, tmp_path))
    assert read_table(put(frame, tmp_path)).sizes["session"] == 4


def test_times_that_fall_are_refused(tmp_path: Path) -> None:
    frame = two_step_table(0).assign(t_choice=lambda f: 2.0 * f.trial + 0.5)
    assert float(read_table(put(frame, tmp_path)).t_choice[0, 3]) == 6.5
    with pytest.raises(InputError, match=r"row 3, column 't_choice': 0.3, after 0.5 on an earlier"):
        read_table(put(frame.assign(t_choice=[0.5, 0.3] * (len(frame) // 2)), tmp_path))
    with pytest.raises(InputError, match=r"t_choice: 1\.0 at subject 'a'"):
        make_cohort({"choice": [[0, 1]], "reward": [[1, 0]], "t_choice": [[2.0, 1.0]]},
                    subject=["a"], task="bandit", source="animal")  # fmt: skip


def test_a_subject_may_be_called_na_or_seven(tmp_path: Path) -> None:
    frame = two_step_table(0).assign(subject=lambda f: f.subject.map({"r0": "NA", "r1": "None"}))
    assert read_table(put(frame, tmp_path)).subject.values.tolist() == ["NA"] * 2 + ["None"] * 2
    numbers = two_step_table(0).assign(subject=lambda f: f.subject.map({"r0": 7.0, "r1": 8.0}))
    read_names = read_table(put(numbers, tmp_path)).subject.values.tolist()
    frame_names = from_dataframe(numbers, task="two-step", source="animal").subject.values.tolist()
    assert read_names == frame_names == ["7", "7", "8", "8"]


def test_one_animal_per_file(tmp_path: Path) -> None:
    path = put(two_step_table(0, n_subjects=1).drop(columns="subject"), tmp_path)
    with pytest.raises(InputError, match=r"'subject' is missing.*--columns subject=\{file\}"):
        read_table(path)
    assert set(read_table(path, columns={"subject": "{file}"}).subject.values) == {"t"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: pd.concat([f, f[["choice"]]], axis=1), "column 'choice' appears 2 times"),
        (lambda f: f.set_axis(pd.MultiIndex.from_tuples([(c, "") for c in f]), axis=1), "2 levels"),
        (lambda f: f.to_numpy(), "expected a pandas.DataFrame, got ndarray"),
    ],
)
def test_frames_of_an_odd_shape(change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        from_dataframe(change(two_step_table(0)), task="two-step", source="animal")


def test_a_missing_choice_on_a_row_that_does_not_count(tmp_path: Path) -> None:
    frame = two_step_table(0).astype({"choice": float})
    frame.loc[7, "choice"] = np.nan
    frame["valid"] = (~frame.choice.isna()).astype(int)
    in_memory = from_dataframe(frame, task="two-step", source="animal")
    from_file = read_table(put(frame, tmp_path))
    np.testing.assert_array_equal(in_memory.choice, from_file.choice)
    assert int(in_memory.choice[0, 7]) == -1
    assert int(in_memory.valid.sum()) == len(frame) - 1


# ---------------------------------------------------------------- odds and padding


def test_odds_of_one_option_only_are_refused(tmp_path: Path) -> None:
    frame = two_step_table(0)
    frame.loc[17, "p_reward_0"] = np.nan
    with pytest.raises(InputError, match=r"row 19, column 'p_reward_0': no value, but the other"):
        read_table(put(frame, tmp_path))
    frame.loc[17, "p_reward_1"] = np.nan
    cohort = read_table(put(frame, tmp_path))
    assert int(cohort.p_reward.isnull().all("option").sum()) == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 10**6))
def test_padding_is_never_a_value(lengths: list[int], seed: int) -> None:
    """Whatever stood in the padding of the arrays, the cohort holds what the schema says."""
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths) + 2)
    there = np.arange(shape[1]) < np.array(lengths)[:, None]
    junk = {"choice": rng.integers(0, 2, shape), "reward": rng.random(shape),
            "p_reward": rng.random((*shape, 2)), "correct": rng.integers(0, 2, shape),
            "forced": rng.integers(0, 2, shape), "valid": there.astype(int)}  # fmt: skip
    cohort = make_cohort(
        junk, subject=[str(k) for k in range(shape[0])], task="bandit", source="animal"
    )
    padding = ~there
    assert (cohort.choice.values[padding] == -1).all()
    assert (cohort.correct.values[padding] == -1).all()
    assert (cohort.forced.values[padding] == 0).all()
    assert np.isnan(cohort.reward.values[padding]).all()
    assert np.isnan(cohort.p_reward.values[padding]).all()
    np.testing.assert_array_equal(cohort.choice.values[there], junk["choice"][there])


# ---------------------------------------------------------------- transitions


@pytest.mark.parametrize("p_common", [0.6, 0.7, 0.8, 0.9])
def test_a_constant_mapping_is_hardly_ever_called_reversing(p_common: float) -> None:
    rng = np.random.default_rng(int(p_common * 100))
    session = np.repeat(np.arange(4), 250)
    refused = sum(
        log_evidence_of_reversals(rng.random(1000) < p_common, session) > np.log(MOST)
        for _ in range(400)
    )
    assert refused <= 2  # the bound is 400 / MOST = .4 expected at most


@pytest.mark.parametrize("p_common", [0.7, 0.8, 0.9])
@pytest.mark.parametrize("block", [20, 40, 100, 200])
def test_a_reversing_mapping_is_found(p_common: float, block: int) -> None:
    rng = np.random.default_rng(block)
    session = np.repeat(np.arange(3), 400)
    reversed_now = (np.arange(1200) // block) % 2 == 1
    found = sum(
        log_evidence_of_reversals((rng.random(1200) < p_common) ^ reversed_now, session)
        > np.log(MOST)
        for _ in range(50)
    )
    assert found >= 45


@pytest.mark.parametrize("seed", SEEDS)
def test_planning_where_the_mapping_reverses(seed: int, tmp_path: Path) -> None:
    """With the source's own ``common`` the planner is seen; without it the table is refused."""
    frame = two_step_table(seed, n_sessions=4, n_trials=300, block=75)
    with pytest.raises(InputError, match=r"the mapping from choice to state .* reverses within"):
        read_table(put(frame.drop(columns="common"), tmp_path))
    right = lagged_regression(read_table(put(frame, tmp_path)))
    assert (right.planning_index.sel(statistic="low") > 0.5).all()
    majority = (frame.choice == frame.state).groupby(frame.subject).transform("mean") > 0.5
    wrong = frame.assign(common=((frame.choice == frame.state) == majority).astype(int))
    misread = lagged_regression(from_dataframe_unchecked(wrong))
    gap = right.planning_index - misread.planning_index
    assert (gap.sel(statistic="value") > 1).all(), "the control: the old reading was far off"


def from_dataframe_unchecked(frame: pd.DataFrame) -> xr.Dataset:
    def wide(name: str) -> np.ndarray:
        return frame.pivot(index=["subject", "session"], columns="trial", values=name).to_numpy()

    subject = sorted(set(zip(frame.subject, frame.session, strict=True)))
    return make_cohort(
        {name: wide(name) for name in ("choice", "state", "common", "reward")},
        subject=[s for s, _ in subject], task="two-step", source="animal",
    )  # fmt: skip


def test_a_mapping_that_changes_from_day_to_day(tmp_path: Path) -> None:
    frame = two_step_table(0, n_subjects=1, n_sessions=4, n_trials=150)
    odd = frame.session.isin(["d1", "d3"])
    frame.loc[odd, "state"] = 1 - frame.loc[odd, "state"]
    with pytest.raises(InputError, match="reverses from session to session"):
        read_table(put(frame.drop(columns="common"), tmp_path))


def test_common_that_contradicts_choice_and_state(tmp_path: Path) -> None:
    frame = two_step_table(0)
    frame.loc[20, "common"] = 1 - frame.loc[20, "common"]
    with pytest.raises(InputError, match=r"row 22, column 'common': choice, state and common"):
        read_table(put(frame, tmp_path))


@pytest.mark.parametrize("share", [0.5, 0.51, 0.52])
def test_a_mapping_near_one_half_cannot_be_told(share: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(int(share * 100))
    n = 2000
    same = np.arange(n) < round(share * n)
    choice = rng.integers(0, 2, n)
    frame = pd.DataFrame({"subject": "a", "choice": choice,
                          "state": np.where(rng.permutation(same), choice, 1 - choice),
                          "reward": rng.integers(0, 2, n)})  # fmt: skip
    with pytest.raises(InputError, match="cannot be told; add a column 'common'"):
        read_table(put(frame, tmp_path))


# ---------------------------------------------------------------- what was not said


def test_a_table_says_what_it_does_not_say(tmp_path: Path) -> None:
    frame = two_step_table(0)
    assert read_table(put(frame, tmp_path)).attrs["undeclared"] == "forced, valid"
    told = frame.assign(forced=0, valid=1)
    assert "undeclared" not in read_table(put(told, tmp_path)).attrs
    assert read_table(put(frame.assign(forced=0), tmp_path)).attrs["undeclared"] == "valid"


def test_forced_trials_make_the_difference(tmp_path: Path) -> None:
    """A fifth of the trials forced at random: unsaid, planning is far too small."""
    rng = np.random.default_rng(7)
    frame = two_step_table(7, n_sessions=8, n_trials=250)
    values = lagged_regression(read_table(put(frame, tmp_path))).planning_index
    imposed = rng.random(len(frame)) < 0.2
    mixed = frame.assign(forced=imposed.astype(int), choice=np.where(
        imposed, rng.integers(0, 2, len(frame)), frame.choice))  # fmt: skip
    mapping = frame.subject.str[1:].astype(int)
    rare = frame.common == 0
    mixed["state"] = (mixed.choice ^ mapping) ^ rare
    said = lagged_regression(read_table(put(mixed, tmp_path))).planning_index
    unsaid = lagged_regression(
        read_table(put(mixed.drop(columns="forced"), tmp_path))
    ).planning_index
    assert (said - unsaid).sel(statistic="value").min() > 0.3
    assert values.sizes == said.sizes


def test_rewards_that_the_models_do_not_take_are_refused_at_their_row(tmp_path: Path) -> None:
    frame = two_step_table(0)
    frame.loc[30, "reward"] = 2
    path = put(frame, tmp_path)
    with pytest.raises(InputError, match=r"row 32, column 'reward': 2, but the models"):
        read_table(path, rewards=(0, 1))
    assert float(read_table(path).reward.max()) == 2
    two = put(two_step_table(0).assign(reward=lambda f: f.reward + 1), tmp_path)
    with pytest.raises(InputError, match="--codes reward:1=0 reward:2=1"):
        read_table(two, rewards=(0, 1))


def test_measures_of_a_table_with_words_and_of_one_with_numbers_are_one(tmp_path: Path) -> None:
    frame = two_step_table(9)
    words = frame.assign(choice=np.where(frame.choice, "right", "left"),
                         state=np.where(frame.state, "r", "l"),
                         common=np.where(frame.common, "common", "rare"),
                         reward=frame.reward == 1)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = stay_probability(from_dataframe(frame, task="two-step", source="animal"))
        other = stay_probability(read_table(put(words, tmp_path)))
    xr.testing.assert_identical(one, other)


# ---------------------------------------------------------------- relatives of the above


def frame_of(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"subject": "a", **columns})


def bandit(frame: pd.DataFrame, codes: object = None) -> xr.Dataset:
    return from_dataframe(frame, task="bandit", source="animal", codes=codes)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
def test_congruency_is_not_common_where_the_mapping_reverses(seed: int) -> None:
    frame = two_step_table(seed, n_subjects=1, n_trials=400, block=50)
    same = frame.assign(common=(frame.choice == frame.state).astype(int))
    with pytest.raises(InputError, match=r"only whether choice and state agree|are common"):
        from_dataframe(same, task="two-step", source="animal")
    assert from_dataframe(frame, task="two-step", source="animal").sizes["session"] == 2


def test_arrays_whose_common_is_the_rarer_transition_are_refused() -> None:
    frame = two_step_table(0, n_subjects=1, n_sessions=1, n_trials=200)
    arrays = {n: frame[n].to_numpy()[None] for n in ("choice", "state", "common", "reward")}
    make_cohort(arrays, subject=["a"], task="two-step", source="animal")
    with pytest.raises(InputError, match=r"common: only .* of the transitions of subject 'a'"):
        make_cohort(arrays | {"common": 1 - arrays["common"]}, subject=["a"], task="two-step",
                    source="animal")  # fmt: skip


def test_codes_that_are_one_are_not_two() -> None:
    frame = frame_of(choice=[0, 1, 0, 1], reward=list("nrRr"))
    with pytest.raises(InputError, match="code 'R' is declared twice, as 1 and as 2"):
        bandit(frame, {"reward": {"n": 0, "r": 1, "R": 2}})
    same = bandit(frame, {"reward": {"n": 0, "r": 1, "R": 1}})
    assert same.reward.values.tolist() == [[0, 1, 1, 1]]


def test_declared_numbers_are_all_of_them() -> None:
    frame = frame_of(choice=[0, 1, 0, 1], reward=[1, 2, 0, 2])
    with pytest.raises(InputError, match="row 2, column 'reward': 0 not among the declared codes"):
        bandit(frame, {"reward": {1: 0, 2: 1}})
    words = frame_of(choice=[0, 1, 0], reward=["0.50", "none", "2"])
    read_so = bandit(words, {"reward": {"0.5": 1, "none": 0, "2.0": 3}})
    assert read_so.reward.values.tolist() == [[1, 0, 3]]
    with pytest.raises(InputError, match="'none' is read as nothing: if it means something"):
        bandit(words)


@pytest.mark.parametrize("codes", [{"choice": [0, 1]}, "choice", {"choice": 3}])
def test_declarations_of_an_odd_form(codes: object) -> None:
    with pytest.raises(InputError, match="expected a mapping, for example codes="):
        bandit(frame_of(choice=[0, 1], reward=[1, 0]), codes)


@pytest.mark.parametrize("choice", ["²", "①", "٣"])
def test_digits_of_other_kinds_are_no_numbers(choice: str) -> None:
    with pytest.raises(InputError, match="unknown code"):
        bandit(frame_of(choice=["0", choice, "1"], reward=[1, 0, 1]))


def test_columns_that_are_not_ours_may_hold_anything() -> None:
    frame = frame_of(choice=[0, 1], reward=[1, 0])
    frame["licks"] = [[0.1, 0.2], {3}]
    assert bandit(frame).sizes["trial"] == 2
    frame["choice"] = [[0], [1]]
    with pytest.raises(InputError, match="unknown codes"):
        bandit(frame)


def test_arms_whose_odds_are_told_need_not_all_be_chosen() -> None:
    odds = {f"p_reward_{k}": 0.3 for k in range(3)}
    cohort = bandit(frame_of(choice=[1, 2, 2, 1], reward=[1, 0, 1, 0], **odds))
    assert cohort.choice.values.tolist() == [[1, 2, 2, 1]]


def test_a_second_choice_of_minus_one_does_not_count() -> None:
    frame = two_step_table(0).assign(choice2=lambda f: f.trial % 2)
    frame.loc[frame.index % 10 == 3, "choice2"] = -1
    codes = {"choice2": {-1: -1, 0: 0, 1: 1}}
    cohort = from_dataframe(frame, task="two-step", source="animal", codes=codes)
    assert int(cohort.valid.sum()) == int((frame.choice2 >= 0).sum())


def test_lost_first_rows_are_dropped_trials() -> None:
    rows = [(s, t) for s in ("d1", "d2") for t in range(6)]
    frame = pd.DataFrame(rows, columns=["session", "trial"])
    frame = frame.assign(subject="a", choice=frame.trial % 2, reward=1 - frame.trial % 2)
    late = bandit(frame[~((frame.session == "d2") & (frame.trial < 2))])
    assert late.valid.values.tolist() == [[1] * 6, [0, 0, 1, 1, 1, 1]]
    assert late.invalid_reason.values[1, :2].tolist() == [4, 4]
    running = bandit(frame.assign(trial=np.arange(12)))
    np.testing.assert_array_equal(running.choice, bandit(frame).choice)


def test_mixed_sessions_named_by_dates() -> None:
    days = ["28/01/2024", "30/01/2024", "01/02/2024"]
    rows = [(d, t) for t in range(4) for d in days]
    frame = pd.DataFrame(rows, columns=["session", "trial"]).assign(subject="a", reward=1)
    frame["choice"] = np.arange(12) % 2
    frame["reward"] = np.arange(12) % 3 % 2
    with pytest.raises(InputError, match="named by dates such as '28/01/2024'"):
        bandit(frame)
    iso = frame.assign(session=pd.to_datetime(frame.session, dayfirst=True).astype(str))
    assert bandit(iso).session_id.values.tolist() == ["2024-01-28", "2024-01-30", "2024-02-01"]
    in_order = frame.sort_values("session", key=lambda s: s.map(days.index), kind="stable")
    assert bandit(in_order).session_id.values.tolist() == days


@pytest.mark.parametrize("door", ["nwb", "neo"])
def test_the_mapping_of_a_subject_is_told_from_all_its_sessions(door: str, tmp_path: Path) -> None:
    """Forty sessions of nine trials: one alone is wrong every tenth time."""
    from neuro_metarl.cohort import concat_cohorts
    from neuro_metarl.io import from_neo, read_nwb
    from tests import lab_tables

    frame = two_step_table(4, n_subjects=1, n_sessions=40, n_trials=9)
    given = lab_tables.put(frame.drop(columns="common"), door, tmp_path)
    columns = {n: n for n in ("choice", "state", "reward")}
    if door == "nwb":
        cohort = read_nwb(given, columns=columns, task="two-step")
    else:
        cohort = concat_cohorts([from_neo(b, columns=columns, task="two-step") for b in given])
    expected = {s: g.common.to_numpy() for s, g in frame.groupby("session")}
    for session, common in zip(cohort.session_id.values, cohort.common.values, strict=True):
        name = next(k for k in sorted(expected, key=len, reverse=True) if str(session).endswith(k))
        np.testing.assert_array_equal(common, expected[name])
    odd = frame.session.str[1:].astype(int) % 2 == 1
    reversing = frame.assign(state=np.where(odd, 1 - frame.state, frame.state))
    again = tmp_path / "again"
    again.mkdir()
    given = lab_tables.put(reversing.drop(columns="common"), door, again)
    read = read_nwb if door == "nwb" else from_neo
    given = given if door == "nwb" else given[0]
    with pytest.raises(InputError, match="reverses"):
        read(given, columns=columns, task="two-step")


def test_blocks_of_hbayesdm_are_sessions(tmp_path: Path) -> None:
    path = tmp_path / "h.txt"
    rows = "".join(
        f"1\t{b}\t{t}\t{1 + t % 2}\t{1 - 2 * (t % 2)}\n" for b in (1, 2) for t in (1, 2, 3)
    )
    path.write_text("subjID\tblock\ttrial\tchoice\toutcome\n" + rows)
    assert dict(read(path).sizes) == {"session": 2, "trial": 3}
