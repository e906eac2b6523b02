"""Runs that would leave many items without the price that customers are asked, for whatever reason."""

from typing import Any

import pytest

from tests.suites.prices import EXPORT, catalogue, shop, started
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner

__all__ = ["catalogue", "shop"]

SPARSE = "Half filled"


def priced(shop: PricedShop, number: int = 12, rate: float = 10) -> list[str]:
    """Exported items at this rate."""
    items = [shop.item() for _ in range(number)]
    for item in items:
        shop.price(item, rate, since=-100)
    return items


def exported(shop: PricedShop, runner: Runner, number: int = 12) -> list[str]:
    items = priced(shop, number)
    assert runner.job(EXPORT, "batch_0").success
    assert [shop.shown(item) for item in items] == [10] * number
    return items


def another_list(shop: PricedShop, monkeypatch: pytest.MonkeyPatch, name: str = SPARSE, **fields: Any) -> None:
    shop.erp.store.insert("Price List", name=name, price_list_name=name, enabled=1, selling=1, currency="OMR", **fields)
    monkeypatch.setenv("ERPNEXT_PRICE_LIST", name)


def text_of(run: Any) -> str:
    return run.failure("medusa_prices").description


@pytest.mark.long
def test_a_half_filled_price_list_leaves_the_old_prices(
    shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = exported(shop, runner)
    another_list(shop, monkeypatch)
    shop.price(items[0], 17, price_list=SPARSE)
    for _night in range(3):
        run = started(runner)
        assert not run.success
        assert "11 of 12 items would lose their only price" in text_of(run)
        # The new price is dearer than the old one, and is the one that counts.
        assert [shop.shown(item) for item in items] == [17, *[10] * 11]
    shop.forget()
    assert not started(runner).success
    assert shop.writes() == []
    assert started(runner, allow_removal=True).success
    assert [shop.shown(item) for item in items] == [17, *[None] * 11]
    assert started(runner).success


def test_a_full_price_list_takes_the_place_of_the_old_one(
    shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = exported(shop, runner)
    another_list(shop, monkeypatch)
    for item in items:
        shop.price(item, 17, price_list=SPARSE)
    assert started(runner).success
    assert [shop.shown(item) for item in items] == [17] * 12
    assert {row["status"] for row in shop.lists() if row["metadata"]["erp_price_list"] != SPARSE} == {"draft"}


@pytest.mark.parametrize("currency", ["EUR", "XAU"])
def test_a_price_list_in_another_currency_leaves_the_old_prices(
    shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch, currency: str
) -> None:
    """Medusa lacks the one, and has the other, in which no customer of the shop pays."""
    items = exported(shop, runner)
    another_list(shop, monkeypatch)
    for item in items:
        shop.price(item, 17, price_list=SPARSE, currency=currency)
    run = started(runner)
    assert not run.success
    assert "12 of 12 items would lose their only price" in text_of(run)
    assert [shop.shown(item) for item in items] == [10] * 12


def test_another_currency_of_the_same_price_list_leaves_the_old_prices(shop: PricedShop, runner: Runner) -> None:
    items = exported(shop, runner)
    for row in shop.erp.store.rows("Item Price"):
        shop.erp.store.force("Item Price", row["name"], currency="XAU")
    run = started(runner)
    assert "12 of 12 items would lose their only price" in text_of(run)
    assert [shop.shown(item) for item in items] == [10] * 12


def test_prices_that_begin_next_month_leave_todays(shop: PricedShop, runner: Runner) -> None:
    items = exported(shop, runner)
    for row in shop.erp.store.rows("Item Price"):
        shop.change(row["name"], valid_from=shop.day(30).isoformat())
    run = started(runner)
    assert "12 of 12 items would lose their only price" in text_of(run)
    assert [shop.shown(item) for item in items] == [10] * 12


@pytest.mark.long
def test_another_price_list_and_another_number_of_batches_at_once_leave_the_old_prices(
    shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = exported(shop, runner)
    another_list(shop, monkeypatch)
    for item in items[:2]:
        shop.price(item, 17, price_list=SPARSE)
    monkeypatch.setenv("EXPORT_BATCHES", "3")
    for _night in range(3):
        for batch in range(3):
            run = runner.job("sync_missing_prices_to_medusa", f"batch_{batch}")
            assert run.success or "10 of 12 items would lose their only price" in text_of(run)
        assert [shop.shown(item) for item in items] == [17, 17, *[10] * 10]


@pytest.mark.long
def test_losses_in_slices_are_counted_together(shop: PricedShop, runner: Runner) -> None:
    items = exported(shop, runner, 60)
    prices = {row["item_code"]: row["name"] for row in shop.erp.store.rows("Item Price")}
    for night, passes in enumerate((True, False, False)):
        for item in items[8 * night : 8 * night + 8]:
            shop.erp.store.delete("Item Price", prices[shop.catalogue.row(item)["item_code"]])
        run = started(runner)
        assert run.success == passes
        assert passes or f"{8 * night + 8} of 60 items would lose their only price, 8 of them" in text_of(run)
    assert [shop.shown(item) for item in items] == [*[None] * 8, *[10] * 52]


@pytest.mark.long
def test_first_prices_of_other_items_hide_no_loss(shop: PricedShop, runner: Runner) -> None:
    items = exported(shop, runner)
    others = [shop.item() for _ in range(60)]
    assert runner.job(EXPORT, "batch_0").success
    for row in shop.erp.store.rows("Item Price"):
        shop.erp.store.delete("Item Price", row["name"])
    for item in others:
        shop.price(item, 3, since=-1)
    for _night in range(2):
        run = started(runner)
        assert not run.success
        assert "12 of 12 items would lose their only price" in text_of(run)
    assert [shop.shown(item) for item in (*items, *others)] == [*[10] * 12, *[3] * 60]
