"""Quotation mails over real sockets: an ERPNext on this machine sends them to a real SMTP server, which counts them."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.storage.tags import SCHEDULED_EXECUTION_TIME_TAG

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_pipelines.orchestration.schedules.gates import reason_to_skip
from erp_medusa_pipelines.sync.minute.quotation_emails import QuotationEmails
from erp_medusa_pipelines.tasks import task_named
from erp_medusa_sandbox.faults import Fault
from tests.suites.otps import everything_kept
from tests.support.mails import send_to
from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner
from tests.support.servers import ErpServer, use_erpnext
from tests.support.site import AnyErp

JOB = "send_quotation_emails"
ASSET = "quotation_emails"
DOCTYPE = "Email Queue"
SEND_NOW = "email_queue.send_now"
ZONE = ZoneInfo("Asia/Muscat")
TASK = task_named(JOB)


@dataclass
class Outbox:
    """The Email Queue of an ERPNext whose outgoing account is the sink."""

    erp: AnyErp
    sink: MailSink
    names: list[str] = field(default_factory=list)

    def add(
        self,
        *,
        minutes_old: float = 1,
        recipients: tuple[str, ...] = (),
        send_after_minutes: float | None = None,
        **values: Any,
    ) -> str:
        """A Quotation mail that waits; its recipient is named after it."""
        name = f"mail{len(self.names):04}"
        self.names.append(name)
        people = recipients or (f"{name}@example.com",)
        row = {"status": "Not Sent", "reference_doctype": "Quotation", "priority": 1, "retry": 0, **values}
        creation = moment(-minutes_old)
        modified = row.pop("modified", creation)
        self.erp.store.insert(
            DOCTYPE,
            name=name,
            send_after=None if send_after_minutes is None else moment(send_after_minutes),
            sender="erp@shop.example",
            message=f"Subject: {name}\n\nDear customer",
            recipients=[{"recipient": person, "status": "Not Sent"} for person in people],
            **row,
        )
        self.erp.store.force(DOCTYPE, name, creation=creation, modified=modified)
        return name

    def site(self, **settings: Any) -> None:
        """Change settings of an embedded site."""
        assert isinstance(self.erp, ErpServer)
        self.erp.site(**settings)

    def row(self, name: str) -> dict[str, Any]:
        row = self.erp.store.get(DOCTYPE, name)
        assert row is not None
        return row

    def statuses(self) -> list[str]:
        return [self.row(name)["status"] for name in self.names]

    def calls(self) -> int:
        """How often anything was asked to be sent."""
        return len([seen for seen in self.erp.faults.requests if SEND_NOW in seen.path])


def moment(minutes: float) -> str:
    """A time (the site's clock)."""
    return (datetime.now(ZONE) + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture
def outbox(erp: AnyErp, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    use_erpnext(erp, monkeypatch)
    if waiting := erp.store.rows(DOCTYPE, status="Not Sent", reference_doctype="Quotation"):
        pytest.fail(f"{len(waiting)} Quotation mails wait on {erp.url}: the runs of this suite would send them")
    with mail_sink() as sink:
        send_to(erp.store, sink.port)
        yield Outbox(erp, sink)


@pytest.fixture
def runs(outbox: Outbox) -> Runner:
    return quick_runner()


class MailSuite:
    """Run by tests/sandbox and tests/live."""

    @pytest.mark.long
    def test_every_waiting_mail_arrives_once(self, outbox: Outbox, runs: Runner) -> None:
        for number in range(45):
            outbox.add(minutes_old=100 - number)
        other = outbox.add(reference_doctype="Sales Invoice")
        run = runs.job(JOB)
        assert run.success
        assert outbox.statuses() == ["Sent"] * 45 + ["Not Sent"]
        assert outbox.sink.times_received == {f"{name}@example.com": 1 for name in outbox.names if name != other}
        metadata = run.metadata(ASSET)
        assert (metadata["found"], metadata["sent"], metadata["left"]) == (45, 45, 0)
        assert metadata["oldest_seconds"] == pytest.approx(6_000, abs=300)
        # Clock, zone, list, other senders, Errors; one call a mail; a look after the first, 20, 20 and 4 mails.
        # Where one of Frappe's own jobs would send them as well, its scheduler is asked whether it is on.
        jobs = [job["method"] for job in outbox.erp.store.rows("Scheduled Job Type", stopped=0)]
        others = [job for job in jobs if job.endswith(("email.queue.flush", ".send_quotation_emails"))]
        assert metadata["requests"] == 5 + 45 + 4 + bool(others)

    def test_a_second_run_sends_nothing(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add()
        runs.job(JOB)
        calls = outbox.calls()
        assert runs.job(JOB).metadata(ASSET)["found"] == 0
        assert outbox.calls() == calls

    def test_urgent_ones_go_first_then_the_oldest(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAIL_PARALLEL", "1")
        young, old = outbox.add(minutes_old=1), outbox.add(minutes_old=9)
        urgent = outbox.add(minutes_old=2, priority=5)
        runs.job(JOB)
        assert outbox.sink.subjects == [urgent, old, young]

    def test_a_mail_for_later_waits_for_its_time(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add(send_after_minutes=10)
        assert "none of them is due" in (reason_to_skip(TASK, runs.instance) or "")
        due = outbox.add(send_after_minutes=-1)
        assert reason_to_skip(TASK, runs.instance) is None
        run = runs.job(JOB)
        assert outbox.sink.subjects == [due]
        assert run.metadata(ASSET)["waiting"] == 1

    def test_what_somebody_else_is_sending_is_left_alone_and_reported_when_stuck(
        self, outbox: Outbox, runs: Runner
    ) -> None:
        fresh = outbox.add(status="Sending", modified=moment(-2))
        assert "none of them is due" in (reason_to_skip(TASK, runs.instance) or "")
        stuck = outbox.add(status="Sending", modified=moment(-60))
        assert reason_to_skip(TASK, runs.instance) is None
        run = runs.job(JOB)
        assert run.success
        assert outbox.calls() == 0
        assert [row["document"] for row in run.rejects(ASSET)] == [f"Email Queue {stuck}"]
        # It is known now; the next tick has nothing to do, until somebody mends it.
        assert reason_to_skip(TASK, runs.instance) is not None
        outbox.erp.store.force(DOCTYPE, stuck, status="Sent")
        assert reason_to_skip(TASK, runs.instance) is None
        assert runs.job(JOB).check(ASSET).passed
        assert outbox.row(fresh)["status"] == "Sending"

    def test_a_refused_mail_stops_no_other_and_is_tried_again_later(self, outbox: Outbox, runs: Runner) -> None:
        good, bad, last = outbox.add(minutes_old=3), outbox.add(minutes_old=2), outbox.add(minutes_old=1)
        outbox.sink.refuse.add(f"{bad}@example.com")
        run = runs.job(JOB)
        assert not run.success
        assert "unknown here" in run.failure_text(ASSET)
        assert [outbox.row(name)["status"] for name in (good, bad, last)] == ["Sent", "Not Sent", "Sent"]
        calls = outbox.calls()
        assert "none of them is due" in (reason_to_skip(TASK, runs.instance) or "")
        assert runs.job(JOB).metadata(ASSET)["waiting"] == 1
        assert outbox.calls() == calls

    def test_refused_recipients_hold_no_other_mail(self, outbox: Outbox, runs: Runner) -> None:
        bad = [outbox.add(minutes_old=30) for _ in range(5)]
        good = [outbox.add() for _ in range(30)]
        outbox.sink.refuse.update(f"{name}@example.com" for name in bad)
        run = runs.job(JOB)
        assert (run.metadata(ASSET)["sent"], run.metadata(ASSET)["refused"]) == (30, 5)
        assert outbox.sink.times_received == {f"{name}@example.com": 1 for name in good}
        assert "blocked" not in run.metadata(ASSET)

    def test_mails_that_never_failed_go_before_those_that_did(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAIL_RETRY_MINUTES", "0.0001")
        monkeypatch.setenv("QUOTATION_EMAILS_PER_RUN", "2")
        bad = [outbox.add(minutes_old=30) for _ in range(2)]
        outbox.sink.refuse.update(f"{name}@example.com" for name in bad)
        runs.job(JOB)
        good = [outbox.add() for _ in range(2)]
        assert runs.job(JOB).success
        assert sorted(outbox.sink.recipients) == [f"{name}@example.com" for name in good]

    def test_a_mail_server_that_refuses_everybody_costs_few_mails_a_try(self, outbox: Outbox, runs: Runner) -> None:
        for _ in range(60):
            outbox.add()
        outbox.sink.refuse.update(f"{name}@example.com" for name in outbox.names)
        run = runs.job(JOB)
        assert not run.success
        assert 20 <= outbox.calls() < 45
        assert "unknown here" in (reason_to_skip(TASK, runs.instance) or "")

    def test_a_mail_server_that_refuses_last_attempts_is_named_as_well(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given up at once, they leave nothing for a retry: the reason has to come from elsewhere."""
        monkeypatch.setenv("QUOTATION_EMAIL_ATTEMPTS", "1")
        for _ in range(30):
            outbox.add()
        outbox.sink.refuse.update(f"{name}@example.com" for name in outbox.names)
        run = runs.job(JOB)
        assert run.success, "nothing is left for a retry"
        assert "unknown here" in run.metadata(ASSET)["blocked"]
        assert not run.check(ASSET, "site_sends_mails").passed

    def test_what_erpnext_gives_up_fails_the_check(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAIL_RETRY_MINUTES", "0.0001")
        bad = outbox.add()
        outbox.sink.refuse.add(f"{bad}@example.com")
        ends = [runs.job(JOB).success for _ in range(3)]
        run = runs.job(JOB)
        assert (ends, run.success) == ([False] * 3, True)
        assert outbox.row(bad)["status"] == "Error"
        assert not run.check(ASSET).passed
        assert "given up by ERPNext" in run.rejects(ASSET)[0]["reason"]

    def test_a_site_that_is_busy_forgets_no_failed_attempt(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAIL_ATTEMPTS", "2")
        monkeypatch.setenv("QUOTATION_EMAIL_RETRY_MINUTES", "0.0001")
        bad = outbox.add()
        outbox.sink.refuse.add(f"{bad}@example.com")
        assert not runs.job(JOB).success
        busy = {"exception": "frappe.exceptions.SessionStopped", "exc_type": "SessionStopped"}
        outbox.erp.faults.add(Fault("status", path=SEND_NOW, status=503, json=busy, times=1))
        assert not runs.job(JOB).success
        assert "given up after 2 attempts" in runs.job(JOB).rejects(ASSET)[0]["reason"]

    def test_a_mail_that_fails_too_often_is_given_up_until_asked_for(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAIL_ATTEMPTS", "1")
        bad = outbox.add()
        outbox.sink.refuse.add(f"{bad}@example.com")
        run = runs.job(JOB)
        assert run.success
        assert "given up after 1 attempts" in run.rejects(ASSET)[0]["reason"]
        assert reason_to_skip(TASK, runs.instance) is not None
        calls = outbox.calls()
        assert not runs.job(JOB).check(ASSET).passed
        assert outbox.calls() == calls
        outbox.sink.refuse.clear()
        retry = {"ops": {ASSET: {"config": {"retry_rejected": True}}}}
        assert runs.job(JOB, run_config=retry).metadata(ASSET)["sent"] == 1
        assert outbox.sink.times_received == {f"{bad}@example.com": 1}

    def test_of_two_recipients_the_one_that_got_it_gets_it_once(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAIL_RETRY_MINUTES", "0.0001")
        outbox.add(recipients=("one@example.com", "two@example.com"))
        outbox.sink.refuse.add("two@example.com")
        assert not runs.job(JOB).success
        assert outbox.statuses() == ["Partially Sent"]
        outbox.sink.refuse.clear()
        assert runs.job(JOB).metadata(ASSET)["sent"] == 1
        assert outbox.sink.times_received == {"one@example.com": 1, "two@example.com": 1}

    def test_a_lost_answer_is_settled_by_the_row(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add()
        outbox.erp.faults.add(Fault("drop_after", path=SEND_NOW))
        run = runs.job(JOB)
        assert run.success
        assert run.metadata(ASSET)["sent"] == 1
        assert (outbox.calls(), len(outbox.sink.recipients)) == (1, 1)

    def test_a_mail_whose_call_may_still_be_under_way_is_held(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outbox.add()
        outbox.erp.faults.add(Fault("drop_before", path=SEND_NOW, times=1))
        run = runs.job(JOB)
        assert not run.success
        assert "whether ERPNext still sends it is not known" in run.reasons()[0]
        assert outbox.calls() == 1
        assert "none of them is due" in (reason_to_skip(TASK, runs.instance) or "")
        runs.job(JOB)
        assert outbox.calls() == 1, "sent again although nobody knew how the first call ended"
        # The first call has ended without a trace once its time is over; a run with no doubt left sends it.
        monkeypatch.setattr("erp_medusa_pipelines.sync.minute.email_queue.as_text", lambda _: "2199-01-01 00:00:00")
        assert runs.job(JOB).metadata(ASSET)["sent"] == 1
        assert len(outbox.sink.recipients) == 1

    def test_a_site_whose_proxy_answers_for_it_is_red_and_asked_for_few_mails(
        self, outbox: Outbox, runs: Runner
    ) -> None:
        for _ in range(5):
            outbox.add()
        outbox.erp.faults.add(Fault("status", path=SEND_NOW, status=503, json={}))
        run = runs.job(JOB)
        assert not run.success
        assert "temporarily unavailable" in run.reasons()[0]
        assert outbox.calls() == 3
        assert "none of the last mails went out" in (reason_to_skip(TASK, runs.instance) or "")

    def test_a_run_that_dies_between_call_and_look_repeats_no_call(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(6):
            outbox.add()
        # The site takes the calls, but no mail server has answered yet: the rows look untouched.
        outbox.erp.faults.add(Fault("drop_before", path=SEND_NOW, skip=1))

        def killed(*_: Any) -> None:
            raise SystemError("killed")

        with monkeypatch.context() as patch:
            original = QuotationEmails._settle
            done: list[str] = []

            def settle(self: QuotationEmails, mail: Any, answer: Any, row: Any) -> None:
                done.append(mail.name)
                original(self, mail, answer, row) if len(done) == 1 else killed()

            patch.setattr(QuotationEmails, "_settle", settle)
            assert not runs.job(JOB).success
        calls = outbox.calls()
        assert calls == 6
        outbox.erp.faults.heal()
        assert runs.job(JOB).metadata(ASSET)["found"] == 0
        assert outbox.calls() == calls

    @pytest.mark.embedded_erp("a switch of the site's own configuration")
    @pytest.mark.parametrize("switch", ["sending_suspended", "mute_emails"])
    def test_a_site_that_sends_nothing_is_asked_once_and_reported(
        self, outbox: Outbox, runs: Runner, switch: str
    ) -> None:
        for _ in range(5):
            outbox.add()
        outbox.site(**{switch: True})
        run = runs.job(JOB)
        assert run.success
        assert outbox.calls() == 1
        check = run.check(ASSET, "site_sends_mails")
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert "sending is suspended" in (reason_to_skip(TASK, runs.instance) or "")
        outbox.site(**{switch: False})
        run = runs.job(JOB)
        assert run.check(ASSET, "site_sends_mails").passed
        assert outbox.statuses() == ["Sent"] * 5
        outbox.add()
        assert reason_to_skip(TASK, runs.instance) is None

    @pytest.mark.embedded_erp("the account's port is the site's configuration there")
    def test_a_dead_mail_server_costs_few_mails_a_try(self, outbox: Outbox, runs: Runner) -> None:
        for _ in range(10):
            outbox.add()
        outbox.site(smtp_port=9)
        run = runs.job(JOB)
        assert not run.success
        assert outbox.calls() == 3
        assert [outbox.row(name)["retry"] for name in outbox.names] == [1] * 3 + [0] * 7
        assert "Connection refused" in (reason_to_skip(TASK, runs.instance) or "")
        outbox.site(smtp_port=outbox.sink.port)
        assert runs.job(JOB).metadata(ASSET)["sent"] == 7

    def test_a_site_without_an_outgoing_account_says_so(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add()
        outbox.erp.store.force("Email Account", "Out", default_outgoing=0, enable_outgoing=0)
        run = runs.job(JOB)
        assert not run.success
        assert "setup default Email Account" in run.failure_text(ASSET)

    @pytest.mark.embedded_erp("Frappe's own scheduler would have to run beside the tests")
    def test_a_second_sender_is_named_once_a_day(self, outbox: Outbox, runs: Runner) -> None:
        outbox.erp.store.insert(
            "Scheduled Job Type", name="queue.flush", method="frappe.email.queue.flush", frequency="All", stopped=0
        )
        outbox.erp.store.set("System Settings", "", enable_scheduler=1)
        outbox.add()
        first = runs.job(JOB).metadata(ASSET)
        outbox.add()
        second = runs.job(JOB).metadata(ASSET)
        assert "frappe.email.queue.flush" in first["second_sender"]
        assert (second["sent"], "second_sender" in second) == (1, False)

    @pytest.mark.embedded_erp("Frappe's own scheduler would have to run beside the tests")
    @pytest.mark.parametrize(("stopped", "scheduler"), [(1, 1), (0, 0)])
    def test_a_scheduler_that_is_off_is_no_second_sender(
        self, outbox: Outbox, runs: Runner, stopped: int, scheduler: int
    ) -> None:
        method = "medusa_integration.api.send_quotation_emails"
        outbox.erp.store.insert("Scheduled Job Type", name="x", method=method, frequency="Cron", stopped=stopped)
        outbox.erp.store.set("System Settings", "", enable_scheduler=scheduler)
        outbox.add()
        assert "second_sender" not in runs.job(JOB).metadata(ASSET)

    def test_a_run_sends_no_more_than_its_share(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAILS_PER_RUN", "3")
        for _ in range(5):
            outbox.add()
        runs.job(JOB)
        assert outbox.statuses() == ["Sent"] * 3 + ["Not Sent"] * 2
        runs.job(JOB)
        assert outbox.statuses() == ["Sent"] * 5

    def test_a_site_under_maintenance_costs_no_mail_an_attempt(
        self, outbox: Outbox, runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QUOTATION_EMAIL_ATTEMPTS", "1")
        outbox.add()
        busy = {"exc_type": "InReadOnlyMode", "exception": "frappe.exceptions.InReadOnlyMode"}
        outbox.erp.faults.add(Fault("status", path=SEND_NOW, status=503, json=busy, times=1))
        assert not runs.job(JOB).success
        assert runs.job(JOB).metadata(ASSET)["sent"] == 1

    def test_not_knowing_of_other_senders_stops_no_mail(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add()
        outbox.erp.faults.add(Fault("status", path="Scheduled Job Type", status=503))
        assert runs.job(JOB).metadata(ASSET)["sent"] == 1

    def test_a_silent_erpnext_leaves_the_mails_unsent_and_the_run_red(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add()
        outbox.erp.faults.add(Fault("status", path="Email Queue", status=503))
        assert not runs.job(JOB).success
        assert outbox.calls() == 0

    def test_the_lag_from_tick_to_mail_is_reported(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add()
        tick = datetime.now(UTC) - timedelta(days=1)
        run = runs.job(JOB, tags={SCHEDULED_EXECUTION_TIME_TAG: tick.isoformat()})
        assert 86_400 <= run.metadata(ASSET)["tick_to_last_mail_seconds"] < 2 * 86_400

    def test_a_run_without_a_tick_has_no_lag(self, outbox: Outbox, runs: Runner) -> None:
        outbox.add()
        assert "tick_to_last_mail_seconds" not in runs.job(JOB).metadata(ASSET)

    def test_no_address_is_kept_anywhere(
        self, outbox: Outbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs = Runner()
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("QUOTATION_EMAIL_ATTEMPTS", "1")
        good, bad = outbox.add(minutes_old=2), outbox.add(minutes_old=1)
        outbox.sink.refuse.add(f"{bad}@example.com")
        runs.job(JOB)
        reason_to_skip(TASK, runs.instance)
        kept = everything_kept(runs, caplog)
        assert outbox.row(good)["status"] == "Sent"
        assert "unknown here" in kept
        assert "@example.com" not in kept
