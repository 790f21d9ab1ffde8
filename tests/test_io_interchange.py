"""pynapple objects, and the arrays of disentangled and tiny RNNs, against their public shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from neuro_metarl.cohort import make_cohort, responses
from neuro_metarl.errors import InputError
from neuro_metarl.io import (
    align,
    from_disrnn,
    from_pynapple,
    from_tinyrnn,
    to_disrnn,
    to_pynapple,
    to_tinyrnn,
)  # fmt: skip
from tests.interchange_cohorts import KINDS, make

KEPT = ("choice", "reward", "valid", "forced")


def squeezed(cohort: xr.Dataset, names: tuple[str, ...] = KEPT) -> list[dict[str, list]]:
    """Each session's valid trials: what arrays without gaps can hold."""
    valid = cohort.valid.transpose("session", "trial").values == 1
    full = cohort if "forced" in cohort else cohort.assign(forced=xr.zeros_like(cohort.choice))
    return [
        {n: full[n].transpose("session", "trial").values[k][valid[k]].tolist() for n in names}
        for k in range(len(valid))
    ]


def sessions(cohort: xr.Dataset) -> dict[str, Any]:
    return {"subject": cohort.subject.values, "session_id": cohort.session_id.values}


# ---------------------------------------------------------------- pynapple


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_pynapple_gives_back_the_cohort(kind: str, seed: int) -> None:
    pytest.importorskip("pynapple")
    cohort = make(kind, seed)
    assert from_pynapple(to_pynapple(cohort)).identical(cohort)


def test_pynapple_s_own_means_find_what_ours_find() -> None:
    nap = pytest.importorskip("pynapple")
    cohort = make("networks")
    objects = to_pynapple(cohort, step_s=0.5)[1]
    assert np.array_equal(objects["trials"]["choice"], cohort.choice.values[1])
    assert list(objects["policy"].columns) == ["left", "right", "fixate"]
    tensor = nap.build_tensor(objects["activity"], objects["trials"])
    assert np.array_equal(np.moveaxis(tensor, 0, -1)[:, :3], cohort.activity.values[1])
    rewarded = objects["trials"][objects["trials"]["reward"] == 1]
    assert len(rewarded) == int(cohort.reward.values[1].sum())


def test_pynapple_counts_spikes_as_align_does() -> None:
    nap = pytest.importorskip("pynapple")
    cohort = make("animals").isel(session=[0])
    rng = np.random.default_rng(0)
    spikes = np.sort(cohort.t_go_cue.values.min() + rng.uniform(-5, 100, 500))
    go = to_pynapple(cohort)[0]["go_cue"]
    around = nap.compute_perievent(nap.Ts(spikes), go, window=(-1, 2))
    counts = [len(around[k]) for k in range(len(go))]
    rate = align(spikes, cohort.t_go_cue, window=(-1, 2), bin_s=3)
    there = np.isfinite(cohort.t_go_cue.values[0])
    assert (rate.values[there, 0] * 3).round().tolist() == counts


def test_pynapple_objects_that_are_not_whole() -> None:
    pytest.importorskip("pynapple")
    objects = to_pynapple(make("networks"))
    with pytest.raises(InputError, match="session 1: 'trials' is missing; see to_pynapple"):
        from_pynapple([objects[0], {}])
    with pytest.raises(InputError, match="no sessions were given"):
        from_pynapple([])
    objects[0]["activity"] = objects[0]["activity"][:-1]
    with pytest.raises(InputError, match="series 'activity' has 35 rows, expected 36"):
        from_pynapple(objects)


# ---------------------------------------------------------------- disentangled RNNs


