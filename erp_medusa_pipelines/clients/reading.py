"""What a run has read of a whole list, kept on disk: its assets share one reading, and so do the batches of one tick.

Rows lie in a SQLite file, so that memory stays flat whatever the size of the catalogue. A file belongs to one list and
is never older than HOLDS; the batches that a tick of a schedule starts find the one that the first of them made. A run
that somebody starts by hand has a folder of its own, and so reads by itself.
"""

import json
import logging
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from zlib import compress, crc32, decompress

from erp_medusa_pipelines.clients.batched import batched

try:
    import fcntl
except ImportError:  # Windows: every run reads by itself.
    fcntl = None

log = logging.getLogger(__name__)

Row = dict[str, Any]

HOLDS = 1800.0
"""Seconds that a reading is used for, from its beginning. Documents are read anew right before they are written."""

NEW = 30.0
"""Seconds from its beginning in which a reading says as much as one of the documents themselves."""

LEFT_BEHIND = 86_400.0
"""Seconds after which the folder of a reading is removed, whoever left it: a killed run removes nothing."""

LONGEST_WAIT = 600.0
"""Seconds to wait for another run that reads the same list; then this one reads by itself."""

UNKEPT = (sqlite3.Error, OSError)
"""What is raised where nothing can be kept, as on a full disk."""

WORTH_PACKING = 1000
"""Bytes. Packing a row takes ten times as long as writing it."""

_PAGE = 1000
_TABLE = """
CREATE TABLE kept (part INTEGER, number INTEGER, name TEXT, body BLOB, PRIMARY KEY (part, number)) WITHOUT ROWID;
CREATE INDEX by_name ON kept (name);
"""
_ANSWERS = """
CREATE TABLE IF NOT EXISTS answer (asked TEXT PRIMARY KEY, about TEXT, at REAL, body BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgotten (about TEXT PRIMARY KEY, at REAL) WITHOUT ROWID;
"""


