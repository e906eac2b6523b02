"""ERPNext's Pricing Rules: reading them, which one counts for an item, and what it makes of a price.

ERPNext looks for rules of the item (or its template), then of its group and those above, then of its brand, and stops
at the first of these that has any, unless that one has a priority. Of those that fit the quantity the highest priority
counts; several left over are a conflict, which ERPNext refuses to decide.

A rule that Medusa cannot express - a condition in Python, several lines counted together - is reported by name. Where
one takes part in the choice, no rule is applied to the item, for what ERPNext would ask is not known.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from math import ceil, floor
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.engine.names import folded, same_name
from erp_medusa_pipelines.sync.engine.values import MOST_PIECES, Values, number
from erp_medusa_pipelines.sync.prices.windows import ANY_NUMBER, Tier, Window, first_day_after

DOCTYPE = "Pricing Rule"
TARGETS = {"Item Code": "item_code", "Item Group": "item_group", "Brand": "brand"}
"""In the order in which ERPNext looks: what a rule is for, and the field of its child table."""
FIELDS = (
    "name", "title", "apply_on", "price_or_product_discount", "rate_or_discount", "rate", "discount_amount",
    "discount_percentage", "min_qty", "max_qty", "min_amt", "max_amt", "valid_from", "valid_upto", "customer",
    "customer_group", "territory", "sales_partner", "campaign", "for_price_list", "currency", "company", "warehouse",
    "has_priority", "priority", "coupon_code_based", "condition", "mixed_conditions", "is_cumulative",
    "apply_rule_on_other", "apply_multiple_pricing_rules", "margin_rate_or_amount", "validate_applied_rule",
)  # fmt: skip


NEVER = ("customer", "territory", "sales_partner", "campaign")
"""Fields by which a rule is for customers whom the shop does not tell apart: it never counts here."""


TWICE = "take out its Item Group or the one above it, its template or the variant"
"""What staff do about a rule that ERPNext finds twice for an item, and then refuses every order of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One Pricing Rule. `targets` are folded names, each with the unit that it is for ("" for any)."""

    name: str
    apply_on: str
    targets: Mapping[str, str]
    kind: str
    """Rate, Discount Percentage or Discount Amount."""
    value: Decimal
    currency: str
    window: Window
    tier: Tier
    price_list: str = ""
    customer_group: str = ""
    has_priority: bool = False
    priority: int = 0
    stacks: bool = False
    is_silent: bool = False
    """Whether it leaves the price as it is where it counts: free items, or a coupon that nobody gave."""
    unsaid: str = ""
    """Why Medusa cannot say it."""
    blocks: bool = False
    """Whether what ERPNext would ask is unknown where it takes part. Not so of a coupon: without it nothing changes."""

    def applied_to(self, price: Decimal, currency: str) -> Decimal:
        """Return what ERPNext asks instead of a price."""
        if self.is_silent:
            return price
        if self.kind == "Rate":
            return self.value if self.value and self.currency == currency else price
        if self.kind == "Discount Percentage":
            return price * (1 - self.value / 100)
        return price - self.value if self.kind == "Discount Amount" else price


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules are compared with, beside time and quantity."""

    item_code: str
    template: str
    item_groups: Collection[str]
    """Folded names of its Item Group and all above."""
    brand: str
    unit: str
    price_list: str
    currency: str
    customer_groups: Collection[str] = ()
    """Folded names of the customers' Customer Group and all above; none for everybody."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The rule that counts, or none; `problem` says why none does although some would."""

    rule: Rule | None = None
    problem: str = ""
    rules: tuple[str, ...] = ()
    """Names of the rules that `problem` is about."""


