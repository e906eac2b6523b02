"""The check of each task that none of its batches is left failed.

Belongs here: the check, as a run evaluates it and as the retry sensor reports it between runs, because a failed run
never reaches its checks. Does not belong here: the check on rejected documents (assets/reporting.py).
"""

from collections.abc import Collection, Sequence
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.failed_parts import FailedPart, FailedState, read_state
from erp_medusa_pipelines.orchestration.run_failures import read_failure
from erp_medusa_pipelines.orchestration.shops import asset_key
from erp_medusa_pipelines.tasks import Task, last_own_asset

CHECK = "no_partition_left_failed"
DESCRIPTION = "The last run of every batch of the task succeeded. The metadata lists those that did not."
STOPPED = "stopped by hand: materialize it again, or leave it to the next tick of its schedule"


def build_check(task: Task, batches: Collection[str]) -> dg.AssetChecksDefinition:
    """Build the check, on the last asset that the task owns."""

    @dg.asset_check(asset=asset_key(last_own_asset(task)), name=CHECK, description=DESCRIPTION)
    def no_partition_left_failed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        now = read_state(context.instance, batches)
        failed, stopped = now.failed_of(task), now.stopped_of(task)
        return dg.AssetCheckResult(
            passed=not (failed or stopped), metadata=_metadata(context.instance, failed, stopped)
        )

    return no_partition_left_failed


def report_failed_parts(instance: dg.DagsterInstance, task: Task, now: FailedState) -> None:
    """Write the check's result if it differs from the last one written."""
    failed, stopped = now.failed_of(task), now.stopped_of(task)
    seen = {part.name: part.run.run_id for part in (*failed, *stopped)}
    key = f"{CHECK}/{task.name}"
    if state.load(instance, key) == seen:
        return
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=asset_key(last_own_asset(task)),
            check_name=CHECK,
            passed=not seen,
            metadata=_metadata(instance, failed, stopped),
        )
    )
    state.save(instance, key, seen)


def _metadata(
    instance: dg.DagsterInstance, failed: Sequence[FailedPart], stopped: Sequence[FailedPart]
) -> dict[str, Any]:
    reasons = {part.name: read_failure(instance, part.run.run_id).reason for part in failed}
    reasons |= {part.name: STOPPED for part in stopped}
    return {"left_failed": len(failed), "stopped_by_hand": len(stopped), **reasons}
