"""The UI shows the doctor's findings as an asset check."""

import dagster as dg

from erp_medusa_pipelines.definitions import build_defs
from tests.support.runs import Runner
from tests.support.servers import ErpServer

CHECK = dg.AssetCheckKey(dg.AssetKey("installation"), "shop_is_ready")


def execute(runner: Runner) -> dg.AssetCheckEvaluation:
    """As the button Execute does."""
    job = dg.define_asset_job("looks", selection=dg.AssetSelection.checks(CHECK))
    definitions = dg.Definitions.merge(build_defs(), dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("looks").execute_in_process(instance=runner.instance)
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_a_finding_of_the_doctor_fails_the_check_and_is_in_its_table(runner: Runner, erp: ErpServer) -> None:
    erp.site(roles=["System Manager", "Item Manager", "Sales Master Manager", "Accounts User"])
    found = execute(runner)
    assert not found.passed
    table = found.metadata["findings"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = [record.data for record in table.records if record.data["what"] == "Bin"]
    assert row["level"] == "fail"
    assert "Stock User" in str(row["fix"])
