"""The signatures of a profile as measures of a comparison, one each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.measures.measure import STATISTIC, Measure

__all__ = ["signature_measures"]

Profile = Callable[..., xr.Dataset]


def signature_measures(
    profile: Profile, names: Sequence[str], *, units: Mapping[str, str] | str = "log odds"
) -> tuple[Measure, ...]:
    """Make a measure of each signature of a profile.

    Parameters
    ----------
    profile
        Measures signatures with their covariance, see
        :func:`neuro_metarl.behavior.profiles.profile`.
    names
        The signatures, as the coordinate ``measure`` of the profile has them.
    units
        Of all, or by name. Signatures of one unit are drawn in one panel.

    Returns
    -------
    tuple of Measure
        Intervals are normal, with the errors of the profile; ``n`` is the profile's.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset, profile
    >>> measures = signature_measures(profile, ["planning_lag_1", "stay_lag_1"])
    >>> result = compare({"rats": load_dataset("synthetic-rats")}, measures=measures)
    >>> result.planning_lag_1.dims
    ('subject', 'statistic')
    """
    of = _apart(profile)
    unit_of = dict.fromkeys(names, units) if isinstance(units, str) else dict(units)
    return tuple(
        Measure(
            name, of, unit=unit_of[name], panel=f"signatures ({unit_of[name]})",
            count="n_signature", line=0.0,
        )
        for name in names
    )  # fmt: skip


def _apart(profile: Profile) -> Callable[..., xr.Dataset]:
    """Give each signature of a profile a variable of its own, with its interval."""

    @wraps(profile)
    def of(cohort: xr.Dataset, *, confidence: float = 0.95, **options: Any) -> xr.Dataset:
        width = NormalDist().inv_cdf((1 + confidence) / 2)
        table = profile(cohort, **options)
        value = table["profile"].transpose("subject", "measure").values
        covariance = table["covariance"].transpose("subject", "measure", "measure_2").values
        error = np.sqrt(np.einsum("sjj->sj", covariance))
        values = np.stack([value, value - width * error, value + width * error], axis=-1)
        names = [str(name) for name in table["measure"].values]
        return xr.Dataset(
            {name: (("subject", "statistic"), values[:, j]) for j, name in enumerate(names)}
            | {"n": ("subject", table["n"].values)},
            coords={"subject": table["subject"].values, "statistic": STATISTIC},
            attrs={"interval": "normal, with the errors of the profile"},
        )

    own = [p for p in signature(profile).parameters.values() if p.kind is not p.VAR_KEYWORD]
    taken = Parameter("confidence", Parameter.KEYWORD_ONLY, default=0.95)
    if "confidence" not in signature(profile).parameters:
        own.append(taken)
    of.__signature__ = signature(profile).replace(parameters=own)  # type: ignore[attr-defined]
    return of
