"""What a newsletter shows: products that are new, on clearance, or sell best, as far as a customer can buy them.

Where each comes from, and why from there:

- new: Medusa's products by `created_at`, as far as an export made them (`external_id`). Medusa alone knows since when a
  customer can see one, whatever became of Dagster's storage, and products that were only taken over are not new there;
- clearance: what staff ticked in ERPNext's Expiring Items, and the best sellers of Product Collection: the documents
  that the other tasks write and that staff may correct. A materialization is what a run once wrote.

Whether a customer can buy one, and for how much, is asked of Medusa's Store API at the moment of sending.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient, Row
from erp_medusa_pipelines.clients.medusa_storefront import MedusaStorefront
from erp_medusa_pipelines.mail.links import filled
from erp_medusa_pipelines.sync.engine.report import SyncReport

SECTIONS = ("new", "clearance", "best")
PER_SECTION = 6
NEWEST_READ = 60
"""New products that are read: some of them may not be for sale yet."""
CLEARANCE, COLLECTION = "Expiring Items", "Product Collection"

Chosen = dict[str, list[str]]
"""Ids of products by section."""


@dataclass(frozen=True)
class Shown:
    """One product in a newsletter. `before` is the price that it is compared with, where that is higher."""

    id: str
    title: str
    price: Decimal
    before: Decimal | None
    several: bool
    """Whether `price` is the lowest of several."""
    currency: str
    picture: str
    link: str


class NewsletterItems:
    """Reads both servers. `categories` maps a category to its child table of Product Collection."""

    def __init__(
        self,
        erp: ErpNextClient,
        medusa: MedusaClient,
        report: SyncReport,
        *,
        sales_channel_id: str,
        categories: Mapping[str, str],
        product_url: str,
    ) -> None:
        self._erp = erp
        self._medusa = medusa
        self._report = report
        self._store = MedusaStorefront(medusa, sales_channel_id)
        self._categories = categories
        self._product_url = product_url

    def choose(self, since: datetime) -> Chosen:
        """Return what an edition shows, best first, each product once; new is what came since."""
        found = {
            "new": self._new(since),
            "clearance": self._products_of(self._clearance()),
            "best": self._products_of(self._best_sellers()),
        }
        buyable = self.shown(found)
        taken: set[str] = set()
        chosen: Chosen = {}
        for section in SECTIONS:
            ids = [one.id for one in buyable[section] if one.id not in taken][:PER_SECTION]
            chosen[section] = ids
            taken.update(ids)
        return chosen

    def shown(self, chosen: Mapping[str, Sequence[str]]) -> dict[str, list[Shown]]:
        """Return of each section what can be bought now, as it is now."""
        products = self._store.products(one for ids in chosen.values() for one in ids)
        return {
            section: [one for each in chosen.get(section, ()) if (one := self._as_shown(products.get(each)))]
            for section in SECTIONS
        }

    def _new(self, since: datetime) -> list[str]:
        begin = since.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        query = {
            "fields": "id,external_id,created_at",
            "created_at[$gte]": begin,
            "status[]": "published",
            "order": "-created_at",
            "limit": NEWEST_READ,
        }
        answer = self._medusa.http.request("GET", "/admin/products", params=query)
        rows = self._medusa.http.part(answer, "products", "GET /admin/products")
        # Medusa ignores filters that it does not know, and answers with everything.
        return [row["id"] for row in rows if row.get("external_id") and str(row["created_at"]) >= begin]

    def _clearance(self) -> list[str]:
        """Return the Items of what staff ticked, in their order."""
        tables = self._rows_of(CLEARANCE).values()
        names = [str(row.get("website_item") or "") for table in tables for row in table if row.get("show")]
        found = self._erp.rows_in(WEBSITE_ITEM, ["name", "item_code"], sorted({*names} - {""})) if names else ()
        codes = {row["name"]: str(row.get("item_code") or "") for row in found}
        return [codes[name] for name in names if name in codes]

    def _best_sellers(self) -> list[str]:
        """Return the first of each category, then the second of each."""
        rows = self._rows_of(COLLECTION)
        tables = [[str(row.get("item_code") or "") for row in rows.get(field, ())] for field in self._fields()]
        longest = max((len(table) for table in tables), default=0)
        return [table[place] for place in range(longest) for table in tables if place < len(table)]

    def _fields(self) -> list[str]:
        return list(self._categories.values())

    def _rows_of(self, single: str) -> dict[str, list[Row]]:
        """Return the child tables of a Single; none where the site has no such DocType."""
        try:
            document = self._erp.get_single(single)
        except AccessError:
            raise
        except PermanentError as error:
            self._report.facts[f"without {single}"] = error.reason
            return {}
        return {field: value for field, value in document.items() if isinstance(value, list)}

    def _products_of(self, item_codes: Iterable[str]) -> list[str]:
        codes = list(dict.fromkeys(code for code in item_codes if code))
        found = self._medusa.variants_by_sku(codes, "id,sku,product.id") if codes else ()
        products: dict[str, str] = {row["sku"]: row["product"]["id"] for row in found if row.get("product")}
        return list(dict.fromkeys(products[code] for code in codes if code in products))

    def _as_shown(self, product: Row | None) -> Shown | None:
        prices = [price for variant in (product or {}).get("variants") or () if (price := _price(variant))]
        if product is None or not prices:
            return None
        amounts = [Decimal(str(price["calculated_amount"])) for price in prices]
        lowest = prices[amounts.index(min(amounts))]
        before = Decimal(str(lowest.get("original_amount") or 0))
        handle = str(product.get("handle") or "")
        return Shown(
            product["id"],
            str(product.get("title") or ""),
            min(amounts),
            before if before > min(amounts) else None,
            len(set(amounts)) > 1,
            str(lowest.get("currency_code") or ""),
            str(product.get("thumbnail") or ""),
            filled(self._product_url, handle=handle) if handle else "",
        )


def _price(variant: Mapping[str, Any]) -> Row | None:
    """Return the price that a variant can be bought at now; None where it cannot."""
    price = variant.get("calculated_price")
    if not price or price.get("calculated_amount") is None:
        return None
    if variant.get("manage_inventory") and not variant.get("allow_backorder"):
        return price if (variant.get("inventory_quantity") or 0) > 0 else None
    return price
