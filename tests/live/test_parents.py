"""Website Items that name the same parent, against a real Medusa."""

from tests.suites.export import catalogue
from tests.suites.parents import ParentsSuite, on, shop

__all__ = ["TestParents", "catalogue", "on", "shop"]


class TestParents(ParentsSuite):
    pass
