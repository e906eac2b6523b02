"""Clearance items: items in stock that expire soon and items that staff marked, on their list and the homepage.

Which items, the Single `Expiring Items`, the homepage's deals and clearance items.

Who owns which row:
- `Expiring Items`: rows with an expiry date are this task's. A row without one was added by staff, which marks the item
  as clearance stock whatever its batches say; it stays until they remove it. `show` is staff's everywhere.
  While an item is not sold (not published, or disabled), what staff entered of it rests: the row without date, and the
  row of an expiring item that has `show`. Nothing of it is on the homepage until the item is sold again.
- `Homepage Landing`.best_deals: the `url` of this task's rows ends with DEAL_MARK, a fragment that no browser sends to
  a server. All other rows are staff's and keep their place. So ownership survives a lost Dagster instance and does not
  depend on the user who saved the page.
- `Homepage Landing`.clearance_items: the app itself rewrites them from `show` at every save of `Expiring Items`. This
  task adds what the app would add too, and takes out what rests, which `show` brings back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.refusals import NOT_FOUND
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, Memory
from erp_medusa_pipelines.sync.engine.merge_save import merge_save, reused_rows, same_text
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.engine.values import number
from erp_medusa_pipelines.sync.shop.for_sale import for_sale_in

LIST, HOMEPAGE = "Expiring Items", "Homepage Landing"
ACTIVE_HOMEPAGE = "Active Homepage Landing"
"""The one page that the app shows and writes; its name is fixed there."""

DEAL_MARK = "#clearance"

LEAVING = Limit(
    name="clearance",
    what=f"rows of {LIST} would go before their day",
    # The first night on a list that the Frappe job left takes many rows away: it listed batches without stock.
    percent=75,
    setting="",
    allow="allow_empty",
    check="Check that ERPNext's user sees all Batches, Items and Website Items, and that ERPNext's clock is right.",
)
"""How many rows of the list one run may take away. The homepage follows from the list and from what staff tick."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A Website Item. It is sold while ERPNext would sell it."""

    name: str
    item_code: str
    title: str
    image: str
    is_sold: bool = True


