"""A small shop's groups, items, invoices and batches in the embedded ERPNext, for the merchandising tests."""

from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_sandbox.erpnext.store import ErpStore

ZONE = ZoneInfo("Asia/Muscat")
HOMEPAGE = "Active Homepage Landing"
TREE: dict[str, dict[str, Any]] = {
    "Dental": {"Implants": {}, "Orthodontics": {"Brackets": {}}},
    "Medical": {"Wound Care": {}},
    "Infection Control": {"Gloves": {}},
    "Medical Laboratory IVD": {"Chemistry": {}},
}


class Trade:
    """Adds rows to a store that is otherwise empty."""

    def __init__(self, store: ErpStore) -> None:
        self.store = store
        self._number = count(1)
        self._groups("All Item Groups", TREE, "", 1)
        store.insert("Product Collection", modified="2026-01-01 00:00:00.000000")
        store.insert("Expiring Items", modified="2026-01-01 00:00:00.000000")
        store.insert("Homepage Landing", name=HOMEPAGE)

    def _groups(self, name: str, below: dict[str, Any], parent: str, left: int) -> int:
        right = left + 1
        for child, grandchildren in below.items():
            right = self._groups(child, grandchildren, name, right)
        self.store.insert(
            "Item Group", name=name, item_group_name=name, parent_item_group=parent, is_group=1, lft=left, rgt=right
        )
        return right + 1

    @property
    def today(self) -> date:
        """Today on the site's clock."""
        return datetime.now(ZONE).date()

    def item(
        self, code: str, group: str = "Implants", *, disabled: int = 0, published: int = 1, image: str = ""
    ) -> str:
        """An Item with its Website Item, whose name is returned."""
        title = f"{code} قفاز"
        self.store.insert("Item", name=code, item_code=code, item_name=title, item_group=group, disabled=disabled)
        return self.store.insert(
            "Website Item",
            name=f"WEB-{code}",
            item_code=code,
            item_name=title,
            web_item_name=title,
            item_group=group,
            published=published,
            website_image=image,
        )

    def invoice(self, *lines: tuple[str, float], docstatus: int = 1, days_ago: int = 1, pieces: float = 1) -> str:
        """A Sales Invoice with lines (item_code, qty), each of so many pieces in stock; returns its name."""
        day = self.today - timedelta(days=days_ago)
        name = f"ACC-SINV-{next(self._number):05d}"
        self.store.insert(
            "Sales Invoice",
            name=name,
            posting_date=day.isoformat(),
            docstatus=docstatus,
            creation=f"{day} 10:00:00.000000",
            items=[
                {"item_code": code, "item_name": code, "qty": quantity, "stock_qty": quantity * pieces}
                for code, quantity in lines
            ],
        )
        return name

    def cancel(self, invoice: str) -> None:
        """What cancelling does to the rows."""
        self.store.set("Sales Invoice", invoice, docstatus=2)
        for row in self.store.rows("Sales Invoice Item", parent=invoice):
            self.store.set("Sales Invoice Item", row["name"], docstatus=2)

    def batch(self, code: str, days: int | None, quantity: float = 5, *, disabled: int = 0) -> None:
        """A Batch that expires in so many days; None: it never does."""
        name = f"B-{code}-{next(self._number)}"
        expiry = None if days is None else (self.today + timedelta(days=days)).isoformat()
        self.store.insert(
            "Batch",
            name=name,
            batch_id=name,
            item=code,
            expiry_date=expiry,
            batch_qty=quantity,
            disabled=disabled,
        )

    def collection(self, table: str = "dental_items") -> list[tuple[str, float]]:
        """What Product Collection shows in a table."""
        rows = self.store.children("Product Collection", "Product Collection")[table]
        return [(row["item_code"], row["sales_count"]) for row in rows]

    def expiring(self) -> list[tuple[str, str | None, int]]:
        """Rows of Expiring Items."""
        rows = self.store.children("Expiring Items", "Expiring Items")["expiring_items"]
        return [(row["website_item"], row["expiry_date"], row["show"]) for row in rows]

    def list_by_hand(self, *rows: dict[str, Any]) -> None:
        """Replace Expiring Items as a save in the desk would."""
        self._replace("Expiring Items", "Expiring Items", "Expiring Items Table", "expiring_items", rows)

    def put_on_homepage(self, table: str, *rows: dict[str, Any]) -> None:
        """Replace a table of the homepage as a save in the desk would."""
        doctype = {"best_deals": "Best Deals", "clearance_items": "Homepage Item"}[table]
        self._replace("Homepage Landing", HOMEPAGE, doctype, table, rows)

    def homepage(self, table: str) -> list[dict[str, Any]]:
        """Rows of a table of the homepage."""
        return self.store.children("Homepage Landing", HOMEPAGE)[table]

    def _replace(self, parent_type: str, parent: str, child: str, table: str, rows: tuple[dict[str, Any], ...]) -> None:
        for row in self.store.rows(child, parent=parent, parentfield=table):
            self.store.delete(child, row["name"])
        for idx, row in enumerate(rows, start=1):
            place = {"parent": parent, "parenttype": parent_type, "parentfield": table, "idx": idx}
            self.store.insert(child, **place, **row)
