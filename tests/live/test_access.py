"""Keys, log-ins and versions against a real Medusa."""

from tests.suites.access import AccessSuite
from tests.suites.export import catalogue

__all__ = ["TestAccess", "catalogue"]


class TestAccess(AccessSuite):
    pass
