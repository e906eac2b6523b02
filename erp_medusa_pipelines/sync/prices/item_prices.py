"""Item Prices of Website Items as the price sync needs them.

Which items and rows count, and reading them in few requests.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from sys import intern
from typing import Any
from zlib import crc32

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP, Batch
from erp_medusa_pipelines.sync.engine.names import ByName, folded, same_name
from erp_medusa_pipelines.sync.engine.values import Values
from erp_medusa_pipelines.sync.prices.amounts import AmountRule, PriceRefusedError, amount_of
from erp_medusa_pipelines.sync.prices.windows import PriceRow, in_force
from erp_medusa_pipelines.sync.shop.for_sale import ForSale, for_sale_in
from erp_medusa_pipelines.sync.shop.listing import Relisted

DOCTYPE = "Item Price"

ITEMS_PER_REQUEST = 7500
FIELDS = (
    "name", "price_list", "item_code", "uom", "packing_unit", "currency", "price_list_rate", "valid_from", "valid_upto",
    "creation", "modified", "medusa_id", "medusa_price_id",
)  # fmt: skip
ITEM_FIELDS = (
    "name", "item_code", "stock_uom", "medusa_variant_id", "item_code.stock_uom as item_stock_uom",
    "item_code.variant_of as item_variant_of", "item_code.item_group as item_item_group",
    "item_code.brand as item_brand",
)  # fmt: skip
FOR_EVERYBODY = [["customer", "is", "not set"], ["supplier", "is", "not set"], ["batch_no", "is", "not set"]]
SHOWN_OR_EXPORTED = [["published", "=", 1], ["medusa_variant_id", "is", "set"]]


@dataclass(frozen=True, slots=True)
class PricedItem:
    """A Website Item whose price a shop may show. `variant_id` is empty while the item is not exported."""

    name: str
    item_code: str
    stock_uom: str
    variant_id: str
    template: str = ""
    """Item code of its template, if it is a variant."""
    is_for_sale: bool = True
    item_group: str = ""
    brand: str = ""


@dataclass(frozen=True, slots=True)
class ItemPrices:
    """The Item Prices of one item: the rule uses `rows`, not `others` (for another unit, or for packs only)."""

    rows: tuple[PriceRow, ...] = ()
    others: tuple[PriceRow, ...] = ()
    fingerprint: str = ""
    """Changes when a row of the item is changed, added or removed."""
    packs: tuple[PriceRow, ...] = ()
    """Those of `others` that are for packs of the stock unit."""


def check_price_list(erp: ErpNextClient, price_list: str) -> None:
    """Raise PermanentError unless the list is enabled and for selling: a wrong one would look like "no prices"."""
    read_currencies(erp, {price_list: "erpnext_price_list"})


def read_currencies(erp: ErpNextClient, price_lists: Mapping[str, str]) -> ByName[str]:
    """Return the currencies of Price Lists, each given with the setting that names it.

    Raises PermanentError unless all are enabled and for selling.
    """
    fields, names = ["name", "currency", "enabled", "selling"], list(price_lists)
    wanted = ["name", "=", names[0]] if len(names) == 1 else ["name", "in", names]
    listed = erp.http.seen("price lists", lambda: erp.get_list("Price List", fields, filters=[wanted]))
    rows = ByName((row["name"], row) for row in listed)
    for price_list, setting in price_lists.items():
        # A single one is what the database took for it.
        row = rows.find(price_list) or (next(iter(rows.values()), None) if len(names) == 1 else None)
        if row is None:
            problem = "does not exist"
        elif not row["enabled"]:
            problem = "is disabled"
        elif not row["selling"]:
            problem = "is not for selling"
        else:
            continue
        reason = f"Price List {price_list} {problem}: check {variable_name(setting)}"
        raise PermanentError(erp.http.service, f"Price List {price_list}", reason)
    return ByName((name, str(row["currency"] or "").upper()) for name in names if (row := rows.find(name)))


class PricedItems:
    """The batch's Website Items that are published or have been exported, ordered by name, as often as iterated."""

    def __init__(self, erp: ErpNextClient, batch: Batch) -> None:
        self._erp = erp
        self._sold_here = for_sale_in(erp)
        self._rows = Relisted(erp, batch, _fields(self._sold_here), or_filters=SHOWN_OR_EXPORTED)

    def __iter__(self) -> Iterator[PricedItem]:
        return _priced_items(self._erp, self._sold_here, self._rows)


