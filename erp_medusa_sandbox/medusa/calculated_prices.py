"""The price that customers of the embedded Medusa see.

Belongs here: the choice between base prices, overrides and sales. The store's routes belong to `storefront.py`.
"""

from __future__ import annotations

from typing import Any

from erp_medusa_sandbox.medusa.http import raw_number
from erp_medusa_sandbox.medusa.lists import parse_date
from erp_medusa_sandbox.medusa.store import Document, MedusaStore


def calculated_price(store: MedusaStore, variant: Document, currency: str, context: dict[str, Any]) -> Document | None:
    """Return the lowest override in force, else the base price, and below that the lowest sale in force.

    `context` holds what rules are compared with, such as the region. An anonymous customer is in no group.
    """
    base, overrides, sales = _candidates(store, variant, currency, context)
    original = _lowest(overrides) or _lowest(base)
    calculated = _lowest([price for price in (original, _lowest(sales)) if price is not None])
    return None if calculated is None else _shown(store, variant, calculated, original or calculated)


def _candidates(
    store: MedusaStore, variant: Document, currency: str, context: dict[str, Any]
) -> tuple[list[Document], list[Document], list[Document]]:
    """The variant's base prices, overrides and sale prices that apply now, to a quantity of one."""
    now = store.clock()
    base: list[Document] = []
    overrides: list[Document] = []
    sales: list[Document] = []
    for price in store.find("price", "price_set_id", [variant["price_set_id"]]):
        if price["currency_code"] != currency or (price["min_quantity"] or 0) > 1 or not _applies(price, context):
            continue
        if price["price_list_id"] is None:
            base.append(price)
            continue
        price_list = store.get("price_list", price["price_list_id"])
        if price_list is not None and _in_force(price_list, now) and _applies(price_list, context):
            (overrides if price_list["type"] == "override" else sales).append(price)
    return base, overrides, sales


def _shown(store: MedusaStore, variant: Document, calculated: Document, original: Document) -> Document:
    return {
        "id": variant["price_set_id"],
        "is_calculated_price_price_list": calculated["price_list_id"] is not None,
        "is_calculated_price_tax_inclusive": False,
        "calculated_amount": calculated["amount"],
        "raw_calculated_amount": raw_number(calculated["amount"]),
        "is_original_price_price_list": original["price_list_id"] is not None,
        "is_original_price_tax_inclusive": False,
        "original_amount": original["amount"],
        "raw_original_amount": raw_number(original["amount"]),
        "currency_code": calculated["currency_code"],
        "calculated_price": _origin(store, calculated),
        "original_price": _origin(store, original),
    }


def _lowest(prices: list[Document]) -> Document | None:
    return min(prices, key=lambda price: price["amount"], default=None)


def _in_force(price_list: Document, now: Any) -> bool:
    starts_at, ends_at = price_list["starts_at"], price_list["ends_at"]
    if price_list["status"] != "active":
        return False
    begun = starts_at is None or (parse_date(starts_at) or now) <= now
    return begun and (ends_at is None or (parse_date(ends_at) or now) >= now)


def _applies(ruled: Document, context: dict[str, Any]) -> bool:
    for attribute, wanted in ruled["rules"].items():
        if context.get(attribute) not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def _origin(store: MedusaStore, price: Document) -> Document:
    price_list = store.get("price_list", price["price_list_id"])
    return {
        "id": price["id"],
        "price_list_id": price["price_list_id"],
        "price_list_type": price_list["type"] if price_list else None,
        "min_quantity": price["min_quantity"],
        "max_quantity": price["max_quantity"],
    }
