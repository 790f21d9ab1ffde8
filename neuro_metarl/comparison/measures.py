"""Compare cohorts: the same measures, by the same code, on every subject of every source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.behavior.rows import check_cohort, conventions
from neuro_metarl.behavior.two_step import (
    INDICES,
    TERMS,
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.cohort import select_subjects, subjects_of, validate_cohort
from neuro_metarl.comparison.signatures import compare_signatures, signature_table
from neuro_metarl.errors import InputError
from neuro_metarl.paradigms import Paradigm, paradigm_of
from neuro_metarl.progress import progress_bar
from neuro_metarl.stats import mean_interval

__all__ = ["check_comparable", "compare", "from_table", "join_comparisons", "summarize", "to_table"]

MEASURES = ("stay_probability", "lagged_weight", *INDICES, "one_back")
STATISTIC = ["value", "low", "high"]
COLUMNS = ("source", "subject", "measure", "term", "lag", "value", "low", "high", "n")
LEAST_ANIMALS = 2
UNSAID = {"history": "session", "penalty": "firth", "n_lags": 5, "correct": None, "rewarded": 0.0,
          "across_problems": False, "adjacent": False}  # fmt: skip


def compare(
    cohorts: Mapping[str, xr.Dataset],
    *,
    history: Literal["session", "published"] = "session",
    penalty: Literal["firth", "none"] = "firth",
    n_lags: int = 5,
    correct: bool | None = None,
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Measure every subject of every cohort alike.

    Parameters
    ----------
    cohorts
        Source name to cohort, for example ``{"agents": ..., "rats": ...}``; all of one paradigm.
        What follows is of the two-step task; other paradigms are compared by their signatures.
    history
        Convention of the lagged regression, see
        :func:`neuro_metarl.behavior.two_step.lagged_regression`.
    penalty
        ``"firth"`` or ``"none"``, in both regressions.
    n_lags
        Trials back in the lagged regression.
    correct
        Whether the one-back regressions of *all* subjects have the predictor ``correct``. Default:
        they have it if every source knows it of every subject, else none has it; the attribute
        ``correct`` says which.
    rewarded, across_problems, adjacent
        What counts as rewarded, and where history stops, in all measures, see
        :mod:`neuro_metarl.behavior.two_step`.
    n_bootstrap, confidence, seed
        Of the session bootstrap behind each interval.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject, term, predictor, lag, ``statistic`` (value, low, high); coordinate
        ``source(subject)``. Variables ``stay_probability`` (subject, term, statistic),
        ``lagged_weight`` (subject, term, lag, statistic), the four indices (subject,
        statistic), ``one_back`` (subject, predictor, statistic), and the numbers of trials
        behind them: ``n_stay`` (subject, term), ``n_lagged``, ``n_one_back`` (subject). The
        attribute ``problem`` names the subjects whose regressions have no estimate, or only the
        model's own intervals. On other paradigms ``signature`` (subject, measure, statistic), see
        :func:`neuro_metarl.comparison.signatures.compare_signatures`. The attribute ``paradigm``
        names the kind of experiment.

    Raises
    ------
    InputError
        No cohorts under names, cohorts of different paradigms, an option that the paradigm does not
        use, ``correct=True`` where a source lacks it, or animals of which there is only one: the
        subject is the unit of replication.

    References
    ----------
    Miller et al. 2017, doi:10.1038/nn.4613; Akam et al. 2015,
    doi:10.1371/journal.pcbi.1004648.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> result.planning_index.dims
    ('subject', 'statistic')
    """
    _check_sources(cohorts)
    paradigm = _paradigm_of_all(cohorts)
    if not paradigm.name.startswith("two-step"):
        said = {"history": history, "penalty": penalty, "n_lags": n_lags, "correct": correct,
                "rewarded": rewarded, "across_problems": across_problems,
                "adjacent": adjacent}  # fmt: skip
        unused = [name for name, value in said.items() if value != UNSAID[name]]
        if unused:
            raise InputError(
                f"{unused[0]}={said[unused[0]]!r} is of the two-step task; the signatures of a "
                f"{paradigm.name} do not use it"
            )
        found = compare_signatures(cohorts, paradigm.profile, confidence=confidence)
        return found.assign_attrs(paradigm=paradigm.name)
    with_correct = _with_correct(cohorts, correct)
    bootstrap: dict[str, Any] = {"n_bootstrap": n_bootstrap, "confidence": confidence, "seed": seed}
    how: dict[str, Any] = {
        "rewarded": rewarded,
        "across_problems": across_problems,
        "adjacent": adjacent,
    }
    options = bootstrap | how
    work = [(source, name) for source, cohort in cohorts.items() for name in subjects_of(cohort)]
    measured, problems = [], []
    with progress_bar("measuring", len(work), shown=progress) as show:
        for k, (source, name) in enumerate(work):
            one = select_subjects(cohorts[source], name)
            stay = stay_probability(one, **options)
            lagged = lagged_regression(
                one, history=history, penalty=penalty, n_lags=n_lags, **options
            )
            one_back = one_back_regression(one, correct=with_correct, penalty=penalty, **options)
            measured.append(_join(source, stay, lagged, one_back))
            for result in (lagged, one_back):
                if result["problem"].item():
                    what = f"{source}, {name}, {result.attrs['method']}"
                    problems.append(f"{what}: {result['problem'].item()}")
            show(k + 1, f"{source}: {name}")
    joined = join_comparisons(measured)
    joined.attrs = {
        "paradigm": paradigm.name,
        "history": history,
        "penalty": penalty,
        "correct": int(with_correct),
        **conventions(**how),
        **bootstrap,
        "interval": "session bootstrap, per subject",
        "problem": "; ".join(problems),
    }
    return joined


