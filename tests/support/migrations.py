"""Dagster's storages without reading its migrations again for each of them.

Every new storage is stamped with the latest of some 90 migrations, and Alembic loads all their files to find it: nine
tenths of the time that a test's instance takes.
"""

from collections.abc import Iterable, Iterator

from alembic.script import Script, ScriptDirectory

_read = ScriptDirectory._load_revisions
_known: dict[str, list[Script]] = {}


def read_migrations_once() -> None:
    """Keep each folder's migrations for the rest of this process."""
    ScriptDirectory._load_revisions = _load_once


def _load_once(self: ScriptDirectory) -> Iterator[Script]:
    found = _known.get(self.dir)
    if found is None:
        found = _known[self.dir] = list(_read(self))
    return iter(_fresh(found))


def _fresh(scripts: Iterable[Script]) -> list[Script]:
    """Copies: a revision map notes in them what follows each."""
    return [Script(script.module, script.revision, script.path) for script in scripts]
