"""What a customer without a log-in sees of products: asked of Medusa's Store API, as the storefront does.

Which price is in force and what is left in stock is Medusa's own answer, so that a mail never says something else than
the shop.
"""

from collections.abc import Iterable

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient, Row

PRODUCTS = "/store/products"
SHOWN = (
    "id,title,handle,thumbnail,variants.id,variants.manage_inventory,variants.allow_backorder,"
    "variants.inventory_quantity,*variants.calculated_price"
)
AT_ONCE = 50
"""Products a request: prices and stock of every variant are computed for each."""


class MedusaStorefront:
    """The store of one sales channel."""

    def __init__(self, medusa: MedusaClient, sales_channel_id: str) -> None:
        self._medusa = medusa
        self._channel = sales_channel_id
        self._headers: dict[str, str] | None = None
        self._region = ""

    def products(self, ids: Iterable[str]) -> dict[str, Row]:
        """Return the products that a customer sees, by id, with `calculated_price` and stock of each variant."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Row] = {}
        for first in range(0, len(wanted), AT_ONCE):
            some = wanted[first : first + AT_ONCE]
            query = {"id": some, "fields": SHOWN, "limit": AT_ONCE, "region_id": self._region_id()}
            answer = self._medusa.http.request("GET", PRODUCTS, params=query, headers=self._key())
            rows = self._medusa.http.part(answer, "products", f"GET {PRODUCTS}")
            found.update({row["id"]: row for row in rows if row["id"] in some})
        return found

    def _key(self) -> dict[str, str]:
        """Return the header with a publishable key of the channel; the storefront's own is as good as any."""
        if self._headers is None:
            fields = "id,token,type,revoked_at,sales_channels.id"
            keys = list(self._medusa.all_of("/admin/api-keys", "api_keys", fields))
            mine = [key for key in keys if key["type"] == "publishable" and not key.get("revoked_at")]
            token = next((key["token"] for key in mine if self._sells(key)), None)
            if token is None:
                why = f"there is no publishable API key for the sales channel {self._channel}: make one in the admin"
                raise PermanentError("Medusa", "GET /admin/api-keys", why)
            self._headers = {"x-publishable-api-key": token}
        return self._headers

    def _sells(self, key: Row) -> bool:
        return any(one and one["id"] == self._channel for one in key.get("sales_channels") or ())

    def _region_id(self) -> str:
        """Return the store's default region, or else the first one."""
        if not self._region:
            stores = self._medusa.all_of("/admin/stores", "stores", "id,default_region_id")
            default = next((store["default_region_id"] for store in stores if store["default_region_id"]), None)
            regions = self._medusa.all_of("/admin/regions", "regions", "id")
            self._region = default or next((region["id"] for region in regions), "")
        return self._region
