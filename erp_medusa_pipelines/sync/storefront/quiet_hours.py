"""Hours in which nobody is written to."""

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class QuietHours:
    """From one time of the day to another, over midnight where the end comes first; none where both are the same."""

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def of(cls, text: str, zone: str) -> "QuietHours":
        """Read 22:00-08:00."""
        begin, _, end = text.partition("-")
        return cls(time.fromisoformat(begin), time.fromisoformat(end), ZoneInfo(zone))

    def contains(self, moment: datetime) -> bool:
        """Return whether a time (with any zone) lies in them."""
        now = moment.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end
