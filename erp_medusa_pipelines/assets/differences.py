"""The check that counts values in Medusa that differ from the ERP and that a field policy lets stand.

Its specification and its result over all batches.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from erp_medusa_pipelines.assets.reporting import ROWS_SHOWN, SyncRun
from erp_medusa_pipelines.orchestration.checks.rejects import KEPT_TABLE
from erp_medusa_pipelines.sync.catalogue.product_updates import KeptDifference

CHECK = "medusa_equals_erp"
NUMBER = "kept_differences"
COLUMNS = ("website_item", "field", "erp", "medusa")
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
    rows = [[one.website_item, one.field, _short(one.erp), _short(one.medusa)] for one in kept[:ROWS_SHOWN]]
    found = run.over_batches("differences", {NUMBER: len(kept)}, rows)
    return dg.AssetCheckResult(
        passed=not found.numbers[NUMBER],
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={**found.numbers, **({KEPT_TABLE: run.item_table(COLUMNS, found.rows)} if found.rows else {})},
    )


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
