"""The save hooks of the `medusa_integration` app, as recorded on a site that has it.

When a save calls Medusa, with what, and how the save ends. The address is that of the site's Medusa Configuration. The
site also records every call, so that a test sees which saves would disturb a shop.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from erp_medusa_sandbox.erpnext.documents import Doc, Documents, Save
from erp_medusa_sandbox.erpnext.errors import ErpError, thrown
from erp_medusa_sandbox.erpnext.store import new_hash

APP = "medusa_integration"
PRICE_LIST = "Standard Selling"
TIMEOUT = 10
# The app counts in thousandths, whatever the currency.
THOUSANDTHS = 1000


def website_item_validate(save: Save) -> None:
    """Send a Website Item to Medusa before it is saved. If Medusa refuses, nothing is saved."""
    if not save.doc.get("medusa_id"):
        _touch_groups(save)
    if not _is_on(save.documents):
        return
    if save.doc.get("medusa_id"):
        # The flag works only on exported items, and nothing resets it: the next save is skipped as well.
        if not save.doc.get("custom_skip_update_hook"):
            _update_item(save)
    else:
        _export_item(save)


def item_price_validate(save: Save) -> None:
    """Send the newest price for everybody of an exported item to Medusa before it is saved.

    Not even the hook knows of a row that is being inserted. With medusa_id set it calls Medusa although the app is
    switched off, at an address that it does not have.
    """
    documents, doc = save.documents, save.doc
    rows = documents.site.store.rows("Website Item", item_code=doc["item_code"])
    variant = next((row["medusa_variant_id"] for row in rows if row["medusa_variant_id"]), None)
    if variant is None or not _is_newest_for_everybody(documents, doc):
        return
    price: Doc = {"amount": int(doc["price_list_rate"] * THOUSANDTHS), "variant_id": variant}
    price["currency_code"] = (doc.get("currency") or "").lower()
    if doc.get("medusa_id"):
        body = {"prices": [{"id": doc.get("medusa_price_id"), **price}]}
        _call(save, f"/admin/price-lists/{doc['medusa_id']}", body, f"updating Item Price {doc['name']} in")
    elif _is_on(documents):
        # Medusa 2 knows neither of these two fields, and refuses every list that the app makes.
        body = {"name": doc.get("item_name"), "customer_groups": [], "description": doc["price_list"]}
        body |= {"type": "override", "status": "active", "prices": [price]}
        _call(save, "/admin/price-lists", body, f"exporting Item Price {doc['name']} to")


def website_item_trash(documents: Documents, row: Doc) -> None:
    """Delete the product of a Website Item; a failure becomes an Error Log and stops nothing."""
    if not row["medusa_id"]:
        return
    try:
        _request(documents, "Website Item", row["name"], "DELETE", f"/admin/products/{row['medusa_id']}", {})
    except ErpError as error:
        text = f"Error deleting Medusa item {row['medusa_id']}"
        logged = {"method": text, "error": error.traceback, "creation": documents.site.now()}
        documents.site.store.insert("Error Log", name=new_hash(), **logged)


# -- the calls --------------------------------------------------------------------------------------------------


def _export_item(save: Save) -> None:
    doc = save.doc
    _export_group(save)
    body = {"title": doc.get("web_item_name"), "item_code": doc.get("item_code"), "discountable": False}
    made = _call(save, "/admin/products", body, f"exporting Website Item {doc.get('name')} to")
    product = made.get("product", {}).get("id")
    if product:
        _call(save, f"/admin/products/{product}/options", {"title": "Default"}, f"exporting {product} to")
        doc["medusa_id"] = product


def _update_item(save: Save) -> None:
    doc = save.doc
    _export_group(save)
    body = {"title": doc.get("web_item_name"), "item_code": doc.get("item_code"), "discountable": False}
    _call(save, f"/admin/products/{doc['medusa_id']}", body, f"updating Website Item {doc['name']} in")


def _export_group(save: Save) -> None:
    store = save.documents.site.store
    group = store.get("Item Group", save.doc.get("item_group") or "")
    if group is None or group["medusa_id"]:
        return
    metadata = {"parent_item_group": group["parent_item_group"], "is_group": group["is_group"]}
    body = {"title": group["name"], "metadata": metadata}
    made = _call(save, "/admin/collections", body, f"exporting Item Group {group['name']} to")
    collection = made.get("collection", {}).get("id")
    if collection:
        store.set("Item Group", group["name"], medusa_id=collection)


def _touch_groups(save: Save) -> None:
    """The app writes a route into every Item Group, where the item's own is in Medusa no more than the item."""
    store = save.documents.site.store
    group = store.get("Item Group", save.doc.get("item_group") or "")
    if group is not None and not group["medusa_id"]:
        store.execute('UPDATE "tabItem Group" SET modified = ?', (save.documents.site.now(),))


def _call(save: Save, path: str, body: Doc, doing: str) -> dict[str, Any]:
    return _request(save.documents, save.meta.name, save.doc.get("name"), "POST", path, body, doing)


def _request(
    documents: Documents, doctype: str, name: str | None, method: str, path: str, body: Doc, doing: str = ""
) -> dict[str, Any]:
    call = {"doctype": doctype, "name": name, "method": method, "path": path, "body": body}
    documents.site.hook_calls.append({"at": documents.site.now(), **call})
    settings = documents.site.store.single("Medusa Configuration")
    # The app reads its address only while it is switched on.
    url = (settings.get("url") or "").rstrip("/") if settings.get("enable") else ""
    if not url:
        text = f"Invalid URL 'None{path}': No scheme supplied. Perhaps you meant https://None{path}?"
        raise ErpError("MissingSchema", text, app=APP)
    status, answer = _send(url, method, path, json.dumps(body), settings.get("access_token") or "")
    if status >= 400:
        raise thrown("ValidationError", f"Error while {doing} Medusa", app=APP)
    return answer


def _send(url: str, method: str, path: str, body: str, token: str) -> tuple[int, dict[str, Any]]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=TIMEOUT)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    except OSError as error:
        where = f"host='{address.hostname}', port={address.port or 80}"
        cause = f"HTTPConnection({where}): Failed to establish a new connection: {error}"
        text = f"HTTPConnectionPool({where}): Max retries exceeded with url: {path} "
        raise ErpError("ConnectionError", f'{text}(Caused by NewConnectionError("{cause}"))', app=APP) from error
    finally:
        connection.close()
    return answer.status, json.loads(text) if answer.status < 400 else {}


def _is_on(documents: Documents) -> bool:
    return bool(documents.site.store.single("Medusa Configuration").get("enable"))


def _is_newest_for_everybody(documents: Documents, doc: Doc) -> bool:
    if doc.get("price_list") != PRICE_LIST or doc.get("customer"):
        return False
    rows = documents.site.store.rows("Item Price", item_code=doc["item_code"], price_list=PRICE_LIST)
    stored = [row for row in rows if not row["customer"]]
    newest = max(stored, key=lambda row: row["valid_from"] or "", default=None)
    return newest is not None and newest["name"] == doc.get("name")
