"""What the embedded ERPNext knows about its DocTypes: fields, types, links, children.

Reading `schema.json`, the standard columns, and the registry that Custom Fields and custom DocTypes extend at run
time. Where rows are kept belongs to `store.py`, what a save does with fields to `documents.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

INT_TYPES = frozenset({"Int", "Check"})
FLOAT_TYPES = frozenset({"Float", "Currency", "Percent"})
TABLE_TYPES = frozenset({"Table", "Table MultiSelect"})
# Frappe keeps these fieldtypes without a column.
LAYOUT_TYPES = frozenset({"Button", "Column Break", "Fold", "Heading", "HTML", "Image", "Section Break", "Tab Break"})
# Types stored as varchar(140); longer values are refused instead of cut.
SHORT_TYPES = frozenset({"Data", "Link", "Select", "Dynamic Link", "Read Only", "Password", "Color", "Phone"})
# Roles of a fresh site that no DocType here gives a right to.
OTHER_ROLES = frozenset({"Blogger", "Customer", "Retail Buyer", "Supplier", "Website Manager"})
STANDARD = ("name", "owner", "creation", "modified", "modified_by", "docstatus", "idx")
CHILD_STANDARD = ("parent", "parentfield", "parenttype")


@dataclass(frozen=True)
class Field:
    """One field of a DocType, as far as the server's answers depend on it."""

    fieldname: str
    fieldtype: str
    label: str = ""
    options: str | None = None
    default: str | None = None
    reqd: bool = False
    unique: bool = False
    fetch_from: str | None = None
    fetch_if_empty: bool = False

    @property
    def is_table(self) -> bool:
        """Whether the field holds child rows."""
        return self.fieldtype in TABLE_TYPES

    @property
    def is_number(self) -> bool:
        """Whether the column holds numbers."""
        return self.fieldtype in INT_TYPES or self.fieldtype in FLOAT_TYPES


@dataclass
class DocType:
    """A DocType: its fields in order and the switches that change how it is stored and named."""

    name: str
    fields: dict[str, Field]
    istable: bool = False
    issingle: bool = False
    is_tree: bool = False
    is_submittable: bool = False
    autoname: str | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    """Role -> its rights by first letter: select, read, write, create, delete."""
    links: tuple[Field, ...] = field(init=False, default=())
    tables: tuple[Field, ...] = field(init=False, default=())
    columns: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Build what is derived from `fields`."""
        self.refresh()

    def refresh(self) -> None:
        """Build again what is derived from `fields`."""
        self.links = tuple(df for df in self.fields.values() if df.fieldtype == "Link")
        self.tables = tuple(df for df in self.fields.values() if df.is_table)
        own = [df.fieldname for df in self.fields.values() if not df.is_table and df.fieldtype not in LAYOUT_TYPES]
        self.columns = (*STANDARD, *own, *(CHILD_STANDARD if self.istable else ()))
        self._column_set = frozenset(self.columns)

    def has_column(self, fieldname: str) -> bool:
        """Return whether a field has a column, standard ones included."""
        return fieldname in self._column_set

    def fieldtype(self, fieldname: str) -> str:
        """Return the type of any column, standard ones included."""
        if fieldname in self.fields:
            return self.fields[fieldname].fieldtype
        if fieldname in ("creation", "modified"):
            return "Datetime"
        return "Int" if fieldname in ("docstatus", "idx") else "Data"

    def child_table(self, child_doctype: str) -> Field | None:
        """Return the table field that holds rows of `child_doctype`."""
        return next((df for df in self.tables if df.options == child_doctype), None)

    def fetched_by(self, link: str) -> list[tuple[Field, str]]:
        """Return the fields that are copied from the document that `link` points at, with the source field's name."""
        sources = [(df, (df.fetch_from or "").partition(".")) for df in self.fields.values()]
        return [(df, source) for df, (through, _, source) in sources if through == link]


class Schema:
    """All DocTypes of one site."""

    def __init__(self) -> None:
        """Start with the DocTypes of a fresh site."""
        self._doctypes = {name: _doctype(name, entry) for name, entry in _entries().items()}
        # Children that no task reads still appear in documents as empty tables.
        for child in {df.options for meta in self._doctypes.values() for df in meta.tables} - self._doctypes.keys():
            if child:
                self._doctypes[child] = DocType(child, {}, istable=True)

    def __iter__(self) -> Iterator[DocType]:
        """Iterate over all DocTypes."""
        return iter(list(self._doctypes.values()))

    def roles(self) -> list[str]:
        """Return the roles of a fresh site."""
        named = {role for meta in self._doctypes.values() for role in meta.permissions}
        return sorted(named | OTHER_ROLES)

    def get(self, name: str) -> DocType | None:
        """Return a DocType, if it exists."""
        return self._doctypes.get(name)

    def __getitem__(self, name: str) -> DocType:
        """Return a DocType that exists."""
        return self._doctypes[name]

    def other_case(self, name: str) -> bool:
        """Return whether a DocType exists whose name differs in case only."""
        return any(known.lower() == name.lower() for known in self._doctypes if known != name)

    def add_doctype(self, name: str, entry: dict[str, Any]) -> DocType:
        """Add a DocType."""
        self._doctypes[name] = _doctype(name, entry)
        return self._doctypes[name]

    def remove_doctype(self, name: str) -> None:
        """Forget a DocType."""
        self._doctypes.pop(name, None)

    def add_field(self, doctype: str, entry: dict[str, Any]) -> Field:
        """Add a field to a DocType."""
        df = _field(entry)
        meta = self._doctypes[doctype]
        meta.fields[df.fieldname] = df
        meta.refresh()
        return df

    def remove_field(self, doctype: str, fieldname: str) -> None:
        """Take a field from a DocType."""
        self._doctypes[doctype].fields.pop(fieldname, None)
        self._doctypes[doctype].refresh()

    def links_to(self, doctype: str) -> list[tuple[DocType, Field]]:
        """Return every Link field that points at a DocType."""
        return [(meta, df) for meta in self._doctypes.values() for df in meta.links if df.options == doctype]


@lru_cache(maxsize=1)
def _entries() -> dict[str, Any]:
    text = resources.files("erp_medusa_sandbox.erpnext").joinpath("schema.json").read_text(encoding="utf-8")
    return json.loads(text)


def _doctype(name: str, entry: dict[str, Any]) -> DocType:
    fields = [_field(item) for item in entry["fields"]]
    return DocType(
        name,
        {df.fieldname: df for df in fields},
        istable=bool(entry.get("istable")),
        issingle=bool(entry.get("issingle")),
        is_tree=bool(entry.get("is_tree")),
        is_submittable=bool(entry.get("is_submittable")),
        autoname=entry.get("autoname") or None,
        permissions=entry.get("permissions") or {},
    )


def _field(item: dict[str, Any]) -> Field:
    fieldname = item["fieldname"]
    words = fieldname.removeprefix("custom_").split("_")
    # Labels follow the names, small words in lower case ("Country of Origin").
    label = " ".join(word if word in ("of", "in", "and", "to") else word.capitalize() for word in words)
    return Field(
        fieldname,
        item["fieldtype"],
        label=item.get("label") or label,
        options=item.get("options"),
        default=item.get("default"),
        reqd=bool(item.get("reqd")),
        unique=bool(item.get("unique")),
        fetch_from=item.get("fetch_from"),
        fetch_if_empty=bool(item.get("fetch_if_empty")),
    )
