"""When products go live, against the embedded Medusa."""

from datetime import UTC, datetime

from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.can_be_bought import CanBeBought
from erp_medusa_pipelines.sync.catalogue.publication import Publications
from erp_medusa_pipelines.sync.engine.batch_sync import BatchScope, SyncOptions
from erp_medusa_pipelines.sync.engine.batches import WHOLE_SHOP
from erp_medusa_pipelines.sync.engine.quarantine import Quarantine
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_sandbox.faults import Fault
from tests.suites.publication import PublicationSuite, whole_shop
from tests.support.erp_client import client_of, website_items
from tests.support.servers import ErpServer, MedusaServer

__all__ = ["TestPublication", "whole_shop"]


class TestPublication(PublicationSuite):
    pass


def test_a_medusa_that_is_down_is_given_up_after_three_windows(erp: ErpServer, medusa: MedusaServer) -> None:
    names = website_items(erp, 50)
    for name in names:
        erp.store.set("Website Item", name, medusa_id=f"prod_{name}", medusa_variant_id=f"variant_{name}")
    http = HttpClient("Medusa", medusa.url, {"Authorization": f"Basic {medusa.api_key}"}, sleep=lambda _seconds: None)
    scope = BatchScope(
        client_of(erp), MedusaClient(http), WHOLE_SHOP, Quarantine(), SyncReport(), SyncOptions(window=5)
    )
    now = datetime.now(UTC)
    buyable = CanBeBought(medusa=scope.medusa, sales_channel_id=medusa.sales_channel_id, batch=WHOLE_SHOP, now=now)
    medusa.faults.add(Fault("status", status=503, json={}))
    Publications(scope, buyable=buyable, today=now.date()).run()
    assert len(medusa.faults.requests) == 12
    assert sorted(each.name for each in scope.report.leftovers) == names
