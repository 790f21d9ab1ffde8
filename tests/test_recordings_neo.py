"""Neo blocks: order of trials, pauses, whose units are whose, what was recorded when, units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import neo
import numpy as np
import pytest
import quantities as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.errors import InputError
from neuro_metarl.io import from_neo, read_neo
from tests.lab_recordings import counted

COLUMNS = {"choice": {"which": {"left": 0, "right": 1}}, "reward": {"happened": ["valve"]}}
HOW: dict[str, Any] = {"columns": COLUMNS, "trials": "trial", "events": {"cue": "trial"}}
SIDES = np.array([0, 1, 1, 0, 1, 0])


def event(name: str, times: np.ndarray, unit: Any = pq.s) -> neo.Event:
    labels = np.array([name] * len(times), dtype="U")
    return neo.Event((np.asarray(times) * pq.s).rescale(unit), labels=labels, name=name)


def segment(
    n: int = 6, *, origin: float = 0.0, trains: dict[str, np.ndarray] | None = None,
    name: str | None = None, order: Any = None, unit: Any = pq.s, stop: float = 100.0,
) -> neo.Segment:  # fmt: skip
    """Trials of two seconds, a poke .6 s into each, a valve after every first of three."""
    made = neo.Segment(name=name)
    start = origin + 2.0 * np.arange(n)
    order = np.arange(n) if order is None else order
    side = np.resize(SIDES, n)
    made.events.append(event("trial", start[order], unit))
    made.events.append(event("left", (start + 0.6)[side == 0], unit))
    made.events.append(event("right", (start + 0.6)[side == 1], unit))
    made.events.append(event("valve", (start + 0.8)[::3], unit))
    for label, times in (trains or {}).items():
        made.spiketrains.append(
            neo.SpikeTrain(
                (np.sort(times) * pq.s).rescale(unit), t_start=(origin * pq.s).rescale(unit),
                t_stop=((origin + stop) * pq.s).rescale(unit), name=label or None,
            )
        )  # fmt: skip
    return made


def block(*segments: neo.Segment, name: str = "m1") -> neo.Block:
    made = neo.Block(name=name)
    made.segments.extend(segments)
    return made


def spikes(seed: int, until: float = 12.0, n: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, until, n)


# ---------------------------------------------------------------- trials


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 9), shuffle=st.randoms(use_true_random=False),
    unit=st.sampled_from([pq.s, pq.ms, pq.us]), origin=st.sampled_from([0.0, 512.0]),
)  # fmt: skip
def test_order_clock_and_unit_of_time_do_not_matter(
    n: int, shuffle: Any, unit: Any, origin: float
) -> None:
    order = list(range(n))
    shuffle.shuffle(order)
    times = spikes(n, 2.0 * n).round(3)
    plain = from_neo(block(segment(n, trains={"a": times})), **HOW)
    turned = from_neo(
        block(segment(n, trains={"a": times + origin}, order=order, unit=unit, origin=origin)),
        **HOW,
    )
    assert plain.choice.values[0].tolist() == np.resize(SIDES, n).tolist()
    for name in ("choice", "reward", "valid", "activity"):
        assert np.array_equal(plain[name], turned[name]), name
    expected = counted(np.sort(times), 2.0 * np.arange(n), (0, 0.5))
    assert plain.activity.values.ravel().tolist() == expected


def test_epochs_out_of_order_and_in_pieces() -> None:
    """Annotations go with their trials; several epochs of one name are one table."""
    made = neo.Segment(name="d")
    for starts in ([4.0, 0.0], [2.0, 6.0]):
        starts_ = np.array(starts)
        made.epochs.append(
            neo.Epoch(
                starts_ * pq.s, np.full(2, 2.0) * pq.s, name="trials",
                labels=[f"t{s:g}" for s in starts],
                array_annotations={"side": (starts_ / 2 % 2).astype(int),
                                   "won": (starts_ > 2).astype(int),
                                   "rt": (starts_ * 1000 + 300) * pq.ms},
            )
        )  # fmt: skip
    cohort = from_neo(block(made), columns={"choice": "side", "reward": "won", "t_rt": "rt"})
    assert cohort.choice.values.tolist() == [[0, 1, 0, 1]]
    assert cohort.reward.values.tolist() == [[0, 0, 1, 1]]
    assert cohort.t_rt.values[0] == pytest.approx([0.3, 2.3, 4.3, 6.3])


def test_pauses_and_segments_without_trials() -> None:
    """They are left out by name; a name that is misspelt in one segment is still refused."""
    pieces = block(segment(name="a"), segment(0, name="pause"), neo.Segment(name="off"))
    cohort = from_neo(pieces, **HOW)
    assert cohort.session_id.values.tolist() == ["a"]
    assert cohort.attrs["history"] == "segments without trials were left out: pause, off"
    two = block(segment(name="a"), segment(0, name="pause"), segment(4, name="b", origin=50))
    assert from_neo(two, **HOW).session_id.values.tolist() == ["a", "b"]
    other = segment(name="b")
    other.events[0] = event("trail", 2.0 * np.arange(6))
    with pytest.raises(InputError, match=r"segment 'b': no epochs and no event 'trial' .* 'trail'"):
        from_neo(block(segment(name="a"), other), **HOW)
    with pytest.raises(InputError, match="no segment of the block holds trials 'trial'"):
        from_neo(block(segment(0)), **HOW)


def test_trials_by_the_label_of_a_channel_with_several_kinds() -> None:
    made = segment()
    times = np.concatenate([e.times.magnitude for e in made.events])
    labels = np.concatenate([e.labels for e in made.events])
    order = np.argsort(times)
    made.events = [neo.Event(times[order] * pq.s, labels=labels[order], name="IO")]
    cohort = from_neo(block(made), columns=COLUMNS, trials="trial")
    assert cohort.choice.values.tolist() == [SIDES.tolist()]


def test_an_event_that_did_not_happen_in_a_session() -> None:
    """Formats drop events without times: no valve on a day is no reward, not a misspelt name."""
    dry = segment(name="b")
    dry.events = [e for e in dry.events if e.name != "valve"]
    cohort = from_neo(block(segment(name="a"), dry), columns=COLUMNS, trials="trial")
    assert cohort.reward.values.tolist() == [[1, 0, 0, 1, 0, 0], [0] * 6]


def test_sessions_in_order_of_their_recording() -> None:
    from datetime import datetime

    one, other = segment(name="late"), segment(name="early")
    one.rec_datetime, other.rec_datetime = datetime(2024, 3, 2), datetime(2024, 3, 1)
    found = from_neo(block(one, other), columns=COLUMNS, trials="trial")
    assert found.session_id.values.tolist() == ["early", "late"]


# ---------------------------------------------------------------- units


@pytest.mark.parametrize("names", [("a", "b"), ("", "")])
def test_trains_of_different_segments_are_different_units(names: tuple[str, str]) -> None:
    trains = [dict(zip(names, (spikes(k), spikes(k + 9)), strict=True)) for k in range(2)]
    if not names[0]:
        trains = [{"": spikes(k)} for k in range(2)]
    pieces = block(*(segment(name=f"d{k}", trains=t) for k, t in enumerate(trains)))
    cohort = from_neo(pieces, **HOW)
    each = cohort.sizes["unit"] // 2
    assert cohort.recording.values.tolist() == ["d0"] * each + ["d1"] * each
    for k, mine in enumerate(trains):
        for j, times in enumerate(mine.values()):
            expected = counted(np.sort(times), 2.0 * np.arange(6), (0, 0.5))
            assert cohort.activity.values[k, :, 0, k * each + j].tolist() == expected
        assert np.isnan(cohort.activity.values[1 - k, ..., k * each]).all()
    same = from_neo(pieces, **HOW, same_units=True)
    assert same.sizes["unit"] == each


def test_groups_of_a_block_say_which_trains_are_one_neuron() -> None:
    pieces = block(*(segment(name=f"d{k}", trains={"": spikes(k)}) for k in range(2)))
    group = neo.Group(name="cell")
    group.add(*(s.spiketrains[0] for s in pieces.segments))
    pieces.groups.append(group)
    cohort = from_neo(pieces, **HOW)
    assert cohort.unit.values.tolist() == ["cell"]
    assert np.isfinite(cohort.activity.values).all()


def test_trains_of_one_name_on_two_probes() -> None:
    made = segment(trains={"unit 0": spikes(0)})
    other = segment(trains={"unit 0": spikes(1)}).spiketrains[0]
    made.spiketrains[0].annotate(probe="A", area="OFC")
    other.annotate(probe="B", area="VTA")
    made.spiketrains.append(other)
    cohort = from_neo(block(made), **HOW)
    assert cohort.unit.values.tolist() == ["A/unit 0", "B/unit 0"]
    assert cohort.area.values.tolist() == ["OFC", "VTA"]


def test_rates_are_nan_when_a_train_was_not_recorded() -> None:
    """A train that stops at 5 s; one whose end is its last spike goes on with the others."""
    made = segment(trains={"whole": spikes(0)})
    short, last = np.sort(spikes(1, 5.0)), np.sort(spikes(2, 7.0))
    made.spiketrains.append(neo.SpikeTrain(short * pq.s, t_stop=5.0 * pq.s, name="short"))
    made.spiketrains.append(neo.SpikeTrain(last * pq.s, t_stop=last[-1] * pq.s, name="last"))
    cohort = from_neo(block(made), **HOW)
    assert np.isfinite(cohort.activity.sel(unit="whole").values).all()
    found = cohort.activity.sel(unit="short").values.ravel()
    assert np.isnan(found).tolist() == [False, False, False, True, True, True]
    assert cohort.activity.sel(unit="last").values.ravel()[4:].tolist() == [0, 0]


def test_files_of_several_blocks(tmp_path: Path) -> None:
    pytest.importorskip("nixio")
    path = tmp_path / "both.nix"
    nix = neo.NixIO(str(path), "ow")
    for k in range(2):
        made = block(segment(name="rec", trains={"u": spikes(k)}), name="m1")
        made.annotate(nix_name=f"block{k}")
        nix.write_block(made)
    nix.close()
    cohort = read_neo(path, **HOW)
    assert cohort.sizes["session"] == 2
    assert cohort.sizes["unit"] == 2


# ---------------------------------------------------------------- signals


def ramp(scale: float, unit: str, *, name: str = "lfp", begin: float = 0.0, n: int = 1000) -> Any:
    time = begin + np.arange(n) / 100
    return neo.AnalogSignal(
        scale * time[:, None],
        units=unit,
        sampling_rate=100 * pq.Hz,
        t_start=begin * pq.s,
        name=name,
    )


def test_signals_in_other_units_of_measurement() -> None:
    """Microvolts and millivolts become one; a signal and a quantity of another kind do not."""
    made = segment(4)
    made.analogsignals += [ramp(1.0, "mV"), ramp(2000.0, "uV", name="other")]
    cohort = from_neo(block(made), **HOW, signals=["lfp", "other"])
    middle = 2.0 * np.arange(4) + 0.25
    assert cohort.activity.attrs["units"] == "mV"
    assert cohort.activity.values[0, :, 0] == pytest.approx(np.stack([middle, 2 * middle], 1))
    second = segment(4, name="d1")
    second.analogsignals.append(ramp(1000.0, "uV"))
    first = segment(4, name="d0")
    first.analogsignals.append(ramp(1.0, "mV"))
    both = from_neo(block(first, second), **HOW, signals="lfp")
    assert both.unit.values.tolist() == ["lfp"]
    assert both.activity.values[1] == pytest.approx(both.activity.values[0])
    second.analogsignals[0] = ramp(1.0, "pA")
    with pytest.raises(InputError, match="signal 'lfp' is in pA, elsewhere in mV"):
        from_neo(block(first, second), **HOW, signals="lfp")


def test_a_signal_in_pieces_is_nan_in_the_pause() -> None:
    made = segment(6)
    made.analogsignals += [ramp(1.0, "mV", begin=6.5, n=600), ramp(1.0, "mV", n=300)]
    cohort = from_neo(block(made), **HOW, signals="lfp")
    expected = [0.25, 2.25, np.nan, np.nan, 8.25, 10.25]
    assert cohort.activity.values.ravel() == pytest.approx(expected, nan_ok=True)
    made.analogsignals.append(ramp(1.0, "mV", begin=7.0, n=10))
    with pytest.raises(InputError, match="must be finite and increase; 3 signals of that name ove"):
        from_neo(block(made), **HOW, signals="lfp")


# ---------------------------------------------------------------- declared and used


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"signals": "lfp", "events": None}, "signals says how .* but events names none"),
        ({"smooth_s": 0.1, "events": None}, "smooth_s says how .* but events names none"),
        ({"window": (0, 1)}, "window says how .* but the block holds no spike trains"),
        ({"signals": ["lfp", "lfp"]}, "signal 'lfp' is named twice in signals"),
        (
            {"columns": COLUMNS | {"t_cue": "start_time"}},
            "event 'cue' is declared in events and as",
        ),
        ({"signals": "flp"}, "segment '0': no signal 'flp'; did you mean 'lfp'"),
    ],
)
def test_arguments_are_used_or_refused(how: dict[str, Any], message: str) -> None:
    made = segment()
    made.analogsignals.append(ramp(1.0, "mV"))
    with pytest.raises(InputError, match=message):
        from_neo(block(made), **{**HOW, **how})
