"""What leaves the client in messages: no secrets, and on request no addresses of people."""

import pytest

from erp_medusa_pipelines.clients.http import Redactor

ADDRESSES = [
    "{'buyer@example.com': (550, b'unknown')}",
    "<a.b+c@mail.example.co.om> refused",
    "mailto:عميل@example.com,",
    "user=me@localhost;",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_are_hidden_on_request(text: str) -> None:
    redact = Redactor()
    assert redact(text) == text
    redact.hide_addresses = True
    assert "@" not in redact(text)
    assert "<address>" in redact(text)


def test_secrets_are_hidden_always() -> None:
    redact = Redactor(["se/cret"])
    assert redact("token se/cret and se%2Fcret and sk_0123456789abcdef") == "*** and *** and ***"
