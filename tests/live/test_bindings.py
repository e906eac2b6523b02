"""Who owns which product, against a real Medusa."""

from tests.suites.bindings import BindingsSuite
from tests.suites.export import catalogue

__all__ = ["TestBindings", "catalogue"]


class TestBindings(BindingsSuite):
    pass
