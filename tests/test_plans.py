"""Plans before data, and one comparison under all conventions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from neuro_metarl import compare, load_dataset, select_subjects
from neuro_metarl.comparison import analysis_plan, check_plan, multiverse, read_plan, write_plan
from neuro_metarl.errors import InputError

PLAN = analysis_plan(
    "two-step", question="Do they plan?", measures=["planning_index", "stay_index"], n_animals=6
)


def halves() -> dict:
    rats = load_dataset("synthetic-rats")
    parts = {"first": (1, 2, 3), "second": (4, 5, 6)}
    return {k: select_subjects(rats, [f"synthetic-{i}" for i in v]) for k, v in parts.items()}


def test_a_plan_is_whole_or_refused(tmp_path: Path) -> None:
    path = write_plan(PLAN, tmp_path / "plan.json")
    assert read_plan(path) == PLAN
    with pytest.raises(InputError, match="is there already"):
        write_plan(PLAN, path)
    write_plan(PLAN, path, overwrite=True)
    for changed in ({"alpha": 0.1}, {"measures": ["stay_index"]}):
        path.write_text(json.dumps(PLAN | changed))
        with pytest.raises(InputError, match="was changed after it was made"):
            read_plan(path)
    for damaged in (b"{", b"[1]", b"\xff\xfe", json.dumps({"schema": "other"}).encode()):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="is no plan of neuro_metarl"):
            read_plan(path)
        with pytest.raises(InputError, match="is no plan of neuro_metarl, and is not replaced"):
            write_plan(PLAN, path, overwrite=True)
    with pytest.raises(InputError, match=r"ends in \.json"):
        write_plan(PLAN, tmp_path / "plan.txt")


def test_departures_are_told() -> None:
    rats = {"rats": load_dataset("synthetic-rats")}
    kept = compare(rats, measures=PLAN["measures"])
    assert check_plan(PLAN, kept) == []
    told = check_plan(PLAN, compare(rats, n_lags=3, confidence=0.9))
    assert "confidence was planned as 0.95 and is 0.9." in told
    assert "n_lags was planned as 5 and is 3." in told
    assert "one_back is measured and was not planned." in told
    few = compare({"rats": halves()["first"]}, measures=["planning_index"])
    assert check_plan(PLAN, few) == [
        "stay_index was planned and is not measured.", "6 animals were planned and there are 3."
    ]  # fmt: skip
    with pytest.raises(InputError, match="takes what compare or assess gives"):
        check_plan(PLAN, rats["rats"])
    with pytest.raises(InputError, match="has no measure 'plan'"):
        analysis_plan("two-step", question="", measures=["plan"])
    with pytest.raises(InputError, match="lags is an option of none"):
        analysis_plan("two-step", question="", options={"lags": 3})


def test_the_multiverse_holds_every_single_comparison() -> None:
    two = halves()
    table = multiverse(two, "planning_index", {"penalty": ["firth", "none"], "n_lags": [2, 5]})
    assert table.penalty.values.tolist() == ["firth", "firth", "none", "none"]
    for k in range(4):
        one = table.isel(combination=k)
        result = compare(two, measures=["planning_index"], penalty=str(one.penalty.item()),
                         n_lags=int(one.n_lags.item()))  # fmt: skip
        values = result.planning_index.sel(statistic="value").values
        test = ttest_ind(values[:3], values[3:], equal_var=False)
        assert float(one.p) == pytest.approx(test.pvalue)
        assert float(one.difference) == pytest.approx(values[:3].mean() - values[3:].mean())
    assert table.attrs["largest"] == pytest.approx(float(table.difference.max()))


def test_a_combination_that_is_refused_is_told() -> None:
    ways = {"history": ["session", "published"], "adjacent": [False, True]}
    table = multiverse(halves(), "planning_index", ways)
    assert [bool(text) for text in table.problem.values] == [False, False, False, True]
    assert "published" in table.problem.values[3]
    assert np.isnan(table.difference.values[3])
    with pytest.raises(InputError, match="a multiverse compares two"):
        multiverse({"a": load_dataset("synthetic-rats")}, "planning_index", {"n_lags": [2]})
    with pytest.raises(InputError, match="lags is an option of none"):
        multiverse(halves(), "planning_index", {"lags": [2]})
    with pytest.raises(InputError, match="name no choices"):
        multiverse(halves(), "planning_index", {})
