"""In one assessment the kind of experiment is asked once, and animals' sessions are read once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import yoking
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.agents_and_animals import How, beside_animals
from neuro_metarl.assessment import assess
from neuro_metarl.cohort import kind_of_task, subjects_of
from neuro_metarl.comparison.measures import compare
from neuro_metarl.comparison.prediction import model_log_odds, predict_animals
from neuro_metarl.datasets import load_dataset
from neuro_metarl.measures import Measure
from neuro_metarl.paradigms import TWO_STEP, Paradigm, paradigm_of, register_paradigm
from neuro_metarl.paradigms import registry as kinds
from neuro_metarl.report import report_page, sentences

AGENTS = load_agents("two-step/0")
RATS = load_dataset("synthetic-rats")
QUICK = How(n_sessions=2, models=(), n_replicates=1)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what is asked of the paradigm, and how often the animals' sessions are read."""
    counts: Counter[str] = Counter()

    def read(cohort: xr.Dataset, *, played: bool = True) -> object:
        counts["sessions"] += 1
        return read_two_step(cohort, played=played)

    read_two_step = yoking.read_two_step
    monkeypatch.setattr(yoking, "read_two_step", read)

    def asked(cohort: xr.Dataset) -> str:
        counts["kind of task"] += 1
        return kind_of_task(cohort)

    monkeypatch.setattr(yoking, "kind_of_task", asked)
    monkeypatch.setattr(kinds, "_OWN", {})
    return counts


def counting(counts: Counter[str]) -> Paradigm:
    def holds(cohort: xr.Dataset) -> bool:
        counts["holds"] += 1
        return kind_of_task(cohort) == "two-step"

    return replace(TWO_STEP, name="counted two-step", holds=holds)


def test_an_assessment_asks_once_and_reads_once(counted: Counter[str]) -> None:
    register_paradigm(counting(counted))
    tree = assess(AGENTS, RATS, n_replicates=1, n_bootstrap=20)
    assert counted == {"holds": 1, "sessions": 1}
    assert tree.attrs["paradigm"] == "counted two-step"


def test_a_paradigm_that_is_passed_is_not_asked_at_all(counted: Counter[str]) -> None:
    own = counting(counted)
    tree = assess(AGENTS, RATS, paradigm=own, n_replicates=1, n_bootstrap=20)
    assert counted == {"sessions": 1}
    page = report_page(tree, noun="rat", paradigm=own)
    assert "Crawford" in page
    assert "as a counted" not in " ".join(sentences(tree))


def test_agents_beside_animals_ask_once_and_read_once(counted: Counter[str]) -> None:
    register_paradigm(counting(counted))
    found = beside_animals(AGENTS, RATS, QUICK, label="rats")
    assert counted == {"holds": 1, "sessions": 1}
    assert found.paradigm.name == found.comparison.attrs["paradigm"] == "counted two-step"
    assert found.tree is not None


def test_the_kind_decides_nothing_that_was_told(counted: Counter[str]) -> None:
    """Numbers under a paradigm that is passed are those under the one that holds the cohort."""
    own = counting(counted)
    one = beside_animals(AGENTS, RATS, QUICK, paradigm=own)
    other = beside_animals(AGENTS, RATS, QUICK)
    xr.testing.assert_equal(one.comparison, other.comparison)
    assert one.tree is not None
    assert other.tree is not None
    for node in other.tree.subtree:
        xr.testing.assert_equal(one.tree[node.path].to_dataset(), node.to_dataset())


def test_a_paradigm_of_one_s_own_goes_all_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown by its name, with signatures and a measure of its own, and without a prediction."""

    def share(cohort: xr.Dataset) -> float:
        return float((cohort.choice == 0).where(cohort.valid == 1).mean())

    def signatures(cohort: xr.Dataset) -> xr.Dataset:
        names = subjects_of(cohort)
        choice = cohort.choice.where(cohort.valid == 1)
        rows = [choice.values[cohort.subject.values == name] for name in names]
        value = np.array([[np.nanmean(r), np.nanmean(r[:, 1:] == r[:, :-1])] for r in rows])
        n = np.array([int(np.isfinite(r).sum()) for r in rows])
        error = value * (1 - value) / n[:, None]
        measures = ["right", "same"]
        return xr.Dataset(
            {
                "profile": (("subject", "measure"), value),
                "covariance": (
                    ("subject", "measure", "measure_2"), error[:, :, None] * np.eye(2),
                ),
                "n": ("subject", n),
                "bias": ("subject", value[:, 0] - 0.5),
                "p_correct": ("subject", np.full(len(names), np.nan)),
            },
            coords={"subject": names, "measure": measures, "measure_2": measures},
        )  # fmt: skip

    monkeypatch.setattr(kinds, "_OWN", {})
    own = Paradigm("flips", lambda cohort: cohort.attrs["task"] == "flips", signatures,
                   methods=("<b>Flips.</b>",), limits=("Few {many}.",))  # fmt: skip
    animals = RATS[["choice", "reward", "valid", "forced"]].assign_attrs(task="flips")
    found = beside_animals(AGENTS, animals, QUICK, label="flippers", paradigm=own)
    assert list(found.comparison.data_vars) == ["right", "n_signature", "same"]
    assert found.comparison.attrs["paradigm"] == "flips"
    assert found.tree is not None
    assert "Few mice." in report_page(found.tree, noun="mouse", paradigm=own)
    measured = compare(
        {"flippers": animals}, paradigm=own, measures=["right", Measure("left", share)]
    )
    assert measured.attrs["measures"] == "right, left"
    odds = model_log_odds(RATS, "model_based", {"planner": {}})
    told = predict_animals(RATS, odds, model="bias_perseveration")
    assert told.attrs["own_model"] == "bias_perseveration"
    register_paradigm(own)
    assert paradigm_of(animals) is own
