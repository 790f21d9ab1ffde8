"""``compare-to-rodent-data`` and groups that cannot be judged, or are of another task."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuro_metarl import concat_cohorts, load_dataset, save_cohort, select_subjects, subjects_of
from neuro_metarl.behavior import bandit_profile, learning_set_profile
from neuro_metarl.cli import main
from neuro_metarl.io import write_table
from neuro_metarl.models import simulate_design
from neuro_metarl.words import noun_of
from tests.designs import bandit_design
from tests.test_behavior_learning_sets import strategist

QUICK = ["--models", "none", "--sessions", "2", "--replicates", "1"]


def some(n: int) -> xr.Dataset:
    rats = load_dataset("synthetic-rats")
    rats.attrs = {k: v for k, v in rats.attrs.items() if k != "synthetic"} | {"source": "animal"}
    return select_subjects(rats, subjects_of(rats)[:n])


def mixed() -> xr.Dataset:
    """The first three had common transitions in about .6 of trials."""
    rats = some(6)
    mine = np.isin(rats.subject.values, subjects_of(rats)[:3])[:, None]
    rare = mine & (rats.valid.values == 1) & (rats.common.values == 1)
    rare &= np.random.default_rng(0).random(rare.shape) < 0.25
    state = np.where(rare, 1 - rats.state.values, rats.state.values).astype("int8")
    return rats.assign(
        common=rats.common.where(~rare, 0).astype("int8"), state=(rats.state.dims, state)
    )


def still() -> xr.Dataset:
    """The first rat always goes left and is always rewarded."""
    rats = some(5)
    me = (rats.subject.values == subjects_of(rats)[0])[:, None] & (rats.valid.values == 1)
    state = np.where(me, (rats.common.values != 1), rats.state.values)
    return rats.assign(
        choice=rats.choice.where(~me, 0).astype("int8"),
        reward=rats.reward.where(~me, 1).astype("float32"),
        state=(rats.state.dims, state.astype("int8")),
    )


CASES: dict[str, tuple[Callable[[], xr.Dataset], list[str], str]] = {
    "one animal": (lambda: some(1), [], "needs at least 2 animals, because the animal is the unit"),
    "mixed forms": (mixed, ["--agents", "two-step/0"], "animals of different task forms"),
    "no variance": (still, ["--agents", "two-step/0"], "too little variation for a profile"),
    "agents of a bandit": (
        lambda: some(5), ["--agents", "bandit-independent"],
        "trained on 'bandit-independent' cannot play the animals' two-step task",
    ),
    "two-step agents on a bandit": (
        lambda: bandit_design(5, 400), ["--agents", "two-step"],
        "agents trained on 'two-step' cannot play the animals' bandit task; take agents of",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:subject 'synthetic-1'")
@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_judged_ends_with_one_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, options, message = CASES[case]
    path = tmp_path / "animals.nc"
    save_cohort(make(), path)
    arguments = ["compare-to-rodent-data", str(path), *options, *QUICK, "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "report.html").exists()


def test_there_is_no_traceback_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "animals.nc"
    save_cohort(mixed(), path)
    command = [sys.executable, "-m", "neuro_metarl.cli", "compare-to-rodent-data", str(path)]
    options = [*QUICK, "--agents", "two-step/0", "--out", str(tmp_path / "o")]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: animals of different task forms")


def test_three_animals_are_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "animals.nc"
    save_cohort(some(3), path)
    options = ["--agents", "two-step/0", *QUICK, "--out", str(tmp_path / "o")]
    main(["compare-to-rodent-data", str(path), *options])
    told = capsys.readouterr().out
    assert "3 animals: described, not judged; that needs 4 or more." in told
    assert not (tmp_path / "o" / "report.html").exists()
    assert (tmp_path / "o" / "comparison.csv").exists()


def test_a_bandit_is_compared_through_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {f"m{k}": {"learning_rate": 0.2 + 0.1 * k} for k in range(4)}
    path = tmp_path / "mice.nc"
    mice = simulate_design(bandit_design(4, 600), "q_learning", values)
    mice = mice.assign_coords(species=("session", ["Mus musculus"] * mice.sizes["session"]))
    save_cohort(mice, path)
    out = tmp_path / "o"
    options = ["--replicates", "1", "--models", "q_learning", "reversal_hmm"]
    main(["compare-to-rodent-data", str(path), *options, "--out", str(out)])
    told = capsys.readouterr().out
    assert "reward at lags 2 to 5" in told
    assert "simulated mice" in told
    assert "(Welch over subjects, Holm)" in told
    assert "nobody is called outside or inside: that needs 6 mice" in told
    page = (out / "report.html").read_text()
    assert "How mouse-like are the bandit-restless agents?" in page
    assert (out / "assessment.csv").exists()
    assert (out / "assessment.png").exists()
    table = pd.read_csv(out / "comparison.csv")
    assert len(table) == 4 * (8 + 4)
    mine = table[(table.subject == "m2") & (table.measure == "reward_lag_1")]
    assert mine.value.item() == pytest.approx(
        float(bandit_profile(mice).profile.sel(subject="m2", measure="reward_lag_1"))
    )
    fits = pd.read_csv(out / "fits.csv")
    nulls = {"bias", "bias_kernel", "bias_perseveration", "side_kernel"}
    assert set(fits.model) == {"q_learning", "reversal_hmm", *nulls}
    assert set(fits.source) == {"agents", "simulated mice"}


def test_three_animals_on_a_bandit_are_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "three.nc", tmp_path / "o"
    values = {f"m{k}": {"learning_rate": 0.3} for k in range(3)}
    save_cohort(simulate_design(bandit_design(3, 400), "q_learning", values), path)
    agents = ["--agents", "bandit-restless/0", "--models", "none", "--json"]
    main(["compare-to-rodent-data", str(path), *agents, "--out", str(out)])
    told = json.loads(capsys.readouterr().out)
    assert told["sentences"] == ["3 animals: described, not judged; that needs 4 or more."]
    assert len(told["summary"]) == 4 * 2
    assert told["paradigm"] == "bandit"
    assert not (out / "report.html").exists()


def test_a_table_of_a_bandit_is_compared_where_the_task_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {f"m{k}": {"learning_rate": 0.2 + 0.1 * k} for k in range(4)}
    path, out = tmp_path / "mice.csv", tmp_path / "o"
    write_table(simulate_design(bandit_design(4, 400), "q_learning", values), path)
    options = ["--agents", "bandit-restless/0", "--models", "none", "--replicates", "1"]
    main(["compare-to-rodent-data", str(path), "--task", "bandit", *options, "--out", str(out)])
    assert "reward at lag 1" in capsys.readouterr().out
    assert (out / "report.html").exists()
    with pytest.raises(SystemExit):
        main(["compare-to-rodent-data", str(path), *options, "--out", str(out)])
    assert "column 'state' (or 'common') is missing" in capsys.readouterr().err


def test_learning_sets_are_compared_through_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four animals that keep an object in .8 to .95 of trials, in a table of monkeys."""
    parts = [strategist(0.8 + 0.05 * k, 0.6, 60, subject=f"m{k}", seed=k) for k in range(4)]
    monkeys = concat_cohorts(parts)
    path, out = tmp_path / "monkeys.nc", tmp_path / "o"
    save_cohort(monkeys, path)
    command = ["compare-to-rodent-data", str(path), "--out", str(out)]
    main([*command, "--agents", "harlow/0"])
    told = capsys.readouterr().out
    for part in ("trials 3 to 6", "n = 4", "that needs 6 "):
        assert part in told
    table = pd.read_csv(out / "comparison.csv")
    assert len(table) == 6 * (1 + 4)
    mine = table[(table.subject == "m2") & (table.measure == "win_stay")].value.item()
    profile = learning_set_profile(monkeys).profile.sel(subject="m2", measure="win_stay")
    assert mine == pytest.approx(float(profile))
    page = (out / "report.html").read_text()
    assert "first six trials of each problem" in page
    assert "untrained network" in page
    assert "Shuffled" not in page
    assert (out / "comparison.png").exists()
    with pytest.raises(SystemExit):
        main([*command, "--agents", "two-step"])
    assert "cannot play the animals' learning set task; take agents of" in capsys.readouterr().err
    problem = np.repeat(np.arange(180)[:, None] % 60, 6, axis=1).astype("int32")
    three = concat_cohorts(parts[:3]).assign_attrs(task="objects")
    save_cohort(three.assign(problem=(("session", "trial"), problem)), path, overwrite=True)
    main([*command, "--agents", "harlow/0", "--json", "--overwrite"])
    found = json.loads(capsys.readouterr().out)
    assert found["sentences"] == ["3 animals: described, not judged; that needs 4 or more."]


