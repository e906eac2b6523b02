"""When an asset counts as stale."""

from datetime import timedelta

import pytest
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.checks.freshness import window as longest_age
from erp_medusa_pipelines.orchestration.schedules.crontab import longest_gap, tasks_in_force
from erp_medusa_pipelines.settings import Settings


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, schedule_timezone="Asia/Muscat", **values)  # pyright: ignore


def window(asset: str, **crons: str) -> timedelta:
    return longest_age(asset, tasks_in_force(settings(schedules=crons)), "Asia/Muscat")


@pytest.mark.parametrize(
    ("cron", "zone", "gap"),
    [
        ("* * * * *", "UTC", timedelta(minutes=1)),
        ("*/5 * * * *", "UTC", timedelta(minutes=5)),
        ("*/5 9-17 * * 1-5", "Asia/Muscat", timedelta(days=2, hours=15, minutes=5)),
        ("0 */6 * * *", "Asia/Muscat", timedelta(hours=6)),
        ("0 1 * * *", "Asia/Muscat", timedelta(days=1)),
        ("0 1 * * *", "Europe/Berlin", timedelta(days=1, hours=1)),
        ("0 1 * * 1", "Asia/Muscat", timedelta(weeks=1)),
        ("0 1 1 * *", "Asia/Muscat", timedelta(days=31)),
        ("@daily", "Asia/Muscat", timedelta(days=1)),
    ],
)
def test_the_longest_time_between_two_ticks(cron: str, zone: str, gap: timedelta) -> None:
    assert longest_gap(cron, zone) == gap


def test_an_asset_may_be_as_old_as_its_schedule_its_time_limit_and_an_hour_allow() -> None:
    assert window("expiring_items") == timedelta(days=1, minutes=5, hours=1)
    assert window("medusa_products") == timedelta(days=1, hours=8 + 1)
    assert window("medusa_products", export_items_and_images_custom="0 1 * * 1") == timedelta(days=7, hours=8 + 1)


def test_what_a_longer_task_makes_too_may_wait_for_that_one() -> None:
    """Its batch is in use while the export runs."""
    assert window("medusa_stock") == timedelta(days=1, hours=8 + 1)
    assert window("medusa_stock", update_webitem_stock="0 */6 * * *") == timedelta(hours=6 + 8 + 1)


def test_a_minute_task_gives_a_sign_of_life_within_its_window() -> None:
    assert window("expired_otps") == timedelta(hours=2, minutes=2)


def test_every_asset_has_the_policy_of_the_task_that_answers_for_it() -> None:
    graph = build_defs(settings()).get_repository_def().asset_graph
    for key in graph.materializable_asset_keys:
        policy = graph.get(key).freshness_policy
        assert isinstance(policy, TimeWindowFreshnessPolicy)
        assert policy.fail_window.to_timedelta() == window(key.to_user_string()), key
