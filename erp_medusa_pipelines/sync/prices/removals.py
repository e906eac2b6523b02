"""Remove unwanted entries, then empty lists and those of another Price List."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.prices.lists import PriceLists
from erp_medusa_pipelines.sync.prices.plan import Entry

DELETES_PER_CALL = 100
"""Entries per call. Medusa takes about 10 ms for each and answers nothing else meanwhile."""

DOCTYPE = "Price List"


class Removals:
    """Remove entries and empty lists of one book."""

    def __init__(self, run: BatchSync, prices: MedusaPrices, lists: PriceLists) -> None:
        self._run = run
        self._prices = prices
        self._lists = lists
        self._price_list = str(lists.book)

    def remove(self, entries: Iterable[Entry]) -> None:
        """Delete these entries; transient failures are left for a retry."""
        by_list: dict[str, list[str]] = defaultdict(list)
        for entry in entries:
            by_list[entry.list_id].append(entry.id)
        for list_id, ids in by_list.items():
            for some in batched(ids, DELETES_PER_CALL):
                self._delete(list_id, some)

    def _delete(self, list_id: str, ids: Sequence[str]) -> None:
        error = self._run.outage
        if error is None:
            try:
                self._prices.delete(list_id, ids)
                self._run.report.count("removed", len(ids))
                return
            except PermanentError as refused:
                # With a list that is gone its entries are.
                self._lists.refused(self._run.report, list_id, "freed of old entries", refused)
                return
            except TransientError as failure:
                self._run.medusa_breaker.failed(failure)
                error = failure
        self._run.report.defer(DOCTYPE, f"{self._price_list}: {len(ids)} old entries of {list_id}", error)

    def retire_replaced(self, entries: Iterable[Entry], sizes: Counter[str]) -> None:
        """Take these entries out of replaced lists; a list that keeps none becomes a draft as it is."""
        by_list: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_list[entry.list_id].append(entry)
        retired = 0
        for row in self._lists.replaced_of(self._run.batch):
            going = by_list[row["id"]]
            if len(going) == sizes[row["id"]]:
                retired += self._retire(row["id"])
            else:
                self.remove(going)
        self._run.report.count("lists_retired", retired)

    def _retire(self, list_id: str) -> bool:
        if self._run.outage:
            return False
        try:
            self._lists.retire(list_id)
        except PermanentError as error:
            self._lists.refused(self._run.report, list_id, "made a draft", error)
        except TransientError as error:
            self._run.medusa_breaker.failed(error)
            self._run.report.defer(DOCTYPE, f"{self._price_list}: replaced list {list_id}", error)
        else:
            return True
        return False

    def delete_empty_lists(self, sizes: Counter[str]) -> None:
        """Delete the batch's lists that were empty when the run began and still are."""
        for kept in self._lists.of_batch(self._run.batch):
            if sizes[kept.id] or self._run.outage:
                continue
            try:
                self._run.report.count("lists_removed", self._lists.delete_empty(kept))
            except PermanentError as error:
                self._lists.refused(self._run.report, kept.id, "deleted, although it is empty", error)
            except TransientError as error:
                self._run.medusa_breaker.failed(error)
                self._run.report.defer(DOCTYPE, f"{self._price_list}: empty list {kept.id}", error)
