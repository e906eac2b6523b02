"""Text for people: names as they were typed, HTML of Frappe's Text Editor as plain text, and addresses.

Frappe stores `Luer <Slip> & Lock` as `Luer &lt;Slip&gt; &amp; Lock`. The conversion of HTML itself is inscriptis'.
"""

import html
import re
import unicodedata
from functools import lru_cache

_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|code|div|em|font|h[1-6]|hr|i|img|li|mark|ol|p|pre|s|script|small|span|strike|strong|style"
    r"|sub|sup|table|tbody|td|th|tr|u|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")
_SLUG_BREAKS = re.compile(r"-{2,}")
_BLANK_LINES = re.compile(r"\n{3,}")
_AMPERSAND = re.compile(r"&(?:amp|#0*38|#[xX]0*26);?")
_MARKUP = re.compile(r"<[a-zA-Z/!]|&[a-zA-Z#]")
_ELEMENT = re.compile(r"<(/?)([a-zA-Z][\w:-]*)[^<>]*?(/?)>")
_ANY_TAG = re.compile(r"<[^<>]*>")
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_WITHOUT_END = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"))

DEEPEST = 200
"""Elements inside each other. libxml2 drops what lies deeper than 255, and all that follows."""


def clean_name(stored: str | None) -> str:
    """Return a name for people: entities decoded, HTML tags removed, white space collapsed and trimmed.

    Only tags that are stored as such are markup; brackets that somebody typed are stored as entities and stay.
    """
    if not stored:
        return ""
    return _SPACES.sub(" ", html.unescape(_TAG.sub(" ", str(stored)))).strip()


def plain_text(markup: str | None) -> str:
    """Return the text of an HTML fragment: no tags, entities decoded, blocks and list items on lines of their own."""
    if not markup:
        return ""
    # Most fields hold plain text; skipping the parser saves time.
    text = _text_of(markup) if _MARKUP.search(markup) else markup
    lines = (line.replace("\u00a0", " ").strip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def slug(text: str) -> str:
    """Return lower-case letters and digits of any script joined by single hyphens, as Medusa accepts in handles."""
    letters = (
        char if unicodedata.category(char) in ("Ll", "Lo", "Lm", "Nd", "Nl", "No") else "-"
        for char in unicodedata.normalize("NFC", text.lower())
        if not unicodedata.category(char).startswith("M")
    )
    return _SLUG_BREAKS.sub("-", "".join(letters)).strip("-")


# The values of a product are made for its body, for its fingerprint and for its notes, one right after the other.
@lru_cache(maxsize=64)
def _text_of(markup: str) -> str:
    # Imported late: it loads lxml, which most runs do not need.
    from inscriptis import get_text
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig

    if markup.count("<") > DEEPEST and _depth(markup) > DEEPEST:
        return _text_of_deep(markup)
    # inscriptis decodes entities a second time after the parser, which would turn escaped text into tags.
    return get_text(_AMPERSAND.sub("&amp;amp;", markup), ParserConfig(css=CSS_PROFILES["strict"]))


def _depth(markup: str) -> int:
    """Return about how many elements lie inside each other at most."""
    deepest = depth = 0
    for is_end, name, is_closed in _ELEMENT.findall(markup):
        if is_end:
            depth = max(0, depth - 1)
        elif not is_closed and name.lower() not in _WITHOUT_END:
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def _text_of_deep(nested: str) -> str:
    """Return the text of HTML that is nested deeper than a parser goes: a line for each piece of text."""
    text = html.unescape(_ANY_TAG.sub("\n", _HIDDEN.sub("\n", nested)))
    return "\n".join(piece for line in text.splitlines() if (piece := " ".join(line.split())))
