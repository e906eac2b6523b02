"""Pictures of Website Items: files in any ERPNext, and what their products show in any Medusa."""

import re
from typing import Any
from uuid import uuid4

import requests

from erp_medusa_sandbox.faults import SeenRequest
from erp_medusa_sandbox.shop.images import image
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp, EmbeddedSite
from tests.support.writes import medusa_writes

UPLOADS = r"/admin/uploads"
PICTURE_FIELDS = "id,thumbnail,images.id,images.url,images.rank"


class Photos:
    """Files of Website Items in a catalogue, and the products that should show them."""

    def __init__(self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, runner: Runner) -> None:
        self.catalogue = catalogue
        self.store = catalogue.store
        self.erp = erp
        self.medusa = medusa
        self.runner = runner
        self.group = catalogue.group("Photos")
        self._made = 0
        # Files that are saved without the Server Script need the folder that they say they lie in.
        for folder, above in (("Home", None), ("Home/Attachments", "Home")):
            self.store.insert("File", name=folder, file_name=folder.rpartition("/")[2], is_folder=1, folder=above)

    def item(self, **fields: Any) -> str:
        return self.catalogue.item(self.group, **fields)

    def export(self) -> None:
        """Make products of the items, without images."""
        assert self.runner.asset("medusa_collections").success
        assert self.runner.asset("medusa_products", "batch_0").success

    def add(self, item: str, name: str = "", content: bytes | None = None, **values: Any) -> str:
        """Attach a file, by default a unique picture. Returns the File's name."""
        self._made += 1
        name = name or f"photo {self._made}.png"
        if content is None:
            content = unique_image(name.rpartition(".")[2])
        creation = f"2026-01-01 00:00:{self._made:02d}.000000"
        return self.store.attach(item, name, content, **{"creation": creation, **values})

    def choose(self, item: str, file: str) -> None:
        """Make an attached picture the website image. Frappe then attaches it once more, for the field."""
        address = self.file(file)["file_url"]
        self.store.set("Website Item", item, website_image=address)
        if isinstance(self.store, EmbeddedSite):
            keys = ("file_name", "file_url", "file_type", "content_hash", "file_size")
            same = {key: self.file(file)[key] for key in keys} | {"attached_to_field": "website_image"}
            whose = {"attached_to_doctype": "Website Item", "attached_to_name": item}
            self.store.insert("File", name=f"field-{file}", creation="2026-01-02 00:00:00.000000", **same, **whose)

    def file(self, name: str) -> dict[str, Any]:
        row = self.store.get("File", name)
        assert row is not None
        return row

    def content(self, name: str) -> bytes:
        content = self.store.file(self.file(name)["file_url"])
        assert content is not None
        return content

    def unattached(self, name: str) -> tuple[str, bytes]:
        """Store a picture that is attached to nothing. Returns its path and its content, as the site keeps it."""
        helper = self.item(published=0)
        file = self.add(helper, f"{self._made} {name}")
        path, content = self.file(file)["file_url"], self.content(file)
        self.store.force("File", file, attached_to_name=None, attached_to_doctype=None)
        return path, content

    def slideshow(self, *images: str) -> str:
        """Add a Website Slideshow of these pictures."""
        name = f"Slides {self._made} {self.catalogue.tag}"
        rows = [{"image": image, "heading": f"Slide {number}"} for number, image in enumerate(images)]
        return self.store.insert("Website Slideshow", name=name, slideshow_name=name, slideshow_items=rows)

    def add_in_medusa(self, item: str, url: str) -> None:
        """Add a picture to the product as its last one, as an admin of Medusa does; it may be there already."""
        product = self.product(item)
        images = [{"id": entry["id"], "url": entry["url"]} for entry in product["images"]]
        if url not in {entry["url"] for entry in images}:
            body = {"images": [*images, {"url": url}]}
            self.medusa.admin("POST", f"/admin/products/{product['id']}", json=body)

    def sync(self, **options: Any) -> JobRun:
        return self.runner.asset("medusa_images", "batch_0", **options)

    def updated(self) -> int:
        """Products that the update of changed ones updates."""
        run = self.runner.asset("medusa_product_updates", "batch_0")
        assert run.success, run.reasons()
        return run.metadata("medusa_product_updates")["updated"]

    def product(self, item: str) -> dict[str, Any]:
        """The product as a customer sees it."""
        path = f"/store/products/{self.catalogue.row(item)['medusa_id']}"
        answer = self.medusa.store("GET", path, params={"fields": PICTURE_FIELDS})
        assert answer.status_code == 200, f"{item} is not in the shop: {answer.text}"
        product = answer.json()["product"]
        product["images"].sort(key=lambda shown: shown["rank"])
        return product

    def shown(self, item: str) -> list[bytes]:
        """What a customer's browser gets for the product's images, in their order."""
        return [fetched(entry["url"]) for entry in self.product(item)["images"]]

    def writes(self) -> list[SeenRequest]:
        return medusa_writes(self.medusa)

    def uploads(self) -> int:
        return len([seen for seen in self.writes() if re.search(UPLOADS, seen.path)])


def unique_image(kind: str) -> bytes:
    return image(kind, uuid4().int % 2**31)


def fetched(url: str) -> bytes:
    answer = requests.get(url, timeout=30)
    answer.raise_for_status()
    return answer.content
