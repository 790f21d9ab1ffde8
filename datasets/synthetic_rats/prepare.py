"""Simulate the synthetic rats that come with the package.

    python datasets/synthetic_rats/prepare.py

Six rats, each a mixture of agents with its own parameters, drawn around the means that were fitted
to real rats (see the card beside this file), on the rats' own form of the task.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.io import write_table
from neuro_metarl.models.mixture_models import mixture
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task

SEED = 20_220
OUT = Path(__file__).resolve().parents[2] / "neuro_metarl" / "data" / "synthetic_rats.csv"
# parameter: mean and SD over rats; learning rates on the logit scale
POPULATION = {
    "learning_rate_model_based": (1.27, 0.4),
    "weight_model_based": (2.27, 0.45),
    "learning_rate_model_free": (-2.0, 0.4),
    "weight_model_free": (-0.4, 0.5),
    "learning_rate_perseveration": (-1.59, 0.3),
    "weight_perseveration": (2.15, 0.4),
    "weight_novelty": (0.0, 0.35),
    "bias": (0.0, 0.3),
}
SESSIONS = ((6, 300), (6, 280), (5, 280), (5, 240), (4, 220), (2, 250))


def main() -> None:
    """Draw the rats, let them play, write the table."""
    rng = np.random.default_rng(SEED)
    cohorts = []
    for k, (n_sessions, n_trials) in enumerate(SESSIONS, start=1):
        values = {name: rng.normal(*law) for name, law in POPULATION.items()}
        for name in values:
            if name.startswith("learning_rate"):
                values[name] = 1 / (1 + np.exp(-values[name]))
        rat = mixture.planted(name=f"synthetic-{k}", **{n: round(v, 3) for n, v in values.items()})
        task = make_task("two-step-miller", n_trials=n_trials, p_forced=0.2, incongruent=k % 2 == 0)
        cohorts.append(record(rat, task, n_sessions, seed=SEED))
        print(rat.name, dict(rat.values))
    print(write_table(concat_cohorts(cohorts), OUT))


if __name__ == "__main__":
    main()
