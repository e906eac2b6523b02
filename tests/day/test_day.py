"""A day of a shop: staff save all the time, the night comes in the middle, processes and servers are killed.

`make day`; MINUTES= and EDITS= make it longer. DAY_KILLS has shell commands, a line each, that kill a server and start
it again; without it the project's own Medusa is killed. A customer looks on, and at the end everything that the Store
API shows is compared with ERPNext's rows.
"""

import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.background import Background
from dev.customer import Change, Customer, Shown
from dev.deployment import BIN, Deployment, deployed, wait_for
from erp_medusa_pipelines.tasks import CHANGES_SENSOR, RETRY_SENSOR
from erp_medusa_sandbox.server import SandboxAddress
from erp_medusa_sandbox.shop.images import image
from tests.day.killer import Killer
from tests.suites.export import catalogue
from tests.suites.prices import ZONE
from tests.suites.variants import STORE_FIELDS, Shop, shop
from tests.support.catalogue import PRICE_LIST

__all__ = ["catalogue", "shop"]

MINUTES, EDITS = float(os.environ.get("DAY_MINUTES", "5")), int(os.environ.get("DAY_EDITS", "150"))
SEED = int(os.environ.get("DAY_SEED", "20261201"))
ITEMS = 48
HIDDEN_AT_MOST = 6
"""Items that staff hide or show, few of them: the brake stops more, as it should."""
NIGHT = ("export_items_and_images_custom", "sync_missing_prices_to_medusa", "update_webitem_stock")
BATCHES = 2
PATIENCE = 400.0
PIECES = ("stock", "order")
WEIGHTS = {"price": 30, "stock": 30, "title": 15, "order": 8, "picture": 5, "shown": 6, "rename": 3, "new": 3}
"""How often staff save each kind of change."""


