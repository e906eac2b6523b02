"""The Frappe app's save hooks, as recorded, on every DocType that it watches; and staff's saves after our nights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, server_script_text
from erp_medusa_sandbox.server import running
from erp_medusa_sandbox.shop.seed import HOMEPAGE, seed_shop
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import ErpServer, embedded_medusa

EXPORT = "export_items_and_images_custom"
UNREACHABLE = "http://127.0.0.1:9"
IDS: dict[str, Any] = {"medusa_id": "prod_1", "medusa_variant_id": "variant_1"}


def save(erp: ErpServer, doctype: str, name: str, **values: Any) -> requests.Response:
    """As a colleague's click on Save."""
    headers = {"Authorization": f"token {erp.key}:{erp.secret}"}
    return requests.put(f"{erp.url}/api/resource/{doctype}/{name}", json=values, headers=headers, timeout=30)


@contextmanager
def medusa_that_answers(status: int) -> Iterator[str]:
    """A Medusa that gives every call the same answer."""

    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse({}, status_code=status)

    methods = ["POST", "DELETE"]
    with running(Starlette(routes=[Route("/{path:path}", answer, methods=methods)])) as url:
        yield url


@dataclass(frozen=True)
class Shop:
    """One exported item, one that is not, and the prices of the first."""

    erp: ErpServer
    group: str
    item: str
    exported: str
    new: str
    newest: str
    older: str
    customers: str

    def switch(self, on: bool, url: str | None = None) -> None:
        self.erp.store.set("Medusa Configuration", "", enable=int(on), url=url)

    def stored(self, doctype: str, name: str) -> dict[str, Any]:
        return self.erp.store.get(doctype, name) or {}

    def calls(self) -> list[str]:
        """Method and path of the calls since the last look."""
        control = f"{self.erp.url}/__sandbox__/hook_calls"
        found = [f"{call['method']} {call['path']}" for call in requests.get(control, timeout=10).json()]
        requests.delete(control, timeout=10)
        return found


@pytest.fixture
def shop(erp: ErpServer) -> Shop:
    store, catalogue = erp.store, Catalogue(erp.store)
    store.insert("Currency", currency_name="OMR", enabled=1)
    store.insert("Customer", name="Clinic", customer_name="Clinic")
    group = catalogue.group("Gloves")
    exported = catalogue.item(group, code="ITM-1", **IDS)
    new = catalogue.item(group, code="ITM-2")
    common = {"item_code": "ITM-1", "price_list": "Standard Selling", "price_list_rate": 1}
    rows = {
        "newest": {"valid_from": "2026-02-01"},
        "older": {"valid_from": "2026-01-01"},
        "customers": {"valid_from": "2026-03-01", "customer": "Clinic"},
    }
    prices = {key: store.insert("Item Price", name=f"price-{key}", **common, **row) for key, row in rows.items()}
    return Shop(erp, group, "ITM-1", exported, new, **prices)


def walk(shop: Shop) -> dict[str, int]:
    """The status of a save of every DocType that the app watches."""
    erp, skip = shop.erp, {"custom_skip_update_hook": 1}
    return {
        "Website Item with ids": save(erp, "Website Item", shop.exported, web_item_name="a").status_code,
        "Website Item without ids": save(erp, "Website Item", shop.new, web_item_name="b").status_code,
        "Item": save(erp, "Item", shop.item, item_name="c").status_code,
        "Item, what nobody repeats": save(erp, "Item", shop.item, country_of_origin="Oman").status_code,
        "Item Group": save(erp, "Item Group", shop.group, weightage=2).status_code,
        "newest price": save(erp, "Item Price", shop.newest, price_list_rate=2).status_code,
        "older price": save(erp, "Item Price", shop.older, price_list_rate=3).status_code,
        "a customer's price": save(erp, "Item Price", shop.customers, price_list_rate=4).status_code,
        "Website Item with the flag": save(erp, "Website Item", shop.exported, web_item_name="d", **skip).status_code,
    }


ALWAYS_SAVED = (
    "Item, what nobody repeats",
    "Item Group",
    "older price",
    "a customer's price",
    "Website Item with the flag",
)
SAVED = dict.fromkeys(ALWAYS_SAVED, 200)
CALLED = ("Website Item with ids", "Website Item without ids", "Item", "newest price")


