"""Images attached to exported Website Items are uploaded once and shown on their products.

Belongs here: what is uploaded, how a product's images and thumbnail are chosen, and that a rerun uploads nothing.
Which files are images at all is in image_files.py.

Order: upload, put on the product, then note the upload on the File. After a crash the next run finds the upload by its
name among the product's images; an upload is repeated only if its product was not reached.

Images are added, never removed: a File that is removed in ERPNext stays on the product, where somebody may have
arranged or replaced images by hand.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar
from urllib.parse import unquote

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import UPLOADS
from erp_medusa_pipelines.sync.catalogue.bindings import is_own
from erp_medusa_pipelines.sync.catalogue.image_files import (
    NEW_IMAGES,
    REMOTE_ID,
    BrokenImageError,
    ImageFile,
    by_content,
    check_address,
    check_size,
    check_type,
    has_upload,
    new_images,
    upload_name,
)
from erp_medusa_pipelines.sync.catalogue.thumbnails import thumbnail_body
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.engine.delivery import Delivery, chunks, deliver
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_of
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage

PRODUCTS_PER_WINDOW = 50
UPLOADS_PER_CALL = 8
UPLOAD_CALL_BYTES = 8 * 1024 * 1024
PRODUCT_FIELDS = "external_id,thumbnail,images.id,images.url,images.rank"

MISSING = "the file is missing on the ERPNext server, or cannot be read: attach it again"


@dataclass(slots=True)
class Picture:
    """One content for one product: a File, or several of the same content, and its address once it is uploaded."""

    files: list[ImageFile]
    fingerprint: str
    upload_as: str = ""
    mime_type: str = ""
    content: bytes = field(default=b"", repr=False)
    url: str = ""
    medusa_id: str = ""
    """Identifies the upload in Medusa; this is what the Files keep."""
    is_new: bool = True
    """False when the product showed it before this run."""

    @property
    def lead(self) -> ImageFile:
        """Return the first File, which represents all of them."""
        return self.files[0]


@dataclass(slots=True)
class ProductImages:
    """A product of Medusa and its new pictures, oldest attachment first."""

    product: Mapping[str, Any]
    website_image: str | None
    keep_thumbnail: bool
    pictures: list[Picture]

    @property
    def shown(self) -> list[Mapping[str, Any]]:
        """Return the product's images in their order."""
        return sorted(self.product["images"], key=lambda image: image["rank"])

    @property
    def placed(self) -> list[Picture]:
        """Return the new pictures that have an address in Medusa."""
        return [picture for picture in self.pictures if picture.url]

    def update(self) -> dict[str, Any]:
        """Return the body that shows the placed pictures; empty when the product already shows them.

        The thumbnail is the Website Item's own image; a product without one gets its first image.
        """
        before, placed = self.shown, self.placed
        known = {image["url"] for image in before}
        added = list(dict.fromkeys(picture.url for picture in placed if picture.url not in known))
        own = next((picture.url for picture in placed if self._is_own(picture)), None)
        if self.keep_thumbnail and self.product["thumbnail"]:
            own = None
        addresses = [*(image["url"] for image in before), *added]
        thumbnail = own or self.product["thumbnail"] or (addresses[0] if addresses else None)
        body: dict[str, Any] = {}
        if added:
            # Medusa replaces the whole set. An image sent with its id keeps that id.
            kept = [{"id": image["id"], "url": image["url"]} for image in before]
            body["images"] = [*kept, *({"url": url} for url in added)]
        if thumbnail and thumbnail != self.product["thumbnail"]:
            body |= thumbnail_body(thumbnail)
        return {"id": self.product["id"], **body} if body else {}

    def _is_own(self, picture: Picture) -> bool:
        return bool(self.website_image) and any(file.row["file_url"] == self.website_image for file in picture.files)


