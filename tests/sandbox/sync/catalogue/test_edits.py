"""What is edited in Medusa by hand, against the embedded Medusa."""

from tests.suites.edits import EditsSuite
from tests.suites.export import catalogue

__all__ = ["TestEdits", "catalogue"]


class TestEdits(EditsSuite):
    pass
