"""Which Website Items and Item Groups changed Translations are about.

A Translation has no link to a document, only the text that it translates, without tags. So documents are searched by
their texts: by the first words, and what is found is compared whole. A description is left to the night where a tag
stood between two of its first words, and the second has no capital letter.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.setting_types import TRANSLATED
from erp_medusa_pipelines.sync.changes.watched import ITEM_GROUP
from erp_medusa_pipelines.sync.engine.names import text_key

Row = Mapping[str, Any]

TEXTS_AT_ONCE = 10
"""Texts in one search: each is looked for in every column."""
MOST_WORDS = 6
_WORD = re.compile(r"[A-Z]*[^\WA-Z]+|[A-Z]+")
"""A word, or what was one: without the tag between them, an end and a beginning stand together as in `freeISO`."""


def items_with(erp: ErpNextClient, texts: Iterable[str]) -> list[str]:
    """Return the Website Items that have one of these texts as a name or a description."""
    return sorted(row["name"] for row in _found(erp, WEBSITE_ITEM, tuple(TRANSLATED.values()), texts))


def groups_have(erp: ErpNextClient, texts: Iterable[str]) -> bool:
    """Return whether an Item Group has one of these texts as its name or its description."""
    return any(_found(erp, ITEM_GROUP, ("item_group_name", "description"), texts))


def items_with_attribute(erp: ErpNextClient, texts: Sequence[str]) -> set[str]:
    """Return the Items that have one of these texts as an attribute, or as the value of one."""
    found: set[str] = set()
    for key in ("attribute", "attribute_value"):
        rows = erp.rows_in(
            "Item Variant Attribute", ["parent", key], texts, key=key, order_by="parent asc", parent="Item"
        )
        found |= {row["parent"] for row in rows}
    return found


def _found(erp: ErpNextClient, doctype: str, columns: Sequence[str], texts: Iterable[str]) -> Iterator[Row]:
    for some in batched(texts, TEXTS_AT_ONCE):
        keys = {text_key(text) for text in some}
        asked = [[column, "like", pattern] for text in some if (pattern := _pattern(text)) for column in columns]
        for row in erp.rows(doctype, ["name", *columns], or_filters=asked) if asked else ():
            if any(text_key(row[column]) in keys for column in columns):
                yield row


def _pattern(text: str) -> str:
    """Return what a text that has tags and blanks besides is like."""
    words = _WORD.findall(unescape(text))[:MOST_WORDS]
    return "%".join(["", *words, ""]) if words else ""
