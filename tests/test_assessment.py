"""The whole assessment: what it must find on planted rats, and its report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.assessment import assess, assess_profiles, shuffle_trials
from neuro_metarl.behavior.profiles import bandit_profile
from neuro_metarl.cohort import select_subjects
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.report import report_figure, report_numbers, report_page, sentences
from tests.designs import bandit_design, human_design


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    agents = load_agents("two-step").select(range(4))
    return assess(agents, load_dataset("synthetic-rats"), n_replicates=2, n_bootstrap=500)


def test_networks_plan_over_too_many_trials(tree: xr.DataTree) -> None:
    """Their most unlike signature is planning at lags 2 to 5, too strong; all are outside."""
    agents = tree["agents"].to_dataset()
    assert set(agents.most_unlike.values) == {"planning_lags_2_5"}
    assert (agents.z.sel(measure="planning_lags_2_5") > 2.5).all()
    assert (agents.p_corrected < 0.05).all()
    assert (agents.verdict.sel(measure="planning_lags_2_5") == "outside").all()


def test_cooled_networks_lack_slow_repetition(tree: xr.DataTree) -> None:
    cooled = tree["calibrated"].to_dataset()
    assert (cooled.z.sel(measure="stay_lags_2_5") < -1).all()
    assert json.loads(tree.attrs["calibration"])["scale"] < 0.5


def test_controls_are_where_they_must_be(tree: xr.DataTree) -> None:
    controls = {name: node.to_dataset() for name, node in tree["controls"].children.items()}
    assert (controls["shuffled"].p_max < 0.05).all()
    assert (controls["fitted mixture"].p_max < 0.05).mean() <= 1 / 6
    assert (controls["untrained network"].p_max < 0.05).all()
    assert (controls["model-free TD(1)"].p_max < 0.05).all()
    assert (controls["model-free TD(1)"].z.sel(measure="model_free_lag_1") > 1).all()
    assert (controls["latent state"].z.sel(measure="planning_lags_2_5").mean()) > 2
    alone = tree["animals"].to_dataset()
    assert (alone.p_max < 0.05).sum() <= 1


def test_prediction_stands_between_repetition_and_other_rats(tree: xr.DataTree) -> None:
    found = tree["prediction"].to_dataset()
    assert ((found.mean_share > 0.3) & (found.mean_share < 0.9)).all()
    assert float(found.ceiling.mean()) > float(found.mean_share.mean())
    untaught = tree["control_prediction/untrained network"].to_dataset()
    assert (abs(untaught.mean_share) < 0.12).all()
    assert (untaught.p < 0.05).all()
    td = tree["control_prediction/model-free TD(1)"].to_dataset()
    assert float(td.mean_share[0]) < float(found.mean_share.min())


def test_the_report_stands_alone(tree: xr.DataTree) -> None:
    page = report_page(tree, noun="rat", name="the agents", notes=["Simulated."])
    outside = re.findall(r"(?:src|href)\s*=\s*[\"']?(?!#)([^\"' >]+)", page)
    assert [u for u in outside if not u.startswith("#")] == []
    for word in ("Simulated.", "Crawford", "planning at lags 2 to 5", "Controls", "doi:10.1038"):
        assert word in page
    block = re.search(r"<script type='application/json' id='numbers'>(.*)</script>", page, re.S)
    assert block
    numbers = json.loads(block.group(1).replace("<\\/", "</"))
    assert numbers["made_by"]["n_bootstrap"] == 500
    assert len(numbers["numbers"]) == len(report_numbers(tree))


def test_names_are_escaped(tree: xr.DataTree) -> None:
    page = report_page(
        tree, noun="rat", name="<script>alert(1)</script>", title="a<b", provenance={"x": "<i>"}
    )
    assert "<script>alert" not in page
    assert "a&lt;b" in page
    assert "&lt;i&gt;" in page


def test_the_sentences_say_the_numbers(tree: xr.DataTree) -> None:
    told = sentences(tree, noun="rat", name="the agents")
    z = tree["agents"]["z"].sel(measure="planning_lags_2_5")
    assert f"z = {float(z.mean()):+.1f}" in told[0]
    assert "4 of 4 lie outside the rats' spread" in told[1]
    assert "missed about three times in four" in told[-2]
    assert "called outside at most once in 7; 19 rats" in told[-1]


def test_the_figure_shows_every_animal_and_group(tree: xr.DataTree) -> None:
    left, right = report_figure(tree, noun="rat").axes
    animals = left.lines[1]
    assert len(animals.get_xdata()) == 6 * 8
    labels = [t.get_text() for t in left.get_legend().get_texts()]
    assert labels[0] == "each rat against the others (n = 6)"
    assert any("latent" in label for label in labels)
    assert "predictive z" in left.get_ylabel()
    assert "share of the explainable" in right.get_ylabel()


def test_every_number_is_in_the_table(tree: xr.DataTree) -> None:
    table = report_numbers(tree)
    one = table[(table.group == "agents") & (table.variable == "z")]
    assert len(one) == 4 * 8
    assert one.value.astype(float).notna().all()
    assert {"controls/shuffled", "prediction", "profiles/animals"} <= set(table.group)
    short = report_numbers(tree, decimals=3)
    numbers = [v for v in short.value if isinstance(v, float) and np.isfinite(v)]
    assert len(numbers) > 1000
    assert all(v == round(v, 3) for v in numbers)
    assert (
        short.value[short.variable == "verdict"] == table.value[table.variable == "verdict"]
    ).all()


def test_shuffling_keeps_trials_and_sessions() -> None:
    rats = load_dataset("synthetic-rats")
    shuffled = shuffle_trials(rats, seed=1)
    assert np.array_equal(shuffled.valid, rats.valid)
    for name in ("choice", "reward", "common"):
        a, b = (np.sort(c[name].where(c.valid == 1, -9).values, axis=1) for c in (rats, shuffled))
        assert np.array_equal(a, b)
    assert not np.array_equal(shuffled.choice, rats.choice)
    assert shuffled.subject.values[0] == "shuffled synthetic-1"


def test_four_animals_are_assessed_and_the_report_says_what_that_is_worth() -> None:
    rats = load_dataset("synthetic-rats")
    four = select_subjects(rats, [f"synthetic-{k}" for k in range(1, 5)])
    found = assess(load_agents("two-step/0"), four, n_replicates=1, n_bootstrap=200)
    assert found["animals"].sizes["subject"] == 4
    assert np.isfinite(found["animals"]["p_max"]).all()
    assert np.isfinite(found["prediction"]["p"]).all()
    told = sentences(found, noun="rat")
    assert "nobody is called outside or inside: that needs 6 rats" in told[-1]
    assert "missed more than three times in four" in told[-2]
    assert "that needs 6 rats" in report_page(found, noun="rat")


def test_refusals() -> None:
    agents, rats = load_agents("two-step/0"), load_dataset("synthetic-rats")
    three = select_subjects(rats, [f"synthetic-{k}" for k in range(1, 4)])
    with pytest.raises(InputError, match="3 animals; an assessment needs at least 4"):
        assess(agents, three)
    with pytest.raises(InputError, match="cannot play 'bandit', a bandit"):
        assess(agents, bandit_design(6, 200))
    with pytest.raises(InputError, match="second step of these subjects has a choice of its own"):
        assess(agents, human_design(4, 200))
    bandit = load_agents("bandit-restless/0")
    with pytest.raises(InputError, match="copied by their 'p_reward' of two arms"):
        assess(bandit, learners(4, 0.3, 1).drop_vars("p_reward"))


def test_without_odds_the_models_are_left_out_and_that_is_said() -> None:
    rats = load_dataset("synthetic-rats").drop_vars("p_reward")
    tree = assess(load_agents("two-step/0"), rats, n_replicates=1, n_bootstrap=100)
    assert "no p_reward" in tree.attrs["skipped"]
    assert set(tree["controls"].children) == {"shuffled", "untrained network"}
    assert "no p_reward" in report_page(tree)


def test_learning_sets_are_assessed_by_their_own_signatures() -> None:
    from neuro_metarl.behavior import learning_set_profile
    from tests.test_behavior_learning_sets import animals, strategist

    agent = learning_set_profile(strategist(0.98, 0.98, 300, subject="network", seed=7))
    tree = assess_profiles(agent, learning_set_profile(animals(6, 3)), n_bootstrap=200)
    assert "groups" not in tree.children
    told = sentences(tree, noun="rat", name="the network")
    assert "lag" not in told[0]
    page = report_page(tree, noun="rat")
    assert "win stay" in page
    assert "first six trials of each problem" in page
    labels = [t.get_text() for t in report_figure(tree, noun="rat").axes[0].get_xticklabels()]
    assert labels == [
        "trial\n1", "trial\n2", "trials\n3 6", "change\nover problems", "win\nstay",
        "lose\nshift",
    ]  # fmt: skip


def learners(n: int, learning_rate: float, seed: int) -> xr.Dataset:
    """Animals on a reversing bandit that learn at about one rate."""
    design = bandit_design(n, 900)
    rng = np.random.default_rng(seed)
    values = {
        f"m{seed}-{k}": {
            "learning_rate": float(np.clip(learning_rate + 0.05 * rng.normal(), 0.05, 0.95)),
            "inverse_temperature": float(3 + 0.3 * rng.normal()),
        }
        for k in range(n)
    }
    return simulate_design(design, "q_learning", values, seed=seed)


@pytest.mark.parametrize("baited", [False, True])
def test_agents_are_assessed_on_a_bandit(baited: bool) -> None:
    animals = learners(6, 0.3, 1).assign_attrs(task="bandit-baited" if baited else "bandit")
    agents = load_agents("bandit-restless").select(range(3))
    tree = assess(agents, animals, n_replicates=1, n_bootstrap=200)
    assert tree["agents"].sizes == {"subject": 3, "measure": 4}
    assert tree["groups"].attrs["n_first"] == 3
    assert (tree["controls/shuffled"]["p_max"] < 0.05).mean() > 0.5
    told = sentences(tree, noun="mouse")
    assert told[0].startswith("Compared with 6 mice (")
    assert any("Welch over subjects" in s for s in told)
    page = report_page(tree, noun="mouse")
    for part in ("<h2>Groups</h2>", "<h2>Prediction</h2>", "Ito &amp; Doya", "Shuffled mice must"):
        assert part in page
    assert "mixture" not in page
    left, right = report_figure(tree, noun="mouse").axes
    assert "each mouse" in left.get_legend().get_texts()[0].get_text()
    assert right.get_legend().get_texts()[0].get_text() == "another mouse's model"


def test_bandit_controls_are_where_they_must_be() -> None:
    animals = learners(8, 0.3, 5)
    tree = assess(load_agents("bandit-restless").select([0, 1]), animals, n_bootstrap=300)
    outside = {k: (v["p_max"] < 0.05).mean() for k, v in tree["controls"].children.items()}
    assert outside["fitted q differential forgetting"] <= 0.25
    for name in ("win-stay, lose-shift", "reversal inference"):
        assert outside[name] == 1
    found, controls = tree["prediction"], tree["control_prediction"]
    assert float(found["ceiling"].mean()) > 0.9
    assert (found["mean_share"] < found["ceiling"].mean()).all()
    q = controls["Q learning"]["mean_share"]
    assert float(q[0]) > float(controls["win-stay, lose-shift"]["mean_share"][0])
    scale = json.loads(tree.attrs["calibration"])["scale"]
    assert 0 < scale < 1


@pytest.mark.parametrize("seed", [2, 12, 22, 32])
def test_planted_learners_are_told_apart_only_where_they_differ(seed: int) -> None:
    table = bandit_profile(learners(8, 0.3, seed))
    alike = assess_profiles(bandit_profile(learners(8, 0.3, seed + 1)), table, n_bootstrap=300)
    unlike = assess_profiles(bandit_profile(learners(8, 0.85, seed + 2)), table, n_bootstrap=300)
    assert (alike["groups"]["p_holm"] > 0.005).all()
    assert float(unlike["groups"]["p_holm"].sel(measure="reward_lag_1")) < 0.01
    assert (unlike["agents"]["p_max"] < 0.05).mean() >= 0.5
    assert (alike["agents"]["p_max"] < 0.05).mean() <= 0.5
    with pytest.raises(InputError, match="other signatures; measure both alike"):
        assess_profiles(table.isel(measure=[0, 1]), table)


RATS = Path(__file__).parents[2] / "shared/data/miller2022_rat_twostep/ofc_physdata_3rats.mat"


@pytest.mark.skipif(not RATS.is_file(), reason="the rats' file is not here")
def test_each_real_rat_lies_inside_a_cloud_of_rats_like_the_three() -> None:
    """Three rats are too few for a cloud; thirds of their sessions stand in for nine animals.

    Of nine at .05 three or more are outside in 1 of 120 cases.
    """
    from neuro_metarl.behavior.profiles import profile
    from neuro_metarl.comparison.cloud import leave_one_out
    from neuro_metarl.io import read

    rats = read(RATS)
    numbers = np.concatenate([np.arange(n) % 3 for n in (15, 10, 6)])
    parts = [f"{s}.{k}" for s, k in zip(rats.subject.values, numbers, strict=True)]
    table = profile(rats.assign_coords(subject=("session", parts)))
    assert table.sizes["subject"] == 9
    p = leave_one_out(table, n_bootstrap=500).p_max
    assert (p < 0.05).sum() <= 2
    assert (p > 0.01).sum() >= 8
