"""Move unique keys - sku, barcode, an inventory item's sku - from one product to another.

ERPNext swaps or renames item codes and moves barcodes at once; Medusa refuses the first update while the other product
still has the key. So a key is freed first if the ERP gives its holder another one. The holder gets its new key with
its own update.

Belongs here: who holds a key, whether it may be freed, and freeing it. Ownership of products is in bindings.py.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, WebsiteItemReader

log = logging.getLogger(__name__)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Holding:
    """A variant, or its inventory item, with a key that another Website Item must get."""

    item: WebsiteItem
    key: str
    value: str
    variant: Row
    inventory_item_id: str = ""


@dataclass
class Claims:
    """The result of claiming keys."""

    freed: int = 0
    refused: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """{Website Item: {key: reason}}: another product has the key by right, or Medusa did not free it."""


def keys_of(item: WebsiteItem) -> dict[str, str | None]:
    """Return the keys that the item's variant must have."""
    return {"sku": item.item_code or None, "barcode": item.barcode}


class UniqueKeys:
    """Find holders of keys in one Medusa and free keys that they should not have."""

    def __init__(self, reader: WebsiteItemReader, medusa: MedusaClient) -> None:
        self._reader = reader
        self._medusa = medusa

    def claim(self, items: Sequence[WebsiteItem]) -> Claims:
        """Free the keys of these items where the ERP gives their holder another key."""
        holdings = [*self._variants(items), *self._inventory(items)]
        claims = Claims()
        if not holdings:
            return claims
        owners = self._owners(holdings)
        outdated: dict[tuple[str, str], list[Holding]] = defaultdict(list)
        for one in holdings:
            product, owner = owners[one.variant["product_id"]]
            if self._is_outdated(one, product, owner):
                outdated[one.variant["id"], one.inventory_item_id].append(one)
            else:
                claims.refused[one.item.name].setdefault(one.key, _refusal(one, product))
        for some in outdated.values():
            try:
                self._free(some)
                claims.freed += len(some)
            except AccessError:
                raise
            except PermanentError as error:
                for one in some:
                    product, _ = owners[one.variant["product_id"]]
                    claims.refused[one.item.name][one.key] = f"{_refusal(one, product)} ({error.reason})"
        return claims

    def _free(self, some: Sequence[Holding]) -> None:
        """Empty the keys of one variant, or of its inventory item."""
        one, keys = some[0], {each.key: None for each in some}
        log.info("variant %s: removed %s, which belongs to another item", one.variant["id"], ", ".join(keys))
        if one.inventory_item_id:
            self._medusa.update_inventory_item(one.inventory_item_id, keys)
        else:
            self._medusa.update_variant(one.variant["product_id"], one.variant["id"], keys)

    def rename_inventory(self, item: WebsiteItem) -> None:
        """Set the item code as sku of the inventory item: Medusa does not when a variant's sku changes.

        Call it before the variant is updated: after an interruption, the variant still differs in the next run.
        """
        if item.is_bundle:
            # Its variant is stocked by its parts' inventory items.
            return
        fields = "id,inventory_items.inventory_item_id,inventory_items.inventory.sku"
        variant_id = item.row["medusa_variant_id"]
        for variant in self._medusa.find("/admin/product-variants", "variants", "id", [variant_id], fields):
            links = variant["inventory_items"] or ()
            # With several inventory items, as in a bundle, none is the item's own.
            if len(links) == 1 and links[0]["inventory"]["sku"] != item.item_code:
                self._medusa.update_inventory_item(links[0]["inventory_item_id"], {"sku": item.item_code})

    def restock(self, item: WebsiteItem) -> None:
        """Link the variant to its inventory item again; Medusa refuses to manage inventory of a variant without one.

        One that is not to be managed any more needs nothing: Medusa drops the link and keeps the inventory item.
        """
        if not item.is_stocked:
            return
        variant = {"id": item.row["medusa_variant_id"], "product_id": item.row["medusa_id"], "sku": item.item_code}
        MedusaInventory(self._medusa).stock_variant(variant)

    # --- who holds what ---------------------------------------------------------------------------------------

    def _variants(self, items: Sequence[WebsiteItem]) -> list[Holding]:
        found: list[Holding] = []
        for key in ("sku", "barcode"):
            wanted = _by_value(items, key)
            fields = "id,sku,barcode,product_id"
            for variant in self._medusa.find("/admin/product-variants", "variants", key, wanted, fields):
                found += [
                    Holding(item, key, variant[key], variant)
                    for item in wanted[variant[key]]
                    if variant["id"] != item.row["medusa_variant_id"]
                ]
        return found

    def _inventory(self, items: Sequence[WebsiteItem]) -> list[Holding]:
        wanted = _by_value(items, "sku")
        fields = "id,sku,variants.id,variants.sku,variants.product_id"
        return [
            Holding(item, "sku", row["sku"], row["variants"][0], row["id"])
            for row in self._medusa.inventory_items_by_sku(wanted, fields)
            for item in wanted[row["sku"]]
            # One that stocks nothing is taken over by a new variant (adoption.py).
            if row["variants"] and all(each["id"] != item.row["medusa_variant_id"] for each in row["variants"])
        ]

    def _owners(self, holdings: Sequence[Holding]) -> dict[str, tuple[Row, WebsiteItem | None]]:
        """Return (product, its Website Item if it exists) by product id."""
        ids = {one.variant["product_id"] for one in holdings}
        products = self._medusa.products_by("id", ids, "id,external_id,metadata")
        names = {product["external_id"] for product in products if product["external_id"]}
        items = {item.name: item for item in self._reader.read(sorted(names))}
        return {product["id"]: (product, items.get(product["external_id"] or "")) for product in products}

    @staticmethod
    def _is_outdated(one: Holding, product: Row, owner: WebsiteItem | None) -> bool:
        """Return whether the holder must get another key, or is an exported product whose Website Item is gone."""
        if owner is None:
            return HASH_KEY in (product["metadata"] or {})
        own_variant = owner.row["medusa_variant_id"]
        return keys_of(owner)[one.key] != one.value and own_variant in (None, "", one.variant["id"])


def _by_value(items: Iterable[WebsiteItem], key: str) -> dict[str, list[WebsiteItem]]:
    wanted: dict[str, list[WebsiteItem]] = defaultdict(list)
    for item in items:
        if value := keys_of(item)[key]:
            wanted[value].append(item)
    return wanted


def _refusal(one: Holding, product: Row) -> str:
    owner = f" of Website Item {product['external_id']}" if product["external_id"] else ""
    return (
        f"{one.key} {one.value} is already used by product {product['id']}{owner}: change it there, or correct the Item"
    )
