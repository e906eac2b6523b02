"""Pictures that something goes wrong with: what is reported, what is tried again, and that nothing else suffers."""

import re
from typing import Any
from uuid import uuid4

import pytest

from erp_medusa_pipelines.sync.catalogue.image_files import upload_name
from erp_medusa_sandbox.faults import Fault
from tests.suites.export import NOTES
from tests.support.photos import UPLOADS, Photos, unique_image
from tests.support.runs import Runner

VIRUS = {"status": 400, "json": {"message": "virus found"}}
PRODUCTS = r"/admin/products/batch"


class ImageTroublesSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_bad_files_are_rejects_that_name_file_and_item_and_the_rest_is_shown(
        self, photos: Photos, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("IMAGE_MAX_BYTES", "20000")
        item = photos.item()
        png, jpg, webp = (unique_image(kind) for kind in ("png", "jpg", "webp"))
        # Frappe itself refuses a broken .jpg, and looks at no other kind.
        expected = {
            photos.add(item, "page.png", b"<html>no picture</html>"): "not a PNG, JPEG or WebP",
            photos.add(item, "cut.png", png[:-9]): "truncated",
            photos.add(item, "cut-jpeg.png", jpg[:-2]): "truncated",
            photos.add(item, "cut.webp", webp[:-1]): "truncated",
            photos.add(item, "huge.png", unique_image("png") + bytes(20_000)): "20,000",
            photos.add(item, "unmeasured.png", unique_image("png") + bytes(30_000), file_size=0): "larger than",
            photos.add(item, "gone.png", file_url=f"/files/gone-{uuid4().hex}.png"): "missing",
            photos.add(item, "gone2.png", file_url=f"/private/files/gone-{uuid4().hex}.png", is_private=1): "missing",
            photos.add(item, "odd.png", file_url=".other.example/odd.png"): "neither a path",
        }
        good = photos.add(item)
        photos.export()
        run = photos.sync()
        assert run.success
        assert not run.check("medusa_images").passed
        rejects = {row["document"].removeprefix("File "): row for row in run.rejects("medusa_images")}
        assert set(rejects) == set(expected)
        for name, words in expected.items():
            assert words in rejects[name]["reason"]
            assert f"{photos.file(name)['file_name']} of Website Item {item}" in rejects[name]["reason"]
            assert rejects[name]["link"].endswith(f"/app/file/{name}")
            assert not photos.file(name)["medusa_id"]
        assert photos.shown(item) == [photos.content(good)]

    @pytest.mark.embedded_erp("Frappe takes no empty upload; a file may be emptied on its disk")
    def test_an_empty_file_is_a_reject(self, photos: Photos) -> None:
        item = photos.item()
        empty = photos.add(item, "empty.png", b"")
        photos.export()
        run = photos.sync()
        assert run.success
        (reject,) = run.rejects("medusa_images")
        assert reject["document"] == f"File {empty}"
        assert "the file is empty" in reject["reason"]

    def test_pictures_of_other_kinds_are_named_and_other_files_are_not(self, photos: Photos) -> None:
        item = photos.item()
        others = [
            photos.add(item, name, b"GIF89a", file_type=kind) for name, kind in (("a.gif", "GIF"), ("b.svg", "SVG"))
        ]
        remote = photos.add(item, "c.avif", file_url="https://cdn.example/c.avif", file_type="AVIF", file_size=0)
        photos.add(item, "datasheet.pdf", b"%PDF-1.4", file_type="PDF")
        photos.export()
        run = photos.sync()
        assert run.success
        rejects = {row["document"].removeprefix("File "): row["reason"] for row in run.rejects("medusa_images")}
        assert set(rejects) == {*others, remote}
        assert "GIF files are not shown" in rejects[others[0]]
        assert photos.uploads() == 0

    def test_a_bad_file_is_left_alone_until_it_changes_or_is_asked_for(
        self, photos: Photos, shop_env: pytest.MonkeyPatch
    ) -> None:
        item = photos.item()
        bad = photos.add(item, "bad.png", b"no picture")
        large = photos.add(item, "large.png", unique_image("png") + bytes(3000))
        photos.export()
        shop_env.setenv("IMAGE_MAX_BYTES", "2000")
        assert len(photos.sync().rejects("medusa_images")) == 2
        photos.erp.faults.forget_requests()
        again = photos.sync()
        assert {row["held"] for row in again.rejects("medusa_images")} == {"since an earlier run"}
        assert self._downloads(photos) == 0
        photos.sync(run_config={"ops": {"medusa_images": {"config": {"retry_rejected": True}}}})
        assert self._downloads(photos) == 1
        # Each advice that a reason gives helps: a larger limit, and a real picture.
        shop_env.setenv("IMAGE_MAX_BYTES", "20000")
        assert [row["document"] for row in photos.sync().rejects("medusa_images")] == [f"File {bad}"]
        assert photos.file(large)["medusa_id"]
        picture = unique_image("png")
        photos.store.replace_file(bad, picture)
        healed = photos.sync()
        assert healed.check("medusa_images").passed
        assert photos.shown(item) == [picture, photos.content(large)]

    def test_a_picture_that_was_removed_in_medusa_is_told_until_its_file_is_deleted(
        self, photos: Photos, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        # A real Medusa has products of other tests, which have no Website Item here.
        shop_env.setenv("ORPHANED_PRODUCTS", "report")
        item = photos.item()
        photos.add(item)
        removed = photos.add(item, "back.png")
        # Its id was written by something else, so that nobody can tell what it looked like in Medusa.
        photos.store.force("File", photos.add(item, "other.png"), medusa_id="file_01")
        photos.export()
        photos.sync()
        assert self._not_shown(runner) == []
        product = photos.product(item)
        front = {key: product["images"][0][key] for key in ("id", "url")}
        photos.medusa.admin("POST", f"/admin/products/{product['id']}", json={"images": [front]})
        photos.medusa.faults.forget_requests()
        assert self._not_shown(runner) == [(item, "back.png")]
        assert photos.writes() == []
        photos.store.delete("File", removed)
        assert self._not_shown(runner) == []

    @staticmethod
    def _not_shown(runner: Runner) -> list[tuple[str, str]]:
        check = runner.asset("orphaned_products").check("orphaned_products", "pictures_are_shown")
        found: Any = check.metadata.get("problems")
        rows = [(row.data["website_item"], row.data["file_name"]) for row in found.records] if found else []
        assert check.passed == (not rows)
        return rows

    def test_a_file_that_medusa_refuses_is_found_among_the_others(self, photos: Photos) -> None:
        item, other = photos.item(), photos.item()
        good = [photos.add(item) for _ in range(6)]
        refused = photos.add(other)
        body = re.escape(upload_name(photos.content(refused))[0])
        photos.export()
        photos.medusa.faults.add(
            Fault("status", method="POST", path=UPLOADS, body=body, status=400, json={"message": "virus found"})
        )
        run = photos.sync()
        (reject,) = run.rejects("medusa_images")
        assert reject["document"] == f"File {refused}"
        assert "virus found" in reject["reason"]
        assert photos.shown(item) == [photos.content(name) for name in good]

    @pytest.mark.parametrize("refusal", [{"status": 413, "text": "<h1>413 Request Entity Too Large</h1>"}, VIRUS])
    def test_a_picture_that_was_refused_on_its_way_is_shown_once_it_may_pass(
        self, refusal: dict[str, Any], photos: Photos
    ) -> None:
        item = photos.item()
        file = photos.add(item)
        photos.export()
        photos.medusa.faults.add(Fault("status", method="POST", path=UPLOADS, body="PNG|JFIF", **refusal))
        assert len(photos.sync().rejects("medusa_images")) == 1
        photos.medusa.faults.heal()
        assert photos.sync().check("medusa_images").passed
        assert photos.shown(item) == [photos.content(file)]

    def test_a_product_that_cannot_take_its_images_does_not_stop_the_others(self, photos: Photos) -> None:
        items = [photos.item() for _ in range(8)]
        files = [photos.add(item) for item in items]
        photos.export()
        bad = photos.catalogue.row(items[3])["medusa_id"]
        refusal = {"type": "invalid_data", "message": "no such image"}
        photos.medusa.faults.add(Fault("status", method="POST", path=PRODUCTS, body=bad, status=400, json=refusal))
        run = photos.sync()
        assert run.success
        assert [row["document"] for row in run.rejects("medusa_images")] == [f"File {files[3]}"]
        assert [bool(photos.product(item)["images"]) for item in items] == [number != 3 for number in range(8)]

    def test_images_of_a_deleted_product_wait(self, photos: Photos) -> None:
        items = [photos.item(), photos.item()]
        for item in items:
            photos.add(item)
        photos.export()
        photos.medusa.admin("DELETE", f"/admin/products/{photos.catalogue.row(items[0])['medusa_id']}")
        run = photos.sync()
        assert run.success
        assert (run.metadata("medusa_images")["written"], run.metadata("medusa_images")["waiting"]) == (1, 1)

    # --- lost answers and transient failures --------------------------------------------------------------------

    def test_a_lost_answer_to_the_upload_leaves_no_image_twice(self, photos: Photos) -> None:
        item = photos.item()
        files = [photos.add(item) for _ in range(3)]
        photos.export()
        photos.medusa.faults.add(Fault("drop_after", method="POST", path=UPLOADS, times=1))
        run = photos.sync()
        assert run.success
        assert photos.shown(item) == [photos.content(name) for name in files]

    def test_a_lost_answer_to_the_update_of_the_product_leaves_no_image_twice(self, photos: Photos) -> None:
        item = photos.item()
        files = [photos.add(item) for _ in range(3)]
        photos.export()
        photos.medusa.faults.add(Fault("drop_after", method="POST", path=PRODUCTS, times=1))
        photos.medusa.faults.forget_requests()
        assert photos.sync().success
        assert photos.uploads() == 1
        assert photos.shown(item) == [photos.content(name) for name in files]

    def test_uploads_whose_product_was_reached_before_a_crash_are_found_again(self, photos: Photos) -> None:
        item = photos.item()
        files = [photos.add(item) for _ in range(3)]
        photos.export()
        # Nothing is noted on the Files: the answer is lost, and so is every look at what was stored.
        photos.erp.faults.add(
            Fault("status", method="POST", path=NOTES, body="medusa_id", status=502, text="Bad Gateway")
        )
        run = photos.sync()
        assert not run.success
        assert run.metadata("medusa_images")["left"] == 3
        assert not any(photos.file(name)["medusa_id"] for name in files)
        photos.erp.faults.heal()
        photos.medusa.faults.forget_requests()
        healed = photos.sync()
        assert healed.metadata("medusa_images")["adopted"] == 3
        assert photos.writes() == []
        assert all(photos.file(name)["medusa_id"] for name in files)
        assert photos.shown(item) == [photos.content(name) for name in files]

    def test_a_lost_answer_to_the_note_on_the_file_counts_as_what_it_did(self, photos: Photos) -> None:
        item = photos.item()
        file = photos.add(item)
        photos.export()
        photos.erp.faults.add(Fault("drop_after", method="POST", path=NOTES, body="medusa_id"))
        run = photos.sync()
        assert run.success
        assert run.metadata("medusa_images")["written"] == 1
        assert photos.file(file)["medusa_id"]

    def test_a_file_that_cannot_be_read_now_turns_the_run_red_and_the_rest_is_done(self, photos: Photos) -> None:
        items = [photos.item() for _ in range(6)]
        files = [photos.add(item, f"shot-{number}.png") for number, item in enumerate(items)]
        photos.export()
        photos.erp.faults.add(Fault("status", method="GET", path=r"/files/shot-2\.png", status=503))
        run = photos.sync()
        assert not run.success
        assert run.metadata("medusa_images")["left"] == 1
        assert files[2] in run.failure_text("medusa_images")
        assert [bool(photos.file(name)["medusa_id"]) for name in files] == [n != 2 for n in range(6)]
        photos.erp.faults.heal()
        assert photos.sync().success
        assert photos.shown(items[2]) == [photos.content(files[2])]

    def test_an_erp_that_goes_away_leaves_every_file_for_the_retry(self, photos: Photos) -> None:
        for _ in range(4):
            photos.add(photos.item())
        photos.export()
        photos.erp.faults.add(Fault("status", path=r"(File|Website Item|get_list)", skip=1, status=503))
        run = photos.sync()
        assert not run.success
        assert run.metadata("medusa_images")["left"] == 4

    def test_a_medusa_that_is_down_is_given_up_soon_and_nothing_is_lost(
        self, photos: Photos, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setattr("erp_medusa_pipelines.sync.catalogue.images.PRODUCTS_PER_WINDOW", 2)
        shop_env.setenv("HTTP_ATTEMPTS", "1")
        items = [photos.item() for _ in range(24)]
        files = [photos.add(item) for item in items]
        photos.export()
        photos.medusa.faults.add(Fault("drop_before", method="POST", path=UPLOADS))
        photos.medusa.faults.forget_requests()
        run = photos.sync()
        assert run.metadata("medusa_images")["left"] == 24
        # Three calls in a row, each made twice; some more may be under way by then.
        assert photos.uploads() < 24
        photos.medusa.faults.heal()
        assert photos.sync().metadata("medusa_images")["written"] == 24
        assert all(photos.file(name)["medusa_id"] for name in files)

    def test_a_wrong_key_of_the_erp_fails_the_run(self, photos: Photos, shop_env: pytest.MonkeyPatch) -> None:
        photos.add(photos.item(), "own.png", private=True)
        photos.export()
        photos.erp.faults.add(
            Fault("status", path=r"/private/files/", status=401, json={"exc_type": "AuthenticationError"})
        )
        run = photos.sync()
        assert not run.success
        assert "key" in run.failure_text("medusa_images")

    # --- helpers ----------------------------------------------------------------------------------------------

    @staticmethod
    def _downloads(photos: Photos) -> int:
        return len([seen for seen in photos.erp.faults.requests if "/files/" in seen.path])
