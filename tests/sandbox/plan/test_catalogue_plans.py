"""A plan shows what settings of the catalogue would change, before they are switched on."""

import pytest

from erp_medusa_pipelines.tasks import EXPORT
from tests.sandbox.plan.test_plans import plan
from tests.suites.parents import Parents
from tests.suites.variants import Shop
from tests.support.catalogue import Catalogue
from tests.support.plans import unlike
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer
from tests.support.writes import medusa_writes


@pytest.mark.long
def test_values_that_leave_and_their_order_are_seen_first(
    catalogue: Catalogue, medusa: MedusaServer, erp: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("VARIANTS", "options")
    shop = Shop(catalogue, erp, medusa, runner)
    small, large = shop.variant("S", "Red"), shop.variant("L", "Blue")
    shop.variant("XL", "Blue")
    shop.night()
    shop.give(large, shop.size, "M")
    shop.give(small, shop.size, "XL")
    assert plan(runner, EXPORT.name).rows
    shop.night()
    shop_env.setenv("UNUSED_OPTION_VALUES", "remove")
    medusa.faults.forget_requests()
    planned = plan(runner)
    assert medusa_writes(medusa) == []
    assert [(row.kind, row.field, row.new) for row in planned.rows] == [("product", f"option {shop.size} without", "S")]
    assert unlike(planned, runner.job(EXPORT.name, "batch_0")) == []
    assert shop.options() == {"Size": ["M", "XL"], "Colour": ["Red", "Blue"]}
    rows = shop.store.rows("Item Attribute Value", parent=shop.size)
    for row in rows:
        shop.store.force("Item Attribute Value", row["name"], idx=len(rows) - row["idx"] + 1)
    planned = plan(runner)
    assert [(row.kind, row.document, row.field, row.new) for row in planned.rows] == [
        ("option", shop.size, "order", "XL, M")
    ]
    assert unlike(planned, runner.job(EXPORT.name, "batch_0")) == []
    assert shop.options()["Size"] == ["XL", "M"]


@pytest.mark.long
def test_products_that_would_be_deleted_are_seen_first(
    catalogue: Catalogue, medusa: MedusaServer, erp: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop = Shop(catalogue, erp, medusa, runner)
    gone, _stays = catalogue.items(2, shop.group)
    product = catalogue.row(gone)
    shop.night()
    shop.store.set("Website Item", gone, published=0)
    shop.night()
    product = catalogue.row(gone)["medusa_id"]
    shop_env.setenv("WITHDRAWN_ITEMS", "delete")
    shop_env.setenv("WITHDRAWN_DAYS", "0")
    medusa.faults.forget_requests()
    planned = plan(runner, "find_orphaned_products")
    assert medusa_writes(medusa) == []
    noted = [(row.system, row.kind, row.field, row.old) for row in planned.rows]
    assert ("ERPNext", "Website Item", "medusa_id", product) in noted
    assert [(row.action, row.document) for row in planned.rows if row.kind == "product"] == [("delete", gone)]
    assert unlike(planned, runner.job("find_orphaned_products")) == []
    assert not medusa.admin("GET", "/admin/products", params={"id": product})["products"]


@pytest.mark.long
def test_groups_that_would_be_hidden_are_seen_first(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("CATEGORIES", "website")
    full, empty = (catalogue.group(label, show_in_website=1) for label in ("Full", "Empty"))
    catalogue.item(full)
    name = catalogue.item(empty)
    assert runner.job(EXPORT.name, "batch_0").success
    catalogue.store.set("Website Item", name, published=0)
    meant = {"ops": {"medusa_product_updates": {"config": {"allow_hiding": True}}}}
    assert runner.job(EXPORT.name, "batch_0", run_config=meant).success
    shop_env.setenv("EMPTY_GROUPS", "remove")
    medusa.faults.forget_requests()
    planned = plan(runner)
    assert medusa_writes(medusa) == []
    noted = {(row.action, row.kind, row.document, row.field) for row in planned.rows}
    assert ("update", "product category", empty, "is_active") in noted
    assert ("delete", "collection", empty) in {one[:3] for one in noted}
    assert unlike(planned, runner.job(EXPORT.name, "batch_0")) == []


@pytest.mark.long
def test_a_new_category_and_one_that_moves_come_behind_their_siblings(
    catalogue: Catalogue, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("CATEGORIES", "website")
    above = catalogue.group("A", show_in_website=1)
    for label in ("B", "C"):
        catalogue.group(label, parent=above, show_in_website=1)
    moving = catalogue.group("D", show_in_website=1)
    assert runner.job(EXPORT.name, "batch_0").success
    catalogue.store.set("Item Group", moving, parent_item_group=above)
    catalogue.group("E", parent=above, show_in_website=1)
    planned = plan(runner)
    assert unlike(planned, runner.job(EXPORT.name, "batch_0")) == []
    assert plan(runner).rows == []


WAYS = ("products", "options", "parents")


@pytest.mark.long
@pytest.mark.parametrize(("before", "after"), [(one, other) for one in WAYS for other in WAYS if one != other])
def test_another_way_to_show_variants_is_planned_to_the_last_number(
    catalogue: Catalogue,
    medusa: MedusaServer,
    erp: ErpServer,
    runner: Runner,
    shop_env: pytest.MonkeyPatch,
    before: str,
    after: str,
) -> None:
    """Two variants of G that name the parent P, one that names none, and an item without a template that names P."""
    shop_env.setenv("EXPORT_BATCHES", "1")
    shop = Parents(catalogue, erp, medusa, runner)
    parent = shop.make_template("P")
    together = [shop.variant("S", "Blue"), shop.variant("L", "Blue")]
    for name in together:
        shop.store.set("Website Item", name, custom_parent_website_item=parent)
    alone = shop.variant("M", "Red")
    other = shop.child("Other", parent, size="M", colour="Red")
    shop_env.setenv("VARIANTS", before)
    shop.night()
    medusa.faults.forget_requests()
    shop_env.setenv("VARIANTS", after)
    planned = plan(runner)
    assert medusa_writes(medusa) == []
    assert not planned.problems
    drafts = {row.document for row in planned.rows if (row.kind, row.field, row.new) == ("product", "status", "draft")}
    shown = {
        "products": {*together, alone, other},
        "options": {shop.template, other},
        "parents": {parent, alone},
    }
    assert drafts == shown[before] - shown[after]
    assert unlike(planned, runner.job(EXPORT.name, "batch_0")) == []
    assert shop.seen().keys() == {catalogue.row(name)["web_item_name"] for name in shown[after]}
    assert plan(runner).rows == []


@pytest.mark.long
@pytest.mark.parametrize("which", ["website", "used"])
def test_categories_that_come_and_those_that_leave_are_seen_first(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch, which: str
) -> None:
    """Of groups above one another, shown in the website or not; then the other half of them becomes categories."""
    other = {"website": "used", "used": "website"}[which]
    above = catalogue.group("Above", show_in_website=1)
    empty = catalogue.group("Empty", parent=above, show_in_website=1)
    unshown = catalogue.group("Unshown", parent=above)
    catalogue.items(2, unshown)
    assert runner.job(EXPORT.name, "batch_0").success
    expected = {"website": {above, empty}, "used": {above, unshown}}
    for setting in (which, other):
        shop_env.setenv("CATEGORIES", setting)
        medusa.faults.forget_requests()
        planned = plan(runner)
        assert medusa_writes(medusa) == []
        assert not planned.problems
        assert unlike(planned, runner.job(EXPORT.name, "batch_0")) == []
        found = medusa.store("GET", "/store/product-categories", params={"limit": 100}).json()["product_categories"]
        assert {one["name"] for one in found} == expected[setting]
        made = {row.document for row in planned.rows if (row.kind, row.action) == ("product category", "create")}
        assert made == expected[setting] - (expected[which] if setting == other else set())
        assert plan(runner).rows == []
