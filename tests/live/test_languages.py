"""Names and descriptions in further languages, against a real Medusa with its Translation module, and one without."""

from collections.abc import Iterator

import pytest

from tests.live.conftest import MedusaServer, medusa_beside, own_medusa, proxied
from tests.suites.export import catalogue
from tests.suites.languages import LanguagesSuite, TranslationModuleSuite, arabic, translates
from tests.support.servers import MedusaServer as ProxiedServer

__all__ = ["TestLanguages", "TestWithoutTheModule", "arabic", "catalogue"]


class TestLanguages(TranslationModuleSuite):
    pass


@pytest.fixture(scope="module")
def without_module() -> Iterator[MedusaServer]:
    """A Medusa as it is by default, beside the project's own."""
    with own_medusa(), medusa_beside(MEDUSA_FF_TRANSLATION="false") as lines:
        yield MedusaServer.from_lines(lines)


class TestWithoutTheModule(LanguagesSuite):
    @pytest.fixture
    def medusa(self, without_module: MedusaServer) -> Iterator[ProxiedServer]:
        with proxied(without_module) as server:
            assert not translates(server)
            yield server
