"""Workflows of the embedded Medusa that can be run by their name.

`/admin/workflows-executions/{name}/run`, for the workflows that something outside of Medusa runs. What is part of
other routes belongs to the module of its subject.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.carts import update_cart
from erp_medusa_sandbox.medusa.errors import METADATA, fields, invalid, not_found
from erp_medusa_sandbox.medusa.http import Resource, json_body
from erp_medusa_sandbox.medusa.store import MedusaStore, new_id
from erp_medusa_sandbox.medusa.variants import refuse_known_item, set_base_prices
from erp_medusa_sandbox.steps import step_done

_RUN = fields({"input": METADATA, "transaction_id": METADATA})


def _upsert_variant_prices(store: MedusaStore, given: dict[str, Any]) -> None:
    """Give variants that are not among the previous ones a price set; one that has a set is refused."""
    before = set(given.get("previousVariantIds", []))
    fresh = [one for one in given.get("variantPrices", []) if one["variant_id"] not in before]
    sets = {one["variant_id"]: new_id("pset") for one in fresh}
    step_done("price sets")
    for one in fresh:
        variant = store.get("variant", one["variant_id"])
        if variant is None:
            continue  # the link is made all the same, and nothing shows it
        if variant["price_set_id"] is not None:
            raise invalid("Cannot create multiple links between 'product' and 'pricing'")
        changed = store.put("variant", {**variant, "price_set_id": sets[variant["id"]]})
        set_base_prices(store, changed, one["prices"])


def _update_inventory_items(store: MedusaStore, given: dict[str, Any]) -> None:
    """Change inventory items, all or none: a sku that another one has now is refused, even if that one gives it up."""
    updates = given.get("updates", [])
    for one in updates:
        item = store.get("inventory_item", one["id"])
        if item is None:
            raise not_found(f'InventoryItem with id "{one["id"]}" not found')
        if one.get("sku") != item["sku"]:
            refuse_known_item(store, one.get("sku"))
    for one in updates:
        item = store.get("inventory_item", one["id"])
        store.put("inventory_item", {**(item or {}), **one, "updated_at": store.now()})
    step_done("inventory items")


def _update_cart(store: MedusaStore, given: dict[str, Any]) -> None:
    cart = store.get("cart", given.get("id"))
    if cart is None:
        raise not_found(f"Cart id not found: {given.get('id')}")
    update_cart(store, cart, given)


_WORKFLOWS = {
    "update-cart": _update_cart,
    "upsert-variant-prices": _upsert_variant_prices,
    "update-inventory-items-workflow": _update_inventory_items,
}


class Workflows(Resource):
    """Handler of workflows that are run by their name."""

    def routes(self) -> list[Route]:
        """List the route with its handler."""
        return [Route("/admin/workflows-executions/{name}/run", self._run, methods=["POST"])]

    async def _run(self, request: Request) -> Response:
        name = request.path_params["name"]
        given = await json_body(request, _RUN)
        if name not in _WORKFLOWS:
            raise not_found(f'Workflow with id "{name}" not found.')
        with self.store.transaction():
            _WORKFLOWS[name](self.store, given.get("input") or {})
        ended = {"transactionId": new_id("auto").replace("auto_", "auto-"), "workflowId": name}
        return JSONResponse({"acknowledgement": {**ended, "hasFinished": True, "hasFailed": False}})
