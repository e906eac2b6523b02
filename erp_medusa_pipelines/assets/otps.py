"""The asset expired_otps: one-time passwords whose validity has ended."""

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, check_spec, sync_run
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.schedules.gates import memory_key
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.sync.minute.otps import DOCTYPE, OtpExpiry, memory
from erp_medusa_pipelines.tasks import owner_task

ASSET = "expired_otps"
KEY = memory_key(owner_task(ASSET).name)


@dg.asset(
    name=ASSET,
    group_name="minute",
    metadata=writes(erpnext="Email OTP: status"),
    kinds={"erpnext"},
    pool=pool(ASSET),
    deps=[doctype("Email OTP")],
    check_specs=[check_spec(ASSET)],
    description="Pending Email OTP rows past their time, by the clock of ERPNext, set to Expired.",
)
def expired_otps(context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection) -> dg.MaterializeResult:
    with sync_run(context, shop, config, DOCTYPE) as run:
        # An error text may quote the row that it is about, and such a row is about a private person.
        run.shop.erp.http.redact.hide_addresses = True
        OtpExpiry(run.shop.erp, run.shop.writer, run.report, run.shop.settings, run.quarantine).run()
        state.save(context.instance, KEY, memory(run.quarantine))
        return run.result()


ASSETS = [expired_otps]
