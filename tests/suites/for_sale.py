"""What a customer may buy, at what price and how many: items as shops have them, seen through the Store API."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.priced_shop import PricedShop
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

EXPORT = "export_items_and_images_custom"
WAREHOUSES = {
    "All": (1, 8, 1, {}),
    "Shop": (2, 3, 0, {}),
    "Rejected": (4, 5, 0, {"is_rejected_warehouse": 1}),
    "Transit": (6, 7, 0, {"warehouse_type": "Transit"}),
}
FIELDS = "id,title,*variants,*variants.calculated_price,+variants.inventory_quantity"


class Offer(NamedTuple):
    """A product as a customer sees it. `quantity` is None where any number can be bought."""

    title: str
    price: float | None
    quantity: int | None


class Market(PricedShop):
    """A shop with warehouses, batches, orders and bundles, and a customer who looks at it."""

    def __init__(self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer) -> None:
        super().__init__(catalogue, erp, medusa)
        self.places: dict[str, str] = {}
        erp.store.insert("Warehouse Type", name="Transit")
        for label, (lft, rgt, is_group, more) in WAREHOUSES.items():
            name = f"{label} (for sale)"
            parent = None if label == "All" else self.places["All"]
            self.places[label] = erp.store.insert(
                "Warehouse", name=name, warehouse_name=name, parent_warehouse=parent, lft=lft, rgt=rgt,
                is_group=is_group, **more,
            )  # fmt: skip

    def offer(self, *, price: float | None = None, stock: float | None = None, **fields: Any) -> str:
        """Add a Website Item, sold from the shop's warehouse, with a price and so much in stock."""
        item = self.item(**{"website_warehouse": self.places["Shop"], **fields})
        if price is not None:
            self.price(item, price)
        if stock is not None:
            self.erp.store.book(self.code(item), self.places["Shop"], stock)
        return item

    def code(self, item: str) -> str:
        return self.catalogue.row(item)["item_code"]

    def receive(self, item: str, quantity: float, *, expires_in: int, warehouse: str = "Shop") -> None:
        """Receive a batch that expires in so many days; a negative number of days is past."""
        expiry = (self.today + timedelta(days=expires_in)).isoformat()
        self.number += 1
        batch = f"B-{self.catalogue.tag}-{self.number:03d}"
        self.erp.store.receive(self.code(item), self.places[warehouse], batch, quantity, expiry)

    def order(self, item: str, quantity: float, *, medusa_order_id: str = "") -> str:
        """Submit a Sales Order in ERPNext."""
        return self.erp.store.order(self.code(item), self.places["Shop"], quantity, medusa_order_id=medusa_order_id)

    def template(self, *sizes: str) -> tuple[str, list[str]]:
        """Add a template, and a variant of it for each size."""
        attribute = f"Size {self.catalogue.tag}"
        values = [{"attribute_value": size, "abbr": size} for size in sizes]
        self.erp.store.insert("Item Attribute", name=attribute, attribute_name=attribute, item_attribute_values=values)
        rows = [{"attribute": attribute}]
        template = self.offer(item={"has_variants": 1, "attributes": rows}, has_variants=1)
        code = self.code(template)
        variants = [
            self.offer(
                item={"variant_of": code, "attributes": [{"attribute": attribute, "attribute_value": size}]},
                variant_of=code,
            )
            for size in sizes
        ]
        return template, variants

    def old_price_of_template(self, template: str, variant: str, rate: float) -> None:
        """Leave an Item Price at the template, which ERPNext accepts no longer."""
        row = self.price(variant, rate)
        self.erp.store.force("Item Price", row, item_code=self.code(template))

    def bundle(self, parts: Mapping[str, float], **fields: Any) -> str:
        """Add a Product Bundle of these Website Items, as a Website Item of its own."""
        item = self.offer(item={"is_stock_item": 0}, **fields)  # ERPNext refuses bundles of stocked Items.
        rows = [{"item_code": self.code(part), "qty": quantity} for part, quantity in parts.items()]
        self.erp.store.insert("Product Bundle", name=self.code(item), new_item_code=self.code(item), items=rows)
        return item

    def night(self, runner: Runner) -> JobRun:
        """The export of the only batch, with prices and stock."""
        return runner.job(EXPORT, "batch_0")

    def seen(self, item: str) -> Offer | None:
        """What a customer is shown; None where the product is not in the shop."""
        row = self.catalogue.row(item)
        if not row["medusa_id"]:
            return None
        query = {"region_id": self.medusa.region_id, "fields": FIELDS}
        answer = self.medusa.store("GET", f"/store/products/{row['medusa_id']}", params=query)
        if answer.status_code == 404:
            return None
        product = answer.json()["product"]
        (variant,) = product["variants"]
        price = variant["calculated_price"]
        managed = variant["manage_inventory"]
        return Offer(
            product["title"],
            price["calculated_amount"] if price else None,
            max(0, variant["inventory_quantity"]) if managed else None,
        )

    def can_buy(self, item: str, quantity: int = 1) -> bool:
        """Whether a cart takes so many."""
        cart = self.medusa.store("POST", "/store/carts", json={"region_id": self.medusa.region_id}).json()["cart"]["id"]
        line = {"variant_id": self.catalogue.row(item)["medusa_variant_id"], "quantity": quantity}
        return self.medusa.store("POST", f"/store/carts/{cart}/line-items", json=line).status_code == 200

    def on_sale(self, item: str) -> tuple[float | None, int | None] | None:
        """(price, quantity) that a customer sees."""
        offer = self.seen(item)
        return (offer.price, offer.quantity) if offer else None

    def reserve(self, item: str, quantity: int) -> None:
        """Reserve so many in Medusa, as an order there does."""
        query = {"id": self.catalogue.row(item)["medusa_variant_id"], "fields": "id,inventory_items.inventory_item_id"}
        (variant,) = self.medusa.admin("GET", "/admin/product-variants", params=query)["variants"]
        body = {
            "inventory_item_id": variant["inventory_items"][0]["inventory_item_id"],
            "location_id": self.medusa.stock_location_id,
            "quantity": quantity,
        }
        self.medusa.admin("POST", "/admin/reservations", json=body)


