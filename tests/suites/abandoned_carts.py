"""Mails about abandoned carts over real sockets: carts in a Medusa, mails to a real SMTP server, which counts them."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
import requests

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.sync.storefront import abandoned_carts, cart_mailing, handing_over
from erp_medusa_pipelines.sync.storefront.abandoned_carts import AbandonedCarts
from erp_medusa_pipelines.sync.storefront.journal import Journal
from erp_medusa_sandbox.faults import Fault
from tests.support.carts import DOMAIN, Carts
from tests.support.mails import mail_settings, send_to
from tests.support.plain_runs import quick_runner
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

JOB, ASSET = "send_abandoned_cart_emails", "abandoned_carts"
UPDATE_CART = "/admin/workflows-executions/update-cart/run"
AT_ONCE = 0.000_01
CART_URL = "https://shop.example/cart?id={cart}"


@dataclass
class Mailed:
    """A shop with carts, and what its customers were sent."""

    carts: Carts
    sink: MailSink
    env: pytest.MonkeyPatch

    def run(self, runner: Runner, **config: Any) -> JobRun:
        given = {"ops": {ASSET: {"config": config}}} if config else None
        return runner.job(JOB, run_config=given)

    def received(self) -> Counter[str]:
        """How many mails each of our own addresses got: a real Medusa has carts of other tests."""
        own = f".{self.carts.prefix}@{DOMAIN}"
        return Counter({who: times for who, times in self.sink.times_received.items() if who.endswith(own)})

    def message(self, cart: Mapping[str, Any]) -> Any:
        """The mail about a cart."""
        (found,) = [raw for raw in self.sink.messages if cart["id"].encode() in raw.replace(b"=\r\n", b"")]
        return message_from_bytes(found, policy=default)

    def rejects(self, run: JobRun, *carts: Mapping[str, Any]) -> list[str]:
        """Reasons why these carts got no mail."""
        rows = {row["document"]: row["reason"] for row in run.rejects(ASSET)}
        return [rows.get(f"Cart {cart['id']}", "") for cart in carts]

    def notes(self, cart: Mapping[str, Any]) -> list[str]:
        """Keys of our notes in a cart's metadata."""
        return [key for key in self.carts.get(cart)["metadata"] or {} if key.startswith("abandoned_mail_")]


@pytest.fixture
def mailed(shop_env: pytest.MonkeyPatch, medusa: MedusaServer) -> Iterator[Mailed]:
    with mail_sink() as sink:
        for name, value in {
            **mail_settings(sink, medusa),
            "CART_URL": CART_URL,
            "ABANDONED_CART_HOURS": str(AT_ONCE),
        }.items():
            shop_env.setenv(name, value)
        # The Date header of a server has no fractions of a second.
        shop_env.setattr(AbandonedCarts, "_now", lambda _self: datetime.now(UTC) + timedelta(seconds=2))
        # A machine that runs tests may take seconds for a note; nobody else sends meanwhile.
        shop_env.setattr(cart_mailing, "PAUSE", 120.0)
        shop_env.setattr("erp_medusa_pipelines.clients.http.HttpClient.pause", lambda _self, _seconds: None)
        yield Mailed(Carts(medusa), sink, shop_env)


@pytest.fixture
def runs(mailed: Mailed) -> Runner:
    return quick_runner()


