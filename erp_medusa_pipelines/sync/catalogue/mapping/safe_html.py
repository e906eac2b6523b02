"""HTML of Frappe's Text Editor, reduced to what a shop can show: structure and links, no scripts, styles or forms."""

from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

_KEPT = frozenset(
    (
        "a", "b", "blockquote", "br", "code", "dd", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
        "li", "ol", "p", "pre", "s", "small", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
        "tr", "u", "ul",
    )
)  # fmt: skip
_WITHOUT_END = frozenset(("br", "hr"))
_HIDDEN = frozenset(("script", "style", "iframe", "object", "template", "noscript", "svg", "math", "title", "textarea"))
_SPANS = ("colspan", "rowspan")
_SCHEMES = ("http", "https", "mailto", "tel")


def safe_html(markup: str) -> str:
    """Return the HTML with the elements that only arrange and stress text, each closed; links only to the web."""
    cleaner = _Cleaner()
    cleaner.feed(markup)
    cleaner.close()
    return cleaner.text()


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._hidden: list[str] = []

    def text(self) -> str:
        return "".join([*self._parts, *(f"</{tag}>" for tag in reversed(self._open))]).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden or tag in _HIDDEN:
            self._hidden += [tag] if tag in _HIDDEN else []
        elif tag in _KEPT:
            self._parts.append(f"<{tag}{_attributes(tag, attrs)}>")
            if tag not in _WITHOUT_END:
                self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # To a browser, <p/> begins a paragraph and <script/> a script.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag in self._hidden:
                del self._hidden[self._hidden.index(tag) :]
        elif tag in self._open:
            # Elements that were left open inside it end with it.
            while (last := self._open.pop()) != tag:
                self._parts.append(f"</{last}>")
            self._parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._parts.append(escape(data, quote=False))


def _attributes(tag: str, given: list[tuple[str, str | None]]) -> str:
    kept = [(name, value or "") for name, value in given if name in _SPANS and (value or "").isdigit()]
    if tag == "a":
        kept = [(name, value) for name, value in given if name == "href" and value and _is_web(value)]
    return "".join(f' {name}="{escape(value)}"' for name, value in kept)


def _is_web(address: str) -> bool:
    # Browsers read past blanks and line ends inside a scheme.
    try:
        scheme = urlsplit("".join(address.split())).scheme.lower()
    except ValueError:
        return False
    return scheme in _SCHEMES or (not scheme and ":" not in address.partition("/")[0])
