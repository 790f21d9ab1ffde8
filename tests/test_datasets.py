"""The registry and the download, without any network but this machine's own."""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from neuro_metarl import datasets
from neuro_metarl.cohort import subjects_of
from neuro_metarl.datasets import fetching, loading, registry
from neuro_metarl.errors import InputError
from neuro_metarl.io.readers import reader_named
from neuro_metarl.io.tables import read_table
from tests.miller_file import rat, write
from tests.test_io_akam import SESSION, experiment
from tests.test_io_blanco_pozo import session

NAME = "miller2022-rats"
CARDS = Path(__file__).parents[1] / "datasets"


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
        hash=hashlib.sha256(file.read_bytes()).hexdigest(),
        bytes=file.stat().st_size,
    )
    monkeypatch.setattr(registry, "_registry", lambda: {NAME: entry})
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
    bar = fetching._PoochBar(100, lambda done, note: seen.append(done))
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
    monkeypatch.setattr(fetching.pooch, "os_cache", lambda name: earlier)
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
    message = r"cannot fetch miller2022-rats \(what came has sha256 .*by hand: put ofc_phys"
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
    monkeypatch.setattr(registry, "_registry", lambda: {NAME: entry})
    with pytest.raises(InputError) as caught:
        datasets.fetch_dataset(NAME, progress=False)
    message = str(caught.value)
    assert "\n" not in message
    for part in (entry.file, str(entry.hash), entry.url, str(cache)):
        assert part in message


