"""A shop of any size that was exported whole, as two files: what a night without changes finds.

    python -m bench.exported_shop --items 200000 --batches 16 FOLDER

A small sample shop has two real nights. One plain item of it is then multiplied in both files, with the records that
the project's own code makes of each copy, and no request. Its copies differ in name, code and Item Group.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

from bench.erp_process import erp_process
from bench.medusa_process import medusa_process
from dev.server_script import install_server_script
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.product_fields import FIELD_POLICIES
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT
from erp_medusa_pipelines.sync.catalogue.filing import Filing, read_filing
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement, fingerprint_of, handle
from erp_medusa_pipelines.sync.catalogue.product_changes import desired_values, sent_notes
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, WebsiteItemReader
from erp_medusa_pipelines.sync.engine.batches import index_of
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.medusa.disk_store import DiskMedusaStore
from erp_medusa_sandbox.medusa.store import Document
from erp_medusa_sandbox.shop.catalogue import groups
from erp_medusa_sandbox.shop.seed import seed_shop

ERP, MEDUSA = "erpnext.db", "medusa.db"
SAMPLE = 64
"""Items of the sample shop: one in each Item Group."""
CODE = "PLAIN"
ITEM = "WEB-PLAIN"
ENTRIES_PER_LIST = 500
AT_ONCE = 10_000
Row = dict[str, Any]


def plain_item(store: ErpStore) -> None:
    """Add the item that is multiplied: published, with a price, stock, a specification and 600 characters of text."""
    group = next(one.name for one in groups() if not one.is_group)
    text = f"<p>{'Sterile, single use, made for daily work in a practice. ' * 10}</p>"
    shared = {"item_code": CODE, "item_name": "Plain item", "item_group": group, "stock_uom": "Nos"}
    place = store.rows("Warehouse", is_group=0, disabled=0)[0]["name"]
    store.insert("Item", name=CODE, **shared, is_stock_item=1, country_of_origin="Oman", description=text)
    store.insert(
        "Website Item", name=ITEM, **shared, web_item_name="Plain item", published=1, website_warehouse=place,
        web_long_description=text, short_description="Plain", route="item/plain",
        website_specifications=[{"label": "Size", "description": "M"}],
    )  # fmt: skip
    price = {"price_list": "Standard Selling", "currency": "OMR", "price_list_rate": 1.5, "selling": 1, "uom": "Nos"}
    store.insert("Item Price", name="plainprice", item_code=CODE, **price)
    store.insert("Bin", name="plainbin", item_code=CODE, warehouse=place, actual_qty=7, stock_uom="Nos")


@contextmanager
def served(folder: Path, batches: int) -> Iterator[dict[str, str]]:
    """Serve the shop of a folder. Yields the settings that name both servers."""
    with erp_process(store=folder / ERP) as erp, medusa_process(store=folder / MEDUSA) as medusa:
        yield {
            **medusa,
            "ERPNEXT_URL": erp.url,
            "ERPNEXT_API_KEY": erp.key,
            "ERPNEXT_API_SECRET": erp.secret,
            "EXPORT_BATCHES": str(batches),
        }


def build(folder: Path, items: int, batches: int) -> None:
    """Make both files in an empty folder."""
    store = ErpStore(folder / ERP)
    seed_shop(store, items=SAMPLE, images=0)
    install_server_script(store)
    plain_item(store)
    store.close()
    # One batch, so that it does not take long; the prices are put into the lists of theirs afterwards.
    with served(folder, 1) as environment:
        _nights(environment)
        with mock.patch.dict(os.environ, environment):
            copier = _copier(batches)
    erp, medusa = ErpStore(folder / ERP), DiskMedusaStore(folder / MEDUSA)
    _multiply(erp, medusa, copier, items - SAMPLE - 1)
    erp.close()
    medusa.close()


def _nights(environment: Mapping[str, str]) -> None:
    """Run two nights by the project's own runs."""
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "dagster.yaml").write_text((root / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        lines = "".join(f"export_items_and_images_custom {night}\n" for night in range(2))
        environment = {**os.environ, **environment, "DAGSTER_HOME": home, "PYTHONPATH": str(root)}
        command = [sys.executable, str(root / "bench" / "quiet_night.py"), "night"]
        subprocess.run(
            command, input=lines, env=environment, cwd=root, text=True, check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip


@dataclass(frozen=True)
class Copier:
    """What the copies of the plain item are made of."""

    item: WebsiteItem
    filing: Filing
    placement: Placement
    batches: int

    def copy(self, number: int, group: str) -> WebsiteItem:
        """Return the Website Item of a copy."""
        row = {**self.item.row, "name": f"{ITEM}-{number:07}", "item_code": f"{CODE}-{number:07}", "item_group": group}
        return replace(self.item, row={key: group if key == "item_item_group" else row[key] for key in row})

    def notes(self, item: WebsiteItem) -> dict[str, Any]:
        """Return what its product's metadata says was sent."""
        filed = self.filing.of(item)
        desired = desired_values(item, filed, self.placement, "published")
        notes = sent_notes(item, desired, fingerprint_of(item, filed), FIELD_POLICIES)
        return {"item_code": item.item_code, **{key: value for key, value in notes.items() if value != ""}}


def _copier(batches: int) -> Copier:
    settings = load_settings()
    with open_shop(settings) as shop:
        (item,) = WebsiteItemReader(shop.erp).read([ITEM])
        medusa = shop.medusa
        filing = read_filing(shop.erp, medusa, settings.categories, DEFAULT)
        placement = Placement(medusa.sales_channel_id(None), medusa.shipping_profile_id(None))
    return Copier(item, filing, placement, batches)


def _multiply(erp: ErpStore, medusa: DiskMedusaStore, copier: Copier, count: int) -> None:
    leaves = [one.name for one in groups() if not one.is_group]
    collections = {one["external_id"]: one["id"] for one in medusa.all("collection")}
    (product,) = medusa.find("product", "external_id", [ITEM])
    (variant,) = medusa.find("variant", "product_id", [product["id"]])
    (stocked,) = medusa.find("inventory_item", "sku", [CODE])
    levels = medusa.find("inventory_level", "inventory_item_id", [stocked["id"]])
    prices = medusa.find("price", "price_set_id", [variant["price_set_id"]])
    (entry,) = [one for one in prices if one["price_list_id"]]
    lists = _Lists(medusa, copier.batches)
    rows = {
        doctype: erp.rows(doctype, **{key: name})
        for doctype, key, name in (
            ("Item", "name", CODE), ("Website Item", "name", ITEM), ("Item Price", "item_code", CODE),
            ("Bin", "item_code", CODE), ("Item Website Specification", "parent", ITEM),
        )
    }  # fmt: skip
    lists.take_over(erp)
    numbers = iter(range(count))
    while some := list(islice(numbers, AT_ONCE)):
        documents: dict[str, list[Document]] = {}
        copies: dict[str, list[Row]] = {doctype: [] for doctype in rows}
        for number in some:
            group = leaves[number % len(leaves)]
            item = copier.copy(number, group)
            ids = _Ids(number)
            new_product = {
                **product, "id": ids("prod"), "external_id": item.name, "handle": handle(item),
                "collection_id": collections[group], "metadata": {**product["metadata"], **copier.notes(item)},
            }  # fmt: skip
            new_variant = {
                **variant, "id": ids("variant"), "product_id": ids("prod"), "sku": item.item_code,
                "price_set_id": ids("pset"),
                "inventory_links": [{**one, "inventory_item_id": ids("iitem")} for one in variant["inventory_links"]],
            }  # fmt: skip
            price = {
                **entry, "id": ids("price"), "price_set_id": ids("pset"),
                "price_list_id": lists.list_for(entry["price_list_id"], index_of(item.name, copier.batches)),
            }  # fmt: skip
            new_levels = [
                {**one, "id": f"{ids('ilev')}{place}", "inventory_item_id": ids("iitem")}
                for place, one in enumerate(levels)
            ]
            for table, each in (
                ("product", [new_product]), ("variant", [new_variant]), ("price", [price]),
                ("inventory_item", [{**stocked, "id": ids("iitem"), "sku": item.item_code}]),
                ("inventory_level", new_levels),
            ):  # fmt: skip
                documents.setdefault(table, []).extend(each)
            given = {
                CODE: item.item_code, ITEM: item.name, product["id"]: ids("prod"), variant["id"]: ids("variant"),
                entry["id"]: ids("price"), entry["price_list_id"]: price["price_list_id"],
                copier.item.row["item_group"]: group,
            }  # fmt: skip
            for doctype, each in rows.items():
                copies[doctype] += [_copied(row, given, f"{number:08x}{place}") for place, row in enumerate(each)]
        with medusa.transaction():
            for table, each in documents.items():
                medusa.add_many(table, each)
        for doctype, each in copies.items():
            erp.bulk_insert(doctype, list(each[0]), (tuple(row.values()) for row in each))
        lists.save()
        print(f"{some[-1] + 1:,} of {count:,} items", file=sys.stderr, flush=True)


class _Ids:
    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, prefix: str) -> str:
        return f"{prefix}_Z{self._number:025d}"


class _Lists:
    """Price lists of the batches, each with as many entries as one call makes."""

    def __init__(self, medusa: DiskMedusaStore, batches: int) -> None:
        self._medusa = medusa
        self._batches = batches
        self._like = {one["id"]: one for one in medusa.all("price_list")}
        self._sizes: Counter[tuple[str, int]] = Counter()
        self._open: dict[tuple[str, int], str] = {}
        self._new: list[Document] = []
        self._made = 0

    def list_for(self, like: str, batch: int) -> str:
        """Return the list of a batch, with the dates of another, that the next entry belongs to."""
        key = like, batch
        part, place = divmod(self._sizes[key], ENTRIES_PER_LIST)
        self._sizes[key] += 1
        if not place:
            self._made += 1
            self._open[key] = f"plist_Z{self._made:025d}"
            label = {"batch": f"{batch}/{self._batches}", "part": part + 1}
            row = self._like[like]
            self._new.append({**row, "id": self._open[key], "metadata": {**row["metadata"], **label}})
        return self._open[key]

    def save(self) -> None:
        """Write the lists that are new."""
        with self._medusa.transaction():
            self._medusa.add_many("price_list", self._new)
        self._new.clear()

    def take_over(self, erp: ErpStore) -> None:
        """Move the sample's own entries, all of one batch, to the lists of their batches."""
        owners = {row["item_code"]: row["name"] for row in erp.rows("Website Item")}
        for like in self._like:
            for entry in self._medusa.find("price", "price_list_id", [like]):
                (variant,) = self._medusa.find("variant", "price_set_id", [entry["price_set_id"]])
                place = self.list_for(like, index_of(owners[variant["sku"]], self._batches))
                with self._medusa.transaction():
                    self._medusa.put("price", {**entry, "price_list_id": place})
            with self._medusa.transaction():
                self._medusa.remove("price_list", like)


def _copied(row: Row, given: Mapping[str, str], name: str) -> Row:
    new = {key: given.get(value, value) if isinstance(value, str) else value for key, value in row.items()}
    return new if new["name"] != row["name"] else {**new, "name": name}


def change(folder: Path, share: float, night: int) -> int:
    """Change titles, prices and stock of this share of the copies while they are served; returns of how many."""
    erp = ErpStore(folder / ERP)
    (last,) = erp.sql('SELECT max(name) AS name FROM "tabWebsite Item" WHERE name LIKE ?', (f"{ITEM}-%",))
    count = int(str(last["name"]).rpartition("-")[2]) + 1
    step = round(3 / share)
    changed = 0
    now = f"2030-01-01 00:00:{night:02}"
    with erp.transaction():
        for first, (table, key, prefix, column, value) in enumerate(
            (
                ("Website Item", "name", ITEM, "web_item_name", f"New name {night}"),
                ("Item Price", "item_code", CODE, "price_list_rate", 2.0 + night),
                ("Bin", "item_code", CODE, "actual_qty", 20 + night),
            )
        ):
            for number in range(first, count, step):
                query = f'UPDATE "tab{table}" SET "{column}" = ?, modified = ? WHERE "{key}" = ?'  # noqa: S608
                erp.execute(query, (value, now, f"{prefix}-{number:07}"))
                changed += 1
    erp.close()
    return changed


def main() -> None:
    """Build the shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--batches", type=int, default=16)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    build(options.folder, options.items, options.batches)


if __name__ == "__main__":
    main()
