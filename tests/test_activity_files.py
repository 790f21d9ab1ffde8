"""From files that pynwb wrote to weights: days of other neurons, a valve that some trials lack."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import statsmodels.api as sm

import neuro_metarl as nm
from neuro_metarl import InputError

pynwb = pytest.importorskip("pynwb")
COLUMNS = {"choice": "choice", "reward": "reward", "t_cue": "cue_time"}


def write(path: Path, day: int, trials: dict[str, np.ndarray], spikes: list[np.ndarray]) -> Path:
    """Write one session of one mouse, trials of two seconds."""
    start = datetime(2024, 3, 1 + day, 9, tzinfo=UTC)
    nwb = pynwb.NWBFile("a session", str(uuid4()), start)
    nwb.subject = pynwb.file.Subject(subject_id="m1", species="Mus musculus", sex="M", age="P60D")
    for name in trials:
        nwb.add_trial_column(name, name)
    for k in range(len(trials["choice"])):
        row = {name: float(values[k]) for name, values in trials.items()}
        nwb.add_trial(start_time=2.0 * k, stop_time=2.0 * k + 2, **row)
    for times in spikes:
        nwb.add_unit(spike_times=np.sort(times))
    with pynwb.NWBHDF5IO(str(path), "w") as file:
        file.write(nwb)
    return path


def test_two_days_with_the_same_unit_ids_keep_their_weights(tmp_path: Path) -> None:
    rng, n, paths = np.random.default_rng(0), 100, []
    for day in (0, 1):
        choice, start = rng.integers(0, 2, n), 2.0 * np.arange(n)
        trials = {
            "choice": choice, "reward": rng.integers(0, 2, n), "cue_time": start + 0.5,
        }  # fmt: skip
        spikes = []
        for k in range(3):  # other neurons on the other day: the preference is reversed
            chosen = start[choice == (k + day) % 2]
            spikes.append(np.concatenate(
                [start + 0.5 + 0.5 * rng.random(n)]
                + [chosen + 0.5 + 0.5 * rng.random(len(chosen)) for _ in range(4)]
            ))  # fmt: skip
        paths.append(write(tmp_path / f"day{day}.nwb", day, trials, spikes))
    cohort = nm.read_nwb(paths, columns=COLUMNS, events="cue", window=(0, 0.5))
    weights = nm.encode(cohort, ["choice"]).coefficient.values.ravel()
    np.testing.assert_allclose(weights, [-8, 8, -8, 8, -8, 8], atol=1e-6)
    table = nm.decode(cohort, "choice", n_permutations=19)
    assert table.sizes["recording"] == 2
    assert (table.score.sel(statistic="value") == 1).all()


def test_a_valve_on_rewarded_trials_and_the_window_of_the_file(tmp_path: Path) -> None:
    rng, n = np.random.default_rng(1), 200
    choice, reward = rng.integers(0, 2, n), rng.integers(0, 2, n)
    start = 2.0 * np.arange(n)
    trials = {
        "choice": choice, "reward": reward, "cue_time": start + 0.5,
        "valve_time": np.where(reward == 1, start + 1.2, np.nan),
    }  # fmt: skip
    spikes = []
    for _ in range(3):
        each = np.repeat(start, rng.poisson(2 + choice))
        spikes.append(np.r_[each + 0.6 + 0.3 * rng.random(len(each)), start[reward == 1] + 1.3])
    path = write(tmp_path / "valve.nwb", 0, trials, spikes)
    cohort = nm.read_nwb(
        path, columns={**COLUMNS, "t_valve": "valve_time"}, events=["cue", "valve"], window=(0, 0.5)
    )
    fit = nm.encode(cohort, ["choice", "previous_reward"], events=["cue"], family="poisson")
    counts = np.round(cohort.activity.sel(event="cue").values[0, 1:, 0] * 0.5)
    x = sm.add_constant(np.column_stack([choice[1:], reward[:-1]]).astype(float))
    truth = sm.GLM(counts, x, family=sm.families.Poisson()).fit(tol=1e-12).params[1:]
    np.testing.assert_allclose(fit.coefficient.values[0, 0, 0, :, 0], truth, atol=1e-6)
    table = nm.decode(cohort, "choice", n_permutations=0)
    assert table.n.values.tolist() == [[n, int(reward.sum())]]
    for window in (0.25, 1.0):
        with pytest.raises(InputError, match=r"was counted in a window of 0 to 0\.5 s"):
            nm.encode(cohort, ["choice"], events=["cue"], family="poisson", window=window)
