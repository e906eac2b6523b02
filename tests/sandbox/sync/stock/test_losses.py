"""Runs that would sell out many items, for whatever reason."""

import pytest

from tests.suites.stock import EXPORT, JOB, StockedShop, catalogue, shop
from tests.support.runs import Runner

__all__ = ["catalogue", "shop"]


@pytest.mark.long
def test_what_is_restocked_in_the_same_run_hides_no_loss(shop: StockedShop, runner: Runner) -> None:
    there = [shop.item(bins={"Main": 5}) for _ in range(12)]
    gone = [shop.item(bins={"Main": 0}) for _ in range(60)]
    assert runner.job(EXPORT, "batch_0").success
    for item in there:
        shop.bin(item, "Main", 0)
    for item in gone:
        shop.bin(item, "Main", 7)
    run = runner.job(JOB, "batch_0")
    assert not run.success
    assert "12 of 12 " in run.failure("medusa_stock").description
    assert [shop.stocked(item) for item in (*there, *gone)] == [*[5] * 12, *[7] * 60]
