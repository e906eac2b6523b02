"""Documents of a real ERPNext, made and read over its REST API with an administrator's key.

What a real site demands of those who make documents - mandatory fields, names by series, child tables inside their
parents - and the removal of everything that was made. Not here: what the documents mean to a test.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests

from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.server import running
from tests.support.proxy import proxy_app

CONSOLE = "/api/method/frappe.desk.doctype.system_console.system_console.execute_code"
GET_LIST = "/api/method/frappe.client.get_list"
SEND_MAIL = "/api/method/frappe.email.doctype.email_queue.email_queue.send_now"
ITEM_DETAILS = "/api/method/erpnext.stock.get_item_details.get_item_details"
KEPT_BY_FRAPPE = ("lft", "rgt", "idx", "owner", "creation", "modified", "modified_by", "docstatus")
# Documents that every site has, or that several tests share: they are used where they exist, and stay.
SHARED = (
    "Country", "Price List", "Brand", "UOM", "Currency", "Warehouse", "Warehouse Type", "File", "Server Script",
    "Custom Field",
)  # fmt: skip
# Frappe names them by a hash, and a test by what it is looked for by.
NAMED_BY_TESTS = ("Email Queue",)
# Frappe asks for their names.
PROMPTED = ("Website Route Meta",)
PARENTS = {
    "Item Barcode": "Item", "Item Variant Attribute": "Item", "Item Website Specification": "Website Item",
    "Item Attribute Value": "Item Attribute",
    **{f"Pricing Rule {target}": "Pricing Rule" for target in ("Item Code", "Item Group", "Brand")},
}  # fmt: skip


class RealSite:
    """A site that belongs to the tests alone while they run: the export reads its whole catalogue."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.url = url.rstrip("/")
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"token {key}:{secret}", "Accept": "application/json"})
        self._made: list[tuple[str, str]] = []

    # -- documents ---------------------------------------------------------------------------------------------

    def insert(self, doctype: str, **fields: Any) -> str:
        """Make a document and return the name that the site gave it."""
        if doctype in PARENTS:
            return self._insert_row(doctype, fields)
        if doctype in SHARED and (there := self._existing(doctype, fields)):
            return there
        values = self._completed(doctype, {key: fields[key] for key in fields if key not in KEPT_BY_FRAPPE})
        if doctype in NAMED_BY_TESTS:
            made = json.dumps({"doctype": doctype, **values})
            self._console(f"frappe.get_doc(json.loads({made!r})).insert(set_name={values['name']!r})")
            self._made.append((doctype, values["name"]))
            return values["name"]
        if doctype in PROMPTED:
            values["__newname"] = fields["name"]
        name = self._send("POST", f"/api/resource/{quote(doctype)}", json=values)["data"]["name"]
        if (doctype, fields.get("name")) in self._made:
            # The name of a document that was deleted is meant exactly, and no series gives it again.
            self._console(f"frappe.rename_doc({doctype!r}, {name!r}, {fields['name']!r}, force=True)")
            name = fields["name"]
        if doctype != "Warehouse":  # its stock ledger outlives the test, and so does it
            self._made.append((doctype, name))
        return name

    def add_field(self, doctype: str, fieldname: str, fieldtype: str) -> None:
        """Make a Custom Field. Its column outlives it, so tests share names."""
        values = {"dt": doctype, "fieldname": fieldname, "label": fieldname, "fieldtype": fieldtype}
        self.insert("Custom Field", name=f"{doctype}-{fieldname}", **values)

    def get(self, doctype: str, name: str) -> dict[str, Any] | None:
        """Return the fields of a document, empty ones too, without child tables."""
        found = self.rows(doctype, name=name)
        return found[0] if found else None

    def rows(self, doctype: str, **equals: Any) -> list[dict[str, Any]]:
        """Return the rows whose fields equal these values, by name."""
        filters = [[key, "=", value] if value is not None else [key, "is", "not set"] for key, value in equals.items()]
        body = {"doctype": doctype, "fields": ["*"], "filters": filters, "limit_page_length": 0, "order_by": "name"}
        if doctype in PARENTS:
            body["parent"] = PARENTS[doctype]
        return self._send("POST", GET_LIST, json=body)["message"]

    def set(self, doctype: str, name: str, **fields: Any) -> None:
        """Save some fields, as the desk does."""
        values = {key: value for key, value in fields.items() if key not in KEPT_BY_FRAPPE}
        _told(self._http.put(self._path(doctype, name), json=values, timeout=120))

    def save(self, doctype: str, name: str, **fields: Any) -> None:
        """Do the same as `set`."""
        self.set(doctype, name, **fields)

    def force(self, doctype: str, name: str, **fields: Any) -> None:
        """Write fields in the System Console, past every check and hook."""
        place = f"{doctype!r}, {name!r}"
        self._console(f"frappe.db.set_value({place}, json.loads({json.dumps(fields)!r}), update_modified=False)")

    def delete(self, doctype: str, name: str) -> None:
        """Delete a document, as the desk does."""
        if doctype in PARENTS:
            self._delete_row(doctype, name)
            return
        _told(self._http.delete(self._path(doctype, name), timeout=120))

    def trash(self, doctype: str, name: str) -> None:
        """Do the same as `delete`."""
        self.delete(doctype, name)

    def rename_item(self, code: str, new: str) -> None:
        """Rename an Item, as the desk does."""
        body = {"doctype": "Item", "old_name": code, "new_name": new, "merge": 0}
        self._send("POST", "/api/method/frappe.client.rename_doc", json=body)
        self._made = [("Item", new) if made == ("Item", code) else made for made in self._made]

    def rename_group(self, name: str, new: str) -> None:
        """Rename an Item Group, as the desk does."""
        body = {"doctype": "Item Group", "old_name": name, "new_name": new, "merge": 0}
        self._send("POST", "/api/method/frappe.client.rename_doc", json=body)
        self._made = [("Item Group", new) if made == ("Item Group", name) else made for made in self._made]

    def book(self, code: str, warehouse: str, quantity: float) -> None:
        """Submit a Stock Entry over the difference."""
        found = self.rows("Bin", item_code=code, warehouse=warehouse)
        change = quantity - (found[0]["actual_qty"] if found else 0)
        if not change:
            return
        kind, side = ("Material Receipt", "t_warehouse") if change > 0 else ("Material Issue", "s_warehouse")
        if quantity < 0:
            self.force("Item", code, allow_negative_stock=1)
        row = {"item_code": code, "qty": abs(change), side: warehouse, "basic_rate": 1, "allow_zero_valuation_rate": 1}
        self._stock_entry(kind, row)

    def sell(self, customer: str, lines: list[tuple[str, float]], *, submitted: bool = True) -> None:
        """Invoice so much of each item."""
        rows = [{"item_code": code, "qty": quantity, "rate": 1} for code, quantity in lines]
        values = {"customer": customer, "items": rows, "docstatus": int(submitted)}
        self._made.append(
            ("Sales Invoice", self._send("POST", "/api/resource/Sales Invoice", json=values)["data"]["name"])
        )

    def receive(self, code: str, warehouse: str, batch: str, quantity: float, expiry: str) -> None:
        """Put a new batch of an item on stock; ERPNext refuses one that has expired, so it expires afterwards."""
        self.insert("Batch", name=batch, batch_id=batch, item=code, expiry_date="2099-12-31")
        row = {"item_code": code, "qty": quantity, "t_warehouse": warehouse, "basic_rate": 1, "batch_no": batch}
        self._stock_entry("Material Receipt", {**row, "use_serial_batch_fields": 1})
        self.force("Batch", batch, expiry_date=expiry)

    def order(self, code: str, warehouse: str, quantity: float, *, medusa_order_id: str = "") -> str:
        """Submit a Sales Order of a customer of its own."""
        known = self.rows("Customer", customer_name=f"Clinic {code}")
        customer = known[0]["name"] if known else self.insert("Customer", customer_name=f"Clinic {code}")
        line = {"item_code": code, "qty": quantity, "rate": 1, "warehouse": warehouse, "delivery_date": "2099-12-31"}
        values = {
            "customer": customer, "delivery_date": "2099-12-31", "items": [line], "docstatus": 1,
            "medusa_order_id": medusa_order_id or None,
        }  # fmt: skip
        name = self._send("POST", "/api/resource/Sales Order", json=values)["data"]["name"]
        self._made.append(("Sales Order", name))
        return name

    def send_mails(self) -> None:
        """Send each row of the Email Queue, as the desk's button does."""
        for row in self.rows("Email Queue", status="Not Sent"):
            self._send("POST", SEND_MAIL, json={"name": row["name"]})

    def asks(self, lines: list[tuple[str, int]], price_list: str, customer: str | None) -> list[float]:
        """Ask get_item_details, as the form of a Sales Order does for each line."""
        company, *_ = self.rows("Company")
        order = {
            "doctype": "Sales Order", "company": company["name"], "customer": customer, "price_list": price_list,
            "currency": "OMR", "price_list_currency": "OMR", "conversion_rate": 1, "plc_conversion_rate": 1,
            "transaction_date": datetime.now(ZoneInfo("Asia/Muscat")).date().isoformat(),
        }  # fmt: skip
        return [self._asked({**order, "item_code": code, "qty": quantity}) for code, quantity in lines]

    def _asked(self, line: dict[str, Any]) -> float:
        answer = self._http.post(self.url + ITEM_DETAILS, json={"args": line}, timeout=120)
        if not answer.ok and "MultiplePricingRuleConflict" in answer.text:
            return self._asked({**line, "ignore_pricing_rule": 1})
        found = _told(answer)["message"]
        rate = Decimal(str(found["price_list_rate"])) - Decimal(str(found.get("discount_amount") or 0))
        return float(rate.quantize(Decimal("0.001"), ROUND_HALF_EVEN))

    # -- files -------------------------------------------------------------------------------------------------

    def attach(self, website_item: str, name: str, content: bytes, *, private: bool = False, **values: Any) -> str:
        """Upload a file, as the desk's form does."""
        place = {"doctype": "Website Item", "docname": website_item, "folder": "Home/Attachments"}
        made = self._upload(name, content, private, place)["name"]
        # Uploads follow each other in any case.
        forced = {key: value for key, value in values.items() if key != "creation"}
        if forced:
            self.force("File", made, **forced)
        return made

    def replace_file(self, name: str, content: bytes) -> None:
        """Point the File to another upload."""
        row, upload = self.get("File", name), self._upload("another.png", content, private=False, place={})
        assert row is not None
        self.force("File", name, **{key: upload[key] for key in ("file_url", "content_hash", "file_size")})

    def file(self, url: str) -> bytes | None:
        """Return the content of a `file_url`."""
        answer = self._http.get(self.url + quote(url), timeout=60)
        return answer.content if answer.ok else None

    def _upload(self, name: str, content: bytes, private: bool, place: dict[str, str]) -> dict[str, Any]:
        data = {**place, "is_private": int(private), "file_name": name}
        upload = self._send("POST", "/api/method/upload_file", data=data, files={"file": (name, content)})["message"]
        self._made.append(("File", upload["name"]))
        return upload

    # -- the site ----------------------------------------------------------------------------------------------

    def count(self, doctype: str) -> int:
        """Return how many documents there are."""
        return self._send("GET", "/api/method/frappe.client.get_count", params={"doctype": doctype})["message"]

    def clean_up(self) -> None:
        """Remove what was made since the last time, newest first, without a trace among the deletions."""
        made, self._made = self._in_order(self._made), []
        for start in range(0, len(made), 50):
            batch = [*reversed(made)][start : start + 50]
            options = "force=True, ignore_permissions=True, ignore_missing=True, delete_permanently=True"
            self._console(
                f"for doctype, name in json.loads({json.dumps(batch)!r}):\n"
                "    if frappe.db.get_value(doctype, name, 'docstatus') == 1:\n"
                "        frappe.get_doc(doctype, name).cancel()\n"
                # A template takes its variants with it, and they have a stock ledger.
                "    if doctype == 'Item':\n"
                "        frappe.db.set_value('Item', {'variant_of': name}, 'variant_of', None)\n"
                f"    frappe.delete_doc(doctype, name, {options})\n"
                "    known = {'deleted_doctype': doctype, 'deleted_name': name}\n"
                "    for record in frappe.get_all('Deleted Document', filters=known, pluck='name'):\n"
                "        frappe.delete_doc('Deleted Document', record, force=True, ignore_permissions=True)"
            )

    def _in_order(self, made: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return these with Item Groups first, each before those that lie below it now: a test may have moved them.

        All get the root as their parent. One that a test left below itself keeps ERPNext busy until it is ended.
        """
        groups = [name for doctype, name in made if doctype == "Item Group"]
        if not groups:
            return made
        (root,) = self.rows("Item Group", lft=1)
        names = json.dumps(groups)
        self._console(
            f"for name in json.loads({names!r}):\n"
            f"    frappe.db.set_value('Item Group', name, 'parent_item_group', {root['name']!r}, update_modified=False)"
        )
        places = {row["name"]: row["lft"] for row in self.rows("Item Group") if row["name"] in groups}
        ordered = sorted(places, key=lambda name: places[name])
        return [*(("Item Group", name) for name in ordered), *(one for one in made if one[0] != "Item Group")]

    # -- how a real site wants it --------------------------------------------------------------------------------

    def _completed(self, doctype: str, values: dict[str, Any]) -> dict[str, Any]:
        if doctype in ("Item Price", "Pricing Rule") and values.get("valid_from") is None:
            # Frappe puts today where there is none, and takes an empty text for a date that staff took out.
            values = {**values, "valid_from": ""}
        if doctype == "Website Item":
            # A series of the test's own: its names are unique in every Medusa, whatever this site counts. A webshop
            # that names Website Items by its own series alone needs an empty Medusa whenever the site is set back.
            prefix = re.sub(r"-?\d*$", "", values.pop("name"))
            return {**values, "naming_series": f"{prefix}-.####"}
        if doctype == "Item" and values.get("has_variants"):
            return {**values, "attributes": [self._attribute_row(row) for row in values["attributes"]]}
        if doctype == "Email Queue":
            return {**values, "add_unsubscribe_link": 0}
        if doctype == "Item Group" and not values.get("parent_item_group"):
            (root,) = self.rows("Item Group", lft=1)
            return {**values, "parent_item_group": root["name"]}
        if doctype == "Warehouse" and not values.get("parent_warehouse"):
            root, *_ = self.rows("Warehouse", parent_warehouse=None, is_group=1)
            return {**values, "parent_warehouse": root["name"], "company": root["company"]}
        return values

    def _attribute_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """Fill a template's row with the range of a numeric attribute, as the desk's form does."""
        attribute = self.get("Item Attribute", row["attribute"]) or {}
        columns = ("numeric_values", "from_range", "to_range", "increment")
        return {**row, **{key: attribute.get(key) for key in columns if attribute.get("numeric_values")}}

    def _stock_entry(self, kind: str, row: dict[str, Any]) -> None:
        entry = {"stock_entry_type": kind, "purpose": kind, "docstatus": 1, "items": [row]}
        self._send("POST", "/api/resource/Stock Entry", json=entry)

    def _existing(self, doctype: str, fields: dict[str, Any]) -> str | None:
        if doctype == "Warehouse":
            found = self.rows(doctype, warehouse_name=fields["warehouse_name"])
            return found[0]["name"] if found else None
        return fields["name"] if self.get(doctype, fields["name"]) else None

    def _insert_row(self, doctype: str, fields: dict[str, Any]) -> str:
        table, parent = fields["parentfield"], fields["parent"]
        row = {key: value for key, value in fields.items() if not key.startswith("parent")}
        saved = self._save_table(PARENTS[doctype], parent, table, lambda rows: [*rows, row])
        return saved[-1]["name"]

    def _delete_row(self, doctype: str, name: str) -> None:
        (row,) = self.rows(doctype, name=name)
        self._save_table(
            PARENTS[doctype], row["parent"], row["parentfield"], lambda rows: [r for r in rows if r["name"] != name]
        )

    def _save_table(self, doctype: str, name: str, table: str, change: Any) -> list[dict[str, Any]]:
        document = _told(self._http.get(self._path(doctype, name), timeout=60))["data"]
        answer = self._http.put(self._path(doctype, name), json={table: change(document[table])}, timeout=120)
        return _told(answer)["data"][table]

    # -- HTTP --------------------------------------------------------------------------------------------------

    def _console(self, code: str) -> str:
        doc = json.dumps({"doctype": "System Console", "type": "Python", "commit": 1, "console": code})
        output = self._send("POST", CONSOLE, json={"doc": doc})["message"]["output"]
        assert "Traceback" not in output, output
        return output

    def _path(self, doctype: str, name: str) -> str:
        return f"{self.url}/api/resource/{quote(doctype)}/{quote(name, safe='')}"

    def _send(self, method: str, path: str, **options: Any) -> Any:
        return _told(self._http.request(method, self.url + path, timeout=300, **options))


@dataclass(frozen=True)
class RealErp:
    """A real ERPNext: the pipelines reach it through a proxy with faults, a test's own deeds go straight to it."""

    url: str
    key: str
    secret: str = field(repr=False)
    faults: FaultInjector
    store: RealSite


@contextmanager
def proxied_site(site: RealSite, key: str, secret: str) -> Iterator[RealErp]:
    """A real ERPNext for one test, with faults in front of it; what the test made is removed afterwards."""
    app = FaultInjector(proxy_app(site.url), "erpnext")
    with running(app, keep_alive=65) as address:
        try:
            yield RealErp(address, key, secret, app, site)
        finally:
            site.clean_up()


def empty_site(variables: dict[str, str]) -> RealSite:
    """Return the site that the environment names, if the suites may have it."""
    names = ("ERPNEXT_URL", "ERPNEXT_API_KEY", "ERPNEXT_API_SECRET", "ADMIN_API_KEY", "ADMIN_API_SECRET")
    if missing := [name for name in names if not variables.get(name)]:
        pytest.fail(f"ERPNEXT_URL names an ERPNext to test against; set these too: {', '.join(missing)}", pytrace=False)
    site = RealSite(variables["ERPNEXT_URL"], variables["ADMIN_API_KEY"], variables["ADMIN_API_SECRET"])
    if number := site.count("Website Item"):
        pytest.fail(
            f"{site.url} has {number} Website Items. The suites export the whole catalogue and remove what they made: "
            "name a test site without Website Items.",
            pytrace=False,
        )
    return site


def _told(answer: requests.Response) -> Any:
    assert answer.ok, f"{answer.request.method} {answer.url} -> {answer.status_code}: {answer.text[:2000]}"
    return answer.json()
