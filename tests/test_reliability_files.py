"""Nothing foreign is removed, nothing is half-written, and leftovers of the dead are put right."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import files
from neuro_metarl.agents.zoo import load_agents, save_agents
from neuro_metarl.cohort import make_cohort
from neuro_metarl.datasets import fetching
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path, claim, moving, write_files
from neuro_metarl.io import write_neo, write_nwb, write_table
from neuro_metarl.recording import record, record_to_zarr
from neuro_metarl.storage import open_cohort, save_cohort, save_stream


def small(n_sessions: int = 1) -> xr.Dataset:
    choice = np.tile(np.arange(4) % 2, (n_sessions, 1))
    subjects = [f"s{k}" for k in range(n_sessions)]
    return make_cohort(
        {"choice": choice, "reward": 1.0 - choice}, subject=subjects, task="bandit", source="animal"
    )


def stream(cohort: xr.Dataset, path: Path, **how: bool) -> Any:
    return save_stream(iter([cohort]), path, **how)


def agents(_: xr.Dataset, path: Path, **how: bool) -> Any:
    return save_agents(load_agents("two-step/0"), path, **how)


def recorded(_: xr.Dataset, path: Path, **how: bool) -> Any:
    return record_to_zarr("two-step/0", n_sessions=1, out=path, activity=False, **how)


WRITERS: dict[str, Callable[..., Any]] = {
    "a.nc": save_cohort,
    "a.zarr": save_cohort,
    "stream.zarr": stream,
    "record.zarr": recorded,
    "a.csv": write_table,
    "a.tsv": write_table,
    "a.nwb": write_nwb,
    "folder": write_nwb,
    "a.nix": write_neo,
    "agents": agents,
}
AGAIN = set(WRITERS) - {"folder"}


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize("what", ["file", "folder", "hidden", "deep", "link"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_ours_is_refused_by_name_and_stays(
    name: str, what: str, overwrite: bool, tmp_path: Path
) -> None:
    place = tmp_path / name
    if what == "file":
        place.write_text("subject,choice\nr1,0\n")
    elif what == "link":
        (tmp_path / "thesis").write_text("years of work")
        place.symlink_to(tmp_path / "thesis")
    else:
        inside = {"folder": "data.csv", "hidden": ".git", "deep": "x/y/.z"}[what]
        (place / inside).parent.mkdir(parents=True)
        (place / inside).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(InputError) as caught:
        WRITERS[name](small(), place, overwrite=overwrite)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", sorted(AGAIN))
def test_what_is_ours_is_replaced_only_when_asked_for(name: str, tmp_path: Path) -> None:
    WRITERS[name](small(2) if name != "a.nwb" else small(), tmp_path / name)
    before = tree(tmp_path)
    if name != "agents":  # the same agents are the same bits
        with pytest.raises(InputError, match=r"is there already.*\(overwrite=True; .*--overwrite"):
            WRITERS[name](small(), tmp_path / name)
    assert tree(tmp_path) == before
    WRITERS[name](small(), tmp_path / name, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.zarr", "stream.zarr", "record.zarr"])
@pytest.mark.parametrize("inside", ["notes.txt", ".git/config", "choice/notes.txt", "choice/c/x"])
def test_a_folder_of_ours_with_something_else_in_it_is_not_replaced(
    name: str, inside: str, tmp_path: Path
) -> None:
    WRITERS[name](small(), tmp_path / name)
    (tmp_path / name / inside).parent.mkdir(exist_ok=True)
    (tmp_path / name / inside).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(InputError, match="is not replaced: name another place, or move it away"):
        WRITERS[name](small(), tmp_path / name)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["a.nc", "a.zarr", "stream.zarr"])
def test_a_foreign_data_set_of_the_same_format_is_not_replaced(name: str, tmp_path: Path) -> None:
    other = xr.Dataset({"x": ("n", [1.0])})
    if name.endswith("nc"):
        other.to_netcdf(tmp_path / name, engine="h5netcdf")
    else:
        other.to_zarr(tmp_path / name, zarr_format=3, consolidated=False)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not a cohort of neuro_metarl, and is not replaced"):
            WRITERS[name](small(), tmp_path / name, overwrite=overwrite)


def test_a_recording_is_refused_before_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "c.zarr").mkdir()
    (tmp_path / "c.zarr" / ".hidden").write_text("mine")
    with pytest.raises(InputError, match=r"c\.zarr is not a cohort: it holds '\.hidden'"):
        record_to_zarr("two-step", n_sessions=10**6, out=tmp_path / "c.zarr")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.zarr"]


def test_a_foreign_partial_is_not_emptied(tmp_path: Path) -> None:
    for inside in (".hidden", "cohort.zarr/data.csv", "lock.txt"):
        folder = tmp_path / "c.zarr.partial"
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside).write_text("mine")
        with pytest.raises(InputError, match="holds"):
            record_to_zarr("two-step/0", n_sessions=1, out=tmp_path / "c.zarr")
        assert (folder / inside).read_text() == "mine"
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", sorted(AGAIN - {"agents"}))
def test_a_symbolic_link_is_followed(name: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "elsewhere" / name)
    for overwrite in (False, True):
        WRITERS[name](small(), tmp_path / name, overwrite=overwrite)
        assert (tmp_path / name).is_symlink()
        assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == [name]


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(InputError, match="/dev/null is no file"), atomic_path("/dev/null"):
        raise AssertionError


def test_a_corrupt_download_of_another_hand_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "data.mat"
    target.write_text("older version")
    fetching._keep_aside(target)
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("data.mat.not-registered-")
    assert kept.read_text() == "older version"


def note(text: str) -> tuple[str, Callable[[Path], Any]]:
    return f"{text[0]}.txt", lambda p: p.write_text(text)


def test_outputs_replace_what_the_last_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    write_files(tmp_path, {"a": note("a1"), "b": note("b1")})
    write_files(tmp_path, {"a": note("a2"), "c": note("c2")})
    assert {p.name: p.read_text() for p in tmp_path.glob("*.txt")} == {
        "a.txt": "a2", "b.txt": "b1", "c.txt": "c2", "mine.txt": "mine"
    }  # fmt: skip
    (tmp_path / "b.txt").write_text("my remarks")
    with pytest.raises(InputError, match=r"b\.txt was changed after it was written"):
        write_files(tmp_path, {"a": note("a3"), "b": note("b3")})
    with pytest.raises(InputError, match=r"mine\.txt was there before"):
        write_files(tmp_path, {"a": note("a3"), "m": ("mine.txt", lambda p: p.write_text("x"))})
    assert (tmp_path / "a.txt").read_text() == "a2"
    assert not list(tmp_path.parent.glob(".writing-*"))


def test_outputs_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").symlink_to(tmp_path / "real.txt")
    for text in ("a1", "a2"):
        write_files(tmp_path / "out", {"a": note(text), "b": note("b")})
        assert (tmp_path / "real.txt").read_text() == text
        assert (tmp_path / "out" / "a.txt").is_symlink()


def test_files_of_one_run_come_together(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": note("a1"), "b": note("b1")})

    def fail(path: Path) -> None:
        raise ValueError("the figure cannot be drawn")

    with pytest.raises(ValueError, match="cannot be drawn"):
        write_files(tmp_path, {"a": note("a2"), "b": ("b.txt", fail)})
    assert [(tmp_path / n).read_text() for n in ("a.txt", "b.txt")] == ["a1", "b1"]


SWAPPED = """
import os, sys, signal
from pathlib import Path
from neuro_metarl.files import write_files
last, out = int(sys.argv[1]), Path(sys.argv[2])
original, calls = os.replace, []
def counted(*given):
    if len(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(given)
    return original(*given)
os.replace = counted
write_files(out, {n: (f"{n}.txt", lambda p: p.write_text("new")) for n in "abc"})
print("done")
"""


@pytest.mark.parametrize("last", range(9))
def test_a_kill_between_renames_never_mixes_runs(last: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_files(out, {n: (f"{n}.txt", lambda p: p.write_text("old")) for n in "abc"})
    subprocess.run([sys.executable, "-c", SWAPPED, str(last), str(out)], check=False)
    found = {p.read_text() for p in out.glob("*.txt")}
    assert len(found) <= 1, "old beside new"
    files.writable_directory(out)
    found = [p.read_text() for p in sorted(out.glob("*.txt"))]
    assert found in (["old"] * 3, ["new"] * 3)
    assert not [p for p in out.iterdir() if p.name.startswith(".writing-")]
    write_files(out, {n: (f"{n}.txt", lambda p: p.write_text("newest")) for n in "abc"})
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


KILLED = """
import os, sys, signal
from neuro_metarl.files import atomic_path, claim
with claim(sys.argv[1]), atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_leftovers_of_dead_processes_are_cleaned_and_their_locks_broken(tmp_path: Path) -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], check=False)
        assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".writing-*"))) == 2
    (tmp_path / ".writing-a-thesis").mkdir()
    with claim(tmp_path / "a"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".writing-a-thesis", "a"]


