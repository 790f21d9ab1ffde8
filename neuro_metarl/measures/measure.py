"""What a measure is: all that a comparison, its table, its summary and its figure ask of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import responses, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.words import in_words

__all__ = ["STATISTIC", "Measure", "measures_in", "no_function"]

STATISTIC = ["value", "low", "high"]
SAID = (
    "label",
    "unit",
    "axis",
    "panel",
    "count",
    "count_dims",
    "line",
    "limits",
    "summarized",
    "drawn",
)


@dataclass(frozen=True)
class Measure:
    """A measure of a subject's behavior.

    Parameters
    ----------
    name
        Of the variable in a comparison, and in the column ``measure`` of its table.
    of
        Function on a cohort of one subject. It returns a number, a data array, or a data set with
        a variable called as the measure. Dims are subject (which may be left out), those of
        ``dims``, and, where there is an interval, ``statistic`` (value, low, high). A variable
        ``n`` in the data set counts what is behind each number; without it, it is the subject's
        valid free responses. A variable ``problem`` says in words why there is no estimate.
        Measures with the same function are computed in one call. What else the function takes
        (``seed``, options of its own) is what :func:`neuro_metarl.compare` can be
        given.
    dims
        Beside subject and statistic. ``lag`` has a column of its own in the table; the others are
        its ``term``.
    label
        In tables and figures; default: the name in words.
    unit
        What the axis of its values is called.
    axis
        What the axis of its dims is called; default: "trials back" of lags, else nothing.
    panel
        Measures of one name are drawn in one panel, side by side; default: a panel of its own.
    count
        Name in the comparison of the numbers behind the measure; measures that count the same
        share it. Default: ``n_`` and the name.
    count_dims
        Dims of ``n`` beside subject: those of ``dims`` along which it differs.
    line
        Height of a dotted line: where nothing is found, or NaN.
    limits
        Least and greatest value that the measure can have.
    summarized, drawn
        Whether the summary has it, and the figure of a comparison.
    agree
        Options that must be the same for all subjects of all sources, decided from the cohorts
        and the options that were given.

    Examples
    --------
    >>> left = Measure("left_share", lambda cohort: float((cohort.choice == 0).mean()))
    >>> left.label, left.count
    ('left share', 'n_left_share')
    """

    name: str
    of: Callable[..., Any]
    dims: tuple[str, ...] = ()
    label: str = ""
    unit: str = ""
    axis: str = ""
    panel: str = ""
    count: str = ""
    count_dims: tuple[str, ...] = ()
    line: float = np.nan
    limits: tuple[float, float] = (-np.inf, np.inf)
    summarized: bool = True
    drawn: bool = True
    agree: Callable[[Mapping[str, xr.Dataset], Mapping[str, Any]], dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise InputError(
                f"the measure's name is {self.name!r}, expected letters, digits and underscores, "
                "for example 'left_share': a variable and a row of tables are called by it"
            )
        if not callable(self.of):
            raise InputError(
                f"measure {self.name!r}: of is {self.of!r}, expected a function on a cohort"
            )
        if not set(self.count_dims) <= set(self.dims):
            raise InputError(
                f"measure {self.name!r}: count_dims are {self.count_dims!r}, expected some of the "
                f"dims {self.dims!r}"
            )
        taken = {"source", "subject", "statistic"} & {self.name, *self.dims}
        if taken or isinstance(self.dims, str):
            raise InputError(
                f"measure {self.name!r}: dims are {self.dims!r}, expected a tuple of names other "
                "than source, subject and statistic, for example ('block',)"
            )
        for field, usual in (
            ("label", in_words(self.name)), ("count", f"n_{self.name}"), ("panel", self.name),
            ("axis", "trials back" if "lag" in self.dims else ""),
        ):  # fmt: skip
            if not getattr(self, field):
                object.__setattr__(self, field, usual)

    @property
    def options(self) -> dict[str, Any]:
        """Options that the function takes, with their defaults."""
        try:
            parameters = inspect.signature(self.of).parameters.values()
        except (TypeError, ValueError):  # some built-in functions do not say what they take
            return {}
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    @property
    def attrs(self) -> dict[str, Any]:
        """What a comparison says of the measure: how it is counted, labelled and drawn."""
        said = {name: getattr(self, name) for name in SAID}
        flags = {name: int(said[name]) for name in ("summarized", "drawn")}
        lists = {"limits": list(map(float, self.limits)), "count_dims": ", ".join(self.count_dims)}
        return said | flags | lists

    def read(self, result: Any, cohort: xr.Dataset) -> dict[str, xr.DataArray]:
        """Check what the function gave, and lay it out.

        Parameters
        ----------
        result
            What ``of`` returned.
        cohort
            Of the one subject.

        Returns
        -------
        dict
            The measure, dims (subject, *dims, statistic), and its count, dims (subject, ...).

        Raises
        ------
        InputError
            The function gave something else than it declares.
        """
        data = result if isinstance(result, xr.Dataset) else None
        if data is not None and self.name not in data:
            raise InputError(
                f"measure {self.name!r}: its function gave a data set without the variable "
                f"{self.name!r}; it has {', '.join(map(str, data.data_vars))}"
            )
        values = self._as_array(result if data is None else data[self.name], cohort)
        if "statistic" not in values.dims:
            unknown = xr.full_like(values, np.nan)
            values = xr.concat([values, unknown, unknown], "statistic")
            values = values.assign_coords(statistic=STATISTIC)
        for dim in self.dims:
            if dim not in values.coords:
                values = values.assign_coords({dim: np.arange(values.sizes[dim])})
        counted: Any = data["n"] if data is not None and "n" in data else responses(cohort).sum()
        if "subject" not in counted.dims:
            counted = counted.reset_coords(drop=True).expand_dims(subject=subjects_of(cohort))
        if set(counted.dims) != {"subject", *self.count_dims}:
            raise InputError(
                f"measure {self.name!r}: n has dims {counted.dims}, expected "
                f"{('subject', *self.count_dims)}; say with count_dims along which dims it differs"
            )
        order = ("subject", *self.dims, "statistic")
        return {
            self.name: values.transpose(*order).reset_coords(drop=True),
            self.count: counted.astype(float).reset_coords(drop=True),
        }

    def _as_array(self, values: Any, cohort: xr.Dataset) -> xr.DataArray:
        """Take numbers with the dims that the measure declares, and no others."""
        if not isinstance(values, xr.DataArray):
            number = np.asarray(values)
            if number.shape != () or number.dtype.kind not in "biuf":
                raise InputError(
                    f"measure {self.name!r}: its function gave {type(values).__name__}, expected a "
                    "number, an xarray.DataArray or an xarray.Dataset"
                )
            values = xr.DataArray(number.astype(float))
        if "subject" not in values.dims:
            values = values.reset_coords(drop=True).expand_dims(subject=subjects_of(cohort))
        own = [d for d in values.dims if d not in ("subject", "statistic")]
        if set(own) != set(self.dims) or values.sizes["subject"] != 1:
            found = ", ".join(f"{dim} {size}" for dim, size in values.sizes.items())
            wanted = ", ".join(["subject 1", *self.dims])
            raise InputError(
                f"measure {self.name!r}: its function gave dims ({found}), expected ({wanted}) "
                "and, with an interval, statistic"
            )
        if "statistic" in values.dims and values["statistic"].values.tolist() != STATISTIC:
            raise InputError(
                f"measure {self.name!r}: statistic is {values['statistic'].values.tolist()}, "
                f"expected {STATISTIC}"
            )
        return values.astype(float)


def measures_in(comparison: xr.Dataset, known: Sequence[Measure] = ()) -> list[Measure]:
    """Say which measures a comparison holds, by what its variables say of themselves.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.compare`, or its file.
    known
        Measures that speak for variables which say nothing.

    Returns
    -------
    list of Measure
        In order; their functions only raise, because a comparison holds numbers.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> [measure.name for measure in measures_in(result) if measure.summarized][:2]
    ['stay_probability', 'planning_index']
    """
    by_name = {measure.name: measure for measure in known}
    found = []
    for name, variable in comparison.data_vars.items():
        if "statistic" not in variable.dims:
            continue
        said = {key: variable.attrs[key] for key in SAID if set(SAID) <= set(variable.attrs)}
        if not said and name in by_name:
            said = by_name[str(name)].attrs
        if said:
            low, high = (float(limit) for limit in said["limits"])
            flags = {key: bool(said[key]) for key in ("summarized", "drawn")}
            counted = tuple(filter(None, said["count_dims"].split(", ")))
            said |= flags | {"line": float(said["line"]), "limits": (low, high)}
            said["count_dims"] = counted
        dims = tuple(str(d) for d in variable.dims if d not in ("subject", "statistic"))
        found.append(Measure(str(name), no_function, dims, **said))
    return found


def no_function(cohort: xr.Dataset) -> None:
    """Stand for the function of a measure of which only the numbers are at hand.

    Raises
    ------
    InputError
        Always.

    Examples
    --------
    >>> no_function(xr.Dataset())
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: this measure was read off a comparison: ...
    """
    raise InputError("this measure was read off a comparison: it has numbers and no function")
