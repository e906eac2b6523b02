"""The checks on the installation itself: is the instance set up, and are the schedules on?

Two checks of the asset `installation`, which is never materialized: an operator executes them in the UI, runs and
sensors report them.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.copies import copy_of
from erp_medusa_pipelines.orchestration.dagster_internals import (
    DefaultRunLauncher,
    classes_in_force,
    instance_setting,
    instigators,
)
from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG, QUEUE_TAG
from erp_medusa_pipelines.orchestration.run_coordinator import TaskRunCoordinator
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import left_to_frappe
from erp_medusa_pipelines.orchestration.shops import asset_key
from erp_medusa_pipelines.orchestration.tables import table
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS, Task, last_own_asset

ASSET = "installation"
CONFIGURED = "instance_is_set_up"
SCHEDULES_ON = "schedules_are_on"
KEY = f"checks/{ASSET}"
AT_LEAST_EVERY = timedelta(hours=1)
"""The age after which the ages in the check's metadata are updated; a change is written at once."""

_log = logging.getLogger(__name__)

installation = dg.AssetSpec(
    ASSET,
    group_name="operations",
    kinds={"dagster"},
    description="This Dagster installation. Nothing materializes it; its checks say what is missing or turned off.",
)


def shortcomings(instance: dg.DagsterInstance) -> dict[str, str]:
    """Return the sections of our dagster.yaml that are not in force, with the consequence of each."""
    coordinator, launcher = classes_in_force(instance)
    found = {}
    if not issubclass(coordinator, TaskRunCoordinator):
        found["run_coordinator"] = (
            "two runs may work on the same batch at once, and runs from an asset's page have no limit"
        )
    if not instance_setting(instance, "run_monitoring").get("enabled"):
        found["run_monitoring"] = "a run that hangs or is killed stays 'started' for ever; time limits are not enforced"
    if launcher is DefaultRunLauncher:
        found["run_launcher"] = "a run whose process was killed is noticed only when its time limit is over"
    if not instance_setting(instance, "retention").get("schedule"):
        found["retention"] = "ticks of the every-minute schedules are kept for ever and fill the storage"
    limits = instance_setting(instance, "concurrency").get("runs", {}).get("tag_concurrency_limits") or []
    # Where there are several shops, each of them has its own.
    keys = {str(limit.get("key")).removeprefix("shop_") for limit in limits}
    if not {QUEUE_TAG, BATCH_TAG} <= keys:
        found["concurrency"] = (
            "two runs may work on the same batch at once, and a night of long runs holds up the minute tasks"
        )
    if not instance_setting(instance, "freshness").get("enabled"):
        found["freshness"] = "no asset is ever overdue: nobody hears of a schedule that delivers nothing"
    if instance_setting(instance, "run_retries").get("enabled"):
        found["run_retries"] = "Dagster and the sensor retry_failed_partitions both retry every failure"
    return found


def _configured(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    found = shortcomings(instance)
    advice = {"what_to_do": "Copy the project's dagster.yaml into DAGSTER_HOME and restart webserver and daemon"}
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(ASSET),
        check_name=CONFIGURED,
        passed=not found,
        description=_CONFIGURED_TEXT,
        metadata={**found, **advice} if found else {},
    )


def forgotten_schedules(instance: dg.DagsterInstance) -> list[str]:
    """Return tasks whose schedule is off while others are on, and that are not left to Frappe either.

    All of them off is a choice of the operator, and so is a task that is off until somebody wants it.
    """
    on = _schedules_in_force(instance)
    if not on.intersection(task.name for task in TASKS):
        return []
    frappe = left_to_frappe(instance)
    missed = [task.name for task in (*TASKS, *HOUSEKEEPING) if not task.opt_in]
    return [name for name in missed if name not in on and name not in frappe]


def _schedules_in_force(instance: dg.DagsterInstance) -> set[str]:
    """Return the names of tasks whose schedule is on."""
    on = {stored.name for stored in instigators(instance) if stored.kind == "schedule" and stored.on}
    return {task.name for task in (*TASKS, *HOUSEKEEPING) if task.schedule in on}


def _schedules_on(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    forgotten, on, copy = forgotten_schedules(instance), _schedules_in_force(instance), copy_of(instance)
    facts: dict[str, Any] = {"turned_off": ", ".join(forgotten)} if forgotten else {}
    if copy:
        facts |= {"copy": str(copy), "what_to_do": copy.what_to_do}
    rows = [_row(instance, task, on=task.name in on) for task in TASKS]
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(ASSET),
        check_name=SCHEDULES_ON,
        passed=not (forgotten or copy),
        severity=dg.AssetCheckSeverity.WARN,
        description=_SCHEDULES_TEXT,
        metadata={**facts, "tasks": table(rows, rows[0].keys())},
    )


def _row(instance: dg.DagsterInstance, task: Task, *, on: bool) -> dict[str, str]:
    """Return the row of one task: whether its schedule is on, and when its last asset was materialized."""
    event = instance.get_latest_materialization_event(asset_key(last_own_asset(task)))
    last = datetime.fromtimestamp(event.timestamp, UTC) if event else None
    return {
        "task": task.name,
        "schedule": "on" if on else "off",
        "last_success": last.isoformat(timespec="seconds") if last else "never",
        "hours_ago": f"{(datetime.now(UTC) - last) / timedelta(hours=1):.1f}" if last else "",
    }


_CONFIGURED_TEXT = "The project's dagster.yaml is in force: run coordinator, launcher, run monitoring and retention."
_SCHEDULES_TEXT = "No schedule is off while others are on. The table says when each task last succeeded."


def _result(evaluation: dg.AssetCheckEvaluation) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=evaluation.passed, severity=evaluation.severity, metadata=evaluation.metadata)


@dg.asset_check(asset=asset_key(ASSET), name=CONFIGURED, description=_CONFIGURED_TEXT)
def instance_is_set_up(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Check that the project's dagster.yaml is in force."""
    return _result(_configured(context.instance))


@dg.asset_check(asset=asset_key(ASSET), name=SCHEDULES_ON, description=_SCHEDULES_TEXT)
def schedules_are_on(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Check that no schedule is off while others are on."""
    return _result(_schedules_on(context.instance))


INSTALLATION_CHECKS = (instance_is_set_up, schedules_are_on)


def report_installation(instance: dg.DagsterInstance) -> None:
    """Write both results if one has changed, or once an hour. Never raises, so that no run or retry fails here."""
    try:
        _report(instance)
    # The boundary: the work continues whatever fails in a check on the installation.
    except Exception:  # noqa: BLE001
        _log.exception("the checks on the installation cannot be written")


def _report(instance: dg.DagsterInstance) -> None:
    missing = shortcomings(instance)
    # Enough to notice a change, and cheap: every tick of the sensors calls it.
    seen = [sorted(missing), forgotten_schedules(instance), copy_of(instance) is not None]
    before = state.load(instance, KEY)
    now = datetime.now(UTC)
    if before.get("seen") == seen and now - datetime.fromisoformat(before["at"]) < AT_LEAST_EVERY:
        return
    for name, meaning in missing.items():
        _log.error("the project's dagster.yaml is not in force: %s is missing or wrong: %s", name, meaning)
    for result in (_configured(instance), _schedules_on(instance)):
        instance.report_runless_asset_event(result)
    state.save(instance, KEY, {"seen": seen, "at": now.isoformat()})
