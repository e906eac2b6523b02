"""A planned Medusa reads after its writes as a Medusa that was really written to: the same calls on both, compared."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices, entry_variant
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.plan.changes import ChangeLog
from erp_medusa_pipelines.settings import load_settings
from tests.support.servers import MedusaServer
from tests.support.writes import medusa_writes

FIELDS = "id,title,handle,metadata,images.url,variants.id,variants.sku"
PRODUCT = {
    "title": "Syringe",
    "handle": "syringe",
    "external_id": "WEB-1",
    "options": [{"title": "Default", "values": ["Default"]}],
    "metadata": {"kept": "yes"},
    "variants": [
        {
            "title": "Default", "sku": "S-1", "barcode": "B-1", "prices": [], "manage_inventory": True,
            "options": {"Default": "Default"},
        }
    ],
}  # fmt: skip


@pytest.fixture
def product(medusa: MedusaServer) -> dict[str, Any]:
    """A product that Medusa has."""
    made = medusa.admin("POST", f"/admin/products?fields={FIELDS}", json=PRODUCT)["product"]
    medusa.faults.forget_requests()
    return made


@pytest.fixture
def same(shop_env: pytest.MonkeyPatch, medusa: MedusaServer) -> Iterator[Callable[..., Any]]:
    """Runs calls on a plan, then on Medusa itself; returns what both read, which must be the same but for new ids."""
    with open_shop(load_settings(), plan=ChangeLog()) as plan, open_shop(load_settings()) as shop:

        def run(calls: Callable[[MedusaClient], Any]) -> Any:
            planned = calls(plan.medusa)
            assert medusa_writes(medusa) == []
            real = calls(shop.medusa)
            assert json.dumps(planned, sort_keys=True) == json.dumps(real, sort_keys=True)
            return real

        yield run


def refusal(call: Callable[[], Any]) -> str:
    """Return why the call is refused."""
    with pytest.raises(PermanentError) as refused:
        call()
    return refused.value.reason


def shown(product: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a product: everything but ids."""
    urls = [image["url"] for image in product["images"] or ()]
    skus = [variant["sku"] for variant in product["variants"]]
    return {**{key: product[key] for key in ("title", "handle", "metadata")}, "images": urls, "skus": skus}


def test_a_changed_product_is_found_by_its_new_handle_only(same: Callable[..., Any], product: dict[str, Any]) -> None:
    def calls(client: MedusaClient) -> list[Any]:
        images = [{"url": "http://pictures.example/1.png"}]
        change = {"id": product["id"], "handle": "pump", "metadata": {"new": "1"}, "images": images}
        client.batch_products(update=[change], fields="id")
        return [
            [shown(row) for row in client.products_by("handle", [handle], FIELDS)] for handle in ("syringe", "pump")
        ]

    gone, (found,) = same(calls)
    assert gone == []
    assert found["metadata"] == {"kept": "yes", "new": "1"}
    assert found["images"] == ["http://pictures.example/1.png"]


def test_a_sku_that_is_taken_away_is_free(
    same: Callable[..., Any], product: dict[str, Any], medusa: MedusaServer
) -> None:
    (variant,) = product["variants"]
    (item,) = medusa.admin("GET", "/admin/inventory-items?sku=S-1")["inventory_items"]

    def calls(client: MedusaClient) -> list[Any]:
        client.update_inventory_items([{"id": item["id"], "sku": "S-2"}])
        client.update_variant(product["id"], variant["id"], {"sku": "S-2"})
        return [[row["id"] for row in client.variants_by_sku([sku], "id,sku")] for sku in ("S-1", "S-2")] + [
            [row["id"] for row in client.inventory_items_by_sku([sku], "id,sku")] for sku in ("S-1", "S-2")
        ]

    assert same(calls) == [[], [variant["id"]], [], [item["id"]]]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"handle": "other"}, "Product variant with sku: S-1"),
        ({"variants": [{**PRODUCT["variants"][0], "sku": "S-9", "barcode": "B-9"}]}, "Product with handle"),
        (
            {"handle": "other", "variants": [{**PRODUCT["variants"][0], "sku": "S-9"}]},
            "Product variant with barcode: B-1",
        ),
    ],
)
def test_a_key_that_is_taken_is_refused(
    same: Callable[..., Any], product: dict[str, Any], changed: dict[str, Any], what: str
) -> None:
    def calls(client: MedusaClient) -> bool:
        body = {**PRODUCT, "external_id": "WEB-2", **changed}
        reason = refusal(lambda: client.batch_products(create=[body], fields="id"))
        return what in reason and "already exists" in reason

    assert same(calls)


def test_an_inventory_item_without_a_variant_is_adopted_or_its_sku_is_refused(
    same: Callable[..., Any], medusa: MedusaServer
) -> None:
    item = medusa.admin("POST", "/admin/inventory-items", json={"sku": "S-1"})["inventory_item"]
    medusa.faults.forget_requests()

    def calls(client: MedusaClient) -> list[Any]:
        reason = refusal(lambda: client.batch_products(create=[PRODUCT], fields="id"))
        link = [{"inventory_item_id": item["id"], "required_quantity": 1}]
        body = {**PRODUCT, "variants": [{**PRODUCT["variants"][0], "inventory_items": link}]}
        fields = "id,external_id,variants.id,variants.inventory_items.inventory_item_id"
        (made,) = client.batch_products(create=[body], fields=fields)["created"]
        (variant,) = made["variants"]
        return ["Inventory item with sku" in reason, [each["inventory_item_id"] for each in variant["inventory_items"]]]

    assert same(calls) == [True, [item["id"]]]


