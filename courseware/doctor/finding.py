"""One thing the doctor looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found, and what is wrong with it and how to mend it, if anything is."""

    subject: str
    found: str
    wrong: str | None = None


def report(findings: Iterable[Finding]) -> str:
    """A line for each finding, then what is wrong; readable without colour."""
    findings = list(findings)
    width = max(len(finding.subject) for finding in findings)
    lines = [f"{finding.subject:<{width}}  {finding.found}" for finding in findings]
    wrong = [finding for finding in findings if finding.wrong]
    lines += ["", *(f"wrong: {finding.subject}: {finding.wrong}" for finding in wrong)]
    return "\n".join(lines if wrong else [*lines, "Nothing is wrong."])
