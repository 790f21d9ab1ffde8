"""Read damaged files one after the other; every line of output is the fate of one.

``python -m tests.fuzz.child FOLDER JOBS``, where jobs are JSON: ``[[kind, first, stop], ...]``
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from neuro_metarl.errors import InputError
from tests.fuzz.mutations import mutate
from tests.fuzz.readers import READERS, Reader

SECONDS, WAITING, BYTES = 10, 12, 1_500_000_000
PLACE = Path("/proc/self/statm")


class Slow(BaseException):
    """A file took too long."""


def _alarm(*_: Any) -> None:
    raise Slow


def damage(whole: Path, target: Path, reader: Reader, case: int) -> tuple[str, int | None]:
    """Damage bytes, or every third time what they mean."""
    if case % 3:
        return mutate(whole, target, case)
    if whole.is_dir():
        shutil.copytree(whole, target)
    else:
        shutil.copy(whole, target)
    return reader.structure(target, random.Random(case))


def fate(kind: str, whole: Path, original: Any, folder: Path, case: int) -> tuple[str, str]:
    """Damage, read and compare one file; say what became of it, and what is wrong with that."""
    reader = READERS[kind]
    target = folder / reader.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    what, n_bytes = damage(whole, target, reader, case)
    # of processor time, so that other work on the computer makes no file slow
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAITING * SECONDS)
    # a library that never comes back to Python hears no signal: the process ends
    faulthandler.dump_traceback_later(2 * WAITING * SECONDS, exit=True)
    try:
        found = reader.read(target)
        wrong = reader.differs(original, found, n_bytes)
        return ("other numbers", f"{what}: {wrong}") if wrong else ("accepted", what)
    except InputError as error:
        if "\n" in str(error):
            return "several lines", f"{what}: {str(error)!r}"
        return "refused", what
    except Slow:
        return "slow", what
    except MemoryError:
        return "memory", what
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{what}: {type(error).__name__} {error} ({where.name})"[:300]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()


def main(folder: str, jobs: str) -> None:
    """Go through the cases of each kind."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _alarm)
    signal.signal(signal.SIGPROF, _alarm)
    place = Path(folder)
    originals = {}
    for kind, _, _ in json.loads(jobs):
        reader = READERS[kind]
        whole = place / kind / reader.name
        if not whole.exists():
            whole.parent.mkdir(exist_ok=True)
            reader.make(whole)
        originals[kind] = whole, reader.read(whole)
    if PLACE.exists():
        now = int(PLACE.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, now + BYTES))
    for kind, first, stop in json.loads(jobs):
        for case in range(first, stop):
            print(json.dumps(["begun", kind, case]), flush=True)
            what, said = fate(kind, *originals[kind], place / "damaged", case)
            print(json.dumps([what, kind, case, said]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
