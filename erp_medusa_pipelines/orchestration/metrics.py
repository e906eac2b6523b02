"""The installation in numbers, in the form that Prometheus reads.

Runs are processes that end, so none of them is asked: what they left in Dagster's storage is counted.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from erp_medusa_pipelines.orchestration import rate_limits
from erp_medusa_pipelines.orchestration.checks.rejects import NUMBER, read_rejects
from erp_medusa_pipelines.orchestration.runs.work import active_runs, tasks_of
from erp_medusa_pipelines.orchestration.sensors.follow_changes import changes_waiting
from erp_medusa_pipelines.orchestration.shops import asset_key, shop_name, shop_of, shop_tags
from erp_medusa_pipelines.tasks import ALL_ASSETS, TASKS, owner_task

ITEM_COUNTS = ("found", "written", "adopted", "updated", "unchanged", "sent", "waiting", "left", NUMBER)
"""Numbers of documents that assets report with each materialization."""

EVENTS_PER_READ = 500
LONGEST_LOOK_BACK = timedelta(days=1)
"""Runs that ended before are in no metric of outcomes."""

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class Metrics(Collector):
    """Metrics of one shop, read anew at each scrape. Counters begin at zero when this object is made."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._assets = ALL_ASSETS
        self._seen = {asset: _newest(instance, asset) for asset in self._assets}
        self._totals: dict[str, Counter[str]] = {asset: Counter() for asset in self._assets}
        self._rejects: dict[str, float] = {}
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric. Raises the storage's error where it does not answer: the scrape fails then."""
        with self._lock:
            for asset in self._assets:
                self._read_new(asset)
            totals = {asset: Counter(counts) for asset, counts in self._totals.items()}
            # While a run waits or works its check has no result: the one before holds until then.
            self._rejects.update((found.asset, found.number) for found in read_rejects(self._instance))
            rejects = dict(self._rejects)
        yield from _work(totals)
        own = [record for record in active_runs(self._instance) if shop_of(record.dagster_run) == shop_name()]
        yield from queues(own, datetime.now(UTC))
        yield from self._outcomes()
        waiting = changes_waiting(self._instance)
        lag = GaugeMetricFamily("erp_medusa_changes_lag_seconds", "How long the oldest followed change has waited")
        lag.add_metric([], (datetime.now(UTC) - waiting[0]).total_seconds() if waiting else 0.0)
        yield lag
        limits = rate_limits.known(self._instance)
        left = {name: limits[name].share if name in limits else 1.0 for name in rate_limits.SERVERS}
        yield _gauge("erp_medusa_rate_limit_left_ratio", "What is left of a server's rate limit", "server", left)
        yield _gauge("erp_medusa_rejects", "Documents that a server refuses now", "asset", rejects)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering does not read the storage."""
        return ()

    def _read_new(self, asset: str) -> None:
        """Add up the materializations since the last look, oldest first."""
        while True:
            chosen = dg.AssetRecordsFilter(asset_key(asset), after_storage_id=self._seen[asset])
            found = self._instance.fetch_materializations(chosen, limit=EVENTS_PER_READ, ascending=True)
            for record in found.records:
                self._seen[asset] = record.storage_id
                self._totals[asset].update(_numbers(record))
            if not found.has_more:
                return

    def _outcomes(self) -> Iterator[Metric]:
        since = datetime.now(UTC) - LONGEST_LOOK_BACK
        runs = GaugeMetricFamily("erp_medusa_runs_last_day", "Runs of the last 24 hours", labels=["task", "status"])
        success: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for task in TASKS:
            for status in ENDED:
                chosen = dg.RunsFilter(job_name=task.name, tags=shop_tags(), statuses=[status], updated_after=since)
                runs.add_metric([task.name, status.value.lower()], self._instance.get_runs_count(chosen))
            done = dg.RunsFilter(job_name=task.name, tags=shop_tags(), statuses=[dg.DagsterRunStatus.SUCCESS])
            for record in self._instance.get_run_records(done, limit=1):
                if record.start_time and record.end_time:
                    success[task.name] = record.end_time
                    seconds[task.name] = record.end_time - record.start_time
            # A task that had no work for hours, or never, has started no run: its ticks say each hour that they asked.
            asked = self._instance.get_latest_materialization_event(asset_key(task.assets[-1])) if task.gate else None
            if asked:
                success[task.name] = max(asked.timestamp, success.get(task.name, 0.0))
                seconds.setdefault(task.name, 0.0)
        yield runs
        name = "erp_medusa_last_success_timestamp_seconds"
        yield _gauge(name, "When the newest successful run ended, or a tick found no work", "task", success)
        yield _gauge("erp_medusa_last_success_seconds", "How long that run took", "task", seconds)


def _work(totals: Mapping[str, Counter[str]]) -> Iterator[Metric]:
    labels = ["task", "asset"]
    items = CounterMetricFamily("erp_medusa_items", "Documents, by outcome", labels=[*labels, "outcome"])
    done = CounterMetricFamily("erp_medusa_materializations", "Times that the asset was materialized", labels=labels)
    requests = CounterMetricFamily("erp_medusa_requests", "Requests to ERPNext and Medusa", labels=labels)
    seconds = CounterMetricFamily("erp_medusa_work_seconds", "Seconds of work", labels=labels)
    for asset, counts in totals.items():
        own = [owner_task(asset).name, asset]
        done.add_metric(own, counts["materializations"])
        requests.add_metric(own, counts["requests"])
        seconds.add_metric(own, counts["seconds"])
        for outcome in ITEM_COUNTS:
            items.add_metric([*own, outcome], counts[outcome])
    yield from (items, done, requests, seconds)


def queues(records: Iterable[dg.RunRecord], now: datetime) -> Iterator[Metric]:
    """Yield what runs wait and work, for every task: a panel without a line would look like a dead exporter."""
    waiting, working, ages = Counter[str](), Counter[str](), defaultdict[str, float](float)
    for record in records:
        queued = record.dagster_run.status == dg.DagsterRunStatus.QUEUED
        for task in tasks_of(record.dagster_run):
            (waiting if queued else working)[task.name] += 1
            if queued:
                age = (now - record.create_timestamp.replace(tzinfo=UTC)).total_seconds()
                ages[task.name] = max(ages[task.name], age)
    names = [task.name for task in TASKS]
    for name, text, values in (
        ("erp_medusa_queued_runs", "Runs that wait in the queue", waiting),
        ("erp_medusa_active_runs", "Runs that are starting or running", working),
        ("erp_medusa_queue_age_seconds", "How long the oldest run has waited in the queue", ages),
    ):
        yield _gauge(name, text, "task", {task: values[task] for task in names})


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        gauge.add_metric([key], value)
    return gauge


def _newest(instance: dg.DagsterInstance, asset: str) -> int:
    records = instance.fetch_materializations(asset_key(asset), limit=1).records
    return records[0].storage_id if records else 0


def _numbers(record: dg.EventLogRecord) -> Counter[str]:
    event = record.asset_materialization
    metadata = event.metadata if event else {}
    counts: Counter[str] = Counter(materializations=1)
    for name in (*ITEM_COUNTS, "requests", "seconds"):
        value = getattr(metadata.get(name), "value", 0)
        if isinstance(value, int | float):
            counts[name] = value  # pyright: ignore[reportArgumentType] - seconds are fractions
    return counts
