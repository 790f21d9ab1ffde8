"""Common and rare transitions: taken from the source, or derived from its states and tested.

A transition is common relative to the subject's own mapping from choices to states. Where a source
gives only states, the more frequent mapping of a subject is taken for its common one, which is
right only if the mapping never changed. That is tested by a betting score: how much better the
transitions are predicted by mappings that reverse within or between sessions than by the best
constant one. If the mapping is constant, a score above ``MOST`` has a probability below
``1 / MOST``, whatever the number of trials (Shafer 2021).

References
----------
Akam, Costa & Dayan 2015, doi:10.1371/journal.pcbi.1004648; Shafer 2021, doi:10.1111/rssa.12647.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.door.table import Source
from neuro_metarl.schema import TRIAL

__all__ = [
    "DERIVED",
    "complete_transitions",
    "log_evidence_of_reversals",
    "rarely_common",
    "with_common",
]

MOST = 1e3
P_COMMON = (0.6, 0.7, 0.8, 0.9)
HAZARDS = (1 / 200, 1 / 60, 1 / 20)
TOO_RARE = 3.0
DERIVED = "the more frequent mapping of each subject, tested for reversals"
ENOUGH, LEAST_EVIDENCE = 20, 3.0
SHORTEST_BLOCK = 5
UNDERFLOW_AFTER = 64
Values = dict[str, np.ndarray]


def complete_transitions(
    values: Mapping[str, np.ndarray],
    counts: np.ndarray,
    subject: np.ndarray,
    session: np.ndarray,
    order: np.ndarray,
    source: Source,
) -> tuple[Values, str]:
    """Fill in whichever of state and common is missing, and test what was derived.

    Parameters
    ----------
    values
        Decoded columns, dims (row): choice, and state or common or both.
    counts
        bool, dims (row): the trial counts.
    subject
        Dims (row): name.
    session
        Dims (row): number of the session.
    order
        Rows in order of time within their sessions.
    source
        Where messages point.

    Returns
    -------
    dict, str
        ``state`` and ``common``, and how ``common`` came about: "given", or "derived" from the
        more frequent mapping of each subject.

    Raises
    ------
    InputError
        Choices or states beyond 0 and 1; a mapping that cannot be told or that reverses; a
        ``common`` that is the rarer transition, or that contradicts choices and states.

    Examples
    --------
    >>> rows = {"choice": np.array([0, 1, 0, 1]), "state": np.array([0, 1, 1, 1])}
    >>> found, how = complete_transitions(
    ...     rows, np.ones(4, bool), np.array(list("aaaa")), np.zeros(4, int), np.arange(4),
    ...     Source("", np.arange(4)))
    >>> found["common"].tolist(), how
    ([1, 1, 0, 1], 'derived')
    """
    for name in ("choice", "state"):
        beyond = counts & (values[name] > 1) if name in values else np.zeros(1, bool)
        if beyond.any():
            row = int(beyond.argmax())
            source.refuse(
                f"{values[name][row]}; the two-step task has 0 and 1", row=row, column=name
            )
    if "state" not in values:
        _check_share(values["common"], counts, subject, source)
        state = np.where(values["common"] == 1, values["choice"], 1 - values["choice"])
        return {"state": np.where(counts, state, -1), "common": values["common"]}, "given"
    same = values["state"] == values["choice"]
    if "common" in values:
        _check_share(values["common"], counts, subject, source)
        agrees = same == (values["common"] == 1)
        _check_agreement(agrees, counts, session, order, source)
        for name, rows in _of_each(subject, order[counts[order]]):
            _check_congruency(name, same[rows], agrees[rows], session[rows], source)
        return {"state": values["state"], "common": values["common"]}, "given"
    found = np.unique(values["state"][counts])
    if len(found) == 1 and counts.sum() >= ENOUGH and np.ptp(values["choice"][counts]):
        source.refuse(
            f"{found[0]} on every one of {int(counts.sum())} trials, whatever the choice; expected "
            "both second-step states",
            column="state",
        )
    congruent = np.zeros(len(same), bool)
    for name, rows in _of_each(subject, order[counts[order]]):
        congruent[rows] = _mapping(name, same[rows], session[rows], source)
    return {"state": values["state"], "common": np.where(counts, same == congruent, -1)}, "derived"


def _of_each(subject: np.ndarray, rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Rows of each subject, in their order."""
    who, names = pd.factorize(subject[rows])
    grouped = np.argsort(who, kind="stable")
    ends = np.cumsum(np.bincount(who, minlength=len(names)))[:-1]
    return [(str(n), rows[k]) for n, k in zip(names, np.split(grouped, ends), strict=True)]


