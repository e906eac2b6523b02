"""Frappe's site_config rate_limit: seconds of worker time per window, over all users.

Counting, and the headers that tell of it.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from erp_medusa_sandbox.erpnext.errors import ErpError


class RateLimiter:
    """The worker time that was used in the current window."""

    def __init__(self) -> None:
        """Start with no time used."""
        self._lock = threading.Lock()
        self._window = -1
        self._used = 0.0

    def check(self, limit: dict[str, float]) -> dict[str, str]:
        """Return the headers of an answer below the limit; above it raise the 429."""
        headers, used = self._headers(limit)
        if used >= limit["limit"]:
            raise ErpError("TooManyRequestsError", headers={**headers, "Retry-After": headers["X-RateLimit-Reset"]})
        return headers

    def add(self, seconds: float) -> None:
        """Count the time that a request took."""
        with self._lock:
            self._used += seconds

    def _headers(self, limit: dict[str, float]) -> tuple[dict[str, str], float]:
        now = datetime.now(UTC).timestamp()
        with self._lock:
            window = int(now // limit["window"])
            if window != self._window:
                self._window, self._used = window, 0.0
            used = self._used
        reset = int((window + 1) * limit["window"] - now) + 1
        remaining = max(int((limit["limit"] - used) * 1e6), 0)
        headers = {
            "X-RateLimit-Reset": str(reset),
            "X-RateLimit-Limit": str(int(limit["limit"] * 1e6)),
            "X-RateLimit-Remaining": str(remaining),
        }
        return headers, used
