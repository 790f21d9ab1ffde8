"""Regret on independent arms against the length of training, and what the training costs.

Eight agents for each length, 1,000 held-out episodes each; the exact optimum is 1.748, Thompson
sampling 2.79. The recipe's schedule is stretched to each length. One thread.

    python benchmarks/bandit_training_length.py [--agents 8] [--lengths 300x32 1200x32 5000x64]
"""

from __future__ import annotations

import argparse
import time

from neuro_metarl.agents.recipes import make_recipe
from neuro_metarl.agents.training import train
from neuro_metarl.behavior.bandits import regret
from neuro_metarl.recording import record
from neuro_metarl.stats import mean_interval

TASK = "bandit-independent"
LENGTHS = ["300x32", "600x32", "1200x32", "2500x32", "5000x64"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--lengths", nargs="+", default=LENGTHS, help="updates x episodes")
    arguments = parser.parse_args()
    print(" updates episodes   regret  95 % interval   lowest highest  CPU s an agent")
    for length in arguments.lengths:
        n_updates, n_episodes = map(int, length.split("x"))
        recipe = make_recipe(TASK, changes={"n_updates": n_updates, "n_episodes": n_episodes})
        start = time.process_time()
        agents = train(TASK, recipe=recipe, n_agents=arguments.agents, progress=False)
        seconds = (time.process_time() - start) / arguments.agents
        cohort = record(agents, n_sessions=1000, seed=31, activity=False)
        values = regret(cohort).total_regret.sel(statistic="value").values
        low, high = mean_interval(values)
        print(
            f"{n_updates:8d} {n_updates * n_episodes:8,d} {values.mean():8.2f}  "
            f"[{low:5.2f}, {high:5.2f}] {values.min():8.2f} {values.max():7.2f} {seconds:10.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