@dataclass
class PricingRules:
    """The Pricing Rules of one site for selling, and the tree of its Item Groups."""

    rules: Sequence[Rule] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    """Folded name of an Item Group -> that of the one above."""

    @property
    def unsaid(self) -> Iterator[Rule]:
        """Yield the rules that Medusa cannot say."""
        return (rule for rule in self.rules if rule.unsaid)

    @property
    def customer_groups(self) -> frozenset[str]:
        """Folded names of Customer Groups that rules are for."""
        return frozenset(folded(rule.customer_group) for rule in self.rules if rule.customer_group and not rule.unsaid)

    def above(self, item_group: str) -> frozenset[str]:
        """Return the folded names of an Item Group and all above it; a tree with a circle ends where it began."""
        found: list[str] = []
        name = folded(item_group)
        while name and name not in found:
            found.append(name)
            name = self.parents.get(name, "")
        return frozenset(found)

    def candidates(self, subject: Subject) -> list[Rule]:
        """Return the rules that count for a subject at some time and for some quantity, as ERPNext orders them.

        A rule that names an Item Group and one above it, or a template and its variant, is found twice, as in ERPNext.
        """
        places = [("Item Code", folded(code)) for code in (subject.item_code, subject.template) if code]
        places += [("Item Group", group) for group in subject.item_groups]
        places += [("Brand", folded(subject.brand))] if subject.brand else []
        numbers = {number for place in places for number in self._by_target.get(place, ())}
        rules = (self.rules[number] for number in sorted(numbers))
        return [rule for rule in rules for _ in range(_times_found(rule, subject))]

    @cached_property
    def _by_target(self) -> Mapping[tuple[str, str], Sequence[int]]:
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, rule in enumerate(self.rules):
            for target in rule.targets:
                found[rule.apply_on, target].append(index)
        return found


def choose(candidates: Sequence[Rule], subject: Subject, day: date, pieces: int) -> Choice:
    """Return which of these candidates ERPNext applies on a day to so many pieces."""
    rules = _of_first_level([rule for rule in candidates if _covers(rule.window, day)])
    if blocking := next((rule for rule in rules if rule.blocks), None):
        return Choice(None, f"takes part in its price: {blocking.unsaid}", (blocking.name,))
    if len(rules) > 1 and all(rule.stacks for rule in rules):
        names = tuple(rule.name for rule in rules)
        return Choice(None, f"{', '.join(names)} are applied one after the other", names)
    fitting = [rule for rule in rules if rule.tier.least <= pieces and (not rule.tier.most or pieces <= rule.tier.most)]
    fitting = _preferred(fitting, lambda rule: rule.currency == subject.currency)
    most = max((rule.priority for rule in fitting), default=0)
    fitting = [rule for rule in fitting if rule.priority == most] if most else fitting
    if len(fitting) > 1 and {rule.kind for rule in fitting} == {"Discount Percentage"}:
        fitting = _preferred(fitting, lambda rule: bool(rule.price_list))
    if len(fitting) > 1:
        names = tuple(dict.fromkeys(rule.name for rule in fitting))
        if len(names) == 1:
            return Choice(None, f"{names[0]} conflicts with itself, for it names the item twice: {TWICE}", names)
        return Choice(None, f"{' and '.join(names)} conflict: give one of them a higher priority", names)
    return Choice(fitting[0]) if fitting else Choice()


def _preferred(rules: list[Rule], wanted: Any) -> list[Rule]:
    return [rule for rule in rules if wanted(rule)] or rules if len(rules) > 1 else rules


def _of_first_level(rules: Sequence[Rule]) -> list[Rule]:
    found: list[Rule] = []
    for apply_on in TARGETS:
        found += [rule for rule in rules if rule.apply_on == apply_on]
        if found and found[0].has_priority:
            continue
        if found and not all(rule.stacks for rule in found):
            break
    return found


def _covers(window: Window, day: date) -> bool:
    return (window.start is None or window.start <= day) and (window.end is None or day < window.end)


def _times_found(rule: Rule, subject: Subject) -> int:
    """Return how many rows ERPNext's query has of a rule: one for each target that is the subject's."""
    if rule.price_list and not same_name(rule.price_list, subject.price_list):
        return 0
    if rule.customer_group and folded(rule.customer_group) not in subject.customer_groups:
        return 0
    if rule.apply_on == "Item Code":
        # A rule of the template counts whatever its unit.
        has_template = bool(subject.template) and folded(subject.template) in rule.targets
        return has_template + _units_that_fit(rule, subject, [folded(subject.item_code)])
    if rule.apply_on == "Brand":
        return int(bool(subject.brand) and folded(subject.brand) in rule.targets)
    return _units_that_fit(rule, subject, subject.item_groups)


def _units_that_fit(rule: Rule, subject: Subject, names: Collection[str]) -> int:
    units = [rule.targets[name] for name in names if name in rule.targets]
    return sum(not unit or same_name(unit, subject.unit) for unit in units)


# --- reading ------------------------------------------------------------------------------------------------------


