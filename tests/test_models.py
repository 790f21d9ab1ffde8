"""The models' steps: identities, ranges, and the same step twice."""

from __future__ import annotations

import numpy as np
import pytest

from neuro_metarl.cognitive.models import (
    MODELS,
    Model,
    Outcomes,
    hybrid,
    latent_state,
    mixture,
    simulate,
)
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task


def outcomes(seed: int = 0, shape: tuple[int, int] = (5, 40), **changes: object) -> Outcomes:
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=shape)
    return Outcomes(
        state_if=np.stack([first, 1 - first], axis=-1),
        reward_if=rng.integers(2, size=(*shape, 2)),
        forced_choice=np.full(shape, -1),
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda m: m.name)
def test_every_model_plays_and_is_reproducible(model: Model) -> None:
    player = model.planted()
    a, b = (simulate(player, outcomes(), rng=np.random.default_rng(1)) for _ in "ab")
    assert np.array_equal(a, b)
    assert set(np.unique(a)) == {0, 1}
    other = simulate(player, outcomes(), rng=np.random.default_rng(2))
    assert not np.array_equal(a, other)


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda m: m.name)
def test_every_parameter_matters(model: Model) -> None:
    """Two thousand trials with a parameter moved are not the trials without."""
    busy = {p.name: 1.0 for p in model.parameters if p.range == "real"}
    busy |= {"weight_model_free": 0.7} if model is mixture else {}
    busy |= {"eligibility_trace": 0.5} if model is hybrid else {}
    for parameter in model.parameters:
        here = busy.get(parameter.name, parameter.default)
        changed = busy | {parameter.name: 0.8 * here + 0.03}
        a, b = (
            simulate(model.planted(**v), outcomes(3, (20, 100)), rng=np.random.default_rng(1))
            for v in (busy, changed)
        )
        assert not np.array_equal(a, b), parameter.name


def test_the_hybrids_equations_by_hand() -> None:
    """Daw's update with the values before the trial: Q1 and V after two trials."""
    theta = hybrid.planted(
        learning_rate_first=0.5, learning_rate_second=0.4, eligibility_trace=0.6,
        inverse_temperature=2.0, weight_model_based=0.25, perseveration=0.3, bias=0.1,
    ).values  # fmt: skip
    one, zero = np.ones(1), np.zeros(1)
    state = tuple(zero for _ in range(5))
    _, state = hybrid.step(state, one, one, one, theta)
    assert [float(v[0]) for v in state] == pytest.approx([0, 0.5 * 0.6, 0, 0.4, 1])
    _, state = hybrid.step(state, one, zero, one, theta)
    q = 0.3 + 0.5 * (0 - 0.3 + 0.6 * (1 - 0))
    assert [float(v[0]) for v in state] == pytest.approx([0, q, 0.4, 0.4, 1])
    logit, _ = hybrid.step(state, zero, zero, zero, theta)
    expected = 2 * (0.25 * 0.6 * (0.4 - 0.4) + 0.75 * q) + 0.3 + 0.1
    assert float(logit[0]) == pytest.approx(expected)


@pytest.mark.parametrize("hazard", [0.0, 1e-17, 0.025])
def test_latent_state_has_no_side_even_when_certain(hazard: float) -> None:
    """Mirrored evidence gives mirrored log odds, bit for bit; 400 contrary trials turn it round."""
    theta = latent_state.planted(hazard=hazard, p_reward_high=0.9, p_reward_low=0.1).values
    rng = np.random.default_rng(0)
    ones = np.ones(1)
    a = b = tuple(np.full(1, v) for v in latent_state.initial)
    for t in range(800):
        reward = (rng.random(1) < (0.9 if t < 400 else 0.1)).astype(float)
        x, a = latent_state.step(a, ones, ones, reward, theta)
        y, b = latent_state.step(b, 0 * ones, 0 * ones, reward, theta)
        assert x[0] == -y[0]
        assert t != 399 or x[0] > 1
    assert x[0] < 0


def test_latent_state_survives_what_it_holds_to_be_impossible() -> None:
    theta = latent_state.planted(hazard=0.0, p_reward_high=1.0, p_reward_low=0.0).values
    one = np.ones(1)
    state = tuple(np.full(1, v) for v in latent_state.initial)
    for reward in (1, 1, 0, 0, 0):
        logit, state = latent_state.step(state, one, one, reward * one, theta)
        assert np.isfinite(logit).all()
    assert latent_state.step(state, one, one, one, theta)[0][0] < 0


def test_the_logit_does_not_see_the_trial_it_is_for() -> None:
    rng = np.random.default_rng(0)
    for model in MODELS.values():
        state = tuple(rng.random(3) for _ in model.initial)
        theta = model.planted().values
        a, _ = model.step(state, np.zeros(3), np.zeros(3), np.zeros(3), theta)
        b, _ = model.step(state, np.ones(3), np.ones(3), np.ones(3), theta)
        assert np.array_equal(a, b), model.name


def test_forced_choices_are_taken_and_learned_from() -> None:
    drawn = outcomes(0, (200, 20))
    forced = Outcomes(drawn.state_if, np.ones_like(drawn.reward_if), np.full((200, 20), -1))
    forced.forced_choice[:, :10] = 1
    player = mixture.planted(learning_rate_model_free=0.5, weight_model_free=5.0)
    choice = simulate(player, forced, rng=np.random.default_rng(0))
    assert (choice[:, :10] == 1).all()
    assert choice[:, 10].mean() > 0.95


def test_sessions_start_anew() -> None:
    player = mixture.planted(learning_rate_perseveration=1.0, weight_perseveration=50.0)
    choice = simulate(player, outcomes(0, (400, 10)), rng=np.random.default_rng(0))
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
