"""Which side runs a scheduled execution (a slot) of a task: the Frappe app's scheduler, or ours.

The `stopped` flag of the app's Scheduled Job Type is the one switch: while it is not set, Frappe does the task and our
ticks are skipped; once it is set, our ticks start runs. So exactly one side does each slot, whatever is turned on and
wherever a switch-over was interrupted.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from erp_medusa_pipelines.readiness.frappe_app import FrappeJob

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
