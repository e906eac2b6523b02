"""Running jobs of the project through Dagster, in process, and reading what they reported.

What needs no Dagster runs ten times faster with `PlainRunner` of plain_runs.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import dagster as dg
from dagster._core.storage.defs_state.base import set_defs_state_storage


@dataclass(frozen=True)
class JobRun:
    """One run that has ended."""

    result: dg.ExecuteInProcessResult

    @property
    def success(self) -> bool:
        return self.result.success

    def metadata(self, asset: str) -> dict[str, Any]:
        """Plain values that the asset's materialization, or its failure, reported."""
        for event in self.result.get_asset_materialization_events():
            if event.asset_key == dg.AssetKey(asset):
                return {key: entry.value for key, entry in event.materialization.metadata.items()}
        failure = self.failure(asset)
        return {key: entry.value for key, entry in failure.metadata.items()}

    def failure(self, asset: str) -> Any:
        """Return the user's failure data of the asset's step, or of the step that reports its leftovers."""
        events = self._step_failures(asset)
        assert events, f"{asset} neither materialized nor failed"
        data = events[0].step_failure_data.user_failure_data
        assert data is not None, events[0].step_failure_data.error
        return data

    def failure_text(self, asset: str) -> str:
        """Return the whole failure text of the asset's step, or of the step that reports its leftovers."""
        return "\n".join(str(e.step_failure_data.error) for e in self._step_failures(asset))

    def _step_failures(self, asset: str) -> list[dg.DagsterEvent]:
        steps = (asset, f"{asset}_nothing_left")
        return [e for e in self.result.all_events if e.is_step_failure and e.step_key in steps]

    def check(self, asset: str, name: str = "nothing_rejected") -> dg.AssetCheckEvaluation | dg.AssetCheckResult:
        """The result of an asset check."""
        for evaluation in self.result.get_asset_check_evaluations():
            if evaluation.asset_key == dg.AssetKey(asset) and evaluation.check_name == name:
                return evaluation
        raise AssertionError(f"{asset} has no result of the check {name}")

    def checks(self) -> Sequence[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        """Results of all asset checks."""
        return self.result.get_asset_check_evaluations()

    def reasons(self) -> list[str]:
        """What people read of each step that failed: its own words, or the error's."""
        texts: list[str] = []
        for event in self.result.all_events:
            if event.is_step_failure:
                data = event.step_failure_data
                own = data.user_failure_data.description if data.user_failure_data else None
                texts.append(own or (data.error.message if data.error else ""))
        return texts

    def value(self, asset: str) -> Any:
        """The value that the asset keeps for others."""
        return self.result.output_for_node(asset)

    def rejects(self, asset: str) -> list[dict[str, Any]]:
        """Rows of the check's table."""
        table = self.check(asset).metadata.get("rejects")
        assert table is None or isinstance(table, dg.TableMetadataValue)
        return [dict(record.data) for record in table.records] if table else []


class Runner:
    """Runs jobs on one ephemeral instance, so that state lasts between the runs of a test.

    The settings come from the environment, as they do in production.
    """

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursors: dict[str, str | None] = {}
        """Of sensors, as Dagster keeps them between ticks."""

    def job(
        self,
        name: str,
        partition: str | None = None,
        *,
        run_config: Any = None,
        tags: Mapping[str, str] | None = None,
    ) -> JobRun:
        """Run a job to its end; failures do not raise."""
        job = _definitions().resolve_job_def(name)
        result = job.execute_in_process(
            partition_key=partition,
            instance=self.instance,
            run_config=run_config,
            tags=dict(tags or {}),
            raise_on_error=False,
        )
        return JobRun(result)

    def asset(self, name: str, partition: str | None = None, *, run_config: Any = None) -> JobRun:
        """Materialize one asset alone."""
        return self.assets([name], partition, run_config=run_config)

    def assets(
        self,
        names: list[str],
        partition: str | None = None,
        *,
        run_config: Any = None,
        tags: Mapping[str, str] | None = None,
    ) -> JobRun:
        """Materialize some assets in one run."""
        job = _definitions().resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in names],
            partition_key=partition,
            instance=self.instance,
            run_config=run_config,
            tags=dict(tags or {}),
            raise_on_error=False,
        )
        return JobRun(result)


def in_a_backfill(batch: str) -> dict[str, str]:
    """Tags of a backfill's run for one batch: a range of one, where a schedule's run bears dagster/partition."""
    return {"dagster/asset_partition_range_start": batch, "dagster/asset_partition_range_end": batch}


PLACES = frozenset(
    {"erpnext_url", "erpnext_api_key", "erpnext_api_secret", "medusa_url", "medusa_api_key"}
    | {"medusa_sales_channel_id", "medusa_stock_location_id"}
)
"""Settings that are read when a run opens the shop: definitions only show them as links."""


def _definitions() -> dg.Definitions:
    """Definitions for the settings of now. Most tests share them: building them is a fifth of a small run."""
    # Imported late: the module reads the environment, which the fixtures have set up by now.
    from erp_medusa_pipelines.settings import load_settings

    settings = load_settings()
    return _definitions_for(settings.model_dump_json(exclude={*PLACES}))


@cache
def _definitions_for(settings: str) -> dg.Definitions:
    from erp_medusa_pipelines.definitions import build_defs

    # An instance of an earlier test that is collected only now would put itself into this variable again.
    with set_defs_state_storage(None):
        definitions = build_defs()
        definitions.get_repository_def()
    return definitions
