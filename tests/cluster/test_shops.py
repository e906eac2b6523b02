"""Two shops beside each other in one Dagster, their runs as processes, on Celery and as pods."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from dev.deployment import ROOT, Deployment, private_postgres, wait_for
from dev.helm_values import SHOPS as SHOPS_VALUES
from dev.helm_values import VALUES, read_values
from dev.kubernetes_api import Cluster
from erp_medusa_pipelines.cli.dagster_api import DagsterApi
from tests.support.bucket import private_bucket
from tests.support.nights import BATCHES, EXPORT
from tests.support.pods import RESOURCES, is_secret, prepared_cluster
from tests.support.products import external_ids
from tests.support.redis import private_redis
from tests.support.shops import SHOPS, embedded_shops, one_dagster, settings_of
from tests.support.workers import INSTANCE as CELERY_INSTANCE
from tests.support.workers import Worker, worker_of

INSTANCE = ROOT / "deploy" / "shops" / "dagster.yaml"
SENSOR = "retry_failed_partitions"

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Night:
    """What the two shops' runs were."""

    of_broken: list[str]
    """Those that were started: others were ended while they waited."""
    of_sound: list[str]


def leaves_the_other_unharmed(broken: Deployment, sound: Deployment) -> Night:
    """One shop hangs, is ended, fails and is retried; meanwhile the other has its night."""
    for shop in (broken, sound):
        shop.turn_on_sensor(SENSOR)
    # All that the broken shop asks of its Medusa hangs: its runs fill its places in the queue, and stay there.
    broken.break_medusa(action="latency", seconds=600, path="/admin")
    stuck = [broken.launch(EXPORT, batch) for batch in BATCHES]
    wait_for("two runs that hang", lambda: sum(broken.run(run).status == "STARTED" for run in stuck) == 2, 120)
    started = [run for run in stuck if broken.run(run).status == "STARTED"]
    # As `take-over` and `hand-back` see both.
    for shop, busy in ((broken, True), (sound, False)):
        api = DagsterApi(shop.url, shop=shop.shop_name)
        assert api.installation().location == shop.shop_name
        assert api.is_going_on(EXPORT) is busy
    night = [sound.launch(EXPORT, batch) for batch in BATCHES]
    for run_id in night:
        ended = sound.ended(run_id, 400)
        assert ended.status == "SUCCESS", ended.messages
        assert ended.tags["shop"] == "salalah"
    assert sound.partitions("medusa_stock")["green"] == BATCHES
    assert broken.partitions("medusa_stock")["green"] == []
    assert len(external_ids(sound.shop)) > 300
    assert broken.partitions("medusa_products")["green"] == []
    # A second start is refused in its own shop, and says so of no other.
    again = broken.ended(broken.launch(EXPORT, BATCHES[0]))
    assert again.status == "CANCELED"
    assert again.tags["not_started"]
    # A failure is the broken shop's alone, and so is its retry.
    for run_id in stuck:
        broken.terminate(run_id)
    for run_id in stuck:
        assert broken.ended(run_id, 300).status == "CANCELED"
    broken.heal()
    broken.break_medusa(action="status", status=503, path="/admin", times=3)
    failed = broken.launch(EXPORT, BATCHES[1])
    broken.ended(failed, 180)
    wait_for("green in the end", lambda: BATCHES[1] in broken.partitions("medusa_stock")["green"], 300)
    of_sound = [run["runId"] for run in sound.runs() if {"key": "shop", "value": "salalah"} in run["tags"]]
    assert sorted(of_sound) == sorted(night), "nobody retried what was sound"
    tag = {"key": "dagster/partition", "value": BATCHES[1]}
    retried = [run["runId"] for run in broken.runs() if tag in run["tags"] and run["status"] == "SUCCESS"]
    return Night([*started, failed, *(run for run in retried if run not in night)], night)


@contextmanager
def as_processes(folder: Path) -> Iterator[list[Deployment]]:
    with private_postgres(folder / "postgres") as database, embedded_shops(folder) as shops:
        own = {name: settings_of(name, shop) for name, shop in shops.items()}
        with one_dagster(folder, INSTANCE, shops, {"DAGSTER_POSTGRES_URL": database}, own) as found:
            yield found


