"""What an administrator sets up once in the embedded Medusa: store, channels, locations, regions, profiles, keys.

The lists by which clients find those ids. What a fresh store contains belongs to `store.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import METADATA, STRING, TEXT, fields, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind, kept, missing
from erp_medusa_sandbox.medusa.http import Resource, json_body, merged_metadata, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, Value, page
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

_DATES = ("created_at", "updated_at", "deleted_at")


@dataclass(frozen=True)
class _Setting:
    path: str
    singular: str
    label: str  # as the 404 names it
    route: ListRoute


def _channels(store: MedusaStore, location: Document) -> list[Document | None]:
    return [store.get("sales_channel", identifier) for identifier in location["sales_channel_ids"]]


def _by_channel(_store: MedusaStore, location: Document, value: Value) -> bool:
    return not isinstance(value, str) or value in location["sales_channel_ids"]


KINDS["sales_channel"] = Kind(star=("id", "name", "description", "is_disabled", "metadata", *_DATES))
KINDS["stock_location"] = Kind(
    star=("id", "name", "address_id", "metadata", *_DATES),
    relations={"sales_channels": ("sales_channel", _channels), "address": ("sales_channel", missing)},
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
    relations={"supported_currencies": ("store_currency", kept("supported_currencies"))},
)
KINDS["store_currency"] = Kind(
    star=("id", "currency_code", "is_default", "store_id", *_DATES),
    relations={"currency": ("currency", kept("currency"))},
)
KINDS["currency"] = Kind(star=("code", "symbol", "symbol_native", "name", "decimal_digits", "rounding", *_DATES))
KINDS["region"] = Kind(
    star=("id", "name", "currency_code", *_DATES, "metadata"),
    named=("automatic_taxes",),
    relations={"countries": ("country", kept("countries"))},
)
KINDS["country"] = Kind(star=("iso_2", "iso_3", "num_code", "name", "display_name", "region_id", "metadata", *_DATES))
KINDS["shipping_profile"] = Kind(star=("id", "name", "type", "metadata", *_DATES))
KINDS["api_key"] = Kind(
    star=("id", "token", "redacted", "title", "type", "last_used_at", "created_at", "updated_at"),
    named=("deleted_at", "created_by", "revoked_by", "revoked_at"),
    # The one key that is seeded sells through every channel.
    relations={"sales_channels": ("sales_channel", lambda store, _key: [*store.all("sales_channel")])},
)

REGION_FIELDS = ("*", "*countries")
_LIMIT = 50
_SETTINGS = (
    _Setting(
        "/admin/sales-channels",
        "sales_channel",
        "Sales channel",
        ListRoute("sales_channel", "sales_channels", ("*",), 20, ("id", "name"), ("name", "description")),
    ),
    _Setting(
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
            filters={"sales_channel_id": _by_channel},
        ),
    ),
    _Setting(
        "/admin/stores",
        "store",
        "Store",
        ListRoute(
            "store", "stores", ("*", "*supported_currencies", "*supported_currencies.currency"), _LIMIT, ("id", "name")
        ),
    ),
    _Setting(
        "/admin/regions",
        "region",
        "Region",
        ListRoute("region", "regions", (*REGION_FIELDS, "automatic_taxes"), _LIMIT, ("id", "name", "currency_code")),
    ),
    _Setting(
        "/admin/shipping-profiles",
        "shipping_profile",
        "Shipping profile",
        ListRoute("shipping_profile", "shipping_profiles", ("*",), _LIMIT, ("id", "name", "type"), ("name",)),
    ),
    _Setting(
        "/admin/api-keys",
        "api_key",
        "Api key",
        ListRoute("api_key", "api_keys", ("*",), 20, ("id", "title", "token", "type"), ("title",)),
    ),
)
_NEW_LOCATION = fields({"name": STRING, "address_id": TEXT, "metadata": METADATA}, required=("name",))
_CHANGED_LOCATION = fields({"name": STRING, "address_id": TEXT, "metadata": METADATA})
_NEW_PROFILE = fields({"name": STRING, "type": STRING, "metadata": METADATA}, required=("name", "type"))


class Settings(Resource):
    """Handlers of what an administrator sets up once."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            *(route for kind in _SETTINGS for route in _SettingRoutes(self.store, kind).routes()),
            Route("/admin/stock-locations", self._create_location, methods=["POST"]),
            Route("/admin/stock-locations/{id}", self._update_location, methods=["POST"]),
            Route("/admin/shipping-profiles", self._create_profile, methods=["POST"]),
            Route("/admin/orders", self._none_yet, methods=["GET"]),
            Route("/admin/draft-orders", self._none_yet, methods=["GET"]),
        ]

    async def _create_location(self, request: Request) -> Response:
        given = await json_body(request, _NEW_LOCATION)
        with self.store.transaction():
            location = self.store.put(
                "stock_location",
                self.store.stamped(
                    "sloc",
                    name=given["name"],
                    address_id=given.get("address_id"),
                    metadata=given.get("metadata"),
                    sales_channel_ids=[],
                ),
            )
        return JSONResponse({"stock_location": shown(request, self.store, "stock_location", location, ("*",))})

    async def _update_location(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_LOCATION)
        location = self.store.get("stock_location", request.path_params["id"])
        if location is None:
            # Medusa has no 404 here.
            return JSONResponse({})
        changed = {**location, **given, "updated_at": self.store.now()}
        if "metadata" in given:
            changed["metadata"] = merged_metadata(location["metadata"], given["metadata"])
        with self.store.transaction():
            self.store.put("stock_location", changed)
        return JSONResponse({"stock_location": shown(request, self.store, "stock_location", changed, ("*",))})

    async def _create_profile(self, request: Request) -> Response:
        given = await json_body(request, _NEW_PROFILE)
        return self._created(request, "shipping_profile", "sp", {"metadata": None, **given})

    def _created(self, request: Request, table: str, prefix: str, values: Document) -> Response:
        with self.store.transaction():
            document = self.store.put(table, self.store.stamped(prefix, **values))
        return JSONResponse({table: shown(request, self.store, table, document, ("*",))})

    async def _none_yet(self, request: Request) -> Response:
        plural = request.url.path.rsplit("/", 1)[-1].replace("-", "_")
        limit = int(request.query_params.get("limit", _LIMIT))
        return JSONResponse({plural: [], "count": 0, "offset": 0, "limit": limit})


@dataclass(frozen=True)
class _SettingRoutes:
    """Listing one kind of setting, and getting one by its id."""

    store: MedusaStore
    kind: _Setting

    def routes(self) -> list[Route]:
        return [
            Route(self.kind.path, self._list, methods=["GET"]),
            Route(f"{self.kind.path}/{{id}}", self._get, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        return page(request, self.kind.route, self.store)

    async def _get(self, request: Request) -> Response:
        table, identifier = self.kind.route.table, request.path_params["id"]
        document = self.store.get(table, identifier)
        if document is None:
            raise not_found(f"{self.kind.label} with id: {identifier} was not found")
        return JSONResponse({self.kind.singular: shown(request, self.store, table, document, self.kind.route.defaults)})
