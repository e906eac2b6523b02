"""Leftovers of one asset do not stop the rest of the run: it continues, and fails at its end.

Dagster skips what is downstream of a failed step. So these assets materialize even with leftovers, and their check,
which nothing depends on, is the step that fails and reports the partition as incomplete. The retry sensor then repeats
the asset and what builds on it.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.checks.left_failed import NOTHING_LEFT
from erp_medusa_pipelines.orchestration.dagster_internals import report_unfinished, unfinished_attempts
from erp_medusa_pipelines.orchestration.runs.failures import BUILD_ON_IT, read_failure
from erp_medusa_pipelines.orchestration.runs.work import only_batch_of
from erp_medusa_pipelines.orchestration.shops import asset_key

LEFT_OVER = "left_over"
"""Metadata of a materialization: what is left for a retry, in words."""

CONTINUES = {"leftovers": "run_goes_on"}
"""Tag of an asset that others build on, one document at a time."""


def continues(assets: dg.AssetsDefinition, key: dg.AssetKey) -> bool:
    """Return whether the run continues although this asset leaves documents for a retry."""
    return assets.tags_by_key[key].items() >= CONTINUES.items()


def build_leftover_checks(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetChecksDefinition]:
    """The checks of the assets with the tag; `assets`, by their bare names, tell what builds on each."""
    found = [key.to_user_string() for each in assets for key in each.keys if continues(each, key)]
    return [_check(name, _built_on(name, assets)) for name in found]


def _built_on(asset: str, assets: Sequence[dg.AssetsDefinition]) -> list[str]:
    """Return the names of the assets downstream of this one."""
    found = {dg.AssetKey(asset)}
    for _ in assets:
        found |= {each.key for each in assets if found.intersection(each.dependency_keys)}
    return sorted(key.to_user_string() for key in found - {dg.AssetKey(asset)})


def _check(asset: str, built_on_it: Sequence[str]) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(asset),
        name=NOTHING_LEFT,
        description="Nothing was left for a retry. The step fails if something was; the rest of the batch went on.",
    )
    def nothing_left(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        made = _materialization(context.instance, context.run.run_id, asset)
        if made is None:
            _refuse_without_the_work(context, asset)
        elif LEFT_OVER in made.metadata:
            report_unfinished(context.instance, context.run, asset, made.partition)
            plain: dict[str, Any] = {key: entry.value for key, entry in made.metadata.items() if _is_plain(entry.value)}
            text = str(plain.pop(LEFT_OVER))
            raise dg.Failure(text, metadata={**plain, BUILD_ON_IT: list(built_on_it)}, allow_retries=False)
        return dg.AssetCheckResult(passed=True)

    return nothing_left


def _refuse_without_the_work(context: dg.AssetCheckExecutionContext, asset: str) -> None:
    """Fail a run of the check alone while its asset is unfinished: so is "Re-execute from failure" of leftovers."""
    batch = only_batch_of(context.run)
    for _, partition, run_id in unfinished_attempts(context.instance, [asset]):
        if batch is None or partition in (None, batch):
            what = f"{asset}[{partition}]" if partition else asset
            reason = read_failure(context.instance, run_id).reason
            raise dg.Failure(
                f"This run repeats the check alone, and nothing of the work: {what} is unfinished since run"
                f" {run_id} ({reason}). Materialize it with what builds on it:"
                " Materialize… > Failed, or leave it to retry_failed_partitions",
                allow_retries=False,
            )


def _materialization(instance: dg.DagsterInstance, run_id: str, asset: str) -> dg.AssetMaterialization | None:
    for entry in instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_MATERIALIZATION}):
        made = entry.asset_materialization
        if made and made.asset_key == asset_key(asset):
            return made
    return None


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)
