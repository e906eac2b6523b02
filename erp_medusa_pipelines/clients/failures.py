"""What an answer or an exception of a server means: retry, rejected, not allowed, too large.

ERPNext answers 500 both for passing trouble (lock waits, a lost database) and for bad data (a wrong datetime), so its
`exc_type` decides before the status does. Medusa answers 500 `unknown_error` for some client mistakes as well; nothing
in the answer tells them apart, so they count as transient and callers isolate the item that keeps failing.
"""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.exceptions import SSLError as Urllib3SSLError

from erp_medusa_pipelines.clients.origin import foreign_reason, is_own_refusal, is_unknown_route
from erp_medusa_pipelines.clients.rights import role_for

OLDEST_MEDUSA = "2.17"
"""The oldest Medusa that works: 2.16 takes handles in any script, 2.17 adds options to products that lost theirs."""

Verdict = Literal["retry", "rate_limited", "permanent", "access", "too_large", "foreign"]


class ApiError(Exception):
    """A request to a server failed.

    `reason` says what is wrong in words for people; `status` is the HTTP status (None without an answer);
    `exc_type` is Frappe's exception name or Medusa's error type; `where` is "METHOD path" without the query.
    """

    def __init__(
        self,
        service: str,
        where: str,
        reason: str,
        *,
        status: int | None = None,
        exc_type: str | None = None,
        retry_after: float | None = None,
        ambiguous: bool = False,
    ) -> None:
        self.service = service
        self.where = where
        self.reason = reason
        self.status = status
        self.exc_type = exc_type
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        """True when the request may have been carried out although no good answer came."""
        status_text = f" [{status} {exc_type}]" if status and exc_type else f" [{status}]" if status else ""
        super().__init__(f"{service}: {reason} ({where}{status_text})")


class TransientError(ApiError):
    """May work later: time-outs, lost connections, overload, a server being restarted."""


class RateLimitedError(TransientError):
    """The server asks to slow down; `retry_after` holds its seconds when it named them."""


class ForeignAnswerError(TransientError):
    """Something between us and the server answered: a proxy, a firewall, a login or maintenance page.

    It says nothing about the documents in the request, unless others of the same kind get through (`is_blocked`).
    """


class PermanentError(ApiError):
    """Will not work until data or configuration change."""


class AccessError(PermanentError):
    """Wrong key or missing rights: concerns the whole run, never a single item."""


class PayloadTooLargeError(PermanentError):
    """The request was too big; a smaller one may pass."""


@dataclass(frozen=True)
class Rule:
    """One row of the table. Empty fields match everything; the first row that matches decides."""

    verdict: Verdict
    advice: str
    status: range | None = None
    exc_type: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    applied: bool = False
    """True when the server may have carried the request out although it answers so."""
    foreign: bool = False
    """True for a row about answers that are not the server's own; the others are about any answer."""


def _s(low: int, high: int | None = None) -> range:
    return range(low, (high or low) + 1)


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# fmt: off
RULES: tuple[Rule, ...] = (
    Rule("rate_limited", "too many requests", status=_s(429)),
    # The filter and the field came in one version; every run looks its collections up by it first.
    Rule("access", f"this Medusa is older than {OLDEST_MEDUSA}, whose collections have no external_id: upgrade it",
         status=_s(400), text=_re(r"Unrecognized fields: .*'external_id'")),
    Rule("access", "key or secret not accepted: check {key_variables}", status=_s(401)),
    Rule("retry", "a row is locked or a transaction was rolled back by the database",
         exc_type=_re(r"^(QueryTimeoutError|QueryDeadlockError|TooManyConnections)$")),
    Rule("retry", "somebody else changed the document at the same time",
         exc_type=_re(r"^(DocumentLockedError|FileLockTimeout|LockTimeoutError)$")),
    Rule("retry", "a row is locked or a transaction was rolled back by the database",
         exc_type=_re(r"^(OperationalError|InternalError)$"), text=_re(r"\((1205|1213)\b")),
    Rule("retry", "the database cannot be reached", exc_type=_re(r"^(OperationalError|InterfaceError)$"),
         text=_re(r"\((2002|2003|2006|1040)\b")),
    # Lost while a statement ran: the statement may have been the commit.
    Rule("retry", "the connection to the database was lost", exc_type=_re(r"^(OperationalError|InterfaceError)$"),
         text=_re(r"\(2013\b"), applied=True),
    # Redis, or a server that a save hook calls.
    Rule("retry", "a server that ERPNext needs for this did not answer", status=_s(500), applied=True,
         exc_type=_re(r"^(ConnectionError|ConnectTimeout|ReadTimeout|TimeoutError|BusyLoadingError)$")),
    Rule("retry", "the site is in maintenance mode", exc_type=_re(r"^(SessionStopped|InReadOnlyMode)$")),
    Rule("too_large", "the request is too large", status=_s(413)),
    Rule("too_large", "the address is too long", status=_s(414)),
    Rule("too_large", "the address is too long", status=_s(431)),
    Rule("too_large", "the address is too long", status=_s(400), text=_re(r"Request Line is too large")),
    Rule("foreign", "", status=_s(300, 407), foreign=True),
    Rule("foreign", "", status=_s(409, 424), foreign=True),
    Rule("foreign", "", status=_s(426, 499), foreign=True),
    Rule("access", "the user lacks a right: give it the roles listed in docs/rights.md", status=_s(403),
         exc_type=_re(r"^PermissionError$")),
    Rule("access", "not permitted: check the user's roles and the key", status=_s(403)),
    Rule("retry", "another request is changing the same rows", status=_s(409),
         exc_type=_re(r"^(conflict|idempotency_error)$")),
    Rule("retry", "request time-out or too early", status=_s(408), applied=True),
    Rule("retry", "request time-out or too early", status=_s(425)),
    # A gateway answers so as well when the server is lost after it got the request.
    Rule("retry", "temporarily unavailable", status=_s(503), applied=True, foreign=True),
    Rule("retry", "temporarily unavailable", status=_s(503)),
    Rule("retry", "the gateway timed out; the server may still be working on the request", status=_s(502, 504),
         applied=True),
    Rule("retry", "internal error in Medusa", status=_s(500), exc_type=_re(r"^unknown_error$"), applied=True),
    # A Frappe answer with an exc_type other than the ones above names a programming, data or configuration error.
    Rule("permanent", "the server failed on this request (its Error Log says where)", status=_s(500, 501),
         exc_type=_re(r".")),
    Rule("retry", "the server failed without giving a reason (a killed worker process looks like this)",
         status=_s(500, 599), applied=True),
    Rule("permanent", "the address redirects: set the URL variable to the final https address", status=_s(300, 399)),
    Rule("permanent", "", status=_s(400, 499)),
)
# fmt: on

