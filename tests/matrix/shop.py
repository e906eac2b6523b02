"""A small shop with every kind of document that the tasks work on, whose whole state can be kept and put back.

The shop before its first night, what changes before its second, and its tasks.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dagster._core.storage.runs import InMemoryRunStorage
from dagster._core.storage.runs.schema import KeyValueStoreTable
from sqlalchemy import delete, insert, select, text

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_sandbox.medusa.store import Document
from tests.machine.runs import NightRunner, QuietRunner
from tests.machine.servers import open_world
from tests.machine.world import BATCHES, EXPORT, ORPHANS, PRICES, STOCK, World
from tests.suites.otps import Passwords
from tests.suites.quotation_emails import Outbox
from tests.support.catalogue import PRICE_LIST
from tests.support.mails import send_to
from tests.support.runs import JobRun
from tests.support.trade import ZONE, Trade

TOP_SELLERS = "add_top_selling_items_to_collection"
CLEARANCE = "fetch_clearance_items"
MAILS = "send_quotation_emails"
OTPS = "expire_otps"
FIRST, CHANGED = "before the first night", "changed after the first night"
SCENARIOS = {
    "first night": (EXPORT, FIRST),
    "second night": (EXPORT, CHANGED),
    "prices": (PRICES, CHANGED),
    "stock": (STOCK, CHANGED),
    "orphans": (ORPHANS, CHANGED),
    "best sellers": (TOP_SELLERS, FIRST),
    "clearance": (CLEARANCE, FIRST),
    "mails": (MAILS, FIRST),
    "one-time passwords": (OTPS, FIRST),
}
"""What is tried: a task, and the state of the shop in which it starts."""

WITHOUT_MEDUSA = ("best sellers", "clearance", "mails", "one-time passwords")
"""Of these, those whose task works on ERPNext alone."""

# Mail by mail: a state is kept between two of them, not while ERPNext hands one over.
# A run waits with mails that a killed one may still be sending, which here is over.
SETTINGS = {"QUOTATION_EMAIL_PARALLEL": "1", "QUOTATION_EMAIL_DOUBT_SECONDS": "0"}


@dataclass(frozen=True, repr=False)
class Snapshot:
    """The state of both servers, of the mail server and of what the runs remember."""

    erp: bytes
    medusa: dict[str, dict[str, Document]]
    files: dict[str, bytes]
    memory: tuple[tuple[str, str], ...]
    mails: tuple[str, ...]


class Shop:
    """A world with sales, batches that expire, mails and one-time passwords besides."""

    settings = SETTINGS
    tasks_before_the_change = (EXPORT, TOP_SELLERS, CLEARANCE)

    def __init__(self, world: World, sink: MailSink) -> None:
        self.world = world
        self.sink = sink
        self.outbox = Outbox(world.erp, sink)
        self.passwords = Passwords(world.erp)

    # --- the shop ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Everything that is there before the first night."""
        world = self.world
        for number in range(5):
            world.add_item(number % 3, rate=1.25 + number, quantity=3.0 * number, picture=number in (0, 3))
        self.item("WEB-shop-0001", description="<b>سلك</b>" * 20)
        self.window("WEB-shop-0002", 0.5, since=-5, until=5)
        self.window("WEB-shop-0002", 9.5, since=6, until=40)
        world.add_item(1, rate=None, quantity=None, picture=False)
        trade = Trade(world.erp.store)
        for code, group in (("IMPLANT", "Implants"), ("GAUZE", "Wound Care")):
            trade.item(code, group)
            trade.invoice((code, 3.0), ("ITM/0-shop", 1.0))
        trade.batch("IMPLANT", 12)
        trade.batch("ITM/0-shop", 30)
        trade.list_by_hand({"website_item": "WEB-GAUZE", "show": 1})
        trade.put_on_homepage("best_deals", {"website_item": "WEB-GAUZE"})
        send_to(world.erp.store, self.sink.port)
        for _ in range(4):
            self.outbox.add()
        for minutes in (-1, -60, -90, 10):
            self.passwords.add(minutes)

    def change(self) -> None:
        """What people do between the first night and the second."""
        world = self.world
        first, second, third, fourth, fifth, sixth = self.names()[:6]
        world.retitle(first)
        world.attach(first)
        world.set_price(second, 77.125)
        world.set_stock(second, 11)
        world.set_price(third, 3.75)
        self.window(fourth, 0.75, since=-1, until=3)
        world.regroup(fourth, 2)
        world.publish(fifth, False)
        world.set_price(sixth, 6.5)
        world.set_stock(sixth, 2)
        world.attach(sixth)
        new = world.add_item(2, rate=8.125, quantity=4, picture=True)
        world.copy(new)
        # Gone without a trace, so that only the search for orphans finds its product.
        world.erp.store.delete("Website Item", "WEB-GAUZE")

    def names(self) -> list[str]:
        """Website Items that the world made."""
        return self.world.catalogue.names

    def item(self, name: str, **values: Any) -> None:
        """Set fields of an item behind a Website Item."""
        code = self.world.row(name)["item_code"]
        self.world.erp.store.set("Item", code, **values)

    def window(self, name: str, rate: float, *, since: int, until: int) -> None:
        """A price that holds for some days."""
        world = self.world
        today = datetime.now(ZONE).date()
        code = world.row(name)["item_code"]
        world.erp.store.insert(
            "Item Price",
            name=f"price-{next(world.numbers):05d}",
            item_code=code,
            price_list=PRICE_LIST,
            uom="Nos",
            currency="OMR",
            selling=1,
            price_list_rate=rate,
            valid_from=(today + timedelta(days=since)).isoformat(),
            valid_upto=(today + timedelta(days=until)).isoformat(),
        )

    # --- its tasks --------------------------------------------------------------------------------------------

    def run(self, task: str) -> list[JobRun]:
        """One run of the task for each batch, as its schedule starts them."""
        batches = BATCHES if task in (EXPORT, PRICES, STOCK) else (None,)
        return [self.world.runner.nightly(task, batch) for batch in batches]

    # --- its state --------------------------------------------------------------------------------------------

    def keep(self) -> Snapshot:
        """Everything that outlives a process."""
        erp, medusa = self.world.erp.store, self.world.medusa_store
        with erp.lock:
            rows = erp._db.serialize()
        # Documents are replaced, never changed in place. No lock: the other server's thread may hold it and wait here.
        tables = {table: dict(documents) for table, documents in [*medusa._tables.items()]}
        return Snapshot(rows, tables, dict(medusa.static_files), tuple(self._memory()), tuple(self.sink.recipients))

    def put_back(self, kept: Snapshot) -> None:
        """Put both servers and the runs' memory into this state."""
        world = self.world
        source = sqlite3.connect(":memory:")
        source.deserialize(kept.erp)
        with world.erp.store.lock:
            source.backup(world.erp.store._db)
        source.close()
        world.restore_medusa(kept.medusa)
        world.medusa_store.static_files = dict(kept.files)
        self.sink.recipients[:] = kept.mails
        with self._storage.connect() as connection:
            connection.execute(delete(KeyValueStoreTable))
            for key, value in kept.memory:
                connection.execute(insert(KeyValueStoreTable).values(key=key, value=value))
        world.forget_requests()

    @property
    def _storage(self) -> InMemoryRunStorage:
        storage = self.world.runner.instance.run_storage
        assert isinstance(storage, InMemoryRunStorage)
        return storage

    def _memory(self) -> Iterator[tuple[str, str]]:
        with self._storage.connect() as connection:
            # It is read by a server's thread while the run writes: without this SQLite, in memory, refuses one of them.
            connection.execute(text("PRAGMA read_uncommitted = 1"))
            for row in connection.execute(select(KeyValueStoreTable.c.key, KeyValueStoreTable.c.value)).all():
                yield row[0], row[1]


@contextmanager
def small_shop(kind: type[Shop] = Shop) -> Iterator[tuple[Shop, dict[str, Snapshot]]]:
    """A shop and the states in which its tasks start."""
    with ExitStack() as stack:
        runs = QuietRunner if os.environ.get("RUNS") == "dagster" else NightRunner
        world = stack.enter_context(open_world(kind.settings, runs))
        shop = kind(world, stack.enter_context(mail_sink()))
        shop.open()
        states = {FIRST: shop.keep()}
        for task in shop.tasks_before_the_change:
            assert all(run.success for run in shop.run(task))
        shop.change()
        states[CHANGED] = shop.keep()
        yield shop, states
