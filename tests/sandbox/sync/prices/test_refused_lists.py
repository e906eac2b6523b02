"""A price list of which Medusa refuses a change: it is named, and keeps no other list and no price from the night."""

from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.prices import EXPORT, catalogue, shop, started
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner

__all__ = ["catalogue", "shop"]

REFUSED: dict[str, Any] = {"status": 400, "json": {"type": "invalid_data", "message": "a plugin refuses it"}}


@pytest.mark.long
def test_a_list_that_cannot_be_put_right_is_named_and_others_go_on(shop: PricedShop, runner: Runner) -> None:
    item, other, new = shop.item(), shop.item(), shop.item()
    price = shop.price(item, 10)
    shop.price(other, 5, until=9)
    assert runner.job(EXPORT, "batch_0").success
    first, second = shop.lists()
    for each in (first, second):
        shop.medusa.admin("POST", f"/admin/price-lists/{each['id']}", json={"status": "draft"})
    shop.change(price, price_list_rate=12)
    shop.price(new, 7, until=20)
    shop.medusa.faults.add(Fault("status", method="POST", path=rf"{first['id']}$", **REFUSED))
    for _night in range(2):
        run = runner.job(EXPORT, "batch_0")
        assert [one["document"] for one in run.rejects("medusa_price_lists")] == ["Price List Standard Selling"]
        assert shop.shown(new) == 7
        assert {each["id"]: each["status"] for each in shop.lists()}[second["id"]] == "active"
    shop.medusa.faults.heal()
    assert runner.job(EXPORT, "batch_0").success
    assert [shop.shown(each) for each in (item, other, new)] == [12, 5, 7]


def test_an_old_list_that_cannot_be_retired_is_named_and_retired_later(
    shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = shop.item()
    shop.price(item, 10)
    assert runner.job(EXPORT, "batch_0").success
    shop.erp.store.insert("Price List", name="Retail", price_list_name="Retail", enabled=1, selling=1, currency="OMR")
    shop.price(item, 12, price_list="Retail")
    monkeypatch.setenv("ERPNEXT_PRICE_LIST", "Retail")
    (old,) = shop.lists()
    shop.medusa.faults.add(Fault("status", method="POST", path=rf"{old['id']}$", **REFUSED))
    run = started(runner)
    assert run.success
    assert [one["document"] for one in run.rejects("medusa_prices")] == ["Price List Retail"]
    shop.medusa.faults.heal()
    assert started(runner).success
    assert shop.shown(item) == 12


def test_old_entries_that_cannot_be_deleted_are_named_and_go_later(shop: PricedShop, runner: Runner) -> None:
    item, other = shop.item(), shop.item()
    price = shop.price(item, 10)
    shop.price(other, 5)
    assert runner.job(EXPORT, "batch_0").success
    shop.erp.store.delete("Item Price", price)
    shop.medusa.faults.add(Fault("status", method="POST", path=r"/prices/batch", body='"delete": ?\\["', **REFUSED))
    run = started(runner, allow_removal=True)
    assert run.success, run.reasons()
    assert len(run.rejects("medusa_prices")) == 1
    shop.medusa.faults.heal()
    assert started(runner, allow_removal=True).success
    assert [shop.shown(each) for each in (item, other)] == [None, 5]
