"""Files that Neo reads into a cohort, and a cohort into Neo's own format without loss."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path, check_room, foreign_text
from neuro_metarl.files.damage import check_heaps
from neuro_metarl.io.neo import from_neo, to_neo
from neuro_metarl.io.sessions import LAYOUT

__all__ = ["read_neo", "write_neo"]

NIX = (".nix", ".h5")
# Readers of Neo that only take numbers and text out of a file. Others are left out because they
# execute what they read (PickleIO; ElphyIO calls eval), fetch or load a library of another firm
# (Plexon2IO, MaxwellIO, NeurosharectypesIO, CedIO, StimfitIO, MedIO), end the process on damaged
# files (NeoMatlabIO), make their data up (ExampleIO), or take any table or text for a recording
# (AsciiImageIO, AsciiSignalIO, AsciiSpikeTrainIO, TiffIO).
READERS = frozenset({
    "AlphaOmegaIO", "AxographIO", "AxonaIO", "AxonIO", "BCI2000IO", "BiocamIO", "BlackrockIO",
    "BlkIO", "BrainVisionIO", "BrainwareDamIO", "BrainwareF32IO", "BrainwareSrcIO", "EDFIO",
    "ElanIO", "IgorIO", "IntanIO", "KlustaKwikIO", "KwikIO", "MEArecIO", "MicromedIO", "NestIO",
    "NeuralynxIO", "NeuroExplorerIO", "NeuroNexusIO", "NeuroScopeIO", "NixIO", "OpenEphysIO",
    "OpenEphysBinaryIO", "PhyIO", "PlexonIO", "RawBinarySignalIO", "RawMCSIO", "Spike2IO",
    "SpikeGadgetsIO", "SpikeGLXIO", "TdtIO", "WinEdrIO", "WinWcpIO",
})  # fmt: skip
# HDF5 ends the process where the disk is full, so that room is asked for; a file is smaller
LARGER, PER_SESSION = 4, 500_000


def read_neo(path: str | os.PathLike[str], **how: Any) -> xr.Dataset:
    """Read any file that Neo reads into a cohort.

    Parameters
    ----------
    path
        A NIX file of :func:`write_neo`, which comes back as it was; or a recording in a format
        of Neo (Plexon, Blackrock, Neuralynx, Open Ephys, Spike2, TDT, Intan ...). NWB is read by
        :func:`neuro_metarl.io.nwb.read_nwb`.
    **how
        See :func:`neuro_metarl.io.neo.from_neo`; for a recording, ``columns`` and ``events``.
        ``same_units`` holds for all blocks of the file together.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InputError
        The file is missing, damaged or unknown to Neo, or as in
        :func:`neuro_metarl.io.neo.from_neo`.

    Examples
    --------
    >>> read_neo("nothing.plx")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.plx: there is no such file
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"{file}: there is no such file")
    if file.suffix.lower() == ".nwb":
        raise InputError(f"{file}: Neo loses the trials of NWB files; use read_nwb")
    blocks = _blocks(file)
    if not blocks:
        raise InputError(f"{file}: Neo finds nothing in it")
    try:
        if len(blocks) == 1:
            return from_neo(blocks[0], **_named(blocks[0], file, how))
        _tell_apart(blocks)
        same_units = how.get("same_units")
        alone = {**how, "same_units": None if isinstance(same_units, Mapping) else same_units}
        cohorts = [from_neo(block, **_named(block, file, alone)) for block in blocks]
        return concat_cohorts(cohorts, same_units=same_units)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def write_neo(
    cohort: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    spikes: xr.Dataset | None = None,
    step_s: float = 1.0,
    overwrite: bool = False,
) -> Path:
    """Write a cohort as a NIX file, Neo's own format without loss.

    Parameters
    ----------
    cohort
        A cohort.
    path
        A name that ends in ``.nix``.
    spikes, step_s
        See :func:`neuro_metarl.io.neo.to_neo`.
    overwrite
        Replace a file of this form that is there. Other files are never replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Another ending, a place that cannot be written, something that is there already, or the
        extra ``neuro_metarl[interop]`` is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> path = write_neo(cohort, tempfile.mkdtemp() + "/cohort.nix")
    >>> read_neo(path).identical(cohort)
    True
    """
    file = Path(path)
    if file.suffix.lower() != ".nix":
        raise InputError(f"{file}: write a NIX file to a name that ends in .nix")
    block = to_neo(cohort, spikes=spikes, step_s=step_s)
    with atomic_path(file, foreign=foreign_text(LAYOUT), overwrite=overwrite) as temporary:
        size = cohort.nbytes + (0 if spikes is None else spikes.nbytes)
        check_room(temporary, LARGER * size + PER_SESSION * cohort.sizes["session"])
        nix = _nix(temporary, "ow")
        try:
            nix.write_block(block)
        finally:
            nix.close()
    return file


def _named(block: Any, file: Path, how: dict[str, Any]) -> dict[str, Any]:
    """Name the subject after the file where nothing else names it."""
    named = block.name or block.annotations.get("subject_id")
    return how if named else {"subject": file.stem, **how}


def _tell_apart(blocks: list[Any]) -> None:
    """Put the block before the names of segments that several blocks use."""
    names = [str(s.name or k) for block in blocks for k, s in enumerate(block.segments)]
    called = [str(block.name or "") for block in blocks]
    for number, block in enumerate(blocks):
        own = called[number] and called.count(called[number]) == 1
        for k, segment in enumerate(block.segments):
            name = str(segment.name or k)
            if names.count(name) > 1:
                segment.name = f"{called[number] if own else f'block {number}'}/{name}"


def _blocks(file: Path) -> list[Any]:
    try:
        if file.suffix.lower() in NIX:
            check_heaps(file)
            nix = _nix(file, "ro")
            try:
                return list(nix.read_all_blocks())
            finally:
                nix.close()
        return list(_reader(file).read())
    except InputError:
        raise
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file}: cannot be read by Neo ({detail})") from None


def _reader(file: Path) -> Any:
    """Find the first reader that may be used and that takes the file for its own."""
    import neo

    possible = neo.io.list_candidate_ios(str(file))
    allowed = [kind for kind in possible if kind.__name__ in READERS]
    if possible and not allowed:
        named = ", ".join(dict.fromkeys(kind.__name__ for kind in possible))
        raise InputError(
            f"{file}: is read by {named} of Neo, which could execute what is in the file, load "
            "programs of others or crash, and is not used here; where you trust the file, read it "
            "with Neo and give the block to from_neo"
        )
    for kind in allowed:
        try:
            return kind(str(file))
        except Exception:
            continue
    raise InputError(f"{file}: is no file that Neo can read, in spite of its ending")


def _nix(file: Path, mode: str) -> Any:
    try:
        from neo.io import NixIO

        return NixIO(str(file), mode)
    except (ImportError, AssertionError, ModuleNotFoundError):
        raise InputError(
            f'{file}: NIX files need an extra: pip install "neuro_metarl[interop]"'
        ) from None
