"""Runs on two workers by Celery: real Redis, PostgreSQL and S3; each worker with a home and a folder of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from dev.deployment import BIN, ROOT, Deployment, deployed, private_postgres, wait_for
from tests.support.bucket import Bucket, private_bucket
from tests.support.nights import BATCHES, CLEARANCE, CREATE, EXPORT, TOP_SELLERS
from tests.support.products import external_ids
from tests.support.redis import private_redis
from tests.support.workers import INSTANCE, TASK_TAG, Worker, worker_of

pytestmark = pytest.mark.timeout(900)


@dataclass
class Cluster:
    """An installation without any worker yet."""

    deployment: Deployment
    folder: Path
    bucket: Bucket
    workers: list[Worker] = field(default_factory=list)

    def worker(self, name: str, *queues: str) -> Worker:
        worker = Worker(name, self.folder / name, dict(self.deployment.environment))
        self.workers.append(worker)
        worker.start(*queues)
        return worker

    def worker_of(self, run_id: str) -> Worker:
        return worker_of(run_id, self.deployment, self.workers)


@contextmanager
def cluster(folder: Path, **settings: str) -> Iterator[Cluster]:
    with (
        private_postgres(folder / "postgres") as database,
        private_redis(folder / "redis") as broker,
        private_bucket(folder / "s3") as bucket,
    ):
        home = folder / "head"
        home.mkdir()
        with deployed(
            home,
            INSTANCE,
            True,
            postgres_url=database,
            DAGSTER_CELERY_BROKER_URL=broker,
            DAGSTER_CELERY_BACKEND_URL=broker,
            COMPUTE_LOGS_BUCKET=bucket.name,
            FRAMES_URL=f"{bucket.url}/frames",
            **bucket.environment,
            **settings,
        ) as deployment:
            found = Cluster(deployment, folder, bucket)
            try:
                yield found
            finally:
                for worker in found.workers:
                    worker.stop()


def test_a_night_runs_over_two_workers_and_a_second_start_is_refused(tmp_path: Path) -> None:
    with cluster(tmp_path) as found:
        one, two = (found.worker(name, "short", "default", "long") for name in ("one", "two"))
        deployment = found.deployment
        runs = [deployment.launch(EXPORT, batch) for batch in BATCHES]
        again = deployment.launch(EXPORT, BATCHES[0])
        runs += [deployment.launch(CLEARANCE), deployment.launch(TOP_SELLERS)]
        for run_id in runs:
            ended = deployment.ended(run_id, 400)
            assert ended.status == "SUCCESS", ended.messages
            assert ended.tags["dagster-celery/queue"] == ended.tags["queue"]
        refused = deployment.ended(again)
        assert refused.status == "CANCELED"
        assert refused.tags["not_started"]
        assert {found.worker_of(run_id).name for run_id in runs} == {"one", "two"}
        products = external_ids(deployment.shop)
        assert len(products) == len(set(products)) > 300
        output = [key for key in found.bucket.stored() if key.startswith("compute_logs/")]
        assert {run_id for run_id in runs if any(run_id in key for key in output)} == set(runs)
        for worker in (one, two):
            assert not (worker.home / "storage").exists(), "nothing that another worker needs lies on its disk"


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with cluster(tmp_path, RETRY_DELAY_SECONDS="5", MEDUSA_CHUNK="10", HTTP_ATTEMPTS="1") as found:
        for name in ("one", "two"):
            found.worker(name, "short", "default", "long")
        deployment = found.deployment
        deployment.turn_on_sensor("retry_failed_partitions")
        # The second chunk hangs: the first is in Medusa by then, and its ids may or may not be in ERPNext.
        deployment.break_medusa(action="latency", seconds=600, path=CREATE, skip=1)
        cut = deployment.launch(EXPORT, BATCHES[0])
        wait_for("products of the first chunk", lambda: external_ids(deployment.shop), 120)
        lost = found.worker_of(cut)
        lost.kill()
        deployment.heal()
        ended = deployment.ended(cut, 180)
        assert ended.status == "FAILURE", ended.messages
        assert "no heartbeat from its process" in ended.messages
        wait_for("green", lambda: deployment.partitions("medusa_stock")["green"] == [BATCHES[0]], 240)
        tag = {"key": "dagster/partition", "value": BATCHES[0]}
        of_batch = [run for run in deployment.runs() if tag in run["tags"]]
        assert len(of_batch) == 2, "the retry sensor alone started it again"
        assert found.worker_of(of_batch[0]["runId"]) is not lost
        products = external_ids(deployment.shop)
        assert len(products) == len(set(products))


def test_a_run_that_was_given_up_in_the_queue_does_nothing_when_a_worker_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(tmp_path) as found:
        deployment = found.deployment
        for name, value in deployment.environment.items():
            monkeypatch.setenv(name, value)
        late = deployment.launch(CLEARANCE)
        wait_for("the broker", lambda: deployment.run(late).tags.get(TASK_TAG))
        with dg.DagsterInstance.from_config(str(deployment.home)) as instance:
            run = instance.get_run_by_id(late)
            assert run
            instance.report_run_failed(run, "given up: no worker came")
        worker = found.worker("one", "default")
        assert found.worker_of(late) is worker
        second = deployment.launch(CLEARANCE)
        assert deployment.ended(second, 120).status == "SUCCESS"
        view = deployment.run(late)
        assert view.status == "FAILURE"
        assert "STEP_START" not in view.messages
        assert "Started execution of step" not in view.messages


def test_a_run_that_an_operator_ends_is_canceled_and_has_not_failed(tmp_path: Path) -> None:
    with cluster(tmp_path, MEDUSA_CHUNK="10") as found:
        found.worker("one", "long")
        deployment = found.deployment
        deployment.break_medusa(action="latency", seconds=600, path=CREATE, skip=1)
        run_id = deployment.launch(EXPORT, BATCHES[0])
        wait_for("products of the first chunk", lambda: external_ids(deployment.shop), 120)
        deployment.terminate(run_id)
        ended = deployment.ended(run_id, 180)
        assert ended.status == "CANCELED", ended.messages


@pytest.mark.parametrize(("shop", "queue"), [("muscat", "salalah_long"), ("muscat", "long"), ("", "muscat_long")])
def test_a_worker_does_not_start_for_another_shops_queue(shop: str, queue: str, tmp_path: Path) -> None:
    """It would do the run with its own settings and keys."""
    nowhere = "redis://127.0.0.1:9/0"
    done = subprocess.run(
        [BIN / "celery", "-A", "erp_medusa_pipelines.celery_worker", "worker", "-Q", queue],
        cwd=tmp_path,
        env={
            **os.environ,
            "SHOP_NAME": shop,
            "PYTHONPATH": str(ROOT),
            "DAGSTER_CELERY_BROKER_URL": nowhere,
            "DAGSTER_CELERY_BACKEND_URL": nowhere,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0
    assert f"This worker would serve {queue}" in done.stderr
