"""Inferred value: the task's odds, and the index against agents whose beliefs are known.

Bromberg-Martin et al. 2010; Wang et al. 2018, simulation 3. Values follow in closed form from
beliefs b that the left and the right target pay: ``V(X) = c + b_X + k (b_L + b_R)``.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.agents.zoo import untrained
from neuro_metarl.errors import InputError
from neuro_metarl.neural.value_inference import ideal_target_value, inferred_value
from neuro_metarl.tasks.inferred_value import INFERRED_VALUE_FORMS, InferredValue
from tests.test_tasks import generators

HAZARD, DISCOUNT = 1 / 24, 0.9
KEPT = 1 - 2 * HAZARD
K = DISCOUNT**2 * KEPT / (2 * (1 - DISCOUNT**2 * KEPT))


@pytest.mark.parametrize("independent", [False, True])
def test_targets_change_with_the_hazard(independent: bool) -> None:
    task = InferredValue(independent=independent)
    drawn = task.draw(3000, generators(1)).variables
    high, shown = drawn["p_reward"][:, 0].numpy() > 0.5, drawn["shown"][:, 0].numpy()
    turned = high[1:] != high[:-1]
    for target in (0, 1):
        n = turned[:, target].size
        error = np.sqrt(HAZARD / n)
        assert abs(turned[:, target].mean() - HAZARD) < 4 * error
    both = (turned[:, 0] & turned[:, 1]).mean()
    assert both == pytest.approx(HAZARD**2 if independent else HAZARD, abs=0.002)
    if not independent:
        assert (high[:, 0] != high[:, 1]).all()
    assert abs(shown.mean() - 0.5) < 4 * np.sqrt(0.25 / shown.size)
    assert (drawn["pays"][:, 0].numpy() == high).all()


def test_looking_away_costs_and_does_not_count() -> None:
    task = InferredValue(n_trials=4, p_switch=0.0)
    episodes = task.draw(200, generators(1))
    shown = episodes.variables["shown"]
    actions = torch.full((8, 1, 200), 2)
    actions[1::2] = shown
    actions[3] = 1 - shown[1]
    actions[4] = 0
    trials = task.trials(episodes, actions)
    assert trials["valid"][:, 0, 0].tolist() == [1, 0, 0, 1]
    fixated, looked = (effect.table for effect in episodes.effects)
    assert (fixated[:, :, :2] == -1).all()
    assert not fixated[:, :, 2].any()
    mine = looked.gather(2, shown[:, :, None, None])[:, :, 0, 0]
    assert torch.equal(mine[[0, 3]], trials["reward"][[0, 3]])
    assert (looked[:, :, 2] == -1).all()


@pytest.mark.parametrize("name", INFERRED_VALUE_FORMS)
def test_forms_and_impossible_values(name: str) -> None:
    assert nm.make_task(name).name == name
    for change, said in (({"p_switch": 2.0}, "p_switch"), ({"p_reward": 0.2}, "0.5 to 1")):
        with pytest.raises(InputError, match=said):
            nm.make_task(name, **change)


def believing(independent: bool, task: InferredValue, n: int = 600) -> xr.Dataset:
    """Make the cohort of an agent that believes the targets yoked, or independent."""
    drawn = task.draw(n, generators(1, 3)).variables
    shown, p = (drawn[v][:, 0].numpy() for v in ("shown", "p_reward"))
    beliefs, at = np.full((2, n), 0.5), np.arange(n)
    value = np.zeros((n, task.n_trials, 2))
    for t in range(task.n_trials):
        each = beliefs + K * (beliefs.sum(0) - 1)
        value[:, t, 1] = each[shown[t], at]
        value[:, t, 0] = DISCOUNT * each.mean(0)
        paid = p[t][shown[t], at]
        beliefs[shown[t], at] = paid
        if not independent:
            beliefs[1 - shown[t], at] = 1 - paid
        beliefs = 0.5 + KEPT * (beliefs - 0.5)
    rpe = np.zeros_like(value)
    rpe[:, :, 0] = DISCOUNT * value[:, :, 1] - value[:, :, 0]
    paid = np.take_along_axis(p, shown[:, None], axis=1)[:, 0]
    return nm.make_cohort(
        {"choice": shown.T, "reward": paid.T, "stimulus": shown.T, "value": value, "rpe": rpe,
         "expected_reward": p.transpose(2, 0, 1)},
        subject=["a"] * n, task="inferred-value", source="model",
        coords={"event": ["fixation", "target"]},
    )  # fmt: skip


def read(found: xr.Dataset) -> dict[str, float]:
    one = found.sel(statistic="value").isel(subject=0)
    return {m: one.index.sel(measure=m).item() for m in ("value", "rpe")} | {
        f"{kind} {when}": one.rpe.sel(kind=kind, when=when).item()
        for kind in ("experienced", "inferred")
        for when in ("pre", "post")
    }


def test_full_inference_has_index_one() -> None:
    found = read(inferred_value(believing(False, InferredValue())))
    assert found["value"] == pytest.approx(1, abs=0.005)
    assert found["rpe"] == pytest.approx(1, abs=0.005)
    for when, wanted in (("pre", -0.4125), ("post", 0.4125)):
        assert found[f"inferred {when}"] == pytest.approx(wanted, abs=0.01)
        assert found[f"experienced {when}"] == pytest.approx(wanted, abs=0.01)


def test_without_inference_errors_are_blind_and_values_are_not() -> None:
    """On the yoked task: index .99 of prediction errors, -.59 of values (independent program)."""
    found = read(inferred_value(believing(True, InferredValue())))
    assert found["rpe"] == pytest.approx(0.99, abs=0.05)
    assert found["value"] == pytest.approx(-0.59, abs=0.06)
    assert found["inferred post"] == pytest.approx(0.03, abs=0.04)


def test_values_tell_on_independent_targets_too() -> None:
    """A target whose neighbor was seen to change: its value moves the wrong way, -k / (1 + k)."""
    found = read(inferred_value(believing(True, InferredValue(independent=True))))
    assert found["value"] == pytest.approx(-K / (1 + K), abs=0.06)


def test_the_ideal_value_solves_its_equations() -> None:
    """V(target) = p + g V(fixation) and V(fixation) = g (V(high) + V(low)) / 2, trial by trial."""
    cohort = nm.record("inferred-value/0", n_sessions=20, seed=1)
    ideal = ideal_target_value(cohort).values
    low, high = np.fmin.reduce(ideal), np.fmax.reduce(ideal)
    assert high[1:] - low[1:] == pytest.approx(1 - 2 * HAZARD)
    assert low[-1] == pytest.approx(HAZARD)
    mean = (low + high) / 2
    assert mean[1:-1] == pytest.approx(0.5 + DISCOUNT**2 * mean[2:])
    assert (mean[1] - 0.5) / DISCOUNT == pytest.approx(2.368, abs=0.005)


def test_refusals() -> None:
    cohort = nm.record("inferred-value/0", n_sessions=12, seed=1)
    with pytest.raises(InputError, match="no 'stimulus'"):
        inferred_value(cohort.drop_vars("stimulus"))
    with pytest.raises(InputError, match="changes, expected at least 4 of each"):
        inferred_value(cohort.isel(session=slice(1)))
    with pytest.raises(InputError, match="no 'value'"):
        inferred_value(cohort.drop_vars("value"))
    other = nm.make_task("inferred-value", p_reward=0.9)
    with pytest.raises(InputError, match=r"with p_reward=0\.9"):
        ideal_target_value(nm.record("inferred-value/0", other, 2))


@pytest.mark.slow
def test_networks_infer_and_controls_do_not() -> None:
    """Each of 8 networks, once its critic has learned; networks of independent targets do not."""
    cohort = nm.record("inferred-value", n_sessions=200, seed=2018, variables=["value", "rpe"])
    ideal = ideal_target_value(cohort)
    for name, one in cohort.groupby("subject"):
        assert (one.valid == 1).mean() >= 0.99, name
        mine = ideal.values[cohort.subject.values == name][:, 3:50].ravel()
        value = one.value.sel(event="target").values[:, 3:50].ravel()
        assert np.corrcoef(mine, value)[0, 1] ** 2 >= 0.9, name
    found = inferred_value(cohort).sel(statistic="value")
    index, after = found.index.sel(measure="value"), found.rpe.sel(kind="inferred", when="post")
    assert found.sizes["subject"] == 8
    assert ((index > 0.8) & (index < 1.2)).all()
    assert 0.9 < index.mean() < 1.1
    assert after.min() > 0.10
    assert after.mean() > 0.25
    for task in ("inferred-value", "inferred-value-independent"):
        control = nm.record(
            "inferred-value-independent", task, 200, seed=2018, variables=["value", "rpe"]
        )
        assert (inferred_value(control).index.sel(measure="value", statistic="value") < 0.2).all()
    fresh = untrained(nm.load_agents("inferred-value"))
    with pytest.raises(InputError, match="changes, expected"):
        inferred_value(
            nm.record(fresh, "inferred-value", 200, seed=2018, variables=["value", "rpe"])
        )
