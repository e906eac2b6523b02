"""The demo's shop: its settings, what an admin sets up in its Medusa, and what its customers see in the end.

What is asked of the two embedded servers as others ask them. Starting them and the runs: `demo.py`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from erp_medusa_sandbox.server import SandboxAddress

LOCALE, LABORATORIES = "ar-OM", "Laboratories"
SHOWN = (
    ("nitrile-examination-gloves", "NG-M-BLUE", 10),
    ("scrub-top", "SC-L-NAVY", 0),
    ("k-file-25-mm", "KF-25", 10),
)
"""Handle and sku of what is printed, and from how many pieces on there is another price; 0: from none."""
PRODUCT_FIELDS = (
    "id,title,metadata,*options,*options.values,*categories,variants.id,variants.title,variants.sku,"
    "*variants.calculated_price,+variants.inventory_quantity"
)


@dataclass
class DemoShop:
    """The embedded servers with the clinic's sample shop."""

    address: "SandboxAddress"
    _login: dict[str, str] = field(default_factory=dict[str, str])

    def settings(self) -> dict[str, str]:
        """Set up what this shop's settings name in Medusa, and return them: what other shops turn on themselves."""
        from erp_medusa_sandbox.shop.clinic import LABORATORY, SOLD_GROUPS

        general, laboratories = self.channels()
        example = files("erp_medusa_pipelines.sync.catalogue.mapping").joinpath("example.yaml")
        return {
            "VARIANTS": "options",
            "CATEGORIES": "website",
            "MAPPING": str(example),
            "LANGUAGES": json.dumps({LOCALE: "ar"}),
            "PRICE_GROUPS": "true",
            "PRICE_PACKS": "true",
            "PRICING_RULES": "true",
            "SHOP_ITEMS": json.dumps({"item_group": SOLD_GROUPS}),
            "SALES_CHANNELS": json.dumps({laboratories: {"item_group": [LABORATORY]}}),
            "MEDUSA_SALES_CHANNEL_ID": general,
        }

    def sign_in(self) -> None:
        """Log in as the customer of the group. The account is made the first time, with a password of this folder's."""
        from erp_medusa_sandbox.shop.clinic import BUYER

        credentials = {"email": BUYER, "password": self.address.medusa_admin_password}
        answer = self._asked("POST", "/auth/customer/emailpass", json=credentials)
        if not answer.ok:
            token = self._asked("POST", "/auth/customer/emailpass/register", json=credentials).json()["token"]
            self._asked("POST", "/store/customers", json={"email": BUYER}, headers=_bearer(token))
            answer = self._asked("POST", "/auth/customer/emailpass", json=credentials)
        self._login = _bearer(answer.json()["token"])

    def channels(self) -> tuple[str, str]:
        """Return the ids of the shop's own channel and of the laboratories', which the storefront's key opens both."""
        store = self._admin("GET", "/admin/stores")["stores"][0]
        general, location = store["default_sales_channel_id"], store["default_location_id"]
        found = self._admin("GET", "/admin/sales-channels")["sales_channels"]
        for channel in found:
            if channel["name"] == LABORATORIES:
                return general, channel["id"]
        made = self._admin("POST", "/admin/sales-channels", {"name": LABORATORIES})["sales_channel"]["id"]
        key = self._admin("GET", "/admin/api-keys?type=publishable")["api_keys"][0]["id"]
        for place in (f"api-keys/{key}", f"stock-locations/{location}"):
            self._admin("POST", f"/admin/{place}/sales-channels", {"add": [made]})
        return general, made

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        address = self.address
        answer = requests.request(
            method, address.medusa_url + path, json=body, auth=(address.medusa_api_key, ""), timeout=30
        )
        answer.raise_for_status()
        return answer.json()

    # --- as customers see it ---------------------------------------------------------------------------------------

    def seen(self) -> str:
        """Return what customers see, as the Store API answers them; at most 80 columns wide."""
        shop = _Storefront(self)
        lines = ["What customers see of it, as Medusa's Store API answers them:", ""]
        for handle, sku, tier in SHOWN:
            lines += shop.product(handle, sku, tier)
        return "\n".join([*lines, *shop.counts()])

    def store(self, path: str, query: dict[str, Any], *, member: bool = False) -> Any:
        """Ask the Store API as a guest, or as the customer of the group."""
        answer = self._asked("GET", path, params=query, headers=self._login if member else {})
        answer.raise_for_status()
        return answer.json()

    def in_cart(self, variant: str, quantity: int, region: str) -> float:
        """Return what a guest is asked for each piece of so many."""
        body = {"region_id": region, "items": [{"variant_id": variant, "quantity": quantity}]}
        answer = self._asked("POST", "/store/carts", json=body)
        answer.raise_for_status()
        return answer.json()["cart"]["items"][0]["unit_price"]

    def _asked(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"x-publishable-api-key": self.address.medusa_publishable_key, **options.pop("headers", {})}
        return requests.request(method, self.address.medusa_url + path, headers=headers, timeout=30, **options)


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


