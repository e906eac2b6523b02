"""The shop's own mapping, against the embedded Medusa."""

from tests.suites.export import catalogue
from tests.suites.mapping import MappingSuite, shop

__all__ = ["TestMapping", "catalogue", "shop"]


class TestMapping(MappingSuite):
    pass
