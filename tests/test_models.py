"""The models' steps: identities, ranges, and the same step twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neuro_metarl.errors import InputError
from neuro_metarl.models.hybrid_models import hybrid, make_hybrid
from neuro_metarl.models.mixture_models import make_mixture_2017, mixture
from neuro_metarl.models.model import (
    Model,
    Parameter,
    Planted,
    Trial,
    find_model,
    list_models,
    theta_type,
)
from neuro_metarl.models.simulation import Outcomes, simulate
from neuro_metarl.models.two_step_models import latent_state
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task

MODELS = [find_model(name) for name in list_models()]


def theta_of(player: Planted) -> Any:
    return theta_type(tuple(player.values))(*player.values.values())


def outcomes_for(model: Model, seed: int = 0, shape: tuple[int, int] = (5, 40)) -> Outcomes:
    drawn = outcomes(seed, shape)
    if model.n_choices == 2:
        rng = np.random.default_rng([seed, 1])
        return replace(drawn, reward_if=rng.integers(2, size=(*shape, 4)))
    return drawn if "state" in model.needs else replace(drawn, state_if=None)


def outcomes(seed: int = 0, shape: tuple[int, int] = (5, 40), **changes: object) -> Outcomes:
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=shape)
    return Outcomes(
        state_if=np.stack([first, 1 - first], axis=-1),
        reward_if=rng.integers(2, size=(*shape, 2)),
        forced_choice=np.full(shape, -1),
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_every_model_plays_and_is_reproducible(model: Model) -> None:
    player, drawn = model.planted(), outcomes_for(model)
    a, b = (simulate(player, drawn, rng=np.random.default_rng(1)) for _ in "ab")
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert set(np.unique(a["choice"])) == {0, 1}
    other = simulate(player, drawn, rng=np.random.default_rng(2))
    assert not np.array_equal(a["choice"], other["choice"])
    assert ("choice2" in a) == (model.n_choices == 2)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_every_parameter_matters(model: Model) -> None:
    """Two thousand trials with a parameter moved are not the trials without."""
    drawn = outcomes_for(model, 3, (20, 100))
    tied = dict(model.tied)
    busy = {p.name: 1.0 for p in model.parameters if p.range == "real" and p.free}
    busy |= {p.name: 0.5 for p in model.parameters if p.name == "eligibility_trace" and p.free}
    for parameter in model.parameters:
        if not parameter.free or parameter.name in tied:
            continue
        here = busy.get(parameter.name, parameter.default)
        ends = {"unit": (0.1, 0.9), "lower_half": (0.05, 0.4), "upper_half": (0.6, 0.95)}
        low, high = ends.get(parameter.range, (0.5 * here + 0.2,) * 2)
        changed = busy | {parameter.name: high if here < (low + high) / 2 else low}
        a, b = (
            simulate(model.planted(**v), drawn, rng=np.random.default_rng(1))
            for v in (busy, changed)
        )
        assert any(not np.array_equal(a[name], b[name]) for name in a), parameter.name


def test_the_hybrids_equations_by_hand() -> None:
    """Daw's update with the values before the trial: Q1 and V after two trials."""
    values = {
        "learning_rate_first": 0.5, "learning_rate_second": 0.4, "eligibility_trace": 0.6,
        "inverse_temperature": 2.0, "weight_model_based": 0.25, "perseveration": 0.3, "bias": 0.1,
    }  # fmt: skip
    theta = theta_of(hybrid.planted(**values))
    memory: Any = (0.0,) * 6
    _, memory = hybrid.step(memory, Trial(1.0, 1.0, 0.0, 1.0, 0.0), theta)
    assert memory[:5] == pytest.approx((0, 0.5 * 0.6, 0, 0.4, 1))
    _, memory = hybrid.step(memory, Trial(1.0, 0.0, 0.0, 1.0, 0.0), theta)
    q = 0.3 + 0.5 * (0 - 0.3 + 0.6 * (1 - 0))
    assert memory[:5] == pytest.approx((0, q, 0.4, 0.4, 1))
    (logit,), _ = hybrid.step(memory, Trial(0.0, 0.0, 0.0, 0.0, 0.0), theta)
    expected = 2 * (0.25 * 0.6 * (0.4 - 0.4) + 0.75 * q) + 0.3 + 0.1
    assert logit == pytest.approx(expected)


