"""For any rows, day and quantity, what Medusa is to have is what ERPNext asks: many cases, without any server.

The expected side is tests/support/erp_asks.py. What a Medusa makes of it is tried in tests/sandbox.
"""

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.prices.books import Owner
from erp_medusa_pipelines.sync.prices.item_prices import ItemPrices
from erp_medusa_pipelines.sync.prices.offers import Offers, offers_of
from erp_medusa_pipelines.sync.prices.own_prices import offers_to, with_everybodys
from erp_medusa_pipelines.sync.prices.pricing_rules import PricingRules, Rule, Subject
from erp_medusa_pipelines.sync.prices.windows import PriceRow, Segment, Tier, Window, first_day_after
from tests.support.erp_asks import Line, Site, asked

TODAY = date(2026, 5, 10)
LIST, GROUP, BRAND, ITEM = "Standard Selling", "Gloves", "Roche", "ITEM-1"
TEMPLATE = "ITEM"
TARGETS = {"Item Code": ITEM, "Item Group": GROUP, "Brand": BRAND}
KINDS = {"Discount Percentage": "discount_percentage", "Discount Amount": "discount_amount", "Rate": "rate"}
OFFSETS = st.one_of(st.none(), st.integers(-4, 6))


def day(offset: int | None) -> str | None:
    return None if offset is None else (TODAY + timedelta(days=offset)).isoformat()


@st.composite
def spans(draw: st.DrawFn) -> dict[str, str | None]:
    since, length = draw(OFFSETS), draw(st.one_of(st.none(), st.integers(0, 5)))
    return {"valid_from": day(since), "valid_upto": None if length is None else day((since or 0) + length)}


@st.composite
def price_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for number in range(draw(st.integers(1, 4))):
        row = {**draw(spans()), "packing_unit": draw(st.sampled_from((0, 0, 4, 10)))}
        rate = draw(st.integers(2_000, 40_000)) / 1000
        found[row["valid_from"], row["packing_unit"]] = {
            "name": f"P-{number}",
            "item_code": ITEM,
            "price_list": LIST,
            "price_list_rate": rate,
            **row,
        }
    return list(found.values())


@st.composite
def rows_of_customers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of an item and its template, for everybody and for two Customers; none is another's equal."""
    found: dict[Any, dict[str, Any]] = {}
    for number in range(draw(st.integers(1, 8))):
        customer, packing_unit = draw(st.sampled_from(("", "Clinic", "Hospital"))), draw(st.sampled_from((0, 0, 4, 10)))
        item_code, of_span = draw(st.sampled_from((ITEM, ITEM, TEMPLATE))), draw(spans())
        row = {"item_code": item_code, "customer": customer, "packing_unit": packing_unit, **of_span}
        rate = draw(st.integers(2_000, 40_000)) / 1000
        found[item_code, customer, packing_unit, row["valid_from"]] = {
            "name": f"P-{number}",
            "price_list": LIST,
            "price_list_rate": rate,
            **row,
        }
    return list(found.values())


@st.composite
def rule_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    for number in range(draw(st.integers(0, 4))):
        kind, least = draw(st.sampled_from(sorted(KINDS))), draw(st.sampled_from((0, 0, 2, 5)))
        priority = draw(st.sampled_from(("", "", "1", "2", "11")))
        rows.append(
            {
                "name": f"R-{number}",
                "apply_on": draw(st.sampled_from(sorted(TARGETS))),
                "rate_or_discount": kind,
                KINDS[kind]: draw(st.sampled_from((0.5, 1.005, 1.5, 12.5))),
                "min_qty": least,
                "max_qty": draw(st.sampled_from((0, 0, least + 3))),
                "priority": priority,
                "has_priority": bool(priority),
                "for_price_list": draw(st.sampled_from((None, None, LIST, "Other"))),
                "customer_group": draw(st.sampled_from((None, None, "Business", "Other"))),
                **draw(spans()),
            }
        )
    return rows


def window(row: dict[str, Any]) -> Window:
    since, upto = (date.fromisoformat(row[key]) if row[key] else None for key in ("valid_from", "valid_upto"))
    return Window(since, first_day_after(upto))


def as_rule(row: dict[str, Any]) -> Rule:
    return Rule(
        name=row["name"],
        apply_on=row["apply_on"],
        targets={TARGETS[row["apply_on"]].lower(): ""},
        kind=row["rate_or_discount"],
        value=Decimal(str(row[KINDS[row["rate_or_discount"]]])),
        currency="OMR",
        window=window(row),
        tier=Tier(max(row["min_qty"], 1), row["max_qty"]),
        price_list=row["for_price_list"] or "",
        customer_group=row["customer_group"] or "",
        has_priority=row["has_priority"],
        priority=int(row["priority"] or 0),
    )


