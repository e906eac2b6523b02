"""Leftovers of one asset do not stop the rest of the run: it goes on, and fails at its end.

Belongs here: the check that fails such a run, for assets that others build on. Dagster skips what is downstream of a
failed step. So these assets materialize even with leftovers, and their check, which nothing depends on, is the step
that fails and reports the partition as incomplete. The retry sensor then repeats the asset and what builds on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration.dagster_internals import report_unfinished
from erp_medusa_pipelines.orchestration.run_failures import BUILD_ON_IT
from erp_medusa_pipelines.orchestration.runs import only_batch_of
from erp_medusa_pipelines.orchestration.shops import asset_key

CHECK = "nothing_left"
LEFT_OVER = "left_over"
"""Metadata of a materialization: what is left for a retry, in words."""

GOES_ON = {"leftovers": "run_goes_on"}
"""Tag of an asset that others build on, one document at a time."""


def goes_on(assets: dg.AssetsDefinition, key: dg.AssetKey) -> bool:
    """Return whether the run goes on although this asset leaves documents for a retry."""
    return assets.tags_by_key[key].items() >= GOES_ON.items()


def build_leftover_checks(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetChecksDefinition]:
    """The checks of the assets with the tag; `assets`, by their bare names, tell what builds on each."""
    found = [key.to_user_string() for each in assets for key in each.keys if goes_on(each, key)]
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
        name=CHECK,
        description="Nothing was left for a retry. The step fails if something was; the rest of the batch went on.",
    )
    def nothing_left(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        told = _metadata_of(context.instance, context.run.run_id, asset)
        if LEFT_OVER in told:
            report_unfinished(context.instance, context.run, asset, only_batch_of(context.run))
            more = {key: value for key, value in told.items() if key != LEFT_OVER}
            raise dg.Failure(told[LEFT_OVER], metadata={**more, BUILD_ON_IT: list(built_on_it)}, allow_retries=False)
        return dg.AssetCheckResult(passed=True)

    return nothing_left


def _metadata_of(instance: dg.DagsterInstance, run_id: str, asset: str) -> Mapping[str, Any]:
    """Return the metadata of the asset's materialization in this run."""
    for event in _materializations(instance, run_id):
        if event.asset_key == asset_key(asset):
            return {key: entry.value for key, entry in event.metadata.items() if _is_plain(entry.value)}
    return {}


def _materializations(instance: dg.DagsterInstance, run_id: str) -> Iterable[dg.AssetMaterialization]:
    for entry in instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_MATERIALIZATION}):
        if entry.asset_materialization:
            yield entry.asset_materialization


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)
