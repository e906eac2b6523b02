"""Product types and tags of the embedded Medusa.

`/admin/product-types` and `/admin/product-tags`, which are alike. What products show of them belongs to
`product_shapes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import METADATA, STRING, TEXT, fields, invalid, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind
from erp_medusa_sandbox.medusa.http import Resource, deleted, json_body, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document

_FIELDS = ("id", "value", "external_id", "created_at", "updated_at", "metadata")
_NEW = fields({"value": STRING, "external_id": TEXT, "metadata": METADATA}, required=("value",))


@dataclass(frozen=True)
class _Sort:
    kind: str
    prefix: str
    title: str

    @property
    def list(self) -> ListRoute:
        return ListRoute(self.kind, f"{self.kind}s", _FIELDS, 20, ("id", "value", "external_id"), ("value",))


_SORTS = {
    "product-types": _Sort("product_type", "ptyp", "Product type"),
    "product-tags": _Sort("product_tag", "ptag", "Product tag"),
}
for _sort in _SORTS.values():
    KINDS[_sort.kind] = Kind(star=_FIELDS)


class Labels(Resource):
    """Handlers of product types and tags."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            route
            for name in _SORTS
            for route in (
                Route(f"/admin/{name}", self._list, methods=["GET"]),
                Route(f"/admin/{name}", self._create, methods=["POST"]),
                Route(f"/admin/{name}/{{id}}", self._get, methods=["GET"]),
                Route(f"/admin/{name}/{{id}}", self._delete, methods=["DELETE"]),
            )
        ]

    async def _list(self, request: Request) -> Response:
        return page(request, _sort_of(request).list, self.store)

    async def _create(self, request: Request) -> Response:
        sort, given = _sort_of(request), await json_body(request, _NEW)
        with self.store.transaction():
            if self.store.has(sort.kind, "value", given["value"]):
                raise invalid(f"{sort.title} with value: {given['value']}, already exists.")
            rest = {"external_id": given.get("external_id"), "metadata": given.get("metadata")}
            made = self.store.put(sort.kind, self.store.stamped(sort.prefix, value=given["value"], **rest))
        return self._answer(request, sort, made)

    async def _get(self, request: Request) -> Response:
        sort, identifier = _sort_of(request), request.path_params["id"]
        found = self.store.get(sort.kind, identifier)
        if found is None:
            raise not_found(f"{sort.title} with id: {identifier} was not found")
        return self._answer(request, sort, found)

    async def _delete(self, request: Request) -> Response:
        sort, identifier = _sort_of(request), request.path_params["id"]
        with self.store.transaction():
            self.store.remove(sort.kind, identifier)
            for product in self.store.all("product"):
                if product["type_id"] == identifier:
                    self.store.put("product", {**product, "type_id": None})
        return deleted(identifier, sort.kind)

    def _answer(self, request: Request, sort: _Sort, document: Document) -> Response:
        return JSONResponse({sort.kind: shown(request, self.store, sort.kind, document, _FIELDS)})


def _sort_of(request: Request) -> _Sort:
    return _SORTS[request.url.path.split("/")[2]]
