"""Reading what changed since the last question.

A transaction that ends late shows rows with an older time than others that were seen before, so each question reaches
back over OVERLAP, and rows that were seen are left out by name and time. The clock is ERPNext's own; a row with a time
in its future, which a database in another time zone writes, waits until that time has come.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.several_lists import ListQuestion, several_lists
from erp_medusa_pipelines.sync.changes.watched import Watched, watched_with

OVERLAP = timedelta(seconds=60)
"""A transaction that takes longer is found by the night."""

Row = dict[str, Any]


class Position(BaseModel):
    """Where the next question about a DocType begins. `seen` holds the rows after `since` that were dealt with."""

    since: str
    seen: dict[str, str] = {}


Positions = dict[str, Position]


@dataclass
class Changes:
    """An answer: the new rows by DocType, and where the next question begins."""

    positions: Positions
    rows: dict[str, list[Row]] = field(default_factory=dict)
    too_many: list[str] = field(default_factory=list)
    """DocTypes of which more rows changed than were asked for. Their rows are not in `rows`."""
    hidden: list[str] = field(default_factory=list)
    """DocTypes that the user may not read."""
    failed: dict[str, str] = field(default_factory=dict)
    """DocTypes on which the site fails, with its reason. Their position stays."""


def read_changes(
    erp: ErpNextClient,
    positions: Mapping[str, Position],
    most: int,
    languages: Collection[str] = (),
    *,
    customers: bool = False,
) -> Changes:
    """Ask for all watched DocTypes, at most `most` rows of each, see `watched_with`. Raises ApiError.

    A DocType without a position has not been asked about before: it begins now. One request where the Server Script
    is installed, else one for each DocType.
    """
    all_watched = watched_with(languages, customers=customers)
    asked = [watched for watched in all_watched if watched.doctype in positions]
    answers = several_lists(erp, [_question(watched, positions[watched.doctype], most) for watched in asked])
    now = (erp.clock() if asked else erp.now()).replace(tzinfo=None)
    found = Changes({watched.doctype: Position(since=_text(now)) for watched in all_watched})
    for watched, rows in zip(asked, answers, strict=True):
        if isinstance(rows, AccessError):
            found.hidden.append(watched.doctype)
        elif isinstance(rows, PermanentError):
            found.failed[watched.doctype] = rows.reason
            found.positions[watched.doctype] = positions[watched.doctype]
        else:
            _add(found, watched, positions[watched.doctype], rows, now, most)
    return found


def _question(watched: Watched, position: Position, most: int) -> ListQuestion:
    column = watched.column
    return ListQuestion(
        doctype=watched.doctype,
        fields=["name", column, *watched.fields],
        filters=[*watched.filters, [column, ">=", position.since]],
        order_by=f"{column} asc",
        # Rows that were seen may come first.
        limit=most + len(position.seen) + 1,
    )


def _add(found: Changes, watched: Watched, before: Position, rows: Sequence[Row], now: datetime, most: int) -> None:
    """Add one DocType's answer."""
    times = {row["name"]: str(row[watched.column]) for row in rows if _time(row[watched.column]) <= now + OVERLAP}
    new = [row for row in rows if row["name"] in times and before.seen.get(row["name"]) != times[row["name"]]]
    if len(new) > most:
        found.too_many.append(watched.doctype)
        # Whoever works on all items begins after this moment. The header that tells the time has whole seconds, and
        # a busy server repeats an old one.
        newest = max(_time(time) for time in times.values())
        after = max(now + timedelta(seconds=1), newest + timedelta(microseconds=1))
        found.positions[watched.doctype] = Position(since=_text(after))
        return
    newest = min([now, max(_time(time) for time in times.values())]) if times else now
    since = max(_time(before.since), newest - OVERLAP)
    seen = {name: time for name, time in times.items() if _time(time) >= since}
    found.positions[watched.doctype] = Position(since=_text(since), seen=seen)
    if new:
        found.rows[watched.doctype] = new


def _time(value: object) -> datetime:
    return datetime.fromisoformat(str(value))


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
