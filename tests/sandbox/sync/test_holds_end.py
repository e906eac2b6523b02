"""A hold ends by itself once its reason has ended, wherever the reason lay: nobody touches the document in between."""

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.publication import Shop
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer

EXPORT = "export_items_and_images_custom"
REFUSED = {"status": 400, "json": {"type": "invalid_data", "message": "a plugin of this shop refuses it"}}
PRODUCTS, LISTS, LEVELS = "/admin/products/batch", "/admin/price-lists", "/location-levels/batch"


@pytest.fixture
def priced(erp: ErpServer, medusa: MedusaServer, runner: Runner) -> Shop:
    """A shop whose items have a price and stock."""
    return Shop(erp, medusa, runner)


@pytest.mark.parametrize(("route", "asset"), [(PRODUCTS, "medusa_products"), (LISTS, "medusa_prices")])
@pytest.mark.long
def test_what_medusa_refused_of_a_new_item_is_sent_again(
    route: str, asset: str, priced: Shop, runner: Runner, medusa: MedusaServer
) -> None:
    name = priced.whole(picture=False)
    medusa.faults.add(Fault("status", method="POST", path=route, **REFUSED))
    assert len(runner.job(EXPORT, "batch_0").rejects(asset)) == 1
    medusa.faults.heal()
    assert runner.job(EXPORT, "batch_0").check(asset).passed
    assert priced.priced.shown(name) == 1.5


@pytest.mark.long
def test_a_level_that_medusa_refused_is_written_again(priced: Shop, runner: Runner, medusa: MedusaServer) -> None:
    name = priced.whole(picture=False)
    medusa.faults.add(Fault("status", method="POST", path=LEVELS, **REFUSED))
    assert len(runner.job(EXPORT, "batch_0").rejects("medusa_stock")) == 1
    medusa.faults.heal()
    assert runner.job(EXPORT, "batch_0").check("medusa_stock").passed
    assert priced.stocked.stocked(name) == 3


OF_NO_DOCUMENT = [
    "Invalid request: Field 'create, 0, additional_data' is required; Field 'update, 0, additional_data' is required",
    "Invalid request: Expected type: 'string' for field 'create, 0, shipping_profile_id', got: 'number'",
    "Invalid request: Value for field 'update, 0, images, 1, url' too long, expected at most: '255' characters",
    "Invalid request: Expected type: 'date' for field 'ends_at', got: 'string'",
]
"""Refusals of a value that is a setting's, another document's, or asked for by a plugin of the shop's own."""


@pytest.mark.parametrize("message", OF_NO_DOCUMENT)
@pytest.mark.parametrize(
    ("route", "asset", "body"),
    [
        (PRODUCTS, "medusa_products", None),
        (PRODUCTS, "medusa_images", '"images"'),
        (PRODUCTS, "medusa_product_updates", None),
        (LISTS, "medusa_prices", None),
    ],
)
@pytest.mark.long
def test_a_value_that_is_not_the_documents_own_is_tried_again_every_night(
    route: str, asset: str, body: str | None, message: str, priced: Shop, runner: Runner, medusa: MedusaServer
) -> None:
    """Settings, plugins and other documents change; the document that was refused for them does not."""
    name = priced.whole()
    if asset == "medusa_product_updates":
        assert runner.job(EXPORT, "batch_0").success
        priced.catalogue.store.set("Website Item", name, web_item_name="Another")
        priced.photos.add(name)
    refused = {"status": 400, "json": {"type": "invalid_data", "message": message}}
    medusa.faults.add(Fault("status", method="POST", path=route, body=body, **refused))
    for _ in range(2):
        assert runner.job(EXPORT, "batch_0").rejects(asset)
    medusa.faults.heal()
    runs = [runner.job(EXPORT, "batch_0") for _ in range(2)]
    assert all(run.success for run in runs)
    assert runs[-1].check(asset).passed
    assert priced.priced.shown(name) == 1.5
    (product,) = medusa.admin("GET", "/admin/products", params={"fields": "title,images.url"})["products"]
    assert len(product["images"]) == (2 if asset == "medusa_product_updates" else 1)
    assert (product["title"] == "Another") == (asset == "medusa_product_updates")


@pytest.mark.long
def test_a_product_that_medusa_kept_on_sale_is_hidden_by_the_next_night(
    priced: Shop, runner: Runner, medusa: MedusaServer
) -> None:
    names = [priced.whole(picture=False) for _ in range(3)]
    assert runner.job(EXPORT, "batch_0").success
    priced.catalogue.store.trash("Website Item", names[0])
    priced.catalogue.store.set("Website Item", names[1], published=0)
    medusa.faults.add(Fault("status", method="POST", path=PRODUCTS, body='"draft"', **REFUSED))
    assert len(runner.job(EXPORT, "batch_0").rejects("medusa_product_updates")) == 2
    assert [priced.status(name) for name in names] == ["published"] * 3
    medusa.faults.heal()
    assert runner.job(EXPORT, "batch_0").check("medusa_product_updates").passed
    assert [priced.status(name) for name in names] == ["draft", "draft", "published"]


def test_names_in_settings_and_rows_are_those_that_the_database_takes_for_the_same(
    priced: Shop, runner: Runner, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
) -> None:
    """An import wrote the Item Group and the warehouse in other letters; the setting has them too."""
    location = medusa.admin("POST", "/admin/stock-locations", json={"name": "North"})["stock_location"]["id"]
    shop_env.setenv("WAREHOUSE_STOCK_LOCATIONS", f'{{"{str(priced.stocked.places["Sohar"]).upper()} ": "{location}"}}')
    name = priced.whole(picture=False)
    priced.stocked.bin(name, "Sohar", 4)
    row = priced.catalogue.row(name)
    other = {key: row[key].upper() for key in ("item_group", "website_warehouse")}
    priced.catalogue.store.force("Website Item", name, **other)
    run = runner.job(EXPORT, "batch_0")
    assert run.success
    assert [run.check(asset).passed for asset in ("medusa_products", "medusa_stock")] == [True, True]
    product = medusa.admin("GET", f"/admin/products/{priced.catalogue.row(name)['medusa_id']}")["product"]
    assert product["collection_id"]
    found = priced.stocked.levels(name)
    assert {place: level for place, level in found.items() if level} == {
        medusa.stock_location_id: 3, location: 4,
    }  # fmt: skip
