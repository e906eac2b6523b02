"""Products that an export hides: those of deleted Website Items too become drafts, and one brake judges them all.

product_updates.py finds Website Items that exist and are not published, shown.py decides what hides a product.

ERPNext records deletions: a Deleted Document holds the name and last state of a document, and so the product's id. A
truncated answer therefore deletes nothing. The product's record of what was sent last is cleared: if the Website Item
returns, the export adopts the product and the update of changed products publishes it again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import AccessError, TransientError
from erp_medusa_pipelines.setting_types import WithdrawnItems
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY, WITHDRAWN
from erp_medusa_pipelines.sync.catalogue.product_updates import ProductUpdates
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.engine.batch_sync import whole_shop
from erp_medusa_pipelines.sync.engine.brake import Guard, Loss, MassLossError
from erp_medusa_pipelines.sync.engine.erp_time import shifted
from erp_medusa_pipelines.sync.engine.quarantine import lies_elsewhere

DELETED_DOCUMENT = "Deleted Document"
LOOKS_BACK_DAYS = 35
"""Days to look back. A month without runs is made up for; each older withdrawal costs a look-up per night."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A product about to become a draft. `name` is the Website Item that was deleted."""

    name: str
    product_id: str

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint that a held reject is compared with."""
        return f"withdraw {self.product_id}"

    @property
    def body(self) -> dict[str, Any]:
        """Return its part of the request body."""
        return {"id": self.product_id, "status": "draft", "metadata": {HASH_KEY: WITHDRAWN}}


@dataclass(kw_only=True)
class Withdrawals(WebsiteItemSync):
    """One run for one batch."""

    policy: WithdrawnItems = "draft"
    """With `keep` there is nothing to hide."""

    def of_the_shop(self) -> "Withdrawals":
        """Return the same over all batches, with a report that is thrown away: to count only."""
        return Withdrawals(whole_shop(self.scope), policy=self.policy)

    def find(self) -> list[Withdrawal]:
        """Return products of deleted items that are shown. A missing right to read Deleted Documents is reported."""
        if self.policy == "keep":
            return []
        try:
            return self._still_shown(self._gone(self._records()))
        except TransientError as error:
            self.report.defer(DELETED_DOCUMENT, f"of {WEBSITE_ITEM}", error)
            return []

    def send(self, gone: Sequence[Withdrawal]) -> None:
        """Make drafts of these products; ask the guard first."""
        for some in batched(gone, self.options.chunk):
            self.send_chunk(some, self._send, lies=lies_elsewhere)

    def _records(self) -> dict[str, str]:
        """Return {Deleted Document: Website Item} of the batch."""
        recent = [
            ["deleted_doctype", "=", WEBSITE_ITEM],
            ["restored", "=", 0],
            # By the day, so that all runs of a tick ask the same.
            ["creation", ">", shifted(self.erp.clock(), days=-LOOKS_BACK_DAYS)[:10]],
        ]
        try:
            rows = self.erp.http.seen(
                "deletions",
                lambda: list(
                    self.erp.rows(DELETED_DOCUMENT, ["name", "deleted_name"], filters=recent, page_size=10_000)
                ),
            )
        except AccessError as error:
            # The export continues without this one right.
            self.report.facts["deletions"] = f"not known: {error.reason}"
            return {}
        return {row["name"]: row["deleted_name"] for row in rows if self.batch.contains(row["deleted_name"])}

    def _gone(self, records: Mapping[str, str]) -> dict[str, str]:
        """Return the records whose Website Item was not created again."""
        there = {row["name"] for row in self.erp.rows_in(WEBSITE_ITEM, ["name"], records.values())}
        return {record: name for record, name in records.items() if name not in there}

    def _still_shown(self, deleted: Mapping[str, str]) -> list[Withdrawal]:
        """Return their published products: the one with the same name, and the one whose id the Website Item had last.

        Either may belong to another item: a copied Website Item has the ids of its original.
        """
        found = self.medusa.products_by("external_id", deleted.values(), "id,external_id,status")
        shown = {row["id"]: row["external_id"] for row in found if row["status"] == "published"}
        names = set(shown.values())
        records = [record for record, name in deleted.items() if name in names]
        rows = self.erp.rows_in(DELETED_DOCUMENT, ["name", "data"], records)
        bound = {(deleted[row["name"]], _product_of(row)) for row in rows}
        return [Withdrawal(name, product_id) for product_id, name in shown.items() if (name, product_id) in bound]

    def _send(self, group: Sequence[Withdrawal]) -> None:
        self.medusa.batch_products(update=[one.body for one in group], fields="id")
        self.report.count("withdrawn", len(group))


def _product_of(record: Mapping[str, Any]) -> str:
    """Return the product's id from a Deleted Document's `data`, which is the document as JSON."""
    try:
        return json.loads(record["data"] or "{}").get("medusa_id") or ""
    except (ValueError, AttributeError):
        return ""


def hide(updates: ProductUpdates, withdrawals: Withdrawals, guard: Guard) -> MassLossError | None:
    """Send what `updates.run` held back because it hides products, and hide those of deleted Website Items.

    Where that is too much at once, nothing is hidden, everything else of these updates is sent, and the reason is
    returned.
    """
    gone = [] if updates.outage else withdrawals.find()
    loss = updates.loss
    loss.add(_of_deleted(gone))

    def in_shop() -> Loss:
        shop = updates.loss_in_shop()
        shop.add(_of_deleted(withdrawals.of_the_shop().find()))
        return shop

    try:
        refused = guard.refusal(loss, in_shop)
    except TransientError:
        updates.send_hiding(withhold=True)
        raise
    updates.send_hiding(withhold=refused is not None)
    if not refused:
        withdrawals.send(gone)
    return refused


def _of_deleted(gone: Sequence[Withdrawal]) -> Loss:
    return Loss({one.product_id: one.name for one in gone}, {one.product_id for one in gone})
