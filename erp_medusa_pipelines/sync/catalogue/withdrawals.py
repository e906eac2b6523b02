"""Products whose Website Item was deleted become drafts.

Belongs here: finding them. Website Items that are there and not published are product_updates.py's.

ERPNext remembers what was deleted: a Deleted Document holds its name and its last state, and with it the product's id.
So nothing is taken for deleted because an answer was short. What was sent last is forgotten on the
product: should the Website Item come back, the export takes the product over and the update of changed products shows
it again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import AccessError, TransientError
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY, WITHDRAWN
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.engine.erp_time import shifted
from erp_medusa_pipelines.sync.engine.report import SyncReport

DELETED_DOCUMENT = "Deleted Document"
LOOKS_BACK_DAYS = 35
"""A month in which nothing ran is made up for; what was withdrawn before costs a look each night until then."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A product about to become a draft. `name` is the Website Item that was deleted."""

    name: str
    product_id: str

    @property
    def fingerprint(self) -> str:
        """What a held reject is compared with."""
        return f"withdraw {self.product_id}"

    @property
    def body(self) -> dict[str, Any]:
        """Its part of the call."""
        return {"id": self.product_id, "status": "draft", "metadata": {HASH_KEY: WITHDRAWN}}


@dataclass(kw_only=True)
class Withdrawals(WebsiteItemSync):
    """One run for one batch."""

    def run(self) -> SyncReport:
        """Withdraw what was deleted. A missing right to read Deleted Documents ends in the report, others raise."""
        try:
            gone = self._still_shown(self._gone(self._records()))
        except TransientError as error:
            self.report.defer(DELETED_DOCUMENT, f"of {WEBSITE_ITEM}", error)
            return self.report
        for some in batched(gone, self.options.chunk):
            self.send_chunk(some, self._send)
        return self.report

    def _records(self) -> dict[str, str]:
        """{Deleted Document: Website Item} of the batch."""
        recent = [
            ["deleted_doctype", "=", WEBSITE_ITEM],
            ["restored", "=", 0],
            ["creation", ">", shifted(self.erp.clock(), days=-LOOKS_BACK_DAYS)],
        ]
        try:
            rows = list(self.erp.rows(DELETED_DOCUMENT, ["name", "deleted_name"], filters=recent, page_size=10_000))
        except AccessError as error:
            # The one right that a night's export is not given up for.
            self.report.facts["deletions"] = f"not known: {error.reason}"
            return {}
        return {row["name"]: row["deleted_name"] for row in rows if self.batch.contains(row["deleted_name"])}

    def _gone(self, records: Mapping[str, str]) -> dict[str, str]:
        """Those whose Website Item was not made again."""
        there = {row["name"] for row in self.erp.rows_in(WEBSITE_ITEM, ["name"], records.values())}
        return {record: name for record, name in records.items() if name not in there}

    def _still_shown(self, deleted: Mapping[str, str]) -> list[Withdrawal]:
        """Their published products: that of the same name, and the one whose id the Website Item had in the end.

        Either alone may be somebody else's: a copied Website Item brings the ids of its original along.
        """
        found = self.medusa.products_by("external_id", deleted.values(), "id,external_id,status")
        shown = {row["id"]: row["external_id"] for row in found if row["status"] == "published"}
        names = set(shown.values())
        records = [record for record, name in deleted.items() if name in names]
        rows = self.erp.rows_in(DELETED_DOCUMENT, ["name", "data"], records)
        bound = {(deleted[row["name"]], _product_of(row)) for row in rows}
        own = [Withdrawal(name, product_id) for product_id, name in shown.items() if (name, product_id) in bound]
        return [one for one in own if not self.held(one.name, one.fingerprint)]

    def _send(self, group: Sequence[Withdrawal]) -> None:
        self.medusa.batch_products(update=[one.body for one in group], fields="id")
        self.report.count("withdrawn", len(group))


def _product_of(record: Mapping[str, Any]) -> str:
    """The product's id in a Deleted Document's `data`, which is the document as JSON."""
    try:
        return json.loads(record["data"] or "{}").get("medusa_id") or ""
    except (ValueError, AttributeError):
        return ""
