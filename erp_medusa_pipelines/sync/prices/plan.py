"""Plan what makes Medusa's price of one item equal to ERPNext's. Pure functions without requests or state."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from erp_medusa_pipelines.clients.medusa_prices import number_of
from erp_medusa_pipelines.sync.prices.amounts import AmountRule, PriceRefusedError, amount_of
from erp_medusa_pipelines.sync.prices.item_prices import ItemPrices, PricedItem
from erp_medusa_pipelines.sync.prices.windows import ANY_NUMBER, PriceRow, Segment, Tier, Window, cut, left_over


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in Medusa. `window` is None when it must not stay in its list."""

    id: str
    list_id: str
    window: Window | None
    currency: str
    amount: Decimal
    tier: Tier = ANY_NUMBER
    is_live: bool = True
    """Whether Medusa's customers are asked this price now."""
    spans: Window | None = None
    """The window of its list, whether it may stay there or not; None where that is not known."""


@dataclass(frozen=True, slots=True)
class IdChange:
    """Ids to write to the Item Price `name`. A refusal holds until the fingerprint changes."""

    name: str
    fingerprint: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RowIds:
    """The current ids of one Item Price, and the fingerprint of the item's rows."""

    name: str
    fingerprint: str
    medusa_price_id: str
    medusa_id: str

    @classmethod
    def of(cls, row: PriceRow, fingerprint: str) -> "RowIds":
        """Return the ids of a row."""
        return cls(row.name, fingerprint, row.medusa_price_id, row.medusa_id)

    def change_to(self, entry_id: str) -> IdChange | None:
        """Return what to write so that the row has only this entry's id ('' for none), or None if it has it already.

        medusa_id is never filled: with a value in it, the Frappe app's validate hook calls Medusa on every save of the
        row, even while the app is switched off, and the save fails - for staff as well. A value that an earlier
        version or the app left there is emptied.
        """
        if (self.medusa_price_id, self.medusa_id) == (entry_id, ""):
            return None
        values = {"medusa_price_id": entry_id, **({"medusa_id": ""} if self.medusa_id else {})}
        return IdChange(self.name, self.fingerprint, values)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry to create (no `entry_id`) or to change. `name` is the Item Price."""

    name: str
    fingerprint: str
    variant_id: str
    currency: str
    amount: Decimal
    ids: RowIds | None
    """Set when the Item Price gets this entry's id: a row valid in two windows gets the earlier entry's."""
    entry_id: str = ""
    tier: Tier = ANY_NUMBER

    @property
    def body(self) -> dict[str, Any]:
        """Return its part of the request body."""
        # In a change too: of entries of one variant that look alike in a call, Medusa changes only the last.
        what = {"variant_id": self.variant_id, "amount": number_of(self.amount), "currency_code": self.currency.lower()}
        return {**({"id": self.entry_id} if self.entry_id else {}), **what, **self.tier.body}


@dataclass(frozen=True, slots=True)
class Refused:
    """An Item Price that is valid at some time and has no valid amount."""

    name: str
    reason: str
    field: str


@dataclass(frozen=True, slots=True)
class Today:
    """A price that customers are to be asked now: its window, currency, amount and pieces."""

    window: Window
    currency: str
    amount: Decimal
    tier: Tier = ANY_NUMBER

    def is_undercut_by(self, entry: Entry) -> bool:
        """Return whether customers would be asked the entry's amount instead: Medusa asks the lowest in force."""
        same = entry.is_live and entry.currency == self.currency and entry.tier.overlaps(self.tier)
        return same and entry.amount < self.amount


Asked = tuple[str, str]
"""The customer group of a tier, and a currency."""


@dataclass(slots=True)
class ItemPlan:
    """What must be done for one item."""

    variant_id: str
    had: set[str] = field(default_factory=set)
    """Customer groups of its tiers for which Medusa has a current or future price; `has`: for which ERPNext does."""
    has: set[str] = field(default_factory=set)
    shown: set[Asked] = field(default_factory=set)
    """What customers are asked a price in now; `stays_shown`: what they are after the run."""
    stays_shown: set[Asked] = field(default_factory=set)
    today: list[Today] = field(default_factory=list)
    create: list[tuple[Window, Wanted]] = field(default_factory=list)
    change: list[tuple[str, Wanted]] = field(default_factory=list)
    """(price list, entry)."""
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    unplaced: list[tuple[str, Window]] = field(default_factory=list)
    """(customer group, window) of refused rows, for which Medusa gets no new entry."""
    ids: list[IdChange] = field(default_factory=list)
    """Ids that can be written before anything is sent to Medusa."""
    stale: list[Entry] = field(default_factory=list)
    """Entries to remove once those in `create` exist."""

    @property
    def found(self) -> int:
        """Number of wanted entries and refused rows."""
        return len(self.create) + len(self.change) + self.unchanged + len(self.refused)

    @property
    def asked_before(self) -> set[str]:
        """The customer groups of its tiers with a price, now or later, before the run."""
        return self.had | {group for group, _ in self.shown}

    @property
    def losers(self) -> set[str]:
        """Those of them that removing the stale entries leaves without a price that they have.

        A price that begins next month replaces none of today's, and one in another currency none in this one.
        """
        return (self.had - self.has) | {group for group, _ in self.shown - self.stays_shown}


