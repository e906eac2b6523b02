"""Values as MariaDB and Frappe convert them: numbers from anything, dates and datetimes in one text form.

Pure conversions of one value. Which field gets which conversion is decided by the callers.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

_DATETIME = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})(?:[ T](\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d{1,6})?)?))?$")


def to_int(value: Any) -> int:
    """Do Frappe's cint: 0 for anything but a number."""
    try:
        return int(float(value or 0))
    except (TypeError, ValueError, OverflowError):
        return 0


def to_float(value: Any) -> float:
    """Do Frappe's flt: 0.0 for anything but a number."""
    try:
        return float(str(value).replace(",", "")) if value not in (None, "") else 0.0
    except ValueError:
        return 0.0


def canonical_datetime(value: Any) -> str | None:
    """Return `YYYY-MM-DD HH:MM:SS[.ffffff]` as MariaDB keeps it; None for what it refuses (offsets, Z)."""
    found = _DATETIME.match(str(value).strip())
    if not found:
        return None
    text = f"{found.group(1)} {found.group(2) or '00:00:00'}"
    if text.count(":") == 1:
        text += ":00"
    for layout in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"):
        try:
            moment = datetime.strptime(text, layout)  # noqa: DTZ007 - naive in the site's zone, as Frappe keeps it
        except ValueError:
            continue
        micro = f".{moment.microsecond:06d}" if moment.microsecond else ""
        return moment.strftime("%Y-%m-%d %H:%M:%S") + micro
    return None


def canonical_date(value: Any) -> str | None:
    """Return `YYYY-MM-DD`, of a datetime its date; None for what MariaDB refuses."""
    try:
        return date.fromisoformat(str(value).strip()[:10]).isoformat()
    except ValueError:
        return None
