"""The two instance files: `dagster.yaml` (one machine) and `deploy/dagster.yaml` (PostgreSQL).

That Dagster accepts both, that they agree, and that the limits mean what the queues promise.
"""

import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance.ref import InstanceRef
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration
from dagster._daemon.monitoring.run_monitoring import monitor_starting_run

# The daemon decides with this class which queued run may start. It is private, and pinned with Dagster itself.
from dagster._utils.tags import TagConcurrencyLimitsCounter
from dagster_postgres.utils import create_pg_engine

from erp_medusa_pipelines.orchestration.jobs import BATCH_TAG, QUEUE_TAG
from erp_medusa_pipelines.orchestration.run_coordinator import TaskRunCoordinator
from erp_medusa_pipelines.orchestration.run_launcher import WatchingRunLauncher
from erp_medusa_pipelines.tasks import DEFAULT, LONG, SHORT

ROOT = Path(__file__).resolve().parents[3]
LOCAL = ROOT / "dagster.yaml"
PRODUCTION = ROOT / "deploy" / "dagster.yaml"
QUEUES = {queue.name for queue in (SHORT, DEFAULT, LONG)}


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    shutil.copy(LOCAL, tmp_path / "dagster.yaml")
    with DagsterInstance.from_config(str(tmp_path)) as loaded:
        yield loaded


def limits(instance: DagsterInstance, running: list[dict[str, str]]) -> TagConcurrencyLimitsCounter:
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    return TagConcurrencyLimitsCounter(queue.tag_concurrency_limits, [run(tags) for tags in running])


def run(tags: dict[str, str]) -> DagsterRun:
    return DagsterRun(job_name="any", tags=tags)


def test_the_two_files_differ_in_storage_alone() -> None:
    production = read(PRODUCTION)
    assert set(production.pop("storage")) == {"postgres"}
    assert production == read(LOCAL)


def test_one_machine_keeps_its_history_in_sqlite_below_dagster_home(instance: DagsterInstance, tmp_path: Path) -> None:
    assert Path(instance.root_directory) == tmp_path
    assert "Sqlite" in type(instance.run_storage).__name__
    assert instance.is_persistent


def test_production_keeps_its_history_in_the_database_that_the_environment_names(tmp_path: Path) -> None:
    shutil.copy(PRODUCTION, tmp_path / "dagster.yaml")
    # Loading the reference validates the whole file; opening the instance would connect to the database.
    reference = InstanceRef.from_dir(str(tmp_path))
    assert reference.storage_data is not None
    assert reference.storage_data.class_name == "DagsterPostgresStorage"
    assert reference.storage_data.config_dict == {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}


def test_the_database_driver_for_production_comes_with_the_package() -> None:
    # SQLAlchemy imports the driver here, long before it connects.
    assert create_pg_engine("postgresql://db.example.com/dagster").driver == "psycopg2"


@pytest.mark.parametrize("queue", sorted(QUEUES))
def test_each_queue_runs_two_at_a_time_and_holds_up_no_other(instance: DagsterInstance, queue: str) -> None:
    assert not limits(instance, [{QUEUE_TAG: queue}]).is_blocked(run({QUEUE_TAG: queue}))
    full = limits(instance, [{QUEUE_TAG: queue}, {QUEUE_TAG: queue}])
    assert full.is_blocked(run({QUEUE_TAG: queue}))
    for other in QUEUES - {queue}:
        assert not full.is_blocked(run({QUEUE_TAG: other}))


def test_two_runs_never_work_on_the_same_batch_at_once(instance: DagsterInstance) -> None:
    one_batch_busy = limits(instance, [{QUEUE_TAG: LONG.name, BATCH_TAG: "batch_0"}])
    assert one_batch_busy.is_blocked(run({QUEUE_TAG: DEFAULT.name, BATCH_TAG: "batch_0"}))
    assert one_batch_busy.is_blocked(run({BATCH_TAG: "batch_0"})), "launched from an asset's page: no queue"
    assert not one_batch_busy.is_blocked(run({QUEUE_TAG: DEFAULT.name, BATCH_TAG: "batch_1"}))


def test_all_queues_full_fit_into_the_runs_allowed_at_once(instance: DagsterInstance) -> None:
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    per_queue = [limit["limit"] for limit in queue.tag_concurrency_limits if limit["key"] == QUEUE_TAG]
    assert len(per_queue) == len(QUEUES)
    assert queue.max_concurrent_runs == sum(per_queue)


def test_dead_runs_are_found_and_give_their_slots_back(instance: DagsterInstance) -> None:
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] > 0
    pools = instance.get_concurrency_config().pool_config
    assert pools.default_pool_limit == 1


def test_runs_are_watched_for_signs_of_life(instance: DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, WatchingRunLauncher)
    assert instance.run_launcher.supports_check_run_worker_health


def test_nothing_but_the_sensor_retries(instance: DagsterInstance) -> None:
    assert not instance.run_retries_enabled


def test_every_kind_of_tick_is_pruned_some_day(instance: DagsterInstance) -> None:
    for kind in (InstigatorType.SCHEDULE, InstigatorType.SENSOR):
        days = instance.get_tick_retention_settings(kind)
        assert days
        assert all(kept > 0 for kept in days.values())


def test_nothing_is_reported_to_anybody(instance: DagsterInstance) -> None:
    assert instance.telemetry_enabled is False


def test_every_start_goes_through_the_crontabs_own_coordinator(instance: DagsterInstance) -> None:
    assert isinstance(instance.run_coordinator, TaskRunCoordinator)
    assert instance.run_coordinator.dequeue_interval_seconds == 2


def test_the_pool_slot_of_a_dead_run_is_freed(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = "medusa_collections"
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default(pool)
    dead = instance.add_run(DagsterRun(job_name="any"))
    assert storage.claim_concurrency_slot(pool, dead.run_id, "step").is_claimed
    assert not storage.claim_concurrency_slot(pool, "another run", "step").is_claimed
    instance.report_run_failed(dead)

    def freed() -> bool:
        daemon: Any = SimpleNamespace(instance=instance)
        list(execute_concurrency_slots_iteration(daemon, logging.getLogger("test")))
        return storage.get_concurrency_info(pool).active_slot_count == 0

    assert not freed(), "not at once: its process may still be ending"
    later = datetime.now(UTC) + timedelta(minutes=2)
    monkeypatch.setattr("dagster._daemon.monitoring.concurrency.get_current_datetime", lambda: later)
    assert freed()


def test_a_run_that_never_starts_is_found_and_failed(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = instance.add_run(DagsterRun(job_name="any"))
    record = instance.get_run_record_by_id(lost.run_id)
    assert record
    later = datetime.now(UTC).timestamp() + 200
    monkeypatch.setattr("dagster._daemon.monitoring.run_monitoring.get_current_timestamp", lambda: later)
    monitor_starting_run(instance, record, logging.getLogger("test"))
    found = instance.get_run_by_id(lost.run_id)
    assert found
    assert found.status == DagsterRunStatus.FAILURE


def test_stale_assets_are_looked_for(instance: DagsterInstance) -> None:
    assert instance.freshness_enabled
