"""The partitions definition that all batch assets share."""

import dagster as dg

from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.batches import batch_keys

ONE_RUN_PER_BATCH = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
"""A backfill starts one run per batch, and the launch dialog offers nothing else: each run has its own time limit and
retries."""


def batches_definition(count: int) -> dg.StaticPartitionsDefinition:
    """`batch_0` .. of `count` batches. An item's batch never changes while the count stays."""
    return dg.StaticPartitionsDefinition(batch_keys(count))


def batches_in_force(settings: Settings) -> frozenset[str]:
    """Return the keys of existing batches. After EXPORT_BATCHES was lowered, Dagster still has runs of others."""
    return frozenset(batch_keys(settings.export_batches))
