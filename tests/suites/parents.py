"""Website Items that name the same parent as the options of one product, and what switching does. On any Medusa."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.suites.variants import Shop
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp


class Parents(Shop):
    """A parent G, and items that may name it."""

    def child(self, title: str, parent: str | None = None, **values: str) -> str:
        """An item with 5 pieces and the price 4.5 that names a parent, G if none, with these attributes."""
        rows = [{"attribute": getattr(self, key), "attribute_value": value} for key, value in values.items()]
        name = self.stocked.item(
            "Main", {"Main": 5}, stock_uom="Nos", web_item_name=title, code=self.code(title), item={"attributes": rows},
            custom_parent_website_item=parent or self.template,
        )  # fmt: skip
        self.priced.price(name, 4.5)
        self.names[title] = name
        return name

    def items(self) -> set[str]:
        """Return the inventory items of all that is sold here."""
        asked = {"fields": "id,sku", "limit": 1000}
        found = self.medusa.admin("GET", "/admin/inventory-items", params=asked)["inventory_items"]
        return {one["id"] for one in found if str(one["sku"]).endswith(self.catalogue.tag)}

    def alone(self) -> dict[str, str]:
        """Return the products by title."""
        return {title: product["id"] for title, product in self.seen().items()}


@pytest.fixture
def shop(catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner) -> Iterator[Parents]:
    made = Parents(catalogue, erp, medusa, runner)
    yield made
    made.priced.delete_lists()


@pytest.fixture
def on(shop_env: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Items that name the same parent are one product."""
    shop_env.setenv("VARIANTS", "parents")
    shop_env.setenv("EXPORT_BATCHES", "1")
    return shop_env


class ParentsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.mark.long
    def test_items_that_name_a_parent_are_chosen_among_by_their_attributes(
        self, on: pytest.MonkeyPatch, shop: Parents
    ) -> None:
        large = shop.child("Glove large", size="L")
        shop.child("Glove small", size="S")
        shop.night()
        assert shop.options() == {"Size": ["S", "L"]}
        assert shop.sold() == {"L": (4.5, 5), "S": (4.5, 5)}
        assert [shop.buy(shop.ids()["L"], pieces) for pieces in (5, 6)] == [200, 400]
        assert shop.catalogue.row(large)["medusa_variant_id"] == shop.ids()["L"]
        shop.writes_nothing()

    @pytest.mark.long
    def test_without_attributes_that_tell_them_apart_they_are_chosen_by_name(
        self, on: pytest.MonkeyPatch, shop: Parents
    ) -> None:
        blue = shop.child("Shade blue")
        shop.child("Shade red", size="S")
        shop.night()
        assert shop.options() == {"Variant": ["Shade blue", "Shade red"]}
        before = shop.ids()
        shop.child("Another", colour="Red")
        shop.catalogue.store.set("Website Item", blue, web_item_name="Shade navy")
        shop.night()
        assert set(shop.sold()) == {"Another", "Shade navy", "Shade red"}
        assert shop.ids()["Shade navy"] == before["Shade blue"]
        shop.writes_nothing()
        shop.catalogue.store.set("Website Item", blue, custom_parent_website_item=None)
        shop.night(allowed=True)
        shop.night(allowed=True)
        assert shop.sold("Shade navy") == {"Default": (4.5, 5)}
        assert set(shop.sold()) == {"Another", "Shade red"}
        shop.writes_nothing()

    @pytest.mark.long
    def test_switching_to_and_fro_loses_no_stock_no_price_and_no_ids(
        self, on: pytest.MonkeyPatch, shop: Parents
    ) -> None:
        on.setenv("VARIANTS", "products")
        shop.child("Small", size="S")
        shop.child("Large", size="L")
        shop.night()
        alone, items = shop.alone(), shop.items()
        assert set(alone) == {"Small", "Large"}
        on.setenv("VARIANTS", "parents")
        shop.night()
        assert shop.sold() == {"S": (4.5, 5), "L": (4.5, 5)}
        assert shop.alone().keys() == {"G"}
        assert shop.items() == items, "what is reserved of it stays reserved"
        together = shop.ids()
        shop.writes_nothing()
        on.setenv("VARIANTS", "products")
        shop.night()
        shop.night()
        assert shop.alone() == alone
        assert [shop.sold(title) for title in alone] == [{"Default": (4.5, 5)}, {"Default": (4.5, 5)}]
        assert shop.items() == items
        on.setenv("VARIANTS", "parents")
        shop.night()
        assert shop.ids() == together
        assert shop.sold() == {"S": (4.5, 5), "L": (4.5, 5)}

    @pytest.mark.long
    def test_templates_and_parents_take_turns(self, on: pytest.MonkeyPatch, shop: Parents) -> None:
        on.setenv("VARIANTS", "options")
        other = shop.make_template("P")
        small, large = shop.variant("S", "Blue"), shop.variant("L", "Blue")
        alone = shop.variant("M", "Blue")
        for name in (small, large):
            shop.catalogue.store.set("Website Item", name, custom_parent_website_item=other)
        shop.night()
        items, before = shop.items(), shop.ids()
        assert set(before) == {"S / Blue", "L / Blue", "M / Blue"}
        on.setenv("VARIANTS", "parents")
        shop.night()
        shop.night()
        assert shop.sold("P") == {"S / Blue": (4.5, 5), "L / Blue": (4.5, 5)}
        title: Any = shop.catalogue.row(alone)["web_item_name"]
        assert shop.sold(title) == {"Default": (4.5, 5)}
        assert shop.alone().keys() == {"P", title}
        assert shop.items() == items
        shop.writes_nothing()
        on.setenv("VARIANTS", "options")
        shop.night()
        shop.night()
        assert shop.ids() == before
        assert set(shop.sold().values()) == {(4.5, 5)}
        assert shop.alone().keys() == {"G"}
        assert shop.items() == items
        shop.writes_nothing()
