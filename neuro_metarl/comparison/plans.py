"""A plan of the analysis, written before the data are seen, and what departs from it after."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from neuro_metarl.comparison.measures import check_options
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path
from neuro_metarl.paradigms.registry import paradigm_named

__all__ = ["analysis_plan", "check_plan", "read_plan", "write_plan"]

SCHEMA = "neuro_metarl.plan/1"
LARGEST = 1_000_000


def analysis_plan(
    paradigm: str,
    *,
    question: str,
    measures: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    n_animals: int | None = None,
    n_sessions: int | None = None,
    confidence: float = 0.95,
    alpha: float = 0.05,
    correction: str = "Holm over measures",
) -> dict[str, Any]:
    """Say what will be measured, and how, before there are data.

    Parameters
    ----------
    paradigm
        Kind of experiment, such as ``"two-step"``.
    question
        In words.
    measures
        Names of the paradigm's measures; default all.
    options
        Of the measures, see :func:`neuro_metarl.compare`; what is not named is planned as it is
        by default, except where the default is decided from the data (``correct``).
    n_animals, n_sessions
        Planned.
    confidence, alpha, correction
        Of intervals and tests.

    Returns
    -------
    dict
        What :func:`write_plan` writes, with a checksum of its content.

    Raises
    ------
    InputError
        Unknown paradigms, measures or options.

    Examples
    --------
    >>> plan = analysis_plan("two-step", question="Do these rats plan?",
    ...                      measures=["planning_index"], options={"penalty": "none"})
    >>> plan["options"]["penalty"], plan["options"]["n_lags"]
    ('none', 5)
    """
    kind = paradigm_named(paradigm)
    known = {measure.name: measure for measure in kind.measures}
    names = list(known) if measures is None else list(measures)
    for name in names:
        if name not in known:
            raise InputError(f"{paradigm} has no measure {name!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in names]
    check_options(chosen, options or {})
    usual = {key: value for measure in chosen for key, value in measure.options.items()}
    settings = usual | dict(options or {})
    decided = {key for measure in chosen if measure.agree for key in measure.agree({}, {})}
    for apart in {"confidence", "seed"} | decided - set(options or {}):
        settings.pop(apart, None)
    plan = {
        "schema": SCHEMA, "question": question, "paradigm": kind.name, "measures": names,
        "options": json.loads(json.dumps(settings, default=str)), "confidence": confidence,
        "alpha": alpha, "correction": correction, "n_animals": n_animals,
        "n_sessions": n_sessions, "version": version("neuro_metarl"),
    }  # fmt: skip
    return plan | {"checksum": _checksum(plan)}


def write_plan(
    plan: Mapping[str, Any], path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a plan as JSON, for a preregistration to cite by its checksum.

    Parameters
    ----------
    plan
        From :func:`analysis_plan`.
    path
        File, ``.json``.
    overwrite
        Replace a plan that is there. What is no plan is never replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        A changed plan, another ending, or a file that is there.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "plan.json"
    >>> plan = analysis_plan("two-step", question="Do these rats plan?")
    >>> read_plan(write_plan(plan, place)) == plan
    True
    """
    final = Path(path)
    if final.suffix != ".json":
        raise InputError(f"{final}: a plan is written to a name that ends in .json")
    _check(plan, str(path))
    with atomic_path(final, foreign=_foreign, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(dict(plan), indent=1) + "\n", encoding="utf-8")
    return final


def read_plan(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a plan, and refuse one that was changed after it was made.

    Parameters
    ----------
    path
        From :func:`write_plan`.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        No such file, no plan, or one whose content does not have its checksum.

    Examples
    --------
    >>> read_plan("nothing.json")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.json: there is no such file
    """
    place = Path(path)
    if not place.is_file():
        raise InputError(f"{place}: there is no such file")
    if reason := _foreign(place):
        raise InputError(f"{place} {reason}")
    plan: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    _check(plan, str(place))
    return plan


def check_plan(
    plan: Mapping[str, Any] | str | os.PathLike[str], result: xr.Dataset | xr.DataTree
) -> list[str]:
    """Say by what an analysis departs from its plan.

    Parameters
    ----------
    plan
        From :func:`analysis_plan`, or its file.
    result
        From :func:`neuro_metarl.compare`, or from :func:`neuro_metarl.assess`, whose signatures
        have no options: its kind of experiment and number of animals are checked.

    Returns
    -------
    list of str
        A sentence for each departure; empty where there is none.

    Raises
    ------
    InputError
        See :func:`read_plan`; or a result of something else.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> plan = analysis_plan("two-step", question="Do these rats plan?", n_animals=6)
    >>> rats = {"rats": load_dataset("synthetic-rats")}
    >>> check_plan(plan, compare(rats))
    []
    >>> check_plan(plan, compare(rats, penalty="none"))
    ["penalty was planned as 'firth' and is 'none'."]
    """
    planned = read_plan(plan) if isinstance(plan, str | os.PathLike) else dict(plan)
    _check(planned, "the plan")
    attrs = getattr(result, "attrs", {})
    if "paradigm" not in attrs:
        raise InputError("check_plan takes what compare or assess gives")
    told = _departures({"kind of experiment": planned["paradigm"]},
                       {"kind of experiment": attrs["paradigm"]})  # fmt: skip
    if isinstance(result, xr.DataTree):
        n = len(str(attrs["animals"]).split(", "))
        return told + _number(planned, n)
    told += _departures({"confidence": planned["confidence"]}, {"confidence": attrs["confidence"]})
    done = attrs["measures"].split(", ")
    for name in planned["measures"]:
        if name not in done:
            told.append(f"{name} was planned and is not measured.")
    for name in done:
        if name not in planned["measures"]:
            told.append(f"{name} is measured and was not planned.")
    told += _departures(planned["options"], json.loads(attrs["options"]))
    sources = result["source"].to_series().value_counts()
    return told + (_number(planned, int(sources.max())) if len(sources) == 1 else [])


def _number(planned: Mapping[str, Any], n: int) -> list[str]:
    if planned["n_animals"] in (None, n):
        return []
    return [f"{planned['n_animals']} animals were planned and there are {n}."]


def _departures(planned: Mapping[str, Any], done: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} was planned as {value!r} and is {done[name]!r}."
        for name, value in planned.items()
        if name in done and done[name] != value
    ]


def _checksum(plan: Mapping[str, Any]) -> str:
    content = {key: value for key, value in plan.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _check(plan: Mapping[str, Any], place: str) -> None:
    needed = {"paradigm", "measures", "options", "confidence", "n_animals", "checksum"}
    lacking = sorted(needed - set(plan))
    if lacking:
        raise InputError(f"{place} is no whole plan: it has no {lacking[0]!r}")
    if plan["checksum"] != _checksum(plan):
        raise InputError(
            f"{place} was changed after it was made: its content does not have its checksum; make "
            "a new plan"
        )


def _foreign(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            return "is no plan of neuro_metarl"
        schema = json.loads(path.read_text(encoding="utf-8")).get("schema", "")
    except (OSError, ValueError, AttributeError, RecursionError):
        return "is no plan of neuro_metarl"
    return "" if schema == SCHEMA else "is no plan of neuro_metarl"
