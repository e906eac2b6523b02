"""ERPNext's trees, of Warehouses and Item Groups: a node and all below it have their `lft` within its `lft` .. `rgt`.

A tree in which a node has no place is refused: summed up all the same, its goods would count as none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from erp_medusa_pipelines.clients.failures import PermanentError


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