def items_of_variants(erp: ErpNextClient, variants: Collection[str]) -> Iterator[PricedItem]:
    """Return the Website Items, of any batch, that are bound to these variants."""
    sold_here = for_sale_in(erp)
    rows = erp.rows_in(WEBSITE_ITEM, _fields(sold_here), sorted(variants), key="medusa_variant_id")
    yield from _priced_items(erp, sold_here, rows)


def _fields(sold_here: ForSale) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ITEM_FIELDS, *sold_here.fields)))


def _priced_items(erp: ErpNextClient, sold_here: ForSale, rows: Iterable[Mapping[str, Any]]) -> Iterator[PricedItem]:
    today: date | None = None
    for row in rows:
        today = today or erp.clock().date()
        if row["item_code"]:
            yield _priced_item(row, is_for_sale=sold_here.reason_against(row, today) is None)


def _priced_item(row: Mapping[str, Any], *, is_for_sale: bool = True) -> PricedItem:
    # One text each for all items that have it.
    return PricedItem(
        row["name"],
        row["item_code"],
        intern(row["item_stock_uom"] or row["stock_uom"] or ""),
        str(row["medusa_variant_id"] or ""),
        template=intern(str(row["item_variant_of"] or "")),
        is_for_sale=is_for_sale,
        item_group=intern(str(row["item_item_group"] or "")),
        brand=intern(str(row["item_brand"] or "")),
    )


PricesByCode = dict[str, ItemPrices]
"""Of one Price List, by item_code."""


def read_prices(erp: ErpNextClient, price_list: str, items: Sequence[PricedItem]) -> PricesByCode:
    """Return what `read_price_lists` does of one Price List."""
    return read_price_lists(erp, [price_list], items)[price_list]


def read_price_lists(
    erp: ErpNextClient, price_lists: Sequence[str], items: Sequence[PricedItem]
) -> dict[str, PricesByCode]:
    """Return the Item Prices without customer of these items, by Price List. One request for all.

    Those of a variant's template follow the variant's own, marked as inherited.
    """
    of_lists = ["price_list", "=", price_lists[0]] if len(price_lists) == 1 else ["price_list", "in", [*price_lists]]
    by_list: dict[str, dict[str, list[dict[str, Any]]]] = {folded(name): defaultdict(list) for name in price_lists}
    for row in erp.get_list(DOCTYPE, FIELDS, filters=[of_lists, *FOR_EVERYBODY, ["item_code", "in", codes_of(items)]]):
        # MariaDB may call names alike that folded() tells apart; a single list's rows are all its own.
        of_list = by_list.get(folded(row["price_list"])) if len(by_list) > 1 else next(iter(by_list.values()))
        if of_list is not None:
            of_list[folded(row["item_code"])].append(row)
    return {name: {item.item_code: prices_of(item, by_list[folded(name)]) for item in items} for name in price_lists}


def codes_of(items: Iterable[PricedItem]) -> list[str]:
    """Return the item codes of items and of their templates, sorted."""
    return sorted({code for item in items for code in (item.item_code, item.template) if code})


def without_price(
    erp: ErpNextClient, price_list: str, rule: AmountRule, names: Sequence[str], currency: str, today: date
) -> dict[str, str]:
    """Return those of these Website Items for which ERPNext itself has no price today, with the reason.

    `currency` is that of the shop's region, in capitals.
    """
    rows = erp.rows_in(WEBSITE_ITEM, list(ITEM_FIELDS), names)
    items = [_priced_item(row) for row in rows if row["item_code"]]
    prices = read_prices(erp, price_list, items) if items else {}
    found = {item.name: _why_none(prices[item.item_code], price_list, rule, currency, today) for item in items}
    return {name: reason for name, reason in found.items() if reason}


