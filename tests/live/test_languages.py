"""Names and descriptions in further languages, against a real Medusa with its Translation module."""

from tests.suites.export import catalogue
from tests.suites.languages import TranslationModuleSuite, arabic

__all__ = ["TestLanguages", "arabic", "catalogue"]


class TestLanguages(TranslationModuleSuite):
    pass
