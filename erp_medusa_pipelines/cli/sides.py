"""Both sides of a switch-over as they are reached: Frappe over REST, ours over the webserver.

Belongs here: turning the calls of switch.py into requests, and the journal. Does not belong here: their order.
"""

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from erp_medusa_pipelines.cli.dagster_api import DagsterApi, Installation
from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError
from erp_medusa_pipelines.readiness.frappe_app import METHODS, FrappeJob, frappe_jobs, scheduler_is_on

JOB = "Scheduled Job Type"
RETRIES = "retry_failed_partitions"
BELIEVED_SECONDS = 2.0
LONGEST_JOB = timedelta(hours=8)
"""A job that Frappe began longer ago was killed: its log says Start for ever."""


class FrappeSide:
    """The app's Scheduled Job Types. Raises CommandError where the key may not switch them, or only some are there."""

    def __init__(self, erp: ErpNextClient) -> None:
        self._erp = erp
        self._scheduler_on = scheduler_is_on(erp)

    def check(self) -> None:
        """Refuse before anything is turned: half a switch helps nobody."""
        jobs = self.jobs()
        missing = sorted(set(METHODS.values()) - {job.task for job in jobs})
        if jobs and missing:
            raise CommandError(f"ERPNext has no {JOB} for {', '.join(missing)}: run bench migrate on the site first")
        question = {"doctype": JOB, "docname": "", "perm_type": "write"}
        if jobs and not self._erp.call("frappe.client.has_permission", question, method="GET")["has_permission"]:
            raise CommandError(
                f"the user of this key may not write {JOB}: set ADMIN_API_KEY and ADMIN_API_SECRET to the key of a"
                " System Manager for this command"
            )

    def jobs(self) -> list[FrappeJob]:
        """The seven rows, read anew; none where the app is not installed."""
        return frappe_jobs(self._erp)

    def now(self) -> datetime:
        """The site's clock, in its zone."""
        return self._erp.clock()

    def scheduler_is_on(self) -> bool:
        """As it was when the command began."""
        return self._scheduler_on

    def is_going_on(self, job: FrappeJob) -> bool:
        """Whether its last log says that it began and not that it ended. Only a System Manager may read logs."""
        try:
            logs = self._erp.get_list(
                "Scheduled Job Log",
                ["status", "creation"],
                filters=[["scheduled_job_type", "=", job.name]],
                order_by="creation desc",
                limit=1,
            )
        except AccessError:
            return False
        began = datetime.fromisoformat(logs[0]["creation"]) if logs and logs[0]["status"] == "Start" else None
        return began is not None and self.now().replace(tzinfo=None) - began < LONGEST_JOB

    def stop(self, job: FrappeJob) -> None:
        """Set Stopped."""
        self._erp.update(JOB, job.name, {"stopped": 1})

    def start(self, job: FrappeJob, last_execution: datetime) -> None:
        """Take Stopped away, and let it count from that moment."""
        moment = last_execution.strftime("%Y-%m-%d %H:%M:%S")
        self._erp.update(JOB, job.name, {"stopped": 0, "last_execution": moment})


class OurSide:
    """The running installation's schedules. Raises CommandError where they are not all there, or no daemon is alive."""

    def __init__(self, api: DagsterApi) -> None:
        self._api = api
        self._read = api.installation()
        self._at = time.monotonic()

    @property
    def _now(self) -> Installation:
        """Read anew every few seconds: somebody may use the UI meanwhile."""
        if time.monotonic() - self._at > BELIEVED_SECONDS:
            self._read, self._at = self._api.installation(), time.monotonic()
        return self._read

    def is_alive(self) -> bool:
        """Whether the daemon evaluates ticks."""
        return not self._now.silent_daemons

    def check(self) -> None:
        """Refuse before anything is turned over to a daemon that does nothing."""
        if not self.is_alive():
            raise CommandError(
                f"no sign of life from Dagster's daemon ({', '.join(self._now.silent_daemons)}): start dagster-daemon"
                " run first, or nobody would do the work"
            )

    def is_on(self, task: str) -> bool:
        """Whether the task's schedule is on."""
        return self._now.schedules[_schedule(task)].on

    def turn(self, task: str, *, on: bool) -> None:
        """Turn the task's schedule."""
        self._api.turn_schedule(self._now, _schedule(task), on=on)

    def turn_retries(self, *, on: bool) -> None:
        """Turn the sensor that runs failed work again, if it is not so already."""
        if self._now.sensors[RETRIES].on != on:
            self._api.turn_sensor(self._now, RETRIES, on=on)

    def last_tick(self, task: str) -> datetime | None:
        """When the schedule's newest tick was for."""
        return self._now.schedules[_schedule(task)].last_tick

    def is_going_on(self, task: str) -> bool:
        """Whether a run of the task waits or runs."""
        return self._api.is_going_on(task)


class GoneSide:
    """Our side where the installation is gone: there is nothing to turn, and what runs no more is not waited for.

    Should it come back with its schedules on, their ticks are skipped: Frappe's rows say whose turn it is.
    """

    def is_alive(self) -> bool:
        """It is not."""
        return False

    def is_on(self, task: str) -> bool:
        """Nothing is."""
        return False

    def turn(self, task: str, *, on: bool) -> None:
        """Nothing is there to turn."""

    def turn_retries(self, *, on: bool) -> None:
        """Nothing is there to turn."""

    def last_tick(self, task: str) -> datetime | None:
        """None comes any more."""
        return None

    def is_going_on(self, task: str) -> bool:
        """Nothing is known of it."""
        return False


def _schedule(task: str) -> str:
    return f"{task}_schedule"


@dataclass(frozen=True)
class Journal:
    """What switches did, a line of JSON each, beside Dagster's own files.

    Nothing depends on it for safety: Frappe's rows say whose turn it is. It keeps which rows were stopped before the
    first take-over, so that a hand-back leaves those stopped.
    """

    path: Path

    @classmethod
    def here(cls) -> "Journal":
        """In DAGSTER_HOME, else in .dagster."""
        return cls(Path(os.environ.get("DAGSTER_HOME") or ".dagster") / "erp-medusa-switch.jsonl")

    def note(self, **entry: object) -> None:
        """Add a line, on the disk before this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **entry}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> Iterable[dict[str, object]]:
        """Whole lines, oldest first; one that a kill cut off is left out."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def begin_take_over(self, jobs: Sequence[FrappeJob]) -> None:
        """Keep which rows are stopped already, unless an unfinished take-over stopped some of them itself."""
        if not self._in_our_hands():
            self.note(event="take-over", stopped_before=sorted(job.name for job in jobs if job.stopped))

    def stopped_before(self) -> frozenset[str]:
        """Rows that were stopped before the take-over that is in force; none are known without a journal."""
        names: object = ()
        for entry in self.entries():
            names = entry.get("stopped_before", names) if entry.get("event") == "take-over" else names
        kept = frozenset(str(name) for name in names) if isinstance(names, list) else frozenset()
        # All of them: the app was never at work here, and handing back means that it shall be.
        return kept if len(kept) < len(METHODS) else frozenset()

    def _in_our_hands(self) -> bool:
        events = [entry.get("event") for entry in self.entries() if entry.get("event") in ("take-over", "handed back")]
        return bool(events) and events[-1] == "take-over"