class ForSaleSuite:
    """Run by tests/sandbox against the embedded servers and by tests/live against real ones."""

    # --- whether ----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("fields", [{"disabled": 1}, {"end_of_life": "2020-01-31"}, {"is_sales_item": 0}])
    @pytest.mark.long
    def test_what_erpnext_would_not_sell_is_not_in_the_shop(
        self, market: Market, runner: Runner, fields: dict[str, Any]
    ) -> None:
        item, other = market.offer(price=12, stock=9), market.offer(price=3, stock=1)
        assert market.night(runner).success
        assert market.on_sale(item) == (12, 9)
        # Past every hook, as an import does: a save of the Item would unpublish its Website Item.
        market.erp.store.force("Item", market.code(item), **fields)
        assert market.night(runner).success
        assert market.seen(item) is None
        assert market.on_sale(other) == (3, 1)
        market.erp.store.force("Item", market.code(item), disabled=0, end_of_life=None, is_sales_item=1)
        assert market.night(runner).success
        assert market.on_sale(item) == (12, 9)

    def test_a_disabled_item_is_not_exported_at_all(self, market: Market, runner: Runner) -> None:
        item = market.offer(price=12, stock=9)
        market.erp.store.force("Item", market.code(item), disabled=1)
        run = market.night(runner)
        assert run.success
        assert not market.catalogue.row(item)["medusa_id"]
        assert run.metadata("medusa_products")["not_for_sale"] == 1

    def test_a_template_is_not_sold_and_its_variants_fall_back_to_it(self, market: Market, runner: Runner) -> None:
        template, (small, large) = market.template("S", "L")
        for item in (small, large):
            market.erp.store.book(market.code(item), market.places["Shop"], 5)
        market.erp.store.force("Website Item", large, website_warehouse=None)
        market.price(small, 4.5)
        market.old_price_of_template(template, large, 4.25)
        assert market.night(runner).success
        assert market.seen(template) is None
        assert market.on_sale(small) == (4.5, 5)
        assert market.on_sale(large) == (4.25, 5)

    # --- how many ---------------------------------------------------------------------------------------------

    def test_a_service_is_never_sold_out(self, market: Market, runner: Runner) -> None:
        item = market.offer(price=10, item={"is_stock_item": 0}, website_warehouse=None)
        assert market.night(runner).success
        assert market.on_sale(item) == (10, None)
        assert market.can_buy(item, 1000)
        assert market.catalogue.row(item)["custom_in_stock"] == 1

    @pytest.mark.long
    def test_an_item_that_is_stocked_no_longer_and_again_keeps_its_inventory_item(
        self, market: Market, runner: Runner
    ) -> None:
        item = market.offer(price=10, stock=4)
        assert market.night(runner).success
        for is_stock_item, shown in ((0, (10, None)), (1, (10, 4))):
            market.erp.store.force("Item", market.code(item), is_stock_item=is_stock_item)
            assert market.night(runner).success
            assert market.on_sale(item) == shown
        skus = {"sku": market.code(item)}
        assert len(market.medusa.admin("GET", "/admin/inventory-items", params=skus)["inventory_items"]) == 1

    def test_expired_stock_is_not_for_sale(self, market: Market, runner: Runner) -> None:
        gone = market.offer(price=8, item={"has_batch_no": 1, "has_expiry_date": 1})
        partly = market.offer(price=8, item={"has_batch_no": 1, "has_expiry_date": 1})
        market.receive(gone, 5, expires_in=-1)
        market.receive(partly, 5, expires_in=-1)
        market.receive(partly, 3, expires_in=0)
        assert market.night(runner).success
        assert market.on_sale(gone) == (8, 0)
        assert not market.can_buy(gone)
        assert market.catalogue.row(gone)["custom_in_stock"] == 0
        assert market.on_sale(partly) == (8, 3)

    def test_what_an_order_from_elsewhere_reserves_is_not_for_sale(self, market: Market, runner: Runner) -> None:
        item = market.offer(price=5, stock=30)
        market.order(item, 29)
        assert market.night(runner).success
        assert market.on_sale(item) == (5, 1)
        assert market.can_buy(item, 1)
        assert not market.can_buy(item, 2)

    def test_what_medusa_has_reserved_is_subtracted_once(self, market: Market, runner: Runner) -> None:
        item = market.offer(price=5, stock=30)
        assert market.night(runner).success
        market.reserve(item, 29)
        market.order(item, 29, medusa_order_id="order_1")
        assert market.night(runner).success
        assert market.on_sale(item) == (5, 1)
        assert market.catalogue.row(item)["custom_in_stock"] == 1

    @pytest.mark.long
    def test_an_order_from_medusa_is_known_where_a_site_does_not_list_it(self, market: Market, runner: Runner) -> None:
        """A rule of the site's own hides Sales Orders from lists, and this one fails besides."""
        error = {"exc_type": "OperationalError", "exception": "OperationalError: (1054, \"Unknown column 'company'\")"}
        market.erp.faults.add(
            Fault("status", method="GET", path=r"^/api/resource/Sales%20Order\?", status=500, json=error)
        )
        item, other = market.offer(price=5, stock=30), market.offer(price=5, stock=30)
        assert market.night(runner).success
        market.reserve(item, 29)
        market.order(item, 29, medusa_order_id="order_3")
        market.order(other, 29)
        assert market.night(runner).success
        market.erp.faults.heal()
        assert (market.on_sale(item), market.on_sale(other)) == ((5, 1), (5, 1))

    def test_an_order_that_medusa_has_shipped_stays_subtracted_until_erpnext_delivers(
        self, market: Market, runner: Runner
    ) -> None:
        item = market.offer(price=5, stock=30)
        market.order(item, 29, medusa_order_id="order_2")
        assert market.night(runner).success
        assert market.on_sale(item) == (5, 1)

    def test_goods_are_sold_from_open_warehouses_only(self, market: Market, runner: Runner) -> None:
        item = market.offer(price=5, website_warehouse=market.places["All"])
        for place in ("Shop", "Rejected", "Transit"):
            market.erp.store.book(market.code(item), market.places[place], 4)
        assert market.night(runner).success
        assert market.on_sale(item) == (5, 4)

    def test_safety_stock_is_kept_back(self, market: Market, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SAFETY_STOCK", "2")
        item, own = market.offer(price=5, stock=10), market.offer(price=5, stock=10, item={"safety_stock": 7})
        assert market.night(runner).success
        assert (market.on_sale(item), market.on_sale(own)) == ((5, 8), (5, 3))

    def test_the_frappe_jobs_quantity_is_a_setting(
        self, market: Market, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STOCK_QUANTITY", "actual")
        item = market.offer(price=5, stock=30)
        market.order(item, 29)
        assert market.night(runner).success
        assert market.on_sale(item) == (5, 30)

    @pytest.mark.long
    def test_a_bundle_sells_what_its_parts_allow(self, market: Market, runner: Runner) -> None:
        first, second = market.offer(price=10, stock=10), market.offer(price=4, stock=7)
        bundle = market.bundle({first: 2, second: 1}, price=30)
        assert market.night(runner).success
        # Its parts are in Medusa now, whichever was exported first.
        assert market.night(runner).success
        assert market.on_sale(bundle) == (30, 5)
        assert market.can_buy(bundle, 5)
        assert not market.can_buy(bundle, 6)
        market.reserve(first, 6)
        assert market.on_sale(bundle) == (30, 2), "an order for a part is seen by the bundle at once"
        market.forget()
        assert market.night(runner).success
        assert market.writes() == []

    def test_a_bundle_whose_item_is_renamed_keeps_its_parts(self, market: Market, runner: Runner) -> None:
        """The Product Bundle keeps its name, the Item's old code."""
        part = market.offer(price=4, stock=7)
        bundle = market.bundle({part: 2}, price=30)
        market.erp.store.rename_item(market.code(bundle), f"RENAMED-{market.catalogue.tag}")
        for _ in range(2):
            assert market.night(runner).success
        assert market.on_sale(bundle) == (30, 3)

    @pytest.mark.long
    def test_a_part_whose_own_bundle_is_not_in_use_is_a_service(self, market: Market, runner: Runner) -> None:
        part = market.offer(price=4, stock=7)
        service = market.bundle({part: 1}, price=2)
        item = market.offer(price=9, item={"is_stock_item": 0})
        outer = market.code(item)
        market.erp.store.force("Product Bundle", market.code(service), disabled=1)
        rows = [{"item_code": market.code(part), "qty": 1}, {"item_code": market.code(service), "qty": 1}]
        market.erp.store.insert("Product Bundle", name=outer, new_item_code=outer, items=rows)
        for _ in range(2):
            assert market.night(runner).success
        assert market.on_sale(item) == (9, 7)

    @pytest.mark.long
    def test_a_bundle_of_parts_that_are_not_in_the_shop_has_the_number_that_erpnext_has(
        self, market: Market, runner: Runner
    ) -> None:
        part, other = market.offer(price=1, stock=9, published=0), market.offer(price=1, stock=40)
        bundle = market.bundle({part: 2, other: 1}, price=30)
        assert market.night(runner).success
        assert market.on_sale(bundle) == (30, 4)
        market.erp.store.set("Website Item", part, published=1)
        for _ in range(2):
            assert market.night(runner).success
        market.reserve(part, 3)
        assert market.on_sale(bundle) == (30, 3), "its part is in Medusa now"

    @pytest.mark.long
    def test_a_bundle_with_a_part_that_is_not_sold_any_more_is_sold_out_and_reported(
        self, market: Market, runner: Runner
    ) -> None:
        part, other = market.offer(price=1, stock=9), market.offer(price=1, stock=40)
        bundle = market.bundle({part: 1, other: 1}, price=30)
        for _ in range(2):
            assert market.night(runner).success
        assert market.on_sale(bundle) == (30, 9)
        market.erp.store.force("Item", market.code(part), disabled=1)
        run = market.night(runner)
        assert run.success
        assert market.on_sale(bundle) == (30, 0)
        reasons = [reject["reason"] for reject in run.rejects("medusa_stock")]
        assert reasons == [f"the bundle cannot be sold: its part {market.code(part)} is disabled"]
        market.erp.store.force("Item", market.code(part), disabled=0)
        assert market.night(runner).success
        assert market.on_sale(bundle) == (30, 9)

    # --- at what price ----------------------------------------------------------------------------------------

    def test_a_price_for_another_unit_is_no_price_and_is_reported(self, market: Market, runner: Runner) -> None:
        item = market.offer(stock=40)
        price = market.price(item, 100, uom="Box")
        run = market.night(runner)
        assert run.success
        assert market.on_sale(item) == (None, 40)
        (reject,) = run.rejects("medusa_prices")
        assert reject["document"] == f"Item Price {price}"
        assert "has no price for that unit: there is one per Box" in reject["reason"]

    # --- how it reads -----------------------------------------------------------------------------------------

    def test_names_read_as_they_were_typed(self, market: Market, runner: Runner) -> None:
        item = market.offer(price=1, stock=1)
        market.erp.store.force("Website Item", item, web_item_name=" Luer &lt;Slip&gt; &amp; Lock ")
        assert market.night(runner).success
        offer = market.seen(item)
        assert offer is not None
        assert offer.title == "Luer <Slip> & Lock"

    def test_promotions_apply_to_what_is_exported(self, market: Market, runner: Runner) -> None:
        item = market.offer(price=1, stock=1)
        assert market.night(runner).success
        path = f"/admin/products/{market.catalogue.row(item)['medusa_id']}"
        assert market.medusa.admin("GET", path, params={"fields": "discountable"})["product"]["discountable"] is True


@pytest.fixture
def catalogue(erp: AnyErp) -> Catalogue:
    return Catalogue(erp.store)


@pytest.fixture
def market(catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer) -> Iterator[Market]:
    market = Market(catalogue, erp, medusa)
    yield market
    market.delete_lists()
