"""Subjects whose truth is known play a cohort's own design.

The design of a cohort is what did not depend on the subject: the sessions and their lengths, the
nominal reward probabilities, the transition probability, the trials on which the choice was
imposed. A simulated subject plays that design anew: outcomes are drawn again from the
probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import make_cohort, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Model, Planted, find_model
from neuro_metarl.models.requirements import check_cohort, check_needs, reward_levels
from neuro_metarl.models.simulation import Outcomes, simulate_stretches
from neuro_metarl.models.trials import borders_of, known_values

__all__ = ["simulate_design"]


def simulate_design(
    design: xr.Dataset,
    model: str | Model,
    values: Mapping[str, Mapping[str, float]],
    *,
    seed: int = 0,
    across_problems: bool = False,
) -> xr.Dataset:
    """Let subjects with given parameters play a cohort's design.

    Parameters
    ----------
    design
        Cohort with ``p_reward``; each of its subjects lends its sessions.
    model
        Model or its name.
    values
        New subject to its parameters; the new subjects take the sessions of the design's
        subjects in turn. What is not given is taken from the task, else is the default.
    seed
        Of outcomes and choices.
    across_problems
        Memory runs on where the number of the ``problem`` changes within a session.

    Returns
    -------
    xarray.Dataset
        A cohort, source "model". Invalid trials stay invalid, imposed choices stay imposed, and
        where the design's arms are baited (task ``"bandit-baited"``), so are these. Where the
        design's rewards have two values other than 0 and 1, so have these.

    Raises
    ------
    InputError
        The design has no ``p_reward``, or not of as many options as the model has; its rewards have
        more than two values; or the values are not the model's.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> played = simulate_design(load_dataset("synthetic-rats"), "model_based",
    ...                          {"a": {"learning_rate": 0.5}, "b": {}}, seed=1)
    >>> subjects_of(played)
    ['a', 'b']
    """
    chosen = find_model(model)
    check_needs(check_cohort(design), chosen)
    if "p_reward" not in design:
        raise InputError(
            "the cohort has no 'p_reward' (the nominal reward probability of each option on each "
            "trial), without which outcomes cannot be drawn anew"
        )
    if not values:
        raise InputError("no subjects to simulate")
    lenders = subjects_of(design)
    known = known_values(design, chosen)
    rows, names, theta = [], [], []
    for k, (name, given) in enumerate(values.items()):
        lender = lenders[k % len(lenders)]
        mine = np.flatnonzero(design["subject"].values == lender)
        mine_and_known: Any = {**known[lender], **given}
        full = chosen.planted(**mine_and_known).values
        rows.append(mine)
        names += [name] * len(mine)
        theta += [list(full.values())] * len(mine)
    taken = np.concatenate(rows)
    table = dict(zip(chosen.parameter_map, np.array(theta).T, strict=True))
    rng = np.random.default_rng(seed)
    outcomes = _draw(design.isel(session=taken), chosen, rng)
    borders = borders_of(design, across_problems)[taken]
    player = Planted(chosen, table, chosen.name)
    played = simulate_stretches(player, outcomes, borders, rng=rng)
    return _as_cohort(design.isel(session=taken), chosen, played, outcomes, names)


def _draw(design: xr.Dataset, model: Model, rng: np.random.Generator) -> Outcomes:
    p_reward = design["p_reward"].transpose("session", "trial", "option").values
    there = design["valid"].transpose("session", "trial").values == 1
    if not np.isfinite(p_reward[there]).all():
        raise InputError("'p_reward' is missing (NaN) on valid trials")
    _check_options(design, model)
    reward_if = (rng.random(p_reward.shape) < np.nan_to_num(p_reward)).astype(float)
    omission, payment = _two_rewards(design)
    if (omission, payment) != (0.0, 1.0):
        reward_if = np.where(reward_if == 1, payment, omission)
    choice = design["choice"].transpose("session", "trial").values
    imposed = _imposed(design, "forced", "choice")
    if "state" not in design:
        baited = design.attrs["task"] == "bandit-baited"
        return Outcomes(None, reward_if, imposed, there=there, baited=baited, omission=omission)
    known = known_values(design, find_model("hybrid"))
    p_common = [known[name].get("p_common", 0.8) for name in design["subject"].values.tolist()]
    common = rng.random(choice.shape) < np.array(p_common)[:, None]
    state_if = np.where(common[..., None], [0, 1], [1, 0])
    other = _incongruent(design)
    state_if = state_if ^ other[:, None, None]
    second = _imposed(design, "forced2", "choice2") if model.n_choices == 2 else None
    return Outcomes(
        state_if, reward_if, imposed, other, there, omission=omission, forced_choice2=second
    )


def _imposed(design: xr.Dataset, flag: str, choice: str) -> np.ndarray:
    """Give imposed choices, -1 where the choice was free."""
    made = design[choice].transpose("session", "trial").values
    if flag not in design:
        return np.full(made.shape, -1)
    names = ("valid", flag)
    valid, forced = (design[n].transpose("session", "trial").values == 1 for n in names)
    return np.where(valid & forced, made, -1)


def _check_options(design: xr.Dataset, model: Model) -> None:
    n_options, needed = design.sizes["option"], 4 if model.n_choices == 2 else 2
    if n_options != needed:
        what = "second-step choices (option 2 state + choice2)" if needed == 4 else "options"
        raise InputError(
            f"p_reward has {n_options} options; model {model.name!r} plays {needed} {what}, so "
            "that outcomes cannot be drawn anew"
        )


def _two_rewards(design: xr.Dataset) -> tuple[float, float]:
    """Say what an omission and a reward are worth; ``p_reward`` is the chance of the second."""
    levels = reward_levels(design).astype(float)
    if np.isin(levels, (0, 1)).all():
        return 0.0, 1.0
    if len(levels) != 2:
        raise InputError(
            f"the cohort's rewards have {len(levels)} values; p_reward says how often an option "
            "pays, not how much, so that outcomes cannot be drawn anew"
        )
    return float(levels[0]), float(levels[1])


def _incongruent(design: xr.Dataset) -> np.ndarray:
    """Say of each session whether choice 0 leads commonly to state 1."""
    told = (design["common"] >= 0) & (design["valid"] == 1)
    same = (design["state"] == design["choice"]) == (design["common"] == 1)
    wrong = (told & ~same).sum("trial").values
    return (wrong > told.sum("trial").values / 2).astype(int)


def _correct(variables: dict[str, Any], incongruent: np.ndarray) -> np.ndarray:
    odds = variables["p_reward"][..., :2]
    better = odds[..., 1] > odds[..., 0]
    leads_to = variables["choice"] ^ incongruent[:, None]
    unclear = (variables["valid"] == 0) | ~(odds[..., 0] != odds[..., 1])
    return np.where(unclear, -1, leads_to == better)


def _as_cohort(
    design: xr.Dataset, model: Model, played: dict[str, np.ndarray], outcomes: Outcomes,
    names: list[str],
) -> xr.Dataset:  # fmt: skip
    there = design["valid"].transpose("session", "trial").values == 1
    variables: dict[str, Any] = {
        "valid": there.astype(int),
        "forced": (outcomes.forced_choice >= 0).astype(int),
        "p_reward": design["p_reward"].transpose("session", "trial", "option").values,
    }
    for name in ("choice", "state", "choice2"):
        if name in played:
            variables[name] = np.where(there, played[name], -1)
    for name in ("problem", *(["forced2"] if model.n_choices == 2 else [])):
        if name in design:
            variables[name] = design[name].transpose("session", "trial").values
    variables["reward"] = np.where(there, played["reward"], np.nan)
    if "invalid_reason" in design:
        variables["invalid_reason"] = design["invalid_reason"].transpose("session", "trial").values
    if "state" in played:
        relative = played["state"] ^ np.asarray(outcomes.incongruent, int)[:, None]
        variables["common"] = np.where(there, relative == played["choice"], -1)
    if model.n_choices == 1:
        other = np.asarray(outcomes.incongruent, int) * np.ones(len(names), int)
        variables["correct"] = _correct(variables, other if "state" in played else 0 * other)
    config = json.loads(design.attrs.get("task_config", "{}"))
    return make_cohort(
        variables,
        subject=names,
        task=design.attrs["task"],
        source="model",
        coords={"option": design["option"]} if "option" in design.coords else {},
        attrs={"task_config": json.dumps(config, sort_keys=True), "model": model.name},
    )
