"""The rows of the embedded ERPNext: SQLite, one table with real columns per DocType.

Tables, indexes, transactions, reading and writing rows without any validation, file contents. What a save checks and
changes belongs to `documents.py`, how filters become SQL to `query.py`.

One connection behind one re-entrant lock: a request's statements are one transaction, and MariaDB's row locks shrink to
"one writer at a time". Text compares without case, as MariaDB's default collation does.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from erp_medusa_sandbox.erpnext.schema import FLOAT_TYPES, INT_TYPES, DocType, Field, Schema

SEED_TIME = "2024-01-01 00:00:00"
# Roles whose users see no desk.
WITHOUT_DESK = frozenset({"All", "Guest", "Customer", "Supplier", "Retail Buyer"})
# What MariaDB has an index on in the tables that the tasks query by more than the name.
INDEXED = {
    "Batch": ("item",),
    "Bin": ("item_code", "warehouse"),
    "Email OTP": ("status",),
    "Email Queue": ("status",),
    "File": ("attached_to_name", "file_url"),
    "Item": ("item_group",),
    "Item Price": ("item_code",),
    "Custom DocPerm": ("parent",),
    "User": ("api_key",),
    "Website Item": ("item_code", "item_group"),
}


class ErpStore:
    """The rows of one site. Thread-safe; `path=None` keeps everything in memory."""

    def __init__(self, path: Path | None) -> None:
        """Open the file at `path`, or keep everything in memory."""
        self.schema = Schema()
        self.lock = threading.RLock()
        self._depth = 0
        # isolation_level None: transactions begin and end only where this class says so.
        self._db = sqlite3.connect(str(path or ":memory:"), check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -65536")
        self._create_tables()
        self._load_custom()

    # -- rows, without validation ------------------------------------------------------------------------------

    def insert(self, doctype: str, **fields: Any) -> str:
        """Write a row as it is given and return its name. Lists under table fields become child rows."""
        meta = self.schema[doctype]
        children = {df: fields.pop(df.fieldname) for df in meta.tables if df.fieldname in fields}
        if meta.issingle:
            name = doctype
            self.set(doctype, name, **fields)
        else:
            name = fields.setdefault("name", self._seed_name(meta, fields))
            fields.setdefault("owner", "Administrator")
            fields.setdefault("modified_by", fields["owner"])
            fields.setdefault("creation", SEED_TIME)
            fields.setdefault("modified", fields["creation"])
            columns = ", ".join(quoted(key) for key in fields)
            marks = ", ".join("?" * len(fields))
            self.execute(f"INSERT INTO {table(doctype)} ({columns}) VALUES ({marks})", tuple(fields.values()))  # noqa: S608
        for df, rows in children.items():
            for idx, row in enumerate(rows, start=1):
                own = {"idx": idx, "creation": fields.get("creation", SEED_TIME), **row}
                own.setdefault("docstatus", fields.get("docstatus", 0))
                self.insert(df.options or "", **own, parent=name, parentfield=df.fieldname, parenttype=doctype)
        return name

    def bulk_insert(self, doctype: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write many rows in one statement, without defaults. `columns` must contain `name`."""
        names = ", ".join(quoted(column) for column in columns)
        marks = ", ".join("?" * len(columns))
        with self.transaction():
            self._db.executemany(f"INSERT INTO {table(doctype)} ({names}) VALUES ({marks})", rows)  # noqa: S608

    def rows(self, doctype: str, **equals: Any) -> list[dict[str, Any]]:
        """Return all columns of the rows whose fields equal the given values (None: no value), by name."""
        where = " AND ".join(f"{quoted(key)} IS ?" for key in equals) or "1"
        return self.sql(f"SELECT * FROM {table(doctype)} WHERE {where} ORDER BY name", tuple(equals.values()))  # noqa: S608

    def get(self, doctype: str, name: str) -> dict[str, Any] | None:
        """Return one row without child rows, or the values of a Single."""
        if self.schema[doctype].issingle:
            return self.single(doctype)
        found = self.sql(f"SELECT * FROM {table(doctype)} WHERE name = ?", (name,))  # noqa: S608
        return found[0] if found else None

    def children(self, doctype: str, name: str) -> dict[str, list[dict[str, Any]]]:
        """Return the child rows of a document by table field, in order."""
        found = {}
        for df in self.schema[doctype].tables:
            if not self.schema[df.options or ""].fields:
                found[df.fieldname] = []  # a child DocType that nobody here reads; its table stays empty
                continue
            found[df.fieldname] = self.sql(
                f"SELECT * FROM {table(df.options or '')} "  # noqa: S608
                "WHERE parent = ? AND parenttype = ? AND parentfield = ? ORDER BY idx, rowid",
                (name, doctype, df.fieldname),
            )
        return found

    def set(self, doctype: str, name: str, **fields: Any) -> None:
        """Do Frappe's db_set: no checks, no hooks, `modified` only where it is given."""
        if not fields:
            return
        if self.schema[doctype].issingle:
            with self.transaction():
                self._db.executemany(
                    'INSERT OR REPLACE INTO "tabSingles" (doctype, field, value) VALUES (?, ?, ?)',
                    [(doctype, key, value) for key, value in fields.items()],
                )
            return
        changes = ", ".join(f"{quoted(key)} = ?" for key in fields)
        self.execute(f"UPDATE {table(doctype)} SET {changes} WHERE name = ?", (*fields.values(), name))  # noqa: S608

    def delete(self, doctype: str, name: str) -> None:
        """Delete a row and its child rows."""
        with self.transaction():
            for df in self.schema[doctype].tables:
                child = table(df.options or "")
                self.execute(f"DELETE FROM {child} WHERE parent = ? AND parenttype = ?", (name, doctype))  # noqa: S608
            self.execute(f"DELETE FROM {table(doctype)} WHERE name = ?", (name,))  # noqa: S608

    def count(self, doctype: str, **equals: Any) -> int:
        """Return how many rows have the given values."""
        where = " AND ".join(f"{quoted(key)} IS ?" for key in equals) or "1"
        return self.sql(f"SELECT count(*) AS n FROM {table(doctype)} WHERE {where}", tuple(equals.values()))[0]["n"]  # noqa: S608

    def single(self, doctype: str) -> dict[str, Any]:
        """Return the values of a Single in their types; what was never written is missing."""
        meta = self.schema[doctype]
        stored = self.sql('SELECT field, value FROM "tabSingles" WHERE doctype = ?', (doctype,))
        return {row["field"]: _typed(meta, row["field"], row["value"]) for row in stored}

    # -- files -------------------------------------------------------------------------------------------------

    def put_file(self, url: str, content: bytes) -> None:
        """Store the content of a `file_url` such as `/files/a b.png`."""
        self.execute("INSERT OR REPLACE INTO sandbox_file (url, content) VALUES (?, ?)", (url, content))

    def file(self, url: str) -> bytes | None:
        """Return the content of a `file_url`."""
        found = self.sql("SELECT content FROM sandbox_file WHERE url = ?", (url,))
        return found[0]["content"] if found else None

    # -- SQL ---------------------------------------------------------------------------------------------------

    def sql(self, query: str, args: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a query and return its rows as dicts."""
        with self.lock:
            return [dict(row) for row in self._db.execute(query, args)]

    def tuples(self, query: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows without their column names: half the time of `sql` on long lists."""
        with self.lock:
            cursor = self._db.cursor()
            cursor.row_factory = None
            return cursor.execute(query, args).fetchall()

    def execute(self, query: str, args: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it changed."""
        with self.lock:
            return self._db.execute(query, args).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all writes inside or none; a nested transaction joins the outer one."""
        with self.lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._db.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the database."""
        with self.lock:
            self._db.close()

    # -- tables ------------------------------------------------------------------------------------------------

    def create_table(self, meta: DocType) -> None:
        """Make the table of a DocType with its indexes."""
        if meta.issingle:
            return
        columns = ", ".join(_column(meta, column) for column in meta.columns)
        self.execute(f"CREATE TABLE IF NOT EXISTS {table(meta.name)} ({columns})")
        indexed = ("parent",) if meta.istable else ("modified", *INDEXED.get(meta.name, ()))
        for column in indexed:
            index = quoted(f"{meta.name}:{column}")
            self.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table(meta.name)} ({quoted(column)})")

    def add_column(self, meta: DocType, df: Field) -> None:
        """Add the column of a new field.

        Frappe keeps the column of a deleted Custom Field with its values: adding it again finds both.
        """
        if meta.issingle or not meta.has_column(df.fieldname):
            return
        present = {row["name"] for row in self.sql(f"PRAGMA table_info({table(meta.name)})")}
        if df.fieldname not in present:
            self.execute(f"ALTER TABLE {table(meta.name)} ADD COLUMN {_column(meta, df.fieldname)}")

    def _create_tables(self) -> None:
        with self.transaction():
            self.execute(
                'CREATE TABLE IF NOT EXISTS "tabSingles" '
                "(doctype TEXT, field TEXT, value, PRIMARY KEY (doctype, field)) WITHOUT ROWID"
            )
            self.execute("CREATE TABLE IF NOT EXISTS sandbox_file (url TEXT PRIMARY KEY, content BLOB)")
            self.execute("CREATE TABLE IF NOT EXISTS sandbox_secret (user TEXT PRIMARY KEY, secret TEXT)")
            self.execute("CREATE TABLE IF NOT EXISTS sandbox_series (prefix TEXT PRIMARY KEY, current INTEGER)")
            self.execute("CREATE TABLE IF NOT EXISTS sandbox_doctype (name TEXT PRIMARY KEY, entry TEXT)")
            for meta in self.schema:
                self.create_table(meta)
            for role in self.schema.roles():
                desk = int(role not in WITHOUT_DESK)
                self.execute(
                    'INSERT OR IGNORE INTO "tabRole" (name, role_name, desk_access, creation, modified) '
                    "VALUES (?, ?, ?, ?, ?)",
                    (role, role, desk, SEED_TIME, SEED_TIME),
                )
            self._db.executemany(
                'INSERT OR IGNORE INTO "tabDocType" (name, owner, creation, modified, istable, issingle) '
                "VALUES (?, 'Administrator', ?, ?, ?, ?)",
                [(meta.name, SEED_TIME, SEED_TIME, meta.istable, meta.issingle) for meta in self.schema],
            )

    def _load_custom(self) -> None:
        """Custom DocTypes and Custom Fields that an earlier run left in the file."""
        for row in self.sql("SELECT name, entry FROM sandbox_doctype"):
            self.schema.add_doctype(row["name"], json.loads(row["entry"]))
        for row in self.rows("Custom Field"):
            if self.schema.get(row["dt"]):
                self.schema.add_field(row["dt"], {key: value for key, value in row.items() if value is not None})

    def _seed_name(self, meta: DocType, fields: dict[str, Any]) -> str:
        if meta.autoname and meta.autoname.startswith("field:") and fields.get(meta.autoname[6:]):
            return fields[meta.autoname[6:]]
        return new_hash()


def table(doctype: str) -> str:
    """Return the quoted name of a DocType's table."""
    return quoted(f"tab{doctype}")


def quoted(identifier: str) -> str:
    """Return a quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def new_hash() -> str:
    """Make a name as Frappe's autoname "hash" does: ten characters."""
    return secrets.token_hex(5)


def _column(meta: DocType, column: str) -> str:
    if column == "name":
        return '"name" TEXT COLLATE NOCASE PRIMARY KEY NOT NULL'
    fieldtype = meta.fieldtype(column)
    if fieldtype in INT_TYPES:
        return f"{quoted(column)} INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT {_number(meta, column)}"
    if fieldtype in FLOAT_TYPES:
        return f"{quoted(column)} REAL NOT NULL ON CONFLICT REPLACE DEFAULT {_number(meta, column)}"
    return f"{quoted(column)} TEXT COLLATE NOCASE"


def _number(meta: DocType, column: str) -> str:
    df = meta.fields.get(column)
    try:
        return str(float(df.default)) if df and df.default else "0"
    except ValueError:
        return "0"


def _typed(meta: DocType, fieldname: str, value: Any) -> Any:
    """TabSingles keeps text; a Single's fields come back in their types, its idx stays text as Frappe leaves it."""
    if value is None or fieldname == "idx":
        return value
    fieldtype = meta.fieldtype(fieldname)
    if fieldtype in INT_TYPES:
        return int(value or 0)
    if fieldtype in FLOAT_TYPES:
        return float(value or 0)
    return value
