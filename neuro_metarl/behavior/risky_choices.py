"""How often the risky action is taken, by its odds.

References
----------
Stopper et al. 2014, doi:10.1016/j.neuron.2014.08.033.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.behavior.rows import read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, mean_intervals, proportion_intervals

__all__ = ["risky_choice"]

ODDS = ("all", "low", "high")


def risky_choice(cohort: xr.Dataset, *, confidence: float = 0.95) -> xr.Dataset:
    """Measure how often the risky action is chosen, of free choices.

    Parameters
    ----------
    cohort
        Of two actions, with the risky one in ``problem`` (0 or 1) and ``expected_reward``.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``p_risky`` (subject, odds, statistic): on all free trials, on those on which the risky
        action pays less on average than the safe one (``low``), and more (``high``);
        ``reward_rate`` (subject, statistic) of free trials; ``n`` (subject, odds).

    Raises
    ------
    InputError
        More actions than two, or a cohort that does not say which is the risky one, or its odds.

    Examples
    --------
    >>> from neuro_metarl.recording import record_two_cores
    >>> found = risky_choice(record_two_cores("risky-choice-variable", n_sessions=50, seed=1))
    >>> bool((found.p_risky.sel(odds="high") > found.p_risky.sel(odds="low")).all())
    True
    """
    subjects = read_rows(
        cohort, "risky_choice", needs=("problem", "expected_reward"), across_problems=True
    )
    owner = cohort["subject"].values.astype(str)
    problem = cohort["problem"].transpose("session", "trial").values
    mean = cohort["expected_reward"].transpose("session", "trial", "option").values
    shares, rewards, counts = [], [], []
    for name, rows in subjects.items():
        at = rows.session, rows.position
        risky, pays = problem[owner == name][at], mean[owner == name][at]
        if pays.shape[1] != 2 or not np.isin(risky, (0, 1)).all():
            raise InputError(
                f"subject {name!r}: risky_choice takes two actions, the risky one in 'problem', 0 "
                "or 1"
            )
        each = np.arange(len(risky))
        better = pays[each, risky] > pays[each, 1 - risky]
        free, took = ~rows.forced, rows.choice == risky
        kinds = np.stack([free, free & ~better, free & better])
        made, n = (
            np.stack([np.bincount(rows.session[k], minlength=rows.shape[0]) for k in marks], axis=1)
            for marks in (kinds & took, kinds)
        )
        shares.append(proportion_intervals(made.astype(float), n.astype(float), confidence))
        paid = np.bincount(rows.session[free], rows.reward[free], rows.shape[0]) / n[:, 0]
        rewards.append(mean_intervals(paid[:, None], confidence)[0])
        counts.append(n.sum(axis=0))
    return xr.Dataset(
        {
            "p_risky": (("subject", "odds", "statistic"), np.array(shares)),
            "reward_rate": (("subject", "statistic"), np.array(rewards)),
            "n": (("subject", "odds"), np.array(counts)),
        },
        coords={
            "subject": list(subjects), "odds": list(ODDS), "statistic": ["value", "low", "high"]
        },
        attrs={"interval": OVER_SESSIONS, "confidence": confidence},
    )  # fmt: skip
