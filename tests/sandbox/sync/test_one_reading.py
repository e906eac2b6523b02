"""The runs of one tick read the catalogue once, and what they write they have looked up right before."""

import sqlite3
import time
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from erp_medusa_pipelines.clients import medusa_inventory, reading
from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration.dagster_internals import SCHEDULED_EXECUTION_TIME_TAG
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.sync.catalogue import seen_products
from erp_medusa_pipelines.sync.engine.batches import Batch, batch_of_name
from erp_medusa_pipelines.sync.shop import listing
from erp_medusa_pipelines.sync.shop.listing import listed
from tests.suites.publication import Shop
from tests.support.plain_runs import PlainRunner
from tests.support.servers import ErpServer, MedusaServer

ASSETS = (
    "medusa_collections", "medusa_products", "medusa_images", "medusa_product_updates", "medusa_price_lists",
    "medusa_prices", "medusa_stock", "medusa_publication",
)  # fmt: skip
PUBLISHED = [["published", "=", 1]]
BATCHES = 2
MEANT = {"ops": {"medusa_categories": {"config": {"allow_hiding": True}}}}
ITEMS = 8


class Nights:
    """A shop that has had its first night, and what is asked of both servers afterwards."""

    def __init__(self, erp: ErpServer, medusa: MedusaServer, runner: PlainRunner) -> None:
        self.erp, self.medusa, self.runner = erp, medusa, runner
        self.shop = Shop(erp, medusa, runner)
        self.shop.catalogue.install_server_script()
        self.names = []
        for number in range(ITEMS):
            place = self.shop.stocked.places["All"]
            self.names.append(self.shop.priced.item(website_warehouse=place, code=f"A-{number}"))
            self.shop.priced.price(self.names[-1], 1.5)
            self.shop.stocked.bin(self.names[-1], "Main", 3)
        for _ in range(2):
            for number in range(BATCHES):
                self.run(number)
        self.shop.priced.forget()

    def run(self, number: int, tick: str = "") -> None:
        tags = {SCHEDULED_EXECUTION_TIME_TAG: tick} if tick else {}
        run = self.runner.assets([*ASSETS], f"batch_{number}", tags=tags)
        assert run.success, run.reasons()

    def of(self, number: int) -> list[str]:
        return [name for name in self.names if batch_of_name(name, BATCHES) == f"batch_{number}"]

    def lists(self) -> Counter[str]:
        """Whole lists of Website Items, products and inventory items that were read: pages from their beginning."""
        found: Counter[str] = Counter()
        for one in [*self.erp.faults.requests, *self.medusa.faults.requests]:
            asked = dict(parse_qsl(one.query))
            is_listed = "item_stock_uom" in asked.get("fields", "") and "item_image" in asked["fields"]
            if one.path.endswith("/Website Item") and is_listed:
                found["Website Item"] += 1
            if one.path in ("/admin/products", "/admin/inventory-items") and {"id", "sku"}.isdisjoint(asked):
                found[one.path] += 1
        return found

    def looked_up(self, path: str, key: str) -> list[str]:
        return [
            value
            for one in self.medusa.faults.requests
            if one.path == path
            for name, value in parse_qsl(one.query)
            if name == key
        ]

    def product(self, name: str) -> str:
        (row,) = self.erp.store.rows("Website Item", name=name)
        return row["medusa_id"]


@pytest.fixture
def nights(erp: ErpServer, medusa: MedusaServer, shop_env: pytest.MonkeyPatch) -> Nights:
    shop_env.setenv("EXPORT_BATCHES", str(BATCHES))
    return Nights(erp, medusa, PlainRunner())


@pytest.mark.long
def test_the_batches_of_a_tick_read_each_list_once_and_write_nothing(nights: Nights) -> None:
    for number in range(BATCHES):
        nights.run(number, "01:00")
    assert nights.lists() == {"Website Item": 1, "/admin/products": 1, "/admin/inventory-items": 1}
    assert nights.looked_up("/admin/products", "id") == []
    assert nights.looked_up("/admin/inventory-items", "sku") == []
    assert nights.shop.priced.writes() == []


@pytest.mark.long
def test_groups_without_goods_are_found_once_in_a_tick_and_asked_about_together(
    nights: Nights, shop_env: pytest.MonkeyPatch
) -> None:
    for variable, value in (("EMPTY_GROUPS", "remove"), ("CATEGORIES", "website")):
        shop_env.setenv(variable, value)
    catalogue = nights.shop.catalogue
    hidden = [catalogue.item(catalogue.group(f"Empty {number}", show_in_website=1)) for number in range(3)]
    both = ["medusa_collections", "medusa_categories"]
    assert nights.runner.assets(both, "batch_0").success
    for name in hidden:
        catalogue.store.set("Website Item", name, published=0)
    nights.shop.priced.forget()
    for number in range(BATCHES):
        tags = {SCHEDULED_EXECUTION_TIME_TAG: "01:00"}
        run = nights.runner.assets(both, f"batch_{number}", tags=tags, run_config=MEANT)
        assert run.success, run.reasons()
    read = [one for one in nights.erp.faults.requests if "item_disabled" in one.query]
    assert len(read) == 1, "what is for sale, for the categories and the collections of all batches"
    asked = [one for one in nights.medusa.faults.requests if one.path == "/admin/products"]
    assert len(asked) == 2, "for all groups together, once for the collections and once for the categories"
    gone = [one.path for one in nights.medusa.faults.requests if one.method == "DELETE"]
    assert len(gone) == len(hidden)


