"""Products show the pictures that their Website Items have now: order, removals and the thumbnail.

Which products need another arrangement of pictures that were uploaded before. Uploading is in images.py, the decision
itself in arrangement.py. The thumbnail follows the Website Item's own image, unless somebody chose another one in
Medusa.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.product_fields import IMAGE_KEY, FieldPolicy
from erp_medusa_pipelines.sync.catalogue.arrangement import (
    THUMBNAIL_KEY,
    Placed,
    arrange,
    recorded,
    was_shown,
)
from erp_medusa_pipelines.sync.catalogue.fields import image_fingerprint, short_hash
from erp_medusa_pipelines.sync.catalogue.images import is_placed, placed_at
from erp_medusa_pipelines.sync.catalogue.pictures import PictureReader, Source
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem

IMAGE_FIELDS = "thumbnail,metadata,images.id,images.url,images.rank"

Pair = tuple[WebsiteItem, Mapping[str, Any]]
"""A Website Item and its product."""


class PictureChanges:
    """Find products that need another arrangement or thumbnail. `names` are the Website Items, in their order."""

    def __init__(
        self, erp: ErpNextClient, medusa: MedusaClient, policy: FieldPolicy, names: Sequence[str], *, force: bool
    ) -> None:
        self._medusa = medusa
        self._policy = policy
        self._force = force
        self._pictures = PictureReader(erp, names)

    def is_kept(self, item: WebsiteItem, product: Mapping[str, Any]) -> bool:
        """Return whether somebody chose another thumbnail in Medusa, which is kept."""
        return (
            self._policy == "until_erp_changes" and _was_replaced(product) and not self._is_thumbnail_due(item, product)
        )

    def changes(self, pairs: Sequence[Pair]) -> dict[str, dict[str, Any]]:
        """Return {Website Item: body} where pictures that were uploaded are to be shown in another way.

        Only products whose pictures changed in ERPNext are read with their images.
        """
        sources = self._pictures.read([item.row for item, _ in pairs])
        due = {
            item.name: (item, product)
            for item, product in pairs
            if _is_changed(product, sources[item.name]) or self._is_thumbnail_due(item, product)
        }
        found = self._medusa.products_by("id", (product["id"] for _, product in due.values()), IMAGE_FIELDS)
        products = {product["id"]: product for product in found}
        bodies: dict[str, dict[str, Any]] = {}
        for name, (item, stored) in due.items():
            if stored["id"] not in products:
                continue
            product = products[stored["id"]]
            placed = [
                Placed(source.key, placed_at(product, source), source.is_main)
                for source in sources[name]
                if _has(product, source)
            ]
            bodies[name] = arrange(
                product,
                placed,
                set_thumbnail=self._is_thumbnail_due(item, product),
                is_complete=len(placed) == len(sources[name]),
            )
        return {name: body for name, body in bodies.items() if body}

    def _is_thumbnail_due(self, item: WebsiteItem, product: Mapping[str, Any]) -> bool:
        if not item.row["website_image"]:
            return False
        if self._force or (self._policy == "overwrite" and _was_replaced(product)):
            return True
        return self._policy != "keep" and image_fingerprint(item) != metadata_of(product).get(IMAGE_KEY)


def _is_changed(product: Mapping[str, Any], sources: Sequence[Source]) -> bool:
    """Return whether ERPNext's pictures, as far as they were uploaded, are others than those recorded."""
    return [source.key for source in sources if _has(product, source)] != list(recorded(product))


def _has(product: Mapping[str, Any], source: Source) -> bool:
    """Return whether the product has the picture, also where Frappe has just made one more File of it.

    It does so for a picture that is attached already and becomes the website image; medusa_images notes its id later.
    """
    return is_placed(product, source) or was_shown(product, source.key)


def _was_replaced(product: Mapping[str, Any]) -> bool:
    """Return whether the thumbnail differs from the one that was set last; False when none was recorded."""
    noted = metadata_of(product).get(THUMBNAIL_KEY)
    return bool(noted) and noted != short_hash(product["thumbnail"] or "")