@pytest.mark.parametrize("kind", ["md5", "git-blob"])
def test_other_checksums_are_held_to_as_well(
    kind: str, served: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, _ = served
    content = (shop / "ofc_physdata.mat").read_bytes()
    known = {
        "md5": hashlib.md5(content).hexdigest(),
        "git-blob": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
    }
    entry = replace(datasets.dataset_info(NAME), hash_kind=kind, hash=known[kind], bytes=None)
    monkeypatch.setattr(registry, "_registry", lambda: {NAME: entry})
    path = datasets.fetch_dataset(NAME, progress=False)
    assert datasets.file_hash(path, kind) == known[kind]
    path.write_bytes(b"corrupt")
    (shop / "ofc_physdata.mat").write_bytes(b"tampered")
    with pytest.raises(InputError, match=f"what came has {kind} "):
        datasets.fetch_dataset(NAME, progress=False)
    with pytest.raises(InputError, match="checksum 'sha1'; did you mean 'sha256'"):
        datasets.file_hash(path, "sha1")


def test_git_counts_the_same_blob(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\x00\xffrats\n" * 1000)
    told = subprocess.run(["git", "hash-object", file], capture_output=True, text=True, check=True)
    assert datasets.file_hash(file, "git-blob") == told.stdout.strip()


def test_without_a_checksum_a_warning_says_what_is_used(
    served: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = replace(datasets.dataset_info(NAME), hash_kind=None, hash=None, bytes=None)
    monkeypatch.setattr(registry, "_registry", lambda: {NAME: entry})
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"no checksum of miller2022-rats.*its sha256 is") as w:
            path = datasets.fetch_dataset(NAME, progress=False)
        assert datasets.file_hash(path) in str(w[0].message)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("akam2021-mice", ("data.zip", "two_step_task", "https://osf.io/8jwhm")),
        ("grossman2022-mice", ("grossmanBariCohenData.zip", "10.5061/dryad.cz8w9gj4s")),
        ("blanco-pozo2024-mice", ("raw_data_files", "https://osf.io/u6xrc")),
    ],
)
def test_what_has_no_address_says_what_to_do(
    name: str, parts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURO_METARL_DATA", str(tmp_path))
    monkeypatch.setattr(fetching.pooch, "os_cache", lambda _: tmp_path)
    with pytest.raises(InputError, match="has no address to fetch it from; by hand") as caught:
        datasets.load_dataset(name)
    assert "\n" not in str(caught.value)
    for part in (*parts, str(tmp_path)):
        assert part in str(caught.value)


def test_a_folder_of_experiments_is_loaded_by_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURO_METARL_DATA", str(tmp_path))
    for name in ("2014-02-22-Baseline", "2015-07-09-JAWS"):
        experiment(tmp_path / "data" / "two_step_task" / name, SESSION, SESSION)
    cohort = datasets.load_dataset("akam2021-mice/2014-02-22-Baseline")
    assert subjects_of(cohort) == ["m0", "m1"]
    assert cohort.attrs["title"] == datasets.dataset_info("akam2021-mice").title
    both = "there are: 2014-02-22-Baseline, 2015-07-09-JAWS"
    with pytest.raises(InputError, match=f"akam2021-mice has parts, ask for one as .*{both}"):
        datasets.load_dataset("akam2021-mice")
    with pytest.raises(InputError, match="did you mean '2014-02-22-Baseline'"):
        datasets.load_dataset("akam2021-mice/2014-02-22")
    with pytest.raises(InputError, match="synthetic-rats has no parts"):
        datasets.load_dataset("synthetic-rats/one")


def test_a_folder_of_sessions_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURO_METARL_DATA", str(tmp_path))
    folder = tmp_path / "raw_data_files"
    folder.mkdir()
    with pytest.raises(InputError, match=r"holds no m<ID>-<time>\.txt"):
        datasets.load_dataset("blanco-pozo2024-mice")
    (folder / "m7-2019-01-02-101112.txt").write_text(session())
    quiet = session().replace("P 250 Stimulation ON - ss_cue - freq:20\n", "")
    (folder / "m7-2019-01-03-101112.txt").write_text(quiet)
    cohort = datasets.load_dataset("blanco-pozo2024-mice")
    assert cohort.session_id.values.tolist() == ["m7-2019-01-02-101112", "m7-2019-01-03-101112"]
    assert cohort.t_laser.notnull().sum("trial").values.tolist() == [1, 0]
    early = session().replace("B:UA", "B:1").replace("B:DA", "B:1").replace("B:NB", "B:1")
    (folder / "m7-2019-01-01-101112.txt").write_text(early)
    with pytest.warns(UserWarning, match="1 of 3 sessions were left out, the first because"):
        assert datasets.load_dataset("blanco-pozo2024-mice").equals(cohort)


def test_every_entry_is_complete() -> None:
    for name in datasets.list_datasets():
        entry = datasets.dataset_info(name)
        assert entry.reader == loading.TABLE or reader_named(entry.reader)
        assert entry.layout in registry.LAYOUTS
        assert entry.licence
        assert entry.citation
        assert entry.redistributable in ("yes", "no", "unknown")
        counts = (entry.n_subjects, entry.n_sessions, entry.n_trials)
        known = [n for n in counts if n is not None]
        assert known == sorted(known)
        assert all(n > 0 for n in known)
        if entry.hash is None:
            assert entry.hash_kind is None
        else:
            assert len(entry.hash) == fetching.HASH_KINDS[str(entry.hash_kind)]
            assert entry.url
        assert entry.bytes is None or entry.bytes > 0
        if entry.layout != "package":
            assert entry.landing_page.startswith("https://")
            assert entry.url or entry.steps
        assert entry.citation.split(",")[0] in datasets.describe_dataset(name)


def test_every_entry_has_a_card() -> None:
    """A card may be about several entries; what the package ships of them, it can make."""
    cards = {card.parent.name: card for card in CARDS.glob("*/README.md")}
    index = (CARDS / "README.md").read_text()
    used = set()
    for name in datasets.list_datasets():
        entry = datasets.dataset_info(name)
        card = next((c for c in cards if name.replace("-", "_").startswith(c)), None)
        assert card, f"{name} has no card"
        used.add(card)
        text = cards[card].read_text()
        shipped = entry.layout == "package" or (registry.DATA / f"reference_{name}.csv").is_file()
        assert (cards[card].parent / "prepare.py").is_file() == shipped
        counted = "" if entry.n_trials is None else f"{entry.n_trials:,}"
        packed = entry.layout == "package"
        reader = "" if packed else reader_named(entry.reader).reads.__name__
        for part in (name, entry.file, entry.hash or "", counted, reader):
            assert part in text, f"the card of {name} lacks {part}"
        assert f"`{name}`" in index, f"the list of cards lacks {name}"
    assert used == set(cards)


def test_every_reader_of_an_entry_has_tests() -> None:
    tests = Path(__file__).parent
    for name in datasets.list_datasets():
        reader = datasets.dataset_info(name).reader
        function = read_table if reader == loading.TABLE else reader_named(reader).reads
        module = function.__module__.rsplit(".", 1)[-1]
        assert function.__name__ in (tests / f"test_io_{module}.py").read_text(), name


@pytest.mark.parametrize(
    "name", [n for n in datasets.list_datasets() if datasets.dataset_info(n).layout != "package"]
)
def test_how_to_get_it_by_hand(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURO_METARL_DATA", str(tmp_path))
    monkeypatch.setattr(fetching.pooch, "os_cache", lambda _: tmp_path)
    entry, text = datasets.dataset_info(name), datasets.describe_dataset(name)
    for part in (entry.by_hand, entry.file, entry.checksum, entry.landing_page, str(tmp_path)):
        assert part in text
    assert "not here" in text
    if "githubusercontent" in entry.url:
        assert Path(unquote(urlsplit(entry.url).path)).name == entry.file


@pytest.mark.parametrize("name", [n for n in datasets.list_datasets() if n != NAME])
def test_each_file_is_read_as_its_entry_says(
    name: str, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = datasets.dataset_info(name)
    if entry.layout != "package" and not any(real_data.rglob(entry.file)):
        pytest.skip(f"{entry.file} is not in {real_data}")
    monkeypatch.setenv("NEURO_METARL_DATA", str(real_data))
    cohort = datasets.load_dataset(name, progress=False)
    assert len(subjects_of(cohort)) == entry.n_subjects
    assert cohort.sizes["session"] == entry.n_sessions
    padded_or_dropped = cohort.invalid_reason.isin([1, 4])
    assert int((~padded_or_dropped).sum()) == entry.n_trials
    assert cohort.attrs["task"] == entry.task
    assert cohort.attrs["title"] == entry.title
    assert cohort.attrs["licence"]
    assert (
        entry.species.startswith("none")
        or "species" not in cohort.coords
        or set(cohort.species.values) == {entry.species}
    )


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
    assert table.attrs["data"]["sha256"] == datasets.dataset_info(NAME).hash
    assert table.attrs["settings"]["penalty"] == "firth"


def test_no_connection_is_said_in_few_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURO_METARL_DATA", str(tmp_path))
    monkeypatch.setattr(fetching.pooch, "os_cache", lambda _: tmp_path)
    entry = replace(datasets.dataset_info(NAME), url="http://127.0.0.1:9/file.mat")
    monkeypatch.setattr(fetching, "dataset_info", lambda _: entry)
    with pytest.raises(InputError, match=r"cannot fetch .* \(no connection to 127\.0\.0\.1\); by"):
        datasets.fetch_dataset(NAME, progress=False)
