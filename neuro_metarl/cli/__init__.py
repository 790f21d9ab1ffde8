"""The command ``neuro-metarl``: train, record, fit, compare with animals, look after data sets.

Everything heavy is imported inside the subcommand that needs it, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError

from neuro_metarl.cli.agents import record, train
from neuro_metarl.cli.comparison import compare_to_rodent_data
from neuro_metarl.cli.data import fetch, info, list_
from neuro_metarl.cli.doctor import doctor
from neuro_metarl.cli.fits import fit
from neuro_metarl.cli.power import power
from neuro_metarl.cli.scorecard import reproduce
from neuro_metarl.cli.twins import twin
from neuro_metarl.errors import InputError

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
app.command(train)
app.command(record)
app.command(fit)
app.command(compare_to_rodent_data, name="compare-to-rodent-data")
app.command(datasets)
app.command(doctor)
app.command(reproduce)
app.command(power)
app.command(twin)
datasets.command(list_, name="list")
datasets.command(info)
datasets.command(fetch)


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
