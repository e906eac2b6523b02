"""The check of each task that none of its batches is left failed, and marks of checks that outlive their reason.

The check, as a run evaluates it and as the retry sensor reports it between runs, because a failed run never reaches its
checks.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import Verdict, verdicts
from erp_medusa_pipelines.orchestration.runs.failed_parts import FAILURE, FailedPart, FailedState, read_state
from erp_medusa_pipelines.orchestration.runs.failures import read_failure
from erp_medusa_pipelines.orchestration.runs.work import partition_of
from erp_medusa_pipelines.orchestration.shops import asset_key, asset_name
from erp_medusa_pipelines.tasks import TASKS, Task, last_own_asset

CHECK = "no_partition_left_failed"
DESCRIPTION = "The last run of every batch of the task succeeded. The metadata lists those that did not."
STOPPED = "stopped by hand: materialize it again, or leave it to the next tick of its schedule"

NOTHING_LEFT = "nothing_left"
"""The check that fails a run which leaves documents for a retry (assets/leftovers.py)."""


def build_check(task: Task, batches: Collection[str]) -> dg.AssetChecksDefinition:
    """Build the check, on the last asset that the task owns."""

    @dg.asset_check(asset=asset_key(last_own_asset(task)), name=CHECK, description=DESCRIPTION)
    def no_partition_left_failed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = _result(context.instance, task, read_state(context.instance, batches, task.assets))
        return dg.AssetCheckResult(passed=found.passed, metadata=found.metadata)

    return no_partition_left_failed


def report_checks(instance: dg.DagsterInstance, now: FailedState, keys: Sequence[dg.AssetCheckKey]) -> None:
    """Write anew what the checks say where it is not so any more; `keys` are the checks of the code location.

    A killed run leaves "Execution failed" on each check that it was to evaluate. The retry continues behind what was
    materialized, so nothing would take that mark away before the next night.
    """
    found = verdicts(instance, keys)
    left_failed = {dg.AssetCheckKey(asset_key(last_own_asset(task)), CHECK): task for task in TASKS}
    for key, task in left_failed.items():
        before, result = found.get(key), _result(instance, task, now)
        same = before and before.evaluation and _said(before.evaluation) == _said(result)
        if not (same or (before is None and result.passed)) or (before and _is_stale(instance, before)):
            instance.report_runless_asset_event(result)
    for key, verdict in found.items():
        if key not in left_failed and _is_stale(instance, verdict):
            result = _left(instance, key, now) if key.name == NOTHING_LEFT else verdict.evaluation
            if result:
                instance.report_runless_asset_event(_without_run(result))


def _is_stale(instance: dg.DagsterInstance, verdict: Verdict) -> bool:
    """Return whether the run that was to evaluate the check has ended without doing so."""
    run = instance.get_run_by_id(verdict.unevaluated) if verdict.unevaluated else None
    return verdict.unevaluated is not None and (run is None or run.is_finished)


def _left(instance: dg.DagsterInstance, key: dg.AssetCheckKey, now: FailedState) -> dg.AssetCheckEvaluation:
    """Return what "nothing left" says of an asset: the batches whose latest run did not finish it, with the reason."""
    asset = asset_name(key.asset_key)
    open_ = {batch or "": record.dagster_run for (name, batch), record in now.unsettled.items() if name == asset}
    reasons = {
        partition_of(run) or batch or asset: read_failure(instance, run.run_id).reason
        if run.status == FAILURE
        else f"run {run.run_id} is {run.status.value.lower()}"
        for batch, run in open_.items()
    }
    return dg.AssetCheckEvaluation(asset_key=key.asset_key, check_name=key.name, passed=not open_, metadata=reasons)


def _without_run(result: dg.AssetCheckEvaluation) -> dg.AssetCheckEvaluation:
    """Return the same result without the materialization that it judged: it is reported beside any run."""
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )


def _result(instance: dg.DagsterInstance, task: Task, now: FailedState) -> dg.AssetCheckEvaluation:
    failed, stopped = now.failed_of(task), now.stopped_of(task)
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(last_own_asset(task)),
        check_name=CHECK,
        passed=not (failed or stopped),
        metadata=_metadata(instance, failed, stopped),
    )


def _said(result: dg.AssetCheckEvaluation) -> tuple[bool, dict[str, Any]]:
    return result.passed, {name: entry.value for name, entry in result.metadata.items()}


def _metadata(
    instance: dg.DagsterInstance, failed: Iterable[FailedPart], stopped: Iterable[FailedPart]
) -> dict[str, Any]:
    reasons = {part.name: read_failure(instance, part.run.run_id).reason for part in failed}
    stopped_by_hand = {part.name: STOPPED for part in stopped}
    counts = {"left_failed": len(reasons), "stopped_by_hand": len(stopped_by_hand)}
    return {**counts, **reasons, **stopped_by_hand}
