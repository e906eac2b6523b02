"""The doctor's findings about both servers, as a check of the asset `installation`."""

import dagster as dg

from erp_medusa_pipelines.orchestration.checks.installation import ASSET
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import asset_key
from erp_medusa_pipelines.orchestration.tables import table
from erp_medusa_pipelines.readiness.doctor import examine_shop
from erp_medusa_pipelines.readiness.findings import Level

TEXT = "Both servers have what the tasks need: versions, rights, fields, clock, currency, stock locations, ids."
SILENT = (Level.OK, Level.SKIPPED)


@dg.asset_check(
    asset=asset_key(ASSET), name="shop_is_ready", description=f"{TEXT} The same findings as `erp-medusa doctor`."
)
def shop_is_ready(shop: ShopConnection) -> dg.AssetCheckResult:
    """Build the check: it fails for doctor's findings `fail` and `unknown`; the table has warnings too."""
    with shop.open() as opened:
        findings = list(examine_shop(opened))
    rows = [
        {
            "level": one.level.value,
            "where": one.area,
            "what": one.name,
            "found": one.found,
            "means": one.means,
            "fix": one.fix,
        }
        for one in findings
        if one.level not in SILENT
    ]
    return dg.AssetCheckResult(
        passed=not any(one.level in (Level.FAIL, Level.UNKNOWN) for one in findings),
        metadata={"looked_at": len(findings), **({"findings": table(rows, rows[0].keys())} if rows else {})},
    )
