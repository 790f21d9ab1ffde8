"""``neuro-metarl power``."""

from __future__ import annotations

import json as json_module
import sys
from typing import TYPE_CHECKING

from neuro_metarl.cli.text import Several, load, pairs, say
from neuro_metarl.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["power"]


def power(
    pilot: str | None = None,
    *,
    model: str = "hybrid",
    change: Several = None,
    measure: str = "planning_index",
    animals: Several = None,
    sessions: Several = None,
    trials: int | None = None,
    bank: int = 200,
    effect: float | None = None,
    agents: int | None = None,
    ratio: float = 0.3,
    wanted: float = 0.8,
    alpha: float = 0.05,
    columns: Several = None,
    codes: Several = None,
    sheet: str | None = None,
    task: str = "two-step-miller",
    seed: int = 0,
    json: bool = False,
) -> None:
    """Say how many animals, sessions and trials show a difference.

    Example: neuro-metarl power synthetic-rats --change weight_model_based=-0.3

    Example: neuro-metarl power --effect 1.2 --agents 16

    Parameters
    ----------
    pilot
        Animals on the task: a table, a cohort, or a data set name. A cognitive model is fitted to
        them, animals like them are simulated, and groups are compared by Welch's test. Without a
        pilot: --effect, and a formula.
    model
        Cognitive model that is fitted and simulated.
    change
        What differs in the second group: parameter=what is added to it.
    measure
        What is measured.
    animals
        Sizes of each of the two groups; default 4 6 8 12 16 24.
    sessions
        Sessions of each animal; default 5 10 20.
    trials
        Trials of a session; default the pilot's.
    bank
        Simulated animals of each kind from which groups are drawn.
    effect
        Without a pilot: the difference in standard deviations of the animals.
    agents
        Without a pilot: the other group are so many networks; default: as many animals.
    ratio
        SD of the networks, in SDs of the animals.
    wanted
        Without a pilot: how often the difference shall be seen.
    alpha
        Of the two-sided test; divide it by the number of signatures to correct for them.
    columns
        Where a table has other names: ours=theirs, for example choice=side1
    codes
        How a table's values are coded, for example reward:x=0.
    sheet
        Of a workbook.
    task
        Task of the animals in a table.
    seed
        Of the simulation.
    json
        Print the numbers as JSON.
    """
    if (pilot is None) == (effect is None):
        raise InputError(
            "give either a pilot, with what differs (--change weight_model_based=-0.3), or --effect"
        )
    if effect is not None:
        _by_formula(effect, agents, ratio, wanted, alpha, json)
        return
    from neuro_metarl.comparison.power import plan_power

    assert pilot is not None
    given = {
        "n_animals": numbers("animals", animals), "n_sessions": numbers("sessions", sessions),
    }  # fmt: skip
    table = plan_power(
        load(pilot, columns, codes, task=task, sheet=sheet), model, _changes(change),
        measure=measure, n_trials=trials, n_bank=bank, alpha=alpha, seed=seed, progress=True,
        **{name: value for name, value in given.items() if value},
    )  # fmt: skip
    if json:
        say(json_module.dumps(_as_json(table), indent=1))
        return
    _show(table)


def numbers(name: str, given: Several) -> list[int]:
    """Read whole numbers, separated by spaces or commas.

    Parameters
    ----------
    name
        Of the option, for messages.
    given
        What was typed.

    Returns
    -------
    list of int

    Raises
    ------
    InputError
        Something else than whole numbers.

    Examples
    --------
    >>> numbers("animals", ["4,6", "8"])
    [4, 6, 8]
    """
    words = " ".join(given or []).replace(",", " ").split()
    try:
        return [int(word) for word in words]
    except ValueError:
        raise InputError(
            f"--{name} is {' '.join(words)!r}, expected whole numbers such as 6 12"
        ) from None


def _changes(given: Several) -> dict[str, float]:
    found = {}
    for name, value in pairs(given, "--change").items():
        try:
            found[name] = float(value)
        except ValueError:
            raise InputError(
                f"--change {name}={value}: expected a number, such as weight_model_based=-0.3"
            ) from None
    return found


def _by_formula(
    effect: float, agents: int | None, ratio: float, wanted: float, alpha: float, json: bool
) -> None:
    from neuro_metarl.comparison.effects import animals_needed

    spread = 1.0 if agents is None else ratio
    needed = animals_needed(effect, power=wanted, n_others=agents, ratio=spread, alpha=alpha)
    if json:
        say(json_module.dumps({"effect": effect, "power": wanted, "alpha": alpha,
                               "n_others": agents, "n_animals": needed}))  # fmt: skip
        return
    other = "in each of two groups" if agents is None else f"beside {agents} networks"
    if needed is None:
        say(f"500 animals {other} are not enough to see {effect:g} SD in {wanted:g} of cases.")
        return
    say(
        f"{needed} animals {other} show a difference of {effect:g} SD in {wanted:g} of "
        f"experiments (Welch, alpha {alpha:g}). Animals measured with error show less of it."
    )


def _as_json(table: xr.Dataset) -> dict[str, object]:
    rows = table[["power", "power_low", "power_high"]].to_dataframe().reset_index()
    seen = table[["effect", "difference"]].to_dataframe().reset_index()
    return {
        "settings": dict(table.attrs),
        "power": json_module.loads(rows.to_json(orient="records")),
        "effect": json_module.loads(seen.to_json(orient="records")),
    }


def _show(table: xr.Dataset) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(
        title=f"power at alpha {table.attrs['alpha']:g} [95 % interval], "
        f"{table.attrs['measure']}: {table.attrs['change']}",
        title_justify="left",
    )
    shown.add_column("sessions")
    shown.add_column("effect in SDs", justify="right")
    for n in table["n_animals"].values:
        shown.add_column(f"{n} + {n}\nanimals", justify="right")
    for row in table["n_sessions"].values:
        one = table.sel(n_sessions=row)
        cells = [
            f"{float(one.power[k]):.2f}\n[{float(one.power_low[k]):.2f}, "
            f"{float(one.power_high[k]):.2f}]"
            for k in range(one.sizes["n_animals"])
        ]
        shown.add_row(str(row), f"{float(one.effect):+.2f}", *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(shown)
    say(
        f"Simulated from {table.attrs['model']} fitted to {table.attrs['n_pilot']} animals, "
        f"{table.attrs['n_bank']} of each kind; {table.attrs['test']}. Simulated animals differ as "
        "far as the model knows: real ones may differ more."
    )
