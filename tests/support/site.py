"""What tests do in an ERPNext, and the embedded one that takes it.

The interface that suites write and read documents through, and its implementation on the sandbox's store. Not here:
the same over a real site's REST API (`real_site.py`).
"""

import hashlib
import json
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4
from zoneinfo import ZoneInfo

from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.shop.seed import add_file
from tests.support.erp_asks import Reading

ITEM_LINKS = (
    ("Website Item", "item_code"), ("Website Item", "variant_of"), ("Item", "variant_of"), ("Item Price", "item_code"),
    ("Bin", "item_code"), ("Item Barcode", "parent"), ("Batch", "item"), ("Sales Order Item", "item_code"),
    ("Packed Item", "item_code"), ("Packed Item", "parent_item"), ("Product Bundle", "new_item_code"),
    ("Product Bundle Item", "item_code"), ("Serial and Batch Bundle", "item_code"), ("Stock Ledger Entry", "item_code"),
)  # fmt: skip
"""Where ERPNext writes a renamed Item's new code."""

GROUP_LINKS = (
    ("Item Group", "parent_item_group"), ("Item", "item_group"), ("Website Item", "item_group"),
    ("Website Item Group", "item_group"),
)  # fmt: skip
"""Where it writes a renamed Item Group's new name."""


class Site(Protocol):
    """Documents of a site, as its staff make, change and look at them."""

    def insert(self, doctype: str, **fields: Any) -> str:
        """Make a document and return its name, which a real site may choose itself."""
        ...

    def add_field(self, doctype: str, fieldname: str, fieldtype: str) -> None:
        """Give a DocType a custom field, as staff do in Customize Form."""
        ...

    def get(self, doctype: str, name: str) -> dict[str, Any] | None:
        """Return the fields of a document."""
        ...

    def rows(self, doctype: str, **equals: Any) -> list[dict[str, Any]]:
        """Return the rows whose fields equal these values."""
        ...

    def set(self, doctype: str, name: str, **fields: Any) -> None:
        """Save some fields of a document."""
        ...

    def force(self, doctype: str, name: str, **fields: Any) -> None:
        """Write fields past every check and hook, as an import or a database console does."""
        ...

    def save(self, doctype: str, name: str, **fields: Any) -> None:
        """Save some fields as the desk does: `modified` moves."""
        ...

    def delete(self, doctype: str, name: str) -> None:
        """Delete a document."""
        ...

    def trash(self, doctype: str, name: str) -> None:
        """Delete a document as the desk does: a Deleted Document tells of it."""
        ...

    def rename_item(self, code: str, new: str) -> None:
        """Rename an Item: everything that links to it follows."""
        ...

    def rename_group(self, name: str, new: str) -> None:
        """Rename an Item Group: what links to it follows, and a Comment tells of it."""
        ...

    def book(self, code: str, warehouse: str, quantity: float) -> None:
        """Bring an Item's stock in a warehouse to this quantity."""
        ...

    def receive(self, code: str, warehouse: str, batch: str, quantity: float, expiry: str) -> None:
        """Receive so much of an Item in a new Batch that expires on this day, also one that is past."""
        ...

    def order(self, code: str, warehouse: str, quantity: float, *, medusa_order_id: str = "") -> str:
        """Submit a Sales Order and return its name."""
        ...

    def send_mails(self) -> None:
        """Send what waits in the Email Queue, as Frappe's worker does."""
        ...

    def asks(self, lines: list[tuple[str, int]], price_list: str, customer: str | None) -> list[float]:
        """Return what the ERP's order form asks today for each piece of these Items, (code, quantity) a line.

        Where two Pricing Rules conflict it is the Item Price's rate.
        """
        ...

    def attach(self, website_item: str, name: str, content: bytes, *, private: bool = False, **values: Any) -> str:
        """Attach a file to a Website Item and return the File's name; `values` are forced upon it."""
        ...

    def replace_file(self, name: str, content: bytes) -> None:
        """Give a File another content."""
        ...

    def file(self, url: str) -> bytes | None:
        """Return the content of a `file_url`."""
        ...


