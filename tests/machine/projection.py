"""What Medusa must show according to ERPNext now, and what it does show.

Belongs here: reading both and describing the differences. Does not belong here: their causes (world.py).
"""

import math
from typing import Any

from tests.machine.world import WAREHOUSE, World
from tests.support.catalogue import PRICE_LIST

FIELDS = (
    "id,title,status,external_id,collection.title,images.url,sales_channels.id,"
    "variants.id,variants.sku,variants.barcode,variants.inventory_items.inventory_item_id,"
    "variants.inventory_items.inventory.sku,variants.inventory_items.inventory.location_levels.*"
)


def differences(world: World) -> list[str]:
    """Return all differences; empty when Medusa equals the projection of ERPNext."""
    found: list[str] = []
    shown = _products(world)
    owners: dict[str, list[dict[str, Any]]] = {}
    for product in shown:
        owners.setdefault(product["external_id"] or "", []).append(product)
    published = world.names(published=1)
    for name in published:
        products = owners.get(name, [])
        if len(products) != 1:
            found.append(f"{name} has {len(products)} products: {[(p['id'], p['status']) for p in products]}")
            continue
        found += [f"{name}: {text}" for text in _one(world, name, products[0])]
    ids = [world.row(name)["medusa_id"] for name in world.names() if world.row(name)["medusa_id"]]
    found += [f"product {one} is claimed by several Website Items" for one in {i for i in ids if ids.count(i) > 1}]
    for product in shown:
        if product["status"] == "published" and product["external_id"] not in published:
            found.append(f"product {product['id']} of {product['external_id']!r} is still published")
    return found


def _products(world: World) -> list[dict[str, Any]]:
    return world.medusa.admin("GET", "/admin/products", params={"fields": FIELDS, "limit": 10_000})["products"]


def _one(world: World, name: str, product: dict[str, Any]) -> list[str]:
    row = world.row(name)
    texts = []
    if len(product["variants"]) != 1:
        return [f"product {product['id']} has {len(product['variants'])} variants"]
    (variant,) = product["variants"]
    group = row["item_group"]
    expected = {
        "status": ("published", product["status"]),
        "medusa_id": (product["id"], row["medusa_id"]),
        "medusa_variant_id": (variant["id"], row["medusa_variant_id"]),
        "sku": (row["item_code"], variant["sku"]),
        "barcode": (_barcode(world, row["item_code"]), variant["barcode"]),
        "collection": (group, (product["collection"] or {}).get("title")),
        "price": (_price(world, row["item_code"]), _shown_price(world, product["id"])),
        "pictures": _pictures(world, name, len(product["images"])),
        **_stock(world, row["item_code"], variant),
    }
    texts += [
        f"{key}: should be {wanted!r}, is {there!r}" for key, (wanted, there) in expected.items() if wanted != there
    ]
    if product["title"] not in _titles(world, name, product["id"]):
        texts.append(f"title: should be {_titles(world, name, product['id'])}, is {product['title']!r}")
    return texts


def _titles(world: World, name: str, product_id: str) -> set[str]:
    """A title typed in Medusa stays until ERPNext's changes."""
    title = world.row(name)["web_item_name"]
    edit = world.edits.get(product_id)
    if edit and edit.erp_title == title:
        return {title, edit.title}
    return {title}


def _barcode(world: World, code: str) -> str | None:
    rows = world.erp.store.rows("Item Barcode", parent=code)
    return rows[0]["barcode"] if rows else None


def _price(world: World, code: str) -> float | None:
    rows = world.erp.store.rows("Item Price", item_code=code, price_list=PRICE_LIST)
    return rows[0]["price_list_rate"] if rows else None


def _shown_price(world: World, product_id: str) -> float | None:
    params = {"region_id": world.medusa.region_id, "fields": "id,*variants.calculated_price"}
    answer = world.medusa.store("GET", f"/store/products/{product_id}", params=params)
    if answer.status_code != 200:
        return None
    calculated = answer.json()["product"]["variants"][0]["calculated_price"]
    return calculated["calculated_amount"] if calculated else None


def _pictures(world: World, name: str, shown: int) -> tuple[int, int]:
    """Pictures are never removed: those of an item that was deleted or restored meanwhile may stay."""
    now, ever = world.pictures(name)
    return (shown if now <= shown <= ever else now), shown


def _stock(world: World, code: str, variant: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    rows = world.erp.store.rows("Bin", item_code=code, warehouse=WAREHOUSE)
    quantity = max(0, math.floor(sum(row["actual_qty"] for row in rows)))
    links = variant["inventory_items"]
    levels = [level for link in links for level in link["inventory"]["location_levels"]]
    return {
        "inventory items": (1, len(links)),
        "inventory sku": ([code], [link["inventory"]["sku"] for link in links]),
        "stock": ([quantity], [level["stocked_quantity"] for level in levels]),
    }
