"""Which Website Items go to this shop (SHOP_ITEMS), and into which of its sales channels (SALES_CHANNELS).

A rule names values by field: {"item_group": ["Dental", "Medical"], "brand": ["3M"]}. A Website Item meets it with one
of the values in each of the fields. An Item Group stands for all below it too; a field is one of the Website Item, or
with "item_code." before it one of its Item.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.product_fields import key_of
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.engine.names import ByName, folded

ITEM_GROUP = "item_group"
OF_THE_ITEM = "item_code."
LABELS = {ITEM_GROUP: "Item Group", "brand": "brand"}

Row = Mapping[str, Any]
Rule = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Choice:
    """The rules of one shop, and what they need to know of its Item Groups."""

    items: Rule = field(default_factory=dict[str, Sequence[str]])
    channels: Mapping[str, Rule] = field(default_factory=dict[str, Rule])
    """Rules by the id of the sales channel that takes what meets them."""
    parents: ByName[str] = field(default_factory=ByName[str])
    """The group above each Item Group, "" at the top."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return what the rules read of a list of Website Items."""
        return tuple(dict.fromkeys(column_of(name) for rule in self._rules() for name in rule))

    def reason_against(self, row: Row) -> str | None:
        """Return why this shop does not take a Website Item (`columns`), or None if it does; without its full stop."""
        unmet = self._unmet(self.items, row)
        if unmet is None:
            return None
        label = LABELS.get(unmet, unmet)
        value = _text(row[key_of(column_of(unmet))]) or "empty"
        return f"its {label} is {value}, and {variable_name('shop_items')} takes {', '.join(self.items[unmet])} alone"

    def channels_of(self, row: Row) -> tuple[str, ...]:
        """Return the sales channels that take a Website Item by a rule, sorted."""
        return tuple(sorted(one for one, rule in self.channels.items() if self._unmet(rule, row) is None))

    def _rules(self) -> Iterator[Rule]:
        yield self.items
        yield from self.channels.values()

    def _unmet(self, rule: Rule, row: Row) -> str | None:
        """Return the field of which the row has none of the rule's values, or None if it meets the rule."""
        for name, values in rule.items():
            wanted = {folded(value) for value in values}
            if not any(folded(one) in wanted for one in self._values(name, row)):
                return name
        return None

    def _values(self, name: str, row: Row) -> Iterator[str]:
        value = _text(row[key_of(column_of(name))])
        yield value
        if name == ITEM_GROUP:
            yield from groups_above(self.parents, value)


EVERYTHING = Choice()


def column_of(name: str) -> str:
    """Return what is asked of a list of Website Items for a field of a rule."""
    return f"{name} as chosen_{name.removeprefix(OF_THE_ITEM)}" if name.startswith(OF_THE_ITEM) else name


def read_choice(erp: ErpNextClient) -> Choice:
    """Return the rules of this shop. Without an Item Group in them no request, else one for all assets of a run.

    Raises PermanentError where they name an Item Group that does not exist: what it held would leave the shop.
    """
    items, channels = erp.shop_rules.items, erp.shop_rules.channels
    if not (items or channels):
        return EVERYTHING
    return erp.http.once("rules of the shop", lambda: _read(erp, items, channels), of_tick=True)


def _read(erp: ErpNextClient, items: Rule, channels: Mapping[str, Rule]) -> Choice:
    named = {"shop_items": [items], "sales_channels": list(channels.values())}
    groups = {setting: [one for rule in rules for one in rule.get(ITEM_GROUP, ())] for setting, rules in named.items()}
    if not any(groups.values()):
        return Choice(items, channels)
    parents = parents_of_groups(erp)
    for setting, names in groups.items():
        if unknown := [name for name in names if name not in parents]:
            reason = f"{variable_name(setting)} names {', '.join(unknown)}, which ERPNext has no Item Group for"
            raise PermanentError(erp.http.service, "Item Group", reason)
    return Choice(items, channels, parents)


def parents_of_groups(erp: ErpNextClient) -> ByName[str]:
    """Return the group above each Item Group; read once for all assets of a run."""
    fields = ["name", "parent_item_group"]
    rows = erp.http.once(
        "parents of Item Groups", lambda: list(erp.rows("Item Group", fields, page_size=10_000)), of_tick=True
    )
    return ByName((row["name"], row["parent_item_group"] or "") for row in rows)


def groups_above(parents: ByName[str], group: str) -> Iterator[str]:
    """Yield the groups above one, the nearest first. A circle, as an import may leave, ends where it closes."""
    passed = {folded(group)}
    above = parents.find(group)
    while above and folded(above) not in passed:
        yield above
        passed.add(folded(above))
        above = parents.find(above)


def _text(value: Any) -> str:
    """Return a field's value as a rule names it: a Check or a whole number without decimals."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(int(value) if isinstance(value, bool) else value)
