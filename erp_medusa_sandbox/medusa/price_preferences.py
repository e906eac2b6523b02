"""Regions that are added to the embedded Medusa, and whether prices include taxes.

`/admin/price-preferences`, and creating a region, which makes a preference. Listing regions belongs to `settings.py`;
the embedded Medusa computes no taxes.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import BOOLEAN, STRING, array, fields, invalid, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind
from erp_medusa_sandbox.medusa.http import Resource, json_body, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

KINDS["price_preference"] = Kind(
    star=("id", "attribute", "value", "is_tax_inclusive", "created_at", "deleted_at", "updated_at")
)
_PREFERENCES = ListRoute("price_preference", "price_preferences", ("*",), 300, ("id", "attribute", "value"))
_SHAPE = {"attribute": STRING, "value": STRING, "is_tax_inclusive": BOOLEAN}
_NEW = fields(_SHAPE, required=("attribute", "value"))
_CHANGED = fields(_SHAPE)
_NEW_REGION = fields(
    {"name": STRING, "currency_code": STRING, "countries": array(STRING)}, required=("name", "currency_code")
)


def includes_taxes(store: MedusaStore, currency: str) -> bool:
    """Return whether prices without rules of their own in a currency include taxes."""
    return any(
        row["is_tax_inclusive"]
        for row in store.all("price_preference")
        if (row["attribute"], row["value"]) == ("currency_code", currency)
    )


class PricePreferences(Resource):
    """Handlers of price preferences, and of a new region."""

    def routes(self) -> list[Route]:
        """List the routes with their handlers."""
        preferences = "/admin/price-preferences"
        return [
            Route(preferences, self._list, methods=["GET"]),
            Route(preferences, self._create, methods=["POST"]),
            Route(f"{preferences}/{{id}}", self._update, methods=["POST"]),
            Route("/admin/regions", self._create_region, methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        return page(request, _PREFERENCES, self.store)

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW)
        attribute, value = given["attribute"], given["value"]
        if any((row["attribute"], row["value"]) == (attribute, value) for row in self.store.all("price_preference")):
            raise invalid(f"Price preference with attribute: {attribute}, value: {value}, already exists.")
        with self.store.transaction():
            made = _put_new(self.store, attribute, value, is_tax_inclusive=given.get("is_tax_inclusive", False))
        return self._answer(request, made)

    async def _update(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED)
        identifier = request.path_params["id"]
        preference = self.store.get("price_preference", identifier)
        if preference is None:
            raise not_found(f"Price preference with id: {identifier} was not found")
        with self.store.transaction():
            changed = self.store.put("price_preference", {**preference, **given, "updated_at": self.store.now()})
        return self._answer(request, changed)

    async def _create_region(self, request: Request) -> Response:
        given = await json_body(request, _NEW_REGION)
        with self.store.transaction():
            named = {"name": given["name"], "currency_code": given["currency_code"]}
            region = self.store.put(
                "region", self.store.stamped("reg", **named, automatic_taxes=True, metadata=None, countries=[])
            )
            _put_new(self.store, "region_id", region["id"], is_tax_inclusive=False)
        return JSONResponse({"region": shown(request, self.store, "region", region, ("*",))})

    def _answer(self, request: Request, preference: Document) -> Response:
        return JSONResponse({"price_preference": shown(request, self.store, "price_preference", preference, ("*",))})


def _put_new(store: MedusaStore, attribute: str, value: str, *, is_tax_inclusive: bool) -> Document:
    return store.put(
        "price_preference",
        store.stamped("prpref", attribute=attribute, value=value, is_tax_inclusive=is_tax_inclusive),
    )