def with_common(cohort: xr.Dataset, where: str = "") -> xr.Dataset:
    """Derive ``common`` from all sessions of each subject, where a cohort has only ``state``.

    Parameters
    ----------
    cohort
        Two-step cohort; sessions of a subject may come from several files.
    where
        What messages name.

    Returns
    -------
    xarray.Dataset
        With ``common``, and the attribute ``common_from``; as it was where it needs none.

    Raises
    ------
    InputError
        See :func:`complete_transitions`.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1, 1]], "state": [[0, 1, 0]], "reward": [[1, 0, 1]]},
    ...                      subject=["a"], task="two-step", source="animal")
    >>> with_common(cohort).common.values.tolist()
    [[1, 1, 0]]
    """
    two_step = str(cohort.attrs.get("task", "")).startswith("two-step")
    if not two_step or "common" in cohort or "state" not in cohort:
        return cohort
    there = cohort["valid"].transpose(*TRIAL).values == 1
    session, trial = np.nonzero(there)
    names = cohort["session_id"].values[session]
    rows = np.array(
        [f"{t} of session {s}" for s, t in zip(names, trial, strict=True)], dtype=object
    )
    values = {
        name: cohort[name].transpose(*TRIAL).values[there].astype(int)
        for name in ("choice", "state")
    }
    found, _ = complete_transitions(
        values,
        np.ones(len(rows), bool),
        cohort["subject"].values[session],
        session,
        np.arange(len(rows)),
        Source(where, rows, "trial", "python"),
    )
    common = np.full(there.shape, -1, "int8")
    common[there] = found["common"]
    return cohort.assign(common=(TRIAL, common)).assign_attrs(common_from=DERIVED)


def log_evidence_of_reversals(same: np.ndarray, session: np.ndarray) -> float:
    """Score how much better a reversing mapping predicts the transitions than a constant one.

    Parameters
    ----------
    same
        bool, dims (row), in order of time: choice and state agree.
    session
        Dims (row): number of the session.

    Returns
    -------
    float
        Natural logarithm of the mixed likelihood of reversing mappings (over probabilities of the
        common transition, hazards within sessions, and mappings drawn anew for each session) over
        the largest likelihood of a constant one.

    References
    ----------
    Shafer 2021, doi:10.1111/rssa.12647.

    Examples
    --------
    >>> steady = np.arange(200) % 5 > 0
    >>> log_evidence_of_reversals(steady, np.zeros(200, int)) < 0
    True
    >>> reversing = steady ^ (np.arange(200) >= 100)
    >>> log_evidence_of_reversals(reversing, np.zeros(200, int)) > 20
    True
    """
    n, k = len(same), int(same.sum())
    if not n:
        return 0.0
    p = np.clip(max(k, n - k) / n, 0.5, 1 - 1e-12)
    constant = max(k, n - k) * np.log(p) + min(k, n - k) * np.log1p(-p)
    begins = np.append(True, session[1:] != session[:-1])
    scores = [_between(same, session, q) for q in P_COMMON]
    scores += _within(same, begins).tolist()
    return float(np.logaddexp.reduce(scores) - np.log(len(scores)) - constant)