def plan_item(
    item: PricedItem,
    prices: ItemPrices,
    entries: Iterable[Entry],
    *,
    rule: AmountRule,
    today: date,
    is_live: Callable[[Window], bool] | None = None,
    keeps_ids: bool = True,
    segments: Sequence[Segment] | None = None,
) -> ItemPlan:
    """Compare an item's entries in Medusa with its Item Prices, as of `today` at the ERP.

    `is_live` says whether a window is in force in Medusa now, `keeps_ids` whether the Item Prices get the entries' ids.
    `segments` are what Medusa is to have; without it, what the rows alone say.
    """
    is_live = is_live or (lambda window: window.remaining(today).start is None)
    by_place: dict[tuple[Window, str, Tier], list[Entry]] = defaultdict(list)
    stale: list[Entry] = []
    shown: set[Asked] = set()
    for entry in entries:
        if entry.is_live:
            shown.add((entry.tier.group, entry.currency))
        if entry.window is None:
            stale.append(entry)
        else:
            by_place[entry.window, entry.currency, entry.tier].append(entry)
    plan = ItemPlan(item.variant_id, had={tier.group for _, _, tier in by_place}, shown=shown, stale=stale)
    left = left_over(cut(prices.rows) if segments is None else segments, today)
    amounts = _amounts(plan, prices.rows, left, rule)
    fingerprint = f"{item.variant_id} {prices.fingerprint}"
    placed: set[str] = set()
    for segment in left:
        row = segment.row
        amount = amounts.get((row.name, row.rate))
        if amount is not None:
            has_own = keeps_ids and not row.inherited and row.name not in placed
            ids = RowIds.of(row, fingerprint) if has_own else None
            placed.add(row.name)
            plan.has.add(segment.tier.group)
            if is_live(segment.window):
                plan.stays_shown.add((segment.tier.group, row.currency))
                plan.today.append(Today(segment.window, row.currency, amount, segment.tier))
            there = by_place.pop((segment.window, row.currency, segment.tier), [])
            _place(plan, segment, amount, ids, there)
        else:
            plan.unplaced.append((segment.tier.group, segment.window))
    for row in (*prices.rows, *prices.others) if keeps_ids else ():
        if not row.inherited and row.name not in placed and (change := RowIds.of(row, fingerprint).change_to("")):
            plan.ids.append(change)
    everybodys = [row for row in prices.others if not row.customer]
    if keeps_ids and item.is_for_sale and not prices.rows and not placed and everybodys:
        plan.refused.append(_other_units(item, everybodys))
    plan.stale += [entry for there in by_place.values() for entry in there]
    return plan


def _other_units(item: PricedItem, others: Sequence[PriceRow]) -> Refused:
    """Return the finding that all rows of an item are for other units than the one it is sold in."""
    units = (f"{row.uom} in packs of {row.packing_unit}" if row.packing_unit > 1 else row.uom for row in others)
    reason = (
        f"Item {item.item_code} is sold per {item.stock_uom}, and has no price for that unit: there is one per"
        f" {', '.join(dict.fromkeys(units))}. Add an Item Price per {item.stock_uom}"
    )
    return Refused(others[0].name, reason, "uom")


def _amounts(
    plan: ItemPlan, rows: Sequence[PriceRow], segments: Iterable[Segment], rule: AmountRule
) -> dict[tuple[str, Decimal], Decimal]:
    """Return amounts by Item Price and rate; rows without a valid amount are refused, each once."""
    amounts: dict[tuple[str, Decimal], Decimal] = {}
    refused: set[str] = set()
    wanted = [*(segment.row for segment in segments), *(row for row in rows if not row.is_ever_valid)]
    for row in dict.fromkeys(wanted):
        try:
            amounts[row.name, row.rate] = amount_of(row, rule)
        except PriceRefusedError as error:
            if row.name not in refused:
                refused.add(row.name)
                plan.refused.append(Refused(row.name, error.reason, error.field))
    return amounts


def _place(plan: ItemPlan, segment: Segment, amount: Decimal, ids: RowIds | None, there: Sequence[Entry]) -> None:
    """Plan what gives Medusa exactly one entry of this amount in the segment's window."""
    row = segment.row
    fingerprint = f"{plan.variant_id} {row.currency} {amount}"
    wanted = Wanted(row.name, fingerprint, plan.variant_id, row.currency, amount, ids, tier=segment.tier)
    if not there:
        plan.create.append((segment.window, wanted))
        return
    kept, *duplicates = sorted(there, key=lambda entry: (entry.amount != amount, entry.id))
    plan.stale += duplicates
    if ids and (change := ids.change_to(kept.id)):
        plan.ids.append(change)
    if kept.amount == amount:
        plan.unchanged += 1
    else:
        plan.change.append((kept.list_id, replace(wanted, entry_id=kept.id)))
