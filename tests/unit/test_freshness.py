"""When an asset counts as stale."""

from dataclasses import replace

import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.freshness import freshness_policy
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import TASKS, home_of

NIGHTLY = next(task for task in TASKS if task.cron == "0 1 * * *")
MINUTE = next(task for task in TASKS if task.cron == "* * * * *")


@pytest.mark.parametrize(
    ("cron", "seconds", "deadline", "window"),
    [
        ("0 1 * * *", 300, "5 2 * * *", 65 * 60),
        ("0 1 * * *", 28800, "0 10 * * *", 9 * 3600),
        ("30 23 * * *", 1500, "55 0 * * *", 85 * 60),
    ],
)
def test_a_nightly_task_must_have_delivered_by_its_start_plus_its_limit_and_an_hour(
    cron: str, seconds: int, deadline: str, window: int
) -> None:
    policy = freshness_policy(replace(NIGHTLY, cron=cron, max_runtime=seconds), "Asia/Muscat")
    assert isinstance(policy, CronFreshnessPolicy)
    assert (policy.deadline_cron, policy.timezone) == (deadline, "Asia/Muscat")
    assert policy.lower_bound_delta.total_seconds() == window


def test_a_minute_task_must_have_been_asked_within_two_hours() -> None:
    policy = freshness_policy(MINUTE, "UTC")
    assert isinstance(policy, TimeWindowFreshnessPolicy)
    assert policy.fail_window.to_timedelta().total_seconds() == 7200


def test_every_asset_has_the_policy_of_the_task_that_answers_for_it() -> None:
    settings = Settings(_env_file=None, schedule_timezone="Asia/Muscat")  # pyright: ignore
    graph = build_defs(settings).get_repository_def().asset_graph
    for key in graph.get_all_asset_keys():
        policy = graph.get(key).freshness_policy
        assert policy == freshness_policy(home_of(key.to_user_string()), "Asia/Muscat"), key
