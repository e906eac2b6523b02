"""Carts of the embedded Medusa.

Everything below `/store/carts`. Paying for one belongs to `checkout.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.calculated_prices import calculated_price
from erp_medusa_sandbox.medusa.customers import customer_of, customer_with, groups_of, new_customer
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
from erp_medusa_sandbox.medusa.fields import KINDS, Context, Kind, empty, kept, linked, missing, referring
from erp_medusa_sandbox.medusa.http import Resource, js_number, json_body, merged_metadata, shown
from erp_medusa_sandbox.medusa.store import Document, MedusaStore, new_id

_ITEM_SHAPE = {"variant_id": STRING, "quantity": quantity, "metadata": METADATA}
_ITEM = fields(_ITEM_SHAPE, required=("variant_id", "quantity"))
_CART_SHAPE = {
    "region_id": STRING,
    "email": TEXT,
    "currency_code": TEXT,
    "sales_channel_id": TEXT,
    "items": array(_ITEM),
    "metadata": METADATA,
    "locale": TEXT,
}
_NEW_CART = fields(_CART_SHAPE)
_CART_CHANGE = fields({name: _CART_SHAPE[name] for name in ("region_id", "email", "metadata", "locale")})

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


def _item_total(store: MedusaStore, cart: Document, _context: Context) -> float:
    return js_number(sum(item["unit_price"] * item["quantity"] for item in _items(store, cart)))


def _zero(_store: MedusaStore, _cart: Document, _context: Context) -> int:
    """Taxes, shipping and discounts: the embedded Medusa has none."""
    return 0


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
        "items": ("line_item", referring("line_item", "cart_id")),
        "region": ("region", linked("region", "region_id")),
        "customer": ("customer", linked("customer", "customer_id")),
        "shipping_address": ("address", kept("shipping_address")),
        "billing_address": ("address", missing),
        "shipping_methods": ("address", empty),
        "credit_lines": ("address", empty),
        "promotions": ("address", empty),
    },
    computed={
        **dict.fromkeys((*_ITEM_TOTALS, "original_item_subtotal"), _item_total),
        **dict.fromkeys(_ZERO_TOTALS, _zero),
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
        "tax_lines": ("address", empty),
        "adjustments": ("address", empty),
        "product": ("product", linked("product", "product_id")),
    },
)
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
    "customer.id",
    "customer.email",
    "customer.groups.id",
    "region.id",
    "region.name",
    "region.currency_code",
    "region.automatic_taxes",
    "*region.countries",
    "*promotions",
)


class Carts(Resource):
    """Handlers of `/store/carts`."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/store/carts", self._create, methods=["POST"]),
            Route("/store/carts/{id}", self._get, methods=["GET"]),
            Route("/store/carts/{id}", self._update, methods=["POST"]),
            Route("/store/carts/{id}/line-items", self._add_item, methods=["POST"]),
        ]

    async def _create(self, request: Request) -> Response:
        given = await json_body(request, _NEW_CART)
        region = self.store.get("region", given.get("region_id")) or self.store.all("region")[0]
        with self.store.transaction():
            customer = customer_of(request, self.store)
            cart = self.store.put("cart", _new_cart(self.store, region, given, customer))
            for item in given.get("items", []):
                _add_item(self.store, cart, item)
        return self._answer(request, cart)

    async def _get(self, request: Request) -> Response:
        return self._answer(request, self._known(request))

    async def _update(self, request: Request) -> Response:
        given = await json_body(request, _CART_CHANGE)
        cart = self._known(request)
        with self.store.transaction():
            cart = update_cart(self.store, cart, given)
        return self._answer(request, cart)

    async def _add_item(self, request: Request) -> Response:
        given = await json_body(request, _ITEM)
        cart = self._known(request)
        with self.store.transaction():
            _add_item(self.store, cart, given)
        return self._answer(request, cart)

    def _known(self, request: Request) -> Document:
        cart = self.store.get("cart", request.path_params["id"])
        if cart is None:
            raise not_found(f"Cart id not found: {request.path_params['id']}")
        return cart

    def _answer(self, request: Request, cart: Document) -> Response:
        return JSONResponse({"cart": shown(request, self.store, "cart", cart, _CART_FIELDS)})


