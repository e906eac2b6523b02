"""Troubles that no failed run shows, because they start no run.

Belongs here: finding it - a gate that cannot ask, a schedule or sensor whose ticks fail, an asset that is overdue, an
asset check that fails, a run that nobody starts. Does not belong here: when and how often it is told (alert_sensor.py),
failed runs (failed_parts.py), and the two checks that have messages of their own: failed batches and refused documents.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration import checks, rejects, state
from erp_medusa_pipelines.orchestration.dagster_internals import instigators, latest_check_results, overdue_assets
from erp_medusa_pipelines.orchestration.runs import active_runs, tasks_of
from erp_medusa_pipelines.orchestration.shops import asset_name, shop_name, shop_of
from erp_medusa_pipelines.tasks import TASKS, Task, owner_task

LONGEST_TEXT = 1000
SHORTEST_WAIT = 15 * 60
"""Seconds that any run may wait in the queue without an alert. Longer tasks may wait twice their time limit."""

TOLD_OTHERWISE = (checks.CHECK, rejects.CHECK)


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong now. `key` is stable while it lasts; `heals` says whether it may pass by itself."""

    key: str
    title: str
    what: str
    what_to_do: str
    since: datetime
    heals: bool = False
    run_id: str | None = None


def troubles(instance: dg.DagsterInstance, asset_checks: Sequence[dg.AssetCheckKey] = ()) -> list[Trouble]:
    """Return all troubles now; `asset_checks` are the checks of the code location."""
    found = [*_gates(instance), *_ticks(instance), *_overdue(instance), *_checks(instance, asset_checks)]
    return [*found, *_waiting(instance)]


def gate_failed(instance: dg.DagsterInstance, task: Task, why: str, *, heals: bool) -> None:
    """Record that the task's gate got no answer; the time of the first failure in a row is kept."""
    before = state.load(instance, _gate_key(task))
    since = before.get("since") or datetime.now(UTC).isoformat()
    now = {"why": why, "heals": heals, "since": since}
    if now != before:
        state.save(instance, _gate_key(task), now)


def gate_passed(instance: dg.DagsterInstance, task: Task) -> None:
    """Record that the task's gate got an answer."""
    if state.load(instance, _gate_key(task)):
        state.save(instance, _gate_key(task), {})


def _gate_key(task: Task) -> str:
    return f"gate_trouble/{task.name}"


def _gates(instance: dg.DagsterInstance) -> Iterator[Trouble]:
    for task in TASKS:
        kept = state.load(instance, _gate_key(task)) if task.gate else {}
        if kept:
            heals = bool(kept.get("heals"))
            yield Trouble(
                key=f"gate/{task.name}",
                title=f"{task.name} does not start",
                what=str(kept.get("why")),
                what_to_do=(
                    "Is the server up, and does it answer this machine?"
                    if heals
                    else "Check ERPNEXT_URL, ERPNEXT_API_KEY, ERPNEXT_API_SECRET and its roles (docs/rights.md)."
                ),
                since=datetime.fromisoformat(str(kept.get("since"))),
                heals=heals,
            )


def _ticks(instance: dg.DagsterInstance) -> Iterator[Trouble]:
    """Yield troubles of active schedules and sensors whose latest tick failed."""
    for stored in instigators(instance):
        tick = stored.failed_tick(instance) if stored.on and stored.name != "alerts" else None
        if tick:
            yield Trouble(
                key=f"tick/{stored.name}",
                title=f"The {stored.kind} {stored.name} fails",
                what=(tick.error or "its last tick failed without an error message")[:LONGEST_TEXT],
                what_to_do="Nothing is started while its ticks fail. The whole error is in the UI, under Automation.",
                since=tick.at,
            )


def _checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> Iterator[Trouble]:
    """Yield asset checks whose latest result is a failure."""
    others = [key for key in keys if key.name not in TOLD_OTHERWISE]
    for key, result, _ in latest_check_results(instance, others):
        if not result.passed:
            asset = asset_name(key.asset_key)
            facts = [f"{name}: {entry.value}" for name, entry in result.metadata.items() if _is_short(entry)]
            yield Trouble(
                key=f"check/{asset}/{key.name}",
                title=f"{asset}: the check {key.name} fails",
                what="\n".join([result.description or "", *facts]).strip()[:LONGEST_TEXT] or "It gives no reason.",
                what_to_do=f"Open {asset} in the UI, tab Checks: it says what was found and what that means.",
                since=datetime.now(UTC),
                heals=result.severity == dg.AssetCheckSeverity.WARN,
            )


def _is_short(entry: dg.MetadataValue) -> bool:
    return isinstance(entry, (dg.TextMetadataValue, dg.IntMetadataValue, dg.FloatMetadataValue))


def _waiting(instance: dg.DagsterInstance) -> Iterator[Trouble]:
    """Yield runs that have been queued for unusually long."""
    for record in active_runs(instance):
        run = record.dagster_run
        if run.status != dg.DagsterRunStatus.QUEUED or shop_of(run) != shop_name():
            continue
        tasks = tasks_of(run)
        queued = record.create_timestamp.replace(tzinfo=UTC)
        waited = _now() - queued
        if waited > timedelta(seconds=max([SHORTEST_WAIT, *(2 * task.seconds for task in tasks)])):
            name = ", ".join(task.name for task in tasks) or run.job_name
            yield Trouble(
                key=f"waiting/{run.run_id}",
                title=f"{name} is not being started",
                what=f"Task: {name}\nQueued for {waited.total_seconds() // 60:.0f} minutes without being started.",
                what_to_do="Are the runs before it still alive, or is its queue or batch taken?",
                since=queued,
                run_id=run.run_id,
            )


def _overdue(instance: dg.DagsterInstance) -> Iterator[Trouble]:
    """Yield assets of active schedules that Dagster's freshness daemon judged overdue."""
    running = {stored.name for stored in instigators(instance) if stored.on}
    assets = [
        asset
        for asset in dict.fromkeys(asset for task in TASKS for asset in task.assets)
        if f"{owner_task(asset).name}_schedule" in running
    ]
    for asset, since in overdue_assets(instance, assets).items():
        yield Trouble(
            key=f"overdue/{asset}",
            title=f"{asset} is overdue",
            what=f"The schedule of {owner_task(asset).name} was due and has not materialized it.",
            what_to_do="Does the daemon run, is the schedule on, and do its runs wait in the queue?",
            since=since,
        )


def _now() -> datetime:
    return datetime.now(UTC)
