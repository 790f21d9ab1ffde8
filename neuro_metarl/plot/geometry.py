"""Plots of population geometry: trajectories, demixed components, similarity, eigenvalues."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Circle

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.plot.style import COLORS, MARKERS, SIZE, one_axes, tidy

__all__ = ["demixed", "eigenvalues", "similarity", "trajectories"]

STYLES = ("-", "--", ":", "-.")


def trajectories(
    result: xr.Dataset,
    ax: Axes | None = None,
    *,
    subject: str | None = None,
    components: tuple[int, int] = (1, 2),
) -> Axes:
    """Draw each condition's path through a trial along two principal components.

    Parameters
    ----------
    result
        From :func:`neuro_metarl.neural.geometry.pca_trajectories`.
    ax
        Where; default a new figure.
    subject
        Whose: a subject, or a recording where the result has these; default the first.
    components
        Numbers of the components of the two axes.

    Returns
    -------
    matplotlib.axes.Axes
        Colours run over the levels of the first factor, line styles over those of the second;
        each path's first event has a circle, its last a square.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> from neuro_metarl.neural import pca_trajectories
    >>> result = pca_trajectories(record("two-step/0", n_sessions=5), ["state", "reward"])
    >>> len(trajectories(result).lines)
    12
    """
    ax = one_axes(ax)
    mine = _of_subject(result, subject)
    for k in components:
        if k not in result["component"].values:
            raise InputError(f"no component {k}; there are 1 to {result.sizes['component']}")
    paths = mine["trajectory"].sel(component=list(components))
    factors = [str(d) for d in paths.dims if d not in ("component", "event")]
    shape = tuple(paths.sizes[f] for f in factors)
    for place in np.ndindex(*shape):
        x, y = paths.isel(dict(zip(factors, place, strict=True))).transpose("component", "event")
        color = _shade(place[0], shape[0])
        style = STYLES[place[1] % len(STYLES)] if len(place) > 1 else "-"
        label = ", ".join(f"{f} {paths[f].values[i]}" for f, i in zip(factors, place, strict=True))
        ax.plot(x, y, style, color=color, lw=1.2, label=label)
        ax.plot(x[:1], y[:1], "o", color=color, ms=3.5)
        ax.plot(x[-1:], y[-1:], "s", color=color, ms=3.5)
    share = mine["variance_explained"].sel(component=list(components)).values
    ax.set(
        xlabel=f"component {components[0]} ({share[0]:.0%} of variance)",
        ylabel=f"component {components[1]} ({share[1]:.0%})",
    )
    tidy(ax)
    return ax


def demixed(
    result: xr.Dataset, ax: Axes | None = None, *, part: str, subject: str | None = None
) -> Axes:
    """Draw the first demixed component of a part, condition by condition, over a trial's events.

    Parameters
    ----------
    result
        From :func:`neuro_metarl.neural.demixing.demixed_pca`.
    ax
        Where; default a new figure.
    part
        A marginalisation, for example ``"choice"``.
    subject
        Whose: a subject, or a recording where the result has these; default the first.

    Returns
    -------
    matplotlib.axes.Axes
        Colours run over the levels of the first factor, line styles over those of the second.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> from neuro_metarl.neural import demixed_pca
    >>> result = demixed_pca(record("two-step/0", n_sessions=5), ["state", "reward"],
    ...                      n_components=1, n_splits=2)
    >>> len(demixed(result, part="reward").lines)
    4
    """
    ax = one_axes(ax)
    known = result["marginalization"].values.tolist()
    if part not in known:
        raise InputError(f"no part {part!r}; {did_you_mean(part, known)}")
    mine = _of_subject(result, subject)
    first = (result["marginalization_of"].values == part).argmax()
    lines = mine["projection"].isel(component=first)
    factors = [str(d) for d in lines.dims if d != "event"]
    shape = tuple(lines.sizes[f] for f in factors)
    where = np.arange(lines.sizes["event"])
    for place in np.ndindex(*shape):
        label = ", ".join(f"{f} {lines[f].values[i]}" for f, i in zip(factors, place, strict=True))
        ax.plot(
            where,
            lines.isel(dict(zip(factors, place, strict=True))),
            STYLES[place[1] % len(STYLES)] if len(place) > 1 else "-",
            color=_shade(place[0], shape[0]),
            marker="o",
            ms=2.5,
            lw=1.2,
            label=label,
        )
    events = lines["event"].values if "event" in lines.coords else where
    ax.set_xticks(where, [str(e).replace("_", "\n") for e in events])
    purity = float(mine["component_variance"].isel(component=first).sel(marginalization=part))
    ax.set_ylabel("projection (a.u.)")
    ax.set_title(f"{part} component ({purity:.0%} its own)", fontsize=SIZE)
    tidy(ax)
    return ax


def similarity(
    matrix: xr.DataArray,
    ax: Axes | None = None,
    *,
    groups: dict[str, int] | None = None,
) -> Axes:
    """Draw a matrix of similarities or distances between subjects.

    Parameters
    ----------
    matrix
        Dims (subject, subject_2), or recordings in their place, as from
        :func:`neuro_metarl.neural.similarity.compare_populations`.
    ax
        Where; default a new figure.
    groups
        Names of runs of subjects with their numbers, in order; lines part them. Default: the
        subjects' own names.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> names = ["a", "b"]
    >>> matrix = xr.DataArray(np.eye(2), dims=("subject", "subject_2"), name="cka",
    ...                       coords={"subject": names, "subject_2": names})
    >>> [t.get_text() for t in similarity(matrix).get_xticklabels()]
    ['a', 'b']
    """
    ax = one_axes(ax)
    rows = next((d for d in ("subject", "recording") if d in matrix.dims), None)
    columns = next((d for d in ("subject_2", "recording_2") if d in matrix.dims), None)
    if rows is None or columns is None or matrix.ndim != 2:
        raise InputError(
            f"matrix has dims {tuple(matrix.dims)}, expected (subject, subject_2) or recordings"
        )
    values = matrix.transpose(rows, columns)
    image = ax.imshow(values.values, cmap="viridis", interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label=str(matrix.name or "similarity").replace("_", " "))
    if groups is None:
        names = [str(s) for s in values[rows].values]
        others = [str(s) for s in values[columns].values]
        ax.set_xticks(range(len(others)), others, rotation=90)
        ax.set_yticks(range(len(names)), names)
        return ax
    if sum(groups.values()) != len(values):
        raise InputError(f"groups hold {sum(groups.values())} subjects, the matrix {len(values)}")
    edges = np.cumsum([0, *groups.values()])
    for edge in edges[1:-1]:
        ax.axhline(edge - 0.5, color="white", lw=1)
        ax.axvline(edge - 0.5, color="white", lw=1)
    middle = (edges[1:] + edges[:-1] - 1) / 2
    ax.set_xticks(middle, list(groups))
    ax.set_yticks(middle, list(groups), rotation=90, va="center")
    ax.tick_params(length=0)
    return ax


def eigenvalues(
    result: xr.Dataset, ax: Axes | None = None, *, label: str = "", color: int = 0
) -> Axes:
    """Draw eigenvalues in the complex plane with the unit circle.

    Parameters
    ----------
    result
        From :func:`neuro_metarl.neural.dynamics.fixed_points`, ``find_fixed_points`` or
        :func:`neuro_metarl.neural.delays.delay_operators`.
    ax
        Where; default a new figure. Call again on the same axes for another set.
    label
        For a legend.
    color
        Number of the colour and marker.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> result = xr.Dataset({"eigenvalue": (("fixed_point", "mode"), np.array([[1, 0.5j]]))})
    >>> eigenvalues(result).get_xlabel()
    'real part'
    """
    ax = one_axes(ax)
    if "eigenvalue" not in result:
        raise InputError("no 'eigenvalue' in this result: expected fixed points or operators")
    values = result["eigenvalue"].values.ravel()
    if not ax.patches:
        ax.add_patch(Circle((0, 0), 1, fill=False, color="0.6", lw=0.7))
    ax.plot(
        values.real,
        values.imag,
        ls="",
        marker=MARKERS[color % len(MARKERS)],
        color=COLORS[color % len(COLORS)],
        ms=2,
        mew=0,
        alpha=0.5,
        label=label,
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="real part", ylabel="imaginary part")
    tidy(ax)
    return ax


def _of_subject(result: xr.Dataset, subject: str | None) -> xr.Dataset:
    """Take one subject, or one recording where the result has these."""
    dim = "recording" if "recording" in result.dims else "subject"
    names = [str(s) for s in result[dim].values]
    chosen = names[0] if subject is None else subject
    if chosen not in names:
        raise InputError(f"no {dim} {chosen!r}; {did_you_mean(chosen, names)}")
    return result.isel({dim: names.index(chosen)})


def _shade(k: int, n: int) -> tuple[float, float, float, float] | str:
    """Take two levels their own colours, more of them from a scale."""
    import matplotlib as mpl

    if n <= 2:
        return COLORS[k]
    return tuple(mpl.colormaps["cividis"](Normalize(0, n - 1)(0.95 * k)))  # type: ignore[return-value]
