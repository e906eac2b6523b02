"""The front door: what Dagster loads.

Belongs here: putting the parts together. Nothing connects or reads the network when this is loaded.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from erp_medusa_pipelines.assets.export import build_export_assets
from erp_medusa_pipelines.orchestration.batches import batches_definition
from erp_medusa_pipelines.orchestration.jobs import build_job
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.schedules import build_schedule
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.tasks import TASKS


def build_defs(settings: Settings | None = None, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions for these settings (default: the environment's); `resources` replaces some of them in tests."""
    settings = settings or load_settings()
    batches = batches_definition(settings.export_batches)
    jobs = {task.name: build_job(task, batches) for task in TASKS}
    return dg.Definitions(
        assets=build_export_assets(batches),
        jobs=list(jobs.values()),
        schedules=[build_schedule(task, jobs[task.name], batches, settings.schedule_timezone) for task in TASKS],
        resources={"shop": ShopConnection(), **(resources or {})},
        # One run is one process: the work waits for servers, so threads inside the run do what processes would.
        executor=dg.in_process_executor,
    )


defs = build_defs()
