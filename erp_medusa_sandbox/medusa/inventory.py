"""Inventory items and their levels in the embedded Medusa: what they look like and what changing a level means.

Kinds and the work. Routes belong to `inventory_items.py` and `inventory_levels.py`. Items are made and removed with
variants, in `variants.py`.
"""

from __future__ import annotations

from erp_medusa_sandbox.medusa.errors import invalid, no_such_relation, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Computed, Context, Kind, linked, referring, render
from erp_medusa_sandbox.medusa.http import js_number, raw_number
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from erp_medusa_sandbox.steps import step_done

_DATES = ("created_at", "updated_at", "deleted_at")
_LINKS = "inventory_links"
QUANTITIES = ("stocked_quantity", "reserved_quantity", "incoming_quantity")
ITEM_FIELDS = ("*", "*location_levels")


def levels_of(store: MedusaStore, item: Document) -> list[Document]:
    """Return the levels of an item, at every location."""
    return store.find("inventory_level", "inventory_item_id", [item["id"]])


def _variants(store: MedusaStore, item: Document) -> list[Document]:
    """Variants that are stocked by this item."""
    return [*store.find("variant", _LINKS, [item["id"]])]


def _variant_links(store: MedusaStore, item: Document) -> list[Document]:
    found = ({**link, "variant_id": variant["id"]} for variant in _variants(store, item) for link in variant[_LINKS])
    return [link for link in found if link["inventory_item_id"] == item["id"]]


def _item(store: MedusaStore, level: Document) -> Document | None:
    return store.get("inventory_item", level["inventory_item_id"])


def _total(name: str) -> Computed:
    def total(store: MedusaStore, item: Document, _context: Context) -> float:
        return js_number(sum(level[name] for level in levels_of(store, item)))

    return total


def _available(_store: MedusaStore, level: Document, _context: Context) -> float:
    return js_number(level["stocked_quantity"] - level["reserved_quantity"])


def _raw(name: str) -> Computed:
    def raw(_store: MedusaStore, level: Document, _context: Context) -> Document:
        return raw_number(level[name])

    return raw


KINDS["inventory_item"] = Kind(
    star=(
        "id",
        "sku",
        "title",
        "description",
        "thumbnail",
        "origin_country",
        "hs_code",
        "requires_shipping",
        "mid_code",
        "material",
        "unit_of_measure",
        "weight",
        "length",
        "height",
        "width",
        "metadata",
        "reserved_quantity",
        "stocked_quantity",
        "created_at",
        "updated_at",
    ),
    named=("deleted_at",),
    always=("id",),
    relations={
        "location_levels": ("inventory_level", referring("inventory_level", "inventory_item_id")),
        "variants": ("variant", _variants),
        "variant_link": ("inventory_item_variant", _variant_links),
    },
    computed={name: _total(name) for name in ("reserved_quantity", "stocked_quantity")},
)
KINDS["inventory_item_variant"] = Kind(
    star=("variant_id", "inventory_item_id", "id", "required_quantity", *_DATES),
    always=("inventory_item_id",),
    implied={"variant": ("variant_id",)},
    relations={"variant": ("variant", linked("variant", "variant_id"))},
)
KINDS["inventory_level"] = Kind(
    star=(
        "id",
        "location_id",
        "metadata",
        "inventory_item_id",
        *(f"raw_{name}" for name in QUANTITIES),
        *_DATES,
        "available_quantity",
        *QUANTITIES,
    ),
    relations={
        "inventory_item": (
            "inventory_item",
            linked("inventory_item", "inventory_item_id"),
        )
    },
    computed={"available_quantity": _available, **{f"raw_{name}": _raw(name) for name in QUANTITIES}},
)


def known_item(store: MedusaStore, identifier: str) -> Document:
    """Return an item, or raise Medusa's 404."""
    item = store.get("inventory_item", identifier)
    if item is None:
        raise not_found(f"Inventory item with id: {identifier} was not found")
    return item


def find_level(store: MedusaStore, item_id: str, location_id: str) -> Document | None:
    """Return the level of an item at one location."""
    levels = store.find("inventory_level", "inventory_item_id", [item_id])
    return next((level for level in levels if level["location_id"] == location_id), None)


def create_level(store: MedusaStore, item_id: str, given: Document) -> Document:
    """Add a level; raises where the item is stocked there already. The location is not looked at."""
    if store.get("inventory_item", item_id) is None:
        raise no_such_relation("inventory_item_id", item_id)
    if find_level(store, item_id, given["location_id"]) is not None:
        where = f"inventory_item_id: {item_id}, location_id: {given['location_id']}"
        raise invalid(f"Inventory level with {where}, already exists.")
    return store.put(
        "inventory_level",
        store.stamped(
            "ilev",
            location_id=given["location_id"],
            metadata=None,
            inventory_item_id=item_id,
            stocked_quantity=js_number(given.get("stocked_quantity", 0)),
            reserved_quantity=0,
            incoming_quantity=js_number(given.get("incoming_quantity", 0)),
        ),
    )


def update_level(store: MedusaStore, item_id: str, given: Document) -> Document:
    """Set the quantities of a level; raises where there is none."""
    level = find_level(store, item_id, given["location_id"])
    if level is None:
        raise not_found(f"Item {item_id} is not stocked at location {given['location_id']}")
    quantities = {name: js_number(given[name]) for name in QUANTITIES if name in given}
    return store.put("inventory_level", {**level, **quantities, "updated_at": store.now()})


def apply_batch(store: MedusaStore, given: Document) -> tuple[list[Document], list[Document]]:
    """Create, update and delete levels, all or none. Returns what Medusa shows of the first two."""
    with store.transaction():
        created = [create_level(store, one["inventory_item_id"], one) for one in given.get("create", [])]
        if created:
            step_done("levels created")
        before = {
            level["id"]: level
            for one in given.get("update", [])
            if (level := find_level(store, one["inventory_item_id"], one["location_id"])) is not None
        }
        updated = {}
        for one in given.get("update", []):
            level = update_level(store, one["inventory_item_id"], one)
            updated[level["id"]] = level
        if updated:
            step_done("levels updated")
        for identifier in given.get("delete", []):
            store.remove("inventory_level", identifier)
    return (
        [_shown_created(store, level) for level in created],
        [_shown_updated(store, level, before[level["id"]]) for level in updated.values()],
    )


def _shown_created(store: MedusaStore, level: Document) -> Document:
    out = render(store, "inventory_level", level, {"*": {}})
    del out["available_quantity"]
    return out


def _shown_updated(store: MedusaStore, level: Document, before: Document) -> Document:
    """With an item that is only half loaded, and with what was available before the update."""
    item = {"id": level["inventory_item_id"], "reserved_quantity": None, "stocked_quantity": None}
    available = _available(store, before, {})
    return {
        **render(store, "inventory_level", level, {"*": {}}),
        "inventory_item": item,
        "available_quantity": available,
    }
