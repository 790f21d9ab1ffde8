"""``neuro-metarl doctor``."""

from __future__ import annotations

from neuro_metarl.cli.text import Several, code_maps, pairs, say

__all__ = ["doctor"]

ILL = 1


def doctor(
    path: str,
    *,
    columns: Several = None,
    codes: Several = None,
    task: str | None = None,
    sheet: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Say what a file is, whether it is whole, and what in it looks wrong.

    Example: neuro-metarl doctor cohort.zarr

    Example: neuro-metarl doctor my-agents

    Example: neuro-metarl doctor rats.csv --columns choice=side1 reward=won

    Each check ends with a word: fine; look (unusual, and right in some experiments); wrong
    (cannot be right); unknown (cannot be checked here). The exit code is 1 if something is wrong,
    and 2 if the file cannot be read.

    Parameters
    ----------
    path
        A cohort (.nc, .zarr), a checkpoint folder or a zoo name, or a table or recording in any
        format that is read. Networks of a checkpoint play, with and without their rewards and
        their memory, and beside networks that learned nothing.
    columns
        Where a table has other names: ours=theirs, for example choice=side1
    codes
        Where a table has other codes: column:theirs=ours, for example choice:2=1
    task
        What the subjects of a table played.
    sheet
        Sheet of a workbook that has several.
    seed
        Of the sessions that networks of a checkpoint play.
    json
        Print everything as JSON.
    """
    from dataclasses import asdict
    from json import dumps

    from neuro_metarl.doctor import examine

    found = examine(
        path,
        columns=pairs(columns, "--columns"),
        codes=code_maps(codes),
        task=task,
        seed=seed,
        **({"sheet": sheet} if sheet else {}),
    )
    if json:
        say(dumps(asdict(found) | {"healthy": found.healthy}, indent=1))
    else:
        say(f"{found.path}: {found.what}")
        for name, value in found.attrs.items():
            say(f"  {name}: {value}")
        say(f"whole    {found.whole}")
        for finding in found.findings:
            say(str(finding))
    if not found.healthy:
        raise SystemExit(ILL)
