"""Inventory items of the embedded Medusa, and their links to variants.

`/admin/inventory-items` and the links below variants. Levels belong to `inventory_levels.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import BOOLEAN, METADATA, NUMBER, STRING, TEXT, array, fields
from erp_medusa_sandbox.medusa.http import Resource, deleted, json_body, shown
from erp_medusa_sandbox.medusa.inventory import ITEM_FIELDS, known_item
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document
from erp_medusa_sandbox.medusa.variants import own_variant, refuse_known_item

_ITEMS = ListRoute(
    table="inventory_item",
    plural="inventory_items",
    defaults=ITEM_FIELDS,
    limit=20,
    dated=False,
    equals=("id", "sku", "title", "hs_code", "material", "mid_code", "origin_country"),
    search=("sku", "title", "description"),
    parameters=("location_levels", "requires_shipping", "weight", "length", "height", "width"),
)
_CHANGED_ITEM = fields(
    {
        **dict.fromkeys(("sku", "title", "description", "thumbnail", "hs_code", "origin_country"), TEXT),
        **dict.fromkeys(("mid_code", "material"), TEXT),
        **dict.fromkeys(("weight", "length", "height", "width"), NUMBER),
        "requires_shipping": BOOLEAN,
        "metadata": METADATA,
    }
)
_ITEM_TEXTS = (
    "sku", "title", "description", "thumbnail", "origin_country", "hs_code", "mid_code", "material", "unit_of_measure",
)  # fmt: skip
_ITEM_NUMBERS = ("weight", "length", "height", "width")
_NEW_ITEM = fields(
    {
        **dict.fromkeys(_ITEM_TEXTS, TEXT),
        **dict.fromkeys(_ITEM_NUMBERS, NUMBER),
        "requires_shipping": BOOLEAN,
        "metadata": METADATA,
    }
)
_LINK = fields({"inventory_item_id": STRING, "required_quantity": NUMBER}, required=("inventory_item_id",))
_VARIANT = ("*", "*options", "*prices")
_LINK_OF = fields(
    {"variant_id": STRING, "inventory_item_id": STRING, "required_quantity": NUMBER},
    required=("variant_id", "inventory_item_id"),
)
_LINKS = fields({"create": array(_LINK_OF), "update": array(_LINK_OF), "delete": array(_LINK_OF)})


class InventoryItems(Resource):
    """Handlers of `/admin/inventory-items`, and of the links between items and variants."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        items, links = "/admin/inventory-items", "/admin/products/{id}/variants/{variant_id}/inventory-items"
        return [
            Route(items, self._list, methods=["GET"]),
            Route(items, self._create, methods=["POST"]),
            Route(f"{items}/{{id}}", self._get, methods=["GET"]),
            Route(f"{items}/{{id}}", self._update, methods=["POST"]),
            Route(f"{items}/{{id}}", self._delete, methods=["DELETE"]),
            Route("/admin/products/{id}/variants/inventory-items/batch", self._link_batch, methods=["POST"]),
            Route(links, self._link, methods=["POST"]),
            Route(f"{links}/{{item_id}}", self._unlink, methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        return page(request, _ITEMS, self.store)

    async def _get(self, request: Request) -> Response:
        return self._answer(request, known_item(self.store, request.path_params["id"]))

    async def _update(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_ITEM)
        item = known_item(self.store, request.path_params["id"])
        if given.get("sku") != item["sku"]:
            refuse_known_item(self.store, given.get("sku"))
        with self.store.transaction():
            item = self.store.put("inventory_item", {**item, **given, "updated_at": self.store.now()})
        return self._answer(request, item)

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_ITEM)
        refuse_known_item(self.store, given.get("sku"))
        values = {name: given.get(name) for name in (*_ITEM_TEXTS, *_ITEM_NUMBERS, "metadata")}
        requires_shipping = given.get("requires_shipping", True)
        with self.store.transaction():
            item = self.store.put(
                "inventory_item", self.store.stamped("iitem", **values, requires_shipping=requires_shipping)
            )
        defaults = ("*", "*location_levels")
        return JSONResponse({"inventory_item": shown(request, self.store, "inventory_item", item, defaults)})

    async def _delete(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        with self.store.transaction():
            for level in self.store.find("inventory_level", "inventory_item_id", [identifier]):
                self.store.remove("inventory_level", level["id"])
            for variant in self.store.find("variant", "inventory_links", [identifier]):
                self.store.put("variant", {**variant, "inventory_links": _others(variant, identifier)})
            self.store.remove("inventory_item", identifier)
        return deleted(identifier, "inventory_item")

    async def _link(self, request: Request) -> Response:
        """Silently accept linking twice, and an item that does not exist."""
        given = await json_body(request, _LINK)
        variant = own_variant(self.store, request.path_params["id"], request.path_params["variant_id"])
        link = self.store.stamped(
            "pvitem",
            inventory_item_id=given["inventory_item_id"],
            required_quantity=given.get("required_quantity", 1),
        )
        links = [*_others(variant, link["inventory_item_id"]), link]
        with self.store.transaction():
            changed = self.store.put("variant", {**variant, "inventory_links": links})
        return JSONResponse({"variant": shown(request, self.store, "variant", changed, _VARIANT)})

    async def _link_batch(self, request: Request) -> Response:
        """Create, update and delete links of the product's variants, all or none."""
        given = await json_body(request, _LINKS)
        answer: dict[str, list[Document]] = {}
        with self.store.transaction():
            for what, shown_as in (("create", "created"), ("update", "updated"), ("delete", "deleted")):
                answer[shown_as] = [self._change_link(request, what, one) for one in given.get(what, [])]
        return JSONResponse(answer)

    def _change_link(self, request: Request, what: str, given: Document) -> Document:
        variant = own_variant(self.store, request.path_params["id"], given["variant_id"])
        item_id = given["inventory_item_id"]
        ends = {"product": {"variant_id": variant["id"]}, "inventory": {"inventory_item_id": item_id}}
        links = _others(variant, item_id)
        if what != "delete":
            required = given.get("required_quantity", 1)
            links.append(self.store.stamped("pvitem", inventory_item_id=item_id, required_quantity=required))
            ends["data"] = {"required_quantity": required}
        self.store.put("variant", {**variant, "inventory_links": links})
        return ends

    async def _unlink(self, request: Request) -> Response:
        """Silently accept items that are not linked or do not exist."""
        variant_id, item_id = request.path_params["variant_id"], request.path_params["item_id"]
        ended = {"product": {"variant_id": variant_id}, "inventory": {"inventory_item_id": item_id}}
        answer: Document = {"id": ended, "object": "variant-inventory-item-link", "deleted": True}
        variant = self.store.get("variant", variant_id)
        if variant is not None:
            with self.store.transaction():
                changed = self.store.put("variant", {**variant, "inventory_links": _others(variant, item_id)})
            answer["parent"] = shown(request, self.store, "variant", changed, _VARIANT)
        return JSONResponse(answer)

    def _answer(self, request: Request, item: Document) -> Response:
        return JSONResponse({"inventory_item": shown(request, self.store, "inventory_item", item, ITEM_FIELDS)})


def _others(variant: Document, item_id: str) -> list[Document]:
    return [link for link in variant["inventory_links"] if link["inventory_item_id"] != item_id]
