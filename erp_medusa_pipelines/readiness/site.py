"""The ERPNext site: its clock, zone, limits, mail, fast writes, and what it shows to visitors."""

from collections.abc import Iterator
from datetime import UTC, datetime

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.clients.rate_limit import LOW
from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level

AREA = "site"
MOST_SKEW_SECONDS = 30.0
PUBLIC = ("Email OTP", "User", "Customer", "Address", "Email Queue", "Sales Invoice")
"""DocTypes that visitors must not read."""


def clocks_agree(shop: Shop) -> Iterator[Finding]:
    """Check that this machine's clock agrees with ERPNext's, and that the schedules use the site's zone."""
    skew = (shop.erp.now() - datetime.now(UTC)).total_seconds()
    far = abs(skew) > MOST_SKEW_SECONDS
    yield Finding(
        AREA,
        "clock",
        Level.WARN if far else Level.OK,
        f"ERPNext's is {skew:+.0f} s from this machine's",
        "schedules tick by this machine's clock, passwords expire by ERPNext's" if far else "",
        "set both machines' clocks by NTP" if far else "",
    )
    zone, ours = shop.erp.time_zone.key, shop.settings.schedule_timezone
    other = zone != ours
    yield Finding(
        AREA,
        "time zone",
        Level.WARN if other else Level.OK,
        f"the site's is {zone}, SCHEDULE_TIMEZONE is {ours}" if other else zone,
        "the nightly tasks start at different hours than the Frappe app's did" if other else "",
        f"set SCHEDULE_TIMEZONE={zone}" if other else "",
    )


def requests_are_not_limited(shop: Shop) -> Iterator[Finding]:
    """Check whether the site, or what stands before Medusa, has a rate limit, and what is left of it."""
    shop.erp.ping()
    limits = {http.service: http.rate_limit for http in (shop.erp.http, shop.medusa.http) if http.rate_limit}
    if not limits:
        yield Finding(AREA, "rate limit", Level.OK, "none")
    for service, limit in limits.items():
        low = limit.share <= LOW
        means = (
            "runs go slower and ticks ask less often, so that it is not reached: a night takes longer"
            if low
            else "where less than a fifth of it is left, runs go slower and ticks ask less often"
        )
        fix = "raise or remove rate_limit in this site's site_config.json" if low and service == "ERPNext" else ""
        yield Finding(AREA, "rate limit", Level.WARN if low else Level.OK, f"{service}: {limit}", means, fix)


def mail_can_leave(shop: Shop) -> Iterator[Finding]:
    """Check that there is a default outgoing Email Account. Only a System Manager may read those."""
    filters = [["enable_outgoing", "=", 1], ["default_outgoing", "=", 1]]
    try:
        found = shop.erp.get_list("Email Account", ["name"], filters=filters, limit=1)
    except AccessError:
        yield Finding(AREA, "mail account", Level.SKIPPED, "the user may not read Email Account (nor has to)")
        return
    if not found:
        means = "quotation mails without an account of their own stay in the queue"
        fix = "set a default outgoing Email Account in ERPNext"
        yield Finding(AREA, "mail account", Level.FAIL, "no default outgoing account", means, fix)
    else:
        yield Finding(AREA, "mail account", Level.OK, found[0]["name"])


def ids_are_written_fast(shop: Shop) -> Iterator[Finding]:
    """Check that the Server Script is installed, enabled, and of this version."""
    if shop.writer.has_server_script:
        yield Finding(AREA, "Server Script", Level.OK, SERVER_SCRIPT_METHOD)
        return
    yield Finding(
        AREA,
        "Server Script",
        Level.WARN,
        shop.writer.script_problem,
        "ids are written by saving documents: only a few per second, and the app's save hooks run",
        "bench set-config -g server_script_enabled 1, and install this version's script",
        fixable=True,
    )


def strangers_see_nothing(shop: Shop) -> Iterator[Finding]:
    """Check what a visitor without a key may list. The Frappe app lets Guest read one-time passwords."""
    visitor = HttpClient("ERPNext", shop.erp.http.base_url, {}, options=HttpOptions(5.0, 30.0, attempts=1))
    try:
        seen = [doctype for doctype in PUBLIC if _shows(visitor, doctype)]
    finally:
        visitor.close()
    if not seen:
        yield Finding(AREA, "visitors", Level.OK, f"may not list {', '.join(PUBLIC)}")
        return
    yield Finding(
        AREA,
        "visitors",
        Level.FAIL,
        f"anyone without a key can list {', '.join(seen)}",
        "addresses are public" + (", and the codes that customers sign in with" if "Email OTP" in seen else ""),
        "remove the role Guest from them in ERPNext's Role Permissions Manager",
    )


def _shows(visitor: HttpClient, doctype: str) -> bool:
    try:
        visitor.request("GET", f"/api/resource/{doctype.replace(' ', '%20')}", params={"limit_page_length": 1})
    except (AccessError, PermanentError):
        return False
    return True
