"""`erp-medusa doctor`: is everything there that the tasks need?"""

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
from erp_medusa_pipelines.cli.setup import install, steps_shown
from erp_medusa_pipelines.cli.shop import connect, connect_as_admin
from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness import rights
from erp_medusa_pipelines.readiness.doctor import examine_shop
from erp_medusa_pipelines.readiness.findings import Finding, Level
from erp_medusa_pipelines.readiness.frappe_app import FrappeJob, frappe_jobs
from erp_medusa_pipelines.readiness.install import Outcome, State, role_of_user, steps_of_site
from erp_medusa_pipelines.readiness.needs import asked_for
from erp_medusa_pipelines.readiness.servers import REACHABLE

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "magenta", Level.SKIPPED: "dim"}
COLUMNS = ("", "where", "what", "found", "means", "fix")


Fix = Annotated[
    bool, typer.Option("--fix", help="Create what setup can create, with ADMIN_API_KEY and ADMIN_API_SECRET.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as something to do.")]


@command
def doctor(fix: Fix = False, strict: Strict = False) -> Answer:
    """Check both servers and the installation: what is missing, what that means, and how to fix it. Writes nothing.

    With `--fix`, whatever setup can create is created; if a right is missing, ERPNEXT_API_KEY's user gets the role.

    Examples:

    - `erp-medusa doctor`
    - `erp-medusa doctor --json | jq '.findings[] | select(.level == "fail")'`
    - `ADMIN_API_KEY=... ADMIN_API_SECRET=... erp-medusa doctor --fix`
    """
    with connect(patient=False) as shop:
        findings = _examine(shop)
        if not fix or not any(finding.fixable for finding in findings):
            return answer(findings, strict=strict)
        user = shop.erp.user()
        on = asked_for(shop.settings)
        lacks_rights = any(finding.area == rights.AREA and finding.fixable for finding in findings)
    with connect_as_admin() as erp:
        steps = list(steps_of_site(erp, update_script=True, on=on))
        steps += [role_of_user(erp, user)] if lacks_rights else []
        outcomes = install(steps, dry_run=False)
    # New clients: the old ones remember what the site did not have.
    with connect(patient=False) as shop:
        return answer(_examine(shop), strict=strict, outcomes=outcomes)


def _examine(shop: Shop) -> list[Finding]:
    with progress() as display:
        bar = display.add_task("Looking", total=None)
        findings = []
        for finding in chain(examine_shop(shop), examine_installation(_frappe_jobs(shop))):
            findings.append(finding)
            display.advance(bar)
    return findings


def _frappe_jobs(shop: Shop) -> list[FrappeJob] | None:
    """Return the app's jobs, or None if they cannot be read, which is already a finding."""
    try:
        return frappe_jobs(shop.erp)
    except ApiError:
        return None


def answer(findings: Sequence[Finding], *, strict: bool, outcomes: Sequence[Outcome] = ()) -> Answer:
    """Build the answer: what `--fix` made, then findings, the worst last so that they stay on the screen."""
    counts = Counter(finding.level for finding in findings)
    bad = counts[Level.FAIL] or (strict and counts[Level.WARN])
    silent = any(finding.name == REACHABLE and finding.level == Level.FAIL for finding in findings)
    if silent or (counts[Level.UNKNOWN] and not bad):
        code = ExitCode.CANNOT_TELL
    else:
        code = ExitCode.TO_DO if bad else ExitCode.FINE
    summary = ", ".join(f"{counts[level]} {level}" for level in Level if counts[level])
    worst_last = sorted(findings, key=lambda finding: list(Level).index(finding.level))
    rows = [(Text(f.level, style=COLOURS[f.level]), f.area, f.name, f.found, f.means, _fix(f)) for f in worst_last]
    return Answer(
        {
            "findings": [asdict(finding) for finding in findings],
            "counts": {level: counts[level] for level in Level},
            "fixed": [asdict(outcome) for outcome in outcomes if outcome.state != State.THERE],
        },
        [
            *steps_shown(outcomes),
            table("", ("", "where", "what", "found", "means", "fix"), rows, heading=4),
            Text(summary),
        ],
        code,
    )


def _fix(finding: Finding) -> str:
    return finding.fix and f"{finding.fix}{' (erp-medusa setup does it)' if finding.fixable else ''}"
