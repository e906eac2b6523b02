"""Products that are deleted some time after their item was withdrawn, on the embedded Medusa."""

import pytest

from tests.suites.deletions import DeletionsSuite, on, sell
from tests.suites.export import catalogue
from tests.suites.variants import PARTS, Shop, shop

__all__ = ["TestDeletions", "catalogue", "on", "shop"]


class TestDeletions(DeletionsSuite):
    pass


@pytest.mark.long
def test_many_at_once_are_deleted_only_when_somebody_says_so(on: pytest.MonkeyPatch, shop: Shop) -> None:
    names = [sell(shop, f"N{number}") for number in range(12)]
    shop.night()
    for name in names:
        shop.catalogue.store.set("Website Item", name, published=0)
    meant = {"ops": {"medusa_product_updates": {"config": {"allow_hiding": True}}}}
    assert shop.runner.assets(PARTS, "batch_0", run_config=meant).success
    run = shop.runner.asset("orphaned_products")
    assert "12 of 12 products would be deleted" in run.failure_text("orphaned_products")
    assert all(shop.catalogue.row(name)["medusa_id"] for name in names)
