"""At a tick: does Frappe still run the task?

Belongs here: asking ERPNext for the app's Scheduled Job Type before a run is started, so that a schedule that was
turned on too early never sends beside Frappe's scheduler. Does not belong here: the rule (readiness/turns.py).

If ERPNext does not answer, the run starts: it meets the same error, and is reported and retried.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.orchestration.gates import ask
from erp_medusa_pipelines.readiness.frappe_app import frappe_jobs, scheduler_is_on
from erp_medusa_pipelines.readiness.turns import reason_to_leave
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.sync.engine.gate import Answer, Gate
from erp_medusa_pipelines.tasks import Task

_log = logging.getLogger(__name__)


def frappes_turn(task: Task, instance: dg.DagsterInstance, slot: datetime) -> str:
    """Return why Frappe does this tick of the task, or "" if this installation does. Never raises."""
    if not task.in_app:
        return ""
    try:
        return ask(f"{task.name}: whose turn", _question(task, slot), load_settings(), {}, instance).why
    # The daemon's boundary: a failed request stops no schedule.
    except Exception as error:  # noqa: BLE001
        _log.warning("%s: could not ask whether Frappe's scheduler still runs it: %s", task.name, error)
        return ""


def _question(task: Task, slot: datetime) -> Gate:
    def whose(erp: ErpNextClient, _settings: Settings, _memory: Mapping[str, Any]) -> Answer:
        for job in frappe_jobs(erp, task.name):
            local = slot.astimezone(erp.time_zone).replace(tzinfo=None)
            on = job.stopped or scheduler_is_on(erp)
            return Answer(False, reason_to_leave(job, local, scheduler_on=on))
        return Answer(True)

    return whose
