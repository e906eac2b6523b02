"""Variants as the options of one product, as a customer sees and buys them, and what changes do. On any Medusa."""

from collections.abc import Iterator
from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.shop.images import image
from tests.suites.export import EXPORT
from tests.suites.prices import PricedShop
from tests.suites.stock import StockedShop
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import erp_writes, medusa_writes

PARTS = [*EXPORT, "medusa_price_lists", "medusa_prices", "medusa_stock"]
ALLOWED = {"ops": {"medusa_product_updates": {"config": {"allow_hiding": True}}}}
STORE_FIELDS = (
    "id,title,handle,description,*options,*options.values,variants.id,variants.title,variants.sku,variants.barcode,"
    "*variants.options,*variants.calculated_price,+variants.inventory_quantity"
)


class Shop:
    """A template with sizes and colours, its variants with prices and stock."""

    def __init__(self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner) -> None:
        self.catalogue, self.erp, self.medusa, self.runner = catalogue, erp, medusa, runner
        self.store = catalogue.store
        self.priced = PricedShop(catalogue, erp, medusa)
        self.stocked = StockedShop(catalogue, erp, medusa)
        self.group = catalogue.group("Gloves")
        self.size = self.attribute("Size", "S", "M", "L", "XL")
        self.colour = self.attribute("Colour", "Red", "Blue")
        self.template = self.make_template("G")
        self.names: dict[str, str] = {}

    def attribute(self, label: str, *values: str, **fields: Any) -> str:
        """An Item Attribute, with its values in this order."""
        rows = [{"attribute_value": value, "abbr": value.upper()} for value in values]
        name = f"{label} {self.catalogue.tag}"
        return self.store.insert("Item Attribute", name=name, attribute_name=name, item_attribute_values=rows, **fields)

    def code(self, *parts: str) -> str:
        return "-".join((*parts, self.catalogue.tag))

    def make_template(self, label: str, *attributes: str) -> str:
        rows = [{"attribute": each} for each in attributes or (self.size, self.colour)]
        item = {"has_variants": 1, "attributes": rows}
        return self.catalogue.item(self.group, code=self.code(label), item=item, has_variants=1, web_item_name=label)

    def variant(self, *values: str, template: str | None = None, **fields: Any) -> str:
        """A variant with these values of the template's attributes, 5 pieces and the price 4.5."""
        home = self.catalogue.row(template or self.template)
        attributes = [row["attribute"] for row in self.rows(home["item_code"])]
        rows = [
            {"attribute": attribute, "attribute_value": value, "variant_of": home["item_code"]}
            for attribute, value in zip(attributes, values, strict=True)
        ]
        code = self.code(home["item_code"].rpartition("-")[0], *values)
        item = {"variant_of": home["item_code"], "attributes": rows, **fields.pop("item", {})}
        name = self.stocked.item(
            "Main", {"Main": 5}, stock_uom="Nos", code=code, item=item, variant_of=home["item_code"], **fields
        )
        self.priced.price(name, 4.5)
        self.names[" / ".join(values)] = name
        return name

    def rows(self, code: str) -> list[dict[str, Any]]:
        found = [row for row in self.store.rows("Item Variant Attribute", parent=code) if row["parenttype"] == "Item"]
        return sorted(found, key=lambda row: row["idx"])

    def give(self, name: str, attribute: str, value: str) -> None:
        """Give a variant another value."""
        (row,) = [row for row in self.rows(self.catalogue.row(name)["item_code"]) if row["attribute"] == attribute]
        self.store.force("Item Variant Attribute", row["name"], attribute_value=value)

    def night(self, *, allowed: bool = False) -> JobRun:
        run = self.runner.assets(PARTS, "batch_0", run_config=ALLOWED if allowed else None)
        assert run.success, run.reasons()
        return run

    def writes_nothing(self) -> None:
        self.medusa.faults.forget_requests()
        self.erp.faults.forget_requests()
        self.night()
        assert [(seen.method, seen.path) for seen in medusa_writes(self.medusa)] == []
        assert [(seen.method, seen.path) for seen in erp_writes(self.erp)] == []

    # --- as a customer sees it ------------------------------------------------------------------------------------

    def seen(self) -> dict[str, dict[str, Any]]:
        """Return this shop's products by title."""
        asked = {"region_id": self.medusa.region_id, "fields": STORE_FIELDS, "limit": 200, "q": self.catalogue.tag}
        answer = self.medusa.store("GET", "/store/products", params=asked)
        assert answer.status_code == 200, answer.text
        return {product["title"]: product for product in answer.json()["products"]}

    def product(self, title: str = "G") -> dict[str, Any]:
        return self.seen()[title]

    def sold(self, title: str = "G") -> dict[str, tuple[float | None, float]]:
        """Return price and pieces by the values of a product's variants."""
        found: dict[str, tuple[float | None, float]] = {}
        for variant in self.product(title)["variants"]:
            price = (variant["calculated_price"] or {}).get("calculated_amount")
            found[variant["title"]] = price, variant["inventory_quantity"]
        return found

    def ids(self, title: str = "G") -> dict[str, str]:
        return {variant["title"]: variant["id"] for variant in self.product(title)["variants"]}

    def options(self, title: str = "G") -> dict[str, list[str]]:
        """Return the values in the order that a storefront shows: by rank, which a single one need not have."""
        return {
            one["title"].removesuffix(f" {self.catalogue.tag}"): [
                value["value"] for value in sorted(one["values"], key=lambda value: value["rank"] or 0)
            ]
            for one in self.product(title)["options"]
        }

    def value_ids(self, title: str = "G") -> dict[str, str]:
        return {value["value"]: value["id"] for one in self.product(title)["options"] for value in one["values"]}

    def buy(self, variant_id: str, quantity: int = 1) -> int:
        """Put pieces into a new cart and return Medusa's status."""
        cart = self.medusa.store("POST", "/store/carts", json={"region_id": self.medusa.region_id}).json()["cart"]
        line = {"variant_id": variant_id, "quantity": quantity}
        return self.medusa.store("POST", f"/store/carts/{cart['id']}/line-items", json=line).status_code

    def inventory(self, name: str) -> list[str]:
        """Return the ids of the inventory items with the sku of an item."""
        asked = {"sku": self.catalogue.row(name)["item_code"], "fields": "id,sku"}
        return [
            row["id"] for row in self.medusa.admin("GET", "/admin/inventory-items", params=asked)["inventory_items"]
        ]


