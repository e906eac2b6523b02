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


def owners_of(audiences: Sequence[Audience], groups: Mapping[Key, str]) -> dict[str, Owner]:
    """Return the Customers that have a group in Medusa, by folded name. `groups` are ids of Medusa's groups."""
    return {
        folded(each.customer): Owner(groups[each.key], each.price_list, each.customer_group)
        for each in audiences
        if each.key in groups
    }


def read_own_prices(erp: ErpNextClient, owners: Mapping[str, Owner], items: Sequence[PricedItem]) -> OwnByCode:
    """Return the Item Prices of these Customers for these items, in one request. Items without any are left out."""
    if not owners:
        return {}
    lists = sorted({owner.price_list for owner in owners.values()})
    filters = [*FOR_ONE_CUSTOMER, ["price_list", "in", lists], ["item_code", "in", codes_of(items)]]
    by_owner: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in erp.get_list(DOCTYPE, [*FIELDS, "customer"], filters=filters):
        owner = owners.get(folded(row["customer"]))
        if owner and folded(owner.price_list) == folded(row["price_list"]):
            by_owner[folded(row["customer"])][folded(row["item_code"])].append(row)
    found: OwnByCode = {}
    for name, by_code in by_owner.items():
        for item in items:
            prices = prices_of(item, by_code)
            if prices.rows or prices.packs:
                found.setdefault(item.item_code, {})[name] = prices
    return found


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
