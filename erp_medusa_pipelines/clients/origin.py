"""Whether an answer is the server's own, or of something between us and it: a proxy, a firewall, a login page.

A proxy that is being reloaded, a maintenance page or a firewall answers with any status, and says nothing about the
documents in the request. Whatever does not have a shape below is taken for one of these.
"""

import re
from collections.abc import Mapping
from json import dumps, loads
from typing import Any
from urllib.parse import urlsplit

import requests

_FRAPPE_KEYS = frozenset({"exc_type", "exception", "exc", "_server_messages", "_error_message"})
_FRAPPE_PAGES = re.compile(
    # Its own pages, those of werkzeug, which it runs on, and those of gunicorn, which runs it.
    r"<!-- Built on Frappe\."
    r"|\A<!doctype html>\s<html lang=en>\s<title>\d{3} "
    r"|\A<html>\s+<head>\s+<title>[\w ]+</title>\s+</head>\s+<body>\s+<h1><p>"
)
_MEDUSA_PAGE = re.compile(r"<pre>Cannot (?P<method>[A-Z]+) /")
_FRAPPE_ANSWERS = frozenset({"message", "data", "docs", "permissions", "user_settings", *_FRAPPE_KEYS})
_NODE_STATUSES = (400, 408, 431)
"""What Node's own parser refuses is answered with an empty body."""

URL_VARIABLES = {"ERPNext": "ERPNEXT_URL", "Medusa": "MEDUSA_URL"}


def is_own_refusal(service: str, where: str, status: int, body: Any) -> bool:
    """Return whether an answer with `status` >= 300 has a shape in which this server refuses.

    `where` is "METHOD path"; `body` is parsed JSON, or text.
    """
    if service == "Medusa":
        return _medusa_refuses(status, body)
    return _frappe_refuses(where, status, body)


def is_unknown_route(service: str, status: int | None, exc_type: str | None) -> bool:
    """Return whether Medusa, or another Express server at its address, says that it has no such route."""
    return service == "Medusa" and status == 404 and exc_type is None


def _medusa_refuses(status: int, body: Any) -> bool:
    if isinstance(body, Mapping):
        # A wrong key is the one refusal without a type; a gateway's {"message": ...} has none either.
        return isinstance(body.get("message"), str) and (isinstance(body.get("type"), str) or status == 401)
    text = str(body or "")
    if not text:
        return status in _NODE_STATUSES
    return status == 404 and bool(_MEDUSA_PAGE.search(text))


def _frappe_refuses(where: str, status: int, body: Any) -> bool:
    if isinstance(body, Mapping):
        errors = body.get("errors")
        of_v2 = isinstance(errors, list) and errors and isinstance(errors[0], Mapping) and "type" in errors[0]
        return bool(_FRAPPE_KEYS & body.keys()) or bool(of_v2)
    if 300 <= status < 400:
        # The web server of a bench answers so for names that end in these.
        return where.endswith((".html", "/"))
    return bool(_FRAPPE_PAGES.search(str(body or "")))


def is_frappe_answer(body: Any) -> bool:
    """Return whether the good answer of a function has one of Frappe's keys. One that returns nothing answers {}."""
    return isinstance(body, Mapping) and (not body or bool(_FRAPPE_ANSWERS & body.keys()))


def foreign_reason(service: str, status: int, content_type: str, words: str, location: str = "") -> str:
    """Say what answered in place of the server. `words` is the beginning of what it said."""
    kind = content_type.partition(";")[0].strip() or "no content type"
    said = f': "{words}"' if words else ", and nothing in it"
    variable = URL_VARIABLES.get(service, "the address")
    moved = ""
    if location:
        target = urlsplit(location)
        address = f"{target.scheme}://{target.netloc}{target.path}" if target.netloc else target.path
        moved = f" to {address} (if the server has moved, set {variable} to its new https address)"
    return (
        f"something else answered in its place, with HTTP {status}{moved} and {kind}{said}."
        f" Check the proxy, firewall or login page at {variable}"
    )


def parsed(response: requests.Response) -> Any:
    """Return the JSON body; ValueError where it is none.

    requests would read it as Latin-1 where a proxy calls it text without a charset.
    """
    found = loads(response.content)
    if b"\\ud" in response.content or b"\\uD" in response.content:
        # Half a character can be written in JSON, and nowhere else: no request could hold it.
        found = loads(dumps(found, ensure_ascii=False).encode(errors="replace"))
    return found