@pytest.mark.long
def test_what_is_the_same_for_all_batches_of_a_tick_is_asked_once(nights: Nights) -> None:
    for number in range(BATCHES):
        nights.run(number, "01:00")
    asked = Counter(one.path for one in [*nights.erp.faults.requests, *nights.medusa.faults.requests])
    shared = {
        "/admin/collections", "/admin/sales-channels", "/admin/stock-locations", "/admin/stores",
        "/admin/shipping-profiles", "/api/resource/Price List", "/api/resource/Warehouse", "/api/resource/Country",
        "/api/resource/Deleted Document", "/api/method/frappe.client.get_time_zone",
    }  # fmt: skip
    assert {path: asked[path] for path in shared} == dict.fromkeys(shared, 1)
    # The collections' groups, and the ids that products are filed under.
    assert asked["/api/resource/Item Group"] == 2


@pytest.mark.long
def test_a_collection_that_one_run_makes_is_known_to_the_others_of_its_tick(nights: Nights) -> None:
    nights.erp.store.insert("Item Group", name="Another", item_group_name="Another", parent_item_group="")
    moved = nights.of(1)[0]
    nights.erp.store.set("Website Item", moved, item_group="Another")
    nights.erp.store.set("Item", moved.removeprefix("WEB-"), item_group="Another")
    for number in range(BATCHES):
        nights.run(number, "01:00")
    made = [one for one in nights.shop.priced.writes() if one.path == "/admin/collections"]
    assert len(made) == 1
    (group,) = nights.erp.store.rows("Item Group", name="Another")
    product = nights.medusa.admin("GET", f"/admin/products/{nights.product(moved)}")["product"]
    assert product["collection_id"] == group["medusa_id"]


@pytest.mark.long
def test_a_run_by_hand_reads_for_itself_once_and_only_its_own_products(nights: Nights) -> None:
    nights.run(0, "01:00")
    nights.shop.priced.forget()
    nights.run(0)
    assert nights.lists() == {"Website Item": 1}
    assert sorted(nights.looked_up("/admin/products", "id")) == sorted(map(nights.product, nights.of(0)))
    assert nights.shop.priced.writes() == []


@pytest.mark.long
def test_what_changed_since_the_list_was_read_is_written_by_the_next_tick(nights: Nights) -> None:
    nights.run(0, "01:00")
    title, *_ = nights.of(1)
    nights.erp.store.set("Website Item", title, web_item_name="New name")
    nights.shop.priced.forget()
    nights.run(1, "01:00")
    assert nights.lists() == {}
    assert nights.shop.priced.writes() == []
    for number in range(BATCHES):
        nights.run(number, "02:00")
    # Before it is written, and once more by the asset that judges what can be bought.
    assert nights.looked_up("/admin/products", "id") == [nights.product(title)] * 2
    assert len(nights.shop.priced.writes()) == 1
    product = nights.medusa.admin("GET", f"/admin/products/{nights.product(title)}")["product"]
    assert product["title"] == "New name"


@pytest.mark.long
def test_what_differs_by_the_list_is_written_as_it_is_now(nights: Nights) -> None:
    title, *_ = nights.of(1)
    nights.erp.store.set("Website Item", title, web_item_name="New name")
    nights.run(0, "01:00")
    nights.erp.store.set("Website Item", title, web_item_name="Newest name")
    nights.run(1, "01:00")
    product = nights.medusa.admin("GET", f"/admin/products/{nights.product(title)}")["product"]
    assert product["title"] == "Newest name"


@pytest.mark.long
@pytest.mark.parametrize(("new_for", "looked_up"), [(30, 0), (-1, 1)])
def test_stock_that_differs_by_the_list_is_looked_up_again_unless_the_list_is_new(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, new_for: int, looked_up: int
) -> None:
    monkeypatch.setattr(reading, "NEW", new_for)
    nights.run(0, "01:00")
    stock, *_ = nights.of(1)
    nights.shop.stocked.bin(stock, "Main", 9)
    nights.shop.priced.forget()
    nights.run(1, "01:00")
    assert nights.lists() == {}
    assert len(nights.looked_up("/admin/inventory-items", "sku")) == looked_up
    assert len(nights.shop.priced.writes()) == 1
    nights.shop.priced.forget()
    nights.run(1, "01:00")
    assert nights.shop.priced.writes() == []


