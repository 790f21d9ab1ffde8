"""Damage files of every kind for some minutes, and print what became of them as a table.

``nice python -m tests.fuzz --minutes 25``; where it stops, ``--first`` goes on.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.readers import READERS
from tests.fuzz.test_fuzz import MANY, SLOW, attack

BLOCK = 300
WRONG = ("other numbers", "traceback", "several lines", "slow", "memory", "crash")


def table(fates: Counter[tuple[str, str]]) -> str:
    """Lay the counts out as Markdown, a row for each kind of file."""
    rows = [("kind of file", "files", "refused", "read as they were", *WRONG)]
    for kind in [*READERS, "all"]:
        of_kind: Counter[str] = Counter()
        for (name, fate), n in fates.items():
            of_kind[fate] += n * (kind in (name, "all"))
        numbers = (of_kind.total(), of_kind["refused"], of_kind["accepted"])
        rows.append((kind, *(f"{n:,}" for n in numbers), *(str(of_kind[f]) for f in WRONG)))
    rows.insert(1, ("---",) + ("---:",) * (len(rows[0]) - 1))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Go around the kinds of files, a block of each at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=25.0, help="of processor time")
    parser.add_argument("--first", type=int, default=1000, help="first seed")
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    fates: Counter[tuple[str, str]] = Counter()
    for first in range(given.first, given.first + MANY, BLOCK):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if used.ru_utime + used.ru_stime > 60 * given.minutes:
            break
        for kind in READERS:
            n = SLOW.get(kind, BLOCK)
            more, wrong = attack([(kind, first, first + n)], folder)
            fates += more
            print(*wrong, sep="\n", end="\n" * bool(wrong), file=sys.stderr, flush=True)
        print(f"seeds {given.first} to {first + BLOCK - 1}\n{table(fates)}\n", flush=True)


if __name__ == "__main__":
    main()
