"""The command ``neuro-metarl``: train, record, compare with animals, look after data sets.

Everything heavy is imported inside the subcommand that needs it, so that ``--help`` is quick.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from neuro_metarl.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["main"]

WRONG_INPUT, INTERRUPTED = 2, 130

app = App(
    name="neuro-metarl",
    help="Meta-reinforcement-learning agents as model subjects, compared with animals.",
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
datasets = App(name="datasets", help="Animal data sets: list them, read about one, fetch one.")
app.command(datasets)

Several = Parameter(consume_multiple=True, negative="")


@app.command
def train(
    task: str,
    *,
    out: Path,
    agents: int = 8,
    seed: int = 0,
    recipe: str = "fast",
    set: Annotated[list[str] | None, Several] = None,  # noqa: A002
    change: Annotated[list[str] | None, Several] = None,
) -> None:
    """Train separate agents on a task and leave a checkpoint folder.

    Example: neuro-metarl train two-step --agents 8 --seed 0 --out my-agents

    An interrupted training is taken up again by the same command.

    Parameters
    ----------
    task
        Task name: two-step, two-step-2016, two-step-miller, two-step-akam, bandit-independent,
        bandit-dependent-uniform (or -easy, -medium, -hard), bandit-eleven, bandit-restless.
    out
        Folder of the checkpoint (agents.safetensors and agents.json).
    agents
        Number of separately trained networks.
    seed
        The same seed gives the same agents.
    recipe
        published, fast or thorough.
    set
        Task parameters, for example --set p_common=.7 n_trials=50
    change
        Recipe values, for example --change learning_rate=.01 n_units=32
    """
    from neuro_metarl.agents.learning import train as train_agents
    from neuro_metarl.agents.recipes import make_recipe
    from neuro_metarl.tasks import make_task

    chosen = make_recipe(task, recipe, _pairs(change, "--change"))
    population = train_agents(
        make_task(task, **_pairs(set, "--set")), recipe=chosen, n_agents=agents, seed=seed, out=out
    )
    last = population.curve[-1]
    _say(
        f"{len(population)} agents in {out}; reward per trial at the end: mean "
        f"{sum(last) / len(last):.3f}, lowest {min(last):.3f}"
    )


@app.command
def record(
    agents: str,
    *,
    out: Path,
    task: str | None = None,
    sessions: int = 100,
    seed: int = 0,
    set: Annotated[list[str] | None, Several] = None,  # noqa: A002
    activity: bool = True,
) -> None:
    """Let agents or players play a task and write what they did, and what their units did.

    Example: neuro-metarl record two-step --task two-step --sessions 100 --seed 1 --out cohort.nc

    Example: neuro-metarl record ucb --task bandit-independent --set c=0.5 --out ucb.nc

    Parameters
    ----------
    agents
        A zoo name (two-step), one agent of it (two-step/3), a checkpoint folder, or a player:
        random, oracle, ucb, thompson, gittins, bayes, rescorla-wagner.
    out
        cohort.nc (one file), cohort.zarr (a folder, written as it is made) or, without
        activity, cohort.csv.
    task
        Task name; default: what the agents were trained on.
    sessions
        Sessions of each agent.
    seed
        The same seed gives the same recording.
    set
        Parameters of the task (or the player), for example --set p_common=.7
    activity
        Record hidden and cell state, value, policy and reward-prediction error.
    """
    from neuro_metarl.recording import record as record_cohort
    from neuro_metarl.recording import record_to_zarr

    kind = out.suffix.lower()
    if kind not in (".nc", ".zarr", ".csv", ".tsv"):
        raise InputError(f"{out}: write to a name that ends in .nc, .zarr, .csv or .tsv")
    subjects, played = _who_plays_what(agents, task, _pairs(set, "--set"))
    if kind == ".zarr":
        record_to_zarr(
            subjects, played, sessions, out=out, seed=seed, activity=activity, progress=True
        )
    else:
        _check_writable(out)
        table = kind in (".csv", ".tsv")
        cohort = record_cohort(
            subjects, played, sessions, seed=seed, activity=activity and not table, progress=True
        )
        _write(cohort, out)
    n = len(subjects) if hasattr(subjects, "__len__") else 1
    _say(f"{n} subjects x {sessions} sessions of {played.name} in {out}")


@app.command(name="compare-to-rodent-data")
def compare_to_rodent_data(
    data: str | None = None,
    *,
    agents: str = "two-step",
    task: str | None = None,
    sessions: int = 100,
    history: Literal["session", "published"] = "session",
    penalty: Literal["firth", "none"] = "firth",
    columns: Annotated[list[str] | None, Several] = None,
    codes: Annotated[list[str] | None, Several] = None,
    seed: int = 0,
    out: Path = Path("comparison"),
    json: bool = False,
) -> None:
    """Put agents and animals on the two-step task side by side: tables and a figure.

    Example: neuro-metarl compare-to-rodent-data

    Example: neuro-metarl compare-to-rodent-data rats.csv --columns choice=side1 reward=won

    Example: neuro-metarl compare-to-rodent-data ofc_physdata.mat --history published

    Parameters
    ----------
    data
        A file (.mat of Miller's rats, .csv, .tsv, .xlsx, .parquet, .nc, .zarr) or a data set
        name. Default: the embedded synthetic rats (simulated) beside the values that were
        derived from real ones.
    agents
        A zoo name or a checkpoint folder.
    task
        Form of the task that the agents play; default: the animals' form where the file says
        it, else two-step-miller.
    sessions
        Sessions of 300 trials that each agent plays.
    history
        session: lags stop at session boundaries, forced trials are never responses.
        published: Miller's own convention.
    penalty
        firth (finite and nearly unbiased for short subjects) or none (plain maximum
        likelihood).
    columns
        Where a table has other names: ours=theirs, for example choice=side1
    codes
        Where a table has other codes: column:theirs=ours, for example choice:2=1
    seed
        Of the agents' recording and of the bootstrap.
    out
        Folder for comparison.csv, comparison.nc, comparison.png and comparison.svg.
    json
        Print the table as JSON.
    """
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.comparison import check_comparable, compare, summarize
    from neuro_metarl.files import writable_directory
    from neuro_metarl.recording import record as record_cohort
    from neuro_metarl.tasks import list_tasks, make_task

    animals = _load(data, columns, codes)
    check_comparable(data or "synthetic-rats", animals)
    synthetic = "synthetic" in animals.attrs
    subjects = load_agents(agents)
    form = task or str(animals.attrs["task"])
    if task is None and (form not in list_tasks() or form == "two-step"):
        form = "two-step-miller"
    played = make_task(form, n_trials=300)
    subjects.population.shape.check(played)
    folder = writable_directory(out)
    cohort = record_cohort(subjects, played, sessions, seed=seed, activity=False, progress=True)
    label = "rats" if animals.attrs["source"] == "animal" else "data"
    cohorts = {"agents": cohort, "synthetic rats" if synthetic else label: animals}
    result = compare(cohorts, history=history, penalty=penalty, seed=seed, progress=True)
    result.attrs["agents"] = f"{agents} on {played.name} {played.config}"
    result.attrs["data"] = data or "synthetic-rats"
    if data is None and (history, penalty) == ("session", "firth"):
        result = _with_reference(result)
    files = _write_comparison(result, folder)
    summary = summarize(result, seed=seed)
    if json:
        _say(_as_json(summary, result, files))
        return
    _show(summary, result)
    if synthetic:
        _say("The synthetic rats are simulated, not animals.")
    for label, path in files.items():
        _say(f"{label}: {path}")


@datasets.command(name="list")
def list_() -> None:
    """List the data sets.

    Example: neuro-metarl datasets list
    """
    from neuro_metarl.datasets import dataset_info, list_datasets

    for name in list_datasets():
        entry = dataset_info(name)
        _say(f"{name:20} {entry.n_subjects:>4} subjects  {entry.title}")


@datasets.command
def info(name: str) -> None:
    """Say what a data set is, where it comes from, and how to get it by hand.

    Example: neuro-metarl datasets info miller2022-rats

    Parameters
    ----------
    name
        See: neuro-metarl datasets list
    """
    from neuro_metarl.datasets import describe_dataset

    _say(describe_dataset(name))


@datasets.command
def fetch(name: str) -> None:
    """Download a data set into the cache, and check it.

    Example: neuro-metarl datasets fetch miller2022-rats

    Parameters
    ----------
    name
        See: neuro-metarl datasets list
    """
    from neuro_metarl.datasets import fetch_dataset

    _say(str(fetch_dataset(name)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a user's mistake ends with one line on standard error and exit code 2.

    Parameters
    ----------
    arguments
        Default: those of the process.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            app(arguments, exit_on_error=False, print_error=False)
    except (InputError, CycloptsError) as error:
        _fail(str(error), WRONG_INPUT)
    except KeyboardInterrupt:
        _fail("interrupted; nothing half-written is left under its final name", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename or ''}: {error.strerror or error}".lstrip(": "), WRONG_INPUT)


def _show_warning(message: Warning | str, *_: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)  # noqa: T201


def _fail(message: str, code: int) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)  # noqa: T201
    sys.exit(code)


def _say(text: str) -> None:
    print(text)  # noqa: T201


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for item in given or []:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise InputError(f"{option} {item}: expected name=value, for example p_common=.7")
        pairs[name.strip()] = value.strip()
    return pairs


def _code_maps(given: list[str] | None) -> dict[str, dict[str, int]]:
    maps: dict[str, dict[str, int]] = {}
    for key, value in _pairs(given, "--codes").items():
        column, colon, theirs = key.partition(":")
        if not colon or not value.lstrip("-").isdigit():
            raise InputError(f"--codes {key}={value}: expected column:theirs=ours, like choice:2=1")
        maps.setdefault(column, {})[theirs] = int(value)
    return maps


def _who_plays_what(name: str, task: str | None, given: dict[str, str]) -> tuple[Any, Any]:
    """Find a player or agents by name, and the task; ``--set`` is for both of a player."""
    from dataclasses import asdict, fields

    from neuro_metarl.agents.players import PLAYERS, make_player
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.tasks import make_task

    if name not in PLAYERS:
        agents = load_agents(name)
        if task:
            return agents, make_task(task, **given)
        return agents, make_task(agents.task.name, **asdict(agents.task) | given)  # type: ignore
    if task is None:
        raise InputError(
            f"player {name!r} has no task of its own; add --task, say bandit-independent"
        )
    kind: Any = PLAYERS[name]
    own = {f.name for f in fields(kind)}
    player = make_player(name, **{k: v for k, v in given.items() if k in own})
    return player, make_task(task, **{k: v for k, v in given.items() if k not in own})


def _load(data: str | None, columns: list[str] | None, codes: list[str] | None) -> xr.Dataset:
    from neuro_metarl.datasets import list_datasets, load_dataset
    from neuro_metarl.errors import did_you_mean
    from neuro_metarl.io import read

    maps = _pairs(columns, "--columns"), _code_maps(codes)
    if data is None or data in list_datasets():
        if any(maps):
            raise InputError("--columns and --codes are for a table; name the file")
        return load_dataset(data or "synthetic-rats")
    if not Path(data).exists() and not Path(data).suffix:
        raise InputError(
            f"no data {data!r}: neither a file nor a data set; "
            + did_you_mean(data, list_datasets())
        )
    return read(data, columns=maps[0], codes=maps[1], task="two-step-miller")


def _check_writable(out: Path) -> None:
    from neuro_metarl.files import writable_directory

    if not out.parent.is_dir():
        raise InputError(f"cannot write {out}: there is no directory {out.parent}")
    writable_directory(out.parent)


def _write(cohort: xr.Dataset, out: Path) -> None:
    from neuro_metarl.io import write_table
    from neuro_metarl.storage import save_cohort

    if out.suffix.lower() == ".nc":
        save_cohort(cohort, out)
    else:
        write_table(cohort, out)


def _with_reference(result: xr.Dataset) -> xr.Dataset:
    from neuro_metarl.comparison import from_table, join_comparisons
    from neuro_metarl.datasets import load_reference

    table = load_reference()
    reference = from_table(table.assign(source="real rats (reference values)"))
    joined = join_comparisons([result, reference])
    joined.attrs = result.attrs | {"reference": str(table.attrs["citation"])}
    return joined


def _write_comparison(result: xr.Dataset, folder: Path) -> dict[str, Path]:
    import matplotlib

    matplotlib.use("Agg")
    from neuro_metarl.comparison import to_table
    from neuro_metarl.files import atomic_path
    from neuro_metarl.plotting import plot_comparison

    figure = plot_comparison(result)
    writers = {
        "table": ("comparison.csv", lambda p: to_table(result).to_csv(p, index=False)),
        "data set": ("comparison.nc", lambda p: result.to_netcdf(p, engine="h5netcdf")),
        "figure": ("comparison.png", lambda p: figure.savefig(p, dpi=200)),
        "vector figure": ("comparison.svg", lambda p: figure.savefig(p, metadata={"Date": None})),
    }
    files = {}
    for label, (name, write) in writers.items():
        with atomic_path(folder / name) as temporary:
            write(temporary)
        files[label] = folder / name
    return files


def _as_json(summary: pd.DataFrame, result: xr.Dataset, files: dict[str, Path]) -> str:
    return json.dumps(
        {
            "settings": {k: v for k, v in result.attrs.items()},
            "summary": json.loads(summary.to_json(orient="records")),
            "files": {label: str(path) for label, path in files.items()},
        },
        indent=1,
    )


def _show(summary: pd.DataFrame, result: xr.Dataset) -> None:
    from rich.console import Console
    from rich.table import Table

    counts = dict.fromkeys(result["source"].values.tolist(), 0)
    for source in result["source"].values.tolist():
        counts[source] += 1
    table = Table(title="mean over subjects [95 % interval over subjects]", title_justify="left")
    table.add_column("measure")
    for source, n in counts.items():
        table.add_column(f"{source}\nn = {n}", justify="right")
    for (measure, term), rows in summary.groupby(["measure", "term"], sort=False, dropna=False):
        label = str(measure).replace("_", " ")
        if isinstance(term, str):
            label += f", {term.replace('_', ' ')}"
        by_source = rows.set_index("source")
        cells = []
        for source in counts:
            row = by_source.loc[source]
            cells.append(f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
        table.add_row(label, *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    _say("Each measure of each subject, with its own interval, is in the table file.")


if __name__ == "__main__":
    main()
