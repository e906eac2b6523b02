"""Pictures of exported Website Items are uploaded once and shown on their products.

What is uploaded, and that a rerun uploads nothing. Which pictures there are is in pictures.py, which files are images
at all in image_files.py, and how a product shows them in arrangement.py.

Order: upload, put on the product, then note the upload on the File. After a crash the next run finds the upload by its
name among the product's images; an upload is repeated only if its product was not reached. A picture that no attached
File says, such as a slide, is noted on the product alone.

What needs no upload - another order, a picture that is gone - is done with the other changes (product_updates.py).
"""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar
from urllib.parse import unquote

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import UPLOADS
from erp_medusa_pipelines.sync.catalogue.arrangement import Placed, arrange, recorded, recorded_url
from erp_medusa_pipelines.sync.catalogue.bindings import is_own
from erp_medusa_pipelines.sync.catalogue.image_files import (
    NEW_IMAGES,
    REMOTE_ID,
    BrokenImageError,
    ImageFile,
    check_address,
    check_size,
    check_type,
    has_upload,
    named_type,
    shown_at,
    upload_name,
)
from erp_medusa_pipelines.sync.catalogue.pictures import PictureReader, Source
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.catalogue.website_items import PICTURE_FIELDS, fall_back
from erp_medusa_pipelines.sync.engine.delivery import Delivery, chunks, deliver
from erp_medusa_pipelines.sync.engine.quarantine import Lies
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage
from erp_medusa_pipelines.sync.shop.listing import listed

PRODUCTS_PER_WINDOW = 50
UPLOADS_PER_CALL = 8
UPLOAD_CALL_BYTES = 8 * 1024 * 1024
OWNER_FIELDS = ["name", "medusa_id", "item_code", *PICTURE_FIELDS]
PRODUCT_FIELDS = "external_id,thumbnail,metadata,images.id,images.url,images.rank,variants.id"

MISSING = "the file is missing on the ERPNext server, or cannot be read: attach it again"

Owner = Mapping[str, Any]
"""A Website Item (OWNER_FIELDS), with what it takes from its Item and its template."""


@dataclass(slots=True)
class Picture:
    """One picture for one product, and its address once it is uploaded."""

    source: Source
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
    def documents(self) -> list[tuple[str, str]]:
        """Return (DocType, name) of the documents that are reported for it."""
        files = [("File", file.name) for file in self.source.files]
        return files or [(WEBSITE_ITEM, self.source.website_item)]


@dataclass(slots=True)
class ProductImages:
    """A product of Medusa and the pictures that it should show, in their order."""

    product: Mapping[str, Any]
    keep_thumbnail: bool
    sources: list[Source]
    new: dict[str, Picture]
    """Pictures to place, by the key of their source."""

    @property
    def shown(self) -> list[str]:
        """Return the addresses of the product's images."""
        return [image["url"] for image in self.product["images"]]

    @property
    def placed(self) -> list[Picture]:
        """Return the new pictures that have an address in Medusa."""
        return [picture for picture in self.new.values() if picture.url]

    def update(self) -> dict[str, Any]:
        """Return the body that shows the placed pictures; empty when the product already shows them."""
        pictures: list[Placed] = []
        for source in self.sources:
            picture = self.new.get(source.key)
            if picture is not None and picture.url:
                pictures.append(Placed(source.key, picture.url, source.is_main))
            elif picture is None and is_placed(self.product, source):
                pictures.append(Placed(source.key, placed_at(self.product, source), source.is_main))
        has_new_main = any(picture.source.is_main for picture in self.placed)
        set_thumbnail = has_new_main and not (self.keep_thumbnail and self.product["thumbnail"])
        is_complete = len(pictures) == len(self.sources)
        body = arrange(self.product, pictures, set_thumbnail=set_thumbnail, is_complete=is_complete)
        return {"id": self.product["id"], **body} if body else {}


def is_placed(product: Mapping[str, Any], source: Source) -> bool:
    """Return whether the product has had the picture: it shows it, or somebody removed it in Medusa."""
    if source.new_files:
        return False
    return source.is_filed or source.key in recorded(product)


def placed_at(product: Mapping[str, Any], source: Source) -> str | None:
    """Return the address at which the product (with images) shows a picture that was placed, or None."""
    url = recorded_url(product, source.key)
    if url is None and source.is_filed:
        url = shown_at(source.files[0].row, [image["url"] for image in product["images"]])
    return url


