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

__all__ = ["fraction_significant"]


def fraction_significant(
    encoding: xr.Dataset, *, alpha: float = 0.05, corrected: bool = False, confidence: float = 0.95
) -> xr.Dataset:
    """Count the units whose activity depends on each regressor.

    Parameters
    ----------
    encoding
        From :func:`encode` or :func:`unit_correlations`.
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
        (subject, event, regressor, lag): units that have a test.

    Raises
    ------
    InputError
        Not such a result, or ``alpha`` out of range.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> fit = encode(record("two-step/0", n_sessions=5, seed=1), ["state"])
    >>> found = fraction_significant(fit).fraction.sel(statistic="value", lag=0)
    >>> found.sel(event="second_step").values.round(1).tolist()
    [[0.9]]
    """
    if not isinstance(encoding, xr.Dataset) or "p" not in encoding:
        raise InputError("expected a result of encode or unit_correlations, with 'p'")
    for label, number in (("alpha", alpha), ("confidence", confidence)):
        if not 0 < number < 1:
            raise InputError(f"{label} is {number}, expected a number between 0 and 1")
    test = "q" if corrected else "p_null" if "p_null" in encoding else "p"
    p = encoding[test]
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
