"""How large a difference is, in standard deviations of the animals, and how surely it is seen.

References
----------
Hedges 1981, doi:10.3102/10769986006002107; Cumming & Finch 2001,
doi:10.1177/0013164401614002; Welch 1947, doi:10.1093/biomet/34.1-2.28.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["animals_needed", "effect_size", "power_of"]

MOST_ANIMALS, FURTHEST = 500, 200.0


def effect_size(
    first: np.ndarray, second: np.ndarray, *, pooled: bool = False, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Give the difference of two means in standard deviations: Hedges' g and its interval.

    Parameters
    ----------
    first, second
        Dims (subject): values of the two groups; the second are the animals.
    pooled
        Standard deviations of both groups together. Default: of the second group, because networks
        differ less from each other than animals do.
    confidence
        Of the interval, by inverting the noncentral t distribution.

    Returns
    -------
    g, low, high
        ``first - second``, corrected for the bias of few subjects.

    Raises
    ------
    InputError
        A group with fewer than two subjects, or animals that do not vary.

    Notes
    -----
    With the animals' SD ``s`` and the groups' variance ratio ``r**2``, ``(m1 - m2) / (s *
    sqrt(r**2 / n1 + 1 / n2))`` is a noncentral t variable of ``n2 - 1`` degrees of freedom.

    Examples
    --------
    >>> g, low, high = effect_size(np.array([3.0, 4, 5, 4]), np.array([0.0, 1, 2, 1, 2, 0]))
    >>> round(g, 2), low < g < high
    (2.82, True)
    """
    one, two = (np.asarray(v, float) for v in (first, second))
    for label, values in (("first", one), ("second", two)):
        if len(values) < 2:
            raise InputError(f"the {label} group has {len(values)} subject; two or more are needed")
    spread = np.array([one.std(ddof=1), two.std(ddof=1)])
    freedom = len(two) - 1
    unit, ratio = spread[1], spread[0] / max(spread[1], 1e-300)
    if pooled:
        freedom = len(one) + len(two) - 2
        squares = (len(one) - 1) * spread[0] ** 2 + (len(two) - 1) * spread[1] ** 2
        unit, ratio = float(np.sqrt(squares / freedom)), 1.0
    if not unit > 1e-12 * max(1.0, float(np.abs(two).max())):
        raise InputError("the second group does not vary; there is no unit for an effect size")
    d = (one.mean() - two.mean()) / unit
    scale = np.sqrt(ratio**2 / len(one) + 1 / len(two))
    tail = (1 - confidence) / 2
    low, high = (_noncentrality(d / scale, freedom, p) * scale for p in (1 - tail, tail))
    return float(d * (1 - 3 / (4 * freedom - 1))), float(low), float(high)


def power_of(
    effect: float,
    n_animals: float,
    n_others: float,
    *,
    ratio: float = 1.0,
    sessions: float | None = None,
    w: float = 0.0,
    alpha: float = 0.05,
) -> float:
    """Say how often Welch's test sees a difference between animals and another group.

    Parameters
    ----------
    effect
        True difference in SDs between animals.
    n_animals, n_others
        Subjects of both groups.
    ratio
        SD of the other group, in SDs between animals: about .3 of networks of one training.
    sessions, w
        Sessions of each animal, and the variance between sessions of one animal over that between
        animals; what is seen of the effect is ``effect / sqrt(1 + w / sessions)``.
    alpha
        Of the two-sided test; divide it by the number of signatures to correct for them.

    Returns
    -------
    float

    Examples
    --------
    >>> round(power_of(1.0, 17, 17), 2)
    0.81
    >>> round(power_of(1.0, 11, 16, ratio=0.3), 2)
    0.84
    """
    from scipy.stats import nct
    from scipy.stats import t as student

    noise = 1.0 if not w else 1 + w / _sessions(sessions)
    shares = noise / n_animals, ratio**2 / n_others
    freedom = sum(shares) ** 2 / (
        shares[0] ** 2 / (n_animals - 1) + shares[1] ** 2 / max(n_others - 1, 1)
    )
    reach = student.isf(alpha / 2, freedom)
    shift = abs(effect) / np.sqrt(sum(shares))
    return float(np.clip(nct.sf(reach, freedom, shift) + nct.cdf(-reach, freedom, shift), 0, 1))


def animals_needed(
    effect: float,
    *,
    power: float = 0.8,
    n_others: int | None = None,
    ratio: float = 1.0,
    sessions: float | None = None,
    w: float = 0.0,
    alpha: float = 0.05,
) -> int | None:
    """Say how many animals are needed to see a difference.

    Parameters
    ----------
    effect, ratio, sessions, w, alpha
        See :func:`power_of`.
    power
        How often it shall be seen.
    n_others
        Subjects of the other group, such as 16 networks; default: as many as there are animals.

    Returns
    -------
    int or None
        The least number, from 3; None where 500 are not enough.

    Raises
    ------
    InputError
        A power that is not between ``alpha`` and 1, or no effect.

    Examples
    --------
    >>> animals_needed(1.0), animals_needed(1.0, n_others=16, ratio=0.3)
    (17, 11)
    """
    if not alpha < power < 1:
        raise InputError(f"power is {power}, expected a number between alpha ({alpha}) and 1")
    if not abs(effect) > 0:
        raise InputError("effect is 0: no number of animals sees a difference that is not there")
    for n in range(3, MOST_ANIMALS + 1):
        seen = power_of(
            effect, n, n if n_others is None else n_others,
            ratio=ratio, sessions=sessions, w=w, alpha=alpha,
        )  # fmt: skip
        if seen >= power:
            return n
    return None


def _sessions(sessions: float | None) -> float:
    if sessions is None or sessions < 1:
        raise InputError(f"sessions is {sessions!r}, expected how many sessions each animal has")
    return float(sessions)


def _noncentrality(t: float, freedom: float, p: float) -> float:
    """Find the noncentrality at which a noncentral t variable is below ``t`` with probability p."""
    from scipy.optimize import brentq
    from scipy.stats import nct, norm

    def excess(shift: float) -> float:
        below = nct.cdf(t, freedom, shift)
        return float(below if np.isfinite(below) else norm.cdf(t - shift)) - p

    return _root(excess, t, brentq)


def _root(excess: Callable[[float], float], middle: float, solve: Callable[..., float]) -> float:
    reach = 2.0
    while reach < FURTHEST and excess(middle - reach) * excess(middle + reach) > 0:
        reach *= 2
    return float(solve(excess, middle - reach, middle + reach))
