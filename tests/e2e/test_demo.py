"""`make demo` as a newcomer sees it: a full night in the UI's history, and a terminal that can be read."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dev.deployment import ROOT, free_port
from erp_medusa_sandbox import server


def test_the_demo_launches_its_runs_in_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # The demo leaves the shop running for the next one.
    request.addfinalizer(lambda: server.stop(tmp_path / "sandbox"))
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    command = [sys.executable, "-m", "erp_medusa_pipelines.demo", "--port", str(free_port()), "--no-serve"]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "SANDBOX_DIR": str(tmp_path / "sandbox")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    assert "Done in" in done.stdout
    progress = [line for line in done.stdout.splitlines() if " runs, " in line]
    assert progress == list(dict.fromkeys(progress))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 6
        # Queued and launched as any other run, which is what the timeline shows.
        assert all(run.remote_job_origin for run in runs)
        made = {str(key.to_user_string()) for key in instance.all_asset_keys()}
    assert {"medusa_products", "medusa_prices", "medusa_stock", "product_collection", "best_deals"} <= made
