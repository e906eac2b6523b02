"""The `medusa_integration` Frappe app, if a site has it: its jobs, its hooks, and which side does a slot of a task.

A slot is a scheduled execution. The `stopped` flag of the app's Scheduled Job Type is the one switch: while it is not
set, Frappe does the task and our ticks are skipped; once it is set, our ticks start runs. So exactly one side does each
slot, whatever is turned on and wherever a switch-over was interrupted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level, judged
from erp_medusa_pipelines.tasks import TASKS

AREA = "Frappe app"
APP = "medusa_integration"
METHODS = {f"{APP}.api.{task.name}": task.name for task in TASKS if task.in_app}
"""Task names by the app's seven scheduled functions, which have the same names. We have more tasks than the app."""

JOB_FIELDS = ["name", "method", "stopped", "frequency", "cron_format", "last_execution", "creation", "modified"]


@dataclass(frozen=True)
class FrappeJob:
    """One Scheduled Job Type of the app. Times are naive, in the site's zone."""

    name: str
    task: str
    stopped: bool
    frequency: str
    cron: str
    last_execution: str | None
    creation: str
    modified: str = ""


class Site(Protocol):
    """What can be asked about ERPNext: a shop, or Frappe's side of a take-over."""

    @property
    def erp(self) -> ErpNextClient:
        """The client."""
        ...


def frappe_jobs(erp: ErpNextClient, task: str | None = None) -> list[FrappeJob]:
    """Return the app's Scheduled Job Types, of all tasks or of one; empty if the app is not installed."""
    methods = sorted(method for method, name in METHODS.items() if task in (None, name))
    rows = erp.get_list("Scheduled Job Type", JOB_FIELDS, filters=[["method", "in", methods]])
    return [
        FrappeJob(
            row["name"],
            METHODS[row["method"]],
            bool(row["stopped"]),
            row.get("frequency") or "",
            row.get("cron_format") or "",
            row.get("last_execution"),
            row.get("creation") or "",
            row.get("modified") or "",
        )
        for row in rows
    ]


def jobs_are_known(shop: Shop) -> Iterator[Finding]:
    """Check that the app's seven jobs all exist, or none."""
    jobs = frappe_jobs(shop.erp)
    missing = sorted(set(METHODS.values()) - {job.task for job in jobs}) if jobs else []
    stopped = sum(job.stopped for job in jobs)
    fine = f"{len(jobs)} jobs, {stopped} of them stopped" if jobs else "none: the app is not installed"
    wrong = f"no {', '.join(missing)}" if missing else ""
    means, fix = "the app has a different version", "run bench migrate on the site"
    yield judged(AREA, "scheduled jobs", fine, wrong, means, fix, level=Level.WARN)


def saves_still_work(site: Site) -> Iterator[Finding]:
    """Check whether the app's save hooks call Medusa when staff save, which would make the saves fail."""
    enabled = bool(site.erp.get_single("Medusa Configuration").get("enable"))
    yield judged(
        AREA,
        "save hooks",
        "off (Medusa Configuration, Enable)",
        "on: the app calls Medusa whenever staff save" if enabled else "",
        "it speaks Medusa 1: with a Medusa 2, saves of current prices, items and groups fail",
        "untick Enable in Medusa Configuration; the tasks send what changed",
    )


def prices_have_no_old_ids(shop: Shop) -> Iterator[Finding]:
    """Check whether Item Prices have an id of the app's, with which it refuses to save them."""
    fields = [Aggregate("COUNT", "name", "number")]
    rows = shop.erp.get_list("Item Price", fields, filters=[["medusa_id", "is", "set"]], order_by="number desc")
    number = int(rows[0]["number"] or 0) if rows else 0
    wrong = f"{number} still have the app's medusa_id" if number else ""
    means = "the app refuses to save those that are current, even with Enable off"
    fix = "run sync_missing_prices_to_medusa: it clears the field"
    yield judged(AREA, "Item Prices", "none has the app's medusa_id", wrong, means, fix, level=Level.WARN)


MAIL_TASK = "send_quotation_emails"


def mails_have_one_sender(site: Site) -> Iterator[Finding]:
    """Check that Frappe does not send the site's mails as well, by flushing its queue."""
    running = ", ".join(site.erp.mail_flushers())
    fine, wrong = "Frappe does not flush its mail queue as well", f"{running} runs" if running else ""
    means = "Frappe sends waiting mails too: a quotation may go out twice if both pick it up at the same moment"
    fix = f"stop {running} if all mails of the site are quotations; else leave {MAIL_TASK} off"
    yield judged(AREA, "mail senders", fine, wrong, means, fix, level=Level.WARN)


CRON_OF_FREQUENCY = {"Daily": "0 0 * * *", "Daily Long": "0 0 * * *", "Hourly": "0 * * * *", "Hourly Long": "0 * * * *"}
"""Frappe's cron lines for frequencies without one."""

LONG_JITTER = timedelta(minutes=10)
"""Frappe starts a "Long" job at a random time within this period after its slot."""

SCHEDULER_PAUSE = timedelta(minutes=5)
"""Frappe's scheduler looks every minute, older ones every four: a slot that was not taken by then was missed."""

CronTimes = Callable[[str, datetime], Iterator[datetime]]
"""(cron line, from when) -> its times after that, in the zone of the moment given."""


def reason_to_leave(job: FrappeJob, slot: datetime, *, scheduler_on: bool) -> str:
    """Return why our tick for the slot (naive, in the site's zone) must not start a run, or "" if it may."""
    if not job.stopped and scheduler_on:
        return (
            f"Frappe's scheduler does this: its Scheduled Job Type {job.name} is not stopped. Take the work over with"
            " `erp-medusa take-over`, or set Stopped there"
        )
    if job.stopped and ran_since(job, slot):
        return f"Frappe has done this slot: {job.name} was last executed at {job.last_execution}"
    return ""


def ran_since(job: FrappeJob, slot: datetime) -> bool:
    """Return whether Frappe has started the job at or after that time."""
    return bool(job.last_execution) and datetime.fromisoformat(str(job.last_execution)) >= slot


def cron_line(job: FrappeJob) -> str:
    """Return the cron line by which Frappe starts the job."""
    return job.cron or CRON_OF_FREQUENCY.get(job.frequency, "0 0 * * *")


def slots_around(cron: str, now: datetime, times: CronTimes) -> tuple[datetime, datetime]:
    """Return the last slot at or before now, and the next one."""
    # Look back a short time first: a line of every minute has 1,440 slots a day.
    for back in (timedelta(minutes=2), timedelta(hours=2), timedelta(days=2), timedelta(days=35), timedelta(days=400)):
        last = None
        for slot in times(cron, now - back):
            if slot > now:
                if last is not None:
                    return last, slot
                break
            last = slot
    raise ValueError(f"the cron line {cron!r} has no slot within a year")


def first_due(job: FrappeJob, now: datetime, times: CronTimes) -> datetime:
    """Return the first slot that Frappe has not run, by its row, in the zone of `now`."""
    since = datetime.fromisoformat(job.last_execution or job.creation).replace(tzinfo=now.tzinfo)
    return next(iter(times(cron_line(job), since)))


def grace(job: FrappeJob) -> timedelta:
    """Return how long after a slot Frappe may still start the job."""
    return SCHEDULER_PAUSE + (LONG_JITTER if "Long" in job.frequency else timedelta())
