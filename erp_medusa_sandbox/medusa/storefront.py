"""What a customer of the embedded Medusa sees: products with prices, and regions.

`/store/products`, `/store/regions`, and the key that every store route requires. Carts belong to `carts.py`, the
choice of a price to `calculated_prices.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.calculated_prices import calculated_price
from erp_medusa_sandbox.medusa.categories import is_shown
from erp_medusa_sandbox.medusa.customers import customer_of, groups_of
from erp_medusa_sandbox.medusa.errors import MedusaError, invalid, not_found
from erp_medusa_sandbox.medusa.fields import Context, Tree, select
from erp_medusa_sandbox.medusa.http import Resource, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page, parse_query, refuse_unknown, text
from erp_medusa_sandbox.medusa.product_shapes import PRODUCT_FIELDS, by_category
from erp_medusa_sandbox.medusa.settings import REGION_FIELDS
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

_PRODUCT_FIELDS = tuple(name for name in PRODUCT_FIELDS if name not in ("*sales_channels", "*variants.prices"))
_PRODUCTS = ListRoute(
    table="product",
    plural="products",
    defaults=_PRODUCT_FIELDS,
    equals=("id", "handle", "external_id", "collection_id", "title", "is_giftcard"),
    search=("title", "subtitle", "description", "handle"),
    filters={"category_id": by_category},
    parameters=("region_id", "country_code", "province", "cart_id", "sales_channel_id"),
)
_REGIONS = ListRoute("region", "regions", REGION_FIELDS, 50, ("id", "name", "currency_code"))


def check_key(request: Request, store: MedusaStore) -> None:
    """Raise unless the request has the publishable key, which every store route requires."""
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


class Storefront(Resource):
    """Handlers of products and regions as a customer sees them."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/store/products", self._list_products, methods=["GET"]),
            Route("/store/products/{id}", self._get_product, methods=["GET"]),
            Route("/store/regions", self._list_regions, methods=["GET"]),
        ]

    async def _list_products(self, request: Request) -> Response:
        return page(request, _PRODUCTS, self.store, among=self._published(request), context=self._pricing(request))

    async def _get_product(self, request: Request) -> Response:
        product = self.store.get("product", request.path_params["id"])
        if product is None or product["status"] != "published" or not self._is_sold_here(product, request):
            raise not_found(f"Product with id: {request.path_params['id']} was not found")
        return JSONResponse(
            {
                "product": shown(
                    request, self.store, "product", self._shown(product), _PRODUCT_FIELDS, self._pricing(request)
                )
            }
        )

    async def _list_regions(self, request: Request) -> Response:
        return page(request, _REGIONS, self.store)

    def _published(self, request: Request) -> list[Document]:
        published = [product for product in self.store.all("product") if product["status"] == "published"]
        return [self._shown(product) for product in published if self._is_sold_here(product, request)]

    def _is_sold_here(self, product: Document, request: Request) -> bool:
        """Return whether it is in a channel of the key. With a single sales channel Medusa does not filter by it."""
        if len(self.store.all("sales_channel")) < 2:
            return True
        own = set(self.store.all("api_key")[0]["sales_channel_ids"])
        asked = set(request.query_params.getlist("sales_channel_id")) or own
        if not asked <= own:
            raise MedusaError(400, "invalid_data", "Requested sales channel is not part of the publishable key")
        return bool(asked & set(product["sales_channel_ids"]))

    def _shown(self, product: Document) -> Document:
        """Return the product without the categories that customers do not see."""
        found = (self.store.get("category", one) for one in product["category_ids"])
        return {**product, "category_ids": [one["id"] for one in found if one and is_shown(one)]}

    def _pricing(self, request: Request) -> Context:
        query = parse_query(request.url.query)
        refuse_unknown(_PRODUCTS, query)
        if not _asks_for_prices(select(text(query, "fields"), _PRODUCT_FIELDS)):
            return {}
        region = self.store.get("region", text(query, "region_id"))
        if region is None:
            raise invalid("Missing required pricing context to calculate prices - region_id")
        customer = customer_of(request, self.store)
        groups = groups_of(self.store, customer["id"] if customer else None)
        rules = {"region_id": region["id"], "customer.groups.id": groups}
        currency = region["currency_code"]
        return {"calculated_price": lambda store, variant: calculated_price(store, variant, currency, rules)}


def _asks_for_prices(tree: Tree) -> bool:
    return "calculated_price" in tree.get("variants", {})
