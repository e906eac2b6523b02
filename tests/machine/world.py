"""One shop on the embedded servers, and everything that people, other tools and accidents do to it.

The actions of both sides.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
import requests

from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.medusa.app import create_app
from erp_medusa_sandbox.medusa.plugin import PluginOptions
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from erp_medusa_sandbox.shop.images import image
from erp_medusa_sandbox.shop.seed import add_file
from tests.machine.hand_made import HandMade
from tests.machine.runs import NightRunner, QuietRunner
from tests.machine.trade import Trade
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.plans import unlike
from tests.support.runs import JobRun
from tests.support.servers import PLUGIN_SECRET, ErpServer, MedusaServer
from tests.support.writes import erp_writes, medusa_writes

BATCHES = ("batch_0", "batch_1")
WAREHOUSE = "Main - S"
EXPORT = "export_items_and_images_custom"
PRICES = "sync_missing_prices_to_medusa"
STOCK = "update_webitem_stock"
ORPHANS = "find_orphaned_products"
CLEARANCE = "fetch_clearance_items"
CLINICS = "Clinics"
EXPIRING, CLEARANCE_ROW = "Expiring Items", "Expiring Items Table"
NIGHT = (STOCK, PRICES, EXPORT)
IDS = ("medusa_id", "medusa_variant_id")
PERCENT = "MISSING_PRODUCTS_PERCENT"
ALLOWANCE = re.compile(rf"start the run with (\w+): true|raise ({PERCENT})")
"""How a brake's message says that losses may be allowed."""


@dataclass(frozen=True)
class Edit:
    """A title that somebody typed in Medusa's admin, and the title that ERPNext had at that time."""

    title: str
    erp_title: str


def allowances(run: JobRun) -> set[str]:
    """Return what the messages of a run's brakes name."""
    return {field or setting for text in run.reasons() for field, setting in ALLOWANCE.findall(text)}


