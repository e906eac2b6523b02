"""Attributes of a template and its variants as the options of one product.

Titles and values in ERPNext's order, and what to change of the options that Medusa has, so that options, values and
variants keep their ids.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.catalogue.fields import Values, erp_values, short_hash
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name
from erp_medusa_pipelines.sync.catalogue.product_bodies import handle
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.names import folded

Row = Mapping[str, Any]

WITHOUT_ATTRIBUTES = "Variant"
"""The one option of a template without attributes, as one that is based on manufacturers; its values are item codes."""


@dataclass(frozen=True, slots=True)
class OptionSet:
    """The options of one product. `of` has a value of each option for every variant that can be sold, by its name."""

    options: Mapping[str, Sequence[str]]
    of: Mapping[str, Mapping[str, str]]
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a variant has no place among the others, by its name."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant: its Website Item, its Item, and its values by attribute."""

    name: str
    item_code: str
    values: Mapping[str, str]
    label: str = ""
    """What it is chosen by where the variants have no attributes; its Item if empty."""


def option_set(attributes: Sequence[str], variants: Sequence[Variant], order: Mapping[str, Sequence[str]]) -> OptionSet:
    """Return the options of a template with these attributes.

    `order` has the values of each attribute as ERPNext lists them; numeric attributes have none there. Of two variants
    with the same values the first one is sold: Medusa takes a combination once.
    """
    titles = {attribute: clean_name(attribute) for attribute in attributes} or {"": WITHOUT_ATTRIBUTES}
    of: dict[str, dict[str, str]] = {}
    refused: dict[str, str] = {}
    taken: dict[tuple[str, ...], str] = {}
    for variant in variants:
        found = {folded(key): clean_name(value) for key, value in variant.values.items()}
        values = {
            title: found.get(folded(key), "") if attributes else variant.label or variant.item_code
            for key, title in titles.items()
        }
        missing = [title for title, value in values.items() if not value]
        if missing:
            refused[variant.name] = f"its Item {variant.item_code} has no value of {', '.join(missing)}"
            continue
        combination = tuple(folded(value) for value in values.values())
        if combination in taken:
            refused[variant.name] = (
                f"its Item {variant.item_code} has the same values as {taken[combination]}"
                f" ({', '.join(values.values())}): Medusa takes them once. Change the attributes of one of them"
            )
            continue
        taken[combination] = variant.item_code
        of[variant.name] = values
    options: dict[str, list[str]] = {}
    for key, title in titles.items():
        listed = {folded(clean_name(value)): number for number, value in enumerate(order.get(key, ()))}
        used = dict.fromkeys(values[title] for values in of.values())
        options[title] = sorted(used, key=lambda value, listed=listed: _place(value, listed))
    return OptionSet(options, of, refused)


def options_of_items(
    items: Sequence[Variant], titles: Mapping[str, str], order: Mapping[str, Sequence[str]]
) -> OptionSet:
    """Return the options of Website Items that name the same parent: the attributes that all of their Items have.

    Where two items are alike in these, customers choose by the items' `titles`, or by title and Item. All are sold:
    nobody promised that they have attributes at all.
    """
    shared = [
        attribute
        for attribute in (items[0].values if items else ())
        if all(clean_name(one.values.get(attribute, "")) for one in items)
    ]
    if shared and not (found := option_set(shared, items, order)).refused:
        return found
    times = Counter(folded(titles[one.name]) for one in items)
    labelled = [
        replace(one, label=title if times[folded(title)] == 1 else f"{title} ({one.item_code})")
        for one in items
        for title in (titles[one.name],)
    ]
    return option_set([], labelled, {})


def _place(value: str, listed: Mapping[str, int]) -> tuple[int, float, str]:
    if (known := listed.get(folded(value))) is not None:
        return 0, known, ""
    try:
        return 1, float(value), value
    except ValueError:
        return 2, 0.0, value