def as_price(row: dict[str, Any]) -> PriceRow:
    since, upto = (date.fromisoformat(row[key]) if row[key] else None for key in ("valid_from", "valid_upto"))
    rate = Decimal(str(row["price_list_rate"]))
    of = {"customer": row.get("customer", ""), "inherited": row["item_code"] == TEMPLATE}
    return PriceRow(row["name"], rate, "OMR", since, upto, packing_unit=row["packing_unit"], **of)


def only(segments: list[Segment], on: date, pieces: int) -> Decimal | None:
    """The one amount of those that hold on a day for so many pieces: they must never overlap."""
    found = [
        segment.row.rate
        for segment in segments
        if (segment.window.start is None or segment.window.start <= on)
        and (segment.window.end is None or on < segment.window.end)
        and segment.tier.least <= pieces
        and (not segment.tier.most or pieces <= segment.tier.most)
    ]
    assert len(found) <= 1, segments
    return found[0].quantize(Decimal("0.001"), ROUND_HALF_EVEN) if found else None


def shown(offers: Offers, on: date, pieces: int) -> tuple[Decimal, Decimal] | None:
    price, sale = only(offers.prices, on, pieces), only(offers.sales, on, pieces)
    assert price is not None or sale is None, "a sale beside no price"
    return None if price is None else (price if sale is None else min(price, sale), price)


@settings(max_examples=400, deadline=None)
@given(prices=price_rows(), rules=rule_rows(), has_brand=st.booleans(), in_group=st.booleans())
@pytest.mark.long
def test_offers_are_what_erpnext_asks(
    prices: list[dict[str, Any]], rules: list[dict[str, Any]], has_brand: bool, in_group: bool
) -> None:
    brand, groups = BRAND if has_brand else "", ["Business"] if in_group else []
    subject = Subject(ITEM, "", {GROUP.lower()}, brand, "Nos", LIST, "", {name.lower() for name in groups})
    ordered = sorted(rules, key=lambda rule: (str(int(rule["priority"] or 0) or ""), rule["name"]), reverse=True)
    singles = [as_price(row) for row in prices if row["packing_unit"] <= 1]
    packs = [as_price(row) for row in prices if row["packing_unit"] > 1]
    offers = offers_of(singles, packs, PricingRules([as_rule(rule) for rule in ordered]), subject, TODAY)
    site = Site(prices, rules, {rule["name"]: [TARGETS[rule["apply_on"]]] for rule in rules}, packs=True)
    for offset in range(13):
        on = TODAY + timedelta(days=offset)
        for pieces in (1, 2, 4, 5, 6, 9, 10, 11):
            line = Line(ITEM, [GROUP], brand, LIST, groups, on.isoformat(), pieces)
            assert shown(offers, on, pieces) == asked(site, line)


@settings(max_examples=400, deadline=None)
@given(prices=rows_of_customers(), rules=rule_rows())
@pytest.mark.long
def test_own_prices_before_everybodys_are_what_erpnext_asks_a_customer(
    prices: list[dict[str, Any]], rules: list[dict[str, Any]]
) -> None:
    """Medusa takes a Customer's entries where there are some, for they have a rule more, and else everybody's."""
    subject = Subject(ITEM, "", {GROUP.lower()}, BRAND, "Nos", LIST, "", {"business"})
    ordered = sorted(rules, key=lambda rule: (str(int(rule["priority"] or 0) or ""), rule["name"]), reverse=True)
    pricing_rules = PricingRules([as_rule(rule) for rule in ordered])
    site = Site(prices, rules, {rule["name"]: [TARGETS[rule["apply_on"]]] for rule in rules}, packs=True)

    def prices_for(customer: str) -> ItemPrices:
        rows = [as_price(row) for row in prices if row["customer"] == customer]
        return ItemPrices(
            tuple(row for row in rows if row.packing_unit <= 1),
            packs=tuple(row for row in rows if row.packing_unit > 1),
        )

    def offers_for(of: ItemPrices) -> Offers:
        return offers_of(of.rows, of.packs, pricing_rules, subject, TODAY)

    everybodys = offers_for(prices_for(""))
    for customer in ("", "Clinic", "Hospital"):
        mixed = with_everybodys(prices_for(customer), prices_for(""))
        own = offers_to(Owner(customer, f"cusgroup_{customer}", LIST, "Business"), offers_for(mixed))
        assert {segment.tier.group for segment in (*own.prices, *own.sales)} <= {f"cusgroup_{customer}"}
        for offset in range(13):
            on = TODAY + timedelta(days=offset)
            for pieces in (1, 2, 4, 5, 6, 9, 10, 11):
                line = Line(ITEM, [GROUP], BRAND, LIST, ["Business"], on.isoformat(), pieces, TEMPLATE, customer)
                assert (shown(own, on, pieces) or shown(everybodys, on, pieces)) == asked(site, line)
