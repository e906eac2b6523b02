"""From a cart to an order in the embedded Medusa, as far as carts show it: payment sessions, and completed carts.

Paying with the provider that asks nobody. Stock is not reserved, and no order can be worked on.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import STRING, MedusaError, fields, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind, kept
from erp_medusa_sandbox.medusa.http import Resource, js_number, json_body
from erp_medusa_sandbox.medusa.store import Document, MedusaStore, new_id

KINDS["order"] = Kind(
    star=("id", "email", "customer_id", "cart_id", "currency_code", "status", "created_at", "updated_at")
)
KINDS["payment_collection"] = Kind(
    star=("id", "currency_code", "amount"), relations={"payment_sessions": ("payment_session", kept("sessions"))}
)
KINDS["payment_session"] = Kind(star=("id", "provider_id", "status"))
_OF_CART = fields({"cart_id": STRING}, required=("cart_id",))
_SESSION = fields({"provider_id": STRING}, required=("provider_id",))


def has_payment_session(store: MedusaStore, cart: Document) -> bool:
    """Return whether somebody began to pay for a cart."""
    return any(one["sessions"] for one in store.find("payment_collection", "cart_id", [cart["id"]]))


class Checkout(Resource):
    """Handlers that a storefront calls when a customer pays."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/store/payment-collections", self._collect, methods=["POST"]),
            Route("/store/payment-collections/{id}/payment-sessions", self._begin, methods=["POST"]),
            Route("/store/carts/{id}/complete", self._complete, methods=["POST"]),
        ]

    async def _collect(self, request: Request) -> Response:
        given = await json_body(request, _OF_CART)
        cart = self._cart(given["cart_id"])
        items = self.store.find("line_item", "cart_id", [cart["id"]])
        collection = self.store.stamped(
            "pay_col",
            cart_id=cart["id"],
            currency_code=cart["currency_code"],
            amount=js_number(sum(item["unit_price"] * item["quantity"] for item in items)),
            sessions=[],
        )
        with self.store.transaction():
            self.store.put("payment_collection", collection)
        return self._answer(collection)

    async def _begin(self, request: Request) -> Response:
        given = await json_body(request, _SESSION)
        collection = self.store.get("payment_collection", request.path_params["id"])
        if collection is None:
            raise not_found(f"PaymentCollection with id: {request.path_params['id']} was not found")
        session = {"id": new_id("payses"), "provider_id": given["provider_id"], "status": "pending"}
        with self.store.transaction():
            collection = self.store.put("payment_collection", {**collection, "sessions": [session]})
        return self._answer(collection)

    async def _complete(self, request: Request) -> Response:
        cart = self._cart(request.path_params["id"])
        if not has_payment_session(self.store, cart):
            raise MedusaError(400, "invalid_data", "Payment collection has not been initiated for cart")
        about = {name: cart[name] for name in ("email", "customer_id", "currency_code")}
        order = self.store.stamped("order", cart_id=cart["id"], status="pending", **about)
        now = self.store.now()
        with self.store.transaction():
            self.store.put("order", order)
            self.store.put("cart", {**cart, "completed_at": now, "updated_at": now})
        return JSONResponse({"type": "order", "order": {name: order[name] for name in KINDS["order"].star}})

    def _cart(self, identifier: str) -> Document:
        cart = self.store.get("cart", identifier)
        if cart is None:
            raise not_found(f"Cart id not found: {identifier}")
        return cart

    def _answer(self, collection: Document) -> Response:
        shown = {name: collection[name] for name in ("id", "currency_code", "amount")}
        return JSONResponse({"payment_collection": {**shown, "payment_sessions": collection["sessions"]}})
