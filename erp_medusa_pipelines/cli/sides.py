"""Both sides of a take-over: Frappe over REST, this installation over its webserver."""

import os
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from erp_medusa_pipelines.cli.dagster_api import DagsterApi, Installation
from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError
from erp_medusa_pipelines.readiness.frappe_app import METHODS, FrappeJob, frappe_jobs

if TYPE_CHECKING:
    import dagster as dg

JOB = "Scheduled Job Type"
BELIEVED_SECONDS = 2.0
LONGEST_JOB = timedelta(hours=8)
"""A job that Frappe started longer ago was killed: its log stays at Start forever."""


class FrappeSide:
    """The app's Scheduled Job Types. Raises CommandError if the key may not switch them, or if only some exist."""

    def __init__(self, erp: ErpNextClient) -> None:
        self.erp = erp
        self._scheduler_on = erp.scheduler_is_on()

    def check(self) -> None:
        """Fail before anything is switched, rather than half-way."""
        jobs = self.jobs()
        missing = sorted(set(METHODS.values()) - {job.task for job in jobs})
        if jobs and missing:
            raise CommandError(f"ERPNext has no {JOB} for {', '.join(missing)}: run bench migrate on the site first")
        question = {"doctype": JOB, "docname": "", "perm_type": "write"}
        if jobs and not self.erp.call("frappe.client.has_permission", question, method="GET")["has_permission"]:
            raise CommandError(
                f"the user of this key may not write {JOB}: set ADMIN_API_KEY and ADMIN_API_SECRET to the key of a"
                " System Manager for this command"
            )

    def jobs(self) -> list[FrappeJob]:
        """Read the seven rows again; empty if the app is not installed."""
        return frappe_jobs(self.erp)

    def now(self) -> datetime:
        """Return the site's time, in its zone."""
        return self.erp.clock()

    def scheduler_is_on(self) -> bool:
        """Return the row as it was when the command began."""
        return self._scheduler_on

    def is_going_on(self, job: FrappeJob) -> bool:
        """Return whether its last log has a start and no end. Only a System Manager may read logs."""
        try:
            logs = self.erp.get_list(
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
        self.erp.update(JOB, job.name, {"stopped": 1})

    def start(self, job: FrappeJob, last_execution: datetime) -> None:
        """Clear Stopped, and set the last execution to that time."""
        moment = last_execution.strftime("%Y-%m-%d %H:%M:%S")
        self.erp.update(JOB, job.name, {"stopped": 0, "last_execution": moment})


class OurSide:
    """The running installation's schedules. Raises CommandError if some are missing or no daemon is alive."""

    def __init__(self, api: DagsterApi) -> None:
        self._api = api
        self._read = api.installation()
        self._at = time.monotonic()

    @property
    def _now(self) -> Installation:
        """Read the state again every few seconds: somebody may use the UI meanwhile."""
        if time.monotonic() - self._at > BELIEVED_SECONDS:
            self._read, self._at = self._api.installation(), time.monotonic()
        return self._read

    def is_alive(self) -> bool:
        """Return whether the daemon evaluates ticks."""
        return not self._now.silent_daemons

    def check(self) -> None:
        """Fail before anything is handed to a daemon that does not run."""
        if not self.is_alive():
            raise CommandError(
                f"no heartbeat from Dagster's daemon ({', '.join(self._now.silent_daemons)}): start dagster-daemon"
                " run first, or nobody would do the work"
            )

    def check_is_ours(self, instance: "dg.DagsterInstance", erpnext_url: str | None) -> None:
        """Fail if the webserver belongs to another installation than this one, or works on another ERPNext."""
        if not self._api.serves(instance):
            raise CommandError(
                f"the Dagster at {self._api.url} is another installation than that of"
                f" DAGSTER_HOME={os.environ.get('DAGSTER_HOME')}: name the address of yours with --dagster-url or"
                " DAGSTER_UI_URL"
            )
        theirs = self._api.erpnext_url(self._read)
        if theirs and erpnext_url and theirs != erpnext_url:
            raise CommandError(
                f"the Dagster at {self._api.url} works on {theirs}, and this command was to switch {erpnext_url}: give"
                " it the settings of that installation (of several shops also SHOP_NAME)"
            )

    def is_on(self, task: str) -> bool:
        """Return whether the task's schedule is on."""
        return self._now.schedules[_schedule(task)].on

    def turn(self, task: str, *, on: bool) -> None:
        """Turn the task's schedule on or off."""
        self._api.turn(self._now, "schedule", _schedule(task), on=on)

    def turn_sensor(self, name: str, *, on: bool) -> bool:
        """Turn a sensor on or off, unless it is already. Returns whether it was not."""
        if self._now.sensors[name].on == on:
            return False
        self._api.turn(self._now, "sensor", name, on=on)
        return True

    def last_tick(self, task: str) -> datetime | None:
        """Return the time of the schedule's latest tick."""
        return self._now.schedules[_schedule(task)].last_tick

    def is_going_on(self, task: str) -> bool:
        """Return whether a run of the task is queued or running."""
        return self._api.is_going_on(task)


class GoneSide:
    """Our side if the installation is gone: nothing to switch, and no runs to wait for.

    If it returns with its schedules on, their ticks are skipped: Frappe's rows decide which side runs a task.
    """

    def is_alive(self) -> bool:
        """It is not."""
        return False

    def is_on(self, task: str) -> bool:
        """Nothing is."""
        return False

    def turn(self, task: str, *, on: bool) -> None:
        """Nothing is there to turn."""

    def turn_sensor(self, name: str, *, on: bool) -> bool:
        """Nothing is there to turn."""
        return False

    def last_tick(self, task: str) -> datetime | None:
        """None comes any more."""
        return None

    def is_going_on(self, task: str) -> bool:
        """Nothing is known of it."""
        return False


def _schedule(task: str) -> str:
    return f"{task}_schedule"
