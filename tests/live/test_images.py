"""Images against a real Medusa."""

from tests.suites.image_troubles import ImageTroublesSuite
from tests.suites.images import ImagesSuite, photos

__all__ = ["TestImageTroubles", "TestImages", "photos"]


class TestImageTroubles(ImageTroublesSuite):
    pass


class TestImages(ImagesSuite):
    pass