def test_switched_off_every_save_goes_through_and_nothing_is_called(shop: Shop) -> None:
    shop.switch(on=False)
    for price in (shop.newest, shop.older, shop.customers):
        shop.erp.store.set("Item Price", price, medusa_price_id="price_1")
    assert set(walk(shop).values()) == {200}
    assert shop.calls() == []


def test_switched_on_without_its_medusa_what_it_watches_cannot_be_saved(shop: Shop) -> None:
    shop.switch(on=True, url=UNREACHABLE)
    assert walk(shop) == {**SAVED, **dict.fromkeys(CALLED, 500)}
    assert shop.stored("Item Price", shop.newest)["price_list_rate"] == 1
    assert shop.stored("Website Item", shop.exported)["web_item_name"] == "d"


def test_switched_on_with_a_medusa_that_refuses_neither(shop: Shop) -> None:
    with medusa_that_answers(400) as url:
        shop.switch(on=True, url=url)
        assert walk(shop) == {**SAVED, **dict.fromkeys(CALLED, 417)}
        shop.erp.store.set("Website Item", shop.exported, custom_skip_update_hook=0)
        shop.erp.store.set("Item Group", shop.group, medusa_id="pcol_1")
        refused = save(shop.erp, "Website Item", shop.exported, web_item_name="e").json()
        said = f"frappe.exceptions.ValidationError: Error while updating Website Item {shop.exported} in Medusa"
        assert (refused["exception"], refused["_exc_source"]) == (said, "medusa_integration (app)")


@pytest.mark.parametrize(
    ("ids", "path", "said"),
    [
        ({}, "/admin/price-lists", "exporting Item Price price-newest to"),
        ({"medusa_price_id": "price_1"}, "/admin/price-lists", "exporting Item Price price-newest to"),
        ({"medusa_id": "plist_1"}, "/admin/price-lists/plist_1", "updating Item Price price-newest in"),
    ],
)
def test_medusa_2_refuses_every_price_list_that_the_app_sends(
    shop: Shop, ids: dict[str, str], path: str, said: str
) -> None:
    with medusa_that_answers(400) as url:
        shop.switch(on=True, url=url)
        shop.erp.store.set("Item Price", shop.newest, **ids)
        refused = save(shop.erp, "Item Price", shop.newest, price_list_rate=2)
    assert refused.json()["exception"] == f"frappe.exceptions.ValidationError: Error while {said} Medusa"
    assert shop.calls() == [f"POST {path}"]
    with embedded_medusa() as medusa:
        body = {"name": "x", "description": "Standard Selling", "type": "override", "customer_groups": []}
        answer = requests.post(f"{medusa.url}/admin/price-lists", json=body, auth=(medusa.api_key, ""), timeout=10)
        assert answer.status_code == 400


@pytest.mark.parametrize("change", [{"price_list_rate": 12.347}, {"note": "x"}, {"medusa_id": "plist_x"}])
def test_switched_off_the_newest_price_with_medusa_id_cannot_be_saved_all_the_same(
    shop: Shop, change: dict[str, Any]
) -> None:
    for price in (shop.newest, shop.older, shop.customers):
        shop.erp.store.set("Item Price", price, medusa_id="plist_1")
    answer = save(shop.erp, "Item Price", shop.newest, **change)
    assert (answer.status_code, answer.json()["exc_type"]) == (500, "MissingSchema")
    wanted = change.get("medusa_id", "plist_1")
    assert f"Invalid URL 'None/admin/price-lists/{wanted}'" in answer.json()["exception"]
    assert shop.stored("Item Price", shop.newest)["price_list_rate"] == 1
    for price in (shop.older, shop.customers):
        assert save(shop.erp, "Item Price", price, price_list_rate=21).status_code == 200


def test_of_an_item_that_is_not_exported_or_without_medusa_id_it_can(shop: Shop) -> None:
    shop.erp.store.set("Item Price", shop.newest, medusa_id="plist_1")
    emptied = save(shop.erp, "Item Price", shop.newest, medusa_id="", medusa_price_id="price_1")
    assert emptied.status_code == 200
    shop.erp.store.set("Item Price", shop.newest, medusa_id="plist_1")
    shop.erp.store.set("Website Item", shop.exported, medusa_variant_id=None)
    assert save(shop.erp, "Item Price", shop.newest, price_list_rate=9).status_code == 200


