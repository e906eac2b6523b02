"""HTML of Frappe's Text Editor as plain text. The conversion itself is inscriptis'."""

import re

_BLANK_LINES = re.compile(r"\n{3,}")
_AMPERSAND = re.compile(r"&(?:amp|#0*38|#[xX]0*26);?")
_MARKUP = re.compile(r"<[a-zA-Z/!]|&[a-zA-Z#]")


def plain_text(html: str | None) -> str:
    """Return the text of an HTML fragment: no tags, entities decoded, blocks and list items on lines of their own."""
    if not html:
        return ""
    # Most fields hold plain text; skipping the parser saves time.
    text = _text_of(html) if _MARKUP.search(html) else html
    lines = (line.replace("\u00a0", " ").strip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _text_of(html: str) -> str:
    # Imported late: it loads lxml, which most runs do not need.
    from inscriptis import get_text
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig

    # inscriptis decodes entities a second time after the parser, which would turn escaped text into tags.
    return get_text(_AMPERSAND.sub("&amp;amp;", html), ParserConfig(css=CSS_PROFILES["strict"]))