@pytest.mark.parametrize("left", ["old", "new", ""])
def test_a_process_that_died_while_it_cleaned_up_leaves_nothing(left: str, tmp_path: Path) -> None:
    holder = tmp_path / ".writing-999999-abcdefgh"
    (holder / left / "a.zarr").mkdir(parents=True)
    save_cohort(small(), tmp_path / "b.nc")
    assert [p.name for p in tmp_path.iterdir()] == ["b.nc"]


def test_a_living_process_keeps_its_folder(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("a")
        with atomic_path(tmp_path / "b") as other:
            other.write_text("b")
        assert temporary.read_text() == "a"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


CLAIMED = """
import sys
from neuro_metarl.files import claim
with claim(sys.argv[1]):
    print("there", flush=True)
    sys.stdin.read()
"""


def test_the_second_process_on_an_output_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMED, str(out)],
        stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "there"
        with pytest.raises(InputError, match=r"another process .* is writing to .*out; wait"):
            write_files(out, {"a": note("a")})
        process.kill()
    write_files(out, {"a": note("a")})
    with claim(out), claim(out):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small file system can be mounted by root on Linux only")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def big(name: str) -> xr.Dataset:
    if name.endswith(("csv", "tsv")):
        return record("two-step/0", n_sessions=200, seed=1, activity=False)
    return record("two-step/0", n_sessions=1 if name.endswith("nwb") else 20, seed=1)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_full_disk_is_one_line_and_nothing_half_written(name: str, full_disk: Path) -> None:
    if name in ("record.zarr", "agents", "a.nwb"):
        (full_disk / "other").write_bytes(bytes(395_000))
    before = tree(full_disk)
    with pytest.raises(InputError, match=r"cannot write .*No space left on device") as caught:
        WRITERS[name](big(name), full_disk / name)
    assert "\n" not in str(caught.value)
    left = {p for p in tree(full_disk) if not p.startswith(f"{name}.partial")}
    assert left == set(before)


