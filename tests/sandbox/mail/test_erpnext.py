"""Mails through ERPNext's Email Queue, sent by its own account over real SMTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.mail.erpnext import MAKE, ErpNextSender
from erp_medusa_pipelines.mail.mail import InDoubtError, Mail, NotSentError, RefusedError
from erp_medusa_sandbox.faults import Fault
from tests.support.servers import ErpServer

MAIL = Mail("cart_1", "guest@customers.example", "Your cart", "Hello", "<p>Hello</p>")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def sink(erp: ErpServer) -> Iterator[MailSink]:
    with mail_sink() as served:
        account = {"email_id": "erp@shop.example", "smtp_server": "127.0.0.1", "smtp_port": str(served.port)}
        switches = {"enable_outgoing": 1, "default_outgoing": 1, "no_smtp_authentication": 1}
        erp.store.insert("Email Account", email_account_name="Out", **account, **switches)
        yield served


@pytest.fixture
def client(erp: ErpServer) -> Iterator[ErpNextClient]:
    header = {"Authorization": f"token {erp.key}:{erp.secret}"}
    http = HttpClient("ERPNext", erp.url, header, options=HttpOptions(read_timeout=5), sleep=lambda _seconds: None)
    yield ErpNextClient(http)
    http.close()


def queued(erp: ErpServer) -> list[str]:
    return [row["status"] for row in erp.store.rows("Email Queue")]


def test_it_is_in_the_queue_and_is_sent_where_frappe_does_not(
    erp: ErpServer, sink: MailSink, client: ErpNextClient
) -> None:
    ErpNextSender(client, "Shop <shop@shop.example>").send(MAIL, lambda: None)
    assert queued(erp) == ["Sent"]
    assert sink.recipients == [MAIL.recipient]
    assert sink.subjects == ["Your cart"]


def test_where_frappe_sends_what_waits_nobody_sends_it_beside_it(
    erp: ErpServer, sink: MailSink, client: ErpNextClient
) -> None:
    erp.store.insert("Scheduled Job Type", name="queue.flush", method="frappe.email.queue.flush", stopped=0)
    erp.store.set("System Settings", "System Settings", enable_scheduler=1)
    ErpNextSender(client).send(MAIL, lambda: None)
    assert queued(erp) == ["Not Sent"]
    assert sink.messages == []


def test_what_an_earlier_call_did_can_be_found_out(erp: ErpServer, sink: MailSink, client: ErpNextClient) -> None:
    sender = ErpNextSender(client)
    assert sender.was_taken(MAIL.recipient, LONG_AGO) is False
    erp.faults.add(Fault("drop_after", path=MAKE, times=1))
    with pytest.raises(InDoubtError):
        sender.send(MAIL, lambda: None)
    assert sender.was_taken(MAIL.recipient, LONG_AGO) is True
    assert sender.was_taken("other@customers.example", LONG_AGO) is False
    assert sender.was_taken(MAIL.recipient, datetime.now(UTC) + timedelta(hours=1)) is False


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("status", path=MAKE, status=417, json={"exc_type": "ValidationError"}), RefusedError),
        (Fault("status", path=MAKE, status=429), NotSentError),
        (Fault("status", path=MAKE, status=504), InDoubtError),
    ],
)
def test_refusals_and_doubts_are_distinguished(
    erp: ErpServer, sink: MailSink, client: ErpNextClient, fault: Fault, kind: type[Exception]
) -> None:
    erp.faults.add(fault)
    with pytest.raises(kind):
        ErpNextSender(client).send(MAIL, lambda: None)
    assert queued(erp) == []
