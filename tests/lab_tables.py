"""Tables of trials with known answers, as a lab would keep them, written through every door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy.io import savemat

ODDS = ("p_reward_0", "p_reward_1")
DOORS = (
    "frame", "csv", "tsv", "semicolon", "xlsx", "parquet", "json", "mat5", "mat73", "nwb", "neo",
)  # fmt: skip


def two_step_table(
    seed: int,
    *,
    n_subjects: int = 2,
    n_sessions: int = 2,
    n_trials: int = 60,
    p_common: float = 0.8,
    block: int | None = None,
) -> pd.DataFrame:
    """Simulate planners whose mapping is congruent in even and incongruent in odd subjects.

    With ``block`` the mapping reverses after so many trials. Columns as ours.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(n_subjects):
        for k in range(n_sessions):
            value, better = np.full(2, 0.5), int(rng.integers(2))
            for t in range(n_trials):
                better = 1 - better if rng.random() < 0.05 else better
                mapping = (s + (t // block if block else 0)) % 2
                odds = np.array([0.8, 0.2] if better == 0 else [0.2, 0.8])
                lead = value[1 - mapping] - value[mapping]
                choice = int(rng.random() < 1 / (1 + np.exp(-4 * lead)))
                common = int(rng.random() < p_common)
                state = (choice ^ mapping) if common else 1 - (choice ^ mapping)
                reward = int(rng.random() < odds[state])
                value[state] += 0.4 * (reward - value[state])
                rows.append((f"r{s}", f"d{k}", t, choice, state, common, reward, *odds))
    names = ["subject", "session", "trial", "choice", "state", "common", "reward", *ODDS]
    return pd.DataFrame(rows, columns=names)


def bandit_table(
    seed: int, *, n_subjects: int = 2, n_sessions: int = 2, n_trials: int = 60
) -> pd.DataFrame:
    """Simulate learners on two arms. Columns as ours."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(n_subjects):
        for k in range(n_sessions):
            value, better = np.full(2, 0.5), int(rng.integers(2))
            for t in range(n_trials):
                better = 1 - better if rng.random() < 0.05 else better
                odds = np.array([0.7, 0.2] if better == 0 else [0.2, 0.7])
                choice = int(rng.random() < 1 / (1 + np.exp(-3 * (value[1] - value[0]))))
                reward = int(rng.random() < odds[choice])
                value[choice] += 0.4 * (reward - value[choice])
                rows.append((f"m{s}", f"d{k}", t, choice, reward, *odds))
    names = ["subject", "session", "trial", "choice", "reward", *ODDS]
    return pd.DataFrame(rows, columns=names)


def put(frame: pd.DataFrame, door: str, folder: Path) -> Any:  # noqa: C901
    """Write a table so that one door can read it; returns what that door takes."""
    path = folder / f"table.{ {'semicolon': 'csv', 'mat5': 'mat', 'mat73': 'mat'}.get(door, door) }"
    if door == "frame":
        return frame
    if door in ("csv", "tsv"):
        frame.to_csv(path, index=False, sep="\t" if door == "tsv" else ",")
    elif door == "semicolon":
        frame.to_csv(path, index=False, sep=";", decimal=",")
    elif door == "xlsx":
        frame.to_excel(path, index=False)
    elif door == "parquet":
        frame.to_parquet(path)
    elif door == "json":
        path.write_text(json.dumps(json.loads(frame.to_json(orient="records"))))
    elif door == "mat5":
        savemat(path, {name: _matlab5(frame[name]) for name in frame})
    elif door == "mat73":
        _put_matlab73(frame, path)
    elif door == "nwb":
        return _put_nwb(frame, folder)
    elif door == "neo":
        return _blocks(frame)
    return path


def _matlab5(column: pd.Series) -> np.ndarray:
    values = column.to_numpy()
    if values.dtype.kind in "biuf":
        return values[:, None]
    cell = np.empty((len(values), 1), dtype=object)
    cell[:, 0] = ["" if v is None or v != v else v for v in values]
    return cell


def _put_matlab73(frame: pd.DataFrame, path: Path) -> None:
    """Write MATLAB's own layout: numbers as rows, text as cell arrays of references to letters."""
    with h5py.File(path, "w", userblock_size=512) as file:
        texts = file.create_group("#refs#")
        for name in frame:
            values = frame[name].to_numpy()
            if values.dtype.kind in "biuf":
                stored = file.create_dataset(name, data=values[None].astype(float))
                stored.attrs["MATLAB_class"] = np.bytes_("double")
                continue
            references = np.empty((1, len(values)), dtype=h5py.ref_dtype)
            for k, value in enumerate(values):
                letters = "" if value is None or value != value else str(value)
                codes = np.array([[ord(c)] for c in letters] or [[0], [0]], dtype="u2")
                one = texts.create_dataset(f"{name}{k}", data=codes)
                one.attrs["MATLAB_class"] = np.bytes_("char")
                if not letters:
                    one.attrs["MATLAB_empty"] = np.uint8(1)
                references[0, k] = one.ref
            cell = file.create_dataset(name, data=references, dtype=h5py.ref_dtype)
            cell.attrs["MATLAB_class"] = np.bytes_("cell")
    with path.open("r+b") as file:
        header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."
        file.write(header.ljust(116) + b" " * 8 + b"\x00\x02IM")


def _sessions(frame: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    keys = list(dict.fromkeys(zip(frame["subject"], frame["session"], strict=True)))
    return [
        (key, frame[(frame["subject"] == key[0]) & (frame["session"] == key[1])]) for key in keys
    ]


def _put_nwb(frame: pd.DataFrame, folder: Path) -> list[Path]:
    files = []
    for number, ((subject, session), rows) in enumerate(_sessions(frame)):
        rows = rows.sort_values("trial") if "trial" in rows else rows
        file = folder / f"{subject}_{session}.nwb"
        with h5py.File(file, "w") as nwb:
            nwb["general/subject/subject_id"] = str(subject)
            nwb["session_start_time"] = f"2024-01-{number + 1:02}T10:00:00+00:00"
            nwb["intervals/trials/start_time"] = np.arange(len(rows), dtype=float)
            nwb["intervals/trials/stop_time"] = np.arange(len(rows), dtype=float) + 0.5
            for name in rows.columns.difference(["subject", "session", "trial"]):
                values = rows[name].to_numpy()
                if values.dtype.kind == "O":
                    values = np.array(["" if v is None or v != v else str(v) for v in values], "S")
                nwb[f"intervals/trials/{name}"] = values
        files.append(file)
    return files


def _blocks(frame: pd.DataFrame) -> list[Any]:
    import neo
    import quantities as pq

    blocks: dict[str, neo.Block] = {}
    for (subject, session), rows in _sessions(frame):
        rows = rows.sort_values("trial") if "trial" in rows else rows
        n = len(rows)
        names = rows.columns.difference(["subject", "session", "trial"])
        annotations = {name: _annotation(rows[name]) for name in names}
        epoch = neo.Epoch(
            np.arange(n) * pq.s,
            np.full(n, 0.5) * pq.s,
            name="trials",
            array_annotations=annotations,
        )
        segment = neo.Segment(name=str(session))
        segment.epochs.append(epoch)
        blocks.setdefault(str(subject), neo.Block(name=str(subject))).segments.append(segment)
    return list(blocks.values())


def _annotation(column: pd.Series) -> np.ndarray:
    values = column.to_numpy()
    if values.dtype.kind in "biuf":
        return values
    return np.array(["" if v is None or v != v else str(v) for v in values])
