"""Which Website Items go to a shop and into which channels, against a real Medusa."""

from tests.suites.chosen import ChosenSuite, groups, second
from tests.suites.export import catalogue

__all__ = ["TestChosen", "catalogue", "groups", "second"]


class TestChosen(ChosenSuite):
    pass
