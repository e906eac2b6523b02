"""The names of one shop and of several: what a code location is called, with and without SHOP_NAME."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

# Pools and tags are named while the modules load: each shop is a process.
NAMES = """
import json

from erp_medusa_pipelines.definitions import defs

repository = defs.get_repository_def()
graph = repository.asset_graph
nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
jobs = [repository.get_job(name) for name in repository.job_names]
print(json.dumps({
    "assets": {node.key.to_user_string(): node.group_name for node in nodes},
    "parents": {node.key.to_user_string(): sorted(key.to_user_string() for key in node.parent_keys) for node in nodes},
    "pools": sorted({pool for node in nodes if node.is_executable for pool in node.pools}),
    "checks": sorted(key.to_user_string() for key in graph.asset_check_keys),
    "planned": sorted({node.metadata["dry_run"].location_name for node in nodes if "dry_run" in node.metadata}),
    "tags": {job.name: {**job.tags, **job.run_tags} for job in jobs},
    "selected": {job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
                 for job in jobs},
    "schedules": sorted(each.name for each in repository.schedule_defs),
    "sensors": sorted(each.name for each in repository.sensor_defs),
}))
"""


def names(directory: Path, shop: str | None = None) -> dict[str, Any]:
    """All names of a code location that was loaded in a process of its own."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory)}
    done = subprocess.run(
        [sys.executable, "-c", NAMES],
        cwd=directory,
        env={**environment, **({"SHOP_NAME": shop} if shop else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return names(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def muscat(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return names(tmp_path_factory.mktemp("muscat"), "muscat")


@pytest.mark.long
def test_without_a_name_nothing_tells_of_shops(one: dict[str, Any]) -> None:
    assert {key.split("/")[0] for key in one["assets"] if "/" in key} == {"erpnext"}
    assert {"medusa_products", "medusa_stock", "quotation_emails", "installation"} <= set(one["assets"])
    assert "quotation_emails" in one["pools"]
    assert not [tags for tags in one["tags"].values() if any("shop" in key for key in tags)]


@pytest.mark.long
def test_a_name_is_before_every_asset_group_pool_and_check_and_on_every_job(
    one: dict[str, Any], muscat: dict[str, Any]
) -> None:
    def prefixed(keys: list[str]) -> list[str]:
        return [f"muscat/{key}" for key in keys]

    assert muscat["assets"] == {f"muscat/{key}": f"muscat_{group}" for key, group in one["assets"].items()}
    assert muscat["parents"] == {f"muscat/{key}": prefixed(keys) for key, keys in one["parents"].items()}
    assert muscat["pools"] == [f"muscat_{pool}" for pool in one["pools"]]
    assert muscat["checks"] == prefixed(one["checks"])
    assert muscat["selected"] == {job: prefixed(keys) for job, keys in one["selected"].items()}
    for job, tags in muscat["tags"].items():
        if not job.startswith("__"):
            assert tags == {**one["tags"][job], "shop": "muscat"}, job
    # Told apart by the code location, which has the shop's name: links lead there.
    assert (muscat["schedules"], muscat["sensors"]) == (one["schedules"], one["sensors"])
    assert (one["planned"], muscat["planned"]) == (["erp_medusa_pipelines"], ["muscat"])
