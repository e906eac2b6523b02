"""What is for sale, against the embedded servers."""

import pytest

from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from tests.suites.for_sale import EXPORT, ForSaleSuite, Market, catalogue, market
from tests.support.runs import Runner

__all__ = ["TestForSale", "catalogue", "market"]


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