def _check_sources(cohorts: object) -> None:
    """Refuse what is not a mapping of names to cohorts, and say what is right."""
    right = "compare takes cohorts under names, for example compare({'rats': cohort})"
    if isinstance(cohorts, xr.Dataset):
        what = "one cohort" if "choice" in cohorts else "a data set that is no cohort"
        raise InputError(f"{right}; got {what} without a name")
    if not isinstance(cohorts, Mapping):
        raise InputError(f"{right}; got {type(cohorts).__name__}")
    if not cohorts:
        raise InputError("compare needs at least one cohort, for example {'rats': cohort}")
    for source, cohort in cohorts.items():
        if not isinstance(source, str):
            raise InputError(f"{right}; got the name {source!r}, which is no text")
        if not isinstance(cohort, xr.Dataset):
            check_cohort(cohort, f"{source}: compare")


def _paradigm_of_all(cohorts: Mapping[str, xr.Dataset]) -> Paradigm:
    """Find the one paradigm of all sources, each of which can be compared."""
    found = {}
    for source, cohort in cohorts.items():
        check_comparable(source, cohort)
        found[source] = paradigm_of(cohort)
    names = {p.name: source for source, p in found.items()}
    if len(names) > 1:
        (one, first), (other, second) = list(names.items())[:2]
        raise InputError(
            f"{first} is of a {one} and {second} of a {other}; compare sources of one paradigm"
        )
    return next(iter(found.values()))


def _with_correct(cohorts: Mapping[str, xr.Dataset], correct: bool | None) -> bool:
    """Decide, for all subjects of all sources, whether regressions have the predictor correct."""
    if correct not in (None, True, False):
        raise InputError(f"correct is {correct!r}, expected True, False or None")
    lacking = [
        f"{source} ({name!r})"
        for source, cohort in cohorts.items()
        for name in subjects_of(cohort)
        if not _knows_correct(cohort, name)
    ]
    if correct and lacking:
        raise InputError(
            f"correct=True needs 'correct' in all sources; not known in {', '.join(lacking)}: "
            "leave it to the default, which then takes it in none"
        )
    return not lacking if correct is None else bool(correct)


def _knows_correct(cohort: xr.Dataset, subject: str) -> bool:
    if "correct" not in cohort:
        return False
    told = (cohort["correct"] >= 0) & (cohort["valid"] == 1)
    return bool(told.isel(session=cohort["subject"].values == subject).any())