def _asked(nights: Nights) -> Counter[str]:
    return Counter(one.path for one in [*nights.erp.faults.requests, *nights.medusa.faults.requests])


@pytest.mark.long
def test_a_quiet_tick_costs_its_pages_and_few_requests_a_batch(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, size in ((listing, "ROWS_WITH_TEXTS"), (seen_products, "PRODUCTS_PER_PAGE")):
        monkeypatch.setattr(module, size, ITEMS // 2)
    monkeypatch.setattr(medusa_inventory, "ITEMS_PER_PAGE", ITEMS // 2)
    for number in range(BATCHES):
        nights.run(number, "01:00")
        assert nights.runner.assets([*PRICES], f"batch_{number}", tags={SCHEDULED_EXECUTION_TIME_TAG: "01:00"}).success
    asked = _asked(nights)
    assert asked["/admin/products"] == asked["/admin/inventory-items"] == 2
    # Two pages and the one after them, and the groups of what is for sale.
    assert asked["/api/resource/Website Item"] <= 3 + 2
    assert asked["/admin/price-lists"] == 1 + BATCHES
    assert asked["/api/resource/Item Price"] == asked["/api/resource/Bin"] == BATCHES
    # Whoever has asked ERPNext nothing yet knows its clock from the others.
    assert asked["/api/method/ping"] <= 1
    assert asked.total() <= 24 + 9 * BATCHES, asked
    assert nights.shop.priced.writes() == []


@pytest.mark.long
def test_the_stock_by_itself_looks_at_no_product_but_those_of_copied_ids(nights: Nights) -> None:
    tags = {SCHEDULED_EXECUTION_TIME_TAG: "00:00"}
    for number in range(BATCHES):
        assert nights.runner.assets(["medusa_stock"], f"batch_{number}", tags=tags).success
    assert _asked(nights)["/admin/products"] == 0
    (own,) = nights.erp.store.rows("Website Item", name=nights.of(0)[0])
    copy = nights.of(1)[0]
    nights.erp.store.set("Website Item", copy, medusa_id=own["medusa_id"], medusa_variant_id=own["medusa_variant_id"])
    nights.shop.stocked.bin(copy, "Main", 99)
    nights.shop.priced.forget()
    run = nights.runner.assets(["medusa_stock"], "batch_1", tags={SCHEDULED_EXECUTION_TIME_TAG: "00:15"})
    assert run.success, run.reasons()
    assert run.metadata("medusa_stock")["waiting"] == 1
    assert nights.shop.priced.writes() == []


PRICES = ("medusa_price_lists", "medusa_prices")


def _asked_for_prices(nights: Nights) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in [*nights.erp.faults.requests, *nights.medusa.faults.requests]:
        if one.path == "/api/resource/Item Price" and "packing_unit" in one.query:
            found["Item Price"] += 1
        if one.path == "/admin/price-lists" and "prices.amount" in one.query:
            found["entries"] += 1
    return found


@pytest.mark.long
def test_the_prices_of_a_batch_are_read_once_in_a_tick(nights: Nights) -> None:
    for number in range(BATCHES):
        nights.run(number, "01:00")
    assert _asked_for_prices(nights) == {"Item Price": BATCHES, "entries": BATCHES}
    nights.shop.priced.forget()
    for number in range(BATCHES):
        run = nights.runner.assets([*PRICES], f"batch_{number}", tags={SCHEDULED_EXECUTION_TIME_TAG: "01:00"})
        assert run.success, run.reasons()
        assert run.metadata("medusa_prices")["unchanged"] == len(nights.of(number))
    assert _asked_for_prices(nights) == {}
    assert nights.shop.priced.writes() == []


@pytest.mark.long
def test_a_price_that_differs_by_what_the_tick_has_read_is_compared_again_before_it_is_written(nights: Nights) -> None:
    for number in range(BATCHES):
        nights.run(number, "01:00")
    name, *_ = nights.of(0)
    (item,) = nights.erp.store.rows("Website Item", name=name)
    (price,) = nights.erp.store.rows("Item Price", item_code=item["item_code"])
    nights.erp.store.set("Item Price", price["name"], price_list_rate=3.5)
    nights.run(0)
    # The tick's runs have the old entry, and no Item Prices any more.
    Reading(nights.runner.folder_of("01:00"), BATCHES, shared=True).answers.forget("ERPNext prices of 0/2", time.time())
    nights.shop.priced.forget()
    run = nights.runner.assets([*PRICES], "batch_0", tags={SCHEDULED_EXECUTION_TIME_TAG: "01:00"})
    assert run.success, run.reasons()
    assert _asked_for_prices(nights)["entries"] == 1
    assert nights.shop.priced.writes() == []


@pytest.mark.long
def test_where_nothing_can_be_kept_each_asset_reads_for_itself(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Reading, "_made", full)
    nights.erp.store.set("Website Item", nights.of(1)[0], web_item_name="New name")
    nights.shop.priced.forget()
    nights.run(1, "01:00")
    assert len(nights.shop.priced.writes()) == 1


@pytest.mark.long
def test_what_a_run_makes_is_known_to_the_assets_that_follow(nights: Nights) -> None:
    nights.run(0, "01:00")
    new = {batch_of_name(f"NEW-{number}", BATCHES): f"NEW-{number}" for number in range(20)}
    nights.run(1, "01:00")
    place = nights.shop.stocked.places["All"]
    made = [nights.shop.priced.item(website_warehouse=place, code=code) for code in new.values()]
    for name in made:
        nights.shop.priced.price(name, 2.5)
        nights.shop.stocked.bin(name, "Main", 4)
    for number in range(BATCHES):
        nights.run(number, "02:00")
    assert all(map(nights.product, made))
    nights.shop.priced.forget()
    for number in range(BATCHES):
        nights.run(number)
    assert nights.shop.priced.writes() == []


@pytest.mark.long
def test_fields_of_a_mapping_are_in_the_list_that_all_read(
    nights: Nights, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mapping = tmp_path / "catalogue.yaml"
    mapping.write_text(
        "fields:\n  title: {from: web_item_name, transforms: [name]}\n  hs_code: {from: item.customs_tariff_number}\n",
        encoding="utf-8",
    )
    shop_env.setenv("MAPPING", str(mapping))
    for number in range(BATCHES):
        nights.run(number)
    nights.shop.priced.forget()
    for number in range(BATCHES):
        nights.run(number, "01:00")
    assert nights.lists() == {"Website Item": 1, "/admin/products": 1, "/admin/inventory-items": 1}
    assert nights.looked_up("/admin/products", "id") == []
    assert nights.shop.priced.writes() == []


@pytest.mark.long
def test_variants_that_are_in_the_batch_of_their_template_are_in_its_list(nights: Nights, tmp_path: Path) -> None:
    home = dict.fromkeys(nights.names[1:5], nights.names[0])
    reading = Reading(tmp_path / "tick", BATCHES, shared=True)
    with open_shop(load_settings()) as alone, open_shop(load_settings(), reading=reading) as together:
        nights.shop.priced.forget()
        for number in range(BATCHES):
            batch = Batch(number, BATCHES, home=home)
            listed_alone = list(listed(alone.erp, batch, ["name", "medusa_id"], filters=PUBLISHED))
            assert list(listed(together.erp, batch, ["name", "medusa_id"], filters=PUBLISHED)) == listed_alone
            assert {row["name"] for row in listed_alone} == {name for name in nights.names if batch.contains(name)}
    reading.close()
    assert nights.lists() == {"Website Item": 1}


@pytest.mark.long
def test_what_options_need_is_read_once_in_a_tick_and_templates_with_their_variants(
    nights: Nights, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("VARIANTS", "options")
    catalogue, stocked = nights.shop.catalogue, nights.shop.stocked
    group = catalogue.group("Gloves")
    homes = []
    for home in ("T-0", "T-1", "T-2", "T-3"):
        size = {"has_variants": 1, "attributes": [{"attribute": "Size"}]}
        place = stocked.places["All"]
        homes.append(catalogue.item(group, code=home, item=size, has_variants=1, website_warehouse=place))
        value = {"variant_of": home, "attributes": [{"attribute": "Size", "attribute_value": "S", "variant_of": home}]}
        name = nights.shop.priced.item(code=f"{home}-S", item=value, variant_of=home)
        nights.shop.priced.price(name, 1.5)
        stocked.bin(name, "Main", 3)
    assert {batch_of_name(home, BATCHES) for home in homes} == {"batch_0", "batch_1"}
    for _ in range(2):
        for number in range(BATCHES):
            nights.run(number)
    nights.shop.priced.forget()
    for number in range(BATCHES):
        nights.run(number, "01:00")
    asked = [(one.path.rpartition("/")[2], dict(parse_qsl(one.query))) for one in nights.erp.faults.requests]
    items = [query for doctype, query in asked if doctype == "Website Item"]
    places = [query for query in items if "item_variant_of" in query["fields"] and "filters" not in query]
    assert nights.shop.priced.writes() == []
    assert [doctype for doctype, _ in asked].count("Item Attribute Value") == 1
    assert len([query for query in places if "item_stock_uom" not in query["fields"]]) == 1
    assert [query for query in items if query["fields"] == '["name"]'] == [], "templates have been read"
    assert [query for query in items if '"item_code", "in"' in query.get("filters", "")] == []
