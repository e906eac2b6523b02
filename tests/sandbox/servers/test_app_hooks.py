"""The Frappe app's validate hook on Item Price, as recorded; and that staff can save after our nights all the same."""

from typing import Any

import pytest
import requests

from erp_medusa_sandbox.shop.seed import seed_shop
from tests.support.runs import Runner
from tests.support.servers import ErpServer

EXPORT = "export_items_and_images_custom"
ITEM = "ITM-1"


def save(erp: ErpServer, doctype: str, name: str, **values: Any) -> requests.Response:
    """As a colleague's click on Save."""
    headers = {"Authorization": f"token {erp.key}:{erp.secret}"}
    return requests.put(f"{erp.url}/api/resource/{doctype}/{name}", json=values, headers=headers, timeout=30)


@pytest.fixture
def prices(erp: ErpServer) -> dict[str, str]:
    """Of one exported item: the newest price for everybody, an older one, and a customer's. All of them linked."""
    store = erp.store
    store.insert("Item", name=ITEM, item_code=ITEM, item_name=ITEM)
    store.insert("UOM", name="Nos", uom_name="Nos")
    store.insert("Customer", name="Clinic", customer_name="Clinic")
    store.insert("Price List", name="Standard Selling", price_list_name="Standard Selling", enabled=1, selling=1)
    store.insert("Website Item", name="WEB-1", item_code=ITEM, medusa_id="prod_1", medusa_variant_id="variant_1")
    common = {"item_code": ITEM, "price_list": "Standard Selling", "price_list_rate": 1, "medusa_id": "plist_1"}
    rows = {
        "newest": {"valid_from": "2026-02-01"},
        "older": {"valid_from": "2026-01-01"},
        "customers": {"valid_from": "2026-03-01", "customer": "Clinic"},
    }
    return {key: store.insert("Item Price", name=f"price-{key}", **common, **row) for key, row in rows.items()}


@pytest.mark.parametrize("change", [{"price_list_rate": 12.347}, {"note": "x"}, {"medusa_id": "plist_x"}])
def test_the_newest_price_with_medusa_id_cannot_be_saved(
    erp: ErpServer, prices: dict[str, str], change: dict[str, Any]
) -> None:
    answer = save(erp, "Item Price", prices["newest"], **change)
    assert answer.status_code == 500
    body = answer.json()
    assert body["exc_type"] == "MissingSchema"
    wanted = change.get("medusa_id", "plist_1")
    assert body["exception"].startswith(
        f"requests.exceptions.MissingSchema: Invalid URL 'None/admin/price-lists/{wanted}': No scheme supplied."
    )
    assert (erp.store.get("Item Price", prices["newest"]) or {})["price_list_rate"] == 1


@pytest.mark.parametrize("which", ["older", "customers"])
def test_others_can(erp: ErpServer, prices: dict[str, str], which: str) -> None:
    assert save(erp, "Item Price", prices[which], price_list_rate=21).status_code == 200


def test_so_can_the_newest_of_an_item_that_is_not_exported_or_without_medusa_id(
    erp: ErpServer, prices: dict[str, str]
) -> None:
    assert save(erp, "Item Price", prices["newest"], medusa_id="", medusa_price_id="price_1").status_code == 200
    erp.store.set("Item Price", prices["newest"], medusa_id="plist_1")
    erp.store.set("Website Item", "WEB-1", medusa_variant_id=None)
    assert save(erp, "Item Price", prices["newest"], price_list_rate=9).status_code == 200


@pytest.mark.parametrize("with_script", [True, False], ids=["Server Script", "saving"])
def test_after_a_night_staff_can_save_every_document_that_was_touched(
    erp: ErpServer, runner: Runner, with_script: bool
) -> None:
    seed_shop(erp.store, items=40, images=4)
    erp.site(server_script_enabled=with_script)
    # As an earlier version of this project, or the app, left them.
    for row in erp.store.rows("Item Price", price_list="Standard Selling")[:20]:
        erp.store.set("Item Price", row["name"], medusa_id="plist_old", medusa_price_id="price_old")
    for _ in range(2):
        assert runner.job(EXPORT, "batch_0").success
    # Prices of one customer and of items that are not on the website are not ours, whatever they hold.
    linked = [row for row in erp.store.rows("Item Price") if row["medusa_price_id"] not in (None, "", "price_old")]
    assert linked
    assert not [row["name"] for row in linked if row["medusa_id"]]
    for row in linked:
        answer = save(erp, "Item Price", row["name"], price_list_rate=float(row["price_list_rate"]) + 1)
        assert answer.status_code == 200, answer.text
    for doctype in ("Website Item", "Item Group"):
        for row in [row for row in erp.store.rows(doctype) if row["medusa_id"]]:
            assert save(erp, doctype, row["name"]).status_code == 200
