"""The crontab as it is agreed on. A schedule, a queue or a limit changes on purpose here, or not at all.

To change one: change its row in tasks.py and its line in this table.
"""

import dagster as dg
import pytest

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.jobs import run_tags
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS, last_own_asset, owner_task

EXPORT = "medusa_collections medusa_categories medusa_products medusa_images medusa_product_updates"
PRICES = "medusa_customer_groups medusa_price_lists medusa_prices"

# job: cron line, queue, seconds, execution limit, runs per tick, assets
CRONTAB = {
    "export_items_and_images_custom": (
        "0 1 * * *",
        "long",
        28800,
        None,
        4,
        f"{EXPORT} {PRICES} medusa_stock medusa_publication",
    ),
    "sync_missing_prices_to_medusa": ("0 1 * * *", "default", 3600, None, 4, PRICES),
    "sync_customer_groups": ("*/15 * * * *", "default", 300, None, 1, "medusa_customer_groups"),
    "update_webitem_stock": ("0 0 * * *", "long", 1500, None, 4, "medusa_stock"),
    "add_top_selling_items_to_collection": (
        "0 1 * * *",
        "default",
        1500,
        None,
        1,
        "sales_by_item top_selling_items product_collection",
    ),
    "fetch_clearance_items": ("0 1 * * *", "default", 300, None, 1, "expiring_items best_deals"),
    "find_orphaned_products": ("0 5 * * *", "default", 1500, None, 1, "orphaned_products"),
    "send_quotation_emails": ("* * * * *", "short", 60, None, 1, "quotation_emails"),
    "expire_otps": ("* * * * *", "short", 60, None, 1, "expired_otps"),
    "send_abandoned_cart_emails": ("0 */6 * * *", "long", 1500, None, 1, "abandoned_carts"),
    "delete_expired_carts": ("30 3 * * *", "long", 1500, None, 1, "expired_carts"),
    "send_weekly_newsletter": ("0 0 * * 0", "long", 1500, None, 1, "newsletter"),
    "continue_weekly_newsletter": ("0 * * * *", "long", 1500, None, 1, "newsletter_continued"),
    "send_weekly_report": ("0 6 * * 1", "default", 300, None, 1, "weekly_report"),
    "prune_runs": ("30 4 * * *", "default", 300, None, 1, ""),
}
OTHER_JOBS = {"__ASSET_JOB", "plan", "reset_execution_limit", "sync_items"}
COMPUTED = {"sales_by_item", "top_selling_items"}
"""Assets that only read from the ERP."""

SENSORS = {"alerts", "follow_changes", "retry_failed_partitions"}


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    settings = Settings(_env_file=None, schedule_timezone="Asia/Muscat", export_batches=4)  # pyright: ignore
    return build_defs(settings).get_repository_def()


def test_rows() -> None:
    rows = {
        task.name: (
            task.cron,
            task.queue.name,
            task.seconds,
            task.execution_limit,
            4 if task.partitioned else 1,
            " ".join(task.assets),
        )
        for task in (*TASKS, *HOUSEKEEPING)
    }
    assert rows == CRONTAB


def test_jobs_and_schedules_come_from_the_rows(repository: dg.RepositoryDefinition) -> None:
    assert set(repository.job_names) == set(CRONTAB) | OTHER_JOBS
    schedules = {schedule.job_name: schedule for schedule in repository.schedule_defs}
    assert {name: schedule.cron_schedule for name, schedule in schedules.items()} == {
        name: row[0] for name, row in CRONTAB.items()
    }
    for name, schedule in schedules.items():
        assert schedule.name == f"{name}_schedule"
        assert schedule.execution_timezone == "Asia/Muscat"
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_jobs_materialize_the_assets_of_their_row_with_its_tags(repository: dg.RepositoryDefinition) -> None:
    for name, (_, queue, seconds, _, runs, assets) in CRONTAB.items():
        job = repository.get_job(name)
        assert job.tags.items() >= {"queue": queue, "dagster/max_runtime": str(seconds)}.items()
        if not assets:
            continue
        materialized = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
        assert materialized == set(assets.split())
        keys = job.partitions_def.get_partition_keys() if job.partitions_def else ["one"]
        assert len(keys) == runs


def test_every_asset_has_a_row_and_every_row_its_assets(repository: dg.RepositoryDefinition) -> None:
    known = {key.to_user_string() for key in repository.asset_graph.materializable_asset_keys}
    assert known == {asset for task in TASKS for asset in task.assets}


def test_sensors_are_off_until_somebody_turns_them_on(repository: dg.RepositoryDefinition) -> None:
    assert {sensor.name for sensor in repository.sensor_defs} == SENSORS
    assert {sensor.default_status for sensor in repository.sensor_defs} == {dg.DefaultSensorStatus.STOPPED}


def test_each_task_answers_for_an_asset_of_its_own_with_the_standing_check(repository: dg.RepositoryDefinition) -> None:
    for task in TASKS:
        asset = last_own_asset(task)
        assert owner_task(asset).name == task.name
        key = dg.AssetCheckKey(dg.AssetKey(asset), "no_partition_left_failed")
        assert key in repository.asset_graph.asset_check_keys


def test_two_runs_never_write_the_same_asset_at_once(repository: dg.RepositoryDefinition) -> None:
    """What has no batches is a singleton: one document or list, behind a pool. Batches are kept apart by their tag."""
    for key in repository.asset_graph.materializable_asset_keys:
        if key.to_user_string() in COMPUTED:
            continue
        node = repository.asset_graph.get(key)
        assert node.is_partitioned or node.pools, f"{key.to_user_string()} has neither batches nor a pool"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_run_of_a_task_says_its_queue_and_limit(task: object) -> None:
    tags = run_tags(task)  # pyright: ignore[reportArgumentType]
    assert set(tags) == {"queue", "dagster/max_runtime", "dagster/max_retries"}
