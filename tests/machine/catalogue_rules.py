"""What ERPNext's rows say of a catalogue, without the project's code: products, options, prices for whom, categories.

What must be, from ERPNext's rows and the shop's settings. Not here: what Medusa shows.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tests.machine import erp_rules
from tests.machine.catalogue_world import CatalogueWorld
from tests.support.catalogue import PRICE_LIST

LEVELS = (("Item Code", "item_code"), ("Item Group", "item_group"), ("Brand", "brand"))
Combination = tuple[tuple[str, str], ...]


def above(shop: CatalogueWorld, group: str | None) -> list[str]:
    """Return a group and all above it, up to where a circle closes."""
    found: list[str] = []
    while group and group not in found:
        found.append(group)
        row = shop.store.get("Item Group", group)
        group = row["parent_item_group"] if row else None
    return found


def is_in_circle(shop: CatalogueWorld, group: str) -> bool:
    """Return whether the way up from a group does not end."""
    last = above(shop, group)[-1]
    row = shop.store.get("Item Group", last)
    return bool(row and row["parent_item_group"])


def is_sold(shop: CatalogueWorld, name: str) -> bool:
    """Return whether ERPNext sells a Website Item's Item today and SHOP_ITEMS takes it."""
    return erp_rules.is_sold(shop.world, name) and _is_chosen(shop, shop.world.row(name))


def _is_chosen(shop: CatalogueWorld, row: Mapping[str, Any]) -> bool:
    groups, brands = shop.chosen.get("item_group"), shop.chosen.get("brand")
    taken = not groups or bool(set(groups) & set(above(shop, row["item_group"])))
    return taken and (not brands or row["brand"] in brands)


def home(shop: CatalogueWorld, name: str, how: str = "") -> str:
    """Return the Website Item whose product shows an Item: its template's or parent's, or its own."""
    above = {
        "options": {"item_code": shop.item(name)["variant_of"]},
        "parents": {"name": shop.world.row(name)["custom_parent_website_item"]},
        "products": {"name": None},
    }[how or shop.variants_as]
    rows = shop.store.rows("Website Item", **above) if any(above.values()) else []
    return rows[0]["name"] if rows and shop.item(rows[0]["name"])["has_variants"] else name


