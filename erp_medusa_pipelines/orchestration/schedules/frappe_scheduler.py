"""Does Frappe still run the task? Asked at a tick, before a retry, and by a run before it does anything.

Asking ERPNext for the app's Scheduled Job Type, so that this installation never works beside Frappe's scheduler:
neither a schedule that was turned on too early, nor what waited in the queue while the work was handed back.

If ERPNext does not answer a tick in time, the run starts and asks by itself, with the patience of a run: it does
nothing before it has an answer, and without one it fails and is retried. A skipped tick would lose the night.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.http import HttpOptions
from erp_medusa_pipelines.connections import open_erpnext
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.runs.work import tasks_of
from erp_medusa_pipelines.orchestration.schedules.gates import ask
from erp_medusa_pipelines.readiness.frappe_app import MAIL_TASK, frappe_jobs, reason_to_leave
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.sync.engine.gate import Answer, Gate
from erp_medusa_pipelines.tasks import Task

ASK_TAG = "erp_medusa_pipelines/ask_whose_turn"
"""Tag of a run that was started without an answer."""

AUTOMATIC_TAGS = ("dagster/schedule_name", "dagster/sensor_name")

MAY_WAIT = timedelta(minutes=1)
"""Between the question at a run's start and its work. A run that waited longer asks again."""

SECONDS_BETWEEN_QUESTIONS = 60.0
JOBS_KEY = "turns/frappe"

_log = logging.getLogger(__name__)


def reason_left_to_frappe(task: Task, instance: dg.DagsterInstance, slot: datetime) -> str | None:
    """Return why Frappe does this slot of the task, "" if we do, None without an answer. Never raises."""
    if not task.in_app:
        return ""
    try:
        return ask(f"{task.name}: whose turn", _question(task, slot), load_settings(), {}, instance).why
    # The daemon's boundary: a failed request stops no schedule.
    except Exception as error:  # noqa: BLE001
        _log.warning("%s: could not ask whether Frappe's scheduler still runs it: %s", task.name, error)
        return None


def refuse_beside_frappe(record: dg.RunRecord, settings: Settings, tasks: Sequence[Task] = ()) -> None:
    """Raise PermanentError where Frappe does the run's task. Raises what the client raises if ERPNext does not answer.

    `tasks` are those whose work the run does, where it is not a run of their own.

    Asked by runs that waited, and by those that were started without an answer. What a person starts while Frappe does
    the task goes ahead, because trying it by hand comes before a take-over; unless Frappe got the job back after that.
    """
    run = record.dagster_run
    created = record.create_timestamp.replace(tzinfo=UTC)
    if ASK_TAG not in run.tags and datetime.now(UTC) - created < MAY_WAIT:
        return
    by_hand = not any(tag in run.tags for tag in AUTOMATIC_TAGS)
    with open_erpnext(settings, HttpOptions()) as erp:
        for task in (task for task in tasks or tasks_of(run) if task.in_app):
            for job in frappe_jobs(erp, task.name):
                changed = datetime.fromisoformat(job.modified or job.creation).replace(tzinfo=erp.time_zone)
                if job.stopped or (by_hand and changed < created) or not erp.scheduler_is_on():
                    continue
                reason = (
                    f"nothing was done: Frappe's scheduler does {task.name}. Take the work over with"
                    " `erp-medusa take-over`, or set Stopped there"
                )
                raise PermanentError("ERPNext", f"Scheduled Job Type {job.name}", reason)


def jobs_of_frappe(instance: dg.DagsterInstance, settings: Settings) -> dict[str, str]:
    """Return the tasks that Frappe's scheduler does, each with the name of its job.

    Asked once in a while, however often it is called. Without an answer the last one counts.
    """
    kept = state.load(instance, JOBS_KEY)
    if kept and time.time() - kept["at"] < SECONDS_BETWEEN_QUESTIONS:
        return kept["jobs"]

    def jobs(erp: ErpNextClient, _settings: Settings, _memory: Mapping[str, Any]) -> Answer:
        running = [job for job in frappe_jobs(erp) if not job.stopped]
        on = bool(running) and erp.scheduler_is_on()
        found = {"jobs": {job.task: job.name for job in running if on}, "senders": erp.mail_flushers()}
        return Answer(False, json.dumps(found))

    found = {"jobs": kept.get("jobs") or {}, "senders": kept.get("senders") or []}
    try:
        found = json.loads(ask("whose jobs", jobs, settings, {}, instance).why)
    # Reported by those whose work it stops.
    except Exception as error:  # noqa: BLE001
        _log.warning("could not ask which tasks Frappe's scheduler runs: %s", error)
    state.save(instance, JOBS_KEY, {**found, "at": time.time()})
    return found["jobs"]


def left_to_frappe(instance: dg.DagsterInstance) -> set[str]:
    """Return the tasks whose schedule may be off, by the last answer of `jobs_of_frappe`.

    Frappe does them, or, where it sends the site's mails, the doctor advises against two senders.
    """
    kept = state.load(instance, JOBS_KEY)
    return {*(kept.get("jobs") or {}), *([MAIL_TASK] if kept.get("senders") else [])}


def _question(task: Task, slot: datetime) -> Gate:
    def whose(erp: ErpNextClient, _settings: Settings, _memory: Mapping[str, Any]) -> Answer:
        for job in frappe_jobs(erp, task.name):
            local = slot.astimezone(erp.time_zone).replace(tzinfo=None)
            on = job.stopped or erp.scheduler_is_on()
            return Answer(False, reason_to_leave(job, local, scheduler_on=on))
        return Answer(True)

    return whose
