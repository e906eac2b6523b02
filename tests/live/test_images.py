"""Images against a real Medusa."""

from tests.suites.images import ImagesSuite, photos

__all__ = ["TestImages", "photos"]


class TestImages(ImagesSuite):
    pass
