"""What a customer must be able to buy according to ERPNext now, and what the Store API offers.

Reading both and describing the differences.
"""

from typing import Any

from tests.machine import erp_rules
from tests.machine.world import World

SEEN = (
    "id,external_id,title,collection.title,images.url,variants.id,variants.sku,*variants.calculated_price,"
    "variants.manage_inventory,+variants.inventory_quantity"
)
"""What a customer sees."""
BEHIND = (
    "id,status,external_id,variants.id,variants.sku,variants.barcode,variants.inventory_items.inventory_item_id,"
    "variants.inventory_items.inventory.sku"
)
"""What must be right behind it."""


def differences(world: World) -> list[str]:
    """Return all differences; empty when customers can buy what ERPNext would sell, and nothing else."""
    found: list[str] = []
    query = {"region_id": world.medusa.region_id, "fields": SEEN, "limit": 1000}
    offered: dict[str, list[dict[str, Any]]] = {}
    for product in world.medusa.store("GET", "/store/products", params=query).json()["products"]:
        offered.setdefault(product["external_id"] or product["id"], []).append(product)
    behind = {
        product["id"]: product
        for product in world.medusa.admin("GET", "/admin/products", params={"fields": BEHIND, "limit": 10_000})[
            "products"
        ]
    }
    taken = {variant[key] for one in world.hand_made.all() for variant in one["variants"] for key in ("barcode", "sku")}
    sold = [name for name in world.names() if erp_rules.is_sold(world, name)]
    for name in sold:
        products = offered.get(name, [])
        if len(products) != 1:
            found.append(f"{name} is offered {len(products)} times")
            continue
        found += [f"{name}: {text}" for text in _one(world, name, products[0], behind[products[0]["id"]], taken)]
    found += [f"{name} is offered, and not for sale" for name in offered if name not in sold]
    made = [product["external_id"] for product in behind.values() if product["external_id"] in sold]
    found += [f"{name} has several products" for name in {each for each in made if made.count(each) > 1}]
    ids = [world.row(name)["medusa_id"] for name in world.names() if world.row(name)["medusa_id"]]
    found += [f"product {one} is claimed by several Website Items" for one in {i for i in ids if ids.count(i) > 1}]
    found += [f"{name}: the mark of staff is gone" for name in world.marks - world.marked() if name in world.names()]
    return found


def _one(world: World, name: str, product: dict[str, Any], behind: dict[str, Any], taken: set[str | None]) -> list[str]:
    row = world.row(name)
    if len(behind["variants"]) != 1:
        return [f"product {product['id']} has {len(behind['variants'])} variants"]
    (seen,), (variant,) = product["variants"], behind["variants"]
    price, barcode = seen["calculated_price"], _barcode(world, row["item_code"])
    pieces = erp_rules.pieces(world, name)
    expected = {
        "medusa_id": (product["id"], row["medusa_id"]),
        "medusa_variant_id": (variant["id"], row["medusa_variant_id"]),
        "collection": (row["item_group"], (product["collection"] or {}).get("title")),
        "price": (erp_rules.price(world, name), price and price["calculated_amount"]),
        "pieces": (pieces, seen["inventory_quantity"] if seen["manage_inventory"] else None),
        "custom_in_stock": (int(pieces is None or pieces > 0), row["custom_in_stock"]),
        "pictures": _pictures(world, name, len(product["images"])),
    }
    if row["item_code"] not in taken:
        expected["sku"] = (row["item_code"], variant["sku"])
        expected["inventory skus"] = _inventory(world, name, pieces, variant["inventory_items"])
    if barcode not in taken:
        expected["barcode"] = (barcode, variant["barcode"])
    texts = [
        f"{key}: should be {wanted!r}, is {there!r}" for key, (wanted, there) in expected.items() if wanted != there
    ]
    if product["title"] not in _titles(world, name, product["id"]):
        texts.append(f"title: should be {_titles(world, name, product['id'])}, is {product['title']!r}")
    return texts


def _titles(world: World, name: str, product_id: str) -> set[str]:
    """A title typed in Medusa stays until ERPNext's changes, unless ERPNext's always counts."""
    title = world.row(name)["web_item_name"]
    edit = world.edits.get(product_id)
    if world.keeps_titles and edit and edit.erp_title == title:
        return {title, edit.title}
    return {title}


def _barcode(world: World, code: str) -> str | None:
    rows = world.erp.store.rows("Item Barcode", parent=code)
    return rows[0]["barcode"] if rows else None


def _pictures(world: World, name: str, shown: int) -> tuple[int, int]:
    """Pictures are never removed: those of an item that was deleted or restored meanwhile may stay."""
    now, ever = world.pictures(name)
    return (shown if now <= shown <= ever else now), shown


def _inventory(world: World, name: str, pieces: int | None, links: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """A bundle is linked to its parts' inventory items or to one of its own; what is not stocked may keep one."""
    there = sorted(link["inventory"]["sku"] for link in links)
    own = [world.row(name)["item_code"]]
    parts = erp_rules.parts_in_stock(world, name)
    fits = there == own or (pieces is None and not there) or (bool(parts) and there == parts)
    return (there if fits else parts or own), there