def lacking_in(erp: ErpNextClient, price_list: str, others: Sequence[str]) -> dict[str, list[str]]:
    """Return codes of items for sale that have a price today in `price_list` and none in one of `others`, by this one.

    In the order of the items' names. `others` differ from each other and from `price_list`.
    """
    today = erp.clock().date()
    found: dict[str, list[str]] = {name: [] for name in others}
    for some in batched((item for item in PricedItems(erp, WHOLE_SHOP) if item.is_for_sale), ITEMS_PER_REQUEST):
        by_list = read_price_lists(erp, [price_list, *others], some)
        has_none = {
            name: [item.item_code for item in some if in_force(prices[item.item_code].rows, today) is None]
            for name, prices in by_list.items()
        }
        unpriced = set(has_none[price_list])
        for name in others:
            found[name] += [code for code in has_none[name] if code not in unpriced]
    return found


def price_today(erp: ErpNextClient, price_list: str, website_item: str) -> tuple[PriceRow, str] | None:
    """Return the Item Price that ERPNext uses for a Website Item today, and the unit that it is sold in."""
    rows = erp.rows_in(WEBSITE_ITEM, list(ITEM_FIELDS), [website_item])
    today = erp.clock().date()
    for item in (_priced_item(row) for row in rows if row["item_code"]):
        row = in_force(read_prices(erp, price_list, [item])[item.item_code].rows, today)
        if row is not None:
            return row, item.stock_uom
    return None


def _why_none(prices: ItemPrices, price_list: str, rule: AmountRule, currency: str, today: date) -> str | None:
    row = in_force(prices.rows, today)
    if row is None:
        return f"ERPNext has no price for it today in {price_list}"
    try:
        amount_of(row, rule)
    except PriceRefusedError as error:
        return f"its price in {price_list}: {error.reason}"
    return None if row.currency == currency else f"its price in {price_list} is in {row.currency}, not in {currency}"


def prices_of(item: PricedItem, by_code: Mapping[str, Sequence[dict[str, Any]]]) -> ItemPrices:
    """Return an item's prices among rows by folded item code."""
    own = by_code.get(folded(item.item_code), ())
    rows = [*own, *(by_code.get(folded(item.template), ()) if not same_name(item.template, item.item_code) else ())]
    ours, others = [], []
    for number, row in enumerate(rows):
        # A row for another unit or for packs is not the price of a single piece.
        price = _price_row(row, inherited=number >= len(own))
        fits = (not price.uom or same_name(price.uom, item.stock_uom)) and price.packing_unit <= 1
        (ours if fits else others).append(price)
    packs = tuple(
        row for row in others if row.packing_unit > 1 and same_name(row.uom or item.stock_uom, item.stock_uom)
    )
    text = "|".join(f"{row['name']} {row['modified']}" for row in rows)
    return ItemPrices(tuple(ours), tuple(others), f"{crc32(text.encode('utf-8')):08x}", packs)


def _price_row(row: dict[str, Any], *, inherited: bool) -> PriceRow:
    values = Values(row)
    return PriceRow(
        name=row["name"],
        rate=values.decimal("price_list_rate"),
        currency=values.text("currency").upper(),
        valid_from=values.day("valid_from"),
        valid_upto=values.day("valid_upto"),
        uom=values.text("uom"),
        creation=values.text("creation"),
        medusa_id=values.text("medusa_id"),
        medusa_price_id=values.text("medusa_price_id"),
        packing_unit=values.pieces("packing_unit"),
        customer=row.get("customer") or "",
        inherited=inherited,
        unreadable=values.unreadable,
    )
