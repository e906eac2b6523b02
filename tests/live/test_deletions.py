"""Products that are deleted some time after their item was withdrawn, against a real Medusa."""

from tests.suites.deletions import DeletionsSuite, on
from tests.suites.export import catalogue
from tests.suites.variants import shop

__all__ = ["TestDeletions", "catalogue", "on", "shop"]


class TestDeletions(DeletionsSuite):
    pass
