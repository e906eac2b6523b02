"""Several shops in one Dagster: the names that keep them apart.

Without SHOP_NAME every name is as it would be without this module. With it, a shop's code location has the shop's name.
Webserver and daemon work for all shops: they have no SHOP_NAME and read the shop off the run.

Dagster's own tag `dagster/code_location` is on runs that the webserver or the daemon launches, not on those of a
command, and dagster.yaml can limit neither the runs of a shop's queue nor those of its batch by it: hence tags of our
own.
"""

import os
from collections.abc import Mapping, Sequence

import dagster as dg

SHOP_TAG = "shop"
SHOP_QUEUE_TAG = "shop_queue"
"""Shop and queue in one word: dagster.yaml limits the runs per shop and queue by it."""

SHOP_BATCH_TAG = "shop_batch"
"""The same for the batch."""

LINEAGE = "dagster/column_lineage"


def shop_name() -> str | None:
    """The shop of this process. From the environment alone: webserver and daemon load no settings."""
    return os.environ.get("SHOP_NAME") or None


def asset_key(asset: str) -> dg.AssetKey:
    """The key of one of our assets in this shop."""
    return dg.AssetKey([*_prefix(), asset])


def asset_name(key: dg.AssetKey) -> str:
    """Name of one of our assets, in whichever shop."""
    return key.path[-1]


def is_of_this_shop(key: dg.AssetKey) -> bool:
    """Whether an asset belongs to this process's shop."""
    return key.path[:-1] == _prefix()


def pool(name: str) -> str:
    """A pool of this shop's own: a shop that hangs in it holds up no other."""
    return "_".join([*_prefix(), name])


def celery_queue(shop: str | None, queue: str) -> str:
    """The queue of Celery for a shop's runs of one of our queues: served by workers that have its settings and keys."""
    return f"{shop}_{queue}" if shop else queue


def shop_tags() -> dict[str, str]:
    """Tags of all runs of this shop; to look for them as well."""
    shop = shop_name()
    return {SHOP_TAG: shop} if shop else {}


def shop_of(run: dg.DagsterRun) -> str | None:
    """The run's shop; None where there is one shop only."""
    if SHOP_TAG in run.tags:
        return run.tags[SHOP_TAG]
    prefixes = {key.path[0] for key in run.asset_selection or () if len(key.path) > 1}
    return min(prefixes) if prefixes else None


def limit_tags(run: dg.DagsterRun, queue: str | None, partition: str | None) -> dict[str, str]:
    """What the limits of an installation with several shops count by; nothing where there is one shop only."""
    shop = shop_of(run)
    if shop is None:
        return {}
    words = {
        SHOP_TAG: shop,
        SHOP_QUEUE_TAG: queue and f"{shop}/{queue}",
        SHOP_BATCH_TAG: partition and f"{shop}/{partition}",
    }
    return {key: value for key, value in words.items() if value}


def for_this_shop(
    definitions: Sequence[dg.AssetsDefinition | dg.AssetSpec],
) -> Sequence[dg.AssetsDefinition | dg.AssetSpec]:
    """The same assets with keys, groups and tags of this shop."""
    shop = shop_name()
    if not shop:
        return definitions
    specs = [spec for each in definitions for spec in ([each] if isinstance(each, dg.AssetSpec) else each.specs)]
    keys = {spec.key: spec.key.with_prefix(shop) for spec in specs}

    def named(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(
            group_name=f"{shop}_{spec.group_name}",
            tags={**spec.tags, SHOP_TAG: shop},
            metadata={**spec.metadata, **_lineage(spec.metadata, keys)},
        )

    return [
        named(each).replace_attributes(
            key=keys[each.key], deps=[dep._replace(asset_key=keys[dep.asset_key]) for dep in each.deps]
        )
        if isinstance(each, dg.AssetSpec)
        else each.map_asset_specs(named).with_attributes(asset_key_replacements=keys)
        for each in definitions
    ]


def _lineage(metadata: Mapping[str, object], keys: Mapping[dg.AssetKey, dg.AssetKey]) -> dict[str, object]:
    """Column lineage names assets by their keys too."""
    found = metadata.get(LINEAGE)
    lineage = found.value if isinstance(found, dg.TableColumnLineageMetadataValue) else found
    if not isinstance(lineage, dg.TableColumnLineage):
        return {}
    columns = {
        column: [dg.TableColumnDep(keys.get(dep.asset_key, dep.asset_key), dep.column_name) for dep in deps]
        for column, deps in lineage.deps_by_column.items()
    }
    return {LINEAGE: dg.TableColumnLineage(columns)}


def _prefix() -> list[str]:
    shop = shop_name()
    return [shop] if shop else []
