"""Groups of subjects against groups of animals: Welch's test over subjects, never over sessions.

References
----------
Welch 1947, doi:10.1093/biomet/34.1-2.28.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.comparison.effects import effect_size
from neuro_metarl.errors import InputError
from neuro_metarl.stats import holm

__all__ = ["compare_groups"]


def compare_groups(first: xr.Dataset, second: xr.Dataset) -> xr.Dataset:
    """Compare the means of two groups on every signature.

    Parameters
    ----------
    first, second
        Profiles of the two groups, from :mod:`neuro_metarl.behavior.profiles`; a subject is a
        separately trained network or an animal.

    Returns
    -------
    xarray.Dataset
        Dims measure: ``difference`` (first - second) with ``low`` and ``high`` of its 95 %
        interval, ``t``, ``df``, ``p`` and ``p_holm``, corrected for the number of signatures; ``g``
        with ``g_low`` and ``g_high``, the difference in SDs of the second group (see
        :func:`neuro_metarl.comparison.effects.effect_size`; NaN where that does not vary); ``mean``
        and ``sd`` (group, measure). Attributes ``n_first``, ``n_second``.

    Raises
    ------
    InputError
        Other signatures, or a group of one.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, profile
    >>> rats = profile(load_dataset("synthetic-rats"))
    >>> table = compare_groups(rats.isel(subject=slice(0, 3)), rats.isel(subject=slice(3, 6)))
    >>> table.p_holm.dims
    ('measure',)
    """
    from scipy.stats import t as student

    if first["measure"].values.tolist() != second["measure"].values.tolist():
        raise InputError("the two groups have other signatures; measure both alike")
    groups = [first["profile"].values, second["profile"].values]
    for label, values in zip(("first", "second"), groups, strict=True):
        if len(values) < 2:
            raise InputError(f"the {label} group has {len(values)} subject; two or more are needed")
    mean = np.array([g.mean(axis=0) for g in groups])
    sd = np.array([g.std(axis=0, ddof=1) for g in groups])
    share = np.array([s**2 / len(g) for s, g in zip(sd, groups, strict=True)])
    error = np.sqrt(np.maximum(share.sum(axis=0), 1e-300))
    freedom = share.sum(axis=0) ** 2 / np.maximum(
        sum(s**2 / (len(g) - 1) for s, g in zip(share, groups, strict=True)), 1e-300
    )
    freedom = np.maximum(freedom, 1.0)
    difference = mean[0] - mean[1]
    t = difference / error
    p = 2 * student.sf(np.abs(t), freedom)
    reach = student.isf(0.025, freedom) * error
    per_measure = {
        "difference": difference, "low": difference - reach, "high": difference + reach,
        "t": t, "df": freedom, "p": p, "p_holm": holm(p),
    }  # fmt: skip
    effects = np.full((3, len(difference)), np.nan)
    for k in np.flatnonzero(sd[1] > 1e-9 * np.maximum(1, np.abs(groups[1]).max(axis=0))):
        effects[:, k] = effect_size(groups[0][:, k], groups[1][:, k])
    per_measure |= dict(zip(("g", "g_low", "g_high"), effects, strict=True))
    return xr.Dataset(
        {name: ("measure", values) for name, values in per_measure.items()}
        | {"mean": (("group", "measure"), mean), "sd": (("group", "measure"), sd)},
        coords={"measure": first["measure"].values, "group": ["first", "second"]},
        attrs={"n_first": len(groups[0]), "n_second": len(groups[1])},
    )