@dataclass(slots=True)
class OptionChanges:
    """What to change of a product's options, in this order."""

    titles: dict[str, str] = field(default_factory=dict[str, str])
    """New titles by option id."""
    values: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """New texts by option id and value id."""
    new_values: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Values to add, by option id."""
    new_options: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Options to add, with their values."""
    order: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """All values of an option, by its id, where those wanted are not in ERPNext's order."""
    stale: dict[str, str] = field(default_factory=dict[str, str])
    """Options that ERPNext has no more and Medusa keeps while variants use them: a value of each."""

    @property
    def writes(self) -> bool:
        """Return whether there is anything to change."""
        return bool(self.titles or self.values or self.new_values or self.new_options or self.order)

    def held(self, product: Row) -> dict[str, dict[str, str]]:
        """Return {title: value} of each variant of the product, once these changes are made."""
        texts: dict[str, tuple[str, str]] = {
            str(value["id"]): (
                str(self.titles.get(option["id"], option["title"])),
                str(self.values.get((option["id"], value["id"]), value["value"])),
            )
            for option in product["options"]
            for value in option["values"]
        }
        return {
            str(variant["id"]): dict(texts[one["id"]] for one in variant["options"] or () if one["id"] in texts)
            for variant in product["variants"]
        }


def option_changes(product: Row, wanted: OptionSet, matched: Mapping[str, str]) -> OptionChanges:
    """Compare a product's options (id, title, values.id, .value, .rank; variants.options.id) with those wanted.

    `matched` holds the names of variants by Medusa's ids. An option or a value that all of them would change alike was
    renamed in ERPNext, and is renamed here: so variants keep their ids.
    """
    changes = OptionChanges()
    texts = {value["id"]: value["value"] for option in product["options"] for value in option["values"]}
    current: dict[str, set[str]] = {
        name: {one["id"] for one in variant["options"] or ()}
        for variant in product["variants"]
        if (name := matched.get(variant["id"], "")) in wanted.of
    }
    by_title = {option["title"]: option for option in product["options"]}
    left = [option for title, option in by_title.items() if title not in wanted.options]
    renamed = _renamed([title for title in wanted.options if title not in by_title], left, current, texts, wanted)
    for title, values in wanted.options.items():
        option = by_title.get(title)
        if option is None and (option := renamed.get(title)):
            changes.titles[option["id"]] = title
            left.remove(option)
        if option is None:
            changes.new_options[title] = list(values)
            continue
        known = {value["value"] for value in option["values"]}
        missing = [value for value in values if value not in known]
        for value in list(missing):
            if value_id := _renamed_value(title, value, option, current, wanted):
                changes.values[option["id"], value_id] = value
                missing.remove(value)
        if missing:
            changes.new_values[option["id"]] = missing
        ranks: dict[str, int | None] = {
            str(changes.values.get((option["id"], one["id"]), one["value"])): one["rank"] for one in option["values"]
        }
        if not _in_order([ranks.get(value) for value in values]):
            others = sorted(ranks.keys() - set(values), key=lambda value, ranks=ranks: (ranks[value] or 0, value))
            changes.order[option["id"]] = [*values, *others]
    changes.stale = {option["title"]: option["values"][0]["value"] for option in left if option["values"]}
    return changes


def _in_order(ranks: Sequence[int | None]) -> bool:
    known = [rank for rank in ranks if rank is not None]
    return len(ranks) < 2 or (len(known) == len(ranks) and all(a < b for a, b in pairwise(known)))


def values_to_send(wanted: Mapping[str, str], held: Mapping[str, str], changes: OptionChanges) -> dict[str, Any]:
    """Return a variant's options, where it has others: all of them, as Medusa wants it."""
    if all(held.get(title) == value for title, value in wanted.items()):
        return {}
    return {"options": {**{title: held.get(title, value) for title, value in changes.stale.items()}, **wanted}}