def test_a_new_price_list_is_there_with_its_entries(same: Callable[..., Any], product: dict[str, Any]) -> None:
    (variant,) = product["variants"]
    entry = {"variant_id": variant["id"], "currency_code": "eur", "amount": 1.5}
    body = {"title": "L", "description": "D", "type": "override", "status": "active"}

    def read(prices: MedusaPrices, list_id: str) -> list[Any]:
        return sorted(
            [row["amount"], row["currency_code"], entry_variant(row)] for _, row in prices.entries_of([list_id])
        )

    def calls(client: MedusaClient) -> list[Any]:
        prices = MedusaPrices(client)
        list_id, _ = prices.create_list({**body, "prices": [entry]})
        seen = [read(prices, list_id)]
        prices.create(list_id, [{**entry, "currency_code": "usd", "amount": 2}])
        seen.append(read(prices, list_id))
        seen.append([row["status"] for row in prices.lists()])
        prices.update_list(list_id, {"status": "draft"})
        seen.append([row["status"] for row in prices.lists()])
        return seen

    one = [1.5, "eur", variant["id"]]
    assert same(calls) == [[one], [one, [2, "usd", variant["id"]]], ["active"], ["draft"]]


def test_variants_of_a_product_that_becomes_a_draft_are_not_shown(
    same: Callable[..., Any], product: dict[str, Any], medusa: MedusaServer
) -> None:
    (variant,) = product["variants"]
    medusa.admin("POST", f"/admin/products/{product['id']}", json={"status": "published"})
    medusa.faults.forget_requests()

    def calls(client: MedusaClient) -> list[Any]:
        before = sorted(client.shown_variants([variant["id"]]))
        client.batch_products(update=[{"id": product["id"], "status": "draft"}], fields="id")
        return [before, sorted(client.shown_variants([variant["id"]]))]

    assert same(calls) == [[variant["id"]], []]


def test_entries_of_a_list_that_medusa_has_are_planned_too(
    same: Callable[..., Any], product: dict[str, Any], medusa: MedusaServer
) -> None:
    (variant,) = product["variants"]
    entry = {"variant_id": variant["id"], "currency_code": "eur", "amount": 1.5}
    body = {"title": "L", "description": "D", "type": "override", "status": "active", "prices": [entry]}
    made = medusa.admin("POST", "/admin/price-lists?fields=id,prices.id", json=body)["price_list"]
    empty = medusa.admin("POST", "/admin/price-lists?fields=id", json={**body, "prices": []})["price_list"]
    medusa.faults.forget_requests()

    def calls(client: MedusaClient) -> list[Any]:
        prices = MedusaPrices(client)
        old = made["prices"][0]["id"]
        prices.create(made["id"], [{**entry, "currency_code": "usd", "amount": 2}])
        updated = prices.update(made["id"], [{"id": old, "variant_id": variant["id"], "amount": 9}])
        below = [[row["amount"], entry_variant(row)] for _, row in prices.entries_of([made["id"]])]
        prices.delete(made["id"], [old])
        prices.delete_empty_list(empty["id"])
        left = [row["amount"] for row in prices.entries(made["id"])]
        return [sorted(updated), sorted(below), left, [row["id"] for row in prices.lists()]]

    updated, below, left, lists = same(calls)
    assert below == [[2, variant["id"]], [9, variant["id"]]]
    assert (len(updated), left, lists) == (1, [2], [made["id"]])


@pytest.mark.parametrize("in_a_new_list", [True, False])
def test_a_price_of_a_variant_that_is_gone_is_refused(
    same: Callable[..., Any], medusa: MedusaServer, in_a_new_list: bool
) -> None:
    body = {"title": "L", "description": "D", "type": "override", "status": "active", "prices": []}
    made = medusa.admin("POST", "/admin/price-lists?fields=id", json=body)["price_list"]
    medusa.faults.forget_requests()
    entry = {"variant_id": "variant_gone", "currency_code": "eur", "amount": 1.5}

    def calls(client: MedusaClient) -> bool:
        prices = MedusaPrices(client)
        reason = refusal(
            (lambda: prices.create_list({**body, "prices": [entry]}))
            if in_a_new_list
            else (lambda: prices.create(made["id"], [entry]))
        )
        return "variant_gone" in reason

    assert same(calls)


def test_a_variant_that_is_added_belongs_to_its_product(same: Callable[..., Any], medusa: MedusaServer) -> None:
    bare = {**PRODUCT, "variants": []}
    made = medusa.admin("POST", "/admin/products?fields=id", json=bare)["product"]
    medusa.faults.forget_requests()

    def calls(client: MedusaClient) -> list[Any]:
        client.create_variant(made["id"], PRODUCT["variants"][0], "id,variants.id,variants.sku")
        (found,) = client.variants_by_sku(["S-1"], "id,sku,product_id,manage_inventory")
        (item,) = client.inventory_items_by_sku(["S-1"], "id,sku")
        return [found["product_id"], found["manage_inventory"], item["sku"]]

    assert same(calls) == [made["id"], True, "S-1"]


def test_collections_come_and_change(same: Callable[..., Any]) -> None:
    def calls(client: MedusaClient) -> list[Any]:
        made = client.create_collection({"title": "Gloves", "handle": "gloves"})
        client.update_collection(made["id"], {"title": "Hand", "metadata": {"a": "1"}})
        return [{key: row[key] for key in ("title", "handle", "metadata")} for row in client.collections()]

    assert same(calls) == [{"title": "Hand", "handle": "gloves", "metadata": {"a": "1"}}]
