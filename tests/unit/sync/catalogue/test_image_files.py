"""What counts as a whole image, and how an upload is recognised."""

import struct
import zlib

import pytest

from erp_medusa_pipelines.sync.catalogue.image_files import BrokenImageError, has_upload, shown_at, upload_name
from erp_medusa_sandbox.shop.images import image

JPEG = image("jpg", 1)


def jpeg_with(*segments: bytes) -> bytes:
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def application_segment(payload: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


@pytest.mark.parametrize(
    ("kind", "extension", "mime_type"),
    [("png", "png", "image/png"), ("jpeg", "jpg", "image/jpeg"), ("webp", "webp", "image/webp")],
)
def test_the_content_decides_what_a_file_is(kind: str, extension: str, mime_type: str) -> None:
    name, found = upload_name(image(kind, 7))
    assert (name.rpartition(".")[2], found) == (extension, mime_type)
    assert name.isascii()
    assert name != upload_name(image(kind, 8))[0]


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_a_file_that_lacks_its_end_is_refused_wherever_it_was_cut(kind: str) -> None:
    whole = image(kind, 7)
    for length in range(1, len(whole)):
        with pytest.raises(BrokenImageError):
            upload_name(whole[:length])


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_what_a_camera_or_an_editor_appends_does_no_harm(kind: str) -> None:
    assert upload_name(image(kind, 7) + b"appended" * 1000)[0].endswith(kind)


def test_the_end_of_a_thumbnail_inside_is_not_the_end_of_the_image() -> None:
    whole = jpeg_with(application_segment(b"Exif" + JPEG))
    assert upload_name(whole)[1] == "image/jpeg"
    with pytest.raises(BrokenImageError, match="truncated"):
        upload_name(whole[:-2])


def test_fill_bytes_before_a_segment_are_skipped() -> None:
    assert upload_name(jpeg_with(b"\xff\xff", application_segment(b"Exif")))[1] == "image/jpeg"


def test_a_damaged_picture_is_refused_although_both_its_ends_are_there() -> None:
    whole = bytearray(image("png", 7))
    at = whole.index(b"IDAT") + 10
    whole[at : at + 4] = b"\x00\xff\x00\xff"
    with pytest.raises(BrokenImageError, match="damaged"):
        upload_name(bytes(whole))


def test_a_small_file_that_unfolds_into_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    huge = image("png", 7).replace(struct.pack(">II", 16, 16), struct.pack(">II", 9000, 9000))
    start = huge.index(b"IHDR")
    huge = huge[: start + 17] + struct.pack(">I", zlib.crc32(huge[start : start + 17])) + huge[start + 21 :]
    with pytest.raises(BrokenImageError, match="9000 x 9000"):
        upload_name(huge)
    giant = huge.replace(struct.pack(">II", 9000, 9000), struct.pack(">II", 90_000, 90_000))
    giant = giant[: start + 17] + struct.pack(">I", zlib.crc32(giant[start : start + 17])) + giant[start + 21 :]
    with pytest.raises(BrokenImageError, match="too large"):
        upload_name(giant)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9000/static/1795308662603-{name}",
        "https://shop.s3.example/media/{stem}-01JQ5Z3V9W.png",
        "https://cdn.example/{name}?v=1",
    ],
)
def test_an_upload_is_recognised_whatever_the_file_provider_adds_to_its_name(url: str) -> None:
    name = upload_name(image("png", 1))[0]
    assert has_upload(url.format(name=name, stem=name.rpartition(".")[0]), name)
    assert not has_upload(url.format(name=name, stem=name.rpartition(".")[0]), upload_name(image("png", 2))[0])


def test_an_uploaded_file_is_found_among_the_addresses_of_a_product() -> None:
    name = "ab" * 20
    urls = [
        "https://cdn.example/1-x.png",
        f"https://cdn.example/shop/1700-{name}.png?v=2",
        "https://other.example/a.png",
    ]
    assert shown_at({"medusa_id": f"1700-{name}.png", "file_url": "/files/a.png"}, urls) == urls[1]
    assert shown_at({"medusa_id": "remote-12", "file_url": urls[2]}, urls) == urls[2]
    assert shown_at({"medusa_id": "remote-12", "file_url": "https://other.example/b.png"}, urls) is None
    assert shown_at({"medusa_id": f"1700-{'cd' * 20}.png", "file_url": "/files/a.png"}, urls) is None
    assert shown_at({"medusa_id": "typed by hand", "file_url": "/files/a.png"}, urls) is None
