"""How many units of a population, or of each of its areas, depend on something.

References
----------
Wilson 1927, doi:10.1080/01621459.1927.10502953 (interval).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import ndtri

from neuro_metarl.errors import InputError

__all__ = ["fraction_significant", "summarize_areas"]


def fraction_significant(
    result: xr.Dataset, *, alpha: float = 0.05, corrected: bool = False, confidence: float = 0.95
) -> xr.Dataset:
    """Count the units whose activity depends on each regressor.

    Parameters
    ----------
    result
        From :func:`neuro_metarl.encode`, :func:`neuro_metarl.neural.unit_correlations` or, over
        units, :func:`neuro_metarl.neural.prediction_error_regression`.
    alpha
        Level.
    corrected
        Use the false-discovery rate ``q``; default ``p_null`` where there is one, else ``p``: then
        a fraction of ``alpha`` is what chance gives.
    confidence
        Of the interval (Wilson's), which takes units for independent.

    Returns
    -------
    xarray.Dataset
        ``fraction`` (subject, event, regressor, lag, statistic: value, low, high) and ``n_units``
        (subject, event, regressor, lag): units that have a test. For prediction errors the dim
        ``system`` stands in the place of regressor and lag.

    Raises
    ------
    InputError
        Not such a result, or ``alpha`` out of range.

    Examples
    --------
    >>> from neuro_metarl import encode, record
    >>> fit = encode(record("two-step/0", n_sessions=5, seed=1), ["state"])
    >>> found = fraction_significant(fit).fraction.sel(statistic="value", lag=0)
    >>> found.sel(event="second_step").values.round(1).tolist()
    [[0.9]]
    """
    _check(result, alpha, confidence)
    test = "q" if corrected else "p_null" if "p_null" in result else "p"
    p = result[test]
    n = p.notnull().sum("unit")
    share = (p < alpha).sum("unit") / n.where(n > 0)
    z = float(ndtri(0.5 + confidence / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    fraction = xr.concat([share, middle - reach, middle + reach], dim="statistic")
    fraction = fraction.assign_coords(statistic=["value", "low", "high"])
    return xr.Dataset(
        {"fraction": fraction.transpose(..., "statistic"), "n_units": n},
        attrs={"alpha": alpha, "test": test, "interval": "Wilson", "confidence": confidence},
    )


def summarize_areas(
    result: xr.Dataset, *, alpha: float = 0.05, corrected: bool = True, confidence: float = 0.95
) -> xr.Dataset:
    """Summarize units area by area: how many depend on each regressor, and how much.

    Parameters
    ----------
    result
        See :func:`fraction_significant`; its units have the coordinate ``area``.
    alpha, corrected, confidence
        See :func:`fraction_significant`; false-discovery rates by default.

    Returns
    -------
    xarray.Dataset
        With the dim ``area`` after ``subject``: ``fraction`` and ``n_units`` as in
        :func:`fraction_significant`; ``mean`` and ``median`` over units of the coefficient, the
        weight or the correlation, and ``mean_cpd`` of the partial determination where there is one.

    Raises
    ------
    InputError
        See :func:`fraction_significant`; or the units have no ``area``.

    Examples
    --------
    >>> from neuro_metarl import encode, record
    >>> cohort = record("two-step/0", n_sessions=5, seed=1)
    >>> cohort = cohort.assign_coords(area=("unit", ["left", "right"] * 24))
    >>> summarize_areas(encode(cohort, ["state"])).n_units.sel(event="fixation").values.ravel()
    array([24, 24])
    """
    _check(result, alpha, confidence)
    if "area" not in result.coords or result["area"].dims != ("unit",):
        raise InputError(
            "the units have no 'area'; give the cohort one before the analysis: "
            "cohort.assign_coords(area=('unit', [...]))"
        )
    effect = next(k for k in ("coefficient", "weight", "correlation") if k in result)
    area = result["area"].values.astype(str)
    names, parts = list(dict.fromkeys(area.tolist())), []
    for name in names:
        mine = result.isel(unit=np.flatnonzero(area == name)).drop_vars("area")
        part = fraction_significant(mine, alpha=alpha, corrected=corrected, confidence=confidence)
        size = _value(mine[effect])
        part["mean"], part["median"] = size.mean("unit"), size.median("unit")
        if "cpd" in mine:
            part["mean_cpd"] = _value(mine["cpd"]).mean("unit")
        parts.append(part)
    joined = xr.concat(parts, "area", combine_attrs="override").assign_coords(area=names)
    return joined.transpose("subject", "area", ...).assign_attrs(effect=effect)


def _value(array: xr.DataArray) -> xr.DataArray:
    return array.sel(statistic="value", drop=True) if "statistic" in array.dims else array


def _check(result: xr.Dataset, alpha: float, confidence: float) -> None:
    if not isinstance(result, xr.Dataset) or "p" not in result or "unit" not in result["p"].dims:
        raise InputError(
            "expected a result of encode, unit_correlations or prediction_error_regression over "
            "units, with 'p'"
        )
    for label, number in (("alpha", alpha), ("confidence", confidence)):
        if not 0 < number < 1:
            raise InputError(f"{label} is {number}, expected a number between 0 and 1")
