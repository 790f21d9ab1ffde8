"""What the subcommands share: reading options, loading data, writing and saying results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from neuro_metarl.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Several", "binary_rewards", "check_writable", "code_maps", "load", "pairs", "say",
           "unsaid", "write"]  # fmt: skip

Several = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


def say(text: str) -> None:
    """Print."""
    print(text)  # noqa: T201


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Read name=value."""
    found: dict[str, str] = {}
    for item in given or []:
        name, equals, value = item.rpartition("=") if option == "--codes" else item.partition("=")
        if not (name and equals and value):
            raise InputError(f"{option} {item}: expected name=value, for example p_common=.7")
        name, value = name.strip(), value.strip()
        if name in found:
            raise InputError(
                f"{option}: {name} is given twice, as {found[name]} and as {value}; give it once"
            )
        found[name] = value
    return found


def code_maps(given: list[str] | None) -> dict[str, dict[str, float]]:
    """Read column:theirs=ours."""
    maps: dict[str, dict[str, float]] = {}
    for key, value in pairs(given, "--codes").items():
        column, colon, theirs = key.partition(":")
        try:
            ours = float(value)
        except ValueError:
            ours = float("nan")
        if not colon or ours != ours:
            raise InputError(f"--codes {key}={value}: expected column:theirs=ours, like choice:2=1")
        maps.setdefault(column, {})[theirs] = ours
    return maps


def load(
    data: str | None,
    columns: list[str] | None,
    codes: list[str] | None,
    task: str = "two-step-miller",
    *,
    sheet: str | None = None,
    rewards: tuple[float, ...] | None = None,
) -> xr.Dataset:
    """Load a file or a data set by name; default the synthetic rats.

    ``rewards``: values that the rewards of a table may have, see ``read_table``.
    """
    from neuro_metarl.datasets.loading import load_dataset
    from neuro_metarl.datasets.registry import list_datasets
    from neuro_metarl.errors import did_you_mean
    from neuro_metarl.io.reading import read

    maps = pairs(columns, "--columns"), code_maps(codes)
    if data is None or data.partition("/")[0] in list_datasets():
        if any(maps) or sheet:
            raise InputError("--columns, --codes and --sheet are for a table; name the file")
        return load_dataset(data or "synthetic-rats")
    if not Path(data).exists() and not Path(data).suffix:
        raise InputError(
            f"no data {data!r}: neither a file nor a data set; "
            + did_you_mean(data, list_datasets())
        )
    how: dict[str, Any] = {"sheet": sheet} if sheet else {}
    cohort = read(data, columns=maps[0], codes=maps[1], task=task, rewards=rewards, **how)
    for sentence in unsaid(cohort):
        print(f"note: {sentence}", file=sys.stderr)  # noqa: T201
    return cohort


def binary_rewards(models: list[str]) -> tuple[float, ...] | None:
    """Say which rewards models take: 0 and 1 where one of them knows no others, or any."""
    from neuro_metarl.models.model import find_model

    return (0.0, 1.0) if any(find_model(name).binary for name in models) else None


def unsaid(cohort: xr.Dataset) -> list[str]:
    """Say in sentences what a table did not say and was taken for granted."""
    n = int((cohort["valid"] == 1).sum())
    taken = {
        "forced": "no column says which choices were forced, so all were taken for free ones "
        "(--columns forced=THEIRS)",
        "valid": "no column says which trials were missed or aborted, so all were counted "
        "(--columns valid=THEIRS)",
    }
    absent = [k for k in str(cohort.attrs.get("undeclared", "")).split(", ") if k in taken]
    told = [f"Of these {n} trials {' and '.join(taken[k] for k in absent)}."] if absent else []
    if "common_from" in cohort.attrs:
        told.append(
            "No column says which transitions were common, so the more frequent mapping from "
            "choice to state of each subject was taken for the common one; no reversal of it was "
            "found."
        )
    return told


def check_writable(out: Path, *, overwrite: bool) -> None:
    """Refuse a file that could not be written, before the work is done."""
    from neuro_metarl.files import check_replaceable, writable_directory
    from neuro_metarl.io.tables import foreign_table
    from neuro_metarl.storage import foreign_netcdf

    if not out.parent.is_dir():
        raise InputError(f"cannot write {out}: there is no directory {out.parent}")
    writable_directory(out.parent)
    foreign = foreign_netcdf if out.suffix.lower() == ".nc" else foreign_table
    check_replaceable(out, foreign=foreign, overwrite=overwrite)


def write(cohort: xr.Dataset, out: Path, *, overwrite: bool) -> None:
    """Write a cohort as its ending says."""
    from neuro_metarl.io.tables import write_table
    from neuro_metarl.storage import save_cohort

    if out.suffix.lower() == ".nc":
        save_cohort(cohort, out, overwrite=overwrite)
    else:
        write_table(cohort, out, overwrite=overwrite)
