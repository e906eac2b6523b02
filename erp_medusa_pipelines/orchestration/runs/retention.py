"""What is deleted from Dagster's storage, and when.

Dagster itself prunes ticks (`retention` in dagster.yaml). Only runs of tasks that run many times a day are deleted:
successful, failed and refused ones. Of each job the latest successful run stays, so that the asset keeps its last
materialization, and the first and latest failed runs, which show the beginning and the present state of a failure.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import delete_output
from erp_medusa_pipelines.orchestration.jobs import run_tags
from erp_medusa_pipelines.orchestration.runs.work import DUPLICATE_OF_TAG
from erp_medusa_pipelines.orchestration.shops import shop_tags
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS, Task

_GOOD, _FAILED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
_CANCELED = dg.DagsterRunStatus.CANCELED


def pruned_jobs() -> list[str]:
    """Return the jobs whose old runs are deleted."""
    return [task.name for task in TASKS if task.gate] + [task.name for task in HOUSEKEEPING]


def prune(instance: dg.DagsterInstance, jobs: Iterable[str], before: datetime) -> int:
    """Delete runs that ended before that time. Returns their number."""
    deleted = 0
    for job in jobs:
        kept = {run.run_id for status in (_GOOD, _FAILED) for run in _newest(instance, job, status)}
        failed = instance.get_runs(
            dg.RunsFilter(job_name=job, tags=shop_tags(), statuses=[_FAILED]), ascending=True, limit=1
        )
        kept |= {run.run_id for run in failed}
        old = dg.RunsFilter(job_name=job, tags=shop_tags(), statuses=[_GOOD, _FAILED, _CANCELED], updated_before=before)
        for run in instance.get_runs(old):
            stopped_by_hand = run.status == _CANCELED and not run.tags.get(DUPLICATE_OF_TAG)
            if run.run_id in kept or stopped_by_hand:
                continue
            instance.delete_run(run.run_id)
            # The captured output of a run's process is in separate files.
            delete_output(instance, run.run_id)
            deleted += 1
    return deleted


def _newest(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus) -> Sequence[dg.DagsterRun]:
    return instance.get_runs(dg.RunsFilter(job_name=job, tags=shop_tags(), statuses=[status]), limit=1)


@dg.op(description="Deletes old runs of the tasks that run every minute.")
def delete_old_runs(context: dg.OpExecutionContext) -> None:
    """Delete old runs and their captured output."""
    days = load_settings().keep_minute_runs_days
    jobs = pruned_jobs()
    deleted = prune(context.instance, jobs, datetime.now(UTC) - timedelta(days=days))
    context.log.info("%d runs older than %d days deleted, of: %s", deleted, days, ", ".join(jobs))
    context.add_output_metadata({"deleted": deleted})


def build_prune_job(task: Task) -> dg.JobDefinition:
    """Build the nightly job of this housekeeping row."""

    @dg.job(name=task.name, description=task.description, tags=run_tags(task))
    def prune_runs() -> None:
        delete_old_runs()

    return prune_runs
