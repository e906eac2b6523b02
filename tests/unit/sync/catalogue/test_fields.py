"""A product's field is one row: what is read, made, sent, compared, planned and documented follows from it."""

from pathlib import Path
from typing import Any

import pytest

from erp_medusa_pipelines.plan import rows
from erp_medusa_pipelines.product_fields import FIELD_POLICIES, FIELDS, IMAGE_KEY, Empty, How, ProductField
from erp_medusa_pipelines.sync.catalogue import product_bodies, website_items
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT
from erp_medusa_pipelines.sync.catalogue.fields import Shape, shaped
from erp_medusa_pipelines.sync.catalogue.product_bodies import create_body, fingerprint_of
from erp_medusa_pipelines.sync.catalogue.product_changes import update_body
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from tests.unit.sync.catalogue.test_product_bodies import FILED, PLACEMENT, item
from tests.unit.sync.catalogue.test_product_changes import compared, product_of

TASKS = Path(__file__).parents[4] / "docs" / "tasks.md"
IN_CATEGORIES = {**FILED, "categories": ["pcat_1"], "translations": {"ar-OM": {"title": "قفازات"}}}
WITHOUT_POLICY = {"external_id", IMAGE_KEY}
"""The product's identity, and a note of the export: nobody is asked what becomes of them."""

each_field = pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
each_sent = pytest.mark.parametrize("field", [f for f in FIELDS if f.place != "picture"], ids=lambda field: field.name)


def full() -> WebsiteItem:
    return item(barcode="629", website_image="/files/a.png", website_image_alt="A syringe", on_backorder=1)


def part_of(product: dict[str, Any], field: ProductField) -> dict[str, Any]:
    if field.place == "variant":
        return product["variants"][0]
    return product["metadata"] if field.place == "metadata" else product


@each_field
def test_a_field_is_read_from_erpnext_and_asked_of_medusa(field: ProductField) -> None:
    assert set(field.columns) <= set(website_items.fields_of(DEFAULT))
    assert field.asked in rows.PRODUCT_FIELDS.split(",")


@each_sent
def test_a_field_is_sent_with_a_new_product(field: ProductField) -> None:
    assert part_of(create_body(full(), IN_CATEGORIES, PLACEMENT, {}, "published"), field).get(field.key) not in (
        None,
        "",
    )


@each_sent
def test_a_field_counts_for_the_fingerprint_and_a_setting_does_not(
    field: ProductField, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fingerprint_of(full(), IN_CATEGORIES)

    def without(values: dict[str, Any]) -> Shape:
        return shaped({name: value for name, value in values.items() if name != field.name})

    monkeypatch.setattr(product_bodies, "shaped", without)
    of_run = field.place == "link" and field.name not in IN_CATEGORIES
    assert (fingerprint_of(full(), IN_CATEGORIES) == whole) == of_run


@each_sent
def test_a_field_that_differs_in_medusa_is_sent_again(field: ProductField) -> None:
    edited = product_of(full(), IN_CATEGORIES)
    part_of(edited, field)[field.asked.partition(".")[0] if field.place == "link" else field.key] = []
    found = compared(full(), edited, force=True, filed=IN_CATEGORIES)
    assert set(found.changes) == ({field.name} if field.policy else set())
    assert not field.policy or field.key in part_of(update_body(edited, "variant_1", found), field)


@each_field
def test_a_field_has_a_policy_and_its_line_in_the_documentation(field: ProductField) -> None:
    assert (field.name in FIELD_POLICIES) == (field.name not in WITHOUT_POLICY)
    assert f"| `{field.name}` |" in TASKS.read_text(encoding="utf-8")


def test_metadata_is_emptied_as_medusa_merges_it() -> None:
    empty = {field.empty for field in FIELDS if field.place == "metadata"}
    assert empty <= {Empty.NEVER, Empty.REMOVED, Empty.ZERO}, "only an empty text removes a key"


def test_there_is_no_way_to_make_a_value_that_no_field_needs() -> None:
    assert {field.how for field in FIELDS} == set(How)


def test_an_upgrade_finds_its_products_unchanged() -> None:
    """A new field, or another value of one, has every product compared anew and its notes written once."""
    assert fingerprint_of(item(), FILED) == "f702aea17e5fb788ecc86697258e2c14"
    assert fingerprint_of(full(), FILED) == "5ea08be01049f54519fa734b9203947f"
