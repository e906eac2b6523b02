"""Collections of the embedded Medusa.

`/admin/collections`. Categories belong to `categories.py`, products to `products.py`.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import (
    METADATA,
    STRING,
    TEXT,
    fields,
    not_found,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Kind
from erp_medusa_sandbox.medusa.handles import refuse_known_handle, to_handle
from erp_medusa_sandbox.medusa.http import Resource, deleted, json_body, merged_metadata, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document

_DATES = ("created_at", "updated_at", "deleted_at")

KINDS["collection"] = Kind(star=("id", "title", "handle", "external_id", "metadata", *_DATES))
_COLLECTION_FIELDS = ("id", "title", "handle", "external_id", "created_at", "updated_at", "metadata")
_COLLECTIONS = ListRoute(
    table="collection",
    plural="collections",
    defaults=_COLLECTION_FIELDS,
    limit=10,
    equals=("id", "handle", "external_id", "title"),
    search=("title", "handle"),
)
_COLLECTION_SHAPE = {"title": STRING, "handle": TEXT, "external_id": TEXT, "metadata": METADATA}
_NEW_COLLECTION = fields(_COLLECTION_SHAPE, required=("title",))
_CHANGED_COLLECTION = fields(_COLLECTION_SHAPE)


class Collections(Resource):
    """Handlers of `/admin/collections` and of what customers see of them."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/admin/collections", self._list, methods=["GET"]),
            Route("/store/collections", self._list_shown, methods=["GET"]),
            Route("/admin/collections", self._create, methods=["POST"]),
            Route("/admin/collections/{id}", self._get, methods=["GET"]),
            Route("/admin/collections/{id}", self._update, methods=["POST"]),
            Route("/admin/collections/{id}", self._delete, methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        return page(request, _COLLECTIONS, self.store)

    async def _list_shown(self, request: Request) -> Response:
        return page(request, replace(_COLLECTIONS, defaults=_COLLECTION_FIELDS[:-1]), self.store)

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_COLLECTION)
        handle = given.get("handle") or to_handle(given["title"])
        with self.store.transaction():
            refuse_known_handle(self.store, "collection", "Product collection", handle)
            collection = self.store.put(
                "collection",
                self.store.stamped(
                    "pcol",
                    title=given["title"],
                    handle=handle,
                    external_id=given.get("external_id"),
                    metadata=given.get("metadata"),
                ),
            )
        return self._answer(request, collection)

    async def _get(self, request: Request) -> Response:
        collection = self.store.get("collection", request.path_params["id"])
        # Medusa has no 404 here.
        return JSONResponse({}) if collection is None else self._answer(request, collection)

    async def _update(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_COLLECTION)
        collection = self.store.get("collection", request.path_params["id"])
        if collection is None:
            raise not_found(f'Collection with id "{request.path_params["id"]}" not found')
        changed = {**collection, **given}
        if "metadata" in given:
            changed["metadata"] = merged_metadata(collection["metadata"], given["metadata"])
        with self.store.transaction():
            if changed["handle"] != collection["handle"]:
                refuse_known_handle(self.store, "collection", "Product collection", changed["handle"])
            if changed != collection:
                changed["updated_at"] = self.store.now()
            self.store.put("collection", changed)
        return self._answer(request, changed)

    async def _delete(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        with self.store.transaction():
            self.store.remove("collection", identifier)
            for product in self.store.find("product", "collection_id", [identifier]):
                self.store.put("product", {**product, "collection_id": None})
        return deleted(identifier, "collection")

    def _answer(self, request: Request, collection: Document) -> Response:
        return JSONResponse({"collection": shown(request, self.store, "collection", collection, _COLLECTION_FIELDS)})
