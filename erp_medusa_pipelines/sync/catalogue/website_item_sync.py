"""The engine's batch sync for Website Items."""

import logging
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.clients.reading import UNKEPT, Reading
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT, FieldTable
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, WebsiteItemReader
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.engine.quarantine import Lies
from erp_medusa_pipelines.sync.engine.stages import ahead

log = logging.getLogger(__name__)


@dataclass
class WebsiteItemSync(BatchSync):
    """One run of one sync for the Website Items of one batch."""

    doctype: ClassVar[str] = WEBSITE_ITEM

    table: FieldTable = field(default=DEFAULT, kw_only=True)
    """The fields of a product in this shop."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reader = WebsiteItemReader(self.erp, self.table)

    def note_problems(self, item: WebsiteItem, problems: Mapping[str, str], without: Container[str] = ()) -> None:
        """Report each field that no value could be made for, but `without` these; the others are dealt with.

        `problems` are those that became known beside the item's own.
        """
        for name, reason in {**item.made.problems, **problems}.items():
            if name not in without:
                text = f"{reason}; its other fields do not wait for it"
                self.withhold(item.name, "", text, name, lies=Lies.ELSEWHERE, kind=f"mapping {name}")

    def items(self, names: Sequence[str]) -> Iterator[list[WebsiteItem]]:
        """Yield windows of Website Items; a window that cannot be read is left for a retry."""
        yield from self.windows(names, self.reader.read)

    def not_known_equal(
        self, names: Sequence[str], equal: Callable[[Sequence[WebsiteItem]], Container[str]]
    ) -> Iterator[Sequence[WebsiteItem]]:
        """Yield windows of those that may differ from Medusa, as they are now. `equal` returns which surely do not.

        It is asked about what the run reads ahead; a run that keeps nothing yields all.
        """
        reading = self.erp.reading
        if reading is None or self.medusa.reading is None or self.batch.named:
            yield from ahead(self.items(names))
            return
        for some in batched(self._doubtful(names, reading, equal), self.options.window):
            yield from self.items(some)

    def _doubtful(
        self, names: Sequence[str], reading: Reading, equal: Callable[[Sequence[WebsiteItem]], Container[str]]
    ) -> Iterator[str]:
        judged = 0
        try:
            with self.reader.reading_ahead(names, self.batch, reading) as read:
                for some in batched(names, self.options.window):
                    known = equal(read(some))
                    judged += len(some)
                    yield from (name for name in some if name not in known)
        except (ApiError, *UNKEPT) as error:
            log.warning("Website Items are read where they are compared: %s", error)
            yield from names[judged:]
