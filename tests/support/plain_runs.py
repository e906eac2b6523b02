"""Running a task's assets as the plain functions that they are: ten times faster than a run of Dagster's.

Calling each asset of a task in order, as a run does, and reading what it returned. Dagster's part is not here: events,
retries, the checks that read them, the coordinator. Tests of those take `Runner`, and
tests/sandbox/assets/test_plain_runs.py holds both to the same results, task by task. RUNS=dagster gives every test
`Runner`.
"""

import inspect
import logging
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
from dagster._core.definitions.metadata import normalize_metadata

from erp_medusa_pipelines.assets import find_assets
from erp_medusa_pipelines.assets.leftovers import LEFT_OVER, continues
from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.orchestration.dagster_internals import SCHEDULED_EXECUTION_TIME_TAG
from erp_medusa_pipelines.orchestration.partitions import batches_definition
from erp_medusa_pipelines.orchestration.resources import COMPARES_ALL, ShopConnection
from erp_medusa_pipelines.plan.changes import ChangeLog
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import task_named
from tests.support.runs import JobRun, Runner

log = logging.getLogger("tests.plain_runs")

PARTITION_TAG = "dagster/partition"


class RecordingShop(ShopConnection):
    """Notes what is changed, as a run does for the history."""

    @contextmanager
    def open(self) -> Iterator[Shop]:
        with open_shop(load_settings(), record=ChangeLog(), facts=self._facts, reading=self._reading) as shop:
            yield shop


@dataclass(frozen=True)
class PlainRun(JobRun):
    """What the assets of one run returned or raised."""

    result: Any = None
    made: dict[str, dg.MaterializeResult] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        return not self.errors

    def metadata(self, asset: str) -> dict[str, Any]:
        made = self.made.get(asset)
        entries = normalize_metadata(dict(made.metadata or {})) if made else self.failure(asset).metadata
        return {key: entry.value for key, entry in entries.items()}

    def failure(self, asset: str) -> dg.Failure:
        assert asset in self.errors, f"{asset} did not fail"
        error = self.errors[asset]
        assert isinstance(error, dg.Failure), self.failure_text(asset)
        return error

    def failure_text(self, asset: str) -> str:
        return "".join(traceback.format_exception(self.errors[asset])) if asset in self.errors else ""

    def check(self, asset: str, name: str = "nothing_rejected") -> dg.AssetCheckResult:
        for key, result in self._checks():
            if key == (asset, name):
                return result
        raise AssertionError(f"{asset} has no result of the check {name}")

    def checks(self) -> Sequence[dg.AssetCheckResult]:
        return [result for _, result in self._checks()]

    def reasons(self) -> list[str]:
        return [(isinstance(error, dg.Failure) and error.description) or str(error) for error in self.errors.values()]

    def value(self, asset: str) -> Any:
        return self.made[asset].value

    def _checks(self) -> list[tuple[tuple[str, str], dg.AssetCheckResult]]:
        found = []
        for asset, made in self.made.items():
            results = made.check_results or ()
            found += [((asset, each.check_name or _only_check(asset)), each) for each in results]
        return found


