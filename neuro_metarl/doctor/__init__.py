"""What a cohort, a checkpoint or a table is, whether it is whole, and what in it looks wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from neuro_metarl.doctor.agents import examine_agents, examine_recording
from neuro_metarl.doctor.findings import Diagnosis, Finding
from neuro_metarl.doctor.trials import examine_trials
from neuro_metarl.errors import InputError

__all__ = ["Diagnosis", "Finding", "examine", "examine_agents", "examine_recording",
           "examine_trials"]  # fmt: skip

CARDS = ("agents.json", "agents.safetensors")
COHORTS = {".nc": "a cohort in netCDF", ".zarr": "a cohort in Zarr"}
# in the files, as the room that writes them calls them
CHECKSUM, LISTING = "neuro_metarl_checksum", "neuro_metarl_variables"
EARLIER = "it could be read; an earlier version wrote it, without checksums"


def examine(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[str, float]] | None = None,
    task: str | None = None,
    seed: int = 0,
    **how: Any,
) -> Diagnosis:
    """Say what a file is, whether it is whole, and what in it looks wrong.

    Parameters
    ----------
    path
        A cohort (``.nc``, ``.zarr``), a checkpoint folder or a zoo name, or anything that
        :func:`neuro_metarl.io.read` reads.
    columns, codes, task
        Of a table, see :func:`neuro_metarl.io.read`.
    seed
        Of the sessions that the networks of a checkpoint play.
    **how
        Further arguments of :func:`neuro_metarl.io.read`, such as ``sheet``.

    Returns
    -------
    Diagnosis
        Its findings are those of :func:`examine_trials`; of :func:`examine_recording`, too, where
        networks were recorded; of :func:`examine_agents` for a checkpoint.

    Raises
    ------
    InputError
        There is no such file, or it cannot be read: it is damaged, or columns must be declared.

    Examples
    --------
    >>> import tempfile
    >>> from neuro_metarl.cohort import make_cohort
    >>> from neuro_metarl.storage import save_cohort
    >>> cohort = make_cohort({"choice": [[0, 1] * 20], "reward": [[1, 0] * 20]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> found = examine(save_cohort(cohort, tempfile.mkdtemp() + "/cohort.nc"))
    >>> found.what, found.whole
    ('a cohort in netCDF', 'checksums of all variables agree')
    """
    place = Path(path)
    given = {"columns": columns, "codes": codes, "task": task, **how}
    declared = {name: value for name, value in given.items() if value}
    if any((place / name).exists() for name in CARDS) or not place.exists():
        if not place.exists() and place.suffix:
            raise InputError(f"{place}: there is no such file")
        _refuse(place, declared, "a checkpoint")
        return _of_checkpoint(path, seed)
    if place.suffix.lower() in COHORTS:
        _refuse(place, declared, "a cohort")
        return _of_cohort(place)
    from neuro_metarl.io.reading import read

    cohort = read(place, **declared)
    whole = "it could be read; files of this kind carry no checksum"
    return Diagnosis(str(path), "a table or recording", whole, _findings(cohort), _sizes(cohort))


def _refuse(place: Path, declared: Mapping[str, Any], what: str) -> None:
    if declared:
        raise InputError(
            f"{place}: is {what}, which says itself what it holds; leave out {', '.join(declared)}"
        )


def _of_cohort(place: Path) -> Diagnosis:
    from neuro_metarl.storage import open_cohort

    cohort = open_cohort(place)
    kind = place.suffix.lower()
    if kind == ".nc":
        with h5py.File(place) as file:
            known = CHECKSUM in file.attrs
        agree = "checksums of all variables agree"
    else:
        said = place / "zarr.json"
        listed = json.loads(said.read_bytes())["attributes"] if said.exists() else {}
        known = LISTING in listed
        agree = "all variables and chunks are there, and their checksums agree"
    whole = agree if known else EARLIER
    return Diagnosis(str(place), COHORTS[kind], whole, _findings(cohort), _sizes(cohort))


def _findings(cohort: xr.Dataset) -> list[Finding]:
    found = examine_trials(cohort)
    if cohort.attrs["source"] == "agent" and ("value" in cohort or "activity" in cohort):
        found += examine_recording(cohort)
    return found


def _sizes(cohort: xr.Dataset) -> dict[str, Any]:
    sizes = {str(dim): int(n) for dim, n in cohort.sizes.items() if dim in ("session", "unit")}
    return {
        "task": str(cohort.attrs["task"]),
        "source": str(cohort.attrs["source"]),
        "subjects": len(set(cohort["subject"].values.tolist())),
        "sessions": sizes["session"],
        "trials that count": int((cohort["valid"] == 1).sum()),
        **({"units": sizes["unit"]} if "unit" in sizes else {}),
        "variables": ", ".join(str(name) for name in cohort.data_vars),
    }


def _of_checkpoint(path: str | os.PathLike[str], seed: int) -> Diagnosis:
    from neuro_metarl.agents.zoo import load_agents

    agents = load_agents(path)
    card = Path(path) / CARDS[0]
    whole = "the checksum of weights and card agrees"
    if card.is_file() and "sha256" not in json.loads(card.read_bytes()):
        whole = "it could be read; its card has no checksum and is taken at its word"
    sizes = {
        "networks": len(agents),
        "names": ", ".join(agents.names[:4]) + ", ..." * (len(agents) > 4),
        "trained on": agents.task.name,
        "core": agents.recipe.core,
        "units": agents.recipe.n_units,
        "made by": agents.created_by,
    }
    found = examine_agents(agents, seed=seed)
    return Diagnosis(str(path), "a checkpoint of trained networks", whole, found, sizes)
