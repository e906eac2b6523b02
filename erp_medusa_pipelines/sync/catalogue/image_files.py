"""Image files of Website Items: which ones, their bytes, and the name under which Medusa stores them."""

import hashlib
import io
import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.engine.values import number

FILE_FIELDS = (
    "name", "file_name", "file_url", "file_type", "file_size", "content_hash", "attached_to_name", "attached_to_field",
    "medusa_id",
)  # fmt: skip

# Frappe stores the type in upper case, and .jpeg as JPG; JPEG is there for rows made by other tools.
FILE_TYPES = ("PNG", "JPG", "JPEG", "JPE", "JFIF", "WEBP")
OTHER_PICTURES = ("GIF", "SVG", "AVIF", "HEIC", "HEIF", "BMP", "TIF", "TIFF", "ICO", "JXL")
"""Types that are refused. Their Files are read all the same, so that each one is reported."""

ATTACHED_IMAGES = [
    ["attached_to_doctype", "=", WEBSITE_ITEM],
    # Empty on Files of earlier versions of Frappe, and of imports: then the name and the content tell.
    ["file_type", "in", ["", *FILE_TYPES, *OTHER_PICTURES]],
    ["is_folder", "=", 0],
]
NEW_IMAGES = [*ATTACHED_IMAGES, ["medusa_id", "is", "not set"]]

REMOTE_ID = "remote-"
"""Prefix of the `medusa_id` of Files on another server."""

_UPLOADED_AS = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})$")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REMOTE = re.compile(r"^https?://", re.IGNORECASE)
_PNG_END = b"IEND\xaeB`\x82"
_FORMATS = {"PNG": ("png", "image/png"), "JPEG": ("jpg", "image/jpeg"), "WEBP": ("webp", "image/webp")}

_STARTS = (b"\x89PNG", b"\xff\xd8", b"RIFF")
"""The first bytes of those formats."""

MOST_PIXELS = 50_000_000
"""Pixels. A file of a few kilobytes can decode to a picture that exhausts the memory."""


class BrokenImageError(Exception):
    """A file that is no usable image; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One File row attached to a Website Item."""

    row: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the File."""
        return self.row["name"]

    @property
    def website_item(self) -> str:
        """Name of the Website Item that it is attached to."""
        return self.row["attached_to_name"]

    @property
    def is_remote(self) -> bool:
        """Return whether the file is on another server; Medusa then gets its address unchanged."""
        return is_remote(self.address)

    @property
    def address(self) -> str:
        """Its `file_url`: a path as it is on the disk, or a web address, which Frappe stores decoded."""
        return (self.row["file_url"] or "").strip()

    @property
    def may_be_picture(self) -> bool:
        """Return whether its type says so; without one, whether its name does or has no ending."""
        if self.row["file_type"]:
            return True
        ending = named_type(self.row["file_name"] or self.address)
        return not ending or ending.upper() in (*FILE_TYPES, *OTHER_PICTURES)

    def was_replaced(self, website_image: str | None) -> bool:
        """Return whether it was put into the field `website_image`, which names another picture now.

        Frappe keeps such a File attached.
        """
        by_field = self.row["attached_to_field"] == "website_image"
        return by_field and bool(website_image) and unquote(self.address) != unquote((website_image or "").strip())

    @property
    def fingerprint(self) -> str:
        """Changes with the file's content or address."""
        return hashlib.sha256(f"{self.row['content_hash']}|{self.row['file_url']}".encode()).hexdigest()[:32]

    def was_saved_with(self, content: bytes) -> bool:
        """Return whether this is the content that ERPNext saved, by its own hash of it."""
        return self.row["content_hash"] == hashlib.md5(content, usedforsecurity=False).hexdigest()


def attached_images(erp: ErpNextClient, website_items: Iterable[str]) -> list[ImageFile]:
    """Return the image files attached to these Website Items, oldest attachment first, in one request."""
    names = list(website_items)
    if not names:
        return []
    rows = erp.get_list(
        "File",
        [*FILE_FIELDS, "creation"],
        filters=[*ATTACHED_IMAGES, ["attached_to_name", "in", names]],
        order_by="creation asc, name asc",
    )
    return [file for file in map(ImageFile, rows) if file.may_be_picture]


def is_remote(address: str) -> bool:
    """Return whether it is a web address and no path on ERPNext's server."""
    return bool(_REMOTE.match(address))


def encoded(address: str) -> str:
    """Return a web address with everything percent-encoded that must be. What is encoded already stays as it is."""
    return quote(_LONE_PERCENT.sub("%25", address), safe="%/:?#[]@!$&'()*+,;=~")


