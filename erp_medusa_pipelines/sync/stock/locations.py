"""Medusa's stock locations: those in use, and those that earlier runs used.

At which locations the sync writes levels, and how Medusa records that.

A location in use is marked in its metadata. A marked one that is no longer in the settings is not used any more: its
levels become zero, or the shop would sell the stock twice. Locations without the mark belong to staff.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.settings import variable_name

log = logging.getLogger(__name__)

MARK = "erpnext_stock"
"""Metadata key of locations at which the sync ever wrote levels."""


@dataclass(frozen=True)
class StockLocations:
    """Ids of the locations of one shop. `no_longer_used` and `not_sold_from` are {id: name}."""

    default: str
    by_warehouse: Mapping[str, str]
    no_longer_used: Mapping[str, str]
    not_sold_from: Mapping[str, str]

    @property
    def used(self) -> frozenset[str]:
        """Return the locations in use."""
        return frozenset({self.default, *self.by_warehouse.values()})


def find_locations(
    inventory: MedusaInventory, default: str, by_warehouse: Mapping[str, str], channel: str | None
) -> StockLocations:
    """Look up the locations of the settings, and mark new ones.

    `channel` is the sales channel's id, or None if the shop has only one. Raises PermanentError for ids that Medusa
    does not have: its bulk route accepts levels at any id.
    """
    rows = {row["id"]: row for row in inventory.locations()}
    inventory.refuse_unknown(by_warehouse.values(), rows.values(), "warehouse_stock_locations")
    used = {default, *by_warehouse.values()}
    marked = {each for each, row in rows.items() if MARK in metadata_of(row)}
    for each in sorted(used - marked):
        inventory.note_on_location(each, {**metadata_of(rows[each]), MARK: True})
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
        text = "stock location %s (%s) is not linked to the sales channel: its stock cannot be sold. Link it in"
        log.warning(f"{text} Medusa (Settings, Locations, Sales Channels)", each, name)
    for each, name in locations.no_longer_used.items():
        text = "stock location %s (%s) is no longer in %s or %s: its levels are set to zero"
        variables = (variable_name("medusa_stock_location_id"), variable_name("warehouse_stock_locations"))
        log.info(text, each, name, *variables)
