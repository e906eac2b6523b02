"""When products go live, against the embedded Medusa."""

from tests.suites.publication import PublicationSuite, whole_shop

__all__ = ["TestPublication", "whole_shop"]


class TestPublication(PublicationSuite):
    pass
