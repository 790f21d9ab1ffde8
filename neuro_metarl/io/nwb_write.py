"""A cohort as NWB files, one per session, that other labs' tools open and the inspector passes.

What stands where, and how it is said that a network is no animal, is in ``docs/interchange.md``.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path, check_room, foreign_text
from neuro_metarl.io.sessions import LAYOUT, Session, session_spikes, split_sessions

__all__ = ["LATIN", "write_nwb"]

LATIN = {
    "guppy": "Poecilia reticulata",
    "human": "Homo sapiens",
    "monkey": "Macaca mulatta",
    "mouse": "Mus musculus",
    "rat": "Rattus norvegicus",
}
MADE = "http://purl.obolibrary.org/obo/NCBITaxon_32630"
SPECIES = re.compile(r"[A-Z][a-z]* [a-z]+|http://purl\.obolibrary\.org/obo/NCBITaxon_\d+")
ANY_AGE, UNKNOWN_SEX = "P0D/", "U"
NO_ANIMAL = (
    "{what}, not an animal. Sex U and age P0D/ say 'unknown' and 'any'. The species field holds "
    "NCBI Taxonomy 32630, 'synthetic construct', because archives refuse an empty one; no organism "
    "is claimed."
)
WHAT = {"agent": "An artificial recurrent neural network", "model": "A simulated cognitive model"}
MEANING = {
    "choice": "first-step action 0, 1, ...; -1 where there was none",
    "reward": "outcome as delivered",
    "valid": "1 = the trial counts; 0 = violation, miss, dropped",
    "invalid_reason": "0 valid, 1 padding, 2 violation, 3 no response, 4 dropped by the source",
    "forced": "1 = the choice was imposed",
    "state": "second-step state; -1 if none",
    "common": "1 = common transition, 0 = rare, relative to this subject's mapping; -1 if none",
    "choice2": "second-step action; -1 if none",
    "correct": "1 = the better option was chosen, 0 = the worse; -1 undefined",
    "p_reward": "nominal reward probability of option {k}",
    "expected_reward": "expected reward of option {k}",
    "activity": "hidden state of a network, or firing rate or dF/F",
    "cell": "cell state of a network",
    "policy": "probability of each action of a network",
    "value": "value estimate of a network",
    "rpe": "reward-prediction error of a network",
    "inputs": "what a network was given: last action (one-hot), observation, last reward",
}
TIMED_ONLY = "Rows whose event has no time are left out."
NO_ELECTRODES = (
    "There are no electrodes: units are those of an artificial network, or of a virtual recording "
    "of one."
)
TASK_ONLY = "Trials of one session; see the layout in general/notes."


def write_nwb(
    cohort: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    spikes: xr.Dataset | None = None,
    step_s: float = 1.0,
    start: datetime | None = None,
    species: str | None = None,
    experimenter: str | None = None,
    institution: str | None = None,
    lab: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a cohort as NWB files, one per session.

    Parameters
    ----------
    cohort
        A cohort.
    path
        A folder that does not exist yet, or is empty: one file
        ``sub-<subject>_ses-<session>.nwb`` per session. Or, for a cohort of one session, a name
        that ends in ``.nwb``.
    spikes
        Spike times, as :func:`neuro_metarl.neural.virtual.spike_times` gives them, for the table
        ``units``.
    step_s
        Length of a step, s, for subjects whose steps have none (networks, models).
    start
        When the session began, with its time zone. Default: now, and the file says that it is
        the time of writing.
    species
        Latin binomial or link to NCBI Taxonomy. Default for animals: from the coordinate
        ``species``; for networks and models: NCBI Taxonomy 32630, "synthetic construct". ``""``
        leaves it out, which DANDI refuses.
    experimenter, institution, lab
        Who recorded it ("Last, First"); left out by default.
    overwrite
        Replace a single file of this form that is there. Other files are never replaced, and
        folders neither.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of sessions. All of them are written, or none. The table ``trials``
        has one column per variable; what has events (activity, value, policy ...) is a
        ``TimeSeries`` of the module ``behavior`` (networks, models) or ``ecephys`` (animals), with
        one row per trial and event; a ``DynamicTable`` where there are fewer rows than units.
        Names of subjects and sessions stand in the fields made for them without the characters
        that archives refuse, and as they are in the layout.

    Raises
    ------
    InputError
        Not a cohort, several sessions for one file, a folder with something in it, a start without
        a time zone or in the future, or a species in another form.

    References
    ----------
    Rübel et al. 2022, doi:10.7554/eLife.78362.

    Examples
    --------
    >>> import tempfile
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["net/0"], task="bandit", source="agent")
    >>> [file.name for file in write_nwb(cohort, tempfile.mkdtemp() + "/recordings")]
    ['sub-net-0_ses-net-0-0.nwb']
    """
    target = Path(path)
    single = target.suffix.lower() == ".nwb"
    _check(cohort, target, start, species)
    if spikes is not None:
        session_spikes(spikes, cohort, 0)
    about = {"experimenter": experimenter, "institution": institution, "lab": lab}
    sessions = split_sessions(cohort, step_s=step_s)
    with _quietly():
        if single:
            with atomic_path(
                target, foreign=foreign_text(LAYOUT), overwrite=overwrite
            ) as temporary:
                _write(next(sessions), temporary, cohort, spikes, start, species, about)
            return [target]
        names = _names(cohort)
        with atomic_path(target) as temporary:
            temporary.mkdir()
            for name, session in zip(names, sessions, strict=True):
                _write(session, temporary / name, cohort, spikes, start, species, about)
        return [target / name for name in names]


