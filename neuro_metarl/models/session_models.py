"""A subject that keeps to one strategy for a session, and may take the other in the next.

With ``pi`` the share of sessions of the first strategy, a session has the likelihood
``pi L1 + (1 - pi) L2``. Read trial by trial this is a step like any other: memory holds the two
likelihoods of the session so far, and the next choice has the probability that the two strategies
give it, weighed by what each is worth by then. The product of these over the trials of a session
is the mixture of the two likelihoods, and to play by them is to draw a strategy for the session
and to keep to it. Fits use the likelihood, score and information of whole sessions, which need the
two models alone (:mod:`neuro_metarl.models.by_session`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.models.by_session import LEAST_SHARE
from neuro_metarl.models.model import Memory, Model, Parameter, Part, Step, Trial, theta_type
from neuro_metarl.models.two_step_models import model_based, model_free

__all__ = ["mix_sessions", "session_mixture"]

LEAST = 1e-200


def mix_sessions(name: str, first: Model, second: Model, *, family: str = "mixed") -> Model:
    """Make a model of which each session is wholly the first model's or wholly the second's.

    Parameters
    ----------
    name
        Its name.
    first, second
        Models with one choice in a trial.
    family
        See :class:`~neuro_metarl.models.model.Model`.

    Returns
    -------
    Model
        Its parameters are ``share_`` and the first model's name, the share of sessions that are
        the first model's; what both models hold, once; and the other parameters of both, each
        followed by its model's name. A new strategy is drawn wherever memory starts anew. Imposed
        choices are learned from and say nothing of the strategy.

    Raises
    ------
    InputError
        A model with two choices in a trial or with an observer, or twice the same name.

    Examples
    --------
    >>> from neuro_metarl.models.bandit_models import q_learning
    >>> from neuro_metarl.models.null_models import bias_perseveration
    >>> attentive = mix_sessions("attentive", q_learning, bias_perseveration)
    >>> [p.name for p in attentive.parameters if p.free][:2]
    ['share_q_learning', 'learning_rate_q_learning']
    """
    for model in (first, second):
        if model.n_choices != 1 or model.observer is not None or model.parts:
            raise InputError(
                f"model {model.name!r} cannot be one of the strategies of a session: it has two "
                "choices in a trial, an observer, or strategies of its own"
            )
    if first.name == second.name:
        raise InputError(f"both models are called {first.name!r}; give each its own name")
    shared = {p for p in first.parameters if not p.free} & set(second.parameters)
    taken = {p.name for model in (first, second) for mine in model.tied for p in shared
             if p.name in mine}  # fmt: skip
    alike = {p.name for p in shared} - taken
    share = Parameter(f"share_{first.name}", "unit", 0.5)
    parts, parameters = [], {share.name: share}
    for model in (first, second):
        called = {p.name: p.name if p.name in alike else f"{p.name}_{model.name}"
                  for p in model.parameters}  # fmt: skip
        ties = dict(model.tied)
        parts.append(Part(model, tuple(called[ties.get(n, n)] for n in called)))
        for p in model.parameters:
            if p.name not in ties:
                parameters[called[p.name]] = replace(p, name=called[p.name])
    return Model(
        name,
        tuple(parameters.values()),
        (*first.initial, *second.initial, 0.5, 0.5),
        _session_step(parts[0], parts[1], share.name),
        needs=tuple(dict.fromkeys((*first.needs, *second.needs))),
        binary=first.binary or second.binary,
        family=family,
        parts=(parts[0], parts[1]),
        share=share.name,
    )


def _session_step(first: Part, second: Part, share: str) -> Step:
    thetas = [theta_type(tuple(part.model.parameter_map)) for part in (first, second)]
    n = len(first.model.initial)

    def session_step(memory: Memory, trial: Trial, theta: Any) -> tuple[tuple[Any, ...], Memory]:
        memories, worth = (memory[:n], memory[n:-2]), memory[-2:]
        odds, later = [], []
        for part, theta_of, own in zip((first, second), thetas, memories, strict=True):
            mine = theta_of(*(getattr(theta, name) for name in part.names))
            (x,), after = part.model.step(own, trial, mine)
            odds.append(x)
            later.append(after)
        pi = getattr(theta, share)
        log_one = [-np.logaddexp(0.0, -x) for x in odds]
        log_zero = [-np.logaddexp(0.0, x) for x in odds]
        ahead = np.log(np.maximum(pi, LEAST_SHARE)) - np.log(np.maximum(1 - pi, LEAST_SHARE))
        ahead = ahead + np.log(worth[0]) - np.log(worth[1])
        logit = np.logaddexp(ahead + log_one[0], log_one[1]) - np.logaddexp(
            ahead + log_zero[0], log_zero[1]
        )
        c = trial.choice
        told = [
            w * np.exp(trial.free * (c * one + (1 - c) * zero)) + LEAST
            for w, one, zero in zip(worth, log_one, log_zero, strict=True)
        ]
        total = told[0] + told[1]
        return (logit,), (*later[0], *later[1], told[0] / total, told[1] / total)

    return session_step


session_mixture = mix_sessions("session_mixture", model_based, model_free)
"""Each session is wholly ``model_based`` or wholly ``model_free``, each with its own parameters."""
