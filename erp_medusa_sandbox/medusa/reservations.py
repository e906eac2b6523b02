"""Reservations of the embedded Medusa: what open orders hold of an inventory item.

`/admin/reservations`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import NUMBER, STRING, TEXT, MedusaError, fields, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind, linked
from erp_medusa_sandbox.medusa.http import Resource, deleted, js_number, json_body, shown
from erp_medusa_sandbox.medusa.store import Document

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
        "inventory_item": ("inventory_item", linked("inventory_item", "inventory_item_id"))
    },
)  # fmt: skip


class Reservations(Resource):
    """Handlers of `/admin/reservations`."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/admin/reservations", self._create, methods=["POST"]),
            Route("/admin/reservations/{id}", self._delete, methods=["DELETE"]),
        ]

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_RESERVATION)
        level = self._level(given["inventory_item_id"], given["location_id"])
        if level["stocked_quantity"] - level["reserved_quantity"] < given["quantity"]:
            where = f"item {given['inventory_item_id']} at location {given['location_id']}"
            raise MedusaError(400, "not_allowed", f"Not enough stock available for {where}")
        with self.store.transaction():
            reservation = self.store.put(
                "reservation",
                self.store.stamped(
                    "resitem",
                    **{name: given[name] for name in ("inventory_item_id", "location_id")},
                    quantity=js_number(given["quantity"]),
                    line_item_id=given.get("line_item_id"),
                    description=given.get("description"),
                    metadata=None,
                ),
            )
            self._reserve(level, given["quantity"])
        defaults = ("*", "*inventory_item")
        return JSONResponse({"reservation": shown(request, self.store, "reservation", reservation, defaults)})

    async def _delete(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        reservation = self.store.get("reservation", identifier)
        if reservation is not None:
            with self.store.transaction():
                self._reserve(
                    self._level(reservation["inventory_item_id"], reservation["location_id"]), -reservation["quantity"]
                )
                self.store.remove("reservation", identifier)
        return deleted(identifier, "reservation")

    def _level(self, item_id: str, location_id: str) -> Document:
        for level in self.store.find("inventory_level", "inventory_item_id", [item_id]):
            if level["location_id"] == location_id:
                return level
        raise not_found(f"Item {item_id} is not stocked at location {location_id}")

    def _reserve(self, level: Document, quantity: float) -> None:
        self.store.put("inventory_level", {**level, "reserved_quantity": level["reserved_quantity"] + quantity})
