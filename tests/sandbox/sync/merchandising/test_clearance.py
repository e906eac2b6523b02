"""Clearance over real sockets: Expiring Items and the homepage, and whose rows are whose."""

from typing import Any

import pytest
import requests

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.merchandising.clearance import DEAL_MARK
from erp_medusa_sandbox.faults import Fault
from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner
from tests.support.servers import ErpServer
from tests.support.trade import HOMEPAGE, Trade

JOB = "fetch_clearance_items"


@pytest.fixture
def trade(erp: ErpServer) -> Trade:
    return Trade(erp.store)


def writes(erp: ErpServer) -> list[str]:
    seen = erp.faults.requests
    return [f"{one.method} {one.path}" for one in seen if one.method != "GET" and "get_list" not in one.path]


def day(trade: Trade, days: int) -> str:
    return trade.today.fromordinal(trade.today.toordinal() + days).isoformat()


def test_the_earliest_batch_in_stock_within_the_window_counts(trade: Trade, runner: Runner) -> None:
    for code in ("today", "late", "empty", "never", "expired", "several", "edge", "blocked"):
        trade.item(code)
    trade.batch("today", 0)
    trade.batch("edge", 60)
    trade.batch("late", 61)
    trade.batch("empty", 5, quantity=0)
    trade.batch("never", None)
    trade.batch("expired", -1)
    trade.batch("blocked", 5, disabled=1)
    trade.batch("several", -3)
    trade.batch("several", 2, quantity=0)
    trade.batch("several", 30)
    trade.batch("several", 9, quantity=2)
    trade.batch("several", 90)
    run = runner.job(JOB)
    assert run.success
    assert trade.expiring() == [
        ("WEB-today", day(trade, 0), 0),
        ("WEB-several", day(trade, 9), 0),
        ("WEB-edge", day(trade, 60), 0),
    ]
    rows = [record.data for record in run.metadata("expiring_items")["items"].records]
    assert [(row["website_item"], row["days_left"], row["quantity"]) for row in rows] == [
        ("WEB-today", 0, 5.0), ("WEB-several", 9, 7.0), ("WEB-edge", 60, 5.0)
    ]  # fmt: skip
    assert run.check("expiring_items", "listed_items_are_sold").passed


def test_staffs_flags_and_marks_stay_and_stale_rows_go(trade: Trade, runner: Runner) -> None:
    for code in ("a", "b", "marked", "stale"):
        trade.item(code)
    trade.batch("a", 10)
    trade.batch("b", 5)
    trade.batch("marked", 7)
    trade.list_by_hand(
        {"website_item": "WEB-stale", "expiry_date": "2026-01-05", "show": 1},
        {"website_item": "WEB-marked", "show": 0},
        {"website_item": "WEB-a", "expiry_date": "2026-01-01", "show": 1},
    )
    run = runner.job(JOB)
    assert trade.expiring() == [
        ("WEB-b", day(trade, 5), 0),
        ("WEB-a", day(trade, 10), 1),
        ("WEB-marked", None, 0),
    ]
    counts = run.metadata("expiring_items")
    assert (counts["found"], counts["entered"], counts["removed"], counts["marked_by_staff"]) == (3, 1, 1, 1)
    assert [row["website_item"] for row in trade.homepage("clearance_items")] == ["WEB-a"]


