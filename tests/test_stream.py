"""A recording that is killed, interrupted or out of disk goes on, and ends the same."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import zarr

from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.errors import InputError
from neuro_metarl.perturb.perturbation import lesion
from neuro_metarl.recording import cohorts as recording
from neuro_metarl.recording import record_to_zarr
from neuro_metarl.storage import chunks, open_cohort, stream


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 150_000)


def how(out: Path, **more: object) -> dict[str, Any]:
    """A recording of 2 subjects x 20 sessions in chunks of 7."""
    call = {"n_sessions": 20, "seed": 1, "out": out, "variables": ["activity", "value"]}
    return {"subjects": load_agents("two-step").select([0, 5]), **call, **more}


KILLED = """
import sys, time
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.recording import record_to_zarr
from neuro_metarl.storage import chunks, stream

chunks.CHUNK_BYTES = 150_000
name, nth, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
original, calls = getattr(stream, name), []

def hang(*given):
    calls.append(name)
    if len(calls) < nth:
        return original(*given)
    if name == "put_chunks":
        original(*given)
        folder, array, start, _ = given
        for file in (folder / "c" / str(start // array.chunks[0])).rglob("0"):
            if file.is_file():
                file.write_bytes(file.read_bytes()[:100])
    print("there", flush=True)
    time.sleep(600)

setattr(stream, name, hang)
record_to_zarr(load_agents("two-step").select([0, 5]), n_sessions=20, seed=1, out=out,
               variables=["activity", "value"])
"""


def files(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", 150_000)
        return record_to_zarr(**how(tmp_path_factory.mktemp("whole") / "c.zarr"))


@pytest.mark.parametrize(
    ("place", "nth", "n_done"),
    [
        ("write_chunks", 1, 0),
        ("put_chunks", 20, 14),
        ("_note", 3, 14),
        ("check_whole", 1, 40),
    ],
)
def test_a_killed_recording_goes_on_and_ends_the_same(
    place: str,
    nth: int,
    n_done: int,
    small_chunks: None,
    uninterrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed while a chunk is half written, before it is counted, or before the last move."""
    out = tmp_path / "c.zarr"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, place, str(nth), str(out)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "there"
        process.send_signal(signal.SIGKILL)
    assert [p.name for p in tmp_path.iterdir()] == ["c.zarr.partial"]
    noted = json.loads((tmp_path / "c.zarr.partial" / "progress.json").read_text())
    assert noted["n_done"] == n_done
    inside = tmp_path / "c.zarr.partial" / "cohort.zarr"
    if n_done and place != "check_whole":
        with pytest.raises(InputError, match="the recording is unfinished; the call that began it"):
            open_cohort(inside)
    begun = []
    original = recording._batches

    def noted_start(*given: Any) -> Iterator[Any]:
        begun.append(given[2])
        return original(*given)

    monkeypatch.setattr(recording, "_batches", noted_start)
    record_to_zarr(**how(out))
    assert begun == [n_done]
    assert [p.name for p in tmp_path.iterdir()] == ["c.zarr"]
    assert files(out) == files(uninterrupted)


def test_an_interrupted_recording_goes_on_too(
    small_chunks: None, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "c.zarr"
    with monkeypatch.context() as patch:
        original = recording._batches
        shown: list[Any] = []

        def interrupted(*given: Any) -> Iterator[Any]:
            for batch in original(*given):
                if shown:
                    raise KeyboardInterrupt
                shown.append(batch)
                yield batch

        patch.setattr(recording, "_batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            record_to_zarr(**how(out))
    assert not out.exists()
    record_to_zarr(**how(out))
    assert files(out) == files(uninterrupted)


def test_a_full_disk_keeps_what_is_finished(
    small_chunks: None, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "c.zarr"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stream, "put_chunks", full)
        with pytest.raises(InputError, match=r"No space left on device; what is finished is in"):
            record_to_zarr(**how(out))
    assert not out.exists()
    record_to_zarr(**how(out))
    assert files(out) == files(uninterrupted)


@pytest.fixture
def unfinished(small_chunks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    original = stream.put_chunks
    calls: list[Any] = []

    def stop(*given: Any) -> None:
        calls.append(given)
        if len(calls) > 15:
            raise OSError(28, "No space left on device")
        original(*given)

    with monkeypatch.context() as patch:
        patch.setattr(stream, "put_chunks", stop)
        with pytest.raises(InputError):
            record_to_zarr(**how(tmp_path / "c.zarr"))
    noted = json.loads((tmp_path / "c.zarr.partial" / "progress.json").read_text())
    assert noted["n_done"] == 14
    return tmp_path / "c.zarr.partial"


def test_an_unfinished_recording_of_another_configuration_is_not_mixed(unfinished: Path) -> None:
    out = unfinished.with_name("c.zarr")
    others: list[tuple[dict[str, Any], str]] = [
        ({"seed": 2}, r"another seed \(1, now 2\)"),
        ({"n_sessions": 21}, r"another n_sessions \(20, now 21\)"),
        ({"variables": ["activity"]}, "another stored"),
        ({"units": [0]}, "another stored"),
        ({"task": "two-step-miller"}, "another task"),
        ({"subjects": load_agents("two-step").select([0, 4])}, "another subjects"),
        ({"perturb": lesion([1])}, "another perturbation"),
    ]
    renamed = load_agents("two-step").select([0, 4])
    object.__setattr__(renamed, "names", ("two-step/0", "two-step/5"))
    others.append(({"subjects": renamed}, "another subjects"))
    before = files(unfinished)
    for change, message in others:
        with pytest.raises(InputError, match=f"is an unfinished recording of {message}") as caught:
            record_to_zarr(**how(out, **change))
        assert "\n" not in str(caught.value)
    assert files(unfinished) == before


def test_a_strange_or_damaged_partial_is_refused(unfinished: Path) -> None:
    out = unfinished.with_name("c.zarr")
    (unfinished / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'thesis\.tex', not an unfinished recording"):
        record_to_zarr(**how(out))
    (unfinished / "thesis.tex").unlink()
    (unfinished / "progress.json").write_text("{")
    with pytest.raises(InputError, match=r"progress\.json is damaged; delete .* to begin anew"):
        record_to_zarr(**how(out))


def test_two_processes_do_not_write_the_same_recording(unfinished: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with open(unfinished / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is recording to"):
            record_to_zarr(**how(unfinished.with_name("c.zarr")))


def test_a_lost_chunk_of_a_resumed_recording_is_noticed(unfinished: Path) -> None:
    next(p for p in (unfinished / "cohort.zarr/choice/c").rglob("*") if p.is_file()).unlink()
    with pytest.raises(InputError, match="chunks of 'choice' are missing"):
        record_to_zarr(**how(unfinished.with_name("c.zarr")))
    assert not unfinished.with_name("c.zarr").exists()


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*: there is no directory"):
        record_to_zarr(**how(tmp_path / "no" / "c.zarr"))
    with pytest.raises(InputError, match=r"a name that ends in \.zarr"):
        record_to_zarr(**how(tmp_path / "c.nc"))
    assert not list(tmp_path.iterdir())


def test_chunks_hold_one_event_and_whole_sessions(uninterrupted: Path) -> None:
    group = zarr.open_group(uninterrupted, mode="r")
    assert group["activity"].chunks == (7, 100, 1, 48)  # type: ignore[union-attr]
    assert group["value"].chunks == (7, 100, 3)  # type: ignore[union-attr]
    assert group["activity"].shape[0] == 40  # type: ignore[union-attr]


def test_a_lazy_cohort_reads_what_is_used(uninterrupted: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(uninterrupted, tmp_path / "c.zarr"))
    lazy = open_cohort(copy, lazy=True)
    for file in (copy / "activity" / "c").glob("*/0/2/0"):
        file.write_bytes(b"damaged")
    whole = open_cohort(uninterrupted)
    some = lazy.activity.sel(event=["fixation", "first_step"], unit=7)
    xr.testing.assert_identical(some.load(), whole.activity.sel(event=some.event, unit=7))
    with pytest.raises(RuntimeError):
        lazy.activity.sel(event="second_step").load()
