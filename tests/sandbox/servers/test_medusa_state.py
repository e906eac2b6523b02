"""What the embedded Medusa keeps and what it undoes: behaviour over several requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from erp_medusa_sandbox.medusa.app import create_app
from erp_medusa_sandbox.medusa.store import MedusaStore
from erp_medusa_sandbox.server import running
from tests.sandbox.servers.medusa_replay import KEY


class Shop:
    """A small client of one embedded Medusa."""

    def __init__(self, url: str, store: MedusaStore) -> None:
        self.url = url
        self.store = store

    def call(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        headers = {"Authorization": f"Basic {KEY}", "x-publishable-api-key": self.store.publishable_key}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.text else None

    def create(self, *names: str) -> list[Any]:
        return self.call("POST", "/admin/products/batch", {"create": [product(name) for name in names]})["created"]

    def price_shown(self, name: str) -> float:
        region = self.store.all("region")[0]["id"]
        path = f"/store/products?handle={name}&region_id={region}&fields=*variants.calculated_price"
        return self.call("GET", path)["products"][0]["variants"][0]["calculated_price"]["calculated_amount"]


def product(name: str) -> dict[str, Any]:
    variant = {"title": "Default", "sku": name, "options": {"Default": "Default"}}
    return {
        "title": name,
        "handle": name,
        "status": "published",
        "options": [{"title": "Default", "values": ["Default"]}],
        "variants": [{**variant, "prices": [{"currency_code": "omr", "amount": 10}]}],
    }


@pytest.fixture
def shop() -> Iterator[Shop]:
    store = MedusaStore()
    with running(create_app(store, api_key=KEY)) as url:
        yield Shop(url, store)


def test_a_batch_that_fails_leaves_nothing_and_undoes_its_updates(shop: Shop) -> None:
    (first,) = shop.create("first")
    update = [{"id": first["id"], "title": "changed"}, {"id": "prod_unknown", "title": "x"}]
    before = {table: shop.store.all(table) for table in ("product", "variant", "inventory_item", "price")}
    shop.call("POST", "/admin/products/batch", {"create": [product("second")], "update": update}, status=404)
    assert {table: shop.store.all(table) for table in before} == before
    assert len(shop.create("second")) == 1


def test_created_products_come_back_in_another_order(shop: Shop) -> None:
    names = [f"p-{number:02d}" for number in range(60)]
    handles = [made["handle"] for made in shop.create(*names)]
    assert sorted(handles) == names
    assert handles != names


def test_an_update_that_changes_nothing_keeps_updated_at(shop: Shop) -> None:
    (made,) = shop.create("same")
    path = f"/admin/products/{made['id']}"
    unchanged = {"title": "same", "variants": [{"id": made["variants"][0]["id"], "prices": []}]}
    assert shop.call("POST", path, unchanged)["product"]["updated_at"] == made["updated_at"]
    assert shop.call("POST", path, {"title": "other"})["product"]["updated_at"] > made["updated_at"]


def test_a_deleted_product_frees_its_handle_and_sku_and_takes_its_stock_along(shop: Shop) -> None:
    (made,) = shop.create("again")
    shop.call("DELETE", f"/admin/products/{made['id']}")
    for table in ("product", "variant", "inventory_item", "price"):
        assert shop.store.all(table) == []
    assert shop.create("again")[0]["id"] != made["id"]


def test_a_dated_price_list_holds_from_its_start_to_its_end(shop: Shop) -> None:
    (made,) = shop.create("dated")
    entry = {"variant_id": made["variants"][0]["id"], "currency_code": "omr", "amount": 7.125}
    dates = {"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-31T23:59:59Z"}
    given = {"title": "x", "description": "d", "type": "override", "status": "active", "prices": [entry], **dates}
    shop.call("POST", "/admin/price-lists", given)
    shown = []
    for day in (
        datetime(2029, 12, 31, tzinfo=UTC),
        datetime(2030, 1, 15, tzinfo=UTC),
        datetime(2030, 2, 1, tzinfo=UTC),
    ):
        shop.store.clock = lambda day=day: day
        shown.append(shop.price_shown("dated"))
    assert shown == [10, 7.125, 10]


def test_drafts_are_not_shown_to_customers(shop: Shop) -> None:
    (made,) = shop.create("hidden")
    shop.call("POST", f"/admin/products/{made['id']}", {"status": "draft"})
    assert shop.call("GET", "/store/products")["products"] == []


def test_what_orders_reserve_cannot_be_sold_again(shop: Shop) -> None:
    (made,) = shop.create("scarce")
    variant = shop.store.all("variant")[0]
    item, location = variant["inventory_links"][0]["inventory_item_id"], shop.store.all("stock_location")[0]["id"]
    level = {"inventory_item_id": item, "location_id": location, "stocked_quantity": 5}
    shop.call("POST", "/admin/inventory-items/location-levels/batch", {"create": [level]})
    shop.store.reserve(item, location, 3)
    (cart,) = shop.call("POST", "/store/carts", {}).values()
    lines = f"/store/carts/{cart['id']}/line-items"
    wanted = {"variant_id": made["variants"][0]["id"], "quantity": 2}
    assert shop.call("POST", lines, wanted)["cart"]["items"][0]["quantity"] == 2
    assert shop.call("POST", lines, {**wanted, "quantity": 1}, status=400)["code"] == "insufficient_inventory"


def test_an_uploaded_file_can_be_fetched_and_deleted(shop: Shop) -> None:
    headers = {"Authorization": f"Basic {KEY}"}
    files = [("files", ("a b.png", b"picture", "image/png"))]
    (made,) = requests.post(f"{shop.url}/admin/uploads", headers=headers, files=files, timeout=10).json()["files"]
    assert requests.get(made["url"], timeout=10).content == b"picture"
    shop.call("DELETE", f"/admin/uploads/{made['id']}")
    assert requests.get(made["url"], timeout=10).status_code == 404


def test_an_url_longer_than_node_takes_is_refused_without_a_body(shop: Shop) -> None:
    query = "&".join(f"external_id[]=WEB-ITM-{number:06d}" for number in range(700))
    assert shop.call("GET", f"/admin/products?{query}", status=431) is None


def test_state_survives_a_restart(tmp_path: Path) -> None:
    store = MedusaStore(tmp_path / "medusa.sqlite")
    with running(create_app(store, api_key=KEY)) as url:
        kept, gone = Shop(url, store).create("kept", "gone")
        if kept["handle"] != "kept":
            kept, gone = gone, kept
        Shop(url, store).call("DELETE", f"/admin/products/{gone['id']}")
    store.close()
    again = MedusaStore(tmp_path / "medusa.sqlite")
    with running(create_app(again, api_key=KEY)) as url:
        assert again.publishable_key == store.publishable_key
        assert Shop(url, again).call("GET", f"/admin/products/{kept['id']}")["product"] == kept
        assert Shop(url, again).call("GET", "/admin/products")["count"] == 1
    again.close()
