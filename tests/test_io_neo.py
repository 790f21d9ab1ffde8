"""Neo: back as it was, as labs find it, and their blocks by the names of their events."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import neo
import numpy as np
import pytest
import quantities as pq

from neuro_metarl.cohort import select_subjects
from neuro_metarl.errors import InputError
from neuro_metarl.io import from_neo, read, read_neo, to_neo, write_neo
from neuro_metarl.io.sessions import LAYOUT
from neuro_metarl.neural.virtual import spike_times, virtual_spikes
from tests.interchange_cohorts import KINDS, make

# ---------------------------------------------------------------- back as it was


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_cohort_comes_back_as_it_was(kind: str, seed: int) -> None:
    cohort = make(kind, seed)
    assert from_neo(to_neo(cohort)).identical(cohort)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_comes_back_as_it_was(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("nixio")
    cohort = make(kind)
    path = write_neo(cohort, tmp_path / "cohort.nix")
    assert read_neo(path).identical(cohort)
    assert read(path).identical(cohort)


@pytest.mark.parametrize("kind", ["networks", "animals"])
def test_a_changed_block_does_not_come_back_unseen(kind: str) -> None:
    """The control: what comes back is in the signals and epochs, not in the annotation."""
    cohort = make(kind)
    block = to_neo(cohort)
    segment = block.segments[0]
    signals = [*segment.analogsignals, *segment.irregularlysampledsignals]
    next(s for s in signals if s.name == "activity")[0, 0] += 1 * signals[0].units
    segment.epochs[0].array_annotations["choice"][0] = 2
    back = from_neo(block)
    assert not np.array_equal(back.activity, cohort.activity, equal_nan=True)
    assert back.choice.values[0, 0] == 2
    assert back.drop_vars(["activity", "choice"]).identical(
        cohort.drop_vars(["activity", "choice"])
    )


def test_one_subject_of_a_cohort() -> None:
    cohort = make("networks")
    block = to_neo(cohort, subject="two-step/1")
    assert block.name == "two-step/1"
    assert len(block.segments) == 1
    assert from_neo(block).identical(select_subjects(cohort, "two-step/1"))


# ---------------------------------------------------------------- as labs find it


def test_networks_as_signals_at_the_nominal_step() -> None:
    cohort = make("networks")
    block = to_neo(cohort, step_s=0.5)
    assert block.annotations["task"] == "two-step"
    segment = block.segments[2]
    assert (segment.name, segment.annotations["subject"]) == ("two-step/1/0", "two-step/1")
    activity = next(s for s in segment.analogsignals if s.name == "activity")
    assert activity.sampling_period.rescale("s").item() == 0.5
    assert activity.dimensionality == pq.dimensionless.dimensionality
    assert activity.array_annotations["unit_name"].tolist() == list("01234")
    assert np.array_equal(activity.magnitude, cohort.activity.values[2].reshape(36, 5))
    policy = next(s for s in segment.analogsignals if s.name == "policy")
    assert policy.array_annotations["action_name"].tolist() == ["left", "right", "fixate"]
    epoch = segment.epochs[0]
    assert np.array_equal(epoch.array_annotations["reward"], cohort.reward.values[2])
    assert epoch.times.rescale("s").magnitude.tolist() == (1.5 * np.arange(12)).tolist()
    event = next(e for e in segment.events if e.name == "second_step")
    assert event.times.rescale("s").magnitude.tolist() == (1.5 * np.arange(12) + 1).tolist()


def test_one_segment_per_trial_by_neo_s_own_means() -> None:
    from neo.utils import cut_segment_by_epoch

    cohort = make("networks")
    segment = to_neo(cohort).segments[0]
    cut = cut_segment_by_epoch(segment, segment.epochs[0], reset_time=True)
    assert len(cut) == 12
    for k in (0, 7):
        activity = next(s for s in cut[k].analogsignals if s.name == "activity")
        assert np.array_equal(activity.magnitude, cohort.activity.values[0, k])


def test_animals_as_rates_at_the_times_of_their_events() -> None:
    cohort = make("animals")
    segment = to_neo(cohort).segments[0]
    rates = segment.irregularlysampledsignals[0]
    assert rates.units == pq.Hz
    go = next(e for e in segment.events if e.name == "go_cue")
    known = cohort.t_go_cue.values[0]
    assert np.array_equal(go.times.rescale("s").magnitude, known[np.isfinite(known)])
    choice = next(e for e in segment.events if e.name == "choice")
    assert len(choice) == int(np.isfinite(cohort.t_choice.values[0]).sum()) < len(go)


def test_virtual_spikes_become_trains() -> None:
    cohort = virtual_spikes(make("networks"), seed=1)
    spikes = spike_times(cohort, seed=1)
    block = to_neo(cohort, spikes=spikes)
    assert from_neo(block).identical(cohort)
    assert [len(s.spiketrains) for s in block.segments] == [5, 5, 5]
    for number, segment in enumerate(block.segments):
        for unit, train in enumerate(segment.spiketrains):
            mine = (spikes.session.values == number) & (spikes.unit.values == unit)
            assert np.array_equal(train.times.rescale("s").magnitude, spikes.time.values[mine])
    (alone,) = to_neo(cohort, subject="two-step/1", spikes=spikes).segments
    assert np.array_equal(alone.spiketrains[3], block.segments[2].spiketrains[3])


# ---------------------------------------------------------------- blocks from elsewhere

COLUMNS = {
    "choice": {"which": {"left": 0, "right": 1}},
    "reward": {"happened": ["valve"]},
}


def recording(name: str = "m1") -> neo.Block:
    """Two days of three trials: pokes, a valve, two neurons, and a signal that equals the time."""
    block = neo.Block(name=name)
    for day in range(2):
        segment = neo.Segment(name=f"day{day}")
        segment.epochs.append(
            neo.Epoch(
                [0, 10, 20] * pq.s,
                [10, 10, 10] * pq.s,
                name="trials",
                labels=["x", "y", "x"],
                array_annotations={"drops": [1.0, 0.0, 3.0]},
            )
        )
        segment.events.append(neo.Event([2000, 12000] * pq.ms, labels=["left", "right"], name="IO"))
        segment.events.append(neo.Event([3, 25] * pq.s, labels=["v", "v"], name="valve"))
        segment.events.append(neo.Event([0, 10, 20] * pq.s, labels=["t"] * 3, name="begin"))
        for k, times in enumerate(([3.1, 3.2, 25.4], [3.3 + day])):
            train = neo.SpikeTrain(times * pq.s, t_stop=30 * pq.s, name=f"n{k}")
            segment.spiketrains.append(train)
        time = np.arange(0, 30, 0.1)
        segment.analogsignals.append(
            neo.AnalogSignal(time[:, None], units="mV", sampling_period=100 * pq.ms, name="ramp")
        )
        block.segments.append(segment)
    return block


def test_a_recording_by_the_names_of_its_events() -> None:
    """Segments are sessions: trains of one name are the same neuron where that is declared."""
    how: dict[str, Any] = {"columns": COLUMNS, "events": {"outcome": "valve"}, "species": "mouse"}
    cohort = from_neo(recording(), same_units=True, **how)
    assert cohort.subject.values.tolist() == ["m1", "m1"]
    assert cohort.session_id.values.tolist() == ["day0", "day1"]
    assert cohort.choice.values.tolist() == [[0, 1, -1]] * 2
    assert cohort.reward.values.tolist() == [[1, 0, 1]] * 2
    assert cohort.invalid_reason.values.tolist() == [[0, 0, 3]] * 2
    expected = np.array([[[4, 2], [np.nan] * 2, [2, 0]], [[4, 0], [np.nan] * 2, [2, 0]]])
    assert np.array_equal(cohort.activity.values[:, :, 0], expected, equal_nan=True)
    assert cohort.unit.values.tolist() == ["n0", "n1"]
    apart = from_neo(recording(), **how)
    assert apart.unit.values.tolist() == ["day0/n0", "day0/n1", "day1/n0", "day1/n1"]
    assert np.array_equal(
        apart.activity.values[1, ..., 2:], cohort.activity.values[1], equal_nan=True
    )
    assert np.isnan(apart.activity.values[1, ..., :2]).all()


def test_columns_signals_and_smoothing() -> None:
    columns = {"choice": {"column": "label", "codes": {"x": 0, "y": 1}}, "reward": "drops"}
    how: dict[str, Any] = {"events": {"begin": "begin"}, "window": (0, 2)}
    cohort = from_neo(recording(), columns=columns, signals="ramp", **how)
    assert cohort.choice.values[0].tolist() == [0, 1, 0]
    assert cohort.reward.values[0].tolist() == [1, 0, 3]
    assert cohort.activity.values[0].ravel() == pytest.approx([1, 11, 21])
    assert cohort.activity.attrs["units"] == "mV"
    sharp = from_neo(recording(), columns=columns, events={"outcome": "valve"})
    soft = from_neo(recording(), columns=columns, events={"outcome": "valve"}, smooth_s=0.2)
    assert 0 < soft.activity.values[0, 0, 0, 0] < sharp.activity.values[0, 0, 0, 0]


def test_trials_that_begin_with_an_event() -> None:
    cohort = from_neo(recording(), columns=COLUMNS, trials="begin")
    assert cohort.choice.values.tolist() == [[0, 1, -1]] * 2


def test_a_file_that_neo_reads(tmp_path: Path) -> None:
    pytest.importorskip("nixio")
    path = tmp_path / "rec.nix"
    nix = neo.NixIO(str(path), "ow")
    nix.write_block(recording(name=""))
    nix.close()
    cohort = read_neo(path, columns=COLUMNS, events={"outcome": "valve"})
    assert cohort.subject.values.tolist() == ["rec", "rec"]
    in_memory = from_neo(recording(), columns=COLUMNS, events={"outcome": "valve"})
    assert np.array_equal(cohort.activity, in_memory.activity, equal_nan=True)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "not one of to_neo; declare columns.*there are: trials, IO, valve, begin, left"),
        ({"columns": COLUMNS, "trials": "trails"}, "'trails' .* did you mean 'trials'"),
        ({"columns": COLUMNS | {"reward": {"happened": ["vavle"]}}}, "no event 'vavle'; did you m"),
        ({"columns": COLUMNS, "events": {"outcome": "vlave"}}, "no event 'vlave'; did you mean"),
        ({"columns": COLUMNS | {"reward": "drosp"}}, "column 'drosp' .* did you mean 'drops'"),
        ({"columns": COLUMNS, "events": {"x": "valve"}, "signals": "rmap"}, "'rmap'; did you mean"),
    ],
)
def test_names_that_are_not_there(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_neo(recording(), **how)


def test_blocks_that_lack_something() -> None:
    with pytest.raises(InputError, match="the block holds no segments"):
        from_neo(neo.Block())
    with pytest.raises(InputError, match="no name and no annotation subject_id"):
        from_neo(recording(name=""), columns=COLUMNS)
    block = to_neo(make("networks"))
    block.segments[1].epochs.clear()
    with pytest.raises(InputError, match="has lost its epochs 'trials'"):
        from_neo(block)
    block = to_neo(make("networks"))
    block.segments[0].annotations[LAYOUT] = "{"
    with pytest.raises(InputError, match=r"the layout of segment .* is damaged"):
        from_neo(block)
    with pytest.raises(InputError, match="no subject 'x'"):
        to_neo(make("networks"), subject="x")


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.nix: there is no such file"):
        read_neo(tmp_path / "nothing.nix")
    (tmp_path / "a.nix").write_bytes(b"no HDF5 at all")
    with pytest.raises(InputError, match=r"a\.nix: cannot be read by Neo"):
        read_neo(tmp_path / "a.nix")
    (tmp_path / "a.unheard").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.unheard: cannot be read by Neo"):
        read_neo(tmp_path / "a.unheard")
    (tmp_path / "a.nwb").write_bytes(b"x")
    with pytest.raises(InputError, match="Neo loses the trials of NWB files; use read_nwb"):
        read_neo(tmp_path / "a.nwb")
    with pytest.raises(InputError, match=r"write a NIX file to a name that ends in \.nix"):
        write_neo(make("networks"), tmp_path / "a.h5")


def test_a_truncated_file_and_a_write_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nixio")
    path = write_neo(make("networks"), tmp_path / "whole.nix")
    whole = path.read_bytes()
    (tmp_path / "cut.nix").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.nix: cannot be read by Neo"):
        read_neo(tmp_path / "cut.nix")

    def fails(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(neo.NixIO, "write_block", fails)
    with pytest.raises(RuntimeError, match="disk is full"):
        write_neo(make("networks"), tmp_path / "second.nix")
    assert path.read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.nix", "whole.nix"]


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nixio", None)
    with pytest.raises(InputError, match=r'pip install "neuro_metarl\[interop\]"'):
        write_neo(make("networks"), tmp_path / "a.nix")
    assert not list(tmp_path.iterdir())


def test_importing_io_loads_neither_neo_nor_pynwb() -> None:
    import subprocess

    code = (
        "import sys, neuro_metarl.io, neuro_metarl.io.neo, neuro_metarl.io.interchange; "
        "bad = {'neo', 'pynwb', 'hdmf', 'pynapple', 'nixio', 'quantities', 'torch'} "
        "& set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
