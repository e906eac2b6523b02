"""A shop with Item Prices, and what both of its servers hold of them.

What more than one suite asks of such a shop. What its prices must be stands in `tests/suites/prices.py`.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from erp_medusa_pipelines.sync.prices.books import OWNER_KEY
from erp_medusa_sandbox.faults import SeenRequest
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import erp_writes, medusa_writes

ZONE = ZoneInfo("Asia/Muscat")
# What a save of an Item Price takes from elsewhere, looks up, or hands to the app's hook.
NEVER_SAVED = ("currency", "customer", "uom", "creation", "medusa_id", "medusa_price_id")


class PricedShop:
    """A catalogue for one test with Item Prices, and both servers of the sync."""

    def __init__(self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer) -> None:
        self.catalogue = catalogue
        self.erp = erp
        self.medusa = medusa
        self.today = datetime.now(ZONE).date()
        self.number = 0
        self.group = catalogue.group("Priced")
        for doctype, name in (("UOM", "Nos"), ("Currency", "OMR"), ("Currency", "XAU")):
            if erp.store.get(doctype, name) is None:
                erp.store.insert(doctype, name=name, **{f"{doctype.lower()}_name": name})

    def day(self, offset: int) -> date:
        return self.today + timedelta(days=offset)

    def item(self, **fields: Any) -> str:
        """A Website Item of this shop, not exported yet."""
        return self.catalogue.item(self.group, stock_uom="Nos", **fields)

    def price(self, item: str, rate: float, since: int | None = None, until: int | None = None, **fields: Any) -> str:
        """Add an Item Price of the item, valid from and up to so many days from today; returns its name."""
        self.number += 1
        row = self.catalogue.row(item)
        values = {
            "name": f"price-{self.catalogue.tag}-{self.number:03d}",
            "item_code": row["item_code"],
            "price_list": PRICE_LIST,
            "uom": "Nos",
            "currency": "OMR",
            "price_list_rate": rate,
            "selling": 1,
            "valid_from": self.day(since).isoformat() if since is not None else None,
            "valid_upto": self.day(until).isoformat() if until is not None else None,
        }
        # A row of a Customer beside everybody's is no duplicate, so it has to name the Customer when it is saved.
        is_saved = bool(fields.get("customer")) and self.erp.store.get("Customer", fields["customer"]) is not None
        forced = {key: fields[key] for key in NEVER_SAVED if key in fields and not (is_saved and key == "customer")}
        values |= {key: value for key, value in fields.items() if key not in forced}
        name = self.erp.store.insert("Item Price", **values)
        if forced:
            self.erp.store.force("Item Price", name, **forced)
        return name

    def change(self, price: str, **fields: Any) -> None:
        """Somebody saves the Item Price."""
        self.erp.store.set("Item Price", price, modified=f"2026-01-01 00:00:00.{self.number:06d}", **fields)
        self.number += 1

    def row(self, price: str) -> dict[str, Any]:
        found = self.erp.store.get("Item Price", price)
        assert found is not None, price
        return found

    def shown(self, item: str) -> float | None:
        """What a customer is asked for the item now."""
        row = self.catalogue.row(item)
        answer = self.medusa.store(
            "GET",
            f"/store/products/{row['medusa_id']}",
            params={"region_id": self.medusa.region_id, "fields": "id,*variants.calculated_price"},
        )
        assert answer.status_code == 200, answer.text
        calculated = answer.json()["product"]["variants"][0]["calculated_price"]
        return calculated["calculated_amount"] if calculated else None

    def entries(self, item: str) -> list[tuple[str | None, str | None, float, str]]:
        """(starts_at, ends_at, amount, list id) of the item's entries in lists of ours, drafts left out."""
        variant = self.catalogue.row(item)["medusa_variant_id"]
        found = []
        for kept in self.lists():
            path = f"/admin/price-lists/{kept['id']}/prices"
            query = {"limit": 1000, "fields": "id,amount,currency_code,price_set.variant.id"}
            found += [
                (kept["starts_at"], kept["ends_at"], entry["amount"], kept["id"])
                for entry in self.medusa.admin("GET", path, params=query)["prices"]
                if entry["price_set"]["variant"]["id"] == variant and kept["status"] == "active"
            ]
        return sorted(found, key=str)

    def lists(self) -> list[dict[str, Any]]:
        """Price lists of ours."""
        query = {"limit": 1000, "fields": "id,title,status,starts_at,ends_at,metadata"}
        rows = self.medusa.admin("GET", "/admin/price-lists", params=query)["price_lists"]
        return [row for row in rows if (row["metadata"] or {}).get(OWNER_KEY)]

    def sizes(self) -> dict[str, int]:
        """Entries by list of ours."""
        query = {"limit": 0, "fields": "id"}
        return {
            kept["id"]: self.medusa.admin("GET", f"/admin/price-lists/{kept['id']}/prices", params=query)["count"]
            for kept in self.lists()
        }

    def delete_lists(self) -> None:
        """Delete our lists: a real Medusa outlives the test, and the next test must not find them."""
        for kept in self.lists():
            self.medusa.admin("DELETE", f"/admin/price-lists/{kept['id']}")

    def forget(self) -> None:
        self.erp.faults.forget_requests()
        self.medusa.faults.forget_requests()

    def writes(self) -> list[SeenRequest]:
        """Requests to either server that changed something."""
        return [*medusa_writes(self.medusa), *erp_writes(self.erp)]
