"""Keys, log-ins and versions against the embedded Medusa."""

from tests.suites.access import AccessSuite
from tests.suites.export import catalogue

__all__ = ["TestAccess", "catalogue"]


class TestAccess(AccessSuite):
    pass
