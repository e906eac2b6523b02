"""Documents of the embedded Medusa that stay in their file: for a shop that does not fit into memory.

The same tables as `store.py`, read from SQLite whenever they are asked for. Short tables (channels, collections, ...)
are kept in memory as well.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from erp_medusa_sandbox.medusa.store import INDEXES, Document, MedusaStore, document_keys
from erp_medusa_sandbox.steps import ServerKilledError, step_done

MANY = frozenset({"product", "variant", "inventory_item", "inventory_level", "price", "image"})
"""Tables that are read from the file alone."""
_AT_ONCE = 500
_TABLES = """
CREATE TABLE IF NOT EXISTS document (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS key (kind TEXT, field TEXT, value, id TEXT, PRIMARY KEY (kind, field, value, id))
    WITHOUT ROWID;
"""


class _Documents(Sequence[Document]):
    """All documents of a table, read when they are taken."""

    def __init__(self, store: DiskMedusaStore, table: str, ids: Sequence[str]) -> None:
        self._store, self._table, self._ids = store, table, ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> Document: ...
    @overload
    def __getitem__(self, place: slice) -> list[Document]: ...
    def __getitem__(self, place: int | slice) -> Document | list[Document]:
        if isinstance(place, slice):
            return self._store.documents(self._table, self._ids[place])
        return self._store.documents(self._table, [self._ids[place]])[0]

    def __iter__(self) -> Iterator[Document]:
        for start in range(0, len(self._ids), _AT_ONCE):
            yield from self._store.documents(self._table, self._ids[start : start + _AT_ONCE])


class DiskMedusaStore(MedusaStore):
    """The documents of one embedded Medusa in a file, which may have been made by MedusaStore."""

    def get(self, table: str, identifier: Any) -> Document | None:
        """Return one document."""
        if table not in MANY:
            return self._tables.get(table, {}).get(identifier)
        found = self._db.execute("SELECT body FROM document WHERE kind = ? AND id = ?", (table, identifier)).fetchone()
        return json.loads(found[0]) if found else None

    def ids(self, table: str) -> list[str]:
        """Return all ids, ascending."""
        if table not in self._sorted:
            rows = self._db.execute("SELECT id FROM document WHERE kind = ? ORDER BY id", (table,))
            self._sorted[table] = [identifier for (identifier,) in rows]
        return self._sorted[table]

    def all(self, table: str) -> Sequence[Document]:  # type: ignore[override]
        """Return all documents of a table, ascending by id."""
        return _Documents(self, table, self.ids(table))

    def documents(self, table: str, ids: Sequence[str]) -> list[Document]:
        """Return these documents, ascending by id."""
        if table not in MANY:
            return [self._tables[table][identifier] for identifier in ids]
        found: list[Document] = []
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            rows = self._db.execute(
                f"SELECT body FROM document WHERE kind = ? AND id IN ({','.join('?' * len(some))}) ORDER BY id",  # noqa: S608
                (table, *some),
            )
            found += [json.loads(body) for (body,) in rows]
        return found

    def find(self, table: str, field: str, values: Iterable[Any]) -> list[Document]:
        """Return the documents whose indexed field has one of the values, ascending by id."""
        question = "SELECT id FROM key WHERE kind = ? AND field = ? AND value = ?"
        found = {row[0] for value in set(values) for row in self._db.execute(question, (table, field, value))}
        return self.documents(table, sorted(found))

    def has(self, table: str, field: str, value: Any) -> bool:
        """Return whether any document has this value in an indexed field."""
        question = "SELECT 1 FROM key WHERE kind = ? AND field = ? AND value = ?"
        return self._db.execute(question, (table, field, value)).fetchone() is not None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all writes inside together or undo them together, as MedusaStore does."""
        with self.lock:
            if self._undo is not None:
                yield
                return
            self._undo = {}
            self._db.execute("BEGIN")
            try:
                yield
                self._db.execute("COMMIT")
            except ServerKilledError:
                self._db.execute("COMMIT")
                raise
            except BaseException:
                self._db.execute("ROLLBACK")
                self._sorted.clear()
                for (table, identifier), before in self._undo.items():
                    self._keep(table, identifier, before)
                raise
            finally:
                self._undo = None
        step_done("the end")

    def add_many(self, table: str, documents: Iterable[Document]) -> None:
        """Add new documents, without asking what is there."""
        for document in documents:
            self._write(table, document["id"], None, document)
        self._sorted.pop(table, None)

    def _set(self, table: str, identifier: str, document: Document | None) -> None:
        before = self.get(table, identifier)
        if before is not None:
            self._db.executemany(
                "DELETE FROM key WHERE kind = ? AND field = ? AND value = ? AND id = ?",
                ((table, *key, identifier) for key in self._keys(table, before)),
            )
        if (before is None) != (document is None):
            self._sorted.pop(table, None)
        self._write(table, identifier, before, document)

    def _write(self, table: str, identifier: str, before: Document | None, document: Document | None) -> None:
        self._keep(table, identifier, document)
        if document is None:
            if before is not None:
                self._db.execute("DELETE FROM document WHERE kind = ? AND id = ?", (table, identifier))
            return
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        self._db.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?)", (table, identifier, body))
        self._db.executemany(
            "INSERT OR IGNORE INTO key VALUES (?, ?, ?, ?)",
            ((table, *key, identifier) for key in self._keys(table, document)),
        )

    def _keep(self, table: str, identifier: str, document: Document | None) -> None:
        if table in MANY:
            return
        rows = self._tables.setdefault(table, {})
        if document is None:
            rows.pop(identifier, None)
        else:
            rows[identifier] = document

    @staticmethod
    def _keys(table: str, document: Document) -> Iterator[tuple[str, Any]]:
        for field in INDEXES.get(table, ()):
            yield from ((field, key) for key in document_keys(document, field) if key is not None)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the store is closed")
        return self._database

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.static_dir = path.parent / "static"
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;")
        self._database.executescript(_TABLES)
        is_indexed = self._database.execute("SELECT 1 FROM key LIMIT 1").fetchone()
        self._database.execute("BEGIN")
        for table, identifier, body in (
            self._database.execute("SELECT kind, id, body FROM document").fetchall() if not is_indexed else ()
        ):
            self._write(table, identifier, None, json.loads(body))
        self._database.execute("COMMIT")
        kinds = [kind for (kind,) in self._database.execute("SELECT DISTINCT kind FROM document")]
        for table in kinds:
            if table not in MANY:
                rows = self._database.execute("SELECT id, body FROM document WHERE kind = ?", (table,))
                self._tables[table] = {identifier: json.loads(body) for identifier, body in rows}
