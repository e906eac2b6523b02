"""Image files of Website Items: which ones, their bytes, and the name under which Medusa stores them.

Belongs here: reading Files from ERPNext and checking them. Does not belong here: uploading (images.py).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.website_items import DOCTYPE

FILE_FIELDS = (
    "name", "file_name", "file_url", "file_type", "file_size", "is_private", "content_hash", "attached_to_name",
)  # fmt: skip

# Frappe stores the type in upper case, and .jpeg as JPG; JPEG is there for rows made by other tools.
FILE_TYPES = ("PNG", "JPG", "JPEG", "WEBP")

NEW_IMAGES = [
    ["attached_to_doctype", "=", DOCTYPE],
    ["medusa_id", "is", "not set"],
    ["file_type", "in", list(FILE_TYPES)],
    ["is_folder", "=", 0],
]

_REMOTE = re.compile(r"^https?://", re.IGNORECASE)
_SIGNATURES = (
    (re.compile(rb"\A\x89PNG\r\n\x1a\n"), "png", "image/png"),
    (re.compile(rb"\A\xff\xd8\xff"), "jpg", "image/jpeg"),
    (re.compile(rb"\ARIFF.{4}WEBP", re.DOTALL), "webp", "image/webp"),
)
_ENDINGS = {"png": b"IEND\xaeB`\x82", "jpg": b"\xff\xd9"}


class BrokenImageError(Exception):
    """A file that is no usable image; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One File row attached to a Website Item."""

    row: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.row["name"]

    @property
    def is_remote(self) -> bool:
        """Whether the file lies on another server; Medusa then gets its address as it is."""
        return bool(_REMOTE.match(self.row["file_url"] or ""))

    @property
    def mark(self) -> str:
        """Changes with the file's content or address."""
        return hashlib.sha256(f"{self.row['content_hash']}|{self.row['file_url']}".encode()).hexdigest()[:32]


def new_images(erp: ErpNextClient, website_items: Iterable[str]) -> list[ImageFile]:
    """Image files of these Website Items that Medusa does not have yet, in the order of attaching."""
    rows = erp.rows_in(
        "File",
        [*FILE_FIELDS, "creation"],
        website_items,
        key="attached_to_name",
        filters=NEW_IMAGES,
        order_by="creation asc, name asc",
    )
    return [ImageFile(row) for row in rows if row["file_url"]]


def check_size(image: ImageFile, limit: int) -> None:
    """Refuse a file by its recorded size, before it is downloaded."""
    size = image.row["file_size"] or 0
    if size > limit:
        raise BrokenImageError(
            f"the file has {size:,} bytes, allowed are {limit:,}: make it smaller or raise IMAGE_MAX_BYTES"
        )


def upload_name(content: bytes) -> tuple[str, str]:
    """(name, MIME type) to upload under. The name is the content's hash: ASCII, and recognisable later.

    Medusa keeps no hash of its own, so the name in an image's address is what tells a rerun that it is there already.
    Raises BrokenImageError when the content is not a whole PNG, JPEG or WebP image, whatever the file's name says.
    """
    if not content:
        raise BrokenImageError("the file is empty: attach it again")
    for signature, extension, mime_type in _SIGNATURES:
        if signature.match(content):
            ending = _ENDINGS.get(extension)
            if ending and ending not in content[-1024:]:
                raise BrokenImageError("the file is cut off: attach it again")
            return f"{hashlib.sha256(content).hexdigest()[:40]}.{extension}", mime_type
    raise BrokenImageError("the file is not a PNG, JPEG or WebP image, whatever its name says: attach a real one")


def has_upload(url: str, name: str) -> bool:
    """Whether an image address of Medusa is an upload of this name (Medusa puts a time in front)."""
    return url.split("?", 1)[0].rsplit("/", 1)[-1].endswith(name)
