"""One newsletter of one week: an edition, and what is remembered of it between runs.

When an edition begins and ends, and whether an operator has approved that any is sent at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.engine.gate import Answer
from erp_medusa_pipelines.sync.storefront.carts import NEVER, moment
from erp_medusa_pipelines.sync.storefront.newsletter_items import Chosen

GAP = timedelta(days=6)
"""From one edition's beginning to the next, at least; for so long an unfinished one is gone on with."""


NEW_FOR, LATE = timedelta(days=7), timedelta(days=1)
"""A product is new for so long; where the last edition began up to a day earlier, since then, so that none is missed
between two runs of a schedule."""


@dataclass(frozen=True)
class Edition:
    """What is sent, since when, and whether everybody had it. Times are UTC."""

    begun: datetime
    items: Chosen
    finished: datetime | None = None

    @property
    def name(self) -> str:
        """As it stands in the journal and with the run: the moment at which it began."""
        return self.begun.strftime("%Y-%m-%dT%H%M%S")

    def is_current(self, now: datetime) -> bool:
        """Return whether it is this week's."""
        return now - self.begun < GAP


@dataclass(frozen=True)
class Editions:
    """What an installation remembers."""

    previewed: datetime | None = None
    approved: datetime | None = None
    last: Edition | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Editions":
        """Read it as it was kept."""
        last = value.get("last")
        return cls(
            moment(value.get("previewed")),
            moment(value.get("approved")),
            Edition(moment(last["begun"]) or NEVER, last["items"], moment(last.get("finished"))) if last else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        last = self.last
        return {
            "previewed": _text(self.previewed),
            "approved": _text(self.approved),
            "last": {"begun": _text(last.begun), "items": last.items, "finished": _text(last.finished)}
            if last
            else None,
        }

    def new_since(self, now: datetime) -> datetime:
        """Return since when a product has to be in the shop to be new."""
        week_ago = now - NEW_FOR
        return self.last.begun if self.last and week_ago - LATE <= self.last.begun < week_ago else week_ago

    def unfinished(self, now: datetime) -> Edition | None:
        """Return this week's edition as long as somebody waits for it."""
        return self.last if self.last and not self.last.finished and self.last.is_current(now) else None

    def finish(self, now: datetime) -> "Editions":
        """Return it with the last edition at its end."""
        return replace(self, last=replace(self.last, finished=now)) if self.last else self

    def shows_nothing_new(self, items: Chosen) -> bool:
        """Return whether each of these products stood in the last edition already."""
        known = {one for ids in self.last.items.values() for one in ids} if self.last else set[str]()
        return not any(one not in known for ids in items.values() for one in ids)


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def has_work(_erp: ErpNextClient, _settings: Settings, memory: Mapping[str, Any]) -> Answer:
    """Return whether an edition is not through; no server is asked."""
    editions = Editions.of(memory)
    if editions.approved and editions.unfinished(datetime.now(UTC)):
        return Answer(work=True)
    return Answer(work=False, why="no newsletter is left to go on with")
