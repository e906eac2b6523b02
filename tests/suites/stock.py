"""Stock over real sockets: what a customer can buy, what both servers hold, and what it cost."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_sandbox.faults import Fault, SeenRequest
from tests.support.catalogue import Catalogue
from tests.support.plain_runs import quick_runner
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import erp_writes, medusa_writes

EXPORT = "export_items_and_images_custom"
JOB = "update_webitem_stock"
LEVELS_ROUTE = r"/admin/inventory-items/location-levels/batch"
VARIANT_FIELDS = "id,product_id,sku,inventory_items.inventory_item_id,inventory_items.inventory.location_levels.*"
TREE = (("All", None), ("Muscat", "All"), ("Main", "Muscat"), ("Transit", "Muscat"), ("Sohar", "All"))


class StockedShop:
    """A catalogue of a test's own with warehouses and Bins, and both ends of the sync to look at."""

    def __init__(self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer) -> None:
        self.catalogue = catalogue
        self.erp = erp
        self.medusa = medusa
        self.group = catalogue.group("Stocked")
        bounds = {"All": (1, 10), "Muscat": (2, 7), "Main": (3, 4), "Transit": (5, 6), "Sohar": (8, 9)}
        self.places: dict[str | None, str | None] = {None: None}
        for label, parent in TREE:
            (lft, rgt), name = bounds[label], f"{label} (live tests)"
            self.places[label] = erp.store.insert(
                "Warehouse", name=name, warehouse_name=name, parent_warehouse=self.places[parent], lft=lft, rgt=rgt,
                is_group=int(label in ("All", "Muscat")),
            )  # fmt: skip
        # Can be divided.
        erp.store.insert("UOM", name="Kg", uom_name="Kg")

    def item(self, warehouse: str | None = "All", bins: Mapping[str, float] | None = None, **fields: Any) -> str:
        """A Website Item sold from a warehouse, with so much in some."""
        values = {"website_warehouse": self.places[warehouse], "stock_uom": "Kg", **fields}
        name = self.catalogue.item(self.group, **values)
        for place, quantity in (bins or {}).items():
            self.bin(name, place, quantity)
        return name

    def bin(self, item: str, warehouse: str, quantity: float) -> None:
        """Set the item's quantity in a warehouse."""
        place = self.places[warehouse]
        assert place
        self.erp.store.book(self.catalogue.row(item)["item_code"], place, quantity)

    def delete_bins(self, item: str) -> None:
        """Lose what the ERP knows of the item's stock."""
        for row in self.erp.store.rows("Bin", item_code=self.catalogue.row(item)["item_code"]):
            self.erp.store.delete("Bin", row["name"])

    def variant(self, item: str) -> dict[str, Any]:
        query = {"id": self.catalogue.row(item)["medusa_variant_id"], "fields": VARIANT_FIELDS}
        (found,) = self.medusa.admin("GET", "/admin/product-variants", params=query)["variants"]
        return found

    def levels(self, item: str) -> dict[str, float]:
        """Stocked quantity by location."""
        links = self.variant(item)["inventory_items"]
        rows = links[0]["inventory"]["location_levels"] if links else []
        return {row["location_id"]: row["stocked_quantity"] for row in rows}

    def stocked(self, item: str) -> float | None:
        """Stocked quantity at the shop's own location; None without a level."""
        return self.levels(item).get(self.medusa.stock_location_id)

    def link(self, item: str, sku: str) -> str:
        """Give the variant a further inventory item, as staff do, and return its id."""
        variant = self.variant(item)
        made = self.medusa.admin("POST", "/admin/inventory-items", json={"sku": sku})["inventory_item"]["id"]
        path = f"/admin/products/{variant['product_id']}/variants/{variant['id']}/inventory-items"
        self.medusa.admin("POST", path, json={"inventory_item_id": made, "required_quantity": 1})
        return made

    def unlink(self, item: str, inventory_item_id: str) -> None:
        """Unlink an inventory item from the variant; the inventory item remains."""
        variant = self.variant(item)
        path = f"/admin/products/{variant['product_id']}/variants/{variant['id']}/inventory-items"
        self.medusa.admin("DELETE", f"{path}/{inventory_item_id}")

    def held_by(self, inventory_item_id: str) -> dict[str, float]:
        """Stocked quantity by location of an inventory item, whoever it belongs to."""
        path = f"/admin/inventory-items/{inventory_item_id}"
        rows = self.medusa.admin("GET", path)["inventory_item"]["location_levels"]
        return {row["location_id"]: row["stocked_quantity"] for row in rows}

    def reserve(self, item: str, quantity: int) -> None:
        """An order in Medusa that has not been shipped."""
        body = {
            "inventory_item_id": self.variant(item)["inventory_items"][0]["inventory_item_id"],
            "location_id": self.medusa.stock_location_id,
            "quantity": quantity,
        }
        self.medusa.admin("POST", "/admin/reservations", json=body)

    def buy(self, item: str, quantity: int) -> int:
        """Return the status of adding this many to a cart."""
        region = {"region_id": self.medusa.region_id}
        cart = self.medusa.store("POST", "/store/carts", json=region).json()["cart"]["id"]
        line = {"variant_id": self.catalogue.row(item)["medusa_variant_id"], "quantity": quantity}
        return self.medusa.store("POST", f"/store/carts/{cart}/line-items", json=line).status_code

    def give_price(self, item: str) -> None:
        """A base price, so that the item can be bought whatever the price sync does."""
        variant = self.variant(item)
        body = {"prices": [{"currency_code": "omr", "amount": 1.5}]}
        self.medusa.admin("POST", f"/admin/products/{variant['product_id']}/variants/{variant['id']}", json=body)

    def flag(self, item: str) -> int:
        return int(self.catalogue.row(item)["custom_in_stock"] or 0)

    def forget(self) -> None:
        self.erp.faults.forget_requests()
        self.medusa.faults.forget_requests()

    def writes(self) -> list[SeenRequest]:
        """Requests to either server that changed something."""
        return [*medusa_writes(self.medusa), *erp_writes(self.erp)]


