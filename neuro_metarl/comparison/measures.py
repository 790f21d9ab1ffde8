"""Compare cohorts: the same measures, by the same code, on every subject of every source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import xarray as xr

from neuro_metarl.behavior.rows import check_cohort
from neuro_metarl.cohort import select_subjects, subjects_of, validate_cohort
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.intervals import few_sessions
from neuro_metarl.measures.measure import Measure, measures_in
from neuro_metarl.paradigms.paradigm import Paradigm
from neuro_metarl.paradigms.registry import known_paradigms, paradigm_of
from neuro_metarl.progress import progress_bar

__all__ = ["check_comparable", "check_options", "compare", "join_comparisons"]

LEAST_ANIMALS = 2


def compare(
    cohorts: Mapping[str, xr.Dataset],
    *,
    measures: Sequence[Measure | str] | None = None,
    paradigm: Paradigm | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Measure every subject of every cohort alike.

    Parameters
    ----------
    cohorts
        Source name to cohort, for example ``{"agents": ..., "rats": ...}``; all of one paradigm.
    measures
        What is measured: objects, also of one's own (:class:`neuro_metarl.measures.Measure`), or
        names of the paradigm's own. Default: all of the paradigm's own; ``paradigm_of(cohort)``
        has them as ``measures``.
    paradigm
        Kind of experiment; default: the one that holds the cohorts.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.
    seed
        Of measures that draw.
    progress
        Show progress on standard error.
    **options
        Of the measures' functions. On two-step tasks ``history``, ``penalty`` and ``n_lags`` (see
        :func:`neuro_metarl.behavior.two_step.lagged_regression`), ``correct`` (whether the one-back
        regressions of *all* subjects have that predictor; default: if every source knows it of
        every subject) and, as on bandits, ``rewarded``, ``across_problems`` and ``adjacent`` (what
        counts as rewarded, and where history stops, see :mod:`neuro_metarl.behavior.two_step`). An
        option that no measure takes is refused.

    Returns
    -------
    xarray.Dataset
        One variable per measure, dims (subject, dims of the measure, ``statistic``: value, low,
        high), and the numbers of trials behind them, which the attribute ``count`` of the variable
        names; coordinate ``source(subject)``. On two-step tasks ``stay_probability`` (subject,
        term, statistic), ``lagged_weight`` (subject, term, lag, statistic), the four indices
        (subject, statistic) and ``one_back`` (subject, predictor, statistic), with ``n_stay``
        (subject, term), ``n_lagged`` and ``n_one_back`` (subject); on other paradigms each
        signature (subject, statistic), with ``n_signature``. The attributes are the same for every
        paradigm: ``paradigm``, ``measures``, ``options`` (JSON), ``confidence``, ``seed``,
        ``interval`` and ``problem``, which names the subjects whose regressions have no estimate,
        or only the model's own intervals, or that have too few sessions for an interval.

    Raises
    ------
    InputError
        No cohorts under names, cohorts of different paradigms, an option that no measure takes,
        ``correct=True`` where a source lacks it, a measure whose function does not give what it
        declares, or animals of which there is only one: the subject is the unit of replication.

    References
    ----------
    Miller et al. 2017, doi:10.1038/nn.4613; Akam et al. 2015,
    doi:10.1371/journal.pcbi.1004648.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> result.planning_index.dims
    ('subject', 'statistic')
    """
    _check_sources(cohorts)
    for source, cohort in cohorts.items():
        check_comparable(source, cohort, paradigm)
    kind = paradigm or _paradigm_of_all(cohorts, measures)
    first = next(iter(cohorts.values()))
    chosen = _choose(measures, kind, select_subjects(first, subjects_of(first)[0]))
    check_options(chosen, options)
    given = {"confidence": confidence, "seed": seed} | options
    for agree in dict.fromkeys(m.agree for m in chosen if m.agree):
        given |= agree(cohorts, options)
    work = [(source, name) for source, cohort in cohorts.items() for name in subjects_of(cohort)]
    parts, intervals, problems = [], [], []
    with progress_bar("measuring", len(work), shown=progress) as show:
        for k, (source, name) in enumerate(work):
            one = select_subjects(cohorts[source], name)
            arrays: dict[str, xr.DataArray] = {}
            if too_few := few_sessions(one.sizes["session"]):
                problems.append(f"{source}, {name}: {too_few}")
            for result, group in _measured(one, chosen, given):
                for measure in group:
                    arrays |= measure.read(result, one)
                said = getattr(result, "attrs", {})
                intervals.append(str(said.get("interval", "")))
                if isinstance(result, xr.Dataset) and "problem" in result:
                    what = f"{source}, {name}, {said.get('method', group[0].label)}"
                    told = str(result["problem"].item())
                    problems += [f"{what}: {told}"] * bool(told)
            parts.append(_joined(arrays, chosen).assign_coords(source=("subject", [source])))
            show(k + 1, f"{source}: {name}")
    joined = join_comparisons(parts)
    for measure in chosen:
        joined[measure.name].attrs = measure.attrs
    joined.attrs = {
        "paradigm": "" if kind is None else kind.name,
        "measures": ", ".join(m.name for m in chosen),
        "options": json.dumps(_options_of(chosen, given), default=str),
        "confidence": confidence,
        "seed": seed,
        "interval": "; ".join(dict.fromkeys(filter(None, intervals))),
        "problem": "; ".join(problems),
    }
    return joined


