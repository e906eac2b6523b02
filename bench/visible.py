"""From a save in the ERP until a customer sees it: `follow_changes` under Dagster's daemon, at its default interval.

    python -m bench.visible [--changes 50] [--gap 1]

An installation on SQLite (webserver, daemon, runs in processes of their own) on the embedded servers with their sample
shop, after its first night. So many changes of each kind are saved in random order, `--gap` seconds apart on average,
and the Store API is asked once a second what it shows. The floor is what one direct call to Medusa costs for the same
change: nothing that notices the save and calls Medusa can be faster.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from dev.customer import GIVE_UP, Arrivals, Change, Customer, Shown, p95
from dev.deployment import Deployment, deployed, wait_for
from dev.sample_shop import SampleShop
from dev.server_script import install_server_script
from erp_medusa_pipelines.clients.several_lists import LISTS_METHOD, lists_script_text
from erp_medusa_sandbox.shop.images import image
from erp_medusa_sandbox.shop.seed import add_file

EXPORT = "export_items_and_images_custom"
SENSOR = "follow_changes"
BATCHES = 4
INTERVAL = 30
"""Seconds; the default of CHANGES_INTERVAL."""
ALLOWED = INTERVAL + 15
FIELDS = "id,external_id,title,*images,*variants,*variants.calculated_price,+variants.inventory_quantity"
SEED = 20261130
NARROWED = ("customer", "valid_upto", "packing_unit")
"""Fields of an Item Price that is not asked of everybody, for one piece, from its beginning on."""
PAGE = 200
"""Products that a customer's question returns at once; the shop has more."""
ORDER = "order from elsewhere"


@dataclass(frozen=True)
class Result:
    """How long changes took, what one direct call for each kind took, and the runs that it needed."""

    arrivals: Arrivals
    floor: Mapping[str, float]
    runs: int
    load: float


