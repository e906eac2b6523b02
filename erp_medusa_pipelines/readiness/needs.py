"""What the tasks need of an ERPNext site: rights, fields and DocTypes, in tables for both doctor and setup.

The rights were tried one by one on ERPNext 15; a test runs every task with a user who has these and no others.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.writable import WRITABLE
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.tasks import TASKS, Task

ROLE = "ERP Medusa Pipelines"
"""The role that the setup creates, with only the rights below."""

KINDS = {"r": "read", "w": "write", "c": "create", "d": "delete"}

SINGLES = frozenset({"Product Collection", "Expiring Items", "Medusa Configuration", "System Settings"})
"""Single DocTypes, which have no list."""

OPTIONAL = frozenset({"Medusa Configuration", "Scheduled Job Type"})
"""DocTypes that need not exist: a site without the Frappe app has nothing to read there."""

CHILDREN = {
    "Item": "Item Barcode",
    "Website Item": "Item Website Specification",
    "Sales Invoice": "Sales Invoice Item",
    "Contact": "Contact Email",
    "Customer": "Portal User",
    "Website Route Meta": "Website Meta Tag",
}
"""DocType -> a child table that is read as a list. Everybody may list Item; its child tables are for those who may."""

GIVEN_TO_ALL = frozenset({"File"})
"""Rights on Files follow the document that they are attached to, so no rule is created."""


@dataclass(frozen=True)
class Right:
    """One right on one DocType, and the tasks that need it."""

    doctype: str
    kind: str
    tasks: tuple[str, ...]


SETTINGS = tuple(dict.fromkeys(name for task in TASKS for name in task.rights_if))
"""Settings that ask for more rights."""


def asked_for(settings: Settings) -> tuple[str, ...]:
    """Return those of SETTINGS that are on: not as they are by default. A mapping only where it reads tags of pages."""
    defaults = {name: Settings.model_fields[name].get_default(call_default_factory=True) for name in SETTINGS}
    on = [name for name in SETTINGS if getattr(settings, name) != defaults[name]]
    return tuple(name for name in on if name != "mapping" or _reads_pages(settings))


def _reads_pages(settings: Settings) -> bool:
    """Return whether the shop's mapping needs its right. A check of its own says what is wrong with the file."""
    # Imported late: it loads jinja2 and lxml.
    from erp_medusa_pipelines.sync.catalogue.mapping.loading import MappingError
    from erp_medusa_pipelines.sync.catalogue.shop_table import read_table

    try:
        return read_table(settings.mapping).reads_meta
    except MappingError:
        return False


def rights(on: Collection[str] = ()) -> Iterator[Right]:
    """Return every right once, by DocType; `on` are the SETTINGS that are on."""
    for doctype, letters in rights_of_role(on).items():
        for letter in letters:
            tasks = tuple(task.name for task in TASKS if letter in _letters(task, doctype, on))
            yield Right(doctype, KINDS[letter], tasks)


def rights_of_role(on: Collection[str] = ()) -> dict[str, str]:
    """Return all rights that any task needs, by DocType."""
    doctypes = sorted({doctype for task in TASKS for some in _tables_of(task, on) for doctype in some})
    return {
        doctype: "".join(letter for letter in KINDS if any(letter in _letters(task, doctype, on) for task in TASKS))
        for doctype in doctypes
    }


def _letters(task: Task, doctype: str, on: Collection[str]) -> str:
    return "".join(some.get(doctype, "") for some in _tables_of(task, on))


def _tables_of(task: Task, on: Collection[str]) -> list[Mapping[str, str]]:
    return [task.rights, *(rights for setting, rights in task.rights_if.items() if setting in on)]


def _id_field(label: str, after: str | None = None) -> dict[str, Any]:
    place = {"insert_after": after} if after else {}
    return {"label": label, "fieldtype": "Data", **place, "read_only": 1, "no_copy": 1}


