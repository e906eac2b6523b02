"""Which mails are due, and what is remembered about the others."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.minute.email_queue import FOR_GOOD, Hold, Mail, Memory, is_due, is_stuck, oldest_seconds
from erp_medusa_pipelines.sync.minute.quotation_emails import is_refused_mail

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=ZoneInfo("Asia/Muscat"))
MAIL = Mail("a", "2026-11-22 11:00:00.000001", "2026-11-22 11:30:00.000001", "Not Sent", 1, "")
HOLD = Hold(MAIL.modified, "2026-11-22 12:00:01", 1, "refused")


@pytest.mark.parametrize("status", ["Not Sent", "Partially Sent"])
def test_what_is_not_through_is_due(status: str) -> None:
    assert is_due(replace(MAIL, status=status), Memory(), NOW)


@pytest.mark.parametrize("status", ["Sending", "Sent", "Error"])
def test_what_is_elsewhere_is_not(status: str) -> None:
    assert not is_due(replace(MAIL, status=status), Memory(), NOW)


@pytest.mark.parametrize(
    ("send_after", "due"),
    [("2026-11-22 11:59:59.999999", True), ("2026-11-22 12:00:00", True), ("2026-11-22 12:00:00.5", False)],
)
def test_send_after_is_the_moment_from_which_on(send_after: str, due: bool) -> None:
    assert is_due(replace(MAIL, send_after=send_after), Memory(), NOW) is due


def test_a_held_mail_is_due_when_its_time_is_over_or_somebody_changed_it() -> None:
    memory = Memory(holds={"a": HOLD})
    assert not is_due(MAIL, memory, NOW)
    assert is_due(MAIL, memory, NOW.replace(second=1))
    assert is_due(replace(MAIL, modified="2026-11-22 11:59:00"), memory, NOW)


def test_a_mail_that_was_given_up_is_never_due() -> None:
    memory = Memory(holds={"a": replace(HOLD, until=FOR_GOOD)})
    assert not is_due(MAIL, memory, NOW.replace(year=9998))


def test_stuck_is_what_is_sending_for_longer_than_the_limit() -> None:
    sending = replace(MAIL, status="Sending")
    assert is_stuck(sending, 29, NOW)
    assert not is_stuck(sending, 31, NOW)
    assert not is_stuck(MAIL, 1, NOW)


def test_the_oldest_age() -> None:
    assert oldest_seconds([], NOW) == 0
    young = replace(MAIL, creation="2026-11-22 11:59:00")
    assert oldest_seconds([young, MAIL], NOW) == pytest.approx(3600)


texts = st.text(max_size=5)
holds = st.dictionaries(texts, st.builds(Hold, texts, texts, st.integers(0, 9), texts), max_size=3)


@given(st.builds(Memory, holds=holds, stuck=st.lists(texts, max_size=3), blocked_until=texts, blocked_why=texts))
def test_the_memory_survives_json(memory: Memory) -> None:
    assert Memory.from_json(memory.to_json()) == memory


def test_an_empty_memory_is_a_fresh_one() -> None:
    assert Memory.from_json({}) == Memory()


def test_a_memory_of_a_newer_version_is_read() -> None:
    kept = Memory(holds={"a": HOLD}, stuck=["b"]).to_json()
    kept["holds"]["a"]["colour"] = "red"
    kept["something_new"] = [1]
    assert Memory.from_json(kept) == Memory(holds={"a": HOLD}, stuck=["b"])


@pytest.mark.parametrize(
    ("last_line", "refused"),
    [
        ("smtplib.SMTPRecipientsRefused: {'a@example.com': (550, b'unknown')}", True),
        ("smtplib.SMTPRecipientsRefused: {'a@example.com': (450, b'try later')}", True),
        ("smtplib.SMTPDataError: (554, b'looks like spam')", True),
        ("smtplib.SMTPDataError: (452, b'no room on this server')", False),
        ("smtplib.SMTPServerDisconnected: Connection unexpectedly closed", False),
        ("frappe.exceptions.ValidationError: Invalid Outgoing Mail Server or Port: [Errno 111]", False),
        ("", False),
    ],
)
def test_a_refused_mail_is_told_from_a_mail_server_in_trouble(last_line: str, refused: bool) -> None:
    assert is_refused_mail(last_line) is refused
