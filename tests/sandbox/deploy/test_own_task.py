"""The example of docs/your-own-task.md: installed as a package of its own, it ticks and runs like our tasks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ErpServer

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "own_task"
TICK_AND_RUN = """
import json
from datetime import UTC, datetime

import dagster as dg

from erp_medusa_pipelines.definitions import build_defs

repository = build_defs().get_repository_def()
schedule = repository.get_schedule_def("list_items_without_picture_schedule")
with dg.instance_for_test() as instance:
    moment = datetime(2026, 11, 30, 7, tzinfo=UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=moment, repository_def=repository)
    [request] = schedule.evaluate_tick(context).run_requests
    result = repository.get_job("list_items_without_picture").execute_in_process(
        instance=instance, tags=request.tags, raise_on_error=False
    )
    [event] = result.get_asset_materialization_events()
    checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    metadata = event.materialization.metadata
    print(json.dumps({
        "cron": schedule.cron_schedule,
        "on": schedule.default_status.value,
        "tags": request.tags,
        "found": metadata["found"].value,
        "rejected": [row.data["document"] for row in metadata["rejects"].value.records],
        "checks": checks,
        "standing": sorted(
            key.name for key in repository.asset_graph.asset_check_keys
            if key.asset_key.to_user_string() == "items_without_picture"
        ),
    }))
"""


def installed(folder: Path) -> dict[str, str]:
    """Install the example into a folder, as pip does, and return the environment that finds it there."""
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    uv = Path(sys.executable).with_name("uv")
    target = folder / "installed"
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--target", target, source], check=True, capture_output=True, text=True)
    return {**os.environ, "PYTHONPATH": str(target)}


@pytest.mark.slow
def test_a_task_of_another_package_ticks_runs_and_is_checked_like_ours(
    shop_env: pytest.MonkeyPatch, erp: ErpServer, tmp_path: Path
) -> None:
    for name, image in (("WI-1", "/files/a.png"), ("WI-2", "")):
        erp.store.insert(
            "Website Item", name=name, web_item_name=f"Item {name}", website_image=image, published=1, item_code=name
        )
    environment = installed(tmp_path)
    answer = subprocess.run(
        [sys.executable, "-c", TICK_AND_RUN], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    output = json.loads(answer.stdout.strip().splitlines()[-1])
    assert (output["cron"], output["on"]) == ("0 7 * * 1", "STOPPED")
    assert output["tags"]["queue"] == "default"
    assert output["tags"]["dagster/max_runtime"] == "120"
    assert output["found"] == 2
    assert output["rejected"] == ["Website Item WI-2"]
    assert output["checks"]["nothing_rejected"] is False
    assert output["standing"] == ["no_partition_left_failed", "nothing_rejected"]


@pytest.mark.slow
def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    rows = tmp_path / "installed" / "my_shop" / "tasks.py"
    rows.write_text(rows.read_text().replace("list_items_without_picture", "expire_otps"))
    command = [sys.executable, "-c", "import erp_medusa_pipelines.tasks"]
    answer = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "my_shop.tasks:TASKS: expire_otps is the name of another task or asset" in answer.stderr
