"""The one partitions definition that all batch assets share."""

import dagster as dg

from erp_medusa_pipelines.sync.engine.batches import batch_keys


def batches_definition(count: int) -> dg.StaticPartitionsDefinition:
    """`batch_0` .. of `count` batches. An item's batch never changes while the count stays."""
    return dg.StaticPartitionsDefinition(batch_keys(count))