def test_links_in_another_spelling_are_the_same_items(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    for code in ("a", "marked"):
        trade.item(code)
    trade.batch("A", 5)
    trade.list_by_hand(
        {"website_item": "web-A", "expiry_date": day(trade, 9), "show": 1}, {"website_item": "web-MARKED", "show": 1}
    )
    assert runner.job(JOB).success
    assert trade.expiring() == [("WEB-a", day(trade, 5), 1), ("WEB-marked", None, 1)]
    assert [row["website_item"] for row in trade.homepage("clearance_items")] == ["WEB-a", "WEB-marked"]
    erp.faults.forget_requests()
    assert runner.job(JOB).success
    assert writes(erp) == []


def test_when_nothing_expires_the_old_rows_go(trade: Trade, runner: Runner) -> None:
    trade.item("a")
    trade.list_by_hand({"website_item": "WEB-a", "expiry_date": "2026-01-01", "show": 1})
    assert runner.job(JOB).success
    assert trade.expiring() == []
    assert trade.homepage("best_deals") == []


def test_what_staff_entered_of_items_that_are_not_sold_rests_until_they_are(trade: Trade, runner: Runner) -> None:
    """Nothing of it is shown, and nothing of it is lost: rows without a date, `show`, and deals by hand."""
    codes = ("hidden", "off", "marked", "new")
    for code in codes:
        trade.item(code, image=f"/files/{code}.png")
    for code in ("hidden", "off", "new"):
        trade.batch(code, 5)
    by_hand = {"url": "https://cdn.example/1.png", "website_item": "WEB-marked"}
    trade.put_on_homepage("best_deals", by_hand)
    trade.list_by_hand(
        {"website_item": "WEB-hidden", "expiry_date": "2026-01-01", "show": 1},
        {"website_item": "WEB-off", "expiry_date": "2026-01-01", "show": 1},
        {"website_item": "WEB-marked", "show": 1},
    )
    assert runner.job(JOB).success
    listed = [("WEB-hidden", day(trade, 5), 1), ("WEB-off", day(trade, 5), 1), ("WEB-marked", None, 1)]
    before = trade.expiring()
    assert [row for row in before if row[0] != "WEB-new"] == listed
    shown = [row["website_item"] for row in trade.homepage("clearance_items")]
    deals = [row["website_item"] for row in trade.homepage("best_deals")]
    assert sorted(shown) == ["WEB-hidden", "WEB-marked", "WEB-off"]
    for name in ("WEB-hidden", "WEB-marked", "WEB-new"):
        trade.store.set("Website Item", name, published=0)
    trade.store.set("Item", "off", disabled=1)
    for _ in range(2):
        run = runner.job(JOB)
        assert run.success
        assert trade.expiring() == listed
        assert trade.homepage("clearance_items") == []
        assert [row["website_item"] for row in trade.homepage("best_deals")] == ["WEB-marked"]
        assert run.metadata("expiring_items")["resting"] == 3
        assert run.check("expiring_items", "listed_items_are_sold").passed
    for name in ("WEB-hidden", "WEB-marked", "WEB-new"):
        trade.store.set("Website Item", name, published=1)
    trade.store.set("Item", "off", disabled=0)
    assert runner.job(JOB).success
    assert sorted(trade.expiring(), key=str) == sorted(before, key=str)
    assert sorted(row["website_item"] for row in trade.homepage("clearance_items")) == sorted(shown)
    assert sorted(row["website_item"] for row in trade.homepage("best_deals")) == sorted(deals)


def test_an_item_that_is_not_sold_and_that_staff_never_chose_is_not_listed(trade: Trade, runner: Runner) -> None:
    trade.item("hidden", published=0)
    trade.item("off", disabled=1)
    for code in ("hidden", "off"):
        trade.batch(code, 5)
    trade.list_by_hand({"website_item": "WEB-hidden", "expiry_date": day(trade, 5), "show": 0})
    run = runner.job(JOB)
    assert trade.expiring() == []
    assert trade.homepage("clearance_items") == trade.homepage("best_deals") == []
    assert run.check("best_deals", "listed_items_are_sold").passed


def test_ticked_items_become_deals_beside_the_rows_of_staff(trade: Trade, runner: Runner) -> None:
    for code in ("a", "b", "c", "d"):
        trade.item(code, image=f"/files/{code}.png")
        trade.batch(code, 5)
    first = {"url": "https://cdn.example/1.png", "website_item": "WEB-d"}
    last = {"url": "https://cdn.example/2.png"}
    trade.put_on_homepage("best_deals", first, last)
    trade.list_by_hand(
        *({"website_item": f"WEB-{c}", "expiry_date": day(trade, 5), "show": int(c != "c")} for c in "abcd")
    )
    run = runner.job(JOB)

    def deals() -> list[tuple[str, str]]:
        return [(row["url"], row["website_item"]) for row in trade.homepage("best_deals")]

    by_hand = [(first["url"], "WEB-d"), (last["url"], None)]
    assert deals() == [*by_hand, (f"/files/a.png{DEAL_MARK}", "WEB-a"), (f"/files/b.png{DEAL_MARK}", "WEB-b")]
    assert (run.metadata("best_deals")["by_staff"], run.metadata("best_deals")["from_clearance"]) == (2, 2)
    names = {row["name"] for row in trade.homepage("best_deals")}
    # Staff take one back and tick another; a fresh instance knows nothing of the first run.
    trade.list_by_hand(
        *({"website_item": f"WEB-{c}", "expiry_date": day(trade, 5), "show": int(c in "bc")} for c in "abcd")
    )
    assert quick_runner().job(JOB).success
    assert deals() == [*by_hand, (f"/files/b.png{DEAL_MARK}", "WEB-b"), (f"/files/c.png{DEAL_MARK}", "WEB-c")]
    assert len(names & {row["name"] for row in trade.homepage("best_deals")}) == 3


def test_a_second_run_writes_nothing(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    for code in ("a", "b"):
        trade.item(code, image=f"/files/{code}.png")
        trade.batch(code, 5)
    trade.item("marked")
    trade.list_by_hand(
        {"website_item": "WEB-a", "expiry_date": "2026-01-01", "show": 1}, {"website_item": "WEB-marked", "show": 1}
    )
    trade.put_on_homepage("best_deals", {"url": "https://cdn.example/1.png"})
    runner.job(JOB)
    assert len(writes(erp)) == 2
    erp.faults.forget_requests()
    run = runner.job(JOB)
    assert run.success
    assert writes(erp) == []
    assert run.metadata("expiring_items")["unchanged"] == 3
    assert run.metadata("best_deals")["unchanged"] == 3


def test_a_clearance_item_that_is_missing_on_the_homepage_is_added_and_others_are_left(
    trade: Trade, runner: Runner
) -> None:
    trade.item("a")
    trade.item("x")
    trade.batch("a", 5)
    trade.list_by_hand(
        {"website_item": "WEB-a", "expiry_date": day(trade, 5), "website_item_name": "a قفاز", "show": 1}
    )
    trade.put_on_homepage("clearance_items", {"website_item": "WEB-x"})
    runner.job(JOB)
    assert [row["website_item"] for row in trade.homepage("clearance_items")] == ["WEB-x", "WEB-a"]


def test_a_row_of_staff_for_an_item_that_is_not_sold_is_kept_and_fails_the_check(trade: Trade, runner: Runner) -> None:
    trade.item("gone", published=0)
    trade.put_on_homepage("best_deals", {"url": "https://cdn.example/1.png", "website_item": "WEB-gone"})
    run = runner.job(JOB)
    assert len(trade.homepage("best_deals")) == 1
    check = run.check("best_deals", "listed_items_are_sold")
    assert not check.passed
    assert check.metadata["problems"].value.records[0].data == {"table": "best_deals", "website_item": "WEB-gone"}  # pyright: ignore


@pytest.mark.parametrize("document", ["Expiring Items", "Homepage Landing"])
def test_what_a_colleague_saves_in_between_is_merged(
    document: str, trade: Trade, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    trade.item("a", image="/files/a.png")
    trade.item("b")
    trade.batch("a", 5)
    trade.list_by_hand({"website_item": "WEB-a", "expiry_date": "2026-01-01", "show": 1})
    name = HOMEPAGE if document == "Homepage Landing" else document
    changes: dict[str, dict[str, Any]] = {
        "Expiring Items": {"expiring_items": [{"website_item": "WEB-b", "show": 1}]},
        "Homepage Landing": {"best_deals": [{"url": "https://cdn.example/new.png", "website_item": "WEB-b"}]},
    }
    plain_update = ErpNextClient.update
    edits = [changes[document]]

    def update(self: ErpNextClient, doctype: str, other: str, values: Any, *, modified: str | None = None) -> Any:
        if doctype == document and edits:
            plain_update(self, doctype, name, edits.pop())
        return plain_update(self, doctype, other, values, modified=modified)

    shop_env.setattr(ErpNextClient, "update", update)
    assert runner.job(JOB).success
    if document == "Expiring Items":
        # The colleague's save took the flag of a away; b was marked.
        assert trade.expiring() == [("WEB-a", day(trade, 5), 0), ("WEB-b", None, 1)]
    else:
        assert [row["website_item"] for row in trade.homepage("best_deals")] == ["WEB-b", "WEB-a"]


def test_a_shop_without_the_homepage_is_told_what_to_create(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    erp.store.delete("Homepage Landing", HOMEPAGE)
    run = runner.job(JOB)
    assert not run.success
    assert "create a Homepage Landing in the desk and rename it" in run.failure_text("best_deals")
    trade.item("a")
    trade.batch("a", 5)
    run = runner.job(JOB)
    assert "create a Homepage Landing in the desk and rename it" in run.failure_text("expiring_items")
    assert trade.expiring() == []


def test_a_passing_failure_is_worth_a_retry(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    trade.item("a")
    trade.batch("a", 5)
    erp.faults.add(Fault("status", path="tabBatch|/Batch", status=503))
    run = runner.job(JOB)
    assert not run.success
    assert "permanent" not in run.failure("expiring_items").metadata
    erp.faults.heal()
    assert runner.job(JOB).success


def test_the_app_keeps_homepage_rows_that_still_show(trade: Trade, erp: ErpServer) -> None:
    for code in ("a", "b", "c"):
        trade.item(code)
    trade.put_on_homepage("clearance_items", {"website_item": "WEB-a"}, {"website_item": "WEB-b"})
    [kept, _] = [row["name"] for row in trade.homepage("clearance_items")]
    rows = [
        {"website_item": "WEB-a", "show": 1},
        {"website_item": "WEB-b", "show": 0},
        {"website_item": "WEB-c", "show": 1},
    ]
    answer = requests.put(
        f"{erp.url}/api/resource/Expiring%20Items/Expiring%20Items",
        json={"expiring_items": rows},
        headers={"Authorization": f"token {erp.key}:{erp.secret}"},
        timeout=10,
    )
    assert answer.status_code == 200
    shown = trade.homepage("clearance_items")
    assert [row["website_item"] for row in shown] == ["WEB-a", "WEB-c"]
    assert shown[0]["name"] == kept


def test_an_erp_that_shows_no_batches_empties_no_list(trade: Trade, erp: ErpServer, runner: Runner) -> None:
    for code in ("a", "b", "c", "d"):
        trade.item(code)
        trade.batch(code, 10)
    assert runner.job(JOB).success
    before = trade.expiring()
    assert len(before) == 4
    for row in erp.store.rows("Batch"):
        erp.store.delete("Batch", row["name"])
    run = runner.job(JOB)
    assert "4 of 4 rows of Expiring Items would go before their day" in run.failure("expiring_items").description
    assert trade.expiring() == before
    allowed = {"ops": {"expiring_items": {"config": {"allow_empty": True}}}}
    assert runner.job(JOB, run_config=allowed).success
    assert trade.expiring() == []
