"""Pictures that were put on a product and are not there any more: somebody removed them in Medusa.

Finding them. They stay away, since a picture is put on its product once (arrangement.py); whoever wants one back
attaches its file again.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Filters
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.bindings import is_own
from erp_medusa_pipelines.sync.catalogue.image_files import ImageFile, shown_at, was_sent_by_us

SHOWN_ONCE: Filters = [["attached_to_doctype", "=", WEBSITE_ITEM], ["medusa_id", "is", "set"], ["is_folder", "=", 0]]
FILE_FIELDS = ["name", "file_name", "file_url", "medusa_id", "attached_to_name", "attached_to_field"]
ITEMS_PER_LOOK = 200


@dataclass(frozen=True, slots=True)
class RemovedPicture:
    """A File whose picture its product showed once."""

    website_item: str
    file: str
    file_name: str


def removed_pictures(
    erp: ErpNextClient,
    medusa: MedusaClient,
    *,
    items: Collection[str] = (),
    belongs: Callable[[str], bool] = lambda _name: True,
) -> Iterator[RemovedPicture]:
    """Compare Files with what their products show now: those of `items`, or else of Website Items that belong."""
    chosen: Filters = [["attached_to_name", "in", list(items)]] if items else []
    files = defaultdict(list)
    for file in erp.rows("File", FILE_FIELDS, filters=[*SHOWN_ONCE, *chosen]):
        if belongs(file["attached_to_name"]) and was_sent_by_us(file):
            files[file["attached_to_name"]].append(file)
    for names in batched(sorted(files), ITEMS_PER_LOOK):
        fields = ["name", "medusa_id", "website_image"]
        rows = erp.rows_in(WEBSITE_ITEM, fields, names, filters=[["medusa_id", "is", "set"]])
        ids = [row["medusa_id"] for row in rows]
        products = {each["id"]: each for each in medusa.products_by("id", ids, "id,external_id,images.url,variants.id")}
        for row in rows:
            product = products.get(row["medusa_id"])
            if not is_own(row, product):
                continue
            urls = [image["url"] for image in (product or {}).get("images") or ()]
            for file in files[row["name"]]:
                replaced = ImageFile(file).was_replaced(row["website_image"])
                if not replaced and shown_at(file, urls) is None:
                    yield RemovedPicture(row["name"], file["name"], file["file_name"] or file["name"])
