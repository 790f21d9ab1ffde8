"""The planner: by its command, against brute force, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ttest_ind

from neuro_metarl import load_dataset
from neuro_metarl.cli import main
from neuro_metarl.comparison import plan_power
from neuro_metarl.comparison.power import _changed, _design, _measured, _parameters
from neuro_metarl.errors import InputError
from neuro_metarl.models.designs import simulate_design
from neuro_metarl.models.model import find_model

CHANGE = {"weight_model_based": -0.8}


def test_no_change_is_seen_at_alpha_and_a_large_one_always() -> None:
    rats = load_dataset("synthetic-rats")
    how = {"measure": "planning_index", "n_animals": [6], "n_sessions": [2], "n_bank": 30}
    none = plan_power(rats, "hybrid", {"weight_model_based": 0.0}, seed=2, **how)  # type: ignore[arg-type]
    assert none.power_low.item() <= 0.2
    assert none.attrs["change"] == "weight_model_based +0"
    large = plan_power(rats, "hybrid", {"inverse_temperature": -9.0}, seed=2, **how)  # type: ignore[arg-type]
    assert large.power.item() > none.power.item() + 0.3
    assert large.effect.item() < -1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"change": {"weight": 1.0}}, "'weight' is no parameter of hybrid"),
        ({"change": {}}, "change is empty"),
        ({"n_animals": [30]}, "half of n_bank .40."),
        ({"n_sessions": [0]}, "n_sessions is .0., expected numbers from 1"),
        ({"measure": "lagged_weight", "n_sessions": [1]}, "several numbers a subject"),
    ],
)
def test_what_cannot_be_planned(given: dict, message: str) -> None:
    how = {"change": CHANGE, "measure": "planning_index", "n_animals": [4], "n_bank": 40} | given
    with pytest.raises(InputError, match=message):
        plan_power(load_dataset("synthetic-rats"), "hybrid", **how)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["power", "--effect", "1.0", "--agents", "16"])
    assert capsys.readouterr().out.startswith("11 animals beside 16 networks show")
    main(["power", "--effect", "1.0", "--json"])
    assert json.loads(capsys.readouterr().out)["n_animals"] == 17
    main(["power", "synthetic-rats", "--change", "weight_model_based=-0.8", "--animals", "4,6",
          "--sessions", "2", "--bank", "12"])  # fmt: skip
    told = capsys.readouterr().out
    assert "4 + 4" in told
    assert "12 of each kind; Welch over subjects" in told
    for wrong, message in (
        (["power"], "give either a pilot"),
        (["power", "synthetic-rats", "--change", "a=b"], "--change a=b: expected a number"),
        (["power", "synthetic-rats", "--animals", "x"], "--animals is 'x', expected whole"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_simulation_against_fresh_animals_for_every_experiment() -> None:
    """600 experiments of 6 + 6 animals that are simulated for it alone."""
    rats, model, n = load_dataset("synthetic-rats"), find_model("hybrid"), 600 * 6
    planned = plan_power(
        rats, model, CHANGE, measure="planning_index", n_animals=[6], n_sessions=[3], n_bank=1000,
        seed=5,
    )  # fmt: skip
    rng = np.random.default_rng(77)
    drawn = _parameters(rats, model, n, 5)
    groups = []
    for k in (0, 1):
        values = _changed(drawn[rng.permutation(n)], model, CHANGE if k else {})
        design = _design(rats, list(values), 3, None, rng)
        played = simulate_design(design, model, values, seed=900 + k)
        groups.append(_measured(played, "planning_index", {}).reshape(-1, 6))
    seen = (ttest_ind(*groups, axis=1, equal_var=False).pvalue < 0.05).mean()
    assert planned.power.item() == pytest.approx(seen, abs=0.05)
