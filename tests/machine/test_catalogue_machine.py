"""A catalogue's year in any order: customers see what ERPNext's rows say, no id is lost, and a further night is quiet.

Each example is a random sequence of what staff do to templates, groups, prices, texts and settings, with nights and
runs that are cut off or have trouble in between. The variables are in examples.py.
"""

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from erp_medusa_sandbox.faults import Fault
from tests.machine.catalogue_projection import Ids, look
from tests.machine.catalogue_rules import home, products
from tests.machine.catalogue_world import BRANDS, SETTINGS, CatalogueWorld
from tests.machine.examples import NIGHTS_TO_SETTLE, run_examples
from tests.machine.servers import open_world
from tests.machine.world import EXPORT
from tests.support.catalogue import PRICE_LIST
from tests.support.runs import JobRun

SEEDS = 2
WAYS = ("options", "products", "parents")

choice = st.integers(0, 10_000)
ways = st.sampled_from(WAYS)
empty_groups = st.sampled_from(["keep", "hide", "remove"])
unused_values = st.sampled_from(["keep", "remove"])
withdrawn = st.sampled_from([("draft", 30), ("keep", 30), ("delete", 0), ("delete", 30)])
rates = st.sampled_from([2.0, 10.0, 64.5])
discounts = st.sampled_from([{"percent": 10}, {"percent": 50}, {"rate": 4.0}, {"rate": 80.0}])
periods = st.sampled_from([{}, {}, {"since": -3, "until": 3}, {"until": -1}, {"since": 1}])
amounts = st.sampled_from([{}, {}, {"min_qty": 6}, {"min_qty": 3, "max_qty": 8}, {"max_qty": 5}])
priorities = st.sampled_from([{}, {}, {"priority": "1"}, {"priority": "2"}])


