"""The Website Items of a batch, listed once in a run, whatever the number of its assets.

ERPNext cannot filter by batch, so whoever wants the items of one reads the whole catalogue. A run does that once, and
the runs of one tick once together (clients/reading.py). Without it every asset of every batch would.

Where products are compared with it, the runs of a tick list the texts as well. An item that is to be written is read
again by name: so a listing of half an hour decides what needs no work, never what is written.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import merge

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import LONGEST_PAGE, ErpNextClient, Filters, Row
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.reading import UNKEPT, KeptRows, Reading
from erp_medusa_pipelines.sync.engine.batches import Batch, index_of
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.shop import for_sale

log = logging.getLogger(__name__)

FIELDS = tuple(
    dict.fromkeys(
        (
            "name", "modified", "medusa_id", "medusa_variant_id", "has_variants", *for_sale.FIELDS,
            "stock_uom", "website_warehouse", "custom_threshold_qty", "custom_in_stock",
            "website_image", "website_image_alt", "slideshow",
            "item_code.image as item_image", "item_code.variant_of as item_variant_of",
            "item_code.stock_uom as item_stock_uom", "item_code.item_group as item_item_group",
            "item_code.brand as item_brand", "item_code.has_batch_no as item_has_batch_no",
            "item_code.safety_stock as item_safety_stock",
        )
    )
)  # fmt: skip
"""What the tasks that work on batches list: short fields only."""

ROWS_WITH_TEXTS = 5_000
"""Website Items in a page with their texts."""

_ANY = [
    ["published", "=", 1], ["medusa_id", "is", "set"], ["medusa_variant_id", "is", "set"], ["has_variants", "=", 1],
]  # fmt: skip
"""What any of them is about."""


def listed(
    erp: ErpNextClient, batch: Batch, fields: Sequence[str], *, filters: Filters = (), or_filters: Filters = ()
) -> Iterator[Row]:
    """Yield the batch's Website Items that match, ordered by name.

    Conditions are `=` and `is`, on FIELDS, and every row must match one of what is listed at all (_ANY).
    """
    reading = erp.reading
    if batch.named or reading is None or reading.parts != batch.count or not set(fields) <= set(_fields(erp)):
        rows = erp.rows_among(WEBSITE_ITEM, fields, batch.named, filters=filters, or_filters=or_filters)
        yield from (row for row in rows if batch.contains(row["name"]))
        return
    try:
        kept = _kept(erp, batch, reading)
    except AccessError:
        raise
    except (PermanentError, *UNKEPT) as error:
        if reading.with_texts and not isinstance(error, UNKEPT):
            # It may be about a field that a shop's mapping names.
            reading.with_texts = False
            yield from listed(erp, batch, fields, filters=filters, or_filters=or_filters)
            return
        # One asset's field is missing on this site, which the others do not need; or the disk is full.
        log.warning("each part of the work lists its own Website Items: %s", error)
        erp.reading = None
        yield from listed(erp, batch, fields, filters=filters, or_filters=or_filters)
        return
    keys = [field.rpartition(" as ")[2] for field in dict.fromkeys(("name", *fields))]
    for row in _of_batch(kept, batch):
        if all(_holds(one, row) for one in filters) and (not or_filters or any(_holds(one, row) for one in or_filters)):
            yield {key: row[key] for key in keys}


class Relisted:
    """The rows of `listed`, as often as they are iterated: they lie on disk, or in memory where nothing is kept."""

    def __init__(self, erp: ErpNextClient, batch: Batch, fields: Sequence[str], *, or_filters: Filters) -> None:
        self._erp = erp
        self._batch = batch
        self._listed = partial(listed, erp, batch, fields, or_filters=or_filters)
        self._rows: list[Row] | None = None

    def __iter__(self) -> Iterator[Row]:
        if self._rows is None and (self._batch.named or self._erp.reading is None):
            self._rows = list(self._listed())
        return self._listed() if self._rows is None else iter(self._rows)


def _kept(erp: ErpNextClient, batch: Batch, reading: Reading) -> KeptRows:
    few, all_ = _fields(erp), _with_texts(erp)
    fields, page_size = (all_, ROWS_WITH_TEXTS) if reading.with_texts else (few, LONGEST_PAGE)

    def read() -> Iterator[tuple[int, str, Row]]:
        """Yield what is listed as (number of its batch, name, row): of all batches where others can use it."""
        for row in erp.rows(WEBSITE_ITEM, fields, or_filters=_ANY, page_size=page_size):
            if reading.shared or batch.contains(row["name"]):
                yield index_of(row["name"], batch.count), row["name"], row

    return reading.kept(WEBSITE_ITEM, ",".join(fields), read, or_of=",".join(all_) if reading.shared else "")


def seen_rows(
    erp: ErpNextClient, batch: Batch, fields: Sequence[str]
) -> Callable[[Iterable[str]], Iterator[Row]] | None:
    """Return what finds Website Items by name as the runs of this tick listed them; None where some field is missing.

    Raises ApiError.
    """
    reading = erp.reading
    if reading is None or not reading.with_texts or batch.named or not set(fields) <= set(_with_texts(erp)):
        return None
    kept, keys = _kept(erp, batch, reading), [field.rpartition(" as ")[2] for field in fields]
    return lambda names: ({key: row[key] for key in keys} for row in kept.find(names))


def _of_batch(kept: KeptRows, batch: Batch) -> Iterator[Row]:
    """Yield the batch's rows. Some are another one's by their own name: those that are one product with a template."""
    if not batch.home:
        yield from kept.rows(batch.index)
        return
    own = (row for row in kept.rows(batch.index) if batch.contains(row["name"]))
    guests = (name for name, home in batch.home.items() if name != home and batch.contains(name))
    others = sorted(name for name in guests if index_of(name, batch.count) != batch.index)
    yield from merge(own, kept.find(others), key=lambda row: folded(row["name"]))


def _fields(erp: ErpNextClient) -> tuple[str, ...]:
    """Return FIELDS, and what decides which items go to this shop."""
    return tuple(dict.fromkeys((*FIELDS, *for_sale.for_sale_in(erp).fields)))


def _with_texts(erp: ErpNextClient) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_fields(erp), *erp.fields_of_products)))


def _holds(condition: Sequence[object], row: Row) -> bool:
    """Return whether a row matches, as MariaDB judges it for the fields that are listed."""
    field, operator, wanted = condition
    value = row[str(field)]
    if operator == "is":
        return bool(str(value or "").rstrip(" ")) == (wanted == "set")
    return (value or 0) == wanted
