"""The shop that tests and developers find in a new Medusa, set up through its Admin API.

What a shop needs before it can sell. Starting Medusa: medusa.py.
"""

from typing import Any

import requests

ADMIN_EMAIL = "admin@example.com"


class MedusaError(Exception):
    """Medusa cannot be installed, started or set up; the text is for people."""


class Admin:
    """The few Admin API calls needed to set up the shop."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self.session = requests.Session()
        login = {"email": ADMIN_EMAIL, "password": password}
        self.session.headers["Authorization"] = f"Bearer {self.post('/auth/user/emailpass', login)['token']}"

    def get(self, path: str) -> Any:
        """Ask for a resource."""
        return self._json(self.session.get(self.url + path, timeout=60))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Create or change a resource."""
        return self._json(self.session.post(self.url + path, json=body, timeout=60))

    def _json(self, response: requests.Response) -> Any:
        if not response.ok:
            request = response.request
            raise MedusaError(f"{request.method} {request.path_url} -> {response.status_code}: {response.text[:500]}")
        return response.json()


def seed_shop(url: str, password: str) -> dict[str, str]:
    """Set up an Omani shop that can fill a cart: keys, currencies, region, stock location, shipping profile.

    `password` is that of ADMIN_EMAIL. Returns the settings that name the shop. Raises MedusaError.
    """
    admin = Admin(url, password)
    # Medusa makes the store, its sales channel and a publishable key for that channel at its first start.
    store = admin.get("/admin/stores")["stores"][0]
    channel = store["default_sales_channel_id"]
    publishable = admin.get("/admin/api-keys?type=publishable")["api_keys"][0]
    secret = admin.post("/admin/api-keys", {"title": "Pipelines", "type": "secret"})["api_key"]

    codes = ("omr", "usd", "eur")
    currencies = [{"currency_code": code, "is_default": code == "omr"} for code in codes]
    admin.post(f"/admin/stores/{store['id']}", {"supported_currencies": currencies})
    region = admin.post(
        "/admin/regions",
        {
            "name": "Oman",
            "currency_code": "omr",
            "countries": ["om"],
            "payment_providers": ["pp_system_default"],
        },
    )["region"]
    location = admin.post(
        "/admin/stock-locations",
        {"name": "Muscat", "address": {"address_1": "Warehouse", "city": "Muscat", "country_code": "om"}},
    )["stock_location"]
    # Without this link no cart of the channel accepts an item.
    admin.post(f"/admin/stock-locations/{location['id']}/sales-channels", {"add": [channel]})
    defaults = {"default_region_id": region["id"], "default_location_id": location["id"]}
    admin.post(f"/admin/stores/{store['id']}", defaults)
    if not admin.get("/admin/shipping-profiles?type=default")["shipping_profiles"]:
        admin.post("/admin/shipping-profiles", {"name": "Default", "type": "default"})
    return {
        "MEDUSA_API_KEY": secret["token"],
        "MEDUSA_PUBLISHABLE_KEY": publishable["token"],
        "MEDUSA_SALES_CHANNEL_ID": channel,
        "MEDUSA_STOCK_LOCATION_ID": location["id"],
        "MEDUSA_REGION_ID": region["id"],
        "MEDUSA_ADMIN_EMAIL": ADMIN_EMAIL,
        "MEDUSA_ADMIN_PASSWORD": password,
    }
