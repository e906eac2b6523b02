"""A shop's year in any order: some nights later customers can buy what ERPNext sells, and nothing is written any more.

Each example is a random sequence of what staff, admins, backups and failing networks do, with runs of any task for any
batch in between. MACHINE_EXAMPLES and MACHINE_STEPS make it longer (`make machine`), MACHINE_SEED makes it the same.
"""

import sqlite3
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from erp_medusa_sandbox import way
from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.medusa.store import Document
from tests.machine.examples import NIGHTS_TO_SETTLE, run_examples
from tests.machine.projection import differences
from tests.machine.servers import open_world
from tests.machine.world import BATCHES, CLINICS, NIGHT, World
from tests.support.catalogue import PRICE_LIST

SEEDS = 3

groups = st.integers(0, 2)
batches = st.integers(0, len(BATCHES) - 1)
choice = st.integers(0, 10_000)
rates = st.sampled_from([0.005, 1.25, 12.345, 290.744])
expiries = st.integers(-1, 1)
quantities = st.sampled_from([-2.0, 0.0, 0.5, 3.0, 23.0])


def tight(**requests: Any) -> Fault:
    """A proxy that takes next to nothing: 413."""
    return way.largest_body(1500, **requests)


class ShopMachine(RuleBasedStateMachine):
    """The rules pick a Website Item by a number, so that an example means the same when it is run again."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.world: World = self.stack.enter_context(open_world())
        self.erp_backup: sqlite3.Connection | None = None
        self.medusa_backup: dict[str, dict[str, Document]] | None = None

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.stack.close()

    def any_item(self, number: int) -> str:
        names = self.world.names()
        return names[number % len(names)]

    def any_code(self, number: int) -> str:
        return self.world.row(self.any_item(number))["item_code"]

    def exported_item(self, number: int) -> str:
        names = self.world.exported()
        return names[number % len(names)]

    def batch(self, number: int) -> str:
        return self.world.batches[number % len(self.world.batches)]

    @property
    def has_items(self) -> bool:
        return bool(self.world.names())

    @property
    def has_exported(self) -> bool:
        return bool(self.world.exported())

    # --- staff ------------------------------------------------------------------------------------------------

    @initialize()
    def open_with_three_items(self) -> None:
        self.world.furnish()
        for number in range(3):
            self.world.add_item(number, rate=1.5 + number, quantity=5, picture=number == 0)

    @rule(group=groups, rate=st.none() | rates, quantity=st.none() | quantities, picture=st.booleans())
    def add_item(self, group: int, rate: float | None, quantity: float | None, picture: bool) -> None:
        self.world.add_item(group, rate=rate, quantity=quantity, picture=picture)

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def retitle(self, number: int) -> None:
        self.world.retitle(self.any_item(number))

    @precondition(lambda self: self.has_items)
    @rule(number=choice, published=st.booleans())
    def publish(self, number: int, published: bool) -> None:
        self.world.publish(self.any_item(number), published)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, group=groups)
    def regroup(self, number: int, group: int) -> None:
        self.world.regroup(self.any_item(number), group)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, rate=rates)
    def set_price(self, number: int, rate: float) -> None:
        self.world.set_price(self.any_item(number), rate)

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def drop_price(self, number: int) -> None:
        self.world.drop_price(self.any_item(number))

    @precondition(lambda self: self.has_items)
    @rule(number=choice, quantity=quantities)
    def set_stock(self, number: int, quantity: float) -> None:
        self.world.set_stock(self.any_item(number), quantity)

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def attach(self, number: int) -> None:
        self.world.attach(self.any_item(number))

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def copy(self, number: int) -> None:
        self.world.copy(self.any_item(number))

    @rule(group=groups)
    def copy_group(self, group: int) -> None:
        self.world.copy_group(group)
        self.world.add_item(len(self.world.groups) - 1, rate=2.5, quantity=1, picture=False)

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def delete(self, number: int) -> None:
        self.world.delete(self.any_item(number))

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def publish_again(self, number: int) -> None:
        self.world.publish_again(self.any_item(number))

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def recode(self, number: int) -> None:
        self.world.recode(self.any_item(number))

    @precondition(lambda self: len(self.world.names()) > 1)
    @rule(number=choice)
    def swap_codes(self, number: int) -> None:
        one, other = self.any_item(number), self.any_item(number + 1)
        self.world.swap_codes(one, other)

    @precondition(lambda self: len(self.world.names()) > 1)
    @rule(number=choice)
    def move_barcode(self, number: int) -> None:
        self.world.move_barcode(self.any_item(number), self.any_item(number + 1))

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def mark_for_clearance(self, number: int) -> None:
        self.world.mark_for_clearance(self.any_item(number))

    # --- what ERPNext sells -------------------------------------------------------------------------------------

    @precondition(lambda self: self.has_items)
    @rule(number=choice, disabled=st.booleans(), in_desk=st.booleans())
    def disable(self, number: int, disabled: bool, in_desk: bool) -> None:
        self.world.disable(self.any_item(number), disabled, in_desk)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, days=st.sampled_from([None, None, -1, 0, 1]))
    def set_end_of_life(self, number: int, days: int | None) -> None:
        self.world.trade.set_end_of_life(self.any_code(number), days)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, fields=st.sampled_from([{"is_stock_item": 0}, {"is_stock_item": 1}, {"is_sales_item": 0}]))
    def set_kind(self, number: int, fields: dict[str, int]) -> None:
        self.world.erp.store.set("Item", self.any_code(number), **{"is_sales_item": 1, **fields})

    @rule(group=groups, own_price=st.booleans(), own_warehouse=st.booleans())
    def add_template(self, group: int, own_price: bool, own_warehouse: bool) -> None:
        self.world.add_template(group, own_price=own_price, own_warehouse=own_warehouse)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, is_template=st.booleans())
    def set_template(self, number: int, is_template: bool) -> None:
        self.world.set_template(self.any_item(number), is_template)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, quantity=quantities.filter(lambda quantity: quantity > 0), expires_in=expiries)
    def receive(self, number: int, quantity: float, expires_in: int) -> None:
        self.world.trade.receive(self.any_code(number), quantity, expires_in)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, expires_in=expiries | st.none())
    def change_batches(self, number: int, expires_in: int | None) -> None:
        if expires_in is None:
            self.world.trade.write_off(self.any_code(number))
        else:
            self.world.trade.redate(self.any_code(number), expires_in)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, quantity=st.integers(1, 4), from_medusa=st.booleans())
    def order(self, number: int, quantity: int, from_medusa: bool) -> None:
        self.world.trade.order(self.any_code(number), quantity, from_medusa=from_medusa)

    @rule()
    def close_orders(self) -> None:
        self.world.trade.close_orders()

    @precondition(lambda self: len(self.world.names()) > 1)
    @rule(number=choice, parts=st.dictionaries(st.integers(1, 4), st.sampled_from([1, 2, 0.5]), min_size=1, max_size=2))
    def make_bundle(self, number: int, parts: dict[int, float]) -> None:
        chosen = {self.any_item(number + step): quantity for step, quantity in parts.items()}
        self.world.bundle(self.any_item(number), chosen)

    @precondition(lambda self: self.has_items)
    @rule(number=choice, deleted=st.booleans())
    def end_bundle(self, number: int, deleted: bool) -> None:
        end = self.world.trade.unbundle if deleted else self.world.trade.suspend_bundle
        end(self.any_code(number))

    # --- settings that change between two nights ----------------------------------------------------------------

    @rule(name=st.sampled_from([PRICE_LIST, CLINICS]))
    def set_price_list(self, name: str) -> None:
        self.world.set_price_list(name)

    @rule(number=st.integers(1, 2))
    def set_batches(self, number: int) -> None:
        self.world.set_batches(number)

    @rule(north=st.booleans())
    def set_location(self, north: bool) -> None:
        self.world.set_location(north)

    @rule(keeps=st.booleans())
    def set_title_policy(self, keeps: bool) -> None:
        self.world.set_title_policy(keeps)

    # --- admins in Medusa -------------------------------------------------------------------------------------

    @precondition(lambda self: self.has_exported)
    @rule(number=choice)
    def retitle_in_medusa(self, number: int) -> None:
        self.world.retitle_in_medusa(self.exported_item(number))

    @precondition(lambda self: self.has_exported)
    @rule(number=choice, status=st.sampled_from(["published", "draft"]))
    def set_status_in_medusa(self, number: int, status: str) -> None:
        self.world.set_status_in_medusa(self.exported_item(number), status)

    @precondition(lambda self: self.has_exported)
    @rule(number=choice)
    def set_sku_in_medusa(self, number: int) -> None:
        self.world.set_sku_in_medusa(self.exported_item(number))

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def make_by_hand(self, number: int) -> None:
        self.world.make_by_hand(self.any_item(number))

    @precondition(lambda self: self.has_items)
    @rule(number=choice)
    def take_sku(self, number: int) -> None:
        self.world.take_sku(self.any_item(number))

    @rule()
    def free_sku(self) -> None:
        self.world.hand_made.free_skus()

    @rule()
    def remove_by_hand(self) -> None:
        self.world.hand_made.remove()

    @precondition(lambda self: self.has_exported)
    @rule(number=choice)
    def delete_in_medusa(self, number: int) -> None:
        self.world.delete_in_medusa(self.exported_item(number))

    @precondition(lambda self: self.has_exported)
    @rule(number=choice, quantity=st.integers(0, 9))
    def set_level_in_medusa(self, number: int, quantity: int) -> None:
        self.world.set_level_in_medusa(self.exported_item(number), quantity)

    # --- backups ----------------------------------------------------------------------------------------------

    @rule()
    def back_up(self) -> None:
        self.erp_backup, self.medusa_backup = self.world.back_up_erp(), self.world.back_up_medusa()

    @precondition(lambda self: self.erp_backup is not None)
    @rule()
    def restore_erp(self) -> None:
        assert self.erp_backup is not None
        self.world.restore_erp(self.erp_backup)

    @precondition(lambda self: self.medusa_backup is not None)
    @rule()
    def restore_medusa(self) -> None:
        assert self.medusa_backup is not None
        self.world.restore_medusa(self.medusa_backup)

    # --- runs -------------------------------------------------------------------------------------------------

    @rule(job=st.sampled_from(NIGHT), batch=batches)
    def run(self, job: str, batch: int) -> None:
        assert self.world.planned_run(job, self.batch(batch)) == []

    @rule(job=st.sampled_from(NIGHT), batch=batches, requests=st.integers(0, 25))
    def power_cut(self, job: str, batch: int, requests: int) -> None:
        with self.world.power_cut(requests):
            self.world.run(job, self.batch(batch))

    @rule(
        job=st.sampled_from(NIGHT),
        batch=batches,
        server=st.sampled_from(["medusa", "erp"]),
        method=st.sampled_from([None, "GET", "POST"]),
        answer=st.sampled_from([*way.CLOSED, way.answer_withheld, way.reset_before_headers, tight]),
        skip=st.integers(0, 15),
        times=st.integers(1, 6) | st.none(),
    )
    def something_in_between(
        self,
        job: str,
        batch: int,
        server: str,
        method: str | None,
        answer: Any,
        skip: int,
        times: int | None,
    ) -> None:
        with self.world.trouble(answer(method=method, skip=skip, times=times), on=server):
            self.world.run(job, self.batch(batch))

    @rule(
        job=st.sampled_from(NIGHT),
        batch=batches,
        server=st.sampled_from(["medusa", "erp"]),
        method=st.sampled_from([None, "POST", "PUT"]),
        action=st.sampled_from(["drop_after", "status"]),
        skip=st.integers(0, 15),
        times=st.integers(1, 6),
    )
    def trouble(
        self, job: str, batch: int, server: str, method: str | None, action: Any, skip: int, times: int
    ) -> None:
        fault = Fault(action, method=method, skip=skip, times=times, status=503)
        with self.world.trouble(fault, on=server):
            self.world.run(job, self.batch(batch))

    # --- and in the end ---------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Some nights without trouble; then Medusa is right, and one more night writes nothing.

        The first is planned, and people allow the losses that the brakes ask about.
        """
        assert self.world.planned_night() == []
        for _ in range(NIGHTS_TO_SETTLE):
            self.world.night()
        assert differences(self.world) == []
        self.world.forget_requests()
        assert all(run.success for run in self.world.night())
        assert self.world.writes() == []


def test_an_item_that_is_published_again_under_another_name_keeps_its_products_pictures() -> None:
    """An example that failed: pictures are never removed from a product, so they outlive their Website Item."""
    with open_world() as world:
        name = world.add_item(0, rate=1.5, quantity=5, picture=True)
        assert world.night()[0].success
        product = world.row(name)["medusa_id"]
        again = world.publish_again(name)
        for _ in range(NIGHTS_TO_SETTLE):
            world.night()
        assert world.row(again)["medusa_id"] == product
        assert differences(world) == []
        assert world.pictures(again) == (0, 1)
        world.forget_requests()
        assert all(run.success for run in world.night())
        assert world.writes() == []


# As long as it takes, with as many examples as somebody asks for.
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed_of_examples", range(SEEDS))
def test_whatever_happened_medusa_shows_in_the_end_what_erpnext_says(seed_of_examples: int) -> None:
    run_examples(ShopMachine, seed_of_examples, SEEDS)
