"""The engine's batch sync for Website Items."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, WebsiteItemReader
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync


@dataclass
class WebsiteItemSync(BatchSync):
    """One run of one sync for the Website Items of one batch."""

    doctype: ClassVar[str] = WEBSITE_ITEM

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reader = WebsiteItemReader(self.erp)

    def items(self, names: Sequence[str]) -> Iterator[list[WebsiteItem]]:
        """Yield windows of Website Items; a window that cannot be read is left for a retry."""
        yield from self.windows(names, self.reader.read)
