"""For any rows, moment, customer and quantity, Medusa asks what ERPNext asks.

ERPNext's side is computed from its rows (tests/support/erp_asks.py), Medusa's is asked of the store by the customer,
days after the run as well: nothing runs in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_medusa_sandbox.medusa.store import MedusaStore
from tests.suites.prices import EXPORT, JOB, PRICE_LIST
from tests.support.catalogue import Catalogue
from tests.support.customers import Customers
from tests.support.erp_asks import Line, Site, asked
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import ZONE, PricedShop
from tests.support.pricing_rules import Rules
from tests.support.servers import embedded_erpnext, embedded_medusa

ITEMS = 2
WHOLESALE, MAIN = "wholesale", "main"
DAYS = st.one_of(st.none(), st.integers(-6, 9))
QUANTITIES = (1, 2, 3, 4, 5, 6, 10, 12)
MOMENTS = (0, 1, 2, 4, 7, 11)


@dataclass
class World:
    """Both servers, a clock of Medusa's that can be put forward, and everybody who buys."""

    shop: PricedShop
    customers: Customers
    offset: timedelta
    items: list[str]
    brand: str
    wholesale: str
    lists: dict[str, str]
    groups: dict[str, str]
    buyers: dict[str, str | None]


def _spans(draw: st.DrawFn) -> dict[str, int | None]:
    since, length = draw(DAYS), draw(st.one_of(st.none(), st.integers(0, 6)))
    until = None if length is None else (since if since is not None else 0) + length
    return {"since": since, "until": until}


@st.composite
def price_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Item Prices; of two that begin on the same day ERPNext says nothing."""
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "item": st.integers(0, ITEMS - 1),
                    "price_list": st.sampled_from((MAIN, MAIN, WHOLESALE)),
                    "rate": st.integers(2_000, 40_000).map(lambda number: number / 1000),
                    "packing_unit": st.sampled_from((0, 0, 0, 4, 10)),
                    "customer": st.sampled_from((None, None, None, "dealer", "retailer", "patient")),
                }
            ),
            min_size=1,
            max_size=7,
        )
    )
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        spans = _spans(draw)
        key = (row["item"], row["price_list"], row["packing_unit"], row["customer"], spans["since"])
        found[key] = {**row, **spans}
    return list(found.values())


@st.composite
def rule_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Pricing Rules that Medusa can say; some of them conflict."""
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        least = draw(st.sampled_from((0, 0, 2, 5)))
        rows.append(
            {
                "apply_on": draw(st.sampled_from(("Item Code", "Item Code", "Item Group", "Brand"))),
                "item": draw(st.integers(0, ITEMS - 1)),
                **draw(
                    st.one_of(
                        st.fixed_dictionaries({"percent": st.sampled_from((5, 10, 12.5, 33.333))}),
                        st.fixed_dictionaries({"amount": st.sampled_from((0.5, 1.005))}),
                        st.fixed_dictionaries({"rate": st.sampled_from((3, 50))}),
                    )
                ),
                "min_qty": least,
                "max_qty": draw(st.sampled_from((0, 0, least + 3))),
                "priority": draw(st.sampled_from(("", "", "1", "2", "11"))),
                "for_price_list": draw(st.sampled_from((None, None, MAIN, WHOLESALE))),
                "customer_group": draw(st.sampled_from((None, None, None, "business", "trade"))),
                **_spans(draw),
            }
        )
    return rows


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, embedded_erpnext() as erp:
        offset = [timedelta()]
        store = MedusaStore(None, clock=lambda: datetime.now(UTC) + offset[0])
        with embedded_medusa(store=store) as medusa:
            names = {
                "ERPNEXT_URL": erp.url,
                "ERPNEXT_API_KEY": erp.key,
                "ERPNEXT_API_SECRET": erp.secret,
                "MEDUSA_URL": medusa.url,
                "MEDUSA_API_KEY": medusa.api_key,
                "EXPORT_BATCHES": "1",
                "SCHEDULE_TIMEZONE": "Asia/Muscat",
                "PRICE_REMOVAL_PERCENT": "100",
                **dict.fromkeys(("PRICE_GROUPS", "CUSTOMER_PRICES", "PRICING_RULES", "PRICE_PACKS"), "true"),
            }
            for name, value in names.items():
                patch.setenv(name, value)
            made = _world(PricedShop(Catalogue(erp.store), erp, medusa))
            made.offset = offset  # pyright: ignore[reportAttributeAccessIssue]  # one place for both
            yield made


