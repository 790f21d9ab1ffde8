"""One comparison under every convention that a lab might have chosen.

References
----------
Steegen et al. 2016, doi:10.1177/1745691616658637.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.comparison.effects import effect_size
from neuro_metarl.comparison.measures import compare
from neuro_metarl.errors import InputError
from neuro_metarl.measures.measure import Measure
from neuro_metarl.progress import progress_bar

__all__ = ["multiverse"]

NUMBERS = ("mean_first", "mean_second", "difference", "low", "high", "p", "g")
ALPHA = 0.05


def multiverse(
    cohorts: Mapping[str, xr.Dataset],
    measure: str | Measure,
    conventions: Mapping[str, Sequence[Any]],
    *,
    progress: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Compare two sources on one measure, under every combination of conventions.

    Parameters
    ----------
    cohorts
        Two sources, each with two subjects or more: agents and animals, or two groups of animals.
    measure
        A name of the paradigm's own measures, or an object; one number a subject.
    conventions
        Option of the measure to the values that are tried: ``{"history": ["session",
        "published"], "penalty": ["firth", "none"], "adjacent": [False, True]}``.
    progress
        Show progress on standard error.
    **options
        Options that are the same in all.

    Returns
    -------
    xarray.Dataset
        Dims combination, with a coordinate (text) for each convention: ``mean_first`` and
        ``mean_second``, ``difference`` (first - second) with ``low`` and ``high`` of its 95 %
        interval, ``p`` (Welch over subjects, not corrected), ``g`` (difference in SDs of the
        second source) and ``problem``, why there are no numbers: a combination that the measure
        refuses is told, not left out. Attributes ``share_below_05``, ``share_same_sign`` (as the
        median difference has), ``smallest`` and ``largest`` difference.

    Raises
    ------
    InputError
        Not two sources, no conventions, an option that the measure does not take, or every
        combination refused.

    Notes
    -----
    The combinations are no independent tests: their number does not matter, only whether what is
    concluded hangs on one of them.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, select_subjects
    >>> rats = load_dataset("synthetic-rats")
    >>> two = {k: select_subjects(rats, [f"synthetic-{i}" for i in v])
    ...        for k, v in {"a": (1, 2, 3), "b": (4, 5, 6)}.items()}
    >>> table = multiverse(two, "planning_index", {"n_lags": [3, 5], "adjacent": [False, True]})
    >>> table.sizes["combination"], table.n_lags.values.tolist()
    (4, ['3', '3', '5', '5'])
    """
    if len(cohorts) != 2:
        raise InputError(f"{len(cohorts)} sources; a multiverse compares two")
    if not conventions or not all(len(values) for values in conventions.values()):
        raise InputError("conventions name no choices; for example {'penalty': ['firth', 'none']}")
    tried = list(product(*conventions.values()))
    numbers, problems = np.full((len(tried), len(NUMBERS)), np.nan), [""] * len(tried)
    with progress_bar("comparing", len(tried), shown=progress) as show:
        for k, values in enumerate(tried):
            given = options | dict(zip(conventions, values, strict=True))
            try:
                numbers[k] = _compared(cohorts, measure, given)
            except InputError as error:
                problems[k] = str(error)
            show(k + 1, ", ".join(map(str, values)))
    if all(problems):
        raise InputError(problems[0])
    coords = {
        name: ("combination", [str(v[i]) for v in tried]) for i, name in enumerate(conventions)
    }
    found = {name: ("combination", numbers[:, i]) for i, name in enumerate(NUMBERS)}
    table = xr.Dataset(found | {"problem": ("combination", problems)}, coords=coords)
    first, second = cohorts
    return table.assign_attrs(
        _summary(table),
        first=first,
        second=second,
        measure=measure if isinstance(measure, str) else measure.name,
        test="Welch over subjects, two-sided, not corrected",
    )


def _compared(
    cohorts: Mapping[str, xr.Dataset], measure: str | Measure, given: Mapping[str, Any]
) -> list[float]:
    from scipy.stats import ttest_ind

    result = compare(cohorts, measures=[measure], **given)
    values = result[measure if isinstance(measure, str) else measure.name]
    if set(values.dims) != {"subject", "statistic"}:
        raise InputError(f"measure {values.name!r} has several numbers a subject; take one")
    groups = []
    for source in cohorts:
        mine = values.isel(subject=(result["source"] == source).values).sel(statistic="value")
        groups.append(mine.values[np.isfinite(mine.values)])
        if len(groups[-1]) < 2:
            raise InputError(f"{source}: {len(groups[-1])} subject with a number; two are needed")
    first, second = groups
    test = ttest_ind(first, second, equal_var=False)
    ends = test.confidence_interval()
    return [
        first.mean(), second.mean(), first.mean() - second.mean(), ends.low, ends.high,
        test.pvalue, effect_size(first, second)[0],
    ]  # fmt: skip


def _summary(table: xr.Dataset) -> dict[str, float]:
    known = table["difference"].values[np.isfinite(table["difference"].values)]
    p = table["p"].values[np.isfinite(table["p"].values)]
    return {
        "share_below_05": float((p < ALPHA).mean()),
        "share_same_sign": float((np.sign(known) == np.sign(np.median(known))).mean()),
        "smallest": float(known.min()),
        "largest": float(known.max()),
    }