def check_comparable(source: str, cohort: xr.Dataset) -> None:
    """Refuse a cohort that :func:`compare` cannot measure.

    Parameters
    ----------
    source
        What the message calls it.
    cohort
        The cohort.

    Raises
    ------
    InputError
        It is no cohort, is called a two-step task without being one, or holds one animal only.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> check_comparable("synthetic rats", load_dataset("synthetic-rats"))
    """
    try:
        validate_cohort(cohort)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    named = str(cohort.attrs["task"]).startswith("two-step")
    lacking = [name for name in ("state", "common") if name not in cohort]
    if lacking and (named or len(lacking) == 1):
        raise InputError(
            f"{source}: the cohort has no {lacking[0]!r}: task {cohort.attrs['task']!r} cannot be "
            "measured as a two-step task"
        )
    subjects = subjects_of(cohort)
    if cohort.attrs["source"] == "animal" and len(subjects) < LEAST_ANIMALS:
        raise InputError(
            f"{source}: one subject ({subjects[0]!r}); a comparison needs at least "
            f"{LEAST_ANIMALS} animals, because the animal is the unit of replication"
        )


def to_table(comparison: xr.Dataset) -> pd.DataFrame:
    """Lay a comparison out as a tidy table.

    Parameters
    ----------
    comparison
        What :func:`compare` gave.

    Returns
    -------
    pandas.DataFrame
        Columns source, subject, measure, term, lag, value, low, high, n; one row per number.
        Measures: ``stay_probability``, ``lagged_weight``, the four indices and ``one_back``; of
        other paradigms than the two-step task, their signatures.

    Raises
    ------
    InputError
        Something else than a comparison.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> to_table(result).query("measure == 'planning_index'").shape
    (6, 9)
    """
    _check_comparison(comparison, "to_table")
    if "signature" in comparison:
        return signature_table(comparison, COLUMNS)
    parts = []
    for name in MEASURES:
        values = comparison[name].to_dataset("statistic").assign(n=comparison[_count_of(name)])
        if name == "one_back":
            values = values.rename(predictor="term")
        parts.append(values.to_dataframe().reset_index().assign(measure=name))
    table = pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))
    table = table[table["n"].notna()].astype({"lag": "Int64", "n": "Int64"})
    return table.sort_values("source", key=_order(comparison), kind="stable", ignore_index=True)


def from_table(table: pd.DataFrame) -> xr.Dataset:
    """Read a comparison back from its tidy table.

    Parameters
    ----------
    table
        What :func:`to_table` gave, or a CSV of it.

    Returns
    -------
    xarray.Dataset
        As :func:`compare` gives, without attributes.

    Raises
    ------
    InputError
        No table, or columns are missing.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> from_table(to_table(result)).equals(result.drop_attrs())
    True
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"from_table takes the table of to_table, got {type(table).__name__}")
    missing = [c for c in COLUMNS if c not in table]
    if missing:
        raise InputError(f"not a comparison table: column {', '.join(missing)} is missing")
    subjects = list(dict.fromkeys(zip(table["source"], table["subject"], strict=True)))
    index = pd.MultiIndex.from_tuples(subjects)
    variables: dict[str, xr.DataArray] = {}
    for name in MEASURES:
        mine = table[table["measure"] == name]
        row = index.get_indexer(pd.MultiIndex.from_frame(mine[["source", "subject"]]))
        other = {
            "lagged_weight": ("term", "lag"),
            "stay_probability": ("term",),
            "one_back": ("term",),
        }
        axes = [list(dict.fromkeys(mine[dim])) for dim in other.get(name, ())]
        place = tuple(
            pd.Index(labels).get_indexer(mine[dim])
            for dim, labels in zip(other.get(name, ()), axes, strict=True)
        )
        sizes = tuple(len(labels) for labels in axes)
        values = np.full((len(index), *sizes, len(STATISTIC)), np.nan)
        values[(row, *place)] = mine[STATISTIC].to_numpy(float)
        dims = [("predictor" if name == "one_back" else d) for d in other.get(name, ())]
        coords = dict(zip(dims, axes, strict=True)) | {"statistic": STATISTIC}
        variables[name] = xr.DataArray(values, dims=("subject", *dims, "statistic"), coords=coords)
        if name == "stay_probability":
            counts = np.zeros((len(index), *sizes))
            counts[(row, *place)] = mine["n"].to_numpy(float)
            variables["n_stay"] = xr.DataArray(counts, dims=("subject", "term"))
        elif name in ("planning_index", "one_back"):
            counts = np.zeros(len(index))
            counts[row] = mine["n"].to_numpy(float)
            variables[_count_of(name)] = xr.DataArray(counts, dims="subject")
    names = [str(subject) for _, subject in subjects]
    sources = [str(source) for source, _ in subjects]
    return xr.Dataset(variables, coords={"subject": names, "source": ("subject", sources)})


def join_comparisons(comparisons: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put comparisons under one another.

    Parameters
    ----------
    comparisons
        As :func:`compare` or :func:`from_table` gives.

    Returns
    -------
    xarray.Dataset
        All subjects of all; attributes that are equal everywhere are kept. What a subject lacks
        (the predictor ``correct``) is NaN.
    """
    return xr.concat(
        comparisons,
        dim="subject",
        join="outer",
        data_vars="all",
        coords="different",
        compat="equals",
        combine_attrs="drop_conflicts",
    ).reindex(term=list(TERMS), predictor=_predictors(comparisons))