def by_content(images: Iterable[ImageFile]) -> list[list[ImageFile]]:
    """Group Files by ERPNext's content hash: attaching a file twice makes two Files."""
    groups: dict[str, list[ImageFile]] = defaultdict(list)
    for image in images:
        groups[image.row["content_hash"] or image.row["file_url"] or image.name].append(image)
    return list(groups.values())


def check_address(address: str) -> None:
    """Refuse anything but a path on ERPNext's server: a File must not choose the server that the API key is sent to."""
    if not address.startswith("/") or address.startswith("//"):
        raise BrokenImageError("its address is neither a path such as /files/... nor an http address: attach it again")


def check_type(kind: str) -> None:
    """Refuse picture types that the shop does not show."""
    if kind.upper() in OTHER_PICTURES:
        raise BrokenImageError(f"{kind.upper()} files are not shown in the shop: attach it as PNG, JPEG or WebP")


def named_type(address: str) -> str:
    """Return the type that the ending of an address says, or an empty text."""
    ending = _EXTENSION.search(address.split("?", 1)[0])
    return ending.group(1) if ending else ""


def check_size(image: ImageFile, limit: int) -> None:
    """Refuse a file by its recorded size, before it is downloaded."""
    size = int(number(image.row["file_size"]))
    if size > limit:
        raise BrokenImageError(
            f"the file has {size:,} bytes, the limit is {limit:,}: make it smaller or raise IMAGE_MAX_BYTES"
        )


def is_upload(url: str) -> bool:
    """Return whether an image address of Medusa has the name of an upload of ours."""
    return bool(_UPLOADED_AS.search(url.split("?", 1)[0].rsplit("/", 1)[-1]))


def was_sent_by_us(file: Mapping[str, Any]) -> bool:
    """Return whether the `medusa_id` of a File is one that this project writes. Another one tells no address."""
    return file["medusa_id"].startswith(REMOTE_ID) or bool(_UPLOADED_AS.search(file["medusa_id"]))


def shown_at(file: Mapping[str, Any], urls: Iterable[str]) -> str | None:
    """Return the image address of a product that shows an uploaded File {file_url, medusa_id}, or None."""
    if file["medusa_id"].startswith(REMOTE_ID):
        return next((url for url in urls if unquote(url) == unquote(file["file_url"])), None)
    name = _UPLOADED_AS.search(file["medusa_id"])
    return next((url for url in urls if name and has_upload(url, f"{name.group()}.")), None)


def upload_name(content: bytes, said_type: str = "") -> tuple[str, str]:
    """Return (name, MIME type) for the upload. The name is the content's hash: ASCII, and recognised later.

    Medusa stores no hash of its own; a rerun finds the upload by the name in the image's address.
    Raises BrokenImageError when the content is not a whole PNG, JPEG or WebP image, whatever the file's name says.
    `said_type` is the type by its row or name; a type that the shop does not show is then named as the reason.
    """
    if not content:
        raise BrokenImageError("the file is empty: attach it again")
    if not content.startswith(_STARTS):
        check_type(said_type)
    extension, mime_type = _FORMATS[_checked_format(content)]
    return f"{hashlib.sha256(content).hexdigest()[:40]}.{extension}", mime_type


def _checked_format(content: bytes) -> str:
    """Decode the picture and return Pillow's name of its format."""
    # Imported late: only runs with new images need it, and the code location must load quickly.
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=tuple(_FORMATS)) as picture:
            kind, (width, height) = picture.format or "", picture.size
            if width * height > MOST_PIXELS:
                raise BrokenImageError(
                    f"the picture has {width} x {height} pixels: make it smaller and attach it again"
                )
            # A JPEG is decoded at an eighth of its size, which reads all of its data in a fraction of the time.
            picture.draft("RGB", (width // 8, height // 8))
            picture.load()
    except UnidentifiedImageError:
        raise BrokenImageError(
            "the file is not a PNG, JPEG or WebP image, despite its name: attach a valid one"
        ) from None
    except Image.DecompressionBombError as error:
        raise BrokenImageError(f"the picture is too large: {error}; make it smaller and attach it again") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise BrokenImageError(f"the file is truncated or damaged ({error}): attach it again") from None
    if kind == "PNG" and _PNG_END not in content:
        raise BrokenImageError("the file is truncated: attach it again")
    return kind


def has_upload(url: str, name: str) -> bool:
    """Return whether an image address of Medusa is an upload of this name. File providers add a time or an id to it."""
    return name.rpartition(".")[0] in url.split("?", 1)[0].rsplit("/", 1)[-1]
