"""What is wrong now: every problem of the instance, each from the place where Dagster or a tick has written it down."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration.checks import left_failed as checks
from erp_medusa_pipelines.orchestration.checks import rejects
from erp_medusa_pipelines.orchestration.checks.freshness import window
from erp_medusa_pipelines.orchestration.dagster_internals import instigators, overdue_assets, verdicts
from erp_medusa_pipelines.orchestration.partitions import batches_in_force
from erp_medusa_pipelines.orchestration.runs.failed_parts import failed_lately, read_state
from erp_medusa_pipelines.orchestration.runs.failures import read_failure
from erp_medusa_pipelines.orchestration.runs.work import active_runs, tasks_of
from erp_medusa_pipelines.orchestration.schedules.crontab import tasks_in_force
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import jobs_of_frappe
from erp_medusa_pipelines.orchestration.schedules.gates import gate_trouble
from erp_medusa_pipelines.orchestration.sensors import retries
from erp_medusa_pipelines.orchestration.sensors.follow_changes import changes_waiting
from erp_medusa_pipelines.orchestration.sensors.problems.outbox import silent_receivers
from erp_medusa_pipelines.orchestration.sensors.problems.problem import Problem
from erp_medusa_pipelines.orchestration.sensors.problems.receivers import Receiver
from erp_medusa_pipelines.orchestration.shops import asset_name, shop_name, shop_of, shop_tags
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import (
    ALERT_SENSOR,
    ALL_ASSETS,
    CHANGES_SENSOR,
    HOUSEKEEPING,
    RETRY_SENSOR,
    TASKS,
    owner_task,
)

LONGEST_REASON = 3000
LONGEST_TEXT = 1000
SHORTEST_WAIT = 15 * 60
"""Seconds that any run may wait in the queue. Longer tasks may wait twice their time limit."""

WITH_PROBLEMS_OF_THEIR_OWN = (checks.CHECK, checks.NOTHING_LEFT, rejects.CHECK)


def problems(
    instance: dg.DagsterInstance,
    settings: Settings,
    asset_checks: Sequence[dg.AssetCheckKey] = (),
    to: Sequence[Receiver] = (),
) -> list[Problem]:
    """Return everything that is wrong now, by the checks `asset_checks` too; `to` are the receivers."""
    return [
        *_failed(instance, settings),
        *_housekeeping(instance, settings),
        *_refused(instance, settings),
        *_gates(instance),
        *_done_by_frappe(instance, settings),
        *_ticks(instance),
        *_overdue(instance, settings),
        *_checks(instance, asset_checks),
        *_waiting(instance, settings),
        *_changes(instance, settings),
        *_silent(instance, to),
    ]


def run_link(run_id: str, settings: Settings) -> str:
    """Return the address of the run's page in the UI, or the run's id if no address is set."""
    return f"{settings.dagster_ui_url}/runs/{run_id}" if settings.dagster_ui_url else run_id


def _failed(instance: dg.DagsterInstance, settings: Settings) -> Iterator[Problem]:
    """Yield tasks and batches that failed. While a retry is due or under way, nothing is said."""
    retried = any(stored.name == RETRY_SENSOR and stored.on for stored in instigators(instance))
    for part in failed_lately(instance, read_state(instance, batches_in_force(settings))):
        view = retries.outlook(instance, part, settings)
        if not retried and not view.final:
            view = view.without_retry()
        lines = [
            f"Task: {part.task.name}",
            f"Batch: {part.partition or 'none (the task has no batches)'}",
            f"Assets: {', '.join(sorted(part.assets))}",
            f"Reason: {view.failure.reason[:LONGEST_REASON]}",
            f"Documents refused permanently: {view.failure.rejected}",
            f"No further attempt: {view.why}",
            f"Run: {run_link(part.run.run_id, settings)}",
        ]
        yield Problem(
            key=f"failed/{part.name}",
            title=f"{part.name} failed",
            text="\n".join(lines),
            since=_ended(part.record),
            severity="error" if view.final else "pending",
        )


def _housekeeping(instance: dg.DagsterInstance, settings: Settings) -> Iterator[Problem]:
    """Yield jobs without assets whose last run failed."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    for task in HOUSEKEEPING:
        chosen = dg.RunsFilter(job_name=task.name, tags=shop_tags(), statuses=ended)
        for record in instance.get_run_records(chosen, limit=1):
            run = record.dagster_run
            if run.status == dg.DagsterRunStatus.FAILURE:
                reason = read_failure(instance, run.run_id).reason[:LONGEST_REASON]
                text = f"Reason: {reason}\nRun: {run_link(run.run_id, settings)}"
                yield Problem(f"failed/{task.name}", f"{task.name} failed", text, _ended(record))


