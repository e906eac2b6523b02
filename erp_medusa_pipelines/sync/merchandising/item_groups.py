"""ERPNext's tree of Item Groups: a nested set of `lft` and `rgt`.

Finding a group by its name, and which groups are below it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.engine.values import placed

DOCTYPE = "Item Group"


@dataclass(frozen=True, slots=True)
class GroupSpan:
    """One group's span: the group and every group below it have their `lft` within `lft` .. `rgt`."""

    name: str
    lft: int
    rgt: int


class ItemGroupTree:
    """All Item Groups of a site. Names are compared as the database does.

    Raises PermanentError where one has no place in the tree.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        spans = (GroupSpan(row["name"], row["lft"], row["rgt"]) for row in placed(DOCTYPE, rows))
        self._spans = ByName((span.name, span) for span in spans)

    @classmethod
    def read(cls, erp: ErpNextClient) -> "ItemGroupTree":
        """Read the tree from ERPNext."""
        return cls(erp.rows(DOCTYPE, ["name", "lft", "rgt"]))

    def get(self, name: str) -> GroupSpan | None:
        """Return the group with this name, or None."""
        return self._spans.find(name.strip())

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(span.name for span in self._spans.values())