KEY_VARIABLES = {"ERPNext": "ERPNEXT_API_KEY and ERPNEXT_API_SECRET", "Medusa": "MEDUSA_API_KEY"}
"""By service, what stands for `{key_variables}` in the advice of a rule."""

_ERROR_TYPES: dict[Verdict, type[ApiError]] = {
    "retry": TransientError,
    "rate_limited": RateLimitedError,
    "permanent": PermanentError,
    "access": AccessError,
    "too_large": PayloadTooLargeError,
    "foreign": ForeignAnswerError,
}


def is_blocked(error: ApiError) -> bool:
    """Return whether a write did not get as far as a judgement of its documents.

    What stopped it is a firewall, a page, a missing right or an unknown route: it may stop every request, or this one
    for what is in it. Which of the two is to be learnt from other requests.
    """
    if error.where.startswith("GET "):
        return False
    if isinstance(error, AccessError):
        return error.status == 403
    return isinstance(error, ForeignAnswerError) or is_unknown_route(error.service, error.status, error.exc_type)


def may_be_about_its_values(error: ApiError) -> bool:
    """Return whether a look-up was refused by a firewall, a page or a missing right: perhaps for what it asks for.

    Which right ERPNext misses it says itself.
    """
    if isinstance(error, AccessError):
        return error.status == 403 and error.service == "Medusa"
    return isinstance(error, ForeignAnswerError)


def is_gone(error: ApiError) -> bool:
    """Return whether the server itself says that there is no such document; a page with 404 says nothing of it."""
    return error.status == 404 and error.exc_type is not None


def judge_answer(
    service: str,
    where: str,
    status: int,
    body: Any,
    *,
    retry_after: float | None = None,
    content_type: str = "",
    location: str = "",
) -> ApiError:
    """Return the error for an HTTP answer with `status` >= 300. `body` is parsed JSON, or text."""
    exc_type, message = describe(body)
    is_own = is_own_refusal(service, where, status, body)
    for rule in RULES:
        if rule.foreign and is_own:
            continue
        if rule.status is not None and status not in rule.status:
            continue
        if rule.exc_type is not None and not rule.exc_type.search(exc_type or ""):
            continue
        if rule.text is not None and not rule.text.search(message):
            continue
        if rule.verdict == "foreign":
            return foreign_answer(service, where, status, body, content_type=content_type, location=location)
        # Without its type the text of a Python error often says nothing: "list index out of range".
        named = f"{exc_type} {message}".strip() if status >= 500 and rule.verdict == "permanent" else message
        role = role_for(where, message) if rule.verdict == "access" and status == 403 else None
        advice = rule.advice.format(key_variables=KEY_VARIABLES.get(service, "the key"))
        reason = ": ".join(part for part in (advice, role, named) if part)
        reason = reason or f"refused with HTTP {status}{f' ({exc_type})' if exc_type else ''}"
        return _ERROR_TYPES[rule.verdict](
            service, where, reason, status=status, exc_type=exc_type, retry_after=retry_after, ambiguous=rule.applied
        )
    return PermanentError(service, where, f"unexpected HTTP status {status}: {message}", status=status)


