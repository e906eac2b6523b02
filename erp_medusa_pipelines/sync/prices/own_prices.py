"""Item Prices of one Customer: reading them, and what ERPNext asks this Customer by them.

ERPNext takes a row of the Customer before all others of the same Price List, whatever is cheaper or newer; only a row
of the item itself comes before one of its template. All these Customers share one book (books.py): each entry of its
lists has a rule of its own, the Customer's group in Medusa. Medusa counts the rules of list and entry together, and the
price with the most wins, so they come before those of Customer Groups, which have one rule less.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.prices.audiences import FOR_ONE_CUSTOMER, Audience, Key
from erp_medusa_pipelines.sync.prices.books import Owner
from erp_medusa_pipelines.sync.prices.item_prices import (
    DOCTYPE,
    FIELDS,
    ItemPrices,
    PricedItem,
    codes_of,
    prices_of,
)
from erp_medusa_pipelines.sync.prices.offers import Offers

OwnByCode = dict[str, dict[str, ItemPrices]]
"""By item code and folded name of the Customer."""

ByOwner = dict[str, dict[str, list[dict[str, Any]]]]
"""Rows by folded name of the Customer and folded item code."""

HAS_ID = ["medusa_price_id", "is", "set"]


def owners_of(audiences: Sequence[Audience], groups: Mapping[Key, str]) -> dict[str, Owner]:
    """Return the Customers that have a group in Medusa, by folded name. `groups` are ids of Medusa's groups."""
    return {
        folded(each.customer): Owner(each.customer, groups[each.key], each.price_list, each.customer_group)
        for each in audiences
        if each.key in groups
    }


def read_own_prices(erp: ErpNextClient, owners: Mapping[str, Owner], items: Sequence[PricedItem]) -> OwnByCode:
    """Return the Item Prices of these Customers for these items, in one request. Items without any are left out.

    `others` has rows that nobody is asked as well, where they still have an id: another list's, another Customer's.
    """
    lists = sorted({owner.price_list for owner in owners.values()})
    asked_or_kept = [["price_list", "in", lists], HAS_ID] if lists else [HAS_ID]
    filters = [*FOR_ONE_CUSTOMER, ["item_code", "in", codes_of(items)]]
    asked: ByOwner = defaultdict(lambda: defaultdict(list))
    unasked: ByOwner = defaultdict(lambda: defaultdict(list))
    for row in erp.get_list(DOCTYPE, [*FIELDS, "customer"], filters=filters, or_filters=asked_or_kept):
        owner = owners.get(folded(row["customer"]))
        is_asked = owner is not None and folded(owner.price_list) == folded(row["price_list"])
        (asked if is_asked else unasked)[folded(row["customer"])][folded(row["item_code"])].append(row)
    by_code: dict[str, list[PricedItem]] = defaultdict(list)
    for item in items:
        for code in {folded(item.item_code), folded(item.template)}:
            by_code[code].append(item)
    found: OwnByCode = {}
    for name in asked.keys() | unasked.keys():
        priced = {item.name: item for code in asked[name].keys() | unasked[name].keys() for item in by_code[code]}
        for item in priced.values():
            prices, idle = prices_of(item, asked[name]), prices_of(item, unasked[name])
            prices = replace(prices, others=(*prices.others, *idle.rows, *idle.others))
            if prices.rows or prices.others:
                found.setdefault(item.item_code, {})[name] = prices
    return found


def all_together(of_customers: Mapping[str, ItemPrices]) -> ItemPrices:
    """Return the rows of all Customers for one item, as those that may have ids."""
    some = [of_customers[name] for name in sorted(of_customers)]
    rows = tuple(row for each in some for row in each.rows)
    others = tuple(row for each in some for row in each.others)
    fingerprint = crc32(" ".join(each.fingerprint for each in some).encode("utf-8"))
    return ItemPrices(rows, others, f"{fingerprint:08x}")


def with_everybodys(own: ItemPrices, everybodys: ItemPrices) -> ItemPrices:
    """Return a Customer's prices of an item, with those of everybody that come before some of them."""
    if not any(row.inherited for row in (*own.rows, *own.packs)):
        return own
    rows, packs = (
        (*some, *(row for row in others if not row.inherited))
        for some, others in ((own.rows, everybodys.rows), (own.packs, everybodys.packs))
    )
    return ItemPrices(rows, packs=packs)


def offers_to(owner: Owner, found: Offers) -> Offers:
    """Return those of these offers that are of a Customer's own rows, as offers for its group in Medusa alone."""
    prices, sales = (
        [
            replace(segment, tier=replace(segment.tier, group=owner.group))
            for segment in segments
            if segment.row.customer
        ]
        for segments in (found.prices, found.sales)
    )
    return Offers(prices, sales, found.problems)
