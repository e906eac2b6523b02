"""The ERPNext client of the tests in this directory."""

import pytest

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from tests.support.erp_client import client_of
from tests.support.servers import ErpServer


@pytest.fixture
def client(erp: ErpServer) -> ErpNextClient:
    return client_of(erp)
