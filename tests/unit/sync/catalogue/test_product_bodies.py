"""Request bodies for a Website Item."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.product_fields import IMAGE_KEY
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT
from erp_medusa_pipelines.sync.catalogue.fields import erp_values
from erp_medusa_pipelines.sync.catalogue.plain_text import slug
from erp_medusa_pipelines.sync.catalogue.product_bodies import (
    HASH_KEY,
    Placement,
    create_body,
    create_variant_body,
    fingerprint_of,
    handle,
)
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, fields_of

FIELDS = fields_of(DEFAULT)

FILED: dict[str, Any] = {"collection": "pcol_1"}
"""What every item is filed under in a shop without categories."""
PLACEMENT = Placement("sc_1", "sp_1")


def item(
    name: str = "WEB-ITM-0001", *, country: str | None = "om", barcode: str | None = None, **row: Any
) -> WebsiteItem:
    values = {
        "name": name,
        "published": 1,
        "item_code": "ITM/1",
        "web_item_name": "Syringe قفاز",
        "short_description": "Short",
        "web_long_description": "<p>Long &amp; clear</p>",
        "brand": "3M",
        "stock_uom": "Box",
        "ranking": 7,
        "medusa_variant_id": "variant_1",
    }
    specifications = row.pop("specifications", (("Size", "<p>S</p>"),))
    not_for_sale = None if {**values, **row}["published"] else "it is not published in ERPNext"
    return WebsiteItem({**dict.fromkeys(FIELDS), **values, **row}, specifications, country, barcode, not_for_sale)


def test_a_new_product_says_everything_and_has_one_variant() -> None:
    fingerprint = fingerprint_of(item(barcode="629"), FILED)
    assert create_body(item(barcode="629"), FILED, PLACEMENT, {HASH_KEY: fingerprint}, "published") == {
        "title": "Syringe قفاز",
        "subtitle": "Short",
        "description": "Long & clear",
        "status": "published",
        "external_id": "WEB-ITM-0001",
        "collection_id": "pcol_1",
        "origin_country": "om",
        "discountable": True,
        "handle": "syringe-قفاز-web-itm-0001",
        "metadata": {
            "item_code": "ITM/1",
            "uom": "Box",
            "brand": "3M",
            "ranking": 7,
            "specifications": [{"label": "Size", "description": "S"}],
            HASH_KEY: fingerprint,
        },
        "options": [{"title": "Default", "values": ["Default"]}],
        "variants": [
            {
                "title": "Default",
                "sku": "ITM/1",
                "barcode": "629",
                "manage_inventory": True,
                "allow_backorder": False,
                "options": {"Default": "Default"},
                "prices": [],
            }
        ],
        "sales_channels": [{"id": "sc_1"}],
        "shipping_profile_id": "sp_1",
    }


def test_what_is_empty_is_left_out_of_a_new_product() -> None:
    bare = item(
        country=None, short_description=None, web_long_description="", brand=None, stock_uom=None, ranking=None,
        web_item_name=None, specifications=(),
    )  # fmt: skip
    created = create_body(bare, {"collection": None}, Placement("sc_1", None), {HASH_KEY: "m"}, "draft")
    assert created["title"] == "ITM/1"
    assert created["metadata"] == {"item_code": "ITM/1", "ranking": 0, HASH_KEY: "m"}
    for key in ("subtitle", "description", "collection_id", "origin_country", "shipping_profile_id"):
        assert key not in created
    assert "barcode" not in created["variants"][0]


def test_an_unpublished_item_is_a_draft() -> None:
    assert erp_values(item(published=0))["status"] == "draft"


def test_a_private_image_is_marked_and_its_path_not_told() -> None:
    body = create_body(
        item(website_image="/private/files/offer.png"), {"collection": None}, PLACEMENT, {HASH_KEY: "m"}, "draft"
    )
    assert len(body["metadata"][IMAGE_KEY]) == 8
    assert "offer" not in str(body)


def test_a_variant_may_take_an_inventory_item_over() -> None:
    assert "inventory_items" not in create_variant_body(item())
    taken = create_variant_body(item(), "iitem_1")
    assert taken["inventory_items"] == [{"inventory_item_id": "iitem_1", "required_quantity": 1}]


@pytest.mark.parametrize(
    "change",
    [
        {"web_item_name": "Other"}, {"short_description": "x"}, {"web_long_description": "x"}, {"published": 0},
        {"brand": "x"}, {"stock_uom": "x"}, {"ranking": 8}, {"on_backorder": 1}, {"item_code": "x"},
        {"country": "de"}, {"barcode": "1"}, {"specifications": (("Size", "M"),)}, {"website_image": "/files/a.png"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_the_fingerprint_changes_with_what_is_told(change: dict[str, Any]) -> None:
    assert fingerprint_of(item(**change), FILED) != fingerprint_of(item(), FILED)
    assert fingerprint_of(item(), {"collection": "pcol_2"}) != fingerprint_of(item(), FILED)


def test_the_fingerprint_does_not_change_with_what_is_not_told() -> None:
    saved = item(modified="2030-01-01 00:00:00", medusa_id="prod_9", medusa_variant_id="variant_9")
    assert fingerprint_of(saved, FILED) == fingerprint_of(item(), FILED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Crème Brûlée", "crème-brûlée"),
        ("ITM/00101", "itm-00101"),
        ("a -- b", "a-b"),
        ("كتب الأطفال (٢)", "كتب-الأطفال-٢"),
        ("مُدَرِّس", "مدرس"),
        ("A_B.C+D%", "a-b-c-d"),
        ("---", ""),
    ],
)
def test_slugs_are_readable(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(st.text(max_size=60))
def test_slugs_are_what_medusa_accepts_in_handles(text: str) -> None:
    made = slug(text)
    assert made == slug(made)
    assert "--" not in made
    assert not made.startswith("-")
    assert not made.endswith("-")
    for char in made:
        assert char == "-" or unicodedata.category(char)[0] in "LN"
        assert char == char.lower()


@given(st.lists(st.text(min_size=1, max_size=20), unique_by=str.casefold, min_size=2, max_size=20))
def test_items_of_one_title_have_handles_of_their_own(names: list[str]) -> None:
    handles = [handle(item(name)) for name in names]
    assert len(set(handles)) == len(names)
    assert all(made and made == slug(made) for made in handles)


def test_a_handle_stays_an_address() -> None:
    assert handle(item("A/1")) != handle(item("A-1"))
    assert handle(item("???", web_item_name="!!!")) != ""
    assert len(handle(item(web_item_name="x" * 5000))) < 120
