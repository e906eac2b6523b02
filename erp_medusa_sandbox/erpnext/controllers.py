"""What single DocTypes do on top of a plain save: Item Price, Expiring Items, Website Item, custom fields and DocTypes.

What ERPNext's controllers do that clients can notice. What every save does belongs to `documents.py`, the hooks of the
`medusa_integration` app to `app_hooks.py`.
"""

from __future__ import annotations

import json

from erp_medusa_sandbox.erpnext import app_hooks
from erp_medusa_sandbox.erpnext.documents import Controller, Doc, Documents, Save
from erp_medusa_sandbox.erpnext.errors import ErpError, thrown
from erp_medusa_sandbox.erpnext.permissions import RIGHTS
from erp_medusa_sandbox.erpnext.script_text import check_text
from erp_medusa_sandbox.erpnext.site import Site
from erp_medusa_sandbox.erpnext.values import to_int

HOMEPAGE = "Active Homepage Landing"
# Fields of an Item that its Website Items repeat.
TAKEN_OVER = ("item_name", "item_group", "stock_uom", "brand", "description")
# Rows of Item Price that agree in all of these are duplicates.
SAME_PRICE = ("uom", "valid_from", "valid_upto", "packing_unit", "customer", "supplier", "batch_no")


def documents_of(site: Site, user: str) -> Documents:
    """Return the documents of a site as a user meets them, with what each DocType does on top."""
    return Documents(site, user, CONTROLLERS)


class WebsiteItem(Controller):
    """The webshop app's Website Item."""

    def before_insert(self, save: Save) -> None:
        """Fail as the webshop does, which builds the route from the item's name before anything checks it."""
        if not save.doc.get("item_code"):
            raise ErpError("TypeError", "unsupported operand type(s) for +: 'NoneType' and 'str'", app="webshop")

    def validate(self, save: Save) -> None:
        """Run the app's hook."""
        app_hooks.website_item_validate(save)

    def before_delete(self, documents: Documents, row: Doc) -> None:
        """Run the app's hook."""
        app_hooks.website_item_trash(documents, row)


class Item(Controller):
    """ERPNext's Item, with what the webshop and prices take over from it."""

    def before_insert(self, save: Save) -> None:
        """Name the item after its code where it has no name."""
        save.doc["item_name"] = save.doc.get("item_name") or save.doc.get("item_code")

    def after_save(self, save: Save) -> None:
        """Save its Website Items with what changed, and write its names into its prices without a save."""
        old, doc = save.old, save.doc
        if old is None or not any(doc.get(key) != old.get(key) for key in (*TAKEN_OVER, "disabled")):
            return
        store = save.documents.site.store
        values = {key: doc.get(key) for key in TAKEN_OVER}
        if doc["disabled"] != old["disabled"]:
            values["published"] = int(not doc["disabled"])
        for row in store.rows("Website Item", item_code=doc["name"]):
            save.documents.update("Website Item", row["name"], values, checked=False)
        for row in store.rows("Item Price", item_code=doc["name"]):
            store.set("Item Price", row["name"], item_name=doc["item_name"])

    def check_unlinked(self, documents: Documents, row: Doc) -> None:
        """Refuse, and say what to do instead."""
        try:
            super().check_unlinked(documents, row)
        except ErpError as error:
            refused = thrown("LinkExistsError", "You can disable this Item instead of deleting it.")
            refused.messages[:0] = error.messages
            raise refused from error

    def before_delete(self, documents: Documents, row: Doc) -> None:
        """Delete its prices and bins by SQL, without Deleted Documents."""
        for doctype in ("Item Price", "Bin"):
            documents.site.store.execute(f'DELETE FROM "tab{doctype}" WHERE item_code = ?', (row["name"],))  # noqa: S608


class ItemPrice(Controller):
    """ERPNext's Item Price."""

    def validate(self, save: Save) -> None:
        """Fill in what follows from item and price list, and refuse a second row for the same case."""
        _fill_item_price(save)
        _refuse_duplicate_price(save)
        app_hooks.item_price_validate(save)


def _fill_item_price(save: Save) -> None:
    store, doc = save.documents.site.store, save.doc
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


def _refuse_duplicate_price(save: Save) -> None:
    doc = save.doc
    for other in save.documents.site.store.rows("Item Price", item_code=doc["item_code"], price_list=doc["price_list"]):
        if other["name"] != doc.get("name") and all((other[key] or "") == (doc.get(key) or "") for key in SAME_PRICE):
            text = "Item Price appears multiple times based on Price List, Supplier/Customer, Currency, Item, Batch, "
            raise thrown("ItemPriceDuplicateItem", text + "UOM, Qty, and Dates.", app="erpnext")


class ExpiringItems(Controller):
    """The app's Single of items that expire soon."""

    def validate(self, save: Save) -> None:
        """Make the rows with `show` the homepage's clearance items, in a save of their own.

        Rows of the homepage that still have `show` stay as they are, all others go, also those made by hand.
        """
        shown = [row["website_item"] for row in save.doc.get("expiring_items") or [] if row.get("show")]
        page = save.documents.load("Homepage Landing", HOMEPAGE, checked=False)
        kept = [row for row in page["clearance_items"] if row["website_item"] in shown]
        there = {row["website_item"] for row in kept}
        added = [{"website_item": name} for name in dict.fromkeys(shown) if name not in there]
        save.documents.update("Homepage Landing", HOMEPAGE, {"clearance_items": [*kept, *added]}, checked=False)


