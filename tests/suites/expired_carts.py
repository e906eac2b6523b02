"""Deletion of carts that nobody touches, through our plugin."""

from datetime import UTC, datetime, timedelta

import pytest

from erp_medusa_pipelines.sync.storefront.expired_carts import ExpiredCarts
from erp_medusa_sandbox.faults import Fault
from tests.support.carts import Carts
from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner
from tests.support.servers import MedusaServer

JOB, ASSET = "delete_expired_carts", "expired_carts"
DELETE = "/admin/erp-pipelines/carts/delete"


@pytest.fixture
def carts(medusa: MedusaServer) -> Carts:
    return Carts(medusa)


@pytest.fixture
def runs(shop_env: pytest.MonkeyPatch) -> Runner:
    """Every cart of now is expired: the runs are ninety days late."""
    later = datetime.now(UTC) + timedelta(minutes=5)
    shop_env.setattr(ExpiredCarts, "_expired_since", lambda _self: later)
    return quick_runner()


class ExpiredCartSuite:
    """Run by tests/sandbox and tests/live."""

    def test_carts_go_with_or_without_an_address_and_bought_ones_stay(self, carts: Carts, runs: Runner) -> None:
        guest, nobody, bought, paying = carts.add(), carts.add(None), carts.add(), carts.add()
        carts.order(bought)
        carts.begin_to_pay(paying)
        run = runs.job(JOB)
        assert run.success, run.reasons()
        assert [carts.exists(cart) for cart in (guest, nobody, bought, paying)] == [False, False, True, True]
        assert run.metadata(ASSET)["deleted"] >= 2
        assert run.metadata(ASSET)["being_paid_for"] >= 1
        again = runs.job(JOB).metadata(ASSET)
        assert "deleted" not in again

    def test_a_cart_in_use_stays(self, carts: Carts, runs: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
        cart = carts.add()
        monkeypatch.setattr(ExpiredCarts, "_expired_since", lambda _self: datetime.now(UTC) - timedelta(days=90))
        assert "deleted" not in runs.job(JOB).metadata(ASSET)
        assert carts.exists(cart)

    def test_a_run_deletes_no_more_than_its_share(
        self, carts: Carts, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs.job(JOB)  # what other tests left
        made = [carts.add(None) for _ in range(4)]
        monkeypatch.setenv("EXPIRED_CARTS_PER_RUN", "3")
        run = runs.job(JOB).metadata(ASSET)
        assert (run["deleted"], run["postponed"]) == (3, 1)
        assert sum(carts.exists(cart) for cart in made) == 1

    def test_a_lost_answer_deletes_nothing_else(self, carts: Carts, runs: Runner) -> None:
        made = [carts.add(None) for _ in range(3)]
        carts.medusa.faults.add(Fault("drop_after", path=DELETE, times=1))
        run = runs.job(JOB)
        assert run.success
        assert run.metadata(ASSET)["kept_not_found"] >= 3
        assert not any(carts.exists(cart) for cart in made)

    def test_a_medusa_that_is_down_turns_the_run_red_and_the_next_goes_on(self, carts: Carts, runs: Runner) -> None:
        cart = carts.add(None)
        carts.medusa.faults.add(Fault("status", path=DELETE, status=503))
        run = runs.job(JOB)
        assert not run.success
        assert "failed temporarily" in run.failure_text(ASSET)
        carts.medusa.faults.heal()
        assert runs.job(JOB).success
        assert not carts.exists(cart)
