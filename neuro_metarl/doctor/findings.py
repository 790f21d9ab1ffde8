"""What an examination finds: one sentence for each check, with a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import xarray as xr

__all__ = ["Check", "Diagnosis", "Finding", "Verdict"]

Verdict = Literal["fine", "look", "wrong", "unknown"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    check
        What was checked.
    verdict
        ``"fine"``; ``"look"``: unusual, and right in some experiments; ``"wrong"``: cannot be
        right; ``"unknown"``: cannot be checked here.
    said
        One sentence.

    Examples
    --------
    >>> print(Finding("order", "fine", "choices depend on the trial before"))
    fine     order: choices depend on the trial before
    """

    check: str
    verdict: Verdict
    said: str

    def __str__(self) -> str:
        """Write it on one line."""
        return f"{self.verdict:8} {self.check}: {self.said}"


Check = Callable[[xr.Dataset], list[Finding]]


@dataclass(frozen=True)
class Diagnosis:
    """What a file is, whether it is whole, and what in it looks wrong.

    Parameters
    ----------
    path
        As it was given.
    what
        The kind of file, in words.
    whole
        How it is known that nothing of it was lost or changed.
    findings
        One for each check.
    attrs
        Sizes and names.

    Examples
    --------
    >>> found = [Finding("order", "wrong", "rows are sorted by reward")]
    >>> Diagnosis("t.csv", "a table", "it carries no checksum", found).healthy
    False
    """

    path: str
    what: str
    whole: str
    findings: list[Finding]
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether nothing in it is wrong."""
        return all(finding.verdict != "wrong" for finding in self.findings)
