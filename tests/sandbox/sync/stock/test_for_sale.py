"""What is for sale, against the embedded servers."""

import pytest

from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_sandbox.faults import Fault
from tests.suites.for_sale import EXPORT, ForSaleSuite, Market, catalogue, market
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.writes import medusa_writes

__all__ = ["TestForSale", "catalogue", "market"]


RELINK = r"/admin/products/\w+/variants/inventory-items/batch"


class TestForSale(ForSaleSuite):
    @pytest.mark.long
    def test_the_parts_of_a_bundle_may_be_in_another_batch(
        self, market: Market, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The bundle's flag said sold out: the warehouses of parts were known within its batch only."""
        monkeypatch.setenv("EXPORT_BATCHES", "2")
        parts = [market.offer(price=1, stock=9) for _ in range(12)]
        bundle = market.bundle(dict.fromkeys(parts, 1), price=30, website_warehouse="")
        assert {batch_of_name(part, 2) for part in parts} == {"batch_0", "batch_1"}
        assert all(runner.job(EXPORT, batch).success for batch in ("batch_0", "batch_1"))
        assert market.catalogue.row(bundle)["custom_in_stock"] == 1

    @pytest.mark.long
    @pytest.mark.parametrize("is_refused", [False, True])
    def test_a_part_that_a_later_batch_brings_is_in_the_bundle_that_night(
        self, market: Market, runner: Runner, medusa: MedusaServer, monkeypatch: pytest.MonkeyPatch, is_refused: bool
    ) -> None:
        """The bundle was linked by the second night only. Where Medusa refuses, that night does it still."""
        monkeypatch.setenv("EXPORT_BATCHES", "2")
        parts = [market.offer(price=1, stock=9) for _ in range(8)]
        bundle = market.bundle(dict.fromkeys(parts, 1), price=30)
        own = batch_of_name(bundle, 2)
        (other,) = {"batch_0", "batch_1"} - {own}
        assert {batch_of_name(part, 2) for part in parts} == {own, other}
        assert runner.job(EXPORT, own).success
        if is_refused:
            medusa.faults.add(Fault("status", path=RELINK, status=400))
        assert runner.job(EXPORT, other).success
        assert market.can_buy(parts[0], 2)
        market.reserve(parts[0], 2)
        assert market.on_sale(bundle) == (30, 9 if is_refused else 7)
        medusa.faults.heal()
        medusa.faults.forget_requests()
        assert runner.job(EXPORT, own).success
        assert market.on_sale(bundle) == (30, 7)
        assert bool(medusa_writes(medusa)) is is_refused
