"""What the installation knows of a batch's last runs, whoever started them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.history import last_runs
from tests.support.operations import Daemon, our_daemon
from tests.support.runs import in_a_backfill

EXPORT, PRICES = "export_items_and_images_custom", "sync_missing_prices_to_medusa"


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Daemon]:
    shop_env.setenv("EXPORT_BATCHES", "2")
    with our_daemon(tmp_path) as made:
        yield made


def submitted(daemon: Daemon, job: str, batch: str | None, **tags: Any) -> dg.DagsterRun:
    """A run in the queue, with the tags that the coordinator gave it."""
    assets = ["medusa_products"] if job == "__ASSET_JOB" else None
    run = daemon.created(job, batch, assets=assets, **tags)
    return daemon.instance.submit_run(run.run_id, None)  # pyright: ignore[reportArgumentType]


@pytest.mark.long
def test_the_newest_run_of_each_task_is_reported(daemon: Daemon) -> None:
    submitted(daemon, EXPORT, "batch_1")
    export, prices = submitted(daemon, EXPORT, "batch_0"), submitted(daemon, PRICES, "batch_0")
    refused = submitted(daemon, EXPORT, "batch_0")
    assert refused.status == dg.DagsterRunStatus.CANCELED
    output = [(run.task, run.run_id, run.ended) for run in last_runs(daemon.instance, "batch_0")]
    assert output == [(EXPORT, export.run_id, ""), (PRICES, prices.run_id, "")]


@pytest.mark.long
def test_a_run_of_a_backfill_is_one_of_them(daemon: Daemon) -> None:
    """Its job is no task's, and its batch is in other tags."""
    submitted(daemon, EXPORT, "batch_0")
    run = submitted(daemon, "__ASSET_JOB", None, **in_a_backfill("batch_0"), **{"dagster/backfill": "abcdefgh"})
    assert [(output.task, output.run_id) for output in last_runs(daemon.instance, "batch_0")] == [(EXPORT, run.run_id)]
