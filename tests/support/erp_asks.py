"""What ERPNext's get_item_details asks for an item, computed from rows, without the project's code.

ERPNext's choice of an Item Price and a Pricing Rule, for the fields that the tests use. Not here: what the shop shows.
It follows ERPNext 15's stock/get_item_details.py and accounts/doctype/pricing_rule/utils.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.site import Site as Documents

Row = Mapping[str, Any]
LEVELS = ("Item Code", "Item Group", "Brand")


@dataclass
class Site:
    """Rows of one site. `targets` are of each rule; days are ISO texts, which compare like days."""

    prices: Sequence[Row] = ()
    rules: Sequence[Row] = ()
    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    packs: bool = False
    """Whether packing_unit is read as the least quantity, as the shop does. ERPNext takes the newest row: one for
    everybody in an order of a Customer whatever its unit, any other only where the quantity fills its packs."""


@dataclass(frozen=True)
class Line:
    """One line of an order: how many of what, by whom, on which day."""

    item_code: str
    item_groups: Sequence[str]
    brand: str
    price_list: str
    customer_groups: Sequence[str]
    day: str
    quantity: int
    template: str = ""
    customer: str = ""


def asked(site: Site, line: Line) -> tuple[Decimal, Decimal] | None:
    """Return what is asked for each piece and the price that it is compared with; None without an Item Price.

    Where two rules conflict ERPNext refuses the order, and the shop asks the Item Price.
    """
    row = _item_price(site, line)
    if row is None:
        return None
    rate = Decimal(str(row["price_list_rate"]))
    rule = _rule(site, line)
    now = _applied(rule, rate) if rule else rate
    # A rate that a rule raises is the price itself: nothing is struck through.
    return _rounded(now), _rounded(max(now, rate))


class Reading:
    """A store's rows, read once, and what ERPNext asks by them."""

    def __init__(self, store: "Documents") -> None:
        self._get = cache(store.get)
        targets: dict[str, list[str]] = {}
        for row in chain.from_iterable(store.rows(f"Pricing Rule {level}") for level in LEVELS):
            target = row.get("item_code") or row.get("item_group") or row.get("brand")
            targets.setdefault(row["parent"], []).append(str(target))
        self.site = Site(store.rows("Item Price"), store.rows("Pricing Rule"), targets, packs=True)

    def asks(self, lines: Iterable[tuple[str, int]], price_list: str, customer: str | None, day: str) -> list[float]:
        """Return the rate of each line, (item code, quantity), in a Customer's order, or in one without."""
        buyer = self._get("Customer", customer or "") or {}
        of_buyer = self._upwards("Customer Group", buyer.get("customer_group"))
        found = []
        for code, quantity in lines:
            item = self._get("Item", code) or {}
            groups, brand = self._upwards("Item Group", item["item_group"]), item["brand"] or ""
            line = Line(code, groups, brand, price_list, of_buyer, day, quantity, customer=customer or "")
            rates = asked(self.site, line)
            assert rates, f"Item {code} has no Item Price in {price_list} on {day}"
            found.append(float(rates[0]))
        return found

    def _upwards(self, doctype: str, name: str | None) -> list[str]:
        """Return a document of a tree and those above it."""
        found: list[str] = []
        while name:
            found.append(name)
            name = (self._get(doctype, name) or {}).get(f"parent_{doctype.lower().replace(' ', '_')}")
        return found


def _item_price(site: Site, line: Line) -> Row | None:
    of_list = [row for row in site.prices if row["price_list"] == line.price_list and _lasts(row, line.day)]
    for item_code in filter(None, (line.item_code, line.template)):
        for customer in dict.fromkeys((line.customer, "")):
            rows = [row for row in of_list if row["item_code"] == item_code and (row.get("customer") or "") == customer]
            if (row := _of_rows(site, rows, line.quantity)) is not None:
                return row
    return None


def _of_rows(site: Site, rows: Sequence[Row], quantity: int) -> Row | None:
    packs = [row for row in rows if (row["packing_unit"] or 0) > 1]
    singles = [row for row in rows if row not in packs]
    if site.packs and (filled := [row for row in packs if row["packing_unit"] <= quantity]):
        most = max(row["packing_unit"] for row in filled)
        return max((row for row in filled if row["packing_unit"] == most), key=_newest)
    return max(singles, key=_newest, default=None)


def _lasts(row: Row, day: str) -> bool:
    return (row["valid_from"] or "2000-01-01") <= day <= (row["valid_upto"] or "2500-12-31")


def _newest(row: Row) -> str:
    return row["valid_from"] or ""


def _rule(site: Site, line: Line) -> Row | None:
    found: list[Row] = []
    for level in LEVELS:
        of_rules = [rule for rule in site.rules if rule["apply_on"] == level and _counts(rule, line)]
        # ERPNext joins a rule with its targets: it finds one twice that names a group and the group above.
        of_level = [rule for rule in of_rules for _ in _of_line(site, rule, line)]
        found += sorted(of_level, key=lambda rule: (str(rule["priority"] or ""), rule["name"]), reverse=True)
        if found and not found[0]["has_priority"]:
            break
    found = [
        rule
        for rule in found
        if line.quantity >= (rule["min_qty"] or 0) and (not rule["max_qty"] or line.quantity <= rule["max_qty"])
    ]
    highest = max((int(rule["priority"] or 0) for rule in found), default=0)
    if highest:
        found = [rule for rule in found if int(rule["priority"] or 0) == highest]
    if len(found) > 1 and {rule["rate_or_discount"] for rule in found} == {"Discount Percentage"}:
        found = [rule for rule in found if rule["for_price_list"] == line.price_list] or found
    return found[0] if len(found) == 1 else None


def _of_line(site: Site, rule: Row, line: Line) -> set[str]:
    of_line = {"Item Code": {line.item_code}, "Item Group": set(line.item_groups), "Brand": {line.brand}}
    return set(site.targets[rule["name"]]) & of_line[rule["apply_on"]]


def _counts(rule: Row, line: Line) -> bool:
    return bool(
        (rule["for_price_list"] or line.price_list) == line.price_list
        and (not rule["customer_group"] or rule["customer_group"] in line.customer_groups)
        and _lasts(rule, line.day)
    )


def _applied(rule: Row, rate: Decimal) -> Decimal:
    if rule["rate_or_discount"] == "Rate":
        return Decimal(str(rule["rate"])) if rule["rate"] else rate
    if rule["rate_or_discount"] == "Discount Percentage":
        return rate - rate * Decimal(str(rule["discount_percentage"])) / 100
    return rate - Decimal(str(rule["discount_amount"]))


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.001"), ROUND_HALF_EVEN)
