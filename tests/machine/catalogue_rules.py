"""What ERPNext's rows say of a catalogue, without the project's code: products, options, prices for whom, categories.

What must be, from ERPNext's rows and the shop's settings. Not here: what Medusa shows.
"""

from collections import defaultdict
from collections.abc import Iterator
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
    row = shop.world.row(name)
    groups, brands = shop.chosen.get("item_group"), shop.chosen.get("brand")
    taken = not groups or bool(set(groups) & set(above(shop, row["item_group"])))
    return erp_rules.is_sold(shop.world, name) and taken and (not brands or row["brand"] in brands)


def home(shop: CatalogueWorld, name: str) -> str:
    """Return the Website Item whose product shows an Item: its template's, or its own."""
    code = shop.item(name)["variant_of"]
    rows = shop.store.rows("Website Item", item_code=code) if code and shop.variants_as == "options" else []
    return rows[0]["name"] if rows and shop.item(rows[0]["name"])["has_variants"] else name


def products(shop: CatalogueWorld) -> dict[str, dict[Combination, list[str]]]:
    """Return the products, by Website Item, and of each its variants by their values; one of several is sold."""
    found: dict[str, dict[Combination, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in shop.world.names():
        if is_sold(shop, name):
            found[home(shop, name)][combination(shop, name)].append(name)
    return found


def combination(shop: CatalogueWorld, name: str) -> Combination:
    """Return the values of a variant by attribute; none where it is a product of its own."""
    if home(shop, name) == name:
        return ()
    rows = shop.values(shop.item(name)["name"])
    return tuple(sorted((row["attribute"], row["attribute_value"]) for row in rows))


def channel(shop: CatalogueWorld, name: str) -> str:
    """Return the sales channel of a product."""
    brands = shop.channels.get("brand")
    return shop.second if brands and shop.world.row(name)["brand"] in brands else shop.world.medusa.sales_channel_id


def category(shop: CatalogueWorld, group: str) -> str | None:
    """Return the nearest group, of one and those above, that is shown in the website; None where there is none."""
    for each in above(shop, group):
        row = shop.store.get("Item Group", each)
        if row and row["show_in_website"]:
            return each
    return None


def tree(shop: CatalogueWorld) -> dict[str, str | None]:
    """Return the shown groups, each with the one that it hangs on."""
    found: dict[str, str | None] = {}
    for row in shop.store.rows("Item Group", show_in_website=1):
        if not is_in_circle(shop, row["name"]):
            found[row["name"]] = category(shop, row["parent_item_group"])
    return found


def categories(shop: CatalogueWorld, name: str) -> set[str]:
    """Return the categories that a product is in."""
    rows = shop.store.rows("Website Item Group", parent=name)
    groups = {shop.world.row(name)["item_group"], *(row["item_group"] for row in rows)}
    return {one for group in groups if (one := category(shop, group))}


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
