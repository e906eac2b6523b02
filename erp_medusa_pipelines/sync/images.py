"""Images attached to exported Website Items are uploaded once and shown on their products.

Belongs here: what is uploaded, how a product's images and thumbnail come about, and that a rerun uploads nothing.
Which files are images at all is in image_files.py.

Order: upload, put on the product, then note the upload on the File. After a crash the next run finds the upload by its
name among the product's images; only an upload whose product was not reached yet is made a second time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar
from urllib.parse import unquote

from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.sync.batch_sync import BatchSync
from erp_medusa_pipelines.sync.image_files import (
    NEW_IMAGES,
    BrokenImageError,
    ImageFile,
    check_size,
    has_upload,
    new_images,
    upload_name,
)
from erp_medusa_pipelines.sync.pipeline import Stage
from erp_medusa_pipelines.sync.report import SyncReport
from erp_medusa_pipelines.sync.website_items import DOCTYPE as WEBSITE_ITEM

ITEMS_PER_WINDOW = 50
UPLOADS_PER_CALL = 8
UPLOAD_CALL_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Placed:
    """An image with the address and id it has in Medusa."""

    image: ImageFile
    url: str
    medusa_id: str
    uploaded: bool


@dataclass(slots=True)
class _Upload:
    image: ImageFile
    file_name: str
    mime_type: str
    content: bytes


@dataclass(kw_only=True)
class ImageSync(BatchSync):
    """One run of the images for one batch. Counts are Files."""

    doctype: ClassVar[str] = "File"

    writer: ErpNextWriter
    image_max_bytes: int

    def run(self) -> SyncReport:
        """Upload what is new; everything but AccessError ends in the report."""
        owners: dict[str, int] = defaultdict(int)
        for row in self.erp.rows("File", ["name", "attached_to_name"], filters=NEW_IMAGES):
            if self.batch.holds(row["attached_to_name"] or ""):
                owners[row["attached_to_name"]] += 1
        self.report.count("found", sum(owners.values()))
        working = Stage("images", self.options.parallel)
        try:
            names = iter(sorted(owners))
            while some := list(islice(names, ITEMS_PER_WINDOW)):
                working.submit(self._window, some)
            working.finish()
        finally:
            working.close()
        return self.report

    def _window(self, names: Sequence[str]) -> None:
        images: list[ImageFile] = []
        try:
            images = new_images(self.erp, names)
            if self.down:
                self.leave((image.name for image in images), self.down)
                return
            fields = ["name", "medusa_id", "website_image"]
            items = {row["name"]: row for row in self.erp.rows_in(WEBSITE_ITEM, fields, names)}
            wanted = {row["medusa_id"] for row in items.values() if row["medusa_id"]}
            products = {p["id"]: p for p in self.medusa.products_by("id", wanted, "id,thumbnail,images.url")}
        except TransientError as error:
            (self.erp_breaker if error.service == "ERPNext" else self.medusa_breaker).failed(error)
            self.leave((image.name for image in images), error)
            return
        by_product: dict[str, list[ImageFile]] = defaultdict(list)
        for image in images:
            product_id = items.get(image.row["attached_to_name"], {}).get("medusa_id")
            if product_id and product_id in products:
                by_product[product_id].append(image)
            else:
                # Not exported yet, or the product is gone: the export says so, here it only waits.
                self.report.count("waiting")
                self.report.done(1)
        placed = list(self._place(by_product, products))
        self._show(placed, items, products)

    # --- where each image lies in Medusa ----------------------------------------------------------------------

    def _place(
        self, by_product: Mapping[str, Sequence[ImageFile]], products: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[tuple[str, Placed]]:
        """(product id, placed image) for every image that Medusa has or takes now."""
        pending: list[tuple[str, _Upload]] = []
        size = 0
        for product_id, images in by_product.items():
            urls = [entry["url"] for entry in products[product_id]["images"]]
            for image in images:
                if self.held(image.name, image.mark):
                    continue
                if image.is_remote:
                    yield product_id, Placed(image, image.row["file_url"], f"remote-{image.mark}", uploaded=False)
                    continue
                upload = self._fetch(image)
                if upload is None:
                    continue
                present = next((url for url in urls if has_upload(url, upload.file_name)), None)
                if present:
                    yield product_id, Placed(image, present, unquote(present.rsplit("/", 1)[-1]), uploaded=False)
                    continue
                if len(pending) >= UPLOADS_PER_CALL or size + len(upload.content) > UPLOAD_CALL_BYTES:
                    yield from self._upload(pending)
                    pending, size = [], 0
                pending.append((product_id, upload))
                size += len(upload.content)
        yield from self._upload(pending)

    def _fetch(self, image: ImageFile) -> _Upload | None:
        """The checked file; None when it was rejected or left (noted in the report)."""
        try:
            check_size(image, self.image_max_bytes)
            content = self.erp.download(image.row["file_url"], limit=self.image_max_bytes)
            file_name, mime_type = upload_name(content)
        except BrokenImageError as error:
            self.reject(image.name, image.mark, f"{image.row['attached_to_name']}: {error}", "file_url")
        except AccessError as error:
            # Frappe answers 403 for a private file that is missing on disk: this file's matter, not the run's.
            if error.status == 401:
                raise
            self.reject(image.name, image.mark, "the file is missing on the server, or not readable", "file_url")
        except PermanentError as error:
            self.reject(image.name, image.mark, error.reason, "file_url")
        except TransientError as error:
            self.erp_breaker.failed(error)
            self.leave([image.name], error)
        else:
            return _Upload(image, file_name, mime_type, content)
        return None

    def _upload(self, pending: Sequence[tuple[str, _Upload]]) -> Iterator[tuple[str, Placed]]:
        if not pending:
            return
        try:
            stored = self.medusa.upload([(u.file_name, u.content, u.mime_type) for _, u in pending])
        except AccessError:
            raise
        except PermanentError as error:
            if len(pending) > 1:
                for one in pending:
                    yield from self._upload([one])
            else:
                image = pending[0][1].image
                self.reject(image.name, image.mark, f"Medusa did not take the file: {error.reason}", "file_url")
        except TransientError as error:
            self.medusa_breaker.failed(error)
            self.leave((upload.image.name for _, upload in pending), error)
        else:
            self.medusa_breaker.passed()
            for (product_id, upload), file in zip(pending, stored, strict=True):
                yield product_id, Placed(upload.image, file["url"], file["id"], uploaded=True)

    # --- on the product, then on the File ---------------------------------------------------------------------

    def _show(
        self,
        placed: Sequence[tuple[str, Placed]],
        items: Mapping[str, Mapping[str, Any]],
        products: Mapping[str, Mapping[str, Any]],
    ) -> None:
        by_product: dict[str, list[Placed]] = defaultdict(list)
        for product_id, one in placed:
            by_product[product_id].append(one)
        updates = []
        for product_id, images in by_product.items():
            item = items[images[0].image.row["attached_to_name"]]
            body = product_images(products[product_id], images, item["website_image"])
            if body:
                updates.append({"id": product_id, **body})
        try:
            if updates:
                self.medusa.batch_products(update=updates, fields="id")
        except AccessError:
            raise
        except (PermanentError, TransientError) as error:
            # Nothing is bound yet, so the next run comes to these files again.
            passing = TransientError(error.service, error.where, error.reason, status=error.status)
            self.leave((one.image.name for _, one in placed), passing)
            return
        outcome = self.writer.write("File", [(one.image.name, {"medusa_id": one.medusa_id}) for _, one in placed])
        written = set(outcome.written)
        for _, one in placed:
            if one.image.name in written:
                self.report.count("written" if one.uploaded else "adopted")
                self.report.done(1)
        for name, error in outcome.failed.items():
            if isinstance(error, TransientError):
                self.leave([name], error)
            else:
                self.report.done(1)


def product_images(product: Mapping[str, Any], placed: Sequence[Placed], website_image: str | None) -> dict[str, Any]:
    """The update that shows the placed images: all images (Medusa replaces the set) and the thumbnail.

    The thumbnail is the Website Item's own image; a product without one gets its first image. Empty when the product
    shows all of this already.
    """
    before = [entry["url"] for entry in product["images"]]
    after = list(dict.fromkeys([*before, *(one.url for one in placed)]))
    own = next((one.url for one in placed if website_image and one.image.row["file_url"] == website_image), None)
    thumbnail = own or product["thumbnail"] or (after[0] if after else None)
    body: dict[str, Any] = {}
    if after != before:
        body["images"] = [{"url": url} for url in after]
    if thumbnail != product["thumbnail"]:
        body["thumbnail"] = thumbnail
    return body