CUSTOM_FIELDS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    # Whatever a task writes an id to needs the field; below is where the form shows it, and what else there is.
    **{doctype: {"medusa_id": _id_field("Medusa ID")} for doctype, fields in WRITABLE.items() if "medusa_id" in fields},
    "Website Item": {
        "medusa_id": _id_field("Medusa ID", "web_item_name"),
        "medusa_variant_id": _id_field("Medusa Variant ID", "medusa_id"),
        "custom_in_stock": {"label": "In Stock", "fieldtype": "Check", "insert_after": "website_warehouse"},
        "custom_threshold_qty": {
            "label": "Threshold Qty",
            "fieldtype": "Int",
            "default": "1",
            "insert_after": "custom_in_stock",
        },
    },
    "Item Group": {"medusa_id": _id_field("Medusa ID", "item_group_name")},
    "Item Price": {
        "medusa_id": _id_field("Medusa ID", "price_list"),
        "medusa_price_id": _id_field("Medusa Price ID", "medusa_id"),
    },
    "File": {"medusa_id": _id_field("Medusa ID", "file_url")},
}
"""DocType -> fieldname -> Custom Field. A field that exists counts whoever made it, whatever its document is called."""

_ITEM_LINK = {"fieldname": "item_code", "fieldtype": "Link", "options": "Item", "in_list_view": 1}
_WEBSITE_ITEM = {"fieldname": "website_item", "fieldtype": "Link", "options": "Website Item", "in_list_view": 1}
_WEBSITE_ITEM_NAME = {
    "fieldname": "website_item_name",
    "fieldtype": "Data",
    "fetch_from": "website_item.web_item_name",
    "in_list_view": 1,
}


def _tables(child: str, *fieldnames: str) -> list[dict[str, Any]]:
    return [{"fieldname": name, "fieldtype": "Table", "options": child} for name in fieldnames]


DOCTYPES: Mapping[str, Mapping[str, Any]] = {
    "Product Collection Item": {
        "istable": 1,
        "fields": [
            _ITEM_LINK,
            {"fieldname": "item_name", "fieldtype": "Data", "fetch_from": "item_code.item_name", "in_list_view": 1},
            {"fieldname": "sales_count", "fieldtype": "Float", "in_list_view": 1},
        ],
    },
    "Product Collection": {
        "issingle": 1,
        "fields": _tables(
            "Product Collection Item",
            "dental_items",
            "medical_items",
            "infection_control_items",
            "medical_laboratory_ivd_items",
        ),
    },
    "Expiring Items Table": {
        "istable": 1,
        "fields": [
            _WEBSITE_ITEM,
            _WEBSITE_ITEM_NAME,
            {"fieldname": "expiry_date", "fieldtype": "Date", "in_list_view": 1},
            {"fieldname": "show", "fieldtype": "Check", "in_list_view": 1},
        ],
    },
    "Expiring Items": {"issingle": 1, "fields": _tables("Expiring Items Table", "expiring_items")},
    "Homepage Item": {"istable": 1, "fields": [_WEBSITE_ITEM, _WEBSITE_ITEM_NAME]},
    "Best Deals": {
        "istable": 1,
        "fields": [{"fieldname": "url", "fieldtype": "Text", "in_list_view": 1}, _WEBSITE_ITEM],
    },
    "Homepage Landing": {
        "autoname": "prompt",
        "fields": [*_tables("Homepage Item", "clearance_items"), *_tables("Best Deals", "best_deals")],
    },
    "Email OTP": {
        "autoname": "hash",
        "fields": [
            {"fieldname": "email", "fieldtype": "Data", "options": "Email", "unique": 1, "in_list_view": 1},
            {"fieldname": "otp", "fieldtype": "Int"},
            {"fieldname": "expiration_time", "fieldtype": "Datetime", "in_list_view": 1},
            {
                "fieldname": "status",
                "fieldtype": "Select",
                "options": "Pending\nVerified\nExpired",
                "in_list_view": 1,
            },
            {"fieldname": "password", "fieldtype": "Password"},
            {"fieldname": "logged_in", "fieldtype": "Check"},
        ],
    },
}
"""Custom DocTypes of shops without the Frappe app, children before parents; names and fields are the app's."""

HOMEPAGE = ("Homepage Landing", "Active Homepage Landing")
"""The one document that the clearance task writes to."""
