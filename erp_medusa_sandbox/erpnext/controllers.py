"""What single DocTypes do on top of a plain save: Item Price, Expiring Items, Website Item, custom fields and DocTypes.

Belongs here: the controllers' hooks that clients can notice, and the record of calls that the save hooks of the
`medusa_integration` app would have made to Medusa. Nothing is called out to. What every save does belongs to
`documents.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from erp_medusa_sandbox.erpnext.errors import ErpError, thrown
from erp_medusa_sandbox.erpnext.schema import DocType

if TYPE_CHECKING:
    from erp_medusa_sandbox.erpnext.documents import Documents

HOMEPAGE = "Active Homepage Landing"
# Rows of Item Price that agree in all of these are duplicates.
SAME_PRICE = ("uom", "valid_from", "valid_upto", "packing_unit", "customer", "supplier", "batch_no")
Doc = dict[str, Any]


def before_insert(documents: Documents, meta: DocType, doc: Doc, values: Doc) -> None:
    if meta.name == "Website Item" and not doc.get("item_code"):
        # The webshop app builds the route from the item's name before anything checks it.
        raise ErpError("TypeError", "unsupported operand type(s) for +: 'NoneType' and 'str'", app="webshop")
    if meta.name == "Custom Field":
        _new_custom_field(documents, doc)
    if meta.name == "DocType":
        _new_doctype(documents, doc, values)


def before_save(documents: Documents, meta: DocType, old: Doc, doc: Doc, changed: set[str]) -> None:
    if meta.name == "Custom Field" and doc["fieldtype"] != old["fieldtype"]:
        text = f"Fieldtype cannot be changed from {old['fieldtype']} to {doc['fieldtype']}"
        raise thrown("ValidationError", text)


def validate(documents: Documents, meta: DocType, doc: Doc) -> None:
    if meta.name == "Item Price":
        _validate_item_price(documents, doc)
        _refuse_linked_price(documents, doc)
    if meta.name == "Expiring Items":
        _show_clearance(documents, doc)


def after_save(documents: Documents, meta: DocType, old: Doc | None, doc: Doc) -> None:
    store = documents.site.store
    if meta.name == "Custom Field" and old is None:
        store.schema.add_field(doc["dt"], {key: value for key, value in doc.items() if value is not None})
        store.add_column(store.schema[doc["dt"]], store.schema[doc["dt"]].fields[doc["fieldname"]])
    if meta.name in ("Website Item", "Item Price") and store.single("Medusa Configuration").get("enable"):
        for path, body in _medusa_calls(documents, meta.name, doc):
            call = {"doctype": meta.name, "name": doc["name"], "method": "POST", "path": path, "body": body}
            documents.site.hook_calls.append({"at": doc["modified"], **call})


def before_delete(documents: Documents, meta: DocType, row: Doc) -> None:
    store = documents.site.store
    if meta.name == "Custom Field" and store.schema.get(row["dt"]):
        store.schema.remove_field(row["dt"], row["fieldname"])
    if meta.name == "DocType":
        store.execute("DELETE FROM sandbox_doctype WHERE name = ?", (row["name"],))
        store.schema.remove_doctype(row["name"])


# -- Item Price -------------------------------------------------------------------------------------------------


def _validate_item_price(documents: Documents, doc: Doc) -> None:
    store = documents.site.store
    item = store.get("Item", doc.get("item_code") or "")
    if item is None:
        raise thrown("ValidationError", f"Item {doc.get('item_code')} not found.", app="erpnext")
    price_list = store.get("Price List", doc.get("price_list") or "")
    if price_list is None or not price_list["enabled"]:
        link = f'<a href="/app/price-list/{doc.get("price_list")}">{doc.get("price_list")}</a>'
        raise thrown("ValidationError", f"The price list {link} does not exist or is disabled", app="erpnext")
    doc.update({key: price_list[key] for key in ("buying", "selling", "currency")})
    doc.update(item_name=item["item_name"], item_description=item["description"])
    if doc.get("valid_from") and doc.get("valid_upto") and str(doc["valid_upto"]) < str(doc["valid_from"]):
        text = "<strong>Valid Upto</strong> must be after <strong>Valid From</strong>"
        raise thrown("InvalidDates", text, app="erpnext")
    for other in store.rows("Item Price", item_code=doc["item_code"], price_list=doc["price_list"]):
        if other["name"] != doc.get("name") and all((other[key] or "") == (doc.get(key) or "") for key in SAME_PRICE):
            text = "Item Price appears multiple times based on Price List, Supplier/Customer, Currency, Item, Batch, "
            raise thrown("ItemPriceDuplicateItem", text + "UOM, Qty, and Dates.", app="erpnext")


# -- Expiring Items ---------------------------------------------------------------------------------------------


def _show_clearance(documents: Documents, doc: Doc) -> None:
    """The app's own validate(): clearance items become the rows with `show`, in a save of their own.

    Rows of the homepage that still have `show` stay as they are, all others go, also those made by hand.
    """
    shown = [row["website_item"] for row in doc.get("expiring_items") or [] if row.get("show")]
    page = documents.load("Homepage Landing", HOMEPAGE, checked=False)
    kept = [row for row in page["clearance_items"] if row["website_item"] in shown]
    there = {row["website_item"] for row in kept}
    added = [{"website_item": name} for name in dict.fromkeys(shown) if name not in there]
    documents.update("Homepage Landing", HOMEPAGE, {"clearance_items": [*kept, *added]}, checked=False)


# -- custom fields and DocTypes ---------------------------------------------------------------------------------


def _new_custom_field(documents: Documents, doc: Doc) -> None:
    meta = documents.site.store.schema.get(doc.get("dt") or "")
    if meta is None:
        raise thrown("LinkValidationError", f"Could not find DocType: {doc.get('dt')}")
    if not doc.get("fieldname"):
        doc["fieldname"] = "custom_" + "_".join((doc.get("label") or "").lower().split())
    if doc["fieldname"] in meta.fields or meta.has_column(doc["fieldname"]):
        text = f"A field with the name <strong>{doc['fieldname']}</strong> already exists in {meta.name}"
        raise thrown("ValidationError", text)
    doc["name"] = f"{meta.name}-{doc['fieldname']}"


def _new_doctype(documents: Documents, doc: Doc, values: Doc) -> None:
    store = documents.site.store
    if not doc.get("custom"):
        text = "Not in Developer Mode! Set in site_config.json or make 'Custom' DocType."
        raise thrown("CannotCreateStandardDoctypeError", text)
    name = values.get("name") or ""
    if store.schema.get(name) is not None:
        return  # the insert itself says that it is a duplicate
    switches = ("istable", "issingle", "is_tree", "is_submittable", "autoname")
    entry = {"fields": values.get("fields") or [], **{key: values[key] for key in switches if values.get(key)}}
    store.create_table(store.schema.add_doctype(name, entry))
    store.execute("INSERT INTO sandbox_doctype (name, entry) VALUES (?, ?)", (name, json.dumps(entry)))


# -- the app's validate hook ------------------------------------------------------------------------------------


def _refuse_linked_price(documents: Documents, doc: Doc) -> None:
    """With medusa_id set the hook calls Medusa although the app is switched off, at an address that it does not have.

    Recorded: only the newest price for everybody of an exported item; not even the hook knows of a row being inserted.
    """
    store = documents.site.store
    if not doc.get("medusa_id") or store.single("Medusa Configuration").get("enable"):
        return
    exported = [row for row in store.rows("Website Item", item_code=doc["item_code"]) if row["medusa_variant_id"]]
    if exported and _is_newest_for_everybody(documents, doc):
        path = f"None/admin/price-lists/{doc['medusa_id']}"
        text = f"Invalid URL '{path}': No scheme supplied. Perhaps you meant https://{path}?"
        raise ErpError("MissingSchema", text, app="medusa_integration")


def _is_newest_for_everybody(documents: Documents, doc: Doc) -> bool:
    if doc.get("price_list") != "Standard Selling" or doc.get("customer"):
        return False
    rows = documents.site.store.rows("Item Price", item_code=doc["item_code"], price_list="Standard Selling")
    stored = [row for row in rows if not row["customer"]]
    newest = max(stored, key=lambda row: row["valid_from"] or "", default=None)
    return newest is not None and newest["name"] == doc.get("name")


# -- the app's save hooks ---------------------------------------------------------------------------------------


def _medusa_calls(documents: Documents, doctype: str, doc: Doc) -> list[tuple[str, Doc]]:
    return _price_calls(documents, doc) if doctype == "Item Price" else _website_item_calls(documents, doc)


def _website_item_calls(documents: Documents, doc: Doc) -> list[tuple[str, Doc]]:
    # The flag works only on exported items, and nothing resets it: the next save is skipped as well.
    if doc.get("medusa_id") and doc.get("custom_skip_update_hook"):
        return []
    calls: list[tuple[str, Doc]] = []
    group = documents.site.store.get("Item Group", doc.get("item_group") or "") or {}
    if group and not group.get("medusa_id"):
        metadata = {"parent_item_group": group["parent_item_group"], "is_group": group["is_group"]}
        calls.append(("/admin/collections", {"title": group["name"], "metadata": metadata}))
    body = {"title": doc.get("web_item_name"), "item_code": doc.get("item_code"), "discountable": False}
    if doc.get("medusa_id"):
        return [*calls, (f"/admin/products/{doc['medusa_id']}", body)]
    return [*calls, ("/admin/products", body), ("/admin/products/<new>/options", {"title": "Default"})]


def _price_calls(documents: Documents, doc: Doc) -> list[tuple[str, Doc]]:
    """Only the newest price for everybody counts for the hook, and only once it is in Medusa."""
    if not doc.get("medusa_id") or not _is_newest_for_everybody(documents, doc):
        return []
    return [(f"/admin/price-lists/{doc['medusa_id']}", {"prices": [{"amount": doc["price_list_rate"]}]})]
