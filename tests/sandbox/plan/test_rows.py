"""The rows of a plan: what both servers hold now against what would be written, one row per field that differs."""

from collections.abc import Iterator
from typing import Any

import pytest

from erp_medusa_pipelines.connections import Shop, open_shop
from erp_medusa_pipelines.plan.changes import Change
from erp_medusa_pipelines.plan.rows import PlanRow, describe, digest, rows_of
from erp_medusa_pipelines.settings import load_settings
from tests.support.catalogue import Catalogue
from tests.support.servers import MedusaServer


@pytest.fixture
def shop(shop_env: pytest.MonkeyPatch) -> Iterator[Shop]:
    with open_shop(load_settings()) as opened:
        yield opened


@pytest.fixture
def item(catalogue: Catalogue) -> str:
    return catalogue.item(catalogue.group("G"), medusa_id="prod_old")


@pytest.fixture
def product(medusa: MedusaServer) -> dict[str, Any]:
    body = {
        "title": "Syringe",
        "metadata": {"kept": "yes", "changed": "old"},
        "images": [{"url": "http://pictures.example/1.png"}],
        "sales_channels": [{"id": medusa.sales_channel_id}],
        "options": [{"title": "Default", "values": ["Default"]}],
        "variants": [{"title": "Default", "sku": "S-1", "prices": [], "options": {"Default": "Default"}}],
    }
    return medusa.admin("POST", "/admin/products?fields=id,variants.id", json=body)["product"]


def fields_of(rows: list[PlanRow]) -> dict[str, tuple[str, str]]:
    return {row.field: (row.old, row.new) for row in rows}


def test_ids_that_are_emptied_and_set_again_are_one_change(shop: Shop, item: str) -> None:
    changes = [
        Change("ERPNext", "update", "Website Item", item, {"medusa_id": "", "medusa_variant_id": ""}),
        Change("ERPNext", "update", "Website Item", item, {"medusa_id": "planned_prod_1"}),
    ]
    (row,) = describe(shop.erp, shop.medusa, changes)
    assert (row.field, row.old, row.new) == ("medusa_id", "prod_old", "(new)")


def test_a_document_that_is_made_sent_or_deleted_has_a_row_of_its_own(shop: Shop, item: str) -> None:
    sent = Change("ERPNext", "send", "Email Queue", "mail-1")
    assert describe(shop.erp, shop.medusa, [sent]) == [PlanRow("ERPNext", "Email Queue", "mail-1", "send", "", "", "")]
    deleted = Change("Medusa", "delete", "price list", "plist_1", name="Gold")
    assert describe(shop.erp, shop.medusa, [deleted]) == [PlanRow("Medusa", "price list", "Gold", "delete", "", "", "")]


def test_a_table_is_compared_with_the_whole_document(shop: Shop, item: str) -> None:
    values = {"website_specifications": [{"label": "Size", "description": "5 ml"}]}
    (row,) = describe(shop.erp, shop.medusa, [Change("ERPNext", "update", "Website Item", item, values)])
    assert row.field == "website_specifications"
    assert "5 ml" in row.new
    assert "5 ml" not in row.old


def test_of_a_product_only_what_differs_is_shown(shop: Shop, product: dict[str, Any], medusa: MedusaServer) -> None:
    values = {
        "title": "Syringe",
        "status": "published",
        "metadata": {"kept": "yes", "changed": "new", "more": "1"},
        "images": [{"url": "http://pictures.example/2.png"}],
        "sales_channels": [{"id": medusa.sales_channel_id}],
        "variants": [{"id": product["variants"][0]["id"], "sku": "S-2", "title": "Default"}],
    }
    rows = describe(shop.erp, shop.medusa, [Change("Medusa", "update", "product", product["id"], values)])
    assert {row.document for row in rows} == {"Syringe"}, "a product without another name has its title"
    assert fields_of(rows) == {
        "status": ("draft", "published"),
        "metadata.changed": ("old", "new"),
        "metadata.more": ("", "1"),
        "images": ('["http://pictures.example/1.png"]', '["http://pictures.example/2.png"]'),
        "variant.sku": ("S-1", "S-2"),
    }
    same = {key: values[key] for key in ("title", "sales_channels")}
    assert describe(shop.erp, shop.medusa, [Change("Medusa", "update", "product", product["id"], same)]) == []


def test_a_price_is_named_by_the_sku_of_its_variant(shop: Shop, product: dict[str, Any]) -> None:
    variant = product["variants"][0]["id"]
    change = Change("Medusa", "update", "price", "price_1", {"OMR always": 2}, variant, {"OMR always": 1.5})
    (row,) = describe(shop.erp, shop.medusa, [change])
    assert (row.document, row.old, row.new) == ("S-1", "1.5", "2")


def test_a_collection_shows_its_old_title_and_only_what_differs(shop: Shop, medusa: MedusaServer) -> None:
    body = {"title": "By hand", "handle": "gloves", "external_id": "Gloves", "metadata": {"item_group": "Gloves"}}
    made = medusa.admin("POST", "/admin/collections", json=body)["collection"]
    change = Change("Medusa", "update", "collection", made["id"], {**body, "title": "Gloves"}, "Gloves")
    assert fields_of(describe(shop.erp, shop.medusa, [change])) == {"title": ("By hand", "Gloves")}


def test_a_log_entry_of_a_new_document_is_one_row() -> None:
    values = {"title": "Syringe", "status": "published", "variants": [{"sku": "S-1"}]}
    (row,) = rows_of([Change("Medusa", "create", "product", "prod_1", values, "WEB-1")])
    assert (row.document, row.field) == ("WEB-1", "")
    assert row.new == '{"status": "published", "title": "Syringe"}'
    (single,) = rows_of([Change("Medusa", "create", "price", "price_1", {"OMR always": 2})])
    assert (single.document, single.field, single.new) == ("price_1", "OMR always", "2")


def test_a_log_entry_names_the_server_that_was_written_to() -> None:
    named = Change("ERPNext", "update", "Website Item", "WEB-1", {"custom_in_stock": 1}, "WEB-1")
    refused = Change("ERPNext", "refuse", "Item Price", "price-1", {}, "price-1")
    assert [row.system for row in rows_of([named, refused])] == ["ERPNext", "ERPNext"]


def test_two_plans_with_other_new_ids_have_the_same_digest() -> None:
    def noted(number: int, title: str) -> str:
        link = {"inventory_items": [{"id": f"planned_iitem_{number}"}], "title": title}
        return digest(rows_of([Change("Medusa", "update", "variant", "variant_1", {"body": link, "sku": None})]))

    assert noted(1, "A") == noted(2, "A")
    assert noted(1, "A") != noted(1, "B")
