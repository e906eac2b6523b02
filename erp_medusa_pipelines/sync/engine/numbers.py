"""Numbers that ERPNext answers with: a custom field may hold a text where a number is expected.

Money does not belong here: a price that is no number is rejected by name (sync/prices).
"""

import math
from typing import Any


def number(value: Any) -> float:
    """Return the value as a number; 0.0, as of an empty field, where it is none or not finite."""
    try:
        found = float(value or 0.0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) else 0.0
