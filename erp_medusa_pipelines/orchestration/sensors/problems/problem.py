"""One problem, one message, and the one rule for when a message is due: new, still, over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Literal

Severity = Literal["error", "pending"]
"""`pending`: it is wrong, and something is at work on it that must end before anybody hears of it."""

Kind = Literal["failure", "success"]

MOST_PARTS = 1000
"""Parts of a problem that are remembered one by one. Of more, only the first message is sent."""

PARTS_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong now. `key` is the same as long as it lasts.

    `heals` says whether it may pass by itself; then it is reported only when it has lasted. `parts` are things of one
    kind that come and go, with a line of text for each, such as refused documents: new ones are reported while it
    lasts.
    """

    key: str
    title: str
    text: str
    since: datetime
    heals: bool = False
    severity: Severity = "error"
    parts: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Message:
    """One message. `id` is the same for two ticks that found the same; `at`, in ISO form, is when it was written."""

    id: str
    kind: Kind
    title: str
    body: str
    at: str


@dataclass(frozen=True)
class Known:
    """What the record keeps of a problem. `parts` are digests; None where there were too many."""

    title: str
    since: str
    reported: bool = False
    parts: list[str] | None = field(default_factory=list[str])


def compare(
    known: Mapping[str, Known], found: Iterable[Problem], now: datetime, patience: timedelta, prefix: str
) -> tuple[list[Message], dict[str, Known]]:
    """Return the messages that are due, and the new record. `prefix` begins the id of each message."""
    messages: list[Message] = []
    record: dict[str, Known] = {}
    at = now.isoformat(timespec="seconds")
    for problem in found:
        before = known.get(problem.key)
        entry = before or Known(problem.title, problem.since.isoformat(timespec="seconds"))
        fresh = _fresh(problem, entry)
        ripe = not problem.heals or now - datetime.fromisoformat(entry.since) >= patience
        if problem.severity == "pending":
            # Not reported before, nothing to remember: it begins when what is at work on it has given up.
            record |= {problem.key: entry} if entry.reported else {}
        elif ripe and (not entry.reported or fresh):
            id_ = f"{prefix}/{problem.key}"
            messages.append(Message(id_, "failure", problem.title, _body(problem, entry, fresh), at))
            record[problem.key] = Known(problem.title, entry.since, reported=True, parts=_digests(problem))
        else:
            record[problem.key] = Known(entry.title, entry.since, entry.reported, _digests(problem))
    for key, entry in known.items():
        if entry.reported and key not in record:
            body = f"This is over. It began: {_shown(entry.since)}."
            messages.append(Message(f"{prefix}/{key}/over", "success", f"Over: {entry.title}", body, at))
    return messages, record


def _fresh(problem: Problem, entry: Known) -> dict[str, str]:
    """Return the parts that no message named yet."""
    reported = entry.parts if entry.reported else []
    if reported is None or (entry.reported and len(problem.parts) > MOST_PARTS):
        return {}
    seen = set(reported)
    return {part: line for part, line in problem.parts.items() if _digest(part) not in seen}


def _digests(problem: Problem) -> list[str] | None:
    return sorted(map(_digest, problem.parts)) if len(problem.parts) <= MOST_PARTS else None


def _digest(part: str) -> str:
    return blake2b(part.encode(), digest_size=5).hexdigest()


def _body(problem: Problem, entry: Known, fresh: Mapping[str, str]) -> str:
    lines = [f"- {line}" for line in list(fresh.values())[:PARTS_SHOWN]]
    if len(fresh) > PARTS_SHOWN:
        lines.append(f"- and {len(fresh) - PARTS_SHOWN} more")
    return "\n".join([*(["New:", *lines] if lines else []), problem.text, f"Since: {_shown(entry.since)}"])


def _shown(since: str) -> str:
    return f"{datetime.fromisoformat(since):%Y-%m-%d %H:%M} UTC"
