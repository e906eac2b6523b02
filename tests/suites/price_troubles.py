"""Prices in a night that something goes wrong in: lost answers, servers that fail, a brake before mass loss."""

import pytest

from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_sandbox.faults import Fault
from tests.suites.prices import ENTRIES_ROUTE, EXPORT, JOB, LISTS_ROUTE, started
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner


class PriceTroublesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_an_item_without_a_product_is_waiting(self, shop: PricedShop, runner: Runner) -> None:
        shop.price(shop.item(), 10)
        run = started(runner)
        assert run.success
        assert run.metadata("medusa_prices")["waiting"] == 1
        assert run.check("medusa_prices").passed

    def test_a_lost_answer_makes_no_second_entry(self, shop: PricedShop, runner: Runner) -> None:
        shop.price(shop.item(), 2.25)
        assert runner.job(EXPORT, "batch_0").success
        items = [shop.item() for _ in range(8)]
        prices = [shop.price(item, 2.5) for item in items]
        shop.medusa.faults.add(Fault("drop_after", method="POST", path=ENTRIES_ROUTE, times=1))
        assert runner.job(EXPORT, "batch_0").success
        assert [len(shop.entries(item)) for item in items] == [1] * 8
        assert all(shop.row(price)["medusa_price_id"] for price in prices)

    def test_a_lost_answer_makes_no_second_list(self, shop: PricedShop, runner: Runner) -> None:
        item = shop.item()
        shop.price(item, 10)
        shop.price(item, 8, since=0, until=3)
        shop.price(item, 7, since=5, until=9)
        shop.medusa.faults.add(Fault("drop_after", method="POST", path=LISTS_ROUTE, times=2))
        assert runner.job(EXPORT, "batch_0").success
        windows = [(kept["starts_at"], kept["ends_at"]) for kept in shop.lists()]
        assert len(windows) == len(set(windows)) == len(shop.entries(item)) == 4
        assert shop.shown(item) == 8

    def test_a_night_that_breaks_off_leaves_every_item_its_price(self, shop: PricedShop, runner: Runner) -> None:
        items = [shop.item() for _ in range(6)]
        for item in items:
            shop.price(item, 10, since=-100)
        assert runner.job(EXPORT, "batch_0").success
        for item in items:
            shop.price(item, 12, since=1)  # cuts the standing price, so all entries have to move
        shop.medusa.faults.add(Fault("status", method="POST", path=f"{ENTRIES_ROUTE}|{LISTS_ROUTE}", status=503))
        broken = started(runner)
        assert not broken.success
        assert "12 of 12" in broken.failure("medusa_prices").description
        assert [shop.shown(item) for item in items] == [10] * 6
        shop.medusa.faults.heal()
        assert started(runner).success
        assert [shop.shown(item) for item in items] == [10] * 6
        assert [len(shop.entries(item)) for item in items] == [2] * 6

    def test_what_the_erp_cannot_be_asked_about_keeps_its_price(self, shop: PricedShop, runner: Runner) -> None:
        items = [shop.item() for _ in range(4)]
        for item in items:
            shop.price(item, 10, since=-100)
        assert runner.job(EXPORT, "batch_0").success
        shop.forget()
        shop.erp.faults.add(Fault("status", path=r"/Item(%20| )Price$", status=503))
        # The brake is off, so that nothing but the rule itself holds the entries.
        broken = started(runner, allow_removal=True)
        assert not broken.success
        assert "4 documents failed temporarily" in broken.failure("medusa_prices").description
        assert shop.writes() == []
        assert [shop.shown(item) for item in items] == [10] * 4
        shop.erp.faults.heal()
        assert started(runner).success
        assert shop.writes() == []

    def test_an_erp_that_answers_no_prices_empties_no_shop(self, shop: PricedShop, runner: Runner) -> None:
        items = [shop.item() for _ in range(4)]
        prices = [shop.price(item, 10, since=-100) for item in items]
        assert runner.job(EXPORT, "batch_0").success
        for price in prices:
            shop.erp.store.delete("Item Price", price)
        stopped = started(runner)
        assert not stopped.success
        failure = stopped.failure("medusa_prices")
        assert "4 of 4 items would lose their only price" in failure.description
        assert failure.metadata["permanent"].value is True
        assert [shop.shown(item) for item in items] == [10] * 4
        allowed = started(runner, allow_removal=True)
        assert allowed.success
        assert [shop.shown(item) for item in items] == [None] * 4

    def test_where_too_many_would_lose_their_price_raises_are_written_all_the_same(
        self, shop: PricedShop, runner: Runner
    ) -> None:
        """The old entry of a raised price goes as well: Medusa shows the lower one of two."""
        raised, losing = shop.item(), [shop.item() for _ in range(11)]
        price = shop.price(raised, 10, since=-100)
        lost = [shop.price(item, 10, since=-100) for item in losing]
        assert runner.job(EXPORT, "batch_0").success
        shop.change(price, price_list_rate=20, valid_upto=shop.day(30).isoformat())
        for each in lost:
            shop.erp.store.delete("Item Price", each)
        stopped = started(runner)
        assert not stopped.success
        assert "11 of 12 items would lose their only price" in stopped.failure("medusa_prices").description
        assert [shop.shown(item) for item in (raised, *losing)] == [20, *[10] * 11]
        shop.forget()
        assert not started(runner).success
        assert shop.writes() == []

    @pytest.mark.long
    def test_a_few_items_without_a_price_are_no_mass_loss(self, shop: PricedShop, shop_env: pytest.MonkeyPatch) -> None:
        """A batch that loses all of its prices is judged over the whole shop."""
        shop_env.setenv("EXPORT_BATCHES", "2")
        runner = quick_runner()
        batches: dict[str, dict[str, str]] = {"batch_0": {}, "batch_1": {}}
        for _ in range(12):
            item = shop.item()
            batches[batch_of_name(item, 2)][item] = shop.price(item, 10, since=-100)
        assert all(runner.job(EXPORT, batch).success for batch in batches)
        fewer, more = sorted(batches, key=lambda batch: len(batches[batch]))
        for price in batches[fewer].values():
            shop.erp.store.delete("Item Price", price)
        assert runner.job(JOB, fewer).success
        assert {shop.shown(item) for item in batches[fewer]} <= {None}
        assert {shop.shown(item) for item in batches[more]} == {10}

    def test_a_price_list_that_does_not_exist_is_an_error_that_says_so(
        self, shop: PricedShop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop.price(shop.item(), 10)
        assert runner.job(EXPORT, "batch_0").success
        shop_env.setenv("ERPNEXT_PRICE_LIST", "Standart Selling")
        run = started(quick_runner())
        assert not run.success
        assert "Price List Standart Selling does not exist" in run.failure_text("medusa_prices")
