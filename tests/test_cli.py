"""The command, run as a user runs it: good input, wrong input, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from neuro_metarl import cli
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.datasets import load_dataset
from neuro_metarl.io import write_table
from neuro_metarl.storage import open_cohort
from tests.miller_file import rat, write

COMMANDS = (
    [], ["train"], ["record"], ["fit"], ["compare-to-rodent-data"], ["datasets"],
    ["datasets", "list"], ["datasets", "info"], ["datasets", "fetch"],
)  # fmt: skip


def run(*arguments: object) -> tuple[int, str]:
    """Run the command in this process; return its exit code."""
    try:
        cli.main([str(a) for a in arguments])
    except SystemExit as stop:
        return int(stop.code or 0), ""
    return 0, ""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command, "--help")[0] == 0
    text = capsys.readouterr().out
    assert "Usage: neuro-metarl" in text
    if command and command != ["datasets"]:
        assert f"neuro-metarl {' '.join(command)}" in text.split("Usage:")[1].split("\n", 1)[1]


def test_train_then_record_then_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "agents"
    small = ["--change", "n_updates=3", "n_episodes=2", "--set", "n_trials=20"]
    assert run("train", "two-step", "--agents", 2, "--out", made, *small)[0] == 0
    assert len(load_agents(made)) == 2
    assert load_agents(made).task.n_trials == 20
    out = tmp_path / "cohort.nc"
    assert run("record", made, "--sessions", 2, "--seed", 1, "--out", out)[0] == 0
    cohort = open_cohort(out)
    assert dict(cohort.sizes)["session"] == 4
    assert "activity" in cohort
    text = capsys.readouterr()
    assert "training: 3/3" in text.err
    assert str(made) in text.out


@pytest.mark.parametrize("ending", ["nc", "zarr", "csv"])
def test_record_writes_what_its_ending_says(ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"c.{ending}"
    arguments = ["--task", "two-step-miller", "--set", "n_trials=10", "p_common=.7"]
    assert run("record", "two-step/2", "--sessions", 2, "--out", out, *arguments)[0] == 0
    if ending == "csv":
        assert len(pd.read_csv(out)) == 20
        return
    cohort = open_cohort(out)
    assert json.loads(cohort.attrs["task_config"])["p_common"] == 0.7
    assert cohort.subject.values.tolist() == ["two-step/2"] * 2


def test_the_embedded_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    assert run("compare-to-rodent-data", "--sessions", 5, "--out", out)[0] == 0
    text = capsys.readouterr()
    for name in (
        "comparison.csv", "comparison.nc", "comparison.png", "comparison.svg", "fits.csv",
        "report.html", "assessment.csv", "assessment.png", "assessment.svg", "assessment.pdf",
    ):  # fmt: skip
        assert (out / name).stat().st_size > 1000
        assert str(out / name) in text.out
    assert "simulated, not animals" in text.out
    assert "recording: 80/80" in text.err
    assert "* Compared with 6 rats" in text.out
    table = pd.read_csv(out / "comparison.csv")
    assert list(table.columns) == [
        "source", "subject", "measure", "term", "lag", "value", "low", "high", "n",
    ]  # fmt: skip
    assert set(table.source) == {"agents", "synthetic rats", "real rats (reference values)"}
    with xr.open_dataset(out / "comparison.nc", engine="h5netcdf") as data:
        assert data.sizes["subject"] == 16 + 6 + 6
    fits = pd.read_csv(out / "fits.csv")
    assert set(fits.source) == {"agents", "synthetic rats"}
    bic = fits[fits.source == "agents"].groupby(["subject", "model"]).bic.first().unstack()
    assert (bic.idxmin(axis=1) == "latent_state").all()
    agents = table[(table.source == "agents") & table.measure.str.endswith("_index")]
    means = agents.groupby("measure").value.mean()
    assert means["planning_index"] > 5 * abs(means["model_free_index"])


def test_fit_writes_tables_and_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "fits"
    models = ["--models", "model_based,latent_state", "mixture"]
    more = ["--folds", 2, "--group", "--check", "--out", out]
    assert run("fit", "synthetic-rats", *models, *more)[0] == 0
    text = capsys.readouterr()
    for name in ("parameters.csv", "models.csv", "fits.json", "fits.png", "fits.svg", "group.csv"):
        assert (out / name).stat().st_size > 500
        assert str(out / name) in text.out
    check = pd.read_csv(out / "predictive.csv")
    planning = check[check.measure == "planning_index"].groupby("source").value.mean()
    assert planning["mixture"] == pytest.approx(planning["data"], abs=1.5)
    parameters = pd.read_csv(out / "parameters.csv")
    nulls = {"bias", "bias_kernel", "bias_perseveration", "side_kernel"}
    assert set(parameters.model) == {"model_based", "latent_state", "mixture", *nulls}
    assert parameters.estimate.notna().all()
    models_table = pd.read_csv(out / "models.csv")
    assert len(models_table) == 6 * 7
    assert models_table.held_out_likelihood.between(0.4, 1).all()
    report = json.loads((out / "fits.json").read_text())
    assert report["made_by"]["data"] == "synthetic-rats"
    assert "fitting mixture: 6/6" in text.err
    assert "protected" in text.out


def test_fit_of_a_bandit_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mice.csv"
    rows = [f"m{m},{t % 2},{int(t % 3 > 0)}" for m in range(2) for t in range(60)]
    path.write_text("mouse,side,won\n" + "\n".join(rows) + "\n")
    arguments = ["--columns", "subject=mouse", "choice=side", "reward=won", "--task", "bandit"]
    code, _ = run("fit", path, *arguments, "--models", "q_dual", "--out", tmp_path / "o", "--json")
    assert code == 0
    report = json.loads(capsys.readouterr().out)
    assert {row["subject"] for row in report["parameters"]} == {"m0", "m1"}


def test_a_check_without_odds_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rats.csv"
    path.write_text("subject,choice,state,reward\n" + "a,0,0,1\na,1,1,0\n" * 20)
    assert run("fit", path, "--check", "--out", tmp_path / "o")[0] == 2
    assert "--check needs 'p_reward'" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_json_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--agents", "two-step/1", "--sessions", 3, "--out", tmp_path, "--json",
                 "--models", "model_based", "--replicates", 1]  # fmt: skip
    assert run("compare-to-rodent-data", *arguments)[0] == 0
    report = json.loads(capsys.readouterr().out)
    assert report["settings"]["options"]["penalty"] == "firth"
    assert {row["measure"] for row in report["summary"]} >= {"planning_index"}
    nulls = {"bias", "bias_kernel", "bias_perseveration", "side_kernel"}
    assert {row["model"] for row in report["fits"]} == {"model_based", *nulls}
    assert any("wins" in sentence for sentence in report["models"]["agents"])
    assert report["sentences"][0].startswith("Compared with 6 rats")


def test_a_labs_own_table(tmp_path: Path) -> None:
    table = tmp_path / "lab.csv"
    frame = pd.read_csv(write_table(load_dataset("synthetic-rats"), tmp_path / "x.csv"))
    frame = frame.rename(columns={"choice": "side1", "reward": "won", "subject": "rat"})
    frame["side1"] += 1
    frame.to_csv(table, index=False)
    arguments = ["--columns", "choice=side1", "reward=won", "subject=rat", "--codes",
                 "choice:1=0", "choice:2=1", "--sessions", 3, "--agents", "two-step/0",
                 "--models", "none", "--no-assess"]  # fmt: skip
    for history in ("session", "published"):
        out = tmp_path / history
        options = ["--history", history, "--penalty", "none", "--out", out]
        assert run("compare-to-rodent-data", table, *arguments, *options)[0] == 0
        assert set(pd.read_csv(out / "comparison.csv").source) == {"agents", "rats"}


def test_real_rats_by_the_command(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "miller2022_rat_twostep"
    known = json.loads((folder / "reference_values.json").read_text())["rats"]
    for history, reference in (("published", "published"), ("session", "free_only_reset")):
        arguments = ["--penalty", "none", "--history", history, "--out", tmp_path / history]
        more = ["--agents", "two-step/0", "--sessions", 4, "--models", "none", "--no-assess"]
        data = folder / "ofc_physdata_3rats.mat"
        assert run("compare-to-rodent-data", data, *arguments, *more)[0] == 0
        table = pd.read_csv(tmp_path / history / "comparison.csv")
        rats = table[table.source == "rats"].set_index(["subject", "measure"]).value.sort_index()
        for name, expected in known.items():
            for measure, key in (("planning_index", "mb"), ("model_free_index", "mf")):
                found = float(rats.loc[(name, measure)])
                assert found == pytest.approx(expected[reference][key], abs=0.01)


HEAD = "subject,choice,state,reward\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD.replace("choice", "side") + "a,0,0,1\n", ["column 'choice' is missing", "side"]),
        (HEAD + "a,0,0,1\na,q,0,1\n", ["row 3", "column 'choice'", "'q'"]),
        (HEAD + "a,0,0,1\na,0,,1\n", ["row 3", "column 'state'", "no value"]),
        (HEAD + "a,0,0,1\na,0,0,\n", ["row 3", "column 'reward'", "no value"]),
        (HEAD + "a,0,0,1\n", ["one trial"]),
        (HEAD + "a,0,0,1\na,0,0,0\na,1,1,0\n", ["one subject", "'a'", "at least 2 animals"]),
    ],
    ids=["missing-column", "unknown-code", "empty-state", "empty-reward", "one-trial", "one-rat"],
)
def test_bad_tables(
    content: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "bad.csv", tmp_path / "out"
    path.write_text(content)
    code, _ = run("compare-to-rodent-data", path, "--out", out, "--sessions", 1)
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2
    assert message.startswith("error: ")
    for word in [*words, "bad.csv"]:
        assert word in message
    assert not list(out.glob("*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare-to-rodent-data", "nothing.mat"], ["nothing.mat", "no such file"]),
        (["compare-to-rodent-data", "miller"], ["no data 'miller'"]),
        (["compare-to-rodent-data", "--agents", "tow-step"], ["no agents 'tow-step'", "two-step"]),
        (["compare-to-rodent-data", "--history", "all"], ["all", "session"]),
        (["compare-to-rodent-data", "--columns", "choice"], ["--columns choice: expected name="]),
        (["compare-to-rodent-data", "--sessions", "many"], ["many"]),
        (["train", "two-step", "--out", "x", "--change", "lr=1"], ["unknown key 'lr'"]),
        (["train", "two-step", "--out", "x", "--set", "p_common=2"], ["p_common is 2.0"]),
        (["train", "two-step", "--out", "x", "--agents", "0"], ["n_agents is 0"]),
        (["train", "tow-step", "--out", "x"], ["no task 'tow-step'", "did you mean 'two-step'"]),
        (["train", "two-step"], ["--out"]),
        (["train", "two-step", "--out", "/proc/x/y"], ["cannot write", "/proc/x"]),
        (["record", "two-step", "--out", "x.doc"], ["x.doc", ".nc, .zarr"]),
        (["record", "two-step", "--out", "/proc/c.nc"], ["cannot write"]),
        (["record", "two-step", "--out", "no/c.zarr"], ["cannot write", "no"]),
        (["record", "two-step", "--out", "c.nc", "--task", "two-step-2016"], ["made for 4"]),
        (["fit", "synthetic-rats", "--models", "hybird"], ["no model 'hybird'", "'hybrid'"]),
        (["fit", "nothing.csv"], ["nothing.csv", "no such file"]),
        (["fit", "synthetic-rats", "--models", "hybrid_human"], ["needs", "choice2"]),
        (["fit", "synthetic-rats", "--starts", "0"], ["n_starts is 0"]),
        (["compare-to-rodent-data", "--replicates", "0"], ["--replicates is 0"]),
        (["compare-to-rodent-data", "--models", "moddel"], ["no model 'moddel'"]),
        (["datasets", "info", "miler"], ["no data set 'miler'"]),
        (["fly"], ["fly"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_input_is_one_line_and_code_2(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _ = run(*arguments)
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in " ".join(lines)
    for word in words:
        assert word in lines[-1]
    assert not list(tmp_path.iterdir())


def test_a_truncated_matlab_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "r.mat", [rat("A"), rat("B")])
    path.write_bytes(path.read_bytes()[:4000])
    assert run("compare-to-rodent-data", path, "--out", tmp_path / "o")[0] == 2
    message = capsys.readouterr().err.strip()
    assert "r.mat" in message
    assert "damaged or truncated" in message
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can write anywhere")
def test_a_folder_without_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert run("compare-to-rodent-data", "--out", tmp_path / "o")[0] == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_file_where_the_output_folder_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "o").write_text("")
    assert run("compare-to-rodent-data", "--out", tmp_path / "o")[0] == 2
    assert "cannot write" in capsys.readouterr().err


def test_interrupted_training_is_taken_up_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "neuro_metarl.cli", "train", "two-step", "--agents", "1"]
    command += ["--out", str(tmp_path / "a"), "--change", "n_episodes=1"]
    slow = [*command, "n_updates=3000"]
    with subprocess.Popen(slow, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(6)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].startswith("error: interrupted")
    assert "Traceback" not in errors
    assert [p.name for p in tmp_path.iterdir()] == ["a.partial"]


def test_datasets_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("datasets", "list")[0] == 0
    assert "miller2022-rats" in capsys.readouterr().out
    assert run("datasets", "info", "miller2022-rats")[0] == 0
    text = capsys.readouterr().out
    for word in ("sha256", "licence", "by hand", "doi:10.7554/eLife.64575"):
        assert word in text
    assert run("datasets", "fetch", "synthetic-rats")[0] == 0