class Staff:
    """Saves changes of one kind each. Each item has one open change of a kind at a time."""

    def __init__(self, deployment: Deployment, shop: SampleShop) -> None:
        self.deployment, self.shop, self.store = deployment, shop, shop.store
        self.chance = random.Random(SEED)  # noqa: S311 - sample data, no secret
        self._number = 0
        self._before: float | None = None
        rows = self.store.rows("Website Item", published=1)
        prices = _only_ones(self.store.rows("Item Price", price_list="Standard Selling"))
        prices = {code: row for code, row in prices.items() if not any(row[key] for key in NARROWED)}
        place_of = {row["item_code"]: row["website_warehouse"] for row in rows}
        tree = {row["name"]: row for row in self.store.rows("Warehouse")}
        bins = {
            row["item_code"]: row
            for row in self.store.rows("Bin")
            if (place := tree.get(place_of.get(row["item_code"])))
            and place["lft"] <= tree[row["warehouse"]]["lft"] <= place["rgt"]
        }
        self.items = [
            row for row in rows if row["item_code"] in prices and row["item_code"] in bins and row["medusa_id"]
        ]
        self.prices = {code: row["name"] for code, row in prices.items()}
        self.bins = {code: row["name"] for code, row in bins.items()}
        self.hidden: set[str] = set()

    @property
    def kinds(self) -> dict[str, Callable[[Mapping[str, Any]], Callable[[Shown], bool]]]:
        """By kind, what saves a change of an item and returns what is then to be seen."""
        return {
            "price": self.price,
            "stock": self.stock,
            "title": self.title,
            "publish": self.publish,
            "picture": self.picture,
            ORDER: self.order,
        }

    def usable(self, kind: str, shown: Shown) -> Sequence[Mapping[str, Any]]:
        """Return the items of which a customer would see such a change."""
        if kind == "publish":
            return self.items
        seen = [item for item in self.items if item["name"] in shown and item["name"] not in self.hidden]
        looked_at = {"price": _price, "stock": _quantity, ORDER: _quantity}.get(kind)
        return seen if looked_at is None else [item for item in seen if looked_at(shown[item["name"]])]

    def save(self, kind: str, item: Mapping[str, Any], shown: Shown) -> Change:
        """Save one; the time counts from when ERPNext has stored it. `shown` is what was to be seen before."""
        self._number += 1
        self._before = _quantity(shown.get(item["name"]))
        arrived = self.kinds[kind](item)
        return Change(kind, item["name"], time.monotonic(), arrived)

    def price(self, item: Mapping[str, Any]) -> Callable[[Shown], bool]:
        """Change the rate of its Item Price."""
        rate = round(1 + self._number / 100, 2)
        self.deployment.save_in_erpnext("Item Price", self.prices[item["item_code"]], price_list_rate=rate)
        return lambda shown: _price(shown.get(item["name"])) == rate

    def stock(self, item: Mapping[str, Any]) -> Callable[[Shown], bool]:
        """What a Stock Entry leaves in its Bin."""
        return self._bin(item, "actual_qty", 7)

    def order(self, item: Mapping[str, Any]) -> Callable[[Shown], bool]:
        """Submit a Sales Order that is not Medusa's."""
        line = {"item_code": item["item_code"], "qty": 1, "stock_qty": 1, "conversion_factor": 1, "delivered_qty": 0}
        line["warehouse"] = self.store.rows("Bin", name=self.bins[item["item_code"]])[0]["warehouse"]
        self.store.insert(
            "Sales Order", name=f"SO-{self._number}", docstatus=1, status="To Deliver and Bill", items=[line],
            modified=self.shop.now(),
        )  # fmt: skip
        return self._bin(item, "reserved_qty", 1)

    def _bin(self, item: Mapping[str, Any], column: str, more: float) -> Callable[[Shown], bool]:
        name, before = self.bins[item["item_code"]], self._before
        (row,) = self.store.rows("Bin", name=name)
        self.store.set("Bin", name, modified=self.shop.now(), **{column: (row[column] or 0) + more})
        return lambda shown: _quantity(shown.get(item["name"])) != before

    def title(self, item: Mapping[str, Any]) -> Callable[[Shown], bool]:
        """Change its name on the web."""
        title = f"{item['item_name']} {self._number}"
        self.deployment.save_in_erpnext("Website Item", item["name"], web_item_name=title)
        return lambda shown: (shown.get(item["name"]) or {}).get("title") == title

    def publish(self, item: Mapping[str, Any]) -> Callable[[Shown], bool]:
        """Unpublish it, or publish it again."""
        name = item["name"]
        was_hidden = name in self.hidden
        self.deployment.save_in_erpnext("Website Item", name, published=int(was_hidden))
        (self.hidden.discard if was_hidden else self.hidden.add)(name)
        return lambda shown: (name in shown) == was_hidden

    def picture(self, item: Mapping[str, Any]) -> Callable[[Shown], bool]:
        """Attach one."""
        before = len(self.store.rows("File", attached_to_name=item["name"]))
        content = image("png", 10_000 + self._number)
        add_file(self.store, item["name"], f"visible-{self._number}.png", content, modified=self.shop.now())
        return lambda shown: len((shown.get(item["name"]) or {}).get("images") or ()) > before