def products(shop: CatalogueWorld, how: str = "") -> dict[str, dict[Combination, list[str]]]:
    """Return the products, by Website Item, and of each its variants by their values; one of several is sold."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in shop.world.names():
        if is_sold(shop, name):
            members[home(shop, name, how)].append(name)
    by_parent = (how or shop.variants_as) == "parents"
    found: dict[str, dict[Combination, list[str]]] = {}
    for name, names in members.items():
        found[name] = defaultdict(list)
        for one, values in (_of_parent if by_parent else _of_template)(shop, name, names).items():
            found[name][values].append(one)
    return found


def _of_template(shop: CatalogueWorld, template: str, names: list[str]) -> dict[str, Combination]:
    """Return the values of variants by attribute; none where it is a product of its own."""
    if names == [template]:
        return {template: ()}
    return {name: _values(shop, name) or (("Variant", shop.item(name)["name"]),) for name in names}


def _of_parent(shop: CatalogueWorld, parent: str, names: list[str]) -> dict[str, Combination]:
    """Return the values of attributes that all have, or where those tell no two apart, the names."""
    if names == [parent]:
        return {parent: ()}
    own = {name: dict(_values(shop, name)) for name in names}
    common = set.intersection(*(set(values) for values in own.values()))
    shared = {name: tuple(sorted((key, own[name][key]) for key in common)) for name in names}
    if common and len(set(shared.values())) == len(names):
        return shared
    titles = [shop.title(name) for name in names]
    return {
        name: (("Variant", title if titles.count(title) == 1 else f"{title} ({shop.item(name)['name']})"),)
        for name, title in zip(names, titles, strict=True)
    }


def _values(shop: CatalogueWorld, name: str) -> Combination:
    rows = shop.values(shop.item(name)["name"])
    return tuple(sorted((row["attribute"], row["attribute_value"]) for row in rows))


def ordered_values(shop: CatalogueWorld, title: str, used: set[str]) -> list[str]:
    """Return values of an option in the order of its attribute."""
    rows = shop.store.rows("Item Attribute Value", parent=title)
    places = {row["attribute_value"]: row["idx"] for row in rows}
    return sorted(used, key=lambda value: (places.get(value, 0), value))


def channel(shop: CatalogueWorld, name: str) -> str:
    """Return the sales channel of a product."""
    brands = shop.channels.get("brand")
    return shop.second if brands and shop.world.row(name)["brand"] in brands else shop.world.medusa.sales_channel_id


def category(shop: CatalogueWorld, group: str) -> str | None:
    """Return the nearest group, of one and those above, that CATEGORIES makes one; None where there is none."""
    shown = shown_groups(shop)
    return next((each for each in above(shop, group) if each in shown), None)


def shown_groups(shop: CatalogueWorld) -> set[str]:
    """Return the groups that CATEGORIES names: those with show_in_website, or those used and all above them.

    The root of the tree is above all, and no group of goods.
    """
    if shop.categories == "website":
        return {row["name"] for row in shop.store.rows("Item Group", show_in_website=1)}
    used = {row["item_group"] for row in shop.store.rows("Website Item", published=1) if _is_chosen(shop, row)}
    used |= {row["item_group"] for row in shop.store.rows("Website Item Group", parenttype="Website Item")}
    found = {each for group in used for each in above(shop, group)}
    return {row["name"] for row in shop.store.rows("Item Group") if row["parent_item_group"]} & found


def tree(shop: CatalogueWorld) -> dict[str, str | None]:
    """Return the shown groups, each with the one that it hangs on."""
    found: dict[str, str | None] = {}
    full = {each for name in products(shop) for group in groups_of(shop, name) for each in above(shop, group)}
    for name in shown_groups(shop):
        row = shop.store.get("Item Group", name)
        if row and not is_in_circle(shop, name) and (shop.empty_groups == "keep" or name in full):
            found[name] = category(shop, row["parent_item_group"])
    return found


def groups_of(shop: CatalogueWorld, name: str) -> set[str]:
    """Return the Item Groups that a product is in."""
    rows = shop.store.rows("Website Item Group", parent=name)
    return {shop.world.row(name)["item_group"], *(row["item_group"] for row in rows)}


def categories(shop: CatalogueWorld, name: str) -> set[str]:
    """Return the categories that a product is in."""
    return {one for group in groups_of(shop, name) if (one := category(shop, group))}


# --- prices -------------------------------------------------------------------------------------------------------


def price(shop: CatalogueWorld, name: str, pieces: int, *, member: bool) -> tuple[float, float] | None:
    """Return what is asked for each of so many pieces, and what that is compared with; None without a price."""
    customer = shop.store.get("Customer", shop.dealer)
    assert customer is not None
    group = customer["customer_group"]
    group_list = (shop.store.get("Customer Group", group) or {})["default_price_list"]
    price_list = (customer["default_price_list"] or group_list or PRICE_LIST) if member else PRICE_LIST
    asked = _on_list(shop, name, price_list, pieces, group if member else None)
    return asked or _on_list(shop, name, PRICE_LIST, pieces, None)


def _on_list(
    shop: CatalogueWorld, name: str, price_list: str, pieces: int, group: str | None
) -> tuple[float, float] | None:
    item = shop.item(name)
    for code in (item["name"], item["variant_of"]):
        rows = shop.store.rows("Item Price", item_code=code, price_list=price_list) if code else []
        fitting = [row for row in rows if (row["packing_unit"] or 0) <= pieces]
        if fitting:
            rate = max(fitting, key=lambda row: row["packing_unit"] or 0)["price_list_rate"]
            rule = _rule(shop, name, pieces, group)
            asked = round(_applied(rule, rate), 6) if rule else rate
            return asked, max(asked, rate)
    return None


def _applied(rule: dict[str, Any], rate: float) -> float:
    kind = rule["rate_or_discount"]
    if kind == "Rate":
        return rule["rate"] or rate
    return rate * (1 - rule["discount_percentage"] / 100) if kind == "Discount Percentage" else rate


def _rule(shop: CatalogueWorld, name: str, pieces: int, group: str | None) -> dict[str, Any] | None:
    """Return the Pricing Rule that ERPNext applies. Where several are left it decides nothing."""
    found: list[dict[str, Any]] = []
    for apply_on, column in LEVELS:
        of_level = _rules(shop, apply_on, column, name, group)
        found += sorted(of_level, key=lambda rule: (rule["priority"] or "", rule["name"]), reverse=True)
        if found and not found[0]["has_priority"]:
            break
    fitting = [rule for rule in found if _fits(rule, pieces)]
    most = max((int(rule["priority"] or 0) for rule in fitting), default=0)
    left = [rule for rule in fitting if not most or int(rule["priority"] or 0) == most]
    return left[0] if len(left) == 1 else None


def _rules(shop: CatalogueWorld, apply_on: str, column: str, name: str, group: str | None) -> Iterator[dict[str, Any]]:
    item = shop.item(name)
    wanted = {
        "item_code": {item["name"], item["variant_of"]},
        "item_group": {*above(shop, item["item_group"])},
        "brand": {item["brand"]},
    }[column] - {None, ""}
    today = shop.world.trade.today
    for rule in shop.store.rows("Pricing Rule", apply_on=apply_on, disable=0):
        targets = {row[column] for row in shop.store.rows(f"Pricing Rule {apply_on}", parent=rule["name"])}
        is_for = not rule["customer_group"] or rule["customer_group"] == group
        if targets & wanted and is_for and _is_on(rule, today):
            yield rule


def _is_on(rule: dict[str, Any], today: date) -> bool:
    since, until = rule["valid_from"], rule["valid_upto"]
    return (not since or date.fromisoformat(since) <= today) and (not until or today <= date.fromisoformat(until))


def _fits(rule: dict[str, Any], pieces: int) -> bool:
    return (rule["min_qty"] or 0) <= pieces and (not rule["max_qty"] or pieces <= rule["max_qty"])
