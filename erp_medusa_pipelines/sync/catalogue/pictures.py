"""Which pictures ERPNext has of a Website Item, and in which order.

The places where ERPNext keeps pictures, read in few requests.

The order is ERPNext's: the website image, the slides of the Website Slideshow, then the attached files, oldest first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from erp_medusa_pipelines.clients.batched import batched, even_size
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.catalogue.fields import short_hash
from erp_medusa_pipelines.sync.catalogue.image_files import ImageFile, attached_images, by_content, encoded, is_remote

ITEMS_PER_REQUEST = 10_000
SLIDESHOW = "Website Slideshow"


@dataclass(slots=True)
class Source:
    """One picture of one Website Item, wherever ERPNext keeps it."""

    website_item: str
    address: str
    """Path on ERPNext's server as it is stored, or a web address with its percent encoding."""
    named_by: str = ""
    """The field that names it; empty for an attached file."""
    files: list[ImageFile] = field(default_factory=list)
    """Files of this content that are attached to the Website Item."""
    is_main: bool = False
    """Whether it is the website image, which becomes the thumbnail."""

    @property
    def key(self) -> str:
        """Identifies the picture in ERPNext. It is stored in the product, which is public: a hash, and no path."""
        return short_hash(self.files[0].address if self.files else self.address)

    @property
    def is_remote(self) -> bool:
        """Return whether it is on another server; Medusa then gets its address."""
        return is_remote(self.address)

    @property
    def new_files(self) -> list[ImageFile]:
        """Return the Files that Medusa's id is still to be written to."""
        return [file for file in self.files if not file.row["medusa_id"]]

    @property
    def is_filed(self) -> bool:
        """Return whether each of its Files has the id of an upload."""
        return bool(self.files) and not self.new_files


class PictureReader:
    """Reads the pictures of Website Items, whose `names` are asked for in this order, window by window."""

    def __init__(self, erp: ErpNextClient, names: Sequence[str]) -> None:
        self._erp = erp
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._files: dict[str, list[ImageFile]] = {}
        self._slides: dict[str, list[str]] = {}

    def read(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Source]]:
        """Return the pictures by Website Item. `rows` hold templates.PICTURE_FIELDS after `fall_back`."""
        wanted = list(rows)
        self._read_files([row["name"] for row in wanted])
        self._read_slides({row["slideshow"] for row in wanted if row["slideshow"]})
        return {
            row["name"]: sources_of(
                row["name"],
                row["website_image"],
                self._slides.get(row["slideshow"] or "", ()),
                self._files.get(row["name"], ()),
            )
            for row in wanted
        }

    def _read_files(self, names: Sequence[str]) -> None:
        """Read the Files of these Website Items, and of those that are next, in one request."""
        missing = [name for name in names if name not in self._files]
        if not missing:
            return
        first = self._places.get(missing[0], len(self._names))
        at_once = even_size(len(self._names), ITEMS_PER_REQUEST)
        ahead = [*missing, *(name for name in self._names[first : first + at_once] if name not in missing)]
        found: dict[str, list[ImageFile]] = {name: self._files[name] for name in names if name in self._files}
        for some in batched(ahead, at_once):
            found |= {name: [] for name in some}
            for file in attached_images(self._erp, some):
                found.setdefault(file.website_item, []).append(file)
            if all(name in found for name in names):
                break
        self._files = found

    def _read_slides(self, slideshows: set[str]) -> None:
        unread = sorted(slideshows - self._slides.keys())
        slides: dict[str, list[str]] = defaultdict(list)
        rows = self._erp.rows_in(
            "Website Slideshow Item",
            ["parent", "image"],
            unread,
            key="parent",
            order_by="parent asc, idx asc",
            parent=SLIDESHOW,
        )
        for row in rows:
            if row["image"]:
                slides[row["parent"]].append(str(row["image"]))
        self._slides |= {name: slides[name] for name in unread}


def sources_of(
    website_item: str, website_image: str | None, slides: Iterable[str], files: Iterable[ImageFile]
) -> list[Source]:
    """Return the pictures of one Website Item in their order; each picture once."""
    named = [("website_image", website_image.strip())] if website_image and website_image.strip() else []
    named += [("slideshow", slide.strip()) for slide in slides if slide.strip()]
    # Frappe keeps a File that its field does not name any more: that picture was replaced.
    present = [file for file in files if not (named and file.was_replaced(website_image))]
    attached = [
        Source(website_item, encoded(group[0].address) if group[0].is_remote else group[0].address, files=group)
        for group in by_content(present)
    ]
    found: dict[int | str, Source] = {}
    for name, address in named:
        source = _attached_as(address, attached)
        if source is None:
            source = Source(website_item, encoded(address) if is_remote(address) else address, name)
        elif source.is_remote:
            # Frappe stores the address of a File decoded.
            source.address = encoded(address)
        source.is_main = source.is_main or name == "website_image"
        found.setdefault(source.key, source)
    for source in attached:
        found.setdefault(source.key, source)
    return list(found.values())


def _attached_as(address: str, attached: Sequence[Source]) -> Source | None:
    """Return the attached picture with this address. Only where none has it exactly, its encoding may differ."""
    for same in (lambda one: one == address, lambda one: unquote(one) == unquote(address)):
        for source in attached:
            if any(same(file.address) for file in source.files):
                return source
    return None