def test_a_full_disk_keeps_the_older_file(full_disk: Path) -> None:
    for name in ("a.nc", "a.zarr"):
        save_cohort(small(), full_disk / name)
    for name in ("a.nc", "a.zarr"):
        with pytest.raises(InputError, match="No space left on device; nothing was changed"):
            save_cohort(big(name), full_disk / name, overwrite=True)
        xr.testing.assert_identical(open_cohort(full_disk / name), small())


def test_a_file_made_in_memory_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = record("two-step/0", n_sessions=2, seed=1)
    straight = open_cohort(save_cohort(cohort, tmp_path / "a.nc"))
    monkeypatch.setattr("neuro_metarl.storage.netcdf._has_room", lambda *_: False)
    through = open_cohort(save_cohort(cohort, tmp_path / "b.nc"))
    xr.testing.assert_identical(straight, cohort)
    xr.testing.assert_identical(through, cohort)


@pytest.mark.parametrize("name", ["a.nix", "a.nwb"])
def test_the_room_asked_for_is_enough(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for module in ("neo_files", "nwb_write"):
        monkeypatch.setattr(f"neuro_metarl.io.{module}.check_room", lambda path, n: asked.append(n))
    WRITERS[name](big(name), tmp_path / name)
    assert (tmp_path / name).stat().st_size <= asked[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("name", sorted(WRITERS))
def test_trouble_at_the_last_moment(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk reports a write that was promised only when it is told to keep it."""

    def fail(path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(moving, "_sync", fail)
    with pytest.raises(InputError, match=os.strerror(number)):
        WRITERS[name](small(), tmp_path / name)
    assert {p.name for p in tmp_path.iterdir()} <= {f"{name}.partial"}


def test_everything_is_on_the_disk_before_it_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def noted_replace(old: Any, new: Any) -> None:
        done.append(f"replace {new}")
        replace(old, new)

    if not Path("/proc/self/fd").exists():
        pytest.skip("open files are listed in /proc on Linux only")
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(moving.os, "replace", noted_replace)
    save_cohort(small(), tmp_path / "a.zarr")
    place = done.index(f"replace {tmp_path / 'a.zarr'}")
    synced = {Path(p).name for p in done[:place]}
    written = {p.name for p in (tmp_path / "a.zarr").rglob("*")}
    assert written <= synced
    assert done[-1] == str(tmp_path)


def test_listing_of_outputs_is_plain_json(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": note("a")})
    listing = json.loads((tmp_path / ".neuro_metarl.json").read_text())
    assert listing["schema"] == "neuro_metarl/outputs/1"
    assert list(listing["files"]) == ["a.txt"]


def one(*names: str) -> dict[str, tuple[str, Callable[[Path], Any]]]:
    return {n: (f"{n}.txt", lambda p: p.write_text("new")) for n in names}


def test_nothing_of_an_earlier_run_stays_beside_a_new_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ["table.txt", "figure.txt", "check.txt"]
    with files.one_run(out, names) as folder:
        write_files(folder, one("table", "figure"))
        write_files(folder, one("check"))
    (out / "mine.txt").write_text("mine")
    with files.one_run(out, ["other.txt"]) as folder:
        write_files(folder, one("other"))
    with pytest.raises(InputError, match="is there already"), files.one_run(out, names):
        raise AssertionError("the work began")
    with files.one_run(out, names, overwrite=True) as folder:
        write_files(folder, one("table"))
        found = sorted(p.name for p in out.glob("*.txt"))
        assert found == ["mine.txt", "other.txt", "table.txt"]
        write_files(folder, one("figure"))
    assert (out / "table.txt").exists()
    assert (out / "figure.txt").exists()


def test_outputs_are_checked_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "fits.csv").write_text("mine")
    with (
        pytest.raises(InputError, match=r"fits\.csv was there before"),
        files.one_run(tmp_path, ["fits.csv"]),
    ):
        raise AssertionError("the work began")
    assert (tmp_path / "fits.csv").read_text() == "mine"


def test_a_fit_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    from neuro_metarl.cli import main

    table = write_table(
        record("two-step/0", n_sessions=1, seed=1, activity=False), tmp_path / "t.csv"
    )
    out = tmp_path / "fits"
    command = ["fit", str(table), "--models", "model_free", "--starts", "1", "--out", str(out)]
    main(command)
    first = tree(out)
    with pytest.raises(SystemExit):
        main(command)
    assert tree(out) == first
    main([*command, "--overwrite"])
    assert tree(out).keys() == first.keys()
    (out / "models.csv").write_text("my own notes")
    with pytest.raises(SystemExit):
        main([*command, "--overwrite"])
    assert (out / "models.csv").read_text() == "my own notes"
