"""Population geometry and dynamics of sixteen networks on the two-step task.

    python analyses/two_step_geometry.py [--quick]

How belief (the Bayes filter's log odds that state 1 is the better one) lies in the states of
trained networks: paths through a trial, demixed components, dimensions, similarity among
networks, their delay operators, and the fixed points of one trial repeated. Beside them reservoirs:
networks that were never trained, each driven by the inputs of one trained network.
Writes figures/two_step_geometry.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import neuro_metarl as nm
from neuro_metarl.agents.zoo import untrained

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
EVIDENCE, HAZARD = np.log(9), 0.025
SIDES = ("left", "right")
ALONE = [((c, s, r),) for c in (0, 1) for s in (0, 1) for r in (0, 1)]
PAIRS = [((0, 0, 1), (0, 0, 0)), ((1, 1, 0), (1, 1, 1)), ((0, 0, 1), (1, 1, 1))]
DIMS = ("session", "trial")


def forget(log_odds: np.ndarray) -> np.ndarray:
    """Let belief fade by the task's switches of .025 a trial."""
    p = HAZARD + (1 - 2 * HAZARD) / (1 + np.exp(-log_odds))
    return np.log(p / (1 - p))


def evidence(state: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Say what a reward in a state tells, in log odds that state 1 is the better one."""
    return EVIDENCE * np.where(state == 1, 1, -1) * np.where(reward > 0, 1, -1)


def belief(cohort: xr.Dataset) -> xr.DataArray:
    """Run the Bayes filter along each session; belief before each trial."""
    told = evidence(cohort.state.values, cohort.reward.values) * (cohort.valid.values == 1)
    odds = np.zeros(told.shape)
    for t in range(1, odds.shape[1]):
        odds[:, t] = forget(odds[:, t - 1] + told[:, t - 1])
    return xr.DataArray(odds, dims=DIMS)


def binned(values: xr.DataArray, edges: list[float]) -> xr.DataArray:
    """Give each value the number of its bin, from 0."""
    return xr.DataArray(np.digitize(values, edges), dims=DIMS)


def trial_inputs(agents: object, choice: int, state: int, reward: int) -> list[np.ndarray]:
    """Give the three inputs from the first step of a trial to the fixation after it."""
    return [
        nm.neural.input_of(agents, "first_step", action="center"),
        nm.neural.input_of(agents, f"second_step/{state}", action=SIDES[choice]),
        nm.neural.input_of(agents, "fixation", action="left", reward=reward),
    ]


def decode(cohort: xr.Dataset, odds: xr.DataArray) -> dict[str, tuple[np.ndarray, float, float]]:
    """Regress belief on the state at fixation, subject by subject; R2 in the other half."""
    found = {}
    for name in nm.subjects_of(cohort):
        mine = cohort.subject.values == name
        x = cohort.activity.sel(event="fixation").values[mine].reshape(-1, cohort.sizes["unit"])
        x, y = np.column_stack([np.ones(len(x)), x]), odds.values[mine].ravel()
        half = len(y) // 2
        trained = np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
        left = y[half:] - x[half:] @ trained
        fit = float(1 - (left**2).sum() / ((y[half:] - y[half:].mean()) ** 2).sum())
        weights = np.linalg.lstsq(x, y, rcond=None)[0]
        found[name] = weights[1:], float(weights[0]), fit
    return found


def repeated_trials(agents, cohort, decoders, n_starts: int) -> tuple[pd.DataFrame, xr.Dataset]:
    """Find where each network rests when one trial, or two in turn, are repeated."""
    rows, parts = [], []
    for trials in ALONE + PAIRS:
        inputs = np.concatenate([trial_inputs(agents, *trial) for trial in trials])
        found = nm.neural.fixed_points(agents, cohort, inputs, event="fixation", n_starts=n_starts)
        odds = np.zeros(1)
        for _ in range(500):
            for _, state, reward in trials:
                odds = forget(odds + evidence(np.array(state), np.array(reward)))
        for k in range(found.sizes["fixed_point"]):
            one = found.isel(fixed_point=k)
            name = str(one.subject_of.values)
            weights, offset, _ = decoders[name]
            rows.append(
                {
                    "subject": name,
                    "trials": " then ".join("c{} s{} r{}".format(*t) for t in trials),
                    "bayes": float(odds[0]),
                    "decoded": float(one.hidden.values @ weights + offset),
                    "largest_eigenvalue": float(np.abs(one.eigenvalue[0])),
                    "n_unstable": int(one.n_unstable),
                    "speed": float(one.speed),
                    "n_starts": int(one.n_starts),
                    "n_failed": int(found.n_failed.sel(subject=name)),
                    "alone": len(trials) == 1,
                }
            )
        parts.append(found)
        print(f"{rows[-1]['trials']}: {found.n_found.values.tolist()} found", flush=True)
    spectra = [part["eigenvalue"] for part in parts]
    return pd.DataFrame(rows), xr.concat(spectra, dim="fixed_point").to_dataset()


def dots(ax: Axes, groups: list[np.ndarray], labels: list[str], colors: list[str]) -> None:
    """Draw each group's values side by side with its mean."""
    for k, (values, color) in enumerate(zip(groups, colors, strict=True)):
        x = k + np.linspace(-0.28, 0.28, len(values))
        ax.plot(x, values, "o", color=color, ms=2.2, alpha=0.6, mew=0)
        ax.hlines(np.mean(values), k - 0.38, k + 0.38, color="0.15", lw=1.5)
    ax.set_xticks(range(len(labels)), labels)


def pairs(matrix: xr.DataArray, n: int) -> list[np.ndarray]:
    """Part the pairs of subjects: both trained, one, none."""
    values, upper = matrix.values, np.triu_indices(n, 1)
    return [values[:n, :n][upper], values[:n, n:].ravel(), values[n:, n:][upper]]


def draw(results: dict, agents) -> Figure:
    """Draw the nine panels."""
    n = len(agents)
    figure = Figure(figsize=(7, 6.9), layout="constrained")
    axes = figure.subplots(3, 3)
    nm.plot.trajectories(results["pca"], axes[0, 0])
    axes[0, 0].set_title(f"paths, {agents.names[0]}", fontsize=8)
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(-3.5, 3.5), "cividis")
    bar = figure.colorbar(scale, ax=axes[0, 0], shrink=0.7, pad=0.02)
    bar.set_label("belief (log odds)")
    demixed = results["demixed"]
    parts = demixed.marginalization.values.tolist()
    shares = [demixed.marginal_variance.sel(marginalization=p).values for p in parts]
    labels = [p.replace("belief x choice", "b x c") for p in parts]
    dots(axes[0, 1], shares, labels, [BLUE] * len(parts))
    axes[0, 1].tick_params(axis="x", labelrotation=40)
    axes[0, 1].set(ylabel="share of variance", ylim=(0, 1))
    axes[0, 1].set_title("demixed parts", fontsize=8)
    nm.plot.demixed(results["demixed"], axes[0, 2], part="belief")
    axes[0, 2].set_title(f"belief component, {agents.names[0]}", fontsize=8)
    axes[0, 2].set_ylim(-2.6, 2.3)
    axes[0, 2].text(0.02, 0.92, "left (full), right (dashed)", transform=axes[0, 2].transAxes)
    for color, text, y in (
        ("#00224e", "state 0 better", 0.10),
        ("#D9C84A", "state 1 better", 0.02),
    ):
        axes[0, 2].text(0.02, y, text, color=color, transform=axes[0, 2].transAxes)
    size = results["dimensions"].participation_ratio.sel(statistic="value").values
    dots(axes[1, 0], [size[:n], size[n:]], ["trained", "reservoir"], [BLUE, ORANGE])
    axes[1, 0].set(ylabel="participation ratio", ylim=(0, None))
    axes[1, 0].set_title("dimensions, first step", fontsize=8)
    groups = {"trained": n, "reservoir": n}
    image = nm.plot.similarity(results["cka"], axes[1, 1], groups=groups).images[0]
    image.colorbar.set_label("debiased CKA")
    kinds, colors = ["trained", "one of\neach", "reser-\nvoirs"], [BLUE, "0.5", ORANGE]
    dots(axes[1, 2], pairs(results["angular"], n), kinds, colors)
    axes[1, 2].set(ylabel="shape distance (rad)", ylim=(0, None))
    axes[1, 2].set_title("pairs of networks", fontsize=8)
    leading = np.abs(results["operators"].eigenvalue.values[:, 0])
    dots(axes[2, 0], [leading[:n], leading[n:]], ["trained", "reservoir"], [BLUE, ORANGE])
    axes[2, 0].axhline(1 - 2 * HAZARD, color="0.4", lw=0.8, ls="--")
    axes[2, 0].text(1.45, 0.74, "task: .95", ha="right", color="0.4")
    axes[2, 0].set(ylabel="largest eigenvalue", ylim=(0, 1.05))
    axes[2, 0].set_title("operator, trial to trial", fontsize=8)
    table = results["points"]
    for alone, color, marker, label in (
        (True, BLUE, "o", "one trial"),
        (False, GREEN, "^", "two in turn"),
    ):
        mine = table[table.alone == alone]
        jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(mine))
        x = mine.bayes + jitter
        axes[2, 1].plot(x, mine.decoded, marker, color=color, ms=2.5, mew=0, alpha=0.5, label=label)
    axes[2, 1].plot([-4.2, 4.2], [-4.2, 4.2], color="0.4", lw=0.8, ls="--")
    axes[2, 1].set(xlabel="Bayes filter rests at (log odds)", ylabel="network rests at (log odds)")
    axes[2, 1].set(xticks=[-4, -2, 0, 2, 4], yticks=[-4, -2, 0, 2, 4])
    axes[2, 1].legend(frameon=False, loc="upper left", handletextpad=0.1, borderpad=0)
    axes[2, 1].set_title("rest under repeated trials", fontsize=8)
    nm.plot.eigenvalues(results["spectra"].isel(mode=slice(10)), axes[2, 2])
    axes[2, 2].set_title("ten largest eigenvalues there", fontsize=8)
    for ax, letter in zip(axes.ravel(), "abcdefghi", strict=True):
        ax.text(-0.2, 1.06, letter, transform=ax.transAxes, weight="bold", ha="right", size=9)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def summarise(results: dict, agents) -> pd.DataFrame:
    """Put the numbers behind the figure into one long table."""
    n, rows = len(agents), []
    names = results["dimensions"].subject.values.tolist()

    def add(measure: str, subject: str, value: float, which: str = "") -> None:
        rows.append({"measure": measure, "subject": subject, "which": which, "value": value})

    for k, name in enumerate(names):
        ratio = results["dimensions"].participation_ratio.values[k]
        kind = "trained" if k < n else "reservoir"
        for statistic, value in zip(("value", "low", "high"), ratio, strict=True):
            add("participation_ratio", name, value, f"{kind}, {statistic}")
        leading = abs(results["operators"].eigenvalue.values[k, 0])
        add("largest_operator_eigenvalue", name, leading, kind)
    demixed = results["demixed"]
    for k, name in enumerate(agents.names):
        add("belief_r2_held_out", name, results["decoders"][name][2])
        for j, part in enumerate(demixed.marginalization.values):
            add("marginal_variance", name, demixed.marginal_variance.values[k, j], part)
            own = demixed.component_variance.values[k][demixed.marginalization_of.values == part]
            add("component_purity", name, own[0, j], part)
    for measure in ("cka", "angular", "dsa"):
        for kind, values in zip(("trained", "mixed", "reservoir"), pairs(results[measure], n),
                                strict=True):  # fmt: skip
            for value in values:
                add(f"pairs_{measure}", "", value, kind)
    for row in results["points"].itertuples():
        add("fixed_point_bayes", row.subject, row.bayes, row.trials)
        add("fixed_point_decoded", row.subject, row.decoded, row.trials)
        add("fixed_point_largest_eigenvalue", row.subject, row.largest_eigenvalue, row.trials)
        add("fixed_point_n_unstable", row.subject, row.n_unstable, row.trials)
        add("fixed_point_speed", row.subject, row.speed, row.trials)
        add("fixed_point_n_failed", row.subject, row.n_failed, row.trials)
    return pd.DataFrame(rows)


