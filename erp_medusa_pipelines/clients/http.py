"""How requests are sent: pooled sessions, time-outs, retries with jittered backoff, counting, no secrets in messages.

Retrying itself is tenacity's, pooling and Retry-After parsing urllib3's.
"""

import logging
import re
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from erp_medusa_pipelines.clients.abortable import AbortableAdapter, limited
from erp_medusa_pipelines.clients.facts import Facts
from erp_medusa_pipelines.clients.failures import (
    AccessError,
    ApiError,
    ForeignAnswerError,
    PermanentError,
    RateLimitedError,
    TransientError,
    foreign_answer,
    judge_answer,
    judge_exception,
)
from erp_medusa_pipelines.clients.login import ADMIN, LOGIN, Login
from erp_medusa_pipelines.clients.origin import parsed
from erp_medusa_pipelines.clients.rate_limit import RateLimit, read_rate_limit

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
"""Seconds. A server that asks for a longer pause gets its partition given back instead of a sleeping run."""

TOO_MANY = 429
OUR_PART = 0.5
"""Of what is left of a rate limit, what a run may use: staff and other runs need some, too."""

LONGEST_CALL = 2.0
"""One request and its answer, in read time-outs. A read time-out alone starts anew with every byte."""

_STOPPED = threading.Event()


def _pause(seconds: float) -> None:
    _STOPPED.wait(seconds)


DEFAULT_SLEEP: Callable[[float], None] = _pause
"""How retries wait; a client can be given its own."""

_CLIENTS: "weakref.WeakSet[HttpClient]" = weakref.WeakSet()

_SAFE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_ADDRESS = re.compile(r"[^\s<>()\[\]{}'\",;:=]+@[^\s<>()\[\]{}'\",;:=]+")
_WIRE_SECRETS = re.compile(r"\b(?:token|basic|bearer)\s+[^\s\"',]+|\b[sp]k_[0-9a-f]{8,}", re.IGNORECASE)


@dataclass(frozen=True)
class HttpOptions:
    """Time-outs in seconds; `attempts` counts the first try. `keeps_pace`: wait where a rate limit is near."""

    connect_timeout: float = 5.0
    read_timeout: float = 130.0
    attempts: int = 4
    connections: int = 8
    keeps_pace: bool = True