@dataclass(kw_only=True)
class ImageSync(WebsiteItemSync):
    """One run of the images for one batch. Counts are Files."""

    doctype: ClassVar[str] = "File"

    writer: ErpNextWriter
    image_max_bytes: int
    keep_thumbnail: bool = False
    """Whether an existing thumbnail is kept, whatever is uploaded."""
    _names: dict[str, list[str]] = field(init=False, default_factory=lambda: defaultdict(list))
    """Names of new Files by Website Item."""

    def run(self) -> SyncReport:
        """Upload what is new. Raises AccessError; any other failure goes into the report."""
        for row in self.erp.rows("File", ["name", "attached_to_name"], filters=NEW_IMAGES):
            if self.batch.contains(row["attached_to_name"] or ""):
                self._names[row["attached_to_name"]].append(row["name"])
        self.report.count("found", sum(map(len, self._names.values())))
        working = Stage("images", self.options.parallel)
        try:
            for owners in self._exported():
                for some in batched(owners, PRODUCTS_PER_WINDOW):
                    working.submit(self._window, some)
            working.finish()
        finally:
            working.close()
        return self.report

    def _exported(self) -> Iterator[list[dict[str, Any]]]:
        """Yield windows of Website Items that have a product. Images of the others wait for the export."""
        for some in batched(sorted(self._names), self.options.window):
            if self.outage:
                self._leave_files_of(some, self.outage)
                continue
            try:
                fields = ["name", "medusa_id", "website_image"]
                rows = self.erp.rows_in(WEBSITE_ITEM, fields, some, filters=[["medusa_id", "is", "set"]])
            except TransientError as error:
                self._failed(error)
                self._leave_files_of(some, error)
                continue
            exported = {row["name"] for row in rows}
            self._wait([file for name in some if name not in exported for file in self._names[name]])
            yield rows

    def _window(self, owners: Sequence[Mapping[str, Any]]) -> None:
        if self.outage:
            self._leave_files_of([owner["name"] for owner in owners], self.outage)
            return
        try:
            work = self._read(owners)
        except TransientError as error:
            self._failed(error)
            self._leave_files_of([owner["name"] for owner in owners], error)
            return
        for group in chunks(
            self._fetched(work),
            lambda picture: len(picture.content),
            most=UPLOADS_PER_CALL,
            most_bytes=UPLOAD_CALL_BYTES,
        ):
            self._upload(group)
        self._show([one for one in work if one.placed])

    def _read(self, owners: Sequence[Mapping[str, Any]]) -> list[ProductImages]:
        """Return the products with their new pictures, without those that are held back."""
        products = {
            product["id"]: product
            for product in self.medusa.products_by("id", {owner["medusa_id"] for owner in owners}, PRODUCT_FIELDS)
        }
        images: dict[str, list[ImageFile]] = defaultdict(list)
        for image in new_images(self.erp, [owner["name"] for owner in owners]):
            images[image.website_item].append(image)
        work = []
        for owner in owners:
            # A File attached after this run began is left to the next run; a removed one needs nothing.
            listed = set(self._names[owner["name"]])
            files = [image for image in images[owner["name"]] if image.name in listed]
            self.report.advance(len(listed) - len(files))
            product = products.get(owner["medusa_id"])
            if product is None or not is_own(owner, product):
                # medusa_products corrects the ids; until then the images wait.
                self._wait([file.name for file in files])
                continue
            pictures = []
            for group in by_content(files):
                fingerprint = self._fingerprint(group[0], product["id"])
                free = [file for file in group if not self.held(file.name, fingerprint)]
                if free:
                    pictures.append(Picture(free, fingerprint))
            work.append(ProductImages(product, owner["website_image"], self.keep_thumbnail, pictures))
        return work

    # --- the address of each picture in Medusa --------------------------------------------------------------------

    def _fetched(self, work: Sequence[ProductImages]) -> Iterator[Picture]:
        """Yield pictures to upload with their content; a picture that needs no upload gets its address here."""
        for one in work:
            urls = [image["url"] for image in one.shown]
            for picture in one.pictures:
                if not self._has_shown_type(picture):
                    continue
                if picture.lead.is_remote:
                    picture.url = picture.lead.row["file_url"]
                    picture.medusa_id = f"{REMOTE_ID}{picture.lead.fingerprint}"
                    picture.is_new = picture.url not in urls
                elif self._fetch(picture):
                    present = next((url for url in urls if has_upload(url, picture.upload_as)), None)
                    if present is None:
                        yield picture
                        continue
                    picture.content = b""
                    picture.url, picture.is_new = present, False
                    picture.medusa_id = unquote(present.split("?", 1)[0].rsplit("/", 1)[-1])

    def _has_shown_type(self, picture: Picture) -> bool:
        """Return whether the shop shows files of that type; other files are rejected."""
        try:
            check_type(picture.lead)
        except BrokenImageError as error:
            self._refuse(picture, str(error), Lies.IN_THE_DOCUMENT)
            return False
        return True

    def _fetch(self, picture: Picture) -> bool:
        """Download and check the content. Returns False after a reject or a transient failure, which is reported."""
        file_url = picture.lead.row["file_url"]
        if self.outage:
            self._leave(picture, self.outage)
            return False
        try:
            check_address(picture.lead)
            check_size(picture.lead, self.image_max_bytes)
        except BrokenImageError as error:
            self._refuse(picture, str(error), Lies.IN_THE_DOCUMENT)
            return False
        try:
            picture.content = self.erp.download(file_url, limit=self.image_max_bytes)
            picture.upload_as, picture.mime_type = upload_name(picture.content)
        except BrokenImageError as error:
            # The bytes that the File was saved with, or others that the disk has under its name.
            is_as_saved = picture.lead.was_saved_with(picture.content)
            self._refuse(picture, str(error), Lies.IN_THE_DOCUMENT if is_as_saved else Lies.ELSEWHERE)
        except PermanentError as error:
            # Frappe answers 403 for a private file that is missing on its disk: that concerns this file, not the run.
            if error.status == 401:
                raise
            self._refuse(picture, MISSING if error.status in (403, 404) else error.reason, Lies.ELSEWHERE)
        except TransientError as error:
            # After a 500 the server is up and may have failed on this one file.
            if error.status != 500:
                self._failed(error)
            self._leave(picture, error)
        else:
            self.erp_breaker.passed()
            return True
        return False

    def _upload(self, group: list[Picture]) -> None:
        """Upload the pictures of one call. Uploads cannot be looked up and do no harm, so a lost one is repeated."""
        if self.outage:
            for picture in group:
                self._leave(picture, self.outage)
            return
        delivery = deliver(group, self._send_files, check_way=partial(self.medusa.check_way, UPLOADS))
        for picture, error in delivery.rejected:
            self._refuse(picture, f"Medusa rejected the file: {error.reason}", Lies.ELSEWHERE)
        for picture, error in [*delivery.failed, *delivery.alone]:
            self._leave(picture, error)
        self._judge_medusa(delivery, len(group))
        for picture in group:
            picture.content = b""

    def _send_files(self, group: Sequence[Picture]) -> None:
        uploads = [(picture.upload_as, picture.content, picture.mime_type) for picture in group]
        for picture, stored in zip(group, self.medusa.upload(uploads), strict=True):
            picture.url, picture.medusa_id = stored["url"], stored["id"]

    # --- on the product, then on the File ---------------------------------------------------------------------

    def _show(self, work: Sequence[ProductImages]) -> None:
        changed = [one for one in work if one.update()]
        missed: set[str] = set()
        for group in batched(changed, self.options.chunk):
            delivery = deliver(group, self._send_updates, check_way=self.medusa.check_way)
            self._judge_medusa(delivery, len(group))
            for one, error in [*delivery.rejected, *delivery.failed, *delivery.alone]:
                missed.add(one.product["id"])
                for picture in one.placed:
                    if isinstance(error, TransientError):
                        self._leave(picture, error)
                    else:
                        reason = f"Medusa rejected the product's images: {error.reason}"
                        self._refuse(picture, reason, lies_of(error))
        self._note([picture for one in work if one.product["id"] not in missed for picture in one.placed])

    def _send_updates(self, group: Sequence[ProductImages]) -> None:
        self.medusa.batch_products(update=[one.update() for one in group], fields="id")

    def _note(self, pictures: Sequence[Picture]) -> None:
        """Store the upload's id on each File, so that the File is no longer new."""
        by_file = {file.name: picture for picture in pictures for file in picture.files}
        outcome = self.writer.write("File", [(name, {"medusa_id": one.medusa_id}) for name, one in by_file.items()])
        for name in outcome.written:
            self.report.count("written" if by_file[name].is_new else "adopted")
        self.report.advance(len(outcome.written))
        if outcome.written:
            self.erp_breaker.passed()
        passing = {name: error for name, error in outcome.failed.items() if isinstance(error, TransientError)}
        if passing:
            self._failed(next(iter(passing.values())))
        for name, error in outcome.failed.items():
            if name in passing:
                self.defer([name], passing[name])
            else:
                # The next run finds the upload on the product and only writes the id.
                problem = "shown in Medusa, but its id could not be saved in ERPNext"
                reason = f"{_about(by_file[name].lead)}: {problem}: {error.reason}"
                fingerprint = by_file[name].fingerprint
                self.reject(name, fingerprint, reason, "medusa_id", lies=Lies.ELSEWHERE)

    # --- failures ------------------------------------------------------------------------------

    def _fingerprint(self, image: ImageFile, product_id: str) -> str:
        """Reject a file until what its row says of it, the allowed size or the product changes."""
        row = f"{image.fingerprint}|{image.row['file_type']}|{image.row['file_size']}"
        return hashlib.sha256(f"{row}|{self.image_max_bytes}|{product_id}".encode()).hexdigest()[:32]

    def _wait(self, names: Sequence[str]) -> None:
        self.report.count("waiting", len(names))
        self.report.advance(len(names))

    def _refuse(self, picture: Picture, reason: str, lies: Lies) -> None:
        for file in picture.files:
            self.reject(file.name, picture.fingerprint, f"{_about(file)}: {reason}", "file_url", lies=lies)

    def _leave(self, picture: Picture, error: TransientError) -> None:
        self.defer([file.name for file in picture.files], error)

    def _leave_files_of(self, website_items: Sequence[str], error: TransientError) -> None:
        self.defer([file for name in website_items for file in self._names[name]], error)

    def _failed(self, error: TransientError) -> None:
        breaker = self.erp_breaker if error.service == self.erp.http.service else self.medusa_breaker
        breaker.failed(error)

    def _judge_medusa(self, delivery: Delivery[Any], sent: int) -> None:
        """Tell one bad file from a failing Medusa: Medusa is at fault when it fails on each of several files."""
        error = delivery.server_down
        if error is None and sent > 1 and len(delivery.alone) == sent:
            error = delivery.alone[0][1]
        if error:
            self.medusa_breaker.failed(error)
        else:
            self.medusa_breaker.passed()


def _about(image: ImageFile) -> str:
    """Return the file's name and its Website Item as text for a message."""
    return f"{image.row['file_name'] or image.name} of {WEBSITE_ITEM} {image.website_item}"
