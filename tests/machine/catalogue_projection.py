"""What the Store API shows of a catalogue to a guest and to a customer of a group, and how it differs from ERPNext's.

Reading both and describing the differences.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.machine import catalogue_rules as rules
from tests.machine import erp_rules
from tests.machine.catalogue_world import LOCALE, TARIFF, CatalogueWorld

SEEN = (
    "id,external_id,title,metadata,*collection,*categories,*options,*options.values,variants.id,variants.sku,"
    "*variants.options,*variants.options.option,"
    "*variants.calculated_price,variants.manage_inventory,+variants.inventory_quantity"
)
TIERS = (6, 12)
Ids = dict[tuple[str, str], str]


@dataclass
class Seen:
    """What is offered, as ids by Website Item and the kind of thing: what must stay as long as it is sold."""

    ids: Ids = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def look(shop: CatalogueWorld) -> Seen:
    """Compare everything; without differences customers see what ERPNext says."""
    seen = Seen()
    offered = {side: _offered(shop, member=side == "member") for side in ("guest", "member")}
    arabic = _offered(shop, locale=LOCALE) if shop.has_module else {}
    expected = rules.products(shop)
    keeps = shop.withdrawn == "keep"
    for name, variants in expected.items():
        for side, products in offered.items():
            found = products.get(name, [])
            if len(found) != 1:
                seen.differences.append(f"{name} is offered {len(found)} times to a {side}")
                continue
            (product,) = found
            if side == "guest":
                seen.ids[name, f"product {shop.variants_as}"] = product["id"]
                texts = _product(shop, name, product, *arabic.get(name, ()))
                texts += _choices(shop, variants, product)
                texts += _choices_in_arabic(shop, variants, product, *arabic.get(name, ()))
                seen.differences += [f"{name}: {text}" for text in texts]
            texts = _variants(shop, variants, product, side, seen.ids, more=keeps)
            seen.differences += [f"{name} ({side}): {text}" for text in texts]
    # One that has no place among the options stays the product that it was, and is listed.
    placeless = {name for variants in expected.values() for names in variants.values() if names[1:] for name in names}
    others = [name for name in offered["guest"] if name not in expected and name not in placeless]
    seen.differences += [f"{name} is offered, and not for sale" for name in others if not keeps]
    seen.differences += _tree(shop, seen.ids) + _collections(shop, expected)
    return seen


def _offered(shop: CatalogueWorld, *, member: bool = False, locale: str = "") -> dict[str, list[dict[str, Any]]]:
    medusa, found = shop.world.medusa, dict[str, list[dict[str, Any]]]()
    for channel in (medusa.sales_channel_id, shop.second):
        query = {"region_id": medusa.region_id, "fields": SEEN, "limit": 1000, "sales_channel_id": channel}
        headers = {"x-publishable-api-key": medusa.publishable_key, "x-medusa-locale": locale}
        headers |= shop.customers._login(shop.account) if member else {}
        answer = requests.get(f"{medusa.url}/store/products", params=query, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        for product in answer.json()["products"]:
            name = product["external_id"] or product["id"]
            found.setdefault(name, []).append({**product, "channel": channel})
    return found


def _product(shop: CatalogueWorld, name: str, product: dict[str, Any], *arabic: dict[str, Any]) -> list[str]:
    row = shop.world.row(name)
    title = row["web_item_name"]
    metadata = product["metadata"] or {}
    pairs: dict[str, tuple[Any, Any]] = {
        "title": (title, product["title"]),
        "channel": (rules.channel(shop, name), product["channel"]),
        "collection": (row["item_group"], (product["collection"] or {}).get("title")),
    }
    # Where a setting is off, what it wrote before stays as it is.
    if shop.translated:
        pairs["translation"] = (_in_arabic(shop, title), _read_arabic(title, product, arabic))
        if collection := product["collection"]:
            of_it = [one["collection"] for one in arabic]
            group = row["item_group"]
            pairs["translation of the collection"] = _in_arabic(shop, group), _read_arabic(group, collection, of_it)
        for one in product["categories"] if shop.categories != "off" else ():
            if (group := (one["metadata"] or {}).get("item_group")) and one["name"] == group:
                of_it = [each for there in arabic for each in there["categories"] if each["id"] == one["id"]]
                pairs[f"translation of {group}"] = (_in_arabic(shop, group), _read_arabic(group, one, of_it))
    if shop.mapped:
        tariff = shop.item(name)["customs_tariff_number"] or None
        pairs["metadata"] = (tariff, metadata.get(TARIFF))
    if shop.categories != "off" and not rules.is_in_circle(shop, row["item_group"]):
        found = {(one["metadata"] or {}).get("item_group") for one in product["categories"]}
        circles = {one for one in found if one and rules.is_in_circle(shop, one)}
        wanted = {one for one in rules.categories(shop, name) if not rules.is_in_circle(shop, one)}
        pairs["categories"] = (wanted, found - circles)
    return [f"{key}: should be {wanted!r}, is {there!r}" for key, (wanted, there) in pairs.items() if wanted != there]


def _in_arabic(shop: CatalogueWorld, text: str) -> str:
    return shop.translation(text) or text


def _read_arabic(text: str, document: dict[str, Any], translated: Sequence[dict[str, Any]]) -> str:
    """Return a title or a name as a storefront in Arabic shows it."""
    key = "title" if "title" in document else "name"
    if translated:
        return translated[0][key]
    noted = ((document["metadata"] or {}).get("translations") or {}).get(LOCALE) or {}
    return noted.get(key) or text


def _choices(shop: CatalogueWorld, variants: dict[rules.Combination, list[str]], product: dict[str, Any]) -> list[str]:
    """Say which options customers choose among: those of ERPNext, with its values in its order."""
    used: dict[str, set[str]] = {}
    for values in variants:
        for title, value in values:
            used.setdefault(title, set()).add(value)
    there = {one["title"]: [*map(str, _ranked(one["values"]))] for one in product["options"]}
    texts = [f"option {title} is there" for title in there.keys() - used.keys() if used and not shop.options_left]
    for title, values in used.items():
        wanted, found = rules.ordered_values(shop, title, values), there.get(title, [])
        if shop.unused_values == "keep" or shop.withdrawn == "keep":
            found = [value for value in found if value in values]
        if wanted != found:
            texts.append(f"option {title}: should be {wanted}, is {found}")
    return texts


def _choices_in_arabic(
    shop: CatalogueWorld,
    variants: dict[rules.Combination, list[str]],
    product: dict[str, Any],
    *arabic: dict[str, Any],
) -> list[str]:
    """Say what a storefront in Arabic calls the options that are used and their values, where that is wrong."""
    used = {pair for values in variants for pair in values} if shop.translated else set()
    found = {
        (option["title"], value["value"]): (option["id"], value["id"])
        for option in product["options"]
        for value in option["values"]
    }
    names = _read_options(product, *arabic)
    texts: list[str] = []
    for pair in sorted(used & found.keys()):
        for text, key in zip(pair, found[pair], strict=True):
            if (there := names.get(key, text)) != (wanted := _in_arabic(shop, text)):
                texts.append(f"translation of {text}: should be {wanted!r}, is {there!r}")
    return texts


def _read_options(product: dict[str, Any], *arabic: dict[str, Any]) -> dict[str, str]:
    """Return the names of options and values in Arabic by their ids."""
    if arabic:
        options = arabic[0]["options"]
        return {
            **{one["id"]: one["title"] for one in options},
            **{value["id"]: value["value"] for one in options for value in one["values"]},
        }
    noted = (((product["metadata"] or {}).get("translations") or {}).get(LOCALE) or {}).get("options") or {}
    names: dict[str, str] = {}
    for option in product["options"]:
        own = noted.get(option["title"]) or {}
        names[option["id"]] = own.get("title", option["title"])
        names |= {one["id"]: own.get("values", {}).get(one["value"], one["value"]) for one in option["values"]}
    return names


def _ranked(values: list[dict[str, Any]]) -> list[str]:
    return [one["value"] for one in sorted(values, key=lambda one: (one["rank"] or 0, one["value"]))]


def _variants(
    shop: CatalogueWorld,
    expected: dict[rules.Combination, list[str]],
    product: dict[str, Any],
    side: str,
    ids: Ids,
    *,
    more: bool,
) -> list[str]:
    by_sku = {one["sku"]: one for one in product["variants"]}
    codes = {shop.item(name)["name"]: name for names in expected.values() for name in names}
    texts = [f"variant {sku} is not for sale" for sku in by_sku if sku not in codes and not more]
    for values, names in expected.items():
        there = [name for name in names if shop.item(name)["name"] in by_sku]
        # Of several with the same values one is sold; another that was sold before stays as it was, and is listed.
        right = [name for name in there if _has(shop, by_sku[shop.item(name)["name"]], values)] if values else there
        if len(right) != 1:
            found = {sku: _options(one) for sku, one in by_sku.items()}
            texts.append(f"of {names} with {values} {right} are offered: {found}")
            continue
        name = right[0]
        variant = by_sku[shop.item(name)["name"]]
        if side == "guest" and len(names) == 1:
            ids[name, f"variant {product['external_id']}"] = variant["id"]
        texts += [f"variant {name}: {text}" for text in _variant(shop, name, variant, side)]
    return texts


def _has(shop: CatalogueWorld, variant: dict[str, Any], values: rules.Combination) -> bool:
    found = _options(variant)
    return set(values) <= set(found) if shop.options_left else values == found


def _options(variant: dict[str, Any]) -> rules.Combination:
    return tuple(sorted((one["option"]["title"], one["value"]) for one in variant["options"]))


def _variant(shop: CatalogueWorld, name: str, variant: dict[str, Any], side: str) -> list[str]:
    is_member = side == "member"
    price = variant["calculated_price"]
    asked = (price["calculated_amount"], price["original_amount"]) if price else None
    pieces = erp_rules.pieces(shop.world, name)
    pairs: dict[str, tuple[Any, Any]] = {
        "price": (rules.price(shop, name, 1, member=is_member), asked),
        "pieces": (pieces, variant["inventory_quantity"] if variant["manage_inventory"] else None),
    }
    for tier in TIERS if asked and pieces and pieces >= max(TIERS) else ():
        wanted = rules.price(shop, name, tier, member=is_member)
        pairs[f"price of {tier}"] = (wanted and wanted[0], _in_cart(shop, variant["id"], tier, is_member))
    return [f"{key}: should be {wanted!r}, is {there!r}" for key, (wanted, there) in pairs.items() if wanted != there]


def _in_cart(shop: CatalogueWorld, variant: str, pieces: int, is_member: bool) -> Any:
    medusa = shop.world.medusa
    headers = {"x-publishable-api-key": medusa.publishable_key}
    headers |= shop.customers._login(shop.account) if is_member else {}
    body = {"region_id": medusa.region_id, "items": [{"variant_id": variant, "quantity": pieces}]}
    answer = requests.post(f"{medusa.url}/store/carts", json=body, headers=headers, timeout=60)
    return answer.json()["cart"]["items"][0]["unit_price"] if answer.ok else answer.text


def _collections(shop: CatalogueWorld, products: Iterable[str]) -> list[str]:
    """Say which collections are there although nothing in them is for sale."""
    if shop.empty_groups != "remove" or shop.withdrawn == "keep":
        return []
    query = {"limit": 1000, "fields": "id,title"}
    answer = shop.world.medusa.store("GET", "/store/collections", params=query)
    full = {shop.world.row(name)["item_group"] for name in products}
    return [
        f"collection {title} is empty" for one in answer.json()["collections"] if (title := one["title"]) not in full
    ]


def _tree(shop: CatalogueWorld, ids: Ids) -> list[str]:
    if shop.categories == "off":
        return []
    query = {"limit": 1000, "fields": "id,name,rank,parent_category_id,metadata"}
    answer = shop.world.medusa.store("GET", "/store/product-categories", params=query)
    assert answer.status_code == 200, answer.text
    found = {one["id"]: one for one in answer.json()["product_categories"]}
    groups = {key: (one["metadata"] or {}).get("item_group") for key, one in found.items()}
    wanted = rules.tree(shop)
    there = {groups[key]: groups.get(one["parent_category_id"]) for key, one in found.items()}
    circles = {one for one in there if one and shop.store.get("Item Group", one) and rules.is_in_circle(shop, one)}
    there = {one: parent for one, parent in there.items() if one not in circles}
    for key, group in groups.items():
        if group in wanted:
            ids[group, "category"] = key
    # What stays in the shop keeps its categories there.
    if shop.withdrawn == "keep" and shop.empty_groups != "keep":
        return [f"categories {lacking} are not there"] if (lacking := wanted.keys() - there.keys()) else []
    return [f"categories: should be {wanted}, are {there}"] if wanted != there else []
