"""Twins as subjects: they play tasks, their animals' sessions, and their animals' own choices."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import concat_cohorts, select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.designs import simulate_design
from neuro_metarl.models.model import Memory, Model, Parameter, Planted, Trial
from neuro_metarl.models.requirements import check_cohort
from neuro_metarl.twins.files import check_twins
from neuro_metarl.twins.networks import run_network, split_weights
from neuro_metarl.twins.sequences import read_sequences

__all__ = ["network_of", "record_replay", "record_yoked", "twin_players"]

EVENTS = ("choice", "outcome")
SCALE = Parameter("scale", "positive", 1.0, free=False)


def network_of(twins: xr.Dataset, subject: str) -> tuple[np.ndarray, int, int]:
    """Give the network that was chosen for a subject.

    Parameters
    ----------
    twins
        From :func:`neuro_metarl.twins.fit_twin`.
    subject
        One of its subjects; every animal has the network of a pool.

    Returns
    -------
    weights, n_units, n_codes
        Dims (weight).

    Raises
    ------
    InputError
        No twins, or none of this subject.

    Examples
    --------
    >>> network_of(xr.Dataset(), "a")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: expected what fit_twin gives; the attribute 'schema' is None
    """
    n_codes = len(check_twins(twins))
    names = twins["subject"].values.tolist()
    if subject not in names and names != ["pool"]:
        raise InputError(f"subject {subject!r} has no twin; there are {', '.join(names[:5])}")
    one = twins.isel(subject=names.index(subject) if subject in names else 0)
    n_units = int(one["chosen"])
    weights = one["weights"].sel(n_units=n_units).values
    return weights[np.isfinite(weights)].copy(), n_units, n_codes


def twin_players(twins: xr.Dataset) -> list[Planted]:
    """Make the twins into subjects that ``nm.record`` takes.

    Parameters
    ----------
    twins
        From :func:`neuro_metarl.twins.fit_twin`.

    Returns
    -------
    list of Planted
        One for each twin, with the name of its animal. The parameter ``scale`` multiplies the log
        odds.

    Raises
    ------
    InputError
        Twins of learning sets, which choose objects and see no sides, or whose memory runs on from
        one session to the next.

    Examples
    --------
    >>> import neuro_metarl as nm
    >>> from neuro_metarl.twins import fit_twin
    >>> rat = nm.select_subjects(nm.load_dataset("synthetic-rats"), "synthetic-1")
    >>> twins = fit_twin(rat, n_units=1, prior="none", folds=2)
    >>> nm.record(twin_players(twins), "two-step-miller", n_sessions=2).subject.values.tolist()
    ['synthetic-1', 'synthetic-1']
    """
    check_twins(twins)
    if twins.attrs["kind"] == "learning-set":
        raise InputError("twins of learning sets choose between objects; they play no sides")
    if twins.attrs["reset"] == "subject":
        raise InputError(
            "the memory of these twins runs on over sessions (reset='subject'), which are played "
            "one by one; fit them with reset='session'"
        )
    players = []
    for name in twins["subject"].values.tolist():
        weights, n_units, n_codes = network_of(twins, name)
        players.append(_model(name, weights, n_units, n_codes).planted(name=name))
    return players


def _model(name: str, weights: np.ndarray, n_units: int, n_codes: int) -> Model:
    """Write a network as a cognitive model, whose memory is the state."""
    part = split_weights(weights, n_units, n_codes)
    table, recurrent, two_step = part["table"], part["recurrent"], n_codes == 8

    def step(memory: Memory, trial: Trial, theta: Any) -> tuple[tuple[Any], Memory]:
        h = np.stack(memory, axis=-1)
        odds = theta.scale * (h @ part["readout"] + part["bias"][0])
        code = 2 * trial.choice + trial.reward
        if two_step:
            code = 4 * trial.choice + 2 * trial.state + trial.reward
        w = table[np.asarray(code).astype(int)]
        r = _logistic(w[..., 0, :] + h @ recurrent[0].T)
        z = _logistic(w[..., 1, :] + h @ recurrent[1].T)
        n = np.tanh(w[..., 2, :] + r * (h @ recurrent[2].T + part["candidate_bias"]))
        later = (1 - z) * n + z * h
        return (odds,), tuple(later[..., i] for i in range(n_units))

    needs = ("state", "common") if two_step else ()
    initial = tuple(map(float, part["initial"]))
    return Model(f"twin of {name}", (SCALE,), initial, step, needs=needs)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


def record_yoked(
    twins: xr.Dataset, animals: xr.Dataset, *, n_replicates: int = 1, seed: int = 0
) -> xr.Dataset:
    """Let each twin play its own animal's sessions, with outcomes drawn anew.

    Parameters
    ----------
    twins
        From :func:`neuro_metarl.twins.fit_twin`.
    animals
        With ``p_reward``; imposed choices stay imposed, invalid trials stay invalid.
    n_replicates
        Times that each session is played.
    seed
        Of outcomes and choices.

    Returns
    -------
    xarray.Dataset
        A cohort with the animals' names; measure it as the animals are measured.

    Raises
    ------
    InputError
        See :func:`twin_players` and :func:`neuro_metarl.models.simulate_design`.

    Examples
    --------
    >>> import neuro_metarl as nm
    >>> from neuro_metarl.twins import fit_twin
    >>> rat = nm.select_subjects(nm.load_dataset("synthetic-rats"), "synthetic-1")
    >>> played = record_yoked(fit_twin(rat, n_units=1, prior="none", folds=2), rat)
    >>> played.sizes == rat.sizes
    True
    """
    if n_replicates < 1:
        raise InputError(f"n_replicates is {n_replicates}, expected 1 or more")
    known = {player.name: player for player in twin_players(twins)}
    across, parts = twins.attrs["reset"] != "problem", []
    for k, name in enumerate(subjects_of(check_cohort(animals))):
        network_of(twins, name)
        player = known.get(name) or known["pool"]
        mine = select_subjects(animals, name)
        for r in range(n_replicates):
            played = simulate_design(
                mine, player.model, {name: {}}, seed=seed + 1000 * k + r, across_problems=across
            )
            ids = [f"{s}/{r}" for s in mine["session_id"].values]
            parts.append(played.assign_coords(session_id=("session", ids)))
    return concat_cohorts(parts) if len(parts) > 1 else parts[0]


def record_replay(twins: xr.Dataset, cohort: xr.Dataset) -> xr.Dataset:
    """Lead each twin through the choices that were made, and record its units.

    Parameters
    ----------
    twins
        From :func:`neuro_metarl.twins.fit_twin`.
    cohort
        The animals, or what their twins played; subjects have the names of the fit.

    Returns
    -------
    xarray.Dataset
        The cohort with ``activity`` (session, trial, event, unit), the state before the choice and
        after the outcome, and ``policy`` (session, trial, event, action), the probabilities of the
        choice (NaN at the outcome). Where the twins have different numbers of units, those that a
        twin does not have are NaN, as is all where there is no trial. In learning sets action 1 is
        the object that was chosen first.

    Raises
    ------
    InputError
        A subject without a twin, or a cohort of another kind.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, select_subjects
    >>> from neuro_metarl.twins import fit_twin
    >>> rat = select_subjects(load_dataset("synthetic-rats"), "synthetic-1")
    >>> record_replay(fit_twin(rat, n_units=2, prior="none", folds=2), rat).activity.dims
    ('session', 'trial', 'event', 'unit')
    """
    check_twins(twins)
    read = read_sequences(cohort, twins.attrs["reset"])
    if read.kind != twins.attrs["kind"]:
        raise InputError(
            f"the cohort is of the kind {read.kind!r}, the twins are of {twins.attrs['kind']!r}"
        )
    shape = (cohort.sizes["session"], cohort.sizes["trial"], len(EVENTS))
    activity = np.full((*shape, int(twins["chosen"].max())), np.nan, "float32")
    policy = np.full((*shape, 2), np.nan, "float32")
    for k, name in enumerate(read.trials.subjects):
        weights, n_units, n_codes = network_of(twins, name)
        one = read.of_subject(k)
        at = one.trials.session, one.trials.place
        odds, before, after = run_network(weights, one.code, one.trials.start, n_units, n_codes)
        for event, state in enumerate((before, after)):
            padded = np.full((len(odds), activity.shape[-1]), np.nan)
            padded[:, :n_units] = state
            activity[(*at, event)] = padded
        policy[(*at, 0)] = np.stack([_logistic(-odds), _logistic(odds)], axis=-1)
    dims = ("session", "trial", "event")
    kept = cohort.drop_vars(
        ["activity", "policy", "cell", "gates", "value", "rpe", "inputs"], errors="ignore"
    ).drop_dims(["event", "unit", "action"], errors="ignore")
    return kept.assign(
        activity=((*dims, "unit"), activity), policy=((*dims, "action"), policy)
    ).assign_coords(
        event=list(EVENTS), unit=np.arange(activity.shape[-1]), action=["0", "1"]
    )  # fmt: skip
