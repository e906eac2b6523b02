"""The engine's batch sync for Website Items."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT, FieldTable
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, WebsiteItemReader
from erp_medusa_pipelines.sync.engine.batch_sync import BatchSync
from erp_medusa_pipelines.sync.engine.quarantine import Lies


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
