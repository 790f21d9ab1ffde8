"""Do agents learn as well with the fused kernel as with torch? Fresh seeds, both engines in turns.

Each round trains a population with either engine, from the same first weights and random numbers;
the two part by rounding after a few updates. Of each agent: whether it reached the task's criterion
in training (mean reward per trial over a window of updates) and after how many updates, and its
score on 300 held-out sessions, played by torch for both. A line per agent is added to a table, so
that a run can be stopped and taken up; `--summary` alone reads it.

    python benchmarks/learning_by_engine.py --task two-step --agents 200 --out learning.csv
    python benchmarks/learning_by_engine.py --out learning.csv --summary
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from scipy.stats import fisher_exact, mannwhitneyu, t

from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.learning import Learner, seed_generators
from neuro_metarl.agents.recipes import make_recipe
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.behavior.bandits import regret
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task

COLUMNS = ("task", "engine", "seed", "agent", "reached", "updates", "score", "cpu_seconds")
# the seeds of the package's own agents and of other benchmarks are below
FIRST_SEED = 5000


@dataclass(frozen=True)
class Test:
    """How a task is learned here, and what is asked of its agents."""

    changes: dict
    window: int
    criterion: float
    score: str


TESTS = {
    "two-step": Test({}, 8, 0.68, "reward per trial"),
    "bandit-independent": Test({"n_updates": 600, "n_episodes": 32}, 50, 0.63, "regret"),
    "harlow": Test({"n_updates": 1200}, 20, 0.72, "share right from trial 2 on"),
}


def score(task: str, cohort: xr.Dataset, names: list[str]) -> np.ndarray:
    if task == "bandit-independent":
        values = regret(cohort).total_regret.sel(statistic="value")
        return values.sel(subject=names).values
    if task == "harlow":
        right = cohort.correct.isel(trial=slice(1, None))
        return right.groupby("subject").mean(...).sel(subject=names).values
    return cohort.reward.groupby("subject").mean(...).sel(subject=names).values


def train(name: str, engine: str, seed: int, n_agents: int) -> list[dict]:
    test, task = TESTS[name], make_task(name)
    recipe = make_recipe(name, "fast", changes=test.changes)
    names = [f"{seed}/{k}" for k in range(n_agents)]
    start = time.process_time()
    with one_thread(flush_denormals=recipe.flush_denormals):
        learner = Learner(task, recipe, seed_generators(seed, names, "train"), engine=engine)
        curve = torch.stack([learner.update() for _ in range(recipe.n_updates)]).numpy()
    spent = time.process_time() - start
    agents = Agents(learner.population, tuple(names), task, recipe, seed)
    cohort = record(agents, n_sessions=300, seed=seed, activity=False)
    scores = score(name, cohort, names)
    total = np.cumsum(np.vstack([np.zeros(n_agents), curve]), axis=0)
    above = (total[test.window :] - total[: -test.window]) / test.window >= test.criterion
    return [
        {
            "task": name,
            "engine": engine,
            "seed": seed,
            "agent": k,
            "reached": int(above[:, k].any()),
            "updates": int(above[:, k].argmax()) + test.window if above[:, k].any() else "",
            "score": f"{scores[k]:.6f}",
            "cpu_seconds": f"{spent / n_agents:.4f}",
        }
        for k in range(n_agents)
    ]


def read(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def difference(a: np.ndarray, b: np.ndarray) -> str:
    """Mean difference with its 95 % interval (Welch), and a rank test."""
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = t.ppf(0.975, df) * (va + vb) ** 0.5
    mean = a.mean() - b.mean()
    p = mannwhitneyu(a, b).pvalue
    return f"{mean:+.4g} [{mean - half:+.4g}, {mean + half:+.4g}], rank test p = {p:.2f}"


def summarize(rows: list[dict]) -> None:
    for name in dict.fromkeys(row["task"] for row in rows):
        of = {e: [r for r in rows if (r["task"], r["engine"]) == (name, e)]
              for e in ("fused", "torch")}  # fmt: skip
        if min(map(len, of.values())) < 3:
            continue
        print(f"\n{name}: criterion {TESTS[name].criterion} over {TESTS[name].window} updates")
        counts, columns = {}, {}
        for engine, own in of.items():
            reached = [int(r["updates"]) for r in own if int(r["reached"])]
            values = np.array([float(r["score"]) for r in own])
            cpu = np.mean([float(r["cpu_seconds"]) for r in own])
            counts[engine] = [len(reached), len(own) - len(reached)]
            columns[engine] = np.array(reached, float), values
            print(
                f"  {engine}: {len(reached)} of {len(own)} reached it, after "
                f"{np.median(reached):.0f} updates (90 % by {np.quantile(reached, 0.9):.0f}); "
                f"{TESTS[name].score} {values.mean():.4f} "
                f"(5-95 %: {np.quantile(values, 0.05):.4f}-{np.quantile(values, 0.95):.4f}); "
                f"{cpu:.2f} CPU s an agent"
            )
        p = fisher_exact([counts["fused"], counts["torch"]]).pvalue
        print(f"  share: Fisher p = {p:.2f}")
        for k, what in enumerate(("updates", TESTS[name].score)):
            print(
                f"  {what}, fused - torch: {difference(columns['fused'][k], columns['torch'][k])}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--task", choices=TESTS, default="two-step")
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--population", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--summary", action="store_true")
    arguments = parser.parse_args()
    done = {(r["task"], r["engine"], int(r["seed"])) for r in read(arguments.out)}
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.agents // arguments.population)
    for seed in () if arguments.summary else seeds:
        for engine in ("fused", "torch"):
            if (arguments.task, engine, seed) in done:
                continue
            rows = train(arguments.task, engine, seed, arguments.population)
            new = not arguments.out.exists()
            with arguments.out.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                if new:
                    writer.writeheader()
                writer.writerows(rows)
            print(arguments.task, engine, seed, [r["score"] for r in rows], flush=True)
    summarize(read(arguments.out))


if __name__ == "__main__":
    main()
