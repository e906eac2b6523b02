"""The price that customers of the embedded Medusa see.

The choice between base prices, overrides and sales. The store's routes belong to `storefront.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from erp_medusa_sandbox.medusa.http import raw_number
from erp_medusa_sandbox.medusa.lists import parse_date
from erp_medusa_sandbox.medusa.price_preferences import includes_taxes
from erp_medusa_sandbox.medusa.store import Document, MedusaStore


def calculated_price(
    store: MedusaStore, variant: Document, currency: str, context: dict[str, Any], quantity: float = 1
) -> Document | None:
    """Return the price that a customer is asked, or None.

    Of all prices that apply, those of price lists come first, then those with the most rules (their own and their
    list's), then the lowest. A sale that comes first is asked unless the base price is lower; what it is compared
    with is the first price that is no sale. `context` holds what rules are compared with, such as the region and the
    customer's groups: one value, or a list of which one must fit.
    """
    ranked = sorted(_candidates(store, variant, currency, context, quantity), key=_rank)
    if not ranked:
        return None
    first, base = ranked[0][0], next((price for price, within in ranked if within is None), None)
    original = next((price for price, within in ranked if within is None or within["type"] != "sale"), None)
    is_sale = ranked[0][1] is not None and ranked[0][1]["type"] == "sale"
    calculated = base if is_sale and base is not None and base["amount"] < first["amount"] else first
    return _shown(store, variant, calculated, original)


Candidate = tuple[Document, "Document | None"]
"""A price, and its price list if it has one."""


def _candidates(
    store: MedusaStore, variant: Document, currency: str, context: dict[str, Any], quantity: float
) -> Iterator[Candidate]:
    """The variant's prices that apply now, to this customer and this quantity."""
    now = store.clock()
    for price in store.find("price", "price_set_id", [variant["price_set_id"]]):
        if price["currency_code"] != currency or not _fits(price, quantity) or not _applies(price, context):
            continue
        price_list = store.get("price_list", price["price_list_id"])
        if price["price_list_id"] is None or (
            price_list is not None and _in_force(price_list, now) and _applies(price_list, context)
        ):
            yield price, price_list


def _fits(price: Document, quantity: float) -> bool:
    least, most = price["min_quantity"], price["max_quantity"]
    return (least is None or least <= quantity) and (most is None or quantity <= most)


def _rank(candidate: Candidate) -> tuple[bool, int, float]:
    price, price_list = candidate
    rules = len(price["rules"]) + (len(price_list["rules"]) if price_list else 0)
    return price_list is None, -rules, price["amount"]


def _shown(store: MedusaStore, variant: Document, calculated: Document, original: Document | None) -> Document:
    return {
        "id": variant["price_set_id"],
        "is_calculated_price_price_list": calculated["price_list_id"] is not None,
        "is_calculated_price_tax_inclusive": includes_taxes(store, calculated["currency_code"]),
        "calculated_amount": calculated["amount"],
        "raw_calculated_amount": raw_number(calculated["amount"]),
        "is_original_price_price_list": original is not None and original["price_list_id"] is not None,
        "is_original_price_tax_inclusive": original is not None and includes_taxes(store, original["currency_code"]),
        "original_amount": original["amount"] if original else None,
        "raw_original_amount": raw_number(original["amount"]) if original else None,
        "currency_code": calculated["currency_code"],
        "calculated_price": _origin(store, calculated),
        "original_price": _origin(store, original),
    }


def _in_force(price_list: Document, now: Any) -> bool:
    starts_at, ends_at = price_list["starts_at"], price_list["ends_at"]
    if price_list["status"] != "active":
        return False
    begun = starts_at is None or (parse_date(starts_at) or now) <= now
    return begun and (ends_at is None or (parse_date(ends_at) or now) >= now)


def _applies(ruled: Document, context: dict[str, Any]) -> bool:
    for attribute, wanted in ruled["rules"].items():
        if not set(_several(context.get(attribute))) & set(_several(wanted)):
            return False
    return True


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _origin(store: MedusaStore, price: Document | None) -> Document:
    if price is None:
        return dict.fromkeys(("id", "price_list_id", "price_list_type", "min_quantity", "max_quantity"))
    price_list = store.get("price_list", price["price_list_id"])
    return {
        "id": price["id"],
        "price_list_id": price["price_list_id"],
        "price_list_type": price_list["type"] if price_list else None,
        "min_quantity": price["min_quantity"],
        "max_quantity": price["max_quantity"],
    }
