"""State of the embedded Medusa: tables of documents with indexes, all-or-nothing writes and a SQLite file behind them.

How documents are kept, found and made durable, ids and clocks, and what a fresh Medusa contains. What a document
means, what is allowed and how it is shown belongs to the module of its subject.

Documents are replaced, never changed in place: a transaction that fails puts the old ones back.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from erp_medusa_sandbox.steps import ServerKilledError, step_done

Document = dict[str, Any]

# Fields by which documents are looked up without a scan; links to inventory items by the item's id.
INDEXES: dict[str, tuple[str, ...]] = {
    "collection": ("handle", "external_id"),
    "category": ("handle", "external_id", "parent_category_id"),
    "product": ("handle", "external_id", "collection_id"),
    "variant": ("sku", "barcode", "ean", "upc", "product_id", "price_set_id", "inventory_links"),
    "inventory_item": ("sku",),
    "inventory_level": ("inventory_item_id",),
    "price": ("price_set_id", "price_list_id"),
    "line_item": ("cart_id",),
    "customer": ("email",),
    "cart": ("customer_id",),
    "product_type": ("value",),
    "product_tag": ("value",),
    "translation": ("reference_id",),
    "order": ("customer_id",),
    "payment_collection": ("cart_id",),
}
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CURRENCIES = (("omr", "OMR", 3, "Omani Rial"), ("usd", "$", 2, "US Dollar"), ("eur", "€", 2, "Euro"))


def utc_now() -> datetime:
    """Return the time; the default clock of a store."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write a moment as JavaScript's Date.toISOString() does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def new_id(prefix: str) -> str:
    """Make a prefix and a ULID: sorted by millisecond, random within one, so a batch loses the order of its request."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


class MedusaStore:
    """All documents of one embedded Medusa. Without a path nothing outlives the object."""

    def __init__(self, path: Path | None = None, *, clock: Callable[[], datetime] = utc_now) -> None:
        """Open the file at `path`, or keep everything in memory; a new store gets what a fresh Medusa has."""
        self.clock = clock
        self.lock = threading.RLock()
        self.static_dir: Path | None = None
        self.static_files: dict[str, bytes] = {}
        self._tables: dict[str, dict[str, Document]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._indexes: dict[tuple[str, str], dict[Any, set[str]]] = {
            (table, field): {} for table, fields in INDEXES.items() for field in fields
        }
        self._undo: dict[tuple[str, str], Document | None] | None = None
        self._database: sqlite3.Connection | None = None
        if path is not None:
            self._open(Path(path))
        if not self._tables:
            self._seed()

    # -- reading ------------------------------------------------------------------------------------------------

    def get(self, table: str, identifier: Any) -> Document | None:
        """Return one document."""
        return self._tables.get(table, {}).get(identifier)

    def ids(self, table: str) -> list[str]:
        """Return all ids, ascending: the order in which Medusa lists without `order`."""
        known = self._sorted.get(table)
        if known is None:
            known = self._sorted[table] = sorted(self._tables.get(table, {}))
        return known

    def all(self, table: str) -> list[Document]:
        """Return all documents of a table, ascending by id."""
        documents = self._tables.get(table, {})
        return [documents[identifier] for identifier in self.ids(table)]

    def find(self, table: str, field: str, values: Iterable[Any]) -> list[Document]:
        """Return the documents whose indexed field has one of the values, ascending by id."""
        index = self._indexes[table, field]
        found = {identifier for value in values for identifier in index.get(value, ())}
        documents = self._tables.get(table, {})
        return [documents[identifier] for identifier in sorted(found)]

    def has(self, table: str, field: str, value: Any) -> bool:
        """Return whether any document has this value in an indexed field."""
        return bool(self._indexes[table, field].get(value))

    def now(self) -> str:
        """Return the time as documents carry it."""
        return iso(self.clock())

    # -- writing ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all writes inside together or undo them together. May be nested; the outermost one decides.

        Its end is the last step of a workflow. A process that ends at a step before keeps the writes up to then.
        """
        with self.lock:
            if self._undo is not None:
                yield
                return
            self._undo = {}
            try:
                yield
                self._save(self._undo)
            except ServerKilledError:
                self._save(self._undo)
                raise
            except BaseException:
                for (table, identifier), before in self._undo.items():
                    self._set(table, identifier, before)
                raise
            finally:
                self._undo = None
        step_done("the end")

    def put(self, table: str, document: Document) -> Document:
        """Replace the document with its id, and return it."""
        with self.transaction():
            self._remember(table, document["id"])
            self._set(table, document["id"], document)
        return document

    def remove(self, table: str, identifier: str) -> None:
        """Delete a document; ignored if it does not exist."""
        with self.transaction():
            self._remember(table, identifier)
            self._set(table, identifier, None)

    def _remember(self, table: str, identifier: str) -> None:
        if self._undo is None:
            raise RuntimeError("writes belong into a transaction")
        self._undo.setdefault((table, identifier), self.get(table, identifier))

    def _set(self, table: str, identifier: str, document: Document | None) -> None:
        documents = self._tables.setdefault(table, {})
        before = documents.get(identifier)
        for field in INDEXES.get(table, ()):
            index = self._indexes[table, field]
            for key in document_keys(before, field):
                index[key].discard(identifier)
            for key in document_keys(document, field):
                index.setdefault(key, set()).add(identifier)
        if (before is None) != (document is None):
            self._sorted.pop(table, None)
        if document is None:
            documents.pop(identifier, None)
        else:
            documents[identifier] = document

    # -- the file -----------------------------------------------------------------------------------------------

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.static_dir = path.parent / "static"
        self._database = sqlite3.connect(path, check_same_thread=False)
        # A sandbox survives the end of its process, not a power cut: no fsync per request.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS document (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        for table, identifier, body in self._database.execute("SELECT kind, id, body FROM document"):
            self._set(table, identifier, json.loads(body))

    def _save(self, touched: Iterable[tuple[str, str]]) -> None:
        if self._database is None:
            return
        kept: list[tuple[str, str, str]] = []
        gone: list[tuple[str, str]] = []
        for table, identifier in touched:
            document = self.get(table, identifier)
            if document is None:
                gone.append((table, identifier))
            else:
                kept.append((table, identifier, json.dumps(document, ensure_ascii=False, separators=(",", ":"))))
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO document VALUES (?, ?, ?)", kept)
            self._database.executemany("DELETE FROM document WHERE kind = ? AND id = ?", gone)

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    # -- what a fresh Medusa contains ---------------------------------------------------------------------------

    def stamped(self, prefix: str, **fields: Any) -> Document:
        """Make a new document with its id and dates, not stored yet."""
        now = self.now()
        return {"id": new_id(prefix), **fields, "created_at": now, "updated_at": now, "deleted_at": None}

    def _seed(self) -> None:
        channel = self.stamped(
            "sc", name="Default Sales Channel", description="Created by Medusa", is_disabled=False, metadata=None
        )
        location = self.stamped(
            "sloc", name="Main warehouse", address_id=None, metadata=None, sales_channel_ids=[channel["id"]]
        )
        region = self.stamped("reg", name="Oman", currency_code="omr", automatic_taxes=True, metadata=None)
        store = self.stamped(
            "store",
            name="SANDBOX Store",
            default_sales_channel_id=channel["id"],
            default_region_id=region["id"],
            default_location_id=location["id"],
            metadata=None,
        )
        currencies = [_supported_currency(self, store["id"], *row) for row in _CURRENCIES]
        with self.transaction():
            self.put("sales_channel", channel)
            self.put("stock_location", location)
            self.put("region", {**region, "countries": [_oman(region)]})
            self.put("shipping_profile", self.stamped("sp", name="Default", type="default", metadata=None))
            self.put("store", {**store, "supported_currencies": currencies})
            named = [("currency_code", row["currency_code"]) for row in currencies]
            for attribute, value in (*named, ("region_id", region["id"])):
                preference = {"attribute": attribute, "value": value, "is_tax_inclusive": False}
                self.put("price_preference", self.stamped("prpref", **preference))
            self.publishable_key = f"pk_{secrets.token_hex(32)}"

    @property
    def publishable_key(self) -> str:
        """Return the key that every store route requires."""
        return self.all("api_key")[0]["token"]

    @publishable_key.setter
    def publishable_key(self, token: str) -> None:
        with self.transaction():
            for known in self.all("api_key"):
                self.remove("api_key", known["id"])
            self.put(
                "api_key",
                self.stamped(
                    "apk",
                    token=token,
                    redacted=f"{token[:6]}***{token[-3:]}",
                    title="Webshop",
                    type="publishable",
                    sales_channel_ids=[row["id"] for row in self.all("sales_channel")][:1],
                    last_used_at=None,
                    created_by=None,
                    revoked_by=None,
                    revoked_at=None,
                ),
            )

    # -- only for tests and demonstrations ----------------------------------------------------------------

    def reserve(self, inventory_item_id: str, location_id: str, quantity: float) -> None:
        """Set what open orders hold of an item, as a placed order would."""
        with self.transaction():
            for level in self.find("inventory_level", "inventory_item_id", [inventory_item_id]):
                if level["location_id"] == location_id:
                    self.put("inventory_level", {**level, "reserved_quantity": quantity})
                    return
        raise KeyError(f"{inventory_item_id} is not stocked at {location_id}")


def document_keys(document: Document | None, field: str) -> list[Any]:
    """Return what a document is found by in the index of a field."""
    if document is None:
        return []
    value = document.get(field)
    return [link["inventory_item_id"] for link in value] if isinstance(value, list) else [value]


def _oman(region: Document) -> Document:
    return {
        "iso_2": "om",
        "iso_3": "omn",
        "num_code": "512",
        "name": "OMAN",
        "display_name": "Oman",
        "region_id": region["id"],
        "metadata": None,
        "created_at": region["created_at"],
        "updated_at": region["updated_at"],
        "deleted_at": None,
    }


def _supported_currency(
    store: MedusaStore, store_id: str, code: str, symbol: str, decimals: int, name: str
) -> Document:
    dates = {"created_at": store.now(), "updated_at": store.now(), "deleted_at": None}
    currency = {
        "code": code,
        "symbol": symbol,
        "symbol_native": symbol,
        "name": name,
        "decimal_digits": decimals,
        "rounding": 0,
        **dates,
    }
    return {
        "id": new_id("stocur"),
        "currency_code": code,
        "is_default": code == "omr",
        "store_id": store_id,
        **dates,
        "currency": currency,
    }
