"""Jobs from the crontab: one per task, with its queue and time limit as run tags."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import MAX_RUNTIME_SECONDS_TAG, UnresolvedAssetJobDefinition
from erp_medusa_pipelines.orchestration.shops import SHOP_BATCH_TAG, asset_key, shop_name, shop_tags
from erp_medusa_pipelines.tasks import Queue, Task

KUBERNETES_TAG = "dagster-k8s/config"
"""Tag from which Dagster's Kubernetes launcher reads additional configuration of the run's pod."""

QUEUE_TAG = "queue"
"""dagster.yaml limits the runs of each queue by this tag."""

BATCH_TAG = "batch"
"""dagster.yaml admits one run per value of this tag. Dagster's own tag of a partition is not on runs of a backfill."""


def run_tags(task: Task) -> dict[str, str]:
    """Tags of every run of a task. Dagster itself retries none of them: one sensor does, and counts (retries.py)."""
    return {**queue_tags(task.queue), MAX_RUNTIME_SECONDS_TAG: str(task.seconds)}


def queue_tags(queue: Queue) -> dict[str, str]:
    """Tags of a run in this queue, with its time limit."""
    return {
        QUEUE_TAG: queue.name,
        MAX_RUNTIME_SECONDS_TAG: str(queue.max_runtime),
        "dagster/max_retries": "0",
        **shop_tags(),
    }


def batch_tags(batch: str | None) -> dict[str, str]:
    """Return the tags by which one run per batch is admitted, for a run that does not pass our coordinator."""
    shop = shop_name()
    return {BATCH_TAG: batch, **({SHOP_BATCH_TAG: f"{shop}/{batch}"} if shop else {})} if batch else {}


def pod_tags(task: Task, resources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What the pods of the task's runs may use, where KUBERNETES_RESOURCES says it for the task's queue."""
    found = resources.get(task.queue.name)
    return {KUBERNETES_TAG: json.dumps({"container_config": {"resources": found}})} if found else {}


def build_job(task: Task, resources: Mapping[str, Mapping[str, Any]]) -> UnresolvedAssetJobDefinition:
    """Build the job that materializes the task's assets; partitioned tasks run once per batch."""
    return dg.define_asset_job(
        task.name,
        selection=dg.AssetSelection.assets(*map(asset_key, task.assets)),
        tags={**run_tags(task), **pod_tags(task, resources)},
        description=task.description,
    )