def _refused(instance: dg.DagsterInstance, settings: Settings) -> Iterator[Problem]:
    """Yield assets of which documents are refused, and those of which many are for one reason."""
    for found in rejects.read_rejects(instance):
        if found.alike:
            text = (
                f"{found.alike}\n"
                "What to do: So many are no bad documents. Look for what they have in common: a setting, a right, a"
                f" plugin of the server, a proxy.\nRun: {run_link(found.run_id, settings)}"
            )
            yield Problem(f"alike/{found.asset}", f"{found.asset}: many documents are refused alike", text, found.at)
        if found.number:
            text = [
                f"Refused now: {found.number}",
                "Documents whose own content is refused are sent again once it is changed, all others by every run.",
                "The rest went through.",
                f"Run: {run_link(found.run_id, settings)}",
            ]
            title = f"{found.asset}: documents refused"
            yield Problem(f"rejects/{found.asset}", title, "\n".join(text), found.at, parts=found.lines)


def _gates(instance: dg.DagsterInstance) -> Iterator[Problem]:
    """Yield minute tasks that get no answer whether there is work."""
    for task in TASKS:
        if trouble := gate_trouble(instance, task):
            heals = bool(trouble.get("heals"))
            what_to_do = (
                "Is the server up, and does it answer this machine?"
                if heals
                else "Check ERPNEXT_URL, ERPNEXT_API_KEY, ERPNEXT_API_SECRET and its roles (docs/rights.md)."
            )
            yield Problem(
                key=f"gate/{task.name}",
                title=f"{task.name} does not start",
                text=f"{trouble.get('why')}\nWhat to do: {what_to_do}",
                since=datetime.fromisoformat(str(trouble.get("since"))),
                heals=heals,
            )


def _done_by_frappe(instance: dg.DagsterInstance, settings: Settings) -> Iterator[Problem]:
    """Yield tasks whose schedule is on while Frappe's job is not stopped: `bench migrate` may start it again.

    During a take-over or hand-back this is so for minutes.
    """
    on = {stored.name for stored in instigators(instance) if stored.on}
    tasks = [task for task in TASKS if task.in_app and task.schedule in on]
    jobs = jobs_of_frappe(instance, settings) if tasks else {}
    for task in tasks:
        if task.name in jobs:
            text = (
                f"The schedule is on, and Frappe's Scheduled Job Type {jobs[task.name]} is not stopped: Frappe does the"
                " work, and ticks here start nothing.\n"
                "What to do: erp-medusa take-over, or hand-back if that is what you want"
            )
            yield Problem(f"turn/{task.name}", f"Frappe does {task.name} again", text, _now(), heals=True)


def _ticks(instance: dg.DagsterInstance) -> Iterator[Problem]:
    """Yield active schedules and sensors whose latest tick failed."""
    for stored in instigators(instance):
        tick = stored.failed_tick(instance) if stored.on and stored.name != ALERT_SENSOR else None
        if tick:
            error = (tick.error or "its last tick failed without an error message")[:LONGEST_TEXT]
            what_to_do = "Nothing is started while its ticks fail. The whole error is in the UI, under Automation."
            text = f"{error}\nWhat to do: {what_to_do}"
            yield Problem(f"tick/{stored.name}", f"The {stored.kind} {stored.name} fails", text, tick.at)


