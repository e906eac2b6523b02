"""How the embedded Medusa shows documents: kinds, their fields and relations, and the `fields=` parameter.

The graph of kinds and its rendering. Lists and their filters belong to `lists.py`, the documents' meaning to the
modules of their subjects, which add their kinds to `KINDS`.

A field that is not known is left out without a word, as Medusa does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from erp_medusa_sandbox.medusa.store import Document, MedusaStore

# A selection: field -> what is selected below it. The key "*" stands for all plain fields of the kind.
Tree = dict[str, "Tree"]
Context = dict[str, Any]
Resolver = Callable[[MedusaStore, Document], "Document | Sequence[Document | None] | Absent | None"]
Computed = Callable[[MedusaStore, Document, Context], Any]


class Absent:
    """What a relation resolves to whose key an answer leaves out: a link that has no row."""


ABSENT = Absent()


@dataclass(frozen=True)
class Kind:
    """One sort of document and what can be asked of it."""

    star: tuple[str, ...]  # the plain fields, what `*` stands for
    named: tuple[str, ...] = ()  # given only when asked for by name
    always: tuple[str, ...] = ()  # given whatever is asked for
    relations: dict[str, tuple[str, Resolver]] = field(default_factory=dict)
    computed: dict[str, Computed] = field(default_factory=dict)
    # Fields that asking for another one brings along.
    implied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Relations that can be asked for but are not shown themselves.
    hidden: frozenset[str] = frozenset()


KINDS: dict[str, Kind] = {}


def linked(table: str, key: str) -> Resolver:
    """Return the relation to the one document of `table` whose id the field `key` holds."""

    def resolve(store: MedusaStore, document: Document) -> Document | None:
        return store.get(table, document[key])

    return resolve


def referring(table: str, key: str) -> Resolver:
    """Return the relation to all documents of `table` whose indexed field `key` holds this document's id."""

    def resolve(store: MedusaStore, document: Document) -> list[Document]:
        return store.find(table, key, [document["id"]])

    return resolve


def kept(key: str) -> Resolver:
    """Return the relation to what the document itself holds under `key`."""

    def resolve(_store: MedusaStore, document: Document) -> Any:
        return document.get(key)

    return resolve


def linked_if_any(table: str, key: str) -> Resolver:
    """Return the same relation for a link of its own table: without a row, answers have no key for it."""

    def resolve(store: MedusaStore, document: Document) -> Document | Absent:
        return store.get(table, document[key]) or ABSENT

    return resolve


def missing(_store: MedusaStore, _document: Document) -> None:
    """Resolve a relation that the embedded Medusa always leaves empty."""


def empty(_store: MedusaStore, _document: Document) -> list[Document | None]:
    """Resolve a relation that the embedded Medusa always shows as an empty list."""
    return []


@lru_cache(maxsize=512)
def select(fields: str | None, defaults: tuple[str, ...]) -> Tree:
    """Read `fields=`: plain names replace the defaults; `+name`, `-name` and `*name` change them."""
    # A "+" that was not encoded in the URL arrives as a blank.
    given = [part.replace(" ", "+", 1) if part.startswith(" ") else part for part in (fields or "").split(",") if part]
    modifiers = [part for part in given if part[0] in "+-*" or part.endswith(".*")]
    tokens = list(defaults) if len(modifiers) == len(given) else []
    tree: Tree = {}
    for token in [*tokens, *(part for part in given if not part.startswith("-"))]:
        _plant(tree, token.removeprefix("+"))
    for part in given:
        if part.startswith("-"):
            _prune(tree, part[1:].split("."))
    return tree


def _plant(tree: Tree, token: str) -> None:
    star = token.startswith("*") or token.endswith(".*")
    for name in token.removeprefix("*").removesuffix(".*").split("."):
        if name:  # a bare "*" is the plain fields of the document itself
            tree = tree.setdefault(name, {})
    if star:
        tree.setdefault("*", {})


def _prune(tree: Tree, path: list[str]) -> None:
    for name in path[:-1]:
        tree = tree.get(name, {})
    tree.pop(path[-1], None)


def render(
    store: MedusaStore, kind_name: str, document: Document, tree: Tree, context: Context | None = None
) -> Document:
    """Show a document with the fields and relations of a selection."""
    kind = KINDS[kind_name]
    context = context or {}
    out: Document = {}
    for name in _wanted(kind, tree):
        compute = kind.computed.get(name)
        out[name] = document.get(name) if compute is None else compute(store, document, context)
    for name, below in tree.items():
        if name in kind.relations and name not in kind.hidden:
            other, resolve = kind.relations[name]
            related = resolve(store, document)
            if isinstance(related, Absent):
                continue
            if related is None or isinstance(related, dict):
                out[name] = related and render(store, other, related, below, context)
            else:
                out[name] = [one and render(store, other, one, below, context) for one in related]
    return out


def _wanted(kind: Kind, tree: Tree) -> dict[str, None]:
    """The plain fields to show, in order and once each."""
    wanted: list[str] = [*kind.always]
    if "*" in tree or not tree:
        wanted += kind.star
    for name in tree:
        wanted += kind.implied.get(name, ())
        if name in kind.star or name in kind.named:
            wanted.append(name)
    return dict.fromkeys(wanted)
