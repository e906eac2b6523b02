"""Nights through a real nginx with its defaults, in front of Medusa and in front of ERPNext.

Its limits are 8 KiB for a request line and 1 MiB for a body. What a customer sees is asked past it.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.suites.keys import recode
from tests.suites.publication import Shop, whole_shop
from tests.support.nginx import behind_nginx, longest_line, refusals
from tests.support.photos import unique_image
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp

__all__ = ["whole_shop"]

NIGHT = "export_items_and_images_custom"
ITEMS = 24
CODE = "قفازات-جراحية-معقمة-بدون-بودرة-" * 3
"""An item code is six bytes for each of these in an address: 24 of them are 13 kB."""
DESCRIPTION = "<p>" + "A paragraph as it is copied out of a catalogue. " * 1500 + "</p>"
"""70 kB: a call with 24 of them has 1.7 MB."""


@pytest.fixture
def homes(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("medusa", "erp")}
    for home in found.values():
        home.mkdir()
    return found


@pytest.fixture
def medusa(medusa: MedusaServer, homes: dict[str, Path]) -> Iterator[MedusaServer]:
    """The real Medusa behind nginx."""
    with behind_nginx(medusa.url, homes["medusa"]) as url:
        yield replace(medusa, url=url)


@pytest.fixture
def erp(erp: AnyErp, homes: dict[str, Path]) -> Iterator[AnyErp]:
    """ERPNext behind nginx."""
    with behind_nginx(erp.url, homes["erp"]) as url:
        yield cast(AnyErp, replace(cast(Any, erp), url=url))


@dataclass(frozen=True)
class Seen:
    """A product as a customer sees it."""

    title: str
    price: float | None
    pieces: int
    pictures: int


def seen(shop: Shop, names: list[str]) -> dict[str, Seen]:
    """What a customer sees of these Website Items; those that are not for sale are missing."""
    medusa = shop.medusa
    fields = "id,title,external_id,images.url,*variants.calculated_price,+variants.inventory_quantity"
    query = {"region_id": medusa.region_id, "fields": fields, "limit": 1000}
    found = {}
    for product in medusa.store("GET", "/store/products", params=query).json()["products"]:
        if product["external_id"] in names:
            (variant,) = product["variants"]
            price = variant["calculated_price"]
            found[product["external_id"]] = Seen(
                product["title"],
                price and price["calculated_amount"],
                variant["inventory_quantity"],
                len(product["images"]),
            )
    return found


def large_picture(size: int) -> bytes:
    """Make a whole PNG of at least this size: what no reader shows is in a chunk of its own."""
    small, kind = unique_image("png"), b"prVt"
    header = 8 + 25
    checksum = zlib.crc32(kind + bytes(size))
    return small[:header] + struct.pack(">I", size) + kind + bytes(size) + struct.pack(">I", checksum) + small[header:]


def test_nights_through_nginx_are_as_without_it(whole_shop: Shop, homes: dict[str, Path], runner: Runner) -> None:
    shop, store = whole_shop, whole_shop.catalogue.store
    names = []
    for number in range(ITEMS):
        code = f"{CODE}{number:02d}-{shop.catalogue.tag}"
        place = {"website_warehouse": shop.stocked.places["All"], "web_long_description": DESCRIPTION}
        names.append(shop.priced.item(code=code, web_item_name=f"Gloves {number}", **place))
    prices = {name: shop.priced.price(name, 1.5 + number) for number, name in enumerate(names)}
    for name in names:
        shop.stocked.bin(name, "Main", 3)
    photos = {name: shop.photos.add(name) for name in names[:6]}
    large = shop.photos.add(names[6], content=large_picture(1_200_000))

    first = runner.job(NIGHT, "batch_0")
    assert first.success, first.reasons()
    expected = {
        name: Seen(f"Gloves {number}", 1.5 + number, 3, int(name in photos)) for number, name in enumerate(names)
    }
    assert seen(shop, names) == expected
    (reject,) = first.rejects("medusa_images")
    assert large in reject["document"]
    assert "too large" in reject["reason"]

    shop.priced.forget()
    quiet = runner.job(NIGHT, "batch_0")
    assert quiet.success, quiet.reasons()
    # What a proxy refused may go through tomorrow: that picture alone is tried again.
    assert shop.priced.writes() == []
    assert first.rejects("medusa_images") == [reject]
    assert seen(shop, names) == expected

    store.set("Website Item", names[0], published=0)
    store.set("Website Item", names[1], web_item_name="Better gloves")
    shop.priced.change(prices[names[2]], price_list_rate=77)
    shop.stocked.bin(names[3], "Main", 0)
    store.trash("Website Item", names[4])
    recode(shop.catalogue, names[5], f"{CODE}new-{shop.catalogue.tag}")
    shop.photos.add(names[8])
    names.append(shop.whole(picture=False))
    changes = runner.job(NIGHT, "batch_0")
    assert changes.success, changes.reasons()
    for gone in (names[0], names[4]):
        del expected[gone]
    expected[names[1]] = replace(expected[names[1]], title="Better gloves")
    expected[names[2]] = replace(expected[names[2]], price=77)
    expected[names[3]] = replace(expected[names[3]], pieces=0)
    expected[names[8]] = replace(expected[names[8]], pictures=1)
    expected[names[-1]] = Seen(shop.catalogue.row(names[-1])["web_item_name"], 1.5, 3, 0)
    assert seen(shop, names) == expected
    # Larger bodies than nginx takes were sent in parts; addresses came near its limit, and none was too long.
    refused = {name: refusals(home) for name, home in homes.items()}
    assert [name for name, lines in refused.items() if lines] == ["medusa"]
    assert all("too large body" in line for line in refused["medusa"])
    assert longest_line(homes["medusa"]) > 7000
