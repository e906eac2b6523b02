"""Move unique keys - sku, barcode, an inventory item's sku - from one product to another.

ERPNext swaps or renames item codes and moves barcodes at once; Medusa refuses the first update while the other product
still has the key. So a key is freed first if the ERP gives its holder another one. The holder gets its new key with
its own update.

Who holds a key, whether it may be freed, and freeing it. Ownership of products is in bindings.py.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, WebsiteItemReader
from erp_medusa_pipelines.sync.engine.delivery import deliver

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
    """Find holders of keys in one Medusa and free keys that they should not have, `chunk` documents per call."""

    def __init__(self, reader: WebsiteItemReader, medusa: MedusaClient, chunk: int) -> None:
        self._reader = reader
        self._medusa = medusa
        self._chunk = chunk

    def claim(self, items: Sequence[WebsiteItem]) -> Claims:
        """Free the keys of these items where the ERP gives their holder another key."""
        holdings = [*self._variants(items), *self._inventory(items)]
        claims = Claims()
        if not holdings:
            return claims
        owners = self._owners(holdings)
        products: dict[str, list[Holding]] = defaultdict(list)
        inventory: dict[str, list[Holding]] = defaultdict(list)
        for one in holdings:
            product, owner = owners[one.variant["product_id"]]
            if not self._is_outdated(one, product, owner):
                claims.refused[one.item.name].setdefault(one.key, _refusal(one, product))
            elif one.inventory_item_id:
                inventory[one.inventory_item_id].append(one)
            else:
                products[product["id"]].append(one)
        holders = [_without_keys(owners[product_id][0], some) for product_id, some in products.items()]
        stocked = [{"id": item_id, **dict.fromkeys(each.key for each in some)} for item_id, some in inventory.items()]
        refused = {
            **self._send(holders, self._update_products),
            **self._send(stocked, self._medusa.update_inventory_items),
        }
        for holder, some in (*products.items(), *inventory.items()):
            error = refused.get(holder)
            for one in some:
                if error is None:
                    log.info("variant %s: removed %s, which another item gets", one.variant["id"], one.key)
                    claims.freed += 1
                else:
                    product, _ = owners[one.variant["product_id"]]
                    claims.refused[one.item.name][one.key] = f"{_refusal(one, product)} ({error.reason})"
        return claims

    def rename_inventory(self, items: Sequence[WebsiteItem]) -> dict[str, str]:
        """Set the item codes as skus of the inventory items: Medusa does not when a variant's sku changes.

        Returns why not, by Website Item. Call it before the variants are updated: after an interruption they still
        differ in the next run.
        """
        # The variant of a bundle is stocked by its parts' inventory items.
        by_variant = {item.row["medusa_variant_id"]: item for item in items if not item.is_bundle}
        fields = "id,inventory_items.inventory_item_id,inventory_items.inventory.sku"
        owners: dict[str, WebsiteItem] = {}
        found = self._medusa.find("/admin/product-variants", "variants", "id", by_variant, fields) if by_variant else ()
        for variant in found:
            links, item = variant["inventory_items"] or (), by_variant[variant["id"]]
            # With several inventory items, as in a bundle, none is the item's own.
            if len(links) == 1 and links[0]["inventory"]["sku"] != item.item_code:
                owners[links[0]["inventory_item_id"]] = item
        updates = [{"id": item_id, "sku": item.item_code} for item_id, item in owners.items()]
        refused = self._send(updates, self._medusa.update_inventory_items)
        return {owners[item_id].name: error.reason for item_id, error in refused.items()}

    def restock(self, items: Sequence[WebsiteItem]) -> dict[str, str]:
        """Link variants to their inventory items again; Medusa refuses to manage inventory of a variant without one.

        Returns why not, by Website Item. One that is not to be managed any more needs nothing: Medusa drops the link
        and keeps the inventory item.
        """
        refused: dict[str, str] = {}
        for item in items:
            if not item.is_stocked:
                continue
            variant = {"id": item.row["medusa_variant_id"], "product_id": item.row["medusa_id"], "sku": item.item_code}
            try:
                MedusaInventory(self._medusa).stock_variant(variant)
            except AccessError:
                raise
            except PermanentError as error:
                refused[item.name] = error.reason
        return refused

    def _update_products(self, group: Sequence[dict[str, Any]]) -> None:
        self._medusa.batch_products(update=group, fields="id")

    def _send(
        self, updates: Sequence[dict[str, Any]], send: Callable[[Sequence[dict[str, Any]]], None]
    ) -> dict[str, ApiError]:
        """Send updates {id, ...}, and return the errors of those that are refused, by id.

        Raises TransientError where the server is at fault.
        """
        refused: dict[str, ApiError] = {}
        for some in batched(updates, self._chunk):
            delivery = deliver(some, send, check_way=self._medusa.check_way)
            if delivery.failed:
                raise delivery.failed[0][1]
            if delivery.alone and not delivery.server_works:
                raise delivery.alone[0][1]
            refused |= {one["id"]: error for one, error in (*delivery.rejected, *delivery.alone)}
        return refused

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
        products = self._medusa.products_by("id", ids, "id,external_id,metadata,variants.id")
        names = {product["external_id"] for product in products if product["external_id"]}
        items = {item.name: item for item in self._reader.read(sorted(names))}
        return {product["id"]: (product, items.get(product["external_id"] or "")) for product in products}

    @staticmethod
    def _is_outdated(one: Holding, product: Row, owner: WebsiteItem | None) -> bool:
        """Return whether the holder must get another key, or is an exported product whose Website Item is gone."""
        if owner is None:
            return HASH_KEY in metadata_of(product)
        own_variant = owner.row["medusa_variant_id"]
        return keys_of(owner)[one.key] != one.value and own_variant in (None, "", one.variant["id"])


def _without_keys(product: Row, holdings: Sequence[Holding]) -> dict[str, Any]:
    """Return the update of a product that takes these keys from its variants: all are named, left out they would go."""
    keys: dict[str, dict[str, None]] = defaultdict(dict)
    for one in holdings:
        keys[one.variant["id"]][one.key] = None
    return {"id": product["id"], "variants": [{"id": each["id"], **keys[each["id"]]} for each in product["variants"]]}


def _by_value(items: Iterable[WebsiteItem], key: str) -> dict[str, list[WebsiteItem]]:
    wanted: dict[str, list[WebsiteItem]] = defaultdict(list)
    for item in items:
        if value := keys_of(item)[key]:
            wanted[value].append(item)
    return wanted


def _refusal(one: Holding, product: Row) -> str:
    owner = f" of Website Item {product['external_id']}" if product["external_id"] else ""
    # Medusa leaves it there when somebody changes the sku of the variant.
    item = f"inventory item {one.inventory_item_id} of " if one.inventory_item_id else ""
    return (
        f"{one.key} {one.value} is already used by {item}product {product['id']}{owner}: change it there, or correct"
        " the Item"
    )