def check_options(measures: Sequence[Measure], options: Iterable[str]) -> None:
    """Refuse an option that none of the measures takes.

    Parameters
    ----------
    measures
        What is measured.
    options
        Names.

    Raises
    ------
    InputError
        One is unknown to all; the message names what they take.

    Examples
    --------
    >>> from neuro_metarl.paradigms import TWO_STEP
    >>> check_options(TWO_STEP.measures, ["history"])
    """
    taken = sorted({name for measure in measures for name in measure.options})
    for name in options:
        if name not in taken:
            raise InputError(
                f"{name} is an option of none of the measures "
                f"{', '.join(measure.name for measure in measures)}; "
                + (did_you_mean(name, taken) if taken else "they take no options")
            )


def _measured(
    cohort: xr.Dataset, measures: Sequence[Measure], given: Mapping[str, Any]
) -> Iterable[tuple[Any, list[Measure]]]:
    """Call each function once, for all measures that are read off its result."""
    groups: dict[Callable[..., Any], list[Measure]] = {}
    for measure in measures:
        groups.setdefault(measure.of, []).append(measure)
    for of, group in groups.items():
        taken = group[0].options
        yield of(cohort, **{name: v for name, v in given.items() if name in taken}), group


def _options_of(measures: Sequence[Measure], given: Mapping[str, Any]) -> dict[str, Any]:
    """Say what the measures' functions were given, or took by default."""
    usual = {name: value for measure in measures for name, value in measure.options.items()}
    apart = ("confidence", "seed")
    return {name: given.get(name, usual[name]) for name in usual if name not in apart}


def _joined(arrays: Mapping[str, xr.DataArray], measures: Sequence[Measure]) -> xr.Dataset:
    """Put the measures of a subject into one data set; a dim has one set of labels."""
    labels: dict[str, tuple[str, list[Any]]] = {}
    for measure in measures:
        for dim in measure.dims:
            mine = arrays[measure.name][dim].values.tolist()
            other, theirs = labels.setdefault(dim, (measure.name, mine))
            if mine != theirs:
                raise InputError(
                    f"measures {other!r} and {measure.name!r} have different labels of the dim "
                    f"{dim!r}; give the dim of one of them another name"
                )
    return xr.Dataset(dict(arrays))


