"""The execution limit of a schedule, with the meaning of Medusa's `numberOfExecutions`.

Dagster has none, and whoever knows a Medusa job's expects it here. Runs started by hand, by a backfill or by the retry
sensor do not count. The count is stored in the instance's key-value table, so it survives restarts and the pruning of
runs and ticks. To start it again: raise the limit, or run the job `reset_execution_limit` for the task, and turn the
schedule on.
"""

from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.dagster_internals import instigators
from erp_medusa_pipelines.orchestration.shops import shop_tags
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import TASKS, Task

RESET_JOB = "reset_execution_limit"


@dataclass(frozen=True)
class ExecutionLimit:
    """Counts the scheduled executions of one task."""

    task: str
    limit: int

    def used(self, instance: dg.DagsterInstance) -> int:
        """Return the number of scheduled executions so far."""
        return int(state.load(instance, self._key).get("executions") or 0)

    def reached(self, instance: dg.DagsterInstance, tick: datetime) -> bool:
        """Return whether the limit is reached. A tick repeated after a crash may still start its run."""
        kept = state.load(instance, self._key)
        return int(kept.get("executions") or 0) >= self.limit and kept.get("tick") != tick.isoformat()

    def count(self, instance: dg.DagsterInstance, tick: datetime) -> None:
        """Count a tick that starts a run; the same tick counts once."""
        kept = state.load(instance, self._key)
        if kept.get("tick") != tick.isoformat():
            executions = int(kept.get("executions") or 0) + 1
            state.save(instance, self._key, {"executions": executions, "tick": tick.isoformat()})

    def reset(self, instance: dg.DagsterInstance) -> None:
        """Reset the count to zero."""
        state.save(instance, self._key, {})

    @property
    def _key(self) -> str:
        return f"executions/{self.task}"


def limit_of(task: Task, settings: Settings) -> ExecutionLimit | None:
    """Return the limit in force: the setting's, else that of the crontab's row, else None."""
    limit = settings.execution_limits.get(task.name, task.execution_limit)
    return ExecutionLimit(task.name, limit) if limit is not None else None


def stop_schedule(instance: dg.DagsterInstance, schedule_name: str) -> None:
    """Turn a schedule off, as an operator would in the UI.

    It is called during the schedule's own tick and may need a second one: once an hour the scheduler writes back the
    state that it read before the tick.
    """
    for stored in instigators(instance):
        if stored.kind == "schedule" and stored.name == schedule_name:
            stored.turn_off(instance)


class ResetConfig(dg.Config):
    """Launchpad config of the reset."""

    task: str


@dg.op(description="Forgets how often the task's schedule has started it. Turn the schedule on again afterwards.")
def forget_executions(context: dg.OpExecutionContext, config: ResetConfig) -> None:
    """Start counting a task's executions again from zero."""
    names = [task.name for task in TASKS]
    if config.task not in names:
        raise dg.Failure(f"There is no task {config.task!r}. Tasks: {', '.join(names)}", allow_retries=False)
    limit = ExecutionLimit(config.task, 0)
    context.log.info("%s: %d scheduled executions forgotten", config.task, limit.used(context.instance))
    limit.reset(context.instance)


@dg.job(name=RESET_JOB, tags=shop_tags(), description="Resets the count of a task's scheduled executions.")
def reset_execution_limit() -> None:
    """Run the one op."""
    forget_executions()
