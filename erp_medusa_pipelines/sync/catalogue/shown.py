"""Products that customers see, and what a run would hide from them.

Which change of a product hides it, counting, and the limit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from erp_medusa_pipelines.product_fields import FIELDS, How
from erp_medusa_pipelines.sync.engine.brake import Limit

HIDING = frozenset({"status", "sales_channel", "manage_inventory", "allow_backorder"})
"""Fields, under the names of FIELD_POLICIES, that decide whether a customer sees a product and can buy it."""


def shown_limit(percent: int, setting: str) -> Limit:
    """Return how many products may be hidden."""
    return Limit(
        name="shown",
        what="products would be hidden from customers, or lose a text or their picture",
        percent=percent,
        setting=setting,
        allow="allow_hiding",
        check=(
            "Check that it is the right ERPNext, that its user sees all Website Items and Items, and that the sales"
            " channel is the storefront's."
        ),
    )


CONTENT = [field.name for field in FIELDS if field.how in (How.TEXT, How.PICTURE) and field.place != "metadata"]
"""Fields that customers see, and that an update can empty."""


def emptied(product: Mapping[str, Any], changes: Mapping[str, Any]) -> set[str]:
    """Return which texts and pictures of a product that is shown these changes take away."""
    if product["status"] != "published":
        return set()
    return {name for name in CONTENT if name in changes and not changes[name] and product[name]}


def hides(product: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    """Return whether these changes take a product that is shown away from customers.

    `product` has status and sales_channels. A product that leaves one of its channels is gone for who buys there.
    """
    if product["status"] != "published":
        return False
    if changes.get("status", "published") != "published":
        return True
    return "sales_channel" in changes and bool(_channels(product) - set(changes["sales_channel"]))


def may_sell_out(product: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    """Return whether these changes let a product be bought only while it is in stock, which could be bought always."""
    stricter = changes.get("manage_inventory") is True or changes.get("allow_backorder") is False
    return product["status"] == "published" and stricter


def _channels(product: Mapping[str, Any]) -> set[str]:
    return {channel["id"] for channel in product["sales_channels"] or () if channel}


def in_stock(variants: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the ids of variants (with inventory_items.inventory.location_levels) of which a piece is available."""
    return {
        variant["id"]
        for variant in variants
        for link in variant["inventory_items"] or ()
        for level in (link.get("inventory") or {}).get("location_levels") or ()
        if level["stocked_quantity"] > level["reserved_quantity"]
    }
