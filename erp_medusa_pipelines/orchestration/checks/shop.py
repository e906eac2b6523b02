"""The doctor's findings about both servers, as an asset check.

The check `shop_is_ready` on the asset `installation`, which an operator executes in the UI.
"""

import dagster as dg

from erp_medusa_pipelines.orchestration.checks.installation import ASSET
from erp_medusa_pipelines.orchestration.resources import ShopConnection
from erp_medusa_pipelines.orchestration.shops import asset_key
from erp_medusa_pipelines.readiness.doctor import examine_shop
from erp_medusa_pipelines.readiness.findings import Finding, Level

TEXT = "Both servers have what the tasks need: versions, rights, fields, clock, currency, stock locations, ids."
SILENT = (Level.OK, Level.SKIPPED)


@dg.asset_check(
    asset=asset_key(ASSET), name="shop_is_ready", description=f"{TEXT} The same findings as `erp-medusa doctor`."
)
def shop_is_ready(shop: ShopConnection) -> dg.AssetCheckResult:
    """Build the check: it fails for doctor's findings `fail` and `unknown`; the table has warnings too."""
    with shop.open() as opened:
        findings = list(examine_shop(opened))
    told = [finding for finding in findings if finding.level not in SILENT]
    records = [dg.TableRecord(_row(finding)) for finding in told]
    return dg.AssetCheckResult(
        passed=not any(finding.level in (Level.FAIL, Level.UNKNOWN) for finding in told),
        metadata={
            "looked_at": len(findings),
            **({"findings": dg.MetadataValue.table(records)} if records else {}),
        },
    )


def _row(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level.value,
        "where": finding.area,
        "what": finding.name,
        "found": finding.found,
        "means": finding.means,
        "fix": finding.fix,
    }