class AnyErp(Protocol):
    """An ERPNext under test: how the pipelines reach it, the faults in front of it, and its documents."""

    @property
    def url(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def secret(self) -> str: ...
    @property
    def faults(self) -> FaultInjector: ...
    @property
    def store(self) -> Site: ...


class EmbeddedSite(ErpStore):
    """The documents of an embedded ERPNext; every write goes past its checks."""

    def add_field(self, doctype: str, fieldname: str, fieldtype: str) -> None:
        """Add it to the schema, and its column to the table."""
        field = self.schema.add_field(doctype, {"fieldname": fieldname, "fieldtype": fieldtype})
        self.add_column(self.schema[doctype], field)

    def force(self, doctype: str, name: str, **fields: Any) -> None:
        """Do the same as `set`, which checks nothing here."""
        self.set(doctype, name, **fields)

    def save(self, doctype: str, name: str, **fields: Any) -> None:
        """Set the fields and the time."""
        self.set(doctype, name, modified=_now(), **fields)

    def trash(self, doctype: str, name: str) -> None:
        """Delete the row and record it."""
        row = self.get(doctype, name)
        self.delete(doctype, name)
        data, now = json.dumps(row, default=str), _now()
        record = {"deleted_doctype": doctype, "deleted_name": name, "data": data, "restored": 0}
        self.insert("Deleted Document", name=uuid4().hex[:10], creation=now, modified=now, **record)

    def rename_item(self, code: str, new: str) -> None:
        """Change the code in every row that has it; a Comment tells of it."""
        self.execute('UPDATE "tabItem" SET name = ?, item_code = ? WHERE name = ?', (new, new, code))
        for doctype, column in ITEM_LINKS:
            for row in self.rows(doctype, **{column: code}):
                self.set(doctype, row["name"], **{column: new})
        self._note_rename("Item", code, new)

    def rename_group(self, name: str, new: str) -> None:
        """Change the name in every row that has it."""
        self.execute('UPDATE "tabItem Group" SET name = ?, item_group_name = ? WHERE name = ?', (new, new, name))
        for doctype, column in GROUP_LINKS:
            for row in self.rows(doctype, **{column: name}):
                self.set(doctype, row["name"], **{column: new})
        self._note_rename("Item Group", name, new)

    def _note_rename(self, doctype: str, name: str, new: str) -> None:
        content = f"renamed from <strong>{name}</strong> to <strong>{new}</strong>"
        what = {"comment_type": "Edit", "reference_doctype": doctype, "reference_name": new, "content": content}
        self.insert("Comment", name=uuid4().hex[:10], creation=_now(), modified=_now(), **what)

    def book(self, code: str, warehouse: str, quantity: float) -> None:
        """Write the Bin."""
        found = self.rows("Bin", item_code=code, warehouse=warehouse)
        if found:
            self.save("Bin", found[0]["name"], actual_qty=quantity)
        else:
            self.insert("Bin", item_code=code, warehouse=warehouse, actual_qty=quantity, modified=_now())

    def receive(self, code: str, warehouse: str, batch: str, quantity: float, expiry: str) -> None:
        """Write the Batch, its ledger and the Bin."""
        self.insert("Batch", name=batch, batch_id=batch, item=code, expiry_date=expiry, batch_qty=quantity)
        entry = {"batch_no": batch, "warehouse": warehouse, "qty": quantity}
        self.insert(
            "Serial and Batch Bundle", item_code=code, warehouse=warehouse, type_of_transaction="Inward",
            total_qty=quantity, docstatus=1, entries=[entry],
        )  # fmt: skip
        self._add_to_bin(code, warehouse, actual_qty=quantity)

    def order(self, code: str, warehouse: str, quantity: float, *, medusa_order_id: str = "") -> str:
        """Write the order, and what it reserves into the Bin."""
        line = {
            "item_code": code, "warehouse": warehouse, "qty": quantity, "stock_qty": quantity, "conversion_factor": 1,
            "delivered_qty": 0,
        }  # fmt: skip
        self._add_to_bin(code, warehouse, reserved_qty=quantity)
        return self.insert(
            "Sales Order", name=f"SAL-ORD-{uuid4().hex[:8]}", docstatus=1, status="To Deliver and Bill",
            medusa_order_id=medusa_order_id or None, items=[line],
        )  # fmt: skip

    def send_mails(self) -> None:
        """Nothing waits: the embedded ERPNext sends at once."""

    def asks(self, lines: list[tuple[str, int]], price_list: str, customer: str | None) -> list[float]:
        """Compute it from the rows."""
        return Reading(self).asks(lines, price_list, customer, _now()[:10])

    def _add_to_bin(self, code: str, warehouse: str, **quantities: float) -> None:
        found = self.rows("Bin", item_code=code, warehouse=warehouse)
        if found:
            values = {key: (found[0][key] or 0) + quantity for key, quantity in quantities.items()}
            self.save("Bin", found[0]["name"], **values)
        else:
            self.insert("Bin", item_code=code, warehouse=warehouse, modified=_now(), **quantities)

    def attach(self, website_item: str, name: str, content: bytes, *, private: bool = False, **values: Any) -> str:
        """Write the File's row and its content."""
        url = add_file(self, website_item, name, content, private=private, **{"modified": _now(), **values})
        (row,) = self.rows("File", attached_to_name=website_item, file_url=values.get("file_url", url))
        return row["name"]

    def replace_file(self, name: str, content: bytes) -> None:
        """Write the content, and what the row says of it."""
        (row,) = self.rows("File", name=name)
        self.put_file(row["file_url"], content)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self.set("File", name, content_hash=digest, file_size=len(content))


def _now() -> str:
    return datetime.now(ZoneInfo("Asia/Muscat")).strftime("%Y-%m-%d %H:%M:%S.%f")
