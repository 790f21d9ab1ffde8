"""Plots of what units code: partial determination over events, significant units, correlations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.plot.style import COLORS, MARKERS, SIZE, categories, one_axes, tidy

__all__ = ["cpd", "fraction_significant", "unit_correlations"]


def cpd(
    encoding: xr.Dataset,
    ax: Axes | None = None,
    *,
    regressors: Sequence[str] | None = None,
    lag: int = 0,
) -> Axes:
    """Plot the population's partial determination over events, subject by subject.

    Parameters
    ----------
    encoding
        From :func:`neuro_metarl.neural.encoding.encode`.
    ax
        Where; default a new figure.
    regressors
        Which, at most six; default all.
    lag
        Which.

    Returns
    -------
    matplotlib.axes.Axes
        Thin lines are subjects, thick lines with markers are means over subjects, dotted lines
        the mean of the null's 95 % quantile, where the result has one.

    Raises
    ------
    InputError
        Not such a result, an unknown regressor or lag, or more than six regressors.

    Examples
    --------
    >>> from neuro_metarl import encode, record
    >>> fit = encode(record("two-step/0", n_sessions=5), ["choice", "state"])
    >>> cpd(fit).get_ylabel()
    'partial determination (%)'
    """
    cpd = _measure(encoding, "population_cpd", "encode")
    if lag not in cpd["lag"].values:
        raise InputError(f"no lag {lag}; there are: {', '.join(map(str, cpd['lag'].values))}")
    ax = one_axes(ax)
    x = np.arange(cpd.sizes["event"])
    for k, name in enumerate(_chosen(cpd, regressors)):
        mine = 100 * cpd.sel(regressor=name, lag=lag).transpose("event", "subject")
        _lines(ax, mine, k, name)
        if "population_null" in encoding:
            null = 100 * encoding["population_null"].sel(regressor=name, lag=lag)
            ax.plot(x, null.mean("subject"), color=COLORS[k], lw=0.8, ls=":")
    ax.set(ylabel="partial determination (%)", xlabel="event", ylim=(0, None))
    categories(ax, _event_labels(cpd))
    ax.legend(frameon=False, fontsize=SIZE - 1)
    return ax


def fraction_significant(
    fraction: xr.Dataset,
    ax: Axes | None = None,
    *,
    regressors: Sequence[str] | None = None,
    lag: int = 0,
) -> Axes:
    """Plot the fraction of units that depend on each regressor, over events.

    Parameters
    ----------
    fraction
        From :func:`neuro_metarl.neural.fraction_significant`, or one area of
        :func:`neuro_metarl.neural.summarize_areas`.
    ax
        Where; default a new figure.
    regressors
        Which, at most six; default all.
    lag
        Which; without meaning where the result has no lags.

    Returns
    -------
    matplotlib.axes.Axes
        Thin lines are subjects, thick lines means over subjects; where there is one subject, bars
        are its interval over units. The dotted line is what chance gives without correction.

    Raises
    ------
    InputError
        See :func:`cpd`; or fractions of several areas.

    Examples
    --------
    >>> from neuro_metarl import encode, neural, plot, record
    >>> fit = encode(record("two-step/0", n_sessions=5), ["choice", "state"])
    >>> plot.fraction_significant(neural.fraction_significant(fit)).get_ylabel()
    'significant units (%), p < 0.05'
    """
    share = _measure(fraction, "fraction", "fraction_significant")
    if "area" in share.dims:
        raise InputError("the fractions are of areas: choose one, for example .sel(area='PFC')")
    if "system" in share.dims:
        share = share.rename(system="regressor")
    if "lag" in share.dims:
        share = share.sel(lag=lag)
    ax = one_axes(ax)
    x = np.arange(share.sizes["event"])
    for k, name in enumerate(_chosen(share, regressors)):
        mine = 100 * share.sel(regressor=name).transpose("statistic", "event", "subject")
        value = mine.sel(statistic="value")
        _lines(ax, value, k, name)
        if mine.sizes["subject"] == 1:
            low, high = (mine.sel(statistic=s).squeeze("subject") for s in ("low", "high"))
            ax.vlines(x + 0.04 * (k - 2), low, high, color=COLORS[k], lw=1)
    test, alpha = fraction.attrs["test"], fraction.attrs["alpha"]
    if test != "q":
        ax.axhline(100 * alpha, color="0.5", lw=0.7, ls=":")
    symbol = "q" if test == "q" else "p"
    ax.set(ylabel=f"significant units (%), {symbol} < {alpha:g}", xlabel="event", ylim=(0, 103))
    categories(ax, _event_labels(share))
    ax.legend(frameon=False, fontsize=SIZE - 1)
    return ax


def unit_correlations(
    correlations: xr.Dataset, ax: Axes | None = None, *, event: str | None = None
) -> Axes:
    """Plot how strongly each unit goes with each variable, units as dots.

    Parameters
    ----------
    correlations
        From :func:`neuro_metarl.neural.encoding.unit_correlations`.
    ax
        Where; default a new figure.
    event
        Which; default the first.

    Returns
    -------
    matplotlib.axes.Axes
        Dots are units, each subject in a column of its own; horizontal lines are the subjects' mean
        over units, and a longer one the mean over subjects.

    Raises
    ------
    InputError
        Not such a result, or an unknown event.

    Examples
    --------
    >>> from neuro_metarl import neural, plot, record
    >>> found = neural.unit_correlations(record("two-step/0", n_sessions=5))
    >>> plot.unit_correlations(found, event="fixation").get_ylabel()
    '|correlation| at fixation'
    """
    table = abs(_measure(correlations, "correlation", "unit_correlations"))
    events = [str(e) for e in table["event"].values]
    chosen = events[0] if event is None else event
    if chosen not in events:
        raise InputError(f"no event {chosen!r}; {did_you_mean(chosen, events)}")
    ax, here = one_axes(ax), table.sel(event=chosen)
    places = np.linspace(-0.3, 0.3, here.sizes["subject"]) if here.sizes["subject"] > 1 else [0]
    for k, name in enumerate(here["regressor"].values):
        mine = here.sel(regressor=name).transpose("subject", "unit").values
        color = COLORS[k % len(COLORS)]
        for place, units in zip(places, mine, strict=True):
            ax.plot(np.full(len(units), k + place), units, ".", color=color, ms=2, alpha=0.35)
            ax.hlines(np.nanmean(units), k + place - 0.03, k + place + 0.03, color="0.15", lw=1.2)
        ax.hlines(np.nanmean(mine), k - 0.42, k + 0.42, color=color, lw=1)
    ax.set(ylabel=f"|correlation| at {chosen.replace('_', ' ')}", ylim=(-0.02, 1.02))
    labels = [str(n).replace("_x_", "\nx ").replace("_", " ") for n in here["regressor"].values]
    categories(ax, labels)
    tidy(ax)
    return ax


def _lines(ax: Axes, values: xr.DataArray, k: int, name: str) -> None:
    """Draw subjects thin and their mean thick; dims event, subject."""
    x = np.arange(values.sizes["event"])
    ax.plot(x, values, color=COLORS[k], lw=0.4, alpha=0.35)
    label, mean = name.replace("_", " "), values.mean("subject")
    ax.plot(x, mean, color=COLORS[k], marker=MARKERS[k], ms=4, lw=1.5, label=label)


def _measure(result: xr.Dataset, name: str, verb: str) -> xr.DataArray:
    if not isinstance(result, xr.Dataset) or name not in result:
        raise InputError(f"expected a result of {verb}, with {name!r}")
    return result[name]


def _chosen(values: xr.DataArray, regressors: Sequence[str] | None) -> list[str]:
    known = [str(r) for r in values["regressor"].values.tolist()]
    names = known if regressors is None else list(regressors)
    for name in names:
        if name not in known:
            raise InputError(f"no regressor {name!r}; {did_you_mean(str(name), known)}")
    if len(names) > len(COLORS):
        raise InputError(f"{len(names)} regressors in one plot, at most {len(COLORS)}: choose some")
    return names


def _event_labels(values: xr.DataArray) -> list[str]:
    return [str(e).replace("_", "\n") for e in values["event"].values]
