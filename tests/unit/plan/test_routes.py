"""Every route by which the clients write to Medusa has an answer in a plan, and appears as a change."""

import inspect
import re
from typing import Any

import pytest

from erp_medusa_pipelines.clients import (
    medusa,
    medusa_carts,
    medusa_inventory,
    medusa_options,
    medusa_plugin,
    medusa_prices,
)
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_carts import MedusaCarts
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.clients.medusa_options import MedusaOptions
from erp_medusa_pipelines.clients.medusa_plugin import MedusaPlugin
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.plan.changes import ChangeLog
from erp_medusa_pipelines.plan.erpnext import ReadOnlyHttpClient
from erp_medusa_pipelines.plan.medusa import PlannedMedusa

PRODUCT = {"title": "T", "external_id": "W", "variants": [{"sku": "S", "manage_inventory": True}]}
ENTRY = {"variant_id": "variant_1", "amount": 1.5, "currency_code": "omr"}
LEVEL = {"inventory_item_id": "iitem_1", "location_id": "sloc_1", "stocked_quantity": 3}


class NoMedusa(ReadOnlyHttpClient):
    """Answer every list with no rows, but variants that are asked for by their ids."""

    def request(self, method: str, path: str, **options: Any) -> Any:
        if method != "GET":
            return super().request(method, path)
        plural = path.rpartition("/")[2].replace("-", "_").replace("product_variants", "variants")
        by_id = plural == "variants" and "variant_1" in str(options)
        return {plural: [{"id": "variant_1", "sku": "X"}] if by_id else [], "count": int(by_id)}


@pytest.fixture
def log() -> ChangeLog:
    return ChangeLog()


@pytest.fixture
def client(log: ChangeLog) -> PlannedMedusa:
    return PlannedMedusa(NoMedusa("Medusa", "http://127.0.0.1:9", {}), log)


def writes(client: MedusaClient) -> list[tuple[str, Any]]:
    """(method that writes, what it answers)."""
    prices, inventory, options = MedusaPrices(client), MedusaInventory(client), MedusaOptions(client)
    variant = {"id": "variant_1", "product_id": "prod_1", "sku": "X"}
    return [
        ("create_collection", client.create_collection({"title": "C"})),
        ("update_collection", client.update_collection("pcol_1", {"title": "D"})),
        ("delete_collection", client.delete_collection("pcol_2")),
        ("create_category", client.create_category({"name": "C"})),
        ("update_category", client.update_category("pcat_1", {"rank": 1})),
        ("create_label", client.create_label("product-types", "Files")),
        ("batch_products", client.batch_products(create=[PRODUCT], update=[{"id": "prod_1"}], fields="id")),
        ("delete_products", client.delete_products(["prod_2"])),
        ("create_variant", client.create_variant("prod_1", {"sku": "V", "manage_inventory": True}, "id")),
        ("add_options", options.add_options("prod_1", {"Size": ["S"]}, {"opt_1": ["M"]})),
        ("remove_values", options.remove_values("prod_1", {"opt_1": ["optval_1"]})),
        ("rank_values", options.rank_values("opt_1", ["S", "M"])),
        ("rename_option", options.rename_option("opt_1", "Size")),
        ("rename_option_value", options.rename_option_value("opt_1", "optval_1", "Large")),
        ("batch_variants", client.batch_variants("prod_1", create=[{"title": "V", "sku": "W"}], delete=["variant_2"])),
        ("set_preference", prices.set_preference(None, "omr", includes=True)),
        ("give_price_sets", client.give_price_sets([("variant_1", "prod_1")])),
        ("update_variant", client.update_variant("prod_1", "variant_1", {"sku": None})),
        ("update_inventory_items", client.update_inventory_items([{"id": "iitem_1", "sku": None}])),
        ("note_on_location", inventory.note_on_location("sloc_1", {"a": 1})),
        ("upload", client.upload([("a.png", b"x", "image/png")])),
        ("create_list", prices.create_list({"title": "L", "metadata": {}, "prices": [ENTRY]})),
        ("update_list", prices.update_list("plist_1", {"status": "draft"})),
        ("delete_empty_list", prices.delete_empty_list("plist_1")),
        ("create", prices.create("plist_1", [ENTRY])),
        ("update", prices.update("plist_1", [{"id": "price_1", **ENTRY}])),
        ("delete", prices.delete("plist_1", ["price_1"])),
        ("write_levels", inventory.write_levels(create=[LEVEL], update=[LEVEL])),
        ("stock_variant", inventory.stock_variant(variant)),
        ("note_on_cart", MedusaCarts(client).note_on_cart("cart_1", {"a": "b"})),
        ("delete_carts", MedusaPlugin(client).delete_carts([{"id": "cart_1", "touched_at": "2026-01-01"}])),
        ("relink", inventory.relink(variant, create={"iitem_1": 2}, delete=["iitem_2"])),
    ]


