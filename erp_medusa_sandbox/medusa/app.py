"""The embedded Medusa: a small server that answers like the Admin and Store API of Medusa 2.

The application, who may use it, and what is answered before any route is reached. The routes belong to the modules of
their subjects.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
from collections.abc import Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from erp_medusa_sandbox.medusa.carts import Carts
from erp_medusa_sandbox.medusa.categories import Categories
from erp_medusa_sandbox.medusa.checkout import Checkout
from erp_medusa_sandbox.medusa.collections import Collections
from erp_medusa_sandbox.medusa.customers import Customers
from erp_medusa_sandbox.medusa.errors import MedusaError, no_route, unknown_error
from erp_medusa_sandbox.medusa.http import Resource
from erp_medusa_sandbox.medusa.inventory_items import InventoryItems
from erp_medusa_sandbox.medusa.inventory_levels import InventoryLevels
from erp_medusa_sandbox.medusa.labels import Labels
from erp_medusa_sandbox.medusa.login import Admin
from erp_medusa_sandbox.medusa.plugin import Plugin, PluginOptions
from erp_medusa_sandbox.medusa.price_lists import PriceLists
from erp_medusa_sandbox.medusa.price_preferences import PricePreferences
from erp_medusa_sandbox.medusa.product_routes import Products
from erp_medusa_sandbox.medusa.reservations import Reservations
from erp_medusa_sandbox.medusa.sales_channels import SalesChannels
from erp_medusa_sandbox.medusa.settings import Settings
from erp_medusa_sandbox.medusa.store import MedusaStore
from erp_medusa_sandbox.medusa.storefront import Storefront, check_key
from erp_medusa_sandbox.medusa.translations import Localized, Translations
from erp_medusa_sandbox.medusa.uploads import Files, Uploads
from erp_medusa_sandbox.medusa.workflows import Workflows

_logger = logging.getLogger(__name__)
# Node refuses a request whose line and headers are longer than this.
_MAX_HEADER_BYTES = 16 * 1024
# A route with a fixed path stands before one that takes any id.
_RESOURCES: tuple[type[Resource], ...] = (
    Products,
    Collections,
    Categories,
    Labels,
    InventoryLevels,
    InventoryItems,
    Reservations,
    PriceLists,
    PricePreferences,
    SalesChannels,
    Customers,
    Settings,
    Workflows,
    Storefront,
    Carts,
    Checkout,
)
_KEY_AS_BEARER = (
    "A secret API key was passed as a Bearer token. Secret API keys must be sent using HTTP Basic authentication "
    "instead (Authorization: Basic <secret-api-key>)."
)


def create_app(
    store: MedusaStore,
    *,
    api_key: str,
    public_url: str | None = None,
    admin: Admin | None = None,
    plugin: PluginOptions | None = None,
    translations: bool = False,
) -> Starlette:
    """Make the application.

    Args:
        store: its documents.
        api_key: the one secret key that the Admin API takes.
        admin: who may log in instead.
        plugin: the options of our own plugin, where it is installed.
        translations: whether the Translation module is on.
        public_url: what the urls of uploads begin with; without it, the address that was called.
    """
    admin = admin or Admin()
    app = Starlette(
        routes=[
            Route("/health", _health, methods=["GET"]),
            *(route for resource in _RESOURCES for route in resource(store).routes()),
            *admin.routes(),
            *Uploads(store, Files(store), public_url).routes(),
            *(Plugin(store, plugin).routes() if plugin else ()),
            *(Translations(store).routes() if translations else ()),
        ],
        exception_handlers={MedusaError: _medusa_error, HTTPException: _http_error},
    )
    app.add_middleware(Localized, store=store, is_on=translations)
    app.add_middleware(_Gate, store=store, api_key=api_key, tokens=admin.tokens)
    return app


class _Gate:
    """Keys and sizes, before routing, and the headers that every answer carries."""

    def __init__(self, app: ASGIApp, store: MedusaStore, api_key: str, tokens: Collection[str]) -> None:
        self._app = app
        self._store = store
        self._api_key = api_key
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"x-sandbox", b"1"), (b"keep-alive", b"timeout=5")]
                message = {**message, "headers": headers}
            await send(message)

        refusal = self._refusal(Request(scope))
        try:
            await (refusal or self._app)(scope, receive, send_marked)
        except Exception:
            _logger.exception("%s %s", scope["method"], scope["path"])
            await unknown_error().response()(scope, receive, send_marked)

    def _refusal(self, request: Request) -> Response | None:
        headers = sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
        if len(request.url.path) + len(request.url.query) + headers > _MAX_HEADER_BYTES:
            return Response(status_code=431)
        path = request.url.path
        if path.startswith("/store"):
            try:
                check_key(request, self._store)
            except MedusaError as error:
                return error.response()
        if path.startswith("/admin"):
            scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer" and credentials.startswith("sk_"):
                return JSONResponse({"message": _KEY_AS_BEARER}, status_code=401)
            if scheme.lower() == "bearer" and credentials in self._tokens:
                return None
            if scheme.lower() != "basic" or self._api_key not in _readings(credentials):
                return JSONResponse({"message": "Unauthorized"}, status_code=401)
        return None


def _readings(credentials: str) -> set[str]:
    """A secret key may come as it is, or in Base64 with or without the colon of an empty password."""
    readings = {credentials}
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        readings.add(base64.b64decode(credentials, validate=True).decode().removesuffix(":"))
    return readings


async def _health(_request: Request) -> Response:
    return HTMLResponse("OK")


def _medusa_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, MedusaError):
        raise error
    return error.response()


def _http_error(request: Request, error: Exception) -> Response:
    """Starlette knows a wrong method (405) from an unknown path (404); Express does not."""
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        return no_route(request.method, request.url.path)
    raise error
