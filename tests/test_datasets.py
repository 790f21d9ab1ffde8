"""The registry and the download, without any network but this machine's own."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from neuro_metarl import datasets
from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from tests.miller_file import rat, write

NAME = "miller2022-rats"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """A server's folder and an empty cache; the registry points at the server."""
    shop, cache = tmp_path / "shop", tmp_path / "cache"
    shop.mkdir()
    file = write(shop / "ofc_physdata.mat", [rat("A"), rat("B", seed=1)])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=shop))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    entry = replace(
        datasets.dataset_info(NAME),
        url=f"http://127.0.0.1:{server.server_port}/{file.name}",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        bytes=file.stat().st_size,
    )
    monkeypatch.setattr(datasets, "_registry", lambda: {NAME: entry})
    monkeypatch.setenv("NEURO_METARL_DATA", str(cache))
    yield shop, cache
    server.shutdown()
    server.server_close()


def test_fetch_once_then_from_the_cache(served: tuple[Path, Path]) -> None:
    shop, cache = served
    path = datasets.fetch_dataset(NAME, progress=False)
    assert path.parent == cache
    (shop / path.name).unlink()
    assert datasets.fetch_dataset(NAME, progress=False) == path
    assert subjects_of(datasets.load_dataset(NAME)) == ["A", "B"]
    assert sorted(p.name for p in cache.iterdir()) == [path.name]


def test_progress_is_shown(served: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = datasets.fetch_dataset(NAME)
    size = path.stat().st_size
    shown = [x for x in capsys.readouterr().err.splitlines() if x.startswith("fetching")]
    assert shown == [f"fetching ofc_physdata.mat: {size}/{size}"]


def test_the_bar_never_runs_back_or_beyond_the_end() -> None:
    seen: list[int] = []
    bar = datasets._PoochBar(100, lambda done, note: seen.append(done))
    for n_bytes in (60, 60):
        bar.update(n_bytes)
    bar.reset()
    bar.update(100)
    bar.close()
    assert seen == [60, 100]


def test_the_cache_is_looked_at_too(
    served: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of one's own that lacks the file does not hide what was fetched before."""
    shop, _ = served
    earlier = tmp_path / "user-cache"
    earlier.mkdir()
    (shop / "ofc_physdata.mat").rename(earlier / "ofc_physdata.mat")
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda name: earlier)
    assert datasets.fetch_dataset(NAME, progress=False) == earlier / "ofc_physdata.mat"
    monkeypatch.delenv("NEURO_METARL_DATA")
    assert datasets.data_folder() == earlier


def test_a_connection_that_breaks_leaves_nothing(
    served: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cache = served

    def cut(self: Quiet) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b"half")

    monkeypatch.setattr(Quiet, "do_GET", cut)
    with pytest.raises(InputError, match=r"cannot fetch .*IncompleteRead"):
        datasets.fetch_dataset(NAME, progress=False)
    assert not list(cache.iterdir())


def test_a_corrupt_cached_file_is_fetched_anew(served: tuple[Path, Path]) -> None:
    _, cache = served
    cache.mkdir()
    (cache / "ofc_physdata.mat").write_bytes(b"corrupt")
    assert datasets.fetch_dataset(NAME, progress=False).read_bytes() != b"corrupt"


def test_a_file_put_anywhere_below_the_data_folder_is_found(served: tuple[Path, Path]) -> None:
    shop, cache = served
    (cache / "deep" / "er").mkdir(parents=True)
    target = cache / "deep" / "er" / "ofc_physdata.mat"
    target.write_bytes((shop / target.name).read_bytes())
    (shop / target.name).unlink()
    assert datasets.fetch_dataset(NAME, progress=False) == target


def test_a_wrong_checksum_is_refused_and_leaves_nothing(served: tuple[Path, Path]) -> None:
    shop, cache = served
    (shop / "ofc_physdata.mat").write_bytes(b"tampered")
    message = r"cannot fetch miller2022-rats .*does not match the known hash.*by hand: put ofc_phys"
    with pytest.raises(InputError, match=message):
        datasets.fetch_dataset(NAME, progress=False)
    assert not list(cache.iterdir())


def test_a_page_that_is_gone(served: tuple[Path, Path]) -> None:
    shop, cache = served
    (shop / "ofc_physdata.mat").unlink()
    with pytest.raises(InputError, match="404 Client Error"):
        datasets.fetch_dataset(NAME, progress=False)
    assert not list(cache.iterdir())


def test_offline_says_which_file_to_put_where(
    served: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cache = served
    entry = replace(datasets.dataset_info(NAME), url="http://127.0.0.1:9/ofc_physdata.mat")
    monkeypatch.setattr(datasets, "_registry", lambda: {NAME: entry})
    with pytest.raises(InputError) as caught:
        datasets.fetch_dataset(NAME, progress=False)
    message = str(caught.value)
    assert "\n" not in message
    for part in (entry.file, entry.sha256, entry.url, str(cache)):
        assert part in message


def test_every_entry_is_complete() -> None:
    for name in datasets.list_datasets():
        entry = datasets.dataset_info(name)
        assert entry.reader in datasets.READERS
        assert entry.licence
        assert entry.citation
        assert entry.n_subjects > 0 < entry.n_sessions < entry.n_trials
        assert (len(entry.sha256) == 64) == bool(entry.url)
        folder = Path(__file__).parents[1] / "datasets" / name.replace("-", "_")
        assert (folder / "README.md").is_file(), f"{name} has no card"
        assert (folder / "prepare.py").is_file()
        assert entry.citation.split(",")[0] in datasets.describe_dataset(name)


def test_the_embedded_rats_say_that_they_are_simulated() -> None:
    cohort = datasets.load_dataset("synthetic-rats")
    entry = datasets.dataset_info("synthetic-rats")
    assert cohort.attrs["source"] == "model"
    assert cohort.attrs["synthetic"].startswith("yes: simulated")
    assert "not animals" in cohort.attrs["title"]
    assert len(subjects_of(cohort)) == entry.n_subjects
    assert cohort.sizes["session"] == entry.n_sessions
    assert int((cohort.invalid_reason != 1).sum()) == entry.n_trials
    forced = float(cohort.forced.where(cohort.valid == 1).mean())
    assert forced == pytest.approx(0.2, abs=0.02)


def test_reference_values_equal_the_independent_ones(real_data: Path) -> None:
    """Firth moves the long rats little; the stay tables are the same numbers."""
    known = json.loads(
        (real_data / "miller2022_rat_twostep" / "reference_values.json").read_text()
    )["rats"]
    table = (
        datasets.load_reference().set_index(["subject", "measure", "term"])["value"].sort_index()
    )
    codes = {
        "CR": "common_rewarded",
        "CO": "common_omitted",
        "RR": "rare_rewarded",
        "RO": "rare_omitted",
    }
    for name, expected in known.items():
        for code, term in codes.items():
            mine = table.xs((name, "stay_probability", term)).item()
            assert mine == pytest.approx(expected["one_back"]["stay"][code][0], abs=1e-3)
        index = table.loc[(name, "planning_index")].iloc[0]
        assert index == pytest.approx(expected["free_only_reset"]["mb"], abs=0.06)


def test_reference_values_hold_no_trials_and_their_provenance() -> None:
    table = datasets.load_reference()
    assert len(table) < 300
    assert table.attrs["data"]["sha256"] == datasets.dataset_info(NAME).sha256
    assert table.attrs["settings"]["penalty"] == "firth"
