"""Every kind of number that the package gives, pickled and compared bit for bit.

    python benchmarks/golden_numbers.py --write golden.pkl      # before a change
    python benchmarks/golden_numbers.py --against golden.pkl    # after it

Three assessments, a comparison of each kind of task, fits, a training, recordings, activity and,
where the files are at hand, real animals. Each figure is named; a figure that moved is printed with
its largest difference, and the exit status is 1. Takes about five minutes on one core.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import xarray as xr

import neuro_metarl as nm

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = {
    "miller2022": "miller2022_rat_twostep/ofc_physdata_3rats.mat",
    "trepka2021": "trepka2021_mouse_bandit/all_stats_cohen.mat",
    "boussard": "boussard_guppy_serial_reversal/SRL(all_data).xlsx",
    "hbayesdm": "human_twostep_hbayesdm/ts_exampleData.txt",
    "reversal": "human_twostep_hbayesdm/prl_exampleData.txt",
    "aind": "aind_mouse_foraging_nwb",
}
Numbers = dict[str, np.ndarray]


def flat(name: str, thing: object) -> Numbers:
    """Name every array of a result."""
    if isinstance(thing, xr.DataTree):
        return {
            k: v
            for node in thing.subtree
            for k, v in flat(f"{name}{node.path}", node.to_dataset()).items()
        }
    if isinstance(thing, xr.Dataset):
        return {f"{name}.{k}": v.values for k, v in thing.variables.items()}
    if isinstance(thing, xr.DataArray):
        return {name: thing.values}
    if isinstance(thing, pd.DataFrame):
        return {f"{name}.{k}": thing[k].to_numpy() for k in thing}
    return {name: np.asarray(thing)}


def training() -> Numbers:
    """Train shortly."""
    found: Numbers = {}
    for task in ("two-step", "bandit-dependent-easy", "harlow"):
        recipe = nm.make_recipe(task, changes={"n_updates": 20})
        agents = nm.train(task, n_agents=2, seed=3, recipe=recipe, progress=False)
        for key, value in vars(agents.population).items():
            if hasattr(value, "detach"):
                found[f"train.{task}.{key}"] = value.detach().numpy().copy()
    return found


def recordings() -> Numbers:
    """Record agents, models and players, with activity."""
    found: Numbers = {}
    for task in ("two-step", "bandit-restless", "harlow"):
        agents = nm.load_agents(task).select(range(2))
        found |= flat(f"record.{task}", nm.record(agents, task, n_sessions=5, seed=2))
    planner = nm.record(
        nm.models.hybrid.planted(weight_model_based=1.0), "two-step-miller", n_sessions=9
    )
    found |= flat("record.planner", planner)
    found |= flat("record.thompson", nm.record(nm.make_player("thompson"), "bandit-independent", 9))
    return found


def comparisons() -> Numbers:
    """Take the measures of each kind of task."""
    rats = nm.load_dataset("synthetic-rats")
    agents = nm.record(nm.load_agents("two-step").select(range(2)), "two-step-miller", 30, seed=1)
    found = flat("compare", nm.compare({"agents": agents, "rats": rats}))
    found |= flat("profile", nm.profile(rats))
    arms = nm.record(nm.load_agents("bandit-restless").select(range(2)), "bandit-restless", 30)
    for verb in (nm.behavior.bandit_profile, nm.win_stay, nm.regret, nm.behavior.suboptimal_pulls):
        found |= flat(verb.__name__, verb(arms))
    sets = nm.record(nm.load_agents("harlow").select(range(2)), "harlow", 60)
    found |= flat("learning_curve", nm.learning_curve(sets, blocks=2))
    return found | flat("learning_set_profile", nm.behavior.learning_set_profile(sets))


def fits() -> Numbers:
    """Fit models to synthetic rats and to agents on a bandit."""
    rats = nm.load_dataset("synthetic-rats")
    arms = nm.record(nm.load_agents("bandit-independent").select(range(2)), "bandit-independent", 9)
    found = flat("fit.hybrid", nm.fit(rats, "hybrid"))
    for model in ("latent_state", "mixture"):
        found |= flat(f"fit.{model}", nm.fit(rats, model))
    return found | flat("fit.q_learning", nm.fit(arms, "q_learning"))


def activity() -> Numbers:
    """Encode and decode networks."""
    cohort = nm.record(nm.load_agents("two-step").select(range(1)), "two-step", 12, seed=5)
    belief = nm.models.bayes_belief(cohort).log_odds
    found = flat("encode", nm.encode(cohort, ["choice", "state", "previous_reward"]))
    return found | flat("decode", nm.decode(cohort, belief))


def assessments() -> Numbers:
    """Assess agents among synthetic rats, and among mice where they are at hand."""
    rats = nm.load_dataset("synthetic-rats")
    agents = nm.load_agents("two-step").select(range(2))
    found = flat("assess.rats", nm.assess(agents, rats, n_replicates=1, n_bootstrap=100))
    if (REAL / FILES["trepka2021"]).exists():
        mice = nm.read(REAL / FILES["trepka2021"])
        some = nm.select_subjects(mice, nm.subjects_of(mice)[:5])
        pair = nm.load_agents("bandit-restless").select(range(2))
        found |= flat("assess.mice", nm.assess(pair, some, n_replicates=1, n_bootstrap=100))
    sets = nm.record(nm.load_agents("harlow"), "harlow", 60, seed=4)
    names = nm.subjects_of(sets)
    halves = (nm.select_subjects(sets, mine) for mine in (names[:2], names[2:8]))
    split = [nm.behavior.learning_set_profile(half) for half in halves]
    return found | flat("assess.sets", nm.assess_profiles(*split, n_bootstrap=100))


def animals() -> Numbers:
    """Read real files and measure what they hold."""
    found: Numbers = {}
    for name, file in FILES.items():
        if not (REAL / file).exists():
            continue
        cohort = nm.read(REAL / file)
        found |= flat(f"read.{name}", cohort)
        if name == "miller2022":
            found |= flat(f"compare.{name}", nm.compare({"rats": cohort}))
        if name == "trepka2021":
            found |= flat(f"profile.{name}", nm.behavior.bandit_profile(cohort))
        if name == "boussard":
            found |= flat(f"curve.{name}", nm.learning_curve(cohort, blocks=2))
        if name == "hbayesdm":
            found |= flat(f"fit.{name}", nm.fit(cohort, "hybrid_human"))
    return found


PARTS: tuple[Callable[[], Numbers], ...] = (
    training, recordings, comparisons, fits, activity, assessments, animals,
)  # fmt: skip


def difference(old: np.ndarray, new: np.ndarray) -> str:
    """Say how two arrays differ, or nothing."""
    if old.shape != new.shape or old.dtype != new.dtype:
        return f"{old.dtype}{old.shape} became {new.dtype}{new.shape}"
    if old.dtype.kind in "fc":
        same = (old == new) | (np.isnan(old) & np.isnan(new))
        gap = np.abs(np.where(same, 0, old - new)).max(initial=0)
        return "" if same.all() else f"{(~same).sum()} of {same.size} moved, at most {gap:.3g}"
    same = old == new
    return "" if np.all(same) else f"{np.size(same) - np.sum(same)} of {np.size(same)} moved"


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--parts", nargs="*", default=[p.__name__ for p in PARTS])
    asked = parser.parse_args()
    numbers: Numbers = {}
    for part in PARTS:
        if part.__name__ in asked.parts:
            print(part.__name__, file=sys.stderr, flush=True)
            numbers |= part()
    if asked.write:
        asked.write.write_bytes(pickle.dumps(numbers))
    if not asked.against:
        return 0
    before = pickle.loads(asked.against.read_bytes())
    moved = 0
    for name in before:
        if name not in numbers:
            if len(asked.parts) == len(PARTS):
                moved += 1
                print(f"gone: {name}")
            continue
        text = difference(before[name], numbers[name])
        if text:
            moved += 1
            print(f"moved: {name}: {text}")
    new = [name for name in numbers if name not in before]
    print(f"{len(before)} figures, {moved} moved, {len(new)} new: {', '.join(new[:20])}")
    return int(moved > 0)


if __name__ == "__main__":
    sys.exit(main())
