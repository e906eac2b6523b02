"""Published Website Items without a picture: each is a line of the check's table until it has one."""

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.assets.links import writes
from erp_medusa_pipelines.assets.reporting import SyncConfig, check_spec, sync_run
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import pool
from erp_medusa_pipelines.sync.engine.report import Reject

ASSET = "items_without_picture"


@dg.asset(
    name=ASSET,
    group_name="my_shop",
    metadata=writes(),
    kinds={"erpnext"},
    pool=pool(ASSET),
    deps=[doctype("Website Item")],
    check_specs=[check_spec(ASSET)],
    description="Published Website Items, and which of them have no picture.",
)
def items_without_picture(
    context: dg.AssetExecutionContext, config: SyncConfig, shop: ShopConnection
) -> dg.MaterializeResult:
    with sync_run(context, shop, config, "Website Item") as run:
        fields = ["name", "web_item_name", "website_image"]
        for row in run.shop.erp.rows("Website Item", fields, filters=[["published", "=", 1]]):
            run.report.count("found")
            if not row["website_image"]:
                reason = f"{row['web_item_name']} is shown without a picture: attach one"
                run.report.reject(Reject("Website Item", row["name"], reason, field="website_image"))
        return run.result()


ASSETS = [items_without_picture]
