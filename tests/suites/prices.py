"""Prices over real sockets: what a customer is shown, what both servers hold, and what it cost."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.plain_runs import quick_runner
from tests.support.priced_shop import ZONE, PricedShop
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

EXPORT = "export_items_and_images_custom"
JOB = "sync_missing_prices_to_medusa"
ENTRIES_ROUTE = r"/admin/price-lists/[^/]+/prices/batch"
LISTS_ROUTE = r"/admin/price-lists$"


def started(runner: Runner, **config: Any) -> JobRun:
    """The nightly job for the only batch."""
    run_config = {"ops": {"medusa_prices": {"config": config}}} if config else None
    return runner.job(JOB, "batch_0", run_config=run_config)


class PricesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_a_customer_is_asked_what_the_erp_asks(self, shop: PricedShop, runner: Runner) -> None:
        standing, running, over, to_come, newer, odd = (shop.item() for _ in range(6))
        shop.price(standing, 12.345, since=-400)
        shop.price(running, 20, since=-400)
        shop.price(running, 17.125, since=-3, until=0)
        shop.price(over, 30.1, since=-400)
        shop.price(over, 1.5, since=-30, until=-1)
        shop.price(to_come, 40.005, since=-400)
        shop.price(to_come, 35, since=1, until=20)
        shop.price(newer, 50, since=-400)
        shop.price(newer, 55.555, since=-1)  # dearer, and the later one counts
        shop.price(odd, 0.001)
        shop.price(odd, 0.0004, customer="Hospital", since=-1)
        shop.price(odd, 7, uom="Box", since=-1)
        shop.price(odd, 8, packing_unit=10, since=-1)
        shop.price(odd, 9, price_list="Standard Buying", since=-1)
        run = runner.job(EXPORT, "batch_0")
        assert run.success, run.failure_text("medusa_prices")
        items = (standing, running, over, to_come, newer, odd)
        assert [shop.shown(item) for item in items] == [12.345, 17.125, 30.1, 40.005, 55.555, 0.001]
        assert run.check("medusa_prices").passed

    @pytest.mark.long
    def test_a_copied_item_and_one_whose_product_was_deleted_show_their_own_price(
        self, shop: PricedShop, runner: Runner
    ) -> None:
        original, lost = shop.item(), shop.item()
        shop.price(original, 290.744)
        shop.price(lost, 5.5)
        assert runner.job(EXPORT, "batch_0").success
        row = shop.catalogue.row(original)
        ids = {key: row[key] for key in ("medusa_id", "medusa_variant_id")}
        copy = shop.item(**ids)
        shop.price(copy, 20.511)
        shop.medusa.admin("DELETE", f"/admin/products/{shop.catalogue.row(lost)['medusa_id']}")
        assert runner.job(EXPORT, "batch_0").success
        assert [shop.shown(item) for item in (original, copy, lost)] == [290.744, 20.511, 5.5]
        shop.forget()
        assert runner.job(EXPORT, "batch_0").success
        assert shop.writes() == []

    def test_windows_open_and_close_by_themselves(
        self, shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No run is needed on the day: what was sent three days ago is right today."""
        began, ended, never = shop.item(), shop.item(), shop.item()
        for item in (began, ended):
            shop.price(item, 10, since=-100)
        shop.price(began, 8.25, since=-1, until=5)
        shop.price(ended, 7.75, since=-2, until=-1)
        shop.price(never, 3, since=-2, until=-1)
        three_days_ago = datetime.now(ZONE) - timedelta(days=3)
        with monkeypatch.context() as earlier:
            earlier.setattr(ErpNextClient, "clock", lambda _self: three_days_ago)
            assert runner.job(EXPORT, "batch_0").success
        assert [shop.shown(item) for item in (began, ended, never)] == [8.25, 10, None]

    def test_as_days_pass_only_what_is_over_is_taken_away(
        self, shop: PricedShop, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        item = shop.item()
        standing = shop.price(item, 10, since=-100)
        promotion = shop.price(item, 8.25, since=-1, until=5)
        with monkeypatch.context() as earlier:
            three_days_ago = datetime.now(ZONE) - timedelta(days=3)
            earlier.setattr(ErpNextClient, "clock", lambda _self: three_days_ago)
            assert runner.job(EXPORT, "batch_0").success
        before = shop.entries(item)
        assert [amount for _, _, amount, _ in before] == [8.25, 10, 10]
        run = started(runner)
        assert run.success
        # The entry before the promotion is over; the two others stay where they are.
        active = [entry for entry in before if entry[1] is None or entry[1] > datetime.now(ZONE).isoformat()]
        assert shop.entries(item) == active
        assert len(active) == 2
        numbers = run.metadata("medusa_prices")
        assert (numbers["written"], numbers["updated"], numbers["removed"]) == (0, 0, 1)
        in_use = {list_id for *_, list_id in active}
        assert {kept["status"] for kept in shop.lists() if kept["id"] not in in_use} == {"draft"}
        assert [shop.row(name)["medusa_price_id"] for name in (standing, promotion)] == self.ids(shop, item)
        shop.forget()
        assert started(runner).success
        # The empty list is deleted in the run after; nothing else is left to do.
        assert [one.method for one in shop.writes()] == ["DELETE"]
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    def ids(self, shop: PricedShop, item: str) -> list[str]:
        """Entry ids: the standing price's, then the promotion's."""
        variant = shop.catalogue.row(item)["medusa_variant_id"]
        found = {}
        for kept in shop.lists():
            query = {"limit": 1000, "fields": "id,amount,price_set.variant.id"}
            for entry in shop.medusa.admin("GET", f"/admin/price-lists/{kept['id']}/prices", params=query)["prices"]:
                if entry["price_set"]["variant"]["id"] == variant:
                    found[entry["amount"]] = entry["id"]
        return [found[10], found[8.25]]

    def test_ids_are_kept_on_the_item_prices(self, shop: PricedShop, runner: Runner) -> None:
        item = shop.item()
        in_force = shop.price(item, 10, since=-100)
        replaced = shop.price(item, 9, since=-300, medusa_id="plist_old", medusa_price_id="price_old")
        assert runner.job(EXPORT, "batch_0").success
        row = shop.row(in_force)
        assert row["medusa_price_id"].startswith("price_")
        assert not row["medusa_id"], "the app's hook would refuse every later save of the row"
        assert not shop.row(replaced)["medusa_price_id"]
        assert not shop.row(replaced)["medusa_id"]

    def test_a_second_run_writes_nothing(self, shop: PricedShop, runner: Runner) -> None:
        for number in range(12):
            item = shop.item()
            shop.price(item, 10.001 + number, since=-100)
            if number % 3 == 0:
                shop.price(item, 5, since=-1, until=4)
        assert runner.job(EXPORT, "batch_0").success
        shop.forget()
        again = started(runner)
        assert again.success
        assert shop.writes() == []
        assert again.metadata("medusa_prices")["unchanged"] == 12 + 4
        # However many windows there are, their lists are read in one request.
        assert len(shop.lists()) == 3
        read = [seen for seen in shop.medusa.faults.requests if "prices.amount" in unquote(seen.query)]
        assert [seen.path for seen in read] == ["/admin/price-lists"]

    def test_only_differences_are_sent(self, shop: PricedShop, runner: Runner) -> None:
        raised, ended, gone, promoted, untouched = (shop.item() for _ in range(5))
        prices = [shop.price(item, 10, since=-100) for item in (raised, ended, gone, promoted, untouched)]
        assert runner.job(EXPORT, "batch_0").success
        shop.change(prices[0], price_list_rate=11.5)
        shop.change(prices[1], valid_upto=shop.day(-1).isoformat())
        shop.erp.store.delete("Item Price", prices[2])
        shop.price(promoted, 9.5, since=0, until=3)
        run = started(runner)
        assert run.success, run.failure_text("medusa_prices")
        assert [shop.shown(item) for item in (raised, ended, gone, promoted, untouched)] == [11.5, None, None, 9.5, 10]
        assert not shop.row(prices[1])["medusa_price_id"]
        numbers = run.metadata("medusa_prices")
        # The promotion cuts the standing price: it moves into a window after it.
        assert (numbers["updated"], numbers["written"], numbers["removed"]) == (1, 2, 3)

    @pytest.mark.long
    def test_a_list_takes_what_goes_into_one_call(
        self, shop: PricedShop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("MEDUSA_PRICE_CHUNK", "3")
        items = [shop.item() for _ in range(8)]
        for number, item in enumerate(items):
            shop.price(item, 2.125 + number)
        assert quick_runner().job(EXPORT, "batch_0").success
        assert sorted(shop.sizes().values()) == [2, 3, 3]
        assert {kept["metadata"]["part"] for kept in shop.lists()} == {1, 2, 3}
        newer = [shop.item() for _ in range(2)]
        shop.price(newer[0], 9.75)
        assert quick_runner().job(EXPORT, "batch_0").success
        assert sorted(shop.sizes().values()) == [3, 3, 3]
        shop.price(newer[1], 9.875)
        assert quick_runner().job(EXPORT, "batch_0").success
        assert sorted(shop.sizes().values()) == [1, 3, 3, 3]
        assert [shop.shown(item) for item in items] == [2.125 + number for number in range(8)]
        assert [shop.shown(item) for item in newer] == [9.75, 9.875]

    def test_a_list_changed_by_hand_is_put_right(self, shop: PricedShop, runner: Runner) -> None:
        item = shop.item()
        shop.price(item, 10, since=-100)
        assert runner.job(EXPORT, "batch_0").success
        (kept,) = shop.lists()
        shop.medusa.admin("POST", f"/admin/price-lists/{kept['id']}", json={"status": "draft", "title": "Spring"})
        assert shop.shown(item) is None
        again = started(runner)
        assert again.metadata("medusa_price_lists")["updated"] == 1
        assert shop.shown(item) == 10
        assert again.metadata("medusa_prices")["unchanged"] == 1

    @pytest.mark.parametrize(
        "edit",
        [
            {"metadata": {"valid_from": "spring"}},
            {"metadata": {"valid_upto": 20261231}},
            {"metadata": {"erp_price_list": ""}},
            {"metadata": {"batch": "all"}},
            {"metadata": {"batch": "7/1"}},
            {"metadata": {"part": "two"}},
            {"metadata": {"part": "9" * 5000}},
            {"metadata": {"part": {"a": [1]}, "batch": ["0/1"]}},
            {"metadata": {"erp_price_list": {"a": 1}}},
            {"metadata": {"valid_from": ["2026-01-01"]}},
            {"metadata": {"valid_upto": "0000-00-00"}},
            {"metadata": None},
            {"title": "Spring", "starts_at": "2031-01-01T00:00:00.000Z"},
        ],
        ids=lambda edit: str(edit)[:60],
    )
    def test_whatever_somebody_makes_of_a_list_customers_are_asked_the_present_price(
        self, edit: dict[str, Any], shop: PricedShop, runner: Runner
    ) -> None:
        item = shop.item()
        price = shop.price(item, 10, since=-100)
        assert runner.job(EXPORT, "batch_0").success
        (kept,) = shop.lists()
        shop.medusa.admin("POST", f"/admin/price-lists/{kept['id']}", json=edit)
        # A list that nobody recognised would go on asking the lower price.
        shop.change(price, price_list_rate=12)
        run = started(runner)
        assert run.success
        assert shop.shown(item) == 12
        assert started(runner).check("medusa_price_lists").passed
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    def test_names_are_compared_as_the_database_compares_them(
        self, shop: PricedShop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        item = shop.item()
        shop.price(item, 10)
        assert runner.job(EXPORT, "batch_0").success
        shop_env.setenv("ERPNEXT_PRICE_LIST", PRICE_LIST.upper())
        shop.forget()
        assert started(runner).success
        assert shop.shown(item) == 10
        assert shop.writes() == []

    def test_what_cannot_be_a_price_is_named_and_never_shown(self, shop: PricedShop, runner: Runner) -> None:
        negative, currency, backwards, nothing, tied, good = (shop.item() for _ in range(6))
        for item in (negative, currency, backwards, nothing):
            shop.price(item, 10, since=-100)
        bad = {
            shop.price(negative, -1, since=-1): "price_list_rate",
            shop.price(currency, 5, since=-1, currency="XAU"): "currency",
            shop.price(backwards, 5, since=9, until=12): "valid_upto",
            shop.price(nothing, 0, since=-1): "price_list_rate",
        }
        (ends_early,) = [name for name, fieldname in bad.items() if fieldname == "valid_upto"]
        shop.erp.store.force("Item Price", ends_early, valid_upto=shop.day(3).isoformat())
        shop.price(tied, 6, since=-1, creation="2026-01-02 00:00:00", customer=None)
        shop.price(tied, 4, since=-1, creation="2026-01-01 00:00:00", valid_upto=shop.day(30).isoformat())
        shop.price(good, 3.333)
        run = runner.job(EXPORT, "batch_0")
        assert run.success
        assert not run.check("medusa_prices").passed
        rejects = {row["document"].removeprefix("Item Price "): row for row in run.rejects("medusa_prices")}
        assert {name: row["field"] for name, row in rejects.items()} == bad
        assert "XAU" in next(row["reason"] for row in rejects.values() if row["field"] == "currency")
        items = (negative, currency, backwards, nothing, tied, good)
        assert [shop.shown(item) for item in items] == [None, None, 10, None, 6, 3.333]
        again = started(runner)
        assert {row["held"] for row in again.rejects("medusa_prices")} == {"since an earlier run"}

    @pytest.mark.parametrize("gone", ["variant_01ARZ3NDEKTSV4RRFFQ69G5FAV", "variant_imported-7"])
    @pytest.mark.long
    def test_a_variant_that_is_gone_is_named_and_others_get_their_price(
        self, gone: str, shop: PricedShop, runner: Runner
    ) -> None:
        lost, fine = shop.item(), shop.item()
        assert runner.job(EXPORT, "batch_0").success
        shop.erp.store.force("Website Item", lost, medusa_variant_id=gone)
        rejected = shop.price(lost, 10)
        shop.price(fine, 11)
        run = started(runner)
        assert run.success
        (row,) = run.rejects("medusa_prices")
        assert rejected in row["document"]
        assert f"{gone} is no longer in Medusa" in row["reason"]
        assert shop.shown(fine) == 11
        assert list(shop.sizes().values()) == [1]
        # What the reason says.
        assert runner.job(EXPORT, "batch_0").success
        assert shop.shown(lost) == 10

    @pytest.mark.embedded_erp("a Server Script writes the id past the check; a site may be without one")
    def test_ids_that_the_erp_refuses_do_not_keep_the_price_from_the_shop(
        self, shop: PricedShop, runner: Runner
    ) -> None:
        """Item Prices entered twice cannot be saved any more, not even with an id."""
        item = shop.item()
        duplicates = [shop.price(item, 10, since=since) for since in (-5, -4)]
        shop.erp.store.force("Item Price", duplicates[1], valid_from=shop.day(-5).isoformat())
        run = runner.job(EXPORT, "batch_0")
        assert run.success
        assert shop.shown(item) == 10
        (row,) = run.rejects("medusa_prices")
        assert row["document"] == f"Item Price {duplicates[1]}"
        assert "appears multiple times" in row["reason"]
        assert started(runner).rejects("medusa_prices")[0]["held"] == "since an earlier run"
        # The reason lay in the other row: nobody touches the one that was refused.
        shop.erp.store.delete("Item Price", duplicates[0])
        assert started(runner).check("medusa_prices").passed
        assert shop.row(duplicates[1])["medusa_price_id"]

    @pytest.mark.parametrize(
        "refusal", ["not this one", "Invalid request: Value for field 'create, 0, amount' too small, expected: '0'"]
    )
    @pytest.mark.long
    def test_a_price_stays_until_the_one_that_replaces_it_is_in_medusa(
        self, refusal: str, shop: PricedShop, runner: Runner
    ) -> None:
        """The new one is refused, night after night; whether it is sent again or held makes no difference."""
        moved, fine = shop.item(), shop.item()
        price = shop.price(moved, 10, since=-100)
        shop.price(fine, 3)
        assert runner.job(EXPORT, "batch_0").success
        shop.change(price, valid_upto=shop.day(9).isoformat())
        body = {"type": "invalid_data", "message": refusal}
        shop.medusa.faults.add(
            Fault("status", method="POST", path=f"{LISTS_ROUTE}|{ENTRIES_ROUTE}", status=400, json=body)
        )
        for _ in range(3):
            run = started(runner, allow_removal=True)
            assert run.success
            assert len(run.rejects("medusa_prices")) == 1
            assert [shop.shown(item) for item in (moved, fine)] == [10, 3]
        shop.medusa.faults.heal()
        assert started(runner, retry_rejected=True).success
        assert shop.shown(moved) == 10
        assert [ends is not None for _, ends, *_ in shop.entries(moved)] == [True]

    def test_a_rate_that_cannot_be_a_price_replaces_none_and_keeps_no_other_from_ending(
        self, shop: PricedShop, runner: Runner
    ) -> None:
        emptied, promoted = shop.item(), shop.item()
        price = shop.price(emptied, 10, since=-100)
        shop.price(promoted, 20, since=-100)
        promotion = shop.price(promoted, 15, since=-3, until=9)
        assert runner.job(EXPORT, "batch_0").success
        assert [shop.shown(item) for item in (emptied, promoted)] == [10, 15]
        shop.change(price, price_list_rate=0)
        shop.erp.store.delete("Item Price", promotion)
        shop.price(promoted, 0, since=40)
        for _ in range(2):
            assert len(started(runner).rejects("medusa_prices")) == 2
            assert [shop.shown(item) for item in (emptied, promoted)] == [10, 20]
        shop.change(price, price_list_rate=11)
        assert started(runner).success
        assert shop.shown(emptied) == 11

    @pytest.mark.long
    def test_another_number_of_batches_moves_every_entry_once(
        self, shop: PricedShop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        items = [shop.item() for _ in range(10)]
        for item in items:
            shop.price(item, 4.5)
        assert runner.job(EXPORT, "batch_0").success
        shop_env.setenv("EXPORT_BATCHES", "2")
        wider = quick_runner()
        for _ in range(2):
            assert wider.job(JOB, "batch_0").success
            assert wider.job(JOB, "batch_1").success
        assert [len(shop.entries(item)) for item in items] == [1] * 10
        assert [shop.shown(item) for item in items] == [4.5] * 10
        assert {kept["metadata"]["batch"] for kept in shop.lists()} == {"0/2", "1/2"}

    def test_another_price_list_replaces_the_old_prices_even_where_they_were_lower(
        self, shop: PricedShop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        item = shop.item()
        shop.price(item, 4.5)
        assert runner.job(EXPORT, "batch_0").success
        (old,) = shop.lists()
        other = f"Retail {shop.catalogue.tag}"
        shop.erp.store.insert("Price List", name=other, price_list_name=other, enabled=1, selling=1, currency="OMR")
        shop.price(item, 7, price_list=other)
        shop_env.setenv("ERPNEXT_PRICE_LIST", other)
        shop.medusa.faults.add(Fault("status", method="POST", path=r"^/admin/price-lists\?", status=503))
        assert not started(runner).success
        assert shop.shown(item) == 4.5, "the old price stays as long as the new one does not stand"
        shop.medusa.faults.heal()
        run = started(runner)
        assert run.success
        assert shop.shown(item) == 7
        assert run.metadata("medusa_prices")["lists_retired"] == 1
        assert {kept["id"]: kept["status"] for kept in shop.lists()}[old["id"]] == "draft"
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []


@pytest.fixture
def catalogue(erp: AnyErp) -> Catalogue:
    return Catalogue(erp.store)


@pytest.fixture
def shop(catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer) -> Any:
    """A shop with prices whose lists are put out of the way afterwards."""
    priced = PricedShop(catalogue, erp, medusa)
    priced.delete_lists()
    yield priced
    medusa.faults.heal()
    priced.delete_lists()
