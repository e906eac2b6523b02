"""Medusa's stock locations: where stock is kept, and where an earlier run kept it.

Belongs here: which locations' levels are the sync's to write, and how Medusa remembers that. Does not belong here: how
much there is (plan.py).

A location that stock is kept at is marked in its metadata. One that is marked and not in the settings any more is no
longer used: what lies there becomes zero, or the shop would sell it twice. Locations without the mark are the staff's.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.settings import variable_name

log = logging.getLogger(__name__)

MARK = "erpnext_stock"
"""Metadata key of locations that stock was ever kept at."""


@dataclass(frozen=True)
class StockLocations:
    """Ids of the locations of one shop. `no_longer_used` and `not_sold_from` are {id: name}."""

    default: str
    by_warehouse: Mapping[str, str]
    no_longer_used: Mapping[str, str]
    not_sold_from: Mapping[str, str]

    @property
    def used(self) -> frozenset[str]:
        """Where stock is kept."""
        return frozenset({self.default, *self.by_warehouse.values()})


def find_locations(
    inventory: MedusaInventory, default: str, by_warehouse: Mapping[str, str], channel: str | None
) -> StockLocations:
    """Look the locations of the settings up, and mark those that are new.

    `channel` is the sales channel's id, None where a shop has one only. Raises PermanentError for ids that Medusa does
    not have: its bulk route takes levels at any id.
    """
    rows = {row["id"]: row for row in inventory.locations()}
    inventory.refuse_unknown(by_warehouse.values(), rows.values(), "warehouse_stock_locations")
    used = {default, *by_warehouse.values()}
    marked = {each for each, row in rows.items() if MARK in (row["metadata"] or {})}
    for each in sorted(used - marked):
        inventory.note_on_location(each, {**(rows[each]["metadata"] or {}), MARK: True})
    channels = {each: {one["id"] for one in rows[each].get("sales_channels") or () if one} for each in used}
    unsold = {each for each in used if not channels[each] or (channel and channel not in channels[each])}
    found = StockLocations(
        default,
        by_warehouse,
        no_longer_used={each: rows[each]["name"] for each in sorted(marked - used)},
        not_sold_from={each: rows[each]["name"] for each in sorted(unsold)},
    )
    _tell(found)
    return found


def _tell(locations: StockLocations) -> None:
    for each, name in locations.not_sold_from.items():
        text = "stock location %s (%s) is not linked to the sales channel: what lies there cannot be bought. Link it in"
        log.warning(f"{text} Medusa (Settings, Locations, Sales Channels)", each, name)
    for each, name in locations.no_longer_used.items():
        text = "stock location %s (%s) is in neither %s nor %s any more: its levels become zero"
        variables = (variable_name("medusa_stock_location_id"), variable_name("warehouse_stock_locations"))
        log.info(text, each, name, *variables)
