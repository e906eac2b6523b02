"""The servers of one example: fresh, empty, and named in the environment."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest

from erp_medusa_sandbox.medusa.store import MedusaStore
from tests.machine.runs import NightRunner, QuietRunner
from tests.machine.world import BATCHES, World
from tests.support.servers import embedded_erpnext, embedded_medusa


@contextmanager
def open_world(
    more: Mapping[str, str] | None = None,
    runs: type[NightRunner | QuietRunner] = NightRunner,
    *,
    translations: bool = False,
) -> Iterator[World]:
    """A new shop with default settings, on two batches; Medusa's Translation module is on or off."""
    with ExitStack() as stack:
        erp = stack.enter_context(embedded_erpnext())
        store = MedusaStore(None)
        medusa = stack.enter_context(embedded_medusa(store=store, translations=translations))
        environment = {
            "ERPNEXT_URL": erp.url,
            "ERPNEXT_API_KEY": erp.key,
            "ERPNEXT_API_SECRET": erp.secret,
            "MEDUSA_URL": medusa.url,
            "MEDUSA_API_KEY": medusa.api_key,
            "MEDUSA_SALES_CHANNEL_ID": medusa.sales_channel_id,
            "MEDUSA_STOCK_LOCATION_ID": medusa.stock_location_id,
            "EXPORT_BATCHES": str(len(BATCHES)),
            **(more or {}),
        }
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr("erp_medusa_pipelines.clients.http.DEFAULT_SLEEP", lambda _seconds: None)
        yield World(erp, medusa, store, runs(), patch)
