"""What an assessment found, in plain sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.words import in_words, plural

__all__ = ["branch", "sentences"]

RANK_ANIMALS = 19


def sentences(tree: xr.DataTree, *, noun: str = "animal", name: str = "the agents") -> list[str]:
    """Say in words what an assessment found.

    Parameters
    ----------
    tree
        From :func:`neuro_metarl.assessment.assess`.
    noun
        What an animal is called.
    name
        What the agents are called.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from neuro_metarl import assess, load_agents, load_dataset
    >>> tree = assess(load_agents("two-step/0"), load_dataset("synthetic-rats"), n_replicates=1,
    ...               n_bootstrap=100)
    >>> sentences(tree, noun="rat")[0].startswith("Compared with 6 rats")
    True
    """
    many = plural(noun)
    theirs = plural(noun, owning=True)
    agents, animals = branch(tree, "agents"), branch(tree, "profiles/animals")
    alone = branch(tree, "animals")
    predicted = "prediction" in tree.children
    n, n_animals = agents.sizes["subject"], animals.sizes["subject"]
    counts = animals["n"].values
    worst = str(pd.Series(agents["most_unlike"].values).mode()[0])
    mine = branch(tree, "profiles/agents")["profile"].sel(measure=worst).values
    z = agents["z"].sel(measure=worst).values
    outside = int(agents["outside"].sum())
    mean = float(agents["animals_mean"].sel(measure=worst))
    spread = float(agents["animals_sd"].sel(measure=worst))
    verdicts = agents["verdict"].values
    away = int(alone["outside"].sum())
    further = [
        100 * float(agents[name].sel(measure=worst).mean())
        for name in ("share", "share_low", "share_high")
    ]
    told = [
        f"Compared with {n_animals} {many} ({counts.min():,} to {counts.max():,} free trials), "
        f"the most un-{noun}-like signature of {name} (n = {n}) is {in_words(worst)}: "
        f"{mine.mean():.1f} ({_range(mine)}) against {mean:.1f} ± {spread:.1f} in {many}, "
        f"z = {z.mean():+.1f} ({_range(z, '+.1f')}).",
        f"{outside} of {n} lie outside the {theirs} spread over the {agents.sizes['measure']} "
        f"signatures (p < .05{', corrected for two tests' * predicted}, and further out than "
        f"every {noun}). Per agent, "
        f"{(verdicts == 'inside').sum() / n:.1f} signatures are inside, "
        f"{(verdicts == 'undecided').sum() / n:.1f} undecided and "
        f"{(verdicts == 'outside').sum() / n:.1f} outside.",
        *(_predicted(tree, n_animals, noun) if predicted else []),
        *_welch(tree, noun),
        f"On {in_words(worst)} an estimated {further[0]:.0f} % of {many} (95 % interval "
        f"{further[1]:.0f} to {further[2]:.0f}) lie further out.",
        f"Held against the others, {away} of {n_animals} {many} "
        f"{'is' if away == 1 else 'are'} called outside.",
    ]
    if n_animals < 10:
        told.append(
            f"With {n_animals} {many} a subject two {noun}-SDs away on one signature is missed "
            f"{'more than ' if n_animals < 6 else 'about '}three times in four by that signature "
            f"alone, and more often over all {agents.sizes['measure']}; error rates are averages "
            "over groups of animals: for one given group of six they run from 0 to 18 %. Not being "
            "outside is not being inside."
        )
    least = int(agents.attrs["least_judged"])
    if n_animals < least:
        told.append(
            f"With {n_animals} {many} nobody is called outside or inside: that needs "
            f"{least} {many}."
        )
    elif n_animals < RANK_ANIMALS:
        told.append(
            f"The rate of .05 rests on {many} whose signatures are nearly normal. Whatever their "
            f"distribution, a further {noun} is called outside at most once in {n_animals + 1}; "
            f"{RANK_ANIMALS} {many} would make that .05."
        )
    return told


def _predicted(tree: xr.DataTree, n_animals: int, noun: str) -> list[str]:
    predicted = branch(tree, "prediction")
    ceiling, share = predicted["ceiling"].values, predicted["mean_share"].values
    known = int(np.isfinite(predicted["share"].values[0]).sum())
    if known == 0:
        return [
            f"A {noun}'s own model explains nothing beyond bias and repetition: there is no share "
            "of it that the agents could explain."
        ]
    part = f" ({known} of {n_animals} {plural(noun)})" if known < n_animals else ""
    return [
        f"As predictive models they explain {_percent(share)} of what a {noun}'s own model "
        f"explains beyond bias and repetition{part}; another {noun}'s model explains "
        f"{_percent(ceiling)}. Excess gap: median p {_p(float(np.median(predicted['p'])))}."
        + _weak(float(np.median(predicted["p"])), n_animals, noun)
    ]


def _welch(tree: xr.DataTree, noun: str) -> list[str]:
    many = plural(noun)
    if "groups" not in tree.children:
        return []
    table = branch(tree, "groups")
    apart = [in_words(str(m)) for m in table["measure"].values[table["p_holm"].values < 0.05]]
    listed = f"on {', '.join(apart)}" if apart else "on no signature"
    return [
        f"As groups (n = {table.attrs['n_first']} and {table.attrs['n_second']} {many}), agents "
        f"and {many} differ {listed} (Welch over subjects, Holm)."
    ]


def branch(tree: xr.DataTree, path: str) -> xr.Dataset:
    """Take one data set of an assessment.

    Parameters
    ----------
    tree
        From :func:`neuro_metarl.assessment.assess`.
    path
        Such as ``"profiles/animals"``.

    Returns
    -------
    xarray.Dataset

    Examples
    --------
    >>> branch(xr.DataTree.from_dict({"a": xr.Dataset({"x": 1})}), "a")["x"].item()
    1
    """
    node = tree[path]
    assert isinstance(node, xr.DataTree)
    return node.to_dataset(inherit=False)


def _range(values: np.ndarray, form: str = ".1f") -> str:
    if len(values) == 1:
        return "one agent"
    return f"range {values.min():{form}} to {values.max():{form}}"


def _percent(share: np.ndarray) -> str:
    if len(share) == 1:
        return f"{100 * share[0]:.0f} %"
    return f"{100 * share.mean():.0f} % (range {100 * share.min():.0f} to {100 * share.max():.0f})"


def _p(p: float) -> str:
    return f"= {p:.2f}" if p >= 0.005 else "< 0.01"


def _weak(p: float, n: int, noun: str) -> str:
    many = plural(noun)
    if p >= 0.05:
        return f" With {n} {many} this does not establish a difference."
    return ""