@dataclass(kw_only=True)
class ImageSync(WebsiteItemSync):
    """One run of the images for one batch. Counts are Files, and pictures that no File says."""

    doctype: ClassVar[str] = "File"

    writer: ErpNextWriter
    image_max_bytes: int
    keep_thumbnail: bool = False
    """Whether an existing thumbnail is kept, whatever is uploaded."""
    _names: dict[str, list[str]] = field(init=False, default_factory=lambda: defaultdict(list))
    """Names of new Files by Website Item."""
    _uploads: dict[str, tuple[str, str]] = field(init=False, default_factory=dict)
    """(address, id) of this run's uploads by name: products may share a picture, as variants do."""
    _shared: threading.Lock = field(init=False, default_factory=threading.Lock)

    def _list(self) -> None:
        of = [["attached_to_name", "in", sorted(self.batch.named)]] if self.batch.named else []
        for row in self.erp.rows("File", ["name", "attached_to_name"], filters=[*NEW_IMAGES, *of]):
            name = row["attached_to_name"] or ""
            # A variant's picture is that of its variant, not one of its template's product.
            if self.batch.contains(name) and name not in self.batch.home:
                self._names[name].append(row["name"])

    def run(self) -> SyncReport:
        """Upload what is new. Raises AccessError; any other failure goes into the report."""
        # Whether a File is still without an id is read again with its picture.
        self.erp.http.seen("new pictures", self._list)
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

    # --- whose pictures are new -----------------------------------------------------------------------------------

    def _exported(self) -> Iterator[list[Owner]]:
        """Yield windows of Website Items with a product and a new picture. The others' Files wait for the export."""
        try:
            owners = self._owners()
        except TransientError as error:
            self.failed(error)
            self._leave_files_of(self._names, error)
            return
        self._wait([file for name in self._names if name not in owners for file in self._names[name]])
        with_files = [owners[name] for name in sorted(self._names) if name in owners]
        yield from batched(with_files, self.options.window)
        named = [owner for name, owner in owners.items() if name not in self._names and _names_pictures(owner)]
        self._reader = PictureReader(self.erp, [owner["name"] for owner in named])
        for some in batched(named, self.options.window):
            if self.outage:
                return
            try:
                found = self._with_new_pictures(some)
            except TransientError as error:
                self.failed(error)
                self.report.defer(WEBSITE_ITEM, some[0]["name"], error)
                continue
            yield found

    def _owners(self) -> dict[str, Owner]:
        """Return the exported Website Items of the batch by name, but for those without any picture."""
        exported = [["medusa_id", "is", "set"]]
        rows = listed(self.erp, self.batch, OWNER_FIELDS, filters=exported)
        own = [row for row in rows if row["name"] not in self.batch.home]
        fall_back(self.erp, own)
        return {row["name"]: row for row in own if row["name"] in self._names or _names_pictures(row)}

    def _with_new_pictures(self, owners: Sequence[Owner]) -> list[Owner]:
        """Return those with a picture that no File says and that their product has not had."""
        unfiled = {
            name: sources
            for name, found in self._reader.read(owners).items()
            if (sources := [source for source in found if not source.files])
        }
        wanted = [owner for owner in owners if owner["name"] in unfiled]
        ids = {owner["medusa_id"] for owner in wanted}
        products = {one["id"]: one for one in self.medusa.products_by("id", ids, "external_id,metadata")}
        return [
            owner
            for owner in wanted
            if (product := products.get(owner["medusa_id"])) is not None
            and not all(is_placed(product, source) for source in unfiled[owner["name"]])
        ]

    def _window(self, owners: Sequence[Owner]) -> None:
        if self.outage:
            self._leave_files_of([owner["name"] for owner in owners], self.outage)
            return
        try:
            work = self._read(owners)
        except TransientError as error:
            self.failed(error)
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

    def _read(self, owners: Sequence[Owner]) -> list[ProductImages]:
        """Return the products with their new pictures, without those that are held back."""
        products = {
            product["id"]: product
            for product in self.medusa.products_by("id", {owner["medusa_id"] for owner in owners}, PRODUCT_FIELDS)
        }
        sources = PictureReader(self.erp, [owner["name"] for owner in owners]).read(owners)
        work: list[ProductImages] = []
        for owner in owners:
            # A File attached after this run began is left to the next run; a removed one needs nothing.
            listed = set(self._names.get(owner["name"], ()))
            found = [source for source in sources[owner["name"]] if not _is_later(source, listed)]
            files = [file.name for source in found for file in source.new_files]
            self.report.advance(len(listed) - len(files))
            # Of no picture of the item any more: nothing to do for them, and what was found adds up.
            self.report.count("unchanged", len(listed) - len(files))
            product = products.get(owner["medusa_id"])
            if product is None or not is_own(owner, product):
                # medusa_products corrects the ids; until then the images wait.
                self._wait(files)
                continue
            new: dict[str, Picture] = {}
            for source in found:
                if is_placed(product, source):
                    continue
                if not source.files:
                    self.report.count("found")
                picture = Picture(source, self._fingerprint(source, product["id"]))
                if not self._is_held(picture):
                    new[source.key] = picture
            work.append(ProductImages(product, self.keep_thumbnail, found, new))
        return work

    def _is_held(self, picture: Picture) -> bool:
        """Return whether the picture must not be sent again, as far as all its documents are held."""
        source, held = picture.source, []
        for doctype, name in picture.documents:
            kind = "" if source.files else source.key
            held.append(self.held(name, picture.fingerprint, kind, doctype=doctype))
        return all(held)

    # --- the address of each picture in Medusa --------------------------------------------------------------------

    def _fetched(self, work: Sequence[ProductImages]) -> Iterator[Picture]:
        """Yield pictures to upload with their content; a picture that needs no upload gets its address here."""
        for one in work:
            for picture in one.new.values():
                if picture.source.is_remote:
                    self._use_in_place(picture, one.shown)
                elif self._fetch(picture):
                    present = next((url for url in one.shown if has_upload(url, picture.upload_as)), None)
                    known = self._uploads.get(picture.upload_as)
                    if present is None and known is None:
                        yield picture
                        continue
                    picture.content = b""
                    if present is None and known is not None:
                        picture.url, picture.medusa_id = known
                    elif present is not None:
                        picture.url, picture.is_new = present, False
                        picture.medusa_id = unquote(present.split("?", 1)[0].rsplit("/", 1)[-1])

    def _use_in_place(self, picture: Picture, shown: Sequence[str]) -> None:
        """Let the product show a picture of another server where it is."""
        source = picture.source
        try:
            check_type(source.files[0].row["file_type"] or "" if source.files else named_type(source.address))
        except BrokenImageError as error:
            self._refuse(picture, str(error), Lies.IN_THE_DOCUMENT)
            return
        picture.url = source.address
        picture.medusa_id = f"{REMOTE_ID}{source.files[0].fingerprint}" if source.files else ""
        picture.is_new = picture.url not in shown

    def _fetch(self, picture: Picture) -> bool:
        """Download and check the content. Returns False after a reject or a transient failure, which is reported."""
        source = picture.source
        file = source.files[0] if source.files else None
        if self.outage:
            self._leave(picture, self.outage)
            return False
        try:
            check_address(source.address)
            if file is not None:
                check_size(file, self.image_max_bytes)
        except BrokenImageError as error:
            self._refuse(picture, str(error), Lies.IN_THE_DOCUMENT)
            return False
        try:
            picture.content = self._download(source)
            picture.upload_as, picture.mime_type = upload_name(
                picture.content, (file.row["file_type"] if file else "") or named_type(source.address)
            )
        except BrokenImageError as error:
            # The bytes that the File was saved with, or others that the disk has under its name.
            is_as_saved = file is not None and file.was_saved_with(picture.content)
            self._refuse(picture, str(error), Lies.IN_THE_DOCUMENT if is_as_saved else Lies.ELSEWHERE)
        except PermanentError as error:
            # Frappe answers 403 for a private file that is missing on its disk: that concerns this file, not the run.
            if error.status == 401:
                raise
            self._refuse(picture, MISSING if error.status in (403, 404) else error.reason, Lies.ELSEWHERE)
        except TransientError as error:
            # After a 500 the server is up and may have failed on this one file.
            if error.status != 500:
                self.failed(error)
            self._leave(picture, error)
        else:
            self.erp_breaker.passed()
            return True
        return False

    def _download(self, source: Source) -> bytes:
        """Download it. A field may hold an address as a browser writes it, with its percent encoding."""
        decoded = unquote(source.address)
        try:
            return self.erp.download(source.address, limit=self.image_max_bytes)
        except PermanentError as error:
            if source.files or decoded == source.address or error.status not in (403, 404):
                raise
        return self.erp.download(decoded, limit=self.image_max_bytes)

    def _upload(self, group: list[Picture]) -> None:
        """Upload the pictures of one call. Uploads cannot be looked up and do no harm, so a lost one is repeated."""
        if self.outage:
            for picture in group:
                self._leave(picture, self.outage)
            return
        # Of pictures that products share only one is uploaded at a time, so that the next finds it.
        with nullcontext() if all(picture.source.files for picture in group) else self._shared:
            delivery = deliver(group, self._send_files, check_way=partial(self.medusa.check_way, UPLOADS))
        for picture, error in delivery.rejected:
            self._refuse(picture, f"Medusa rejected the file: {error.reason}", Lies.ELSEWHERE)
        for picture, error in [*delivery.failed, *delivery.alone]:
            self._leave(picture, error)
        self._judge_medusa(delivery, len(group))
        for picture in group:
            picture.content = b""

    def _send_files(self, group: Sequence[Picture]) -> None:
        uploads = {
            picture.upload_as: (picture.upload_as, picture.content, picture.mime_type)
            for picture in group
            if picture.upload_as not in self._uploads
        }
        for name, stored in zip(uploads, self.medusa.upload(list(uploads.values())) if uploads else (), strict=True):
            self._uploads[name] = (stored["url"], stored["id"])
        for picture in group:
            picture.url, picture.medusa_id = self._uploads[picture.upload_as]

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
                        # Of all the product's pictures: any of them may be the one.
                        self._refuse(picture, reason, Lies.ELSEWHERE)
        self._note([picture for one in work if one.product["id"] not in missed for picture in one.placed])

    def _send_updates(self, group: Sequence[ProductImages]) -> None:
        self.medusa.batch_products(update=[one.update() for one in group], fields="id")

    def _note(self, pictures: Sequence[Picture]) -> None:
        """Store the upload's id on each new File, so that the File is no longer new."""
        for picture in pictures:
            if not picture.source.files:
                self.report.count("written" if picture.is_new else "adopted")
        by_file = {file.name: picture for picture in pictures for file in picture.source.new_files}
        outcome = self.writer.write("File", [(name, {"medusa_id": one.medusa_id}) for name, one in by_file.items()])
        for name in outcome.written:
            self.report.count("written" if by_file[name].is_new else "adopted")
        self.report.advance(len(outcome.written))
        if outcome.written:
            self.erp_breaker.passed()
        passing = {name: error for name, error in outcome.failed.items() if isinstance(error, TransientError)}
        if passing:
            self.failed(next(iter(passing.values())))
        for name, error in outcome.failed.items():
            if name in passing:
                self.defer([name], passing[name])
            else:
                # The next run finds the upload on the product and only writes the id.
                problem = "shown in Medusa, but its id could not be saved in ERPNext"
                reason = f"{_about(by_file[name].source)}: {problem}: {error.reason}"
                fingerprint = by_file[name].fingerprint
                self.reject(name, fingerprint, reason, "medusa_id", lies=Lies.ELSEWHERE)

    # --- failures ------------------------------------------------------------------------------

    def _fingerprint(self, source: Source, product_id: str) -> str:
        """Reject a picture until what its row says of it, the allowed size or the product changes."""
        content = source.address
        if source.files:
            file = source.files[0]
            content = f"{file.fingerprint}|{file.row['file_type']}|{file.row['file_size']}"
        return hashlib.sha256(f"{content}|{self.image_max_bytes}|{product_id}".encode()).hexdigest()[:32]

    def _wait(self, names: Sequence[str]) -> None:
        self.report.count("waiting", len(names))
        self.report.advance(len(names))

    def _refuse(self, picture: Picture, reason: str, lies: Lies) -> None:
        source = picture.source
        kind, about = ("", "file_url") if source.files else (source.key, source.named_by)
        for doctype, name in picture.documents:
            file = next((file for file in source.files if file.name == name), None)
            text = f"{_about(source, file)}: {reason}"
            self.reject(name, picture.fingerprint, text, about, lies=lies, kind=kind, doctype=doctype)

    def _leave(self, picture: Picture, error: TransientError) -> None:
        for doctype, name in picture.documents:
            self.defer([name], error, doctype=doctype)

    def _leave_files_of(self, website_items: Iterable[str], error: TransientError) -> None:
        self.defer([file for name in website_items for file in self._names.get(name, ())], error)

    def _judge_medusa(self, delivery: Delivery[Any], sent: int) -> None:
        """Tell one bad file from a failing Medusa: Medusa is at fault when it fails on each of several files."""
        error = delivery.server_down
        if error is None and sent > 1 and len(delivery.alone) == sent:
            error = delivery.alone[0][1]
        if error:
            self.medusa_breaker.failed(error)
        else:
            self.medusa_breaker.passed()


def _names_pictures(owner: Owner) -> bool:
    """Return whether a field of the Website Item, its Item or its template names a picture."""
    return bool(owner["website_image"] or owner["slideshow"])


def _is_later(source: Source, listed: set[str]) -> bool:
    """Return whether a File of the picture was attached after this run began."""
    return any(file.name not in listed for file in source.new_files)


def _about(source: Source, file: ImageFile | None = None) -> str:
    """Return the picture's name and its Website Item as text for a message."""
    file = file or next(iter(source.files), None)
    name = (file.row["file_name"] or file.name) if file else f"{source.named_by} {source.address}"
    return f"{name} of {WEBSITE_ITEM} {source.website_item}"