class World:
    """The actions. Website Items are named by their document names."""

    def __init__(
        self,
        erp: ErpServer,
        medusa: MedusaServer,
        medusa_store: MedusaStore,
        runner: NightRunner | QuietRunner,
        environment: pytest.MonkeyPatch,
    ) -> None:
        self.erp = erp
        self.environment = environment
        self.medusa = medusa
        self.medusa_store = medusa_store
        self.runner = runner
        self.catalogue = Catalogue(erp.store)
        # An example is the same each time it is run: names decide about batches.
        self.catalogue.tag = "shop"
        self.catalogue.install_server_script()
        self.numbers = count(1)
        self.hand_made = HandMade(medusa, medusa_store, self.numbers)
        self.trade = Trade(erp.store, WAREHOUSE, self.numbers)
        self.edits: dict[str, Edit] = {}
        """By product: another Website Item for the same Item takes its product over, with what was typed there."""
        self.attached: Counter[str] = Counter()
        """Pictures ever attached, by Website Item. A product keeps those of a deleted or restored item."""
        self.codes_moved = False
        """Whether an Item code ever belonged to two Website Items, one after the other."""
        self.groups = [self.catalogue.group(label) for label in ("Gloves", "Implants", "أجهزة")]
        erp.store.insert("UOM", name="Nos", uom_name="Nos")
        erp.store.insert("Currency", name="OMR", currency_name="OMR")
        erp.store.insert(
            "Warehouse", name=WAREHOUSE, warehouse_name="Main", parent_warehouse=None, lft=1, rgt=2, is_group=0
        )
        self.price_list = PRICE_LIST
        self.batches = BATCHES
        self.keeps_titles = True
        """Whether a title typed in Medusa stays until ERPNext's changes."""
        self.marks: set[str] = set()
        """Website Items that staff put on clearance."""
        self.north = ""
        """A second stock location."""

    def furnish(self) -> None:
        """Add what settings and staff may turn to: a second price list, a second location, clearance."""
        store = self.erp.store
        store.insert("Price List", name=CLINICS, price_list_name=CLINICS, enabled=1, selling=1, currency="OMR")
        store.insert(EXPIRING, modified="2026-01-01 00:00:00.000000")
        store.insert("Homepage Landing", name="Active Homepage Landing")
        location = self.medusa.admin("POST", "/admin/stock-locations", json={"name": "North"})["stock_location"]
        self.north = location["id"]
        channel = {"add": [self.medusa.sales_channel_id]}
        self.medusa.admin("POST", f"/admin/stock-locations/{self.north}/sales-channels", json=channel)

    # --- settings -------------------------------------------------------------------------------------------

    def set_price_list(self, name: str) -> None:
        """From now on customers are asked the prices of this list."""
        self.price_list = name
        self.environment.setenv("ERPNEXT_PRICE_LIST", name)

    def set_batches(self, number: int) -> None:
        self.batches = BATCHES[:number]
        self.environment.setenv("EXPORT_BATCHES", str(number))

    def set_location(self, north: bool) -> None:
        """The warehouse's stock is at the one location of Medusa, or at the other."""
        places = {WAREHOUSE: self.north} if north else {}
        self.environment.setenv("WAREHOUSE_STOCK_LOCATIONS", json.dumps(places))

    def set_title_policy(self, keeps: bool) -> None:
        self.keeps_titles = keeps
        self.environment.setenv("FIELD_POLICIES", json.dumps({} if keeps else {"title": "overwrite"}))

    # --- looking ----------------------------------------------------------------------------------------------

    def names(self, **equals: Any) -> list[str]:
        """Website Items, e.g. `published=1`."""
        return [row["name"] for row in self.erp.store.rows("Website Item", **equals)]

    def exported(self) -> list[str]:
        """Website Items whose product Medusa has."""
        return [name for name in self.names() if self._product(name)]

    def row(self, name: str) -> dict[str, Any]:
        """The Website Item as ERPNext holds it."""
        return self.catalogue.row(name)

    def _product(self, name: str) -> Document | None:
        product = self.medusa_store.get("product", self.row(name)["medusa_id"])
        return product if product and not product["deleted_at"] else None

    # --- staff in ERPNext -------------------------------------------------------------------------------------

    def add_item(self, group: int, *, rate: float | None, quantity: float | None, picture: bool) -> str:
        """A new Item with its Website Item; perhaps a price, stock and a picture."""
        name = self.catalogue.item(self.groups[group], stock_uom="Nos", website_warehouse=WAREHOUSE)
        if rate is not None:
            self.set_price(name, rate)
        if quantity is not None:
            self.set_stock(name, quantity)
        if picture:
            self.attach(name)
        return name

    def save(self, doctype: str, name: str, **values: Any) -> None:
        """A save in the desk, with everything that ERPNext does in it."""
        path = f"/api/resource/{quote(doctype)}/{quote(name, safe='')}"
        self._erp("PUT", path, json=values)

    def retitle(self, name: str) -> None:
        self.save("Website Item", name, web_item_name=f"Title {next(self.numbers)}")

    def publish(self, name: str, published: bool) -> None:
        self.save("Website Item", name, published=int(published))

    def regroup(self, name: str, group: int) -> None:
        """The Item's group, which a save of the Website Item fetches."""
        code = self.row(name)["item_code"]
        self.erp.store.set("Item", code, item_group=self.groups[group])
        self.save("Website Item", name, item_group=self.groups[group])

    def set_price(self, name: str, rate: float) -> None:
        """The one standing price of the item."""
        code = self.row(name)["item_code"]
        rows = self.erp.store.rows("Item Price", item_code=code, price_list=self.price_list)
        if rows:
            self.save("Item Price", rows[0]["name"], price_list_rate=rate)
            return
        values = {"item_code": code, "price_list": self.price_list, "uom": "Nos", "currency": "OMR", "selling": 1}
        self.erp.store.insert("Item Price", name=f"price-{next(self.numbers):05d}", price_list_rate=rate, **values)

    def drop_price(self, name: str) -> None:
        for row in self.erp.store.rows("Item Price", item_code=self.row(name)["item_code"]):
            self.erp.store.delete("Item Price", row["name"])

    def mark_for_clearance(self, name: str) -> None:
        """A row of Expiring Items without a date, which shows the item."""
        self.marks.add(name)
        row = {"parent": EXPIRING, "parenttype": EXPIRING, "parentfield": "expiring_items"}
        number = len(self.erp.store.rows(CLEARANCE_ROW)) + 1
        self.erp.store.insert(CLEARANCE_ROW, website_item=name, show=1, idx=number, **row)

    def marked(self) -> set[str]:
        """Website Items whose row of staff is there."""
        return {row["website_item"] for row in self.erp.store.rows(CLEARANCE_ROW) if row["show"]}

    def set_stock(self, name: str, quantity: float) -> None:
        code = self.row(name)["item_code"]
        rows = self.erp.store.rows("Bin", item_code=code, warehouse=WAREHOUSE)
        if rows:
            self.erp.store.set("Bin", rows[0]["name"], actual_qty=quantity)
        else:
            place = {"item_code": code, "warehouse": WAREHOUSE}
            self.erp.store.insert("Bin", name=f"bin-{next(self.numbers):05d}", actual_qty=quantity, **place)

    def attach(self, name: str) -> None:
        """Attach a unique picture to a Website Item."""
        number = next(self.numbers)
        self.attached[name] += 1
        add_file(self.erp.store, name, f"photo {number}.png", image("png", number))

    def pictures(self, name: str) -> tuple[int, int]:
        """Number of pictures that are attached to a Website Item, and of those its product may have.

        An item takes over the product of a deleted one that had its code: what was attached to any item may be there.
        """
        now = self.erp.store.rows("File", attached_to_doctype="Website Item", attached_to_name=name)
        return len(now), self.attached.total() if self.codes_moved else self.attached[name]

    def copy(self, name: str) -> str:
        """The desk's Duplicate: another Item, and the original's ids."""
        row = self.row(name)
        copy = self.catalogue.item(row["item_group"], stock_uom="Nos", website_warehouse=WAREHOUSE)
        self.erp.store.set("Website Item", copy, **{key: row[key] for key in IDS})
        self.set_price(copy, next(self.numbers) + 0.25)
        self.set_stock(copy, next(self.numbers))
        return copy

    def copy_group(self, group: int) -> None:
        """Duplicating an Item Group copies the collection's id; new items go into the copy."""
        row = self.erp.store.get("Item Group", self.groups[group])
        assert row is not None
        self.groups.append(self.catalogue.group(f"Copy {next(self.numbers)}", medusa_id=row["medusa_id"]))

    def delete(self, name: str) -> None:
        """ERPNext keeps a Deleted Document. It deletes nothing that staff still show on clearance."""
        for doctype in (CLEARANCE_ROW, "Homepage Item", "Best Deals"):
            for row in self.erp.store.rows(doctype, website_item=name):
                self.erp.store.delete(doctype, row["name"])
        self.marks.discard(name)
        self._erp("DELETE", f"/api/resource/Website Item/{quote(name, safe='')}")

    def publish_again(self, name: str) -> str:
        """Delete a Website Item and make another one for the same Item."""
        row = self.row(name)
        self.codes_moved = True
        self.delete(name)
        again = f"{name.split('+')[0]}+{next(self.numbers)}"
        kept = (
            "item_code", "item_name", "item_group", "web_item_name", "published", "stock_uom", "website_warehouse",
            "has_variants", "variant_of",
        )  # fmt: skip
        self.erp.store.insert("Website Item", name=again, **{key: row[key] for key in kept})
        return again

    def recode(self, name: str) -> None:
        """Rename the Item: links to it are updated, and no `modified` changes."""
        old = self.row(name)["item_code"]
        self._move_code(old, f"NEW-{next(self.numbers)}-{self.catalogue.tag}")

    def swap_codes(self, one: str, other: str) -> None:
        """Swap the codes of two Items, as after a late correction of a mix-up."""
        first, second = self.row(one)["item_code"], self.row(other)["item_code"]
        for old, new in ((first, "in-between"), (second, first), ("in-between", second)):
            self._move_code(old, new)

    def _move_code(self, old: str, new: str) -> None:
        self.codes_moved = True
        with self.erp.store.transaction():
            self.erp.store.rename_item(old, new)

    def disable(self, name: str, disabled: bool, in_desk: bool) -> None:
        """By an import, or by a save in the desk, which unpublishes and publishes its Website Item."""
        code = self.row(name)["item_code"]
        if in_desk:
            self.save("Item", code, disabled=int(disabled))
        else:
            self.erp.store.set("Item", code, disabled=int(disabled))

    def add_template(self, group: int, *, own_price: bool, own_warehouse: bool) -> None:
        """A template, with two variants of which the second may have everything from it."""
        template = self.add_item(group, rate=4.25, quantity=None, picture=False)
        code = self.row(template)["item_code"]
        self.set_template(template, True)
        for price, warehouse in ((True, True), (own_price, own_warehouse)):
            variant = self.add_item(group, rate=4.5 if price else None, quantity=5, picture=False)
            place = {} if warehouse else {"website_warehouse": None}
            self.erp.store.set("Item", self.row(variant)["item_code"], variant_of=code)
            self.erp.store.set("Website Item", variant, variant_of=code, **place)

    def set_template(self, name: str, is_template: bool) -> None:
        """An Item that has no variants becomes a template, or one is none any more."""
        row = self.row(name)
        if is_template or not self.erp.store.rows("Item", variant_of=row["item_code"]):
            self.erp.store.set("Item", row["item_code"], has_variants=int(is_template))
            self.erp.store.set("Website Item", name, has_variants=int(is_template))

    def bundle(self, name: str, parts: dict[str, float]) -> None:
        """A set of other Website Items' Items; no variant becomes one."""
        codes = {self.row(part)["item_code"]: quantity for part, quantity in parts.items() if part != name}
        if codes and not self.row(name)["variant_of"]:
            self.trade.bundle(self.row(name)["item_code"], codes)

    def move_barcode(self, one: str, other: str) -> None:
        """Item `other` gets the barcode that `one` has (or a new one); no two Items have the same."""
        store = self.erp.store
        sender, receiver = self.row(one)["item_code"], self.row(other)["item_code"]
        moved = [row["barcode"] for row in store.rows("Item Barcode", parent=sender)]
        for code in {sender, receiver}:
            for row in store.rows("Item Barcode", parent=code):
                store.delete("Item Barcode", row["name"])
        self._give_barcode(receiver, moved[0] if moved else f"BAR{next(self.numbers):07d}")

    def _give_barcode(self, code: str, barcode: str) -> None:
        place = {"parent": code, "parenttype": "Item", "parentfield": "barcodes", "idx": 1}
        self.erp.store.insert("Item Barcode", name=f"bar-{next(self.numbers):05d}", barcode=barcode, **place)

    def _erp(self, method: str, path: str, **options: Any) -> None:
        headers = {"Authorization": f"token {self.erp.key}:{self.erp.secret}", "Accept": "application/json"}
        answer = requests.request(method, self.erp.url + path, headers=headers, timeout=30, **options)
        assert answer.ok, f"staff's {method} {path} was refused: {answer.text[:400]}"

    # --- admins in Medusa -------------------------------------------------------------------------------------

    def retitle_in_medusa(self, name: str) -> None:
        product, title = self.row(name)["medusa_id"], f"By hand {next(self.numbers)}"
        self.medusa.admin("POST", f"/admin/products/{product}", json={"title": title})
        # A copied Website Item has the ids of the original, whose product it is.
        owner = (self._product(name) or {}).get("external_id")
        self.edits[product] = Edit(title, self.row(owner if owner in self.names() else name)["web_item_name"])

    def set_status_in_medusa(self, name: str, status: str) -> None:
        self.medusa.admin("POST", f"/admin/products/{self.row(name)['medusa_id']}", json={"status": status})

    def set_sku_in_medusa(self, name: str) -> None:
        row = self.row(name)
        path = f"/admin/products/{row['medusa_id']}/variants/{row['medusa_variant_id']}"
        self.medusa.admin("POST", path, json={"sku": f"BY-HAND-{next(self.numbers)}"})

    def make_by_hand(self, name: str) -> None:
        """A product of an admin's own has the barcode that the Item gets in ERPNext afterwards."""
        number = next(self.numbers)
        barcode = f"HAND{number:07d}"
        self.hand_made.make(number, sku=f"HAND-{number}", barcode=barcode)
        code = self.row(name)["item_code"]
        for row in self.erp.store.rows("Item Barcode", parent=code):
            self.erp.store.delete("Item Barcode", row["name"])
        self._give_barcode(code, barcode)

    def take_sku(self, name: str) -> None:
        """A product of an admin's own has the code that the Item is renamed to afterwards."""
        number = next(self.numbers)
        code = f"TAKEN-{number}-{self.catalogue.tag}"
        self.hand_made.make(number, sku=code)
        self._move_code(self.row(name)["item_code"], code)

    def delete_in_medusa(self, name: str) -> None:
        self.medusa.admin("DELETE", f"/admin/products/{self.row(name)['medusa_id']}")

    def set_level_in_medusa(self, name: str, quantity: int) -> None:
        for link in self._links(name):
            for level in self.medusa_store.find("inventory_level", "inventory_item_id", [link]):
                path = f"/admin/inventory-items/{link}/location-levels/{level['location_id']}"
                self.medusa.admin("POST", path, json={"stocked_quantity": quantity})

    def _links(self, name: str) -> list[str]:
        variant = self.medusa_store.get("variant", self.row(name)["medusa_variant_id"])
        return [link["inventory_item_id"] for link in (variant or {}).get("inventory_links") or ()]

    # --- backups ----------------------------------------------------------------------------------------------

    def back_up_erp(self) -> sqlite3.Connection:
        backup = sqlite3.connect(":memory:", check_same_thread=False)
        with self.erp.store.lock:
            self.erp.store._db.backup(backup)
        return backup

    def restore_erp(self, backup: sqlite3.Connection) -> None:
        with self.erp.store.lock:
            backup.backup(self.erp.store._db)
        self.marks = self.marked()

    def back_up_medusa(self) -> dict[str, dict[str, Document]]:
        # Documents are replaced, never changed in place.
        with self.medusa_store.lock:
            return {table: dict(documents) for table, documents in self.medusa_store._tables.items()}

    def restore_medusa(self, backup: dict[str, dict[str, Document]]) -> None:
        store = self.medusa_store
        with store.lock, store.transaction():
            for table, documents in store._tables.items():
                for identifier in [*documents]:
                    if identifier not in backup.get(table, {}):
                        store.remove(table, identifier)
            for table, documents in backup.items():
                for document in documents.values():
                    store.put(table, document)

    # --- runs -------------------------------------------------------------------------------------------------

    def run(self, job: str, batch: str | None, **config: bool) -> JobRun:
        """One task for one batch, as a schedule starts it, or an operator who types a config."""
        return self.runner.nightly(job, batch, **config)

    def planned_run(self, job: str, batch: str | None) -> list[str]:
        """A run that was planned right before. Return where it did something else than planned."""
        self.forget_requests()
        plan = self.runner.plan(job, batch)
        wrong = [f"planning wrote: {one}" for one in self.writes()]
        run = self.run(job, batch)
        wrong += unlike(plan, run)
        if run.success != (not plan.problems):
            wrong.append(f"success was {run.success}, planned problems are {plan.problems}")
        if bool(plan.rows) != bool(self.writes()):
            wrong.append(f"planned were {plan.rows}, written was {self.writes()}")
        return [f"{job} {batch}: {one}" for one in wrong]

    def meant_run(self, job: str, batch: str | None) -> JobRun:
        """A run of an operator who knows of the losses: where a brake stops it, they do as its message says."""
        run, allowed = self.run(job, batch), dict[str, bool]()
        with pytest.MonkeyPatch.context() as patch:
            while new := allowances(run) - {*allowed}:
                allowed |= dict.fromkeys(new, True)
                if PERCENT in new:
                    patch.setenv(PERCENT, "100")
                run = self.run(job, batch, **{field: True for field in allowed if field != PERCENT})
        return run

    def night(self) -> list[JobRun]:
        """Run all batches of the export, which includes prices and stock, and what is for the whole shop."""
        exports = [self.meant_run(EXPORT, batch) for batch in self.batches]
        others = (ORPHANS, *([CLEARANCE] if self.north else []))
        return [*exports, *(self.meant_run(task, None) for task in others)]

    def planned_night(self) -> list[str]:
        """Run the same, each run planned right before. Return where one did something else than planned."""
        runs = [*((EXPORT, batch) for batch in self.batches), (ORPHANS, None)]
        return [wrong for job, batch in runs for wrong in self.planned_run(job, batch)]

    @contextmanager
    def trouble(self, fault: Fault | None, *, on: str) -> Iterator[None]:
        """Apply this fault to the run inside."""
        server = self.medusa if on == "medusa" else self.erp
        if fault:
            server.faults.add(fault)
        try:
            yield
        finally:
            server.faults.heal()

    def switch_translations(self, *, on: bool) -> None:
        """Medusa starts anew with its Translation module, or without it. What it has stays."""
        key, plugin = self.medusa.api_key, PluginOptions(secret=PLUGIN_SECRET)
        self.medusa.faults.app = create_app(self.medusa_store, api_key=key, plugin=plugin, translations=on)

    @contextmanager
    def power_cut(self, requests_before: int) -> Iterator[None]:
        """After so many requests to Medusa its last answer is lost and no server answers any more."""
        self.medusa.faults.add(Fault("drop_after", skip=requests_before, times=1))
        self.medusa.faults.add(Fault("drop_before", skip=requests_before))
        try:
            yield
        finally:
            self.medusa.faults.heal()

    def forget_requests(self) -> None:
        self.erp.faults.forget_requests()
        self.medusa.faults.forget_requests()

    def writes(self) -> list[str]:
        """Requests to either server since then that may have changed something."""
        seen = (*medusa_writes(self.medusa), *erp_writes(self.erp))
        return [f"{one.method} {one.path} ({one.bytes} bytes)" for one in seen]
