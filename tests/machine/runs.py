"""Hundreds of runs of the project's tasks: only the work itself is run, without Dagster where nothing asks for it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.checks.left_failed import NOTHING_LEFT
from erp_medusa_pipelines.orchestration.runs.side_runs import Plan, Scope, plan_task
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import TASKS, task_named
from tests.support.plain_runs import PlainRunner, takers
from tests.support.runs import JobRun, Runner

ASSETS = {task.name: [dg.AssetKey(name) for name in task.assets] for task in TASKS}


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _definitions() -> dg.Definitions:
    return _definitions_of(load_settings().export_batches)


@cache
def _definitions_of(_batches: int) -> dg.Definitions:
    # Imported late: the module reads the environment. Servers are looked up when a run opens them.
    from erp_medusa_pipelines.definitions import build_defs

    return build_defs()


def _work(task: str) -> dg.JobDefinition:
    definitions, assets = _definitions(), ASSETS[task]
    work = [definitions.resolve_assets_def(key) for key in assets]
    everything = definitions.resolve_implicit_global_asset_job_def()
    checks = {key for asset in work for key in asset.check_keys}
    # What a run leaves for a retry fails it in a step of its own.
    known = definitions.resolve_asset_graph().asset_check_keys
    checks |= {dg.AssetCheckKey(key, NOTHING_LEFT) for key in assets} & known
    return everything.get_subset(asset_selection=set(assets), asset_check_selection=checks)


class NightRunner(PlainRunner):
    """A runner that types an operator's config, and plans. Without Dagster, except for the plans."""

    def nightly(self, task: str, partition: str | None, **config: bool) -> JobRun:
        """Run a task for one batch (None: it has none); failures do not raise.

        `config` is that of the assets which have such a field, as an operator types it in the launchpad.
        """
        return self.job(task, partition, run_config={"ops": takers(task_named(task).assets, config)})

    def plan(self, task: str, partition: str | None) -> Plan:
        """What that run would do; nothing is written."""
        return _plan(self, task, partition)


class QuietRunner(Runner):
    """The same through Dagster, without what only evaluates past runs, such as the check for failed partitions."""

    def nightly(self, task: str, partition: str | None, **config: bool) -> JobRun:
        """Materialize a task's assets for one batch (None: it has none); failures do not raise.

        `config` is that of the assets which have such a field, as an operator types it in the launchpad.
        """
        result = _work(task).execute_in_process(
            partition_key=partition, instance=self.instance, run_config=_run_config(task, config), raise_on_error=False
        )
        return JobRun(result)

    def plan(self, task: str, partition: str | None) -> Plan:
        """What that run would do; nothing is written."""
        return _plan(self, task, partition)


def _plan(runner: Runner, task: str, partition: str | None) -> Plan:
    scope = Scope(batches=(partition,) if partition else ())
    return plan_task(_definitions(), load_settings(), task_named(task), scope, instance=runner.instance)


def _run_config(task: str, config: Mapping[str, bool]) -> dict[str, Any]:
    ops: dict[str, Any] = {}
    for field, value in config.items():
        takers = [step for step in _work(task).graph.node_dict.values() if _has_field(step, field)]
        ops |= {step.name: {"config": {field: value}} for step in takers}
    return {**QUIET, **({"ops": ops} if ops else {})}


def _has_field(step: Any, field: str) -> bool:
    schema = step.definition.config_schema.config_type
    return field in getattr(schema, "fields", {})
