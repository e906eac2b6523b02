"""Two jobs for the launchpad: `plan` shows what a task would do, `sync_items` exports a few items now.

Belongs here: the jobs, their config and what the UI shows of them. They are separate jobs, not an option of the assets:
Dagster records every asset of a run as planned to be materialized, and a run that ends without doing so would hide a
failure from the retry sensor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from erp_medusa_pipelines.orchestration.item_runs import BusyError, sync_items
from erp_medusa_pipelines.orchestration.jobs import QUEUE_TAG
from erp_medusa_pipelines.orchestration.planned_runs import Plan, Scope, plan_task
from erp_medusa_pipelines.orchestration.run_failures import PERMANENT
from erp_medusa_pipelines.orchestration.shops import shop_tags
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import EXPORT, LONG, TASKS, task_named

PLAN_JOB, SYNC_JOB = "plan", "sync_items"
ROWS_SHOWN = 500
TAGS = {QUEUE_TAG: LONG.name, "dagster/max_runtime": str(LONG.max_runtime), "dagster/max_retries": "0"}

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
    items: list[str] = Field(default=[], description="Only these Website Items")


class ItemsConfig(dg.Config):
    """What to sync."""

    items: list[str] = Field(description="Names of Website Items: these are exported now, with pictures, prices, stock")


def build_plan_job(code: Code) -> dg.JobDefinition:
    """Build the job that plans and writes nothing. `code` returns the definitions whose assets are run."""

    @dg.op(description="Runs the task's assets on clients that record what they would write.")
    def make_plan(context: dg.OpExecutionContext, config: PlanConfig) -> None:
        task = task_named(config.task.value)
        scope = Scope(tuple(config.batches), tuple(config.items))
        plan = plan_task(code(), load_settings(), task, scope, instance=context.instance)
        context.add_output_metadata(_plan_metadata(plan))
        for problem in plan.problems:
            context.log.warning("would fail: %s", problem)

    @dg.job(
        name=PLAN_JOB,
        tags={**TAGS, **shop_tags()},
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
        try:
            synced = sync_items(code(), settings, context.instance, config.items, context.run_id, log)
        except (BusyError, ValueError) as error:
            raise dg.Failure(str(error), metadata={PERMANENT: True}, allow_retries=False) from error
        outcome = synced.outcome
        context.add_output_metadata({**_numbers(outcome.counts), **_tables(outcome.rejects, outcome.problems)})
        if outcome.problems:
            found = {**_numbers(outcome.counts), **_tables(outcome.rejects, ())}
            raise dg.Failure("\n".join(outcome.problems), metadata=found, allow_retries=False)

    @dg.job(
        name=SYNC_JOB,
        tags={**TAGS, **shop_tags()},
        description="Exports just these Website Items, now: products, pictures, prices, stock.",
    )
    def sync_items_job() -> None:
        export_items()

    return sync_items_job


def _plan_metadata(plan: Plan) -> dict[str, Any]:
    rows = [asdict(row) for row in plan.rows]
    shown = {"changes": _table(rows, ("system", "kind", "document", "action", "field", "old", "new"))} if rows else {}
    return {
        "would_change": len(rows),
        "digest": plan.digest,
        **_numbers(plan.counts),
        **shown,
        **_tables(plan.rejects, plan.problems),
    }


def _numbers(counts: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    rows = [
        {"asset": asset, **{key: str(value) for key, value in some.items() if value}} for asset, some in counts.items()
    ]
    columns = dict.fromkeys(key for row in rows for key in row)
    return {"counts": _table(rows, tuple(columns))} if rows else {}


def _tables(rejects: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"rejected": len(rejects)}
    if rejects:
        found["rejects"] = _table(rejects, ("asset", "document", "field", "reason", "held", "link"))
    if problems:
        found["problems"] = "\n\n".join(problems)
    return found


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dg.TableMetadataValue:
    records = [dg.TableRecord({name: str(row.get(name, "")) for name in columns}) for row in rows[:ROWS_SHOWN]]
    return dg.MetadataValue.table(records, dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]))
