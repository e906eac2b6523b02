"""When an asset is stale: its schedule was due and has not materialized it.

An asset may be as old as the sum of the longest time between two ticks of its task, the time limit of the longest task
that materializes it, and an hour for the queue and the first retries. An asset that was never materialized is unknown,
not stale, so the first night may use its whole time limit.
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration.schedules.crontab import longest_gap
from erp_medusa_pipelines.tasks import Task, owner_task

GRACE = timedelta(hours=1)
SIGN_OF_LIFE = timedelta(hours=1)
"""Age of the last materialization after which a tick without work writes one. Not each minute: events are never
deleted."""


def window(asset: str, tasks: Sequence[Task], zone: str) -> timedelta:
    """Return how old the asset may be, given the tasks with the cron lines in force."""
    home = next(task for task in tasks if task.name == owner_task(asset).name)
    limit = max(task.seconds for task in tasks if asset in task.assets)
    longest = longest_gap(home.cron, zone) + timedelta(seconds=limit) + GRACE
    return longest + SIGN_OF_LIFE if home.gate else longest


def with_freshness(
    assets: Sequence[dg.AssetsDefinition], tasks: Sequence[Task], zone: str
) -> list[dg.AssetsDefinition]:
    """Return the assets, each with the policy of its owner task."""
    policies = {
        dg.AssetKey(asset): dg.FreshnessPolicy.time_window(fail_window=window(asset, tasks, zone))
        for asset in {asset for task in tasks for asset in task.assets}
    }
    return [
        definition.map_asset_specs(
            lambda spec: spec.replace_attributes(freshness_policy=policies[spec.key]) if spec.key in policies else spec
        )
        for definition in assets
    ]
