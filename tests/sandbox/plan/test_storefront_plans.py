"""Plans of the storefront's own jobs: what would be sent and deleted is shown, and nothing is."""

from datetime import UTC, datetime, timedelta

import pytest

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.runs.side_runs import Plan, Scope, plan_task
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.sync.storefront.expired_carts import ExpiredCarts
from erp_medusa_pipelines.tasks import task_named
from tests.suites.abandoned_carts import Mailed, mailed, runs
from tests.support.runs import Runner
from tests.support.writes import medusa_writes

__all__ = ["mailed", "runs"]


def plan(runner: Runner, task: str) -> Plan:
    settings = load_settings()
    return plan_task(build_defs(settings), settings, task_named(task), Scope(), instance=runner.instance)


def test_mails_are_planned_by_cart_and_none_is_sent(mailed: Mailed, runs: Runner) -> None:
    cart = mailed.carts.add()
    mailed.carts.medusa.faults.forget_requests()
    planned = plan(runs, "send_abandoned_cart_emails")
    assert list(planned.problems) == []
    assert mailed.received() == {}
    assert medusa_writes(mailed.carts.medusa) == []
    assert [row.document for row in planned.rows if row.action == "send"] == [cart["id"]], (
        planned.rows,
        planned.counts,
    )
    assert cart["email"] not in str(planned)
    assert mailed.run(runs).success
    assert mailed.received() == {cart["email"]: 1}


def test_deletions_are_planned_and_nothing_is_deleted(
    mailed: Mailed, runs: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = mailed.carts.add()
    later = datetime.now(UTC) + timedelta(minutes=5)
    monkeypatch.setattr(ExpiredCarts, "_expired_since", lambda _self: later)
    planned = plan(runs, "delete_expired_carts")
    assert [(row.action, row.kind, row.document) for row in planned.rows] == [("delete", "cart", cart["id"])]
    assert mailed.carts.exists(cart)
