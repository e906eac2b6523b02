"""Names as people typed them. Frappe stores `Luer <Slip> & Lock` as `Luer &lt;Slip&gt; &amp; Lock`."""

import html
import re

_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|code|div|em|font|h[1-6]|hr|i|img|li|mark|ol|p|pre|s|script|small|span|strike|strong|style"
    r"|sub|sup|table|tbody|td|th|tr|u|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")


def clean_name(stored: str | None) -> str:
    """Return a name for people: entities decoded, HTML tags removed, white space collapsed and trimmed.

    Only tags that are stored as such are markup; brackets that somebody typed are stored as entities and stay.
    """
    if not stored:
        return ""
    return _SPACES.sub(" ", html.unescape(_TAG.sub(" ", str(stored)))).strip()
