"""Sales channels of the embedded Medusa: what is sold there, from which stock locations, and with which keys.

Creating a channel, and the links of products, locations and keys to channels. Lists belong to `settings.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import BOOLEAN, METADATA, STRING, TEXT, array, fields, not_found
from erp_medusa_sandbox.medusa.http import Resource, json_body, shown
from erp_medusa_sandbox.medusa.store import Document

_NEW_CHANNEL = fields(
    {"name": STRING, "description": TEXT, "is_disabled": BOOLEAN, "metadata": METADATA}, required=("name",)
)
_LINKS = fields({"add": array(STRING), "remove": array(STRING)})


class SalesChannels(Resource):
    """Handlers that make channels, and that link products and locations to them."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/admin/sales-channels", self._create, methods=["POST"]),
            Route("/admin/sales-channels/{id}/products", self._link_products, methods=["POST"]),
            Route("/admin/sales-channels/{id}", self._delete, methods=["DELETE"]),
            Route("/admin/stock-locations/{id}/sales-channels", self._link_locations, methods=["POST"]),
            Route("/admin/api-keys/{id}/sales-channels", self._link_keys, methods=["POST"]),
        ]

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_CHANNEL)
        channel = self.store.stamped(
            "sc",
            name=given["name"],
            description=given.get("description"),
            is_disabled=given.get("is_disabled", False),
            metadata=given.get("metadata"),
        )
        with self.store.transaction():
            self.store.put("sales_channel", channel)
        return JSONResponse({"sales_channel": shown(request, self.store, "sales_channel", channel, ("*",))})

    async def _link_products(self, request: Request) -> Response:
        """Silently accept ids that do not exist. The products' `updated_at` does not change."""
        given = await json_body(request, _LINKS)
        channel = self._known(request, "sales_channel", "Sales channel")
        with self.store.transaction():
            for product in self._existing("product", given.get("add", [])):
                self._put_channels("product", product, [*product["sales_channel_ids"], channel["id"]])
            for product in self._existing("product", given.get("remove", [])):
                self._put_channels("product", product, _without(product, [channel["id"]]))
        return JSONResponse({"sales_channel": shown(request, self.store, "sales_channel", channel, ("*",))})

    async def _delete(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        with self.store.transaction():
            self.store.remove("sales_channel", identifier)
            for table in ("product", "stock_location", "api_key"):
                for document in self.store.all(table):
                    if identifier in document["sales_channel_ids"]:
                        self._put_channels(table, document, _without(document, [identifier]))
        return JSONResponse({"id": identifier, "object": "sales-channel", "deleted": True})

    async def _link_locations(self, request: Request) -> Response:
        return await self._link_channels(request, "stock_location", "Stock location")

    async def _link_keys(self, request: Request) -> Response:
        return await self._link_channels(request, "api_key", "Api key")

    async def _link_channels(self, request: Request, table: str, label: str) -> Response:
        given = await json_body(request, _LINKS)
        document = self._known(request, table, label)
        channels = [*_without(document, given.get("remove", [])), *given.get("add", [])]
        with self.store.transaction():
            self._put_channels(table, document, channels)
        return JSONResponse({table: shown(request, self.store, table, document, ("*",))})

    def _existing(self, table: str, ids: list[str]) -> list[Document]:
        return [document for identifier in ids if (document := self.store.get(table, identifier)) is not None]

    def _put_channels(self, table: str, document: Document, channels: list[str]) -> None:
        self.store.put(table, {**document, "sales_channel_ids": list(dict.fromkeys(channels))})

    def _known(self, request: Request, table: str, label: str) -> Document:
        identifier = request.path_params["id"]
        document = self.store.get(table, identifier)
        if document is None:
            raise not_found(f"{label} with id: {identifier} was not found")
        return document


def _without(document: Document, channels: list[str]) -> list[str]:
    return [identifier for identifier in document["sales_channel_ids"] if identifier not in channels]