@dataclass(frozen=True, slots=True)
class Expiring:
    """The earliest expiry date of one item, among its batches with stock."""

    item: Listed
    expiry_date: date
    quantity: float
    """Stock of all its batches within the window."""


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One row of `Expiring Items` after the run. `expiry_date` is None for items that staff marked."""

    website_item: str
    title: str
    item_code: str
    expiry_date: date | None
    days_left: int | None
    quantity: float | None
    show: bool
    rests: bool
    """Whether its item is not sold now, so that nothing of it is shown."""


# --- items to clear ------------------------------------------------------------------------------------


def listed_items(erp: ErpNextClient, values: Iterable[str], *, key: str = "name") -> dict[str, Listed]:
    """Return existing Website Items by name, sold or not. `key` is the field that holds `values`."""
    sold_here = for_sale_in(erp)
    fields = ["name", "web_item_name", "website_image", *sold_here.fields]
    rows = erp.rows_in("Website Item", fields, sorted(set(values)), key=key)
    today = erp.clock().date()
    return {
        row["name"]: Listed(
            row["name"],
            row["item_code"] or "",
            row["web_item_name"] or "",
            row["website_image"] or "",
            is_sold=sold_here.reason_against(row, today) is None,
        )
        for row in rows
    }


def expiring_items(erp: ErpNextClient, today: date, days: int, report: SyncReport) -> list[Expiring]:
    """Return items, sold or not, with a batch in stock that expires from today to `days` from now; the earliest counts.

    Expired batches cannot be sold, so they are not clearance stock. A batch whose date cannot be read is rejected.
    """
    until = today + timedelta(days=days)
    batches = list(
        erp.rows(
            "Batch",
            ["name", "item", "expiry_date", "batch_qty"],
            filters=[
                ["expiry_date", "between", [today.isoformat(), until.isoformat()]],
                ["batch_qty", ">", 0],
                ["disabled", "=", 0],
            ],
        )
    )
    earliest: dict[str, date] = {}
    quantities: dict[str, float] = {}
    for batch in batches:
        code, expiry = folded(batch["item"]), _date(batch["expiry_date"])
        if expiry is None:
            reason = f"its expiry date {batch['expiry_date']!r:.40} is no date: correct it in the Batch"
            report.reject(Reject("Batch", batch["name"], reason, "expiry_date"))
            continue
        earliest[code] = min(expiry, earliest.get(code, expiry))
        quantities[code] = quantities.get(code, 0.0) + number(batch["batch_qty"])
    items = listed_items(erp, (batch["item"] for batch in batches), key="item_code").values()
    by_code = ((item, folded(item.item_code)) for item in items)
    found = [Expiring(item, earliest[code], quantities[code]) for item, code in by_code if code in earliest]
    return sorted(found, key=lambda one: (one.expiry_date, one.item.name))


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


# --- Expiring Items -------------------------------------------------------------------------------------------


def write_expiring_items(
    erp: ErpNextClient, today: date, days: int, report: SyncReport, *, allow_empty: bool = False
) -> list[ListedItem]:
    """Update `Expiring Items` to what expires now and what staff marked. Returns its rows afterwards.

    Raises MassLossError when most of the rows would go before their day.
    """
    guard = Guard(LEAVING, Memory(LEAVING.name), allowed=allow_empty)
    expiring = expiring_items(erp, today, days, report)
    wanted: list[dict[str, Any]] = []
    marked: dict[str, Listed] = {}
    before: set[str] = set()

    def change(document: Row) -> dict[str, Any]:
        there = document.get("expiring_items") or []
        by_staff = [row for row in there if row.get("website_item") and not row.get("expiry_date")]
        marked.clear()
        marked.update(listed_items(erp, (row["website_item"] for row in by_staff)))
        current = _as_named(there, [*marked, *(one.item.name for one in expiring)])
        before.clear()
        before.update(row.get("website_item") or "" for row in current)
        wanted[:] = _wanted_rows(current, expiring, marked)
        guard.refuse(_leaving(current, wanted, datetime.now(UTC).date()))
        return {} if _same_rows(there, wanted) else {"expiring_items": wanted}

    # The app looks up the homepage while it saves the list.
    with _homepage_expected():
        saves = merge_save(erp, LIST, LIST, change)
    listed = {row["website_item"] for row in wanted}
    report.count("found", len(wanted))
    report.count("written" if saves else "unchanged", len(wanted))
    report.count("entered", len(listed - before))
    report.count("removed", len(before - listed) if saves else 0)
    report.count("saves", saves)
    known = {one.item.name: one for one in expiring}
    report.count("resting", sum(not (marked.get(name) or known[name].item).is_sold for name in listed))
    return [_listed(row, known.get(row["website_item"]), marked.get(row["website_item"]), today) for row in wanted]


def _as_named(rows: Sequence[Row], names: Iterable[str]) -> list[Row]:
    """Return rows that name these Website Items as they are spelled, whatever an import wrote."""
    spelled = ByName((name, name) for name in names)
    return [
        {**row, "website_item": spelled.find(named) or named} if (named := row.get("website_item")) else row
        for row in rows
    ]


def _leaving(current: Sequence[Row], wanted: Sequence[Mapping[str, Any]], day: date) -> Loss:
    """Return the rows that go although their day has not come, or that staff entered without one."""
    stay = {row["website_item"] for row in wanted}
    lasting = {
        row["website_item"]
        for row in current
        if row.get("website_item") and not (row.get("expiry_date") and row["expiry_date"] < day.isoformat())
    }
    return Loss({name: name for name in lasting - stay}, lasting)


def _wanted_rows(
    current: Sequence[Row], expiring: Sequence[Expiring], marked: Mapping[str, Listed]
) -> list[dict[str, Any]]:
    """Return rows by date, then those that staff marked in their order, without duplicates, keeping `show`.

    A row of an item that is not sold is there only while it keeps something that staff entered.
    """
    shown = {row.get("website_item") for row in current if row.get("show")}
    dated = [
        {
            "website_item": one.item.name,
            "website_item_name": one.item.title,
            "expiry_date": one.expiry_date.isoformat(),
            "show": int(one.item.name in shown),
        }
        for one in expiring
        if one.item.name not in marked and (one.item.is_sold or one.item.name in shown)
    ]
    by_staff: dict[str, Row] = {}
    for row in current:
        if not row.get("expiry_date") and row.get("website_item") in marked:
            by_staff.setdefault(row["website_item"], row)
    kept = [
        {**row, "website_item_name": marked[name].title, "show": int(name in shown)} for name, row in by_staff.items()
    ]
    return reused_rows([row for row in current if row.get("expiry_date")], dated, "website_item") + kept


def _same_rows(current: Sequence[Row], wanted: Sequence[Mapping[str, Any]]) -> bool:
    return len(current) == len(wanted) and all(
        row.get("website_item") == other["website_item"]
        and same_text(row.get("expiry_date"), other.get("expiry_date"))
        and same_text(row.get("website_item_name"), other["website_item_name"])
        and int(row.get("show") or 0) == other["show"]
        for row, other in zip(current, wanted, strict=True)
    )


def _listed(row: Mapping[str, Any], batch: Expiring | None, marked: Listed | None, today: date) -> ListedItem:
    expiry = _date(row.get("expiry_date"))
    item = marked or (batch.item if batch else None)
    return ListedItem(
        website_item=row["website_item"],
        title=row["website_item_name"],
        item_code=item.item_code if item else "",
        expiry_date=expiry,
        days_left=(expiry - today).days if expiry else None,
        quantity=batch.quantity if batch else None,
        show=bool(row["show"]),
        rests=item is not None and not item.is_sold,
    )


# --- the homepage ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deal:
    """One row of best_deals after the run."""

    website_item: str
    url: str
    by_staff: bool


def write_homepage(erp: ErpNextClient, report: SyncReport) -> list[Deal]:
    """Show the items that staff ticked as deals, beside staff's own rows. Returns the deals."""
    rows = erp.get_single(LIST).get("expiring_items") or []
    ticked = [row["website_item"] for row in rows if row.get("show") and row.get("website_item")]
    items = listed_items(erp, ticked)
    found = ByName(items.items())
    asked = {folded(name): found.find(name) for name in ticked}
    shown = [item for item in asked.values() if item and item.is_sold]
    resting = {*map(folded, ticked)} - {folded(item.name) for item in shown}
    deals: list[Deal] = []

    def change(document: Row) -> dict[str, Any]:
        values: dict[str, Any] = {}
        current = document.get("best_deals") or []
        wanted = merged_deals(current, shown)
        deals[:] = [Deal(row.get("website_item") or "", row.get("url") or "", not is_own(row)) for row in wanted]
        if [_deal_key(row) for row in current] != [_deal_key(row) for row in wanted]:
            values["best_deals"] = wanted
        clearance = document.get("clearance_items") or []
        there = {folded(row.get("website_item") or "") for row in clearance}
        missing = [{"website_item": item.name} for item in shown if folded(item.name) not in there]
        if missing or there & resting:
            # Rows whose `show` brings them back; others by hand, which nothing would bring back, stay.
            kept = [row for row in clearance if folded(row.get("website_item") or "") not in resting]
            values["clearance_items"] = [*kept, *missing]
        return values

    with _homepage_expected():
        saves = merge_save(erp, HOMEPAGE, ACTIVE_HOMEPAGE, change)
    own = sum(not deal.by_staff for deal in deals)
    report.count("found", len(deals))
    report.count("written" if saves else "unchanged", len(deals))
    report.count("from_clearance", own)
    report.count("by_staff", len(deals) - own)
    report.count("saves", saves)
    return deals


