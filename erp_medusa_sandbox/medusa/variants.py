"""Variants of the embedded Medusa, with their base prices and inventory items.

What creating, changing and deleting a variant means. Their routes and the products around them belong to
`products.py`, price lists to `prices.py`, inventory levels to `inventory.py`.
"""

from __future__ import annotations

from typing import Any

from erp_medusa_sandbox.medusa.errors import invalid, not_found
from erp_medusa_sandbox.medusa.http import js_number, merged_metadata
from erp_medusa_sandbox.medusa.product_shapes import VARIANT_SCALARS, base_prices
from erp_medusa_sandbox.medusa.store import Document, MedusaStore, new_id
from erp_medusa_sandbox.steps import step_done

UNIQUE = ("sku", "barcode", "ean", "upc")
_DEFAULTS = {"allow_backorder": False, "manage_inventory": True, "variant_rank": 0}


def create_variants(
    store: MedusaStore, given: list[tuple[Document, Document, int]], *, with_inventory: bool = True
) -> list[Document]:
    """Create variants, each given with its product and rank, in steps: rows, inventory items, links, price sets."""
    if not given:
        return []
    variants = [_create_bare_variant(store, product, one, rank) for product, one, rank in given]
    step_done("variants")
    items = [
        _inventory_item(store, variant) if with_inventory and not one.get("inventory_items") else None
        for variant, (_, one, _) in zip(variants, given, strict=True)
    ]
    step_done("inventory items")
    for number, (item, (_, one, _)) in enumerate(zip(items, given, strict=True)):
        wanted = one.get("inventory_items", []) or ([{"inventory_item_id": item["id"]}] if item else [])
        links = [_link(store, link) for link in wanted]
        variants[number] = store.put("variant", {**variants[number], "inventory_links": links})
    step_done("inventory links")
    for number, (_, one, _) in enumerate(given):
        variants[number] = store.put("variant", {**variants[number], "price_set_id": new_id("pset")})
        set_base_prices(store, variants[number], one.get("prices", []))
    return variants


def _create_bare_variant(store: MedusaStore, product: Document, given: Document, rank: int) -> Document:
    value_ids = _option_values(product, given)
    if value_ids:
        for other in store.find("variant", "product_id", [product["id"]]):
            if set(other["option_value_ids"]) == set(value_ids):
                raise invalid(f"Variant ({given['title']}) with provided options already exists.")
    _refuse_known(store, given, {})
    _refuse_unknown_items(store, given)
    scalars = {name: given.get(name, _DEFAULTS.get(name)) for name in VARIANT_SCALARS}
    scalars["variant_rank"] = given.get("variant_rank", rank)
    variant = store.stamped(
        "variant",
        **scalars,
        product_id=product["id"],
        option_value_ids=value_ids,
        price_set_id=None,
        inventory_links=[],
    )
    return store.put("variant", variant)


def update_variant(store: MedusaStore, variant: Document, given: Document, *, with_inventory: bool = True) -> Document:
    """Change a variant; a newly managed one gets an inventory item, one no longer managed leaves its own behind.

    An update of its product (without `with_inventory`) ignores prices for a variant that has no price set.
    """
    if with_inventory and "prices" in given and variant["price_set_id"] is None:
        raise not_found(f"Variants with IDs {variant['id']} do not have prices associated.")
    changed = {**variant, **{name: given[name] for name in VARIANT_SCALARS if name in given}}
    _refuse_known(store, changed, variant)
    if "metadata" in given:
        changed["metadata"] = merged_metadata(variant["metadata"], given["metadata"])
    if "options" in given:
        product = store.get("product", variant["product_id"]) or {"options": []}
        changed["option_value_ids"] = _option_values(product, given, title=changed["title"])
        others = store.find("variant", "product_id", [variant["product_id"]])
        if any(
            other["id"] != variant["id"] and set(other["option_value_ids"]) == set(changed["option_value_ids"])
            for other in others
        ):
            raise invalid(f"Variant ({changed['title']}) with provided options already exists.")
    if with_inventory and changed["manage_inventory"] and not variant["manage_inventory"]:
        changed["inventory_links"] = list(variant["inventory_links"])
        _stock(store, changed)
    elif variant["manage_inventory"] and not changed["manage_inventory"]:
        # The inventory item stays behind, and its sku stays taken.
        changed["inventory_links"] = []
    if changed != variant:
        changed["updated_at"] = store.now()
        store.put("variant", changed)
    if "prices" in given and variant["price_set_id"] is not None:
        set_base_prices(store, variant, given["prices"])
    return changed


def delete_variants(store: MedusaStore, variants: list[Document]) -> None:
    """Delete variants in steps: their links, their inventory items, then themselves."""
    if not variants:
        return
    for variant in variants:
        store.put("variant", {**variant, "inventory_links": [], "price_set_id": None})
    step_done("links removed")
    for variant in variants:
        delete_inventory(store, variant)
    step_done("inventory items removed")
    for variant in variants:
        delete_variant(store, variant, with_inventory=False)


def delete_variant(store: MedusaStore, variant: Document, *, with_inventory: bool = True) -> None:
    """Delete a variant; one that an update of its product leaves out leaves its inventory item behind."""
    if with_inventory:
        delete_inventory(store, variant)
    for price in store.find("price", "price_set_id", [variant["price_set_id"]]):
        store.remove("price", price["id"])
    store.remove("variant", variant["id"])


