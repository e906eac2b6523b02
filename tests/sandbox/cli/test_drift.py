"""drift: what differs between both sides is named, and nothing is written."""

from datetime import timedelta
from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.sandbox.cli.conftest import Command
from tests.sandbox.plan.test_plans import EXPORT, Shop
from tests.support.catalogue import Catalogue
from tests.support.erp_client import client_of
from tests.support.photos import Photos
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer
from tests.support.writes import erp_writes, medusa_writes


@pytest.fixture
def shop(erp: ErpServer, medusa: MedusaServer) -> Shop:
    """An empty shop."""
    return Shop(Catalogue(erp.store), erp, medusa)


def exported(shop: Shop, runner: Runner, number: int) -> list[str]:
    """So many items, in both servers."""
    names = [shop.item() for _ in range(number)]
    assert runner.job(EXPORT, "batch_0").success
    return names


def found(output: Any) -> set[tuple[str, str, str]]:
    return {(one["sort"], one["what"], one["document"]) for one in output.data["differences"]}


@pytest.mark.long
def test_after_an_export_nothing_differs(erp_medusa: Command, shop: Shop, runner: Runner) -> None:
    exported(shop, runner, 2)
    output = erp_medusa("drift")
    assert (output.code, output.data["counts"], output.data["differences"]) == (0, {}, []), output.data


@pytest.mark.long
def test_missing_orphaned_and_differing_are_distinguished_and_nothing_is_written(
    erp_medusa: Command, shop: Shop, runner: Runner, erp: ErpServer, medusa: MedusaServer
) -> None:
    deleted, retitled, repriced, restocked, orphaned, unpublished, same = exported(shop, runner, 7)
    shop.delete_product(deleted)
    erp.store.set("Website Item", retitled, web_item_name="Another name")
    price = erp.store.rows("Item Price", item_code=shop.catalogue.row(repriced)["item_code"])[0]
    erp.store.set("Item Price", price["name"], price_list_rate=9.5)
    erp.store.set(
        "Bin", erp.store.rows("Bin", item_code=shop.catalogue.row(restocked)["item_code"])[0]["name"], actual_qty=3
    )
    erp.store.set("Website Item", unpublished, published=0)
    erp.store.delete("Website Item", orphaned)
    medusa.faults.forget_requests()
    erp.faults.forget_requests()
    output = erp_medusa("drift")
    assert output.code == 1, output.data
    assert medusa_writes(medusa) == []
    assert erp_writes(erp) == []
    assert ("missing", "product", deleted) in found(output)
    assert ("differing", "title", retitled) in found(output)
    assert ("differing", "status", unpublished) in found(output)
    assert {one[1] for one in found(output)} >= {"price", "stock"}
    assert output.data["counts"]["orphaned"] == 1
    assert same not in {one["document"] for one in output.data["differences"]}


@pytest.mark.long
def test_a_missing_product_is_one_difference_with_all_that_it_lacks(
    erp_medusa: Command, shop: Shop, runner: Runner
) -> None:
    (deleted,) = exported(shop, runner, 1)
    new = shop.item(quantity=4)
    shop.delete_product(deleted)
    output = erp_medusa("drift")
    assert found(output) == {("missing", "product", deleted), ("missing", "product", new)}
    assert output.data["counts"] == {"missing": 2}


@pytest.mark.long
def test_a_look_at_one_item_is_about_that_item(erp_medusa: Command, shop: Shop, runner: Runner, erp: ErpServer) -> None:
    first, second = exported(shop, runner, 2)
    for name in (first, second):
        erp.store.set("Website Item", name, web_item_name="Another name")
    output = erp_medusa("drift", "--item", first)
    assert {one["document"] for one in output.data["differences"]} == {first}
    (title,) = [one for one in output.data["differences"] if one["field"] == "title"]
    assert (title["erpnext"], title["medusa"]) == ("Another name", shop.catalogue.row(first)["item_name"])


@pytest.mark.long
def test_pictures_that_were_removed_in_medusa_are_listed(
    erp_medusa: Command, shop: Shop, runner: Runner, erp: ErpServer, medusa: MedusaServer
) -> None:
    shown, bare, unpicked = (shop.item() for _ in range(3))
    photos = Photos(shop.catalogue, erp, medusa, runner)
    for name in (shown, bare, unpicked):
        photos.add(name, f"{name} front.png")
        photos.add(name, f"{name} back.png")
    assert runner.job(EXPORT, "batch_0").success
    assert erp_medusa("drift").data["removed_pictures"] == []
    kept = medusa.admin("GET", f"/admin/products/{shop.product_of(bare)}")["product"]["images"]
    front = [{"id": one["id"], "url": one["url"]} for one in kept if one["rank"] == 0]
    for name, images in ((bare, front), (unpicked, [])):
        medusa.admin("POST", f"/admin/products/{shop.product_of(name)}", json={"images": images})
    output = erp_medusa("drift")
    names = {(one["website_item"], one["file_name"]) for one in output.data["removed_pictures"]}
    assert names == {
        (bare, f"{bare} back.png"),
        (unpicked, f"{unpicked} front.png"),
        (unpicked, f"{unpicked} back.png"),
    }
    assert output.code == 0, "nothing that the next export would do"
    assert [one["file_name"] for one in erp_medusa("explain", bare).data["removed_pictures"]] == [f"{bare} back.png"]
    assert len(erp_medusa("drift", "--item", unpicked).data["removed_pictures"]) == 2


@pytest.mark.long
def test_a_medusa_that_does_not_answer_is_no_drift(erp_medusa: Command, shop: Shop, medusa: MedusaServer) -> None:
    shop.item()
    medusa.faults.add(Fault("status", method="GET", path=r"^/admin/products", status=503))
    assert erp_medusa("drift").code == 2


@pytest.mark.long
def test_the_oldest_change_that_is_not_in_the_shop_is_named_with_its_age(
    erp_medusa: Command, shop: Shop, runner: Runner, erp: ErpServer
) -> None:
    old, new, same = exported(shop, runner, 3)
    code = shop.catalogue.row(old)["item_code"]
    now = client_of(erp).now().replace(tzinfo=None)
    hours_ago, minutes_ago, long_ago = (
        str(now - timedelta(**age)) for age in ({"hours": 5}, {"minutes": 9}, {"days": 9})
    )
    for row in erp.store.rows("Website Item"):
        erp.store.force("Website Item", row["name"], modified=long_ago)
        erp.store.force("Item", row["item_code"], modified=long_ago)
    erp.store.force("Bin", erp.store.rows("Bin", item_code=code)[0]["name"], actual_qty=3, modified=hours_ago)
    erp.store.force("Website Item", new, web_item_name="Another name", modified=minutes_ago)
    output = erp_medusa("drift")
    waiting = [(one["website_item"], one["doctype"], round(one["seconds"] / 60)) for one in output.data["waiting"]]
    assert waiting == [(old, "Bin", 300), (new, "Website Item", 9)]
    assert erp_medusa("drift", "--item", same).data["waiting"] == []
    of_one = erp_medusa("explain", new)
    assert of_one.data["why"].endswith("It waits: its Website Item was changed in ERPNext 9 min ago.")
    assert 500 < of_one.data["waiting_seconds"] < 700
    assert erp_medusa("explain", same).data["waiting_seconds"] == 0
