"""The embedded Medusa's stand-in for our plugin answers as the plugin does."""

import pytest
import requests

from erp_medusa_sandbox.medusa.plugin import PluginOptions
from tests.suites.plugin import ROUTE, PluginSuite, carts
from tests.support.servers import embedded_medusa

__all__ = ["TestPlugin", "carts"]


class TestPlugin(PluginSuite):
    pass


@pytest.mark.parametrize("path", ["/carts", "/carts/delete"])
def test_it_refuses_a_medusa_that_it_was_not_tested_with(path: str) -> None:
    with embedded_medusa(plugin=PluginOptions(medusa="2.99.0")) as medusa:
        assert medusa.admin("GET", ROUTE)["plugin"]["works"] is False
        method = "POST" if path.endswith("delete") else "GET"
        answer = requests.request(method, medusa.url + ROUTE + path, auth=(medusa.api_key, ""), json={}, timeout=60)
        assert (answer.status_code, answer.json()["type"]) == (400, "not_allowed")
        assert "2.99.0" in answer.json()["message"]


def test_without_it_its_routes_are_unknown() -> None:
    with embedded_medusa(plugin=None) as medusa:
        assert requests.get(medusa.url + ROUTE, auth=(medusa.api_key, ""), timeout=60).status_code == 404
