"""Names and descriptions in further languages, against the embedded Medusa."""

from tests.suites.export import catalogue
from tests.suites.languages import LanguagesSuite, arabic

__all__ = ["TestLanguages", "arabic", "catalogue"]


class TestLanguages(LanguagesSuite):
    pass
