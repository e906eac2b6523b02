"""The weekly newsletter over real sockets: products and subscribers in a Medusa, mails to a real SMTP server."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
import requests

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_pipelines.assets.newsletter import ASSET, CONTINUED, KEY
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.sync.storefront import handing_over
from erp_medusa_pipelines.sync.storefront.newsletter import Newsletter
from tests.support.carts import DOMAIN, Carts
from tests.support.mails import mail_settings, send_to
from tests.support.plain_runs import quick_runner
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

JOB, REST = "send_weekly_newsletter", "continue_weekly_newsletter"
PRODUCT_URL = "https://shop.example/p/{handle}"
SUBSCRIBED = "newsletter_subscribed"


@dataclass
class Letters:
    """A shop with subscribers, and what they were sent."""

    carts: Carts
    sink: MailSink
    env: pytest.MonkeyPatch
    made: list[str] = field(default_factory=list)

    def product(self, title: str, price: float = 2.5, **values: Any) -> dict[str, Any]:
        """A product as an export makes it."""
        product = self.carts.product(title, price)
        body = {"external_id": f"WEB-{product['handle']}", **values}
        self.carts.medusa.admin("POST", f"/admin/products/{product['id']}", json=body)
        self.made.append(product["id"])
        return product

    def subscriber(self, subscribed: Any = True, email: str = "", **metadata: Any) -> dict[str, Any]:
        """A customer; one who did not subscribe with None."""
        said = {} if subscribed is None else {SUBSCRIBED: subscribed}
        body = {"email": email or self.carts.address(), "metadata": {**said, **metadata}}
        return self.carts.medusa.admin("POST", "/admin/customers", json=body)["customer"]

    def run(self, runner: Runner, job: str = JOB, **config: Any) -> JobRun:
        asset = ASSET if job == JOB else CONTINUED
        return runner.job(job, run_config={"ops": {asset: {"config": config}}} if config else None)

    def sent(self, runner: Runner, job: str = JOB, **config: Any) -> dict[str, Any]:
        """What a run that succeeded says."""
        run = self.run(runner, job, **config)
        assert run.success, run.reasons()
        return run.metadata(ASSET if job == JOB else CONTINUED)

    def approved(self, runner: Runner) -> None:
        """See the preview and send what other tests' subscribers would get, so that what follows is this test's."""
        self.sent(runner)
        known = state.load(runner.instance, KEY)
        state.save(runner.instance, KEY, {**known, "approved": datetime.now(UTC).isoformat()})

    def received(self) -> Counter[str]:
        """How many mails each of our own addresses got: a real Medusa has subscribers of other tests."""
        own = f".{self.carts.prefix}@{DOMAIN}"
        return Counter({who: times for who, times in self.sink.times_received.items() if who.endswith(own)})

    def message(self, customer: Mapping[str, Any]) -> Any:
        """The mail to a customer."""
        parsed = [message_from_bytes(raw, policy=default) for raw in self.sink.messages]
        (found,) = [one for one in parsed if one["To"] == customer["email"]]
        return found

    def later(self, **time: float) -> None:
        """Let time pass."""
        self.env.setattr(Newsletter, "_now", lambda _self: datetime.now(UTC) + timedelta(**time))


@pytest.fixture
def letters(shop_env: pytest.MonkeyPatch, medusa: MedusaServer) -> Iterator[Letters]:
    with mail_sink() as sink:
        for name, value in {
            **mail_settings(sink, medusa),
            "PRODUCT_URL": PRODUCT_URL,
        }.items():
            shop_env.setenv(name, value)
        made = Letters(Carts(medusa), sink, shop_env)
        yield made
        if medusa.is_real:
            for product in made.made:
                medusa.admin("DELETE", f"/admin/products/{product}")
            own = {"q": made.carts.prefix, "limit": 1000, "fields": "id"}
            for customer in medusa.admin("GET", "/admin/customers", params=own)["customers"]:
                medusa.admin("DELETE", f"/admin/customers/{customer['id']}")


@pytest.fixture
def runs(letters: Letters) -> Runner:
    return quick_runner()


class NewsletterSuite:
    """Run by tests/sandbox and tests/live."""

    def test_through_erpnext_each_stands_in_its_queue(self, letters: Letters, runs: Runner, erp: AnyErp) -> None:
        letters.env.setenv("MAIL_BY", "erpnext")
        send_to(erp.store, letters.sink.port)
        before = len(erp.store.rows("Email Queue", status="Sent"))
        letters.product("Nitrile gloves")
        readers = [letters.subscriber() for _ in range(3)]
        letters.approved(runs)
        assert letters.run(runs).success
        assert len(erp.store.rows("Email Queue", status="Sent")) - before == len(letters.sink.messages)
        assert letters.received() == {one["email"]: 1 for one in readers}

    def test_nothing_goes_out_before_an_operator_has_seen_and_approved_it(self, letters: Letters, runs: Runner) -> None:
        reader = letters.subscriber()
        letters.product("Nitrile gloves")
        first = letters.sent(runs, send=True)
        assert "Nitrile gloves" in first["preview_en"]
        assert "Nitrile gloves" in first["preview_ar"]
        assert first["would_get_it"] >= 1
        assert "send: true" in first["stopped"]
        assert "send: true" in letters.sent(runs)["stopped"], "a schedule's run does not approve"
        assert letters.received() == {}
        assert letters.sent(runs, send=True)["sent"] >= 1
        assert letters.received() == {reader["email"]: 1}
        assert "is through" in letters.sent(runs)["stopped"]
        letters.product("Ultrasound gel")
        letters.later(days=6, hours=12)
        assert letters.sent(runs)["sent"] >= 1, "once approved, the schedule sends"
        assert letters.received() == {reader["email"]: 2}

    def test_a_preview_of_an_approved_newsletter_sends_nothing(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        letters.subscriber()
        letters.approved(runs)
        assert letters.sent(runs, preview=True)["would_get_it"] >= 1
        assert letters.received() == {}

    def test_who_subscribed_gets_pictures_titles_prices_and_links(self, letters: Letters, runs: Runner) -> None:
        product = letters.product("Nitrile gloves", 2.125)
        readers = [letters.subscriber(said) for said in (True, "true", "Yes", "1", 1)]
        for said in (None, False, "false", "no", "0", 0, "", [], {"a": 1}):
            letters.subscriber(said)
        letters.approved(runs)
        letters.sent(runs)
        assert letters.received() == {one["email"]: 1 for one in readers}
        message = letters.message(readers[0])
        plain, html = message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()
        for part in (plain, html):
            assert "Nitrile gloves" in part
            assert "2.125 OMR" in part
            assert PRODUCT_URL.format(handle=product["handle"]) in part
        assert product["thumbnail"] in html
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert message["Subject"] == "New this week at Shop of Muscat"

    def test_what_cannot_be_bought_or_was_not_exported_is_not_shown(self, letters: Letters, runs: Runner) -> None:
        letters.product("For sale")
        letters.product("A draft", status="draft")
        letters.carts.product("Made by hand")
        sold_out = letters.product("Sold out")
        path = f"/admin/products/{sold_out['id']}/variants/{sold_out['variants'][0]['id']}"
        letters.carts.medusa.admin("POST", path, json={"manage_inventory": True})
        shown = letters.sent(runs)["preview_en"]
        assert "For sale" in shown
        for title in ("A draft", "Made by hand", "Sold out"):
            assert title not in shown

    def test_an_arab_customer_reads_arabic(self, letters: Letters, runs: Runner) -> None:
        letters.product("قفازات")
        reader, other = letters.subscriber(language="ar"), letters.subscriber(locale="xx-YY")
        letters.approved(runs)
        letters.sent(runs)
        message = letters.message(reader)
        assert "جديد هذا الأسبوع" in message["Subject"]
        assert 'dir="rtl"' in message.get_body(("html",)).get_content()
        assert "New this week" in letters.message(other)["Subject"]

    def test_who_unsubscribes_by_the_link_in_the_mail_gets_no_other(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        reader = letters.subscriber()
        letters.approved(runs)
        letters.sent(runs)
        link = letters.message(reader)["List-Unsubscribe"].strip("<>")
        assert requests.post(link, data={"List-Unsubscribe": "One-Click"}, timeout=60).status_code == 200
        letters.product("Ultrasound gel")
        letters.later(days=6, hours=12)
        assert letters.sent(runs)["unsubscribed"] >= 1
        assert letters.received() == {reader["email"]: 1}

    def test_nothing_new_is_no_mail(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        reader = letters.subscriber()
        letters.approved(runs)
        letters.sent(runs)
        letters.later(days=6, hours=23)
        assert "no mail: no product" in letters.sent(runs)["nothing_new"]
        assert letters.received() == {reader["email"]: 1}

    def test_a_run_sends_no_more_than_its_share_and_the_next_goes_on(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        readers = [letters.subscriber() for _ in range(5)]
        letters.approved(runs)
        letters.env.setenv("NEWSLETTER_PER_RUN", "2")
        sent = letters.sent(runs)
        assert (sent["sent"], sent["postponed"] >= 3) == (2, True), sent
        letters.product("Ultrasound gel")
        rest = letters.sent(runs, REST)
        assert rest["sent"] == 2
        assert rest["edition"] == sent["edition"]
        letters.env.setenv("NEWSLETTER_PER_RUN", "100000")
        letters.sent(runs, REST)
        assert letters.received() == {one["email"]: 1 for one in readers}
        assert "no edition is left" in letters.sent(runs, REST)["stopped"]
        assert "Ultrasound gel" not in letters.message(readers[-1]).as_string()

    def test_in_quiet_hours_what_is_due_waits(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        reader = letters.subscriber()
        letters.approved(runs)
        now = datetime.now(UTC)
        letters.env.setenv(
            "MAIL_QUIET_HOURS", f"{now - timedelta(minutes=5):%H:%M}-{now + timedelta(minutes=30):%H:%M}"
        )
        sent = letters.sent(runs)
        assert "quiet hours" in sent["stopped"]
        assert sent["postponed"] >= 1
        assert letters.received() == {}
        letters.env.setenv("MAIL_QUIET_HOURS", "00:00-00:00")
        letters.sent(runs, REST)
        assert letters.received() == {reader["email"]: 1}

    def test_bad_addresses_stop_no_other_and_are_shown_by_id_alone(
        self, letters: Letters, runs: Runner, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        letters.product("Nitrile gloves")
        good, refused = letters.subscriber(), letters.subscriber()
        bad = letters.subscriber(email=f"guest.{letters.carts.prefix}@{'x' * 64}.example")
        letters.sink.refuse.add(refused["email"])
        letters.approved(runs)
        run = letters.run(runs)
        assert run.success
        reasons = {row["document"]: row["reason"] for row in run.rejects(ASSET)}
        assert "is no address" in reasons[f"Customer {bad['id']}"]
        assert "refused by the mail server: 550" in reasons[f"Customer {refused['id']}"]
        assert letters.received() == {good["email"]: 1}
        logged = [each.getMessage() for each in caplog.records if each.name.startswith(("erp_medusa_pip", "tests."))]
        assert logged
        assert DOMAIN not in str([run.metadata(ASSET), run.rejects(ASSET), logged])
        assert state.load(runs.instance, KEY)["last"]["finished"]

    def test_a_guest_and_an_account_of_one_address_get_one_mail(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        address = letters.carts.address()
        letters.subscriber(email=address)
        letters.subscriber(email=address.upper())
        letters.approved(runs)
        assert letters.sent(runs)["same_address"] >= 1
        assert sum(letters.received().values()) + letters.sink.times_received[address.upper()] == 1

    def test_one_of_an_address_who_unsubscribed_speaks_for_both(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        address = letters.carts.address()
        letters.subscriber(email=address)
        letters.subscriber(None, email=address.upper(), mails_unsubscribed="2026-11-30")
        letters.approved(runs)
        letters.sent(runs)
        assert letters.received() == {}

    def test_without_a_mail_server_the_run_is_red_and_the_next_sends_each_once(
        self, letters: Letters, runs: Runner
    ) -> None:
        letters.product("Nitrile gloves")
        readers = [letters.subscriber() for _ in range(5)]
        letters.approved(runs)
        letters.env.setenv("SMTP_URL", "smtp://127.0.0.1:9")
        assert "failed temporarily" in letters.run(runs).failure_text(ASSET)
        letters.env.setenv("SMTP_URL", f"smtp://127.0.0.1:{letters.sink.port}")
        letters.sent(runs)
        assert letters.received() == {one["email"]: 1 for one in readers}

    @pytest.mark.long
    def test_a_mail_that_may_have_gone_out_is_never_sent_again(self, letters: Letters, runs: Runner) -> None:
        letters.product("Nitrile gloves")
        reader = letters.subscriber()
        letters.approved(runs)
        letters.env.setattr("erp_medusa_pipelines.connections.SmtpSender.__init__.__defaults__", (0.5,))
        letters.sink.gate.clear()
        run = letters.run(runs)
        assert f"Customer {reader['id']}" in [row["document"] for row in run.rejects(ASSET)]
        letters.sink.gate.set()
        assert letters.sent(runs, REST)["in_doubt"] >= 1
        # The Date header of a server has no fractions of a second, so that its clock may seem to go back by one.
        letters.env.setattr(handing_over, "DOUBT", timedelta(seconds=-5))
        run = letters.run(runs, REST)
        reasons = {row["document"]: row["reason"] for row in run.rejects(CONTINUED)}
        assert "not sent a second time" in reasons[f"Customer {reader['id']}"]
        assert sum(letters.received().values()) <= 1

    def test_a_run_that_stops_anywhere_sends_nothing_twice(self, letters: Letters, runs: Runner) -> None:
        """Each run ends at another mail, right before or right after it was handed over."""
        letters.product("Nitrile gloves")
        readers = [letters.subscriber() for _ in range(6)]
        letters.approved(runs)
        real = handing_over.HandingOver.hand_over
        calls = {"left": 0}

        def stopping(self: Any, key: str, name: str, mail: Any) -> bool:
            calls["left"] -= 1
            if calls["left"] == 0:
                raise KeyboardInterrupt
            return real(self, key, name, mail)

        letters.env.setattr(handing_over.HandingOver, "hand_over", stopping)
        for place in (1, 2, 3):
            calls["left"] = place
            with pytest.raises(KeyboardInterrupt):
                letters.run(runs)
        calls["left"] = 0
        letters.sent(runs, REST)
        assert letters.received() == {one["email"]: 1 for one in readers}
