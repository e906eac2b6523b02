"""When products go live, and what is sent before wrong ids were corrected. On any Medusa."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.catalogue.image_files import upload_name
from erp_medusa_pipelines.sync.catalogue.publication import WAITS_FOR_PICTURE
from erp_medusa_sandbox.faults import Fault
from tests.suites.export import BATCH_ROUTE, products
from tests.suites.prices import EXPORT
from tests.suites.prices import JOB as PRICES
from tests.suites.stock import JOB as STOCK
from tests.suites.stock import StockedShop
from tests.support.catalogue import Catalogue
from tests.support.photos import UPLOADS, Photos
from tests.support.priced_shop import PricedShop
from tests.support.runs import JobRun, Runner
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

    def whole(self, *, picture: bool = True, price_since: int | None = None) -> str:
        """A Website Item with everything that a customer needs."""
        name = self.item()
        if picture:
            self.photos.add(name)
        self.priced.price(name, 1.5, since=price_since)
        self.stocked.bin(name, "Main", 3)
        return name

    def status(self, name: str) -> str:
        return products(self.medusa, [name])[name]["status"]

    def lacks(self, run: JobRun, name: str) -> str:
        """What the run says that the item waits for."""
        waiting = run.metadata("medusa_publication")["waiting_for"].records
        return next(record.data["lacks"] for record in waiting if record.data["website_item"] == name)

    @staticmethod
    def not_bought(run: JobRun) -> dict[str, str]:
        """Why nobody can buy the items that the check names."""
        table = run.check("medusa_publication", "can_be_bought").metadata["items"]
        assert isinstance(table, dg.TableMetadataValue)
        return {str(record.data["website_item"]): str(record.data["reason"]) for record in table.records}


@pytest.fixture
def whole_shop(erp: AnyErp, medusa: MedusaServer, runner: Runner) -> Iterator[Shop]:
    """A shop whose price lists are put out of the way afterwards."""
    made = Shop(erp, medusa, runner)
    made.priced.delete_lists()
    yield made
    made.priced.delete_lists()


class PublicationSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.mark.long
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

    def test_an_item_that_erpnext_sells_from_nowhere_is_named_with_that_reason(
        self, whole_shop: Shop, runner: Runner
    ) -> None:
        nowhere = whole_shop.priced.item()
        whole_shop.priced.price(nowhere, 1.5)
        run = runner.job(EXPORT, "batch_0")
        assert run.check("medusa_publication", "can_be_bought").severity.value == "WARN"
        why = "ERPNext sells it from nowhere: its Website Item has no website_warehouse"
        assert whole_shop.not_bought(run) == {nowhere: why}

    @pytest.mark.long
    def test_published_items_that_nobody_can_buy_are_named_with_the_reason(
        self, whole_shop: Shop, runner: Runner
    ) -> None:
        right, sold_out, unpriced, refused = (whole_shop.item() for _ in range(4))
        for name, pieces in ((right, 3), (sold_out, 0), (unpriced, 3), (refused, 3)):
            whole_shop.stocked.bin(name, "Main", pieces)
        whole_shop.priced.price(right, 1.5)
        whole_shop.priced.price(sold_out, 1.5)
        run = runner.job(EXPORT, "batch_0")
        check = run.check("medusa_publication", "can_be_bought")
        assert (check.passed, check.severity.value) == (False, "WARN")
        why = "ERPNext has no price for it today in Standard Selling"
        assert whole_shop.not_bought(run) == {unpriced: why, refused: why}
        price = whole_shop.priced.price(refused, 1.735)
        no = {"type": "invalid_data", "message": "the amount is refused"}
        whole_shop.medusa.faults.add(
            Fault("status", method="POST", path=PRICES_ROUTE, body=r"1\.735", status=400, json=no)
        )
        run = runner.job(EXPORT, "batch_0")
        assert run.check("medusa_publication", "can_be_bought").severity.value == "ERROR"
        assert whole_shop.not_bought(run) == {unpriced: why, refused: "no price in OMR is in force"}
        whole_shop.medusa.faults.heal()
        whole_shop.priced.change(price, price_list_rate=1.6)
        whole_shop.priced.price(unpriced, 2.5)
        assert runner.job(EXPORT, "batch_0").success
        whole_shop.medusa.faults.forget_requests()
        run = runner.asset("medusa_publication", "batch_0")
        assert run.check("medusa_publication", "can_be_bought").passed
        # All products come with one look-up.
        assert len([seen for seen in whole_shop.medusa.faults.requests if seen.path == "/admin/products"]) == 1
        assert medusa_writes(whole_shop.medusa) == []

    @pytest.mark.long
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

    def test_a_price_that_begins_later_publishes_nothing_before(
        self, whole_shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PUBLISH_WHEN", "complete")
        name = whole_shop.whole(price_since=30)
        run = runner.job(EXPORT, "batch_0")
        assert (whole_shop.status(name), whole_shop.lacks(run, name)) == ("draft", "price")
        whole_shop.priced.price(name, 2.5)
        assert runner.job(EXPORT, "batch_0").success
        assert (whole_shop.status(name), whole_shop.priced.shown(name)) == ("published", 2.5)

    @pytest.mark.embedded_erp("Item Prices entered twice: a Server Script writes the id past the check")
    def test_ids_that_the_erp_refuses_hide_no_item(
        self, whole_shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PUBLISH_WHEN", "complete")
        name = whole_shop.whole(price_since=-5)
        copy = whole_shop.priced.price(name, 1.5, since=-4)
        whole_shop.catalogue.store.force("Item Price", copy, valid_from=whole_shop.priced.day(-5).isoformat())
        run = runner.job(EXPORT, "batch_0")
        assert run.rejects("medusa_prices")
        assert not whole_shop.priced.row(copy)["medusa_price_id"]
        assert whole_shop.status(name) == "published"

    def test_an_inventory_item_of_any_sku_counts(
        self, whole_shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        """Staff gave the variant another one, in Medusa's admin."""
        shop_env.setenv("PUBLISH_WHEN", "complete")
        name = whole_shop.whole()
        assert runner.assets(["medusa_collections", "medusa_products"], "batch_0").success
        row, medusa = whole_shop.catalogue.row(name), whole_shop.medusa
        variant = f"/admin/products/{row['medusa_id']}/variants/{row['medusa_variant_id']}"
        (link,) = medusa.admin("GET", variant, params={"fields": "inventory_items.*"})["variant"]["inventory_items"]
        medusa.admin("DELETE", f"{variant}/inventory-items/{link['inventory_item_id']}")
        made = medusa.admin("POST", "/admin/inventory-items", json={"sku": f"SHELF-{row['item_code']}"})
        body = {"inventory_item_id": made["inventory_item"]["id"], "required_quantity": 1}
        medusa.admin("POST", f"{variant}/inventory-items", json=body)
        assert runner.job(EXPORT, "batch_0").success
        assert whole_shop.status(name) == "published"

    @pytest.mark.long
    def test_a_picture_that_fails_each_night_hides_no_other_item_and_its_own_for_days_only(
        self, whole_shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PUBLISH_WHEN", "complete")
        bad, good, bare = whole_shop.whole(), whole_shop.whole(), whole_shop.whole(picture=False)
        (file,) = whole_shop.catalogue.store.rows("File", attached_to_name=bad, attached_to_doctype="Website Item")
        body = re.escape(upload_name(whole_shop.photos.content(file["name"]))[0])
        whole_shop.medusa.faults.add(Fault("status", method="POST", path=UPLOADS, body=body, status=500))
        run = runner.job(EXPORT, "batch_0")
        assert not run.success
        assert [whole_shop.status(name) for name in (bad, good, bare)] == ["draft", "published", "draft"]
        later = datetime.now(UTC) + WAITS_FOR_PICTURE
        shop_env.setattr(ErpNextClient, "clock", lambda erp: later.astimezone(erp.time_zone))
        runner.job(EXPORT, "batch_0")
        # Nobody attached a picture to the last one: somebody has to.
        assert [whole_shop.status(name) for name in (bad, good, bare)] == ["published", "published", "draft"]
        whole_shop.medusa.faults.heal()
        assert runner.job(EXPORT, "batch_0").success
        assert whole_shop.photos.shown(bad) == [whole_shop.photos.content(file["name"])]

    def test_a_publication_that_was_refused_once_is_tried_again(
        self, whole_shop: Shop, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("PUBLISH_WHEN", "complete")
        name = whole_shop.whole()
        reason = "Invalid request: Expected: 'draft' for field 'update, 0, status', but got: 'published'"
        refused = {"type": "invalid_data", "message": reason}
        whole_shop.medusa.faults.add(
            Fault("status", method="POST", path=BATCH_ROUTE, body='"published"', status=400, json=refused)
        )
        run = runner.job(EXPORT, "batch_0")
        assert (whole_shop.status(name), len(run.rejects("medusa_publication"))) == ("draft", 1)
        whole_shop.medusa.faults.heal()
        assert runner.job(EXPORT, "batch_0").check("medusa_publication").passed
        assert whole_shop.status(name) == "published"

    @pytest.mark.long
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
