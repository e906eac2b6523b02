"""Deletion of expired carts against the embedded Medusa, with the plugin and without."""

import pytest

from erp_medusa_sandbox.medusa.plugin import PluginOptions
from tests.suites.expired_carts import ASSET, JOB, ExpiredCartSuite, carts, runs
from tests.support.carts import Carts
from tests.support.runs import Runner
from tests.support.servers import embedded_medusa

__all__ = ["TestExpiredCarts", "carts", "runs"]


class TestExpiredCarts(ExpiredCartSuite):
    pass


@pytest.mark.parametrize("plugin", [None, PluginOptions(medusa="2.99.1")])
def test_without_a_plugin_that_fits_nothing_is_deleted(
    runs: Runner, shop_env: pytest.MonkeyPatch, plugin: PluginOptions | None
) -> None:
    with embedded_medusa(plugin=plugin) as medusa:
        shop_env.setenv("MEDUSA_URL", medusa.url)
        shop_env.setenv("MEDUSA_API_KEY", medusa.api_key)
        cart = Carts(medusa).add()
        run = runs.job(JOB)
        if plugin:
            assert "was tested with Medusa 2.21, this is 2.99.1" in run.failure_text(ASSET)
        else:
            assert run.success
            assert "plugin that can is not installed" in run.metadata(ASSET)["skipped"]
        assert Carts(medusa).exists(cart)
