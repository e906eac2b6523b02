"""What a customer must be able to buy according to ERPNext now, and what the Store API offers.

Belongs here: reading both and describing the differences. Does not belong here: their causes (world.py).
"""

import math
from typing import Any

from tests.machine.world import WAREHOUSE, World

SEEN = (
    "id,external_id,title,collection.title,images.url,variants.id,variants.sku,*variants.calculated_price,"
    "+variants.inventory_quantity"
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
    taken = {variant["barcode"] for one in world.by_hand() for variant in one["variants"]}
    published = world.names(published=1)
    for name in published:
        products = offered.get(name, [])
        if len(products) != 1:
            found.append(f"{name} is offered {len(products)} times")
            continue
        found += [f"{name}: {text}" for text in _one(world, name, products[0], behind[products[0]["id"]], taken)]
    found += [f"{name} is offered, and not published" for name in offered if name not in published]
    made = [product["external_id"] for product in behind.values() if product["external_id"] in published]
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
    price, links = seen["calculated_price"], variant["inventory_items"]
    barcode = _barcode(world, row["item_code"])
    expected = {
        "medusa_id": (product["id"], row["medusa_id"]),
        "medusa_variant_id": (variant["id"], row["medusa_variant_id"]),
        "sku": (row["item_code"], variant["sku"]),
        "collection": (row["item_group"], (product["collection"] or {}).get("title")),
        "price": (_price(world, row["item_code"]), price and price["calculated_amount"]),
        "pieces": (_pieces(world, row["item_code"]), seen["inventory_quantity"]),
        "pictures": _pictures(world, name, len(product["images"])),
        "inventory sku": ([row["item_code"]], [link["inventory"]["sku"] for link in links]),
    }
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


def _price(world: World, code: str) -> float | None:
    rows = world.erp.store.rows("Item Price", item_code=code, price_list=world.price_list)
    return rows[0]["price_list_rate"] if rows else None


def _pictures(world: World, name: str, shown: int) -> tuple[int, int]:
    """Pictures are never removed: those of an item that was deleted or restored meanwhile may stay."""
    now, ever = world.pictures(name)
    return (shown if now <= shown <= ever else now), shown


def _pieces(world: World, code: str) -> int:
    rows = world.erp.store.rows("Bin", item_code=code, warehouse=WAREHOUSE)
    return max(0, math.floor(sum(row["actual_qty"] for row in rows)))
