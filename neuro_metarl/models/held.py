"""What a fit held: the values of parameters that were not fitted, alike or of each subject."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.climbing import Problem

__all__ = ["held_text", "held_values", "read_held"]


def held_values(problem: Problem) -> xr.DataArray:
    """Give the values of the parameters that a problem does not fit.

    Parameters
    ----------
    problem
        What is fitted.

    Returns
    -------
    xarray.DataArray
        Dims subject, held_parameter.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import find_model
    >>> from neuro_metarl.models.climbing import make_problem
    >>> from neuro_metarl.models.trials import known_values, trials_of
    >>> rats, model = load_dataset("synthetic-rats"), find_model("model_based")
    >>> problem, _, _ = make_problem(model, trials_of(rats, model), known_values(rats, model))
    >>> held_values(problem).sel(held_parameter="p_common").dims
    ('subject',)
    """
    names = [p.name for p in problem.model.parameters]
    left_out = {p.name for p in problem.free} | {mine for mine, _ in problem.model.tied}
    kept = [k for k, name in enumerate(names) if name not in left_out]
    return xr.DataArray(
        problem.base[:, kept],
        dims=("subject", "held_parameter"),
        coords={
            "subject": list(problem.trials.subjects),
            "held_parameter": [names[k] for k in kept],
        },
    )


def held_text(held: xr.DataArray) -> str:
    """Write held values for the attribute ``held`` of a fit.

    Parameters
    ----------
    held
        What :func:`held_values` gave, dims subject, held_parameter.

    Returns
    -------
    str
        JSON: parameter to its value, or to a mapping of subject to value where subjects differ.

    Examples
    --------
    >>> held = xr.DataArray([[1.0, 0.8], [1.0, 0.7]], dims=("subject", "held_parameter"),
    ...                     coords={"subject": ["a", "b"],
    ...                             "held_parameter": ["eligibility_trace", "p_common"]})
    >>> held_text(held)
    '{"eligibility_trace": 1.0, "p_common": {"a": 0.8, "b": 0.7}}'
    """
    subjects, kept = held["subject"].values.tolist(), {}
    for name, column in zip(held["held_parameter"].values.tolist(), held.values.T, strict=True):
        values: Any = column.tolist()
        same = len(set(values)) == 1
        kept[name] = values[0] if same else dict(zip(subjects, values, strict=True))
    return json.dumps(kept)


def read_held(fit: xr.Dataset, subject: str) -> dict[str, float]:
    """Read what a fit held of a subject.

    Parameters
    ----------
    fit
        What :func:`neuro_metarl.models.fitting.fit` gave.
    subject
        One of its subjects.

    Returns
    -------
    dict
        Parameter to value.

    Raises
    ------
    InputError
        The attribute ``held`` is missing, or knows nothing of the subject.

    Examples
    --------
    >>> text = '{"eligibility_trace": 1.0, "p_common": {"a": 0.8, "b": 0.7}}'
    >>> read_held(xr.Dataset(attrs={"held": text}), "b")
    {'eligibility_trace': 1.0, 'p_common': 0.7}
    """
    if "held" not in fit.attrs:
        raise InputError("this is no fit: the attribute 'held' is missing; give what fit returned")
    found = {}
    for name, value in json.loads(fit.attrs["held"]).items():
        if isinstance(value, Mapping) and subject not in value:
            raise InputError(
                f"the fit does not say what {name} was held at for subject {subject!r}; if "
                "subjects were renamed, rename them before the fit"
            )
        found[name] = float(value[subject] if isinstance(value, Mapping) else value)
    return found
