"""Names and descriptions in further languages (LANGUAGES): what ERPNext says in each.

Of products, and of the Item Groups and attributes that are collections, categories and options.

A field of the Website Item (LANGUAGE_FIELDS) goes before a Translation of the text. ERPNext keeps a Translation by its
source text without tags, so texts are compared without tags and blanks; of several for the same text it takes the one
that was changed first, and so does this.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.setting_types import LANGUAGE, TRANSLATED
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, plain_text
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.names import text_key

DOCTYPE = "Translation"
FIELDS = ("name", "language", "source_text", "translated_text", "context", "modified")

Texts = Mapping[str, Mapping[str, str]]
"""Translated texts by language and the key of the source text."""


@dataclass(frozen=True)
class Translator:
    """The further languages of one shop."""

    languages: Mapping[str, str]
    """ERPNext's Language by Medusa's locale."""
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fields of the Website Item, with {language} in their names, by the field of the product."""
    texts: Texts = field(default_factory=dict[str, Mapping[str, str]])

    @property
    def columns(self) -> tuple[str, ...]:
        """Return what is read of a list of Website Items for it."""
        own = (_field_in(name, code) for name in self.fields.values() for code in self.languages.values())
        return tuple(dict.fromkeys((*TRANSLATED.values(), *own)))

    def of(self, item: WebsiteItem) -> dict[str, dict[str, str]]:
        """Return the texts of an item by locale and field of the product; without what is not translated."""
        found = {locale: self._in(code, item.row) for locale, code in sorted(self.languages.items())}
        return {locale: texts for locale, texts in found.items() if texts}

    def of_group(self, group: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the texts of an Item Group by locale, under these names: of its name and of its description."""
        sources = ((group["item_group_name"] or group["name"], clean_name), (group.get("description"), plain_text))
        found = {
            locale: {
                name: text
                for name, (source, clean) in zip(names, sources, strict=False)
                if (text := clean(self._text(code, source)))
            }
            for locale, code in sorted(self.languages.items())
        }
        return {locale: texts for locale, texts in found.items() if texts}

    def of_options(self, options: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
        """Return the texts of a product's options and of their values, by locale and by their ids in Medusa."""
        sources: dict[str, Any] = {}
        for option in options:
            sources[option["id"]] = option["title"]
            sources |= {one["id"]: one["value"] for one in option["values"] or ()}
        found = {
            locale: {key: text for key, source in sources.items() if (text := clean_name(self._text(code, source)))}
            for locale, code in sorted(self.languages.items())
        }
        return {locale: texts for locale, texts in found.items() if texts}

    def _text(self, code: str, source: Any) -> str:
        """Return ERPNext's Translation of a text, "" where it has none."""
        return self.texts.get(code, {}).get(text_key(source), "")

    def _in(self, code: str, row: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, column in TRANSLATED.items():
            clean = clean_name if name == "title" else plain_text
            own = clean(str(row[_field_in(self.fields[name], code)] or "")) if name in self.fields else ""
            if text := own or clean(self._text(code, row[column])):
                found[name] = text
        return found


def read_translator(erp: ErpNextClient, languages: Mapping[str, str], fields: Mapping[str, str]) -> Translator | None:
    """Return the further languages, or None without any. One request for 10,000 Translations, once a run."""
    if not languages:
        return None
    return Translator(
        languages, fields, erp.http.once("translations", lambda: _read(erp, sorted(languages.values())), of_tick=True)
    )


def _read(erp: ErpNextClient, codes: Sequence[str]) -> Texts:
    rows = erp.rows(DOCTYPE, FIELDS, filters=[["language", "in", list(codes)]], page_size=10_000)
    found: dict[str, dict[str, str]] = {code: {} for code in codes}
    for row in sorted(rows, key=lambda row: str(row["modified"])):
        # Those with a context are words of a form, not of a document.
        key = text_key(row["source_text"])
        if key and not row["context"] and row["language"] in found:
            found[row["language"]].setdefault(key, str(row["translated_text"] or ""))
    return found


def _field_in(name: str, code: str) -> str:
    return name.replace(LANGUAGE, code.replace("-", "_").lower())
