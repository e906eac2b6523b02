"""Schedules and sensors evaluated as the daemon does, on a persistent instance, with the test's own clock."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from erp_medusa_pipelines.orchestration import rate_limits
from erp_medusa_pipelines.orchestration.sensors import follow_changes, retries
from erp_medusa_pipelines.orchestration.sensors.problems import found, sensor
from tests.support.runs import JobRun, Runner

ROOT = Path(__file__).resolve().parents[2]

# What storage knows a run, a schedule or a sensor by.
REPOSITORY = RemoteRepositoryOrigin(
    InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="erp_medusa_pipelines.definitions")), "__repository__"
)
CODE = RepositoryPythonOrigin(
    executable_path=sys.executable,
    code_pointer=ModuleCodePointer("erp_medusa_pipelines.definitions", "defs", working_directory=None),
)


@contextmanager
def our_instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """A persistent instance with the project's own dagster.yaml."""
    shutil.copy(ROOT / "dagster.yaml", folder / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


class Clock:
    """The current time for sensors; a test advances it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        for module in (retries, found, sensor, follow_changes, rate_limits):
            patch.setattr(module, "_now", self.now)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, **units: float) -> None:
        self.ahead += timedelta(**units)


class Daemon:
    """Ticks of the project's schedules and sensors, and the runs that they ask for."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.instance = runner.instance

    @cached_property
    def repository(self) -> dg.RepositoryDefinition:
        """As the code server has it: loaded once, with the settings of that moment."""
        # Imported late: the module reads the environment, which the fixtures have set up by now.
        from erp_medusa_pipelines.definitions import build_defs

        return build_defs().get_repository_def()

    def sensor(self, name: str) -> tuple[Sequence[dg.RunRequest], str]:
        """One tick: the runs asked for, and the reason for none."""
        repository, cursors = self.repository, self.runner.cursors
        with dg.build_sensor_context(
            instance=self.instance, repository_def=repository, cursor=cursors.get(name)
        ) as context:
            data = repository.get_sensor_def(name).evaluate_tick(context)
        cursors[name] = data.cursor
        return data.run_requests or [], data.skip_message or ""

    def schedule(self, name: str, at: datetime) -> tuple[Sequence[dg.RunRequest], str]:
        """One tick at that moment: the runs asked for, and the reason for none."""
        repository = self.repository
        with dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=at, repository_def=repository
        ) as context:
            data = repository.get_schedule_def(name).evaluate_tick(context)
        return data.run_requests or [], data.skip_message or ""

    def run(self, request: dg.RunRequest) -> JobRun:
        """Carry out a request in this process."""
        assert request.job_name
        job = self.repository.get_job(request.job_name)
        result = job.execute_in_process(
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            run_config=request.run_config,
            instance=self.instance,
            tags=dict(request.tags),
            raise_on_error=False,
        )
        return JobRun(result)

    def queued(self, job_name: str, partition: str | None = None, **tags: Any) -> dg.DagsterRun:
        """A run that waits in the queue, as one that was just started."""
        return self.created(job_name, partition, status=dg.DagsterRunStatus.QUEUED, **tags)

    def created(
        self,
        job_name: str,
        partition: str | None = None,
        *,
        status: dg.DagsterRunStatus = dg.DagsterRunStatus.NOT_STARTED,
        assets: Sequence[str] | None = None,
        run_config: Mapping[str, object] | None = None,
        **tags: Any,
    ) -> dg.DagsterRun:
        """A run that nobody has started; with `assets`, as if from an asset's page."""
        job = self.repository.get_job(job_name)
        if partition:
            tags["dagster/partition"] = partition
        selection = frozenset(dg.AssetKey(name) for name in assets) if assets else None
        return self.instance.create_run_for_job(
            job.get_subset(asset_selection=selection) if selection else job,
            status=status,
            tags={**job.tags, **tags},
            run_config=run_config,
            asset_selection=selection,
            remote_job_origin=RemoteJobOrigin(REPOSITORY, job_name),
            job_code_origin=JobPythonOrigin(job_name, CODE),
        )

    def turn_on_sensor(self, name: str) -> None:
        """As an operator does in the UI."""
        self._turn_on(name, InstigatorType.SENSOR, SensorInstigatorData())

    def turn_on_schedule(self, name: str, cron: str) -> None:
        """As an operator does in the UI."""
        self._turn_on(name, InstigatorType.SCHEDULE, ScheduleInstigatorData(cron))

    def is_on(self, name: str) -> bool:
        return any(
            state.instigator_name == name and state.status == InstigatorStatus.RUNNING
            for state in self.instance.all_instigator_state()
        )

    def _turn_on(self, name: str, kind: InstigatorType, data: SensorInstigatorData | ScheduleInstigatorData) -> None:
        origin = RemoteInstigatorOrigin(REPOSITORY, name)
        stored = InstigatorState(origin, kind, InstigatorStatus.RUNNING, data)
        if self.instance.get_instigator_state(stored.instigator_origin_id, stored.selector_id):
            self.instance.update_instigator_state(stored)
        else:
            self.instance.add_instigator_state(stored)


@contextmanager
def our_daemon(folder: Path) -> Iterator[Daemon]:
    """A daemon on a persistent instance with the project's own dagster.yaml."""
    with our_instance(folder) as instance:
        runner = Runner()
        runner.instance = instance
        yield Daemon(runner)
