"""The ERPNext site: its clock, zone, limits, mail, fast writes, and what it shows to visitors."""

from collections.abc import Iterator
from datetime import UTC, datetime

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.clients.rate_limit import LOW
from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.readiness.findings import Finding, Level, judged

AREA = "site"
MOST_SKEW_SECONDS = 30.0
PUBLIC = ("Email OTP", "User", "Customer", "Address", "Email Queue", "Sales Invoice")
"""DocTypes that visitors must not read."""


def clocks_agree(shop: Shop) -> Iterator[Finding]:
    """Check that this machine's clock agrees with ERPNext's, and that the schedules use the site's zone."""
    skew = (shop.erp.now() - datetime.now(UTC)).total_seconds()
    found = f"ERPNext's is {skew:+.0f} s from this machine's"
    wrong, fix = found if abs(skew) > MOST_SKEW_SECONDS else "", "set both machines' clocks by NTP"
    means = "schedules tick by this machine's clock, passwords expire by ERPNext's"
    yield judged(AREA, "clock", found, wrong, means, fix, level=Level.WARN)
    zone, ours = shop.erp.time_zone.key, shop.settings.schedule_timezone
    wrong = f"the site's is {zone}, SCHEDULE_TIMEZONE is {ours}" if zone != ours else ""
    means = "the nightly tasks start at different hours than the Frappe app's did"
    yield judged(AREA, "time zone", zone, wrong, means, f"set SCHEDULE_TIMEZONE={zone}", level=Level.WARN)


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
    fine, wrong = found[0]["name"] if found else "", "" if found else "no default outgoing account"
    means = "quotation mails without an account of their own stay in the queue"
    yield judged(AREA, "mail account", fine, wrong, means, "set a default outgoing Email Account in ERPNext")


def ids_are_written_fast(shop: Shop) -> Iterator[Finding]:
    """Check that the Server Script is installed, enabled, and of this version."""
    means = "ids are written by saving documents: only a few per second, and the app's save hooks run"
    fix = "bench set-config -g server_script_enabled 1, and install this version's script"
    fine, wrong = SERVER_SCRIPT_METHOD, shop.writer.script_problem
    yield judged(AREA, "Server Script", fine, wrong, means, fix, level=Level.WARN, fixable=True)


def strangers_see_nothing(shop: Shop) -> Iterator[Finding]:
    """Check what a visitor without a key may list. The Frappe app lets Guest read one-time passwords."""
    visitor = HttpClient("ERPNext", shop.erp.http.base_url, {}, options=HttpOptions(5.0, 30.0, attempts=1))
    try:
        seen = [doctype for doctype in PUBLIC if _shows(visitor, doctype)]
    finally:
        visitor.close()
    fine, wrong = (
        f"may not list {', '.join(PUBLIC)}",
        f"anyone without a key can list {', '.join(seen)}" if seen else "",
    )
    means = "addresses are public" + (", and the codes that customers sign in with" if "Email OTP" in seen else "")
    fix = "remove the role Guest from them in ERPNext's Role Permissions Manager"
    yield judged(AREA, "visitors", fine, wrong, means, fix)


def _shows(visitor: HttpClient, doctype: str) -> bool:
    try:
        visitor.request("GET", f"/api/resource/{doctype.replace(' ', '%20')}", params={"limit_page_length": 1})
    except (AccessError, PermanentError):
        return False
    return True
