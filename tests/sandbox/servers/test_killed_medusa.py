"""An embedded Medusa whose process ends in the middle of a workflow: what it keeps, and that it is up again."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from tests.support.servers import MedusaServer, embedded_medusa

FIELDS = (
    "id,options.title,variants.id,variants.sku,variants.inventory_items.inventory_item_id,"
    "sales_channels.id,shipping_profile.id"
)
CREATE = [
    "products",
    "sales channels",
    "shipping profiles",
    "variants",
    "inventory items",
    "inventory links",
    "the end",
]


@pytest.fixture
def store() -> MedusaStore:
    return MedusaStore(None)


@pytest.fixture
def medusa(store: MedusaStore) -> Iterator[MedusaServer]:
    with embedded_medusa(store=store) as server:
        yield server


def new_products(medusa: MedusaServer, store: MedusaStore, *names: str) -> list[Document]:
    profile = store.all("shipping_profile")[0]["id"]
    variant = {"title": "Default", "options": {"Default": "Default"}, "prices": [], "manage_inventory": True}
    return [
        {
            "title": name,
            "external_id": name,
            "options": [{"title": "Default", "values": ["Default"]}],
            "variants": [{**variant, "sku": name}],
            "sales_channels": [{"id": medusa.sales_channel_id}],
            "shipping_profile_id": profile,
        }
        for name in names
    ]


def killed(medusa: MedusaServer, steps: int, method: str, path: str, body: Any = None) -> None:
    medusa.faults.add(Fault("kill", method=method, steps=steps, times=1))
    with pytest.raises(requests.ConnectionError):
        medusa.admin(method, path, json=body)
    medusa.faults.heal()


def states(store: MedusaStore) -> set[tuple[bool, ...]]:
    """Whether a product has its channel, profile, variant, inventory link and price set."""
    return {
        (
            bool(product["sales_channel_ids"]),
            bool(product["shipping_profile_id"]),
            bool(variants),
            any(variant["inventory_links"] for variant in variants),
            any(variant["price_set_id"] for variant in variants),
        )
        for product in store.all("product")
        for variants in [store.find("variant", "product_id", [product["id"]])]
    }


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        (1, (False, False, False, False, False)),
        (2, (True, False, False, False, False)),
        (3, (True, True, False, False, False)),
        (4, (True, True, True, False, False)),
        (5, (True, True, True, False, False)),
        (6, (True, True, True, True, False)),
        (7, (True, True, True, True, True)),
    ],
)
def test_a_killed_create_leaves_the_whole_chunk_in_one_state(
    medusa: MedusaServer, store: MedusaStore, steps: int, left: tuple[bool, ...]
) -> None:
    killed(medusa, steps, "POST", "/admin/products/batch", {"create": new_products(medusa, store, "a", "b", "c")})
    assert states(store) == {left}
    assert len(store.all("product")) == 3
    assert len(store.all("inventory_item")) == (3 if steps > 4 else 0)
    assert len(medusa.admin("GET", "/admin/products", params={"fields": FIELDS})["products"]) == 3


def test_the_steps_of_a_create_are_noted_in_order(medusa: MedusaServer, store: MedusaStore) -> None:
    medusa.admin("POST", "/admin/products/batch", json={"create": new_products(medusa, store, "a")})
    assert medusa.faults.steps == [f"POST /admin/products/batch: {name}" for name in CREATE]


def test_an_error_still_undoes_all_steps(medusa: MedusaServer, store: MedusaStore) -> None:
    medusa.admin("POST", "/admin/products/batch", json={"create": new_products(medusa, store, "a")})
    clash = new_products(medusa, store, "b", "a")
    clash[1]["handle"] = "other"
    answer = requests.post(
        f"{medusa.url}/admin/products/batch",
        json={"create": clash},
        headers={"Authorization": f"Basic {medusa.api_key}"},
        timeout=10,
    )
    assert answer.status_code == 400
    assert [product["external_id"] for product in store.all("product")] == ["a"]


def test_steps_are_counted_over_requests(medusa: MedusaServer, store: MedusaStore) -> None:
    medusa.faults.add(Fault("kill", steps=len(CREATE) + 1, times=1))
    medusa.admin("POST", "/admin/products/batch", json={"create": new_products(medusa, store, "a")})
    with pytest.raises(requests.ConnectionError):
        medusa.admin("POST", "/admin/products/batch", json={"create": new_products(medusa, store, "b")})
    assert len(store.all("product")) == 2
    assert len(store.all("variant")) == 1
    assert len(medusa.admin("GET", "/admin/products")["products"]) == 2


def test_a_killed_update_has_unlinked_its_channels(medusa: MedusaServer, store: MedusaStore) -> None:
    made = medusa.admin("POST", "/admin/products/batch", json={"create": new_products(medusa, store, "a")})
    change = {"id": made["created"][0]["id"], "title": "A", "sales_channels": [{"id": medusa.sales_channel_id}]}
    killed(medusa, 2, "POST", "/admin/products/batch", {"update": [change]})
    (product,) = store.all("product")
    assert (product["title"], product["sales_channel_ids"]) == ("A", [])


def test_a_killed_deletion_of_a_variant_leaves_it_without_price_set_and_stock(
    medusa: MedusaServer, store: MedusaStore
) -> None:
    medusa.admin("POST", "/admin/products/batch", json={"create": new_products(medusa, store, "a")})
    (variant,) = store.all("variant")
    killed(medusa, 1, "DELETE", f"/admin/products/{variant['product_id']}/variants/{variant['id']}")
    (left,) = store.all("variant")
    assert (left["price_set_id"], left["inventory_links"]) == (None, [])
    assert [item["sku"] for item in store.all("inventory_item")] == ["a"]


def test_a_killed_batch_of_prices_leaves_what_it_created(medusa: MedusaServer, store: MedusaStore) -> None:
    made = medusa.admin("POST", "/admin/products/batch", json={"create": new_products(medusa, store, "a", "b")})
    one, other = (product["variants"][0]["id"] for product in made["created"])
    price = {"currency_code": "omr", "amount": 1}
    listed = medusa.admin(
        "POST", "/admin/price-lists", json={"title": "x", "description": "x", "prices": [{**price, "variant_id": one}]}
    )["price_list"]["id"]
    (entry,) = store.all("price")
    body = {
        "create": [{**price, "variant_id": other}],
        "update": [{"id": entry["id"], "variant_id": one, "amount": 2}],
    }
    killed(medusa, 1, "POST", f"/admin/price-lists/{listed}/prices/batch", body)
    assert [price["amount"] for price in store.all("price")] == [1, 1]