def unused_values(
    product: Row, wanted: OptionSet, changes: OptionChanges, settled: Collection[str]
) -> dict[str, tuple[str, frozenset[str]]]:
    """Return values that no variant is to have: by id, with their option's id and the variants that have them still.

    `settled` are the ids of variants that have what they are to have. Only of attributes that ERPNext has, and not the
    last values of one.
    """
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for option in product["options"]:
        values = wanted.options.get(str(changes.titles.get(option["id"], option["title"]))) or ()
        for one in option["values"] if values else ():
            if changes.values.get((option["id"], one["id"]), one["value"]) not in values:
                holders = {
                    variant["id"]
                    for variant in product["variants"]
                    if variant["id"] not in settled
                    and any(held["id"] == one["id"] for held in variant["options"] or ())
                }
                found[one["id"]] = option["id"], frozenset(holders)
    return found


def taken_values(
    wanted: OptionSet, held: Mapping[str, Mapping[str, str]], matched: Mapping[str, str]
) -> dict[str, str]:
    """Return the variants that are to have what another one of the product has and keeps, with that one's id.

    `held` is {title: value} by Medusa's id of a variant, `matched` the names of variants by those ids. Medusa takes a
    combination once, and refuses all that is sent with a second one.
    """
    found: dict[str, str] = {}
    while True:
        keeping: dict[frozenset[tuple[str, str | None]], str] = {}
        for variant_id, values in held.items():
            has = frozenset((title, values.get(title)) for title in wanted.options)
            name = matched.get(variant_id, "")
            if name in found or name not in wanted.of or has == frozenset(wanted.of[name].items()):
                keeping[has] = variant_id
        new = {
            name: other
            for name, values in wanted.of.items()
            if (other := keeping.get(frozenset(values.items()))) and matched.get(other) != name and name not in found
        }
        if not new:
            return found
        found |= new


def _renamed(
    titles: Sequence[str],
    left: Sequence[Row],
    current: Mapping[str, set[str]],
    texts: Mapping[str, str],
    wanted: OptionSet,
) -> dict[str, Row]:
    """Return which of the options that are left became which of the titles, by what each variant has and is to have.

    First where all variants keep their value, then where values have other texts too, each value one text, then any:
    one that took another's place in ERPNext takes it here, for Medusa keeps an option while variants use it, and
    customers would have to choose in both.
    """
    found: dict[str, Row] = {}
    for is_it in (_are_same, _are_one_to_one, lambda _pairs, _number: True):
        for title in titles:
            for option in [] if title in found else [one for one in left if one not in found.values()]:
                ids = {value["id"] for value in option["values"]}
                pairs = [([texts[one] for one in held & ids], wanted.of[name][title]) for name, held in current.items()]
                if is_it([(held[0], value) for held, value in pairs if len(held) == 1], len(pairs)):
                    found[title] = option
                    break
    return found


def _are_same(pairs: Sequence[tuple[str, str]], number: int) -> bool:
    return len(pairs) == number and all(held == value for held, value in pairs)


def _are_one_to_one(pairs: Sequence[tuple[str, str]], number: int) -> bool:
    before, after = ({pair[side] for pair in pairs} for side in (0, 1))
    return len(pairs) == number and len(set(pairs)) == len(before) == len(after)


def _renamed_value(
    title: str, value: str, option: Row, current: Mapping[str, set[str]], wanted: OptionSet
) -> str | None:
    """Return the value that all variants that are to have the new one have now, and no other variant."""
    ids = {one["id"]: one["value"] for one in option["values"]}
    holders: dict[str, set[str]] = defaultdict(set)
    for name, held in current.items():
        for one in held & ids.keys():
            holders[one].add(name)
    wanting = {name for name in current if wanted.of[name][title] == value}
    same = [one for one, names in holders.items() if names == wanting and ids[one] not in wanted.options[title]]
    return same[0] if len(same) == 1 else None


