"""`erp-medusa doctor`: is everything there that the tasks need?

Belongs here: running the examinations and showing what they found. What is looked at is in readiness/.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Annotated

import typer
from rich.text import Text

from erp_medusa_pipelines.cli.frame import command
from erp_medusa_pipelines.cli.installation import examine_installation
from erp_medusa_pipelines.cli.output import Answer, ExitCode, progress, table
from erp_medusa_pipelines.cli.shop import connect
from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.doctor import examine_shop
from erp_medusa_pipelines.readiness.findings import Finding, Level
from erp_medusa_pipelines.readiness.frappe_app import FrappeJob, frappe_jobs

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "magenta", Level.SKIPPED: "dim"}


@command
def doctor(
    strict: Annotated[bool, typer.Option(help="Count warnings as something to do.")] = False,
) -> Answer:
    """Look at both servers and say what is missing, what it means and how to mend it. Writes nothing.

    Examples:

    - `erp-medusa doctor`
    - `erp-medusa doctor --json | jq '.findings[] | select(.level == "fail")'`
    """
    with connect(patient=False) as shop, progress() as display:
        bar = display.add_task("Looking", total=None)
        findings = []
        for finding in chain(examine_shop(shop), examine_installation(_frappe_jobs(shop))):
            findings.append(finding)
            display.advance(bar)
    return answer(findings, strict=strict)


def _frappe_jobs(shop: Shop) -> list[FrappeJob] | None:
    """The app's jobs; None where they cannot be read, which is a finding already."""
    try:
        return frappe_jobs(shop.erp)
    except ApiError:
        return None


def answer(findings: Sequence[Finding], *, strict: bool) -> Answer:
    """Findings as a table, worst last so that they stay on the screen, and as JSON."""
    counts = Counter(finding.level for finding in findings)
    bad = counts[Level.FAIL] or (strict and counts[Level.WARN])
    code = ExitCode.TO_DO if bad else ExitCode.CANNOT_TELL if counts[Level.UNKNOWN] else ExitCode.FINE
    summary = ", ".join(f"{counts[level]} {level}" for level in Level if counts[level])
    worst_last = sorted(findings, key=lambda finding: list(Level).index(finding.level))
    rows = [(Text(f.level, style=COLOURS[f.level]), f.area, f.name, _words(f)) for f in worst_last]
    return Answer(
        {"findings": [asdict(finding) for finding in findings], "counts": {level: counts[level] for level in Level}},
        [table("", ("", "where", "what", "found"), rows), Text(summary)],
        code,
    )


def _words(finding: Finding) -> str:
    parts = [finding.found]
    if finding.means:
        parts.append(f"Means: {finding.means}.")
    if finding.mend:
        parts.append(f"Mend: {finding.mend}." + (" erp-medusa setup does it." if finding.fixable else ""))
    return "\n".join(parts)