def _within(same: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Log-likelihoods of mappings that reverse with a hazard, by forward passes.

    All sessions go at once, the longest first; at each trial those that have it. Dims (pair of
    probability and hazard).
    """
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, len(same)))
    longest_first = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[longest_first], lengths[longest_first]
    p = np.repeat(P_COMMON, len(HAZARDS))[:, None]
    hazard = np.tile(HAZARDS, len(P_COMMON))[:, None]
    belief = np.full((len(p), len(starts)), 0.5)
    scale = np.ones_like(belief)
    total = np.zeros(len(p))
    playing = np.searchsorted(-lengths, -np.arange(lengths[0]), side="left")
    for trial, n in enumerate(playing.tolist()):
        if trial:
            belief[:, :n] += hazard * (1 - 2 * belief[:, :n])
        likely = np.where(same[starts[:n] + trial], p, 1 - p)
        now = (agree := belief[:, :n] * likely) + (1 - belief[:, :n]) * (1 - likely)
        belief[:, :n] = agree / now
        scale[:, :n] *= now
        if trial % UNDERFLOW_AFTER == 0:
            total += np.log(scale).sum(axis=1)
            scale[:] = 1
    return total + np.log(scale).sum(axis=1)


def _between(same: np.ndarray, session: np.ndarray, p: float) -> float:
    """Log-likelihood of a mapping that each session draws anew."""
    number = pd.factorize(session)[0]
    n = np.bincount(number)
    k = np.bincount(number, weights=same)
    one = k * np.log(p) + (n - k) * np.log1p(-p)
    other = (n - k) * np.log(p) + k * np.log1p(-p)
    return float((np.logaddexp(one, other) - np.log(2)).sum())


def _mapping(name: str, same: np.ndarray, session: np.ndarray, source: Source) -> bool:
    """Say whether the common transition of a subject leads from choice k to state k."""
    n, k = len(same), int(same.sum())
    if not n:
        return True
    evidence = log_evidence_of_reversals(same, session)
    if evidence > np.log(MOST):
        _refuse_reversals(name, same, session, source)
    told = abs(2 * k - n) * np.log(P_COMMON[0] / (1 - P_COMMON[0]))
    even = max(k, n - k) / n + TOO_RARE * np.sqrt(0.25 / n) < P_COMMON[0]
    if 2 * k == n or (n >= ENOUGH and (told < LEAST_EVIDENCE or even)):
        shares = f"about equally often ({k / n:.0%} and {1 - k / n:.0%})"
        each = "equally often" if 2 * k == n else shares
        source.refuse(
            f"subject {name!r} reached either state {each} after each choice, so its common "
            "transition cannot be told; add a column 'common'"
        )
    return 2 * k > n


def _check_congruency(
    name: str, same: np.ndarray, agrees: np.ndarray, session: np.ndarray, source: Source
) -> None:
    """Refuse a "common" that only says that choice and state agree, while the mapping reverses."""
    if not len(same) or agrees.any() != agrees.all():
        return
    if log_evidence_of_reversals(same, session) > np.log(MOST):
        source.refuse(
            f"'common' of subject {name!r} says only whether choice and state agree, but the "
            "mapping from choice to state reverses; 'common' is relative to the mapping at that "
            "time (1 common, 0 rare)"
        )


def _refuse_reversals(name: str, same: np.ndarray, session: np.ndarray, source: Source) -> None:
    shares = pd.Series(same.astype(float)).groupby(session, sort=False).mean().to_numpy()
    if (shares > 0.5).any() and (shares < 0.5).any() and np.abs(shares - 0.5).min() > 0.1:
        found = ", ".join(f"{s:.0%}" for s in shares[:6]) + (", ..." if len(shares) > 6 else "")
        where = f"from session to session: choice and state agree on {found} of the trials"
    else:
        width = max(10, len(same) // 12)
        blocks = [same[k : k + width].mean() for k in range(0, len(same) - width + 1, width)]
        found = ", ".join(f"{s:.0%}" for s in blocks[:6]) + (", ..." if len(blocks) > 6 else "")
        where = f"within sessions: by blocks of {width} trials choice and state agree on {found}"
    source.refuse(
        f"the mapping from choice to state of subject {name!r} reverses {where}, so its common "
        "transition cannot be taken from 'state' alone; add a column 'common' (1 common, 0 rare)"
    )


def _check_share(
    common: np.ndarray, counts: np.ndarray, subject: np.ndarray, source: Source
) -> None:
    """Refuse a "common" transition that is clearly the rarer one: raw congruency, most likely."""
    for name, share in rarely_common(common[counts] == 1, subject[counts]):
        source.refuse(
            f"only {share:.0%} of the transitions of subject {name!r} are common; 'common' is "
            "relative to the subject's own mapping, not whether choice and state agree; if it "
            "is that, leave it out and give 'state'"
        )


def rarely_common(common: np.ndarray, subject: np.ndarray) -> list[tuple[str, float]]:
    """Find subjects whose "common" transition is clearly the rarer one.

    Parameters
    ----------
    common
        bool, dims (row).
    subject
        Dims (row): name.

    Returns
    -------
    list of (str, float)
        Name and share of common transitions.

    Examples
    --------
    >>> rarely_common(np.arange(100) < 20, np.full(100, "a"))
    [('a', 0.2)]
    """
    each = pd.Series(common).groupby(subject, sort=False).agg(["mean", "size"])
    rare = each["mean"] < 0.5 - TOO_RARE * np.sqrt(0.25 / each["size"])
    return [(str(name), float(share)) for name, share in each["mean"][rare].items()]


def _check_agreement(
    congruent: np.ndarray, counts: np.ndarray, session: np.ndarray, order: np.ndarray,
    source: Source,
) -> None:  # fmt: skip
    """Refuse a mapping that reverses for a few trials: choice, state and common contradict."""
    rows = order[counts[order]]
    if not len(rows):
        return
    here, number = congruent[rows], session[rows]
    edge = np.append(True, number[1:] != number[:-1])
    begins = np.flatnonzero(edge | np.append(True, here[1:] != here[:-1]))
    ends = np.append(begins[1:], len(rows))
    inner = ~edge[begins] & ~np.append(edge, True)[ends]
    bad = inner & (ends - begins < SHORTEST_BLOCK)
    if bad.any():
        row = int(rows[begins[int(bad.argmax())]])
        source.refuse(
            f"choice, state and common contradict each other: on {int(bad.sum())} occasions the "
            f"mapping from choice to state would reverse for fewer than {SHORTEST_BLOCK} trials, "
            "the first one here; leave 'common' out if it is not certain",
            row=row,
            column="common",
        )
