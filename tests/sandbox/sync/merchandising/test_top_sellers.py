"""The best sellers over real sockets: what Product Collection holds afterwards, and what it cost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.setting_sections import TOP_SELLER_CATEGORIES
from erp_medusa_pipelines.tasks import task_named
from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.shop.seed import seed_shop
from tests.support.runs import JobRun, Runner
from tests.support.servers import ErpServer, embedded_erpnext
from tests.support.trade import Trade

JOB = "add_top_selling_items_to_collection"
AGGREGATE = r"sum%28qty"
TABLES = tuple(TOP_SELLER_CATEGORIES.values())

REFUSAL = {"exc_type": "ValidationError", "exception": "frappe.exceptions.ValidationError: SQL functions"}


@pytest.fixture
def trade(erp: ErpServer) -> Trade:
    return Trade(erp.store)


@pytest.fixture
def sample_shop(erp: ErpServer) -> ErpServer:
    """About 2,700 invoice lines of 300 items: drafts, cancelled ones, returns, hidden items."""
    seed_shop(erp.store, items=300, images=0)
    return erp


def plain_sql(erp: ErpServer, category: str, *, most: int = 20, since: str | None = None) -> list[tuple[str, float]]:
    """The same question to the same rows, as one statement."""
    rows = erp.store.sql(
        """
        SELECT line.item_code, round(sum(line.qty), 6) AS sold
        FROM "tabSales Invoice Item" AS line
        JOIN "tabSales Invoice" AS invoice ON invoice.name = line.parent
        JOIN "tabItem" AS item ON item.name = line.item_code
        JOIN "tabItem Group" AS leaf ON leaf.name = item.item_group
        JOIN "tabItem Group" AS top ON leaf.lft BETWEEN top.lft AND top.rgt
        WHERE invoice.docstatus = 1 AND top.name = ? AND item.disabled = 0 AND invoice.posting_date >= ?
          AND EXISTS (SELECT 1 FROM "tabWebsite Item" AS w WHERE w.item_code = item.name AND w.published = 1)
        GROUP BY line.item_code ORDER BY sold DESC, line.item_code COLLATE BINARY LIMIT ?
        """,
        (category, since or "0001-01-01", most),
    )
    return [(row["item_code"], row["sold"]) for row in rows]


def collection(erp: ErpServer, table: str) -> list[tuple[str, float]]:
    rows = erp.store.children("Product Collection", "Product Collection")[table]
    return [(row["item_code"], row["sales_count"]) for row in rows]


def writes(erp: ErpServer) -> list[str]:
    seen = erp.faults.requests
    return [f"{one.method} {one.path}" for one in seen if one.method != "GET" and "get_list" not in one.path]


def assert_equals_sql(erp: ErpServer, **options: Any) -> None:
    for category, table in TOP_SELLER_CATEGORIES.items():
        expected = plain_sql(erp, category, **options)
        assert expected, "the sample shop sells in every category"
        assert collection(erp, table) == expected


def test_the_collection_is_what_plain_sql_says(sample_shop: ErpServer, runner: Runner) -> None:
    run = runner.job(JOB)
    assert run.success
    assert_equals_sql(sample_shop)
    assert run.metadata("sales_by_item")["summed_by"] == "ERPNext"
    for asset, check in (
        ("sales_by_item", "sums_match_a_direct_count"),
        ("top_selling_items", "every_category_is_filled"),
        ("product_collection", "listed_items_are_sold"),
    ):
        assert run.check(asset, check).passed


@pytest.fixture
def erpnext_16(shop_env: pytest.MonkeyPatch) -> Iterator[ErpServer]:
    with embedded_erpnext(version=16) as server:
        seed_shop(server.store, items=60, images=0)
        shop_env.setenv("ERPNEXT_URL", server.url)
        yield server


def test_version_16_is_asked_in_its_own_dialect(erpnext_16: ErpServer, runner: Runner) -> None:
    run = runner.job(JOB)
    assert run.success
    assert_equals_sql(erpnext_16)
    assert run.metadata("sales_by_item")["summed_by"] == "ERPNext"


@pytest.mark.long
def test_windows_and_single_lines_come_to_the_same(
    sample_shop: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("SALES_WINDOW", "1000")
    windows = runner.job(JOB).metadata("sales_by_item")
    assert windows["windows"] == sample_shop.store.count("Sales Invoice Item") // 1000 + 1 > 2
    assert_equals_sql(sample_shop)
    sample_shop.store.execute('DELETE FROM "tabProduct Collection Item"')
    sample_shop.faults.add(Fault("status", path=AGGREGATE, status=417, json=REFUSAL))
    streamed = runner.job(JOB)
    assert streamed.success
    assert streamed.metadata("sales_by_item")["summed_by"] != "ERPNext"
    assert streamed.metadata("sales_by_item")["lines"] == windows["lines"]
    assert_equals_sql(sample_shop)


def test_a_window_that_takes_too_long_is_divided(
    sample_shop: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setattr("erp_medusa_pipelines.sync.merchandising.sales.SMALLEST_WINDOW", 100)
    shop_env.setenv("HTTP_ATTEMPTS", "1")
    shop_env.setenv("SALES_WINDOW", "1600")
    sample_shop.faults.add(
        Fault("status", path=AGGREGATE, status=504, text="<title>504 Gateway Time-out</title>", times=3)
    )
    run = runner.job(JOB)
    assert run.success
    assert run.metadata("sales_by_item")["summed_by"] == "ERPNext"
    assert_equals_sql(sample_shop)


def test_a_server_that_never_answers_ends_the_run_as_worth_a_retry(
    sample_shop: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("HTTP_ATTEMPTS", "1")
    sample_shop.faults.add(Fault("status", path=AGGREGATE, status=504, text="<title>504 Gateway Time-out</title>"))
    run = runner.job(JOB)
    assert not run.success
    assert "504" in run.failure_text("sales_by_item")
    assert "permanent" not in run.failure("sales_by_item").metadata


def test_only_the_last_days_count_where_a_setting_says_so(
    sample_shop: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("TOP_SELLER_DAYS", "200")
    run = runner.job(JOB)
    since = run.metadata("sales_by_item")["since"]
    assert run.metadata("sales_by_item")["lines"] < 2_000
    assert_equals_sql(sample_shop, since=since)
    assert run.check("sales_by_item", "sums_match_a_direct_count").passed
    sample_shop.faults.add(Fault("status", method="GET", path=AGGREGATE, status=417, json=REFUSAL))
    sample_shop.faults.add(Fault("status", method="POST", path="get_list", body=r"sum\(qty", status=417, json=REFUSAL))
    assert runner.job(JOB).metadata("sales_by_item")["summed_by"] != "ERPNext"
    assert_equals_sql(sample_shop, since=since)


def test_a_second_run_writes_nothing(sample_shop: ErpServer, runner: Runner) -> None:
    first = runner.job(JOB).metadata("product_collection")
    assert (first["saves"], first["written"], first["items_entered"]) == (1, first["found"], first["found"])
    before = sample_shop.store.single("Product Collection")["modified"]
    sample_shop.faults.forget_requests()
    second = runner.job(JOB).metadata("product_collection")
    assert writes(sample_shop) == []
    assert sample_shop.store.single("Product Collection")["modified"] == before
    assert second["items_left"] == 0
    assert (second["unchanged"], second["written"], second["items_moved"]) == (first["found"], 0, 0)


def test_cancelled_invoices_and_returns_are_right_on_the_next_run(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    for code in ("A", "B", "C"):
        trade.item(code)
    first = trade.invoice(("A", 10), ("B", 3), ("B", 0.125))
    trade.invoice(("C", 5))
    trade.invoice(("C", 100), docstatus=0)
    assert runner.job(JOB).success
    assert trade.collection() == [("A", 10.0), ("C", 5.0), ("B", 3.125)]
    kept = {
        row["item_code"]: row["name"]
        for row in erp.store.children("Product Collection", "Product Collection")["dental_items"]
    }
    trade.cancel(first)
    trade.invoice(("A", 10), ("B", 6))
    trade.invoice(("A", -9))
    run = runner.job(JOB)
    assert trade.collection() == [("B", 6.0), ("C", 5.0), ("A", 1.0)]
    rows = erp.store.children("Product Collection", "Product Collection")["dental_items"]
    assert {row["item_code"]: row["name"] for row in rows} == kept
    assert run.metadata("product_collection")["items_moved"] == 2


def test_only_tables_that_differ_are_sent(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    trade.item("A")
    trade.item("M", "Wound Care")
    trade.invoice(("A", 1), ("M", 1))
    runner.job(JOB)
    medical = erp.store.children("Product Collection", "Product Collection")["medical_items"]
    trade.invoice(("A", 1))
    assert runner.job(JOB).metadata("product_collection")["written"] == 1
    again = erp.store.children("Product Collection", "Product Collection")["medical_items"]
    assert [(row["name"], row["sales_count"]) for row in again] == [
        (row["name"], row["sales_count"]) for row in medical
    ]


def test_equal_quantities_are_ordered_by_item_code_and_all_descendants_count(
    trade: Trade, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("TOP_SELLER_COUNT", "3")
    for code, group in (("D", "Brackets"), ("B", "Dental"), ("C", "Implants"), ("A", "Orthodontics")):
        trade.item(code, group)
        trade.invoice((code, 7))
    runner.job(JOB)
    assert trade.collection() == [("A", 7.0), ("B", 7.0), ("C", 7.0)]


def test_hidden_items_are_left_out_unless_a_setting_wants_them(
    trade: Trade, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    trade.item("shown")
    trade.item("disabled", disabled=1)
    trade.item("unpublished", published=0)
    trade.invoice(("shown", 1), ("disabled", 9), ("unpublished", 8), ("deleted long ago", 7))
    runner.job(JOB)
    assert trade.collection() == [("shown", 1.0)]
    shop_env.setenv("TOP_SELLER_INCLUDE_HIDDEN", "true")
    run = runner.job(JOB)
    assert trade.collection() == [("disabled", 9.0), ("unpublished", 8.0), ("shown", 1.0)]
    assert run.check("product_collection", "listed_items_are_sold").passed


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ({"Dental": "dental_items", "Dentall": "medical_items"}, "'Dentall', which ERPNext has no Item Group for"),
        (
            {"Dental": "dental_items", "Medical": "nonsense"},
            "the table nonsense, which Product Collection does not have",
        ),
    ],
)
def test_a_category_that_does_not_fit_is_an_error_before_anything_is_written(
    categories: dict[str, str], said: str, trade: Trade, erp: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    trade.item("A")
    trade.invoice(("A", 1))
    shop_env.setenv("TOP_SELLER_CATEGORIES", json.dumps(categories))
    run = runner.job(JOB)
    assert not run.success
    assert said in text_of_failure(run)
    assert writes(erp) == []
    assert trade.collection() == []


def text_of_failure(run: JobRun) -> str:
    [asset] = [asset for asset in task_named(JOB).assets if run.failure_text(asset)]
    failure = run.failure(asset)
    assert failure.metadata["permanent"].value is True
    return failure.description or ""


def test_a_category_name_is_found_whatever_its_case(trade: Trade, runner: Runner, shop_env: pytest.MonkeyPatch) -> None:
    trade.item("A")
    trade.invoice(("A", 1))
    shop_env.setenv("TOP_SELLER_CATEGORIES", '{"DENTAL": "dental_items"}')
    assert runner.job(JOB).success
    assert trade.collection() == [("A", 1.0)]


def test_lines_in_another_spelling_are_of_the_same_item(trade: Trade, runner: Runner) -> None:
    trade.item("abc", "dental")
    trade.invoice(("abc", 1))
    trade.invoice(("ABC", 2))
    assert runner.job(JOB).success
    assert [count for _, count in trade.collection()] == [3.0]


def test_a_category_without_sales_fails_its_check(trade: Trade, runner: Runner) -> None:
    trade.item("A")
    trade.invoice(("A", 1))
    run = runner.job(JOB)
    check = run.check("top_selling_items", "every_category_is_filled")
    assert not check.passed
    assert check.metadata["empty"].value == "Medical, Infection Control, Medical Laboratory IVD"


def test_what_a_colleague_saves_in_between_is_kept(
    trade: Trade, erp: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    trade.item("A")
    trade.invoice(("A", 1))
    plain_update = ErpNextClient.update
    edits = iter([[{"item_code": "A", "item_name": "by a colleague", "sales_count": 3}]])

    def update(self: ErpNextClient, doctype: str, name: str, values: Any, *, modified: str | None = None) -> Any:
        for rows in edits:
            plain_update(self, doctype, name, {"medical_items": rows})
        return plain_update(self, doctype, name, values, modified=modified)

    shop_env.setattr(ErpNextClient, "update", update)
    shop_env.setenv("TOP_SELLER_CATEGORIES", '{"Dental": "dental_items"}')
    run = runner.job(JOB)
    assert run.success
    assert trade.collection() == [("A", 1.0)]
    assert trade.collection("medical_items") == [("A", 3.0)]
    puts = [one.status for one in erp.faults.requests if one.method == "PUT"]
    assert puts == [200, 417, 200]


def test_a_save_whose_answer_is_lost_happens_once(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    trade.item("A")
    trade.invoice(("A", 1))
    erp.faults.add(Fault("drop_after", method="PUT", path="Product%20Collection|Product Collection", times=1))
    run = runner.job(JOB)
    assert run.success
    assert trade.collection() == [("A", 1.0)]
    assert run.metadata("product_collection")["saves"] == 1
    assert [one.method for one in erp.faults.requests].count("PUT") == 1


def test_a_wrong_sum_fails_the_check(trade: Trade, runner: Runner, shop_env: pytest.MonkeyPatch) -> None:
    trade.item("A")
    trade.invoice(("A", 4))
    shop_env.setattr("erp_medusa_pipelines.sync.merchandising.sales.SalesReader.quantity_of", lambda *_: 5.0)
    # The line is older than the run, so that nobody can have sold it meanwhile.
    trade.store.execute('UPDATE "tabSales Invoice Item" SET modified = ?', ("2026-01-01 00:00:00.000000",))
    run = runner.job(JOB)
    check = run.check("sales_by_item", "sums_match_a_direct_count")
    assert not check.passed
    assert check.metadata["sample"].value.records[0].data == {  # pyright: ignore
        "item_code": "A", "summed": 4.0, "counted": 5.0, "verdict": "differs"
    }  # fmt: skip


def test_the_values_can_be_loaded_and_the_ui_shows_table_and_charts(sample_shop: ErpServer, runner: Runner) -> None:
    run = runner.job(JOB)
    ranking = run.value("top_selling_items")
    assert list(ranking["rank"][:3]) == [1, 2, 3]
    shown = run.metadata("top_selling_items")
    assert len(shown["ranking"].records) == len(ranking)
    for category in TOP_SELLER_CATEGORIES:
        assert shown[f"chart: {category}"].startswith(f"![{category}](data:image/svg+xml;base64,")


def test_what_came_back_as_often_as_it_was_sold_is_no_best_seller(trade: Trade, runner: Runner) -> None:
    for code in ("A", "B", "C"):
        trade.item(code)
    trade.invoice(("A", 2), ("B", 1), ("B", -1), ("C", -3))
    assert runner.job(JOB).success
    assert trade.collection() == [("A", 2.0)]


def test_a_category_that_shows_something_is_not_emptied_unless_it_is_allowed(trade: Trade, runner: Runner) -> None:
    trade.item("A")
    sold = trade.invoice(("A", 2))
    assert runner.job(JOB).success
    trade.cancel(sold)
    run = runner.job(JOB)
    assert not run.success
    assert "shows best sellers of Dental, and would show none" in text_of_failure(run)
    assert "allow_empty: true" in text_of_failure(run)
    assert trade.collection() == [("A", 2.0)]
    allowed = {"ops": {"product_collection": {"config": {"allow_empty": True}}}}
    assert runner.job(JOB, run_config=allowed).success
    assert trade.collection() == []


@pytest.mark.parametrize("line_by_line", [False, True])
def test_pieces_count_instead_of_boxes_where_a_setting_says_so(
    trade: Trade, erp: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch, line_by_line: bool
) -> None:
    for code in ("box", "piece"):
        trade.item(code)
    trade.invoice(("box", 3), pieces=100)
    trade.invoice(("piece", 40))
    if line_by_line:
        erp.faults.add(Fault("status", path=AGGREGATE, status=417, json=REFUSAL))
    shop_env.setenv("TOP_SELLER_QUANTITY", "stock_qty")
    assert runner.job(JOB).success
    assert trade.collection() == [("box", 300.0), ("piece", 40.0)]
