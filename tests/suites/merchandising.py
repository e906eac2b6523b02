"""Best sellers and clearance against any ERPNext, asked only through its own REST API.

The embedded one with the sample shop, or somebody's own test site: what the jobs write is read back, compared with a
computation of its own, and put back as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests

from erp_medusa_pipelines.setting_sections import TOP_SELLER_CATEGORIES
from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner

HOMEPAGE = "Active Homepage Landing"
WRITTEN = {
    ("Product Collection", "Product Collection"): tuple(TOP_SELLER_CATEGORIES.values()),
    ("Expiring Items", "Expiring Items"): ("expiring_items",),
    ("Homepage Landing", HOMEPAGE): ("best_deals", "clearance_items"),
}


@dataclass(frozen=True)
class Site:
    """An ERPNext as a test's own client sees it."""

    url: str
    key: str
    secret: str = field(repr=False)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"token {self.key}:{self.secret}", "Accept": "application/json"}
        answer = requests.request(method, self.url + path, headers=headers, timeout=130, **options)
        answer.raise_for_status()
        return answer.json()

    def document(self, doctype: str, name: str) -> dict[str, Any]:
        """A whole document."""
        return self._ask("GET", f"/api/resource/{quote(doctype)}/{quote(name)}")["data"]

    def save(self, doctype: str, name: str, values: dict[str, Any]) -> None:
        """Save some fields."""
        self._ask("PUT", f"/api/resource/{quote(doctype)}/{quote(name)}", json=values)

    def rows(
        self, doctype: str, fields: list[str], filters: list[Any], parent: str | None = None
    ) -> list[dict[str, Any]]:
        """All rows of a list."""
        body = {
            "doctype": doctype,
            "fields": fields,
            "filters": filters,
            "limit_page_length": 0,
            "order_by": "name asc",
        }
        return self._ask(
            "POST", "/api/method/frappe.client.get_list", json={**body, **({"parent": parent} if parent else {})}
        )["message"]

    def today(self) -> date:
        """Today in the site's zone, by the server's clock."""
        zone = self._ask("GET", "/api/method/frappe.client.get_time_zone")["message"]["time_zone"]
        answer = requests.get(f"{self.url}/api/method/ping", timeout=30)
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(ZoneInfo(zone)).date()

    def sellable(self) -> dict[str, str]:
        """Published Website Items with an enabled Item: name to item_code."""
        enabled = {row["name"] for row in self.rows("Item", ["name"], [["disabled", "=", 0]])}
        shown = self.rows("Website Item", ["name", "item_code"], [["published", "=", 1]])
        return {row["name"]: row["item_code"] for row in shown if row["item_code"] in enabled}


@pytest.fixture
def kept_documents(site: Site) -> Iterator[None]:
    """What the jobs write is put back afterwards; the homepage last, since saving Expiring Items changes it."""
    before = {(doctype, name): site.document(doctype, name) for doctype, name in WRITTEN}
    yield
    for (doctype, name), tables in WRITTEN.items():
        site.save(doctype, name, {table: before[doctype, name].get(table) or [] for table in tables})