def _choose(
    measures: Sequence[Measure | str] | None, kind: Paradigm | None, cohort: xr.Dataset
) -> tuple[Measure, ...]:
    """Take the measures that were named, or the usual ones of the paradigm."""
    if measures is None:
        assert kind is not None
        return kind.usual_measures(cohort)
    asked = [measures] if isinstance(measures, Measure | str) else list(measures)
    names = [one for one in asked if isinstance(one, str)]
    usual = {m.name: m for m in kind.usual_measures(cohort)} if kind and names else {}
    chosen = []
    for one in asked:
        if isinstance(one, str):
            if one not in usual:
                raise InputError(f"no measure {one!r}; {did_you_mean(one, usual)}")
            one = usual[one]
        if not isinstance(one, Measure):
            raise InputError(
                f"measures has {type(one).__name__}, expected objects or names of measures, for "
                "example measures=[Measure('left_share', function), 'planning_index']"
            )
        chosen.append(one)
    for one in chosen:
        if sum(other.name == one.name for other in chosen) > 1:
            raise InputError(f"two measures are called {one.name!r}; give each a name of its own")
    if not chosen:
        raise InputError("measures is empty; leave it out for those of the paradigm")
    return tuple(chosen)


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


def _paradigm_of_all(
    cohorts: Mapping[str, xr.Dataset], measures: Sequence[Measure | str] | None
) -> Paradigm | None:
    """Find the one paradigm of all sources; none where measures of one's own need none."""
    found: dict[str, Paradigm | None] = {}
    own = isinstance(measures, Measure) or (
        measures is not None and all(isinstance(m, Measure) for m in measures)
    )
    for source, cohort in cohorts.items():
        try:
            found[source] = paradigm_of(cohort)
        except InputError:
            if not own:
                raise
            found[source] = None
    names = {"" if p is None else p.name: source for source, p in found.items()}
    if len(names) > 1:
        (one, first), (other, second) = list(names.items())[:2]
        raise InputError(
            f"{first} is of {_a(one)} and {second} of {_a(other)}; compare sources of one paradigm"
        )
    return next(iter(found.values()))


def _a(paradigm: str) -> str:
    return f"a {paradigm}" if paradigm else "an unknown kind of task"


def check_comparable(source: str, cohort: xr.Dataset, paradigm: Paradigm | None = None) -> None:
    """Refuse a cohort that :func:`compare` cannot measure.

    Parameters
    ----------
    source
        What the message calls it.
    cohort
        The cohort.
    paradigm
        Kind of experiment; default: any.

    Raises
    ------
    InputError
        It is no cohort, is called by the name of a paradigm without being one (a two-step task
        without ``state``), or holds one animal only.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> check_comparable("synthetic rats", load_dataset("synthetic-rats"))
    """
    try:
        validate_cohort(cohort)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    task = str(cohort.attrs["task"])
    for kind in known_paradigms() if paradigm is None else [paradigm]:
        lacking = [name for name in kind.needs if name not in cohort]
        named = paradigm is not None or task.startswith(kind.forms)
        if lacking and (named or len(lacking) < len(kind.needs)):
            raise InputError(
                f"{source}: the cohort has no {lacking[0]!r}: task {task!r} cannot be measured as "
                f"a {kind.name} task"
            )
    subjects = subjects_of(cohort)
    if cohort.attrs["source"] == "animal" and len(subjects) < LEAST_ANIMALS:
        raise InputError(
            f"{source}: one subject ({subjects[0]!r}); a comparison needs at least "
            f"{LEAST_ANIMALS} animals, because the animal is the unit of replication"
        )


def join_comparisons(comparisons: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put comparisons under one another.

    Parameters
    ----------
    comparisons
        As :func:`compare` or :func:`neuro_metarl.comparison.table.from_table` gives.

    Returns
    -------
    xarray.Dataset
        All subjects of all; labels of each dim in order of first appearance; attributes that are
        equal everywhere are kept. What a subject lacks (the predictor ``correct``) is NaN.
    """
    joined = xr.concat(
        comparisons,
        dim="subject",
        join="outer",
        data_vars="all",
        coords="different",
        compat="equals",
        combine_attrs="drop_conflicts",
    )
    order: dict[str, dict[Any, None]] = {}
    for one in comparisons:
        for measure in measures_in(one):
            for dim in measure.dims:
                order.setdefault(dim, {}).update(dict.fromkeys(one[dim].values.tolist()))
    return joined.reindex({dim: list(labels) for dim, labels in order.items()})
