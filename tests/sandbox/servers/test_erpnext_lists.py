"""Lists of the embedded ERPNext: forms of filters, operators, empty values, trees, time spans, fields and order.

What the recorded answers (test_erpnext_contract.py) do not show one by one, after Frappe's documentation.
"""

import json
from datetime import date
from typing import Any

import pytest
import requests

from erp_medusa_sandbox.erpnext.errors import ErpError
from erp_medusa_sandbox.erpnext.filters import timespan
from tests.support.servers import ErpServer

SUNDAY = date(2026, 11, 22)


@pytest.fixture
def shop(erp: ErpServer) -> ErpServer:
    """Four items, two of them with ids, and a tree of groups: All > Medical > Gloves, and All > Other."""
    for name, above, lft, rgt in (("All", None, 1, 8), ("Medical", "All", 2, 5), ("Gloves", "Medical", 3, 4)):
        erp.store.insert("Item Group", name=name, item_group_name=name, parent_item_group=above, lft=lft, rgt=rgt)
    erp.store.insert("Item Group", name="Other", item_group_name="Other", parent_item_group="All", lft=6, rgt=7)
    rows: list[dict[str, Any]] = [
        {"name": "A", "ranking": 1, "item_group": "Gloves", "medusa_id": "prod_1", "creation": "2026-11-01 00:00:00"},
        {"name": "B", "ranking": 2, "item_group": "Medical", "medusa_id": "prod_2", "creation": "2026-11-02 15:00:00"},
        {"name": "C", "ranking": 3, "item_group": "Other", "medusa_id": "", "creation": "2026-11-03 00:00:00"},
        {"name": "D", "ranking": 0, "item_group": None, "medusa_id": None, "creation": "2026-11-04 00:00:00"},
    ]
    for row in rows:
        erp.store.insert("Website Item", web_item_name=f"Name {row['name']}", **row)
    specification = {"label": "Size", "description": "5 ml", "parent": "A", "parenttype": "Website Item"}
    erp.store.insert("Item Website Specification", parentfield="website_specifications", **specification)
    return erp


def ask(erp: ErpServer, doctype: str = "Website Item", **query: Any) -> requests.Response:
    params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
    headers = {"Authorization": f"token {erp.key}:{erp.secret}", "Accept": "application/json"}
    return requests.get(f"{erp.url}/api/resource/{doctype}", params=params, headers=headers, timeout=30)


def names(erp: ErpServer, doctype: str = "Website Item", **query: Any) -> str:
    answer = ask(erp, doctype, **{"order_by": "name asc", "limit_page_length": "0", **query})
    assert answer.ok, answer.text
    return "".join(row["name"] for row in answer.json()["data"])


def refusal(erp: ErpServer, **query: Any) -> str:
    answer = ask(erp, **query)
    assert answer.status_code >= 400, answer.text
    return f"{answer.json().get('exc_type')}: {answer.text}"


@pytest.mark.parametrize(
    "filters",
    [
        {"name": "A"},
        {"name": ["=", "A"]},
        {"name": ["A"]},
        [["name", "A"]],
        [["name", "=", "A"]],
        [["Website Item", "name", "=", "A"]],
        [{"name": "A"}],
        [["`tabWebsite Item`.`name`", "=", "A"]],
        [["Item Website Specification", "label", "=", "Size"]],
    ],
    ids=str,
)
def test_filters_may_be_written_in_many_forms(shop: ErpServer, filters: Any) -> None:
    assert names(shop, filters=filters) == "A"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([["medusa_id", "is", "set"]], "AB"),
        ([["medusa_id", "is", "not set"]], "CD"),
        ([["medusa_id", "=", ""]], "CD"),
        ([["medusa_id", "=", None]], ""),
        ([["medusa_id", "!=", "prod_1"]], "BCD"),
        ([["medusa_id", "like", "prod%"]], "AB"),
        ([["medusa_id", "not like", "prod%"]], "CD"),
        ([["medusa_id", "in", ["prod_1", "prod_2"]]], "AB"),
        ([["medusa_id", "in", ["prod_1", ""]]], "ACD"),
        ([["medusa_id", "in", [""]]], "CD"),
        ([["medusa_id", "in", "prod_1, prod_2"]], "AB"),
        ([["medusa_id", "in", []]], ""),
        ([["medusa_id", "not in", []]], "ABCD"),
        ([["medusa_id", "not in", ["prod_1"]]], "BCD"),
        ([["medusa_id", "not in", ["prod_1", ""]]], "B"),
        ([["ranking", ">", "1"]], "BC"),
        ([["ranking", ">=", 1]], "ABC"),
        ([["ranking", "<", 1]], "D"),
        ([["ranking", "<=", 1.5]], "AD"),
        ([["ranking", "not in", [1, None]]], "BC"),
        ([["custom_overall_rating", "<", "0.5"]], "ABCD"),
        ([["creation", "between", ["2026-11-01", "2026-11-02"]]], "AB"),
        ([["creation", "between", '["2026-11-02 00:00:00", "2026-11-03 00:00:00"]']], "BC"),
        ([["creation", ">", "2026-11-02 15:00:00"]], "CD"),
        ([["ranking", "between", [1, 2]]], "AB"),
        ([["item_group", "descendants of", "Medical"]], "A"),
        ([["item_group", "descendants of (inclusive)", "Medical"]], "AB"),
        ([["item_group", "not descendants of", "Medical"]], "BCD"),
        ([["item_group", "ancestors of", "Gloves"]], "B"),
        ([["item_group", "not ancestors of", "Gloves"]], "ACD"),
    ],
    ids=str,
)
def test_each_operator_finds_what_frappe_finds(shop: ErpServer, filters: Any, found: str) -> None:
    assert names(shop, filters=filters) == found