def summarize(comparison: xr.Dataset, *, seed: int = 0) -> pd.DataFrame:
    """Average each measure over the subjects of each source.

    Parameters
    ----------
    comparison
        What :func:`compare` gave.
    seed
        Of the bootstrap over subjects.

    Returns
    -------
    pandas.DataFrame
        Columns source, measure, term, mean, low, high, sd, n_subjects; the interval is a
        bootstrap over subjects, and of a probability it stays within 0 and 1.

    Raises
    ------
    InputError
        Something else than a comparison.
    """
    _check_comparison(comparison, "summarize")
    table = to_table(comparison)
    shown = ["stay_probability", *INDICES]
    kept = table if "signature" in comparison else table[table["measure"].isin(shown)]
    rows = []
    for (source, measure, term), group in kept.groupby(
        ["source", "measure", "term"], sort=False, dropna=False
    ):
        values = group["value"].dropna().to_numpy(float)
        bounds = (0.0, 1.0) if measure == "stay_probability" else (-np.inf, np.inf)
        low, high = mean_interval(values, seed=seed, bounds=bounds)
        spread = values.std(ddof=1) if len(values) > 1 else np.nan
        mean = values.mean() if len(values) else np.nan
        rows.append((source, measure, term, mean, low, high, spread, len(values)))
    names = ["source", "measure", "term", "mean", "low", "high", "sd", "n_subjects"]
    return pd.DataFrame(rows, columns=names)


def _check_comparison(comparison: object, verb: str) -> None:
    """Refuse what compare did not give, and say what is right."""
    if isinstance(comparison, xr.Dataset):
        needed = ("signature",) if "signature" in comparison else MEASURES
        missing = [name for name in (*needed, "source") if name not in comparison]
        if not missing:
            return
        what = "a cohort" if "choice" in comparison else f"a data set without {missing[0]!r}"
    else:
        what = type(comparison).__name__
    raise InputError(f"{verb} takes what compare gives, got {what}: {verb}(compare({{...}}))")


def _join(source: str, stay: xr.Dataset, lagged: xr.Dataset, one_back: xr.Dataset) -> xr.Dataset:
    merged = xr.merge(
        [
            stay.rename(n="n_stay"),
            lagged[["lagged_weight", *INDICES, "n"]].rename(n="n_lagged"),
            one_back[["one_back", "n"]].rename(n="n_one_back", term="predictor"),
        ],
        combine_attrs="drop",
        join="exact",
        compat="no_conflicts",
    )
    counts = {name: merged[name].astype(float) for name in ("n_stay", "n_lagged", "n_one_back")}
    return merged.assign(counts).assign_coords(source=("subject", [source]))


def _count_of(measure: str) -> str:
    return {"stay_probability": "n_stay", "one_back": "n_one_back"}.get(measure, "n_lagged")


def _predictors(comparisons: Sequence[xr.Dataset]) -> list[str]:
    longest = max(comparisons, key=lambda c: c.sizes["predictor"])
    return [str(name) for name in longest["predictor"].values]


def _order(comparison: xr.Dataset) -> Callable[[pd.Series], pd.Series]:
    sources = list(dict.fromkeys(comparison["source"].values.tolist()))
    return lambda column: column.map(sources.index)
