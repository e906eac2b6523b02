"""Moments as Frappe stores them: naive text in the site's zone, which compares in the order of time.

Belongs here: from a moment to that text and back. Whose clock counts is decided by ErpNextClient.
"""

from datetime import datetime, timedelta


def as_text(moment: datetime) -> str:
    """A moment (in the site's zone) as Frappe's text, to the second."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def seconds_since(text: str, now: datetime) -> float:
    """Seconds from a stored moment until `now` (in the site's zone)."""
    return (now.replace(tzinfo=None) - datetime.fromisoformat(text)).total_seconds()


def shifted(now: datetime, *, seconds: float = 0, minutes: float = 0, days: float = 0) -> str:
    """The text of the moment that much later (or earlier) than `now`."""
    # Without the zone: what Frappe compares is its wall clock.
    return as_text(now.replace(tzinfo=None) + timedelta(days=days, minutes=minutes, seconds=seconds))
