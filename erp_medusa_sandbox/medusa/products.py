"""Products of the embedded Medusa: `/admin/products`, their batch, their variants, and `/admin/product-variants`.

Belongs here: what creating, changing and deleting products means, and the routes. Fields and looks belong to
`product_shapes.py`, single variants to `variants.py`, what a customer sees to `storefront.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.faults import ORPHANS
from erp_medusa_sandbox.medusa.collections import to_handle
from erp_medusa_sandbox.medusa.errors import invalid, no_such_relation, not_found
from erp_medusa_sandbox.medusa.http import deleted, deleted_many, json_body, merged_metadata, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, Value, matches, page, values_of
from erp_medusa_sandbox.medusa.product_shapes import (
    CHANGED_PRODUCT,
    CHANGED_VARIANT,
    NEW_PRODUCT,
    NEW_VARIANT,
    PRODUCT_BATCH,
    PRODUCT_FIELDS,
    PRODUCT_SCALARS,
    VARIANT_BATCH,
    VARIANT_FIELDS,
)
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from erp_medusa_sandbox.medusa.variants import create_variant, delete_variant, own_variant, update_variant

_DEFAULTS = {"status": "draft", "is_giftcard": False, "discountable": True}


# -- the work ---------------------------------------------------------------------------------------------------


def create_products(store: MedusaStore, given: list[Document], *, orphans: bool = False) -> list[Document]:
    """All of them or none: first every product, then the variants. With `orphans` it ends between the two."""
    without_options = [product["title"] for product in given if product["title"] and not product.get("options")]
    if not all(product["title"] for product in given):
        raise invalid("Product title is required")
    if without_options:
        raise invalid(f"Product options are not provided for: [{', '.join(without_options)}].")
    products = [_create_bare_product(store, one) for one in given]
    if not orphans:
        for product, one in zip(products, given, strict=True):
            for rank, variant in enumerate(one.get("variants", [])):
                create_variant(store, product, variant, rank=rank)
    return products


def _create_bare_product(store: MedusaStore, given: Document) -> Document:
    handle = given.get("handle") or to_handle(given["title"])
    if given.get("handle") and to_handle(handle) != handle:
        raise invalid(f"Invalid product handle '{handle}'. It must contain URL safe characters")
    _check_relations(store, given)
    _refuse_known_handle(store, handle)
    images = given.get("images", [])
    scalars = {name: given.get(name, _DEFAULTS.get(name)) for name in PRODUCT_SCALARS}
    product = store.stamped("prod", **scalars)
    product |= {
        "handle": handle,
        "thumbnail": given.get("thumbnail") or (images[0]["url"] if images else None),
        "options": [_option(store, option) for option in given["options"]],
        "images": _images(store, product["id"], images),
        "sales_channel_ids": [channel["id"] for channel in given.get("sales_channels", [])],
        "category_ids": [category["id"] for category in given.get("categories", [])],
        "shipping_profile_id": given.get("shipping_profile_id"),
    }
    return store.put("product", product)


def update_product(store: MedusaStore, product: Document, given: Document) -> Document:
    """A given list of variants is the whole set: the others are deleted, those without id are new and get no stock."""
    changed = {**product, **{name: given[name] for name in PRODUCT_SCALARS if name in given}}
    if changed["handle"] != product["handle"]:
        if to_handle(changed["handle"] or "") != changed["handle"]:
            raise invalid(f"Invalid product handle '{changed['handle']}'. It must contain URL safe characters")
        _refuse_known_handle(store, changed["handle"])
    _check_relations(store, given)
    if "metadata" in given:
        changed["metadata"] = merged_metadata(product["metadata"], given["metadata"])
    if changed != product:
        changed["updated_at"] = store.now()
    if "images" in given:
        changed["images"] = _images(store, product["id"], given["images"], product["images"])
    if "sales_channels" in given:
        changed["sales_channel_ids"] = [channel["id"] for channel in given["sales_channels"]]
    if "categories" in given:
        changed["category_ids"] = [category["id"] for category in given["categories"]]
    if "shipping_profile_id" in given:
        changed["shipping_profile_id"] = given["shipping_profile_id"]
    if changed != product:
        store.put("product", changed)
    if "variants" in given:
        _replace_variants(store, changed, given["variants"])
    return changed


def _replace_variants(store: MedusaStore, product: Document, given: list[Document]) -> None:
    listed = {variant["id"] for variant in given if "id" in variant}
    # Checked against the variants that are about to go as well.
    for variant in given:
        if "id" not in variant and variant.get("sku") and store.has("variant", "sku", variant["sku"]):
            raise invalid(f"Product variant with sku: {variant['sku']}, already exists.")
    for variant in store.find("variant", "product_id", [product["id"]]):
        if variant["id"] not in listed:
            delete_variant(store, variant, with_inventory=False)
    for rank, variant in enumerate(given):
        if "id" in variant:
            known = own_variant(store, product["id"], variant["id"])
            update_variant(store, known, variant, with_inventory=False)
        else:
            if "title" not in variant:
                raise invalid("ProductVariant.title is required")
            create_variant(store, product, variant, rank=rank, with_inventory=False)


def delete_product(store: MedusaStore, identifier: str) -> None:
    for variant in store.find("variant", "product_id", [identifier]):
        delete_variant(store, variant)
    store.remove("product", identifier)


def _check_relations(store: MedusaStore, given: Document) -> None:
    collection_id = given.get("collection_id")
    if collection_id and store.get("collection", collection_id) is None:
        raise no_such_relation("collection_id", collection_id)
    for category in given.get("categories", []):
        if store.get("category", category["id"]) is None:
            raise no_such_relation("product_category_id", category["id"])


def _refuse_known_handle(store: MedusaStore, handle: str) -> None:
    if store.has("product", "handle", handle):
        raise invalid(f"Product with handle: {handle}, already exists.")


def _option(store: MedusaStore, given: Document) -> Document:
    option = store.stamped("opt", title=given["title"], is_exclusive=True, metadata=None)
    values = [
        store.stamped("optval", value=value, rank=None, metadata=None, option_id=option["id"])
        for value in given["values"]
    ]
    return {**option, "values": values}


def _images(
    store: MedusaStore, product_id: str, given: list[Document], known: list[Document] | None = None
) -> list[Document]:
    """The same url again is a new image; only one that names its id stays the same."""
    before = {image["id"]: image for image in known or []}
    return [
        {
            **(before.get(image.get("id", "")) or store.stamped("img", metadata=None, product_id=product_id)),
            "url": image["url"],
            "rank": rank,
        }
        for rank, image in enumerate(given)
    ]


# -- lists ------------------------------------------------------------------------------------------------------


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


def _by_sales_channel(store: MedusaStore, product: Document, value: Value) -> bool:
    return bool(set(values_of(value)) & set(product["sales_channel_ids"]))


def _by_price_list(store: MedusaStore, product: Document, value: Value) -> bool:
    wanted = set(values_of(value))
    return any(
        price["price_list_id"] in wanted
        for variant in store.find("variant", "product_id", [product["id"]])
        for price in store.find("price", "price_set_id", [variant["price_set_id"]])
    )


PRODUCTS = ListRoute(
    table="product",
    plural="products",
    defaults=PRODUCT_FIELDS,
    equals=("id", "handle", "external_id", "status", "collection_id", "title", "is_giftcard"),
    filters={
        "q": _search,
        "variants": _by_variant,
        "sales_channel_id": _by_sales_channel,
        "price_list_id": _by_price_list,
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


# -- routes -----------------------------------------------------------------------------------------------------


def routes(store: MedusaStore) -> list[Route]:
    async def list_products(request: Request) -> Response:
        return page(request, PRODUCTS, store)

    async def create_one(request: Request) -> Response:
        given = await json_body(request, NEW_PRODUCT)
        with store.transaction():
            (product,) = create_products(store, [given])
        return answer(request, product["id"])

    async def batch(request: Request) -> Response:
        given = await json_body(request, PRODUCT_BATCH)
        orphans = request.scope.get("state", {}).get(ORPHANS, False)
        with store.transaction():
            created = create_products(store, given.get("create", []), orphans=orphans)
            updates = given.get("update", [])
            unknown = [one["id"] for one in updates if store.get("product", one["id"]) is None]
            if unknown:
                raise not_found(f"Unable to update the products with ids: {', '.join(unknown)}")
            for one in updates:
                update_product(store, known(one["id"]), one)
            for identifier in given.get("delete", []):
                delete_product(store, identifier)
        return JSONResponse(
            {
                "created": several(request, [product["id"] for product in created]),
                "updated": several(request, [one["id"] for one in updates]),
                "deleted": deleted_many(given.get("delete", []), "product"),
            }
        )

    async def get_one(request: Request) -> Response:
        if store.get("product", request.path_params["id"]) is None:
            raise not_found("Product not found")
        return answer(request, request.path_params["id"])

    async def update_one(request: Request) -> Response:
        given = await json_body(request, CHANGED_PRODUCT)
        with store.transaction():
            update_product(store, known(request.path_params["id"]), given)
        return answer(request, request.path_params["id"])

    async def delete_one(request: Request) -> Response:
        with store.transaction():
            delete_product(store, request.path_params["id"])
        return deleted(request.path_params["id"], "product")

    async def list_all_variants(request: Request) -> Response:
        return page(request, _VARIANTS, store)

    async def add_variant(request: Request) -> Response:
        given = await json_body(request, NEW_VARIANT)
        with store.transaction():
            create_variant(store, known(request.path_params["id"]), given)
        return answer(request, request.path_params["id"])

    async def batch_variants(request: Request) -> Response:
        given = await json_body(request, VARIANT_BATCH)
        product = known(request.path_params["id"])
        with store.transaction():
            created = [create_variant(store, product, one) for one in given.get("create", [])]
            updated = [
                update_variant(store, own_variant(store, product["id"], one["id"]), one)
                for one in given.get("update", [])
            ]
            for identifier in given.get("delete", []):
                delete_variant(store, own_variant(store, product["id"], identifier))
        defaults = ("*", *VARIANT_FIELDS)
        return JSONResponse(
            {
                "created": [shown(request, store, "variant", one, defaults) for one in created],
                "updated": [shown(request, store, "variant", one, defaults) for one in updated],
                "deleted": deleted_many(given.get("delete", []), "variant"),
            }
        )

    async def update_one_variant(request: Request) -> Response:
        given = await json_body(request, CHANGED_VARIANT)
        product = known(request.path_params["id"])
        with store.transaction():
            update_variant(store, own_variant(store, product["id"], request.path_params["variant_id"]), given)
        return answer(request, product["id"])

    async def delete_one_variant(request: Request) -> Response:
        product = known(request.path_params["id"])
        variant_id = request.path_params["variant_id"]
        with store.transaction():
            delete_variant(store, own_variant(store, product["id"], variant_id))
        parent = shown(request, store, "product", product, PRODUCT_FIELDS)
        return JSONResponse({"id": variant_id, "object": "variant", "deleted": True, "parent": parent})

    def known(identifier: str) -> Document:
        product = store.get("product", identifier)
        if product is None:
            raise not_found(f'Product with id "{identifier}" not found')
        return product

    def answer(request: Request, identifier: str) -> Response:
        return JSONResponse({"product": shown(request, store, "product", known(identifier), PRODUCT_FIELDS)})

    def several(request: Request, identifiers: list[str]) -> list[Document]:
        """By id, which is not the order of the request."""
        documents = [store.get("product", identifier) for identifier in sorted(set(identifiers))]
        return [shown(request, store, "product", one, PRODUCT_FIELDS) for one in documents if one is not None]

    one, variants = "/admin/products/{id}", "/admin/products/{id}/variants"
    return [
        Route("/admin/products", list_products, methods=["GET"]),
        Route("/admin/products", create_one, methods=["POST"]),
        Route("/admin/products/batch", batch, methods=["POST"]),
        Route(one, get_one, methods=["GET"]),
        Route(one, update_one, methods=["POST"]),
        Route(one, delete_one, methods=["DELETE"]),
        Route("/admin/product-variants", list_all_variants, methods=["GET"]),
        Route(variants, add_variant, methods=["POST"]),
        Route(f"{variants}/batch", batch_variants, methods=["POST"]),
        Route(f"{variants}/{{variant_id}}", update_one_variant, methods=["POST"]),
        Route(f"{variants}/{{variant_id}}", delete_one_variant, methods=["DELETE"]),
    ]
