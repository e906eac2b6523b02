"""Do both servers answer, have a supported version, accept the keys, and take the longest requests?"""

from collections.abc import Callable, Iterator

from erp_medusa_pipelines.clients.erpnext import LONGEST_REQUEST_LINE as LONGEST_TO_ERPNEXT
from erp_medusa_pipelines.clients.failures import (
    OLDEST_MEDUSA,
    AccessError,
    ApiError,
    PayloadTooLargeError,
    PermanentError,
)
from erp_medusa_pipelines.clients.medusa import LONGEST_REQUEST_LINE as LONGEST_TO_MEDUSA
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level, judged

WAY = "way"
"""Area of what lies between us and the servers: proxies limit what a short request does not meet."""

ERPNEXT_VERSIONS = (15, 16)
REACHABLE = "reachable"
"""Whether a server answers at all. Where one does not, most is not known."""


def erpnext_answers(shop: Shop) -> Iterator[Finding]:
    """Check that ERPNext answers, and its version."""
    http = shop.erp.http
    try:
        # It needs no key: a wrong key and a silent server are different findings.
        shop.erp.ping()
    except AccessError:
        pass  # The server is up; it refuses even this with a wrong key.
    except ApiError as error:
        yield Finding(
            "ERPNext", REACHABLE, Level.FAIL, str(error), "no task can run", "check ERPNEXT_URL and that it is up"
        )
        return
    yield Finding("ERPNext", REACHABLE, Level.OK, http.base_url)
    yield from _erpnext_key(shop)


def _erpnext_key(shop: Shop) -> Iterator[Finding]:
    try:
        user = shop.erp.user()
    except AccessError as error:
        yield Finding(
            "ERPNext", "key", Level.FAIL, error.reason, "no task can run", "set ERPNEXT_API_KEY and ERPNEXT_API_SECRET"
        )
        return
    yield Finding("ERPNext", "key", Level.OK, f"belongs to {user}")
    version = shop.erp.major_version
    wrong, fix = (
        "" if version in ERPNEXT_VERSIONS else f"{version}",
        f"use ERPNext {' or '.join(map(str, ERPNEXT_VERSIONS))}",
    )
    means = "its answers may differ from those that the tasks know"
    yield judged("ERPNext", "version", f"{version}", wrong, means, fix)


def medusa_answers(shop: Shop) -> Iterator[Finding]:
    """Check that Medusa answers, is a 2.x, and accepts the key. A 1.x is recognised by its open store routes."""
    http = shop.medusa.http
    try:
        health = http.request("GET", "/health", parse=False).text
        if health.strip() != "OK":
            raise http.foreign("GET /health", health[:2000])
    except ApiError as error:
        fix = "check MEDUSA_URL and that it is up"
        yield Finding("Medusa", REACHABLE, Level.FAIL, str(error), "no product can be sent", fix)
        return
    yield Finding("Medusa", REACHABLE, Level.OK, http.base_url)
    if _is_medusa_1(shop):
        yield Finding(
            "Medusa",
            "version",
            Level.FAIL,
            "1.x: its store answers without a publishable key",
            "it has none of the routes that the tasks use",
            "upgrade to Medusa 2, or set MEDUSA_URL to your Medusa 2",
        )
        return
    try:
        http.request("GET", "/admin/stores", params={"limit": 1, "fields": "id"})
    except AccessError as error:
        fix = "create a secret API key in Medusa (Settings, Secret API Keys) and set MEDUSA_API_KEY"
        if shop.settings.medusa_admin_email:
            fix = "set MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD of a Medusa user, or neither to use the key"
        yield Finding("Medusa", "key", Level.FAIL, error.reason, "no product can be sent", fix)
        return
    yield _medusa_version(shop)
    yield Finding("Medusa", "key", Level.OK, "is accepted")


def _medusa_version(shop: Shop) -> Finding:
    """Medusa does not say its version. One before 2.14 refuses the filter that every run looks collections up by.

    One before 2.17 has no route for product options.
    """
    fix = f"use Medusa {OLDEST_MEDUSA} or newer"
    try:
        query = {"external_id[]": "-", "limit": 1, "fields": "id"}
        shop.medusa.http.request("GET", "/admin/collections", params=query)
    except AccessError as error:
        means = "collections cannot be found again, so no product can be sent"
        return Finding("Medusa", "version", Level.FAIL, error.reason, means, fix)
    try:
        shop.medusa.refuse_old()
    except AccessError as error:
        means = "handles that are not in Latin letters may be refused, and a lost option cannot be added again"
        return Finding("Medusa", "version", Level.FAIL, error.reason, means, fix)
    return Finding("Medusa", "version", Level.OK, f"{OLDEST_MEDUSA} or newer")


def _is_medusa_1(shop: Shop) -> bool:
    """Return whether it is Medusa 1, whose store routes need no publishable key; Medusa 2 answers 400 without one."""
    try:
        answer = shop.medusa.http.request("GET", "/store/regions", params={"limit": 1})
    except PermanentError:
        return False
    return isinstance(answer, dict) and "regions" in answer


def longest_address_reaches_erpnext(shop: Shop) -> Iterator[Finding]:
    """Send ERPNext the longest address that lists use."""
    yield _longest("ERPNext", LONGEST_TO_ERPNEXT, shop.erp.try_longest_address)


def longest_address_reaches_medusa(shop: Shop) -> Iterator[Finding]:
    """Send Medusa the longest address that look-ups use."""
    yield _longest("Medusa", LONGEST_TO_MEDUSA, shop.medusa.try_longest_address)


def _longest(server: str, size: int, attempt: Callable[[], None]) -> Finding:
    name = f"longest address to {server}"
    try:
        attempt()
    except PayloadTooLargeError as error:
        means = "the tasks use shorter ones, so a night takes more requests"
        fix = "let the proxy take 8 KiB: large_client_header_buffers of nginx, LimitRequestLine of Apache"
        return Finding(WAY, name, Level.WARN, f"{size:,} bytes are refused: {error.reason}", means, fix)
    return Finding(WAY, name, Level.OK, f"{size:,} bytes get through")
