"""Names that people type, compared as ERPNext's database compares them.

MariaDB's utf8mb4_unicode_ci, Frappe's collation, ignores case, accents, marks, characters that cannot be seen, and
blanks at the end. So "dental " in a setting or an imported row names the Item Group "Dental", and an exact comparison
would call it unknown.
"""

import re
import unicodedata
from collections.abc import Iterable
from html import unescape
from typing import Any, Generic, TypeVar

V = TypeVar("V")

_ALIKE = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "æ": "ae", "œ": "oe", "ı": "i"})
"""Letters that the collation takes for others, and that Unicode does not decompose."""
_UNSEEN = ("Mn", "Me", "Cf", "Cc")
_TAG = re.compile(r"<[^<>]+>")


def folded(name: Any) -> str:
    """Return a text that is the same for all names which the database takes for equal.

    A link that is no text, as a damaged row may have, is no name of anything.
    """
    if not isinstance(name, str):
        return f"\0{name}"
    if name.isascii() and name.isprintable():
        return name.lower().rstrip(" ")
    letters = unicodedata.normalize("NFKD", name)
    seen = "".join(char for char in letters if unicodedata.category(char) not in _UNSEEN)
    return seen.casefold().translate(_ALIKE).rstrip(" ")


def same_name(left: str | None, right: str | None) -> bool:
    """Return whether the database takes two names for equal."""
    return folded(left or "") == folded(right or "")


def text_key(text: Any) -> str:
    """Return a text without tags and blanks: what ERPNext keeps of the source of a Translation is compared by it."""
    return "".join(unescape(_TAG.sub("", str(text or ""))).split())


class ByName(Generic[V]):
    """Values by name, found under each spelling that the database takes for the same; of equal names the first."""

    def __init__(self, values: Iterable[tuple[str, V]] = ()) -> None:
        self._values: dict[str, V] = {}
        for name, value in values:
            self._values.setdefault(folded(name), value)

    def find(self, name: str) -> V | None:
        """Return the value of a name, or None."""
        return self._values.get(folded(name))

    def __contains__(self, name: str) -> bool:
        return folded(name) in self._values

    def values(self) -> list[V]:
        """Return all values, in the order in which they came."""
        return list(self._values.values())