def test_the_flag_is_never_reset_and_counts_only_for_exported_items(shop: Shop) -> None:
    with medusa_that_answers(200) as url:
        shop.switch(on=True, url=url)
        assert save(shop.erp, "Website Item", shop.exported, **IDS, custom_skip_update_hook=1).status_code == 200
        assert save(shop.erp, "Website Item", shop.exported, custom_in_stock=1).status_code == 200
        assert shop.calls() == []
        save(shop.erp, "Website Item", shop.exported, custom_skip_update_hook=0)
        assert shop.calls() == ["POST /admin/collections", "POST /admin/products/prod_1"]
        save(shop.erp, "Website Item", shop.new, custom_skip_update_hook=1)
        assert shop.calls() == ["POST /admin/collections", "POST /admin/products"]


@pytest.mark.parametrize("on", [True, False])
def test_a_deletion_goes_through_and_what_goes_wrong_is_logged(shop: Shop, on: bool) -> None:
    shop.switch(on=on, url=UNREACHABLE)
    headers = {"Authorization": f"token {shop.erp.key}:{shop.erp.secret}"}
    url = f"{shop.erp.url}/api/resource/Website Item/{shop.exported}"
    assert requests.delete(url, headers=headers, timeout=10).status_code == 202
    assert [row["method"] for row in shop.erp.store.rows("Error Log")] == ["Error deleting Medusa item prod_1"]
    assert shop.calls() == ["DELETE /admin/products/prod_1"]


def test_a_save_of_an_item_that_is_not_exported_moves_every_group(shop: Shop) -> None:
    def moved() -> set[str]:
        return {row["name"] for row in shop.erp.store.rows("Item Group") if row["modified"] > before}

    before = max(row["modified"] for row in shop.erp.store.rows("Item Group"))
    assert save(shop.erp, "Website Item", shop.exported, ranking=2).status_code == 200
    assert moved() == set()
    assert save(shop.erp, "Website Item", shop.new, ranking=2).status_code == 200
    assert moved() == {row["name"] for row in shop.erp.store.rows("Item Group")}


@pytest.mark.parametrize("with_script", [True, False], ids=["Server Script", "saving"])
@pytest.mark.long
def test_after_two_nights_staff_can_save_every_document_that_was_touched(
    erp: ErpServer, runner: Runner, with_script: bool
) -> None:
    seed_shop(erp.store, items=40, images=4)
    if with_script:
        script = {"script_type": "API", "api_method": SERVER_SCRIPT_METHOD, "script": server_script_text()}
        erp.store.insert("Server Script", name=SERVER_SCRIPT_METHOD, **script)
    # As an earlier version of this project, or the app, left them.
    for row in erp.store.rows("Item Price", price_list="Standard Selling")[:20]:
        erp.store.set("Item Price", row["name"], medusa_id="plist_old", medusa_price_id="price_old")
    for _ in range(2):
        for job in (EXPORT, "update_webitem_stock"):
            assert runner.job(job, "batch_0").success
        for job in ("add_top_selling_items_to_collection", "fetch_clearance_items", "expire_otps"):
            assert runner.job(job).success
    # Prices of one customer and of items that are not on the website are not ours, whatever they hold.
    linked = [row for row in erp.store.rows("Item Price") if row["medusa_price_id"] not in (None, "", "price_old")]
    assert linked
    assert not [row["name"] for row in linked if row["medusa_id"]]
    for row in linked:
        answer = save(erp, "Item Price", row["name"], price_list_rate=float(row["price_list_rate"]) + 1)
        assert answer.status_code == 200, answer.text
    for doctype, field in (("Website Item", "medusa_id"), ("Item Group", "medusa_id"), ("File", "medusa_id")):
        touched = [row for row in erp.store.rows(doctype) if row[field]]
        assert touched, doctype
        for row in touched:
            assert save(erp, doctype, row["name"]).status_code == 200, (doctype, row["name"])
    expired = erp.store.rows("Email OTP", status="Expired")[0]
    item = erp.store.rows("Item", disabled=0)[0]
    for doctype, name, values in (
        ("Email OTP", expired["name"], {"status": "Verified"}),
        ("Item", item["name"], {"item_name": "Changed"}),
        ("Product Collection", "Product Collection", {}),
        ("Expiring Items", "Expiring Items", {}),
        ("Homepage Landing", HOMEPAGE, {}),
    ):
        answer = save(erp, doctype, name, **values)
        assert answer.status_code == 200, (doctype, answer.text)