@pytest.fixture
def site_runner(site: Site, kept_documents: None, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs jobs against the site. Both tasks write to ERPNext only; the settings want both servers named."""
    monkeypatch.setenv("ERPNEXT_URL", site.url)
    monkeypatch.setenv("ERPNEXT_API_KEY", site.key)
    monkeypatch.setenv("ERPNEXT_API_SECRET", site.secret)
    monkeypatch.setenv("MEDUSA_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MEDUSA_API_KEY", "unused")
    return quick_runner()


class MerchandisingSuite:
    """Run by tests/sandbox against the embedded ERPNext and by tests/live against the one of the environment."""

    def test_product_collection_shows_what_the_lines_add_up_to(self, site: Site, site_runner: Runner) -> None:
        site.save("Product Collection", "Product Collection", {table: [] for table in TOP_SELLER_CATEGORIES.values()})
        assert site_runner.job("add_top_selling_items_to_collection").success
        totals: dict[str, int] = {}
        submitted = [["docstatus", "=", 1]]
        for line in site.rows("Sales Invoice Item", ["item_code", "qty"], submitted, parent="Sales Invoice"):
            totals[line["item_code"]] = totals.get(line["item_code"], 0) + round(line["qty"] * 1_000_000)
        groups = {row["name"].casefold(): row for row in site.rows("Item Group", ["name", "lft", "rgt"], [])}
        group_of = {
            row["name"]: groups[row["item_group"].casefold()] for row in site.rows("Item", ["name", "item_group"], [])
        }
        sold = set(site.sellable().values()) & set(totals) & set(group_of)
        shown = site.document("Product Collection", "Product Collection")
        for category, table in TOP_SELLER_CATEGORIES.items():
            top = groups[category.casefold()]
            listed = [code for code in sold if top["lft"] <= group_of[code]["lft"] <= top["rgt"]]
            listed.sort(key=lambda code: (-totals[code], code))
            found = [(row["item_code"], row["sales_count"]) for row in shown[table]]
            assert found == [(code, totals[code] / 1_000_000) for code in listed[:20]]

    def test_expiring_items_are_sold_in_stock_and_expire_within_the_window(
        self, site: Site, site_runner: Runner
    ) -> None:
        assert site_runner.job("fetch_clearance_items").success
        today, sellable = site.today(), site.sellable()
        in_stock = [["batch_qty", ">", 0], ["disabled", "=", 0], ["expiry_date", ">=", today.isoformat()]]
        earliest: dict[str, str] = {}
        for batch in site.rows("Batch", ["item", "expiry_date"], in_stock):
            earliest[batch["item"]] = min(batch["expiry_date"], earliest.get(batch["item"], "9999"))
        expected = {
            (name, earliest[code])
            for name, code in sellable.items()
            if code in earliest and (date.fromisoformat(earliest[code]) - today).days <= 60
        }
        rows = site.document("Expiring Items", "Expiring Items")["expiring_items"]
        dated = [(row["website_item"], row["expiry_date"]) for row in rows if row.get("expiry_date")]
        assert set(dated) == expected
        assert [expiry for _, expiry in dated] == sorted(expiry for _, expiry in dated)

    def test_a_ticked_item_becomes_a_deal_and_staffs_row_stays(self, site: Site, site_runner: Runner) -> None:
        names = sorted(site.sellable())[:2]
        by_hand = {"url": "https://cdn.example/by-hand.png", "website_item": names[1]}
        site.save("Expiring Items", "Expiring Items", {"expiring_items": [{"website_item": names[0], "show": 1}]})
        site.save("Homepage Landing", HOMEPAGE, {"best_deals": [by_hand]})
        assert site_runner.job("fetch_clearance_items").success
        page = site.document("Homepage Landing", HOMEPAGE)
        deals = [row["website_item"] for row in page["best_deals"]]
        assert deals == [names[1], names[0]]
        assert page["best_deals"][0]["url"] == by_hand["url"]
        assert names[0] in [row["website_item"] for row in page["clearance_items"]]
        rows = site.document("Expiring Items", "Expiring Items")["expiring_items"]
        marked = [row for row in rows if row["website_item"] == names[0]]
        assert [row["show"] for row in marked] == [1]

    @pytest.mark.parametrize("job", ["add_top_selling_items_to_collection", "fetch_clearance_items"])
    def test_a_second_run_writes_nothing(self, job: str, site: Site, site_runner: Runner) -> None:
        assert site_runner.job(job).success
        before = [site.document(doctype, name).get("modified") for doctype, name in WRITTEN]
        assert site_runner.job(job).success
        assert [site.document(doctype, name).get("modified") for doctype, name in WRITTEN] == before
