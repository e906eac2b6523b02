"""When an asset counts as stale: its schedule was due and has not delivered.

Belongs here: the policy that follows from a task's cron line and time limit, and the sign of life of a task that was
asked and had nothing to do. A nightly task must have delivered by its start plus its time limit, and an hour for
waiting in the queue and the first retries. A task that runs many
times a day must have been asked within two hours.
"""

import re
from datetime import timedelta

import dagster as dg

from erp_medusa_pipelines.tasks import Task, home_of

DAY = 24 * 60
GRACE = 60
WINDOW = timedelta(hours=2)
SIGN_OF_LIFE = timedelta(hours=1)
"""How old the last delivery may get before a tick with nothing to do writes one by itself. Not each minute: events are
kept for good."""

_DAILY = re.compile(r"(\d+) (\d+) \* \* \*")


def runs_daily(task: Task) -> bool:
    """Whether the task has one moment of the day, rather than many."""
    return _DAILY.fullmatch(task.cron) is not None


def freshness_policy(task: Task, zone: str) -> dg.FreshnessPolicy:
    """The policy of every asset of the task."""
    daily = _DAILY.fullmatch(task.cron)
    if not daily:
        return dg.FreshnessPolicy.time_window(fail_window=WINDOW)
    limit = min(-(-task.seconds // 60) + GRACE, DAY - 1)
    deadline = (int(daily[2]) * 60 + int(daily[1]) + limit) % DAY
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{deadline % 60} {deadline // 60} * * *",
        lower_bound_delta=timedelta(minutes=limit),
        timezone=zone,
    )


def with_freshness(assets: list[dg.AssetsDefinition], tasks: tuple[Task, ...], zone: str) -> list[dg.AssetsDefinition]:
    """The assets, each with the policy of the task that it is at home in."""
    policies = {dg.AssetKey(asset): freshness_policy(home_of(asset), zone) for task in tasks for asset in task.assets}
    return [
        definition.map_asset_specs(
            lambda spec: spec.replace_attributes(freshness_policy=policies[spec.key]) if spec.key in policies else spec
        )
        for definition in assets
    ]
