"""Find, repair and adopt products that Medusa already has for Website Items without ids.

A create whose answer was lost may have happened, and a Medusa that was killed can leave products without variants.
Belongs here: finding them and repairing them. Does not belong here: creating new ones (products.py).
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement, create_variant_body, handle
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem

log = logging.getLogger(__name__)

LOOKUP_FIELDS = (
    "id,external_id,handle,metadata,sales_channels.id,shipping_profile.id,"
    "variants.id,variants.sku,variants.inventory_items.inventory_item_id"
)


@dataclass(frozen=True, slots=True)
class Binding:
    """The Medusa ids of one Website Item."""

    name: str
    product_id: str
    variant_id: str


class Adopter:
    """Find and adopt products in one Medusa."""

    def __init__(self, medusa: MedusaClient, placement: Placement) -> None:
        self._medusa = medusa
        self._placement = placement

    def by_external_id(self, items: Iterable[WebsiteItem]) -> dict[str, dict[str, Any]]:
        """Return products whose external_id names one of these items, by Website Item name."""
        by_name = {item.name: item for item in items}
        candidates: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for product in self._medusa.products_by("external_id", by_name, LOOKUP_FIELDS):
            candidates[product["external_id"]].append(product)
        return {name: self._best(products, by_name[name]) for name, products in candidates.items()}

    def by_keys(self, items: Sequence[WebsiteItem]) -> dict[str, dict[str, Any]]:
        """Return products that have the sku or the handle of these items, whoever made them, by Website Item name."""
        skus = {item.item_code: item.name for item in items}
        handles = {handle(item): item.name for item in items}
        found: dict[str, dict[str, Any]] = {}
        variants = self._medusa.variants_by_sku(skus, "id,sku,product_id")
        owner_of = {variant["product_id"]: skus[variant["sku"]] for variant in variants}
        for product in self._medusa.products_by("id", owner_of, LOOKUP_FIELDS):
            found[owner_of[product["id"]]] = product
        for product in self._medusa.products_by("handle", handles, LOOKUP_FIELDS):
            found.setdefault(handles[product["handle"]], product)
        return found

    def unused_inventory(self, items: Sequence[WebsiteItem]) -> dict[str, str]:
        """Return inventory items that have the sku of these items and belong to no variant, by item_code.

        They remain when a variant is deleted. Medusa refuses a new variant with their sku unless it takes them over.
        """
        skus = {item.item_code for item in items}
        rows = self._medusa.inventory_items_by_sku(skus, "id,sku,variants.id")
        return {row["sku"]: row["id"] for row in rows if not row["variants"]}

    def adopt(self, item: WebsiteItem, product: Mapping[str, Any]) -> Binding:
        """Repair the product and bind it to this item. Raises PermanentError when it belongs to another item."""
        owner = product["external_id"]
        if owner and owner != item.name:
            raise PermanentError(
                "Medusa",
                f"product {product['id']}",
                f"sku {item.item_code} or the handle is already used by product {product['id']} of Website Item {owner}"
                ": change it there, or correct the Item",
            )
        variant_id = self._variant_id(item, product)
        repair: dict[str, Any] = {}
        if not owner:
            repair["external_id"] = item.name
        if not any(channel and channel["id"] for channel in product.get("sales_channels") or ()):
            repair["sales_channels"] = [{"id": self._placement.sales_channel_id}]
        if self._placement.shipping_profile_id and not product.get("shipping_profile"):
            repair["shipping_profile_id"] = self._placement.shipping_profile_id
        if repair:
            self._medusa.batch_products(update=[{"id": product["id"], **repair}], fields="id")
        return Binding(item.name, product["id"], variant_id)

    def _variant_id(self, item: WebsiteItem, product: Mapping[str, Any]) -> str:
        variants = product["variants"]
        for variant in variants:
            if variant["sku"] == item.item_code:
                return variant["id"]
        if len(variants) == 1:
            # The item_code was renamed since; the update of changed products corrects the sku.
            return variants[0]["id"]
        if variants:
            raise PermanentError(
                "Medusa",
                f"product {product['id']}",
                f"product {product['id']} has {len(variants)} variants and none with sku {item.item_code}",
            )
        log.info(
            "%s: product %s has no variant (an earlier create was interrupted); adding it", item.name, product["id"]
        )
        body = create_variant_body(item, self.unused_inventory([item]).get(item.item_code))
        mended = self._medusa.create_variant(product["id"], body, "id,variants.id,variants.sku")
        return mended["variants"][0]["id"]

    @staticmethod
    def _best(products: list[dict[str, Any]], item: WebsiteItem) -> dict[str, Any]:
        """Return the product that has the item's sku, else the oldest: Medusa's ids sort by time."""
        if len(products) > 1:
            ids = ", ".join(product["id"] for product in products)
            log.warning("%s: several products carry this external_id: %s", item.name, ids)
        holds_sku = [p for p in products if any(variant["sku"] == item.item_code for variant in p["variants"])]
        return min(holds_sku or products, key=lambda product: product["id"])
