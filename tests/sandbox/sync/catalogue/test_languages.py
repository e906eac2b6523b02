"""Names and descriptions in further languages, against the embedded Medusa, with and without its Translation module."""

from collections.abc import Iterator

import pytest

from tests.suites.export import catalogue
from tests.suites.languages import LanguagesSuite, TranslationModuleSuite, arabic
from tests.support.servers import MedusaServer, embedded_medusa

__all__ = ["TestLanguages", "TestTranslationModule", "arabic", "catalogue"]


class TestLanguages(LanguagesSuite):
    pass


class TestTranslationModule(TranslationModuleSuite):
    @pytest.fixture
    def medusa(self) -> Iterator[MedusaServer]:
        with embedded_medusa(translations=True) as server:
            yield server