@pytest.mark.parametrize(
    ("species", "noun"),
    [(["mouse"], "mouse"), (["Rattus norvegicus"], "rat"), (["mouse", "rat"], "animal"),
     ([], "animal"), (["guppy"], "guppy"), (["human"], "person")],
)  # fmt: skip
def test_animals_are_called_by_their_name(species: list[str], noun: str) -> None:
    cohort = bandit_design(2, 400)
    if species:
        named = np.resize(species, cohort.sizes["session"])
        cohort = cohort.assign_coords(species=("session", named))
    assert noun_of(cohort) == noun
    rats = cohort.assign_attrs(task="two-step-miller")
    assert noun_of(rats) == (noun if species else "rat")


def three(kind: str) -> xr.Dataset:
    if kind == "two-step":
        return some(3)
    if kind == "bandit":
        values = {f"m{k}": {"learning_rate": 0.3} for k in range(3)}
        return simulate_design(bandit_design(3, 400), "q_learning", values)
    return concat_cohorts([strategist(0.8, 0.6, 60, subject=f"m{k}", seed=k) for k in range(3)])


def test_the_command_has_one_schema_for_every_paradigm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns and keys are equal; what differs is which measures there are."""
    agents = {"two-step": "two-step/0", "bandit": "bandit-restless/0", "learning-set": "harlow/0"}
    told, tables, attrs = {}, {}, {}
    for kind, name in agents.items():
        path, out = tmp_path / f"{kind}.nc", tmp_path / kind
        save_cohort(three(kind), path)
        main(["compare-to-rodent-data", str(path), "--agents", name, *QUICK, "--json",
              "--out", str(out)])  # fmt: skip
        told[kind] = json.loads(capsys.readouterr().out)
        tables[kind] = pd.read_csv(out / "comparison.csv")
        with xr.open_dataset(out / "comparison.nc") as kept:
            attrs[kind] = list(kept.attrs)
            assert set(kept.attrs["measures"].split(", ")) == set(tables[kind].measure)
            assert set(kept.attrs["measures"].split(", ")) <= set(kept.data_vars)
    for kind in agents:
        assert list(told[kind]) == list(told["two-step"])
        assert list(told[kind]["settings"]) == list(told["two-step"]["settings"]) == attrs[kind]
        assert set(told[kind]["summary"][0]) == set(told["two-step"]["summary"][0])
        assert list(tables[kind].columns) == list(tables["two-step"].columns)
        assert {"table", "data set", "figure", "vector figure"} <= set(told[kind]["files"])


def test_an_option_of_other_measures_is_refused_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mice.nc"
    save_cohort(three("bandit"), path)
    with pytest.raises(SystemExit):
        main(["compare-to-rodent-data", str(path), "--history", "published",
              "--out", str(tmp_path / "o")])  # fmt: skip
    assert "history is an option of none of the measures reward_lag_1" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
