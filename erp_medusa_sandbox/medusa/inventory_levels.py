"""Inventory levels of the embedded Medusa, one by one and in bulk.

The routes below `/admin/inventory-items` that end in `location-levels`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import BOOLEAN, STRING, Check, array, fields, not_found, quantity
from erp_medusa_sandbox.medusa.http import Resource, json_body, shown
from erp_medusa_sandbox.medusa.inventory import (
    ITEM_FIELDS,
    QUANTITIES,
    apply_batch,
    create_level,
    find_level,
    known_item,
    levels_of,
    update_level,
)
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document

_LEVELS = ListRoute(
    table="inventory_level",
    plural="inventory_levels",
    defaults=(
        "id",
        "inventory_item_id",
        "location_id",
        *QUANTITIES,
        "available_quantity",
        "metadata",
        "created_at",
        "updated_at",
    ),
    equals=("id", "location_id", "inventory_item_id"),
    dated=False,
)

_LEVEL_SHAPE: dict[str, Check] = {
    "location_id": STRING,
    "stocked_quantity": quantity,
    "incoming_quantity": quantity,
}
_BULK_LEVEL = {"inventory_item_id": STRING, **_LEVEL_SHAPE}
_NEW_LEVEL = fields(_LEVEL_SHAPE, required=("location_id",))
_CHANGED_LEVEL = fields(_LEVEL_SHAPE)
# Unknown fields inside the items of the bulk route are dropped without a word.
_BULK = fields(
    {
        "create": array(fields(_BULK_LEVEL, required=("inventory_item_id", "location_id"), strict=False)),
        "update": array(fields(_BULK_LEVEL, required=("inventory_item_id", "location_id"), strict=False)),
        "delete": array(STRING),
        "force": BOOLEAN,
    }
)
_BATCH = fields(
    {
        "create": array(fields(_LEVEL_SHAPE, required=("location_id",), strict=False)),
        "update": array(fields(_LEVEL_SHAPE, required=("location_id",), strict=False)),
        "delete": array(STRING),
        "force": BOOLEAN,
    }
)


class InventoryLevels(Resource):
    """Handlers of `/admin/inventory-items/{id}/location-levels` and of the bulk route."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        items, levels = "/admin/inventory-items", "/admin/inventory-items/{id}/location-levels"
        return [
            Route(f"{items}/location-levels/batch", self._bulk, methods=["POST"]),
            Route(levels, self._list, methods=["GET"]),
            Route(levels, self._create, methods=["POST"]),
            Route(f"{levels}/batch", self._batch_of_name, methods=["POST"]),
            Route(f"{levels}/{{location_id}}", self._update, methods=["POST"]),
            Route(f"{levels}/{{location_id}}", self._delete, methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        item = known_item(self.store, request.path_params["id"])
        return page(request, _LEVELS, self.store, among=levels_of(self.store, item))

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_LEVEL)
        item = known_item(self.store, request.path_params["id"])
        # The bulk route below does not look.
        if self.store.get("stock_location", given["location_id"]) is None:
            raise not_found(f"Stock locations with ids: {given['location_id']} was not found")
        with self.store.transaction():
            create_level(self.store, item["id"], given)
        return self._answer(request, item)

    async def _update(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_LEVEL)
        item_id, location_id = request.path_params["id"], request.path_params["location_id"]
        with self.store.transaction():
            update_level(self.store, item_id, {**given, "location_id": location_id})
        return self._answer(request, known_item(self.store, item_id))

    async def _delete(self, request: Request) -> Response:
        item_id, location_id = request.path_params["id"], request.path_params["location_id"]
        level = find_level(self.store, item_id, location_id)
        if level is None:
            raise not_found(f"Item {item_id} is not stocked at location {location_id}")
        with self.store.transaction():
            self.store.remove("inventory_level", level["id"])
        parent = shown(request, self.store, "inventory_item", known_item(self.store, item_id), ITEM_FIELDS)
        return JSONResponse({"id": level["id"], "object": "inventory-level", "deleted": True, "parent": parent})

    async def _batch_of_name(self, request: Request) -> Response:
        given = await json_body(request, _BATCH)
        item_id = request.path_params["id"]
        for name in ("create", "update"):
            given[name] = [{**one, "inventory_item_id": item_id} for one in given.get(name, [])]
        created, updated = apply_batch(self.store, given)
        return JSONResponse({"created": created, "updated": updated, "deleted": given.get("delete", [])})

    async def _bulk(self, request: Request) -> Response:
        given = await json_body(request, _BULK)
        created, updated = apply_batch(self.store, given)
        return JSONResponse({"created": created, "updated": updated})

    def _answer(self, request: Request, item: Document) -> Response:
        return JSONResponse({"inventory_item": shown(request, self.store, "inventory_item", item, ITEM_FIELDS)})
