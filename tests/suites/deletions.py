"""What becomes of products whose items are not for sale any more, with WITHDRAWN_ITEMS=delete. On any Medusa."""

from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.variants import PARTS, Shop
from tests.support.runs import JobRun
from tests.support.writes import erp_writes, medusa_writes

MEANT = {"config": {"allow_hiding": True}}


@pytest.fixture
def on(shop_env: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What is withdrawn is deleted, as soon as it is hidden; orphans of other tests are left alone."""
    shop_env.setenv("WITHDRAWN_ITEMS", "delete")
    shop_env.setenv("WITHDRAWN_DAYS", "0")
    shop_env.setenv("ORPHANED_PRODUCTS", "report")
    shop_env.setenv("EXPORT_BATCHES", "1")
    return shop_env


def tried(shop: Shop) -> JobRun:
    return shop.runner.asset("orphaned_products", run_config={"ops": {"orphaned_products": MEANT}})


def delete(shop: Shop) -> dict[str, Any]:
    run = tried(shop)
    assert run.success, run.reasons()
    return run.metadata("orphaned_products")


def hide(shop: Shop) -> None:
    run = shop.runner.assets(PARTS, "batch_0", run_config={"ops": {"medusa_product_updates": MEANT}})
    assert run.success, run.reasons()


def sell(shop: Shop, title: str, rate: float = 4.5) -> str:
    name = shop.stocked.item("Main", {"Main": 5}, stock_uom="Nos", web_item_name=f"{title} {shop.catalogue.tag}")
    shop.priced.price(name, rate)
    return name


def there(shop: Shop, product_id: str) -> bool:
    asked = {"id": product_id, "fields": "id"}
    return bool(shop.medusa.admin("GET", "/admin/products", params=asked)["products"])


def priced(shop: Shop) -> set[str]:
    """Return the variants that have a price in any list."""
    asked = {"limit": 1000, "fields": "id,price_set.variant.id"}
    entries = (
        entry
        for kept in shop.priced.lists()
        for entry in shop.medusa.admin("GET", f"/admin/price-lists/{kept['id']}/prices", params=asked)["prices"]
    )
    return {entry["price_set"]["variant"]["id"] for entry in entries}


class DeletionsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.mark.long
    def test_what_is_withdrawn_is_deleted_with_all_that_it_had_and_comes_back_anew(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        catalogue, medusa = shop.catalogue, shop.medusa
        unpublished, trashed, _stays = names = [sell(shop, title) for title in ("Gone", "Trashed", "Stays")]
        shop.night()
        ids = {name: catalogue.row(name)["medusa_id"] for name in names}
        codes = {name: catalogue.row(name)["item_code"] for name in names}
        variants = {catalogue.row(name)["medusa_variant_id"] for name in (unpublished, trashed)}
        assert variants <= priced(shop)
        catalogue.store.set("Website Item", unpublished, published=0)
        catalogue.store.trash("Website Item", trashed)
        on.setenv("WITHDRAWN_DAYS", "30")
        hide(shop)
        assert "deleted" not in delete(shop)
        assert [there(shop, one) for one in ids.values()] == [True, True, True], "hidden, not yet deleted"
        on.setenv("WITHDRAWN_DAYS", "0")
        assert delete(shop)["deleted"] >= 2
        assert [there(shop, one) for one in ids.values()] == [False, False, True]
        row = catalogue.row(unpublished)
        assert (row["medusa_id"] or "", row["medusa_variant_id"] or "") == ("", "")
        items = medusa.admin("GET", "/admin/inventory-items", params={"fields": "id,sku", "limit": 1000})
        skus = {one["sku"] for one in items["inventory_items"]}
        assert [codes[name] in skus for name in names] == [False, False, True]
        assert not variants & priced(shop)
        shop.writes_nothing()
        medusa.faults.forget_requests()
        delete(shop)
        assert [(seen.method, seen.path) for seen in (*medusa_writes(medusa), *erp_writes(shop.erp))] == []
        catalogue.store.set("Website Item", unpublished, published=1)
        shop.night()
        title = f"Gone {catalogue.tag}"
        assert shop.sold(title) == {"Default": (4.5, 5)}
        assert catalogue.row(unpublished)["medusa_id"] not in ("", None, ids[unpublished])
        shop.writes_nothing()

    @pytest.mark.long
    def test_what_an_order_needs_or_may_need_or_somebody_else_added_to_stays(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        catalogue, medusa = shop.catalogue, shop.medusa
        ordered, service, grown = (
            sell(shop, "Ordered"),
            catalogue.item(shop.group, item={"is_stock_item": 0}),
            sell(shop, "Grown"),
        )
        shop.night()
        rows = {name: catalogue.row(name) for name in (ordered, service, grown)}
        (item,) = medusa.admin("GET", "/admin/inventory-items", params={"sku": rows[ordered]["item_code"]})[
            "inventory_items"
        ]
        held = {"inventory_item_id": item["id"], "location_id": medusa.stock_location_id, "quantity": 2}
        reservation = medusa.admin("POST", "/admin/reservations", json=held)["reservation"]["id"]
        product = rows[grown]["medusa_id"]
        more = {"title": "By hand", "sku": f"hand-{catalogue.tag}", "prices": [], "options": {"Default": "By hand"}}
        options = medusa.admin("GET", f"/admin/products/{product}", params={"fields": "options.id"})["product"][
            "options"
        ]
        added = {"update": [{"product_option_id": options[0]["id"], "add": [{"value": "By hand"}]}]}
        medusa.admin("POST", f"/admin/products/{product}/options/batch", json=added)
        medusa.admin("POST", f"/admin/products/{product}/variants", json=more)
        for name in rows:
            catalogue.store.set("Website Item", name, published=0)
        hide(shop)
        told = delete(shop)
        assert told["kept_for_orders"] >= 2
        assert [there(shop, row["medusa_id"]) for row in rows.values()] == [True, True, True]
        assert catalogue.row(ordered)["medusa_id"] == rows[ordered]["medusa_id"]
        medusa.admin("DELETE", f"/admin/reservations/{reservation}")
        delete(shop)
        assert [there(shop, row["medusa_id"]) for row in rows.values()] == [False, True, True]

    def test_a_run_that_ends_between_the_servers_is_finished_by_the_next(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        catalogue, medusa = shop.catalogue, shop.medusa
        lost, back = sell(shop, "Lost"), sell(shop, "Back")
        shop.night()
        ids = {name: catalogue.row(name)["medusa_id"] for name in (lost, back)}
        for name in ids:
            catalogue.store.set("Website Item", name, published=0)
        hide(shop)
        medusa.faults.add(Fault("status", method="POST", path="/admin/products/batch", status=503))
        assert not tried(shop).success
        medusa.faults.heal()
        assert [catalogue.row(name)["medusa_id"] or "" for name in ids] == ["", ""]
        catalogue.store.set("Website Item", back, published=1)
        shop.night()
        assert catalogue.row(back)["medusa_id"] == ids[back], "it is taken up again"
        assert shop.sold(f"Back {catalogue.tag}") == {"Default": (4.5, 5)}
        delete(shop)
        assert [there(shop, one) for one in ids.values()] == [False, True]

    @pytest.mark.long
    def test_a_product_with_options_goes_when_none_of_its_variants_is_for_sale(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        on.setenv("VARIANTS", "options")
        blue, red = shop.variant("S", "Blue"), shop.variant("M", "Red")
        shop.night()
        product = shop.product()["id"]
        shop.catalogue.store.set("Website Item", blue, published=0)
        hide(shop)
        delete(shop)
        assert set(shop.sold()) == {"M / Red"}
        shop.catalogue.store.set("Website Item", red, published=0)
        hide(shop)
        delete(shop)
        assert not there(shop, product)
        assert not shop.catalogue.row(shop.template)["medusa_id"]
        for name in (blue, red):
            shop.catalogue.store.set("Website Item", name, published=1)
        shop.night()
        assert shop.sold() == {"S / Blue": (4.5, 5), "M / Red": (4.5, 5)}
        shop.writes_nothing()
