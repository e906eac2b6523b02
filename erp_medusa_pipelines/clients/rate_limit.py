"""What a server's headers say about its rate limit, and how long to wait so that it is not reached.

Frappe counts microseconds of worker time of all users in a window (site_config `rate_limit`, frappe/rate_limiter.py):
X-RateLimit-Limit, -Remaining, -Reset (seconds until the window ends) and -Used (this request). Proxies count requests
and say X-RateLimit-* or RateLimit-*; some give the end of the window as a moment.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

LOW = 0.2
"""Share of the limit that is left when we begin to go slower. Above it nobody waits."""

ROUNDED = 1.0
"""Seconds. Servers say in whole seconds when the window ends."""

_A_MOMENT = 1e9
"""A reset above this is no number of seconds but a moment, in seconds since 1970."""


@dataclass(frozen=True)
class RateLimit:
    """What one answer said. `limit`, `remaining` and `used` are in the server's own unit; `ends` in seconds since 1970.

    `used` is what the request cost, or 1 where the server does not say.
    """

    limit: float
    remaining: float
    ends: float
    used: float = 1.0

    @property
    def share(self) -> float:
        """What is left, as a share of the limit: 1 for all of it."""
        return min(1.0, max(0.0, self.remaining / self.limit)) if self.limit > 0 else 0.0

    def left_for(self, now: float | None = None) -> float:
        """Return the seconds until the limit is whole again."""
        return max(0.0, self.ends - (time.time() if now is None else now))

    def pause(self, part: float = 1.0, now: float | None = None) -> float:
        """Return the seconds to wait before the next request, so that what is left lasts until the window ends.

        0 while more than LOW is left. `part` is the share of it that the caller may use: others need some, too.
        """
        if self.share > LOW:
            return 0.0
        requests = self.remaining * part / max(self.used, 1e-9)
        if requests < 1:
            return self.left_for((time.time() if now is None else now) - ROUNDED)
        return self.left_for(now) / requests

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.share:.0%} of its rate limit is left for {self.left_for():.0f} s"


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Return what the headers say; None where they say nothing, or nothing that can be read."""
    prefix = next((one for one in ("X-RateLimit-", "RateLimit-") if f"{one}Remaining" in headers), None)
    if prefix is None:
        return None
    limit, remaining, reset, used = (_number(headers.get(prefix + name)) for name in _NAMES)
    if not limit or remaining is None or reset is None:
        return None
    ends = reset if reset > _A_MOMENT else time.time() + reset
    # Frappe says what was left before the request, and what that took.
    return RateLimit(limit, max(0.0, remaining - (used or 0.0)), ends, used or 1.0)


_NAMES = ("Limit", "Remaining", "Reset", "Used")


def _number(text: str | None) -> float | None:
    """Return a header's number; "100, 100;w=60", as some say it, begins with it."""
    first = (text or "").split(",")[0].split(";")[0].strip()
    return float(first) if first.replace(".", "", 1).isdecimal() and first.isascii() else None
