"""Addresses, links, and what is hidden of a mail server's words."""

import base64
import hashlib
import hmac

import pytest

from erp_medusa_pipelines.mail.links import filled, signature, unsubscribe_link
from erp_medusa_pipelines.mail.mail import is_address, without_addresses


@pytest.mark.parametrize("text", ["a@b.co", "first.last+tag@sub.shop.example", "o'neil@b.co"])
def test_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", None, 5, "a", "a@b", "a@b.", "@b.co", "a b@c.co", "a@b.co, c@d.co", "<a@b.co>", "a@-b.co", "a@@b.co"),
        *("a@b.co\nBcc: x@y.co", "a@b..co", "عميل@shop.example", f"{'a' * 65}@b.co", f"a@{'b' * 260}.co"),
    ],
)
def test_no_addresses(text: object) -> None:
    assert not is_address(text)


def test_a_mail_servers_words_are_shown_without_addresses() -> None:
    said = "5.1.1 <a.b@shop.example>: Recipient\n address rejected: User a.b@shop.example unknown"
    assert without_addresses(said) == "5.1.1 <<address>>: Recipient address rejected: User <address> unknown"


def test_a_link_is_filled_in_and_signed() -> None:
    link = unsubscribe_link("https://shop.example/stop?c={customer}&s={signature}", "secret", "cus_1")
    digest = hmac.new(b"secret", b"unsubscribe:cus_1", hashlib.sha256).digest()
    assert link == "https://shop.example/stop?c=cus_1&s=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert signature("secret", "cus_1") != signature("secret", "cus_2")
    assert signature("secret", "cus_1") != signature("other", "cus_1")


def test_what_is_filled_in_cannot_leave_its_place() -> None:
    assert (
        filled("https://shop.example/{cart}?x={other}", cart="a/b?c=d&e")
        == "https://shop.example/a%2Fb%3Fc%3Dd%26e?x={other}"
    )