def _new_cart(store: MedusaStore, region: Document, given: Document, customer: Document | None) -> Document:
    address = {"id": new_id("caaddr"), "country_code": region["countries"][0]["iso_2"]}
    email = customer["email"] if customer else given.get("email")
    if customer is None and email:
        customer = _guest(store, email)
    return store.stamped(
        "cart",
        currency_code=region["currency_code"],
        email=email,
        locale=given.get("locale"),
        region_id=region["id"],
        completed_at=None,
        metadata=given.get("metadata"),
        sales_channel_id=given.get("sales_channel_id") or store.all("sales_channel")[0]["id"],
        shipping_address_id=address["id"],
        customer_id=customer["id"] if customer else None,
        shipping_address=address,
    )


def update_cart(store: MedusaStore, cart: Document, given: Document) -> Document:
    """Change a cart as its owner or the workflow update-cart does: `updated_at` moves, metadata is merged."""
    changes = {name: value for name, value in given.items() if name in ("email", "locale", "region_id")}
    if "metadata" in given:
        changes["metadata"] = merged_metadata(cart["metadata"], given["metadata"])
    if given.get("email"):
        changes["customer_id"] = _guest(store, given["email"])["id"]
    return store.put("cart", {**cart, **changes, "updated_at": store.now()})


def _guest(store: MedusaStore, email: str) -> Document:
    """Whoever gives an address is a customer without an account; Medusa keeps its address in small letters."""
    address = email.lower()
    known = customer_with(store, address, has_account=False)
    return known or new_customer(store, {"email": address}, has_account=False)


def _add_item(store: MedusaStore, cart: Document, given: Document) -> None:
    """Put a variant into the cart if there is enough of it. The cart's own `updated_at` does not move."""
    variant = store.get("variant", given["variant_id"])
    if variant is None:
        raise invalid(f"Variants with IDs {given['variant_id']} do not exist")
    product = store.get("product", variant["product_id"]) or {}
    same = next((item for item in _items(store, cart) if item["variant_id"] == variant["id"]), None)
    wanted = given["quantity"] + (same["quantity"] if same else 0)
    _check_stock(store, cart, variant, wanted)
    rules = {"region_id": cart["region_id"], "customer.groups.id": groups_of(store, cart["customer_id"])}
    price = calculated_price(store, variant, cart["currency_code"], rules, wanted)
    if price is None:
        raise invalid(f"Variants with IDs {variant['id']} do not have a price")
    if same is not None:
        # The price follows the quantity.
        changed = {"quantity": js_number(wanted), "unit_price": price["calculated_amount"], "updated_at": store.now()}
        store.put("line_item", {**same, **changed})
        return
    store.put("line_item", _new_item(store, cart, variant, product, given, price["calculated_amount"]))


def _new_item(
    store: MedusaStore, cart: Document, variant: Document, product: Document, given: Document, unit_price: float
) -> Document:
    collection = store.get("collection", product.get("collection_id"))
    return store.stamped(
        "cali",
        cart_id=cart["id"],
        title=product["title"],
        thumbnail=product["thumbnail"],
        quantity=js_number(given["quantity"]),
        unit_price=unit_price,
        compare_at_unit_price=None,
        is_tax_inclusive=False,
        requires_shipping=True,
        is_giftcard=product["is_giftcard"],
        metadata=given.get("metadata") or {},
        variant_id=variant["id"],
        **{f"variant_{name}": variant[name] for name in ("sku", "barcode", "title")},
        product_id=product["id"],
        product_type_id=product["type_id"],
        product_type=None,
        **{f"product_{name}": product[name] for name in ("title", "description", "subtitle", "handle")},
        product_collection=collection["title"] if collection else None,
    )


def _check_stock(store: MedusaStore, cart: Document, variant: Document, wanted: float) -> None:
    if not variant["manage_inventory"]:
        return
    locations = {
        location["id"]
        for location in store.all("stock_location")
        if cart["sales_channel_id"] in location["sales_channel_ids"]
    }
    levels = {
        link["inventory_item_id"]: [
            level
            for level in store.find("inventory_level", "inventory_item_id", [link["inventory_item_id"]])
            if level["location_id"] in locations
        ]
        for link in variant["inventory_links"]
    }
    if not any(levels.values()) and not variant["allow_backorder"]:
        raise invalid(
            f"Sales channel {cart['sales_channel_id']} is not associated with any stock location "
            f"for variant {variant['id']}."
        )
    for link in variant["inventory_links"]:
        there = levels[link["inventory_item_id"]]
        free = sum(level["stocked_quantity"] - level["reserved_quantity"] for level in there)
        if not variant["allow_backorder"] and free < wanted * link["required_quantity"]:
            raise MedusaError(
                400,
                "not_allowed",
                "Some variant does not have the required inventory",
                "insufficient_inventory",
            )
