"""The catalogue export over real sockets: what both servers hold afterwards, and what it cost."""

import math
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import requests

from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import erp_writes, medusa_writes

NOTES = "bulk_update|erp_medusa_set_values"
"""What writes ids to ERPNext, whichever of both the site has."""

EXPORT = ["medusa_collections", "medusa_products", "medusa_images", "medusa_product_updates"]
BATCH_ROUTE = r"/admin/products/batch"
FIELDS = (
    "id,title,subtitle,description,handle,status,external_id,origin_country,discountable,collection_id,metadata,"
    "thumbnail,images.url,sales_channels.id,variants.id,variants.sku,variants.barcode,variants.manage_inventory,"
    "variants.allow_backorder,variants.prices.amount,variants.inventory_items.inventory_item_id"
)


def products(medusa: MedusaServer, names: list[str]) -> dict[str, dict[str, Any]]:
    """Products by Website Item name; fails when an item has two."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(names), 100):
        params = [("external_id", name) for name in names[start : start + 100]]
        answer = medusa.admin("GET", "/admin/products", params=[*params, ("fields", FIELDS), ("limit", 1000)])
        for product in answer["products"]:
            assert product["external_id"] not in found, f"{product['external_id']} has two products"
            found[product["external_id"]] = product
    return found


@pytest.fixture
def catalogue(erp: AnyErp) -> Catalogue:
    return Catalogue(erp.store)


class ExportSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_every_published_item_becomes_a_product_and_knows_it(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        group = catalogue.group("Gloves - أجهزة")
        names = catalogue.items(14, group, brand="3M", stock_uom="Box")
        hidden = catalogue.item(group, published=0)
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        found = products(medusa, [*names, hidden])
        assert sorted(found) == sorted(names)
        for name in names:
            row, product = catalogue.row(name), found[name]
            assert (row["medusa_id"], row["medusa_variant_id"]) == (product["id"], product["variants"][0]["id"])
            assert product["variants"][0]["sku"] == row["item_code"]
        assert run.metadata("medusa_products")["written"] == 14
        assert run.check("medusa_products").passed

    def test_a_product_says_what_the_website_item_says(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        group = catalogue.group("Implants")
        name = catalogue.item(group, brand="3M", stock_uom="Box", ranking=7, on_backorder=1, web_item_name="Implant XL")
        row = catalogue.row(name)
        catalogue.store.insert(
            "Item Barcode", parent=row["item_code"], parenttype="Item", parentfield="barcodes", idx=1,
            barcode=f"629{catalogue.tag}",
        )  # fmt: skip
        for index, (label, text) in enumerate((("Size", "<p>S &lt; 5</p>"), ("المادة", "<p>لاتكس</p>")), 1):
            catalogue.store.insert(
                "Item Website Specification", parent=name, parenttype="Website Item", idx=index, label=label,
                parentfield="website_specifications", description=text,
            )  # fmt: skip
        assert runner.assets(EXPORT, "batch_0").success
        product = products(medusa, [name])[name]
        collection = medusa.admin("GET", f"/admin/collections/{product['collection_id']}")["collection"]
        assert collection["title"] == group
        assert collection["metadata"]["parent_item_group"] == catalogue.root
        group_row = catalogue.store.get("Item Group", group)
        assert group_row is not None
        assert group_row["medusa_id"] == collection["id"]
        variant = product["variants"][0]
        assert product["title"] == "Implant XL"
        assert product["status"] == "published"
        assert product["origin_country"] == "om"
        assert product["discountable"] is True
        assert product["subtitle"] == "Short 0"
        assert "Syringe & accessories – 100 % sterile" in product["description"]
        assert "<" not in product["description"]
        assert product["handle"].startswith("implant-xl-")
        assert [channel["id"] for channel in product["sales_channels"]] == [medusa.sales_channel_id]
        assert product["metadata"]["specifications"] == [
            {"label": "Size", "description": "S < 5"},
            {"label": "المادة", "description": "لاتكس"},
        ]
        told = {key: product["metadata"][key] for key in ("uom", "brand", "ranking", "item_code")}
        assert told == {"uom": "Box", "brand": "3M", "ranking": 7, "item_code": row["item_code"]}
        assert variant["barcode"] == f"629{catalogue.tag}"
        assert variant["manage_inventory"] is True
        assert variant["allow_backorder"] is True
        assert variant["prices"] == []
        assert len(variant["inventory_items"]) == 1

    def test_a_second_run_writes_nothing(
        self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        catalogue.items(30, catalogue.group("Mirrors"))
        assert runner.assets(EXPORT, "batch_0").success
        erp.faults.forget_requests()
        medusa.faults.forget_requests()
        again = runner.assets(EXPORT, "batch_0")
        assert again.success
        assert medusa_writes(medusa) == []
        assert erp_writes(erp) == []
        assert again.metadata("medusa_product_updates")["unchanged"] == 30

    def test_batches_share_the_catalogue_without_overlap(
        self, catalogue: Catalogue, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("EXPORT_BATCHES", "3")
        names = catalogue.items(24, catalogue.group("Masks"))
        runner = quick_runner()
        written = [runner.assets(EXPORT, f"batch_{n}").metadata("medusa_products")["written"] for n in range(3)]
        assert sum(written) == 24
        assert min(written) > 0
        assert sorted(products(medusa, names)) == names

    def test_the_server_script_writes_ids_without_saving_documents(
        self, catalogue: Catalogue, erp: AnyErp, runner: Runner
    ) -> None:
        catalogue.install_server_script()
        names = catalogue.items(25, catalogue.group("Gowns"))
        before = {name: catalogue.row(name)["modified"] for name in names}
        assert runner.assets(EXPORT, "batch_0").success
        assert {name: catalogue.row(name)["modified"] for name in names} == before
        assert all(catalogue.row(name)["medusa_variant_id"] for name in names)
        assert not [seen for seen in erp.faults.requests if "bulk_update" in seen.path]

    @pytest.mark.embedded_erp("a real app asks Medusa where the embedded one records what it would have asked")
    def test_the_apps_own_save_hooks_are_not_set_off(self, catalogue: Catalogue, erp: AnyErp, runner: Runner) -> None:
        catalogue.store.set("Medusa Configuration", "Medusa Configuration", enable=1)
        names = catalogue.items(3, catalogue.group("Burs"))
        assert runner.asset("medusa_collections").success
        assert runner.asset("medusa_products", "batch_0").success
        assert all(catalogue.row(name)["medusa_id"] for name in names)
        calls = self._hook_calls(erp)
        assert not [call for call in calls if "Website Item" in str(call)], calls

    # --- one bad item -----------------------------------------------------------------------------------------

    def test_one_bad_item_in_a_hundred_is_named_and_costs_few_calls(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("MEDUSA_CHUNK", "100")
        good = catalogue.group("Good")
        bad = catalogue.group("Bad", medusa_id="pcol_of_another_shop")
        names = [catalogue.item(bad if number == 37 else good) for number in range(100)]
        run = runner.asset("medusa_products", "batch_0")
        assert run.success
        assert run.metadata("medusa_products")["written"] == 99
        assert sorted(products(medusa, names)) == sorted(set(names) - {names[37]})
        assert not run.check("medusa_products").passed
        (reject,) = run.rejects("medusa_products")
        assert reject["document"] == f"Website Item {names[37]}"
        assert "pcol_of_another_shop" in reject["reason"]
        assert reject["link"].endswith(f"/app/website-item/{names[37]}")
        calls = [seen for seen in medusa_writes(medusa) if re.search(BATCH_ROUTE, seen.path)]
        assert len(calls) - 1 <= 2 * math.log2(100)

    def test_a_rejected_item_is_not_sent_again_until_it_changes_or_is_asked_for(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        name = catalogue.item(catalogue.group("Trays"))
        refused = {
            "type": "invalid_data",
            "message": "Invalid request: Value for field 'title' too long, expected at most: '10'",
        }
        medusa.faults.add(Fault("status", method="POST", path=BATCH_ROUTE, status=400, json=refused))
        assert not runner.asset("medusa_products", "batch_0").check("medusa_products").passed
        medusa.faults.forget_requests()
        again = runner.asset("medusa_products", "batch_0")
        assert medusa_writes(medusa) == []
        assert again.rejects("medusa_products")[0]["held"] == "since an earlier run"
        config = {"ops": {"medusa_products": {"config": {"retry_rejected": True}}}}
        runner.asset("medusa_products", "batch_0", run_config=config)
        assert medusa_writes(medusa)
        medusa.faults.heal()
        catalogue.store.set("Website Item", name, web_item_name="Another name")
        healed = runner.asset("medusa_products", "batch_0")
        assert healed.check("medusa_products").passed
        assert catalogue.row(name)["medusa_id"]

    # --- adoption ---------------------------------------------------------------------------------------------

    def test_a_create_whose_answer_was_lost_is_adopted_not_repeated(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(20, catalogue.group("Scalers"))
        medusa.faults.add(Fault("drop_after", method="POST", path=BATCH_ROUTE, times=1))
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.metadata("medusa_products")["adopted"] == 20
        found = products(medusa, names)
        assert {name: catalogue.row(name)["medusa_id"] for name in names} == {n: p["id"] for n, p in found.items()}

    def test_a_product_left_without_variants_is_mended_and_adopted(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        name = catalogue.item(catalogue.group("Drills"))
        code = catalogue.row(name)["item_code"]
        made = self._product(medusa, name, code)
        # A killed Medusa leaves a product like this behind. Here the variant's inventory item stays as well.
        medusa.admin("POST", f"/admin/products/{made['id']}", json={"variants": []})
        assert runner.assets(EXPORT, "batch_0").success
        product = products(medusa, [name])[name]
        assert product["id"] == made["id"] == catalogue.row(name)["medusa_id"]
        assert product["variants"][0]["sku"] == code
        assert product["variants"][0]["inventory_items"]
        assert [channel["id"] for channel in product["sales_channels"]] == [medusa.sales_channel_id]

    def test_an_inventory_item_left_behind_with_the_sku_is_taken_over(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(6, catalogue.group("Probes"))
        code = catalogue.row(names[4])["item_code"]
        made = self._product(medusa, f"OTHER-{catalogue.tag}", code)
        medusa.admin("POST", f"/admin/products/{made['id']}", json={"variants": []})
        medusa.admin("DELETE", f"/admin/products/{made['id']}")
        left = medusa.admin("GET", "/admin/inventory-items", params={"sku": code, "fields": "id"})
        run = runner.assets(EXPORT, "batch_0")
        assert run.metadata("medusa_products")["written"] == 6
        variant = products(medusa, names)[names[4]]["variants"][0]
        assert [link["inventory_item_id"] for link in variant["inventory_items"]] == [left["inventory_items"][0]["id"]]

    def test_a_product_with_the_same_sku_and_no_owner_is_adopted(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(8, catalogue.group("Needles"))
        made = self._product(medusa, None, catalogue.row(names[3])["item_code"])
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert catalogue.row(names[3])["medusa_id"] == made["id"]
        found = products(medusa, names)
        assert len(found) == 8
        # The update of changed products in the same job brings the adopted one up to date.
        assert found[names[3]]["title"] == catalogue.row(names[3])["web_item_name"]

    def test_a_sku_that_belongs_to_another_item_is_a_reject_that_names_it(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(5, catalogue.group("Pumps"))
        made = self._product(medusa, f"OTHER-{catalogue.tag}", catalogue.row(names[2])["item_code"])
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        (reject,) = run.rejects("medusa_products")
        assert names[2] in reject["document"]
        assert made["id"] in reject["reason"]
        assert f"OTHER-{catalogue.tag}" in reject["reason"]
        assert len(products(medusa, names)) == 4

    # --- transient failures -------------------------------------------------------------------------------------

    def test_a_medusa_that_is_down_turns_the_partition_red_and_loses_nothing(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(10, catalogue.group("Trays"))
        medusa.faults.add(Fault("status", method="POST", path=BATCH_ROUTE, status=503))
        run = runner.assets(EXPORT, "batch_0")
        assert not run.success
        assert run.metadata("medusa_products")["left"] == 10
        assert "left for a retry" in run.failure_text("medusa_products")
        medusa.faults.heal()
        assert runner.assets(EXPORT, "batch_0").success
        assert len(products(medusa, names)) == 10

    def test_a_long_retry_after_gives_the_partition_back_with_the_time(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        catalogue.items(120, catalogue.group("Lamps"))
        medusa.faults.add(Fault("status", method="POST", path=BATCH_ROUTE, status=429, headers={"Retry-After": "600"}))
        run = runner.assets(EXPORT, "batch_0")
        assert not run.success
        assert run.metadata("medusa_products")["retry_after_seconds"] == pytest.approx(600)
        # Two calls may be in flight when the first is told to wait; the third chunk is not sent any more.
        assert len([seen for seen in medusa_writes(medusa) if re.search(BATCH_ROUTE, seen.path)]) <= 2

    def test_ids_that_could_not_be_written_are_found_again_by_the_next_run(
        self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(6, catalogue.group("Chairs"))
        assert runner.asset("medusa_collections").success
        bad_gateway = {"status": 502, "text": "<html>Bad Gateway</html>"}
        erp.faults.add(Fault("status", method="POST", path=NOTES, body="medusa_id", **bad_gateway))
        run = runner.asset("medusa_products", "batch_0")
        assert not run.success
        assert run.metadata("medusa_products")["left"] == 6
        assert not any(catalogue.row(name)["medusa_id"] for name in names)
        erp.faults.heal()
        healed = runner.asset("medusa_products", "batch_0")
        assert healed.metadata("medusa_products")["adopted"] == 6
        assert len(products(medusa, names)) == 6

    def test_a_write_back_that_went_through_behind_a_gateway_error_counts(
        self, catalogue: Catalogue, erp: AnyErp, runner: Runner
    ) -> None:
        names = catalogue.items(6, catalogue.group("Stools"))
        erp.faults.add(Fault("drop_after", method="POST", path=NOTES, body="medusa_id"))
        run = runner.assets(EXPORT, "batch_0")
        assert run.success, run.failure_text("medusa_products")
        assert all(catalogue.row(name)["medusa_id"] for name in names)

    @pytest.mark.long
    def test_a_killed_run_leaves_neither_duplicates_nor_gaps(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(120, catalogue.group("Cots"))
        # Medusa carries the second call out, and the run is killed before it hears of it.
        medusa.faults.add(Fault("latency", method="POST", path=BATCH_ROUTE, skip=1, seconds=3))
        code = f"from tests.support.runs import Runner; Runner().assets({EXPORT!r}, 'batch_0')"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_for_calls(medusa, 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert any(not catalogue.row(name)["medusa_id"] for name in names)
        medusa.faults.heal()
        time.sleep(3)
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        found = products(medusa, names)
        assert sorted(found) == names
        assert {name: catalogue.row(name)["medusa_id"] for name in names} == {n: p["id"] for n, p in found.items()}

    # --- updates ----------------------------------------------------------------------------------------------

    def test_changed_items_are_updated_and_unpublished_ones_become_drafts(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        group = catalogue.group("Cements")
        names = catalogue.items(12, group, brand="3M")
        assert runner.assets(EXPORT, "batch_0").success
        catalogue.store.set("Item", catalogue.row(names[0])["item_code"], brand=None)
        catalogue.store.set("Website Item", names[0], web_item_name="New name", brand=None, on_backorder=1)
        catalogue.store.set("Website Item", names[1], published=0)
        medusa.faults.forget_requests()
        run = runner.assets(EXPORT, "batch_0")
        assert run.metadata("medusa_product_updates")["updated"] == 2
        assert run.metadata("medusa_product_updates")["unchanged"] == 10
        assert len(medusa_writes(medusa)) == 1
        found = products(medusa, names)
        assert found[names[0]]["title"] == "New name"
        assert "brand" not in found[names[0]]["metadata"]
        assert found[names[0]]["variants"][0]["allow_backorder"] is True
        assert found[names[0]]["variants"][0]["id"] == catalogue.row(names[0])["medusa_variant_id"]
        assert found[names[1]]["status"] == "draft"
        assert found[names[2]]["status"] == "published"

    def test_the_product_of_a_deleted_item_becomes_a_draft_and_comes_back_with_it(
        self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner
    ) -> None:
        group = catalogue.group("Cements")
        names = catalogue.items(6, group)
        assert runner.assets(EXPORT, "batch_0").success
        deleted, copied = catalogue.row(names[0]), catalogue.row(names[1])
        ids = {key: copied[key] for key in ("medusa_id", "medusa_variant_id")}
        copy = catalogue.item(group, **ids)
        for name in (names[0], names[5], copy):
            catalogue.store.trash("Website Item", name)
        # Long ago.
        for record in catalogue.store.rows("Deleted Document"):
            if record["deleted_name"] == names[5]:
                catalogue.store.force("Deleted Document", record["name"], creation="2020-01-01 00:00:00")
        medusa.faults.forget_requests()
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.metadata("medusa_product_updates")["withdrawn"] == 1
        assert len(medusa_writes(medusa)) == 1
        statuses = {name: product["status"] for name, product in products(medusa, names).items()}
        assert statuses == {**dict.fromkeys(names, "published"), names[0]: "draft"}
        medusa.faults.forget_requests()
        assert "withdrawn" not in runner.assets(EXPORT, "batch_0").metadata("medusa_product_updates")
        assert medusa_writes(medusa) == []
        # Staff make it again under its old name.
        again = {key: deleted[key] for key in ("name", "item_code", "item_group", "web_item_name", "published")}
        catalogue.store.insert("Website Item", **again)
        assert runner.assets(EXPORT, "batch_0").success
        assert catalogue.row(names[0])["medusa_id"] == deleted["medusa_id"]
        assert products(medusa, names)[names[0]]["status"] == "published"

    def test_a_user_who_may_not_see_deletions_can_export_all_the_same(
        self, catalogue: Catalogue, erp: AnyErp, runner: Runner
    ) -> None:
        catalogue.items(2, catalogue.group("Cements"))
        refused = {"exc_type": "PermissionError", "exception": "frappe.exceptions.PermissionError: Deleted Document"}
        erp.faults.add(Fault("status", path="Deleted%20Document|Deleted Document", status=403, json=refused))
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert "not known: " in run.metadata("medusa_product_updates")["deletions"]

    # --- helpers ----------------------------------------------------------------------------------------------

    @staticmethod
    def _product(medusa: MedusaServer, external_id: str | None, sku: str) -> dict[str, Any]:
        """A product that somebody else made."""
        body: dict[str, Any] = {
            "title": f"By hand {sku}",
            "options": [{"title": "Default", "values": ["Default"]}],
            "variants": [{"title": "Default", "sku": sku, "options": {"Default": "Default"}, "prices": []}],
        }
        if external_id:
            body["external_id"] = external_id
        return medusa.admin("POST", "/admin/products", json=body)["product"]

    @staticmethod
    def _wait_for_calls(medusa: MedusaServer, number: int) -> None:
        deadline = time.monotonic() + 90
        while len([s for s in medusa_writes(medusa) if re.search(BATCH_ROUTE, s.path)]) < number:
            assert time.monotonic() < deadline, "the run made no calls"
            time.sleep(0.05)

    @staticmethod
    def _hook_calls(erp: AnyErp) -> Any:
        answer = requests.get(f"{erp.url}/__sandbox__/hook_calls", timeout=10)
        answer.raise_for_status()
        return answer.json()
