"""Mails over real SMTP: what arrives, and what each failure says of the mail."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_pipelines.mail.mail import InDoubtError, Mail, NotSentError, RefusedError
from erp_medusa_pipelines.mail.smtp import SmtpSender

MAIL = Mail(
    "cart_1", "guest@customers.example", "سلتك & more", "Hello\nمرحبا\n", "<p>مرحبا</p>", "https://shop.example/stop"
)


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with mail_sink() as served:
        yield served


class Handed:
    """Counts how often a mail came to the point of no return."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def sender(port: int, seconds: float = 5) -> SmtpSender:
    return SmtpSender(f"smtp://127.0.0.1:{port}", "Shop of Muscat <shop@shop.example>", seconds)


def test_a_mail_arrives_as_it_was_written(sink: MailSink) -> None:
    handed = Handed()
    sender(sink.port).send(MAIL, handed)
    (raw,) = sink.messages
    message = message_from_bytes(raw, policy=default)
    assert sink.recipients == [MAIL.recipient]
    assert (message["From"], message["To"], message["Subject"]) == (
        "Shop of Muscat <shop@shop.example>",
        MAIL.recipient,
        MAIL.subject,
    )
    assert message["List-Unsubscribe"] == "<https://shop.example/stop>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == MAIL.text
    assert html.get_content().strip() == MAIL.html
    assert handed.times == 1


def test_the_same_mail_has_the_same_id_and_another_one_another(sink: MailSink) -> None:
    for mail in (MAIL, MAIL, replace(MAIL, key="cart_2")):
        sender(sink.port).send(mail, Handed())
    first, same, other = [message_from_bytes(raw)["Message-ID"] for raw in sink.messages]
    assert first == same != other


def test_many_go_over_one_connection_and_after_a_refusal_over_another(sink: MailSink) -> None:
    sink.refuse.add("nobody@customers.example")
    one = sender(sink.port)
    one.send(MAIL, Handed())
    handed = Handed()
    with pytest.raises(RefusedError, match=r"^550 .*unknown here") as raised:
        one.send(replace(MAIL, recipient="nobody@customers.example"), handed)
    assert "customers.example" not in raised.value.reason
    assert handed.times == 0, "it was refused before it was handed over"
    one.send(MAIL, Handed())
    one.close()
    assert len(sink.messages) == 2


@pytest.mark.parametrize(("answer", "kind"), [("550 5.7.1 spam", RefusedError), ("451 4.3.0 try later", NotSentError)])
def test_a_mail_that_is_refused_as_a_whole_did_not_go_out(sink: MailSink, answer: str, kind: type[Exception]) -> None:
    sink.answer = answer
    with pytest.raises(kind):
        sender(sink.port).send(MAIL, Handed())


def test_without_a_mail_server_nothing_was_handed_over() -> None:
    handed = Handed()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    with pytest.raises(NotSentError):
        sender(port).send(MAIL, handed)
    assert handed.times == 0


def test_an_answer_that_does_not_come_leaves_the_mail_in_doubt(sink: MailSink) -> None:
    sink.gate.clear()
    one = sender(sink.port, seconds=0.5)
    handed = Handed()
    with pytest.raises(InDoubtError):
        one.send(MAIL, handed)
    sink.gate.set()
    assert handed.times == 1
    assert one.was_taken(MAIL.recipient, None) is None  # pyright: ignore[reportArgumentType]  # never looked at


def test_a_connection_lost_before_the_mail_is_no_doubt() -> None:
    """A server that hangs up after its greeting."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 hello\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        handed = Handed()
        with pytest.raises(NotSentError):
            sender(server.getsockname()[1]).send(MAIL, handed)
        thread.join()
    assert handed.times == 0


def test_a_header_cannot_be_smuggled_in(sink: MailSink) -> None:
    with pytest.raises(ValueError, match=r"header|newline|linefeed"):
        sender(sink.port).send(replace(MAIL, subject="x\r\nBcc: other@x.example"), Handed())
    assert sink.messages == []


def test_no_password_is_sent_to_a_server_without_encryption(sink: MailSink) -> None:
    handed = Handed()
    url = f"smtp://shop:hush@127.0.0.1:{sink.port}"  # pragma: allowlist secret
    with pytest.raises(NotSentError, match="offers no STARTTLS") as raised:
        SmtpSender(url, "shop@shop.example").send(MAIL, handed)
    assert "hush" not in raised.value.reason
    assert (handed.times, sink.messages) == (0, [])
