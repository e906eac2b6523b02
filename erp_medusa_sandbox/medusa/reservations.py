"""Reservations of the embedded Medusa, and inventory items that come and go apart from their variants.

Belongs here: `/admin/reservations`, creating and deleting inventory items, linking them to variants. Levels, and what
an inventory item is like, belong to `inventory.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import (
    BOOLEAN,
    METADATA,
    NUMBER,
    STRING,
    TEXT,
    MedusaError,
    fields,
    invalid,
    not_found,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Kind
from erp_medusa_sandbox.medusa.http import deleted, js_number, json_body, shown
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from erp_medusa_sandbox.medusa.variants import own_variant

_ITEM_TEXTS = (
    "sku", "title", "description", "thumbnail", "origin_country", "hs_code", "mid_code", "material", "unit_of_measure",
)  # fmt: skip
_ITEM_NUMBERS = ("weight", "length", "height", "width")
_NEW_ITEM = fields(
    {
        **dict.fromkeys(_ITEM_TEXTS, TEXT),
        **dict.fromkeys(_ITEM_NUMBERS, NUMBER),
        "requires_shipping": BOOLEAN,
        "metadata": METADATA,
    }
)
_LINK = fields({"inventory_item_id": STRING, "required_quantity": NUMBER}, required=("inventory_item_id",))
_VARIANT = ("*", "*options", "*prices")
_NEW_RESERVATION = fields(
    {"inventory_item_id": STRING, "location_id": STRING, "quantity": NUMBER, "line_item_id": TEXT, "description": TEXT},
    required=("inventory_item_id", "location_id", "quantity"),
)
KINDS["reservation"] = Kind(
    star=(
        "id", "location_id", "inventory_item_id", "quantity", "line_item_id", "description", "metadata", "created_at",
        "updated_at",
    ),
    relations={
        "inventory_item": ("inventory_item", lambda store, one: store.get("inventory_item", one["inventory_item_id"]))
    },
)  # fmt: skip


def routes(store: MedusaStore) -> list[Route]:
    async def create_item(request: Request) -> Response:
        given = await json_body(request, _NEW_ITEM)
        if given.get("sku") and store.has("inventory_item", "sku", given["sku"]):
            raise invalid(f"Inventory item with sku: {given['sku']}, already exists.")
        values = {name: given.get(name) for name in (*_ITEM_TEXTS, *_ITEM_NUMBERS, "metadata")}
        requires_shipping = given.get("requires_shipping", True)
        with store.transaction():
            item = store.put("inventory_item", store.stamped("iitem", **values, requires_shipping=requires_shipping))
        defaults = ("*", "*location_levels")
        return JSONResponse({"inventory_item": shown(request, store, "inventory_item", item, defaults)})

    async def delete_item(request: Request) -> Response:
        identifier = request.path_params["id"]
        with store.transaction():
            for level in store.find("inventory_level", "inventory_item_id", [identifier]):
                store.remove("inventory_level", level["id"])
            for variant in store.find("variant", "inventory_links", [identifier]):
                store.put("variant", {**variant, "inventory_links": _others(variant, identifier)})
            store.remove("inventory_item", identifier)
        return deleted(identifier, "inventory_item")

    async def link_item(request: Request) -> Response:
        """Linking twice, or an item that does not exist, is accepted without a word."""
        given = await json_body(request, _LINK)
        variant = own_variant(store, request.path_params["id"], request.path_params["variant_id"])
        link = store.stamped(
            "pvitem",
            inventory_item_id=given["inventory_item_id"],
            required_quantity=given.get("required_quantity", 1),
        )
        links = [*_others(variant, link["inventory_item_id"]), link]
        with store.transaction():
            changed = store.put("variant", {**variant, "inventory_links": links})
        return JSONResponse({"variant": shown(request, store, "variant", changed, _VARIANT)})

    async def unlink_item(request: Request) -> Response:
        """What was not linked is unlinked as well, whether it exists or not."""
        variant_id, item_id = request.path_params["variant_id"], request.path_params["item_id"]
        ended = {"product": {"variant_id": variant_id}, "inventory": {"inventory_item_id": item_id}}
        answer: Document = {"id": ended, "object": "variant-inventory-item-link", "deleted": True}
        variant = store.get("variant", variant_id)
        if variant is not None:
            with store.transaction():
                changed = store.put("variant", {**variant, "inventory_links": _others(variant, item_id)})
            answer["parent"] = shown(request, store, "variant", changed, _VARIANT)
        return JSONResponse(answer)

    async def create_reservation(request: Request) -> Response:
        given = await json_body(request, _NEW_RESERVATION)
        level = _level(given["inventory_item_id"], given["location_id"])
        if level["stocked_quantity"] - level["reserved_quantity"] < given["quantity"]:
            where = f"item {given['inventory_item_id']} at location {given['location_id']}"
            raise MedusaError(400, "not_allowed", f"Not enough stock available for {where}")
        with store.transaction():
            reservation = store.put(
                "reservation",
                store.stamped(
                    "resitem",
                    **{name: given[name] for name in ("inventory_item_id", "location_id")},
                    quantity=js_number(given["quantity"]),
                    line_item_id=given.get("line_item_id"),
                    description=given.get("description"),
                    metadata=None,
                ),
            )
            _reserve(level, given["quantity"])
        defaults = ("*", "*inventory_item")
        return JSONResponse({"reservation": shown(request, store, "reservation", reservation, defaults)})

    async def delete_reservation(request: Request) -> Response:
        identifier = request.path_params["id"]
        reservation = store.get("reservation", identifier)
        if reservation is not None:
            with store.transaction():
                _reserve(_level(reservation["inventory_item_id"], reservation["location_id"]), -reservation["quantity"])
                store.remove("reservation", identifier)
        return deleted(identifier, "reservation")

    def _others(variant: Document, item_id: str) -> list[Document]:
        return [link for link in variant["inventory_links"] if link["inventory_item_id"] != item_id]

    def _level(item_id: str, location_id: str) -> Document:
        for level in store.find("inventory_level", "inventory_item_id", [item_id]):
            if level["location_id"] == location_id:
                return level
        raise not_found(f"Item {item_id} is not stocked at location {location_id}")

    def _reserve(level: Document, quantity: float) -> None:
        store.put("inventory_level", {**level, "reserved_quantity": level["reserved_quantity"] + quantity})

    return [
        Route("/admin/inventory-items", create_item, methods=["POST"]),
        Route("/admin/inventory-items/{id}", delete_item, methods=["DELETE"]),
        Route("/admin/products/{id}/variants/{variant_id}/inventory-items", link_item, methods=["POST"]),
        Route("/admin/products/{id}/variants/{variant_id}/inventory-items/{item_id}", unlink_item, methods=["DELETE"]),
        Route("/admin/reservations", create_reservation, methods=["POST"]),
        Route("/admin/reservations/{id}", delete_reservation, methods=["DELETE"]),
    ]
