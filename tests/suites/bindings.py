"""Which product belongs to which Website Item, after what staff do on either side. On any Medusa."""

from typing import Any

import pytest

from tests.suites.export import EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import medusa_writes

IDS = ("medusa_id", "medusa_variant_id")
KEPT = ("item_code", "item_group", "web_item_name", "published")


def replaced(catalogue: Catalogue, old: str, *more: str) -> tuple[str, dict[str, Any]]:
    """Put another Website Item for the same Item in the old one's place; returns its name and the old row."""
    row = catalogue.row(old)
    catalogue.store.delete("Website Item", old)
    values = {key: row[key] for key in (*KEPT, *more)}
    return catalogue.store.insert("Website Item", name=f"{old}-NEW", **values), row


class BindingsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_a_copied_document_gets_a_product_of_its_own(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        """The desk's Duplicate copies the ids: price, stock and pictures of the copy went to the original."""
        group = catalogue.group("Files")
        original = catalogue.items(1, group)[0]
        assert runner.assets(EXPORT, "batch_0").success
        before = catalogue.row(original)
        copy = catalogue.item(group, **{key: before[key] for key in IDS})
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert (run.metadata("medusa_products")["released"], run.metadata("medusa_products")["written"]) == (1, 1)
        assert run.check("medusa_product_updates").passed
        found = products(medusa, [original, copy])
        assert found[original]["id"] == before["medusa_id"] == catalogue.row(original)["medusa_id"]
        assert found[copy]["id"] == catalogue.row(copy)["medusa_id"] != before["medusa_id"]
        medusa.faults.forget_requests()
        assert "released" not in runner.assets(EXPORT, "batch_0").metadata("medusa_products")
        assert medusa_writes(medusa) == []

    def test_a_product_that_was_deleted_in_medusa_is_made_again(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(3, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        lost = catalogue.row(names[1])["medusa_id"]
        medusa.admin("DELETE", f"/admin/products/{lost}")
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.check("medusa_product_updates").passed
        now = products(medusa, names)
        assert set(now) == set(names)
        assert catalogue.row(names[1])["medusa_id"] == now[names[1]]["id"] != lost

    def test_a_renamed_document_keeps_its_product(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        (old,) = catalogue.items(1, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        new, row = replaced(catalogue, old, *IDS)
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.metadata("medusa_products")["renamed"] == 1
        assert products(medusa, [new])[new]["id"] == row["medusa_id"]

    def test_an_item_published_again_under_another_name_takes_its_old_product_over(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        (old,) = catalogue.items(1, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        new, row = replaced(catalogue, old)
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.check("medusa_products").passed
        assert catalogue.row(new)["medusa_id"] == row["medusa_id"]
        assert products(medusa, [new])[new]["status"] == "published"

    def test_an_item_comes_back_under_another_name_long_after_its_product_became_a_draft(
        self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        (old,) = catalogue.items(1, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        before = catalogue.row(old)
        catalogue.store.trash("Website Item", old)
        assert runner.assets(EXPORT, "batch_0").success
        assert products(medusa, [old])[old]["status"] == "draft"
        new = catalogue.store.insert("Website Item", name=f"{old}-NEW", **{key: before[key] for key in KEPT})
        run = runner.assets(EXPORT, "batch_0")
        assert run.check("medusa_products").passed
        product = products(medusa, [new])[new]
        assert (product["id"], product["status"]) == (before["medusa_id"], "published")

    def test_ids_of_a_restored_erp_are_those_of_the_items_own_products_again(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        """The backup is older than the products: it has ids of products that were deleted and made again since."""
        names = catalogue.items(14, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        now = {name: {key: catalogue.row(name)[key] for key in IDS} for name in names}
        for number, name in enumerate(names):
            catalogue.store.set("Website Item", name, medusa_id=f"prod_OLD{number}", medusa_variant_id="variant_OLD")
        hidden = names[0]
        catalogue.store.set("Website Item", hidden, published=0)
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.metadata("medusa_products")["rebound"] == 14
        assert {name: {key: catalogue.row(name)[key] for key in IDS} for name in names} == now
        statuses = {name: product["status"] for name, product in products(medusa, names).items()}
        assert statuses == {**dict.fromkeys(names, "published"), hidden: "draft"}

    @pytest.mark.long
    def test_few_items_of_a_batch_are_judged_by_what_the_whole_shop_lost(
        self, catalogue: Catalogue, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("EXPORT_BATCHES", "4")
        runner = quick_runner()
        names = catalogue.items(40, catalogue.group("Files"))
        batches = [f"batch_{number}" for number in range(4)]
        assert all(runner.assets(EXPORT, batch).success for batch in batches)
        for name in names[:36]:
            medusa.admin("DELETE", f"/admin/products/{catalogue.row(name)['medusa_id']}")
        runs = [runner.asset("medusa_products", batch) for batch in batches]
        stopped = [run.failure_text("medusa_products") for run in runs if not run.success]
        assert len(stopped) == 4
        assert all("36 of 40 Website Items" in text for text in stopped)

    def test_a_copied_item_group_gets_a_collection_of_its_own(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        """The desk's Duplicate copies the id of an Item Group too."""
        original = catalogue.group("Files")
        first = catalogue.item(original)
        assert runner.assets(EXPORT, "batch_0").success
        group = catalogue.store.get("Item Group", original)
        assert group is not None
        copy = catalogue.group("A copy of files", medusa_id=group["medusa_id"])
        second = catalogue.item(copy)
        assert runner.assets(EXPORT, "batch_0").success
        found = products(medusa, [first, second])
        assert found[first]["collection_id"] == group["medusa_id"] != found[second]["collection_id"]
        shown = medusa.admin("GET", f"/admin/collections/{group['medusa_id']}")["collection"]
        assert (shown["title"], shown["external_id"]) == (original, original)

    def test_a_medusa_without_the_products_stops_the_run(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(15, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        for name in names[:12]:
            medusa.admin("DELETE", f"/admin/products/{catalogue.row(name)['medusa_id']}")
        before = [catalogue.row(name)["medusa_id"] for name in names]
        run = runner.asset("medusa_products", "batch_0")
        assert not run.success
        assert "12 of 15 Website Items" in run.failure_text("medusa_products")
        assert "is it the right Medusa" in run.failure_text("medusa_products")
        assert [catalogue.row(name)["medusa_id"] for name in names] == before

    # --- products that somebody made by hand, and names that were given again -------------------------------------

    def test_a_product_by_hand_with_variants_of_several_items_is_bound_variant_by_variant(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        group = catalogue.group("Gloves")
        items = catalogue.items(3, group)
        codes = [catalogue.row(item)["item_code"] for item in items]
        variants = [{"title": code, "sku": code, "options": {"Size": code}, "prices": []} for code in codes]
        title, channel = f"Gloves {catalogue.tag}", [{"id": medusa.sales_channel_id}]
        body = {"title": title, "status": "published", "options": [{"title": "Size", "values": codes}]}
        body |= {"variants": variants, "sales_channels": channel}
        made = medusa.admin("POST", "/admin/products", json=body)["product"]
        ids = {variant["sku"]: variant["id"] for variant in made["variants"]}
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.check("medusa_products").passed
        assert run.metadata("medusa_products")["adopted"] == 3
        rows = [catalogue.row(item) for item in items]
        assert {row["medusa_id"] for row in rows} == {made["id"]}
        assert [row["medusa_variant_id"] for row in rows] == [ids[code] for code in codes]
        # Nobody's title takes it over, and the next night finds nothing to do.
        medusa.faults.forget_requests()
        catalogue.store.set("Website Item", items[0], web_item_name="Another title")
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.metadata("medusa_product_updates")["shared"] == 3
        assert medusa_writes(medusa) == []
        product = medusa.admin("GET", f"/admin/products/{made['id']}")["product"]
        assert (product["title"], product["external_id"], len(product["variants"])) == (title, None, 3)
        # What cannot be hidden for one item alone is reported with what to do.
        catalogue.store.set("Website Item", items[0], published=0)
        run = runner.assets(EXPORT, "batch_0")
        (reject,) = run.rejects("medusa_product_updates")
        assert f"delete the variant with sku {codes[0]}" in reject["reason"]

    def test_a_name_that_was_given_again_does_not_show_the_item_as_another(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        """ERPNext was restored from a backup, and the naming series gives names that exported items had."""
        group = catalogue.group("Files")
        lost, kept = catalogue.items(2, group)
        assert runner.assets(EXPORT, "batch_0").success
        before = products(medusa, [lost])[lost]
        row = catalogue.row(kept)
        catalogue.store.delete("Website Item", lost)
        catalogue.store.delete("Website Item", kept)
        # The second one's Item is entered first now.
        again = catalogue.store.insert("Website Item", name=lost, **{key: row[key] for key in KEPT})
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert not catalogue.row(again)["medusa_id"]
        (reject,) = run.rejects("medusa_products")
        assert "was made of Item" in reject["reason"]
        assert "set the sku of its variant" in reject["reason"]
        after = products(medusa, [lost])[lost]
        assert (after["title"], after["id"]) == (before["title"], before["id"])
        medusa.admin("DELETE", f"/admin/products/{before['id']}")
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.check("medusa_products").passed
        assert catalogue.row(again)["medusa_id"] == row["medusa_id"], "the product with its sku is its own"
