"""Killed or interrupted at any moment, a writer leaves the old or the new; a rerun ends alike."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.recording import record, record_to_zarr
from neuro_metarl.storage import open_cohort, save_cohort

# half of them kills, a quarter each Ctrl-C and SIGTERM
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
FEW, MANY = 4, 200

WRITER = """
import sys
from pathlib import Path
from neuro_metarl.io import write_table, write_nwb, write_neo
from neuro_metarl.recording import record
from neuro_metarl.storage import open_cohort, save_cohort
out = sys.argv[1]
cohort = open_cohort(sys.argv[2])
print("there", flush=True)
while True:
    if out.endswith((".nc", ".zarr")):
        save_cohort(cohort, out, overwrite=True)
    elif out.endswith(".csv"):
        write_table(cohort, out, overwrite=True)
    elif out.endswith(".nwb"):
        write_nwb(cohort.isel(session=[0]), out, overwrite=True)
    else:
        write_neo(cohort, out, overwrite=True)
"""

RECORDER = """
import sys
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.recording import record_to_zarr
from neuro_metarl.storage import chunks
chunks.CHUNK_BYTES = 150_000
agents = load_agents("two-step").select([0, 5])
print("there", flush=True)
while True:
    record_to_zarr(agents, n_sessions=20, seed=1, out=sys.argv[1], variables=["activity"],
                   overwrite=True)
"""


def kill(command: list[str], seconds: float, turn: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "there"
        time.sleep(seconds)
        for _ in range(30):
            # Python ignores Ctrl-C where it arrives in a callback of a library
            process.send_signal(SIGNALS[turn % len(SIGNALS)])
            try:
                process.wait(2)
                return
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        raise AssertionError("the process does not end")


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    return record("two-step/0", n_sessions=3, seed=1)


def check_saves(name: str, n: int, cohort: xr.Dataset, folder: Path) -> None:
    """Each kill finds an older cohort in place, and leaves it or the new one whole."""
    chance = random.Random(name)
    older = cohort.isel(session=[2, 1])
    given = save_cohort(cohort, folder / "given.nc")
    for turn in range(n):
        save_cohort(older, folder / name, overwrite=True)
        kill([WRITER, str(folder / name), str(given)], chance.random() * 0.5, turn)
        if (folder / name).exists():
            found = open_cohort(folder / name)
            assert found.identical(cohort) or found.identical(older)
        else:
            # between two renames; the next write beside it puts one of them back
            with pytest.raises(InputError, match="there is no such file"):
                open_cohort(folder / name)
        save_cohort(older, folder / "beside.nc", overwrite=True)
        found = open_cohort(folder / name)
        assert found.identical(cohort) or found.identical(older)
        save_cohort(cohort, folder / name, overwrite=True)
        assert open_cohort(folder / name).identical(cohort)
        assert {p.name for p in folder.iterdir()} == {name, "beside.nc", "given.nc"}


def check_recordings(n: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rerun ends with the same files, byte for byte, as a recording that was let alone."""
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.storage import chunks

    monkeypatch.setattr(chunks, "CHUNK_BYTES", 150_000)
    agents = load_agents("two-step").select([0, 5])
    how = {"n_sessions": 20, "seed": 1, "variables": ["activity"]}
    whole = record_to_zarr(agents, out=folder / "whole.zarr", **how)  # type: ignore[arg-type]
    chance = random.Random(0)
    out = folder / "c.zarr"
    for turn in range(n):
        kill([RECORDER, str(out)], chance.random(), turn)
        again = record_to_zarr(agents, out=out, overwrite=True, **how)  # type: ignore[arg-type]
        assert contents(again) == contents(whole)
        assert {p.name for p in folder.iterdir()} == {"whole.zarr", "c.zarr"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["c.nc", "c.zarr"])
def test_some_kills_of_a_save(name: str, cohort: xr.Dataset, tmp_path: Path) -> None:
    check_saves(name, FEW, cohort, tmp_path)


def test_some_kills_of_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_recordings(FEW, tmp_path, monkeypatch)


def test_a_recording_killed_while_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was finished is out of the partial and has no name yet: the call begins anew."""
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.storage import stream

    agents = load_agents("two-step/0")
    whole = record_to_zarr(agents, n_sessions=3, seed=1, out=tmp_path / "whole.zarr")
    lost = contents(whole)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stream, "check_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            record_to_zarr(agents, n_sessions=3, seed=1, out=tmp_path / "c.zarr")
    (tmp_path / "c.zarr.partial" / "cohort.zarr").rename(tmp_path / "elsewhere")
    again = record_to_zarr(agents, n_sessions=3, seed=1, out=tmp_path / "c.zarr")
    assert contents(again) == lost
    assert not (tmp_path / "c.zarr.partial").exists()


@pytest.mark.parametrize("name", ["c.csv", "c.nwb", "c.nix"])
def test_kills_of_an_export(name: str, cohort: xr.Dataset, tmp_path: Path) -> None:
    check_exports(name, FEW, cohort, tmp_path)


def check_exports(name: str, n: int, cohort: xr.Dataset, folder: Path) -> None:
    """A file that is there can be read whole; nothing stray stays after the next write."""
    from neuro_metarl import read

    chance = random.Random(name)
    given = save_cohort(cohort, folder / "given.nc")
    for turn in range(n):
        kill([WRITER, str(folder / name), str(given)], chance.random() * 0.8, turn)
        if (folder / name).exists():
            assert read(folder / name).sizes["trial"] == cohort.sizes["trial"]
        save_cohort(cohort, given, overwrite=True)
        assert {p.name for p in folder.iterdir()} <= {name, "given.nc"}


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", ["c.nc", "c.zarr", "c.csv", "c.nwb", "c.nix", "recording"])
def test_many_kills(
    name: str, cohort: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "recording":
        check_recordings(MANY, tmp_path, monkeypatch)
    elif name in ("c.nc", "c.zarr"):
        check_saves(name, MANY, cohort, tmp_path)
    else:
        check_exports(name, MANY, cohort, tmp_path)
