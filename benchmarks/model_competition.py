"""Who wins when the truth is known? Eight planted subjects of each kind, all candidates fitted.

Subjects of Miller's two-step task: random ones; a preference for a side that drifts, blind to
outcomes; sessions played in turn by a planner and by a model-free learner; a planner that forgets;
a planner; a hybrid with a planner's weight of .7; latent-state inference. The candidates are those
of ``fit_models`` where none are named, null models and the session mixture among them. The winner
of a subject is by evidence (Laplace), and a null model unless something learned exceeds every null
model by 3 nats.

    python benchmarks/model_competition.py [--trials 500 1000 5000] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import xarray as xr

from neuro_metarl.models.fitting import fit_models
from neuro_metarl.models.misfit import misfit_of
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.models.selection import compare_models
from tests.designs import two_step_design

SUBJECTS = 8
PLANTED = {
    "random": ("model_based", {"inverse_temperature": 0.0}),
    "drifting side": ("", {}),
    "alternating sessions": ("", {}),
    "planner that forgets": ("model_based_forgetting", {}),
    "planner": ("model_based", {}),
    "hybrid, weight .7": ("hybrid", {"weight_model_based": 0.7, "inverse_temperature": 6.0}),
    "latent state": ("latent_state", {}),
}


def subjects(kind: str, n_trials: int, seed: int) -> xr.Dataset:
    """Simulate eight subjects of a kind."""
    design = two_step_design("miller", SUBJECTS, n_trials, seed)
    name, values = PLANTED[kind]
    if name:
        return played(design, name, values, seed)
    if kind == "drifting side":
        return drifting(played(design, "model_based", {"inverse_temperature": 0.0}, seed), seed)
    parts = [played(design, name, {}, seed) for name in ("model_based", "model_free")]
    number = np.concatenate([np.arange(n) for n in np.unique(
        design.subject.values, return_counts=True)[1]])  # fmt: skip
    turn = xr.DataArray(number % 2 == 0, dims="session")
    mixed = {v: parts[0][v].where(turn, parts[1][v]).astype(parts[0][v].dtype)
             for v in ("choice", "state", "reward")}  # fmt: skip
    return parts[0].assign(mixed)


def played(design: xr.Dataset, name: str, values: dict[str, float], seed: int) -> xr.Dataset:
    return simulate_design(design, name, {f"a{k}": values for k in range(SUBJECTS)}, seed=seed)


def drifting(cohort: xr.Dataset, seed: int) -> xr.Dataset:
    """Let a preference for a side wander; outcomes follow the design."""
    rng = np.random.default_rng([seed, 1])
    x = np.zeros(cohort.choice.shape)
    for t in range(1, x.shape[1]):
        x[:, t] = 0.97 * x[:, t - 1] + rng.normal(0, 0.35, len(x))
    choice = (rng.random(x.shape) < 1 / (1 + np.exp(-x))).astype("int8")
    state = np.where(cohort.common == 1, choice, 1 - choice).astype("int8")
    odds = np.take_along_axis(cohort.p_reward.values, state[..., None].astype(int), -1)[..., 0]
    reward = (rng.random(odds.shape) < odds).astype("float32")
    dims = ("session", "trial")
    return cohort.assign(choice=(dims, choice), state=(dims, state), reward=(dims, reward))


def row(kind: str, n_trials: int, seed: int) -> str:
    cohort = subjects(kind, n_trials, seed)
    fits = fit_models(cohort, n_starts=3, seed=seed)
    table = compare_models(fits, seed=seed)
    best = str(table.log_evidence.sum("subject").idxmax("model").item())
    flagged = int(misfit_of(cohort, {best: fits[best]}).sel(model=best).sum())
    counts = {what: counted(table[what]) for what in ("winner", "winner_bic")}
    p = float(table.family_protected_exceedance.max())
    family = table.attrs["selected_family"] or "nobody"
    return (f"| {kind} | {n_trials:,} | {counts['winner']} | {counts['winner_bic']} | {family} "
            f"({p:.2f}) | {table.attrs['selected_model'] or 'nobody'} | {flagged} |")  # fmt: skip


def counted(winner: xr.DataArray) -> str:
    return ", ".join(f"{name} {n}" for name, n in Counter(winner.values.tolist()).most_common())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[500, 1000, 5000])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| planted | trials | winners by evidence | by BIC | family (protected exceedance) "
          "| model | misfit of the best |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for n_trials in given.trials:
        for kind in PLANTED:
            print(row(kind, n_trials, given.seed), flush=True)


if __name__ == "__main__":
    main()