@dataclass(frozen=True, slots=True)
class OptionReader:
    """Reads the options of templates: one request for their attributes, and one a tick for the order of all values."""

    erp: ErpNextClient
    by_parent: bool = False
    """Whether the variants are items that name the same parent, with attributes or without."""

    def read(self, families: Mapping[str, tuple[WebsiteItem, Sequence[WebsiteItem]]]) -> dict[str, OptionSet]:
        """Return the options of each template, given with its variants, by its name."""
        codes = [item.item_code for template, variants in families.values() for item in (template, *variants)]
        values = self._values(codes)
        attributes = {folded(code): list(found) for code, found in values.items()}
        order = self._order()
        found: dict[str, OptionSet] = {}
        for name, (template, variants) in families.items():
            # Of two with the same values the one that is in the shop stays there.
            ordered = sorted(variants, key=lambda each: not each.row["medusa_variant_id"])
            some = [Variant(one.name, one.item_code, values.get(folded(one.item_code), {})) for one in ordered]
            if self.by_parent:
                titles = {one.name: str(erp_values(one, ["title"]).get("title") or one.item_code) for one in variants}
                found[name] = options_of_items(some, titles, order)
            else:
                found[name] = option_set(attributes.get(folded(template.item_code), []), some, order)
        return found

    def _values(self, codes: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return {attribute: value} of each Item by its folded code, in the order of its rows; "" for a template's."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self.erp.rows_in(
            "Item Variant Attribute",
            ["parent", "attribute", "attribute_value"],
            codes,
            key="parent",
            order_by="parent asc, idx asc",
            parent="Item",
        ):
            found[folded(row["parent"])][str(row["attribute"] or "")] = str(row["attribute_value"] or "")
        return found

    def _order(self) -> dict[str, list[str]]:
        return self.erp.http.once("values of Item Attributes", self._ask_order, of_tick=True)

    def _ask_order(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for row in self.erp.get_list(
            "Item Attribute Value",
            ["parent", "attribute_value"],
            order_by="parent asc, idx asc",
            parent="Item Attribute",
        ):
            found[row["parent"]].append(str(row["attribute_value"] or ""))
        return found


@dataclass(frozen=True, slots=True)
class Family:
    """A template and its variants that are for sale. `options` has those that have a place."""

    template: WebsiteItem
    variants: tuple[WebsiteItem, ...]
    options: OptionSet

    @property
    def name(self) -> str:
        """Name of the template's Website Item."""
        return self.template.name

    def desired(self, variant: WebsiteItem) -> Values:
        """Return ERPNext's values of a variant's fields."""
        values = erp_values(variant, variant.table.of_variant)
        title = " / ".join(self.options.of[variant.name].values())
        return {**{name: values[name] for name in variant.table.of_variant if name in values}, "variant_title": title}

    def variant_of(self, one: WebsiteItem, product: Row) -> Row | None:
        """Return the product's variant that is the item's: by id, by sku, or one that rests, by values."""
        variants = product["variants"] or ()
        for key, value in (("id", one.row["medusa_variant_id"]), ("sku", one.item_code)):
            if found := next((variant for variant in variants if value and variant[key] == value), None):
                return found
        titles = {value["id"]: option["title"] for option in product["options"] for value in option["values"]}
        texts = {value["id"]: value["value"] for option in product["options"] for value in option["values"]}
        wanted = self.options.of[one.name]
        for variant in variants:
            held = {titles[each["id"]]: texts[each["id"]] for each in variant["options"] or () if each["id"] in texts}
            if not variant["sku"] and held == wanted:
                return variant
        return None


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product about to be created."""

    family: Family
    body: dict[str, Any]
    fingerprint: str
    has_keys: bool = False
    """Whether it was asked who has the skus of its variants."""

    @property
    def name(self) -> str:
        """Name of the template's Website Item."""
        return self.family.name

    def without_barcode(self, barcode: str) -> "NewProduct":
        """Return the product, where none of its variants has this barcode."""
        kept = [
            {name: each for name, each in variant.items() if name != "barcode" or each != barcode}
            for variant in self.body["variants"]
        ]
        return replace(self, body={**self.body, "variants": kept})

    def with_other_handle(self, taken: str) -> "NewProduct":
        """Return the product with a handle that nobody else has, if this one is its own."""
        if not self.body["handle"] == taken == handle(self.family.template):
            return self
        return replace(self, body={**self.body, "handle": f"{taken}-{short_hash(self.name)}"})
