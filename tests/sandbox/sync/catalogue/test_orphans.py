"""Products that nobody owns, over a whole shop.

Only against the embedded Medusa: in a real one that others use, everything outside this test would be an orphan.
"""

from typing import Any

import pytest

from tests.suites.bindings import IDS
from tests.suites.export import EXPORT, catalogue, products
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.writes import medusa_writes

__all__ = ["catalogue"]


def test_products_that_a_lost_write_back_left_behind_are_hidden(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    """Their Website Items were unpublished, or deleted, before anybody noted the ids."""
    unpublished, deleted, waiting, owned = catalogue.items(4, catalogue.group("Files"))
    assert runner.assets(EXPORT, "batch_0").success
    for name in (unpublished, deleted, waiting):
        catalogue.store.set("Website Item", name, medusa_id=None, medusa_variant_id=None)
    catalogue.store.set("Website Item", unpublished, published=0)
    catalogue.store.delete("Website Item", deleted)
    run = runner.asset("orphaned_products")
    assert run.success
    assert not run.check("orphaned_products", "products_are_owned").passed
    found = products(medusa, [unpublished, deleted, waiting, owned])
    statuses = {name: one["status"] for name, one in found.items()}
    assert statuses == {unpublished: "draft", deleted: "draft", waiting: "published", owned: "published"}
    medusa.faults.forget_requests()
    assert "withdrawn" not in runner.asset("orphaned_products").metadata("orphaned_products")
    assert medusa_writes(medusa) == []
    # Published again, it is shown again.
    catalogue.store.set("Website Item", unpublished, published=1)
    assert runner.assets(EXPORT, "batch_0").success
    assert products(medusa, [unpublished])[unpublished]["status"] == "published"


def test_what_is_not_for_sale_any_more_before_its_ids_were_noted_is_hidden_whatever_the_reason(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    group = catalogue.group("Files")
    disabled, not_chosen, waiting = names = [catalogue.item(group, brand=brand) for brand in ("3M", None, "3M")]
    assert runner.assets(EXPORT, "batch_0").success
    for name in names:
        catalogue.store.set("Website Item", name, medusa_id=None, medusa_variant_id=None)
    catalogue.store.set("Item", catalogue.row(disabled)["item_code"], disabled=1)
    shop_env.setenv("SHOP_ITEMS", '{"brand": ["3M"]}')
    assert runner.assets(EXPORT, "batch_0").success
    assert runner.asset("orphaned_products").success
    statuses = {name: one["status"] for name, one in products(medusa, names).items()}
    assert statuses == {disabled: "draft", not_chosen: "draft", waiting: "published"}


def test_orphans_are_only_reported_where_the_setting_says_so_and_shared_ids_are_named(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("ORPHANED_PRODUCTS", "report")
    group = catalogue.group("Files")
    orphan, original = catalogue.items(2, group)
    assert runner.assets(EXPORT, "batch_0").success
    catalogue.store.delete("Website Item", orphan)
    before = catalogue.row(original)
    copy = catalogue.item(group, **{key: before[key] for key in IDS})
    medusa.faults.forget_requests()
    run = runner.asset("orphaned_products")
    assert run.success
    assert medusa_writes(medusa) == []
    found: Any = run.check("orphaned_products", "products_are_owned").metadata["problems"]
    assert orphan in [record.data["website_item"] for record in found.records]
    shared: Any = run.check("orphaned_products", "ids_are_used_once").metadata["problems"]
    assert [record.data["website_items"] for record in shared.records] == [f"{original}, {copy}"]


def test_an_erp_that_shows_none_of_its_items_hides_no_product(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner
) -> None:
    names = catalogue.items(12, catalogue.group("Files"))
    assert runner.assets(EXPORT, "batch_0").success
    for name in names:
        catalogue.store.delete("Website Item", name)
    run = runner.asset("orphaned_products")
    assert "products would be hidden from customers" in run.failure_text("orphaned_products")
    assert {one["status"] for one in products(medusa, names).values()} == {"published"}