@pytest.fixture
def shop(catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner) -> Iterator[Shop]:
    made = Shop(catalogue, erp, medusa, runner)
    yield made
    made.priced.delete_lists()


@pytest.fixture
def on(shop_env: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Variants are options."""
    shop_env.setenv("VARIANTS", "options")
    shop_env.setenv("EXPORT_BATCHES", "1")
    return shop_env


class VariantsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.mark.long
    def test_a_customer_chooses_among_the_options_of_one_product_and_buys(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        large = shop.variant("L", "Red")
        shop.variant("S", "Blue")
        shop.variant("M", "Red")
        other = shop.catalogue.item(shop.group, web_item_name=f"Other {shop.catalogue.tag}")
        shop.night()
        assert set(shop.seen()) == {"G", f"Other {shop.catalogue.tag}"}
        assert shop.options() == {"Size": ["S", "M", "L"], "Colour": ["Red", "Blue"]}
        assert shop.sold() == {"L / Red": (4.5, 5), "S / Blue": (4.5, 5), "M / Red": (4.5, 5)}
        assert [shop.buy(shop.ids()["L / Red"], pieces) for pieces in (5, 6)] == [200, 400]
        row = shop.catalogue.row(large)
        assert (row["medusa_id"], row["medusa_variant_id"]) == (shop.product()["id"], shop.ids()["L / Red"])
        assert shop.catalogue.row(shop.template)["medusa_id"] == shop.product()["id"]
        assert shop.catalogue.row(other)["medusa_id"] not in ("", None, shop.product()["id"])
        shop.writes_nothing()

    @pytest.mark.long
    def test_new_variants_and_values_join_and_those_not_for_sale_leave(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        small, red = shop.variant("S", "Blue"), shop.variant("M", "Red")
        shop.night()
        before = shop.ids()
        shop.variant("XL", "Red", item={"barcodes": [{"barcode": f"629{shop.catalogue.tag}"}]})
        shop.store.set("Website Item", small, published=0)
        run = shop.night(allowed=True)
        assert run.metadata("medusa_product_updates")["variants_deleted"] == 1
        assert shop.sold() == {"M / Red": (4.5, 5), "XL / Red": (4.5, 5)}
        assert shop.ids()["M / Red"] == before["M / Red"]
        assert {one["sku"]: one["barcode"] for one in shop.product()["variants"]} == {
            shop.catalogue.row(red)["item_code"]: None, shop.code("G", "XL", "Red"): f"629{shop.catalogue.tag}",
        }  # fmt: skip
        shop.writes_nothing()
        for name in (red, shop.names["XL / Red"]):
            shop.store.set("Website Item", name, published=0)
        shop.night(allowed=True)
        assert shop.seen() == {}, "nothing of it is for sale"
        for name in (small, red, shop.names["XL / Red"]):
            shop.store.set("Website Item", name, published=1)
        shop.night()
        assert set(shop.sold()) == {"S / Blue", "M / Red", "XL / Red"}
        assert set(shop.sold().values()) == {(4.5, 5.0)}

    @pytest.mark.long
    def test_values_follow_erpnexts_order_and_those_that_no_variant_has_leave(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        large, blue = shop.variant("L", "Red"), shop.variant("XL", "Blue")
        shop.night()
        shop.variant("S", "Red")
        ids = shop.value_ids()
        shop.night()
        assert shop.options() == {"Size": ["S", "L", "XL"], "Colour": ["Red", "Blue"]}
        shop.writes_nothing()
        rows = sorted(shop.store.rows("Item Attribute Value", parent=shop.size), key=lambda row: row["idx"])
        for number, row in enumerate(reversed(rows)):
            shop.store.force("Item Attribute Value", row["name"], idx=number + 1)
        shop.store.set("Website Item", blue, published=0)
        shop.night(allowed=True)
        assert shop.options()["Colour"] == ["Red", "Blue"], "as ever without the setting"
        on.setenv("UNUSED_OPTION_VALUES", "remove")
        shop.give(large, shop.size, "M")
        shop.variant("L", "Blue")
        run = shop.night(allowed=True)
        assert run.metadata("medusa_product_updates")["values_removed"] == 1
        assert shop.options() == {"Size": ["L", "M", "S"], "Colour": ["Red", "Blue"]}
        shop.writes_nothing()
        shop.store.set("Website Item", shop.names["L / Blue"], published=0)
        shop.night(allowed=True)
        assert shop.options() == {"Size": ["M", "S"], "Colour": ["Red"]}, "in the night in which the variant goes"
        shop.writes_nothing()
        shop.store.set("Website Item", shop.names["L / Blue"], published=1)
        shop.night()
        assert shop.options() == {"Size": ["L", "M", "S"], "Colour": ["Red", "Blue"]}
        assert {value: shop.value_ids()[value] for value in ("L", "Blue")} == {
            value: ids[value] for value in ("L", "Blue")
        }

    def test_numeric_values_stand_by_size(self, on: pytest.MonkeyPatch, shop: Shop) -> None:
        width = shop.attribute("Width", numeric_values=1, from_range=0, to_range=20, increment=0.5)
        template = shop.make_template("N", width)
        for value in ("10", "9.5", "2"):
            shop.variant(value, template=template)
        shop.night()
        shop.variant("1", template=template)
        shop.night()
        assert shop.options("N") == {"Width": ["1", "2", "9.5", "10"]}
        shop.writes_nothing()

    @pytest.mark.long
    def test_renamed_attributes_and_values_keep_every_id(self, on: pytest.MonkeyPatch, shop: Shop) -> None:
        shop.variant("S", "Blue")
        shop.variant("M", "Red")
        shop.night()
        before = shop.product()
        renamed = shop.attribute("Width", "S", "M")
        codes = [shop.catalogue.row(name)["item_code"] for name in (shop.template, *shop.names.values())]
        for row in (row for code in codes for row in shop.rows(code)):
            if row["attribute"] == shop.size:
                shop.store.force("Item Variant Attribute", row["name"], attribute=renamed)
            if row["attribute_value"] == "Blue":
                shop.store.force("Item Variant Attribute", row["name"], attribute_value="Navy")
        shop.night()
        assert shop.options() == {"Width": ["S", "M"], "Colour": ["Red", "Navy"]}
        after = shop.product()
        assert {one["sku"]: one["id"] for one in after["variants"]} == {
            one["sku"]: one["id"] for one in before["variants"]
        }
        assert {one["id"] for one in after["options"]} == {one["id"] for one in before["options"]}
        assert set(shop.ids()) == {"S / Navy", "M / Red"}
        shop.writes_nothing()

    @pytest.mark.embedded_erp("a child row is inserted by itself")
    @pytest.mark.long
    def test_a_variant_that_gets_another_value_and_a_new_attribute_keep_the_ids(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        blue = shop.variant("S", "Blue")
        shop.variant("S", "Red")
        shop.night()
        before = {one["sku"]: one["id"] for one in shop.product()["variants"]}
        shop.give(blue, shop.size, "L")
        shop.night()
        assert set(shop.ids()) == {"L / Blue", "S / Red"}
        cut = shop.attribute("Cut", "Long", "Short")
        home = shop.catalogue.row(shop.template)["item_code"]
        for name, value in ((shop.template, None), (blue, "Long"), (shop.names["S / Red"], "Short")):
            code = shop.catalogue.row(name)["item_code"]
            own = {"attribute": cut, "attribute_value": value, "variant_of": None if name == shop.template else home}
            place = {"parent": code, "parenttype": "Item", "parentfield": "attributes", "idx": 3}
            shop.store.insert("Item Variant Attribute", **place, **own)
        shop.night()
        assert set(shop.ids()) == {"L / Blue / Long", "S / Red / Short"}
        assert {one["sku"]: one["id"] for one in shop.product()["variants"]} == before
        shop.writes_nothing()

    def test_two_variants_with_the_same_values_are_named_and_one_is_sold(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        first, second = shop.variant("S", "Blue"), shop.variant("M", "Blue")
        shop.give(second, shop.size, "S")
        run = shop.night()
        assert shop.sold() == {"S / Blue": (4.5, 5)}
        assert shop.catalogue.row(first)["medusa_variant_id"] == shop.ids()["S / Blue"]
        rejects = [row for row in run.rejects("medusa_products") if row["field"] == "attributes"]
        assert [row["document"] for row in rejects] == [f"Website Item {second}"]
        shop.give(second, shop.size, "M")
        shop.night()
        assert set(shop.sold()) == {"S / Blue", "M / Blue"}

    @pytest.mark.long
    def test_a_variant_that_gets_the_values_of_another_in_the_shop_takes_its_place(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        first, second = shop.variant("S", "Blue"), shop.variant("M", "Blue")
        shop.night()
        before = shop.ids()
        shop.give(first, shop.size, "M")
        shop.variant("L", "Blue")
        run = shop.night()
        rejects = {row["document"] for row in run.rejects("medusa_product_updates") if row["field"] == "attributes"}
        assert rejects == {f"Website Item {first}", f"Website Item {second}"}
        # A second one with the same values would keep this one out, too.
        assert "L / Blue" in shop.ids()
        shop.night()
        assert set(shop.ids()) == {"M / Blue", "L / Blue"}
        assert shop.ids()["M / Blue"] == before["S / Blue"]
        shop.writes_nothing()
        shop.give(second, shop.size, "S")
        shop.night()
        assert set(shop.ids()) == {"M / Blue", "L / Blue", "S / Blue"}
        shop.writes_nothing()

    @pytest.mark.embedded_erp("pictures are written into its own folder")
    @pytest.mark.long
    def test_a_variant_shows_its_own_picture(self, on: pytest.MonkeyPatch, shop: Shop) -> None:
        blue = shop.variant("S", "Blue")
        shop.variant("M", "Red")
        file = shop.store.attach(blue, f"blue-{shop.catalogue.tag}.png", image("png", 3))
        (row,) = shop.store.rows("File", name=file)
        shop.store.set("Website Item", blue, website_image=row["file_url"])
        shop.night()
        found = self._thumbnails(shop)
        assert found["M / Red"] is None
        assert str(found["S / Blue"]).endswith(".png")
        shop.writes_nothing()
        shop.store.set("Website Item", blue, website_image=None)
        shop.night()
        assert self._thumbnails(shop) == {"S / Blue": None, "M / Red": None}

    @staticmethod
    def _thumbnails(shop: Shop) -> dict[str, str | None]:
        asked = {"fields": "variants.title,variants.thumbnail"}
        found = shop.medusa.admin("GET", f"/admin/products/{shop.product()['id']}", params=asked)["product"]
        return {one["title"]: one["thumbnail"] for one in found["variants"]}

    def test_a_product_whose_answer_was_lost_is_not_made_twice(
        self, on: pytest.MonkeyPatch, shop: Shop, medusa: MedusaServer
    ) -> None:
        shop.variant("S", "Blue")
        medusa.faults.add(Fault("drop_after", method="POST", path="/admin/products/batch", times=1))
        shop.night()
        assert shop.sold() == {"S / Blue": (4.5, 5)}

    def test_keys_that_others_in_medusa_have_keep_nothing_else_out(
        self, on: pytest.MonkeyPatch, shop: Shop, medusa: MedusaServer
    ) -> None:
        taken, stocked = shop.variant("S", "Blue"), shop.variant("M", "Red")
        shop.variant("L", "Red", template=shop.make_template("H"))
        by_hand = {
            "title": f"By hand {shop.catalogue.tag}",
            "handle": f"g-{shop.template.lower()}",
            "options": [{"title": "Size", "values": ["S"]}],
            "variants": [
                {"title": "S", "sku": shop.catalogue.row(taken)["item_code"], "options": {"Size": "S"}, "prices": []}
            ],
        }
        shop.medusa.admin("POST", "/admin/products", json=by_hand)
        left = {"sku": shop.catalogue.row(stocked)["item_code"]}
        shop.medusa.admin("POST", "/admin/inventory-items", json=left)
        inventory = shop.inventory(stocked)
        run = shop.night()
        assert shop.sold("G") == {"M / Red": (4.5, 5)}
        assert shop.sold("H") == {"L / Red": (4.5, 5)}
        assert shop.product("G")["handle"].startswith(f"{by_hand['handle']}-")
        assert shop.inventory(stocked) == inventory
        rejects = run.rejects("medusa_products")
        assert [(row["document"], row["field"]) for row in rejects] == [(f"Website Item {taken}", "sku")]

    @pytest.mark.long
    def test_what_staff_added_and_edited_in_medusa_stays(self, on: pytest.MonkeyPatch, shop: Shop) -> None:
        shop.variant("S", "Blue")
        shop.night()
        product = shop.product()
        values = {shop.size: "Special", shop.colour: "Blue"}
        body = {"title": "By hand", "sku": f"hand-{shop.catalogue.tag}", "options": values, "prices": []}
        (size,) = (one["id"] for one in product["options"] if one["title"] == shop.size)
        grown = {"update": [{"product_option_id": size, "add": [{"value": "Special"}]}]}
        shop.medusa.admin("POST", f"/admin/products/{product['id']}/options/batch", json=grown)
        shop.medusa.admin("POST", f"/admin/products/{product['id']}/variants", json=body)
        edited = {"title": "Small and blue", "sku": "no-sku"}
        shop.medusa.admin("POST", f"/admin/products/{product['id']}/variants/{shop.ids()['S / Blue']}", json=edited)
        shop.night()
        assert set(shop.ids()) == {"By hand", "Small and blue"}
        assert shop.code("G", "S", "Blue") in {one["sku"] for one in shop.product()["variants"]}
        shop.writes_nothing()

    @pytest.mark.long
    def test_a_product_that_was_deleted_in_medusa_is_made_again_with_its_texts(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        shop.variant("S", "Blue")
        shop.night()
        before = shop.product()
        shop.medusa.admin("DELETE", f"/admin/products/{before['id']}")
        shop.night()
        shop.night()
        assert shop.sold() == {"S / Blue": (4.5, 5)}
        assert "Syringe & accessories" in shop.product()["description"]
        shop.writes_nothing()
