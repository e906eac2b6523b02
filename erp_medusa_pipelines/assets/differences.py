"""The check that counts values in Medusa that differ from the ERP and that a field policy lets stand.

Belongs here: its specification and its result over all batches. Does not belong here: comparing (sync/catalogue/).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from erp_medusa_pipelines.assets.reporting import ROWS_SHOWN, SyncRun, document_url
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.rejects import KEPT_TABLE
from erp_medusa_pipelines.sync.catalogue.product_updates import KeptDifference
from erp_medusa_pipelines.sync.engine.batches import batch_keys

CHECK = "medusa_equals_erp"
COLUMNS = ("website_item", "field", "erp", "medusa", "link")
LONGEST_VALUE = 200


def difference_check_spec(asset: str) -> dg.AssetCheckSpec:
    """Return the check that fails while Medusa keeps values that differ from the ERP."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description=(
            "Every product agrees with its Website Item. What somebody changed in Medusa is listed where the"
            " policy of its field keeps it until the ERP changes (FIELD_POLICIES; `keep` is not listed)."
            " `force: true` in the launchpad sends the ERP's values."
        ),
    )


def difference_check(run: SyncRun, kept: Sequence[KeptDifference]) -> dg.AssetCheckResult:
    """Return one result for the whole asset, from this batch and what the others found last."""
    instance, shop, own = run.context.instance, run.shop, run.context.partition_key
    rows = [[one.website_item, one.field, _short(one.erp), _short(one.medusa)] for one in kept[:ROWS_SHOWN]]
    state.save(instance, f"differences/{own}", {"number": len(kept), "rows": rows})
    found = [state.load(instance, f"differences/{key}") for key in batch_keys(shop.settings.export_batches)]
    number = sum(each.get("number", 0) for each in found)
    shown = [row for each in found for row in each.get("rows", ())][:ROWS_SHOWN]
    records = [
        dg.TableRecord(
            dict(zip(COLUMNS, (*row, document_url(shop.erp.http.base_url, WEBSITE_ITEM, row[0])), strict=True))
        )
        for row in shown
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in COLUMNS])
    table = {KEPT_TABLE: dg.MetadataValue.table(records, schema)} if records else {}
    return dg.AssetCheckResult(
        passed=not number,
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"kept_differences": number, **table},
    )


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