class Answers:
    """What the runs of a tick were answered, by request, in a file. Thread-safe. Times are seconds since 1970."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        self._file.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {_ANSWERS}")

    def find(self, asked: str) -> str | None:
        """Return the answer, unless it is too old."""
        with self._lock:
            found = self._file.execute(
                "SELECT body FROM answer WHERE asked = ? AND at > ?", (asked, time.time() - HOLDS)
            ).fetchone()
        return decompress(found[0]).decode() if found else None

    def put(self, about: str, asked: str, body: str, began: float) -> None:
        """Keep an answer that was asked for at `began`, unless what it is about was forgotten since."""
        packed = compress(body.encode(), 1)
        with self._lock:
            self._file.execute(
                "INSERT OR REPLACE INTO answer SELECT ?, ?, ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE about = ? AND at >= ?)",
                (asked, about, began, packed, about, began),
            )

    def forget(self, about: str, now: float) -> None:
        """Drop what is about this, and what is asked about it at this moment."""
        with self._lock:
            self._file.execute("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", (about, now))
            self._file.execute("DELETE FROM answer WHERE about = ?", (about,))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class KeptRows:
    """Rows of one list in a file, in the order in which the server gave them. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        # A run that notes what it wrote must not wait until the others have read.
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = OFF")

    @property
    def is_old(self) -> bool:
        """Whether it must be read anew."""
        return _is_old(self.path)

    @property
    def is_new(self) -> bool:
        """Whether it was read no longer ago than NEW."""
        return 0 <= time.time() - _began(self.path) <= NEW

    def rows(self, part: int) -> Iterator[Row]:
        """Yield the rows of one part."""
        last = -1
        while True:
            with self._lock:
                found = self._file.execute(
                    "SELECT number, body FROM kept WHERE part = ? AND number > ? ORDER BY number LIMIT ?",
                    (part, last, _PAGE),
                ).fetchall()
            yield from (_unpacked(body) for _, body in found)
            if len(found) < _PAGE:
                return
            last = found[-1][0]

    def find(self, names: Iterable[str]) -> Iterator[Row]:
        """Yield the rows with these names; of each thousand names in the order of the file."""
        for some in batched(names, _PAGE):
            marks = ",".join("?" * len(some))
            with self._lock:
                found = self._file.execute(
                    f"SELECT body FROM kept WHERE name IN ({marks}) ORDER BY number",  # noqa: S608
                    some,
                ).fetchall()
            yield from (_unpacked(body) for (body,) in found)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Return those of these names that have no row."""
        found: list[str] = []
        for some in batched(names, _PAGE):
            marks = ",".join("?" * len(some))
            with self._lock:
                there = self._file.execute(f"SELECT DISTINCT name FROM kept WHERE name IN ({marks})", some)  # noqa: S608
                known = {name for (name,) in there}
            found += [name for name in some if name not in known]
        return found

    def put(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Add rows by name, in place of those that are there."""
        new = dict(rows)
        with self._lock, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._drop(new)
            (last,) = self._file.execute("SELECT max(number) FROM kept WHERE part = 0").fetchone()
            numbered = enumerate(new.items(), -1 if last is None else last)
            self._file.executemany(
                "INSERT INTO kept VALUES (0, ?, ?, ?)",
                ((number + 1, name, _packed(row)) for number, (name, row) in numbered),
            )

    def drop(self, names: Iterable[str]) -> None:
        """Remove rows by name."""
        with self._lock, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._drop(names)

    def _drop(self, names: Iterable[str]) -> None:
        self._file.executemany("DELETE FROM kept WHERE name = ?", ((name,) for name in names))

    def note(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change rows by name, after this run has written them."""
        with self._lock, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            for name, values in changes.items():
                for part, number, body in self._file.execute(
                    "SELECT part, number, body FROM kept WHERE name = ?", (name,)
                ).fetchall():
                    row = _unpacked(body)
                    row.update({key: value for key, value in values.items() if key in row})
                    self._file.execute(
                        "UPDATE kept SET body = ? WHERE part = ? AND number = ?", (_packed(row), part, number)
                    )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Reading:
    """The lists that a run keeps in `folder`, in so many `parts`. With `shared` other runs keep theirs there too."""

    def __init__(self, folder: Path, parts: int, *, shared: bool, with_texts: bool = False) -> None:
        self._folder = folder
        self.parts = parts
        self.shared = shared
        self.with_texts = shared and with_texts
        """Whether this run compares the texts of what is listed, so that they are read with the list."""
        self._lock = threading.Lock()
        self._list_locks: dict[str, threading.Lock] = {}
        self._open: dict[str, KeptRows] = {}
        self._outdated: list[KeptRows] = []
        self._shapes: dict[str, str] = {}
        self._broken: set[Path] = set()
        self._answers: Answers | None = None

    @property
    def answers(self) -> Answers:
        """What the runs that share this were answered."""
        with self._lock:
            self._answers = self._answers or Answers(self._folder / "answers.sqlite")
            return self._answers

    def kept(
        self, what: str, fields: str, read: Callable[[], Iterable[tuple[int, str, Row]]], *, or_of: str = ""
    ) -> KeptRows:
        """Return a list of these fields, from `read` where nobody has read it lately: its rows as (part, name, row).

        One of the fields `or_of` is taken as well, where it is there.
        """
        with self._lock_of(what):
            there = self._open.get(what)
            if there is not None and not there.is_old:
                return there
            if there is not None:
                # Somebody may be in the middle of it.
                self._outdated.append(there)
            with self._alone(what):
                for shape in dict.fromkeys((or_of or fields, fields)):
                    self._shapes[what] = f"{what}-{crc32(shape.encode()):08x}"
                    if path := self._newest(what):
                        break
                else:
                    path = self._made(what, read)
                self._open[what] = KeptRows(path)
            return self._open[what]

    def is_new(self, what: str) -> bool:
        """Return whether this run has a list that was read so lately that it need not be looked up before a write."""
        there = self._open.get(what)
        return there is not None and there.is_new

    @contextmanager
    def own(self, rows: Iterable[tuple[str, Row]]) -> Iterator[KeptRows]:
        """Keep rows (name, row) in a file for one asset of this run, which is removed afterwards."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            path = Path(folder) / "rows.db"
            _write(path, ((0, name, row) for name, row in rows))
            with closing(KeptRows(path)) as kept:
                yield kept

    def note(self, what: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Note in a list what was written, so that the assets that follow know of it."""
        if changes:
            self._change(what, lambda kept: kept.note(changes))

    def drop(self, what: str, names: Collection[str]) -> None:
        """Take rows out of a list whose documents were written, so that they are read anew."""
        if names:
            self._change(what, lambda kept: kept.drop(names))

    def _change(self, what: str, change: Callable[[KeptRows], None]) -> None:
        with self._lock_of(what):
            kept = self._open.get(what)
            if kept is None:
                return
            try:
                change(kept)
                # Another run may have read the list again meanwhile, before this was written.
                with self._alone(what):
                    newest = self._newest(what)
                if newest is not None and newest != kept.path:
                    with closing(KeptRows(newest)) as others:
                        change(others)
            except sqlite3.Error as error:
                # Without what was written it must not be used: it is read anew.
                log.warning("%s is read again: %s", what, error)
                self._broken.add(kept.path)
                self._outdated.append(self._open.pop(what))

    def close(self) -> None:
        """Close the files, and remove what no other run uses."""
        with self._lock:
            locks = list(self._list_locks.values())
        with ExitStack() as reads:
            # Whoever reads a list may still want the answers.
            for lock in locks:
                reads.enter_context(lock)
            with self._lock:
                self._close()

    def _close(self) -> None:
        for kept in (*self._open.values(), *self._outdated):
            kept.close()
        self._open.clear()
        self._outdated.clear()
        if self._answers is not None:
            self._answers.close()
            self._answers = None
        if not self.shared:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _lock_of(self, what: str) -> threading.Lock:
        """Return the lock of one list: reading one does not keep another from being read."""
        with self._lock:
            return self._list_locks.setdefault(what, threading.Lock())

    def _newest(self, what: str) -> Path | None:
        files = [
            path
            for path in self._folder.glob(f"{self._shapes[what]}-*.db")
            if not _is_old(path) and path not in self._broken
        ]
        return max(files, key=_began, default=None)

    def _made(self, what: str, read: Callable[[], Iterable[tuple[int, str, Row]]]) -> Path:
        """Read it into a file that gets its name once it is whole: one that is cut off is nobody's."""
        for left in self._folder.glob(f"{self._shapes[what]}-*.half"):
            left.unlink(missing_ok=True)
        # Older ones stay: other runs may have them open.
        path = self._folder / f"{self._shapes[what]}-{int(time.time() * 1e9)}.db"
        half = path.with_suffix(".half")
        _write(half, read())
        return half.rename(path)

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Keep others from reading the same at the same time, as far as they do not take too long."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if fcntl is None or not self.shared:
            yield
            return
        with (self._folder / f"{what}.lock").open("w") as lock:
            until = time.monotonic() + LONGEST_WAIT
            while time.monotonic() < until:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    time.sleep(0.2)
            yield


def _write(path: Path, rows: Iterable[tuple[int, str, Row]]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLE} BEGIN;")
        file.executemany(
            "INSERT INTO kept VALUES (?, ?, ?, ?)",
            ((part, number, name, _packed(row)) for number, (part, name, row) in enumerate(rows)),
        )
        file.execute("COMMIT")


def _packed(row: Row) -> bytes:
    """Return a row as it lies on disk. Long texts take a third of their room; short ones are not worth the time."""
    body = json.dumps(row).encode()
    return compress(body, 1) if len(body) > WORTH_PACKING else body


def _unpacked(body: bytes) -> Row:
    return json.loads((body if body.startswith(b"{") else decompress(body)).decode())


def _began(path: Path) -> float:
    """Return when a reading began, in seconds; its file's name has it."""
    return int(path.stem.rpartition("-")[2]) / 1e9


def _is_old(path: Path) -> bool:
    return not 0 <= time.time() - _began(path) <= HOLDS


def remove_old(root: Path) -> None:
    """Remove the folders of readings that nobody uses any more."""
    with suppress(OSError):
        for folder in root.iterdir():
            if folder.is_dir() and time.time() - folder.stat().st_mtime > LEFT_BEHIND:
                shutil.rmtree(folder, ignore_errors=True)
