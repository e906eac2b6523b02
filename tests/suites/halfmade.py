"""Products that lack a part are for sale again after the next night, whoever took it. On any Medusa.

Judged as a customer does: by a price in the shop, and by a cart that takes the item.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.export import BATCH_ROUTE, EXPORT, products
from tests.suites.prices import JOB as PRICES
from tests.suites.stock import JOB as STOCK
from tests.suites.stock import StockedShop
from tests.support.catalogue import Catalogue
from tests.support.damage import Damage
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import medusa_writes

IDS = ("medusa_id", "medusa_variant_id")
PRICE_SETS = "/admin/workflows-executions/upsert-variant-prices/run"


class SellingShop:
    """A catalogue with prices and stock, and what a customer sees of it."""

    def __init__(self, erp: AnyErp, medusa: MedusaServer, runner: Runner) -> None:
        self.catalogue = Catalogue(erp.store)
        self.medusa = medusa
        self.runner = runner
        self.priced = PricedShop(self.catalogue, erp, medusa)
        self.stocked = StockedShop(self.catalogue, erp, medusa)

    def item(self) -> str:
        """A Website Item with a price of 2.5 and a stock of 5."""
        name = self.priced.item(website_warehouse=self.stocked.places["Main"])
        self.priced.price(name, 2.5)
        self.stocked.bin(name, "Main", 5)
        return name

    def night(self) -> None:
        """Everything that a night does, in its order."""
        for run in (
            self.runner.assets(EXPORT, "batch_0"),
            self.runner.job(PRICES, "batch_0"),
            self.runner.job(STOCK, "batch_0"),
        ):
            assert run.success
            assert [(each.check_name, each.metadata) for each in run.checks() if not each.passed] == []

    def ids(self, name: str) -> tuple[str, str]:
        row = self.catalogue.row(name)
        return row["medusa_id"], row["medusa_variant_id"]

    def is_for_sale(self, name: str) -> bool:
        """Whether a customer sees the price and can put one into a cart."""
        _, variant_id = self.ids(name)
        cart = {"region_id": self.medusa.region_id, "sales_channel_id": self.medusa.sales_channel_id}
        made = self.medusa.store("POST", "/store/carts", json=cart).json()["cart"]["id"]
        line = {"variant_id": variant_id, "quantity": 1}
        taken = self.medusa.store("POST", f"/store/carts/{made}/line-items", json=line)
        return taken.ok and self.priced.shown(name) == 2.5


@pytest.fixture
def selling(erp: AnyErp, medusa: MedusaServer, runner: Runner) -> Iterator[SellingShop]:
    """A shop whose price lists are put out of the way afterwards."""
    shop = SellingShop(erp, medusa, runner)
    shop.priced.delete_lists()
    yield shop
    shop.priced.delete_lists()


class HalfMadeSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_half_made_products_without_ids_in_the_erp_are_adopted_whole(
        self, selling: SellingShop, medusa: MedusaServer, damage: Damage
    ) -> None:
        names = [selling.item() for _ in range(12)]
        assert selling.runner.assets(EXPORT, "batch_0").success
        before = {name: selling.ids(name) for name in names}
        for name in names:
            selling.catalogue.store.set("Website Item", name, **dict.fromkeys(IDS, ""))
            damage.price_set(before[name][1])
        for name in names[:6]:
            damage.channel(before[name][0])
            damage.profile(before[name][0])
        medusa.faults.forget_requests()
        selling.night()
        assert {name: selling.ids(name) for name in names} == before
        assert all(selling.is_for_sale(name) for name in names)
        # All of them in one call each: links, price sets.
        assert len([seen for seen in medusa_writes(medusa) if seen.path == PRICE_SETS]) == 1
        assert len([seen for seen in medusa_writes(medusa) if seen.path == BATCH_ROUTE]) <= 2

    @pytest.mark.long
    def test_one_that_medusa_does_not_mend_is_named_and_stops_no_other(
        self, selling: SellingShop, medusa: MedusaServer, damage: Damage
    ) -> None:
        good, bad = selling.item(), selling.item()
        selling.night()
        for name in (good, bad):
            damage.price_set(selling.ids(name)[1])
        refused = {"type": "invalid_data", "message": "Cannot create multiple links between 'product' and 'pricing'"}
        medusa.faults.add(
            Fault("status", method="POST", path=PRICE_SETS, body=selling.ids(bad)[1], status=400, json=refused)
        )
        run = selling.runner.asset("medusa_products", "batch_0")
        assert run.success
        (reject,) = run.rejects("medusa_products")
        assert bad in reject["document"]
        assert "Cannot create multiple links" in reject["reason"]
        assert "Delete this variant in Medusa: the next run creates it again" in reject["reason"]
        medusa.faults.heal()
        # What the reason says that staff can do.
        product_id, variant_id = selling.ids(bad)
        medusa.admin("DELETE", f"/admin/products/{product_id}/variants/{variant_id}")
        selling.night()
        assert selling.is_for_sale(good)
        assert selling.is_for_sale(bad)
        assert selling.ids(bad)[0] == product_id

    @pytest.mark.long
    def test_products_that_lost_a_part_are_for_sale_again_and_keep_their_ids(
        self, selling: SellingShop, medusa: MedusaServer, damage: Damage
    ) -> None:
        names = [selling.item() for _ in range(9)]
        no_set, no_link, no_stock, no_channel, no_profile, no_option, nor_this, no_variant, no_sku = names
        selling.night()
        assert all(selling.is_for_sale(name) for name in names)
        before = {name: selling.ids(name) for name in names}
        damage.price_set(before[no_set][1])
        damage.inventory_link(before[no_link][1])
        damage.inventory_item(before[no_stock][1])
        damage.channel(before[no_channel][0])
        damage.profile(before[no_profile][0])
        damage.options(before[no_option][0])
        damage.options(before[nor_this][0])
        medusa.admin("DELETE", f"/admin/products/{before[no_variant][0]}/variants/{before[no_variant][1]}")
        item_id = self._parts(medusa, [no_sku])[no_sku]["variants"][0]["inventory_items"][0]["inventory_item_id"]
        medusa.admin("POST", f"/admin/inventory-items/{item_id}", json={"sku": None})
        assert not any(selling.is_for_sale(name) for name in (no_set, no_link, no_stock, no_variant))
        selling.night()
        assert {name: selling.is_for_sale(name) for name in names} == dict.fromkeys(names, True)
        after = {name: selling.ids(name) for name in names}
        assert after[no_variant][0] == before[no_variant][0]
        assert {**after, no_variant: before[no_variant]} == before
        for name, product in self._parts(medusa, names).items():
            (variant,) = product["variants"]
            assert [one["id"] for one in product["sales_channels"]] == [medusa.sales_channel_id], name
            assert product["shipping_profile"]["id"], name
            assert [one["title"] for one in product["options"]] == ["Default"], name
            assert [one["value"] for one in variant["options"]] == ["Default"], name
            assert [one["inventory"]["sku"] for one in variant["inventory_items"]] == [variant["sku"]], name
        selling.priced.forget()
        selling.night()
        assert selling.priced.writes() == []

    @staticmethod
    def _parts(medusa: MedusaServer, names: list[str]) -> dict[str, dict[str, Any]]:
        assert sorted(products(medusa, names)) == sorted(names)
        fields = (
            "id,external_id,options.title,sales_channels.id,shipping_profile.id,variants.id,variants.sku,"
            "variants.options.value,variants.inventory_items.inventory_item_id,variants.inventory_items.inventory.sku"
        )
        query = [*(("external_id", name) for name in names), ("fields", fields), ("limit", 100)]
        found = medusa.admin("GET", "/admin/products", params=query)["products"]
        return {product["external_id"]: product for product in found}