class CustomField(Controller):
    """A field that somebody added to a DocType."""

    def before_insert(self, save: Save) -> None:
        """Name the field, and refuse one that is there."""
        store, doc = save.documents.site.store, save.doc
        meta = store.schema.get(doc.get("dt") or "")
        if meta is None:
            raise thrown("LinkValidationError", f"Could not find DocType: {doc.get('dt')}")
        if not doc.get("fieldname"):
            doc["fieldname"] = "custom_" + "_".join((doc.get("label") or "").lower().split())
        if doc["fieldname"] in meta.fields or meta.has_column(doc["fieldname"]):
            text = f"A field with the name <strong>{doc['fieldname']}</strong> already exists in {meta.name}"
            raise thrown("ValidationError", text)
        doc["name"] = f"{meta.name}-{doc['fieldname']}"

    def validate(self, save: Save) -> None:
        """Refuse another type than the field has."""
        if save.old is not None and save.doc["fieldtype"] != save.old["fieldtype"]:
            text = f"Fieldtype cannot be changed from {save.old['fieldtype']} to {save.doc['fieldtype']}"
            raise thrown("ValidationError", text)

    def after_save(self, save: Save) -> None:
        """Add the field and its column to the DocType."""
        if save.old is not None:
            return
        store, doc = save.documents.site.store, save.doc
        df = store.schema.add_field(doc["dt"], {key: value for key, value in doc.items() if value is not None})
        store.add_column(store.schema[doc["dt"]], df)

    def before_delete(self, documents: Documents, row: Doc) -> None:
        """Remove the field from the DocType; its column stays."""
        if documents.site.store.schema.get(row["dt"]):
            documents.site.store.schema.remove_field(row["dt"], row["fieldname"])


class CustomDocType(Controller):
    """A DocType that somebody made."""

    def before_insert(self, save: Save) -> None:
        """Create the table, unless the DocType is no custom one."""
        store, doc, values = save.documents.site.store, save.doc, save.values
        if not doc.get("custom"):
            text = "Not in Developer Mode! Set in site_config.json or make 'Custom' DocType."
            raise thrown("CannotCreateStandardDoctypeError", text)
        name = values.get("name") or ""
        if store.schema.get(name) is not None:
            return  # the insert itself says that it is a duplicate
        switches = ("istable", "issingle", "is_tree", "is_submittable", "autoname")
        entry = {"fields": values.get("fields") or [], **{key: values[key] for key in switches if values.get(key)}}
        entry["permissions"] = {
            rule["role"]: "".join(right[0] for right in RIGHTS if to_int(rule.get(right)))
            for rule in values.get("permissions") or []
            if not to_int(rule.get("permlevel"))
        }
        store.create_table(store.schema.add_doctype(name, entry))
        store.execute("INSERT INTO sandbox_doctype (name, entry) VALUES (?, ?)", (name, json.dumps(entry)))

    def before_delete(self, documents: Documents, row: Doc) -> None:
        """Unregister the DocType; its table stays."""
        store = documents.site.store
        store.execute("DELETE FROM sandbox_doctype WHERE name = ?", (row["name"],))
        store.schema.remove_doctype(row["name"])


class ServerScript(Controller):
    """A Server Script."""

    def before_insert(self, save: Save) -> None:
        """Fill in what the form does not show for an API."""
        save.doc["event_frequency"] = save.doc.get("event_frequency") or "All"
        save.doc["doctype_event"] = save.doc.get("doctype_event") or "Before Insert"

    def validate(self, save: Save) -> None:
        """Look at the text."""
        save.documents.messages.extend(check_text(save.doc.get("script") or ""))


class UserAccount(Controller):
    """A user: named by its address."""

    def before_insert(self, save: Save) -> None:
        """Fill in the name and what follows from it."""
        doc = save.doc
        if not doc.get("email"):
            raise ErpError("AttributeError", "'NoneType' object has no attribute 'strip'")
        doc["name"] = doc["email"] = doc["email"].strip().lower()
        doc["full_name"] = " ".join(filter(None, (doc.get("first_name"), doc.get("last_name"))))
        doc["username"] = doc.get("username") or self._free_username(save.documents, doc)

    def validate(self, save: Save) -> None:
        """Add Frappe's message about a new user without roles."""
        if save.old is None and not save.doc["roles"]:
            text = f"Newly created user <strong>{save.doc['name']}</strong> has no roles enabled."
            save.documents.messages.append({"message": text, "title": "No Roles Specified"})

    def _free_username(self, documents: Documents, doc: Doc) -> str:
        wanted = "_".join((doc.get("first_name") or doc["email"]).lower().split())
        return doc["email"] if documents.site.store.count("User", username=wanted) else wanted

    def after_delete(self, documents: Documents, row: Doc) -> None:
        """Delete the user's secret."""
        documents.site.store.execute("DELETE FROM sandbox_secret WHERE user = ?", (row["name"],))


CONTROLLERS: dict[str, Controller] = {
    "Custom Field": CustomField(),
    "DocType": CustomDocType(),
    "Expiring Items": ExpiringItems(),
    "Item": Item(),
    "Item Price": ItemPrice(),
    "Server Script": ServerScript(),
    "User": UserAccount(),
    "Website Item": WebsiteItem(),
}
