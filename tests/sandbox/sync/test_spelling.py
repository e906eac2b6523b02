"""Links that an import left in another spelling: ERPNext's database takes them for the same name, and so must a run."""

from typing import Any

import pytest

from tests.suites.for_sale import Market, catalogue, market
from tests.support.runs import Runner

__all__ = ["catalogue", "market"]

LINKS = [
    ("Website Item", "item_code"),
    ("Website Item", "item_group"),
    ("Website Item", "website_warehouse"),
    ("Website Item", "variant_of"),
    ("Item", "variant_of"),
    ("Item", "stock_uom"),
    ("Item", "country_of_origin"),
    ("Item Price", "item_code"),
    ("Item Price", "uom"),
    ("Item Price", "price_list"),
    ("Item Price", "currency"),
    ("Item Barcode", "parent"),
    ("Bin", "item_code"),
    ("Bin", "warehouse"),
    ("Batch", "item"),
    ("Serial and Batch Entry", "batch_no"),
    ("Serial and Batch Entry", "warehouse"),
    ("Sales Order Item", "item_code"),
    ("Sales Order Item", "warehouse"),
    ("Packed Item", "item_code"),
    ("Packed Item", "parent_item"),
    ("Product Bundle", "new_item_code"),
    ("Product Bundle Item", "item_code"),
    ("Product Bundle Item", "parent"),
]
FIELDS = (
    "external_id,collection.title,origin_country,metadata,variants.barcode,variants.inventory_items.required_quantity"
)


class Shop:
    """One item of each kind, and what a customer and Medusa's admin see of all."""

    def __init__(self, market: Market) -> None:
        self.market, store = market, market.erp.store
        self.plain = market.offer(price=3, stock=30)
        place = {"parenttype": "Item", "parentfield": "barcodes", "idx": 1}
        store.insert("Item Barcode", name="bar-1", barcode="B-1", parent=market.code(self.plain), **place)
        expiring = market.offer(price=8, item={"has_batch_no": 1, "has_expiry_date": 1})
        market.receive(expiring, 5, expires_in=-1)
        market.receive(expiring, 3, expires_in=1)
        market.order(self.plain, 4)
        market.order(self.plain, 2, medusa_order_id="order_1")
        template, (small, large) = market.template("S", "L")
        for each in (small, large):
            store.book(market.code(each), market.places["Shop"], 5)
        store.force("Website Item", large, website_warehouse=None)
        market.price(small, 4.5)
        market.old_price_of_template(template, large, 4.25)
        parts = market.offer(price=1, stock=9), market.offer(price=1, stock=40)
        bundle = market.bundle({parts[0]: 2, parts[1]: 1}, price=30)
        # Another bundle of a part that Medusa does not have.
        computed = market.bundle({market.offer(price=1, stock=8, published=0): 2}, price=31)
        self.items = [self.plain, expiring, small, large, *parts, bundle, computed]

    def seen(self) -> list[Any]:
        """What stands in the shop."""
        found = self.market.medusa.admin("GET", "/admin/products", params={"fields": FIELDS, "limit": 100})["products"]
        behind = {product["external_id"]: product for product in found}
        return [
            (
                self.market.seen(item),
                (behind[item]["collection"] or {}).get("title", "").casefold(),
                behind[item]["origin_country"],
                [(one["barcode"], len(one["inventory_items"])) for one in behind[item]["variants"]],
                self.market.catalogue.row(item)["custom_in_stock"],
            )
            for item in self.items
        ]


@pytest.mark.parametrize(("doctype", "field"), LINKS, ids=" ".join)
@pytest.mark.long
def test_a_link_in_another_spelling_is_the_same_document(
    market: Market, runner: Runner, doctype: str, field: str
) -> None:
    market.catalogue.install_server_script()
    shop = Shop(market)
    for _ in range(2):
        assert market.night(runner).success
    before = shop.seen()
    for row in market.erp.store.rows(doctype):
        if row[field]:
            market.erp.store.force(doctype, row["name"], **{field: row[field].swapcase()})
    for _ in range(2):
        run = market.night(runner)
        assert run.success, run.reasons()
    assert shop.seen() == before
