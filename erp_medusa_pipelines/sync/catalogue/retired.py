"""Products and variants that rest, because VARIANTS shows the same items in another way.

A resting product is a draft without keys and without stock: its sku, its barcode and its inventory item, with what is
reserved of it, are for the product that shows the item now. It keeps its ids and what staff entered, and is taken up
again when VARIANTS is switched back.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.product_changes import SENT_KEY
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.shop.families import Families

RETIRED = "retired"
"""Value under HASH_KEY of a product that rests. It equals no fingerprint."""

FIELDS = "id,external_id,status,metadata,variants.id,variants.sku,variants.metadata"
WITHOUT_KEYS: Mapping[str, Any] = {"sku": None, "barcode": None, "manage_inventory": False}
"""What a resting variant has. Medusa drops the link to the inventory item, which stays."""

Row = Mapping[str, Any]


def is_retired(product: Row) -> bool:
    """Return whether a product (status, metadata) rests."""
    return product["status"] == "draft" and metadata_of(product).get(HASH_KEY) == RETIRED


def retired_body(product: Row) -> dict[str, Any]:
    """Return the update that lets a product (FIELDS) rest. All its variants are named: left out they would be gone."""
    return {
        "id": product["id"],
        "status": "draft",
        "metadata": _without_note(product),
        "variants": [_resting(variant) for variant in product["variants"]],
    }


def _resting(variant: Row) -> dict[str, Any]:
    notes = {"metadata": _without_note(variant)} if HASH_KEY in metadata_of(variant) else {}
    return {"id": variant["id"], **WITHOUT_KEYS, **notes}


def _without_note(row: Row) -> dict[str, Any]:
    """Return the record of what was sent without what resting takes away: it is sent again when it is taken up."""
    sent = metadata_of(row).get(SENT_KEY)
    kept = {key: one for key, one in sent.items() if key != "manage_inventory"} if isinstance(sent, Mapping) else {}
    return {HASH_KEY: RETIRED, SENT_KEY: kept}


def retire_abandoned(
    erp: ErpNextClient, writer: ErpNextWriter, medusa: MedusaClient, chunk: int, names: Collection[str]
) -> int:
    """Let products of templates rest whose variants are shown with others now. Returns how many.

    Their Website Items lose the ids, so that nobody works on them; they are found again by their external_id.
    """
    if not names:
        return 0
    rested = retire_option_products(erp, medusa, chunk, names)
    outcome = writer.write(WEBSITE_ITEM, [(name, {"medusa_id": "", "medusa_variant_id": ""}) for name in sorted(names)])
    if outcome.failed:
        raise next(iter(outcome.failed.values()))
    return rested


def retire_option_products(
    erp: ErpNextClient, medusa: MedusaClient, chunk: int, names: Collection[str] | None = None
) -> int:
    """Let products of templates rest, of these or of the whole shop: with VARIANTS=products each variant has its own.

    Returns how many. One request where there are none.
    """
    filters = [["has_variants", "=", 1], ["medusa_id", "is", "set"]]
    listed = erp.http.seen("retired", lambda: list(erp.rows(WEBSITE_ITEM, ["name", "medusa_id"], filters=filters)))
    rows = {row["medusa_id"]: row["name"] for row in listed if names is None or row["name"] in names}
    found = [
        product
        for product in (medusa.products_by("id", rows, FIELDS) if rows else ())
        if product["external_id"] == rows[product["id"]]
        and HASH_KEY in metadata_of(product)
        and not is_retired(product)
    ]
    for some in batched(found, chunk):
        medusa.batch_products(update=[retired_body(product) for product in some], fields="id")
    return len(found)


@dataclass(slots=True)
class Keys:
    """What became of keys that variants need."""

    inventory: dict[str, str] = field(default_factory=dict[str, str])
    """Inventory items that have the item's code and are free to be taken over, by Website Item."""
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Why a variant cannot be made, by Website Item."""
    retired: int = 0


@dataclass(frozen=True, slots=True)
class KeyHolders:
    """Frees the skus of variants that are to be made. `chunk` products go into one call."""

    medusa: MedusaClient
    families: Families
    chunk: int

    def free(self, items: Sequence[WebsiteItem]) -> Keys:
        """Let products rest that show these items by themselves, and take keys from products that they moved away from.

        Raises TransientError.
        """
        keys = Keys()
        by_sku = {item.item_code: item for item in items}
        if not by_sku:
            return keys
        holders: dict[str, list[Row]] = defaultdict(list)
        for variant in self.medusa.variants_by_sku(by_sku, "id,sku,product_id"):
            holders[variant["product_id"]].append(variant)
        resting: set[str] = set()
        updates: list[dict[str, Any]] = []
        for product in self.medusa.products_by("id", holders, FIELDS) if holders else ():
            held = holders[product["id"]]
            body = self._freeing(product, held)
            if body is None:
                keys.refused |= {by_sku[one["sku"]].name: _refusal(one, product) for one in held}
            else:
                updates.append(body)
                resting |= {one["id"] for one in body["variants"] if "sku" in one}
        for some in batched(updates, self.chunk):
            self.medusa.batch_products(update=some, fields="id")
        keys.retired = len(updates)
        self._find_inventory(by_sku, resting, keys)
        return keys

    def _freeing(self, product: Row, held: Iterable[Row]) -> dict[str, Any] | None:
        """Return the update that frees the keys, or None where the product has them by right."""
        owner = product["external_id"] or ""
        if HASH_KEY not in metadata_of(product):
            return None
        if owner in self.families.variants:
            moved = {one["id"] for one in held}
            named = [_resting(one) if one["id"] in moved else {"id": one["id"]} for one in product["variants"]]
            return {"id": product["id"], "variants": named}
        return retired_body(product) if owner in self.families.home else None

    def _find_inventory(self, by_sku: Mapping[str, WebsiteItem], resting: set[str], keys: Keys) -> None:
        for row in self.medusa.inventory_items_by_sku(by_sku, "id,sku,variants.id"):
            item = by_sku[row["sku"]]
            others = {variant["id"] for variant in row["variants"] or ()} - resting
            if not others:
                keys.inventory[item.name] = row["id"]
            elif others != {item.row["medusa_variant_id"]}:
                text = f"inventory item {row['id']} with sku {row['sku']} belongs to another variant: change it there"
                keys.refused.setdefault(item.name, text)


def _refusal(variant: Row, product: Row) -> str:
    owner = f" of Website Item {product['external_id']}" if product["external_id"] else ""
    return (
        f"sku {variant['sku']} is already used by product {product['id']}{owner}: change it there, or correct the Item"
    )
