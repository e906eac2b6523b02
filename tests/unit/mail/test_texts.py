"""Templates of mails: ours in two languages, a shop's own instead, and what is said of a wrong one."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_medusa_pipelines.mail.texts import TextError, Texts

CART = {
    "currency": "omr",
    "total": Decimal("1234.5"),
    "more": 0,
    "lines": [
        {
            "title": "<b>Gloves</b> & masks",
            "quantity": 2,
            "total": Decimal("3.25"),
            "picture": "https://shop.example/a.png?x=1&y=2",
            "link": "https://shop.example/gloves",
        }
    ],
}
VALUES: dict[str, Any] = {
    "cart": CART,
    "recovery_link": "https://shop.example/cart?id=cart_1",
    "unsubscribe_link": "https://shop.example/stop?c=cus_1&s=x",
}


def texts(folder: Path | None = None, language: str = "en", **options: Any) -> Texts:
    return Texts(folder, language, "Muscat <Medical>", {"omr": 3}, **options)


@pytest.mark.parametrize("locale", ["en", "ar", "ar-OM", "AR_om"])
def test_each_language_has_all_of_a_mail(locale: str) -> None:
    made = texts().write("abandoned_cart", VALUES, locale)
    for part in (made.text, made.html):
        assert "1,234.500 OMR" in part
        assert "3.250 OMR" in part
        assert "https://shop.example/cart?id=cart_1" in part
    assert made.text.count("https://") == 2
    assert ('dir="rtl"' in made.html) == (locale[:2].lower() == "ar")
    assert "Muscat <Medical>" in made.subject
    assert "\n" not in made.subject


def test_what_comes_from_elsewhere_is_escaped_in_html_and_plain_in_text() -> None:
    made = texts().write("abandoned_cart", VALUES)
    assert "&lt;b&gt;Gloves&lt;/b&gt; &amp; masks" in made.html
    assert "<b>Gloves" not in made.html
    assert "Muscat &lt;Medical&gt;" in made.html
    assert "- <b>Gloves</b> & masks (2): 3.250 OMR" in made.text


def test_each_item_has_its_picture() -> None:
    assert 'src="https://shop.example/a.png?x=1&amp;y=2"' in texts().write("abandoned_cart", VALUES).html
    without = {**VALUES, "cart": {**CART, "lines": [{**CART["lines"][0], "picture": None}]}}
    assert "<img" not in texts().write("abandoned_cart", without).html


def test_inside_erpnexts_frame_it_is_no_page_of_its_own() -> None:
    made = texts(whole=False).write("abandoned_cart", VALUES)
    assert "<html" not in made.html
    assert "<body" not in made.html
    assert "1,234.500 OMR" in made.html


def test_a_language_without_templates_falls_back_to_the_shops() -> None:
    assert 'dir="rtl"' in texts(language="ar").write("abandoned_cart", VALUES, "de-DE").html
    assert 'dir="ltr"' in texts(language="en").write("abandoned_cart", VALUES, None).html


def test_a_shops_own_templates_go_first_and_may_extend_ours(tmp_path: Path) -> None:
    (tmp_path / "abandoned_cart.de.txt").write_text(
        "Subject: Ihr Warenkorb\nGuten Tag {{ cart.total|money(cart.currency) }}"
    )
    (tmp_path / "abandoned_cart.de.html").write_text(
        '{% extends "layout.html" %}{% block content %}Guten Tag{% endblock %}'
    )
    made = texts(tmp_path).write("abandoned_cart", VALUES, "de")
    assert (made.subject, made.text) == ("Ihr Warenkorb", "Guten Tag 1,234.500 OMR\n")
    assert "Guten Tag" in made.html
    assert 'lang="de"' in made.html
    assert "Hello" in texts(tmp_path).write("abandoned_cart", VALUES, "en").text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Subject: x\n{{ nobody }}", "'nobody' is undefined"),
        ("Subject: x\n{% if %}", "line 2"),
        ("Hello", "first line must begin with"),
        ("Subject: x\n{{ cart.lines.append(1) }}", "abandoned_cart.en"),
    ],
)
def test_a_wrong_template_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "abandoned_cart.en.txt").write_text(text)
    with pytest.raises(TextError, match=said) as raised:
        texts(tmp_path).write("abandoned_cart", VALUES)
    assert "abandoned_cart.en" in str(raised.value)


def test_a_mail_that_nobody_wrote_a_template_for_is_named() -> None:
    with pytest.raises(TextError, match=r"no templates birthday\.en\.html"):
        texts().write("birthday", {})