def _only_ones(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the rows of the Items that have one: of several, a change of one may be nothing that a customer sees."""
    by_code: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_code[row["item_code"]].append(row)
    return {code: some[0] for code, some in by_code.items() if len(some) == 1}


def _price(product: Mapping[str, Any] | None) -> float | None:
    found = product and product["variants"][0].get("calculated_price")
    return found["calculated_amount"] if found else None


def _quantity(product: Mapping[str, Any] | None) -> float | None:
    return product["variants"][0].get("inventory_quantity") if product else None


def everything(deployment: Deployment) -> Callable[[], Shown]:
    """Return what reads the whole shop as a customer: products by Website Item."""
    region = deployment.store("/store/regions?limit=1")["regions"][0]["id"]
    path = f"/store/products?limit={PAGE}&region_id={region}&fields={FIELDS.replace('+', '%2B')}"

    def look() -> Shown:
        found: dict[str, Any] = {}
        offset, number = 0, 1
        while offset < number:
            page = deployment.store(f"{path}&offset={offset}")
            found |= {one["external_id"]: one for one in page["products"] if one["external_id"]}
            offset, number = offset + PAGE, page["count"]
        return found

    return look


def floors(deployment: Deployment, item: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of one direct call to Medusa for each kind of change, the median of five."""
    auth = {"Authorization": f"Basic {deployment.shop.medusa_api_key}"}

    def call(method: str, path: str, **options: Any) -> Any:
        answer = requests.request(method, deployment.shop.medusa_url + path, headers=auth, timeout=60, **options)
        answer.raise_for_status()
        return answer.json()

    product = f"/admin/products/{item['medusa_id']}"
    inventory = call("GET", f"/admin/inventory-items?sku={item['item_code']}&fields=id,location_levels.location_id")
    (stocked,) = inventory["inventory_items"]
    level = f"/admin/inventory-items/{stocked['id']}/location-levels/{stocked['location_levels'][0]['location_id']}"
    prices = call("GET", "/admin/price-lists?fields=id&limit=1")["price_lists"][0]["id"]
    entry = call("GET", f"/admin/price-lists/{prices}/prices?limit=1")["prices"][0]
    variant = (entry.get("variant") or {}).get("id") or entry["price_set"]["variant"]["id"]
    update = {"update": [{"id": entry["id"], "variant_id": variant, "amount": float(entry["amount"])}]}
    number = iter(range(1, 1000))
    stock = {"stocked_quantity": 5000}
    calls: dict[str, Callable[[], Any]] = {
        "price": lambda: call("POST", f"/admin/price-lists/{prices}/prices/batch", json=update),
        "stock": lambda: call("POST", level, json=stock),
        "title": lambda: call("POST", product, json={"title": f"Floor {next(number)}"}),
        "publish": lambda: call("POST", product, json={"status": "published"}),
        "picture": lambda: call(
            "POST", "/admin/uploads", files=[("files", ("floor.png", image("png", next(number)), "image/png"))]
        ),
        ORDER: lambda: call("POST", level, json=stock),
    }
    found: dict[str, float] = {}
    for kind, send in calls.items():
        times = []
        for _ in range(5):
            began = time.monotonic()
            send()
            times.append(time.monotonic() - began)
        found[kind] = statistics.median(times)
    return found


def measure(changes: int, gap: float) -> Result:
    """Run it: an installation, its first night, then the changes."""
    with tempfile.TemporaryDirectory() as folder, deployed(Path(folder), EXPORT_BATCHES=str(BATCHES)) as deployment:
        shop = SampleShop(Path(folder) / "sandbox")
        install_server_script(shop.store)
        shop.store.insert(
            "Server Script", name=LISTS_METHOD, script_type="API", api_method=LISTS_METHOD, script=lists_script_text()
        )
        for run in [deployment.launch(EXPORT, f"batch_{number}") for number in range(BATCHES)]:
            assert deployment.ended(run, 600).status == "SUCCESS"
        staff = Staff(deployment, shop)
        floor = floors(deployment, staff.items[0])
        deployment.turn_on_sensor(SENSOR)
        wait_for("the first tick", lambda: any("from now on" in str(t["skipReason"]) for t in deployment.ticks(SENSOR)))
        with Customer(everything(deployment), GIVE_UP) as customer:
            plan = [kind for kind in staff.kinds for _ in range(changes)]
            staff.chance.shuffle(plan)
            for kind in plan:
                # One open change for each item: another of the same item would hide the first.
                usable = wait_for(
                    f"an item for a change of {kind}",
                    lambda kind=kind: [
                        one for one in staff.usable(kind, customer.shown) if one["name"] not in customer.busy()
                    ],
                    GIVE_UP,
                )
                customer.expects(staff.save(kind, staff.chance.choice(usable), customer.shown))
                time.sleep(staff.chance.uniform(0, 2 * gap))
            wait_for("the last change", lambda: not customer.busy(), GIVE_UP)
        runs = len(deployment.runs(limit=1000, pipelineName="sync_items"))
        return Result(customer.arrivals, floor, runs, os.getloadavg()[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--gap", type=float, default=1.0)
    options = parser.parse_args()
    result = measure(options.changes, options.gap)
    arrivals = result.arrivals
    print("\n".join(arrivals.table(result.floor)))
    for kind, seconds in arrivals.seconds.items():
        print(f"\n{kind}: p95 {p95(seconds):.1f} s, lost {arrivals.lost.get(kind, 0)}", end="")
    print(f"\n\n{result.runs} runs of sync_items; load {result.load:.1f}; allowed are {ALLOWED} s (p95)")


if __name__ == "__main__":
    main()