def started(runner: Runner, **config: Any) -> JobRun:
    """The nightly job for the only batch."""
    run_config = {"ops": {"medusa_stock": {"config": config}}} if config else None
    return runner.job(JOB, "batch_0", run_config=run_config)


class StockSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_a_cart_takes_what_there_is_and_no_more(self, shop: StockedShop, runner: Runner) -> None:
        item, sold_out = shop.item(bins={"Main": 3, "Sohar": 4}), shop.item(bins={"Main": 0})
        assert runner.job(EXPORT, "batch_0").success
        for each in (item, sold_out):
            shop.give_price(each)
        assert shop.buy(item, 7) == 200
        assert shop.buy(item, 8) == 400
        assert shop.buy(sold_out, 1) == 400

    def test_stock_is_what_lies_below_the_warehouse(self, shop: StockedShop, runner: Runner) -> None:
        bins = {"Main": 5, "Transit": 2, "Sohar": 40}
        everywhere, muscat, main, nowhere = (shop.item(place, bins) for place in ("All", "Muscat", "Main", None))
        empty = shop.item("Sohar", {"Main": 9})
        assert runner.job(EXPORT, "batch_0").success
        assert [shop.stocked(item) for item in (everywhere, muscat, main, nowhere, empty)] == [47, 7, 5, None, 0]
        assert [shop.flag(item) for item in (everywhere, muscat, main, nowhere, empty)] == [1, 1, 1, 0, 0]

    def test_a_second_run_writes_nothing(self, shop: StockedShop, runner: Runner) -> None:
        for number in range(15):
            shop.item(bins={"Main": number - 2.5, "Sohar": 1})
        assert runner.job(EXPORT, "batch_0").success
        shop.forget()
        again = started(runner)
        assert again.success
        assert shop.writes() == []
        assert again.metadata("medusa_stock")["unchanged"] == 15
        asked = [seen.path for seen in shop.medusa.faults.requests]
        assert asked.count("/admin/inventory-items") == 1
        assert "/admin/product-variants" not in asked

    def test_only_levels_and_flags_that_differ_are_written(self, shop: StockedShop, runner: Runner) -> None:
        items = [shop.item(bins={"Main": 5}) for _ in range(10)]
        assert runner.job(EXPORT, "batch_0").success
        shop.bin(items[0], "Main", 8)
        shop.bin(items[1], "Main", 0)
        run = started(runner)
        assert run.success
        numbers = run.metadata("medusa_stock")
        assert (numbers["updated"], numbers["unchanged"], numbers["flags_written"]) == (2, 8, 1)
        assert [shop.stocked(item) for item in items[:3]] == [8, 0, 5]
        assert [shop.flag(item) for item in items[:3]] == [1, 0, 1]

    def test_odd_quantities_are_made_sellable_and_counted(self, shop: StockedShop, runner: Runner) -> None:
        negative = shop.item(bins={"Main": -3})
        fraction = shop.item(bins={"Main": 12.5})
        tenths = shop.item(bins={"Main": 0.1 + 0.2, "Transit": 2.7})
        crumb = shop.item(bins={"Main": 0.5})
        run = runner.job(EXPORT, "batch_0")
        assert run.success
        assert [shop.stocked(item) for item in (negative, fraction, tenths, crumb)] == [0, 12, 3, 0]
        assert [shop.flag(item) for item in (negative, fraction, tenths, crumb)] == [0, 1, 1, 0]
        numbers = run.metadata("medusa_stock")
        assert (numbers["negative"], numbers["fractions"]) == (1, 2)

    def test_low_stock_is_listed(self, shop: StockedShop, runner: Runner) -> None:
        low = shop.item(bins={"Main": 3}, custom_threshold_qty=3)
        shop.item(bins={"Main": 4}, custom_threshold_qty=3)
        shop.item(bins={"Main": 0}, custom_threshold_qty=3)
        metadata = runner.job(EXPORT, "batch_0").metadata("medusa_stock")
        assert metadata["low_stock"] == 1
        (record,) = metadata["low_stock_items"].records
        assert (record.data["website_item"], record.data["quantity"], record.data["threshold"]) == (low, 3, 3)

    def test_what_is_reserved_stays(self, shop: StockedShop, runner: Runner) -> None:
        item, other = shop.item(bins={"Main": 9}), shop.item(bins={"Main": 9})
        assert runner.job(EXPORT, "batch_0").success
        shop.reserve(item, 4)
        shop.bin(item, "Main", 2)
        run = started(runner)
        assert run.success
        assert shop.stocked(item) == 4
        assert shop.stocked(other) == 9
        assert run.metadata("medusa_stock")["raised_to_reserved"] == 1
        shop.forget()
        assert started(runner).success
        assert shop.writes() == []

    def test_an_erp_that_answers_no_bins_empties_no_shop(self, shop: StockedShop, runner: Runner) -> None:
        items = [shop.item(bins={"Main": 5}) for _ in range(6)]
        assert runner.job(EXPORT, "batch_0").success
        for item in items:
            shop.delete_bins(item)
        shop.forget()
        stopped = started(runner)
        assert not stopped.success
        assert stopped.failure("medusa_stock").metadata["permanent"].value is True
        assert "6 of 6" in stopped.failure("medusa_stock").description
        assert shop.writes() == []
        assert started(runner, allow_zero=True).success
        assert [shop.stocked(item) for item in items] == [0] * 6

    @pytest.mark.long
    def test_more_than_the_set_share_at_zero_stops_the_losses_and_not_the_restocks(
        self, shop: StockedShop, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("STOCK_ZERO_PERCENT", "40")
        runner = quick_runner()
        items = [shop.item(bins={"Main": 5}) for _ in range(24)]
        assert runner.job(EXPORT, "batch_0").success
        for item in items[:4]:
            shop.bin(item, "Main", 0)
        assert started(runner).success
        for item in items[4:15]:
            shop.bin(item, "Main", 0)
        shop.bin(items[0], "Main", 7)
        shop.bin(items[23], "Main", 9)
        stopped = started(runner)
        assert not stopped.success
        assert (
            "14 of 24 items in stock would be sold out, 3 of them lost" in stopped.failure("medusa_stock").description
        )
        assert [shop.stocked(item) for item in items] == [7, 0, 0, 0, *[5] * 19, 9]
        assert [shop.flag(item) for item in items] == [1, 0, 0, 0, *[1] * 20]

    def test_a_few_items_that_sell_out_are_no_mass_loss(self, shop: StockedShop, runner: Runner) -> None:
        items = [shop.item(bins={"Main": 5}) for _ in range(3)]
        assert runner.job(EXPORT, "batch_0").success
        for item in items[:2]:
            shop.bin(item, "Main", 0)
        assert started(runner).success
        assert [shop.stocked(item) for item in items] == [0, 0, 5]

    @pytest.mark.long
    def test_a_batch_that_sells_out_is_judged_over_the_whole_shop(
        self, shop: StockedShop, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("EXPORT_BATCHES", "2")
        runner = quick_runner()
        batches: dict[str, list[str]] = {"batch_0": [], "batch_1": []}
        for _ in range(12):
            item = shop.item(bins={"Main": 5})
            batches[batch_of_name(item, 2)].append(item)
        assert all(runner.job(EXPORT, batch).success for batch in batches)
        fewer, more = sorted(batches, key=lambda batch: len(batches[batch]))
        for item in batches[fewer]:
            shop.bin(item, "Main", 0)
        assert runner.job(JOB, fewer).success
        assert [shop.stocked(item) for item in batches[fewer]] == [0] * len(batches[fewer])
        assert [shop.stocked(item) for item in batches[more]] == [5] * len(batches[more])

    def test_warehouses_count_for_their_own_locations(
        self, shop: StockedShop, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
    ) -> None:
        made = medusa.admin("POST", "/admin/stock-locations", json={"name": f"Sohar {shop.catalogue.tag}"})
        sohar = made["stock_location"]["id"]
        shop_env.setenv("WAREHOUSE_STOCK_LOCATIONS", json.dumps({shop.places["Sohar"]: sohar}))
        runner = quick_runner()
        both = shop.item("All", {"Main": 3, "Transit": 1, "Sohar": 5})
        muscat = shop.item("Muscat", {"Main": 3, "Sohar": 5})
        assert runner.job(EXPORT, "batch_0").success
        assert shop.levels(both) == {medusa.stock_location_id: 4, sohar: 5}
        assert shop.levels(muscat) == {medusa.stock_location_id: 3}

    def test_a_location_that_is_no_longer_used_sells_nothing_twice(
        self, shop: StockedShop, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
    ) -> None:
        """The stock has moved, so no brake holds. Locations that only staff know stay as they are."""
        made = [
            medusa.admin("POST", "/admin/stock-locations", json={"name": f"{name} {shop.catalogue.tag}"})
            for name in ("Old", "Own")
        ]
        old, own = (one["stock_location"]["id"] for one in made)
        shop_env.setenv("MEDUSA_STOCK_LOCATION_ID", old)
        items = [shop.item(bins={"Main": 5}) for _ in range(3)]
        told = quick_runner().job(EXPORT, "batch_0")
        assert told.success
        assert old in told.metadata("medusa_stock")["locations_not_sold_from"]
        for item in items:
            item_id = shop.variant(item)["inventory_items"][0]["inventory_item_id"]
            level = {"location_id": own, "stocked_quantity": 2}
            medusa.admin("POST", f"/admin/inventory-items/{item_id}/location-levels", json=level)
        shop_env.setenv("MEDUSA_STOCK_LOCATION_ID", medusa.stock_location_id)
        moved = started(quick_runner())
        assert moved.success
        assert old in moved.metadata("medusa_stock")["locations_no_longer_used"]
        assert [shop.levels(item) for item in items] == [{medusa.stock_location_id: 5, old: 0, own: 2}] * 3
        shop.forget()
        assert started(quick_runner()).success
        assert shop.writes() == []

    @pytest.mark.parametrize(
        ("mapping", "words"),
        [
            ('{"Sohar": "sloc_nowhere"}', "sloc_nowhere not found"),
            ('{"Salalah": "LOCATION"}', "there is no Warehouse Salalah"),
        ],
        ids=["location", "warehouse"],
    )
    @pytest.mark.long
    def test_a_wrong_mapping_is_an_error_before_anything_is_written(
        self, shop: StockedShop, medusa: MedusaServer, shop_env: pytest.MonkeyPatch, mapping: str, words: str
    ) -> None:
        item = shop.item(bins={"Main": 3})
        assert quick_runner().job(EXPORT, "batch_0").success
        shop.bin(item, "Main", 4)
        known = mapping.replace("LOCATION", medusa.stock_location_id).replace("Sohar", str(shop.places["Sohar"]))
        shop_env.setenv("WAREHOUSE_STOCK_LOCATIONS", known)
        run = started(quick_runner())
        assert not run.success
        assert words in run.failure_text("medusa_stock")
        assert shop.stocked(item) == 3

    @pytest.mark.long
    def test_an_unknown_warehouse_and_a_lost_variant_are_named(self, shop: StockedShop, runner: Runner) -> None:
        fine, unknown, lost = (shop.item(bins={"Main": 3}) for _ in range(3))
        assert runner.job(EXPORT, "batch_0").success
        shop.erp.store.force("Website Item", unknown, website_warehouse="Salalah")
        shop.erp.store.force("Website Item", lost, medusa_variant_id="variant_01ARZ3NDEKTSV4RRFFQ69G5FAV")
        shop.bin(fine, "Main", 6)
        run = started(runner)
        assert run.success
        rejects = {row["document"].removeprefix("Website Item "): row for row in run.rejects("medusa_stock")}
        assert {name: row["field"] for name, row in rejects.items()} == {
            unknown: "website_warehouse",
            lost: "medusa_variant_id",
        }
        assert shop.stocked(fine) == 6
        assert shop.stocked(unknown) == 3
        # What the reason of the variant says.
        assert runner.job(EXPORT, "batch_0").success
        assert shop.stocked(lost) == 3

    def test_a_missing_inventory_item_is_made_again(self, shop: StockedShop, runner: Runner) -> None:
        item, orphaned, other = (shop.item(bins={"Main": 3}) for _ in range(3))
        assert runner.job(EXPORT, "batch_0").success
        for each in (item, orphaned):
            gone = shop.variant(each)["inventory_items"][0]["inventory_item_id"]
            shop.medusa.admin("DELETE", f"/admin/inventory-items/{gone}")
        body = {"sku": shop.variant(orphaned)["sku"], "title": "left behind"}
        left = shop.medusa.admin("POST", "/admin/inventory-items", json=body)["inventory_item"]["id"]
        assert started(runner).success
        assert [shop.stocked(each) for each in (item, orphaned, other)] == [3, 3, 3]
        assert shop.variant(orphaned)["inventory_items"][0]["inventory_item_id"] == left

    def test_a_changed_item_code_does_not_lose_the_variant(self, shop: StockedShop, runner: Runner) -> None:
        item = shop.item(bins={"Main": 3})
        assert runner.job(EXPORT, "batch_0").success
        renamed = f"RENAMED-{shop.catalogue.tag}"
        shop.erp.store.rename_item(shop.catalogue.row(item)["item_code"], renamed)
        shop.bin(item, "Main", 8)
        assert started(runner).success
        assert shop.stocked(item) == 8

    def test_stock_follows_a_variant_to_the_inventory_item_that_staff_gave_it(
        self, shop: StockedShop, runner: Runner
    ) -> None:
        """Its own one is still there, under the sku that the sync looks for first."""
        item, neighbour = shop.item(bins={"Main": 3}), shop.item(bins={"Main": 4})
        assert runner.job(EXPORT, "batch_0").success
        before = shop.variant(item)["inventory_items"][0]["inventory_item_id"]
        shared = shop.link(item, sku=f"SHARED-{shop.catalogue.tag}")
        shop.unlink(item, before)
        shop.bin(item, "Main", 8)
        assert started(runner).success
        assert shop.variant(item)["inventory_items"][0]["inventory_item_id"] == shared
        assert [shop.stocked(item), shop.stocked(neighbour)] == [8, 4]
        assert shop.held_by(before) == {shop.medusa.stock_location_id: 3}

    def test_in_a_kit_the_inventory_item_with_the_sku_of_the_item_is_kept(
        self, shop: StockedShop, runner: Runner
    ) -> None:
        item = shop.item(bins={"Main": 3})
        assert runner.job(EXPORT, "batch_0").success
        own = shop.variant(item)["inventory_items"][0]["inventory_item_id"]
        box = shop.link(item, sku=f"BOX-{shop.catalogue.tag}")
        shop.bin(item, "Main", 8)
        assert started(runner).success
        assert (shop.held_by(own), shop.held_by(box)) == ({shop.medusa.stock_location_id: 8}, {})

    def test_a_lost_answer_is_looked_up(self, shop: StockedShop, runner: Runner) -> None:
        items = [shop.item(bins={"Main": 3}) for _ in range(5)]
        shop.medusa.faults.add(Fault("drop_after", method="POST", path=LEVELS_ROUTE, times=1))
        run = runner.job(EXPORT, "batch_0")
        assert run.success
        assert [shop.stocked(item) for item in items] == [3] * 5
        assert run.metadata("medusa_stock")["written"] == 5

    def test_a_level_made_by_hand_meanwhile_is_updated(self, shop: StockedShop, runner: Runner) -> None:
        """The bulk route has no "create or update": changes between reading and writing are handled."""
        items = [shop.item(bins={"Main": 3}) for _ in range(4)]
        shop.medusa.faults.add(Fault("status", method="POST", path=LEVELS_ROUTE, status=503))
        assert not runner.job(EXPORT, "batch_0").success
        shop.medusa.faults.heal()
        refused = {"type": "invalid_data", "message": "Inventory level with x, already exists."}
        item_id = shop.variant(items[1])["inventory_items"][0]["inventory_item_id"]
        level = {"location_id": shop.medusa.stock_location_id, "stocked_quantity": 1}
        shop.medusa.faults.add(Fault("status", method="POST", path=LEVELS_ROUTE, status=400, json=refused, times=1))
        shop.medusa.admin("POST", f"/admin/inventory-items/{item_id}/location-levels", json=level)
        run = started(runner)
        assert run.success
        assert [shop.stocked(item) for item in items] == [3] * 4


@pytest.fixture
def catalogue(erp: AnyErp) -> Catalogue:
    return Catalogue(erp.store)


@pytest.fixture
def shop(catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer) -> Iterator[StockedShop]:
    """A shop with stock."""
    yield StockedShop(catalogue, erp, medusa)
    medusa.faults.heal()
