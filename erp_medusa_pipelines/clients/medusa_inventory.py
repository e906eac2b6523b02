"""Inventory of Medusa: the items that variants are stocked by, and their levels at stock locations."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from erp_medusa_pipelines.clients.failures import ForeignAnswerError, PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient, Row
from erp_medusa_pipelines.clients.reading import UNKEPT
from erp_medusa_pipelines.settings import variable_name

LEVELS = "location_levels.location_id,{0}location_levels.stocked_quantity,{0}location_levels.reserved_quantity"
_INVENTORY = "inventory_items.inventory."
VARIANT_FIELDS = (
    "id,sku,product_id,manage_inventory,inventory_items.inventory_item_id,inventory_items.required_quantity,"
    f"{_INVENTORY}sku,{_INVENTORY}{LEVELS.format(_INVENTORY)}"
)
ITEM_FIELDS = f"id,sku,variant_link.variant_id,{LEVELS.format('')}"
ITEMS_PER_PAGE = 10_000
"""Some 3 MB."""
FEWEST = 1000
"""Skus for which all items are read rather than these."""
log = logging.getLogger(__name__)
INVENTORY_ITEMS = "/admin/inventory-items"
INVENTORY = "inventory items"
"""The list of those that the runs of a tick have seen, by sku."""
LEVELS_BATCH = "/admin/inventory-items/location-levels/batch"


class MedusaInventory:
    """Variants with their inventory items and levels, of one Medusa."""

    def __init__(self, medusa: MedusaClient) -> None:
        self._medusa = medusa
        self._http = medusa.http

    def locations(self) -> list[Row]:
        """All stock locations {id, name, metadata, sales_channels: [{id}]}."""
        return self._medusa.stock_locations()

    def note_on_location(self, location_id: str, metadata: Mapping[str, Any]) -> None:
        """Set metadata of a stock location; other keys stay."""
        body = {"metadata": dict(metadata)}
        path = f"/admin/stock-locations/{location_id}?fields=id"
        self._medusa.send("POST", path, body, gives="stock_location", repeatable=True)

    def refuse_unknown(self, location_ids: Iterable[str], rows: Iterable[Row], setting: str) -> None:
        """Raises PermanentError for ids that are not among Medusa's `rows`: its bulk route takes levels at any id."""
        names = {row["id"]: row.get("name") for row in rows}
        if unknown := set(location_ids) - names.keys():
            known = ", ".join(f"{each} ({name})" for each, name in names.items()) or "none"
            raise PermanentError(
                self._http.service,
                "GET /admin/stock-locations",
                f"{variable_name(setting)}: {', '.join(sorted(unknown))} not found; there are: {known}",
            )

    def stocked(self, skus: Sequence[str], of: int) -> Iterator[Row]:
        """At least the inventory items with these skus, out of about `of`, with their levels and variants' ids.

        This way round Medusa answers in half the time that variants with their inventory items take. An item that is
        looked up by sku costs it more than twice as much as one on a page of all. Few are looked up all the same, since
        Medusa may hold more than `of`.
        """
        path, plural = INVENTORY_ITEMS, "inventory_items"
        if 2 * len(skus) >= max(of, 2 * FEWEST):
            return self._medusa.all_of(path, plural, ITEM_FIELDS, page_size=ITEMS_PER_PAGE)
        return self._found_or_all(path, plural, skus)

    def seen(self, skus: Sequence[str]) -> Iterator[Row]:
        """Those with these skus as a run of this tick saw them: it read all of them, a page at a time."""
        reading = self._medusa.reading
        if reading is None:
            return iter(())
        try:
            return reading.kept(INVENTORY, ITEM_FIELDS, self._all).find(skus)
        except UNKEPT as error:
            log.warning("inventory items are looked up where they are needed: %s", error)
            self._medusa.reading = None
            return self.stocked(skus, 0)

    def see(self) -> None:
        """Read all of them, where the runs of this tick do that together and none has yet."""
        if self.is_seen:
            self.seen([])

    @property
    def is_new(self) -> bool:
        """Whether what the runs of this tick have seen was read just now, so that it can be written by."""
        return self._medusa.reading is not None and self._medusa.reading.is_new(INVENTORY)

    @property
    def is_seen(self) -> bool:
        """Whether the runs of this tick read the inventory items together."""
        return self._medusa.reading is not None and self._medusa.reading.shared

    def forget_seen(self, skus: Collection[str]) -> None:
        """Take those with these skus out of what was seen: they are about to be written."""
        if self._medusa.reading is not None:
            self._medusa.reading.drop(INVENTORY, skus)

    def _all(self) -> Iterator[tuple[int, str, Row]]:
        for row in self._medusa.whole_list(INVENTORY_ITEMS, "inventory_items", ITEM_FIELDS, page_size=ITEMS_PER_PAGE):
            yield 0, row["sku"] or "", row

    def _found_or_all(self, path: str, plural: str, skus: Sequence[str]) -> Iterator[Row]:
        try:
            yield from self._medusa.find(path, plural, "sku", skus, ITEM_FIELDS)
        except ForeignAnswerError:
            # A firewall may refuse a sku in an address; pages of all name none.
            yield from self._medusa.all_of(path, plural, ITEM_FIELDS, page_size=ITEMS_PER_PAGE)

    def variants_by_id(self, ids: Iterable[str]) -> list[Row]:
        """Variants with their inventory items and levels."""
        return list(self._medusa.find("/admin/product-variants", "variants", "id", ids, VARIANT_FIELDS))

    def items_by_sku(self, skus: Iterable[str]) -> list[Row]:
        """Inventory items with these skus: {id, sku, variant_link: [{variant_id}]}."""
        return self._medusa.inventory_items_by_sku(skus, "id,sku,variant_link.variant_id")

    def relink(
        self,
        variant: Mapping[str, Any],
        *,
        create: Mapping[str, int] = MappingProxyType({}),
        update: Mapping[str, int] = MappingProxyType({}),
        delete: Iterable[str] = (),
    ) -> None:
        """Change what a variant {id, product_id} is stocked by: pieces by inventory item, and items to detach.

        A detached inventory item stays, with its levels. Attaching again is an update, so it may be repeated.
        """

        def rows(pieces: Mapping[str, int]) -> list[Row]:
            return [
                {"variant_id": variant["id"], "inventory_item_id": each, "required_quantity": number}
                for each, number in pieces.items()
            ]

        ended = [{"variant_id": variant["id"], "inventory_item_id": each} for each in delete]
        body = {"create": rows(create), "update": rows(update), "delete": ended}
        path = f"/admin/products/{variant['product_id']}/variants/inventory-items/batch"
        self._medusa.send("POST", path, body, gives="updated", repeatable=True)

    def levels(self, inventory_item_ids: Iterable[str]) -> dict[str, list[Row]]:
        """Levels {location_id, stocked_quantity, reserved_quantity} by inventory item."""
        fields = f"id,{LEVELS.format('')}"
        found = self._medusa.find("/admin/inventory-items", "inventory_items", "id", inventory_item_ids, fields)
        return {row["id"]: row["location_levels"] for row in found}

    def write_levels(
        self, *, create: Sequence[Mapping[str, Any]] = (), update: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Create and update levels {inventory_item_id, location_id, stocked_quantity}, all or nothing.

        There is no "create or update": a level that exists cannot be created (400), one that does not cannot be
        updated (404). Updates alone may be repeated.
        """
        body = {key: list(levels) for key, levels in (("create", create), ("update", update)) if levels}
        self._medusa.send("POST", LEVELS_BATCH, body, gives="updated", repeatable=not create)

    def give_sku(self, item_id: str, sku: str) -> str:
        """Give an inventory item the sku of its variant, and return its id."""
        self._medusa.update_inventory_items([{"id": item_id, "sku": sku}])
        return item_id

    def stock_variant(self, variant: Mapping[str, Any]) -> str:
        """Give a variant that lost its inventory item one, and return its id: the one with its sku, else a new one."""
        found = self._medusa.inventory_items_by_sku([variant["sku"]], "id,sku,variants.id")
        if found and found[0]["variants"]:
            text = f"inventory item {found[0]['id']} with sku {variant['sku']} belongs to another variant"
            raise PermanentError(self._http.service, f"variant {variant['id']}", text)
        if found:
            item_id = found[0]["id"]
        else:
            body = {"sku": variant["sku"], "title": variant["sku"]}
            made = self._medusa.send("POST", "/admin/inventory-items", body, gives="inventory_item")
            item_id = made["inventory_item"]["id"]
        path = f"/admin/products/{variant['product_id']}/variants/{variant['id']}/inventory-items"
        link = {"inventory_item_id": item_id, "required_quantity": 1}
        self._medusa.send("POST", f"{path}?fields=id", link, gives="variant")
        return item_id
