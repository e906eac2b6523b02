"""Manual edits in Medusa, and what the next run does about them. On any Medusa."""

import json
from typing import Any

import pytest

from tests.suites.export import EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.writes import medusa_writes

FORCE = {"ops": {"medusa_product_updates": {"config": {"force": True}}}}


def edit(medusa: MedusaServer, product: dict[str, Any], **values: Any) -> None:
    """What staff do in Medusa's admin."""
    medusa.admin("POST", f"/admin/products/{product['id']}", json=values)


def update(runner: Runner, **options: Any) -> JobRun:
    run = runner.asset("medusa_product_updates", "batch_0", **options)
    assert run.success
    return run


def differences(run: JobRun) -> list[tuple[str, str]]:
    """(Website Item, field) of what stays."""
    check = run.check("medusa_product_updates", "medusa_equals_erp")
    table: Any = check.metadata.get("differences")
    rows = [(record.data["website_item"], record.data["field"]) for record in table.records] if table else []
    assert check.passed == (not rows)
    return rows


class EditsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_texts_stay_as_they_were_edited_until_the_erp_changes_them(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        name, other = catalogue.items(2, catalogue.group("Files"), brand="3M")
        assert runner.assets(EXPORT, "batch_0").success
        edit(medusa, products(medusa, [name])[name], title="By hand", metadata={"brand": "Other"})
        medusa.faults.forget_requests()
        run = update(runner)
        assert medusa_writes(medusa) == []
        assert differences(run) == [(name, "title"), (name, "brand")]
        assert run.metadata("medusa_product_updates")["kept_differences"] == 2
        catalogue.store.set("Website Item", name, short_description="Another text")
        update(runner)
        product = products(medusa, [name])[name]
        assert (product["title"], product["subtitle"], product["metadata"]["brand"]) == (
            "By hand", "Another text", "Other",
        )  # fmt: skip
        catalogue.store.set("Website Item", name, web_item_name="From the ERP")
        assert differences(update(runner)) == [(name, "brand")]
        assert products(medusa, [name])[name]["title"] == "From the ERP"
        medusa.faults.forget_requests()
        assert update(runner).metadata("medusa_product_updates")["unchanged"] == 2
        assert medusa_writes(medusa) == []
        assert products(medusa, [other])[other]["title"] == catalogue.row(other)["web_item_name"]

    def test_identity_and_state_are_restored_with_one_call(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        live, hidden, moved = catalogue.items(3, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        catalogue.store.set("Website Item", hidden, published=0)
        update(runner)
        before = products(medusa, [live, hidden, moved])
        # Somebody publishes it in Medusa all the same, hides another one, and gives a third another sku and channel.
        edit(medusa, before[hidden], status="published")
        edit(medusa, before[live], status="draft")
        variant = before[moved]["variants"][0]["id"]
        channel = medusa.admin("POST", "/admin/sales-channels", json={"name": f"Fair {catalogue.tag}"})["sales_channel"]
        edit(
            medusa,
            before[moved],
            collection_id=None,
            sales_channels=[{"id": channel["id"]}],
            variants=[{"id": variant, "sku": f"x-{catalogue.tag}", "barcode": f"y-{catalogue.tag}"}],
        )
        medusa.faults.forget_requests()
        run = update(runner)
        assert run.metadata("medusa_product_updates")["updated"] == 3
        assert len([seen for seen in medusa_writes(medusa) if "/products/batch" in seen.path]) == 1
        after = products(medusa, [live, hidden, moved])
        assert {name: product["status"] for name, product in after.items()} == {
            live: "published", hidden: "draft", moved: "published",
        }  # fmt: skip
        assert after[moved]["collection_id"] == before[moved]["collection_id"]
        assert [one["id"] for one in after[moved]["sales_channels"]] == [medusa.sales_channel_id]
        assert after[moved]["variants"][0]["sku"] == catalogue.row(moved)["item_code"]
        assert after[moved]["variants"][0]["barcode"] is None
        medusa.faults.forget_requests()
        update(runner)
        assert medusa_writes(medusa) == []

    def test_policies_can_be_chosen_field_by_field(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        (name,) = catalogue.items(1, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        edit(medusa, products(medusa, [name])[name], title="By hand", subtitle="By hand", status="draft")
        shop_env.setenv("FIELD_POLICIES", json.dumps({"title": "overwrite", "subtitle": "keep", "status": "keep"}))
        catalogue.store.set("Website Item", name, short_description="Another text")
        assert differences(update(runner)) == []
        product = products(medusa, [name])[name]
        assert (product["title"], product["subtitle"], product["status"]) == (
            catalogue.row(name)["web_item_name"], "By hand", "draft",
        )  # fmt: skip

    def test_force_sends_the_erps_values_whatever_the_policies(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("FIELD_POLICIES", json.dumps({"subtitle": "keep"}))
        (name,) = catalogue.items(1, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        edit(medusa, products(medusa, [name])[name], title="By hand", subtitle="By hand")
        assert differences(update(runner, run_config=FORCE)) == []
        product = products(medusa, [name])[name]
        row = catalogue.row(name)
        assert (product["title"], product["subtitle"]) == (row["web_item_name"], row["short_description"])

    def test_another_sales_channel_and_shipping_profile_reach_products_that_exist(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        names = catalogue.items(3, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        channel = medusa.admin("POST", "/admin/sales-channels", json={"name": f"New {catalogue.tag}"})["sales_channel"]
        body = {"name": f"Cold {catalogue.tag}", "type": "cold"}
        profile = medusa.admin("POST", "/admin/shipping-profiles", json=body)["shipping_profile"]
        shop_env.setenv("MEDUSA_SALES_CHANNEL_ID", channel["id"])
        shop_env.setenv("MEDUSA_SHIPPING_PROFILE_ID", profile["id"])
        # Who buys in the old channel sees none of them any more.
        allowed = {"ops": {"medusa_product_updates": {"config": {"allow_hiding": True}}}}
        assert runner.assets(EXPORT, "batch_0", run_config=allowed).metadata("medusa_product_updates")["updated"] == 3
        fields = {"fields": "id,sales_channels.id,shipping_profile.id"}
        for product in products(medusa, names).values():
            found = medusa.admin("GET", f"/admin/products/{product['id']}", params=fields)["product"]
            assert [one["id"] for one in found["sales_channels"]] == [channel["id"]]
            assert found["shipping_profile"]["id"] == profile["id"]
        medusa.faults.forget_requests()
        assert runner.assets(EXPORT, "batch_0").success
        assert medusa_writes(medusa) == []