class _Storefront:
    """What is printed of some products."""

    def __init__(self, shop: DemoShop) -> None:
        self._shop = shop
        self._region = shop.store("/store/regions", {})["regions"][0]
        shown = shop.store("/store/product-categories", {"limit": 1000, "fields": "id,name,parent_category_id"})
        self._categories = {one["id"]: one for one in shown["product_categories"]}

    def product(self, handle: str, sku: str, tier: int) -> Iterator[str]:
        """Its names, its category, its options; of one variant how many there are, and what they cost whom."""
        from erp_medusa_sandbox.shop.clinic import CLINICS

        product = self._product(handle)
        variant = _variant(product, sku)
        options = [(one["title"], ", ".join(_by_rank(one["values"]))) for one in product["options"]]
        yield f"  {product['title']}   {product['metadata']['translations'][LOCALE]['title']}"
        yield f"      {' > '.join(self._path(product['categories'][0]['id']))}"
        yield f"      {'; '.join(f'{title}: {values}' for title, values in options)}"
        yield f"      {sku} ({variant['title']}), {variant['inventory_quantity']:g} in stock"
        yield f"          {'a guest':24}{self._price(variant)}"
        if tier:
            many = self._shop.in_cart(variant["id"], tier, self._region["id"])
            yield f"          {f'  from {tier} on':24}{self._money(many)}"
        variant = _variant(self._product(handle, member=True), sku)
        yield f"          {f'a customer of {CLINICS}':24}{self._price(variant)}"
        yield ""

    def _price(self, variant: dict[str, Any]) -> str:
        price = variant["calculated_price"]
        asked, before = price["calculated_amount"], price["original_amount"]
        return self._money(asked) + (f"  sale, before {self._money(before)}" if asked < before else "")

    def counts(self) -> Iterator[str]:
        """How many products each sales channel has."""
        query = {"fields": "id", "limit": 1}
        shop, laboratories = (
            self._shop.store("/store/products", {"sales_channel_id": channel, **query})["count"]
            for channel in self._shop.channels()
        )
        yield f"  {shop} products in the shop, {laboratories} in the sales channel {LABORATORIES} alone"

    def _product(self, handle: str, *, member: bool = False) -> dict[str, Any]:
        query = {"handle": handle, "region_id": self._region["id"], "fields": PRODUCT_FIELDS}
        (product,) = self._shop.store("/store/products", query, member=member)["products"]
        return product

    def _path(self, category: str | None) -> list[str]:
        if category is None:
            return []
        found = self._categories[category]
        return [*self._path(found["parent_category_id"]), found["name"]]

    def _money(self, amount: float) -> str:
        return f"{amount:.3f} {self._region['currency_code'].upper()}"


def _by_rank(values: list[dict[str, Any]]) -> list[str]:
    return [one["value"] for one in sorted(values, key=lambda value: value["rank"])]


def _variant(product: dict[str, Any], sku: str) -> dict[str, Any]:
    return next(variant for variant in product["variants"] if variant["sku"] == sku)
