"""Trouble that starts no run, so that no run can fail for it.

Belongs here: finding it - a gate that cannot ask, a schedule or sensor whose ticks fail, an asset that is overdue. Does
not belong here: when and how often it is told (alert_sensor.py), and failed runs (failed_parts.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.tasks import TASKS, Task, owner_task

LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong now. `key` stays the same while it lasts; `heals` says whether waiting may mend it."""

    key: str
    title: str
    what: str
    what_to_do: str
    since: datetime
    heals: bool = False


def troubles(instance: dg.DagsterInstance) -> list[Trouble]:
    """All that is wrong now."""
    return [*_gates(instance), *_ticks(instance), *_overdue(instance)]


def gate_failed(instance: dg.DagsterInstance, task: Task, why: str, *, heals: bool) -> None:
    """Note that the task's gate could not ask; the first time of a row of failures is kept."""
    before = state.load(instance, _gate_key(task))
    since = before.get("since") or datetime.now(UTC).isoformat()
    now = {"why": why, "heals": heals, "since": since}
    if now != before:
        state.save(instance, _gate_key(task), now)


def gate_passed(instance: dg.DagsterInstance, task: Task) -> None:
    """Note that the task's gate was answered."""
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
                    else "Check ERPNEXT_URL, ERPNEXT_API_KEY, ERPNEXT_API_SECRET and the roles of that user (README)."
                ),
                since=datetime.fromisoformat(str(kept.get("since"))),
                heals=heals,
            )


def _ticks(instance: dg.DagsterInstance) -> Iterator[Trouble]:
    """Schedules and sensors that are on and whose newest tick failed."""
    for stored in instance.all_instigator_state():
        if stored.status == InstigatorStatus.STOPPED or stored.instigator_name == "alerts":
            continue
        latest = instance.get_ticks(stored.instigator_origin_id, stored.selector_id, limit=1)
        if not latest or latest[0].status != TickStatus.FAILURE:
            continue
        error = latest[0].error
        kind = stored.instigator_type.value.lower()
        yield Trouble(
            key=f"tick/{stored.instigator_name}",
            title=f"The {kind} {stored.instigator_name} fails",
            what=(error.message if error else "its last tick failed without a word").strip()[:LONGEST_TEXT],
            what_to_do="Nothing is started while its ticks fail. Open it in the UI (Automation) for the whole error.",
            since=datetime.fromtimestamp(latest[0].timestamp, UTC),
        )


def _overdue(instance: dg.DagsterInstance) -> Iterator[Trouble]:
    """Assets that Dagster's freshness daemon judged overdue, of schedules that are on."""
    stored = instance.all_instigator_state()
    running = {entry.instigator_name for entry in stored if entry.status != InstigatorStatus.STOPPED}
    assets = [
        asset
        for asset in dict.fromkeys(asset for task in TASKS for asset in task.assets)
        if f"{owner_task(asset).name}_schedule" in running
    ]
    records = instance.get_freshness_state_records([dg.AssetKey(asset) for asset in assets])
    for key, record in sorted(records.items()):
        if record.freshness_state == FreshnessState.FAIL:
            asset = key.to_user_string()
            yield Trouble(
                key=f"overdue/{asset}",
                title=f"{asset} is overdue",
                what=f"The schedule of {owner_task(asset).name} was due and has not delivered it.",
                what_to_do="Does the daemon run, is the schedule on, and do its runs wait in the queue?",
                since=record.updated_at.replace(tzinfo=UTC),
            )
