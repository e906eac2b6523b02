"""How many requests each path costs for 1, 100 and 1,000 documents: what Medusa takes in chunks is sent in chunks.

A path that sends its documents one by one is noticed here, not in the shop that has 40,000 of them.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.suites.keys import give_barcode
from tests.suites.publication import Shop
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer
from tests.support.site import ITEM_LINKS
from tests.support.trade import Trade
from tests.support.writes import erp_writes

PRODUCTS = ("medusa_collections", "medusa_products")
PRICES = ("medusa_price_lists", "medusa_prices")
CHANGES = ("medusa_products", "medusa_product_updates")
NIGHT = (*PRODUCTS, "medusa_product_updates", *PRICES, "medusa_stock", "medusa_publication")
SIZES = [1, 100, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
LISTS = {"best sellers": "add_top_selling_items_to_collection", "clearance": "fetch_clearance_items"}


class Cost(NamedTuple):
    """Requests to both servers, and those of them that change something."""

    requests: int
    writes: int


BUDGET = {
    "create": Cost(22, 4),
    "quiet": Cost(27, 0),
    "adopt": Cost(18, 1),
    "update": Cost(22, 1),
    "rename": Cost(27, 2),
    "rename in a circle": Cost(33, 4),
    "prices": Cost(16, 2),
    "new prices": Cost(15, 1),
    "stock": Cost(16, 3),
    "new stock": Cost(13, 1),
    "unpublish": Cost(22, 1),
    "publish": Cost(22, 1),
    "delete": Cost(18, 1),
    "collections": Cost(9, 1),
    "collections again": Cost(6, 0),
    "categories": Cost(12, 1),
    "categories again": Cost(8, 0),
    "into categories": Cost(26, 1),
    "in categories": Cost(24, 0),
    "variants": Cost(26, 5),
    "quiet variants": Cost(20, 0),
    "prices of variants": Cost(14, 2),
    "stock of variants": Cost(14, 3),
    "pictures": Cost(12, 3),
    "best sellers": Cost(26, 1),
    "clearance": Cost(16, 2),
}
"""The most for up to 100 documents. Each further hundred may write as much, and costs HUNDRED requests more."""

HUNDRED = 10
QUIET_HUNDRED = 1
"""The same of a night without changes, where documents are read in thousands."""
EACH = {"collections": Cost(1, 1), "categories": Cost(1, 1), "pictures": Cost(2, 1)}
"""What each document costs by itself, where the servers offer nothing else."""


def too_dear(costs: Mapping[str, Cost], number: int) -> dict[str, str]:
    """Return the paths that cost more than they may for so many documents."""
    hundreds = math.ceil(number / 100)
    found: dict[str, str] = {}
    for path, cost in costs.items():
        most, each = BUDGET[path], EACH.get(path, Cost(0, 0))
        further = QUIET_HUNDRED if path == "quiet" else HUNDRED
        requests = most.requests + further * (hundreds - 1) + each.requests * number
        writes = most.writes * hundreds + each.writes * number
        if cost.requests > requests or cost.writes > writes:
            found[path] = f"{cost} for {number}, at most {requests} and {writes}"
    return found


class Meter:
    """A shop with `number` items, and what each path cost in it."""

    def __init__(self, shop: Shop, erp: ErpServer, runner: Runner, number: int) -> None:
        self.shop, self.erp, self.runner = shop, erp, runner
        self.catalogue = shop.catalogue
        self.catalogue.install_server_script()
        self.names = []
        for each in range(number):
            self.names.append(shop.priced.item(website_warehouse=shop.stocked.places["All"], code=f"A-{each}"))
            shop.priced.price(self.names[-1], 1.5)
            shop.stocked.bin(self.names[-1], "Main", 3)
        self.costs: dict[str, Cost] = {}

    @contextmanager
    def path(self, name: str) -> Iterator[None]:
        """Count what is sent inside."""
        self.shop.priced.forget()
        yield
        seen = [*self.erp.faults.requests, *self.shop.medusa.faults.requests]
        self.costs[name] = Cost(len(seen), len(self.shop.priced.writes()))

    def run(self, name: str, *assets: str) -> None:
        with self.path(name):
            run = self.runner.assets([*assets], "batch_0")
        assert run.success, run.reasons()
        for asset in assets:
            assert run.check(asset).passed, (name, run.rejects(asset))

    def each(self, change: Callable[[str], object]) -> None:
        for name in self.names:
            change(name)

    def recode(self, expression: str) -> None:
        """Give each Item the code that this SQL makes of its `code`, as renaming them all does."""
        store = self.erp.store
        for table, column in [("Item", "name"), ("Item", "item_code"), *ITEM_LINKS]:
            new = expression.replace("code", f'"{column}"')
            # Codes are unique at any moment.
            store.execute(f'UPDATE "tab{table}" SET "{column}" = \'new \' || ({new})')  # noqa: S608
            store.execute(f'UPDATE "tab{table}" SET "{column}" = substr("{column}", 5)')  # noqa: S608

    def barcodes(self, step: int) -> None:
        """Give each Item the barcode that another one had."""
        for row in self.erp.store.rows("Item Barcode"):
            self.erp.store.delete("Item Barcode", row["name"])
        for number, name in enumerate(self.names):
            give_barcode(self.catalogue, name, f"B-{(number + step) % len(self.names)}")


def nights(meter: Meter) -> None:
    """What happens to all items of a shop, path by path."""
    store, number_of = meter.erp.store, "CAST(substr(code, 3) AS INTEGER)"
    meter.run("create", *PRODUCTS)
    meter.run("prices", *PRICES)
    meter.run("stock", "medusa_stock")
    meter.run("quiet", *NIGHT)
    meter.each(lambda name: store.force("Website Item", name, medusa_id="", medusa_variant_id=""))
    meter.run("adopt", *PRODUCTS)
    meter.each(lambda name: store.set("Website Item", name, web_item_name=f"New {name}"))
    meter.run("update", *CHANGES)
    meter.recode(f"'R-' || {number_of}")
    meter.barcodes(0)
    meter.run("rename", *CHANGES)
    meter.recode(f"'R-' || (({number_of} + 1) % {len(meter.names)})")
    meter.barcodes(1)
    meter.run("rename in a circle", *CHANGES)
    for row in store.rows("Item Price"):
        meter.shop.priced.change(row["name"], price_list_rate=2)
    meter.run("new prices", *PRICES)
    meter.each(lambda name: meter.shop.stocked.bin(name, "Main", 9))
    meter.run("new stock", "medusa_stock")
    meter.each(lambda name: store.set("Website Item", name, published=0))
    meter.run("unpublish", *CHANGES)
    meter.each(lambda name: store.set("Website Item", name, published=1))
    meter.run("publish", *CHANGES)
    meter.each(lambda name: store.trash("Website Item", name))
    meter.run("delete", *CHANGES)


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.long
def test_a_hundred_items_cost_as_many_requests_as_one_and_a_thousand_a_few_more(
    number: int, erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("MISSING_PRODUCTS_PERCENT", "100")
    meter = Meter(Shop(erp, medusa, runner), erp, runner, number)
    nights(meter)
    assert too_dear(meter.costs, number) == {}


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.long
def test_what_has_no_batch_route_costs_no_more_than_itself(
    number: int, erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    """Medusa makes one collection per call; a file is fetched by itself, and eight are stored per call."""
    meter = Meter(Shop(erp, medusa, runner), erp, runner, 0)
    meter.names = [meter.catalogue.item(meter.catalogue.group(f"Group {each}")) for each in range(number)]
    meter.run("collections", "medusa_collections")
    meter.run("collections again", "medusa_collections")
    meter.run("create", "medusa_products")
    meter.each(meter.shop.photos.add)
    meter.run("pictures", "medusa_images")
    assert too_dear(meter.costs, number) == {}


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.long
def test_categories_cost_a_call_each_and_products_go_into_them_in_chunks(
    number: int, erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    meter = Meter(Shop(erp, medusa, runner), erp, runner, 0)
    shown = [meter.catalogue.group(f"Group {each}", show_in_website=1) for each in range(number)]
    meter.names = [meter.catalogue.item(group) for group in shown]
    meter.run("collections", "medusa_collections")
    meter.run("create", "medusa_products")
    shop_env.setenv("CATEGORIES", "website")
    meter.run("categories", "medusa_categories")
    meter.run("categories again", "medusa_categories")
    meter.run("into categories", *CHANGES)
    meter.run("in categories", *CHANGES)
    assert too_dear(meter.costs, number) == {}


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.long
def test_variants_go_into_their_products_in_chunks_and_cost_nothing_when_nothing_changes(
    number: int, erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("VARIANTS", "options")
    shop_env.setenv("EXPORT_BATCHES", "1")
    meter = Meter(Shop(erp, medusa, runner), erp, runner, 0)
    shop = meter.shop
    group = meter.catalogue.group("Gloves")
    for each in range(number):
        home = f"T-{each // 5}"
        if each % 5 == 0:
            item = {"has_variants": 1, "attributes": [{"attribute": "Size"}]}
            meter.catalogue.item(group, code=home, item=item, has_variants=1)
        values = {"attribute": "Size", "attribute_value": str(each % 5), "variant_of": home}
        item = {"variant_of": home, "attributes": [values]}
        place = shop.stocked.places["All"]
        meter.names.append(shop.priced.item(code=f"V-{each}", item=item, variant_of=home, website_warehouse=place))
        shop.priced.price(meter.names[-1], 1.5)
        shop.stocked.bin(meter.names[-1], "Main", 3)
    meter.run("variants", *PRODUCTS)
    meter.run("prices of variants", *PRICES)
    meter.run("stock of variants", "medusa_stock")
    meter.run("quiet variants", *CHANGES)
    assert too_dear(meter.costs, number) == {}


@pytest.mark.parametrize("number", SIZES)
def test_lists_are_saved_once_however_many_items_are_sold_or_expire(
    number: int, erp: ErpServer, runner: Runner
) -> None:
    trade = Trade(erp.store)
    codes = [f"I-{each}" for each in range(number)]
    for code in codes:
        trade.item(code)
        trade.batch(code, 20)
    trade.invoice(*((code, 1 + each) for each, code in enumerate(codes)))
    costs: dict[str, Cost] = {}
    for path, job in LISTS.items():
        erp.faults.forget_requests()
        assert runner.job(job).success
        costs[path] = Cost(len(erp.faults.requests), len(erp_writes(erp)))
    assert len(trade.expiring()) == number
    assert too_dear(costs, number) == {}
