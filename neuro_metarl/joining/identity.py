"""Whose sessions are in which of several cohorts: none may be in two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError

__all__ = ["refuse_same_sessions"]


def refuse_same_sessions(cohorts: Sequence[xr.Dataset]) -> None:
    """Refuse a session that is in two cohorts: the same one, or two days of one name.

    Parameters
    ----------
    cohorts
        Cohorts to be joined.

    Raises
    ------
    InputError
        With the way out for either.

    Examples
    --------
    >>> one = xr.Dataset(
    ...     {"choice": (("session", "trial"), [[0, 1]]), "reward": (("session", "trial"), [[1, 0]]),
    ...      "valid": (("session", "trial"), [[1, 1]])},
    ...     coords={"subject": ("session", ["a"]), "session_id": ("session", ["1"])})
    >>> refuse_same_sessions([one, one])
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: cannot join: session '1' of subject 'a' is in two of the...
    """
    seen: dict[tuple[str, str], xr.Dataset] = {}
    for cohort in cohorts:
        names = zip(cohort["subject"].values, cohort["session_id"].values, strict=True)
        here = {(str(a), str(b)): k for k, (a, b) in enumerate(names)}
        for (subject, session), k in here.items():
            earlier = seen.get((subject, session))
            if earlier is None:
                continue
            one = earlier.isel(session=np.flatnonzero(
                (earlier["subject"].values == subject) & (earlier["session_id"].values == session)
            )[0])  # fmt: skip
            way_out = (
                "with the same choices and rewards; leave one of them out"
                if _same_trials(one, cohort.isel(session=k))
                else "with different trials; read files of several days by one call, "
                'read(["day1.csv", "day2.csv"]), or give every session a name of its own: '
                'cohort.assign_coords(session_id=("session", ["day1"])'
                + _and_recording(cohort)
                + ")"
            )
            raise InputError(
                f"cannot join: session {session!r} of subject {subject!r} is in two of the "
                f"cohorts, {way_out}"
            )
        seen |= dict.fromkeys(here, cohort)


def _and_recording(cohort: xr.Dataset) -> str:
    """Name the recording of the units, too: a name that stays would pool units of two days."""
    if "recording" not in cohort.coords or cohort["recording"].dims != ("unit",):
        return ""
    return f', recording=("unit", ["day1"] * {cohort.sizes["unit"]})'


def _same_trials(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Whether two sessions hold the same choices and rewards in the trials that count."""
    played = [c.isel(trial=np.flatnonzero(c["valid"].values == 1)) for c in (one, other)]
    return all(
        np.array_equal(played[0][name].values, played[1][name].values)
        for name in ("choice", "reward")
    )
