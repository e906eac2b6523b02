"""Retrying what is left failed: which part, when, and how often.

A retry is one run of the task's job with the assets that are left failed or were not reached, for one batch. Its tags
name the run that it repeats and the number of the attempt, so that counting needs no state besides the runs. Nothing
else retries: Dagster's own `run_retries` counts separately, and both together would multiply the attempts.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import dropwhile

import dagster as dg

from erp_medusa_pipelines.orchestration.checks.installation import report_installation
from erp_medusa_pipelines.orchestration.checks.left_failed import report_checks
from erp_medusa_pipelines.orchestration.dagster_internals import assets_of_runs, backfilled_assets, check_keys
from erp_medusa_pipelines.orchestration.jobs import run_tags
from erp_medusa_pipelines.orchestration.partitions import batches_in_force
from erp_medusa_pipelines.orchestration.runs.failed_parts import FailedPart, read_state
from erp_medusa_pipelines.orchestration.runs.failures import RunFailure, read_failure
from erp_medusa_pipelines.orchestration.runs.work import ATTEMPT_TAG, RETRY_OF_TAG
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import ASK_TAG, reason_left_to_frappe
from erp_medusa_pipelines.orchestration.shops import asset_key
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import RETRY_SENSOR, task_named

SECONDS_BETWEEN_TICKS = 30


@dataclass(frozen=True)
class Outlook:
    """The outlook of a failed part: `due` is when it is retried, or None; `why` is the reason as text."""

    part: FailedPart
    failure: RunFailure
    attempt: int
    due: datetime | None
    why: str

    @property
    def final(self) -> bool:
        """True when there is no further automatic retry."""
        return self.due is None

    def without_retry(self) -> "Outlook":
        """Return the outlook of a part while the sensor is off."""
        return replace(self, due=None, why=f"the sensor {RETRY_SENSOR} is turned off")


def outlook(instance: dg.DagsterInstance, part: FailedPart, settings: Settings) -> Outlook:
    """Decide whether and when a failed part is retried."""
    failure = read_failure(instance, part.run.run_id)
    tag = part.run.tags.get(ATTEMPT_TAG) or ""
    attempt = int(tag) if tag.isdecimal() else 0
    ended = datetime.fromtimestamp(part.record.end_time or part.record.create_timestamp.timestamp(), UTC)
    if failure.permanent:
        return Outlook(part, failure, attempt, None, "the failure is permanent: its cause must be fixed first")
    if attempt >= settings.retry_attempts:
        return Outlook(part, failure, attempt, None, f"failed again after {attempt} retries")
    pause = max(settings.retry_delay_seconds * 2.0**attempt, failure.retry_after)
    due = ended + timedelta(seconds=pause)
    why = f"retry {attempt + 1} of {settings.retry_attempts} at {due:%H:%M:%S} UTC"
    return Outlook(part, failure, attempt, due, why)


def retry_requests(instance: dg.DagsterInstance, views: Sequence[Outlook]) -> list[dg.RunRequest]:
    """Build the runs that repeat failed parts. Their run keys allow one retry per failed run."""
    run_ids = {view.part.run.run_id for view in views}
    planned = assets_of_runs(instance, run_ids, made=False)
    made = assets_of_runs(instance, run_ids, made=True)
    nothing: set[str] = set()
    return [
        _request(view, planned.get(run_id, nothing) - made.get(run_id, nothing))
        for view in views
        if (run_id := view.part.run.run_id)
    ]


def _request(view: Outlook, not_made: Collection[str]) -> dg.RunRequest:
    """Build the run that repeats a part, of whose run these assets were `not_made`."""
    part = view.part
    # If a frame between assets is lost, the task starts with its first asset.
    assets = part.task.assets if view.failure.lost_input else part.assets | view.failure.built_on_it
    assets = {*assets, *_never_reached(part, assets, not_made)}
    return dg.RunRequest(
        run_key=f"{part.run.run_id}/{part.name}",
        job_name=part.task.name,
        partition_key=part.partition,
        asset_selection=[asset_key(asset) for asset in part.task.assets if asset in assets],
        tags={
            **run_tags(part.task),
            ATTEMPT_TAG: str(view.attempt + 1),
            RETRY_OF_TAG: part.run.run_id,
            # Whether the sensor had an answer or not.
            ASK_TAG: "yes",
        },
    )


def _never_reached(part: FailedPart, assets: Collection[str], not_made: Collection[str]) -> set[str]:
    """Assets behind the first of `assets` that the failed run did not come to.

    Another task may have made one since, as the prices' own does, but without what is retried now: a price of a product
    that was not there was left out, and the asset is green.
    """
    behind = dropwhile(lambda asset: asset not in assets, part.task.assets)
    return set(not_made).intersection(behind)


def _why_not(view: Outlook, backfilled: frozenset[str], turn_of: Callable[[str], str | None]) -> str | None:
    """Return why the part is not retried now, or None if it is."""
    if backfilled.intersection(view.part.task.assets):
        return "a backfill is running"
    if view.due is None or view.due > _now():
        return view.why
    return turn_of(view.part.task.name)


def build_retry_sensor(jobs: Sequence[object], settings: Settings) -> dg.SensorDefinition:
    """Build the one sensor for failed partitions and failed tasks."""
    batches = batches_in_force(settings)

    @dg.sensor(
        name=RETRY_SENSOR,
        jobs=jobs,  # pyright: ignore[reportArgumentType]  # asset jobs are resolved by Definitions
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Runs failed partitions and failed tasks again: after {settings.retry_delay_seconds} s, then each time"
            f" twice as long, at most {settings.retry_attempts} times. Permanent failures are not retried."
        ),
    )
    def retry_failed_partitions(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = read_state(context.instance, batches)
        asset_checks = check_keys(context.repository_def) if context.repository_def else []
        report_checks(context.instance, now, asset_checks)
        report_installation(context.instance)
        backfilled = backfilled_assets(context.instance) if now.failed else frozenset()
        # Hundreds of batches may have failed of one task: ERPNext is asked once.
        turn_of = cache(lambda name: reason_left_to_frappe(task_named(name), context.instance, _now()))
        due, reasons = [], []
        for part in now.failed:
            view = outlook(context.instance, part, settings)
            if why := _why_not(view, backfilled, turn_of):
                reasons.append(f"{part.name}: {why}")
            else:
                due.append(view)
        reasons += [f"{part.name}: stopped by hand" for part in now.stopped]
        if due:
            return dg.SensorResult(run_requests=retry_requests(context.instance, due))
        return dg.SensorResult(skip_reason="; ".join(reasons) or "nothing is left failed")

    return retry_failed_partitions


def _now() -> datetime:
    return datetime.now(UTC)