def _check(cohort: xr.Dataset, target: Path, start: datetime | None, species: str | None) -> None:
    one = target.suffix.lower() == ".nwb"
    n_sessions = cohort.sizes.get("session", 0) if isinstance(cohort, xr.Dataset) else 0
    if one and n_sessions > 1:
        raise InputError(
            f"{target}: an NWB file holds one session, the cohort has {n_sessions}; name a folder"
        )
    if one and target.is_dir():
        raise InputError(f"{target}: is a folder; a name that ends in .nwb is for one file")
    if not one and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: holds something already; name a new or empty folder")
    if start is not None and start.tzinfo is None:
        raise InputError(f"start {start} has no time zone, for example datetime(..., tzinfo=UTC)")
    if start is not None and start > datetime.now(UTC):
        raise InputError(f"start {start} is in the future")
    if species and not SPECIES.fullmatch(species):
        raise InputError(
            f"species {species!r}: expected a Latin binomial, 'Mus musculus', or a link, {MADE!r}"
        )


def _names(cohort: xr.Dataset) -> list[str]:
    pairs = zip(cohort["subject"].values, cohort["session_id"].values, strict=True)
    names = [f"sub-{_safe(subject)}_ses-{_safe(session)}" for subject, session in pairs]
    seen: Counter[str] = Counter()
    twice = {n for n, count in Counter(n.lower() for n in names).items() if count > 1}
    for k, name in enumerate(names):
        if name.lower() in twice:
            names[k] = f"{name}-{seen[name.lower()]}"
            seen[name.lower()] += 1
    return [f"{name}.nwb" for name in names]