@contextmanager
def _homepage_expected() -> Iterator[None]:
    """Turn a missing homepage into an error that says what to do."""
    try:
        yield
    except PermanentError as error:
        missing = NOT_FOUND.search(error.reason)
        if error.status != 404 or not missing or not missing["document"].endswith(ACTIVE_HOMEPAGE):
            raise
        raise PermanentError(
            error.service,
            f"{HOMEPAGE} {ACTIVE_HOMEPAGE}",
            f"does not exist: create a {HOMEPAGE} in the desk and rename it to {ACTIVE_HOMEPAGE!r}",
            status=404,
            exc_type=error.exc_type,
        ) from error


def is_own(row: Mapping[str, Any]) -> bool:
    """Return whether this task wrote a row of best_deals."""
    return str(row.get("url") or "").endswith(DEAL_MARK)


def merged_deals(current: Sequence[Row], shown: Sequence[Listed]) -> list[dict[str, Any]]:
    """Return staff's rows in their places, own rows in the places of own rows, and further ones at the end.

    An item that staff added is not listed a second time.
    """
    by_staff = {folded(row.get("website_item") or "") for row in current if not is_own(row)}
    own_rows = [
        {"website_item": item.name, "url": _picture(item) + DEAL_MARK}
        for item in shown
        if folded(item.name) not in by_staff
    ]
    waiting = iter(reused_rows([row for row in current if is_own(row)], own_rows, "website_item"))
    merged: list[dict[str, Any]] = []
    for row in current:
        if not is_own(row):
            merged.append(dict(row))
        elif (following := next(waiting, None)) is not None:
            merged.append(following)
    return [*merged, *waiting]


def _picture(item: Listed) -> str:
    """Return the item's picture; None for a private file, which visitors cannot see."""
    return "" if item.image.startswith("/private/") else item.image


def _deal_key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row.get("website_item") or "", row.get("url") or ""


# --- the checks -----------------------------------------------------------------------------------------------


def unsellable_on_list(erp: ErpNextClient) -> list[tuple[str, str]]:
    """Return (table, Website Item) of rows in `Expiring Items` that do not rest, and that the shop does not sell."""
    rows = erp.get_single(LIST).get("expiring_items") or []
    return _unsellable(erp, {"expiring_items": [row for row in rows if row.get("expiry_date") and not row.get("show")]})


def unsellable_on_homepage(erp: ErpNextClient) -> list[tuple[str, str]]:
    """Return (table, Website Item) of deals and clearance items that the shop does not sell, including staff's rows."""
    document = erp.get(HOMEPAGE, ACTIVE_HOMEPAGE)
    return _unsellable(erp, {table: document.get(table) or [] for table in ("best_deals", "clearance_items")})


def _unsellable(erp: ErpNextClient, tables: Mapping[str, Sequence[Row]]) -> list[tuple[str, str]]:
    listed = [(table, row["website_item"]) for table, rows in tables.items() for row in rows if row.get("website_item")]
    items = listed_items(erp, (name for _, name in listed))
    return [(table, name) for table, name in listed if name not in items or not items[name].is_sold]
