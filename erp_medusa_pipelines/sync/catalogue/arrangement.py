"""How a product shows the pictures of its Website Item: a pure decision.

Ours are shown in ERPNext's order, before those that somebody added in Medusa. Which are ours is recorded in the
product's metadata, with the picture that each was in ERPNext; products of earlier versions have no record, and there an
upload of ours is known by its name. So what ERPNext has replaced or removed leaves the product, a picture that was
added in Medusa stays, and one of ours that was removed in Medusa stays away.

The arrangement changes only when ERPNext's pictures do: until then, whatever order somebody gives them in Medusa stays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.sync.catalogue.fields import short_hash
from erp_medusa_pipelines.sync.catalogue.image_files import is_upload

PICTURES_KEY = "erp_pictures"
"""Key in the product's metadata: one "picture in ERPNext:image in Medusa" for each of ours, as short hashes."""

THUMBNAIL_KEY = "erp_thumbnail"
"""Key in the product's metadata: hash of the thumbnail that was set last, so that a manual change is noticed."""

_AWAY = "-"
"""Instead of the image: it was removed in Medusa."""

Product = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture that has been uploaded. Its `url` is None where somebody removed it in Medusa."""

    key: str
    url: str | None
    is_main: bool = False


def recorded(product: Product) -> dict[str, str]:
    """Return {picture in ERPNext: image in Medusa}. People can edit metadata, so anything may be there."""
    entries = metadata_of(product).get(PICTURES_KEY)
    pairs = (entry.split(":") for entry in entries if isinstance(entry, str)) if isinstance(entries, list) else ()
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def was_shown(product: Product, key: str) -> bool:
    """Return whether a picture is recorded, and not as one that somebody removed in Medusa."""
    return recorded(product).get(key, _AWAY) != _AWAY


def recorded_url(product: Product, key: str) -> str | None:
    """Return the address at which the product (with `images`) shows a recorded picture, or None."""
    image = recorded(product).get(key)
    return next((each["url"] for each in product["images"] if short_hash(each["url"]) == image), None)


def arrange(
    product: Product, pictures: Sequence[Placed], *, set_thumbnail: bool, is_complete: bool = True
) -> dict[str, Any]:
    """Return the body that shows these pictures (images, thumbnail, metadata); empty where nothing differs.

    `product` holds images, thumbnail and metadata. `set_thumbnail` makes the website image the thumbnail. While not
    `is_complete`, others are still to come, and a product does not lose its last picture.
    """
    shown = sorted(product["images"], key=lambda image: image["rank"])
    record = recorded(product)
    urls = list(dict.fromkeys(each.url for each in pictures if each.url))
    others = [image["url"] for image in shown if image["url"] not in urls]
    stale = [url for url in others if _is_ours(url, record)]
    if not urls and not is_complete:
        stale = []
    wanted = [*urls, *(url for url in others if url not in stale)]
    body: dict[str, Any] = {}
    if wanted != [image["url"] for image in shown]:
        # Medusa replaces the whole set. An image sent with its id keeps that id.
        ids = {image["url"]: image["id"] for image in shown}
        body["images"] = [{"id": ids[url], "url": url} if url in ids else {"url": url} for url in wanted]
    thumbnail = _thumbnail(product["thumbnail"], pictures, wanted, stale, set_thumbnail=set_thumbnail)
    if thumbnail != product["thumbnail"]:
        body |= thumbnail_body(thumbnail)
    # One of ours that is kept for now is still known as such.
    kept = {key: image for key, image in record.items() if image in {short_hash(url) for url in wanted}}
    now = {each.key: short_hash(each.url) if each.url else _AWAY for each in pictures}
    entries = [f"{key}:{image}" for key, image in (now if urls else {**now, **kept}).items()]
    if entries != (metadata_of(product).get(PICTURES_KEY) or []):
        body["metadata"] = {**body.get("metadata", {}), PICTURES_KEY: entries or ""}
    return body


def thumbnail_body(url: str | None) -> dict[str, Any]:
    """Return the body that sets the thumbnail and records it in the metadata."""
    return {"thumbnail": url, "metadata": {THUMBNAIL_KEY: short_hash(url) if url else ""}}


def _thumbnail(
    before: str | None, pictures: Iterable[Placed], wanted: Sequence[str], stale: Sequence[str], *, set_thumbnail: bool
) -> str | None:
    """The website image, where it is due; a product without one, or whose thumbnail leaves it, gets its first image."""
    main = next((each.url for each in pictures if each.is_main and each.url), None)
    if main and set_thumbnail:
        return main
    if before and before not in stale:
        return before
    return main or (wanted[0] if wanted else None)


def _is_ours(url: str, record: Mapping[str, str]) -> bool:
    return short_hash(url) in record.values() if record else is_upload(url)