@contextmanager
def on_celery(folder: Path) -> Iterator[tuple[list[Deployment], dict[str, Worker]]]:
    """Each shop has a worker, with queues, settings and keys of its own. The instance file is what README.md says."""
    instance_file = folder / "dagster.yaml"
    content, shops_file = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CELERY_INSTANCE, INSTANCE))
    instance_file.write_text(yaml.safe_dump(content | {"concurrency": shops_file["concurrency"]}), encoding="utf-8")
    with (
        private_postgres(folder / "postgres") as database,
        private_redis(folder / "redis") as broker,
        private_bucket(folder / "s3") as bucket,
        embedded_shops(folder) as shops,
    ):
        common = {
            "DAGSTER_POSTGRES_URL": database,
            "DAGSTER_CELERY_BROKER_URL": broker,
            "DAGSTER_CELERY_BACKEND_URL": broker,
            "COMPUTE_LOGS_BUCKET": bucket.name,
            **bucket.environment,
        }
        own = {name: {**settings_of(name, shop), "FRAMES_URL": f"{bucket.url}/{name}"} for name, shop in shops.items()}
        with one_dagster(folder, instance_file, shops, common, own) as found:
            workers: dict[str, Worker] = {}
            try:
                for view in found:
                    name = str(view.shop_name)
                    home = folder / f"worker_{name}"
                    workers[name] = Worker(name, home, dict(view.environment), instance_file)
                    workers[name].start(*(f"{name}_{queue}" for queue in ("short", "default", "long")))
                yield found, workers
            finally:
                for worker in workers.values():
                    worker.stop()


@contextmanager
def as_pods(folder: Path) -> Iterator[tuple[list[Deployment], Cluster]]:
    """Each shop has a code deployment with a Secret and a ConfigMap of its own: values.yaml with shops.yaml over it."""
    with (
        private_postgres(folder / "postgres") as database,
        private_bucket(folder / "s3") as bucket,
        embedded_shops(folder) as shops,
    ):
        common = {**bucket.environment, "COMPUTE_LOGS_BUCKET": bucket.name}
        settings = {
            name: {
                **common,
                **settings_of(name, shop),
                "FRAMES_URL": f"{bucket.url}/{name}",
                "KUBERNETES_RESOURCES": json.dumps(RESOURCES),
            }
            for name, shop in shops.items()
        }
        with prepared_cluster(folder, read_values(VALUES, SHOPS_VALUES), database, settings) as ready:
            known = {**common, "DAGSTER_PG_PASSWORD": ready.database_password}
            own = {name: {**settings[name], **ready.code_servers[name]} for name in SHOPS}
            with one_dagster(folder, ready.instance_file, shops, known, own) as found:
                yield found, ready.cluster


def test_a_shop_that_hangs_and_fails_leaves_the_other_unharmed(tmp_path: Path) -> None:
    with as_processes(tmp_path) as (broken, sound):
        leaves_the_other_unharmed(broken, sound)


def test_the_same_on_celery_where_no_worker_takes_another_shops_run(tmp_path: Path) -> None:
    with on_celery(tmp_path) as ((broken, sound), workers):
        night = leaves_the_other_unharmed(broken, sound)
        for shop, runs in ((broken, night.of_broken), (sound, night.of_sound)):
            for run_id in runs:
                assert worker_of(run_id, shop, list(workers.values())) is workers[str(shop.shop_name)]


def test_the_same_as_pods_where_no_pod_has_another_shops_keys(tmp_path: Path) -> None:
    with as_pods(tmp_path) as ((broken, sound), cluster):
        night = leaves_the_other_unharmed(broken, sound)
        for shop, runs in ((broken, night.of_broken), (sound, night.of_sound)):
            for run_id in runs:
                assert names_in(cluster.jobs[f"dagster-run-{run_id}"].body) == {str(shop.shop_name)}
        bodies = json.dumps([job.body for job in cluster.jobs.values()])
        for values in cluster.secrets.values():
            assert not [key for key, value in values.items() if is_secret(key) and value in bodies]


def names_in(job: Mapping[str, object]) -> set[str]:
    """Which of the shops' Secrets and ConfigMaps a Job refers to."""
    text = json.dumps(job)
    return {name for name in SHOPS if f'"name": "{name}"' in text}
