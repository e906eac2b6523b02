"""Hundreds of runs of the project's assets: the definitions are built once, and only the work itself is run."""

from functools import cache

import dagster as dg

from erp_medusa_pipelines.tasks import TASKS
from tests.support.runs import JobRun, Runner

ASSETS = {task.name: [dg.AssetKey(name) for name in task.assets] for task in TASKS}


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@cache
def _work(task: str) -> dg.JobDefinition:
    # Imported late: the module reads the environment. Servers are looked up when a run opens them.
    from erp_medusa_pipelines.definitions import build_defs

    definitions, assets = build_defs(), ASSETS[task]
    work = [definitions.resolve_assets_def(key) for key in assets]
    everything = definitions.resolve_implicit_global_asset_job_def()
    return everything.get_subset(
        asset_selection=set(assets), asset_check_selection={key for asset in work for key in asset.check_keys}
    )


class QuietRunner(Runner):
    """A runner without what only evaluates past runs, such as the check for failed partitions."""

    def nightly(self, task: str, partition: str | None) -> JobRun:
        """Materialize a task's assets for one batch (None: it has none); failures do not raise."""
        result = _work(task).execute_in_process(
            partition_key=partition, instance=self.instance, run_config=QUIET, raise_on_error=False
        )
        return JobRun(result)
