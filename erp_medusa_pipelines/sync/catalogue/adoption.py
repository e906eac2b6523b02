"""Find, make whole and adopt products that Medusa already has for Website Items without ids.

A create whose answer was lost may have happened, and a Medusa that was killed can leave products half-made. This finds
them and decides whose they are. What a whole product has: whole.py, mending.py.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.failures import ApiError, PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.sync.catalogue.bindings import is_shared
from erp_medusa_pipelines.sync.catalogue.mending import Half, Mender, wait_until_settled
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement, handle
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.catalogue.whole import WHOLE_FIELDS, lacks

log = logging.getLogger(__name__)

Product = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """The Medusa ids of one Website Item."""

    name: str
    product_id: str
    variant_id: str


@dataclass
class Adoption:
    """What became of products that were to be adopted."""

    bindings: list[Binding] = field(default_factory=list)
    failed: dict[str, ApiError] = field(default_factory=dict)
    """Why not, by Website Item."""
    mended: int = 0
    """How many of them were half-made."""


class Adopter:
    """Find and adopt products in one Medusa. `chunk` products are mended per call."""

    def __init__(self, medusa: MedusaClient, placement: Placement, chunk: int) -> None:
        self._medusa = medusa
        self._mender = Mender(medusa, placement, chunk)
        self._placement = placement

    def by_external_id(self, items: Iterable[WebsiteItem]) -> dict[str, dict[str, Any]]:
        """Return products whose external_id names one of these items, by Website Item name."""
        by_name = {item.name: item for item in items}
        candidates: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for product in self._medusa.products_by("external_id", by_name, WHOLE_FIELDS):
            candidates[product["external_id"]].append(product)
        return {name: self._best(products, by_name[name]) for name, products in candidates.items()}

    def by_keys(self, items: Sequence[WebsiteItem]) -> dict[str, dict[str, Any]]:
        """Return products that have the sku or the handle of these items, whoever made them, by Website Item name."""
        skus = {item.item_code: item.name for item in items}
        handles = {handle(item): item.name for item in items}
        found: dict[str, dict[str, Any]] = {}
        holders: dict[str, list[str]] = defaultdict(list)
        for variant in self._medusa.variants_by_sku(skus, "id,sku,product_id"):
            holders[variant["product_id"]].append(skus[variant["sku"]])
        for product in self._medusa.products_by("id", holders, WHOLE_FIELDS):
            # A product with several variants may be that of several items.
            found |= dict.fromkeys(holders[product["id"]], product)
        for product in self._medusa.products_by("handle", handles, WHOLE_FIELDS):
            found.setdefault(handles[product["handle"]], product)
        return found

    def unused_inventory(self, items: Sequence[WebsiteItem]) -> dict[str, str]:
        """Return inventory items that have the sku of these items and belong to no variant, by item_code.

        They remain when a variant is deleted. Medusa refuses a new variant with their sku unless it takes them over.
        """
        skus = {item.item_code for item in items}
        rows = self._medusa.inventory_items_by_sku(skus, "id,sku,variants.id")
        return {row["sku"]: row["id"] for row in rows if not row["variants"]}

    def adopt(self, items: Sequence[WebsiteItem], products: Mapping[str, Product]) -> Adoption:
        """Make the products of these items whole and bind them. `products` is by Website Item name.

        One that belongs to another item, or has several variants of which none is the item's, is refused.
        """
        adoption = Adoption()
        halves = self._halves(items, products, adoption)
        if wait_until_settled(self._medusa, [half.product for half in halves if half.lacks]):
            settled = self._looked_again(halves, products)
            gone = {item.name for item in items} - settled.keys() - adoption.failed.keys()
            adoption.failed |= {name: _given_up() for name in gone}
            halves = self._halves([item for item in items if item.name in settled], settled, adoption)
        adoption.failed |= self._mender.mend(halves)
        adoption.mended = sum(bool(half.lacks) for half in halves if half.name not in adoption.failed)
        adoption.bindings = [
            Binding(half.name, half.product["id"], half.variant["id"])
            for half in halves
            if half.name not in adoption.failed and half.variant
        ]
        return adoption

    def _looked_again(self, halves: Sequence[Half], products: Mapping[str, Product]) -> dict[str, Product]:
        """Return the products as they are now. What the caller knows of their owners stays as it is."""
        ids = {half.name: half.product["id"] for half in halves}
        now = {row["id"]: row for row in self._medusa.products_by("id", ids.values(), WHOLE_FIELDS)}
        return {
            name: {**now[product_id], "external_id": products[name]["external_id"]}
            for name, product_id in ids.items()
            if product_id in now
        }

    def _halves(self, items: Sequence[WebsiteItem], products: Mapping[str, Product], adoption: Adoption) -> list[Half]:
        halves: list[Half] = []
        for item in items:
            product = products[item.name]
            try:
                variant = self._variant(item, product)
            except PermanentError as error:
                adoption.failed[item.name] = error
                continue
            lacking = lacks(product, variant, item.item_code, self._placement)
            claimed = not product["external_id"] and not is_shared(product)
            halves.append(Half(item.name, item.item_code, product, variant, lacking, item, claimed))
        return halves

    @staticmethod
    def _variant(item: WebsiteItem, product: Product) -> Mapping[str, Any] | None:
        """Return the variant that is the item's, or None where the product has none."""
        owner, variants = product["external_id"], product["variants"]
        if owner and owner != item.name:
            raise PermanentError(
                "Medusa",
                f"product {product['id']}",
                f"sku {item.item_code} or the handle is already used by product {product['id']} of Website Item {owner}"
                ": change it there, or correct the Item",
            )
        if owner and (code := _other_code(item, product)):
            raise PermanentError(
                "Medusa",
                f"product {product['id']}",
                f"product {product['id']} names this Website Item, but was made of Item {code}, not {item.item_code}:"
                " the name was given again, as after a restored backup. If it is the same item under another code, set"
                f" the sku of its variant in Medusa to {item.item_code}; if not, delete the product there, or empty its"
                " external_id",
            )
        same = [variant for variant in variants if variant["sku"] == item.item_code]
        if not same and len(variants) > 1:
            raise PermanentError(
                "Medusa",
                f"product {product['id']}",
                f"product {product['id']} has {len(variants)} variants and none with sku {item.item_code}",
            )
        # With another sku, its item_code was changed since; the update of changed products corrects it.
        return next(iter(same or variants), None)

    @staticmethod
    def _best(products: list[dict[str, Any]], item: WebsiteItem) -> dict[str, Any]:
        """Return the product that has the item's sku, else the oldest: Medusa's ids sort by time."""
        if len(products) > 1:
            ids = ", ".join(product["id"] for product in products)
            log.warning("%s: several products carry this external_id: %s", item.name, ids)
        holds_sku = [p for p in products if any(variant["sku"] == item.item_code for variant in p["variants"])]
        return min(holds_sku or products, key=lambda product: product["id"])


def _other_code(item: WebsiteItem, product: Product) -> str | None:
    """Return the item code that a product says it is of, where that is another one than the item's.

    A name alone is no proof: a restored ERPNext gives the names of lost documents to new ones.
    """
    noted = metadata_of(product).get("item_code")
    codes = [code for code in (noted, *(variant["sku"] for variant in product["variants"])) if isinstance(code, str)]
    same = item.item_code.casefold()
    return None if not codes or any(code.casefold() == same for code in codes) else codes[0]


def _given_up() -> TransientError:
    return TransientError("Medusa", "POST /admin/products/batch", "Medusa was creating the product and gave it up")
