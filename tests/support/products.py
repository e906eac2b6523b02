"""The embedded Medusa's products, read by a test's own client."""

import requests

from erp_medusa_sandbox.server import SandboxAddress


def external_ids(shop: SandboxAddress) -> list[str]:
    """Return all products, duplicates included."""
    answer = requests.get(
        f"{shop.medusa_url}/admin/products",
        params={"limit": 2000, "fields": "external_id"},
        auth=(shop.medusa_api_key, ""),
        timeout=60,
    )
    return [product["external_id"] for product in answer.json()["products"]]