def delete_inventory(store: MedusaStore, variant: Document) -> None:
    """Delete the inventory items, with their levels, by which no other variant is stocked."""
    for link in variant["inventory_links"]:
        users = store.find("variant", "inventory_links", [link["inventory_item_id"]])
        if any(user["id"] != variant["id"] for user in users):
            continue
        levels = store.find("inventory_level", "inventory_item_id", [link["inventory_item_id"]])
        if any(level["reserved_quantity"] for level in levels):
            named = f"[{link['inventory_item_id']}]"
            raise invalid(f"Cannot remove following inventory item(s) since they have reservations: {named}.")
        for level in levels:
            store.remove("inventory_level", level["id"])
        store.remove("inventory_item", link["inventory_item_id"])


def own_variant(store: MedusaStore, product_id: str, variant_id: str) -> Document:
    """Return a variant of this product, or raise the 404."""
    variant = store.get("variant", variant_id)
    if variant is None or variant["product_id"] != product_id:
        raise not_found(f"Variant with id: {variant_id} was not found")
    return variant


def set_base_prices(store: MedusaStore, variant: Document, given: list[Document]) -> None:
    """Replace all base prices.

    Prices get new ids, unless one names its own. Of two alike the last one wins.
    """
    before = {price["id"]: price for price in base_prices(store, variant["price_set_id"])}
    wanted = {price_key(price): price for price in given}
    kept = {price.get("id") for price in wanted.values()}
    for identifier in before:
        if identifier not in kept:
            store.remove("price", identifier)
    for price in wanted.values():
        known = before.get(price.get("id", ""))
        fresh = new_price(store, variant["price_set_id"], None, price)
        if known is not None:
            fresh = {**fresh, "id": known["id"], "created_at": known["created_at"]}
        store.put("price", fresh)


def price_key(price: Document) -> tuple[Any, ...]:
    """Return what two prices of one call must not share: they would be one. A change may leave out its currency."""
    rules = tuple(sorted((price.get("rules") or {}).items()))
    currency = (price.get("currency_code") or "").lower()
    return price.get("variant_id"), currency, price.get("min_quantity"), price.get("max_quantity"), rules


def new_price(store: MedusaStore, price_set_id: str, price_list_id: str | None, given: Document) -> Document:
    """Make a price of a price set, not stored yet; without a list it is a base price."""
    return store.stamped(
        "price",
        price_set_id=price_set_id,
        price_list_id=price_list_id,
        currency_code=given["currency_code"].lower(),
        amount=js_number(given["amount"]),
        min_quantity=given.get("min_quantity"),
        max_quantity=given.get("max_quantity"),
        rules=given.get("rules") or {},
    )


def refuse_known_item(store: MedusaStore, sku: str | None) -> None:
    """Raise if an inventory item has this sku already."""
    if sku and store.has("inventory_item", "sku", sku):
        raise invalid(f"Inventory item with sku: {sku}, already exists.")


def _option_values(product: Document, given: Document, title: str = "") -> list[str]:
    found = []
    number, whole = len(given.get("options") or {}), len(product["options"])
    if number not in (0, whole):
        raise invalid(
            f"Product has {whole} option values but there were {number} provided option values for the variant:"
            f" {given.get('title') or title}."
        )
    for title, wanted in (given.get("options") or {}).items():
        option = next((one for one in product["options"] if one["title"] == title), None)
        value = next((one for one in option["values"] if one["value"] == wanted), None) if option else None
        if value is None:
            raise invalid(f"Option value {wanted} does not exist for option {title}")
        found.append(value["id"])
    return found


def _refuse_known(store: MedusaStore, given: Document, before: Document) -> None:
    """Codes are unique among living variants; an empty one is none."""
    for name in UNIQUE:
        value = given.get(name)
        if value and value != before.get(name) and store.has("variant", name, value):
            raise invalid(f"Product variant with {name}: {value}, already exists.")


def _refuse_unknown_items(store: MedusaStore, given: Document) -> None:
    ids = [link["inventory_item_id"] for link in given.get("inventory_items", [])]
    unknown = [one for one in ids if store.get("inventory_item", one) is None]
    if unknown:
        raise invalid(f"Inventory Items with ids: {', '.join(unknown)} was not found")


def _stock(store: MedusaStore, variant: Document) -> None:
    """Give a managed variant the inventory item that Medusa makes for it."""
    item = None if variant["inventory_links"] else _inventory_item(store, variant)
    if item is not None:
        variant["inventory_links"].append(_link(store, {"inventory_item_id": item["id"]}))


def _inventory_item(store: MedusaStore, variant: Document) -> Document | None:
    if not variant["manage_inventory"]:
        return None
    refuse_known_item(store, variant["sku"])
    return store.put(
        "inventory_item",
        store.stamped(
            "iitem",
            sku=variant["sku"],
            title=variant["title"],
            description=variant["title"],
            requires_shipping=True,
            **{name: variant[name] for name in ("thumbnail", "origin_country", "hs_code", "mid_code", "material")},
            **{name: variant[name] for name in ("weight", "length", "height", "width")},
            unit_of_measure=None,
            metadata=None,
        ),
    )


def _link(store: MedusaStore, given: Document) -> Document:
    required = given.get("required_quantity", 1)
    return store.stamped("pvitem", inventory_item_id=given["inventory_item_id"], required_quantity=required)