class CartMailSuite:
    """Run by tests/sandbox and tests/live."""

    def test_every_abandoned_cart_gets_one_mail_ever(self, mailed: Mailed, runs: Runner) -> None:
        carts = [mailed.carts.add() for _ in range(5)]
        run = mailed.run(runs)
        assert run.success, run.reasons()
        assert mailed.received() == {cart["email"]: 1 for cart in carts}
        assert all(len(mailed.notes(cart)) == 1 for cart in carts)
        assert run.metadata(ASSET)["sent"] >= 5
        again = mailed.run(runs)
        assert "sent" not in again.metadata(ASSET)
        assert mailed.received() == {cart["email"]: 1 for cart in carts}

    def test_through_erpnext_each_stands_in_its_queue(self, mailed: Mailed, runs: Runner, erp: AnyErp) -> None:
        mailed.env.setenv("MAIL_BY", "erpnext")
        send_to(erp.store, mailed.sink.port)
        before = len(erp.store.rows("Email Queue", status="Sent"))
        carts = [mailed.carts.add() for _ in range(3)]
        run = mailed.run(runs)
        assert run.success, run.reasons()
        erp.store.send_mails()
        assert mailed.received() == {cart["email"]: 1 for cart in carts}
        assert len(erp.store.rows("Email Queue", status="Sent")) - before == len(mailed.sink.messages)
        mailed.run(runs)
        erp.store.send_mails()
        assert mailed.received() == {cart["email"]: 1 for cart in carts}

    def test_a_mail_shows_the_cart_and_leads_back_to_it(self, mailed: Mailed, runs: Runner) -> None:
        product = mailed.carts.product("Nitrile gloves", 2.125)
        cart = mailed.carts.add(quantity=3)
        mailed.run(runs)
        message = mailed.message(cart)
        plain, html = message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()
        assert "Shop of Muscat" in message["Subject"]
        for part in (plain, html):
            assert "Nitrile gloves" in part
            assert "6.375 OMR" in part
            assert f"https://shop.example/cart?id={cart['id']}" in part
        assert product["thumbnail"] in html
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_an_arab_customer_reads_arabic(self, mailed: Mailed, runs: Runner) -> None:
        cart = mailed.carts.add(locale="ar-OM")
        mailed.run(runs)
        message = mailed.message(cart)
        assert "سلتك" in message["Subject"]
        assert 'dir="rtl"' in message.get_body(("html",)).get_content()

    def test_who_unsubscribes_by_the_link_in_the_mail_gets_no_other(self, mailed: Mailed, runs: Runner) -> None:
        cart = mailed.carts.add()
        mailed.run(runs)
        link = mailed.message(cart)["List-Unsubscribe"].strip("<>")
        assert requests.post(link, data={"List-Unsubscribe": "One-Click"}, timeout=60).status_code == 200
        mailed.env.setenv("ABANDONED_CART_MAILS_PER_WEEK", "5")
        mailed.carts.add(cart["email"])
        assert mailed.run(runs).metadata(ASSET)["unsubscribed"] >= 1
        assert mailed.received() == {cart["email"]: 1}

    def test_nobody_is_written_to_who_ordered_or_whose_cart_is_empty(self, mailed: Mailed, runs: Runner) -> None:
        bought = mailed.carts.add()
        mailed.carts.order(bought)
        left = mailed.carts.add()
        mailed.carts.order(mailed.carts.add(left["email"]))
        mailed.carts.add(None)
        mailed.carts.add(lines=0)
        run = mailed.run(runs)
        assert run.metadata(ASSET)["ordered"] >= 1
        assert mailed.received() == {}
        assert mailed.notes(left) == []

    def test_a_cart_in_use_waits_and_one_that_is_too_old_is_left_alone(self, mailed: Mailed, runs: Runner) -> None:
        cart = mailed.carts.add()
        mailed.env.setenv("ABANDONED_CART_HOURS", "1")
        mailed.run(runs)
        mailed.env.setenv("ABANDONED_CART_HOURS", str(AT_ONCE))
        mailed.env.setenv("ABANDONED_CART_DAYS", str(AT_ONCE))
        mailed.run(runs)
        assert mailed.received() == {}
        mailed.env.setenv("ABANDONED_CART_DAYS", "14")
        mailed.run(runs)
        assert mailed.received() == {cart["email"]: 1}

    def test_a_customer_gets_no_more_than_the_limit_in_a_week(self, mailed: Mailed, runs: Runner) -> None:
        first = mailed.carts.add()
        second = mailed.carts.add(first["email"])
        run = mailed.run(runs)
        assert run.metadata(ASSET)["limited"] >= 1
        assert mailed.received() == {first["email"]: 1}
        assert (mailed.notes(first), len(mailed.notes(second))) == ([], 1), "the mail is about the latest cart"
        assert mailed.run(runs).metadata(ASSET)["limited"] >= 1
        mailed.env.setenv("ABANDONED_CART_MAILS_PER_WEEK", "2")
        mailed.run(runs)
        assert mailed.received() == {first["email"]: 2}

    def test_in_quiet_hours_what_is_due_waits(self, mailed: Mailed, runs: Runner) -> None:
        cart = mailed.carts.add()
        now = datetime.now(UTC)
        quiet = f"{now - timedelta(minutes=5):%H:%M}-{now + timedelta(minutes=30):%H:%M}"
        mailed.env.setenv("MAIL_QUIET_HOURS", quiet)
        run = mailed.run(runs)
        assert run.metadata(ASSET)["postponed"] >= 1
        assert "quiet hours" in run.metadata(ASSET)["stopped"]
        assert mailed.received() == {}
        mailed.env.setenv("MAIL_QUIET_HOURS", "00:00-00:00")
        mailed.run(runs)
        assert mailed.received() == {cart["email"]: 1}

    def test_a_run_sends_no_more_than_its_share_and_the_next_goes_on(self, mailed: Mailed, runs: Runner) -> None:
        mailed.run(runs)  # what other tests left
        carts = [mailed.carts.add() for _ in range(3)]
        mailed.env.setenv("ABANDONED_CARTS_PER_RUN", "2")
        run = mailed.run(runs)
        told = run.metadata(ASSET)
        assert told["sent"] == 2, told
        assert told["postponed"] >= 1, told
        mailed.run(runs)
        assert mailed.received() == {cart["email"]: 1 for cart in carts}

    def test_money_at_stake_and_what_came_back_are_numbers(self, mailed: Mailed, runs: Runner) -> None:
        before = mailed.run(runs).metadata(ASSET)
        cart = mailed.carts.add(quantity=4)
        run = mailed.run(runs).metadata(ASSET)
        assert run["at_stake_omr"] - before.get("at_stake_omr", 0) == pytest.approx(6.0)
        assert run["sent_omr"] == pytest.approx(6.0)
        mailed.carts.order(cart)
        after = mailed.run(runs).metadata(ASSET)
        assert after["recovered"] - before.get("recovered", 0) == 1
        assert after["recovered_omr"] - before.get("recovered_omr", 0) == pytest.approx(6.0)

    def test_a_refused_address_stops_no_other_and_is_shown_by_id_alone(
        self, mailed: Mailed, runs: Runner, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        bad, good = mailed.carts.add(), mailed.carts.add()
        mailed.sink.refuse.add(bad["email"])
        run = mailed.run(runs)
        assert run.success
        assert mailed.received() == {good["email"]: 1}
        assert "refused by the mail server: 550" in mailed.rejects(run, bad)[0]
        again = mailed.run(runs)
        assert "refused by the mail server at" in mailed.rejects(again, bad)[0]
        logged = [each.getMessage() for each in caplog.records if each.name.startswith(("erp_medusa_pip", "tests."))]
        shown = [run.metadata(ASSET), again.metadata(ASSET), run.rejects(ASSET), again.rejects(ASSET), logged]
        assert logged
        assert DOMAIN not in str(shown)
        mailed.sink.refuse.clear()
        mailed.run(runs, retry_rejected=True)
        assert mailed.received() == {good["email"]: 1, bad["email"]: 1}

    def test_carts_that_nothing_can_be_written_about_are_named(self, mailed: Mailed, runs: Runner) -> None:
        gone = mailed.carts.product("Discontinued")
        mailed.carts.variants.insert(0, gone["variants"][0])
        lost = mailed.carts.add()
        mailed.carts.medusa.admin("DELETE", f"/admin/products/{gone['id']}")
        mailed.carts.variants.clear()
        crowd = mailed.carts.address("everybody")
        for _ in range(6):
            mailed.carts.add(crowd)
        good = mailed.carts.add()
        run = mailed.run(runs)
        assert "sold no more: Discontinued" in mailed.rejects(run, lost)[0]
        rows = {row["document"]: row for row in run.rejects(ASSET)}
        customer = mailed.carts.customer(crowd)["id"]
        assert "6 carts were left at one address" in rows[f"Customer {customer}"]["reason"]
        assert rows[f"Customer {customer}"]["link"].endswith(f"/app/customers/{customer}")
        assert rows[f"Cart {lost['id']}"]["link"] == "", "Medusa's admin has no page for a cart"
        assert mailed.received() == {good["email"]: 1}

    def test_a_cart_whose_customer_was_deleted_is_named_and_gets_no_mail(self, mailed: Mailed, runs: Runner) -> None:
        """Medusa's own lists have no such cart; the plugin's has."""
        cart = mailed.carts.add()
        mailed.carts.medusa.admin("DELETE", f"/admin/customers/{mailed.carts.customer(cart['email'])['id']}")
        good = mailed.carts.add()
        run = mailed.run(runs)
        assert "its customer was deleted" in mailed.rejects(run, cart)[0]
        assert mailed.received() == {good["email"]: 1}

    def test_what_is_remembered_of_carts_that_are_gone_is_forgotten_and_of_others_kept(
        self, mailed: Mailed, runs: Runner
    ) -> None:
        left, bought = mailed.carts.add(), mailed.carts.add()
        mailed.run(runs)
        mailed.carts.order(bought)
        journal = Journal(state.Values(runs.instance), ASSET)
        mailed.run(runs)
        assert set(journal.entries([left["id"], bought["id"]])) == {left["id"], bought["id"]}, (
            "too young to be forgotten"
        )
        mailed.env.setattr(abandoned_carts, "KEPT", timedelta(seconds=-60))
        mailed.run(runs)
        assert set(journal.entries([left["id"], bought["id"]])) == {left["id"]}
        mailed.carts.update(left, metadata=dict.fromkeys(mailed.notes(left), ""))
        mailed.run(runs)
        assert mailed.received() == {left["email"]: 1, bought["email"]: 1}, "memory alone keeps it from a second mail"
        # A cart without a note would be new to the next test of a real Medusa.
        mailed.carts.order(left)

    def test_a_lost_answer_of_medusa_causes_no_second_mail(self, mailed: Mailed, runs: Runner) -> None:
        carts = [mailed.carts.add() for _ in range(4)]
        mailed.carts.medusa.faults.add(Fault("drop_after", path=UPDATE_CART, times=6))
        for _ in range(3):
            mailed.run(runs)
        assert mailed.received() == {cart["email"]: 1 for cart in carts}

    @pytest.mark.long
    def test_a_mail_that_may_have_gone_out_is_never_sent_again(self, mailed: Mailed, runs: Runner) -> None:
        cart = mailed.carts.add()
        mailed.env.setattr("erp_medusa_pipelines.mail.smtp.SECONDS", 0.5)
        mailed.env.setattr("erp_medusa_pipelines.connections.SmtpSender.__init__.__defaults__", (0.5,))
        mailed.sink.gate.clear()
        run = mailed.run(runs)
        assert "it may have arrived" in mailed.rejects(run, cart)[0]
        mailed.sink.gate.set()
        assert mailed.run(runs).metadata(ASSET)["in_doubt"] == 1
        mailed.env.setattr(handing_over, "DOUBT", timedelta(0))
        assert "not sent a second time" in mailed.rejects(mailed.run(runs), cart)[0]
        assert sum(mailed.received().values()) <= 1

    def test_without_a_mail_server_the_run_is_red_and_the_next_sends_each_once(
        self, mailed: Mailed, runs: Runner
    ) -> None:
        carts = [mailed.carts.add() for _ in range(5)]
        mailed.env.setenv("SMTP_URL", "smtp://127.0.0.1:9")
        run = mailed.run(runs)
        assert not run.success
        assert "failed temporarily" in run.failure_text(ASSET)
        mailed.env.setenv("SMTP_URL", f"smtp://127.0.0.1:{mailed.sink.port}")
        run = mailed.run(runs)
        assert run.success, run.reasons()
        assert mailed.received() == {cart["email"]: 1 for cart in carts}

    def test_two_installations_at_once_send_one_mail_each_cart(self, mailed: Mailed, runs: Runner) -> None:
        """Both read the same carts before either has noted anything, and each has a memory of its own."""
        carts = [mailed.carts.add() for _ in range(4)]
        meeting = threading.Barrier(2)
        real = cart_mailing.CartMailing._note

        def together(self: Any, found: Any) -> Any:
            meeting.wait(30)
            noted = real(self, found)
            meeting.wait(30)
            return noted

        mailed.env.setattr(cart_mailing.CartMailing, "_note", together)
        others = [quick_runner(), runs]
        threads = [threading.Thread(target=mailed.run, args=(one,)) for one in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert mailed.received() == {cart["email"]: 1 for cart in carts}
        mailed.env.setattr(cart_mailing.CartMailing, "_note", real)
        for one in others:
            mailed.run(one)
        assert mailed.received() == {cart["email"]: 1 for cart in carts}

    def test_an_installation_that_lost_its_memory_sends_nothing_again(self, mailed: Mailed, runs: Runner) -> None:
        cart = mailed.carts.add()
        mailed.run(runs)
        mailed.run(quick_runner())
        assert mailed.received() == {cart["email"]: 1}

    def test_a_cart_whose_metadata_was_cleared_gets_no_second_mail(self, mailed: Mailed, runs: Runner) -> None:
        cart = mailed.carts.add()
        mailed.run(runs)
        mailed.carts.update(cart, metadata=dict.fromkeys(mailed.notes(cart), ""))
        assert mailed.notes(cart) == []
        mailed.run(runs)
        assert mailed.received() == {cart["email"]: 1}
