"""A variant gets another template while a run of follow_changes is at work on its old one: it is lost at no request."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from erp_medusa_pipelines.tasks import CHANGES_SENSOR as SENSOR
from erp_medusa_sandbox.faults import FaultInjector
from tests.suites.variants import Shop
from tests.support.catalogue import Catalogue
from tests.support.operations import Clock, Daemon, our_daemon
from tests.support.servers import ErpServer, MedusaServer

EXPORT = "export_items_and_images_custom"
STEP = 11
"""The move comes before each eleventh request of a run."""


class Meanwhile:
    """Does something once, before one of the requests that come to these servers."""

    def __init__(self, *servers: FaultInjector) -> None:
        self._left, self._do = -1, lambda: None
        for server in servers:
            server.app = self._before(server.app)

    def at(self, request: int, do: Callable[[], None]) -> None:
        self._left, self._do = request, do

    @property
    def is_done(self) -> bool:
        return self._left < 0

    def _before(self, app: ASGIApp) -> ASGIApp:
        async def passed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and self._left >= 0:
                self._left -= 1
                if self._left < 0:
                    self._do()
            await app(scope, receive, send)

        return passed


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with our_daemon(tmp_path) as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def move(shop: Shop, name: str, template: str) -> None:
    """As ERPNext saves it: the Item, its attributes' rows, and what its Website Item copies."""
    code, home = shop.catalogue.row(name)["item_code"], shop.catalogue.row(template)["item_code"]
    for row in shop.rows(code):
        shop.store.set("Item Variant Attribute", row["name"], variant_of=home)
    shop.store.save("Item", code, variant_of=home)
    shop.store.save("Website Item", name, variant_of=home)


@pytest.mark.long
def test_a_variant_that_moves_while_its_template_is_followed_is_sold_by_the_other_one_after_the_next_tick(
    shop_env: pytest.MonkeyPatch, erp: ErpServer, medusa: MedusaServer, daemon: Daemon, clock: Clock
) -> None:
    shop_env.setenv("VARIANTS", "options")
    shop_env.setenv("EXPORT_BATCHES", "1")
    catalogue = Catalogue(erp.store)
    catalogue.install_server_script()
    shop = Shop(catalogue, erp, medusa, daemon.runner)
    first, second = shop.make_template("A", shop.size), shop.make_template("B", shop.size)
    shop.variant("S", template=first)
    shop.variant("M", template=second)
    moving = shop.variant("L", template=first)
    shop.night()
    daemon.sensor(SENSOR)
    meanwhile, runs, homes = Meanwhile(erp.faults, medusa.faults), 0, [first, second]
    for request in range(0, 1000, STEP):
        here, there = homes
        for each in homes:
            shop.store.save("Website Item", each, web_item_name=f"{catalogue.row(each)['item_code'][0]} {request}")
        (asked,), _ = daemon.sensor(SENSOR)
        meanwhile.at(request, lambda there=there: move(shop, moving, there))
        daemon.run(asked)
        if not meanwhile.is_done:
            break
        for _ in range(4):
            requests, _ = daemon.sensor(SENSOR)
            if not requests:
                break
            for one in requests:
                daemon.run(one)
            clock.advance(seconds=901)
        homes, runs = [there, here], runs + 1
        sold = {title[0]: shop.sold(title) for title in shop.seen()}
        own: dict[str, Any] = {"A": {"S": (4.5, 5)}, "B": {"M": (4.5, 5)}}
        own["B" if there == second else "A"]["L"] = (4.5, 5)
        assert sold == own, request
    assert runs >= 4
    meanwhile.at(-1, lambda: None)
    shop.writes_nothing()
