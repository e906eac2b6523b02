"""The front door: what Dagster loads.

Nothing connects or reads the network when this is loaded.
"""

import dagster as dg

from erp_medusa_pipelines.assets import find_assets
from erp_medusa_pipelines.assets.doctypes import doctype_assets
from erp_medusa_pipelines.assets.leftovers import build_leftover_checks
from erp_medusa_pipelines.assets.links import with_links
from erp_medusa_pipelines.orchestration.checks.freshness import with_freshness
from erp_medusa_pipelines.orchestration.checks.installation import INSTALLATION_CHECKS, installation
from erp_medusa_pipelines.orchestration.checks.left_failed import build_check
from erp_medusa_pipelines.orchestration.checks.shop import shop_is_ready
from erp_medusa_pipelines.orchestration.frames import FRAMES, build_frames
from erp_medusa_pipelines.orchestration.jobs import build_job
from erp_medusa_pipelines.orchestration.partitions import batches_definition, batches_in_force
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.runs.plan_jobs import build_plan_job, build_sync_job
from erp_medusa_pipelines.orchestration.runs.retention import build_prune_job
from erp_medusa_pipelines.orchestration.schedules.build import build_schedule
from erp_medusa_pipelines.orchestration.schedules.crontab import housekeeping_in_force, tasks_in_force
from erp_medusa_pipelines.orchestration.schedules.execution_limits import limit_of, reset_execution_limit
from erp_medusa_pipelines.orchestration.sensors.follow_changes import FOLLOWED, build_changes_sensor
from erp_medusa_pipelines.orchestration.sensors.problems.sensor import build_alert_sensor
from erp_medusa_pipelines.orchestration.sensors.retries import build_retry_sensor
from erp_medusa_pipelines.orchestration.shops import for_this_shop, shop_name
from erp_medusa_pipelines.settings import Settings, SettingsError, load_settings


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """All definitions for these settings (default: the environment's)."""
    settings = settings or load_settings()
    if settings.shop_name != shop_name():
        raise SettingsError("SHOP_NAME: set it in the environment of the process; in .env alone not every part sees it")
    batches = batches_definition(settings.export_batches)
    zone = settings.schedule_timezone
    tasks, housekeeping = tasks_in_force(settings), housekeeping_in_force(settings)
    jobs = {
        **{task.name: build_job(task, settings.kubernetes_resources) for task in tasks},
        **{task.name: build_prune_job(task) for task in housekeeping},
    }
    assets = find_assets(batches)

    def code() -> dg.Definitions:
        """These definitions again: the two jobs run the assets of others."""
        return build_defs(settings)

    sync_job = build_sync_job(code)
    followed = [sync_job, *(jobs[task.name] for task in tasks if task.name in FOLLOWED)]
    return dg.Definitions(
        assets=for_this_shop(
            with_links(with_freshness(assets, tasks, zone), [*doctype_assets(assets), installation], settings)
        ),
        asset_checks=[
            *(build_check(task, batches_in_force(settings)) for task in tasks),
            *build_leftover_checks(assets),
            *INSTALLATION_CHECKS,
            shop_is_ready,
        ],
        jobs=[*jobs.values(), reset_execution_limit, build_plan_job(code), sync_job],
        schedules=[
            build_schedule(task, jobs[task.name], batches, zone, limit_of(task, settings))
            for task in (*tasks, *housekeeping)
        ],
        sensors=[
            build_retry_sensor([jobs[task.name] for task in tasks], settings),
            build_changes_sensor(followed, settings),
            build_alert_sensor(),
        ],
        resources={"shop": ShopConnection(), FRAMES: build_frames(settings)},
        # One run is one process: the work waits for servers, so threads inside the run do what processes would.
        executor=dg.in_process_executor,
    )


defs = build_defs()
