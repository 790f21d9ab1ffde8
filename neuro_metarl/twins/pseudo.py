"""What an animal's own model would do, as trials with soft targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from neuro_metarl.models.designs import simulate_design
from neuro_metarl.models.likelihood import log_odds
from neuro_metarl.models.model import Model
from neuro_metarl.twins.climbing import Rows
from neuro_metarl.twins.sequences import Sequences, read_sequences

__all__ = ["PSEUDO_TRIALS", "pseudo_rows"]

PSEUDO_TRIALS = 8000


def pseudo_rows(
    cohort: xr.Dataset, sequences: Sequences, model: Model, values: np.ndarray,
    sessions: np.ndarray, seed: int,
) -> Rows:  # fmt: skip
    """Let a fitted model play a subject's design, and keep its probabilities.

    Parameters
    ----------
    cohort
        Of one subject.
    sequences
        The same, read.
    model, values
        The model and dims (parameter), natural values in its order.
    sessions
        Numbers of the sessions whose design is played, over and over, until there are 8,000 trials.
        Where outcomes cannot be drawn anew (no ``p_reward``, learning sets, memory over sessions),
        the model is asked about the subject's own trials in these sessions instead.
    seed
        Of outcomes and choices.

    Returns
    -------
    Rows
        With the model's probability of choosing 1 as target.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, select_subjects
    >>> from neuro_metarl.models import mixture
    >>> rat = select_subjects(load_dataset("synthetic-rats"), "synthetic-1")
    >>> planted = np.array(list(mixture.planted().values.values()))
    >>> rows = pseudo_rows(rat, read_sequences(rat), mixture, planted, np.arange(3), 0)
    >>> len(rows.code) > 7000
    True
    """
    if "p_reward" not in cohort or sequences.kind == "learning-set" or sequences.reset == "subject":
        mine = np.isin(sequences.trials.session, sessions)
        return _asked(sequences, model, values, mine)
    design = cohort.isel(session=sessions)
    per_play = max(1, int((design["valid"] == 1).sum()))
    given = {"played": dict(zip(model.parameter_map, values.tolist(), strict=True))}
    parts = []
    for k in range(-(-PSEUDO_TRIALS // per_play)):
        played = simulate_design(
            design, model, given, seed=seed + 1000 * k,
            across_problems=sequences.reset != "problem",
        )  # fmt: skip
        one = read_sequences(played, sequences.reset, model=model)
        parts.append(_asked(one, model, values, np.ones(len(one.code), bool)))
    last = PSEUDO_TRIALS
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])[:last]
        for name in ("code", "target", "counts", "start")
    }
    return Rows(**joined)


def _asked(sequences: Sequences, model: Model, values: np.ndarray, mine: np.ndarray) -> Rows:
    """Ask the model for its probabilities on trials that were made already."""
    trials = replace(sequences.trials)
    odds = log_odds(model, trials, 0, values[None])[0, 0]
    return Rows(
        sequences.code[mine], 0.5 * (1 + np.tanh(0.5 * odds[mine])),
        sequences.counts[mine], trials.start[mine],
    )  # fmt: skip