class CatalogueMachine(RuleBasedStateMachine):
    """The rules pick documents by a number, so that an example means the same when it is run again."""

    translations = False
    """Whether Medusa's Translation module is on at first."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        world = self.stack.enter_context(open_world(SETTINGS, translations=self.translations))
        self.shop = CatalogueWorld(world, has_module=self.translations)
        self.kept: Ids = {}

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.stack.close()

    def any_of(self, names: list[str], number: int) -> str:
        return names[number % len(names)]

    def any_item(self, number: int) -> str:
        return self.any_of(self.shop.world.names(), number)

    @initialize(how=ways, percent=st.sampled_from([0, 10]), empty=empty_groups, unused=unused_values, gone=withdrawn)
    def open(self, how: str, percent: int, empty: str, unused: str, gone: tuple[str, int]) -> None:
        """Two templates, of one and of two attributes, and an Item without variants; all settings are on."""
        shop = self.shop
        first, second = shop.add_template(0, 0), shop.add_template(1, 0, 1)
        for template, values in ((first, (0, 0)), (first, (1, 0)), (second, (0, 0)), (second, (1, 1))):
            variant = shop.add_variant(template, values, 10.0)
            shop.set_price(variant, shop.trade_list, 8.0)
            shop.set_parent(variant, template)
        item = shop.add_item(2, 5.0)
        shop.set_price(item, PRICE_LIST, 4.0, pack=6)
        shop.translate(shop.title(item), "قفازات")
        shop.translate_option(0, None, "مقاس")
        shop.translate_option(0, 0, "صغير")
        shop.set_tariff(first, "9018")
        if percent:
            shop.add_rule("Item Group", 1, percent=percent, since=-3, until=3)
        shop.show_variants_as(how)
        shop.keep_empty_groups(empty)
        shop.keep_unused_values(unused)
        shop.keep_withdrawn(*gone)
        shop.show_categories("website")
        shop.use_mapping(True)
        shop.use_arabic(True)

    # --- templates and variants -----------------------------------------------------------------------------------

    @rule(group=choice, attributes=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]))
    def add_template(self, group: int, attributes: tuple[int, ...]) -> None:
        self.shop.add_template(group, *attributes)

    @rule(number=choice, values=st.tuples(st.integers(0, 2), st.integers(0, 1)), rate=st.none() | rates)
    def add_variant(self, number: int, values: tuple[int, int], rate: float | None) -> None:
        self.shop.add_variant(self.any_of(self.shop.templates(), number), values, rate)

    @rule(group=choice, rate=rates)
    def add_item(self, group: int, rate: float) -> None:
        self.shop.add_item(group, rate)

    @rule(number=choice, place=st.integers(0, 1), value=st.integers(0, 2))
    def give(self, number: int, place: int, value: int) -> None:
        if names := self.shop.variants():
            self.shop.give(self.any_of(names, number), place, value)

    @rule(attribute=st.integers(0, 1), number=st.integers(0, 2))
    def rename_value(self, attribute: int, number: int) -> None:
        self.shop.rename_value(attribute, number)

    @rule(attribute=st.integers(0, 1))
    def rename_attribute(self, attribute: int) -> None:
        self.shop.rename_attribute(attribute)

    @rule(number=choice, attribute=st.integers(0, 1))
    def add_attribute(self, number: int, attribute: int) -> None:
        self.shop.add_attribute(self.any_of(self.shop.templates(), number), attribute)

    @rule(number=choice, place=st.integers(0, 1))
    def remove_attribute(self, number: int, place: int) -> None:
        self.shop.remove_attribute(self.any_of(self.shop.templates(), number), place)

    @rule(number=choice, parent=st.none() | choice)
    def set_parent(self, number: int, parent: int | None) -> None:
        if names := self.shop.sellable():
            above = None if parent is None else self.any_of(self.shop.templates(), parent)
            self.shop.set_parent(self.any_of(names, number), above)

    @rule(number=choice, parent=choice)
    def name_any_parent(self, number: int, parent: int) -> None:
        """Not a template, or itself."""
        self.shop.set_parent(self.any_item(number), self.any_item(parent))

    @rule(number=choice, template=choice)
    def move(self, number: int, template: int) -> None:
        if names := self.shop.variants():
            self.shop.move(self.any_of(names, number), self.any_of(self.shop.templates(), template))

    @rule(number=choice, published=st.booleans())
    def publish(self, number: int, published: bool) -> None:
        self.shop.world.publish(self.any_item(number), published)

    @rule(number=choice, disabled=st.booleans())
    def disable(self, number: int, disabled: bool) -> None:
        self.shop.world.disable(self.any_item(number), disabled, in_desk=False)

    @rule(number=choice)
    def delete(self, number: int) -> None:
        # ERPNext deletes none that another one names.
        rows = self.shop.store.rows("Website Item")
        named = {row["custom_parent_website_item"] for row in rows if row["custom_parent_website_item"] != row["name"]}
        if names := [name for name in self.shop.sellable() if name not in named]:
            self.shop.world.delete(self.any_of(names, number))

    @rule(number=choice, quantity=st.sampled_from([0.0, 3.0, 50.0]))
    def set_stock(self, number: int, quantity: float) -> None:
        if names := self.shop.sellable():
            self.shop.world.set_stock(self.any_of(names, number), quantity)

    # --- groups -----------------------------------------------------------------------------------------------------

    @rule(parent=choice, shown=st.booleans(), weight=st.integers(0, 2))
    def add_group(self, parent: int, shown: bool, weight: int) -> None:
        self.shop.add_group(parent, shown, weight)

    @rule(number=choice, fields=st.sampled_from([{"show_in_website": 0}, {"show_in_website": 1}, {"weightage": 7}]))
    def change_group(self, number: int, fields: dict[str, Any]) -> None:
        self.shop.change_group(number, **fields)

    @rule(number=choice, parent=st.none() | choice)
    def move_group(self, number: int, parent: int | None) -> None:
        self.shop.move_group(number, parent)

    @rule(number=choice)
    def rename_group(self, number: int) -> None:
        self.shop.rename_group(number)

    @rule(number=choice)
    def delete_group(self, number: int) -> None:
        self.shop.delete_group(number)

    @rule(number=choice, group=choice, also=st.booleans())
    def file(self, number: int, group: int, also: bool) -> None:
        (self.shop.file_also_under if also else self.shop.file_under)(self.any_item(number), group)

    # --- prices -----------------------------------------------------------------------------------------------------

    @rule(number=choice, rate=rates, trade=st.booleans(), pack=st.sampled_from([0, 0, 6, 12]))
    def set_price(self, number: int, rate: float, trade: bool, pack: int) -> None:
        self.shop.set_price(self.any_item(number), self.shop.trade_list if trade else PRICE_LIST, rate, pack)

    @rule(number=choice, trade=st.booleans())
    def drop_prices(self, number: int, trade: bool) -> None:
        self.shop.drop_prices(self.any_item(number), self.shop.trade_list if trade else PRICE_LIST)

    @rule(trade=st.booleans(), own_list=st.booleans())
    def join(self, trade: bool, own_list: bool) -> None:
        self.shop.join(self.shop.trade if trade else self.shop.plain, self.shop.trade_list if own_list else None)

    @rule(listed=st.booleans())
    def set_list_of_group(self, listed: bool) -> None:
        self.shop.set_list_of_group(self.shop.trade_list if listed else None)

    @rule(
        apply_on=st.sampled_from(["Item Code", "Item Group", "Brand"]),
        number=choice,
        gives=discounts,
        period=periods,
        amount=amounts,
        priority=priorities,
        of_trade=st.booleans(),
    )
    def add_rule(
        self,
        apply_on: str,
        number: int,
        gives: dict[str, Any],
        period: dict[str, Any],
        amount: dict[str, Any],
        priority: dict[str, Any],
        of_trade: bool,
    ) -> None:
        group = {"customer_group": self.shop.trade} if of_trade else {}
        self.shop.add_rule(apply_on, number, **gives, **period, **amount, **priority, **group)

    @rule(number=choice, fields=st.sampled_from([{"disable": 1}, {"disable": 0}, {"min_qty": 6}, {"valid_upto": None}]))
    def change_rule(self, number: int, fields: dict[str, Any]) -> None:
        self.shop.change_rule(number, **fields)

    @rule(number=choice, brand=st.sampled_from([*BRANDS, None]))
    def set_brand(self, number: int, brand: str | None) -> None:
        self.shop.set_brand(self.any_item(number), brand)

    # --- texts ------------------------------------------------------------------------------------------------------

    @rule(number=choice)
    def retitle(self, number: int) -> None:
        self.shop.world.retitle(self.any_item(number))

    @rule(number=choice, text=st.sampled_from(["قفازات", "معقم", None]))
    def translate(self, number: int, text: str | None) -> None:
        self.shop.translate(self.shop.title(self.any_item(number)), text)

    @rule(number=choice, text=st.sampled_from(["قفازات", None]))
    def translate_group(self, number: int, text: str | None) -> None:
        self.shop.translate(self.any_of(self.shop.groups(), number), text)

    @rule(
        attribute=st.integers(0, 1), value=st.none() | st.integers(0, 2), text=st.sampled_from(["مقاس", "كبير", None])
    )
    def translate_option(self, attribute: int, value: int | None, text: str | None) -> None:
        self.shop.translate_option(attribute, value, text)

    @rule(number=choice, tariff=st.sampled_from(["9018", "4015", None]))
    def set_tariff(self, number: int, tariff: str | None) -> None:
        self.shop.set_tariff(self.any_item(number), tariff)

    # --- settings ---------------------------------------------------------------------------------------------------

    @rule(how=ways)
    def show_variants_as(self, how: str) -> None:
        self.shop.show_variants_as(how)

    @rule(which=st.sampled_from(["website", "website", "off", "used"]))
    def show_categories(self, which: str) -> None:
        self.shop.show_categories(which)

    @rule(how=withdrawn)
    def keep_withdrawn(self, how: tuple[str, int]) -> None:
        self.shop.keep_withdrawn(*how)

    @rule(how=empty_groups)
    def keep_empty_groups(self, how: str) -> None:
        self.shop.keep_empty_groups(how)

    @rule(how=unused_values)
    def keep_unused_values(self, how: str) -> None:
        self.shop.keep_unused_values(how)

    @rule(on=st.booleans())
    def use_mapping(self, on: bool) -> None:
        self.shop.use_mapping(on)

    @rule(on=st.booleans())
    def use_arabic(self, on: bool) -> None:
        self.shop.use_arabic(on)

    @rule()
    def switch_translations(self) -> None:
        """Medusa's Translation module is installed, or taken out; its rows stay."""
        self.shop.switch_translations()

    @rule(group=st.none() | choice, brands=st.sampled_from([[], ["3M"], ["3M", "GC"]]))
    def choose(self, group: int | None, brands: list[str]) -> None:
        self.shop.choose(group, brands)

    @rule(brand=st.sampled_from([*BRANDS, None]))
    def choose_channel(self, brand: str | None) -> None:
        self.shop.choose_channel(brand)

    # --- runs -------------------------------------------------------------------------------------------------------

    @rule(batch=st.integers(0, 1))
    def run(self, batch: int) -> None:
        self._forget_unsold()
        self.shop.world.run(EXPORT, self.shop.world.batches[batch])

    @rule(batch=st.integers(0, 1), requests=st.integers(0, 40))
    def power_cut(self, batch: int, requests: int) -> None:
        self._forget_unsold()
        with self.shop.world.power_cut(requests):
            self.shop.world.run(EXPORT, self.shop.world.batches[batch])

    @rule(batch=st.integers(0, 1), method=st.sampled_from(["GET", "POST"]), skip=st.integers(0, 25))
    def trouble(self, batch: int, method: str, skip: int) -> None:
        self._forget_unsold()
        with self.shop.world.trouble(Fault("status", method=method, skip=skip, times=3, status=503), on="medusa"):
            self.shop.world.run(EXPORT, self.shop.world.batches[batch])

    # --- and in the end ---------------------------------------------------------------------------------------------

    # One rule of forty comes up too seldom.
    @rule(number=choice)
    def settle_first(self, number: int) -> None:
        self.settle()
        self.shop.world.retitle(self.any_item(number))

    @rule(
        how=ways,
        gone=withdrawn,
        empty=empty_groups,
        which=st.sampled_from(["website", "off", "used"]),
        planned=st.sampled_from([False, False, True]),
    )
    def settle_and_switch(self, how: str, gone: tuple[str, int], empty: str, which: str, planned: bool) -> None:
        """What the settings would change can be planned first, which takes as long as five nights."""
        self.settle()
        self.shop.show_variants_as(how)
        self.shop.keep_withdrawn(*gone)
        self.shop.keep_empty_groups(empty)
        self.shop.show_categories(which)
        self._forget_unsold()
        if planned:
            assert self.shop.world.planned_night() == []

    @rule()
    def settle(self) -> None:
        """After some nights without trouble one writes nothing, and customers see what ERPNext says."""
        self._forget_unsold()
        world, runs, writes = self.shop.world, list[JobRun](), [""]
        for _ in range(NIGHTS_TO_SETTLE):
            world.forget_requests()
            runs = [*self.shop.night()]
            writes = world.writes()
            if not writes:
                break
        assert writes == []
        assert [reason for run in runs for reason in run.reasons()] == []
        seen = look(self.shop)
        assert seen.differences == []
        lost = {key: (one, seen.ids[key]) for key, one in self.kept.items() if seen.ids.get(key, one) != one}
        assert lost == {}, "these ids were there before"
        self.kept |= seen.ids

    def _forget_unsold(self) -> None:
        """Medusa cannot hide a variant: one that has no place in a night is deleted, and its id is gone.

        So is one that another product sells, and with WITHDRAWN_ITEMS=delete a product of which nothing is for sale.
        """
        shop = self.shop
        placed = {names[0] for each in products(shop).values() for names in each.values() if not names[1:]}
        sold = {how: products(shop, how) for how in WAYS} if shop.withdrawn == "delete" else {}

        def stays(name: str, what: str) -> bool:
            kind, _, of = what.partition(" ")
            if kind == "product":
                return not sold or name in sold[of]
            return kind == "category" or (
                name in placed and (shop.variants_as == "products" or of in (home(shop, name), name))
            )

        self.kept = {(name, what): one for (name, what), one in self.kept.items() if stays(name, what)}


class TranslatedCatalogueMachine(CatalogueMachine):
    """The same on a Medusa whose Translation module is on at first."""

    translations = True


# As long as it takes, with as many examples as somebody asks for.
@pytest.mark.timeout(0)
@pytest.mark.parametrize("machine", [CatalogueMachine, TranslatedCatalogueMachine])
def test_whatever_happened_customers_see_the_catalogue_that_erpnext_has(machine: type[CatalogueMachine]) -> None:
    run_examples(machine, int(machine.translations), SEEDS)