def test_every_method_that_writes_is_tried(client: PlannedMedusa) -> None:
    tried = {name for name, _ in writes(client)}
    sending = re.compile(r"    def (\w+)\((?:(?!\n    def ).)*?(?:\.send\(|_batch\(|/admin/uploads)", re.DOTALL)
    found = {
        name
        for module in (medusa, medusa_options, medusa_prices, medusa_inventory, medusa_carts, medusa_plugin)
        for name in sending.findall(inspect.getsource(module))
    }
    assert found - {"_batch", "send"} <= tried


def test_answers_have_the_shape_that_callers_take_apart(client: PlannedMedusa) -> None:
    answers = dict(writes(client))
    (created,) = answers["batch_products"]["created"]
    assert (created["external_id"], created["variants"][0]["sku"]) == ("W", "S")
    assert answers["upload"][0]["url"].endswith("/a.png")
    list_id, entries = answers["create_list"]
    assert list_id.startswith("planned_plist")
    assert [entry["price_set"]["variant"]["id"] for entry in entries] == ["variant_1"]
    assert answers["update"] == {"price_1"}
    assert answers["stock_variant"].startswith("planned_iitem")


def test_every_write_is_told_as_a_change_of_a_named_kind(client: PlannedMedusa, log: ChangeLog) -> None:
    writes(client)
    kinds = {(change.action, change.kind) for change in log.changes}
    assert {kind for _, kind in kinds} == {
        "collection",
        "product",
        "product category",
        "product type",
        "option",
        "option value",
        "variant",
        "price preference",
        "inventory item",
        "stock location",
        "file",
        "price list",
        "price",
        "inventory level",
        "cart",
    }
    assert {("create", "price"), ("update", "price"), ("delete", "price"), ("delete", "price list")} <= kinds


def test_a_route_without_an_answer_stops_the_plan(client: PlannedMedusa) -> None:
    with pytest.raises(LookupError, match="a plan cannot simulate POST /admin/orders/order_1/cancel"):
        client.send("POST", "/admin/orders/order_1/cancel", {})


def test_a_list_that_the_plan_knows_nothing_of_is_created_changed_and_deleted(
    client: PlannedMedusa, log: ChangeLog
) -> None:
    made = client.send("POST", "/admin/customers", {"email": "a@example.com"})["customer"]
    assert [row["email"] for row in client.all_of("/admin/customers", "customers", "id,email")] == ["a@example.com"]
    assert client.send("POST", "/admin/tax-regions/txreg_1", {"code": "x"})["tax_region"]["code"] == "x"
    client.send("DELETE", f"/admin/customers/{made['id']}")
    noted = [(change.action, change.kind, change.name) for change in log.changes]
    assert noted[0] == ("create", "customer", "a@example.com")
    assert [(action, kind) for action, kind, _ in noted[1:]] == [("update", "tax region"), ("delete", "customer")]


def test_what_the_plan_made_is_found_by_its_keys(client: PlannedMedusa) -> None:
    writes(client)
    (found,) = client.products_by("external_id", ["W"])
    assert found["title"] == "T"
    assert [row["sku"] for row in client.variants_by_sku(["S"], "id,sku")] == ["S"]


def test_the_connection_of_a_plan_cannot_write() -> None:
    http = ReadOnlyHttpClient("ERPNext", "http://127.0.0.1:9", {})
    assert isinstance(http, HttpClient)
    with pytest.raises(LookupError, match="PUT /api/resource/Item would write"):
        http.request("PUT", "/api/resource/Item")


def test_a_picture_has_the_same_address_in_the_next_plan(log: ChangeLog) -> None:
    """It goes into a hash in the product's metadata, and `apply` compares two plans. Threads upload in any order."""
    one, two = ("a.png", b"x", "image/png"), ("b.png", b"y", "image/png")
    first, second = (PlannedMedusa(NoMedusa("Medusa", "http://127.0.0.1:9", {}), log) for _ in range(2))
    noted = [first.upload([one]), first.upload([two])]
    assert [second.upload([two]), second.upload([one])] == noted[::-1]
    assert noted[0] != noted[1]