def _safe(name: str) -> str:
    """Keep what may stand in file names and archives."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", str(name)).strip("-.") or "x"


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence what pynwb's own dependencies warn of; what is ours is raised before."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        yield


def _write(
    session: Session,
    file: Path,
    cohort: xr.Dataset,
    spikes: xr.Dataset | None,
    start: datetime | None,
    species: str | None,
    about: dict[str, str | None],
) -> None:
    from pynwb import NWBHDF5IO

    nwb = _file(session, cohort, start, about)
    nwb.subject = _subject(session, cohort, species)
    _add_trials(nwb, session)
    _add_series(nwb, session, cohort)
    if spikes is not None:
        _add_units(nwb, session_spikes(spikes, cohort, session.layout["number"]), cohort)
    # HDF5 may end the process where the disk is full, so that room is asked for; a file is smaller
    size = sum(array.nbytes for array in (*session.columns.values(), *session.series.values()))
    check_room(file, 2 * size + (0 if spikes is None else spikes.nbytes) + 1_000_000)
    with NWBHDF5IO(file, "w") as io:
        io.write(nwb)


def _file(
    session: Session, cohort: xr.Dataset, start: datetime | None, about: dict[str, str | None]
) -> Any:
    from pynwb import NWBFile

    source, task = cohort.attrs["source"], cohort.attrs["task"]
    what = WHAT.get(source, "An animal")
    clock = (
        "Steps have no seconds here: times are nominal." if session.nominal else "Times are in s."
    )
    began = "" if start else " The start of the session is not known; the time of writing is given."
    references = str(cohort.attrs.get("references", ""))
    dois = [f"doi:{doi}" for doi in re.findall(r"10\.\d{4,}/[^\s;,]+", references)]
    return NWBFile(
        session_description=f"{what} on the task {task!r}. {clock}{began}",
        identifier=str(uuid4()),
        session_start_time=start or datetime.now(UTC),
        session_id=_safe(session.session_id),
        experiment_description=f"Task {task!r}; subject {session.subject!r}; source {source!r}.",
        experimenter=[about["experimenter"]] if about["experimenter"] else None,
        institution=about["institution"],
        lab=about["lab"],
        keywords=[task, source, "neuro_metarl"],
        related_publications=dois or None,
        notes=json.dumps({LAYOUT: session.layout}),
        source_script=str(cohort.attrs.get("created_by", "neuro_metarl")),
        source_script_file_name="neuro_metarl",
        was_generated_by=[["neuro_metarl", version("neuro_metarl")]],
    )


def _subject(session: Session, cohort: xr.Dataset, species: str | None) -> Any:
    from pynwb.file import Subject

    source = cohort.attrs["source"]
    if source == "animal":
        labels = session.layout["variables"].get("species", {})
        name = str(labels.get("values", ""))
        latin = LATIN.get(name, name if SPECIES.fullmatch(name) else None)
        description = f"Species {name or 'not said'}; sex and age are not known here."
    else:
        latin, description = MADE, NO_ANIMAL.format(what=WHAT[source])
    chosen = latin if species is None else species or None
    return Subject(
        subject_id=_safe(session.subject),
        description=description,
        species=chosen,
        sex=UNKNOWN_SEX,
        age=ANY_AGE,
    )


def _add_trials(nwb: Any, session: Session) -> None:
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    clock = "nominal steps" if session.nominal else "s since the clock of the session began"
    columns = [
        VectorData(name="start_time", description=f"beginning of the trial, {clock}",
                   data=session.start),
        VectorData(name="stop_time", description=f"end of the trial, {clock}", data=session.stop),
    ]  # fmt: skip
    for name, values in session.columns.items():
        columns.append(VectorData(name=name, description=_meaning(name), data=_stored(values)))
    nwb.trials = TimeIntervals(name="trials", description=TASK_ONLY, columns=columns)


def _stored(values: np.ndarray) -> Any:
    return values.astype(str).tolist() if values.dtype.kind in "UO" else values


def _meaning(name: str) -> str:
    if name.startswith("t_"):
        return f"time of {name[2:]}, s; NaN where there was none"
    base, _, k = name.rpartition("_")
    if base in MEANING and k.isdigit():
        return MEANING[base].format(k=k)
    return MEANING.get(name, f"{name} of each trial")


def _add_series(nwb: Any, session: Session, cohort: xr.Dataset) -> None:
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb import TimeSeries

    if not session.series or not len(session.times):
        return
    animal = cohort.attrs["source"] == "animal"
    module = nwb.create_processing_module(
        "ecephys" if animal else "behavior", "What each unit did at each event of each trial"
    )
    events = ", ".join(map(str, cohort["event"].values)) if "event" in cohort.coords else ""
    for name, values in session.series.items():
        described = f"{MEANING.get(name, name)}; one row per trial and event" + (
            f" ({events})" if events else ""
        )
        if values.shape[1] > len(values):
            described = described if animal else f"{described}. {NO_ELECTRODES}"
            module.add(_as_table(session, name, values, described))
            continue
        module.add(
            TimeSeries(
                name=name,
                description=described,
                data=H5DataIO(values, compression="gzip", shuffle=True) if values.size else values,
                unit=str(cohort[name].attrs.get("units", "spikes/s or dF/F" if animal else "a.u.")),
                comments=TIMED_ONLY if animal else NO_ELECTRODES,
                **_when(session),
            )
        )


def _add_units(nwb: Any, spikes: dict[str, np.ndarray], cohort: xr.Dataset) -> None:
    nwb.add_unit_column("unit_name", "name of the unit in the cohort")
    areas = cohort["area"].values if "area" in cohort.coords else None
    if areas is not None:
        nwb.add_unit_column("area", "brain area of the unit")
    for k, (name, times) in enumerate(spikes.items()):
        labels = {"unit_name": name} | ({} if areas is None else {"area": str(areas[k])})
        nwb.add_unit(spike_times=times, **labels)


def _as_table(session: Session, name: str, values: np.ndarray, described: str) -> Any:
    """Hold fewer rows than units as a table: as a series they would pass for transposed."""
    from hdmf.common import DynamicTable, VectorData

    columns = [
        VectorData(name="time", description="time of the event, s", data=session.times),
        VectorData(name=name, description=described, data=values),
    ]
    return DynamicTable(name=name, description=described, columns=columns)


def _when(session: Session) -> dict[str, Any]:
    steps = np.diff(session.times)
    if session.nominal and len(steps) and np.allclose(steps, steps[0], rtol=1e-9, atol=0):
        return {"rate": float(1 / steps[0]), "starting_time": float(session.times[0])}
    return {"timestamps": session.times}