def _checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> Iterator[Problem]:
    """Yield asset checks whose latest result is a failure."""
    others = [key for key in keys if key.name not in WITH_PROBLEMS_OF_THEIR_OWN]
    for key, verdict in verdicts(instance, others).items():
        result = verdict.evaluation
        if result and not result.passed:
            asset = asset_name(key.asset_key)
            facts = [f"{name}: {entry.value}" for name, entry in result.metadata.items() if _is_short(entry)]
            found = "\n".join([result.description or "", *facts]).strip()[:LONGEST_TEXT] or "It gives no reason."
            what_to_do = f"Open {asset} in the UI, tab Checks: it says what was found and what that means."
            yield Problem(
                key=f"check/{asset}/{key.name}",
                title=f"{asset}: the check {key.name} fails",
                text=f"{found}\nWhat to do: {what_to_do}",
                since=verdict.at,
                heals=result.severity == dg.AssetCheckSeverity.WARN,
            )


def _is_short(entry: dg.MetadataValue) -> bool:
    return isinstance(entry, (dg.TextMetadataValue, dg.IntMetadataValue, dg.FloatMetadataValue))


def _waiting(instance: dg.DagsterInstance, settings: Settings) -> Iterator[Problem]:
    """Yield runs that have been queued for unusually long."""
    for record in active_runs(instance):
        run = record.dagster_run
        if run.status != dg.DagsterRunStatus.QUEUED or shop_of(run) != shop_name():
            continue
        tasks = tasks_of(run)
        queued = record.create_timestamp.replace(tzinfo=UTC)
        if _now() - queued > timedelta(seconds=max([SHORTEST_WAIT, *(2 * task.seconds for task in tasks)])):
            name = ", ".join(task.name for task in tasks) or run.job_name
            text = [
                f"Task: {name}",
                "What to do: Are the runs before it still alive, or is its queue or batch taken?",
                f"Run: {run_link(run.run_id, settings)}",
            ]
            yield Problem(f"waiting/{run.run_id}", f"{name} is not being started", "\n".join(text), queued)


def _changes(instance: dg.DagsterInstance, settings: Settings) -> Iterator[Problem]:
    """Yield that followed changes do not reach the shop, while the sensor is on."""
    on = any(stored.name == CHANGES_SENSOR and stored.on for stored in instigators(instance))
    waiting = changes_waiting(instance) if on else None
    if waiting and _now() - waiting[0] > timedelta(minutes=settings.changes_alert_minutes):
        since, reason = waiting
        text = (
            f"The oldest change in ERPNext that is not in Medusa yet was seen at {since:%H:%M} UTC.\n"
            + (f"The last run failed: {reason}\n" if reason else "")
            + f"What to do: Look at the ticks of the sensor {CHANGES_SENSOR}: they say what is waited for."
        )
        yield Problem("changes", "Changes do not reach the shop", text, since, heals=True)


def _overdue(instance: dg.DagsterInstance, settings: Settings) -> Iterator[Problem]:
    """Yield assets that Dagster's freshness daemon judged overdue, and whose schedule was on for long enough."""
    on_since = {stored.name: stored.on_since for stored in instigators(instance) if stored.on}
    tasks = tasks_in_force(settings)
    assets = []
    for asset in ALL_ASSETS:
        schedule = owner_task(asset).schedule
        since = on_since.get(schedule)
        if schedule in on_since and (
            since is None or _now() - since > window(asset, tasks, settings.schedule_timezone)
        ):
            assets.append(asset)
    for asset, since in overdue_assets(instance, assets).items():
        text = (
            f"The schedule of {owner_task(asset).name} was due and has not materialized it.\n"
            "What to do: Does the daemon run, is the schedule on, and do its runs wait in the queue?"
        )
        yield Problem(f"overdue/{asset}", f"{asset} is overdue", text, since)


def _silent(instance: dg.DagsterInstance, to: Sequence[Receiver]) -> Iterator[Problem]:
    """Yield receivers that take no messages, for the others to know."""
    for key, receiver, known in silent_receivers(instance, to):
        text = f"It says: {known.error}\nWhat to do: Correct ALERT_URLS. What waits for it is sent to the new address."
        since = datetime.fromisoformat(known.since)
        yield Problem(key, f"Alerts do not reach {receiver.name}", text, since, heals=True)


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time or record.create_timestamp.timestamp(), UTC)


def _now() -> datetime:
    return datetime.now(UTC)
