"""Templates and their variants that are one product of Medusa together (VARIANTS=options), read once a run."""

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


@dataclass(frozen=True)
class Families:
    """Names are those of Website Items."""

    home: Mapping[str, str] = field(default_factory=dict[str, str])
    """The template of each variant."""
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The variants of each template; none where all of a bound template's were deleted."""
    sold: frozenset[str] = frozenset()
    """Templates of which a variant is for sale."""
    incomplete: frozenset[str] = frozenset()
    """Templates of which a variant is for sale that does not have the ids of their product."""
    leaving: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variants' ids in Medusa, by Website Item, of those that are not for sale any more."""
    bound: frozenset[str] = frozenset()
    """The ids in Medusa of all variants."""

    def around(self, names: Iterable[str]) -> frozenset[str]:
        """Return these Website Items and all that are one product with them."""
        found: set[str] = set()
        for name in names:
            home = self.home.get(name, name)
            found |= {name, home, *self.variants.get(home, ())}
        return frozenset(found)


NONE = Families()


def homes_of(erp: ErpNextClient, names: Collection[str]) -> dict[str, str]:
    """Return the template of each of these Website Items that is a variant: what `Families.home` says of all.

    Two requests, whatever the number of Website Items. Templates without a Website Item have no product.
    """
    rows = erp.rows_in(WEBSITE_ITEM, HOME_FIELDS, sorted(names))
    codes = {row["item_variant_of"] for row in rows if row["item_variant_of"]}
    above = erp.rows_in(WEBSITE_ITEM, HOME_FIELDS, sorted(codes), key="item_code")
    templates = ByName((row["item_code"] or "", row) for row in above if row["item_has_variants"])
    found = {row["name"]: _template_of(row, templates) for row in rows}
    return {name: template for name, template in found.items() if template}


def read_families(erp: ErpNextClient) -> Families:
    """Read all Website Items' places, in one request for each 10,000; once for all assets of a run."""
    return erp.http.once("families of variants", lambda: _read(erp))


def homes(erp: ErpNextClient, how: Variants) -> Mapping[str, str]:
    """Return the template of each variant that is one product with it; none with VARIANTS=products."""
    return read_families(erp).home if how == "options" else {}


def _read(erp: ErpNextClient) -> Families:
    today = erp.clock().date()
    sold_here = for_sale_in(erp)
    rows = list(erp.rows(WEBSITE_ITEM, [*FIELDS, *sold_here.fields], page_size=10_000))
    templates = ByName((row["item_code"] or "", row) for row in rows if row["item_has_variants"])
    products = {row["name"]: row["medusa_id"] for row in templates.values()}
    home: dict[str, str] = {}
    variants: dict[str, list[str]] = {row["name"]: [] for row in templates.values() if row["medusa_id"]}
    sold: set[str] = set()
    incomplete: set[str] = set()
    leaving: dict[str, str] = {}
    bound: set[str] = set()
    for row in rows:
        template = _template_of(row, templates)
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
        elif row["medusa_variant_id"]:
            leaving[row["name"]] = row["medusa_variant_id"]
    return Families(
        home,
        {name: tuple(names) for name, names in variants.items()},
        frozenset(sold),
        frozenset(incomplete),
        leaving,
        frozenset(bound),
    )


def _template_of(row: Mapping[str, Any], templates: ByName[Row]) -> str | None:
    code = row["item_variant_of"] or ""
    if not code or same_name(code, row["item_code"]):
        return None
    found = templates.find(code)
    return found["name"] if found else None
