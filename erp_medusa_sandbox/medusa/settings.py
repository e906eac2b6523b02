"""What an administrator sets up once in the embedded Medusa: store, channels, locations, regions, profiles, keys.

Belongs here: the lists by which clients find those ids. What a fresh store contains belongs to `store.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import METADATA, STRING, TEXT, fields, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind
from erp_medusa_sandbox.medusa.http import json_body, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

_DATES = ("created_at", "updated_at", "deleted_at")


@dataclass(frozen=True)
class _Resource:
    path: str
    singular: str
    label: str  # as the 404 names it
    route: ListRoute


def _channels(store: MedusaStore, location: Document) -> list[Document | None]:
    return [store.get("sales_channel", identifier) for identifier in location["sales_channel_ids"]]


KINDS["sales_channel"] = Kind(star=("id", "name", "description", "is_disabled", "metadata", *_DATES))
KINDS["stock_location"] = Kind(
    star=("id", "name", "address_id", "metadata", *_DATES),
    relations={"sales_channels": ("sales_channel", _channels), "address": ("sales_channel", lambda store, one: None)},
)
KINDS["store"] = Kind(
    star=(
        "id",
        "name",
        "default_sales_channel_id",
        "default_region_id",
        "default_location_id",
        "metadata",
        "created_at",
        "updated_at",
    ),
    named=("deleted_at",),
    relations={"supported_currencies": ("store_currency", lambda store, one: one["supported_currencies"])},
)
KINDS["store_currency"] = Kind(
    star=("id", "currency_code", "is_default", "store_id", *_DATES),
    relations={"currency": ("currency", lambda store, one: one["currency"])},
)
KINDS["currency"] = Kind(star=("code", "symbol", "symbol_native", "name", "decimal_digits", "rounding", *_DATES))
KINDS["region"] = Kind(
    star=("id", "name", "currency_code", *_DATES, "metadata"),
    named=("automatic_taxes",),
    relations={"countries": ("country", lambda store, one: one["countries"])},
)
KINDS["country"] = Kind(star=("iso_2", "iso_3", "num_code", "name", "display_name", "region_id", "metadata", *_DATES))
KINDS["shipping_profile"] = Kind(star=("id", "name", "type", "metadata", *_DATES))
KINDS["api_key"] = Kind(
    star=("id", "token", "redacted", "title", "type", "last_used_at", "created_at", "updated_at"),
    named=("deleted_at", "created_by", "revoked_by", "revoked_at"),
)

REGION_FIELDS = ("*", "*countries")
_LIMIT = 50
_RESOURCES = (
    _Resource(
        "/admin/sales-channels",
        "sales_channel",
        "Sales channel",
        ListRoute("sales_channel", "sales_channels", ("*",), 20, ("id", "name"), ("name", "description")),
    ),
    _Resource(
        "/admin/stock-locations",
        "stock_location",
        "Stock location",
        ListRoute(
            "stock_location",
            "stock_locations",
            ("*",),
            20,
            ("id", "name"),
            ("name",),
            filters={
                "sales_channel_id": lambda store, one, value: bool(
                    {value} & set(one["sales_channel_ids"]) if isinstance(value, str) else True
                )
            },
        ),
    ),
    _Resource(
        "/admin/stores",
        "store",
        "Store",
        ListRoute(
            "store", "stores", ("*", "*supported_currencies", "*supported_currencies.currency"), _LIMIT, ("id", "name")
        ),
    ),
    _Resource(
        "/admin/regions",
        "region",
        "Region",
        ListRoute("region", "regions", (*REGION_FIELDS, "automatic_taxes"), _LIMIT, ("id", "name", "currency_code")),
    ),
    _Resource(
        "/admin/shipping-profiles",
        "shipping_profile",
        "Shipping profile",
        ListRoute("shipping_profile", "shipping_profiles", ("*",), _LIMIT, ("id", "name", "type"), ("name",)),
    ),
    _Resource(
        "/admin/api-keys",
        "api_key",
        "Api key",
        ListRoute("api_key", "api_keys", ("*",), 20, ("id", "title", "token", "type"), ("title",)),
    ),
)
_NEW_LOCATION = fields({"name": STRING, "address_id": TEXT, "metadata": METADATA}, required=("name",))


def routes(store: MedusaStore) -> list[Route]:
    found = [route for resource in _RESOURCES for route in _list_and_get(store, resource)]

    async def create_location(request: Request) -> Response:
        given = await json_body(request, _NEW_LOCATION)
        with store.transaction():
            location = store.put(
                "stock_location",
                store.stamped(
                    "sloc",
                    name=given["name"],
                    address_id=given.get("address_id"),
                    metadata=given.get("metadata"),
                    sales_channel_ids=[],
                ),
            )
        return JSONResponse({"stock_location": shown(request, store, "stock_location", location, ("*",))})

    async def none_yet(request: Request) -> Response:
        plural = request.url.path.rsplit("/", 1)[-1].replace("-", "_")
        limit = int(request.query_params.get("limit", _LIMIT))
        return JSONResponse({plural: [], "count": 0, "offset": 0, "limit": limit})

    return [
        *found,
        Route("/admin/stock-locations", create_location, methods=["POST"]),
        Route("/admin/orders", none_yet, methods=["GET"]),
        Route("/admin/draft-orders", none_yet, methods=["GET"]),
    ]


def _list_and_get(store: MedusaStore, resource: _Resource) -> list[Route]:
    table = resource.route.table

    async def list_all(request: Request) -> Response:
        return page(request, resource.route, store)

    async def get_one(request: Request) -> Response:
        document = store.get(table, request.path_params["id"])
        if document is None:
            raise not_found(f"{resource.label} with id: {request.path_params['id']} was not found")
        return JSONResponse({resource.singular: shown(request, store, table, document, resource.route.defaults)})

    return [
        Route(resource.path, list_all, methods=["GET"]),
        Route(f"{resource.path}/{{id}}", get_one, methods=["GET"]),
    ]