class Day:
    """A shop with single items and a template with variants, each in batch 0 or 1."""

    def __init__(self, shop: Shop, deployment: Deployment, chance: random.Random) -> None:
        self.shop, self.store, self.deployment, self.chance = shop, shop.store, deployment, chance
        self.customer = Customer(self.look, PATIENCE)
        self.hidden: set[str] = set()
        self.number = self.added = 0
        self.edits: Counter[str] = Counter()

    def look(self) -> Shown:
        """Return what a customer sees of each variant: its product's title and pictures, its price and pieces."""
        asked = {"region_id": self.shop.medusa.region_id, "fields": STORE_FIELDS + ",*images,external_id", "limit": 500}
        answer = self.shop.medusa.store("GET", "/store/products", params={**asked, "q": self.shop.catalogue.tag})
        answer.raise_for_status()
        return {
            variant["id"]: {
                "title": one["title"],
                "images": len(one["images"]),
                "price": (variant.get("calculated_price") or {}).get("calculated_amount"),
                "pieces": variant["inventory_quantity"],
                "sku": variant["sku"],
            }
            for one in answer.json()["products"]
            for variant in one["variants"]
        }

    def is_over(self) -> bool:
        """Return whether the customer has seen every change; raises what ended the watch."""
        self.customer.check()
        return not self.customer.busy()

    # --- what staff save ------------------------------------------------------------------------------------------

    def edit(self, kind: str) -> None:
        """Save one change, and expect it where an earlier one of the same item has arrived."""
        name = self.chance.choice(self._items(kind))
        self.number += 1
        variant = self._variant(name)
        before = self.customer.shown.get(variant, {})
        arrived = getattr(self, f"_save_{kind}")(name, before)
        self.edits[kind] += 1
        # One that is new and not in the shop yet is looked at in the end only.
        if arrived and (variant or kind == "new"):
            change = Change(kind, name, time.monotonic(), arrived)
            self.customer.expects(change, instead_of=PIECES if kind in PIECES else ())

    def _items(self, kind: str) -> list[str]:
        names = [name for name in self.shop.catalogue.names if name != self.shop.template]
        if kind == "shown":
            return names[:HIDDEN_AT_MOST]
        # What is hidden, and what shares a product with others, shows some changes to nobody.
        single = {"title", "picture", "rename"}
        family = set(self.shop.names.values()) if kind in single else set[str]()
        return [name for name in names[HIDDEN_AT_MOST:] if name not in family]

    def _variant(self, name: str) -> str:
        return self.shop.catalogue.row(name)["medusa_variant_id"] or ""

    def _sees(self, name: str, expected: Callable[[Mapping[str, Any]], bool]) -> Callable[[Shown], bool]:
        variant = self._variant(name)
        return lambda shown: variant in shown and expected(shown[variant])

    def _save_price(self, name: str, _before: Mapping[str, Any]) -> Callable[[Shown], bool]:
        rate = round(1 + self.number / 100, 3)
        price = self._price(name)
        if price:
            self.store.save("Item Price", price["name"], price_list_rate=rate)
        else:  # ERPNext was killed between the item and its price
            self.shop.priced.price(name, rate)
        return self._sees(name, lambda seen: seen["price"] == rate)

    def _save_stock(self, name: str, _before: Mapping[str, Any]) -> Callable[[Shown], bool] | None:
        code = self.shop.catalogue.row(name)["item_code"]
        place = self.shop.stocked.places["Main"]
        assert place
        actual = sum(row["actual_qty"] for row in self.store.rows("Bin", item_code=code, warehouse=place))
        self.store.book(code, place, actual + self.chance.randint(1, 9))
        pieces = self.pieces(name)
        return self._sees(name, lambda seen: seen["pieces"] == pieces)

    def _save_order(self, name: str, _before: Mapping[str, Any]) -> Callable[[Shown], bool] | None:
        if self.pieces(name) < 3:
            return None
        place = self.shop.stocked.places["Main"]
        assert place
        self.store.order(self.shop.catalogue.row(name)["item_code"], place, 1)
        pieces = self.pieces(name)
        return self._sees(name, lambda seen: seen["pieces"] == pieces)

    def _save_title(self, name: str, _before: Mapping[str, Any]) -> Callable[[Shown], bool]:
        title = f"Title {self.number} {self.shop.catalogue.tag}"
        self.store.save("Website Item", name, web_item_name=title)
        return self._sees(name, lambda seen: seen["title"] == title)

    def _save_picture(self, name: str, before: Mapping[str, Any]) -> Callable[[Shown], bool]:
        number = before.get("images", 0)
        self.store.attach(name, f"day-{self.shop.catalogue.tag}-{self.number}.png", image("png", 30_000 + self.number))
        return self._sees(name, lambda seen: seen["images"] > number)

    def _save_shown(self, name: str, _before: Mapping[str, Any]) -> Callable[[Shown], bool]:
        variant, appears = self._variant(name), name in self.hidden
        self.store.save("Website Item", name, published=int(appears))
        (self.hidden.discard if appears else self.hidden.add)(name)
        return lambda shown: (variant in shown) == appears

    def _save_rename(self, name: str, _before: Mapping[str, Any]) -> Callable[[Shown], bool]:
        old, new = self.shop.catalogue.row(name)["item_code"], f"R{self.number}-{self.shop.catalogue.tag}"
        self.store.rename_item(old, new)
        return self._sees(name, lambda seen: seen["sku"] == new)

    def _save_new(self, _name: str, _before: Mapping[str, Any]) -> Callable[[Shown], bool]:
        name = self.add()
        # A new document of the embedded site is as old as its seed, and only a night would find it.
        self.store.save("Website Item", name, published=1)
        code = self.shop.catalogue.row(name)["item_code"]
        return lambda shown: any(seen["sku"] == code and seen["price"] for seen in shown.values())

    def add(self) -> str:
        """Make a single item with a price and pieces."""
        self.added += 1
        title, code = f"Item {self.added} {self.shop.catalogue.tag}", f"D{self.added}-{self.shop.catalogue.tag}"
        name = self.shop.stocked.item("Main", {"Main": 10}, stock_uom="Nos", code=code, web_item_name=title)
        self.shop.priced.price(name, 4.5)
        return name

    # --- what is right --------------------------------------------------------------------------------------------

    def pieces(self, name: str) -> float:
        """Return what ERPNext's Bin leaves for customers."""
        code = self.shop.catalogue.row(name)["item_code"]
        bins = self.store.rows("Bin", item_code=code, warehouse=self.shop.stocked.places["Main"])
        return sum(row["actual_qty"] - (row["reserved_qty"] or 0) for row in bins)

    def pictures(self, name: str) -> int:
        """Return how many are attached."""
        return len(self.store.rows("File", attached_to_doctype="Website Item", attached_to_name=name))

    def wrong(self) -> list[str]:
        """Compare all that a customer sees with ERPNext's rows."""
        shown, found = self.look(), []
        of_sku: dict[str, list[Mapping[str, Any]]] = {}
        for seen in shown.values():
            of_sku.setdefault(seen["sku"], []).append(seen)
        # ERPNext's own list: it may have made one and been killed before it said so.
        for row in self.store.rows("Website Item"):
            name = row["name"]
            if name == self.shop.template:
                continue
            seen = of_sku.pop(row["item_code"], [])
            if len(seen) != int(row["published"]):
                found.append(f"{name} ({row['item_code']}) is shown {len(seen)} times, published: {row['published']}")
            elif seen:
                right = {"price": self._rate(name), "pieces": self.pieces(name), "images": self.pictures(name)}
                if name not in self.shop.names.values():
                    right["title"] = row["web_item_name"]
                one = seen[0]
                found += [f"{name}: {key} is {one[key]}, not {right[key]}" for key in right if one[key] != right[key]]
        return found + [f"{sku} is shown, and no Website Item" for sku in of_sku]

    def wrong_in_a_cart(self, number: int) -> list[str]:
        """Put all pieces that ERPNext has of some items into a cart, and one more: it takes just those."""
        found = []
        for name in self.chance.sample(self._items("title"), number):
            pieces, variant = int(self.pieces(name)), self._variant(name)
            taken = [self.shop.buy(variant, quantity) for quantity in (pieces, pieces + 1)]
            if taken != [200, 400]:
                found.append(f"{name}: a cart answers {taken} to {pieces} pieces and one more")
        return found

    def _rate(self, name: str) -> float | None:
        price = self._price(name)
        return price["price_list_rate"] if price else None

    def _price(self, name: str) -> Mapping[str, Any] | None:
        code = self.shop.catalogue.row(name)["item_code"]
        return next(iter(self.store.rows("Item Price", item_code=code, price_list=PRICE_LIST)), None)