class PlainRunner(Runner):
    """Runs tasks without Dagster. What runs keep for later ones is kept as long as the runner.

    The settings come from the environment, as they do in production.
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}
        self._ticks = Path(tempfile.mkdtemp())

    def job(
        self,
        name: str,
        partition: str | None = None,
        *,
        run_config: Any = None,
        tags: Mapping[str, str] | None = None,
    ) -> JobRun:
        return self._run(name, task_named(name).assets, partition, run_config, tags)

    def assets(
        self,
        names: list[str],
        partition: str | None = None,
        *,
        run_config: Any = None,
        tags: Mapping[str, str] | None = None,
    ) -> JobRun:
        return self._run("__ASSET_JOB", names, partition, run_config, tags)

    def folder_of(self, tick: str) -> Path:
        """Return where the runs of a tick keep what they have read."""
        return self._ticks / tick

    def _run(
        self,
        job: str,
        names: Sequence[str],
        partition: str | None,
        run_config: Any,
        tags: Mapping[str, str] | None,
    ) -> PlainRun:
        known = _assets(load_settings().export_batches)
        assert {*names} <= {*known}, f"unknown assets: {names}"
        in_batch = {PARTITION_TAG: partition} if partition else {}
        run = dg.DagsterRun(job_name=job, run_id=f"plain-{job}", tags={**in_batch, **(tags or {})})
        ops = (run_config or {}).get("ops", {})
        assert {*ops} <= {*names}, f"config of other assets: {ops}"
        done, shop = PlainRun(), RecordingShop()
        # As a run that somebody starts, it reads a list once for all its assets; of a tick, as all runs of the tick.
        due = run.tags.get(SCHEDULED_EXECUTION_TIME_TAG)
        folder = self.folder_of(due) if due else Path(tempfile.mkdtemp())
        compares = COMPARES_ALL in names
        reading = Reading(folder, load_settings().export_batches, shared=bool(due), with_texts=compares)
        shop._reading = reading
        skipped: set[str] = set()
        for name, assets in known.items():
            if name not in names:
                continue
            above = {key.path[-1] for key in assets.dependency_keys}
            if above & {*skipped, *(each for each in done.errors if each not in done.made)}:
                skipped.add(name)
                continue
            context = SimpleNamespace(
                instance=self.instance, run=run, run_id=run.run_id, assets_def=assets, asset_key=assets.key,
                partition_key=partition, log=log,
            )  # fmt: skip
            try:
                made = _call(assets, context, shop, ops.get(name, {}).get("config", {}), self._values)
            except Exception as error:  # noqa: BLE001 - whatever it is, the step failed, and others go on
                done.errors[name] = error
                continue
            done.made[name] = made
            self._values[name] = made.value
            if continues(assets, assets.key) and LEFT_OVER in (made.metadata or {}):
                done.errors[name] = _left_over(made)
        reading.close()
        return done


def quick_runner() -> Runner:
    """Build what runs a suite's tasks: without Dagster, unless RUNS=dagster asks for all of it."""
    return Runner() if os.environ.get("RUNS") == "dagster" else PlainRunner()


def takers(names: Sequence[str], config: Mapping[str, Any]) -> dict[str, Any]:
    """Build the run config that gives these fields to each asset that has them."""
    known = _assets(load_settings().export_batches)
    found: dict[str, Any] = {}
    for name in names:
        parameter = inspect.signature(_function(known[name])).parameters.get("config")
        fields = {*config} & {*parameter.annotation.model_fields} if parameter else set()
        found |= {name: {"config": {field: config[field] for field in fields}}} if fields else {}
    return found


@cache
def _assets(batches: int) -> dict[str, dg.AssetsDefinition]:
    """All assets by name, in the order of a run of Dagster's: each level of what can come next, by name."""
    found = {each.key.path[-1]: each for each in find_assets(batches_definition(batches))}
    graph = {name: {key.path[-1] for key in each.dependency_keys} for name, each in found.items()}
    sorter, ordered = TopologicalSorter(graph), list[str]()
    sorter.prepare()
    while ready := sorted(sorter.get_ready()):
        ordered += ready
        sorter.done(*ready)
    return {name: found[name] for name in ordered if name in found}


def _call(
    assets: dg.AssetsDefinition,
    context: object,
    shop: ShopConnection,
    config: Mapping[str, Any],
    values: Mapping[str, Any],
) -> dg.MaterializeResult:
    function = _function(assets)
    given: dict[str, Any] = {"context": context, "shop": shop}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "config":
            unknown = {*config} - {*parameter.annotation.model_fields}
            assert not unknown, f"no such config: {unknown}"
            given[name] = parameter.annotation(**config)
        elif name not in given:
            given[name] = values[name]
    assert "config" in given or not config, f"{assets.key} takes no config"
    made = function(**{name: given[name] for name in inspect.signature(function).parameters})
    _check_type(assets, made)
    return made


def _function(assets: dg.AssetsDefinition) -> Callable[..., dg.MaterializeResult]:
    return cast(Any, assets.op.compute_fn).decorated_fn


def _check_type(assets: dg.AssetsDefinition, made: dg.MaterializeResult) -> None:
    kind = assets.op.output_defs[0].dagster_type
    if kind.kind.value == "ANY":
        return
    checked = kind.type_check(cast(Any, None), made.value)
    assert checked.success, checked.description


def _left_over(made: dg.MaterializeResult) -> dg.Failure:
    """Build what the step that reports leftovers raises, see assets/leftovers.py."""
    entries = {key: entry.value for key, entry in normalize_metadata(dict(made.metadata or {})).items()}
    plain = {key: value for key, value in entries.items() if isinstance(value, str | int | float)}
    return dg.Failure(str(plain.pop(LEFT_OVER)), metadata=plain, allow_retries=False)


def _only_check(asset: str) -> str:
    (key,) = _assets(load_settings().export_batches)[asset].check_keys
    return key.name
