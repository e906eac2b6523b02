"""Which fields of a product are sent, beside what Medusa holds."""

from typing import Any

import pytest

from erp_medusa_pipelines.product_fields import FIELD_POLICIES, IMAGE_KEY, FieldPolicy, unsaid
from erp_medusa_pipelines.sync.catalogue.fields import medusa_values
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY, Placement, create_body
from erp_medusa_pipelines.sync.catalogue.product_changes import (
    SENT_KEY,
    Comparison,
    compare,
    desired_values,
    sent_notes,
    update_body,
)
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from tests.unit.sync.catalogue.test_product_bodies import FILED, item

PLACEMENT = Placement("sc_1", "sp_1")


def desired(of: WebsiteItem, filed: dict[str, Any] = FILED) -> dict[str, Any]:
    return desired_values(of, filed, PLACEMENT, "published")


def product_of(of: WebsiteItem, filed: dict[str, Any] = FILED, fingerprint: str = "f") -> dict[str, Any]:
    """What Medusa answers after the item was created."""
    notes = sent_notes(of, desired(of, filed), fingerprint, FIELD_POLICIES)
    body = create_body(of, filed, PLACEMENT, notes, "published")
    variant = {key: value for key, value in body["variants"][0].items() if key not in ("options", "prices")}
    return {
        **unsaid("product"), **body, "id": "prod_1",
        "shipping_profile": {"id": "sp_1"}, "variants": [{**unsaid("variant"), **variant, "id": "variant_1"}],
    }  # fmt: skip


def compared(
    of: WebsiteItem,
    product: dict[str, Any],
    fingerprint: str = "f",
    *,
    force: bool = False,
    filed: dict[str, Any] = FILED,
    **policies: FieldPolicy,
) -> Comparison:
    current = medusa_values(product, product["variants"][0])
    chosen: dict[str, FieldPolicy] = {**FIELD_POLICIES, **policies}
    return compare(of, desired(of, filed), current, product["metadata"], fingerprint, chosen, force=force)


def test_a_product_that_was_just_made_differs_in_nothing() -> None:
    for of in (item(), item(barcode="1", brand=None, ranking=None, specifications=(), country=None)):
        assert compared(of, product_of(of)) == Comparison({}, {}, {})
        assert update_body(product_of(of), "variant_1", compared(of, product_of(of))) == {}


@pytest.mark.parametrize(
    ("policy", "sent", "listed"),
    [("overwrite", True, False), ("until_erp_changes", False, True), ("keep", False, False)],
)
def test_a_text_edited_in_medusa_is_treated_by_its_policy(policy: FieldPolicy, sent: bool, listed: bool) -> None:
    edited = {**product_of(item()), "title": "By hand"}
    found = compared(item(), edited, title=policy)
    assert ("title" in found.changes, "title" in found.kept) == (sent, listed)
    assert compared(item(), edited, force=True, title=policy).changes == {"title": "Syringe قفاز"}


def test_a_text_edited_in_medusa_gives_way_when_the_erp_changes_that_text_and_not_before() -> None:
    edited = {**product_of(item()), "title": "By hand"}
    other = compared(item(ranking=9), edited, "f2")
    assert other.changes == {"ranking": 9}
    assert other.kept == {"title": ("Syringe قفاز", "By hand")}
    assert compared(item(web_item_name="New"), edited, "f2").changes == {"title": "New"}
    assert compared(item(web_item_name="New"), edited, "f2", title="keep").changes == {}


def test_what_was_sent_is_noted_with_every_change_in_the_erp() -> None:
    changed = item(web_item_name="New", website_image="/files/a.png")
    found = compared(changed, product_of(item()), "f2")
    assert set(found.notes) == {HASH_KEY, IMAGE_KEY, SENT_KEY}
    assert found.notes[SENT_KEY] != product_of(item())["metadata"][SENT_KEY]
    assert set(found.notes[SENT_KEY]) == {n for n, p in FIELD_POLICIES.items() if p != "overwrite"} - {"thumbnail"}


def test_a_product_of_an_earlier_version_gets_what_changed_and_nothing_before() -> None:
    edited = {**product_of(item()), "title": "By hand"}
    del edited["metadata"][SENT_KEY]
    assert compared(item(), edited).changes == {}
    assert compared(item(ranking=9), edited, "f2").changes == {"title": "Syringe قفاز", "ranking": 9}


def test_identity_and_state_are_the_erps() -> None:
    edited = product_of(item())
    edited |= {"status": "draft", "collection_id": "pcol_2", "sales_channels": [], "shipping_profile": None}
    edited["variants"][0] |= {"sku": "x", "barcode": "y", "allow_backorder": True}
    body = update_body(edited, "variant_1", compared(item(), edited))
    assert body == {
        "id": "prod_1",
        "status": "published",
        "collection_id": "pcol_1",
        "sales_channels": [{"id": "sc_1"}],
        "shipping_profile_id": "sp_1",
        "variants": [{"id": "variant_1", "sku": "ITM/1", "barcode": None, "allow_backorder": False}],
    }


def test_what_the_erp_does_not_know_takes_nothing_away() -> None:
    values = desired_values(item(), {"collection": None}, Placement("sc_1", None), "published")
    assert not {"collection", "shipping_profile"} & set(values)


def test_an_emptied_text_is_cleared() -> None:
    emptied = item(brand=None, short_description="", specifications=())
    body = update_body(product_of(item()), "variant_1", compared(emptied, product_of(item()), "f2"))
    assert body["subtitle"] is None
    # Medusa merges metadata: only an empty text removes a key.
    assert (body["metadata"]["brand"], body["metadata"]["specifications"]) == ("", "")


def test_an_update_sends_all_variants_or_none() -> None:
    product = product_of(item())
    product["variants"].append({"id": "variant_2", "sku": "by hand"})
    assert "variants" not in update_body(product, "variant_1", compared(item(web_item_name="New"), product, "f2"))
    changed = update_body(product, "variant_1", compared(item(on_backorder=1), product, "f2"))
    assert changed["variants"] == [{"id": "variant_1", "allow_backorder": True}, {"id": "variant_2"}]
    assert "handle" not in changed, "the address of a product in the shop stays"
