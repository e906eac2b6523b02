"""Times as Frappe stores them: naive text in the site's zone, which sorts chronologically."""

from datetime import datetime, timedelta


def as_text(moment: datetime) -> str:
    """Format a time (in the site's zone) as Frappe does, to the second."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def is_moment(text: str) -> bool:
    """Return whether a text is a time as Frappe stores one."""
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return False


def seconds_since(text: str, now: datetime) -> float:
    """Return the seconds from a stored time to `now` (in the site's zone)."""
    return (now.replace(tzinfo=None) - datetime.fromisoformat(text)).total_seconds()


def shifted(now: datetime, *, seconds: float = 0, minutes: float = 0, days: float = 0) -> str:
    """Format the time that much later (or earlier) than `now`."""
    # Without the zone: what Frappe compares is its wall clock.
    return as_text(now.replace(tzinfo=None) + timedelta(days=days, minutes=minutes, seconds=seconds))
