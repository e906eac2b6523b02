"""`erp-medusa take-over` and `hand-back`: who runs the seven tasks, Frappe's scheduler or this installation.

The order is in switch.py, the requests in sides.py.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.dagster_api import DagsterApi
from erp_medusa_pipelines.cli.frame import command, sentence
from erp_medusa_pipelines.cli.home import instance_if_any, the_instance
from erp_medusa_pipelines.cli.output import Answer, ExitCode, say_once, stderr, table
from erp_medusa_pipelines.cli.shop import connect_to_switch
from erp_medusa_pipelines.cli.sides import FrappeSide, GoneSide, OurSide
from erp_medusa_pipelines.cli.switch import Event, Switch
from erp_medusa_pipelines.readiness.findings import Finding, Level, examine
from erp_medusa_pipelines.readiness.frappe_app import AREA, METHODS, FrappeJob, mails_have_one_sender, saves_still_work
from erp_medusa_pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg

ON_ONE_MACHINE = "http://127.0.0.1:3000"

DagsterUrl = Annotated[
    str | None, typer.Option(help=f"Address of the Dagster webserver; default: DAGSTER_UI_URL, else {ON_ONE_MACHINE}.")
]
OnlyFrappe = Annotated[
    bool,
    typer.Option("--only-frappe", help="Start Frappe's jobs even if no Dagster answers; its later ticks are skipped."),
]
Wait = Annotated[int, typer.Option(min=0, help="Seconds to wait for a task that is being done right now.")]


KEY = "switches"
"""Of the journal, in the installation's storage."""

ENTRIES_KEPT = 1000
"""Some thirty switches."""

EARLIER_FILE = "erp-medusa-switch.jsonl"
"""In DAGSTER_HOME, where earlier versions kept it."""


class Journal:
    """What every take-over and hand-back did, oldest first. Without an `instance`, nothing is known and nothing kept.

    Safety does not depend on it: Frappe's rows decide which side runs a task. It tells which rows were stopped before
    the take-over, so that a hand-back leaves those stopped. The home may be read-only, so it is in the storage.
    """

    def __init__(self, instance: "dg.DagsterInstance | None") -> None:
        self._instance = instance
        self._entries: list[dict[str, Any]] = []
        if instance is not None:
            # Imported late: Dagster takes seconds to load.
            from erp_medusa_pipelines.orchestration import state

            self._entries = state.load(instance, KEY).get("entries") or list(_earlier())

    def note(self, **entry: object) -> None:
        """Add an entry; it is stored at once."""
        self._entries.append({"at": datetime.now(UTC).isoformat(timespec="seconds"), **entry})
        if self._instance is not None:
            from erp_medusa_pipelines.orchestration import state

            state.save(self._instance, KEY, {"entries": self._entries[-ENTRIES_KEPT:]})

    def begin_take_over(self, jobs: Sequence[FrappeJob]) -> None:
        """Record which rows are stopped already, unless an unfinished take-over stopped some of them itself."""
        if not self._in_our_hands():
            self.note(event="take-over", stopped_before=sorted(job.name for job in jobs if job.stopped))

    def stopped_before(self) -> frozenset[str]:
        """Return rows that were stopped before the take-over in force; empty without a journal."""
        names: list[str] = []
        for entry in self._entries:
            if entry.get("event") == "take-over":
                names = entry["stopped_before"]
        # All were stopped: the app never ran here, and handing back means that it should.
        return frozenset(names) if len(names) < len(METHODS) else frozenset()

    def _in_our_hands(self) -> bool:
        events = [entry.get("event") for entry in self._entries if entry.get("event") in ("take-over", "handed back")]
        return bool(events) and events[-1] == "take-over"


def _earlier() -> Iterator[dict[str, Any]]:
    """Yield the complete lines of an earlier version's file; one that was cut off is ignored."""
    file = Path(os.environ.get("DAGSTER_HOME") or ".") / EARLIER_FILE
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


@command
def take_over(dagster_url: DagsterUrl = None, wait: Wait = 180) -> Answer:
    """Stop the app's seven jobs in Frappe's scheduler and turn our schedules on.

    Our schedules go on first: their ticks start nothing while Frappe's job is not stopped. Each job is then stopped
    between two of its slots, so every slot is done once. If the command is killed half-way, exactly one side still does
    each task; start the command again to continue, or hand-back to go back. A task that Frappe is running right now is
    waited for.

    Examples:

    - `erp-medusa take-over`
    - `ADMIN_API_KEY=... ADMIN_API_SECRET=... erp-medusa take-over --dagster-url https://dagster.example.com`

    DAGSTER_HOME must be the installation's: what answers at the address is asked whether it is the same.
    """
    with _sides(dagster_url, wait, to_us=True) as (frappe, switch, journal):
        journal.begin_take_over(frappe.jobs())
        events = list(_noted(switch.take_over(), journal))
        if all(job.stopped for job in frappe.jobs()):
            journal.note(event="taken over")
        return _answer(frappe, events, stopped=True)


