"""Every public function names an argument that it cannot use, in one line."""

from __future__ import annotations

import inspect
import pickle
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.errors import InputError
from neuro_metarl.public import explain

NOT_CALLED = {
    "train": "an agent is trained for minutes; its arguments are tested in test_learning",
    "train_in_stages": "as train",
    "fetch_dataset": "downloads",
}
ANYTHING = {"InputError", "list_agents", "list_datasets", "list_models", "list_tasks"}
# the first arguments that these functions need, by name, where the wrong one comes later
NEEDED: dict[str, dict[str, Any]] = {
    "add_activity": {"events": ["t_cue"]},
    "dose_response": {"perturb": None, "doses": [0.0]},
}


def functions() -> dict[str, Callable[..., Any]]:
    found = {name: getattr(nm, name) for name in nm.__all__}
    return {
        name: f
        for name, f in found.items()
        if inspect.isfunction(f) and name not in {*ANYTHING, *NOT_CALLED}
    }


def wrong_values() -> list[Any]:
    return [7, "no such thing", None, [object()], {"a": object()}, np.zeros(2), xr.Dataset()]


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_wrong_first_argument_is_one_line(name: str) -> None:
    """A new public function is among these without a word."""
    function = functions()[name]
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].default is not inspect.Parameter.empty:
        pytest.skip("needs no argument")
    keywords = {
        p.name: NEEDED.get(name, {}).get(p.name, 7)
        for p in parameters[1:]
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    refused = 0
    for value in wrong_values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with suppress(InputError):
                function(value, **keywords)
                continue
        refused += 1
    assert refused >= 4, refused


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_missing_argument_is_one_line(name: str) -> None:
    function = functions()[name]
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in needed):
        with pytest.raises(InputError, match=r"missing a required .*argument"):
            function()


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_negative_seed_is_one_line(name: str) -> None:
    """Wherever a seed can be given, whatever else is right or wrong."""
    function = functions()[name]
    if "seed" in inspect.signature(function).parameters:
        bound = [7 for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        with pytest.raises(InputError):
            function(*bound, seed=-1)


def test_a_public_function_is_itself_when_it_was_pickled() -> None:
    for function in (nm.fit, nm.models.fit_table, nm.stay_probability, nm.plot.stay_probability):
        assert pickle.loads(pickle.dumps(function)) is function
    assert nm.models.fit is nm.fit
    assert nm.fit.__doc__ == inspect.unwrap(nm.fit).__doc__
    assert "cohort" in inspect.signature(nm.fit).parameters


def test_an_error_that_no_argument_explains_stays_what_it_is() -> None:
    def divide(
        cohort: xr.Dataset, by: float = 0.0, names: Mapping[str, int] | None = None
    ) -> float:
        return 1 / by

    rats = nm.load_dataset("synthetic-rats")
    assert explain(divide, "neuro_metarl", (rats,), {}, ZeroDivisionError()) is None
    assert explain(divide, "neuro_metarl", (rats, np.float32(1)), {"names": {"a": np.int64(1)}},
                   ZeroDivisionError()) is None  # fmt: skip
    text = explain(divide, "neuro_metarl", (rats,), {"names": {"a": "b"}}, ZeroDivisionError())
    assert text is not None
    assert "names is a dict of 1" in text


CALLS: dict[str, tuple[Callable[[xr.Dataset], Any], str]] = {
    "a model is no agents": (lambda c: nm.record_yoked(nm.models.hybrid, c), "agents is a Model"),
    "a name": (lambda c: nm.assess(c, "rats"), "a cohort is an xarray.Dataset, got str"),
    "only a name": (lambda c: nm.assess("rats"), "missing a required argument: 'animals'"),
    "cohorts for fits": (lambda c: nm.compare_models({"a": c}), "fits has no 'n'"),
    "a cohort for profiles": (lambda c: nm.comparison.place(c, c), "has no 'subject'"),
    "a fit without fits": (lambda c: nm.models.fit_table(c), "fits is a Dataset"),
    "one cohort": (lambda c: nm.concat_cohorts(c), "expected a list of which each is"),
    "a number of a subject": (lambda c: nm.select_subjects(c, 7), "subjects is 7"),
    "a text": (lambda c: nm.subjects_of("rats"), "cohort is the text 'rats'"),
    "no evidence": (lambda c: nm.models.select_models(c), "log_evidence is a Dataset"),
    "no fits": (lambda c: nm.compare_models(c), "fits is a Dataset"),
    "a seed": (lambda c: nm.fit(c, "model_based", seed=-1), "seed is -1"),
    "problem by session": (
        lambda c: nm.behavior.fit_learning_rates(
            c.assign(problem=("session", np.arange(c.sizes["session"], dtype="int32")))
        ),
        "problem",
    ),
}


@pytest.mark.parametrize("case", sorted(CALLS))
def test_what_was_a_traceback_is_one_line(case: str) -> None:
    call, says = CALLS[case]
    with pytest.raises(InputError, match=says) as caught:
        call(nm.load_dataset("synthetic-rats").isel(session=slice(0, 4)))
    assert "\n" not in str(caught.value)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    rng = np.random.default_rng(0)
    choice, reward, correct = rng.integers(0, 2, (3, 20, 6))
    cohort = nm.make_cohort(
        {"choice": choice, "reward": reward, "correct": correct},
        subject=["a"] * 20, task="harlow", source="animal",
    )  # fmt: skip
    curve = nm.learning_curve(cohort, blocks=np.int64(5))
    xr.testing.assert_identical(curve, nm.learning_curve(cohort, blocks=5))
    for blocks in (2.0, True):
        with pytest.raises(InputError, match=f"blocks is {blocks}, expected a whole number"):
            nm.learning_curve(cohort, blocks=blocks)
