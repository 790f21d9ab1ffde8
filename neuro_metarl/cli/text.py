"""What the subcommands share: reading options, loading data, writing and saying results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from neuro_metarl.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Several", "check_writable", "code_maps", "load", "pairs", "say", "write"]

Several = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


def say(text: str) -> None:
    """Print."""
    print(text)  # noqa: T201


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Read name=value."""
    found = {}
    for item in given or []:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise InputError(f"{option} {item}: expected name=value, for example p_common=.7")
        found[name.strip()] = value.strip()
    return found


def code_maps(given: list[str] | None) -> dict[str, dict[str, int]]:
    """Read column:theirs=ours."""
    maps: dict[str, dict[str, int]] = {}
    for key, value in pairs(given, "--codes").items():
        column, colon, theirs = key.partition(":")
        if not colon or not value.lstrip("-").isdigit():
            raise InputError(f"--codes {key}={value}: expected column:theirs=ours, like choice:2=1")
        maps.setdefault(column, {})[theirs] = int(value)
    return maps


def load(
    data: str | None,
    columns: list[str] | None,
    codes: list[str] | None,
    task: str = "two-step-miller",
) -> xr.Dataset:
    """Load a file or a data set by name; default the synthetic rats."""
    from neuro_metarl.datasets import list_datasets, load_dataset
    from neuro_metarl.errors import did_you_mean
    from neuro_metarl.io import read

    maps = pairs(columns, "--columns"), code_maps(codes)
    if data is None or data.partition("/")[0] in list_datasets():
        if any(maps):
            raise InputError("--columns and --codes are for a table; name the file")
        return load_dataset(data or "synthetic-rats")
    if not Path(data).exists() and not Path(data).suffix:
        raise InputError(
            f"no data {data!r}: neither a file nor a data set; "
            + did_you_mean(data, list_datasets())
        )
    return read(data, columns=maps[0], codes=maps[1], task=task)


def check_writable(out: Path) -> None:
    """Refuse a file that could not be written, before the work is done."""
    from neuro_metarl.files import writable_directory

    if not out.parent.is_dir():
        raise InputError(f"cannot write {out}: there is no directory {out.parent}")
    writable_directory(out.parent)


def write(cohort: xr.Dataset, out: Path) -> None:
    """Write a cohort as its ending says."""
    from neuro_metarl.io import write_table
    from neuro_metarl.storage import save_cohort

    if out.suffix.lower() == ".nc":
        save_cohort(cohort, out)
    else:
        write_table(cohort, out)
