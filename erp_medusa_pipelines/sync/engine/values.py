"""Values that ERPNext answers with: a raw import or a custom field may leave a text where a number is expected."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from erp_medusa_pipelines.clients.failures import PermanentError

LARGEST = Decimal(10) ** 18
"""More than any column of ERPNext holds; larger numbers cannot be rounded to a currency's digits."""

MOST_PIECES = 10**9
"""Nobody orders more of an item. Medusa keeps such numbers as whole ones of 32 bits."""


def number(value: Any) -> float:
    """Return the value as a number; 0.0, as of an empty field, where it is none or not finite."""
    try:
        found = float(value or 0.0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) else 0.0


class Values:
    """The fields of one row by type. What cannot be read counts as empty, and `unreadable` says which field that is."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self.unreadable: tuple[str, str] | None = None
        """Field and reason of the first one that cannot be read."""

    def text(self, field: str) -> str:
        """Return a text; '' for an empty field."""
        return str(self._row[field] or "")

    def decimal(self, field: str) -> Decimal:
        """Return a finite number with the digits that ERPNext's JSON has; 0 for an empty field."""
        value = self._row[field] or 0
        found = Decimal(repr(value)) if isinstance(value, int | float) else Decimal("nan")
        if found.is_finite() and abs(found) < LARGEST:
            return found
        self._cannot_read(field, "too large" if found.is_finite() else "no number")
        return Decimal(0)

    def pieces(self, field: str) -> int:
        """Return a whole number of pieces; 0 for an empty field."""
        found = self.decimal(field)
        if abs(found) > MOST_PIECES:
            self._cannot_read(field, "too large")
            return 0
        return int(found)

    def day(self, field: str) -> date | None:
        """Return a date; None for an empty field."""
        value = self._row[field]
        try:
            return date.fromisoformat(value) if value else None
        except (TypeError, ValueError):
            self._cannot_read(field, "no date")
            return None

    def _cannot_read(self, field: str, problem: str) -> None:
        self.unreadable = self.unreadable or (field, f"{field} is {problem}")


def placed(doctype: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows (name, lft, rgt) with whole numbers. Raises PermanentError for a node without a place in the tree."""
    for row in rows:
        try:
            place = {"lft": int(row["lft"]), "rgt": int(row["rgt"])}
        except (TypeError, ValueError, OverflowError):
            said = f"{row['lft']!r:.40} and {row['rgt']!r:.40}"
            raise PermanentError(
                "ERPNext",
                f"{doctype} {row['name']}",
                f"the {doctype} {row['name']} has no place in its tree (lft and rgt are {said}): rebuild the tree of"
                f" {doctype} (frappe.utils.nestedset.rebuild_tree)",
            ) from None
        yield {**row, **place}
