"""A second small shop, whose catalogue has options, categories, a mapping, prices for groups and quantities, rules."""

from pathlib import Path
from typing import Any

from tests.machine.world import EXPORT, WAREHOUSE
from tests.matrix.shop import CHANGED, FIRST, SETTINGS, Shop
from tests.support.customers import Customers
from tests.support.priced_shop import PricedShop
from tests.support.pricing_rules import Rules

CATALOGUE_SETTINGS = {
    **SETTINGS,
    "VARIANTS": "options",
    "CATEGORIES": "used",
    "PRICE_GROUPS": "true",
    "PRICE_PACKS": "true",
    "PRICING_RULES": "true",
    "MAPPING": str(Path(__file__).with_name("catalogue.yaml")),
}
CATALOGUE_SCENARIOS = {
    "first night with options": (EXPORT, FIRST),
    "second night with options": (EXPORT, CHANGED),
    "customer groups": ("sync_customer_groups", CHANGED),
}
SIZE, COLOUR = "Size shop", "Colour shop"


class CatalogueShop(Shop):
    """Two templates with variants, a category tree, a dealer with a price list, rules and packs."""

    settings = CATALOGUE_SETTINGS
    tasks_before_the_change = (EXPORT,)

    def open(self) -> None:
        """Everything that is there before the first night."""
        world, store = self.world, self.world.erp.store
        self.priced = PricedShop(world.catalogue, world.erp, world.medusa)
        self.customers, self.rules = Customers(self.priced), Rules(self.priced)
        self.variants: list[str] = []
        for label, values in ((SIZE, ("S", "M", "L")), (COLOUR, ("Red", "أزرق"))):
            rows = [{"attribute_value": value, "abbr": value.upper()} for value in values]
            store.insert("Item Attribute", name=label, attribute_name=label, item_attribute_values=rows)
        self.template = self.template_of("GLOVE", SIZE, COLOUR)
        for size, colour in (("S", "Red"), ("M", "Red"), ("M", "أزرق")):
            self.variant(self.template, size, colour)
        self.other = self.template_of("GOWN", SIZE)
        self.variant(self.other, "S")
        # Grandchildren: the tree is deeper than one level.
        self.below = world.catalogue.group("Nitrile", parent=world.groups[0], weightage=5)
        self.wholesale = self.customers.price_list("Wholesale")
        self.trade = self.customers.group("Trade", self.wholesale)
        dealer = self.customers.customer("dealer", self.trade)
        of_dealer = {"parent": dealer, "parenttype": "Customer", "parentfield": "portal_users"}
        store.insert("Portal User", user="portal@shop.example", **of_dealer)
        self.account = self.customers.register("dealer")
        self.plain = [world.add_item(number, rate=10.0, quantity=4.0, picture=False) for number in range(3)]
        store.set("Website Item", self.plain[0], item_group=self.below)
        store.set("Item", self.code(self.plain[0]), item_group=self.below)
        further = {"parent": self.plain[1], "parenttype": "Website Item", "parentfield": "website_item_groups"}
        store.insert("Website Item Group", item_group=self.below, **further)
        store.set("Item", self.code(self.plain[2]), brand="3M")
        self.dealers = self.priced.price(self.plain[1], 8, price_list=self.wholesale)
        self.pack = self.priced.price(self.plain[2], 9, packing_unit=6)
        self.percent = self.rules.add("Item Code", self.code(self.plain[0]), percent=10)
        self.rules.add("Item Group", world.groups[1], percent=5, min_qty=3)
        self.rules.add("Item Code", self.code(self.plain[2]), percent=50, condition="doc.qty > 3")
        self.rules.add("Brand", "3M", percent=1)

    def change(self) -> None:
        """What people do between the first night and the second."""
        world, store = self.world, self.world.erp.store
        self.variant(self.template, "L", "Red")
        world.retitle(self.template)
        world.set_price(self.variants[0], 5.125)
        world.set_stock(self.variants[1], 0)
        world.publish(self.variants[2], False)
        self.give(self.variants[3], "M")
        world.save("Item Group", self.below, parent_item_group=world.groups[2])
        self.priced.change(self.dealers, price_list_rate=7.5)
        self.priced.change(self.pack, price_list_rate=8.5)
        store.set("Pricing Rule", self.percent, discount_percentage=20)
        self.customers.customer("clinic", self.trade)
        self.customers.register("clinic")

    def code(self, name: str) -> str:
        """The Item behind a Website Item."""
        return str(self.world.row(name)["item_code"])

    def template_of(self, label: str, *attributes: str) -> str:
        """A template with these attributes."""
        item = {"has_variants": 1, "attributes": [{"attribute": each} for each in attributes]}
        group = self.world.groups[0]
        return self.world.catalogue.item(group, code=label, item=item, has_variants=1, web_item_name=label)

    def variant(self, template: str, *values: str) -> None:
        """A variant with these values, a price and stock."""
        home = self.code(template)
        attributes = [SIZE, COLOUR][: len(values)]
        rows = [
            {"attribute": attribute, "attribute_value": value, "variant_of": home}
            for attribute, value in zip(attributes, values, strict=True)
        ]
        fields: dict[str, Any] = {"variant_of": home, "stock_uom": "Nos", "website_warehouse": WAREHOUSE}
        code = "-".join((home, *values))
        item = {"variant_of": home, "attributes": rows}
        name = self.world.catalogue.item(self.world.groups[0], code=code, item=item, **fields)
        self.world.set_price(name, 4.5)
        self.world.set_stock(name, 5)
        self.variants.append(name)

    def give(self, name: str, value: str) -> None:
        """Another size."""
        rows = self.world.erp.store.rows("Item Variant Attribute", parent=self.code(name))
        size = next(row for row in rows if row["attribute"] == SIZE)
        self.world.erp.store.set("Item Variant Attribute", size["name"], attribute_value=value)
