"""What customers are asked for an item, by day and number of pieces, in the form that Medusa has for it.

Pure functions that combine Item Prices (windows.py) with Pricing Rules (pricing_rules.py).

A rule that makes an item cheaper becomes an entry of a sale list beside the price of the Item Price, which the
storefront strikes through. One that makes it dearer takes the place of that price: a sale of Medusa never raises one.
Entries of one kind never overlap, neither in time nor in pieces, because Medusa asks the lowest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise

from erp_medusa_pipelines.sync.prices.pricing_rules import Choice, PricingRules, Rule, Subject, choose
from erp_medusa_pipelines.sync.prices.windows import (
    ONE_DAY,
    PriceRow,
    Segment,
    Tier,
    Window,
    cut,
    first_day_after,
    in_force,
    level,
)


@dataclass
class Offers:
    """The prices of one item: those that count, those of sales beside them, and choices that cannot be said."""

    prices: list[Segment] = field(default_factory=list)
    sales: list[Segment] = field(default_factory=list)
    problems: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Names of Pricing Rules -> why none of them is applied."""

    def add(self, other: "Offers") -> None:
        """Add those to other customers."""
        self.prices += other.prices
        self.sales += other.sales
        self.problems |= other.problems


def offers_of(
    rows: Sequence[PriceRow], packs: Sequence[PriceRow], rules: PricingRules, subject: Subject, today: date
) -> Offers:
    """Return the offers for an item from `today` on. `packs` are Item Prices for so many pieces and more."""
    candidates = [rule for rule in rules.candidates(subject) if not rule.window.is_past(today)]
    if not candidates and not packs:
        return Offers(cut(rows))
    found = Offers()
    priced = [row for row in (*rows, *packs) if row.is_ever_valid]
    for window in _windows(priced, candidates):
        if window.is_past(today):
            continue
        day = _day_in(window)
        for tier in _tiers(packs, candidates):
            row = _in_force(rows, packs, day, tier.least)
            if row is None:
                continue
            rules_asked = replace(subject, currency=row.currency)
            choice = choose(candidates, rules_asked, day, tier.least)
            if choice.problem:
                found.problems.setdefault(choice.rules, choice.problem)
            _add(found, Segment(window, row, tier), choice)
    return Offers(_merged(found.prices), _merged(found.sales), found.problems)


def _add(found: Offers, segment: Segment, choice: Choice) -> None:
    row = segment.row
    asked = choice.rule.applied_to(row.rate, row.currency) if choice.rule else row.rate
    if asked > row.rate:
        found.prices.append(replace(segment, row=replace(row, rate=asked)))
        return
    found.prices.append(segment)
    if asked < row.rate:
        found.sales.append(replace(segment, row=replace(row, rate=asked)))


def _in_force(rows: Sequence[PriceRow], packs: Sequence[PriceRow], day: date, pieces: int) -> PriceRow | None:
    """Return the row for so many pieces: of those of the first level, that of the largest pack which they fill."""
    for each in sorted({level(row) for row in (*rows, *packs)}, reverse=True):
        filled = [row for row in packs if level(row) == each and row.packing_unit <= pieces]
        for pack in sorted({row.packing_unit for row in filled}, reverse=True):
            if row := in_force((one for one in filled if one.packing_unit == pack), day):
                return row
        if row := in_force((one for one in rows if level(one) == each), day):
            return row
    return None


def _windows(rows: Iterable[PriceRow], rules: Iterable[Rule]) -> list[Window]:
    edges: set[date] = set()
    for row in rows:
        edges |= {day for day in (row.valid_from, first_day_after(row.valid_upto)) if day}
    for rule in rules:
        edges |= {day for day in (rule.window.start, rule.window.end) if day}
    return [Window(start, end) for start, end in pairwise([None, *sorted(edges), None])]


def _day_in(window: Window) -> date:
    """Return a day of a window in which nothing changes."""
    return window.start or (window.end - ONE_DAY if window.end and window.end > date.min else date.min)


def _tiers(packs: Iterable[PriceRow], rules: Iterable[Rule]) -> list[Tier]:
    edges = {1, *(row.packing_unit for row in packs)}
    for rule in rules:
        edges |= {rule.tier.least, *([rule.tier.most + 1] if rule.tier.most else [])}
    ordered = sorted(edges)
    return [Tier(least, above - 1) for least, above in pairwise(ordered)] + [Tier(ordered[-1])]


def _merged(segments: Sequence[Segment]) -> list[Segment]:
    """Join neighbours with the same price: first those of more pieces, then those of later days."""
    wider: list[Segment] = []
    for one in segments:
        last = wider[-1] if wider else None
        if last and last.window == one.window and last.row == one.row and last.tier.most + 1 == one.tier.least:
            wider[-1] = replace(last, tier=Tier(last.tier.least, one.tier.most))
        else:
            wider.append(one)
    longer: list[Segment] = []
    for one in wider:
        place = next(
            (
                number
                for number, each in enumerate(longer)
                if (each.row, each.tier, each.window.end) == (one.row, one.tier, one.window.start)
                and one.window.start is not None
            ),
            None,
        )
        if place is None:
            longer.append(one)
        else:
            longer[place] = replace(longer[place], window=Window(longer[place].window.start, one.window.end))
    return longer
