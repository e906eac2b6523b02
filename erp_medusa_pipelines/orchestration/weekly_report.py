"""A week of the installation, read from Dagster's storage: what was done, refused, sold best, and is red now."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.checks.not_bought import NotBought, read_not_bought
from erp_medusa_pipelines.orchestration.checks.rejects import read_rejects
from erp_medusa_pipelines.orchestration.dagster_internals import SENSOR_NAME_TAG
from erp_medusa_pipelines.orchestration.sensors.follow_changes import changes_waiting
from erp_medusa_pipelines.orchestration.sensors.problems.found import problems
from erp_medusa_pipelines.orchestration.shops import asset_key, shop_tags
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import ALL_ASSETS, CHANGES_SENSOR, TASKS

DAYS = 7
WORK = ("written", "adopted", "updated", "sent", "deleted", "recovered")
"""Counts that are shown, where an asset has them. `recovered` is of the last run: it looks back by itself."""
LATEST = ("recovered",)
EVENTS_PER_READ = 500
BEST_SHOWN = 3
MOST_SHOWN = 20


@dataclass(frozen=True)
class TaskWeek:
    """The runs of one task."""

    name: str
    runs: int
    failed: int
    longest_minutes: float


@dataclass(frozen=True)
class Changes:
    """Changes between the nights: runs for them, how long each took until its items were in Medusa, and what waits."""

    runs: int
    median_minutes: float
    longest_minutes: float
    waiting_minutes: float
    reason: str


@dataclass(frozen=True)
class Week:
    """What the report tells. `work` is (asset, {count: number}); `best` is (category, [(item, quantity)])."""

    since: datetime
    until: datetime
    tasks: list[TaskWeek]
    work: list[tuple[str, dict[str, int]]]
    refused: list[tuple[str, int]]
    best: list[tuple[str, list[tuple[str, float]]]]
    red: list[str]
    not_bought: NotBought
    changes: Changes

    @property
    def name(self) -> str:
        """Year and week by ISO 8601, such as 2026-W49."""
        year, week, _ = self.until.isocalendar()
        return f"{year}-W{week:02}"


def read_week(instance: dg.DagsterInstance, settings: Settings, until: datetime) -> Week:
    """Read the seven days before `until`."""
    since = until - timedelta(days=DAYS)
    return Week(
        since,
        until,
        [week for task in TASKS if (week := _task(instance, task.name, since)).runs],
        [(asset, counts) for asset in ALL_ASSETS if (counts := _work(instance, asset, since))],
        [(found.asset, int(found.number)) for found in read_rejects(instance) if found.number],
        list(_best(instance)),
        _red(instance, settings),
        read_not_bought(instance) or NotBought(0, 0, []),
        _changes(instance, since, until),
    )


def _changes(instance: dg.DagsterInstance, since: datetime, until: datetime) -> Changes:
    """Read the runs of the sensor `follow_changes`: from their request to their end."""
    chosen = dg.RunsFilter(
        tags={**shop_tags(), SENSOR_NAME_TAG: CHANGES_SENSOR},
        statuses=[dg.DagsterRunStatus.SUCCESS],
        created_after=since,
    )
    records = instance.get_run_records(chosen)
    minutes = [(one.end_time - one.create_timestamp.timestamp()) / 60 for one in records if one.end_time]
    waiting = changes_waiting(instance)
    return Changes(
        len(minutes),
        round(median(minutes), 1) if minutes else 0.0,
        round(max(minutes, default=0.0), 1),
        round((until - waiting[0]).total_seconds() / 60, 1) if waiting else 0.0,
        waiting[1] if waiting else "",
    )


def _red(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Return what is wrong now. The instance of a plan has no schedules, so nothing can be wrong with them."""
    if instance.schedule_storage is None:
        return []
    return [problem.title for problem in problems(instance, settings)][:MOST_SHOWN]


def _task(instance: dg.DagsterInstance, name: str, since: datetime) -> TaskWeek:
    runs, failed, longest = 0, 0, 0.0
    chosen = dg.RunsFilter(job_name=name, tags=shop_tags(), created_after=since)
    for record in instance.get_run_records(chosen):
        runs += 1
        failed += record.dagster_run.status == dg.DagsterRunStatus.FAILURE
        if record.start_time and record.end_time:
            longest = max(longest, record.end_time - record.start_time)
    return TaskWeek(name, runs, failed, round(longest / 60, 1))


def _work(instance: dg.DagsterInstance, asset: str, since: datetime) -> dict[str, int]:
    """Add up what an asset reported, newest first."""
    counts: Counter[str] = Counter()
    cursor: str | None = None
    newest = True
    chosen = dg.AssetRecordsFilter(asset_key(asset), after_timestamp=since.timestamp())
    while True:
        found = instance.fetch_materializations(chosen, limit=EVENTS_PER_READ, cursor=cursor)
        for record in found.records:
            for name, number in _numbers(record).items():
                if newest or name not in LATEST:
                    counts[name] += number
            newest = False
        if not found.has_more:
            return {name: counts[name] for name in WORK if counts[name]}
        cursor = found.cursor


def _numbers(record: dg.EventLogRecord) -> dict[str, int]:
    metadata = _metadata(record)
    values = {name: getattr(metadata.get(name), "value", 0) for name in WORK}
    return {name: int(value) for name, value in values.items() if isinstance(value, int | float)}


def _best(instance: dg.DagsterInstance) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yield the first of each category, as they were ranked last."""
    records = instance.fetch_materializations(asset_key("top_selling_items"), limit=1).records
    entry = _metadata(records[0]).get("ranking") if records else None
    rows: dict[str, list[tuple[str, float]]] = {}
    for record in entry.value.records if isinstance(entry, dg.TableMetadataValue) else ():
        row: Mapping[str, Any] = record.data
        title = str(row.get("item_name") or row.get("item_code"))
        rows.setdefault(str(row.get("category")), []).append((title, float(row.get("sales_qty") or 0)))
    yield from ((category, items[:BEST_SHOWN]) for category, items in rows.items())


def _metadata(record: dg.EventLogRecord) -> Mapping[str, dg.MetadataValue]:
    event = record.asset_materialization
    return event.metadata if event else {}
