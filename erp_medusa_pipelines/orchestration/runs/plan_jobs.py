"""Two jobs for the launchpad: `plan` shows what a task would do, `sync_items` exports a few items now.

They are separate jobs, not an option of the assets: Dagster records every asset of a run as planned to be materialized,
and a run that ends without doing so would hide a failure from the retry sensor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration.jobs import queue_tags
from erp_medusa_pipelines.orchestration.runs.failures import PERMANENT
from erp_medusa_pipelines.orchestration.runs.item_runs import sync_items
from erp_medusa_pipelines.orchestration.runs.side_runs import Plan, Scope, plan_task
from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import refuse_beside_frappe
from erp_medusa_pipelines.orchestration.tables import table
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.sync.changes.watched import Part
from erp_medusa_pipelines.sync.engine.batches import batch_keys
from erp_medusa_pipelines.tasks import EXPORT, LONG, TASKS, task_named

PLAN_JOB, SYNC_JOB = "plan", "sync_items"
Code = Callable[[], dg.Definitions]


class TaskName(Enum):
    """The tasks of the crontab, as a choice in the launchpad."""

    _ignore_ = "task"
    for task in TASKS:
        vars()[task.name] = task.name


class PlanConfig(dg.Config):
    """What to plan. Empty lists mean all."""

    task: TaskName = Field(default=TaskName[EXPORT.name], description="The task whose next run is planned")
    batches: list[str] = Field(default=[], description="Only these batches, e.g. batch_0")
    items: list[str] = Field(default=[], description="Only these Website Items, by name or item_code")


class ItemsConfig(dg.Config):
    """What to sync."""

    items: list[str] = Field(
        default=[], description="Website Items, by name or item_code. Exported now, with pictures, prices and stock"
    )
    parts: dict[str, list[str]] = Field(
        default={},
        description="Instead: Website Item -> what of it (item, pictures, prices, stock). The sensor fills this in",
    )
    allow_losses: bool = Field(
        default=False, description="Go on although a brake says that too much of the shop would be lost"
    )


def build_plan_job(code: Code) -> dg.JobDefinition:
    """Build the job that plans and writes nothing. `code` returns the definitions whose assets are run."""

    @dg.op(description="Runs the task's assets on clients that record what they would write.")
    def make_plan(context: dg.OpExecutionContext, config: PlanConfig) -> None:
        task, settings = task_named(config.task.value), load_settings()
        try:
            scope = Scope(_batches(config.batches, settings), _items(config.items, settings))
        except ValueError as error:
            raise _refusal(error) from error
        plan = plan_task(code(), settings, task, scope, instance=context.instance)
        context.add_output_metadata(_plan_metadata(plan))
        for problem in plan.problems:
            context.log.warning("would fail: %s", problem)

    @dg.job(
        name=PLAN_JOB,
        tags=queue_tags(LONG),
        description="What the next run of a task would do, field by field. Writes nothing.",
    )
    def plan() -> None:
        make_plan()

    return plan


def build_sync_job(code: Code) -> dg.JobDefinition:
    """Build the job that exports a few items."""

    @dg.op(description="Exports the named Website Items beside the nightly runs; nothing is recorded as materialized.")
    def export_items(context: dg.OpExecutionContext, config: ItemsConfig) -> None:
        # Imported late: SQLAlchemy, which a code location does not need to be loaded.
        from erp_medusa_pipelines.orchestration.history import History

        settings, history = load_settings(), History.beside(context.instance)
        log = history.log_of(context.run_id, settings.history_days) if history else None
        record = context.instance.get_run_record_by_id(context.run_id)
        try:
            if record:
                refuse_beside_frappe(record, settings, [EXPORT])
        except PermanentError as error:
            raise dg.Failure(str(error), metadata={PERMANENT: True}, allow_retries=False) from error
        try:
            # Deleted ones cannot be looked up.
            parts = {name: [Part(part) for part in some] for name, some in config.parts.items()}
            outcome = sync_items(
                code(),
                settings,
                context.instance,
                tuple(parts) or _items(config.items, settings),
                context.run_id,
                log,
                allow_losses=config.allow_losses,
                parts=parts or None,
            )
        except ValueError as error:
            raise _refusal(error) from error
        context.add_output_metadata({**_numbers(outcome.counts), **_tables(outcome.rejects, outcome.problems)})
        if outcome.problems:
            found = {**_numbers(outcome.counts), **_tables(outcome.rejects, ())}
            raise dg.Failure("\n".join(outcome.problems), metadata=found, allow_retries=False)

    @dg.job(
        name=SYNC_JOB,
        tags=queue_tags(LONG),
        description="Exports just these Website Items, now: products, pictures, prices, stock.",
    )
    def sync_items_job() -> None:
        export_items()

    return sync_items_job


def _batches(named: Sequence[str], settings: Settings) -> tuple[str, ...]:
    """Return the batches. Raises ValueError for unknown ones, of which a plan would show no changes."""
    every = batch_keys(settings.export_batches)
    if unknown := [name for name in named if name not in every]:
        raise ValueError(f"there is no batch {', '.join(unknown)}; the batches: {', '.join(every)}")
    return tuple(named)


def _items(named: Sequence[str], settings: Settings) -> tuple[str, ...]:
    """Return the Website Items of names or item_codes. Raises ValueError for unknown ones."""
    if not named:
        return ()
    with open_shop(settings) as shop:
        return tuple(shop.website_items(named))


def _refusal(error: Exception) -> dg.Failure:
    return dg.Failure(f"Nothing was done: {error}", metadata={PERMANENT: True}, allow_retries=False)


def _plan_metadata(plan: Plan) -> dict[str, Any]:
    rows = [asdict(row) for row in plan.rows]
    shown = {"changes": table(rows, ("system", "kind", "document", "action", "field", "old", "new"))} if rows else {}
    return {
        "would_change": len(rows),
        "digest": plan.digest,
        **_numbers(plan.counts),
        **shown,
        **_tables(plan.rejects, plan.problems),
    }


def _numbers(counts: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    numbers = {asset: {key: str(value) for key, value in some.items() if value} for asset, some in counts.items()}
    columns = dict.fromkeys(("asset", *(key for some in numbers.values() for key in some)), "")
    rows = [{**columns, "asset": asset, **some} for asset, some in numbers.items()]
    return {"counts": table(rows, columns.keys())} if rows else {}


def _tables(rejects: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"rejected": len(rejects)}
    if rejects:
        found["rejects"] = table(rejects, ("asset", "document", "field", "reason", "held", "link"))
    if problems:
        found["problems"] = "\n\n".join(problems)
    return found
