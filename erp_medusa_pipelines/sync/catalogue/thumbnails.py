"""The thumbnail follows the Website Item's own image, unless somebody chose another one in Medusa.

Belongs here: when another thumbnail is due, and the image's address in Medusa. Uploading is in images.py, which sets
the first thumbnail.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.settings import FieldPolicy
from erp_medusa_pipelines.sync.catalogue.image_files import shown_at
from erp_medusa_pipelines.sync.catalogue.product_bodies import IMAGE_KEY, image_fingerprint, short_hash
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem

THUMBNAIL_KEY = "erp_thumbnail"
"""Key in the product's metadata: hash of the thumbnail that was set last, so that a manual change is noticed."""

Pair = tuple[WebsiteItem, Mapping[str, Any]]
"""A Website Item and its product."""


def thumbnail_body(url: str) -> dict[str, Any]:
    """Return the body that sets the thumbnail and records it in the metadata."""
    return {"thumbnail": url, "metadata": {THUMBNAIL_KEY: short_hash(url)}}


class Thumbnails:
    """Find products that need another thumbnail."""

    def __init__(self, erp: ErpNextClient, medusa: MedusaClient, policy: FieldPolicy, *, force: bool) -> None:
        self._erp = erp
        self._medusa = medusa
        self._policy = policy
        self._force = force

    def is_kept(self, item: WebsiteItem, product: Mapping[str, Any]) -> bool:
        """Return whether somebody chose another thumbnail in Medusa, which is kept."""
        return self._policy == "until_erp_changes" and _was_replaced(product) and not self._is_due(item, product)

    def changes(self, pairs: Sequence[Pair]) -> dict[str, dict[str, Any]]:
        """Return {Website Item: body that sets its thumbnail} where the product already shows the website image.

        A new image becomes the thumbnail as it is uploaded.
        """
        due = {item.name: (item, product) for item, product in pairs if self._is_due(item, product)}
        return {name: thumbnail_body(url) for name, url in self._addresses(due) if url != due[name][1]["thumbnail"]}

    def _is_due(self, item: WebsiteItem, product: Mapping[str, Any]) -> bool:
        if not item.row["website_image"]:
            return False
        if self._force or (self._policy == "overwrite" and _was_replaced(product)):
            return True
        return self._policy != "keep" and image_fingerprint(item) != (product["metadata"] or {}).get(IMAGE_KEY)

    def _addresses(self, due: Mapping[str, Pair]) -> Iterator[tuple[str, str]]:
        """Yield (Website Item, address of its own image in Medusa) where the product shows it."""
        if not due:
            return
        files = [
            file
            for file in self._erp.rows_in(
                "File",
                ["attached_to_name", "file_url", "medusa_id"],
                due,
                key="attached_to_name",
                filters=[["attached_to_doctype", "=", WEBSITE_ITEM], ["medusa_id", "is", "set"]],
            )
            if file["file_url"] == due[file["attached_to_name"]][0].row["website_image"]
        ]
        product_ids = {due[file["attached_to_name"]][1]["id"] for file in files}
        found = self._medusa.products_by("id", product_ids, "images.url")
        urls = {product["id"]: [image["url"] for image in product["images"]] for product in found}
        for file in files:
            name = file["attached_to_name"]
            if url := shown_at(file, urls.get(due[name][1]["id"], ())):
                yield name, url


def _was_replaced(product: Mapping[str, Any]) -> bool:
    """Return whether the thumbnail differs from the one that was set last; False when none was recorded."""
    noted = (product["metadata"] or {}).get(THUMBNAIL_KEY)
    return bool(noted) and noted != short_hash(product["thumbnail"] or "")
