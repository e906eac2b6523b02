"""The Medusa under test is the shop that the other live tests expect. Nothing about our own code."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from tests.live.conftest import MedusaServer

SECONDS = 30


@pytest.fixture
def admin(medusa_server: MedusaServer) -> requests.Session:
    session = requests.Session()
    session.auth = (medusa_server.api_key, "")
    return session


def answer(response: requests.Response) -> Any:
    assert response.ok, f"{response.request.method} {response.url} -> {response.status_code}: {response.text}"
    return response.json()


def test_it_is_healthy(medusa_server: MedusaServer) -> None:
    response = requests.get(f"{medusa_server.url}/health", timeout=SECONDS)
    assert (response.status_code, response.text) == (200, "OK")


def test_the_secret_key_opens_the_admin_api_and_another_one_does_not(medusa_server: MedusaServer) -> None:
    stores = f"{medusa_server.url}/admin/stores"
    assert requests.get(stores, auth=(medusa_server.api_key, ""), timeout=SECONDS).status_code == 200
    assert requests.get(stores, auth=(medusa_server.api_key[:-1], ""), timeout=SECONDS).status_code == 401


def test_the_store_sells_in_rials_dollars_and_euros(medusa_server: MedusaServer, admin: requests.Session) -> None:
    [store] = answer(admin.get(f"{medusa_server.url}/admin/stores", timeout=SECONDS))["stores"]
    assert {"omr", "usd", "eur"} <= {each["currency_code"] for each in store["supported_currencies"]}


def test_the_region_is_oman_in_rials(medusa_server: MedusaServer, admin: requests.Session) -> None:
    url = f"{medusa_server.url}/admin/regions/{medusa_server.region_id}"
    region = answer(admin.get(url, timeout=SECONDS))["region"]
    assert region["currency_code"] == "omr"
    assert "om" in [country["iso_2"] for country in region["countries"]]


def test_the_stock_location_serves_the_sales_channel(medusa_server: MedusaServer, admin: requests.Session) -> None:
    url = f"{medusa_server.url}/admin/stock-locations/{medusa_server.stock_location_id}"
    location = answer(admin.get(url, params={"fields": "id,sales_channels.id"}, timeout=SECONDS))["stock_location"]
    assert medusa_server.sales_channel_id in [channel["id"] for channel in location["sales_channels"]]


def test_products_have_a_default_shipping_profile(medusa_server: MedusaServer, admin: requests.Session) -> None:
    url = f"{medusa_server.url}/admin/shipping-profiles"
    profiles = answer(admin.get(url, params={"type": "default"}, timeout=SECONDS))["shipping_profiles"]
    assert profiles


def test_an_upload_can_be_fetched_from_the_address_it_was_given(
    medusa_server: MedusaServer, admin: requests.Session
) -> None:
    content = uuid.uuid4().bytes
    files = {"files": (f"{uuid.uuid4().hex}.png", content, "image/png")}
    [upload] = answer(admin.post(f"{medusa_server.url}/admin/uploads", files=files, timeout=SECONDS))["files"]
    fetched = requests.get(upload["url"], timeout=SECONDS)
    assert (fetched.status_code, fetched.content) == (200, content)


def test_a_cart_takes_an_item_in_stock_and_refuses_more(medusa_server: MedusaServer, admin: requests.Session) -> None:
    sku = f"cart-{uuid.uuid4().hex[:12]}"
    product = answer(
        admin.post(
            f"{medusa_server.url}/admin/products",
            params={"fields": "id,variants.id,variants.inventory_items.inventory_item_id"},
            json={
                "title": sku,
                "status": "published",
                "options": [{"title": "Default", "values": ["Default"]}],
                "sales_channels": [{"id": medusa_server.sales_channel_id}],
                "variants": [
                    {
                        "title": "Default",
                        "sku": sku,
                        "options": {"Default": "Default"},
                        "prices": [{"currency_code": "omr", "amount": 1.125}],
                    }
                ],
            },
            timeout=SECONDS,
        )
    )["product"]
    try:
        [variant] = product["variants"]
        [item] = variant["inventory_items"]
        answer(
            admin.post(
                f"{medusa_server.url}/admin/inventory-items/{item['inventory_item_id']}/location-levels",
                json={"location_id": medusa_server.stock_location_id, "stocked_quantity": 2},
                timeout=SECONDS,
            )
        )
        shopper = requests.Session()
        shopper.headers["x-publishable-api-key"] = medusa_server.publishable_key
        cart = answer(
            shopper.post(
                f"{medusa_server.url}/store/carts", json={"region_id": medusa_server.region_id}, timeout=SECONDS
            )
        )["cart"]
        lines = f"{medusa_server.url}/store/carts/{cart['id']}/line-items"
        filled = answer(shopper.post(lines, json={"variant_id": variant["id"], "quantity": 2}, timeout=SECONDS))
        assert [(line["unit_price"], line["quantity"]) for line in filled["cart"]["items"]] == [(1.125, 2)]
        refused = shopper.post(lines, json={"variant_id": variant["id"], "quantity": 1}, timeout=SECONDS)
        assert refused.status_code == 400
    finally:
        answer(admin.delete(f"{medusa_server.url}/admin/products/{product['id']}", timeout=SECONDS))
