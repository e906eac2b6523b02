"""Images against the embedded Medusa."""

import re

from erp_medusa_sandbox.faults import Fault
from tests.suites.image_troubles import ImageTroublesSuite
from tests.suites.images import ImagesSuite, photos
from tests.support.photos import Photos
from tests.support.servers import ErpServer

__all__ = ["TestImageTroubles", "TestImages", "photos"]


class TestImageTroubles(ImageTroublesSuite):
    pass


class TestImages(ImagesSuite):
    def test_a_file_that_is_back_on_its_disk_is_shown(self, photos: Photos, erp: ErpServer) -> None:
        """Neither its row nor its Website Item says that anything changed."""
        item = photos.item()
        lost, damaged = photos.add(item), photos.add(item)
        contents = [photos.content(file) for file in (lost, damaged)]
        urls = [photos.file(file)["file_url"] for file in (lost, damaged)]
        photos.export()
        erp.faults.add(Fault("status", method="GET", path=re.escape(urls[0]), status=404))
        erp.store.put_file(urls[1], contents[1][:-9])
        assert len(photos.sync().rejects("medusa_images")) == 2
        erp.faults.heal()
        erp.store.put_file(urls[1], contents[1])
        assert photos.sync().check("medusa_images").passed
        assert photos.shown(item) == contents