def main() -> None:
    """Record, analyse, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four networks, not sixteen")
    quick = parser.parse_args().quick
    agents = nm.load_agents("two-step")
    agents = agents.select(range(4)) if quick else agents
    fresh = untrained(agents, n_agents=len(agents), seed=1)
    trained = nm.record(agents, n_sessions=100, seed=2018, progress=True)
    of = dict(zip(fresh.names, agents.names, strict=True))
    driven = nm.recording.record_replay(fresh, trained, of=of, variables=["activity"])
    shared = ["cell", "policy", "rpe", "value", "inputs", "action", "input"]
    both = nm.concat_cohorts([trained.drop_vars(shared), driven.drop_vars("animal")])
    odds, all_odds = belief(trained), belief(both)
    edges = [-3, -1.5, 0, 1.5, 3]
    by = {"belief": binned(all_odds, edges), "state": both.state, "reward": both.reward}
    decoders = decode(trained, odds)
    points, spectra = repeated_trials(agents, trained, decoders, n_starts=12)
    step = {"event": "first_step"}
    results = {
        "pca": nm.neural.pca_trajectories(trained, {"belief": binned(odds, edges)}),
        "demixed": nm.neural.demixed_pca(
            trained, {"belief": binned(odds, [-1, 1]), "choice": trained.choice}, n_components=1
        ),
        "dimensions": nm.neural.dimensionality(both, **step),
        "cka": nm.neural.compare_populations(both, by=by, measure="debiased_cka"),
        "angular": nm.neural.compare_populations(both, by=by, measure="angular"),
        "operators": nm.neural.delay_operators(both, n_delays=1, rank=5, **step),
        "dsa": nm.neural.dynamical_similarity(both, n_delays=1, rank=5, n_starts=10, **step),
        "decoders": decoders,
        "points": points,
        "spectra": spectra,
    }
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = draw(results, agents)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    table = summarise(results, agents)
    table.to_csv(STEM.with_suffix(".csv"), index=False, float_format="%.6g")
    grouped = table.groupby(["measure", "which"])["value"]
    print(grouped.agg(["count", "mean", "min", "max"]).round(3).to_string())


if __name__ == "__main__":
    main()
