"""Send levels to Medusa in full calls.

The call, and what a refusal or a lost answer means.
"""

from collections.abc import Sequence
from dataclasses import replace

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa_inventory import LEVELS_BATCH, MedusaInventory
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.engine.delivery import Resolution
from erp_medusa_pipelines.sync.engine.quarantine import lies_elsewhere
from erp_medusa_pipelines.sync.stock.plan import Level


def _place(level: Level) -> str:
    """Return the key of a refusal: each location of an item can be refused separately."""
    return level.location_id


class LevelSender:
    """Write levels for one run. Thread-safe."""

    def __init__(self, run: BatchSync, inventory: MedusaInventory) -> None:
        self._run = run
        self._inventory = inventory

    def send(self, chunk: Sequence[Level]) -> None:
        """Write a chunk; failures go into the run's report."""
        self._run.send_chunk(
            chunk,
            self._send,
            lies=lies_elsewhere,
            resolve=self._resolve,
            recover=self._as_they_are,
            kind=_place,
            route=LEVELS_BATCH,
        )

    def _send(self, group: Sequence[Level]) -> None:
        create = [level.body for level in group if not level.exists]
        update = [level.body for level in group if level.exists]
        self._inventory.write_levels(create=create, update=update)
        self._run.report.count("written", len(create))
        self._run.report.count("updated", len(update))
        self._run.report.advance(len(group))

    def _resolve(self, _error: PermanentError, group: Sequence[Level]) -> Resolution[Level] | None:
        """Handle the usual reason for a refusal: levels that were created or deleted since they were read."""
        again = self._as_they_are(group)
        return (again, []) if again != list(group) else None

    def _as_they_are(self, group: Sequence[Level]) -> list[Level]:
        """Return what of a group must still be written, compared with Medusa now."""
        there = self._inventory.levels(level.inventory_item_id for level in group)
        remaining: list[Level] = []
        for level in group:
            rows = there.get(level.inventory_item_id, ())
            stocked = next((row["stocked_quantity"] for row in rows if row["location_id"] == level.location_id), None)
            if stocked == level.quantity:
                self._run.report.count("updated" if level.exists else "written")
                self._run.report.advance(1)
            else:
                remaining.append(replace(level, exists=stocked is not None))
        return remaining
