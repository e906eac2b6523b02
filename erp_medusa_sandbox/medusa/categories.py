"""Product categories of the embedded Medusa.

Belongs here: `/admin/product-categories`. Collections belong to `collections.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import (
    BOOLEAN,
    METADATA,
    NUMBER,
    STRING,
    TEXT,
    fields,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Kind, linked, referring
from erp_medusa_sandbox.medusa.handles import refuse_known_handle, to_handle
from erp_medusa_sandbox.medusa.http import Resource, json_body, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page

_DATES = ("created_at", "updated_at", "deleted_at")

KINDS["category"] = Kind(
    star=(
        "id",
        "name",
        "description",
        "handle",
        "mpath",
        "is_active",
        "is_internal",
        "rank",
        "external_id",
        "metadata",
        "parent_category_id",
        *_DATES,
    ),
    relations={
        "parent_category": ("category", linked("category", "parent_category_id")),
        "category_children": ("category", referring("category", "parent_category_id")),
    },
)
_CATEGORY_FIELDS = (
    "id",
    "name",
    "description",
    "handle",
    "is_active",
    "is_internal",
    "rank",
    "external_id",
    "parent_category_id",
    "created_at",
    "updated_at",
    "metadata",
    "*parent_category",
    "*category_children",
)
_CATEGORIES = ListRoute(
    table="category",
    plural="product_categories",
    defaults=_CATEGORY_FIELDS,
    equals=("id", "handle", "external_id", "parent_category_id"),
    search=("name", "handle", "description"),
    parameters=("include_ancestors_tree", "include_descendants_tree", "is_active", "is_internal", "name"),
)
_CATEGORY_SHAPE = {
    "name": STRING,
    "description": TEXT,
    "handle": TEXT,
    "external_id": TEXT,
    "is_internal": BOOLEAN,
    "is_active": BOOLEAN,
    "parent_category_id": TEXT,
    "metadata": METADATA,
    "rank": NUMBER,
}
_NEW_CATEGORY = fields(_CATEGORY_SHAPE, required=("name",))


class Categories(Resource):
    """Handlers of `/admin/product-categories`."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/admin/product-categories", self._list, methods=["GET"]),
            Route("/admin/product-categories", self._create, methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        return page(request, _CATEGORIES, self.store)

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_CATEGORY)
        handle = given.get("handle") or to_handle(given["name"])
        parent = self.store.get("category", given.get("parent_category_id"))
        with self.store.transaction():
            refuse_known_handle(self.store, "category", "Product category", handle)
            category = self.store.stamped(
                "pcat",
                name=given["name"],
                description=given.get("description") or "",
                handle=handle,
                is_active=given.get("is_active", False),
                is_internal=given.get("is_internal", False),
                rank=len(self.store.find("category", "parent_category_id", [given.get("parent_category_id")])),
                external_id=given.get("external_id"),
                parent_category_id=given.get("parent_category_id"),
                metadata=given.get("metadata"),
            )
            category["mpath"] = f"{parent['mpath']}.{category['id']}" if parent else category["id"]
            self.store.put("category", category)
        return JSONResponse({"product_category": shown(request, self.store, "category", category, _CATEGORY_FIELDS)})
