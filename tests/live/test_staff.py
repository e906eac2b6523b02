"""After a whole night staff save every DocType that it touched, past the app's own save hooks."""

import json
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.suites.merchandising import HOMEPAGE
from tests.suites.otps import Passwords
from tests.suites.publication import Shop, whole_shop
from tests.support.real_site import RealSite
from tests.support.runs import Runner
from tests.support.site import AnyErp

__all__ = ["whole_shop"]

NIGHT = (
    "export_items_and_images_custom",
    "add_top_selling_items_to_collection",
    "fetch_clearance_items",
    "expire_otps",
)


def save(erp: AnyErp, doctype: str, name: str, **values: Any) -> None:
    """As a colleague's click on Save."""
    if isinstance(erp.store, RealSite):
        erp.store.save(doctype, name, **values)
        return
    headers = {"Authorization": f"token {erp.key}:{erp.secret}"}
    path = f"/api/resource/{quote(doctype)}/{quote(name, safe='')}"
    requests.put(erp.url + path, json=values, headers=headers, timeout=30).raise_for_status()


@pytest.fixture
def homepage(erp: AnyErp) -> str:
    """The page that clearance fills."""
    if erp.store.get("Homepage Landing", HOMEPAGE) is None:
        erp.store.insert("Homepage Landing", name=HOMEPAGE)
    return HOMEPAGE


@pytest.fixture
def best_sellers_of_a_group(shop_env: pytest.MonkeyPatch, whole_shop: Shop) -> None:
    """Best sellers are shown of a group that the site has."""
    shop_env.setenv("TOP_SELLER_CATEGORIES", json.dumps({whole_shop.priced.group: "dental_items"}))


@pytest.mark.usefixtures("best_sellers_of_a_group")
def test_staff_save_all_that_a_night_touched(erp: AnyErp, whole_shop: Shop, homepage: str, runner: Runner) -> None:
    kept, gone = whole_shop.item(), whole_shop.item()
    for item in (kept, gone):
        whole_shop.stocked.bin(item, "Main", 3)
    picture = whole_shop.photos.add(kept)
    prices = [whole_shop.priced.price(item, 1.5) for item in (kept, gone)]
    code = Passwords(erp).add(-1)
    for task in NIGHT:
        assert runner.job(task, "batch_0" if task == NIGHT[0] else None).success, task
    row = whole_shop.catalogue.row(kept)
    assert row["medusa_id"]
    assert whole_shop.photos.file(picture)["medusa_id"]
    # Nobody sells it any more; its price keeps the id that it had in Medusa.
    erp.store.trash("Website Item", gone)
    assert runner.job(NIGHT[0], "batch_0").success
    assert all((erp.store.get("Item Price", price) or {})["medusa_price_id"] for price in prices)
    save(erp, "Website Item", kept, ranking=3)
    save(erp, "Item", row["item_code"], country_of_origin="Oman")
    save(erp, "Item Group", row["item_group"], weightage=2)
    for price in prices:
        save(erp, "Item Price", price, price_list_rate=2.5)
    save(erp, "File", picture, is_folder=0)
    save(erp, "Email OTP", code, status="Verified")
    save(erp, "Product Collection", "Product Collection", dental_items=[])
    save(erp, "Expiring Items", "Expiring Items", expiring_items=[])
    save(erp, "Homepage Landing", homepage, best_deals=[])
    # What they changed arrives the next night.
    assert runner.job(NIGHT[0], "batch_0").success
    assert whole_shop.priced.shown(kept) == 2.5
