"""What makes a product of ours whole, written down once, and which of it a product lacks.

A Medusa that dies in the middle of its create workflow leaves a chunk of products without channel, profile, variants or
price sets. Its staff, and whoever restores its database, can take the same away later. Whoever looks a product up asks
here, in the look-up that is made anyway, and mending.py makes it whole:

| part | noticed when | made whole by |
|---|---|---|
| option, variant, price set | adoption; each export, of products whose ids ERPNext has | mending.py |
| inventory item, its sku | adoption; each stock sync | mending.py; the stock sync |
| sales channel, shipping profile | adoption; each comparison of fields | mending.py; FIELD_POLICIES decide |
| collection, metadata | each comparison of fields, also right after adoption | FIELD_POLICIES decide |
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement

Row = Mapping[str, Any]

BOUND_FIELDS = "id,external_id,created_at,options.id,variants.id,variants.sku,variants.created_at,variants.prices.id"
"""What a nightly look-up of all products asks for. Inventory would make it half as long again; stock is read anyway."""

WHOLE_FIELDS = (
    "id,external_id,handle,metadata,created_at,options.title,options.values.value,sales_channels.id,shipping_profile.id,"
    "variants.id,variants.sku,variants.created_at,variants.manage_inventory,variants.prices.id,"
    "variants.inventory_items.inventory_item_id,variants.inventory_items.inventory.sku"
)
"""What a look-up of products to adopt asks for: every part."""


class Part(StrEnum):
    """A part of a product, as people call it."""

    OPTION = "option"
    VARIANT = "variant"
    PRICE_SET = "price set"
    INVENTORY = "inventory item"
    INVENTORY_SKU = "sku of the inventory item"
    CHANNEL = "sales channel"
    PROFILE = "shipping profile"


def lacks(product: Row, variant: Row | None, sku: str, placement: Placement | None = None) -> frozenset[Part]:
    """Return the parts that a product lacks. `variant` is the item's own, None if there is none; `sku` its item_code.

    Only parts that the look-up asked for are judged; channel and profile only with a `placement`.
    """
    found = {Part.OPTION} if "options" in product and not product["options"] else set()
    if placement and not any(channel and channel["id"] for channel in product["sales_channels"] or ()):
        found.add(Part.CHANNEL)
    # A link without a row has no key in Medusa's answers, no null.
    if placement and placement.shipping_profile_id and not product.get("shipping_profile"):
        found.add(Part.PROFILE)
    if variant is None:
        return frozenset({*found, Part.VARIANT})
    if variant.get("prices") is None:
        found.add(Part.PRICE_SET)
    return frozenset(found | _lacks_of_inventory(variant, sku))


def _lacks_of_inventory(variant: Row, sku: str) -> set[Part]:
    if not variant.get("manage_inventory") or "inventory_items" not in variant:
        return set()
    links = variant["inventory_items"] or ()
    if not links:
        return {Part.INVENTORY}
    own = links[0].get("inventory") if len(links) == 1 else None
    # One with another sku was linked by staff, and a variant that has another one gets its own with its other fields.
    return {Part.INVENTORY_SKU} if own and not own["sku"] and variant["sku"] == sku else set()


def made_at(product: Row) -> datetime:
    """Return when the youngest part of a product was created, at Medusa's clock; long ago where it does not say."""
    parts = [product, *(product["variants"] or ())]
    made = [datetime.fromisoformat(at) for part in parts if (at := part.get("created_at"))]
    return max(made, default=datetime.min.replace(tzinfo=UTC))
