"""When an asset counts as stale: its schedule was due and has not delivered.

Belongs here: the policy that follows from cron line and time limits, and how often a task that was asked and had
nothing to do gives a sign of life. An asset may be as old as the longest time between two ticks of its task, the time
limit of the longest task that makes it, and an hour for waiting in the queue and the first retries. An asset that was
never made is not stale but unknown, so the first night may take as long as it is allowed to.
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration.crontab import longest_gap
from erp_medusa_pipelines.tasks import Task, owner_task

GRACE = timedelta(hours=1)
SIGN_OF_LIFE = timedelta(hours=1)
"""How old the last delivery may get before a tick with nothing to do writes one by itself. Not each minute: events are
kept for good."""


def freshness_policy(asset: str, tasks: Sequence[Task], zone: str) -> dg.FreshnessPolicy:
    """The policy of an asset, given the tasks with the cron lines in force."""
    home = next(task for task in tasks if task.name == owner_task(asset).name)
    limit = max(task.seconds for task in tasks if asset in task.assets)
    window = longest_gap(home.cron, zone) + timedelta(seconds=limit) + GRACE
    if home.gate:
        window += SIGN_OF_LIFE
    return dg.FreshnessPolicy.time_window(fail_window=window)


def with_freshness(
    assets: Sequence[dg.AssetsDefinition], tasks: Sequence[Task], zone: str
) -> list[dg.AssetsDefinition]:
    """The assets, each with the policy of the task that it is at home in."""
    policies = {
        dg.AssetKey(asset): freshness_policy(asset, tasks, zone) for asset in {a for task in tasks for a in task.assets}
    }
    return [
        definition.map_asset_specs(
            lambda spec: spec.replace_attributes(freshness_policy=policies[spec.key]) if spec.key in policies else spec
        )
        for definition in assets
    ]
