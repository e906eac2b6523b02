"""What both servers said last of their rate limits, for whoever asks them often: schedules, sensors, metrics."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from erp_medusa_pipelines.clients.failures import RateLimitedError
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.rate_limit import RateLimit
from erp_medusa_pipelines.orchestration import state

OUR_PART = 0.1
"""Of what is left, what ticks may use together: runs, and above all staff, need the rest."""
UNSAID = 60.0
"""Seconds to rest after a refusal that names none."""

SERVERS = ("ERPNext", "Medusa")
_KEYS = {service: f"rate_limit/{service}" for service in SERVERS}


def note(instance: dg.DagsterInstance, http: HttpClient, refusal: Exception | None = None) -> None:
    """Keep what the client's server said of its limit, if it has one; `refusal` is how the last question ended."""
    found, now = http.rate_limit, _now().timestamp()
    if isinstance(refusal, RateLimitedError):
        limit, used = (found.limit, found.used) if found else (1.0, 1.0)
        found = RateLimit(limit, 0.0, now + (refusal.retry_after or UNSAID), used)
    if found:
        kept = {"limit": found.limit, "remaining": found.remaining, "ends": found.ends, "used": found.used}
        state.save(instance, _KEYS[http.service], {**kept, "next": now + found.pause(OUR_PART, now)})


def known(instance: dg.DagsterInstance) -> Mapping[str, RateLimit]:
    """Return the limits by server, whole again where their windows have ended. One that has none is missing."""
    found: dict[str, RateLimit] = {}
    for service, key in _KEYS.items():
        if kept := state.load(instance, key):
            remaining = kept["remaining"] if kept["ends"] > _now().timestamp() else kept["limit"]
            found[service] = RateLimit(kept["limit"], remaining, kept["ends"], kept["used"])
    return found


def reason_to_rest(instance: dg.DagsterInstance) -> str:
    """Return why ERPNext should not be asked by a tick now, or ""."""
    until = state.load(instance, _KEYS["ERPNext"]).get("next", 0.0)
    if until <= _now().timestamp():
        return ""
    limit = known(instance)["ERPNext"]
    return f"ERPNext: {limit}, it is asked again at {datetime.fromtimestamp(until, UTC):%H:%M:%S} UTC"


def _now() -> datetime:
    return datetime.now(UTC)
