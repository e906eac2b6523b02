"""Variants that become those of another product: of another template, or by another setting. On any Medusa."""

import pytest

from tests.suites.variants import Shop


class MovedVariantsSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    @pytest.mark.long
    def test_variants_that_move_to_another_template_are_no_loss_however_many(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        first, second = shop.make_template("A"), shop.make_template("B")
        names = {f"{size} / Red": shop.variant(size, "Red", template=first) for size in ("S", "M", "L", "XL")}
        shop.variant("S", "Blue", template=second)
        shop.night()
        moving = {title: name for title, name in names.items() if title != "S / Red"}
        for home, sold in ((second, {"A": {"S / Red"}, "B": {"S / Blue", *moving}}), (first, {"A": {*names}})):
            code = shop.catalogue.row(home)["item_code"]
            for name in moving.values():
                item = shop.catalogue.row(name)["item_code"]
                for row in shop.rows(item):
                    shop.store.force("Item Variant Attribute", row["name"], variant_of=code)
                shop.store.set("Item", item, variant_of=code)
                shop.store.set("Website Item", name, variant_of=code)
            shop.night()
            shop.night()
            seen = {"B": {"S / Blue"}, **sold}
            assert {title: set(shop.sold(title)) for title in seen} == seen
            assert {one for title in seen for one in shop.sold(title).values()} == {(4.5, 5)}
            shop.writes_nothing()

    @pytest.mark.long
    def test_a_variant_moves_to_another_template_with_its_stock(self, on: pytest.MonkeyPatch, shop: Shop) -> None:
        moved = shop.variant("S", "Blue")
        shop.variant("M", "Blue")
        other = shop.make_template("H")
        shop.variant("L", "Red", template=other)
        shop.night()
        code, home = shop.catalogue.row(moved)["item_code"], shop.catalogue.row(other)["item_code"]
        shop.store.force("Item", code, variant_of=home)
        shop.store.force("Website Item", moved, variant_of=home)
        for row in shop.rows(code):
            shop.store.force("Item Variant Attribute", row["name"], variant_of=home)
        shop.night(allowed=True)
        shop.night(allowed=True)
        assert set(shop.sold("G")) == {"M / Blue"}
        assert shop.sold("H") == {"L / Red": (4.5, 5), "S / Blue": (4.5, 5)}
        shop.writes_nothing()

    @pytest.mark.long
    def test_an_item_that_is_withdrawn_on_the_day_of_the_switch_is_hidden(
        self, on: pytest.MonkeyPatch, shop: Shop
    ) -> None:
        """Its own product stayed on sale for ever: nothing was to take its sku, and nobody looked at it."""
        on.setenv("VARIANTS", "products")
        small, large = shop.variant("S", "Red"), shop.variant("L", "Red")
        shop.night()
        alone = shop.catalogue.row(small)["medusa_id"]
        on.setenv("VARIANTS", "options")
        shop.catalogue.store.set("Website Item", small, published=0)
        shop.night()
        assert shop.seen().keys() == {"G"}
        assert set(shop.sold()) == {"L / Red"}
        shop.writes_nothing()
        shop.catalogue.store.set("Website Item", small, published=1)
        shop.night()
        assert set(shop.sold()) == {"S / Red", "L / Red"}
        on.setenv("VARIANTS", "products")
        shop.night()
        shop.night()
        assert {product["id"] for product in shop.seen().values()} == {alone, shop.catalogue.row(large)["medusa_id"]}

    @pytest.mark.long
    def test_switching_to_and_fro_loses_no_stock_and_no_ids(self, on: pytest.MonkeyPatch, shop: Shop) -> None:
        on.setenv("VARIANTS", "products")
        blue, red = shop.variant("S", "Blue"), shop.variant("M", "Red")
        shop.night()
        alone = {name: shop.catalogue.row(name)["medusa_id"] for name in (blue, red)}
        stocked = shop.inventory(blue)
        on.setenv("VARIANTS", "options")
        shop.night()
        assert list(shop.seen()) == ["G"]
        assert shop.sold() == {"S / Blue": (4.5, 5), "M / Red": (4.5, 5)}
        assert shop.inventory(blue) == stocked, "what is reserved of it stays reserved"
        together = shop.ids()
        shop.writes_nothing()
        on.setenv("VARIANTS", "products")
        shop.night()
        shop.night()
        titles = {shop.catalogue.row(name)["web_item_name"]: name for name in (blue, red)}
        assert set(shop.seen()) == set(titles)
        assert {name: shop.seen()[title]["id"] for title, name in titles.items()} == alone
        for title in titles:
            assert list(shop.sold(title).values()) == [(4.5, 5)]
        assert shop.inventory(blue) == stocked
        on.setenv("VARIANTS", "options")
        shop.night()
        assert shop.ids() == together
        assert shop.sold() == {"S / Blue": (4.5, 5), "M / Red": (4.5, 5)}
