"""Pricing Rules of a test's shop, as staff make them in ERPNext."""

from typing import Any

from tests.support.priced_shop import PricedShop

TABLES = {
    "Item Code": ("items", "item_code"),
    "Item Group": ("item_groups", "item_group"),
    "Brand": ("brands", "brand"),
}
KINDS = {
    "percent": ("Discount Percentage", "discount_percentage"),
    "amount": ("Discount Amount", "discount_amount"),
    "rate": ("Rate", "rate"),
}


class Rules:
    """The Pricing Rules of one shop."""

    def __init__(self, shop: PricedShop) -> None:
        self.shop = shop
        self.number = 0

    def add(
        self, apply_on: str, *targets: str, since: int | None = None, until: int | None = None, **fields: Any
    ) -> str:
        """Add a rule for these targets, valid from and up to so many days from today.

        `percent`, `amount` or `rate` is what it gives; other names are ERPNext's fields. Returns its name.
        """
        self.number += 1
        store, shop = self.shop.erp.store, self.shop
        name = f"PRLE-{shop.catalogue.tag}-{self.number:03d}"
        given = {key: fields.pop(key) for key in KINDS if key in fields}
        for key, value in given.items():
            kind, column = KINDS[key]
            fields |= {"rate_or_discount": kind, column: value}
        if fields.get("priority"):
            fields["has_priority"] = 1
        if fields.get("customer_group"):
            fields["applicable_for"] = "Customer Group"
        values = {
            "name": name,
            "title": name,
            "selling": 1,
            "apply_on": apply_on,
            "price_or_product_discount": "Price",
            "currency": "OMR",
            "valid_from": shop.day(since).isoformat() if since is not None else None,
            "valid_upto": shop.day(until).isoformat() if until is not None else None,
            **fields,
        }
        if targets:
            table, column = TABLES[apply_on]
            values[table] = [{column: target} for target in targets]
        return store.insert("Pricing Rule", **values)