def foreign_answer(
    service: str, where: str, status: int, body: Any, *, content_type: str = "", location: str = ""
) -> ForeignAnswerError:
    """Return the error for an answer that is not the server's own, with what was seen of it."""
    words = describe(body)[1] if isinstance(body, str) else json.dumps(body)
    reason = foreign_reason(service, status, content_type, _short(words, _LONGEST_PAGE_TEXT), location)
    # It may have been put in the place of the server's answer, after the request was carried out.
    return ForeignAnswerError(service, where, reason, status=status, ambiguous=True)


def judge_exception(service: str, where: str, error: requests.RequestException) -> ApiError:
    """Return the error for an exception of requests. Only failures before sending are unambiguous."""
    cause: BaseException | None = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(error, requests.exceptions.SSLError) or isinstance(cause, Urllib3SSLError):
        return PermanentError(
            service,
            where,
            "the TLS certificate is not trusted: fix it, or set REQUESTS_CA_BUNDLE to the file of your own CA",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return TransientError(service, where, "the proxy set in HTTPS_PROXY or HTTP_PROXY cannot be reached")
    if isinstance(cause, NameResolutionError):
        return TransientError(service, where, f"the host name cannot be resolved{_at(error)}: check the URL variable")
    # urllib3 derives the refused connection from the one that took too long, so it is asked for first.
    if isinstance(cause, NewConnectionError):
        return TransientError(service, where, f"connection refused{_at(error)}: is the server running?")
    if isinstance(error, requests.ConnectTimeout) or isinstance(cause, ConnectTimeoutError):
        return TransientError(service, where, f"no connection{_at(error)} within the time limit")
    if isinstance(error, requests.ReadTimeout) or isinstance(cause, ReadTimeoutError):
        return TransientError(service, where, "no response within the time limit", ambiguous=True)
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return TransientError(
            service, where, "the connection was lost before the response was complete", ambiguous=True
        )
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return TransientError(service, where, "the response was corrupted in transit", ambiguous=True)
    return PermanentError(service, where, f"the request could not be made: {type(error).__name__}")


def _at(error: requests.RequestException) -> str:
    """Return where the server was looked for: host and port alone, an address may hold a key."""
    parts = urlsplit(str((error.request and error.request.url) or ""))
    host = parts.netloc.rpartition("@")[2]
    return f" at {parts.scheme}://{host}" if host else ""


_TAGS = re.compile(r"<[^>]+>")
_TITLE = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(r"<(head|style|script|title)\b.*?(</\1>|\Z)|<!--.*?(-->|\Z)", re.IGNORECASE | re.DOTALL)
_LONGEST_PAGE_TEXT = 200
"""Characters. A longer page is a whole web site, of which only the title is worth showing."""


def describe(body: Any) -> tuple[str | None, str]:
    """(exc_type, message) of an error body of Frappe v1, Frappe v2, Medusa or a gateway's HTML page."""
    if isinstance(body, Mapping):
        if "exc_type" in body or "exception" in body:
            return body.get("exc_type"), _short(_frappe_message(body))
        errors = body.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
            return errors[0].get("type"), _short(str(errors[0].get("message") or ""))
        return body.get("type"), _short(str(body.get("message") or ""))
    page = str(body or "")
    text = _short(_UNSEEN.sub(" ", page), _LONGEST_PAGE_TEXT + 1)
    title = _TITLE.search(page)
    if title and (not text or len(text) > _LONGEST_PAGE_TEXT):
        text = title.group(1)
    return None, _short(text, _LONGEST_PAGE_TEXT)


def _frappe_message(body: Mapping[str, Any]) -> str:
    exception = str(body.get("exception") or "").partition(": ")[2]
    shown = _server_messages(body) or str(body.get("_error_message") or "")
    # The text of an integrity error is the database's; the message made from it is for people.
    return shown if shown and exception.startswith("(") else exception or shown


def _server_messages(body: Mapping[str, Any]) -> str:
    """Frappe's `_server_messages`: a JSON list of JSON strings, each with a `message` that may hold HTML."""
    try:
        texts = [json.loads(entry).get("message", "") for entry in json.loads(body.get("_server_messages") or "[]")]
    except (ValueError, AttributeError, TypeError):
        return ""
    return "; ".join(text for text in texts if text)


def _short(text: str, limit: int = 400) -> str:
    text = " ".join(html.unescape(_TAGS.sub(" ", text)).split())
    # What is wrong often stands at the end, after a long value.
    return text if len(text) <= limit else f"{text[: limit - limit // 4 - 3]} … {text[-(limit // 4) :]}"
