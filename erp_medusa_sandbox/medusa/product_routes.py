"""Routes of the embedded Medusa's products: `/admin/products`, their variants, and `/admin/product-variants`.

Lists with their filters, and the handlers. What they do to products belongs to `products.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import not_found
from erp_medusa_sandbox.medusa.http import Resource, deleted, deleted_many, json_body, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, Value, matches, page, values_of
from erp_medusa_sandbox.medusa.product_shapes import (
    CHANGED_OPTION,
    CHANGED_OPTION_VALUE,
    CHANGED_PRODUCT,
    CHANGED_VARIANT,
    NEW_PRODUCT,
    NEW_VARIANT,
    OPTION_BATCH,
    PRODUCT_BATCH,
    PRODUCT_FIELDS,
    VARIANT_BATCH,
    VARIANT_FIELDS,
    by_category,
)
from erp_medusa_sandbox.medusa.products import (
    change_options,
    create_products,
    delete_product,
    rename_option,
    update_products,
)
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from erp_medusa_sandbox.medusa.variants import create_variants, delete_variants, own_variant, update_variant


def _search(store: MedusaStore, product: Document, value: Value) -> bool:
    needle = value if isinstance(value, str) else ""
    variants = store.find("variant", "product_id", [product["id"]])
    return matches(product, ("title", "subtitle", "description", "handle", "external_id"), needle) or any(
        matches(variant, ("sku", "title", "barcode"), needle) for variant in variants
    )


def _by_variant(store: MedusaStore, product: Document, value: Value) -> bool:
    """`variants[sku][]=`; other fields of variants work the same way."""
    if not isinstance(value, dict):
        return True
    variants = store.find("variant", "product_id", [product["id"]])
    return any(all(variant.get(name) in values_of(wanted) for name, wanted in value.items()) for variant in variants)


def _by_sales_channel(_store: MedusaStore, product: Document, value: Value) -> bool:
    return bool(set(values_of(value)) & set(product["sales_channel_ids"]))


def _by_price_list(store: MedusaStore, product: Document, value: Value) -> bool:
    wanted = set(values_of(value))
    return any(
        price["price_list_id"] in wanted
        for variant in store.find("variant", "product_id", [product["id"]])
        for price in store.find("price", "price_set_id", [variant["price_set_id"]])
    )


_PRODUCTS = ListRoute(
    table="product",
    plural="products",
    defaults=PRODUCT_FIELDS,
    equals=("id", "handle", "external_id", "status", "collection_id", "title", "is_giftcard"),
    filters={
        "q": _search,
        "variants": _by_variant,
        "sales_channel_id": _by_sales_channel,
        "price_list_id": _by_price_list,
        "category_id": by_category,
    },
    arrays=("status",),
    strict=False,
)
_VARIANTS = ListRoute(
    table="variant",
    plural="variants",
    defaults=("*", *VARIANT_FIELDS, "*product", "*inventory_items"),
    equals=("id", "sku", "product_id", "barcode", "ean", "upc", "title"),
    search=("title", "sku", "barcode", "ean", "upc"),
    parameters=("manage_inventory", "allow_backorder"),
)


class Products(Resource):
    """Handlers of products and their variants."""

    def routes(self) -> list[Route]:
        """List the routes with their handlers."""
        one, variants = "/admin/products/{id}", "/admin/products/{id}/variants"
        return [
            Route("/admin/products", self._list_products, methods=["GET"]),
            Route("/admin/products", self._create_one, methods=["POST"]),
            Route("/admin/products/batch", self._batch, methods=["POST"]),
            Route(one, self._get_one, methods=["GET"]),
            Route(one, self._update_one, methods=["POST"]),
            Route(one, self._delete_one, methods=["DELETE"]),
            Route("/admin/product-options", self._list_options, methods=["GET"]),
            Route("/admin/product-options/{id}", self._rename_option, methods=["POST"]),
            Route("/admin/product-options/{id}/values/{value_id}", self._rename_value, methods=["POST"]),
            Route(f"{one}/options/batch", self._batch_options, methods=["POST"]),
            Route("/admin/product-variants", self._list_all_variants, methods=["GET"]),
            Route(variants, self._add_variant, methods=["POST"]),
            Route(f"{variants}/batch", self._batch_variants, methods=["POST"]),
            Route(f"{variants}/{{variant_id}}", self._get_one_variant, methods=["GET"]),
            Route(f"{variants}/{{variant_id}}", self._update_one_variant, methods=["POST"]),
            Route(f"{variants}/{{variant_id}}", self._delete_one_variant, methods=["DELETE"]),
        ]

    async def _list_products(self, request: Request) -> Response:
        return page(request, _PRODUCTS, self.store)

    async def _create_one(self, request: Request) -> Response:
        given = await json_body(request, NEW_PRODUCT)
        with self.store.transaction():
            (product,) = create_products(self.store, [given])
        return self._answer(request, product["id"])

    async def _batch(self, request: Request) -> Response:
        given = await json_body(request, PRODUCT_BATCH)
        with self.store.transaction():
            created = create_products(self.store, given.get("create", []))
            updates = given.get("update", [])
            unknown = [one["id"] for one in updates if self.store.get("product", one["id"]) is None]
            if unknown:
                raise not_found(f"Unable to update the products with ids: {', '.join(unknown)}")
            update_products(self.store, [(self._known(one["id"]), one) for one in updates])
            for identifier in given.get("delete", []):
                delete_product(self.store, identifier)
        return JSONResponse(
            {
                "created": self._several(request, [product["id"] for product in created]),
                "updated": self._several(request, [one["id"] for one in updates]),
                "deleted": deleted_many(given.get("delete", []), "product"),
            }
        )

    async def _get_one(self, request: Request) -> Response:
        if self.store.get("product", request.path_params["id"]) is None:
            raise not_found("Product not found")
        return self._answer(request, request.path_params["id"])

    async def _update_one(self, request: Request) -> Response:
        given = await json_body(request, CHANGED_PRODUCT)
        with self.store.transaction():
            update_products(self.store, [(self._known(request.path_params["id"]), given)])
        return self._answer(request, request.path_params["id"])

    async def _delete_one(self, request: Request) -> Response:
        with self.store.transaction():
            delete_product(self.store, request.path_params["id"])
        return deleted(request.path_params["id"], "product")

    async def _list_options(self, request: Request) -> Response:
        """Their ids alone, which is all that is asked for."""
        limit = int(request.query_params.get("limit", "50"))
        ids = sorted({option["id"] for product in self.store.all("product") for option in product["options"]})
        listed = [{"id": identifier} for identifier in ids[:limit]]
        return JSONResponse({"product_options": listed, "count": len(ids), "offset": 0, "limit": limit})

    async def _batch_options(self, request: Request) -> Response:
        given = await json_body(request, OPTION_BATCH)
        product = self._known(request.path_params["id"])
        with self.store.transaction():
            change_options(self.store, product, given)
        return self._answer(request, product["id"])

    async def _rename_option(self, request: Request) -> Response:
        given = await json_body(request, CHANGED_OPTION)
        with self.store.transaction():
            option = self._renamed(request, given.get("title"), {}, given.get("ranks"))
        return JSONResponse({"product_option": shown(request, self.store, "option", option, ("*", "*values"))})

    async def _rename_value(self, request: Request) -> Response:
        given = await json_body(request, CHANGED_OPTION_VALUE)
        identifier = request.path_params["value_id"]
        with self.store.transaction():
            option = self._renamed(request, None, {identifier: given["value"]})
        value = next(one for one in option["values"] if one["id"] == identifier)
        return JSONResponse({"product_option_value": shown(request, self.store, "option_value", value, ("*",))})

    def _renamed(
        self, request: Request, title: str | None, values: dict[str, str], ranks: Document | None = None
    ) -> Document:
        option = rename_option(self.store, request.path_params["id"], title, values, ranks)
        if option is None:
            raise not_found(f"Product option with id: {request.path_params['id']} was not found")
        return option

    async def _list_all_variants(self, request: Request) -> Response:
        return page(request, _VARIANTS, self.store)

    async def _add_variant(self, request: Request) -> Response:
        given = await json_body(request, NEW_VARIANT)
        with self.store.transaction():
            create_variants(self.store, [(self._known(request.path_params["id"]), given, 0)])
        return self._answer(request, request.path_params["id"])

    async def _batch_variants(self, request: Request) -> Response:
        given = await json_body(request, VARIANT_BATCH)
        product = self._known(request.path_params["id"])
        with self.store.transaction():
            created = create_variants(self.store, [(product, one, 0) for one in given.get("create", [])])
            updated = [
                update_variant(self.store, own_variant(self.store, product["id"], one["id"]), one)
                for one in given.get("update", [])
            ]
            delete_variants(
                self.store, [own_variant(self.store, product["id"], one) for one in given.get("delete", [])]
            )
        defaults = ("*", *VARIANT_FIELDS)
        return JSONResponse(
            {
                "created": [shown(request, self.store, "variant", one, defaults) for one in created],
                "updated": [shown(request, self.store, "variant", one, defaults) for one in updated],
                "deleted": deleted_many(given.get("delete", []), "variant"),
            }
        )

    async def _get_one_variant(self, request: Request) -> Response:
        variant = own_variant(self.store, request.path_params["id"], request.path_params["variant_id"])
        return JSONResponse({"variant": shown(request, self.store, "variant", variant, ("*", *VARIANT_FIELDS))})

    async def _update_one_variant(self, request: Request) -> Response:
        given = await json_body(request, CHANGED_VARIANT)
        product = self._known(request.path_params["id"])
        with self.store.transaction():
            update_variant(self.store, own_variant(self.store, product["id"], request.path_params["variant_id"]), given)
        return self._answer(request, product["id"])

    async def _delete_one_variant(self, request: Request) -> Response:
        product = self._known(request.path_params["id"])
        variant_id = request.path_params["variant_id"]
        with self.store.transaction():
            delete_variants(self.store, [own_variant(self.store, product["id"], variant_id)])
        parent = shown(request, self.store, "product", product, PRODUCT_FIELDS)
        return JSONResponse({"id": variant_id, "object": "variant", "deleted": True, "parent": parent})

    def _known(self, identifier: str) -> Document:
        product = self.store.get("product", identifier)
        if product is None:
            raise not_found(f'Product with id "{identifier}" not found')
        return product

    def _answer(self, request: Request, identifier: str) -> Response:
        return JSONResponse({"product": shown(request, self.store, "product", self._known(identifier), PRODUCT_FIELDS)})

    def _several(self, request: Request, identifiers: list[str]) -> list[Document]:
        """By id, which is not the order of the request."""
        documents = [self.store.get("product", identifier) for identifier in sorted(set(identifiers))]
        return [shown(request, self.store, "product", one, PRODUCT_FIELDS) for one in documents if one is not None]
