"""What once ended in a traceback, or asked for gigabytes, is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from neuro_metarl.agents.zoo import load_agents, save_agents
from neuro_metarl.cli import main
from neuro_metarl.errors import InputError
from neuro_metarl.io import read
from neuro_metarl.recording import record

ROWS = [f"a,{k % 2},{int(k % 3 > 0)}" for k in range(40)]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("error: ")
    assert "Traceback" not in "".join(said)
    return said[-1]


@pytest.mark.parametrize(
    "header", ["p_reward_01,p_reward_1", "p_reward_²,p_reward_1", "p_reward_0,p_reward_99999999"]
)
def test_odd_numbers_in_names_of_columns(header: str, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{row},0.2,0.8" for row in ROWS]
    table.write_text("\n".join([f"subject,choice,reward,{header}", *rows]), encoding="utf-8")
    with pytest.raises(InputError, match="p_reward"):
        read(table, task="bandit")


ODD_CELLS = ["²", "١", "1e400", "--1", "nan", "0x1"]


@pytest.mark.parametrize(
    ("cell", "column"),
    [*((cell, column) for cell in ODD_CELLS for column in (1, 2)), ("99999999999999999999", 1)],
)
def test_odd_cells(cell: str, column: int, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    cells = ROWS[7].split(",")
    cells[column] = cell
    rows = [*ROWS[:7], ",".join(cells), *ROWS[8:]]
    table.write_text("\n".join(["subject,choice,reward", *rows]), encoding="utf-8")
    with pytest.raises(InputError, match=r"t\.csv"):
        read(table, task="bandit")


@pytest.mark.parametrize(
    "arguments",
    [
        ["record", "two-step/0", "--units", "²", "--out", "OUT.zarr"],
        ["record", "two-step/0", "--units", "0-99999999999", "--out", "OUT.zarr"],
        ["record", "two-step/0", "--set", "n_trials=100000000", "--out", "OUT.nc"],
        ["record", "two-step/0", "--sessions", "999999999999", "--out", "OUT.nc"],
        ["train", "two-step", "--change", "n_units=1000000000", "--out", "OUT"],
        ["train", "two-step", "--set", "n_trials=100000000", "--out", "OUT"],
        ["train", "two-step", "--agents", "1000000000", "--out", "OUT"],
        ["fit", "TABLE", "--codes", "choice:1=--1"],
        ["fit", "TABLE", "--codes", "choice:1=²"],
        ["fit", "TABLE", "--columns", "choice=²"],
    ],
)
def test_odd_arguments(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["subject,choice,reward", *ROWS]))
    places = {"TABLE": str(table)}
    given = [places.get(a, a.replace("OUT", str(tmp_path / "out"))) for a in arguments]
    refused(given, capsys)
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["t.csv"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", "abc"), ("shape", [1, 2]), ("names", {}), ("curve", [[[]]]), ("task_config", [])],
)
def test_odd_cards(key: str, value: object, tmp_path: Path) -> None:
    folder = save_agents(load_agents("two-step/0"), tmp_path / "mine")
    card = json.loads((folder / "agents.json").read_text())
    (folder / "agents.json").write_text(json.dumps(card | {key: value}))
    with pytest.raises(InputError, match=key):
        load_agents(folder)


@pytest.mark.parametrize("depth", [200, 990, 200_000])
@pytest.mark.parametrize("key", ["seed", "task_config", "shape", "recipe"])
def test_cards_that_are_nested_without_end(key: str, depth: int, tmp_path: Path) -> None:
    folder = save_agents(load_agents("two-step/0"), tmp_path / "mine")
    card = json.loads((folder / "agents.json").read_text())
    held = {"seed": "DEEP"}.get(key) or {**card[key], next(iter(card[key])): "DEEP"}
    text = json.dumps(card | {key: held}).replace('"DEEP"', "[" * depth + "]" * depth)
    (folder / "agents.json").write_text(text)
    with pytest.raises(InputError):
        load_agents(folder)


READ = """
import resource, sys
from neuro_metarl.errors import InputError
from neuro_metarl.io import read
import openpyxl, pandas
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 1_000_000_000,) * 2)
try:
    print(read(sys.argv[1], task="bandit").sizes["trial"])
except InputError as error:
    print("refused")
"""


def read_in_little_memory(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False,
        timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.strip()


def a_long_cell(path: Path) -> None:
    rows = [f"{row}," for row in ROWS * 25]
    rows[500] += "x" * 2_400_000
    path.write_text("\n".join(["subject,choice,reward,note", *rows]))


def a_long_subject(path: Path) -> None:
    rows = [*ROWS * 25, "x" * 2_400_000 + ",0,1", "x" * 2_400_000 + ",0,1"]
    path.write_text("\n".join(["subject,choice,reward", *rows]))


def a_long_row(path: Path) -> None:
    path.write_text("\n".join(["subject,choice,reward", *ROWS, ROWS[0] + "," * 2_400_000]))


def a_stray_cell(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in ["subject,choice,reward", *ROWS]:
        book.active.append(row.split(","))
    book.active["XFD1048576"] = "stray"
    book.save(path)


def a_bomb(path: Path) -> None:
    a_stray_cell(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(
        b"<sheetData>", b"<sheetData>" + b" " * 600_000_000, 1
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux only")
@pytest.mark.parametrize(
    ("make", "name"),
    [(a_long_cell, "t.csv"), (a_long_subject, "t.csv"), (a_long_row, "t.csv"),
     (a_stray_cell, "t.xlsx"), (a_bomb, "t.xlsx")],
)  # fmt: skip
def test_small_files_that_ask_for_much_memory(make: object, name: str, tmp_path: Path) -> None:
    make(tmp_path / name)  # type: ignore[operator]
    assert (tmp_path / name).stat().st_size < 6_000_000
    assert read_in_little_memory(tmp_path / name) in ("refused", "40", "41", "1000", "1002")


def test_the_state_of_numpy_changes_nothing() -> None:
    found = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        np.random.random(seed)  # noqa: NPY002
        with np.errstate(all="raise" if seed else "ignore"):
            found.append(record("two-step/0", n_sessions=3, seed=4))
    assert found[0].identical(found[1])


@pytest.mark.parametrize("name", ["c.nc", "c.nwb", "c.nix", "c.mat"])
def test_a_chain_of_text_that_does_not_get_on_is_refused(name: str, tmp_path: Path) -> None:
    """One byte of it held HDF5 in a loop without end, which no signal reaches."""
    from neuro_metarl.io import write_neo, write_nwb
    from neuro_metarl.storage import save_cohort

    cohort = record("two-step/0", n_sessions=1, seed=1, variables=["value"])
    place = tmp_path / name
    if name == "c.nwb":
        write_nwb(cohort, place)
    elif name == "c.nix":
        write_neo(cohort, place)
    else:
        save_cohort(cohort, tmp_path / "c.nc").rename(place)
    content = bytearray(place.read_bytes())
    start = content.index(b"GCOL")
    content[start + 16 : start + 18] = bytes(2)
    content[start + 24 : start + 32] = bytes(8)
    place.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read(place)
