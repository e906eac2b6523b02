"""Templates and their variants that are one product of Medusa together (VARIANTS), read once a run.

With `options` a variant's template is that of its Item; with `parents` it is the Website Item that the Frappe app's
field custom_parent_website_item names, whose form takes templates only.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.setting_types import Variants
from erp_medusa_pipelines.sync.engine.names import ByName, same_name
from erp_medusa_pipelines.sync.shop.for_sale import for_sale_in

FIELDS = ("name", "medusa_id", "medusa_variant_id", "item_code.variant_of as item_variant_of")

HOME_FIELDS = (
    "name", "item_code", "item_code.variant_of as item_variant_of", "item_code.has_variants as item_has_variants",
)  # fmt: skip
PARENT = "custom_parent_website_item"


@dataclass(frozen=True)
class Families:
    """Names are those of Website Items."""

    home: Mapping[str, str] = field(default_factory=dict[str, str])
    """The template of each variant."""
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The variants of each template; none where all of a bound template's were deleted. Not of those abandoned."""
    sold: frozenset[str] = frozenset()
    """Templates of which a variant is for sale."""
    incomplete: frozenset[str] = frozenset()
    """Templates of which a variant is for sale that does not have the ids of their product."""
    leaving: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variants' ids in Medusa, by Website Item, of those that are not for sale any more."""
    alone: frozenset[str] = frozenset()
    """Variants that are not for sale and have a product of their own still: VARIANTS was another when they were."""
    bound: frozenset[str] = frozenset()
    """The ids in Medusa of all variants."""
    abandoned: frozenset[str] = frozenset()
    """Templates without variants whose product's id other Website Items still have: they are grouped in another way."""
    by_parent: bool = False
    """Whether variants are what names its parent, with whatever attributes."""

    def around(self, names: Iterable[str]) -> frozenset[str]:
        """Return these Website Items and all that are one product with them."""
        found: set[str] = set()
        for name in names:
            home = self.home.get(name, name)
            found |= {name, home, *self.variants.get(home, ())}
        return frozenset(found)


NONE = Families()


def homes_of(erp: ErpNextClient, names: Collection[str], how: Variants) -> dict[str, str]:
    """Return the template of each of these Website Items that is a variant: what `Families.home` says of all.

    Two requests, whatever the number of Website Items. Templates without a Website Item have no product.
    """
    if how == "products":
        return {}
    own, key = _KEYS[how]
    fields = (*HOME_FIELDS, PARENT) if how == "parents" else HOME_FIELDS
    rows = erp.rows_in(WEBSITE_ITEM, fields, sorted(names))
    wanted = {row[own] for row in rows if row[own]}
    above = erp.rows_in(WEBSITE_ITEM, fields, sorted(wanted), key=key)
    templates = ByName((row[key] or "", row) for row in above if row["item_has_variants"])
    found = {row["name"]: _template_of(row, templates, how) for row in rows}
    return {name: template for name, template in found.items() if template}


def templates_with(erp: ErpNextClient, products: Mapping[str, str]) -> dict[str, str]:
    """Return, by Website Item, the template with the same product. `products` are ids in Medusa by Website Item."""
    ids = sorted(set(products.values()))
    rows = erp.rows_in(WEBSITE_ITEM, ["name", "medusa_id"], ids, key="medusa_id", filters=[["has_variants", "=", 1]])
    templates = {row["medusa_id"]: row["name"] for row in rows}
    return {name: templates[product] for name, product in products.items() if product in templates}


_KEYS = {"options": ("item_variant_of", "item_code"), "parents": (PARENT, "name")}
"""What a variant says of its template, and the field of the template that it means."""


def read_families(erp: ErpNextClient, how: Variants) -> Families:
    """Read all Website Items' places, in one request for each 10,000; once for the runs of a tick.

    None with VARIANTS=products.
    """
    return NONE if how == "products" else erp.http.once(f"families by {how}", lambda: _read(erp, how))


def _read(erp: ErpNextClient, how: Variants) -> Families:
    today = erp.clock().date()
    sold_here = for_sale_in(erp)
    further = [PARENT] if how == "parents" else []
    fields = [*FIELDS, *further, *sold_here.fields]
    rows = erp.http.seen("families", lambda: list(erp.rows(WEBSITE_ITEM, fields, page_size=10_000)))
    templates = ByName((row[_KEYS[how][1]] or "", row) for row in rows if row["item_has_variants"])
    products = {row["name"]: row["medusa_id"] for row in templates.values()}
    home: dict[str, str] = {}
    variants: dict[str, list[str]] = {row["name"]: [] for row in templates.values() if row["medusa_id"]}
    sold: set[str] = set()
    incomplete: set[str] = set()
    leaving: dict[str, str] = {}
    alone: set[str] = set()
    bound: set[str] = set()
    elsewhere: set[str | None] = set()
    for row in rows:
        if row["item_has_variants"]:
            continue
        template = _template_of(row, templates, how)
        if template is None or products[template] != row["medusa_id"]:
            elsewhere.add(row["medusa_id"])
        if template is None:
            continue
        home[row["name"]] = template
        variants.setdefault(template, []).append(row["name"])
        if row["medusa_variant_id"]:
            bound.add(row["medusa_variant_id"])
        if sold_here.reason_against(row, today) is None:
            sold.add(template)
            if not (row["medusa_variant_id"] and row["medusa_id"] and row["medusa_id"] == products[template]):
                incomplete.add(template)
            continue
        if row["medusa_variant_id"]:
            leaving[row["name"]] = row["medusa_variant_id"]
        if row["medusa_id"] and row["medusa_id"] != products[template]:
            alone.add(row["name"])
    abandoned = frozenset(name for name, members in variants.items() if not members and products[name] in elsewhere)
    return Families(
        home,
        {name: tuple(names) for name, names in variants.items() if name not in abandoned},
        frozenset(sold),
        frozenset(incomplete),
        leaving,
        frozenset(alone),
        frozenset(bound),
        abandoned,
        how == "parents",
    )


def _template_of(row: Mapping[str, Any], templates: ByName[Row], how: Variants) -> str | None:
    own, key = _KEYS[how]
    named = row[own] or ""
    if not named or same_name(named, row[key]):
        return None
    found = templates.find(named)
    return found["name"] if found else None
