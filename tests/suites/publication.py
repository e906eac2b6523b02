"""When products go live, and what is sent before wrong ids were corrected. On any Medusa."""

from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.export import products
from tests.suites.prices import EXPORT
from tests.suites.prices import JOB as PRICES
from tests.suites.stock import JOB as STOCK
from tests.suites.stock import StockedShop
from tests.support.catalogue import Catalogue
from tests.support.photos import Photos
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import medusa_writes

PRICES_ROUTE = r"/admin/price-lists"


class Shop:
    """A catalogue with prices, stock and pictures of a test's own."""

    def __init__(self, erp: AnyErp, medusa: MedusaServer, runner: Runner) -> None:
        self.catalogue = Catalogue(erp.store)
        self.medusa = medusa
        self.priced = PricedShop(self.catalogue, erp, medusa)
        self.stocked = StockedShop(self.catalogue, erp, medusa)
        self.photos = Photos(self.catalogue, erp, medusa, runner)

    def item(self) -> str:
        """A Website Item that is sold from a warehouse."""
        return self.priced.item(website_warehouse=self.stocked.places["All"])

    def status(self, name: str) -> str:
        return products(self.medusa, [name])[name]["status"]


@pytest.fixture
def whole_shop(erp: AnyErp, medusa: MedusaServer, runner: Runner) -> Iterator[Shop]:
    """A shop whose price lists are put out of the way afterwards."""
    made = Shop(erp, medusa, runner)
    made.priced.delete_lists()
    yield made
    made.priced.delete_lists()


class PublicationSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_products_go_live_when_they_are_complete_and_stay(
        self, whole_shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PUBLISH_WHEN", "complete")
        whole, bare, hidden = whole_shop.item(), whole_shop.item(), whole_shop.item()
        for name in (whole, hidden):
            whole_shop.photos.add(name)
            whole_shop.priced.price(name, 1.5)
            whole_shop.stocked.bin(name, "Main", 3)
        run = runner.job(EXPORT, "batch_0")
        assert run.success
        assert [whole_shop.status(name) for name in (whole, bare, hidden)] == ["published", "draft", "published"]
        assert run.metadata("medusa_publication")["incomplete"] == 1
        waiting = run.metadata("medusa_publication")["waiting_for"].records
        assert [dict(record.data) for record in waiting] == [{"website_item": bare, "lacks": "picture, price, stock"}]
        # Sold out, it stays; not published in the ERP any more, it does not.
        whole_shop.stocked.bin(whole, "Main", 0)
        whole_shop.catalogue.store.set("Website Item", hidden, published=0)
        config = {"ops": {"medusa_stock": {"config": {"allow_zero": True}}}}
        assert runner.job(EXPORT, "batch_0", run_config=config).success
        assert [whole_shop.status(name) for name in (whole, bare, hidden)] == ["published", "draft", "draft"]
        whole_shop.medusa.faults.forget_requests()
        assert runner.job(EXPORT, "batch_0").success
        assert medusa_writes(whole_shop.medusa) == []

    def test_an_id_of_a_price_that_is_gone_publishes_nothing(
        self, whole_shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        """Somebody deletes the product in Medusa, which then refuses the price of the one that replaces it."""
        shop_env.setenv("PUBLISH_WHEN", "complete")
        name = whole_shop.item()
        whole_shop.photos.add(name)
        price = whole_shop.priced.price(name, 1.735)
        whole_shop.stocked.bin(name, "Main", 3)
        assert runner.job(EXPORT, "batch_0").success
        assert whole_shop.status(name) == "published"
        whole_shop.medusa.admin("DELETE", f"/admin/products/{whole_shop.catalogue.row(name)['medusa_id']}")
        refused = {"type": "invalid_data", "message": "the amount is refused"}
        whole_shop.medusa.faults.add(
            Fault("status", method="POST", path=PRICES_ROUTE, body=r"1\.735", status=400, json=refused)
        )
        for _ in ("refused", "held back since"):
            run = runner.job(EXPORT, "batch_0")
            waiting = run.metadata("medusa_publication")["waiting_for"].records
            assert [dict(record.data) for record in waiting] == [{"website_item": name, "lacks": "price"}]
            assert whole_shop.status(name) == "draft"
        whole_shop.medusa.faults.heal()
        whole_shop.priced.change(price, price_list_rate=1.6)
        assert runner.job(EXPORT, "batch_0").success
        assert (whole_shop.status(name), whole_shop.priced.shown(name)) == ("published", 1.6)

    def test_prices_and_stock_of_a_copy_never_reach_its_originals_product(
        self, whole_shop: Shop, runner: Runner
    ) -> None:
        """They may run before the export has given the copy its own ids."""
        original = whole_shop.item()
        whole_shop.priced.price(original, 290.744)
        whole_shop.stocked.bin(original, "Main", 23)
        assert runner.job(EXPORT, "batch_0").success
        ids = {key: whole_shop.catalogue.row(original)[key] for key in ("medusa_id", "medusa_variant_id")}
        copy = whole_shop.priced.item(website_warehouse=whole_shop.stocked.places["All"], **ids)
        whole_shop.priced.price(copy, 20.511)
        whole_shop.stocked.bin(copy, "Main", 3)
        whole_shop.medusa.faults.forget_requests()
        assert runner.job(PRICES, "batch_0").success
        assert runner.job(STOCK, "batch_0").success
        assert medusa_writes(whole_shop.medusa) == []
        assert runner.job(EXPORT, "batch_0").success
        assert whole_shop.catalogue.row(copy)["medusa_id"] != ids["medusa_id"]
        assert [whole_shop.priced.shown(name) for name in (original, copy)] == [290.744, 20.511]
        assert [whole_shop.stocked.stocked(name) for name in (original, copy)] == [23, 3]
