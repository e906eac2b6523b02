"""What a customer of the embedded Medusa sees: products with prices, regions, carts.

Belongs here: everything below `/store`. How a price is chosen belongs to `prices.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import (
    METADATA,
    STRING,
    TEXT,
    MedusaError,
    array,
    fields,
    invalid,
    not_found,
    quantity,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Context, Kind, Tree, select
from erp_medusa_sandbox.medusa.http import js_number, json_body, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page, parse_query, refuse_unknown, text
from erp_medusa_sandbox.medusa.prices import calculated_price
from erp_medusa_sandbox.medusa.product_shapes import PRODUCT_FIELDS
from erp_medusa_sandbox.medusa.settings import REGION_FIELDS
from erp_medusa_sandbox.medusa.store import Document, MedusaStore, new_id

_PRODUCT_FIELDS = tuple(name for name in PRODUCT_FIELDS if name not in ("*sales_channels", "*variants.prices"))
_PRODUCTS = ListRoute(
    table="product",
    plural="products",
    defaults=_PRODUCT_FIELDS,
    equals=("id", "handle", "external_id", "collection_id", "title", "is_giftcard"),
    search=("title", "subtitle", "description", "handle"),
    parameters=("region_id", "country_code", "province", "cart_id", "sales_channel_id"),
)
_REGIONS = ListRoute("region", "regions", REGION_FIELDS, 50, ("id", "name", "currency_code"))
_ITEM_SHAPE = {"variant_id": STRING, "quantity": quantity, "metadata": METADATA}
_ITEM = fields(_ITEM_SHAPE, required=("variant_id", "quantity"))
_CART_SHAPE = {
    "region_id": STRING,
    "email": TEXT,
    "currency_code": TEXT,
    "sales_channel_id": TEXT,
    "items": array(_ITEM),
    "metadata": METADATA,
}
_NEW_CART = fields(_CART_SHAPE)

_ITEM_TOTALS = ("total", "subtotal", "original_total", "item_total", "item_subtotal", "original_item_total")
_ZERO_TOTALS = (
    "tax_total",
    "discount_total",
    "discount_subtotal",
    "discount_tax_total",
    "original_tax_total",
    "item_tax_total",
    "item_discount_total",
    "original_item_tax_total",
    "shipping_total",
    "shipping_subtotal",
    "shipping_tax_total",
    "shipping_discount_total",
    "original_shipping_tax_total",
    "original_shipping_subtotal",
    "original_shipping_total",
    "credit_line_subtotal",
    "credit_line_tax_total",
    "credit_line_total",
)


def _items(store: MedusaStore, cart: Document) -> list[Document]:
    return store.find("line_item", "cart_id", [cart["id"]])


def _item_total(store: MedusaStore, cart: Document, context: Context) -> float:
    return js_number(sum(item["unit_price"] * item["quantity"] for item in _items(store, cart)))


KINDS["cart"] = Kind(
    star=(
        "id",
        "currency_code",
        "email",
        "locale",
        "region_id",
        "created_at",
        "updated_at",
        "completed_at",
        *_ITEM_TOTALS,
        "original_item_subtotal",
        *_ZERO_TOTALS,
        "metadata",
        "sales_channel_id",
        "shipping_address_id",
        "customer_id",
    ),
    relations={
        "items": ("line_item", lambda store, cart: [*_items(store, cart)]),
        "region": ("region", lambda store, cart: store.get("region", cart["region_id"])),
        "customer": ("customer", lambda store, cart: cart["customer"]),
        "shipping_address": ("address", lambda store, cart: cart["shipping_address"]),
        "billing_address": ("address", lambda store, cart: None),
        "shipping_methods": ("address", lambda store, cart: []),
        "credit_lines": ("address", lambda store, cart: []),
        "promotions": ("address", lambda store, cart: []),
    },
    computed={
        **dict.fromkeys((*_ITEM_TOTALS, "original_item_subtotal"), _item_total),
        **dict.fromkeys(_ZERO_TOTALS, lambda store, cart, context: 0),
    },
)
KINDS["line_item"] = Kind(
    star=(
        "id",
        "thumbnail",
        "variant_id",
        "product_id",
        "is_giftcard",
        "product_type_id",
        "product_title",
        "product_description",
        "product_subtitle",
        "product_type",
        "product_collection",
        "product_handle",
        "variant_sku",
        "variant_barcode",
        "variant_title",
        "requires_shipping",
        "metadata",
        "created_at",
        "updated_at",
        "title",
        "quantity",
        "unit_price",
        "compare_at_unit_price",
        "is_tax_inclusive",
    ),
    relations={
        "tax_lines": ("address", lambda store, item: []),
        "adjustments": ("address", lambda store, item: []),
        "product": ("product", lambda store, item: store.get("product", item["product_id"])),
    },
)
KINDS["customer"] = Kind(star=("id", "email"), relations={"groups": ("address", lambda store, customer: [])})
KINDS["address"] = Kind(
    star=(
        "id",
        "first_name",
        "last_name",
        "company",
        "address_1",
        "address_2",
        "city",
        "postal_code",
        "country_code",
        "province",
        "phone",
    )
)
_CART_FIELDS = (
    "*",
    "*items",
    "*items.tax_lines",
    "*items.adjustments",
    "items.product.id",
    "items.product.collection_id",
    "items.product.type_id",
    "items.product.categories.id",
    "items.product.tags.id",
    "*shipping_methods",
    "*shipping_address",
    "*billing_address",
    "*credit_lines",
    "*customer",
    "*customer.groups",
    "region.id",
    "region.name",
    "region.currency_code",
    "region.automatic_taxes",
    "*region.countries",
    "*promotions",
)


def check_key(request: Request, store: MedusaStore) -> None:
    """Every route of the store wants a publishable key."""
    key = request.headers.get("x-publishable-api-key")
    if not key:
        raise MedusaError(
            400,
            "not_allowed",
            "Publishable API key required in the request header: x-publishable-api-key. "
            "You can manage your keys in settings in the dashboard.",
        )
    if key != store.publishable_key:
        raise MedusaError(400, "not_allowed", "A valid publishable key is required to proceed with the request")


def routes(store: MedusaStore) -> list[Route]:
    async def list_products(request: Request) -> Response:
        return page(request, _PRODUCTS, store, among=published(), context=pricing(request))

    async def get_product(request: Request) -> Response:
        product = store.get("product", request.path_params["id"])
        if product is None or product["status"] != "published":
            raise not_found(f"Product with id: {request.path_params['id']} was not found")
        return JSONResponse({"product": shown(request, store, "product", product, _PRODUCT_FIELDS, pricing(request))})

    async def list_regions(request: Request) -> Response:
        return page(request, _REGIONS, store)

    async def create_cart(request: Request) -> Response:
        given = await json_body(request, _NEW_CART)
        region = store.get("region", given.get("region_id")) or store.all("region")[0]
        with store.transaction():
            cart = store.put("cart", _new_cart(store, region, given))
            for item in given.get("items", []):
                _add_item(store, cart, item)
        return answer(request, cart)

    async def get_cart(request: Request) -> Response:
        return answer(request, known(request))

    async def add_item(request: Request) -> Response:
        given = await json_body(request, _ITEM)
        cart = known(request)
        with store.transaction():
            _add_item(store, cart, given)
        return answer(request, cart)

    def published() -> list[Document]:
        """With a single sales channel Medusa does not filter by it."""
        return [product for product in store.all("product") if product["status"] == "published"]

    def pricing(request: Request) -> Context:
        query = parse_query(request.url.query)
        refuse_unknown(_PRODUCTS, query)
        if not _asks_for_prices(select(text(query, "fields"), _PRODUCT_FIELDS)):
            return {}
        region = store.get("region", text(query, "region_id"))
        if region is None:
            raise invalid("Missing required pricing context to calculate prices - region_id")
        rules = {"region_id": region["id"]}
        currency = region["currency_code"]
        return {"calculated_price": lambda store, variant: calculated_price(store, variant, currency, rules)}

    def known(request: Request) -> Document:
        cart = store.get("cart", request.path_params["id"])
        if cart is None:
            raise not_found(f"Cart id not found: {request.path_params['id']}")
        return cart

    def answer(request: Request, cart: Document) -> Response:
        return JSONResponse({"cart": shown(request, store, "cart", cart, _CART_FIELDS)})

    return [
        Route("/store/products", list_products, methods=["GET"]),
        Route("/store/products/{id}", get_product, methods=["GET"]),
        Route("/store/regions", list_regions, methods=["GET"]),
        Route("/store/carts", create_cart, methods=["POST"]),
        Route("/store/carts/{id}", get_cart, methods=["GET"]),
        Route("/store/carts/{id}/line-items", add_item, methods=["POST"]),
    ]


def _asks_for_prices(tree: Tree) -> bool:
    return "calculated_price" in tree.get("variants", {})


def _new_cart(store: MedusaStore, region: Document, given: Document) -> Document:
    address = {"id": new_id("caaddr"), "country_code": region["countries"][0]["iso_2"]}
    customer = {"id": new_id("cus"), "email": given["email"]} if given.get("email") else None
    return store.stamped(
        "cart",
        currency_code=region["currency_code"],
        email=given.get("email"),
        locale=None,
        region_id=region["id"],
        completed_at=None,
        metadata=given.get("metadata"),
        sales_channel_id=given.get("sales_channel_id") or store.all("sales_channel")[0]["id"],
        shipping_address_id=address["id"],
        customer_id=customer["id"] if customer else None,
        customer=customer,
        shipping_address=address,
    )


def _add_item(store: MedusaStore, cart: Document, given: Document) -> None:
    """Puts a variant into the cart if there is enough of it. The cart's own `updated_at` does not move."""
    variant = store.get("variant", given["variant_id"])
    if variant is None:
        raise invalid(f"Variants with IDs {given['variant_id']} do not exist")
    product = store.get("product", variant["product_id"]) or {}
    same = next((item for item in _items(store, cart) if item["variant_id"] == variant["id"]), None)
    wanted = given["quantity"] + (same["quantity"] if same else 0)
    _check_stock(store, cart, variant, wanted)
    price = calculated_price(store, variant, cart["currency_code"], {"region_id": cart["region_id"]})
    if price is None:
        raise invalid(f"Variants with IDs {variant['id']} do not have a price")
    if same is not None:
        store.put("line_item", {**same, "quantity": js_number(wanted), "updated_at": store.now()})
        return
    collection = store.get("collection", product.get("collection_id"))
    store.put(
        "line_item",
        store.stamped(
            "cali",
            cart_id=cart["id"],
            title=product["title"],
            thumbnail=product["thumbnail"],
            quantity=js_number(wanted),
            unit_price=price["calculated_amount"],
            compare_at_unit_price=None,
            is_tax_inclusive=False,
            requires_shipping=True,
            is_giftcard=product["is_giftcard"],
            metadata=given.get("metadata") or {},
            variant_id=variant["id"],
            variant_sku=variant["sku"],
            variant_barcode=variant["barcode"],
            variant_title=variant["title"],
            product_id=product["id"],
            product_type_id=product["type_id"],
            product_type=None,
            product_title=product["title"],
            product_description=product["description"],
            product_subtitle=product["subtitle"],
            product_handle=product["handle"],
            product_collection=collection["title"] if collection else None,
        ),
    )


def _check_stock(store: MedusaStore, cart: Document, variant: Document, wanted: float) -> None:
    if not variant["manage_inventory"]:
        return
    locations = {
        location["id"]
        for location in store.all("stock_location")
        if cart["sales_channel_id"] in location["sales_channel_ids"]
    }
    for link in variant["inventory_links"]:
        levels = store.find("inventory_level", "inventory_item_id", [link["inventory_item_id"]])
        levels = [level for level in levels if level["location_id"] in locations]
        if not levels:
            raise invalid(
                f"Sales channel {cart['sales_channel_id']} is not associated with any stock location "
                f"for variant {variant['id']}."
            )
        free = sum(level["stocked_quantity"] - level["reserved_quantity"] for level in levels)
        if not variant["allow_backorder"] and free < wanted * link["required_quantity"]:
            raise MedusaError(
                400,
                "not_allowed",
                "Some variant does not have the required inventory",
                "insufficient_inventory",
            )
