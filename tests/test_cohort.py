"""The schema: what is accepted, and what each refusal says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import (
    concat_cohorts,
    make_cohort,
    responses,
    select_subjects,
    subjects_of,
    validate_cohort,
)
from neuro_metarl.errors import InputError


def small(subject: str = "a", n_trials: int = 4, source: str = "animal") -> xr.Dataset:
    choice = np.arange(2 * n_trials).reshape(2, n_trials) % 2
    return make_cohort(
        {
            "choice": choice,
            "reward": 1.0 - choice,
            "state": choice,
            "common": np.ones_like(choice),
            "correct": -np.ones_like(choice),
            "p_reward": np.full((2, n_trials, 2), 0.5),
            "t_choice": np.arange(2.0 * n_trials).reshape(2, n_trials),
        },
        subject=[subject, subject],
        task="two-step",
        source=source,
    )


def test_types_and_names_are_the_schemas() -> None:
    cohort = small()
    for name in ("choice", "valid", "forced", "state", "common", "correct"):
        assert cohort[name].dtype == np.int8, name
    assert cohort.reward.dtype == cohort.p_reward.dtype == np.float32
    assert cohort.t_choice.dtype == np.float64
    assert cohort.session_id.values.tolist() == ["a/0", "a/1"]


def test_order_of_dimensions_does_not_matter() -> None:
    cohort = small()
    turned = cohort.transpose("option", "trial", "session")
    assert validate_cohort(turned) is turned
    turned["reward"][2, 1] = np.nan
    with pytest.raises(InputError, match=r"reward: nan at subject 'a', session 'a/1', trial 2"):
        validate_cohort(turned)


def put(name: str, value: float, session: int = 1, trial: int = 2) -> Callable[[xr.Dataset], None]:
    def change(cohort: xr.Dataset) -> None:
        cohort[name][{"session": session, "trial": trial}] = value

    return change


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (put("choice", -1), "choice: -1 at subject 'a', session 'a/1', trial 2, which is valid"),
        (put("choice", -3), "choice: -3"),
        (put("reward", np.nan), "reward: nan at subject 'a', session 'a/1', trial 2"),
        (put("reward", np.inf), "reward: inf"),
        (put("valid", 2), "valid: 2 at subject 'a'"),
        (put("forced", 3), "forced: 3"),
        (put("common", 2), "common: 2"),
        (put("common", -1), "common: -1 .* which is valid.*relative to the subject's own mapping"),
        (put("state", -1), "state: -1"),
        (put("correct", 5), "correct: 5 .*-1 = undefined"),
        (put("p_reward", 1.5), "p_reward"),
        (lambda c: c.attrs.pop("schema"), "attribute 'schema' is None"),
        (lambda c: c.attrs.pop("task"), "attribute 'task' is missing"),
        (lambda c: c.attrs.update(source="rat"), "'source' is 'rat', expected one of agent"),
    ],
)
def test_values_that_break_the_schema(spoil: Callable[[xr.Dataset], None], message: str) -> None:
    cohort = small()
    spoil(cohort)
    with pytest.raises(InputError, match=message):
        validate_cohort(cohort)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.drop_vars("reward"), "reward: missing; a cohort needs choice, reward, valid"),
        (lambda c: c.assign(choice=c.choice.astype(float)), "choice: dtype is float64, expected"),
        (lambda c: c.assign(forced=c.forced == 1), r"forced: dtype is bool.*astype\('int8'\)"),
        (lambda c: c.assign(choice=c.choice[0]), "choice: dims are .trial., .*missing session"),
        (lambda c: c.assign(reward=c.reward.rename(trial="time")), "time does not belong"),
        (lambda c: c.drop_vars("subject"), "coordinate 'subject' along 'session' is missing"),
        (lambda c: c.to_dataframe(), "a cohort is an xarray.Dataset, got DataFrame"),
        (
            lambda c: c.assign_coords(session_id=("session", ["x", "x"])),
            "session 'x' of subject 'a' appears twice; each session of a subject needs a name",
        ),
    ],
)
def test_shapes_that_break_the_schema(
    change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        validate_cohort(change(small()))


def test_padding_must_trail() -> None:
    variables = {
        "choice": [[0, -1, 1]],
        "reward": [[1, 0, 1]],
        "valid": [[1, 0, 1]],
        "invalid_reason": [[0, 1, 0]],
    }
    with pytest.raises(InputError, match=r"invalid_reason: 1 .* trial 1"):
        make_cohort(variables, subject=["a"], task="bandit", source="animal")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"choice": [["l", "r"]], "reward": [[1, 0]]}, r"choice: .*not 1/2, not 'l'/'r'"),
        ({"choice": [[0.5, 1]], "reward": [[1, 0]]}, "choice: 0.5 at session 0, trial 0"),
        ({"choice": [[np.nan, 1]], "reward": [[1, 0]]}, "choice: nan at session 0, trial 0"),
        ({"choice": [0, 1], "reward": [1, 0]}, "choice: got 1 dimensions"),
        ({"choice": [[0, 300]], "reward": [[1, 0]]}, "more than int8 can hold"),
        ({"choise": [[0, 1]], "reward": [[1, 0]]}, "choise: not a variable of the cohort schema"),
    ],
)
def test_arrays_that_cannot_become_a_cohort(variables: dict[str, list], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_cohort(variables, subject=["a"], task="bandit", source="animal")


def test_concat_keeps_what_task_forms_share_and_refuses_other_transitions() -> None:
    forms = ['{"p_common": 0.8, "n_trials": 5}', '{"p_common": 0.8, "n_trials": 9}', "{}"]
    a, b, c = (small(n).assign_attrs(task_config=f) for n, f in zip("abc", forms, strict=True))
    assert concat_cohorts([a, b]).attrs["task_config"] == '{"p_common": 0.8}'
    assert concat_cohorts([a, c]).attrs.get("task_config", "{}") == "{}"
    other = small("d").assign_attrs(task_config='{"p_common": 0.7}')
    with pytest.raises(InputError, match=r"different task forms: p_common 0\.8 and 0\.7"):
        concat_cohorts([a, other])


def test_concat_pads_and_keeps_what_agrees() -> None:
    long, short = small("a", 5), small("b", 3)
    long.attrs["licence"] = short.attrs["licence"] = "MIT"
    long.attrs["history"], short.attrs["history"] = "one", "two"
    joined = concat_cohorts([long, short])
    assert dict(joined.sizes) == {"session": 4, "trial": 5, "option": 2}
    assert joined.valid.values[2:, 3:].tolist() == [[0, 0], [0, 0]]
    assert joined.choice.values[2:, 3:].tolist() == [[-1, -1], [-1, -1]]
    assert joined.choice.dtype == np.int8
    assert joined.attrs["licence"] == "MIT"
    assert "history" not in joined.attrs
    assert subjects_of(joined) == ["a", "b"]
    back = select_subjects(joined, "b").isel(trial=slice(3))
    xr.testing.assert_equal(back, short)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (small("b", source="model"), "different source: 'animal' and 'model'"),
        (small("b").assign_attrs(task="bandit"), "different task"),
        (small("b").drop_vars("correct"), "correct is in one cohort but not in the other"),
        (small("a"), "is in two of the cohorts, with the same choices and rewards"),
        (small("b").isel(option=[0]), "differ along 'option'"),
    ],
)
def test_cohorts_that_cannot_be_joined(other: xr.Dataset, message: str) -> None:
    with pytest.raises(InputError, match=message):
        concat_cohorts([small("a"), other])


def test_nothing_to_join() -> None:
    with pytest.raises(InputError, match="at least one cohort"):
        concat_cohorts([])


def test_responses_are_valid_and_free() -> None:
    cohort = small()
    cohort["forced"][0, 1] = 1
    cohort["valid"][0, 2] = 0
    assert responses(cohort).values[0].tolist() == [True, False, False, True]


def test_shift_does_not_leak_between_sessions() -> None:
    before = small().choice.shift(trial=1, fill_value=-1)
    assert before.values[:, 0].tolist() == [-1, -1]
    assert before.dtype == np.int8


def test_an_unknown_subject_is_named() -> None:
    with pytest.raises(InputError, match="no subject 'z' in this cohort; there are: a"):
        select_subjects(small(), ["a", "z"])
