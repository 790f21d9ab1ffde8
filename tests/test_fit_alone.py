"""A subject's fit is its own: the same alone, in company, and in any order."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import fit, make_cohort, select_subjects
from neuro_metarl.models.fitting import planted_values
from neuro_metarl.models.likelihood import trial_log_likelihood
from neuro_metarl.models.misfit import misfit_test
from neuro_metarl.models.model import find_model, list_models
from neuro_metarl.models.selection import cross_validate

LENGTHS = {"short": (2, 40), "long": (3, 90), "rich": (2, 70)}
PAYS = {"short": (0.0, 1.0), "long": (0.0, 40.0), "rich": (-3.0, 5.0)}
NUMBERS = ("estimate", "standard_error", "log_likelihood", "log_evidence", "bic", "n")


def company(name: str, seed: int = 0) -> xr.Dataset:
    """Subjects that differ in length, odds, share of common transitions and size of rewards."""
    model, rng = find_model(name), np.random.default_rng(seed)
    n_sessions, n_trials = sum(n for n, _ in LENGTHS.values()), 90
    shape = (n_sessions, n_trials)
    of_subject: list[str] = []
    valid = np.zeros(shape, int)
    for subject, (n, length) in LENGTHS.items():
        valid[len(of_subject) : len(of_subject) + n, :length] = 1
        of_subject += [subject] * n
    odds = {"short": 0.9, "long": 0.8, "rich": 0.75}
    share = {"short": 0.65, "long": 0.8, "rich": 0.9}
    good = np.cumsum(rng.random(shape) < 0.05, axis=1) % 2
    choice = np.where(rng.random(shape) < 0.7, good, 1 - good)
    high = np.array([odds[s] for s in of_subject])[:, None]
    rare = rng.random(shape) > np.array([share[s] for s in of_subject])[:, None]
    state = choice ^ rare if "state" in model.needs else choice
    choice2 = (rng.random(shape) < 0.5).astype(int)
    won = rng.random(shape) < np.where(state == good, high, 1 - high)
    low, top = np.array([PAYS[s] if not model.binary else (0, 1) for s in of_subject]).T
    variables = {
        "choice": np.where(valid, choice, -1), "valid": valid, "forced": valid & (choice2 == 1),
        "reward": np.where(valid, np.where(won, top[:, None], low[:, None]), np.nan),
    }  # fmt: skip
    if "state" in model.needs:
        variables["state"] = np.where(valid, state, -1)
        variables["common"] = np.where(valid, 1 - rare, -1)
    if model.n_choices == 2:
        variables["choice2"] = np.where(valid, choice2, -1)
    else:
        one = np.where(good == 1, high, 1 - high)
        variables["p_reward"] = np.where(valid == 1, [1 - one, one], np.nan).transpose(1, 2, 0)
    task = "two-step" if "state" in model.needs else "bandit"
    return make_cohort(variables, subject=of_subject, task=task, source="animal")


@pytest.mark.parametrize("name", list_models())
def test_a_fit_does_not_depend_on_the_company(name: str) -> None:
    cohort = company(name)
    options = {"n_starts": 2, "executor": "numba"}
    together = fit(cohort, name, **options)
    turned = fit(select_subjects(cohort, ["rich", "short", "long"]), name, **options)
    held = planted_values(together)
    for subject in LENGTHS:
        alone = fit(select_subjects(cohort, subject), name, **options)
        assert planted_values(alone)[subject] == pytest.approx(held[subject], rel=1e-6, abs=1e-8)
        for other in (together, turned):
            mine = other.sel(subject=[subject])
            assert mine.problem.values.tolist() == alone.problem.values.tolist()
            for number in NUMBERS:
                np.testing.assert_allclose(
                    mine[number], alone[number], rtol=1e-6, atol=1e-8, err_msg=number
                )


@pytest.mark.parametrize("name", ["q_forgetting", "hybrid"])
def test_starts_are_a_subjects_own_too(name: str) -> None:
    """Long subjects are climbed on their first trials first; shorter ones beside them are not."""
    rng, model = np.random.default_rng(1), find_model(name)
    shape, two_step = (5, 450), "state" in model.needs
    choice, reward = rng.integers(0, 2, (2, *shape))
    common = (rng.random(shape) < 0.8).astype(int)
    variables = {"choice": choice, "reward": reward}
    if two_step:
        variables |= {"state": choice ^ 1 ^ common, "common": common}
    task = "two-step" if two_step else "bandit"
    cohort = make_cohort(variables, subject=["a", *"bbbb"], task=task, source="animal")
    cohort = cohort.assign_attrs(task_config='{"p_common": 0.8}')
    together, alone = fit(cohort, name), fit(select_subjects(cohort, "a"), name)
    for number in (*NUMBERS, "share_best"):
        np.testing.assert_allclose(together[number][:1], alone[number], rtol=1e-7, err_msg=number)


@pytest.mark.parametrize("name", ["q_learning", "kalman", "hybrid", "latent_state"])
def test_what_follows_from_a_fit_does_not_either(name: str) -> None:
    cohort = company(name)
    fitted = fit(cohort, name, n_starts=2)
    misfit, held_out = misfit_test(cohort, fitted), cross_validate(cohort, name)
    odds = trial_log_likelihood(cohort, name, planted_values(fitted))
    default = trial_log_likelihood(cohort, name, {})
    for subject in LENGTHS:
        one = select_subjects(cohort, subject)
        alone = fit(one, name, n_starts=2)
        mine = cohort.subject.values == subject
        for whole, part in (
            (odds[mine], trial_log_likelihood(one, name, planted_values(alone))),
            (default[mine], trial_log_likelihood(one, name, {})),
            (misfit.p.sel(subject=[subject]), misfit_test(one, alone).p),
            (held_out.log_likelihood.sel(subject=[subject]),
             cross_validate(one, name).log_likelihood),
        ):  # fmt: skip
            filled = part.values
            np.testing.assert_allclose(
                whole.values[..., : filled.shape[-1]], filled, rtol=1e-5, atol=1e-7
            )


@pytest.mark.parametrize("name", ["q_learning", "choice_kernel", "kalman"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 0.0), (0.0, 40.0), (2.0, 2.5)])
def test_a_fit_follows_the_unit_of_a_subjects_rewards(name: str, low: float, high: float) -> None:
    """Other numbers for the same two outcomes: the same likelihood, weights per unit of reward."""
    cohort = select_subjects(company(name), "short")
    coded = cohort.assign(reward=low + (high - low) * cohort.reward)
    plain, scaled = fit(cohort, name), fit(coded, name)
    assert float(scaled.log_likelihood[0]) == pytest.approx(
        float(plain.log_likelihood[0]), rel=1e-9
    )
    assert float(scaled.log_evidence[0]) == pytest.approx(float(plain.log_evidence[0]), rel=1e-9)
    for p in find_model(name).parameters:
        if p.name in plain.parameter.values:
            power = p.reward_power
            got = scaled.estimate.sel(parameter=p.name) / (high - low) ** power
            assert float(got[0]) == pytest.approx(
                float(plain.estimate.sel(parameter=p.name)[0]), rel=1e-3, abs=1e-4
            )
