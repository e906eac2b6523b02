"""What staff do in ERPNext that decides whether an item is sold, and how many: states, batches, orders, bundles.

Rows as ERPNext leaves them, by item code.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from tests.support.site import EmbeddedSite

BUNDLE, LEDGER, ENTRY = "Product Bundle", "Serial and Batch Bundle", "Serial and Batch Entry"


class Trade:
    """The actions, with what they book at one warehouse."""

    def __init__(self, store: EmbeddedSite, warehouse: str, numbers: Iterator[int]) -> None:
        self.store = store
        self.warehouse = warehouse
        self.numbers = numbers

    @property
    def today(self) -> date:
        """Today on the site's clock."""
        return datetime.now(ZoneInfo("Asia/Muscat")).date()

    def set_end_of_life(self, code: str, days: int | None) -> None:
        """So many days from today; None: it has none."""
        end = None if days is None else (self.today + timedelta(days=days)).isoformat()
        self.store.set("Item", code, end_of_life=end)

    # --- batches ----------------------------------------------------------------------------------------------

    def receive(self, code: str, quantity: float, expires_in: int) -> None:
        """Receive a batch that expires in so many days; a negative number of days is past."""
        self.store.set("Item", code, has_batch_no=1, has_expiry_date=1)
        expiry = (self.today + timedelta(days=expires_in)).isoformat()
        self.store.receive(code, self.warehouse, f"B-{next(self.numbers):05d}", quantity, expiry)

    def redate(self, code: str, expires_in: int) -> None:
        """Correct the date of all batches of an Item."""
        for row in self.store.rows("Batch", item=code):
            self.store.set("Batch", row["name"], expiry_date=(self.today + timedelta(days=expires_in)).isoformat())

    def write_off(self, code: str) -> None:
        """Issue what is left of all batches of an Item."""
        for batch in self.store.rows("Batch", item=code):
            left = sum(row["qty"] for row in self.store.rows(ENTRY, batch_no=batch["name"]))
            entry = {"batch_no": batch["name"], "warehouse": self.warehouse, "qty": -left}
            place = {"item_code": code, "warehouse": self.warehouse, "type_of_transaction": "Outward", "docstatus": 1}
            self.store.insert(LEDGER, **place, total_qty=-left, entries=[entry])
            self._add_to_bin(code, actual_qty=-left)

    # --- orders -----------------------------------------------------------------------------------------------

    def order(self, code: str, quantity: float, *, from_medusa: bool) -> None:
        """Submit a Sales Order, from Medusa (which has shipped it already) or from elsewhere."""
        parts = {row["item_code"]: row["qty"] * quantity for row in self.parts(code)}
        line = {
            "item_code": code, "warehouse": self.warehouse, "qty": quantity, "stock_qty": quantity,
            "conversion_factor": 1, "delivered_qty": 0,
        }  # fmt: skip
        packed = [
            {"parent_item": code, "item_code": part, "warehouse": self.warehouse, "qty": pieces}
            for part, pieces in parts.items()
        ]
        number = next(self.numbers)
        self.store.insert(
            "Sales Order", name=f"SAL-ORD-{number:05d}", docstatus=1, status="To Deliver and Bill",
            medusa_order_id=f"order_{number}" if from_medusa else None, items=[line], packed_items=packed,
        )  # fmt: skip
        for ordered, pieces in (parts or {code: quantity}).items():
            if self._is_stocked(ordered):
                self._add_to_bin(ordered, reserved_qty=pieces)

    def close_orders(self) -> None:
        """Close every order: nothing is reserved any more."""
        for row in self.store.rows("Sales Order"):
            self.store.set("Sales Order", row["name"], status="Closed")
        for row in self.store.rows("Bin"):
            self.store.set("Bin", row["name"], reserved_qty=0)

    # --- bundles ----------------------------------------------------------------------------------------------

    def bundle(self, code: str, parts: Mapping[str, float]) -> None:
        """Sell an Item without stock of its own as a set of others; replaces what it was a set of."""
        self.unbundle(code)
        self.store.set("Item", code, is_stock_item=0)
        rows = [{"item_code": part, "qty": quantity} for part, quantity in parts.items()]
        self.store.insert(BUNDLE, name=f"{code} {next(self.numbers)}", new_item_code=code, items=rows)

    def unbundle(self, code: str) -> None:
        """Delete the bundle; the Item is a service from now on."""
        for row in self.store.rows(BUNDLE, new_item_code=code):
            for part in self.store.rows("Product Bundle Item", parent=row["name"]):
                self.store.delete("Product Bundle Item", part["name"])
            self.store.delete(BUNDLE, row["name"])

    def suspend_bundle(self, code: str) -> None:
        """Disable the bundle, or enable it again."""
        for row in self.store.rows(BUNDLE, new_item_code=code):
            self.store.set(BUNDLE, row["name"], disabled=int(not row["disabled"]))

    def parts(self, code: str) -> list[dict[str, Any]]:
        """Rows of the bundle that is in use for an Item; none where there is none."""
        bundles = self.store.rows(BUNDLE, new_item_code=code, disabled=0)
        return [row for each in bundles for row in self.store.rows("Product Bundle Item", parent=each["name"])]

    # ----------------------------------------------------------------------------------------------------------

    def _is_stocked(self, code: str) -> bool:
        item = self.store.get("Item", code)
        return bool(item and item["is_stock_item"])

    def _add_to_bin(self, code: str, **quantities: float) -> None:
        found = self.store.rows("Bin", item_code=code, warehouse=self.warehouse)
        if found:
            values = {key: (found[0][key] or 0) + quantity for key, quantity in quantities.items()}
            self.store.set("Bin", found[0]["name"], **values)
        else:
            name = f"bin-{uuid4().hex[:8]}"
            self.store.insert("Bin", name=name, item_code=code, warehouse=self.warehouse, **quantities)
