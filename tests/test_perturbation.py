"""Perturbations do what they say: to the networks' arithmetic, to what is recorded, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from neuro_metarl.agents.cores import GATES
from neuro_metarl.agents.zoo import Agents, load_agents
from neuro_metarl.behavior.two_step import stay_probability
from neuro_metarl.cli import main
from neuro_metarl.errors import InputError
from neuro_metarl.models.hybrid_models import hybrid
from neuro_metarl.perturb.perturbation import (
    Perturbation,
    clamp,
    inject,
    lesion,
    lesion_at_random,
    lesion_reward,
    scale,
)
from neuro_metarl.recording import record
from neuro_metarl.recording.doses import dose_response
from neuro_metarl.storage import open_cohort, save_cohort

EVERY = ("activity", "cell", "gates", "policy", "value", "rpe")
SEEDS = [0, 1, 2]


def same(a: xr.Dataset, b: xr.Dataset) -> bool:
    return all(np.array_equal(a[v].values, b[v].values, equal_nan=True) for v in a.data_vars)


def but_inputs(cohort: xr.Dataset) -> xr.Dataset:
    """What came of it; inputs are what the network saw, which a perturbed reward is not."""
    return cohort.drop_vars("inputs")


def operate(agent: Agents, change: Callable[[dict[str, torch.Tensor]], object]) -> Agents:
    """The same network with other weights."""
    other = agent.select([0])
    change(other.population.tensors)
    return other


@pytest.fixture(scope="module")
def agents() -> Agents:
    return load_agents("two-step")


@pytest.fixture(scope="module")
def four(agents: Agents) -> Agents:
    return agents.select([0, 1, 2, 3])


@pytest.fixture(scope="module")
def plain(four: Agents) -> xr.Dataset:
    return record(four, n_sessions=3, seed=1, variables=EVERY)


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        lesion([]),
        inject(0.0),
        scale(1.0, where="cell"),
        scale(1.0, where="reward"),
        lesion_reward(trials=[]),
        {},
        {"two-step/3": lesion([])},
    ],
)
def test_doing_nothing_is_the_plain_recording_bit_for_bit(
    nothing: object, four: Agents, plain: xr.Dataset
) -> None:
    done = record(four, n_sessions=3, seed=1, variables=EVERY, perturb=nothing)  # type: ignore[arg-type]
    assert same(plain, done)
    assert "perturbation" not in plain.coords
    assert done.perturbation.dims == ("session",)


def test_a_lesion_of_no_random_units_is_none_and_of_all_is_not(
    four: Agents, plain: xr.Dataset
) -> None:
    few = record(four, n_sessions=3, seed=1, variables=EVERY, perturb=lesion_at_random(four, 0))
    every = record(four, n_sessions=3, seed=1, perturb=lesion_at_random(four, 48))
    assert same(plain, few)
    assert float(np.abs(every.activity).max()) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_lesioning_the_reward_is_cutting_its_weights(agents: Agents, seed: int) -> None:
    one = agents.select([seed])
    column = one.population.shape.n_inputs - 1
    cut = operate(one, lambda t: t["recurrent"][..., column].zero_())
    lesioned = record(one, n_sessions=120, seed=seed, perturb=lesion_reward())
    expected = record(cut, n_sessions=120, seed=seed)
    assert same(but_inputs(expected), but_inputs(lesioned))
    # prediction errors are about what was delivered
    assert np.array_equal(expected.rpe, lesioned.rpe)
    assert float(lesioned.reward.mean()) > 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_halving_the_reward_is_halving_its_weights(agents: Agents, seed: int) -> None:
    one = agents.select([seed])
    column = one.population.shape.n_inputs - 1
    half = operate(one, lambda t: t["recurrent"][..., column].mul_(0.5))
    scaled = record(one, n_sessions=5, seed=seed, perturb=scale(0.5, where="reward"))
    assert same(but_inputs(record(half, n_sessions=5, seed=seed)), but_inputs(scaled))
    seen = record(half, n_sessions=5, seed=seed).inputs.sel(input="last reward")
    assert np.array_equal(scaled.inputs.sel(input="last reward"), 0.5 * seen)


@pytest.mark.parametrize("unit", [0, 17, 47])
def test_silencing_a_unit_is_cutting_what_leaves_it(agents: Agents, unit: int) -> None:
    shape = agents.population.shape

    def silent_at_first(tensors: dict[str, torch.Tensor]) -> None:
        tensors["initial_hidden"][..., unit] = 0

    def cut_off(tensors: dict[str, torch.Tensor]) -> None:
        tensors["recurrent"][..., shape.n_inputs + 1 + unit] = 0
        tensors["heads"][..., 1 + unit] = 0

    one = operate(agents.select([0]), silent_at_first)
    lesioned = record(one, n_sessions=5, seed=3, perturb=lesion([unit]))
    expected = record(operate(one, cut_off), n_sessions=5, seed=3)
    assert np.array_equal(lesioned.choice, expected.choice)
    assert (lesioned.activity.sel(unit=unit) == 0).all()
    assert not (expected.activity.sel(unit=unit) == 0).all()
    others = [u for u in range(48) if u != unit]
    for name in ("activity", "cell"):
        assert np.array_equal(lesioned[name].sel(unit=others), expected[name].sel(unit=others))


@pytest.mark.parametrize("unit", [0, 31])
@pytest.mark.parametrize("gate", GATES)
def test_a_gate_held_at_its_middle_is_a_gate_without_weights(
    agents: Agents, gate: str, unit: int
) -> None:
    middle = 0.0 if gate == "candidate" else 0.5
    row = GATES.index(gate) * 48 + unit

    def cut(tensors: dict[str, torch.Tensor]) -> None:
        tensors["recurrent"][..., row, :] = 0

    one = agents.select([2])
    expected = record(operate(one, cut), n_sessions=4, seed=5, variables=EVERY)
    held = record(
        one, n_sessions=4, seed=5, variables=EVERY, perturb=clamp(middle, [unit], where=gate)
    )
    assert np.array_equal(held.choice, expected.choice)
    np.testing.assert_allclose(held.activity, expected.activity, atol=1e-5)
    assert np.unique(held.gates.sel(gate=gate, unit=unit)).tolist() == [middle]


def cell_sum(cohort: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """New cell states, and what the gates make of the old ones; dims (session, step, unit)."""
    cell = cohort.cell.values.reshape(cohort.sizes["session"], -1, 48)
    gates = cohort.gates.values.reshape(cohort.sizes["session"], -1, 48, 4)
    _, into, forget, candidate = np.moveaxis(gates, -1, 0)
    return cell[:, 1:], forget[:, 1:] * cell[:, :-1] + into[:, 1:] * candidate[:, 1:]


def test_current_is_added_to_the_cell_where_and_when_it_says(agents: Agents) -> None:
    current = inject(
        [0.75, -2.0], [4, 9], where="cell", events=["first_step"], trials=range(20, 60)
    )
    cohort = record(agents.select([1]), n_sessions=4, seed=2, variables=EVERY, perturb=current)
    new, old = cell_sum(cohort)
    added = np.zeros((100, 3, 48), "float32")
    added[20:60, 1, 4], added[20:60, 1, 9] = 0.75, -2.0
    np.testing.assert_allclose(
        new - old, np.broadcast_to(added.reshape(300, 48)[1:], new.shape), atol=2e-6
    )
    output = cohort.gates.sel(gate="output")
    np.testing.assert_allclose(cohort.activity, output * np.tanh(cohort.cell), atol=1e-6)


@pytest.mark.parametrize("where", ["activity", "cell"])
def test_clamped_units_have_that_value_in_the_recording(
    where: str, four: Agents, plain: xr.Dataset
) -> None:
    held = clamp([0.25, -0.5], [7, 3], where=where, events=["second_step"], trials=[0, 5])
    cohort = record(four, n_sessions=3, seed=1, variables=EVERY, perturb=held)
    there = cohort[where].sel(event="second_step").isel(trial=[0, 5])
    assert (there.sel(unit=7) == 0.25).all()
    assert (there.sel(unit=3) == -0.5).all()
    elsewhere = cohort[where].sel(unit=7, event="first_step")
    assert not (elsewhere == 0.25).any()
    # nothing before the first change is touched, everything after is
    first = dict(trial=0, event=[0, 1])
    assert np.array_equal(cohort[where].isel(first), plain[where].isel(first))
    assert not np.array_equal(cohort[where].isel(trial=1), plain[where].isel(trial=1))


def test_the_value_is_read_by_nobody_at_test(four: Agents, plain: xr.Dataset) -> None:
    done = record(four, n_sessions=3, seed=1, variables=EVERY, perturb=clamp(0.5, where="value"))
    assert (done["value"] == 0.5).all()
    assert not np.array_equal(done.rpe, plain.rpe)
    assert same(plain.drop_vars(["value", "rpe"]), done.drop_vars(["value", "rpe"]))


def test_several_are_done_in_order(agents: Agents) -> None:
    one = agents.select([0])
    cohort = record(one, n_sessions=2, perturb=[clamp(0.5, [1]), inject(0.25, [1]), scale(2, [1])])
    assert np.unique(cohort.activity.sel(unit=1)).tolist() == [1.5]


def test_rewards_are_changed_afresh_in_every_batch(agents: Agents) -> None:
    """Inputs that no outcome writes must not gather what earlier batches added to them."""
    one = agents.select([0])
    added = record(one, n_sessions=205, seed=4, perturb=inject(1.0, where="reward"))
    first = record(one, n_sessions=100, seed=4, perturb=inject(1.0, where="reward"))
    assert same(first, added.isel(session=slice(100)))
    hidden = record(
        one, n_sessions=205, seed=4, perturb=[inject(1.0, where="reward"), lesion_reward()]
    )
    assert same(record(one, n_sessions=205, seed=4, perturb=lesion_reward()), hidden)


def test_each_subject_may_have_its_own(four: Agents, plain: xr.Dataset) -> None:
    own: dict[str, Perturbation | list[Perturbation]] = {
        "two-step/2": lesion([5]),
        "two-step/3": [clamp(0.25, [1]), lesion_reward()],
    }
    cohort = record(four, n_sessions=3, seed=1, variables=EVERY, perturb=own)
    kept = cohort.perturbation.values == "none"
    assert sorted(set(cohort.subject.values[~kept])) == ["two-step/2", "two-step/3"]
    assert same(plain.isel(session=kept), cohort.isel(session=kept))
    said = json.loads(cohort.attrs["perturbation"])
    assert said["two-step/2"][0]["units"] == [5]
    assert [p["where"] for p in said["two-step/3"]] == ["activity", "reward"]
    assert said["two-step/0"] == []


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_file_says_what_was_done(ending: str, agents: Agents, tmp_path: Path) -> None:
    done = clamp(0.5, [3], where="forget", events="first_step", trials=range(50, 100))
    cohort = record(agents.select([0]), n_sessions=2, perturb=done)
    again = open_cohort(save_cohort(cohort, tmp_path / f"c{ending}"))
    text = "forget set to 0.5 in units 3 at first_step on trials 50-99"
    assert again.perturbation.values.tolist() == [text] * 2
    (said,) = json.loads(again.attrs["perturbation"])
    assert Perturbation(**said) == done


@pytest.mark.parametrize("seed", SEEDS)
def test_without_the_reward_there_is_no_learning_within_the_session(
    agents: Agents, seed: int
) -> None:
    """Chance is .5: the better state changes sides, and neither side is the better on average."""
    agents = agents.select(range(seed, 16, 2))
    how = {"n_sessions": 40, "seed": seed, "activity": False}
    intact = record(agents, **how).reward  # type: ignore[arg-type]
    blind = record(agents, **how, perturb=lesion_reward()).reward  # type: ignore[arg-type]
    late = slice(20, None)
    error = 4 * blind.isel(trial=late).mean("trial").std().item() / blind.sizes["session"] ** 0.5
    assert float(blind.isel(trial=late).mean()) == pytest.approx(0.5, abs=error)
    assert float(intact.isel(trial=late).mean()) > 0.69


def test_larger_random_lesions_do_more_harm_and_contain_the_smaller(agents: Agents) -> None:
    units = [
        set(lesion_at_random(agents, n, seed=3)["two-step/4"].units or ()) for n in (4, 12, 40)
    ]
    assert units[0] < units[1] < units[2]
    assert lesion_at_random(agents, 12, seed=3) == lesion_at_random(agents, 12, seed=3)
    assert lesion_at_random(agents, 12, seed=3) != lesion_at_random(agents, 12, seed=4)
    response = dose_response(
        agents.select(range(8)),
        n_sessions=20,
        doses=[0, 16, 32],
        perturb=lambda n: lesion_at_random(agents.select(range(8)), int(n)),
    )
    mean = response.reward_rate.mean("subject").values
    assert mean[0] > mean[1] + 0.02 > mean[2] + 0.1


def test_a_dose_response_is_the_recordings_measured(agents: Agents) -> None:
    some = agents.select([0, 1, 2])
    response = dose_response(
        some, n_sessions=5, seed=7, doses=[0.0, 0.5], perturb=lambda d: inject(d, [3], where="cell")
    )
    assert response.reward_rate.dims == ("dose", "subject")
    assert response.dose.values.tolist() == [0.0, 0.5]
    assert response.attrs["n"] == 3
    assert response.perturbation.values[1] == "cell plus 0.5 in units 3"
    plain = record(some, n_sessions=5, seed=7, activity=False)
    expected = plain.reward.groupby("subject").mean(...)
    np.testing.assert_array_equal(response.reward_rate.sel(dose=0.0), expected)
    done = record(
        some, n_sessions=5, seed=7, activity=False, perturb=inject(0.5, [3], where="cell")
    )
    expected = done.reward.groupby("subject").mean(...)
    np.testing.assert_array_equal(response.reward_rate.sel(dose=0.5), expected)


def test_any_measure_has_a_dose_response(agents: Agents) -> None:
    response = dose_response(
        agents.select(range(6)),
        n_sessions=15,
        doses=[1, 0],
        perturb=lambda d: scale(d, where="reward"),
        measure=lambda cohort: stay_probability(cohort),
    )
    stay = response.stay_probability.sel(statistic="value").mean("subject")
    # terms: rewarded common and rare, unrewarded common and rare
    rewarded, unrewarded = stay.isel(term=[0, 1]), stay.isel(term=[2, 3])
    effect = np.abs(rewarded.values - unrewarded.values)
    assert effect[0].min() > 0.2
    assert effect[1].max() < 0.05
    largest = dose_response(
        "two-step/0",
        n_sessions=2,
        activity=True,
        doses=[0.5],
        perturb=lambda d: clamp(d, [0]),
        measure=lambda cohort: cohort.activity.sel(unit=0).max(),
    )
    assert largest.activity.values.tolist() == [0.5]


def do(perturb: object) -> xr.Dataset:
    return record("two-step/0", n_sessions=1, perturb=perturb)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Perturbation("actvity"),
            "nothing to perturb at 'actvity'; did you mean 'activity'",
        ),
        (
            lambda: Perturbation("cell", "clmap"),
            "how is 'clmap', expected one of clamp, add, scale",
        ),
        (lambda: inject(float("nan")), "amount is nan, expected finite numbers"),
        (lambda: inject([1.0, 2.0]), "2 amounts for no named units"),
        (lambda: inject([1.0, 2.0], [3]), "2 amounts for 1 named units; give one for each"),
        (lambda: clamp(1.5, [3], where="forget"), "the forget gate is open from 0 to 1"),
        (lambda: lesion([3, 3]), "units: a number is given twice"),
        (lambda: lesion([-1]), "units: -1 is out of range"),
        (lambda: lesion([1.5]), "units: 1.5 is not a whole number"),  # type: ignore[list-item]
        (lambda: lesion([3], where="reward"), "reward has no units; leave units out"),
        (lambda: lesion([0], where="value"), "value has no units"),
        (lambda: do(lesion([48])), "units: 48 is out of range, the networks have units 0 to 47"),
        (lambda: do(lesion(events=["first"])), "events: no 'first' in this task; did you mean"),
        (lambda: do(lesion(events=[])), "events is empty"),
        (lambda: do(lesion(trials=[100])), "trials: 100 is out of range, a session has trials 0"),
        (lambda: do("activity"), "perturb: got str, expected a Perturbation"),
        (lambda: do({"two-step/1": lesion()}), "no subject 'two-step/1' is recorded"),
        (
            lambda: record(hybrid.planted(), "two-step", perturb=lesion()),
            "cognitive models, players and policies have no units; perturb agents",
        ),
        (
            lambda: lesion_at_random(load_agents("two-step"), 49),
            "n_units is 49, expected .* 0 to 48",
        ),
        (
            lambda: dose_response("two-step/0", doses=[], perturb=lambda d: lesion()),
            "doses is empty",
        ),
        (
            lambda: dose_response("two-step/0", doses=[1, 1], perturb=lambda d: lesion()),
            "a dose is given twice",
        ),
        (
            lambda: dose_response("two-step/0", doses=[np.inf], perturb=lambda d: lesion()),
            "doses: inf is not a finite number",
        ),
        (
            lambda: dose_response("two-step/0", doses=[1], perturb=lesion()),  # type: ignore[arg-type]
            "perturb is not a function",
        ),
    ],
)
def test_refusals(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_command_perturbs_and_chooses(tmp_path: Path) -> None:
    out = tmp_path / "c.zarr"
    chosen = ["--variables", "activity", "--events", "first_step", "--units", "0-3", "8"]
    done = ["--perturb", "where=activity", "how=clamp", "amount=0.5,1", "units=2,8", "trials=50-99"]
    main(["record", "two-step/0", "--sessions", "2", "--out", str(out), *chosen, *done])
    cohort = open_cohort(out)
    held = clamp([0.5, 1.0], [2, 8], trials=range(50, 100))
    expected = record(
        "two-step/0",
        n_sessions=2,
        variables=["activity"],
        events=["first_step"],
        units=[0, 1, 2, 3, 8],
        perturb=held,
    )
    xr.testing.assert_identical(cohort, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--units", "0-x"], "--units 0-x: expected numbers from 0, for example 0,5,8-15"),
        (["--units", "\u00b2"], "--units \u00b2: expected numbers from 0"),
        (["--units", "0-99999999999"], "--units 0-99999999999: expected numbers from 0"),
        (["--units", "5-2"], "--units 5-2: 2 is below 5"),
        (["--perturb", "amount=0"], "--perturb: say where, for example where=activity"),
        (["--perturb", "wher=cell"], "--perturb wher: did you mean 'where'?"),
        (["--perturb", "where=cell", "amount=x"], "--perturb amount=x: expected numbers"),
        (["--variables", "activty"], "no 'activty' to record; did you mean 'activity'?"),
    ],
)
def test_the_command_says_what_is_wrong(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["record", "two-step/0", "--sessions", "1", "--out", str(tmp_path / "c.nc"), *options])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_trend_over_doses_is_tested_over_subjects() -> None:
    """Nominal without a trend (2,000 draws); found with one; refused of two subjects."""
    from neuro_metarl.recording import dose_trend

    rng = np.random.default_rng(0)
    p = []
    for _ in range(400):
        rate = rng.normal(0.6, 0.1, (1, 8)) + 0.02 * rng.normal(size=(4, 8))
        response = xr.Dataset({"reward_rate": (("dose", "subject"), rate)}, {"dose": [0, 1, 2, 4]})
        p.append(dose_trend(response).p.item())
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09
    falling = response - 0.03 * response.dose
    trend = dose_trend(falling)
    assert trend.high.item() < 0
    assert trend.slope.sizes == {"subject": 8}
    with pytest.raises(InputError, match="4 doses and 2 subjects; a trend needs"):
        dose_trend(response.isel(subject=[0, 1]))
    with pytest.raises(InputError, match="no 'reward'"):
        dose_trend(response, "reward")
