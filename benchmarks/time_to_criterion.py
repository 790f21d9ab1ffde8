"""CPU seconds that two-step agents need, from scratch, to stand beside the Bayes filter.

Criterion, on 300 held-out sessions: reward per trial at least .69 (Bayes filter .706, chance .50),
and each stay probability within .08 of the filter's 1/.66/.66/1. It is checked every 4 updates, and
confirmed on 300 fresh sessions; checking is not counted. One thread.

    python benchmarks/time_to_criterion.py [--seeds 10] [--population 16] [--recipe fast]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from neuro_metarl.agents.learning import Learner, seed_generators
from neuro_metarl.agents.recipes import Recipe, make_recipe
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.behavior.two_step import stay_probability
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task

FILTER = np.array([1.0, 0.66, 0.66, 1.0])


def passes(learner: Learner, seed: int) -> np.ndarray:
    """Return, for each agent, whether it stands beside the filter."""
    names = tuple(str(k) for k in range(learner.population.n_agents))
    agents = Agents(learner.population, names, make_task("two-step"), learner.recipe, 0)
    cohort = record(agents, n_sessions=300, seed=seed, activity=False)
    reward = cohort.reward.groupby("subject").mean(...).sel(subject=list(names)).values
    stay = stay_probability(cohort).stay_probability.sel(statistic="value").values
    return (reward >= 0.69) & (np.abs(stay - FILTER).max(axis=1) <= 0.08)


def train_until(recipe: Recipe, n_agents: int, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return CPU seconds and updates at each agent's criterion, and seconds of the whole run."""
    start = time.process_time()
    generators = seed_generators(seed, [str(k) for k in range(n_agents)], "train")
    learner = Learner(make_task("two-step"), recipe, generators)
    spent = time.process_time() - start
    seconds, updates = np.full(n_agents, np.nan), np.full(n_agents, np.nan)
    while learner.n_done < recipe.n_updates:
        start = time.process_time()
        learner.update()
        spent += time.process_time() - start
        if learner.n_done >= 40 and learner.n_done % 4 == 0 and np.isnan(seconds).any():
            new = np.isnan(seconds) & passes(learner, 1)
            if new.any():
                new &= passes(learner, 2)
            seconds[new], updates[new] = spent, learner.n_done
    return seconds, updates, spent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--population", type=int, default=16)
    parser.add_argument("--recipe", default="fast")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = make_recipe("two-step", arguments.recipe)
    reached = []
    print("one agent at a time: seed, updates, episodes, CPU s to the criterion, CPU s of the run")
    for seed in range(arguments.seeds):
        seconds, updates, whole = train_until(recipe, 1, seed)
        reached.append(seconds[0])
        print(
            f"{seed:4d} {updates[0]:6.0f} {updates[0] * recipe.n_episodes:7.0f} "
            f"{seconds[0]:6.2f} {whole:6.2f}",
            flush=True,
        )
    known = [s for s in reached if s == s]
    print(
        f"{len(known)} of {len(reached)} reached it; median {statistics.median(known):.2f} s, "
        f"slowest {max(known):.2f} s"
    )
    n = arguments.population
    seconds, updates, whole = train_until(recipe, n, 100)
    print(
        f"population of {n}: {np.isfinite(seconds).sum()} reached it, the median one after "
        f"{np.nanmedian(updates):.0f} updates; whole run {whole:.1f} s, {whole / n:.2f} s an agent"
    )


if __name__ == "__main__":
    main()