def minute_of_the_night() -> str:
    """Return the cron line of a night in the middle of the day."""
    middle = datetime.now(ZONE) + timedelta(minutes=MINUTES / 2 + 1)
    return f"{middle.minute} {middle.hour} * * *"


@pytest.mark.timeout(MINUTES * 60 + 3600)
def test_after_a_day_of_edits_and_kills_a_customer_sees_what_erpnext_has(shop: Shop, tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - no secret
    erp, medusa = shop.erp, shop.medusa
    servers = SandboxAddress(
        erp.url, erp.key, erp.secret, medusa.url, medusa.api_key, medusa.publishable_key,
        medusa.admin_email, medusa.admin_password, pid=0,
    )  # fmt: skip
    settings = {
        "MEDUSA_SALES_CHANNEL_ID": medusa.sales_channel_id, "MEDUSA_STOCK_LOCATION_ID": medusa.stock_location_id,
        **servers.log_in(),
        "EXPORT_BATCHES": str(BATCHES),
        "VARIANTS": "options", "CATEGORIES": "used", "SCHEDULE_TIMEZONE": str(ZONE),
        "SCHEDULES": json.dumps(dict.fromkeys(NIGHT, minute_of_the_night())), "RETRY_DELAY_SECONDS": "20",
    }  # fmt: skip
    with deployed(tmp_path, None, False, False, servers, **settings) as deployment:
        day = Day(shop, deployment, chance)
        shop.catalogue.install_server_script()
        # After a take-over: nothing is started beside Frappe's own jobs.
        for job in shop.store.rows("Scheduled Job Type", stopped=0):
            if job["method"].startswith("medusa_integration."):
                shop.store.save("Scheduled Job Type", job["name"], stopped=1)
        for _ in range(ITEMS):
            day.add()
        for size, colour in product("SML", ("Red", "Blue")):
            shop.variant(size, colour)
        for run in [deployment.launch(NIGHT[0], f"batch_{number}") for number in range(BATCHES)]:
            assert deployment.ended(run, 900).status == "SUCCESS"
        assert day.wrong() == []
        for sensor in (CHANGES_SENSOR, RETRY_SENSOR):
            deployment.turn_on_sensor(sensor)
        for task in NIGHT:
            deployment.turn_on_schedule(f"{task}_schedule")
        wait_for("a tick", lambda: any("from now on" in str(t["skipReason"]) for t in deployment.ticks(CHANGES_SENSOR)))
        with day.customer:
            with Killer(deployment, chance) as killer:
                _work_all_day(day, chance, (day.customer, killer))
            with suppress(AssertionError):
                wait_for("the last change", day.is_over, PATIENCE)
        wait_for("every run's end", lambda: not deployment.runs(statuses=["STARTED", "QUEUED", "STARTING"]), PATIENCE)
        _report(day, killer, deployment)
        assert killer.done["run"], "nothing was killed"
        assert day.wrong() == []
        assert day.wrong_in_a_cart(5) == []
        environment = {**deployment.environment, "DAGSTER_HOME": str(tmp_path)}
        drift = [str(BIN / "erp-medusa"), "drift", "--json"]
        found = subprocess.run(drift, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        ours = [one for one in json.loads(found.stdout)["differences"] if shop.catalogue.tag in json.dumps(one)]
        assert ours == [], found.stdout


def _work_all_day(day: Day, chance: random.Random, others: Sequence[Background]) -> None:
    """Save at random moments. What a server that was just killed did not take is saved again, as staff would.

    A day that another thread has left shows nothing: it ends with that thread's error.
    """
    end, left = time.monotonic() + MINUTES * 60, EDITS
    while left > 0 and time.monotonic() < end + PATIENCE:
        for other in others:
            other.check()
        kind = chance.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
        try:
            day.edit(kind)
            left -= 1
        except (requests.RequestException, AssertionError) as error:
            print(f"not saved: {kind}: {str(error)[:200]}", flush=True)
            time.sleep(2)
        if left:
            time.sleep(max(0.0, chance.uniform(0, 2) * (end - time.monotonic()) / left))


def _report(day: Day, killer: Killer, deployment: Deployment) -> None:
    runs = Counter(f"{run['jobName']} {run['status']}" for run in deployment.runs(limit=1000))
    print("", *day.customer.arrivals.table(), sep="\n")
    print(f"saved: {dict(day.edits)}; killed: {dict(killer.done)}; runs: {dict(runs)}; load {os.getloadavg()[1]:.1f}")
