"""Our plugin, installed into a real Medusa from its tarball as a shop does it."""

import pytest
import requests

from tests.suites.plugin import PluginSuite, carts
from tests.support.servers import MedusaServer

__all__ = ["TestPlugin", "carts"]


class TestPlugin(PluginSuite):
    pass


def test_medusa_lists_it(medusa: MedusaServer) -> None:
    names = [plugin["name"] for plugin in medusa.admin("GET", "/admin/plugins")["plugins"]]
    assert "medusa-plugin-erp-pipelines" in names


@pytest.mark.parametrize("path", ["", "/carts"])
def test_the_secret_key_opens_its_routes(medusa: MedusaServer, path: str) -> None:
    answer = requests.get(f"{medusa.url}/admin/erp-pipelines{path}", auth=(medusa.api_key, ""), timeout=60)
    assert answer.status_code == 200