def test_the_conventions_of_the_trace_are_different_models() -> None:
    """A trial's outcome passes back lambda, or lambda (1 - alpha2), of the error."""
    for second_choice in (False, True):
        old, new = (
            make_hybrid(second_choice=second_choice, eligibility=kind)  # type: ignore[arg-type]
            for kind in ("old", "updated")
        )
        given = {"learning_rate_second": 0.4, "eligibility_trace": 0.6, "learning_rate_first": 0.5}
        q = []
        for model in (old, new):
            _, memory = model.step(
                model.initial, Trial(1.0, 1.0, 0.0, 1.0, 0.0), theta_of(model.planted(**given))
            )
            q.append(memory[1])
        assert q == pytest.approx([0.5 * 0.6, 0.5 * 0.6 * (1 - 0.4)])
        same = new.planted(**given | {"eligibility_trace": 1.0})
        shrunk = old.planted(**given | {"eligibility_trace": 1 - 0.4})
        drawn = outcomes_for(new, 5, (10, 50))
        a, b = (simulate(p, drawn, rng=np.random.default_rng(1)) for p in (same, shrunk))
        assert np.array_equal(a["choice"], b["choice"])


def test_counted_transitions_follow_what_has_been_seen() -> None:
    """While the rare transitions lead, values point to the other first-step action."""
    model = make_hybrid(transitions="counts")
    theta = theta_of(model.planted(weight_model_based=1.0, inverse_temperature=3.0))
    memory: Any = model.initial
    for _ in range(3):
        _, memory = model.step(memory, Trial(1.0, 0.0, 0.0, 1.0, 0.0), theta)
    (logit,), _ = model.step(memory, Trial(0.0, 0.0, 0.0, 0.0, 0.0), theta)
    assert logit > 1
    for _ in range(8):
        _, memory = model.step(memory, Trial(0.0, 0.0, 0.0, 1.0, 0.0), theta)
    (logit,), _ = model.step(memory, Trial(0.0, 0.0, 0.0, 0.0, 0.0), theta)
    assert logit < -1


def test_millers_bias_counts_twice() -> None:
    plain, published = make_mixture_2017(), make_mixture_2017(convention="miller")
    x, _ = plain.step(plain.initial, Trial(*[0.0] * 5), theta_of(plain.planted(bias=0.6)))
    y, _ = plain.step(plain.initial, Trial(*[0.0] * 5), theta_of(plain.planted(bias=0.3)))
    z, _ = published.step(plain.initial, Trial(*[0.0] * 5), theta_of(published.planted(bias=0.3)))
    assert z[0] == pytest.approx(x[0])
    assert z[0] != pytest.approx(y[0])


@pytest.mark.parametrize("hazard", [0.0, 1e-17, 0.025])
def test_latent_state_has_no_side_even_when_certain(hazard: float) -> None:
    """Mirrored evidence gives mirrored log odds, bit for bit; 400 contrary trials turn it round."""
    theta = theta_of(latent_state.planted(hazard=hazard, p_reward_high=0.9, p_reward_low=0.1))
    rng = np.random.default_rng(0)
    a: Any = latent_state.initial
    b: Any = latent_state.initial
    for t in range(800):
        reward = float(rng.random() < (0.9 if t < 400 else 0.1))
        (x,), a = latent_state.step(a, Trial(1.0, 1.0, 0.0, reward, 0.0), theta)
        (y,), b = latent_state.step(b, Trial(0.0, 0.0, 0.0, reward, 0.0), theta)
        assert x == -y
        assert t != 399 or x > 1
    assert x < 0


