"""The report of an assessment: one HTML file that needs nothing else, plain sentences first."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl import plot
from neuro_metarl.files.spreadsheets import write_csv
from neuro_metarl.paradigms.paradigm import Paradigm
from neuro_metarl.paradigms.registry import paradigm_named
from neuro_metarl.plot.style import Figure, print_style
from neuro_metarl.report.models import model_sentences, model_table
from neuro_metarl.report.sentences import branch, sentences
from neuro_metarl.report.wording import REFERENCES, STYLE
from neuro_metarl.words import in_words, plural

__all__ = ["assessment_writers", "group_table", "report_figure", "report_numbers", "report_page"]


def report_figure(
    tree: xr.DataTree,
    *,
    noun: str = "animal",
    name: str = "agents",
    paradigm: Paradigm | None = None,
) -> Figure:
    """Draw the report's figure.

    Parameters
    ----------
    tree, noun, name
        See :func:`neuro_metarl.report.sentences.sentences`.
    paradigm
        Kind of experiment; default: the one that the tree names.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    See :func:`neuro_metarl.report.sentences.sentences`.

    >>> STYLE.count("print")
    1
    """
    if "prediction" not in tree.children:
        with print_style():
            figure = Figure(figsize=(4.6, 3.4), layout="constrained")
            ax = figure.subplots()
            plot.placement(branch(tree, "animals"), {name: branch(tree, "agents")}, ax, noun=noun)
            ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(-0.2, 1.0))
        return figure
    kind = paradigm or paradigm_named(str(tree.attrs["paradigm"]))
    placed = {
        name: branch(tree, "agents"),
        f"{name}, calibrated": branch(tree, "calibrated"),
    }
    for control in kind.placed:
        if control in tree["controls"].children:
            placed[f"{control} model"] = branch(tree, f"controls/{control}")
    predicted = {name: branch(tree, "prediction")}
    for control in kind.predicting:
        if control in tree["control_prediction"].children:
            predicted[control] = branch(tree, f"control_prediction/{control}")
    return plot.assessment(branch(tree, "animals"), placed, predicted, noun=noun)


def report_numbers(tree: xr.DataTree, *, decimals: int | None = None) -> pd.DataFrame:
    """Lay every number of an assessment out as a tidy table.

    Parameters
    ----------
    tree
        See :func:`neuro_metarl.report.sentences.sentences`.
    decimals
        Round numbers to so many; default all digits.

    Returns
    -------
    pandas.DataFrame
        Columns group, variable, subject, measure, animal, value.

    Examples
    --------
    See :func:`neuro_metarl.report.sentences.sentences`.

    >>> list(report_numbers(xr.DataTree()).columns)
    ['group', 'variable', 'subject', 'measure', 'animal', 'value']
    """
    columns = ["group", "variable", "subject", "measure", "animal", "value"]
    parts = []
    for node in tree.subtree:
        for key, variable in node.to_dataset(inherit=False).data_vars.items():
            if variable.ndim == 0 or "measure_2" in variable.dims:
                continue
            frame = variable.rename("value").to_dataframe().reset_index()
            frame = frame.rename(columns={"candidate": "subject", "term": "measure"})
            parts.append(frame.assign(group=node.path.strip("/"), variable=str(key)))
    if not parts:
        return pd.DataFrame(columns=columns)
    table = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    if decimals is not None:
        table["value"] = [round(v, decimals) if isinstance(v, float) else v for v in table["value"]]
    return table


def assessment_writers(
    tree: xr.DataTree,
    *,
    noun: str = "animal",
    name: str = "agents",
    decimals: int | None = None,
    paradigm: Paradigm | None = None,
) -> dict[str, Callable[[Path], Any]]:
    """Say how an assessment's numbers and figure are written.

    Parameters
    ----------
    tree, noun, name
        See :func:`neuro_metarl.report.sentences.sentences`.
    decimals
        See :func:`report_numbers`.
    paradigm
        See :func:`report_figure`.

    Returns
    -------
    dict
        Ending (csv, png, svg, pdf) to the function that writes such a file.

    Examples
    --------
    See :func:`neuro_metarl.report.sentences.sentences`.

    >>> STYLE.count("print")
    1
    """
    figure, numbers = (
        report_figure(tree, noun=noun, name=name, paradigm=paradigm),
        report_numbers(tree, decimals=decimals),
    )
    return {
        "csv": lambda path: write_csv(numbers, path),
        "png": lambda path: figure.savefig(path, dpi=200),
        "svg": lambda path: figure.savefig(path, format="svg"),
        "pdf": lambda path: figure.savefig(path, format="pdf"),
    }


def report_page(
    tree: xr.DataTree,
    *,
    noun: str = "animal",
    name: str = "agents",
    title: str = "How animal-like are the agents?",
    provenance: dict[str, Any] | None = None,
    fits: dict[str, xr.Dataset] | None = None,
    selected: str = "no selection of agents was declared",
    notes: Sequence[str] = (),
    paradigm: Paradigm | None = None,
) -> str:
    """Write the report as one HTML page.

    Parameters
    ----------
    tree, noun, name
        See :func:`neuro_metarl.report.sentences.sentences`.
    title
        Heading.
    provenance
        What else made it: data, licence, settings.
    fits
        Group to the comparison of the models that were fitted to it, from
        :func:`neuro_metarl.models.selection.compare_models`.
    selected
        How many agents were chosen from how many before this comparison.
    notes
        Sentences that come first.
    paradigm
        See :func:`report_figure`.

    Returns
    -------
    str
        HTML that refers to nothing outside of itself; every name is escaped.

    Examples
    --------
    >>> from neuro_metarl import assess, load_agents, load_dataset
    >>> tree = assess(load_agents("two-step/0"), load_dataset("synthetic-rats"), n_replicates=1,
    ...               n_bootstrap=100)
    >>> page = report_page(tree, noun="rat")
    >>> "<h1>" in page and "http://www.w3.org" in page
    True
    """
    predicted = "prediction" in tree.children
    groups = ""
    if "groups" in tree.children:
        groups = f"<h2>Groups</h2>{_html(group_table(tree, noun=noun))}"
    kind, many = paradigm or paradigm_named(str(tree.attrs["paradigm"])), escape(plural(noun))
    told = [*notes, *sentences(tree, noun=noun, name=name)]
    lead = "".join(f"<p>{escape(s)}</p>" for s in told)
    made_by = dict(tree.attrs) | {"neuro_metarl": version("neuro_metarl")} | (provenance or {})
    block = json.dumps(
        {"made_by": made_by, "numbers": json.loads(report_numbers(tree).to_json(orient="records"))},
        default=str,
    ).replace("</", "<\\/")
    models = "".join(
        f"<h3>{escape(group)}</h3>"
        + "".join(f"<p>{escape(s)}</p>" for s in model_sentences(table, noun=_called(group, noun)))
        + _html(model_table(table))
        for group, table in (fits or {}).items()
    )
    svg = _svg(report_figure(tree, noun=noun, name=name, paradigm=paradigm))
    parts = [
        f"<h1>{escape(title)}</h1><div class=lead>{lead}</div>",
        f"<h2>Figure</h2><div class=wide>{svg}</div><p class=note>Left: predictive z of each "
        f"signature; gray, each {escape(noun)} against the others; coloured, means with their "
        "range over subjects. "
        + f"Right: share of the explainable log-likelihood of each {escape(noun)}'s choices."
        * predicted
        + "</p>",
        f"<h2>Signatures</h2>{_html(_signatures(tree, noun))}",
        f"<h2>Prediction</h2>{_html(_predictions(tree, noun))}" if predicted else "",
        groups,
        f"<h2>Controls</h2>{_html(_controls(tree))}<p class=note>"
        + f"Shuffled {many} must lie outside, models fitted to the {many} inside. " * predicted
        + f"{'Left out: ' * bool(tree.attrs['skipped'])}{escape(tree.attrs['skipped'])}</p>",
        f"<h2>Each {escape(noun)} against the others</h2>{_html(_subjects(tree, 'animals'))}",
        f"<h2>Each agent</h2>{_html(_subjects(tree, 'agents'))}",
        f"<h2>Cognitive models</h2>{models}" if models else "",
        "<h2>Methods</h2>" + "".join(f"<p>{m}</p>" for m in kind.methods),
        f"<h2>Limits</h2>{_listed(kind.said_limits(noun, plural(noun), selected))}",
        "<h2>References</h2>" + _listed(f"{who}, doi:{doi}" for who, doi in REFERENCES),
        "<h2>What made this</h2><div class=wide><table>"
        + "".join(
            f"<tr><td>{escape(str(k))}</td><td style='text-align:left;white-space:normal'>"
            f"{escape(str(v))}</td></tr>"
            for k, v in made_by.items()
        )
        + "</table></div>",
        f"<script type='application/json' id='numbers'>{block}</script>",
    ]
    head = (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{escape(title)}</title>"
        f"<meta name=viewport content='width=device-width,initial-scale=1'><style>{STYLE}</style>"
    )
    return head + "</head><body>" + "\n".join(parts) + "</body></html>\n"


def _span(values: np.ndarray, form: str) -> str:
    return "one agent" if len(values) == 1 else f"{values.min():{form}} to {values.max():{form}}"


def _thousandths(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def _signatures(tree: xr.DataTree, noun: str) -> pd.DataFrame:
    many = plural(noun)
    agents, profiles = branch(tree, "agents"), branch(tree, "profiles/agents")
    errors = np.sqrt(np.einsum("sjj->sj", branch(tree, "profiles/animals")["covariance"].values))
    rows = []
    for j, measure in enumerate(agents["measure"].values):
        one = agents.sel(measure=measure)
        values = profiles["profile"].sel(measure=measure).values
        verdicts = pd.Series(one["verdict"].values).value_counts()
        rows.append({
            "signature": in_words(str(measure)),
            f"{many}: mean ± SD": f"{float(one.animals_mean):.2f} ± {float(one.animals_sd):.2f}",
            f"typical error of a {noun}": f"{np.median(errors[:, j]):.2f}",
            "agents: mean (range)": f"{values.mean():.1f} ({_span(values, '.1f')})",
            "z (range)": f"{float(one.z.mean()):+.1f} ({_span(one.z.values, '+.1f')})",
            f"% of {many} further out (95 %)": f"{100 * float(one.share.mean()):.0f} "
            f"({100 * float(one.share_low.mean()):.0f}-{100 * float(one.share_high.mean()):.0f})",
            "verdict": ", ".join(f"{v} {c}" for v, c in verdicts.items()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _predictions(tree: xr.DataTree, noun: str) -> pd.DataFrame:
    found = branch(tree, "prediction")
    animals = found["animal"].values.tolist()
    rows: list[list[Any]] = [
        ["bias and repetition", 0.0, "", *found["bare"].values],
        [f"the {noun}'s own model", 1.0, "", *found["own"].values],
    ]
    likelihood = found["mean_likelihood"].mean("subject").values
    rows.append(["agents (mean)", float(found["mean_share"].mean()),
                 _thousandths(float(np.median(found["p"]))), *likelihood])  # fmt: skip
    for name, node in tree["control_prediction"].children.items():
        one = node.to_dataset(inherit=False)
        rows.append([name, float(one["mean_share"].mean()),
                     _thousandths(float(np.median(one["p"]))),
                     *one["mean_likelihood"].mean("subject").values])  # fmt: skip
    rows.append([f"another {noun}'s model", float(found["ceiling"].mean()), "",
                 *[np.nan] * len(animals)])  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "share", "p", *animals])
    numbers = [*animals, "share"]
    table[numbers] = table[numbers].map(lambda v: "" if np.isnan(v) else f"{v:.3f}")
    return table


def _controls(tree: xr.DataTree) -> pd.DataFrame:
    rows = []
    groups = [("agents", "agents"), ("agents, calibrated", "calibrated")]
    groups = [pair for pair in groups if pair[1] in tree.children]
    if "agents_among_long" in tree.children:
        groups.append(("agents, among animals of 1,000 trials or more", "agents_among_long"))
    controls = tree["controls"].children if "controls" in tree.children else ()
    groups += [(name, f"controls/{name}") for name in controls]
    for label, path in groups:
        one = branch(tree, path)
        worst = pd.Series(one["most_unlike"].values).mode()[0]
        rows.append({
            "group": label, "n": one.sizes["subject"],
            "outside by max |z|": f"{int(one.outside.sum())}",
            "outside by D²": f"{int((one.p_d2 < 0.05).sum())}",
            "most unlike": f"{in_words(str(worst))} "
            f"(z {float(one.z.sel(measure=worst).mean()):+.1f})",
        })  # fmt: skip
    return pd.DataFrame(rows)


def _subjects(tree: xr.DataTree, group: str) -> pd.DataFrame:
    one, profiles = branch(tree, group), branch(tree, f"profiles/{group}")
    table = pd.DataFrame({"subject": one["subject"].values})
    table["responses"] = [f"{n:,}" for n in profiles["n"].values]
    table["correct"] = [f"{v:.2f}" for v in profiles["p_correct"].values]
    table["side bias"] = [f"{v:+.2f}" for v in profiles["bias"].values]
    for measure in one["measure"].values:
        table[in_words(str(measure))] = [f"{v:+.1f}" for v in one["z"].sel(measure=measure).values]
    table["p (max)"] = [_thousandths(v) for v in one["p_max"].values]
    table["p (D²)"] = [_thousandths(v) for v in one["p_d2"].values]
    few = profiles["n"].values < 1000
    if few.any():
        table["note"] = np.where(few, "below 1,000 free trials", "")
    return table


def group_table(tree: xr.DataTree, *, noun: str = "animal") -> pd.DataFrame:
    """Lay out Welch's comparison of the agents with the animals, signature by signature.

    Parameters
    ----------
    tree
        From :func:`neuro_metarl.assessment.assess_profiles`, with two agents or more.
    noun
        What an animal is called.

    Returns
    -------
    pandas.DataFrame
        Text: signature, mean and SD of both groups, difference with its 95 % interval, the same in
        the animals' standard deviations (Hedges' g), p.

    Examples
    --------
    >>> from neuro_metarl import assess_profiles, load_dataset, profile
    >>> table = profile(load_dataset("synthetic-rats"))
    >>> tree = assess_profiles(table.isel(subject=[0, 1]), table.isel(subject=slice(2, 6)),
    ...                        n_bootstrap=100)
    >>> group_table(tree, noun="rat").columns.tolist()[:2]
    ['signature', 'agents: mean ± SD']
    """
    many = plural(noun)
    table = branch(tree, "groups")
    rows = []
    for measure in table["measure"].values:
        one = table.sel(measure=measure)
        agents, animals = one["mean"].values, one["sd"].values
        rows.append({
            "signature": in_words(str(measure)),
            "agents: mean ± SD": f"{agents[0]:.2f} ± {animals[0]:.2f}",
            f"{many}: mean ± SD": f"{agents[1]:.2f} ± {animals[1]:.2f}",
            "difference (95 %)": f"{float(one.difference):+.2f} ({float(one.low):+.2f} to "
            f"{float(one.high):+.2f})",
            f"in SDs of {many}": _effect(one),
            "p (Holm)": _thousandths(float(one.p_holm)),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _effect(one: xr.Dataset) -> str:
    g, low, high = (float(one[name]) for name in ("g", "g_low", "g_high"))
    return "" if np.isnan(g) else f"{g:+.1f} ({low:+.1f} to {high:+.1f})"


def _called(group: str, noun: str) -> str:
    return "agent" if group == "agents" else noun


def _listed(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(i)}</li>" for i in items) + "</ul>"


def _html(table: pd.DataFrame) -> str:
    def row(cells: Sequence[Any], tag: str) -> str:
        return "<tr>" + "".join(_cell(c, tag) for c in cells) + "</tr>"

    body = "".join(row(list(r), "td") for r in table.itertuples(index=False, name=None))
    return f"<div class=wide><table>{row(list(table.columns), 'th')}{body}</table></div>"


def _cell(value: Any, tag: str) -> str:
    text = str(value)
    first = text.split(" ")[0]
    kind = f" class={first}" if first in ("outside", "inside") else ""
    return f"<{tag}{kind if tag == 'td' else ''}>{escape(text)}</{tag}>"


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    text = stream.getvalue()
    start, end = text.index("<metadata>"), text.index("</metadata>") + len("</metadata>")
    return text[text.index("<svg") : start] + text[end:]
