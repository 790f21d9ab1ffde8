"""What animals lend to agents is theirs, or refused with the place: odds, codes, kinds, padding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_metarl as nm
from neuro_metarl.agents.zoo import Agents, load_agents
from neuro_metarl.assessment import assess
from neuro_metarl.cohort import kind_of_task, make_cohort
from neuro_metarl.comparison.prediction import predict_animals
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import choose_models
from neuro_metarl.schema import INVALID_REASONS, VARIABLES, specification
from neuro_metarl.tasks import list_tasks
from neuro_metarl.yoking import check_playable, record_yoked, replay

TWO_STEP, BANDIT, SETS = (load_agents(f"{n}/0") for n in ("two-step", "bandit-restless", "harlow"))


def ragged(kind: str, lengths: list[int], seed: int = 0, misses: float = 0.2) -> xr.Dataset:
    """Sessions of unequal length, with misses between trials; odds are NaN where there is none."""
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    there = np.arange(shape[1]) < np.array(lengths)[:, None]
    valid = there & (rng.random(shape) > misses)
    valid[:, 0] = True
    reason = np.where(valid, 0, np.where(there, 3, 1))
    odds = rng.random((*shape, 2)).astype("float32")
    choice = np.where(valid, rng.integers(2, size=shape), -1)
    common = rng.random(shape) < 0.8
    variables = {
        "choice": choice,
        "reward": np.where(valid, rng.integers(2, size=shape), np.nan),
        "valid": valid,
        "invalid_reason": reason,
        "forced": valid & (rng.random(shape) < 0.2),
        "p_reward": np.where(valid[..., None], odds, np.nan),
    }
    if kind == "two-step":
        variables["state"] = np.where(valid, np.where(common, choice, 1 - choice), -1)
        variables["common"] = np.where(valid, common, -1)
    return make_cohort(
        {k: np.asarray(v, specification(k)[1]) for k, v in variables.items()},
        subject=[f"rat{k % 2}" for k in range(len(lengths))], task=kind, source="animal",
        attrs={"task_config": '{"p_common": 0.8}'} if kind == "two-step" else {},
    )  # fmt: skip


def agents_of(kind: str) -> Agents:
    return TWO_STEP if kind == "two-step" else BANDIT


@pytest.mark.parametrize("kind", ["two-step", "bandit"])
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_agents_play_the_animals_odds_and_padding_is_no_value(
    kind: str, lengths: list[int], seed: int
) -> None:
    rats = ragged(kind, lengths, seed)
    if kind == "two-step":
        rats.attrs["task_config"] = "{}"
    played = record_yoked(agents_of(kind), rats, n_replicates=2, seed=seed, allow_mismatch=True)
    for row in range(played.sizes["session"]):
        source = row % len(lengths)
        mine = np.flatnonzero(rats.valid.values[source] == 1)
        n = len(mine)
        assert (
            np.array_equal(played.p_reward.values[row, :n], rats.p_reward.values[source, mine])
            or np.array_equal(  # where the animal's mapping is the other way round
                played.p_reward.values[row, :n, ::-1], rats.p_reward.values[source, mine]
            )
        )
        assert (played.invalid_reason.values[row, n:] == 1).all()
        assert (played.invalid_reason.values[row, :n] != 1).all()
        for name in played.data_vars:
            _, dtype, fill = specification(str(name))
            values = played[name].values[row, n:]
            assert values.dtype == dtype
            assert np.isnan(values).all() if np.isnan(fill) else (values == fill).all(), name
    assert played.attrs["odds"] == "the animals' own"


@pytest.mark.parametrize("kind", ["two-step", "bandit"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), whole=st.booleans())
def test_odds_missing_on_any_valid_trial_are_refused_with_the_place(
    kind: str, seed: int, whole: bool
) -> None:
    rats = ragged(kind, [9, 14, 6], seed)
    rng = np.random.default_rng(seed)
    session, trial = rng.choice(np.argwhere(rats.valid.values == 1))
    odds = rats.p_reward.values.copy()
    odds[session, trial, slice(None) if whole else rng.integers(2)] = np.nan
    spoilt = rats.assign(p_reward=(rats.p_reward.dims, odds))
    name, identity = rats.subject.values[session], rats.session_id.values[session]
    place = f"subject '{name}', session '{identity}', trial {trial}"
    for call in (
        lambda: record_yoked(agents_of(kind), spoilt, allow_mismatch=True),
        lambda: check_playable(agents_of(kind), spoilt, allow_mismatch=True),
    ):
        with pytest.raises(InputError, match=place):
            call()
    replay(agents_of(kind), spoilt if whole else rats)


def test_odds_on_trials_that_do_not_exist_do_not_matter() -> None:
    rats = ragged("two-step", [9, 14, 6])
    filled = rats.assign(p_reward=rats.p_reward.fillna(0.3))
    a, b = (record_yoked(TWO_STEP, cohort) for cohort in (rats, filled))
    xr.testing.assert_identical(a, b)


def test_where_no_odds_are_known_the_attribute_says_that_they_were_drawn() -> None:
    rats = ragged("two-step", [40, 40])
    for none in (rats.drop_vars("p_reward"), rats.assign(p_reward=rats.p_reward * np.nan)):
        played = record_yoked(TWO_STEP, none, n_replicates=1)
        assert played.attrs["odds"].startswith("drawn by the rule of two-step-miller")
        assert set(np.unique(played.p_reward.values[played.valid.values == 1]).round(1)) == {
            np.float32(0.2), np.float32(0.8),
        }  # fmt: skip


def test_the_order_of_dimensions_and_of_options_changes_nothing() -> None:
    rats = ragged("two-step", [40, 30])
    turned = rats.transpose("option", "trial", "session")
    xr.testing.assert_identical(record_yoked(TWO_STEP, rats), record_yoked(TWO_STEP, turned))
    xr.testing.assert_equal(replay(TWO_STEP, rats), replay(TWO_STEP, turned))


def put(name: str, value: float) -> Callable[[xr.Dataset], xr.Dataset]:
    def change(cohort: xr.Dataset) -> xr.Dataset:
        values = cohort[name].values.copy()
        session, trial = np.argwhere(cohort.valid.values == 1)[-1]
        values[session, trial] = value
        return cohort.assign({name: (cohort[name].dims, values)})

    return change


def three_options(cohort: xr.Dataset) -> xr.Dataset:
    odds = np.concatenate([cohort.p_reward.values, cohort.p_reward.values[..., :1]], axis=-1)
    kept = cohort.drop_vars("p_reward").drop_vars("option", errors="ignore")
    return kept.assign(p_reward=(("session", "trial", "option"), odds))


@pytest.mark.parametrize("kind", ["two-step", "bandit"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("reward", 2), "reward is 2, but agents play .* code them 1 and the others 0"),
        (put("reward", 0.5), "reward is 0.5"),
        (put("reward", -1), "reward is -1"),
        (put("choice", 2), "choice"),
        (three_options, "3 options"),
        (lambda c: c.assign(valid=c.valid * 0).drop_vars("invalid_reason"), "no valid trial"),
        (put("p_reward", 1.5), "p_reward"),
    ],
)
def test_what_agents_do_not_have_is_refused(
    kind: str, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    rats = ragged(kind, [9, 14, 6])
    check_playable(agents_of(kind), rats, allow_mismatch=True)
    with pytest.raises(InputError, match=message) as refusal:
        check_playable(agents_of(kind), change(rats), allow_mismatch=True)
    assert "\n" not in str(refusal.value)


def test_a_declared_transition_that_the_data_contradict_is_refused() -> None:
    rats = ragged("two-step", [700, 700])
    check_playable(TWO_STEP, rats)
    declared = rats.assign_attrs(task_config='{"p_common": 0.6}')
    with pytest.raises(InputError, match=r"p_common 0\.60, but transitions are common in 0\.[78]"):
        check_playable(TWO_STEP, declared, allow_mismatch=True)


def test_the_same_agent_twice_is_refused() -> None:
    twice = load_agents("two-step").select([1, 1])
    for verb in (record_yoked, replay):
        with pytest.raises(InputError, match="'two-step/1' appears twice"):
            verb(twice, ragged("two-step", [20]))


# ---- learning sets


def monkeys(better: float, worse: float, *, odds: bool, seed: int = 0) -> xr.Dataset:
    """Learning sets in which a subject is right from the second trial on."""
    rng = np.random.default_rng(seed)
    shape = (400, 6)
    side = rng.integers(2, size=shape)
    correct = np.ones(shape, int)
    correct[:, 0] = rng.integers(2, size=400)
    choice = np.where(correct, side, 1 - side)
    reward = rng.random(shape) < np.where(correct == 1, better, worse)
    variables = {"choice": choice, "reward": reward, "correct": correct,
                 "problem": np.arange(400)[:, None] + np.zeros(shape, int)}  # fmt: skip
    if odds:
        p = np.where(side[..., None] == np.arange(2), better, worse)
        variables["p_reward"] = p
    return make_cohort(
        variables, subject=[f"m{k % 4}" for k in range(400)], task="harlow", source="animal"
    )


@pytest.mark.parametrize("odds", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_learning_sets_on_other_odds_are_refused_and_may_be_allowed(odds: bool, seed: int) -> None:
    check_playable(SETS, monkeys(1, 0, odds=odds, seed=seed))
    for better, worse in ((0.7, 0.3), (0.9, 0.0), (1.0, 0.2)):
        cohort = monkeys(better, worse, odds=odds, seed=seed)
        with pytest.raises(InputError, match="animals' better object paid with probability"):
            check_playable(SETS, cohort)
        check_playable(SETS, cohort, allow_mismatch=True)
    with pytest.raises(InputError, match="know no learning sets"):
        check_playable(BANDIT, monkeys(1, 0, odds=odds))


# ---- kinds


def plain(task: str, **variables: object) -> xr.Dataset:
    shape = (4, 8)
    rng = np.random.default_rng(0)
    return make_cohort(
        {"choice": rng.integers(2, size=shape), "reward": rng.integers(2, size=shape), **variables},
        subject=["a", "b", "c", "d"], task=task, source="animal",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("bandit", "bandit"), ("bandit-baited", "bandit"), ("Two-armed bandit", "bandit"),
        ("reversal", "bandit"), ("probabilistic_reversal_learning", "bandit"), ("prl", "bandit"),
        ("dynamic foraging", "bandit"), ("bandit-of-objects", "bandit"),
        ("harlow", "learning-set"), ("Harlow pixels", "learning-set"),
        ("learning_set", "learning-set"), ("learning-sets", "learning-set"),
        ("objects", "learning-set"), ("navigation-continuous", "navigation"),
    ],
)  # fmt: skip
def test_kinds_by_name(task: str, kind: str) -> None:
    assert kind_of_task(plain(task)) == kind


def test_kinds_by_variables_stand_before_names() -> None:
    zeros = np.zeros((4, 8), int)
    second = {"state": zeros, "common": zeros + 1}
    assert kind_of_task(plain("bandit", **second)) == "two-step"
    assert kind_of_task(plain("anything", **second)) == "two-step"
    assert kind_of_task(plain("anything", **second, choice2=zeros)) == "two-step-human"


@pytest.mark.parametrize("task", ["", "maze-a", "task", "abandited", "two_stage", "two-step", "x"])
def test_an_unknown_kind_raises_wherever_it_is_asked(task: str) -> None:
    cohort = plain(task, p_reward=np.full((4, 8, 2), 0.5))
    odds = xr.DataArray(np.zeros((1, 4, 8)), dims=("subject", "session", "trial"))
    agents = load_agents("bandit-restless/0")
    for call in (
        lambda: kind_of_task(cohort),
        lambda: check_playable(agents, cohort),
        lambda: record_yoked(agents, cohort),
        lambda: replay(agents, cohort),
        lambda: assess(agents, cohort),
        lambda: predict_animals(cohort, odds),
        lambda: choose_models(cohort),
    ):
        with pytest.raises(InputError, match="task='bandit'") as refusal:
            call()
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", ["harlow", "navigation"])
def test_kinds_that_a_verb_does_not_know_are_refused(kind: str) -> None:
    cohort = plain(kind, p_reward=np.full((4, 8, 2), 0.5))
    odds = xr.DataArray(np.zeros((1, 4, 8)), dims=("subject", "session", "trial"))
    for call in (
        lambda: record_yoked(BANDIT, cohort),
        lambda: replay(BANDIT, cohort),
        lambda: assess(BANDIT, cohort),
        lambda: predict_animals(cohort, odds),
        lambda: choose_models(cohort),
    ):
        with pytest.raises(InputError, match=r"kind|usual one of|learning sets|play their session"):
            call()


@pytest.mark.parametrize("task", list_tasks())
def test_every_task_of_the_package_has_a_kind(task: str) -> None:
    second = {"state": np.zeros((4, 8), int), "common": np.ones((4, 8), int)}
    if task.startswith(("inferred-value", "risky-choice")):
        with pytest.raises(InputError, match="no kind of task is known by the name"):
            kind_of_task(plain(task))
        return
    kind = kind_of_task(plain(task, **second if task.startswith("two-step") else {}))
    begin = {"two-step": "two-step", "bandit": "bandit", "harlow": "learning-set"}
    assert kind == next((k for b, k in begin.items() if task.startswith(b)), "navigation")


def test_every_data_set_has_a_kind() -> None:
    cards = json.loads((Path(nm.__file__).parent / "data" / "registry.json").read_text())
    tasks = [card["task"] for card in (cards.values() if isinstance(cards, dict) else cards)]
    assert tasks
    for task in tasks:
        more = {}
        if task.startswith("two-step"):
            more = {"state": np.zeros((4, 8), int), "common": np.ones((4, 8), int)}
        assert kind_of_task(plain(task, **more))


# ---- padding of what is recorded


@pytest.mark.parametrize("name", ["harlow-pixels/0", "navigation/0", "two-step/0", "harlow/0"])
def test_outcomes_of_trials_that_do_not_exist_are_no_values(name: str) -> None:
    cohort = nm.record(name, n_sessions=4, activity=False)
    padding = cohort.invalid_reason.values == 1
    assert INVALID_REASONS[1] == "padding"
    for variable in ("reward", "p_reward", "expected_reward"):
        if variable in cohort:
            assert np.isnan(cohort[variable].values[padding]).all()
            assert np.isfinite(cohort[variable].values[cohort.valid.values == 1]).all()
            assert variable in VARIABLES


def test_a_data_set_of_the_package_is_playable() -> None:
    check_playable(TWO_STEP, load_dataset("synthetic-rats"))
