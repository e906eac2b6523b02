"""Deleting carts that nobody wants any more, with the help of our plugin: no route of a stock Medusa deletes one.

That a cart is not completed, not being paid for and
still untouched is judged here and once more by the plugin, right before it deletes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import MedusaClient, Row
from erp_medusa_pipelines.clients.medusa_plugin import BLOCK, MedusaPlugin
from erp_medusa_pipelines.sync.engine.report import SyncReport

CART = "Cart"
NOT_INSTALLED = (
    "skipped: a stock Medusa cannot delete carts, and the plugin that can is not installed in it"
    " (medusa_plugin/README.md)"
)


@dataclass(frozen=True)
class ExpiryOptions:
    """When a cart is expired, how many are deleted, and the seconds after which a run begins no further block."""

    days: int
    most: int
    seconds: float


class ExpiredCarts:
    """One run."""

    def __init__(self, medusa: MedusaClient, report: SyncReport, options: ExpiryOptions) -> None:
        self._plugin = MedusaPlugin(medusa)
        self._http = medusa.http
        self._report = report
        self._options = options
        self._stop_at = time.monotonic() + options.seconds

    def run(self) -> None:
        """Delete expired carts in blocks. Raises PermanentError for a Medusa that the plugin was not tested with."""
        about = self._plugin.about()
        if about is None:
            self._report.facts["skipped"] = NOT_INSTALLED
            return
        if not about["works"]:
            tested = ", ".join(about["tested_medusa"])
            said = (
                f"the plugin {about['version']} was tested with Medusa {tested}, this is {about['medusa']}: update it"
            )
            raise PermanentError("Medusa", "GET /admin/erp-pipelines", said)
        waiting: list[Row] = []
        for page in self._plugin.untouched_carts(self._expired_since()):
            self._report.count("found", len(page))
            waiting += [cart for cart in page if self._may_go(cart)]
            while len(waiting) >= BLOCK:
                self._delete(waiting[:BLOCK])
                waiting = waiting[BLOCK:]
        if waiting:
            self._delete(waiting)

    def _expired_since(self) -> datetime:
        return (self._http.server_clock or datetime.now(UTC)) - timedelta(days=self._options.days)

    def _may_go(self, cart: Row) -> bool:
        if cart["has_payment_session"]:
            self._report.count("being_paid_for")
        return not cart["completed_at"] and not cart["has_payment_session"]

    def _delete(self, carts: Sequence[Row]) -> None:
        room = self._options.most - self._report.counts["deleted"]
        some = carts[: max(room, 0)] if time.monotonic() < self._stop_at and not self._report.leftovers else []
        self._report.count("postponed", len(carts) - len(some))
        if not some:
            return
        began = time.monotonic()
        try:
            deleted, kept = self._plugin.delete_carts(some)
        except TransientError as error:
            for cart in some:
                self._report.defer(CART, cart["id"], error)
            return
        self._report.count("deleted", len(deleted))
        for reason in kept.values():
            # "not found": deleted by an earlier call whose answer was lost.
            self._report.count(f"kept_{reason.replace(' ', '_')}")
        self._report.advance(len(some))
        # Medusa serves nobody while it deletes: customers have as long again before the next block.
        self._http.pause(time.monotonic() - began)
