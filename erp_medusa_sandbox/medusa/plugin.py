"""The routes that our plugin for Medusa adds (`medusa_plugin/`), for the embedded Medusa.

The same answers as the plugin's JavaScript gives. A suite holds both to them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.checkout import has_payment_session
from erp_medusa_sandbox.medusa.errors import Check, MedusaError, Path, array, expected_type, fields, invalid
from erp_medusa_sandbox.medusa.http import json_body
from erp_medusa_sandbox.medusa.lists import parse_date, parse_query
from erp_medusa_sandbox.medusa.store import Document, MedusaStore, iso

TESTED = ("2.21",)
_MOST_LISTED, _MOST_DELETED = 1000, 100
_QUERY = {"after", "limit", "untouched_since", "completed", "has_customer"}
_CART_FIELDS = ("id", "email", "customer_id", "currency_code", "locale", "created_at", "updated_at", "completed_at")


@dataclass(frozen=True)
class PluginOptions:
    """What medusa-config.js gives it, and the version of the Medusa that it believes to run in."""

    secret: str = ""
    medusa: str = "2.21.2"

    @property
    def works(self) -> bool:
        """Return whether it was tested with that Medusa."""
        return ".".join(self.medusa.split(".")[:2]) in TESTED


def _text(value: Any, path: Path, issues: list[str]) -> None:
    if not isinstance(value, str):
        issues.append(expected_type("string", path, value))


def _within(low: int, high: int, item: Check) -> Check:
    inner = array(item)

    def check(value: Any, path: Path, issues: list[str]) -> None:
        name = ", ".join(str(part) for part in path)
        if isinstance(value, list) and len(value) < low:
            issues.append(f"Value for field '{name}' too small, expected at least: '{low}'")
        elif isinstance(value, list) and len(value) > high:
            issues.append(f"Value for field '{name}' too large, expected at most: '{high}'")
        else:
            inner(value, path, issues)

    return check


_DELETE = fields(
    {"carts": _within(1, _MOST_DELETED, fields({"id": _text, "touched_at": _text}, required=("id", "touched_at")))},
    required=("carts",),
)


class Plugin:
    """Handlers of the plugin's routes."""

    def __init__(self, store: MedusaStore, options: PluginOptions) -> None:
        self._store = store
        self._options = options

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/admin/erp-pipelines", self._about, methods=["GET"]),
            Route("/admin/erp-pipelines/carts", self._list, methods=["GET"]),
            Route("/admin/erp-pipelines/carts/delete", self._delete, methods=["POST"]),
            Route("/erp-pipelines/unsubscribe", self._ask, methods=["GET"]),
            Route("/erp-pipelines/unsubscribe", self._unsubscribe, methods=["POST"]),
        ]

    async def _about(self, _request: Request) -> Response:
        about = {"version": "0.1.0", "medusa": self._options.medusa, "tested_medusa": [*TESTED]}
        return JSONResponse({"plugin": {**about, "works": self._options.works}})

    async def _list(self, request: Request) -> Response:
        self._refuse_untested()
        query = parse_query(request.url.query)
        limit, since = _checked(query)
        after = str(query.get("after") or "")
        found: list[Document] = []
        full = False
        for identifier in self._store.ids("cart"):
            cart = self._store.get("cart", identifier)
            if identifier <= after or cart is None or not _wanted(cart, query, since):
                continue
            found.append(cart)
            if full := len(found) == limit:
                break
        shown = [self._shown(cart) for cart in found]
        kept = [cart for cart in shown if not since or cart["touched_at"] < since]
        return JSONResponse({"carts": kept, "next": found[-1]["id"] if full else None})

    async def _delete(self, request: Request) -> Response:
        self._refuse_untested()
        given = await json_body(request, _DELETE)
        seen = {one["id"]: one["touched_at"] for one in given["carts"]}
        kept = [
            {"id": identifier, "reason": reason}
            for identifier, touched in seen.items()
            if (reason := self._reason_to_keep(identifier, touched))
        ]
        staying = {one["id"] for one in kept}
        deleted = [identifier for identifier in seen if identifier not in staying]
        with self._store.transaction():
            for identifier in deleted:
                for item in self._store.find("line_item", "cart_id", [identifier]):
                    self._store.remove("line_item", item["id"])
                self._store.remove("cart", identifier)
        return JSONResponse({"deleted": deleted, "kept": kept})

    async def _ask(self, request: Request) -> Response:
        if not self._customer(request):
            return HTMLResponse("<h1>This link is not valid.</h1>", status_code=400)
        return HTMLResponse('<h1>No more e-mails from this shop?</h1><form method="post"><button></button></form>')

    async def _unsubscribe(self, request: Request) -> Response:
        customer = self._customer(request)
        if not customer:
            return HTMLResponse("<h1>This link is not valid.</h1>", status_code=400)
        known = self._store.get("customer", customer)
        with self._store.transaction():
            for one in self._store.find("customer", "email", [known["email"]]) if known else ():
                metadata = {**(one["metadata"] or {}), "mails_unsubscribed": self._store.now()}
                self._store.put("customer", {**one, "metadata": metadata, "updated_at": self._store.now()})
        return HTMLResponse("<h1>You will get no more e-mails.</h1>")

    def _refuse_untested(self) -> None:
        if not self._options.works:
            text = f"medusa-plugin-erp-pipelines 0.1.0 was tested with Medusa {', '.join(TESTED)}, this is"
            raise MedusaError(400, "not_allowed", f"{text} {self._options.medusa}: update the plugin")

    def _reason_to_keep(self, identifier: str, touched: str) -> str:
        cart = self._store.get("cart", identifier)
        if cart is None:
            return "not found"
        if cart["completed_at"]:
            return "completed"
        if has_payment_session(self._store, cart):
            return "payment session"
        seen = parse_date(touched)
        return "" if seen and iso(seen) == self._shown(cart)["touched_at"] else "changed"

    def _shown(self, cart: Document) -> Document:
        items = self._store.find("line_item", "cart_id", [cart["id"]])
        names = ("id", "title", "quantity", "unit_price", "updated_at")
        return {
            **{name: cart[name] for name in _CART_FIELDS},
            "metadata": cart["metadata"],
            "items": [{name: item[name] for name in names} for item in items],
            "touched_at": max(one["updated_at"] for one in (cart, *items)),
            "has_payment_session": has_payment_session(self._store, cart),
        }

    def _customer(self, request: Request) -> str:
        customer, signature = request.query_params.get("c", ""), request.query_params.get("s", "")
        digest = hmac.new(self._options.secret.encode(), f"unsubscribe:{customer}".encode(), hashlib.sha256).digest()
        wanted = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return customer if self._options.secret and hmac.compare_digest(signature, wanted) else ""


def _checked(query: dict[str, Any]) -> tuple[int, str]:
    """Return the limit, and `untouched_since` in the form of stored times, or "". Raises MedusaError."""
    said = [f': Unrecognized key: "{name}"' for name in query if name not in _QUERY]
    limit, since = str(query.get("limit", 500)), query.get("untouched_since")
    moment = parse_date(str(since)) if since else None
    if not limit.isdigit() or not 1 <= int(limit) <= _MOST_LISTED:
        said.append(f"limit: must be 1 to {_MOST_LISTED}")
    if since and moment is None:
        said.append("untouched_since: Invalid ISO datetime")
    flags = (name for name in ("completed", "has_customer") if query.get(name) not in (None, "true", "false"))
    said += [f'{name}: Invalid option: expected one of "true"|"false"' for name in flags]
    if said:
        raise invalid(f"Invalid request: {'; '.join(said)}")
    return int(limit), iso(moment) if moment else ""


def _wanted(cart: Document, query: dict[str, Any], since: str) -> bool:
    for name, field in (("completed", "completed_at"), ("has_customer", "customer_id")):
        if name in query and bool(cart[field]) != (query[name] == "true"):
            return False
    return not since or cart["updated_at"] < since