class Redactor:
    """Replaces known secrets, and what looks like one, in any text that leaves the client.

    With `hide_addresses` set it replaces e-mail addresses as well: for work on documents about private people.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.hide_addresses = False
        self._known: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Redact this secret as well."""
        if secret in self._known:
            return
        forms = {*self._known, secret, quote(secret, safe="")} - {""}
        self._known = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return the text with all known secrets redacted."""
        for secret in self._known:
            text = text.replace(secret, "***")
        if self.hide_addresses:
            text = _ADDRESS.sub("<address>", text)
        return _WIRE_SECRETS.sub("***", text)


class StoppedError(Exception):
    """The process is ending: nothing is sent any more. No failure of a server, so that nothing is retried or held."""


def stop_all() -> None:
    """End what every client of this process is doing, for good: threads that wait for an answer raise StoppedError."""
    _STOPPED.set()
    for client in list(_CLIENTS):
        client.abort()


class HttpClient:
    """One server. Thread-safe: up to `options.connections` requests at once share pooled connections.

    Raises only `ApiError`s, and StoppedError after `stop_all`. `counts` holds requests by method, `retries`, and
    refusals for `too_many` requests.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        secrets: Iterable[str] = (),
        options: HttpOptions = HttpOptions(),
        sleep: Callable[[float], None] | None = None,
        facts: dict[str, Any] | None = None,
        login: Login | None = None,
    ) -> None:
        self.service = service
        self.base_url = base_url.rstrip("/")
        self.redact = Redactor(secrets)
        self.counts: Counter[str] = Counter()
        self._login = login
        self.facts = Facts(service, facts)
        self._facts = self.facts.known
        self.once, self.seen, self.forget = self.facts.once, self.facts.seen, self.facts.forget
        self._options = options
        self._sleep = sleep or DEFAULT_SLEEP
        self._backoff = wait_random_exponential(multiplier=0.5, max=20)
        self._lock = threading.Lock()
        self._slowed = 0.0
        self._session = requests.Session()
        # Frappe sets session cookies on token requests; sending them back would mix two kinds of login.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"Accept": "application/json", **headers})
        # The environment's netrc must never replace the Authorization header that was configured.
        self._session.trust_env = True
        self._session.auth = _keep_headers
        self._adapter = AbortableAdapter(
            pool_connections=1, pool_maxsize=options.connections, max_retries=0, pool_block=True
        )
        self._session.mount(self._origin() + "/", self._adapter)
        _CLIENTS.add(self)

    def __repr__(self) -> str:
        return f"HttpClient({self.service} at {self.base_url})"

    def close(self) -> None:
        """Close pooled connections."""
        self._session.close()

    def abort(self) -> None:
        """Close every connection at once, from another thread: waiting calls fail."""
        self._adapter.abort()

    @property
    def requests_sent(self) -> int:
        """Requests sent so far, retries included."""
        return self.counts["requests"]

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the server said last of its rate limit to any client of the same facts; None where it has none."""
        return self._facts.get(f"{self.service} rate limit")

    @property
    def seconds_slowed(self) -> float:
        """Seconds that requests have waited so that the rate limit is not reached."""
        return self._slowed

    @property
    def server_clock(self) -> datetime | None:
        """The server's time now (UTC), counted on from the Date header of its last answer; None before the first."""
        dated = self._facts.get(f"{self.service} clock")
        if dated is None:
            return None
        date, at = dated
        return date + timedelta(seconds=time.monotonic() - at)

    def pause(self, seconds: float) -> None:
        """Wait as long before the next request, or until everything is stopped."""
        self._sleep(seconds)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        json: Any = None,
        data: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        read_timeout: float | None = None,
        parse: bool = True,
        attempts: int | None = None,
    ) -> Any:
        """Send and return the parsed JSON body (`parse=False`: the `requests.Response`).

        `repeatable` says that sending twice does no harm (default: every method but POST). What is not repeatable is
        sent again only where the server surely did not carry it out; otherwise the error says `ambiguous`.
        """
        where = f"{method} {path.partition('?')[0]}"
        options = {"params": params, "json": json, "data": data, "files": files, "headers": headers}
        options["timeout"] = (self._options.connect_timeout, read_timeout or self._options.read_timeout)
        repeat_ok = method in _SAFE_METHODS if repeatable is None else repeatable
        reads = method in ("GET", "HEAD")
        retrying = self._retrying(repeat_ok, attempts, reads=reads)
        asks = partial(retrying, self._answer, method, path, where, options, parse)
        return self.facts.answer(method, path, params or json, asks) if parse else asks()

    def download(self, path: str, *, limit: int) -> bytes:
        """The bytes under a path. Raises PermanentError for more than `limit`, without reading them all.

        A web page is never the file that was asked for, but a login page (ForeignAnswerError).
        """
        # Not compressed: what is read is then what counts against the limit.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        timeout = (self._options.connect_timeout, self._options.read_timeout)
        options = {"headers": headers, "timeout": timeout, "stream": True}
        return self._retrying(True, None, reads=True)(self._body_within, path, f"GET {path}", options, limit)

    def part(self, answer: Any, key: str, path: str) -> Any:
        """`answer[key]` of an answer from `path`; ForeignAnswerError when something else answers there."""
        if isinstance(answer, dict) and key in answer:
            return answer[key]
        raise self.foreign(path, answer)

    def foreign(self, path: str, answer: Any) -> ApiError:
        """Return the error for a good answer in a shape that is not the server's."""
        return self._clean(foreign_answer(self.service, path, 200, answer, content_type="application/json"))

    def _retrying(self, repeat_ok: bool, attempts: int | None, *, reads: bool) -> Retrying:
        def worth_retrying(error: BaseException) -> bool:
            if not isinstance(error, TransientError) or (error.ambiguous and not repeat_ok):
                return False
            if isinstance(error, ForeignAnswerError) and not reads:
                # It may be about what the request holds; who sends it can tell by other requests.
                return False
            return error.retry_after is None or error.retry_after <= LONGEST_WAIT

        return Retrying(
            retry=retry_if_exception(worth_retrying),
            stop=stop_after_attempt(attempts or self._options.attempts),
            wait=self._wait,
            sleep=self._sleep,
            before_sleep=self._note_retry,
            reraise=True,
        )

    def _in_time(self, where: str, timeout: float, call: Callable[[], Any]) -> Any:
        """Return what the call returns. Raises TransientError where it takes too long."""
        longest = timeout * LONGEST_CALL
        with limited(longest) as deadline:
            try:
                answer = call()
            except ApiError:
                if not deadline.is_over:
                    raise
            else:
                # A head that was cut off is read as a whole answer without a body.
                if not deadline.is_over:
                    return answer
        reason = f"the answer was not there whole after {longest:,.0f} s, though it was on its way"
        raise self._clean(TransientError(self.service, where, reason, ambiguous=True))

    def _answer(self, method: str, path: str, where: str, options: dict[str, Any], parse: bool) -> Any:
        timeout = options["timeout"][1]
        response = self._in_time(where, timeout, lambda: self._send(method, path, where, options))
        if not parse:
            return response
        try:
            return parsed(response)
        except ValueError:
            content_type = response.headers.get("Content-Type", "")
            if response.content and content_type.startswith("application/json"):
                raise TransientError(
                    self.service, where, "the response was cut off", status=response.status_code, ambiguous=True
                ) from None
            raise self._clean(
                foreign_answer(
                    self.service, where, response.status_code, response.text[:2000], content_type=content_type
                )
            ) from None

    def _body_within(self, path: str, where: str, options: dict[str, Any], limit: int) -> bytes:
        timeout = options["timeout"][1]
        return self._in_time(where, timeout, lambda: self._body_at_once(path, where, options, limit))

    def _body_at_once(self, path: str, where: str, options: dict[str, Any], limit: int) -> bytes:
        with self._send("GET", path, where, options) as response:
            content = bytearray()
            content_type = response.headers.get("Content-Type", "")
            try:
                if content_type.startswith("text/html"):
                    page = next(response.iter_content(2000), b"").decode(errors="replace")
                    raise self._clean(
                        foreign_answer(self.service, where, response.status_code, page, content_type=content_type)
                    )
                for piece in response.iter_content(64 * 1024):
                    content += piece
                    if len(content) > limit:
                        raise PermanentError(
                            self.service, where, f"the file is larger than the limit of {limit:,} bytes"
                        )
            except requests.RequestException as error:
                raise self._clean(judge_exception(self.service, where, error)) from None
            return bytes(content)

    def _send(self, method: str, path: str, where: str, options: dict[str, Any]) -> requests.Response:
        """Send; where somebody has to log in, once more with a new token if the server does not accept the last one."""
        if self._login is None or not path.startswith(ADMIN):
            return self._send_once(method, path, where, options)
        token = self._login.token(self._log_in)
        try:
            return self._send_with(token, method, path, where, options)
        except AccessError as error:
            if error.status != 401:
                raise
        return self._send_with(self._login.token(self._log_in, stale=token), method, path, where, options)

    def _send_with(self, token: str, method: str, path: str, where: str, options: dict[str, Any]) -> requests.Response:
        # Another client of the run may have logged in.
        self.redact.add(token)
        headers = {**(options.get("headers") or {}), "Authorization": f"Bearer {token}"}
        return self._send_once(method, path, where, {**options, "headers": headers})

    def _log_in(self, login: Login) -> str:
        where, timeout = f"POST {LOGIN}", (self._options.connect_timeout, self._options.read_timeout)
        credentials = {"email": login.email, "password": login.password.get_secret_value()}
        try:
            answer = self._send_once("POST", LOGIN, where, {"json": credentials, "timeout": timeout})
        except AccessError as error:
            if error.status != 401:
                raise
            reason = "e-mail or password not accepted: check MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD"
            raise AccessError(self.service, where, reason, status=401, exc_type=error.exc_type) from None
        try:
            token = str(self.part(parsed(answer), "token", where))
        except ValueError:
            raise self.foreign(where, answer.text[:2000]) from None
        return token

    def _send_once(self, method: str, path: str, where: str, options: dict[str, Any]) -> requests.Response:
        if not path.startswith("/"):
            # Glued to the address it could name another server, which would then be shown the key.
            raise PermanentError(self.service, where, "is not a path on this server: it must begin with /")
        if _STOPPED.is_set():
            raise StoppedError(f"{self.service}: {self.redact(where)} is not sent, the process is ending")
        self._keep_pace(where)
        with self._lock:
            self.counts["requests"] += 1
            self.counts[method] += 1
        try:
            response = self._session.request(method, self.base_url + path, allow_redirects=False, **options)
            self._note_date(response)
            self._note_rate_limit(response)
            milliseconds = response.elapsed.total_seconds() * 1000
            log.debug("%s %s: %d in %.0f ms", self.service, self.redact(where), response.status_code, milliseconds)
            if response.status_code < 300:
                return response
            with response:
                status, body = response.status_code, _body(response)
            if status == TOO_MANY:
                with self._lock:
                    self.counts["too_many"] += 1
        except requests.RequestException as error:
            # `from None`: the text of a requests exception repeats the address with its query.
            raise self._clean(judge_exception(self.service, where, error)) from None
        raise self._clean(
            judge_answer(
                self.service,
                where,
                status,
                body,
                retry_after=_retry_after(response),
                content_type=response.headers.get("Content-Type", ""),
                location=response.headers.get("Location", ""),
            )
        )

    def _keep_pace(self, where: str) -> None:
        """Wait where little of the rate limit is left, so that what is left lasts. Others use it as well.

        Raises RateLimitedError where that is longer than a run may sleep: its work is given back before it is refused.
        """
        known = self.rate_limit if self._options.keeps_pace else None
        pause = known.pause(OUR_PART) if known else 0.0
        if known is None or not pause:
            return
        if pause > LONGEST_WAIT:
            reason = f"{known}: nothing is sent until then"
            raise RateLimitedError(self.service, where, reason, retry_after=pause)
        with self._lock:
            self._slowed += pause
        log.info("%s: %s, the next request waits %.1f s", self.service, known, pause)
        self._sleep(pause)

    def _note_rate_limit(self, response: requests.Response) -> None:
        if found := read_rate_limit(response.headers):
            self._facts[f"{self.service} rate limit"] = found

    def _note_date(self, response: requests.Response) -> None:
        header = response.headers.get("Date")
        try:
            if header:
                moment = parsedate_to_datetime(header)
                # "-0000" is UTC as well, but parsed as if it had no zone.
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                self._facts[f"{self.service} clock"] = (moment, time.monotonic())
        except ValueError:
            log.warning("%s sent an unreadable Date header: %r", self.service, header)

    def _clean(self, error: ApiError) -> ApiError:
        error.reason, error.where = self.redact(error.reason), self.redact(error.where)
        error.args = tuple(self.redact(str(arg)) for arg in error.args)
        return error

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ApiError) else None
        return asked if asked is not None else self._backoff(state)

    def _note_retry(self, state: RetryCallState) -> None:
        with self._lock:
            self.counts["retries"] += 1
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0
        log.warning("%s; attempt %d failed, next in %.1f s", error, state.attempt_number, pause)

    def _origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _retry_after(response: requests.Response) -> float | None:
    """Seconds of a Retry-After header, in either of its forms; None when absent or unreadable."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, Retry().parse_retry_after(value))
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _body(response: requests.Response) -> Any:
    try:
        return parsed(response)
    except ValueError:
        return response.text[:2000]
