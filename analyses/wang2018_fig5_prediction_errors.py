"""Wang et al. 2018, figure 5: the networks' prediction errors, model-based or model-free.

    python analyses/wang2018_fig5_prediction_errors.py [--quick]

Each network's own prediction errors are regressed, jointly, on those of a model-based learner
(the exact Bayesian planner, which is told the task) and of model-free TD(lambda), fitted to the
network's own choices, or, to give it every chance, chosen of 27 settings to explain the errors
of the other half of the sessions best. In the table also with a planner that is told nothing: a
delta rule fitted to the choices. Beside them reservoirs: networks that were never trained, each
driven by the inputs of one trained network, whose value is a linear readout fitted to the returns
of other sessions. Their errors are model-based too, because whatever remembers past trials holds
what a planner knows; what training gave is that the network's own value is exact. At the outcome
the reward itself is held, since every learner's error contains it. The last trial of an episode,
after which nothing is expected, is left out.
Writes figures/wang2018_fig5_prediction_errors.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from itertools import product
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
SETTINGS = list(product(np.arange(0.1, 1, 0.1).round(1), (0.0, 0.5, 1.0)))
TITLES = {"first_step": "arriving at the second step", "second_step": "outcome, reward held"}
COVARIATES: dict[str, list[str]] = {"first_step": [], "second_step": ["reward"]}
BLUE, LEAST = "#0072B2", 1e-5


def temporal_difference(rate: float, trace: float) -> object:
    """Plant a model-free learner."""
    model = nm.models.find_model("model_free")
    return model.planted(learning_rate=float(rate), eligibility_trace=trace)


def best_model_free(cohort: xr.Dataset, where: xr.DataArray, event: str) -> xr.Dataset:
    """Choose for each network the TD(lambda) that explains its errors best in these trials."""
    signals = [nm.models.model_signals(cohort, temporal_difference(*s)) for s in SETTINGS]
    explained = [
        nm.neural.prediction_error_regression(
            cohort, s, events=[event], covariates=COVARIATES[event], where=where
        ).r2_alone.sel(statistic="value", event=event, system="model_free")
        for s in signals
    ]
    best = np.argmax([e.values for e in explained], axis=0)
    chosen = signals[0].copy(deep=True)
    for subject, k in zip(explained[0].subject.values, best, strict=True):
        mine = cohort.subject.values == subject
        chosen.rpe[:, mine] = signals[k].rpe[:, mine]
    return chosen


def returns(reward: np.ndarray, discount: float) -> np.ndarray:
    """Sum discounted rewards to come, dims (session, step)."""
    found = np.array(reward, float)
    for step in range(found.shape[1] - 2, -1, -1):
        found[:, step] += discount * found[:, step + 1]
    return found


def read_out(cohort: xr.Dataset, discount: float) -> xr.Dataset:
    """Give reservoirs a value, by ridge regression on returns of the other half of the sessions."""
    table = cohort.activity.transpose("session", "trial", "event", "unit").values
    n, n_trials, n_events, n_units = table.shape
    x = table.reshape(n, n_trials * n_events, n_units)
    reward = np.zeros((n, n_trials, n_events))
    reward[..., list(cohort.event.values).index("second_step")] = cohort.reward.values
    reward = reward.reshape(n, -1)
    worth, value = returns(reward, discount), np.empty(reward.shape)
    for name in nm.subjects_of(cohort):
        mine = np.flatnonzero(cohort.subject.values == name)
        for half in (0, 1):
            rest, here = mine[half::2], mine[1 - half :: 2]
            a, b = x[rest].reshape(-1, n_units).astype(float), worth[rest].ravel()
            middle, level = a.mean(axis=0), b.mean()
            inner = (a - middle).T @ (a - middle)
            inner += 1e-6 * np.trace(inner) / n_units * np.eye(n_units)
            weights = np.linalg.solve(inner, (a - middle).T @ (b - level))
            value[here] = (x[here] - middle) @ weights + level
    later = np.pad(value[:, 1:], ((0, 0), (0, 1)))
    error = (reward + discount * later - value).reshape(n, n_trials, n_events)
    return cohort.drop_vars("activity").assign(
        rpe=(("session", "trial", "event"), error.astype("float32"))
    )


def regress(cohort: xr.Dataset) -> xr.Dataset:
    """Return the regressions, dims learner (of the model-free errors), subject, event, ..."""
    planner = nm.models.find_model("latent_state").planted(hazard=0.025)
    planned = nm.models.model_signals(cohort, planner)
    kept = xr.DataArray(np.arange(cohort.sizes["trial"]) < cohort.sizes["trial"] - 1, dims="trial")
    odd = xr.DataArray(np.arange(cohort.sizes["session"]) % 2 == 1, dims="session")
    fitted = nm.models.model_signals(cohort, nm.fit(cohort, "model_free", n_starts=3))
    delta_rule = nm.models.model_signals(
        cohort, nm.fit(cohort, "model_based_symmetric", n_starts=3)
    )
    tables = []
    for event, covariates in COVARIATES.items():
        best = best_model_free(cohort, kept & ~odd, event)
        both = [
            nm.neural.prediction_error_regression(
                cohort, [mine, other], events=[event], covariates=covariates, where=where
            )
            for mine, other, where in (
                (planned, fitted, kept),
                (planned, best, kept & odd),
                (delta_rule, fitted, kept),
            )
        ]
        names = ["fitted", "best of 27", "fitted, planner a fitted delta rule"]
        tables.append(xr.concat(both, pd.Index(names, name="learner")))
    return xr.concat(tables, "event")


def tidy(table: xr.Dataset, source: str) -> pd.DataFrame:
    """Return a long table of every number."""
    parts = []
    for name in ("weight", "unique", "cpd", "r2_alone", "r2"):
        one = table[name].to_dataset("statistic").to_dataframe().reset_index()
        parts.append(one.assign(measure=name, source=source))
    long = pd.concat(parts, ignore_index=True)
    order = ["source", "learner", "event", "measure", "system", "subject", "value", "low", "high"]
    return long[order].round(5)


def plot_unique(ax: Axes, table: xr.Dataset, *, trained: bool) -> None:
    """Draw the unique variance of one learner against that of the other."""
    for event, marker in (("first_step", "o"), ("second_step", "s")):
        one = table.unique.sel(event=event, statistic="value").transpose("system", "subject")
        planned, cached = np.maximum(one.values, LEAST)
        color = BLUE if trained else "0.5"
        what = "arrival" if event == "first_step" else "outcome"
        label = f"{'trained' if trained else 'reservoir'}, {what}"
        ax.plot(cached, planned, marker, color=color, ms=3.5, mfc=color if trained else "white",
                mew=0 if trained else 0.7, alpha=0.8, label=label)  # fmt: skip


def report(table: xr.Dataset) -> None:
    """Count the networks whose errors are model-based and not model-free."""
    for learner, event in product(table.learner.values, table.event.values):
        one = table.sel(learner=learner, event=event)
        planned = one.sel(system="model_based")
        cached = one.sel(system="model_free")
        ahead = (planned.weight.sel(statistic="low") > 0.5) & (
            planned.unique.sel(statistic="low") > 10 * cached.unique.sel(statistic="high")
        )
        small = np.abs(cached.weight.sel(statistic=["low", "high"])).max("statistic") < 0.1
        value = one.sel(statistic="value")
        largest = float(abs(cached.weight.sel(statistic="value")).max())
        print(
            f"{event}, model-free {learner}: model-based and not model-free in "
            f"{int((ahead & small).sum())} of {one.sizes['subject']}; weights "
            f"{value.weight.mean('subject').values.round(3)}, unique "
            f"{value.unique.mean('subject').values.round(4)}, R2 {float(value.r2.mean()):.3f}, "
            f"largest model-free weight {largest:.3f}"
        )


def draw(tables: dict[str, xr.Dataset]) -> None:
    """Draw and write the figure."""
    n = tables["trained"].sizes["subject"]
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7.2, 2.7), layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=[1.15, 1.15, 1])
        for ax, event in zip(axes, TITLES, strict=False):
            for k, table in enumerate(tables.values()):
                nm.plot.prediction_errors(
                    table.sel(learner="best of 27"), ax, event=event, start=k * (n + 2),
                    faint=k == 1,
                )  # fmt: skip
            ax.set(ylim=(-0.25, 1.25), ylabel="weight of the learner's error", xlabel="")
            ax.set_title(TITLES[event], fontsize=8)
            ax.set_xticks([(n - 1) / 2, n + 2 + (n - 1) / 2],
                          [f"trained\nn = {n}", f"reservoir,\nfitted value\nn = {n}"])  # fmt: skip
        axes[0].legend(frameon=False, loc="upper right", fontsize=7)
        for source, table in tables.items():
            plot_unique(axes[2], table.sel(learner="best of 27"), trained=source == "trained")
        axes[2].plot([LEAST, 1], [LEAST, 1], color="0.6", lw=0.7, ls=":")
        axes[2].set(xscale="log", yscale="log", xlim=(0.7 * LEAST, 1), ylim=(0.7 * LEAST, 300),
                    xlabel="unique variance, model-free",
                    ylabel="unique variance, model-based")  # fmt: skip
        axes[2].set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1])
        axes[2].legend(frameon=False, loc="upper right", fontsize=6.5, handletextpad=0.2)
        axes[2].spines[["top", "right"]].set_visible(False)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})


def main() -> None:
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="30 sessions per network, not 300")
    n_sessions = 30 if parser.parse_args().quick else 300
    agents = nm.load_agents("two-step")
    fresh = untrained(agents, n_agents=len(agents), seed=1)
    own = nm.record(agents, n_sessions=n_sessions, seed=2018, progress=True)
    of = dict(zip(fresh.names, agents.names, strict=True))
    driven = nm.recording.record_replay(fresh, own, of=of, variables=["activity"], progress=True)
    kept = ["choice", "reward", "valid", "forced", "state", "common", "p_reward", "rpe"]
    cohorts = {"trained": own[kept], "reservoir": read_out(driven, agents.recipe.discount)[kept]}
    tables = {}
    for source, cohort in cohorts.items():
        tables[source] = regress(cohort)
        print(source)
        report(tables[source])
    pd.concat([tidy(t, s) for s, t in tables.items()]).to_csv(STEM.with_suffix(".csv"), index=False)
    draw(tables)
    print(f"{STEM}.png")


if __name__ == "__main__":
    main()
