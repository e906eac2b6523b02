"""Changes during the day, against real servers."""

from tests.suites.changes import ChangesSuite, daemon
from tests.suites.for_sale import catalogue, market

__all__ = ["TestChanges", "catalogue", "daemon", "market"]


class TestChanges(ChangesSuite):
    pass
