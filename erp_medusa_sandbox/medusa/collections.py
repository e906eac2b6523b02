"""Collections and categories of the embedded Medusa, and the rule for handles.

Belongs here: `/admin/collections` and `/admin/product-categories`. Products belong to `products.py`.
"""

from __future__ import annotations

import re
import secrets

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
    invalid,
    not_found,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Kind
from erp_medusa_sandbox.medusa.http import deleted, json_body, merged_metadata, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

_DATES = ("created_at", "updated_at", "deleted_at")

KINDS["collection"] = Kind(star=("id", "title", "handle", "external_id", "metadata", *_DATES))
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
        "parent_category": ("category", lambda store, one: store.get("category", one["parent_category_id"])),
        "category_children": ("category", lambda store, one: store.find("category", "parent_category_id", [one["id"]])),
    },
)
_COLLECTION_FIELDS = ("id", "title", "handle", "external_id", "created_at", "updated_at", "metadata")
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
_COLLECTIONS = ListRoute(
    table="collection",
    plural="collections",
    defaults=_COLLECTION_FIELDS,
    limit=10,
    equals=("id", "handle", "external_id", "title"),
    search=("title", "handle"),
)
_CATEGORIES = ListRoute(
    table="category",
    plural="product_categories",
    defaults=_CATEGORY_FIELDS,
    equals=("id", "handle", "external_id", "parent_category_id"),
    search=("name", "handle", "description"),
    parameters=("include_ancestors_tree", "include_descendants_tree", "is_active", "is_internal", "name"),
)
_COLLECTION_SHAPE = {"title": STRING, "handle": TEXT, "external_id": TEXT, "metadata": METADATA}
_NEW_COLLECTION = fields(_COLLECTION_SHAPE, required=("title",))
_CHANGED_COLLECTION = fields(_COLLECTION_SHAPE)
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


def to_handle(title: str) -> str:
    """Letters and digits of any script, lower case, joined by hyphens; something random where nothing is left."""
    spaced = re.sub(r"[\s_]+", "-", title.lower().replace("ß", "ss"))
    kept = "".join(letter for letter in spaced if letter == "-" or letter.isalpha() or letter.isnumeric())
    handle = re.sub(r"-+", "-", kept).removeprefix("-").removesuffix("-")
    return handle or f"product-{secrets.token_hex(3)}"


def routes(store: MedusaStore) -> list[Route]:
    async def list_collections(request: Request) -> Response:
        return page(request, _COLLECTIONS, store)

    async def create_collection(request: Request) -> Response:
        given = await json_body(request, _NEW_COLLECTION)
        handle = given.get("handle") or to_handle(given["title"])
        with store.transaction():
            _refuse_known(store, "collection", "Product collection", handle)
            collection = store.put(
                "collection",
                store.stamped(
                    "pcol",
                    title=given["title"],
                    handle=handle,
                    external_id=given.get("external_id"),
                    metadata=given.get("metadata"),
                ),
            )
        return _answer(request, collection)

    async def get_collection(request: Request) -> Response:
        collection = store.get("collection", request.path_params["id"])
        # Medusa has no 404 here.
        return JSONResponse({}) if collection is None else _answer(request, collection)

    async def update_collection(request: Request) -> Response:
        given = await json_body(request, _CHANGED_COLLECTION)
        collection = store.get("collection", request.path_params["id"])
        if collection is None:
            raise not_found(f'Collection with id "{request.path_params["id"]}" not found')
        changed = {**collection, **given}
        if "metadata" in given:
            changed["metadata"] = merged_metadata(collection["metadata"], given["metadata"])
        with store.transaction():
            if changed["handle"] != collection["handle"]:
                _refuse_known(store, "collection", "Product collection", changed["handle"])
            if changed != collection:
                changed["updated_at"] = store.now()
            store.put("collection", changed)
        return _answer(request, changed)

    async def delete_collection(request: Request) -> Response:
        identifier = request.path_params["id"]
        with store.transaction():
            store.remove("collection", identifier)
            for product in store.find("product", "collection_id", [identifier]):
                store.put("product", {**product, "collection_id": None})
        return deleted(identifier, "collection")

    async def list_categories(request: Request) -> Response:
        return page(request, _CATEGORIES, store)

    async def create_category(request: Request) -> Response:
        given = await json_body(request, _NEW_CATEGORY)
        handle = given.get("handle") or to_handle(given["name"])
        parent = store.get("category", given.get("parent_category_id"))
        with store.transaction():
            _refuse_known(store, "category", "Product category", handle)
            category = store.stamped(
                "pcat",
                name=given["name"],
                description=given.get("description") or "",
                handle=handle,
                is_active=given.get("is_active", False),
                is_internal=given.get("is_internal", False),
                rank=len(store.find("category", "parent_category_id", [given.get("parent_category_id")])),
                external_id=given.get("external_id"),
                parent_category_id=given.get("parent_category_id"),
                metadata=given.get("metadata"),
            )
            category["mpath"] = f"{parent['mpath']}.{category['id']}" if parent else category["id"]
            store.put("category", category)
        return JSONResponse({"product_category": shown(request, store, "category", category, _CATEGORY_FIELDS)})

    def _answer(request: Request, collection: Document) -> Response:
        return JSONResponse({"collection": shown(request, store, "collection", collection, _COLLECTION_FIELDS)})

    return [
        Route("/admin/collections", list_collections, methods=["GET"]),
        Route("/admin/collections", create_collection, methods=["POST"]),
        Route("/admin/collections/{id}", get_collection, methods=["GET"]),
        Route("/admin/collections/{id}", update_collection, methods=["POST"]),
        Route("/admin/collections/{id}", delete_collection, methods=["DELETE"]),
        Route("/admin/product-categories", list_categories, methods=["GET"]),
        Route("/admin/product-categories", create_category, methods=["POST"]),
    ]


def _refuse_known(store: MedusaStore, table: str, name: str, handle: str) -> None:
    if store.has(table, "handle", handle):
        raise invalid(f"{name} with handle: {handle}, already exists.")