def _world(shop: PricedShop) -> World:
    customers = Customers(shop)
    brand = "Property"
    shop.erp.store.insert("Brand", name=brand, brand=brand)
    wholesale = customers.price_list("Wholesale")
    business = customers.group("Business", is_group=1)
    trade = customers.group("Trade", wholesale, parent_customer_group=business)
    retail = customers.group("Retail", parent_customer_group=business)
    for who, group in (("dealer", trade), ("retailer", retail), ("patient", customers.group("Private"))):
        customers.customer(who, group)
    items = [shop.item(on_backorder=1) for _ in range(ITEMS)]
    shop.erp.store.set("Item", shop.catalogue.row(items[0])["item_code"], brand=brand)
    buyers = {who: customers.register(who) for who in ("dealer", "retailer", "patient")}
    assert quick_runner().job(EXPORT, "batch_0").success
    groups = {"business": business, "trade": trade, "retail": retail}
    lists = {MAIN: PRICE_LIST, WHOLESALE: wholesale}
    return World(shop, customers, timedelta(), items, brand, wholesale, lists, groups, {"nobody": None, **buyers})


def _put(world: World, prices: list[dict[str, Any]], rules: list[dict[str, Any]]) -> Site:
    """Put the site into this state, and return its rows."""
    shop, store = world.shop, world.shop.erp.store
    for doctype in (
        "Item Price",
        "Pricing Rule",
        *(f"Pricing Rule {one}" for one in ("Item Code", "Item Group", "Brand")),
    ):
        for row in store.rows(doctype):
            store.delete(doctype, row["name"])
    for row in prices:
        values = {key: row[key] for key in ("rate", "since", "until", "packing_unit")}
        values["customer"] = row["customer"] and world.customers.name(row["customer"])
        shop.price(world.items[row["item"]], **values, price_list=world.lists[row["price_list"]])
    made, targets = Rules(shop), {}
    for row in rules:
        item = shop.catalogue.row(world.items[row["item"]])
        target = {"Item Code": item["item_code"], "Item Group": shop.group, "Brand": world.brand}[row["apply_on"]]
        values = {key: value for key, value in row.items() if key not in ("apply_on", "item")}
        values["for_price_list"] = world.lists.get(row["for_price_list"])
        values["customer_group"] = world.groups.get(row["customer_group"])
        targets[made.add(row["apply_on"], target, **values)] = [target]
    return Site(store.rows("Item Price"), store.rows("Pricing Rule"), targets, packs=True)


def _expected(world: World, site: Site, item: str, who: str, day: str, quantity: int) -> float | None:
    row = world.shop.catalogue.row(item)
    item_row = world.shop.erp.store.get("Item", row["item_code"]) or {}
    of = {
        "dealer": (world.wholesale, [world.groups["trade"], world.groups["business"]]),
        "retailer": (PRICE_LIST, [world.groups["retail"], world.groups["business"]]),
    }
    price_list, groups = of.get(who, (PRICE_LIST, []))
    own = (row["item_code"], [world.shop.group], item_row["brand"] or "")
    found = asked(site, Line(*own, price_list, groups, day, quantity, customer=world.customers.name(who)))
    # ERPNext has no price for what is not in the customer's list; Medusa asks everybody's.
    found = found or asked(site, Line(*own, PRICE_LIST, [], day, quantity))
    return float(found[0]) if found else None


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(prices=price_rows(), rules=rule_rows(), data=st.data())
@pytest.mark.long
def test_medusa_asks_what_erpnext_asks(
    world: World, prices: list[dict[str, Any]], rules: list[dict[str, Any]], data: st.DataObject
) -> None:
    clock: Any = world.offset
    clock[0] = timedelta()
    site = _put(world, prices, rules)
    runner = quick_runner()
    run = runner.job(JOB, "batch_0", run_config={"ops": {"medusa_prices": {"config": {"allow_removal": True}}}})
    assert run.success, run.reasons()
    for _ in range(12):
        who = data.draw(st.sampled_from(sorted(world.buyers)), label="who")
        item = data.draw(st.sampled_from(world.items), label="item")
        quantity = data.draw(st.sampled_from(QUANTITIES), label="quantity")
        later = data.draw(st.sampled_from(MOMENTS), label="days later")
        clock[0] = timedelta(days=later)
        day = (datetime.now(ZONE) + clock[0]).date().isoformat()
        expected = _expected(world, site, item, who, day, quantity)
        if quantity == 1 or expected is None:
            shown = world.customers.shown(item, world.buyers[who]) if quantity == 1 else None
            assert (shown[0] if shown else None) == (expected if quantity == 1 else None)
        else:
            assert world.customers.in_cart(item, quantity, world.buyers[who]) == expected
    clock[0] = timedelta()
    # A list that lost its last entry is deleted by the run after that.
    for _ in range(2):
        assert runner.job(JOB, "batch_0").success
    world.shop.forget()
    assert runner.job(JOB, "batch_0").success
    assert world.shop.writes() == []