def read_rules(erp: ErpNextClient, *, company: str | None, with_groups: bool) -> PricingRules:
    """Read the enabled rules for selling. `with_groups`: whether customers of groups have prices of their own."""
    filters = [["disable", "=", 0], ["selling", "=", 1]]
    rows = list(erp.rows(DOCTYPE, FIELDS, filters=filters))
    if not rows:
        return PricingRules()
    targets: dict[str, dict[str, str]] = defaultdict(dict)
    names = [row["name"] for row in rows]
    for apply_on, fieldname in TARGETS.items():
        child = f"{DOCTYPE} {apply_on}"
        for row in erp.rows_in(child, ["parent", fieldname, "uom"], names, key="parent", parent=DOCTYPE):
            targets[row["parent"]][folded(row[fieldname])] = row["uom"] or ""
    companies = {row["company"] for row in rows if row["company"]}
    # The company is filled in by itself: where all rules have the same, it is the shop's.
    own = company or (companies.pop() if len(companies) == 1 else None)
    groups = erp.rows("Item Group", ["name", "parent_item_group"])
    rules = [
        _rule(row, targets[row["name"]], own, with_groups=with_groups)
        for row in rows
        if not row["company"] or own is None or same_name(row["company"], own)
    ]
    # ERPNext's order; `priority` is a text there.
    rules.sort(key=lambda rule: rule.name, reverse=True)
    rules.sort(key=lambda rule: str(rule.priority or ""), reverse=True)
    return PricingRules(rules, {folded(row["name"]): folded(row["parent_item_group"] or "") for row in groups})


def _rule(row: Mapping[str, Any], targets: Mapping[str, str], company: str | None, *, with_groups: bool) -> Rule:
    values = Values(row)
    is_silent = row["price_or_product_discount"] != "Price" or row["coupon_code_based"] or row["validate_applied_rule"]
    kind = row["rate_or_discount"] or ""
    value = {"Rate": "rate", "Discount Percentage": "discount_percentage", "Discount Amount": "discount_amount"}
    pieces = _pieces(values.decimal("min_qty"), values.decimal("max_qty"))
    rule = Rule(
        name=row["name"],
        apply_on="" if pieces is None or any(row[key] for key in NEVER) else row["apply_on"] or "",
        targets=targets,
        kind=kind,
        value=values.decimal(value[kind]) if kind in value else Decimal(),
        currency=values.text("currency").upper(),
        window=Window(values.day("valid_from"), first_day_after(values.day("valid_upto"))),
        tier=pieces or ANY_NUMBER,
        price_list=row["for_price_list"] or "",
        customer_group=row["customer_group"] or "",
        has_priority=bool(row["has_priority"]),
        priority=int(number(row["priority"])),
        stacks=bool(row["apply_multiple_pricing_rules"]),
        is_silent=bool(is_silent),
    )
    unsaid, blocks = _unsaid(row, company, with_groups=with_groups)
    if values.unreadable:
        unsaid, blocks = f"its {values.unreadable[1]}", True
    return replace(rule, unsaid=unsaid, blocks=blocks)


def _pieces(least: Decimal, most: Decimal) -> Tier | None:
    """Return the whole numbers of pieces from `least` up to `most`, of which 0 is none; None if there are none."""
    first = max(ceil(least), 1)
    if first > MOST_PIECES or (most and floor(most) < first):
        return None
    return Tier(first, floor(most) if most <= MOST_PIECES else 0)


def _unsaid(row: Mapping[str, Any], company: str | None, *, with_groups: bool) -> tuple[str, bool]:
    """Return why Medusa cannot say a rule, and whether ERPNext's price is unknown where it takes part."""
    groups = variable_name("price_groups")
    blocking = {
        "it has a condition in Python": row["condition"],
        "it counts several lines of an order together": row["mixed_conditions"],
        "it counts what was bought before": row["is_cumulative"],
        "it is applied to another item than the one it is for": row["apply_rule_on_other"],
        "it depends on the amount of the line": row["min_amt"] or row["max_amt"],
        "it is for one warehouse": row["warehouse"],
        "it adds a margin": row["margin_rate_or_amount"],
        f"it is for one company ({row['company']}): set {variable_name('erpnext_company')}": (
            row["company"] and company is None
        ),
    }
    others = {
        "it gives free items": row["price_or_product_discount"] == "Product",
        "it needs a coupon": row["coupon_code_based"],
        "it is for the whole order": row["apply_on"] == "Transaction",
        "it is for one Customer": row["customer"],
        "it is for a territory": row["territory"],
        "it is for a sales partner": row["sales_partner"],
        "it is for a campaign": row["campaign"],
        f"it is for a Customer Group: set {groups}=true": row["customer_group"] and not with_groups,
    }
    for reasons, blocks in ((blocking, True), (others, False)):
        for reason, holds in reasons.items():
            if holds:
                return reason, blocks
    return "", False
