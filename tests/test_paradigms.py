"""Which kind of experiment a cohort is of is asked once; a kind of one's own is one object."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.agents.players import make_player
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.assessment import assess, assess_profiles
from neuro_metarl.behavior.bandits import win_stay
from neuro_metarl.behavior.navigation_signatures import navigation_profile
from neuro_metarl.behavior.profiles import profile
from neuro_metarl.cohort import make_cohort, select_subjects, subjects_of
from neuro_metarl.comparison.prediction import predict_animals
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.paradigms import Paradigm, paradigm_named, paradigm_of, register_paradigm
from neuro_metarl.recording import record
from neuro_metarl.report import report_page

KINDS = {"two-step": "two-step", "bandit-independent": "bandit", "bandit-restless": "bandit",
         "harlow": "learning set"}  # fmt: skip


@pytest.mark.parametrize("task", KINDS)
def test_the_package_s_own_tasks_have_a_paradigm(task: str) -> None:
    cohort = record(load_agents(task).select([0]), task, 12, activity=False)
    paradigm = paradigm_of(cohort)
    assert paradigm.name == KINDS[task]
    assert paradigm_named(paradigm.name) is paradigm
    if paradigm.name != "learning set":
        assert paradigm.measure(cohort).attrs["paradigm"] == paradigm.name


def test_an_unknown_kind_raises() -> None:
    cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"], task="pavlovian",
                         source="animal")  # fmt: skip
    with pytest.raises(InputError, match="no kind of task is known by the name 'pavlovian'"):
        paradigm_of(cohort)
    with pytest.raises(InputError, match="'pavlovian'"):
        predict_animals(
            cohort, xr.DataArray(np.zeros((1, 1, 2)), dims=("subject", "session", "trial"))
        )


def test_sessions_that_agents_do_not_play_are_refused() -> None:
    sets = record(load_agents("harlow"), "harlow", 20, activity=False)
    with pytest.raises(InputError):
        assess(load_agents("harlow").select([0]), sets)


def coin(cohort: xr.Dataset) -> xr.Dataset:
    """Two signatures of a toy paradigm: how often a win is repeated and a loss left."""
    table = win_stay(cohort)
    value = np.stack([table[n].sel(statistic="value") for n in ("win_stay", "lose_shift")], axis=1)
    error = np.full(value.shape[1], 0.02)
    names = ["win_stay", "lose_shift"]
    return xr.Dataset(
        {
            "profile": (("subject", "measure"), value),
            "covariance": (("subject", "measure", "measure_2"),
                           np.tile(np.diag(error**2), (len(value), 1, 1))),
            "n": ("subject", np.full(len(value), 500)),
            "p_correct": ("subject", np.full(len(value), np.nan)),
            "bias": ("subject", np.zeros(len(value))),
        },
        coords={"subject": table.subject, "measure": names, "measure_2": names},
    )  # fmt: skip


def players(temperatures: np.ndarray, seed: int) -> xr.Dataset:
    parts = []
    for k, temperature in enumerate(temperatures):
        player = make_player("rescorla-wagner", inverse_temperature=float(temperature))
        one = record(player, "bandit-independent", 20, seed=seed + k)
        parts.append(one.assign_coords(subject=("session", [f"p{seed + k}"] * 20)))
    return xr.concat(parts, "session", data_vars="minimal", coords="minimal", compat="override")


def test_a_paradigm_of_one_s_own_is_one_object() -> None:
    own = Paradigm(
        name="toy coin", holds=lambda cohort: cohort.attrs["task"] == "toy-coin", profile=coin,
        methods=("<b>Toy.</b> Tossed.",), limits=("Few {many} say little.",),
    )  # fmt: skip
    animals = coin(players(np.linspace(2, 4, 6), 10))
    agents = coin(players(np.array([20.0, 25.0]), 40))
    tree = assess_profiles(agents, animals, n_bootstrap=100)
    page = report_page(tree, noun="mouse", paradigm=own)
    assert "Tossed." in page
    assert "Few mice say little." in page
    with pytest.raises(InputError, match="no paradigm ''"):
        report_page(tree, noun="mouse")
    register_paradigm(own)
    signed = assess_profiles(own.measure(players(np.array([20.0, 25.0]), 40)), animals,
                             n_bootstrap=100)  # fmt: skip
    assert "Tossed." in report_page(signed, noun="mouse")
    tossed = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"], task="toy-coin",
                         source="animal")  # fmt: skip
    assert paradigm_of(tossed) is own
    with pytest.raises(InputError, match="known already"):
        register_paradigm(Paradigm("bandit", own.holds, coin))


def test_profiles_of_two_kinds_are_not_compared() -> None:
    rats = profile(load_dataset("synthetic-rats"))
    with pytest.raises(InputError, match="agents were measured on a bandit and animals on a two"):
        assess_profiles(rats.assign_attrs(paradigm="bandit"), rats, n_bootstrap=20)


def test_navigation_has_a_report() -> None:
    """Five agents of the package, three without memory beside them as controls that lie outside."""
    kept = record(load_agents("navigation"), n_sessions=60, seed=3, activity=False)
    flat = record(load_agents("navigation-feed-forward"), n_sessions=60, seed=3, activity=False)
    measured = navigation_profile(kept)
    assert measured.attrs["paradigm"] == paradigm_of(kept).name == "navigation"
    later = measured.profile.sel(measure="later_searches")
    assert (np.exp(later) < 15).all()
    names = subjects_of(kept)
    tree = assess_profiles(navigation_profile(select_subjects(kept, names[4])),
                           navigation_profile(select_subjects(kept, names[:4])),
                           controls={"feed-forward": navigation_profile(flat)},
                           n_bootstrap=100)  # fmt: skip
    page = report_page(tree, noun="animal")
    assert "No animals have walked this maze" in page
    assert re.search(r"feed-forward", page)


@pytest.mark.parametrize("seed", range(3))
def test_errors_of_navigation_s_signatures_are_those_between_halves(seed: int) -> None:
    """The spread of a signature over many samples of episodes is what the jackknife says."""
    rng = np.random.default_rng(seed)

    def sample(n: int) -> xr.Dataset:
        first, later = rng.gamma(9, 2.2, n), rng.gamma(20, 0.35, (n, 2))
        start = np.concatenate([np.zeros((n, 1)), first[:, None], first[:, None] + later[:, :1]], 1)
        stop = np.concatenate([start[:, 1:], start[:, 2:] + later[:, 1:]], axis=1)
        valid = np.ones((n, 3), int)
        valid[rng.random(n) < 0.2, 2] = 0
        return make_cohort(
            {"choice": np.zeros((n, 3)), "reward": np.ones((n, 3)), "valid": valid,
             "problem": np.zeros((n, 3)), "t_start": start, "t_goal": stop},
            subject=["a"] * n, task="navigation", source="model",
        )  # fmt: skip

    many = [navigation_profile(sample(80), n_goals=3) for _ in range(60)]
    spread = np.std([m.profile.values[0] for m in many], axis=0, ddof=1)
    told = np.mean([np.sqrt(np.diag(m.covariance.values[0])) for m in many], axis=0)
    np.testing.assert_allclose(told, spread, rtol=0.35)