def test_either_of_some_filters_is_enough(shop: ErpServer) -> None:
    assert names(shop, or_filters=[["name", "=", "A"], ["ranking", "=", 3]]) == "AC"
    assert names(shop, filters=[["medusa_id", "is", "set"]], or_filters=[["name", "=", "A"], ["name", "=", "C"]]) == "A"


def test_a_date_is_compared_by_its_day(shop: ErpServer) -> None:
    for name, expiry in (("X", "2026-11-22"), ("Y", None)):
        shop.store.insert("Batch", name=name, batch_id=name, item="I", expiry_date=expiry)
    shop.store.insert("Custom DocPerm", parent="Batch", role="System Manager", read=1)
    assert names(shop, "Batch", filters=[["expiry_date", "=", "2026-11-22 10:00:00"]]) == "X"
    assert names(shop, "Batch", filters=[["expiry_date", "<", "2026-11-22"]]) == "Y", "no date is the first of all"
    assert names(shop, "Batch", filters=[["expiry_date", "timespan", "today"]]) in ("", "X")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"filters": [["name", "resembles", "A"]]}, "ValidationError"),
        ({"filters": [["web_item_name", "descendants of", "A"]]}, "only possible on links to trees"),
        ({"filters": [["creation", "fiscal year", "2026"]]}, "not emulated"),
        ({"filters": [["Bin", "item_code", "=", "A"]]}, "OperationalError"),
        ({"filters": [["brand.name", "=", "A"]]}, "OperationalError"),
        ({"fields": ["nothing"]}, "Field not permitted in query: nothing"),
        ({"fields": ["web_item_name.name"]}, "Field not permitted in query: web_item_name.name"),
        ({"fields": ["`tabBin`.`item_code`"]}, "Field not permitted in query: item_code"),
        ({"fields": ["ifnull(ranking, 0)"]}, "Use of function ifnull in field is restricted"),
        ({"fields": ["count(*)"]}, "Field not permitted in query: *"),
        ({"fields": ["count(1)"]}, "IndexError"),
        ({"fields": ["median(ranking)"]}, "FUNCTION median does not exist"),
        ({"fields": ["sum(brand.name)"]}, "PermissionError"),
        ({"order_by": "nothing asc"}, "OperationalError"),
        ({"order_by": "name; drop"}, "Illegal SQL Query"),
        ({"limit_page_length": "-1"}, "ProgrammingError"),
    ],
    ids=str,
)
def test_what_frappe_refuses_is_refused(shop: ErpServer, query: dict[str, Any], said: str) -> None:
    assert said in refusal(shop, **query)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({"fields": ["ranking as place"], "order_by": "place desc", "limit_page_length": "1"}, [{"place": 3}]),
        ({"fields": ["item_group.parent_item_group"], "filters": {"name": "A"}}, [{"parent_item_group": "Medical"}]),
        ({"fields": ["website_specifications.label"], "filters": {"name": "A"}}, [{"label": "Size"}]),
        ({"fields": ["`tabItem Website Specification`.label"], "filters": {"name": "A"}}, [{"label": "Size"}]),
        ({"fields": ["count(distinct medusa_id) as n", "max(ranking)"]}, [{"n": 3, "max(ranking)": 3}]),
        (
            {"fields": ["distinct parent_item_group as a"], "order_by": "a desc", "limit_page_length": "1"},
            [{"a": "Medical"}],
        ),
        (
            {"fields": ["parent_item_group as a", "count(name) as n"], "group_by": "a", "order_by": "count(name) desc"},
            [{"a": "All", "n": 2}, {"a": "Medical", "n": 1}, {"a": None, "n": 1}],
        ),
        ({"fields": ["name"], "order_by": "name", "limit_start": "2", "limit_page_length": "1"}, [{"name": "C"}]),
    ],
    ids=str,
)
def test_fields_and_order_are_written_as_for_sql(shop: ErpServer, query: dict[str, Any], rows: list[Any]) -> None:
    doctype = "Item Group" if "parent_item_group as" in str(query) else "Website Item"
    found = ask(shop, doctype, **query).json()["data"]
    assert sorted(found, key=str) == sorted(rows, key=str)


def test_a_star_stands_for_every_column(shop: ErpServer) -> None:
    (row,) = ask(shop, fields=["*"], filters={"name": "A"}).json()["data"]
    assert {"name", "creation", "medusa_id", "ranking"} <= set(row)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-11-22", "2026-11-22"),
        ("Yesterday", "2026-11-21", "2026-11-21"),
        ("last 7 days", "2026-11-15", "2026-11-22"),
        ("next 7 days", "2026-11-22", "2026-11-29"),
        ("this week", "2026-11-22", "2026-11-28"),
        ("last week", "2026-11-15", "2026-11-21"),
        ("this month", "2026-11-01", "2026-11-30"),
        ("next month", "2026-12-01", "2026-12-31"),
        ("last year", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_time_span_is_named_by_its_days(name: str, first: str, last: str) -> None:
    assert [each.isoformat() for each in timespan(name, SUNDAY)] == [first, last]


def test_a_time_span_that_is_not_emulated_says_so() -> None:
    with pytest.raises(ErpError, match="SANDBOX: time span 'last quarter' is not emulated"):
        timespan("last quarter", SUNDAY)