def test_latent_state_survives_what_it_holds_to_be_impossible() -> None:
    theta = theta_of(latent_state.planted(hazard=0.0, p_reward_high=1.0, p_reward_low=0.0))
    memory: Any = latent_state.initial
    for reward in (1.0, 1.0, 0.0, 0.0, 0.0):
        (logit,), memory = latent_state.step(memory, Trial(1.0, 1.0, 0.0, reward, 0.0), theta)
        assert np.isfinite(logit)
    assert latent_state.step(memory, Trial(1.0, 1.0, 0.0, 1.0, 0.0), theta)[0][0] < 0


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_the_logit_does_not_see_what_comes_after_it(model: Model) -> None:
    rng = np.random.default_rng(0)
    memory = tuple(rng.uniform(0.1, 0.9, 3) for _ in model.initial)
    theta = theta_of(model.planted())
    a, _ = model.step(memory, Trial(*np.zeros((4, 3)), np.full(3, 0.4)), theta)
    b, _ = model.step(memory, Trial(*np.ones((4, 3)), np.full(3, 0.4)), theta)
    assert np.array_equal(a[0], b[0])
    if model.n_choices == 2:
        c, _ = model.step(memory, Trial(np.zeros(3), np.ones(3), np.ones(3), np.zeros(3), 0), theta)
        d, _ = model.step(memory, Trial(np.zeros(3), np.ones(3), np.zeros(3), np.ones(3), 0), theta)
        assert np.array_equal(c[1], d[1])
        assert not np.array_equal(a[1], c[1])


@pytest.mark.parametrize("kind", ["unit", "lower_half", "upper_half", "positive", "real"])
def test_ranges_map_there_and_back(kind: Any) -> None:
    parameter = Parameter("p", kind, 0.7)
    x = np.linspace(-4, 4, 9)
    natural = parameter.natural(x)
    assert [parameter.check(v) for v in natural] == natural.tolist()
    assert [parameter.unconstrained(v) for v in natural] == pytest.approx(x.tolist(), abs=1e-6)
    slope = (parameter.natural(x + 1e-6) - parameter.natural(x - 1e-6)) / 2e-6
    assert parameter.slope(x) == pytest.approx(slope, rel=1e-6)


def test_forced_choices_are_taken_and_learned_from() -> None:
    drawn = outcomes(0, (200, 20))
    forced = Outcomes(drawn.state_if, np.ones_like(drawn.reward_if), np.full((200, 20), -1))
    forced.forced_choice[:, :10] = 1
    player = mixture.planted(learning_rate_model_free=0.5, weight_model_free=5.0)
    choice = simulate(player, forced, rng=np.random.default_rng(0))["choice"]
    assert (choice[:, :10] == 1).all()
    assert choice[:, 10].mean() > 0.95


def test_sessions_start_anew() -> None:
    player = mixture.planted(learning_rate_perseveration=1.0, weight_perseveration=50.0)
    choice = simulate(player, outcomes(0, (400, 10)), rng=np.random.default_rng(0))["choice"]
    assert (choice == choice[:, :1]).all()
    assert 0.4 < choice[:, 0].mean() < 0.6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 0.1}, "hybrid has no parameter 'learning_rate'; did you mean"),
        ({"learning_rate_first": 1.5}, "learning_rate_first is 1.5, expected a unit number"),
        ({"inverse_temperature": -1.0}, "inverse_temperature is -1.0, expected a positive"),
        ({"bias": float("nan")}, "bias is nan"),
    ],
)
def test_impossible_values(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        hybrid.planted(**values)


def test_a_recorded_model_says_what_it_is() -> None:
    player = hybrid.planted(name="planner", weight_model_based=1.0)
    cohort = record(player, "two-step-miller", 3, seed=1)
    assert cohort.attrs["source"] == "model"
    assert cohort.attrs["model"] == "hybrid"
    assert '"weight_model_based": 1.0' in cohort.attrs["parameters"]
    assert cohort.subject.values.tolist() == ["planner"] * 3
    assert int(cohort.valid.sum()) == 300


def test_a_planted_model_needs_a_task() -> None:
    with pytest.raises(InputError, match="has no task of its own"):
        record(hybrid.planted())


def test_forced_share_of_the_task_reaches_the_cohort() -> None:
    cohort = record(hybrid.planted(), make_task("two-step-miller", p_forced=0.2), 50, seed=0)
    assert float(cohort.forced.mean()) == pytest.approx(0.2, abs=0.02)


def test_a_planted_model_takes_the_transition_probability_from_the_task() -> None:
    task = make_task("two-step-2016")
    from_task = record(hybrid.planted(), task, 2).attrs["parameters"]
    given = record(hybrid.planted(p_common=0.6), task, 2).attrs["parameters"]
    assert '"p_common": 0.75' in from_task
    assert '"p_common": 0.6' in given
