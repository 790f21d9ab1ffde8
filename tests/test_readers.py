"""One registry of readers: order, declarations, and a format of one's own in one object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.io import Reader, list_readers, readers, register_reader

TABLE = "choice,reward\n" + "0,1\n1,0\n" * 3


def of_lines(path: Path) -> xr.Dataset:
    """A lab's log: l+ is left and rewarded, r- is right and not."""
    lines = path.read_text().split()
    arrays = {
        "choice": [["lr".index(line[0]) for line in lines]],
        "reward": [["-+".index(line[1]) for line in lines]],
    }
    return make_cohort(arrays, subject=[path.stem], task="bandit", source="animal")


OURS = Reader(
    "our lab", "Logs of our lab: .run.", lambda p: p.suffix == ".run", of_lines, (".run",)
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    readers._OWN.clear()


def test_a_format_of_ones_own_is_read_by_name_list_and_folder(tmp_path: Path) -> None:
    for name, text in (("b1", "l+ r- l+ r-"), ("b2", "r+ l- r+")):
        (tmp_path / f"{name}.run").write_text(text)
    files = sorted(tmp_path.glob("*.run"))
    with pytest.raises(InputError, match="run"):
        nm.read(files[0])
    register_reader(OURS)
    assert nm.read(files[0]).choice.values.tolist() == [[0, 1, 0, 1]]
    both = nm.read(files)
    assert both.subject.values.tolist() == ["b1", "b2"]
    assert both.reward.values[1, :3].tolist() == [1, 0, 1]
    assert list_readers()[0] is OURS


def test_own_formats_are_asked_first_and_yield_to_declared_columns(tmp_path: Path) -> None:
    file = tmp_path / "beron.csv"
    file.write_text(TABLE)
    asked = Reader("csv", "Every .csv.", lambda p: True, lambda p: 1 / 0, (".csv",))
    register_reader(asked)
    with pytest.raises(ZeroDivisionError):
        nm.read(file)
    cohort = nm.read(file, columns={"subject": "{file}"}, task="bandit")
    assert cohort.choice.values.tolist() == [[0, 1] * 3]


def test_two_kinds_in_one_list_are_refused_by_name(tmp_path: Path) -> None:
    register_reader(OURS)
    (tmp_path / "a.run").write_text("l+")
    (tmp_path / "b.csv").write_text(TABLE)
    files = [tmp_path / "a.run", tmp_path / "b.csv"]
    with pytest.raises(InputError, match=r"b\.csv: of another kind than .*a\.run"):
        nm.read(files)
    with pytest.raises(InputError, match="of another kind than"):
        nm.read(files[::-1])


def test_names_are_ones_own() -> None:
    with pytest.raises(InputError, match="the package has a reader named 'beron'"):
        register_reader(Reader("beron", "Mine.", OURS.recognises, OURS.reads))


def test_every_reader_has_a_card_and_a_name_of_its_own() -> None:
    names = [reader.name for reader in list_readers()]
    assert len(set(names)) == len(names) >= 13
    assert all(reader.card.endswith(".") for reader in list_readers())


def test_what_is_declared_is_used_or_refused(tmp_path: Path) -> None:
    cohort = nm.load_dataset("synthetic-rats").isel(session=[0])
    file = nm.save_cohort(cohort, tmp_path / "c.nc")
    with pytest.raises(InputError, match=r"for tables; \.nc needs none"):
        nm.read(file, sheet="a")
    assert nm.read(file, rewards=[0, 1]).identical(cohort)
    first = int((cohort.valid.values[0] * cohort.reward.values[0] > 0).argmax())
    with pytest.raises(
        InputError, match=rf"c\.nc, trial {first} of session .*: reward is 1, expected one of 0, 2"
    ):
        nm.read(file, rewards=[0, 2])
