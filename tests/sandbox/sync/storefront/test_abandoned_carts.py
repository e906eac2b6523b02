"""Mails about abandoned carts against the embedded Medusa, and what only it can show."""

from datetime import timedelta

import pytest

from erp_medusa_pipelines.mail.erpnext import MAKE
from erp_medusa_pipelines.sync.storefront import handing_over
from erp_medusa_sandbox.faults import Fault
from tests.suites.abandoned_carts import ASSET, CartMailSuite, Mailed, mailed, runs
from tests.support.mails import send_to
from tests.support.runs import Runner
from tests.support.servers import ErpServer, embedded_medusa

__all__ = ["TestAbandonedCarts", "mailed", "runs"]


class TestAbandonedCarts(CartMailSuite):
    pass


@pytest.fixture
def by_erpnext(mailed: Mailed, erp: ErpServer) -> Mailed:
    mailed.env.setenv("MAIL_BY", "erpnext")
    send_to(erp.store, mailed.sink.port)
    return mailed


@pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
def test_what_erpnext_did_of_a_lost_call_is_looked_up(
    by_erpnext: Mailed, runs: Runner, erp: ErpServer, fault: str
) -> None:
    cart = by_erpnext.carts.add()
    erp.faults.add(Fault(fault, path=MAKE, times=1))  # pyright: ignore[reportArgumentType]
    by_erpnext.run(runs)
    by_erpnext.env.setattr(handing_over, "DOUBT", timedelta(0))
    by_erpnext.run(runs)
    assert len([*erp.store.rows("Email Queue")]) == 1
    erp.store.rows("Email Queue")
    assert by_erpnext.run(runs).metadata(ASSET).get("sent") is None
    assert by_erpnext.received()[cart["email"]] <= 1


@pytest.mark.parametrize(("name", "said"), [("CART_URL", "CART_URL"), ("MEDUSA_PLUGIN_SECRET", "MEDUSA_PLUGIN_SECRET")])
def test_without_a_way_back_nobody_is_written_to(mailed: Mailed, runs: Runner, name: str, said: str) -> None:
    mailed.carts.add()
    mailed.env.delenv(name)
    run = mailed.run(runs)
    assert not run.success
    assert f"{said} not set" in run.failure_text(ASSET)
    assert mailed.received() == {}


def test_without_the_plugin_the_shop_names_its_own_page(mailed: Mailed, runs: Runner) -> None:
    with embedded_medusa(plugin=None) as bare:
        mailed.env.setenv("MEDUSA_URL", bare.url)
        mailed.env.setenv("MEDUSA_API_KEY", bare.api_key)
        mailed.carts.medusa = bare
        cart = mailed.carts.add()
        assert "UNSUBSCRIBE_URL not set" in mailed.run(runs).failure_text(ASSET)
        mailed.env.setenv("UNSUBSCRIBE_URL", "https://shop.example/stop?c={customer}&s={signature}")
        assert mailed.run(runs).success
        assert mailed.message(cart)["List-Unsubscribe"].startswith("<https://shop.example/stop?c=cus_")
