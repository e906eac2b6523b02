"""Item codes and barcodes that move, against a real Medusa."""

from tests.suites.export import catalogue
from tests.suites.keys import KeysSuite

__all__ = ["TestKeys", "catalogue"]


class TestKeys(KeysSuite):
    pass
