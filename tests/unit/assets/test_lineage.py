"""The lineage that the UI draws begins at ERPNext's DocTypes; each asset says who owns it and where to look."""

import dagster as dg
import pytest

from erp_medusa_pipelines.assets.doctypes import DESCRIPTIONS, doctype
from erp_medusa_pipelines.assets.links import LOCATION
from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.settings import SettingsError, load_settings
from erp_medusa_pipelines.tasks import TASKS


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> dg.RepositoryDefinition:
    for name, value in {
        "ERPNEXT_URL": "https://erp.example.com",
        "ERPNEXT_API_KEY": "k",
        "ERPNEXT_API_SECRET": "s",
        "MEDUSA_URL": "https://api.example.com",
        "MEDUSA_API_KEY": "sk_1",
        "ASSET_OWNERS": '["team:shop", "erp@example.com"]',
        "RUNBOOK_URL": "https://wiki.example.com/operating",
    }.items():
        monkeypatch.setenv(name, value)
    return build_defs(load_settings(env_file=None)).get_repository_def()


def test_every_doctype_is_read_by_something_and_every_source_is_one(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    roots = {key for key in graph.materializable_asset_keys if not graph.get(key).parent_keys}
    assert roots == set()
    for name in DESCRIPTIONS:
        assert graph.get(doctype(name)).child_keys, f"nothing reads {name}"


def test_an_unknown_doctype_is_an_error() -> None:
    with pytest.raises(KeyError, match="no task has a right to 'Web Item'"):
        doctype("Web Item")


def test_owners_and_links_stand_on_every_asset(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners == ["team:shop", "erp@example.com"], key
        assert node.metadata["runbook"].value == "https://wiki.example.com/operating"
    stock = graph.get(dg.AssetKey("medusa_stock")).metadata
    assert stock["erpnext"].value == "https://erp.example.com/app/bin"
    assert stock["medusa"].value == "https://api.example.com/app/inventory"
    website_item = graph.get(doctype("Website Item")).metadata
    assert website_item["erpnext"].value == "https://erp.example.com/app/website-item"


def test_columns_of_the_ranking_lead_back_to_erpnext(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    for asset in ("sales_by_item", "top_selling_items"):
        metadata = graph.get(dg.AssetKey(asset)).metadata
        columns = {column.name for column in metadata["dagster/column_schema"].columns}
        lineage = metadata["dagster/column_lineage"].deps_by_column
        assert columns - set(lineage) <= {"table_field"}, "a setting names it, no column does"
        for deps in lineage.values():
            assert all(dep.asset_key in graph.get_all_asset_keys() for dep in deps)


@pytest.mark.parametrize("value", ['["shop"]', '["team:"]', '"team:shop"'])
def test_a_wrong_owner_names_the_setting(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASSET_OWNERS", value)
    with pytest.raises(SettingsError, match="ASSET_OWNERS"):
        load_settings(env_file=None)


def test_the_sandbox_never_links_into_a_shop_that_env_names(
    repository: dg.RepositoryDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USE_SANDBOX", "true")
    graph = build_defs(load_settings(env_file=None)).get_repository_def().asset_graph
    assert "erpnext" in repository.asset_graph.get(dg.AssetKey("medusa_stock")).metadata
    assert not {"erpnext", "medusa"} & set(graph.get(dg.AssetKey("medusa_stock")).metadata)


def test_every_asset_of_a_task_leads_to_the_job_that_plans_it(
    repository: dg.RepositoryDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the sandbox as well: a dry run is a job of its own, which nobody would look for in an asset's launchpad."""
    monkeypatch.setenv("USE_SANDBOX", "true")
    sandbox = build_defs(load_settings(env_file=None)).get_repository_def()
    for name in {asset for task in TASKS for asset in task.assets}:
        for each in (repository, sandbox):
            link = each.asset_graph.get(dg.AssetKey(name)).metadata["dry_run"]
            assert isinstance(link, dg.DagsterJobMetadataValue)
            assert link.job_name in each.job_names
            # In the workspace files it has the same name: test_deploy_files.py.
            assert link.location_name == LOCATION
