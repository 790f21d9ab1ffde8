"""What does not fit into memory is refused before it is made."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from neuro_metarl.agents.players import make_player
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record, record_to_zarr
from neuro_metarl.tasks import make_task

MANY: list[tuple[Any, dict[str, Any]]] = [
    ("two-step/0", {"n_sessions": 10**9}),
    ("two-step", {"n_sessions": 10**9, "activity": False, "task": "two-step"}),
    ("two-step/0", {"n_sessions": 2, "task": make_task("two-step", n_trials=10**9)}),
    (make_player("ucb"), {"n_sessions": 10**9, "task": "bandit-independent"}),
]


@pytest.mark.parametrize(("subjects", "how"), MANY)
def test_recordings_beyond_memory_are_refused_at_once(subjects: Any, how: dict[str, Any]) -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=r"need \d+ GB of memory, more than the \d+ GB") as caught:
        record(subjects, **how)
    assert "record_to_zarr holds some sessions at a time" in str(caught.value)
    assert time.monotonic() - start < 5


def test_a_session_beyond_memory_is_refused_by_a_stream_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 sessions of 1000000000 trials need \d+ GB"):
        record_to_zarr(
            "two-step/0", make_task("two-step", n_trials=10**9), 2, out=tmp_path / "c.zarr"
        )
    assert not list(tmp_path.iterdir())


def test_what_is_left_out_is_not_reckoned() -> None:
    cohort = record("two-step/0", n_sessions=1, units=[0], events=["first_step"])
    assert cohort.activity.shape == (1, 100, 1, 1)
