"""Keys that Medusa takes only once - sku, barcode, an inventory item's sku - when they move from one item to another.

Item codes are swapped or renamed and barcodes are moved in ERPNext at once; in Medusa the first update is refused as
long as the other product still holds the key. So a key is freed first where the ERP says that its holder is to have
another one. The holder gets its own with its own update.

Belongs here: who holds a key, whether it may be taken, and freeing it. Who owns which product is bindings.py's.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, WebsiteItemReader

log = logging.getLogger(__name__)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Holding:
    """A variant, or its inventory item, that has a key which another Website Item is to have."""

    item: WebsiteItem
    key: str
    value: str
    variant: Row
    inventory_item_id: str = ""


@dataclass
class Claims:
    """What came of asking for keys."""

    freed: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """Why, by Website Item: the key is somebody else's by right."""


def keys_of(item: WebsiteItem) -> dict[str, str | None]:
    """Return the keys that the item's variant is to have."""
    return {"sku": item.item_code or None, "barcode": item.barcode}


class UniqueKeys:
    """Looks for holders of keys in one Medusa and frees what is free by right."""

    def __init__(self, reader: WebsiteItemReader, medusa: MedusaClient) -> None:
        self._reader = reader
        self._medusa = medusa

    def claim(self, items: Sequence[WebsiteItem]) -> Claims:
        """Free the keys of these items wherever the ERP says that the holder is to have another key."""
        holdings = [*self._variants(items), *self._inventory(items)]
        claims = Claims()
        if not holdings:
            return claims
        owners = self._owners(holdings)
        freed: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for one in holdings:
            product, owner = owners[one.variant["product_id"]]
            if not self._is_outdated(one, product, owner):
                claims.refused.setdefault(one.item.name, _refusal(one, product))
            elif one.inventory_item_id:
                self._medusa.update_inventory_item(one.inventory_item_id, {"sku": None})
                claims.freed += 1
            else:
                freed[one.variant["product_id"], one.variant["id"]][one.key] = None
        for (product_id, variant_id), keys in freed.items():
            log.info("variant %s: freed %s, which another item is to have", variant_id, ", ".join(keys))
            self._medusa.update_variant(product_id, variant_id, keys)
            claims.freed += len(keys)
        return claims

    def rename_inventory(self, item: WebsiteItem) -> None:
        """Give the inventory item of an exported item its item code: Medusa does not when a sku changes.

        Before the variant is updated: should the run break off here, the variant still differs in the next one.
        """
        fields = "id,inventory_items.inventory_item_id,inventory_items.inventory.sku"
        variant_id = item.row["medusa_variant_id"]
        for variant in self._medusa.find("/admin/product-variants", "variants", "id", [variant_id], fields):
            links = variant["inventory_items"] or ()
            # Of several, as a bundle has, none is the item's own.
            if len(links) == 1 and links[0]["inventory"]["sku"] != item.item_code:
                self._medusa.update_inventory_item(links[0]["inventory_item_id"], {"sku": item.item_code})

    def restock(self, item: WebsiteItem) -> None:
        """Give the variant its inventory item back; Medusa refuses to manage the inventory of one that lost it."""
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
        """(product, its Website Item where it exists) by product."""
        ids = {one.variant["product_id"] for one in holdings}
        products = self._medusa.products_by("id", ids, "id,external_id,metadata")
        names = {product["external_id"] for product in products if product["external_id"]}
        items = {item.name: item for item in self._reader.read(sorted(names))}
        return {product["id"]: (product, items.get(product["external_id"] or "")) for product in products}

    @staticmethod
    def _is_outdated(one: Holding, product: Row, owner: WebsiteItem | None) -> bool:
        """Whether the holder is to have another key, or is a product of ours whose Website Item is gone."""
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
    return f"{one.key} {one.value} is taken by product {product['id']}{owner}: free it there, or correct the Item"
