"""Product categories of the embedded Medusa: the tree, its ranks, and which products are in which.

`/admin/product-categories`, `/store/product-categories`. Collections belong to `collections.py`.

As the real one: ranks are dense under each parent, a category that is moved to the root has an empty `mpath`, one may
be moved under its own child, metadata is replaced and not merged, and a customer sees those that are active and not
internal.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import (
    BOOLEAN,
    METADATA,
    NUMBER,
    STRING,
    TEXT,
    MedusaError,
    array,
    fields,
    not_found,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Kind, linked, referring
from erp_medusa_sandbox.medusa.handles import refuse_known_handle, to_handle
from erp_medusa_sandbox.medusa.http import Resource, deleted, json_body, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

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
_SHOWN_FIELDS = (
    "id",
    "name",
    "description",
    "handle",
    "created_at",
    "updated_at",
    "metadata",
    "*parent_category",
    "*category_children",
)
_SHOWN = ListRoute(
    table="category",
    plural="product_categories",
    defaults=_SHOWN_FIELDS,
    equals=("id", "handle", "external_id", "parent_category_id"),
    search=("name", "handle", "description"),
    parameters=("include_ancestors_tree", "include_descendants_tree", "name"),
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
_CHANGED_CATEGORY = fields(_CATEGORY_SHAPE)
_PRODUCTS_OF = fields({"add": array(STRING), "remove": array(STRING)})


class Categories(Resource):
    """Handlers of `/admin/product-categories`, and of the tree that a customer sees."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        one = "/admin/product-categories/{id}"
        return [
            Route("/admin/product-categories", self._list, methods=["GET"]),
            Route("/admin/product-categories", self._create, methods=["POST"]),
            Route(one, self._get, methods=["GET"]),
            Route(one, self._update, methods=["POST"]),
            Route(one, self._delete, methods=["DELETE"]),
            Route(f"{one}/products", self._change_products, methods=["POST"]),
            Route("/store/product-categories", self._list_shown, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        return page(request, _CATEGORIES, self.store)

    async def _list_shown(self, request: Request) -> Response:
        return page(request, _SHOWN, self.store, among=[one for one in self.store.all("category") if is_shown(one)])

    async def _get(self, request: Request) -> Response:
        return self._answer(request, self._known(request))

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_CATEGORY)
        handle = given.get("handle") or to_handle(given["name"])
        parent = self.store.get("category", given.get("parent_category_id"))
        with self.store.transaction():
            refuse_known_handle(self.store, "category", "Product category", handle)
            siblings = _children(self.store, given.get("parent_category_id"))
            rank = min(int(given.get("rank", len(siblings))), len(siblings))
            for sibling in siblings[rank:]:
                self.store.put("category", {**sibling, "rank": sibling["rank"] + 1})
            category = self.store.stamped(
                "pcat",
                name=given["name"],
                description=given.get("description") or "",
                handle=handle,
                is_active=given.get("is_active", False),
                is_internal=given.get("is_internal", False),
                rank=rank,
                external_id=given.get("external_id"),
                parent_category_id=given.get("parent_category_id"),
                metadata=given.get("metadata"),
            )
            category["mpath"] = f"{parent['mpath']}.{category['id']}" if parent else category["id"]
            self.store.put("category", category)
        return self._answer(request, category)

    async def _update(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_CATEGORY)
        category = self._known(request)
        with self.store.transaction():
            if given.get("handle", category["handle"]) != category["handle"]:
                refuse_known_handle(self.store, "category", "Product category", given["handle"])
            changed = {**category, **{key: value for key, value in given.items() if key != "rank"}}
            if "parent_category_id" in given or "rank" in given:
                changed = self._placed(category, changed, given.get("rank"))
            if changed != category:
                changed["updated_at"] = self.store.now()
            self.store.put("category", changed)
        return self._answer(request, changed)

    def _placed(self, before: Document, changed: Document, rank: float | None) -> Document:
        """Return the category at its new place; the siblings of both places close up and make room."""
        others = [one for one in _children(self.store, changed["parent_category_id"]) if one["id"] != before["id"]]
        moved = changed["parent_category_id"] != before["parent_category_id"]
        if moved:
            left = [one for one in _children(self.store, before["parent_category_id"]) if one["id"] != before["id"]]
            self._rank(left)
        parent = self.store.get("category", changed["parent_category_id"])
        position = min(int(len(others) if rank is None else rank), len(others))
        self._rank([*others[:position], None, *others[position:]])
        placed = {**changed, "rank": position}
        if moved:
            self._move_below(placed, f"{parent['mpath']}.{placed['id']}" if parent else "")
            placed = {**placed, "mpath": f"{parent['mpath']}.{placed['id']}" if parent else ""}
        return placed

    def _rank(self, siblings: Sequence[Document | None]) -> None:
        for number, one in enumerate(siblings):
            if one is not None and one["rank"] != number:
                self.store.put("category", {**one, "rank": number})

    def _move_below(self, category: Document, path: str) -> None:
        """Give all below a moved category their new paths; below one that is moved to the root they stay stale."""
        if not path:
            return
        seen = {category["id"]}
        waiting = [(path, child) for child in _children(self.store, category["id"])]
        while waiting:
            above, child = waiting.pop()
            if child["id"] not in seen:
                seen.add(child["id"])
                own = f"{above}.{child['id']}"
                self.store.put("category", {**child, "mpath": own})
                waiting += [(own, one) for one in _children(self.store, child["id"])]

    async def _delete(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        category = self.store.get("category", identifier)
        if category and _children(self.store, identifier):
            raise MedusaError(
                400, "not_allowed", f"Deleting ProductCategory ({identifier}) with category children is not allowed"
            )
        with self.store.transaction():
            if category:
                self.store.remove("category", identifier)
                self._rank(_children(self.store, category["parent_category_id"]))
                for product in self.store.all("product"):
                    if identifier in product["category_ids"]:
                        _put_products(
                            self.store, product, [one for one in product["category_ids"] if one != identifier]
                        )
        return deleted(identifier, "product_category")

    async def _change_products(self, request: Request) -> Response:
        """Add and remove products; what is unknown, and what is not in it, passes without a word."""
        given = await json_body(request, _PRODUCTS_OF)
        category = self._known(request)
        with self.store.transaction():
            for product in filter(None, (self.store.get("product", one) for one in given.get("add", ()))):
                _put_products(self.store, product, list(dict.fromkeys([*product["category_ids"], category["id"]])))
            for product in filter(None, (self.store.get("product", one) for one in given.get("remove", ()))):
                _put_products(self.store, product, [one for one in product["category_ids"] if one != category["id"]])
        return self._answer(request, category)

    def _known(self, request: Request) -> Document:
        category = self.store.get("category", request.path_params["id"])
        if category is None:
            raise not_found(f"Product category with id: {request.path_params['id']} was not found")
        return category

    def _answer(self, request: Request, category: Document) -> Response:
        return JSONResponse({"product_category": shown(request, self.store, "category", category, _CATEGORY_FIELDS)})


def is_shown(category: Document) -> bool:
    """Return whether a customer sees the category."""
    return category["is_active"] and not category["is_internal"]


def _children(store: MedusaStore, parent: str | None) -> list[Document]:
    """Return the categories below a parent, or at the root, by rank."""
    return sorted(store.find("category", "parent_category_id", [parent]), key=lambda one: one["rank"])


def _put_products(store: MedusaStore, product: Document, categories: list[str]) -> None:
    store.put("product", {**product, "category_ids": categories})
