"""Names and descriptions as ERPNext stores them, as the shop shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (None, ""),
        ("", ""),
        ("plain", "plain"),
        ("5 < 6 and 7 > 3, R&D", "5 < 6 and 7 > 3, R&D"),
        ("A &amp; B", "A & B"),
        # Decoded once: what somebody wrote about a tag does not become one.
        ("&amp;lt;script&amp;gt;", "&lt;script&gt;"),
        ("<p>&#38;lt;b&#x26;gt; &amp;amp;</p>", "&lt;b&gt; &amp;"),
        ("<p>&lt;b&gt; &quot;x&quot;</p>", '<b> "x"'),
        ("<b>bold</b>er", "bolder"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("a<br>b", "a\nb"),
        ("<ul><li>x</li><li>y</li></ul>", "* x\n* y"),
        ('<div class="ql-editor read-mode"><p>ا &ndash; ب&nbsp;ج</p></div>', "ا – ب ج"),
        ("<script>alert(1)</script>y", "y"),
        ('<a href="http://x">link</a>', "link"),
        ("<img src=x>", ""),
        ("<!-- hidden -->", ""),
        ("<p>unclosed", "unclosed"),
        ("  padded \r\n\r\n\r\n\r\n text ", "padded\n\ntext"),
    ],
)
def test_html_becomes_text(html: str | None, text: str) -> None:
    assert plain_text(html) == text


@given(st.text(max_size=200))
def test_no_input_breaks_it_and_nothing_dangles(html: str) -> None:
    text = plain_text(html)
    assert text == text.strip()
    assert "\n\n\n" not in text


@pytest.mark.parametrize("depth", [250, 300, 5000])
def test_text_inside_many_elements_is_kept_with_what_follows(depth: int) -> None:
    html = "<div>" * depth + "deep &amp; <b>bold</b>" + "</div>" * depth + "<p>after</p>"
    assert plain_text(html).split() == ["deep", "&", "bold", "after"]


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        (None, ""),
        ("Syringe 5 ml", "Syringe 5 ml"),
        ("Luer &lt;Slip&gt; &amp; Lock", "Luer <Slip> & Lock"),
        ("  Gloves\u00a0 (blue)\n", "Gloves (blue)"),
        ("<b>Gloves</b> &amp; <span style='color: red'>masks</span>", "Gloves & masks"),
        ("Luer <Slip>", "Luer <Slip>"),
        ("a < b > c", "a < b > c"),
        ("&lt;b&gt; stays as typed", "<b> stays as typed"),
        ("قفاز &quot;نيتريل&quot;", 'قفاز "نيتريل"'),
    ],
)
def test_a_name_is_decoded_and_trimmed(stored: str | None, name: str) -> None:
    assert clean_name(stored) == name
