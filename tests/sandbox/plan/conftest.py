"""A small shop with its export done, to be changed and planned."""

import pytest

from tests.support.catalogue import Catalogue
from tests.support.servers import ErpServer


@pytest.fixture
def catalogue(erp: ErpServer) -> Catalogue:
    """An empty catalogue of the test's own."""
    return Catalogue(erp.store)
