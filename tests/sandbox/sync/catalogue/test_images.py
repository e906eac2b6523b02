"""Images against the embedded Medusa."""

from tests.suites.images import ImagesSuite, photos

__all__ = ["TestImages", "photos"]


class TestImages(ImagesSuite):
    pass
