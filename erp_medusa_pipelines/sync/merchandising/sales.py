"""Quantities sold: the lines of submitted Sales Invoices, summed by item.

Reading millions of lines in bounded memory and in requests that end long before a server gives up.

No state is kept between runs: each run sums what ERPNext has now, so a cancelled or amended invoice is correct in the
next run. Returns are lines with a negative quantity and are summed as such.

All lines are read in ranges of `name`, the primary key: ranges are complete whatever the site's history, and cost the
database one pass. (A line's dates have no index, and its invoice's dates cannot be filtered on.) For the last days
only, the invoices are read first and their lines by `parent`, which has an index.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any

import pandas as pd

from erp_medusa_pipelines.clients.erpnext import Aggregate, ErpNextClient, Filters
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.engine.stages import ahead
from erp_medusa_pipelines.sync.engine.values import number
from erp_medusa_pipelines.sync.merchandising.dtypes import SALES_DTYPES

log = logging.getLogger(__name__)

LINE, INVOICE = "Sales Invoice Item", "Sales Invoice"
SUBMITTED = ["docstatus", "=", 1]

SMALLEST_WINDOW = 5_000
"""Lines. A window this small is not divided further, even if the server does not answer in time."""

_UNITS = 1_000_000
"""Sums are integers of millionths: exact, so that they do not depend on how lines are divided into windows."""


@dataclass(frozen=True)
class SalesOptions:
    """Sizes: lines per aggregate, lines per page when lines are read one by one, invoices per request."""

    quantity: str = "qty"
    """The line's field that is summed: `qty` in the unit it was sold in, or `stock_qty` in the item's stock unit."""
    window: int = 200_000
    page: int = 10_000
    invoices: int = 1_000


@dataclass
class Sales:
    """What was sold. `pushed_down` says whether ERPNext summed; `windows` is the number of requests or pages."""

    pushed_down: bool
    windows: int = 0
    _units: dict[str, int] = field(default_factory=dict)
    _lines: dict[str, int] = field(default_factory=dict)
    _spelled: dict[str, str] = field(default_factory=dict)

    def add(self, item_code: str | None, quantity: float | None, lines: int = 1) -> None:
        """Add lines of one item. Lines without an Item are ignored."""
        if item_code:
            code = folded(item_code)
            self._spelled[code] = min(item_code, self._spelled.get(code, item_code))
            self._units[code] = self._units.get(code, 0) + round(number(quantity) * _UNITS)
            self._lines[code] = self._lines.get(code, 0) + lines

    @property
    def lines(self) -> int:
        """Lines summed."""
        return sum(self._lines.values())

    def table(self) -> pd.DataFrame:
        """Return the sums as a frame with SALES_DTYPES."""
        codes = sorted(self._units, key=lambda code: self._spelled[code])
        columns = {
            "item_code": [self._spelled[code] for code in codes],
            "sales_qty": [self._units[code] / _UNITS for code in codes],
            "lines": [self._lines[code] for code in codes],
        }
        return pd.DataFrame(columns).astype(SALES_DTYPES)


class SalesReader:
    """Read the sales of one site, since a day or over all time."""

    def __init__(self, erp: ErpNextClient, options: SalesOptions = SalesOptions()) -> None:
        self._erp = erp
        self._options = options

    def read(self, since: date | None = None) -> Sales:
        """Return all sales with a posting date from `since` on; None means all time."""
        try:
            return self._summed_by_erp(since)
        except AccessError:
            raise
        except PermanentError as error:
            log.warning("ERPNext refuses to sum the lines (%s): reading them one by one", error)
            return self._read_line_by_line(since)

    def quantity_of(self, item_code: str, since: date | None = None) -> float:
        """Return one item's quantity, summed directly from its lines: an independent check of the same number."""
        filters = [SUBMITTED, ["item_code", "=", item_code]]
        rows = list(self._erp.rows(LINE, ["name", "parent", self._options.quantity], filters=filters, parent=INVOICE))
        if since is not None:
            recent = [SUBMITTED, ["posting_date", ">=", since.isoformat()]]
            parents = {row["parent"] for row in rows}
            kept = {row["name"] for row in self._erp.rows_in(INVOICE, ["name"], sorted(parents), filters=recent)}
            rows = [row for row in rows if row["parent"] in kept]
        return sum(round(number(row[self._options.quantity]) * _UNITS) for row in rows) / _UNITS

    def changed_since(self, item_code: str, moment: str) -> bool:
        """Return whether any line of the item was added, submitted or cancelled since then (the site's time)."""
        filters = [["item_code", "=", item_code], ["modified", ">=", moment]]
        return bool(self._erp.get_list(LINE, ["name"], filters=filters, limit=1, parent=INVOICE))

    # --- summed by ERPNext ------------------------------------------------------------------------------------

    def _summed_by_erp(self, since: date | None) -> Sales:
        sales = Sales(pushed_down=True)
        if since is None:
            self._sum_all(sales)
        else:
            for names in self._invoices(since):
                self._sum(sales, [["parent", "in", names]])
        return sales

    def _sum_all(self, sales: Sales) -> None:
        last: str | None = None
        for window in count(1):
            boundary = self._name_after(last, None, self._options.window)
            self._sum_range(sales, last, boundary, self._options.window)
            log.info("window %d: %s lines so far", window, f"{sales.lines:,}")
            if boundary is None:
                return
            last = boundary

    def _name_after(self, first: str | None, last: str | None, rows: int) -> str | None:
        """Return the name of the `rows`-th line after `first`, or None if there are fewer."""
        found = self._erp.get_list(
            LINE, ["name"], filters=_between(first, last), start=rows - 1, limit=1, parent=INVOICE
        )
        return found[0]["name"] if found else None

    def _sum_range(self, sales: Sales, first: str | None, last: str | None, rows: int) -> None:
        """Sum the lines after `first` up to `last`, in two halves if the server does not answer in time."""
        try:
            self._sum(sales, _between(first, last))
        except TransientError as error:
            half = rows // 2
            middle = self._name_after(first, last, half) if error.ambiguous and half >= SMALLEST_WINDOW else None
            if middle is None:
                raise
            log.warning("no answer for %s lines (%s): asking for half as many", f"{rows:,}", error.reason)
            self._sum_range(sales, first, middle, half)
            self._sum_range(sales, middle, last, rows - half)

    def _sum(self, sales: Sales, filters: Filters) -> None:
        rows = self._erp.get_list(
            LINE,
            [
                "item_code",
                Aggregate("SUM", self._options.quantity, "sales_qty"),
                Aggregate("COUNT", "name", "line_count"),
            ],
            filters=[SUBMITTED, *filters],
            group_by="item_code",
            order_by="item_code asc",
            parent=INVOICE,
        )
        sales.windows += 1
        for row in rows:
            sales.add(row["item_code"], row["sales_qty"], row["line_count"])

    # --- line by line -----------------------------------------------------------------------------------------

    def _read_line_by_line(self, since: date | None) -> Sales:
        sales = Sales(pushed_down=False)
        for page in ahead(self._pages(since)):
            sales.windows += 1
            for row in page:
                sales.add(row["item_code"], row[self._options.quantity])
            if sales.windows % 50 == 0:
                log.info("%s lines so far", f"{sales.lines:,}")
        return sales

    def _pages(self, since: date | None) -> Iterator[list[dict[str, Any]]]:
        wanted = ["name", "item_code", self._options.quantity]
        size = self._options.page
        if since is None:
            yield from self._erp.pages(LINE, wanted, filters=[SUBMITTED], parent=INVOICE, page_size=size)
            return
        for names in self._invoices(since):
            filters = [SUBMITTED, ["parent", "in", names]]
            yield from self._erp.pages(LINE, wanted, filters=filters, parent=INVOICE, page_size=size)

    def _invoices(self, since: date) -> Iterator[list[str]]:
        """Yield names of the invoices submitted since then, in chunks."""
        filters = [SUBMITTED, ["posting_date", ">=", since.isoformat()]]
        for page in self._erp.pages(INVOICE, ["name"], filters=filters, page_size=self._options.invoices):
            yield [row["name"] for row in page]


def sample(sales: pd.DataFrame, size: int, most_lines: int = 2_000) -> list[str]:
    """Return item codes to sum again directly, from the best seller to the slowest, without those of very many lines.

    If every item has very many lines, those with the fewest are used, so that the sample is never empty.
    """
    few = sales.sort_values(["lines", "item_code"])
    allowed = max(size, sum(lines <= most_lines for lines in sales["lines"]))
    codes = few.head(allowed).sort_values(["sales_qty", "item_code"], ascending=[False, True])["item_code"].tolist()
    if len(codes) <= size:
        return codes
    return [codes[round(place * (len(codes) - 1) / (size - 1))] for place in range(size)]


def _between(first: str | None, last: str | None) -> list[list[Any]]:
    """Return filters for names after `first` up to `last`, both optional."""
    after = [["name", ">", first]] if first is not None else []
    return [*after, ["name", "<=", last]] if last is not None else after