@command
def hand_back(dagster_url: DagsterUrl = None, wait: Wait = 180, only_frappe: OnlyFrappe = False) -> Answer:
    """Turn our schedules off and let Frappe's scheduler run the app's seven jobs again.

    The jobs count from now on: Frappe does not make up for the slots that were done here. Jobs that were stopped before
    the take-over stay stopped. A run of ours that is still going is waited for.

    Examples:

    - `erp-medusa hand-back`
    - `erp-medusa hand-back --wait 600 --json`
    - `erp-medusa hand-back --only-frappe` where Dagster is gone
    """
    with _sides(dagster_url, wait, only_frappe=only_frappe) as (frappe, switch, journal):
        kept = journal.stopped_before()
        journal.note(event="hand-back", kept_stopped=sorted(kept))
        events = list(_noted(switch.hand_back(kept), journal))
        if not any(job.stopped for job in frappe.jobs() if job.name not in kept):
            journal.note(event="handed back")
        return _answer(frappe, events, stopped=False)


@contextmanager
def _sides(
    url: str | None, wait: int, *, to_us: bool = False, only_frappe: bool = False
) -> Iterator[tuple[FrappeSide, Switch, Journal]]:
    """Connect to both sides, and check them before anything is switched."""
    # Imported late: Dagster takes seconds to load.
    from erp_medusa_pipelines.orchestration.schedules.crontab import housekeeping_in_force, tasks_in_force, times_after

    settings = load_settings()
    with connect_to_switch(settings) as erp, _storage(may_be_gone=only_frappe) as instance:
        frappe = FrappeSide(erp)
        frappe.check()
        address = url or settings.dagster_ui_url or ON_ONE_MACHINE
        ours = GoneSide() if only_frappe or instance is None else _our_side(address, settings, instance)
        if to_us and isinstance(ours, OurSide):
            ours.check()
        switch = Switch(
            frappe,
            ours,
            (*tasks_in_force(settings), *housekeeping_in_force(settings)),
            ZoneInfo(settings.schedule_timezone),
            times_after,
            time.sleep,
            timedelta(seconds=wait),
        )
        yield frappe, switch, Journal(instance)


@contextmanager
def _storage(*, may_be_gone: bool) -> Iterator["dg.DagsterInstance | None"]:
    """The installation's instance; None where it `may_be_gone` and is not set or cannot be reached."""
    with ExitStack() as opened:
        instance = None
        try:
            instance = opened.enter_context(instance_if_any() if may_be_gone else the_instance())
        # Whatever keeps it from being opened: that is what the command is for.
        except Exception as error:
            if not may_be_gone:
                raise
            say_once(f"Its storage cannot be read, so no job is left stopped: {sentence(error)}")
        yield instance


def _our_side(address: str, settings: Settings, instance: "dg.DagsterInstance") -> OurSide:
    """The installation of DAGSTER_HOME and of this shop, and no other that happens to answer there."""
    ours = OurSide(DagsterApi(address, shop=settings.shop_name))
    ours.check_is_ours(instance, None if settings.uses_sandbox else settings.erpnext_url)
    return ours


def _noted(events: Iterable[Event], journal: Journal) -> Iterator[Event]:
    """Write each event to stderr and the journal as it happens."""
    for event in events:
        stderr().print(
            f"{event.task or 'all tasks'}: {event.what}", style=None if event.done else "yellow", markup=False
        )
        journal.note(event="step", **asdict(event))
        yield event


def _answer(frappe: FrappeSide, events: list[Event], *, stopped: bool) -> Answer:
    """Build the answer: who runs what now, what was not switched, and what the app still does."""
    jobs = frappe.jobs()
    left = {event.task: event.what for event in events if event.what.startswith("left: ")}
    rows = [(job.task, "here" if job.stopped else "Frappe", left.get(job.task, "")) for job in jobs]
    found = examine(frappe, ((AREA, saves_still_work), (AREA, mails_have_one_sender))) if jobs else ()
    still = [finding for finding in found if finding.level != Level.OK]
    shown: list[RenderableType] = [table("", ("task", "done by", ""), rows)] if jobs else []
    if not jobs:
        shown.append(Text("ERPNext has no jobs of the app: only our schedules were turned"))
    if stopped:
        shown += [Text(f"The app still does: {_words(finding)}", style="yellow") for finding in still]
        shown += [Text(STILL)] if jobs else []
    data = {
        "events": [asdict(event) for event in events],
        "tasks": {job.task: "dagster" if job.stopped else "frappe" for job in jobs},
        "left": left,
        "app_still_does": [asdict(finding) for finding in still],
    }
    return Answer(data, shown, ExitCode.TO_DO if left else ExitCode.FINE)


STILL = (
    "The app's hooks on Quotation, Sales Order, Sales Invoice, Delivery Note and Payment Entry go on: orders reach"
    " ERPNext through them, and no task here does their work"
)


def _words(finding: Finding) -> str:
    return f"{finding.name}: {finding.found}. Means: {finding.means}. Fix: {finding.fix}"
