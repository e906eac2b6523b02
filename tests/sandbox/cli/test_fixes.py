"""What `erp-medusa doctor` says to do about a finding is done here, and the finding is gone."""

from collections.abc import Callable
from typing import Any

import pytest

from erp_medusa_pipelines.setting_sections import TOP_SELLER_CATEGORIES
from erp_medusa_sandbox.shop.seed import SCHEDULED
from tests.sandbox.cli.conftest import Command
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer

EXPORT, PRICES = "export_items_and_images_custom", "sync_missing_prices_to_medusa"
FAR, TABLES = "MEDUSA_STOCK_LOCATION_ID", "TOP_SELLER_CATEGORIES"

Do = Callable[[], object]


@pytest.mark.long
def test_each_fix_clears_its_finding(
    erp_medusa: Command, erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue(erp.store)
    group = catalogue.group("Gloves", medusa_id="pcol_gone")
    ids: dict[str, Any] = {"medusa_id": "prod_gone", "medusa_variant_id": "variant_gone"}
    for number in range(2):
        catalogue.item(group, code=f"SKU-{number}", **ids)
    erp.store.insert("Currency", name="OMR", currency_name="OMR")
    price = erp.store.insert(
        "Item Price", item_code="SKU-1", price_list=PRICE_LIST, price_list_rate=1, currency="OMR", medusa_id="plist_1"
    )
    erp.store.set("Medusa Configuration", "Medusa Configuration", enable=1)
    # Nobody has an item in it, so that no run deals with its collection: nothing is wrong with it.
    catalogue.group("Without items", medusa_id="pcol_gone_too")
    jobs = [
        {"method": method, "frequency": frequency, "cron_format": cron, "stopped": 0}
        for method, (frequency, cron) in SCHEDULED.items()
    ]
    for job in jobs[1:]:
        erp.store.insert("Scheduled Job Type", name=job["method"], **job)
    location = medusa.admin("POST", "/admin/stock-locations", json={"name": "Far away"})["stock_location"]["id"]
    shop_env.setenv(FAR, location)
    shop_env.setenv(TABLES, '{"best": "no_such_table"}')
    shop_env.setenv("ERPNEXT_PRICE_LIST", "No such list")
    fixes: dict[tuple[str, str], tuple[str, Do]] = {
        ("Medusa shop", "prices"): ("set ERPNEXT_PRICE_LIST", lambda: shop_env.delenv("ERPNEXT_PRICE_LIST")),
        ("Medusa shop", "stock location"): (
            "link the location to the sales channel",
            lambda: medusa.admin(
                "POST", f"/admin/stock-locations/{location}/sales-channels", json={"add": [medusa.sales_channel_id]}
            ),
        ),
        ("fields", "Product Collection"): ("correct TOP_SELLER_CATEGORIES", lambda: shop_env.delenv(TABLES)),
        ("fields", "best sellers"): (
            "or add the group",
            lambda: [erp.store.insert("Item Group", name=name, item_group_name=name) for name in TOP_SELLER_CATEGORIES],
        ),
        ("Frappe app", "save hooks"): (
            "untick Enable in Medusa Configuration",
            lambda: erp.store.set("Medusa Configuration", "Medusa Configuration", enable=0),
        ),
        ("Frappe app", "scheduled jobs"): (
            "run bench migrate",
            lambda: erp.store.insert("Scheduled Job Type", name=jobs[0]["method"], **jobs[0]),
        ),
        ("Medusa shop", "collection ids"): (
            "materialize medusa_collections",
            lambda: runner.asset("medusa_collections"),
        ),
        ("Medusa shop", "product ids"): (f"run {EXPORT}", lambda: runner.job(EXPORT, "batch_0")),
        ("Frappe app", "Item Prices"): (f"run {PRICES}", lambda: runner.job(PRICES, "batch_0")),
    }
    before = erp_medusa("doctor")
    for (area, name), (said, _) in fixes.items():
        found = before.finding(area, name)
        assert found["level"] in ("warn", "fail"), found
        assert said in found["fix"], found
    for _, fix in fixes.values():
        fix()
    after = erp_medusa("doctor")
    left = [row for row in after.data["findings"] if row["level"] in ("warn", "fail")]
    assert [row for row in left if (row["area"], row["name"]) in fixes] == []
    (row,) = erp.store.rows("Item Price", name=price)
    assert not row["medusa_id"]


@pytest.mark.long
def test_item_groups_that_are_no_tree_or_not_shown_are_reported_until_they_are_put_right(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("CATEGORIES", "website")
    catalogue = Catalogue(erp.store)
    above = catalogue.group("Gloves")
    below = catalogue.group("Nitrile", parent=above)

    def found() -> tuple[str, str, str]:
        row = erp_medusa("doctor").finding("Medusa shop", "categories")
        return row["level"], row["found"], row["fix"]

    level, said, fix = found()
    assert (level, said) == ("warn", "CATEGORIES=website, and no Item Group is meant by that")
    assert "tick Show in Website" in fix
    for group in (above, below):
        erp.store.set("Item Group", group, show_in_website=1)
    assert found()[0] == "ok"
    erp.store.set("Item Group", above, parent_item_group=below)
    level, said, fix = found()
    assert (level, said.startswith("2 Item Groups lie below themselves")) == ("warn", True)
    assert "give one of them another parent_item_group" in fix
    erp.store.set("Item Group", above, parent_item_group=catalogue.root)
    assert found() == ("ok", "2 of 3 Item Groups", "")