def test_disrnn_by_hand() -> None:
    """A violation is left out; a forced choice is an input and no target; the rest is -1."""
    cohort = make_cohort(
        {
            "choice": [[0, -1, 1, 1], [1, 0, -1, -1]],
            "reward": [[1, 0, 0, 1], [0, 1, np.nan, np.nan]],
            "forced": [[0, 0, 1, 0], [0, 0, 0, 0]],
        },
        subject=["r1", "r2"], task="bandit", source="animal",
    )  # fmt: skip
    arrays = to_disrnn(cohort)
    assert arrays["xs"][:, 0].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert arrays["xs"][:, 1].tolist() == [[0, 0], [1, 0], [0, 1], [-1, -1]]
    assert arrays["ys"][:, :, 0].T.tolist() == [[0, -1, 1, -1], [1, 0, -1, -1]]
    assert arrays["x_names"] == ["previous choice", "previous reward"]
    several = to_disrnn(cohort, subject_feature=True)
    assert several["xs"][:, :, 0].T.tolist() == [[0] * 4, [1] * 4]
    assert several["x_names"][0] == "subject"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_disrnn_keeps_to_the_documented_form(kind: str, seed: int) -> None:
    """What DatasetRNNCategorical asks of its arguments in its public source."""
    arrays = to_disrnn(make(kind, seed))
    xs, ys = arrays["xs"], arrays["ys"]
    assert xs.ndim == ys.ndim == 3
    assert ys.shape == (*xs.shape[:2], 1)
    assert xs.dtype == np.float32
    assert np.issubdtype(ys.dtype, np.integer)
    assert arrays["n_classes"] >= (np.unique(ys) >= 0).sum()
    assert len(arrays["x_names"]) == xs.shape[2]
    assert len(arrays["y_names"]) == ys.shape[2]
    assert (ys[-1] == -1).all()
    assert (xs[0] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_disrnn_gives_back_the_valid_trials(kind: str, seed: int) -> None:
    cohort = make(kind, seed)
    names = ["choice", "reward"] + ["state"] * ("state" in cohort)
    arrays = to_disrnn(cohort, features=names)
    back = from_disrnn(
        arrays["xs"], arrays["ys"], x_names=arrays["x_names"], task=cohort.task,
        source=cohort.source, **sessions(cohort),
    )  # fmt: skip
    kept = (*KEPT, *names[2:])
    assert squeezed(back, kept) == squeezed(cohort, kept)
    assert back.subject.values.tolist() == cohort.subject.values.tolist()
    again = to_disrnn(back, features=names)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


# ---------------------------------------------------------------- tiny RNNs


def test_tinyrnn_by_hand() -> None:
    cohort = make_cohort(
        {
            "choice": [[0, -1, 1], [1, 0, 0]], "state": [[1, -1, 0], [1, 1, 0]],
            "reward": [[1, 0, 0], [0, 1, 1]], "forced": [[0, 0, 1], [0, 1, 0]],
        },
        subject=["r2", "r1"], task="two-step", source="animal",
    )  # fmt: skip
    arrays = to_tinyrnn(cohort, subject_feature=True)
    assert arrays["input"][:, 0].tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert arrays["input"][:, 1].tolist() == [[1, 1, 0, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert arrays["target"].T.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert arrays["mask"].T.tolist() == [[1, 0, 0], [1, 0, 1]]
    assert arrays["n_trials"].tolist() == [2, 3]
    assert arrays["sub_id"].tolist() == [0, 1]


def test_tinyrnn_s_second_stage_is_the_choice_on_bandits() -> None:
    arrays = to_tinyrnn(make("animals"))
    assert np.array_equal(arrays["input"][..., 0], arrays["input"][..., 1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_tinyrnn_gives_back_the_valid_trials(kind: str, seed: int) -> None:
    cohort = make(kind, seed)
    arrays = to_tinyrnn(cohort)
    back = from_tinyrnn(arrays, task=cohort.task, source=cohort.source, **sessions(cohort))
    kept = (*KEPT, *["state"] * ("state" in cohort))
    assert squeezed(back, kept) == squeezed(cohort, kept)
    again = to_tinyrnn(back)
    assert all(np.array_equal(arrays[name], again[name]) for name in ("input", "target", "mask"))
    assert int(arrays["mask"].sum()) == int(responses(cohort).sum())


def test_tinyrnn_arrays_train_a_network_as_theirs_are_trained() -> None:
    """A GRU whose output before each trial predicts the action of a subject that alternates."""
    n_trials = 40
    choice = np.arange(n_trials)[None] % 2
    cohort = make_cohort(
        {"choice": choice, "reward": np.zeros((1, n_trials))},
        subject=["a"], task="bandit", source="model",
    )  # fmt: skip
    arrays = {n: torch.from_numpy(v) for n, v in to_tinyrnn(cohort).items()}
    torch.manual_seed(0)
    network = torch.nn.GRU(3, 4).double()
    readout = torch.nn.Linear(4, 2).double()
    optimizer = torch.optim.Adam([*network.parameters(), *readout.parameters()], lr=0.05)
    for _ in range(80):
        hidden, _ = network(arrays["input"])
        scores = readout(torch.cat([torch.zeros(1, 1, 4).double(), hidden]))[:-1]
        losses = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1), arrays["target"].flatten(), reduction="none"
        )
        loss = (losses * arrays["mask"].flatten()).sum() / arrays["mask"].sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 < np.log(2)


def test_tinyrnn_blocks_without_their_lengths() -> None:
    arrays = to_tinyrnn(make("models"))
    bare = {n: arrays[n] for n in ("input", "target", "mask")}
    back = from_tinyrnn(bare, subject=["a", "b", "c"])
    last = [np.flatnonzero(m)[-1] + 1 for m in arrays["mask"].T]
    assert back.valid.sum("trial").values.tolist() == last


# ---------------------------------------------------------------- bad input


def test_arrays_that_do_not_fit() -> None:
    cohort = make("networks")
    arrays = to_disrnn(cohort)
    xs, ys = arrays["xs"], arrays["ys"]
    names = ["a", "b", "c"]
    cases: list[tuple[Any, Any, dict[str, Any], str]] = [
        (xs[:-1], ys, {}, r"xs has shape \(12, 3, 2\) and ys \(13, 3, 1\); expected"),
        (xs[..., 0], ys, {}, "expected .time, session, feature. and"),
        (xs, ys, {"subject": ["a"]}, "subject names 1 sessions, xs has 3"),
        (xs, ys, {"x_names": ["previous choice"]}, "x_names names 1 features, xs has 2"),
        (xs, ys, {"x_names": ["a", "b"]}, "expected 'previous choice' among them"),
        (np.roll(xs, -1, axis=0), ys, {}, "likely slip: xs not shifted by one trial"),
    ]
    for one, other, how, message in cases:
        with pytest.raises(InputError, match=message):
            from_disrnn(one, other, **{"subject": names, **how})
    tiny = to_tinyrnn(cohort)
    broken = [
        ({"input": tiny["input"]}, "array 'target' is missing; there are: input"),
        (tiny | {"mask": tiny["mask"][1:]}, "mask has shape"),
        (tiny | {"input": tiny["input"][..., :2]}, "expected .trial, block, 3 or 4"),
        (tiny | {"target": np.roll(tiny["target"], 1, axis=0)}, "target shifted by one trial"),
    ]
    for given, message in broken:
        with pytest.raises(InputError, match=message):
            from_tinyrnn(given, subject=names)
    with pytest.raises(InputError, match="subject names 1 blocks, there are 3"):
        from_tinyrnn(tiny, subject=["a"])


def test_features_that_are_not_there_and_nothing_that_counts() -> None:
    cohort = make("networks")
    with pytest.raises(
        InputError, match="'stat' is no variable of the trials; did you mean 'state'"
    ):
        to_disrnn(cohort, features=["choice", "stat"])
    none = make_cohort(
        {"choice": [[-1]], "reward": [[0]]}, subject=["a"], task="b", source="animal"
    )
    for verb in (to_disrnn, to_tinyrnn):
        with pytest.raises(InputError, match="no session holds a valid trial"):
            verb(none)
