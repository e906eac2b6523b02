"""Images over real sockets: what products show afterwards, what was uploaded, and how bad files are reported."""

from urllib.parse import unquote
from uuid import uuid4

import pytest

from tests.support.catalogue import Catalogue
from tests.support.photos import Photos, fetched, unique_image
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp


@pytest.fixture
def photos(erp: AnyErp, medusa: MedusaServer, runner: Runner) -> Photos:
    return Photos(Catalogue(erp.store), erp, medusa, runner)


class ImagesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_pictures_of_every_kind_and_name_are_shown_by_their_product(self, photos: Photos) -> None:
        item = photos.item()
        files = [
            photos.add(item, "front.png"),
            photos.add(item, "photo 1 (left) #2?.jpg"),
            photos.add(item, "صورة 50%.jpeg"),
            photos.add(item, "more+less.webp"),
            photos.add(item, "price list & co.png", private=True),
        ]
        photos.export()
        run = photos.sync()
        assert run.success
        # Frappe saves JPEGs anew, without the comment in which these two differ.
        assert photos.shown(item) == list(dict.fromkeys(photos.content(name) for name in files))
        assert run.metadata("medusa_images")["written"] == 5
        assert run.check("medusa_images").passed
        ids = dict.fromkeys(photos.file(name)["medusa_id"] for name in files)
        for medusa_id, shown in zip(ids, photos.product(item)["images"], strict=True):
            assert medusa_id in unquote(shown["url"])

    @pytest.mark.embedded_erp("Frappe unquotes a name that looks quoted, and then misses the file that it stored")
    def test_a_picture_whose_name_looks_quoted_is_shown(self, photos: Photos) -> None:
        item = photos.item()
        name = photos.add(item, "100%25+more.webp")
        photos.export()
        assert photos.sync().success
        assert photos.shown(item) == [photos.content(name)]

    def test_a_product_that_is_made_again_gets_its_pictures_again(self, photos: Photos) -> None:
        item = photos.item()
        files = [photos.add(item, "front.png"), photos.add(item, "back.png")]
        photos.export()
        assert photos.sync().success
        photos.medusa.admin("DELETE", f"/admin/products/{photos.catalogue.row(item)['medusa_id']}")
        photos.export()
        assert photos.sync().success
        assert photos.shown(item) == [photos.content(name) for name in files]

    def test_the_website_image_becomes_the_thumbnail(self, photos: Photos) -> None:
        own, other = photos.item(), photos.item()
        first, second = photos.add(own), photos.add(own)
        photos.store.set("Website Item", own, website_image=photos.file(second)["file_url"])
        photos.add(other)
        photos.export()
        assert photos.sync().success
        product = photos.product(own)
        assert fetched(product["thumbnail"]) == photos.content(second)
        assert photos.shown(own) == [photos.content(second), photos.content(first)]
        # Without one the first image stands for the product, as in Medusa's own admin.
        product = photos.product(other)
        assert product["thumbnail"] == product["images"][0]["url"]

    def test_the_thumbnail_follows_the_website_image_and_only_that(self, photos: Photos) -> None:
        item = photos.item()
        first, second = photos.add(item), photos.add(item)
        photos.store.set("Website Item", item, website_image=photos.file(second)["file_url"])
        photos.export()
        assert photos.sync().success
        photos.choose(item, first)
        assert photos.updated() == 1
        assert fetched(photos.product(item)["thumbnail"]) == photos.content(first)
        assert photos.shown(item) == [photos.content(first), photos.content(second)]
        by_hand = f"https://cdn.example/{uuid4().hex}.png"
        photos.medusa.admin("POST", f"/admin/products/{photos.product(item)['id']}", json={"thumbnail": by_hand})
        photos.store.set("Website Item", item, web_item_name="Another name")
        assert photos.updated() == 1
        assert photos.product(item)["thumbnail"] == by_hand
        assert photos.updated() == 0

    def test_later_pictures_come_before_those_that_were_added_in_medusa_and_change_nothing_else(
        self, photos: Photos
    ) -> None:
        item = photos.item()
        photos.add(item)
        photos.export()
        assert photos.sync().success
        by_hand = f"https://cdn.example/{uuid4().hex}.png"
        before = photos.product(item)
        kept = [{"id": entry["id"], "url": entry["url"]} for entry in before["images"]]
        body = {"images": [*kept, {"url": by_hand}], "thumbnail": by_hand}
        photos.medusa.admin("POST", f"/admin/products/{before['id']}", json=body)
        before = photos.product(item)
        later = photos.add(item)
        assert photos.sync().success
        after = photos.product(item)
        assert [after["images"][place]["id"] for place in (0, 2)] == [entry["id"] for entry in before["images"]]
        assert fetched(after["images"][1]["url"]) == photos.content(later)
        assert after["images"][2]["url"] == after["thumbnail"] == by_hand

    def test_a_rerun_uploads_and_writes_nothing(self, photos: Photos) -> None:
        items = [photos.item() for _ in range(12)]
        for item in items:
            photos.add(item)
        photos.export()
        photos.medusa.faults.forget_requests()
        assert photos.sync().metadata("medusa_images")["written"] == 12
        # Eight files a call, and one call that shows them all.
        assert (photos.uploads(), len(photos.writes())) == (2, 3)
        photos.medusa.faults.forget_requests()
        photos.erp.faults.forget_requests()
        again = photos.sync()
        assert again.metadata("medusa_images")["found"] == 0
        assert photos.medusa.faults.requests == []
        # The new Files, and the Website Items whose fields could name a picture.
        assert [seen.method for seen in photos.erp.faults.requests] == ["GET", "GET"]
        assert photos.updated() == 0

    def test_a_file_attached_twice_is_uploaded_and_shown_once(self, photos: Photos) -> None:
        item = photos.item()
        content = unique_image("png")
        duplicates = [photos.add(item, "one.png", content), photos.add(item, "other.png", content)]
        photos.store.set("Website Item", item, website_image=photos.file(duplicates[1])["file_url"])
        photos.export()
        # A real site makes one more, of the Website Image.
        attached = photos.store.rows("File", attached_to_name=item, attached_to_doctype="Website Item")
        assert photos.sync().metadata("medusa_images")["written"] == len(attached) >= 2
        product = photos.product(item)
        assert photos.shown(item) == [content]
        assert product["thumbnail"] == product["images"][0]["url"]
        (medusa_id,) = {photos.file(name)["medusa_id"] for name in duplicates}
        assert medusa_id

    @pytest.mark.parametrize("named", ["as its File", "as it was typed"])
    def test_a_file_on_another_server_is_used_where_it_is(self, photos: Photos, named: str) -> None:
        item = photos.item()
        url = f"https://cdn.example/{uuid4().hex}/picture%201.jpg?v=100%25"
        local = photos.add(item)
        # Frappe decodes the address of a File when it saves it, and leaves the field as it was typed.
        remote = photos.add(item, "picture.jpg", file_url=unquote(url), file_size=0, content_hash=None)
        # The webshop saves no image that has no File of exactly this address; an import may.
        address = photos.file(remote)["file_url"] if named == "as its File" else url
        photos.store.force("Website Item", item, website_image=address)
        photos.export()
        assert photos.sync().success
        product = photos.product(item)
        assert product["images"][0]["url"] == product["thumbnail"] == url
        assert fetched(product["images"][1]["url"]) == photos.content(local)
        assert photos.file(remote)["medusa_id"]
        assert photos.sync().metadata("medusa_images")["found"] == 0

    def test_images_of_items_without_product_wait_for_the_export(self, photos: Photos) -> None:
        exported, unpublished = photos.item(), photos.item(published=0)
        photos.add(exported)
        hidden = photos.add(unpublished)
        photos.medusa.faults.forget_requests()
        early = photos.sync()
        assert early.success
        assert early.metadata("medusa_images")["waiting"] == 2
        assert photos.medusa.faults.requests == []
        photos.export()
        late = photos.sync()
        assert (late.metadata("medusa_images")["written"], late.metadata("medusa_images")["waiting"]) == (1, 1)
        assert not photos.file(hidden)["medusa_id"]

    def test_an_item_that_was_unpublished_after_its_export_keeps_its_draft_complete(self, photos: Photos) -> None:
        item = photos.item()
        photos.export()
        photos.store.set("Website Item", item, published=0)
        file = photos.add(item)
        assert photos.sync().success
        assert photos.shown(item) == [photos.content(file)]

    def test_an_image_removed_in_the_erp_leaves_the_product(self, photos: Photos) -> None:
        item = photos.item()
        gone, other = photos.add(item), photos.add(item)
        photos.export()
        assert photos.sync().success
        by_hand = f"https://cdn.example/{uuid4().hex}.png"
        photos.add_in_medusa(item, by_hand)
        photos.store.delete("File", gone)
        assert photos.updated() == 1
        product = photos.product(item)
        assert fetched(product["images"][0]["url"]) == photos.content(other)
        assert [entry["url"] for entry in product["images"][1:]] == [by_hand]
        assert product["thumbnail"] == product["images"][0]["url"]
        photos.store.delete("File", other)
        assert photos.updated() == 1
        assert [entry["url"] for entry in photos.product(item)["images"]] == [by_hand]
        assert photos.updated() == 0

    def test_a_picture_that_is_replaced_five_times_is_shown_once(self, photos: Photos) -> None:
        item = photos.item()
        photos.export()
        by_hand = f"https://cdn.example/{uuid4().hex}.png"
        # As the form does: the File of the field before stays attached.
        files = [photos.add(item, attached_to_field="website_image") for _ in range(5)]
        for file in files:
            photos.store.set("Website Item", item, website_image=photos.file(file)["file_url"])
            assert photos.sync().success
            photos.add_in_medusa(item, by_hand)
        product = photos.product(item)
        assert [entry["url"] for entry in product["images"]] == [product["thumbnail"], by_hand]
        assert fetched(product["thumbnail"]) == photos.content(files[-1])
        photos.medusa.faults.forget_requests()
        assert photos.sync().success
        assert photos.updated() <= 1
        assert photos.updated() == 0

    def test_an_order_that_somebody_made_in_medusa_stays_until_the_erp_changes(self, photos: Photos) -> None:
        item = photos.item()
        first, second = photos.add(item), photos.add(item)
        photos.export()
        assert photos.sync().success
        product = photos.product(item)
        images = [{key: entry[key] for key in ("id", "url")} for entry in reversed(product["images"])]
        photos.medusa.admin("POST", f"/admin/products/{product['id']}", json={"images": images})
        assert photos.updated() <= 1
        assert photos.shown(item) == [photos.content(second), photos.content(first)]
        photos.store.set("Website Item", item, website_image=photos.file(first)["file_url"])
        assert photos.updated() == 1
        third = photos.add(item)
        assert photos.sync().success
        assert photos.shown(item) == [photos.content(name) for name in (first, second, third)]

    # --- pictures that no attached File says ----------------------------------------------------------------------

    @pytest.mark.parametrize("name", ["x.png", "a b#1 50%.png", "صورة.png"])
    @pytest.mark.long
    def test_a_website_image_without_an_attached_file_is_shown(self, photos: Photos, name: str) -> None:
        item = photos.item()
        path, content = photos.unattached(name)
        photos.store.force("Website Item", item, website_image=path)
        photos.export()
        assert photos.sync().metadata("medusa_images")["written"] == 1
        assert photos.shown(item) == [content]
        assert fetched(photos.product(item)["thumbnail"]) == content
        photos.medusa.faults.forget_requests()
        assert photos.sync().metadata("medusa_images")["found"] == 0
        assert photos.updated() <= 1
        assert photos.uploads() == 0
        path, content = photos.unattached(name)
        photos.store.force("Website Item", item, website_image=path)
        assert photos.sync().metadata("medusa_images")["written"] == 1
        assert photos.shown(item) == [content]

    def test_a_website_image_that_is_missing_is_a_reject_of_its_website_item(self, photos: Photos) -> None:
        item = photos.item()
        photos.export()
        photos.store.force("Website Item", item, website_image=f"/files/gone-{uuid4().hex}.png")
        run = photos.sync()
        assert run.success
        (reject,) = run.rejects("medusa_images")
        assert reject["document"] == f"Website Item {item}"
        assert "missing" in reject["reason"]

    def test_slides_follow_the_website_image_and_come_before_other_files(self, photos: Photos) -> None:
        item, other = photos.item(), photos.item()
        attached = photos.add(item)
        (main, shown), (first, slide) = photos.unattached("main.png"), photos.unattached("first slide.png")
        web = f"https://cdn.example/{uuid4().hex}/a%20b.jpg"
        slideshow = photos.slideshow(first, web, main)
        for name in (item, other):
            photos.store.force("Website Item", name, website_image=main, slideshow=slideshow)
        photos.export()
        assert photos.sync().success
        urls = [entry["url"] for entry in photos.product(item)["images"]]
        assert urls.pop(2) == web
        assert [fetched(url) for url in urls] == [shown, slide, photos.content(attached)]
        assert fetched(photos.product(other)["thumbnail"]) == shown
        # One upload for each content, although two products show it.
        assert len({entry["url"] for name in (item, other) for entry in photos.product(name)["images"]}) == 4

    def test_an_item_without_website_image_shows_its_items_image(self, photos: Photos) -> None:
        path, content = photos.unattached("item.png")
        item = photos.item()
        photos.store.force("Item", photos.catalogue.row(item)["item_code"], image=path)
        photos.store.force("Website Item", item, website_image=None)
        photos.export()
        assert photos.sync().success
        assert photos.shown(item) == [content]
        assert fetched(photos.product(item)["thumbnail"]) == content

    def test_a_variant_shows_its_templates_picture_and_description_until_it_has_its_own(self, photos: Photos) -> None:
        template = photos.item(published=0, web_long_description="<p>Of all sizes</p>")
        variant = photos.item(web_long_description=None)
        path, content = photos.unattached("template.png")
        photos.store.force("Website Item", template, website_image=path)
        code = photos.catalogue.row(template)["item_code"]
        photos.store.force("Item", photos.catalogue.row(variant)["item_code"], variant_of=code)
        photos.export()
        assert photos.sync().success
        assert photos.shown(variant) == [content]
        product_id = photos.catalogue.row(variant)["medusa_id"]
        product = photos.medusa.admin("GET", f"/admin/products/{product_id}")["product"]
        assert product["description"] == "Of all sizes"
        own = photos.add(variant)
        # ERPNext would not save it: an Item does not become a variant later.
        photos.store.force("Website Item", variant, website_image=photos.file(own)["file_url"])
        assert photos.sync().success
        assert photos.shown(variant) == [photos.content(own)]

    def test_a_picture_is_known_by_its_content_where_its_type_is_empty(self, photos: Photos) -> None:
        item = photos.item()
        files = [
            photos.add(item, "old.png", file_type=None),
            photos.add(item, "no ending", unique_image("jpg"), file_type=None),
            photos.add(item, "named wrong.gif", unique_image("png"), file_type="GIF"),
        ]
        photos.add(item, "datasheet.pdf", b"%PDF-1.4", file_type=None)
        photos.export()
        run = photos.sync()
        assert run.success
        assert run.check("medusa_images").passed
        assert photos.shown(item) == [photos.content(name) for name in files]

    def test_the_text_of_the_website_image_is_in_the_metadata(self, photos: Photos) -> None:
        item = photos.item(website_image_alt="Syringe &amp; needle")
        photos.export()
        product_id = photos.catalogue.row(item)["medusa_id"]
        product = photos.medusa.admin("GET", f"/admin/products/{product_id}", params={"fields": "id,metadata"})
        assert product["product"]["metadata"]["image_alt"] == "Syringe & needle"

    # --- bad files --------------------------------------------------------------------------------------------
