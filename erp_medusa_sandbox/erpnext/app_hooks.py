"""The save hooks of the `medusa_integration` app, as recorded on a site that has it.

Belongs here: when a save would call Medusa, and with what. Nothing is called out to: calls are kept in the site.
"""

from __future__ import annotations

from erp_medusa_sandbox.erpnext.documents import Doc, Documents, Save
from erp_medusa_sandbox.erpnext.errors import ErpError


def refuse_linked_price(documents: Documents, doc: Doc) -> None:
    """Raise what the hook on Item Price does: with medusa_id set it calls Medusa although the app is off.

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


def record_calls(save: Save) -> None:
    """Keep the calls that the app would make to Medusa after this save, if it is switched on."""
    documents, doctype, doc = save.documents, save.meta.name, save.doc
    if not documents.site.store.single("Medusa Configuration").get("enable"):
        return
    calls = _price_calls(documents, doc) if doctype == "Item Price" else _website_item_calls(documents, doc)
    for path, body in calls:
        call = {"doctype": doctype, "name": doc["name"], "method": "POST", "path": path, "body": body}
        documents.site.hook_calls.append({"at": doc["modified"], **call})


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
