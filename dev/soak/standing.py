"""How an installation stands: asked through its API, as an operator's browser does."""

from collections.abc import Sequence

from dev.deployment import Deployment
from dev.soak.verdict import Standing
from erp_medusa_pipelines.tasks import TASKS

ACTIVE = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]
BATCHED = ("medusa_products", "medusa_images", "medusa_product_updates", "medusa_prices", "medusa_stock")


def red_batches(deployment: Deployment) -> list[str]:
    """Batches whose last attempt failed."""
    return [f"{asset}[{batch}]" for asset in BATCHED for batch in deployment.partitions(asset)["red"]]


def active_runs(deployment: Deployment) -> list[str]:
    """Runs that have not ended."""
    return [f"{run['runId'][:8]} of {run['jobName']} ({run['status']})" for run in deployment.runs(statuses=ACTIVE)]


def standing(deployment: Deployment, alerts: Sequence[str]) -> Standing:
    """All that the verdict asks for, when no run is left."""
    assets = {asset: deployment.checks(asset) for asset in {asset for task in TASKS for asset in task.assets}}
    partitions = {asset: deployment.partitions(asset) for asset in BATCHED}
    return Standing(
        red=[
            *red_batches(deployment),
            *(f"{asset} as a whole" for asset, batches in partitions.items() if len(batches["green"]) < 4),
        ],
        failing_checks=[
            f"{name} of {asset}" for asset, checks in assets.items() for name, it in checks.items() if it == "FAILED"
        ],
        active_runs=active_runs(deployment),
        slots_held=deployment.slots_held(),
        alerts=alerts,
    )
