"""What is deleted from Dagster's storage, and when.

Belongs here: runs. Ticks are pruned by Dagster itself (`retention` in dagster.yaml). Only runs of tasks that run many
times a day are deleted, and only those that went well or were ended before they began; of each job the latest good
run stays, so that the asset keeps its last materialization. Failed runs are the history that people come back for.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration.jobs import run_tags
from erp_medusa_pipelines.orchestration.runs import DUPLICATE_OF_TAG
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS, Task

_GOOD, _CANCELED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED


def pruned_jobs() -> list[str]:
    """Jobs whose good runs are deleted after a while."""
    return [task.name for task in TASKS if task.gate] + [task.name for task in HOUSEKEEPING]


def prune(instance: dg.DagsterInstance, jobs: Iterable[str], before: datetime) -> int:
    """Delete what ended before that moment; returns the number of runs."""
    deleted = 0
    for job in jobs:
        latest = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1)
        kept = {run.run_id for run in latest}
        old = dg.RunsFilter(job_name=job, statuses=[_GOOD, _CANCELED], updated_before=before)
        for run in instance.get_runs(old):
            refused = run.status == _CANCELED and DUPLICATE_OF_TAG in run.tags
            if (run.status == _GOOD and run.run_id not in kept) or refused:
                instance.delete_run(run.run_id)
                # The captured output of a run's process lies in files of its own.
                instance.compute_log_manager.delete_logs(prefix=[run.run_id])
                deleted += 1
    return deleted


@dg.op(description="Deletes old successful runs of the tasks that run every minute.")
def delete_old_runs(context: dg.OpExecutionContext) -> None:
    days = load_settings().keep_minute_runs_days
    jobs = pruned_jobs()
    deleted = prune(context.instance, jobs, datetime.now(UTC) - timedelta(days=days))
    context.log.info("%d runs older than %d days deleted, of: %s", deleted, days, ", ".join(jobs))
    context.add_output_metadata({"deleted": deleted})


def build_prune_job(task: Task) -> dg.JobDefinition:
    """The nightly job of this housekeeping row."""

    @dg.job(name=task.name, description=task.description, tags=run_tags(task))
    def prune_runs() -> None:
        delete_old_runs()

    return prune_runs
