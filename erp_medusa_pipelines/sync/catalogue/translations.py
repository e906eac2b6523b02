"""Texts in further languages, where Medusa's Translation module is on: what to write of one document.

Which texts are ours is noted in the document's metadata under KEY, as names by locale; where the module is off the same
key has the texts themselves. So a text that ERPNext has no more is removed, and what others translated stays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError, is_blocked
from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.clients.medusa_translations import MedusaTranslations, Rows, normal_locale
from erp_medusa_pipelines.sync.catalogue.fields import Row
from erp_medusa_pipelines.sync.catalogue.product_changes import Comparison
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport

KEY = "translations"
"""Key in the metadata of products, collections and categories, and the name of the field in FIELD_POLICIES."""

DOCUMENTS_AT_ONCE = 100

Texts = Mapping[str, Mapping[str, str]]
"""Texts by locale and name."""


class Place(NamedTuple):
    """Where Medusa has a text."""

    kind: str
    id: str
    field: str


def places_of(kind: str, document: Row, names: Iterable[str]) -> dict[str, Place]:
    """Return the places of a document's own texts by name, and of its options', if it has any, by their ids.

    An option keeps its id when it is renamed, and what was its translation is then the wrong one.
    """
    places = {name: Place(kind, document["id"], name) for name in names}
    for option in document.get("options") or ():
        places[option["id"]] = Place("product_option", option["id"], "title")
        for value in option["values"] or ():
            places[value["id"]] = Place("product_option_value", value["id"], "value")
    return places


@dataclass(frozen=True)
class DocumentTexts:
    """The texts of one document: `wanted`, `current` and `noted` by locale and name."""

    places: Mapping[str, Place]
    rows: Rows
    wanted: Mapping[str, Mapping[str, str]]
    noted: Mapping[str, frozenset[str]]

    @property
    def ids(self) -> set[str]:
        """Return the documents that have them: the options of a product are documents of their own."""
        return {place.id for place in self.places.values()}

    @property
    def current(self) -> dict[str, dict[str, str]]:
        """Return what Medusa has of the texts that are wanted, or were; nothing of what others translated."""
        found = {
            locale: {
                name: text
                for name in sorted({*self.wanted.get(locale, ()), *self.noted.get(locale, ())} & self.places.keys())
                if (text := self._text(locale, name))
            }
            for locale in sorted({*self.wanted, *self.noted})
        }
        return {locale: texts for locale, texts in found.items() if texts}

    @property
    def note(self) -> dict[str, list[str]] | str:
        """Return what is noted in the metadata; "" removes it."""
        return {locale: sorted(texts) for locale, texts in self.wanted.items()} or ""

    def changes(self) -> list[Row]:
        """Return the rows to write."""
        there, found = self.current, []
        for locale in sorted({*self.wanted, *there}):
            wanted = {**dict.fromkeys(there.get(locale, ()), ""), **self.wanted.get(locale, {})}
            changed: dict[tuple[str, str], dict[str, str]] = {}
            for name, text in wanted.items():
                if text != there.get(locale, {}).get(name):
                    place = self.places[name]
                    changed.setdefault((place.kind, place.id), {})[place.field] = text
            for (kind, identifier), texts in changed.items():
                known = self.rows.get((identifier, locale))
                own = {"id": known["id"]} if known else {"reference": kind}
                found.append({**own, "reference_id": identifier, "locale_code": locale, "translations": texts})
        return found

    def apart(self, comparison: Comparison) -> tuple[Comparison, list[Row]]:
        """Return a product's comparison with the note in place of its texts, and the rows to write of these.

        A text that Medusa has not got yet is written whatever the policy.
        """
        changes, kept = dict(comparison.changes), dict(comparison.kept)
        is_changed = changes.pop(KEY, None) is not None
        if not self.current:
            kept.pop(KEY, None)
            is_changed = True
        noted = replace(comparison, changes=changes, kept=kept, notes={**comparison.notes, KEY: self.note})
        return noted, self.changes() if is_changed else []

    def _text(self, locale: str, name: str) -> str:
        place = self.places[name]
        row = self.rows.get((place.id, locale))
        return str((row["translations"] or {}).get(place.field) or "") if row else ""


def texts_of(
    module: MedusaTranslations,
    document: Row,
    places: Mapping[str, Place],
    wanted: Texts | Literal[""],
    rows: Rows | None = None,
) -> DocumentTexts:
    """Return a document's texts, as far as Medusa translates them. `rows` are what it has of them."""
    shown = {name: place for name, place in places.items() if module.takes(place.kind, place.field)}
    flat = {
        normal_locale(locale): {name: text for name, text in texts.items() if name in shown}
        for locale, texts in (wanted or {}).items()
    }
    return DocumentTexts(
        shown, rows or {}, {locale: texts for locale, texts in flat.items() if texts}, _noted(document)
    )


def _noted(document: Row) -> dict[str, frozenset[str]]:
    """Return the names of the texts that are ours. The metadata has their names, or from before the texts."""
    found = metadata_of(document).get(KEY)
    noted: dict[str, frozenset[str]] = {}
    for locale, texts in found.items() if isinstance(found, Mapping) else ():
        names = list(texts) if isinstance(texts, Mapping) else texts
        if isinstance(names, list):
            noted[normal_locale(locale)] = frozenset(name for name in names if isinstance(name, str))
    return noted


def write_texts(
    module: MedusaTranslations, report: SyncReport, doctype: str, documents: Sequence[tuple[str, DocumentTexts]]
) -> None:
    """Read the translations of documents without a batch of their own (name, texts), and write what differs."""
    seen = module.seen_of({identifier for _, texts in documents for identifier in texts.ids})
    doubtful = [(name, texts) for name, texts in documents if replace(texts, rows=seen).changes()]
    for some in batched(doubtful, DOCUMENTS_AT_ONCE):
        try:
            rows = module.of({identifier for _, texts in some for identifier in texts.ids})
            changed = {name: replace(texts, rows=rows).changes() for name, texts in some}
            module.write([row for each in changed.values() for row in each])
            report.count("translated", sum(1 for each in changed.values() if each))
        except TransientError as error:
            for name, _ in some:
                report.defer(doctype, name, error)
        except PermanentError as error:
            if isinstance(error, AccessError) and not is_blocked(error):
                raise
            if len(some) > 1:
                for one in some:
                    write_texts(module, report, doctype, [one])
            else:
                report.reject(Reject(doctype, some[0][0], error.reason, KEY))
