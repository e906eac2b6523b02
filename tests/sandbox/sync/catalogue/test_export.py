"""The export against the embedded Medusa."""

from tests.suites.export import ExportSuite, catalogue

__all__ = ["TestExport", "catalogue"]


class TestExport(ExportSuite):
    pass
