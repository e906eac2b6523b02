"""Runs as pods by Dagster's own launcher with the chart's values; behind the Jobs API a Job is a process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.deployment import Deployment, addresses, deployed, private_postgres, wait_for
from dev.helm_values import deployments, read_values
from dev.kubernetes_api import Cluster, Job
from erp_medusa_sandbox import server as sandbox
from tests.support.bucket import Bucket, private_bucket
from tests.support.nights import BATCHES, CLEARANCE, CREATE, EXPORT, TOP_SELLERS
from tests.support.pods import RESOURCES, prepared_cluster
from tests.support.products import external_ids

pytestmark = pytest.mark.timeout(900)


@dataclass
class Installation:
    """Webserver, daemon and code server outside the cluster; runs inside."""

    deployment: Deployment
    cluster: Cluster
    bucket: Bucket

    def job_of(self, run_id: str) -> Job:
        return wait_for("the Job", lambda: self.cluster.jobs.get(f"dagster-run-{run_id}"), 120)


@contextmanager
def installation(folder: Path, **settings: str) -> Iterator[Installation]:
    home = folder / "head"
    home.mkdir()
    values = read_values()
    (code,) = deployments(values)
    with private_postgres(folder / "postgres") as database, private_bucket(folder / "s3") as bucket:
        # The one that `deployed` finds in this place.
        shop = sandbox.ensure_running(home / "sandbox")
        known = {
            **addresses(shop),
            **bucket.environment,
            "FRAMES_URL": f"{bucket.url}/frames",
            "COMPUTE_LOGS_BUCKET": bucket.name,
            "KUBERNETES_RESOURCES": json.dumps(RESOURCES),
            **settings,
        }
        with prepared_cluster(folder, values, database, {code["name"]: known}) as found:
            outside = {**known, **found.code_servers[code["name"]], "DAGSTER_PG_PASSWORD": found.database_password}
            with deployed(home, found.instance_file, True, postgres_url=database, **outside) as deployment:
                yield Installation(deployment, found.cluster, bucket)


def test_a_night_runs_one_pod_a_run_and_no_job_shows_a_secret(tmp_path: Path) -> None:
    with installation(tmp_path) as found:
        deployment = found.deployment
        runs = [deployment.launch(EXPORT, batch) for batch in BATCHES]
        again = deployment.launch(EXPORT, BATCHES[0])
        runs += [deployment.launch(CLEARANCE), deployment.launch(TOP_SELLERS)]
        for run_id in runs:
            ended = deployment.ended(run_id, 400)
            assert ended.status == "SUCCESS", ended.messages
        refused = deployment.ended(again)
        assert refused.status == "CANCELED"
        assert refused.tags["not_started"]
        assert set(found.cluster.jobs) == {f"dagster-run-{run_id}" for run_id in runs}
        products = external_ids(deployment.shop)
        assert len(products) == len(set(products)) > 300
        bodies = json.dumps([job.body for job in found.cluster.jobs.values()])
        for values in found.cluster.secrets.values():
            assert not [key for key, value in values.items() if value in bodies]
        spec = found.job_of(runs[-1]).body["spec"]
        assert spec["backoffLimit"] == 0
        (code,) = deployments(read_values())
        for run_id, wanted in ((runs[0], code["resources"]), (runs[-1], RESOURCES["default"])):
            pod = found.job_of(run_id).body["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            # The launcher lays those of a run's queue over those of its code deployment.
            assert all(container["resources"][kind].items() >= wanted[kind].items() for kind in wanted)
            assert container["image"] == f"{code['image']['repository']}:{code['image']['tag']}"
            assert container["securityContext"] == code["securityContext"]
            assert pod["securityContext"] == code["podSecurityContext"]
        output = [key for key in found.bucket.stored() if key.startswith("compute_logs/")]
        assert {run_id for run_id in runs if any(run_id in key for key in output)} == set(runs)


def test_a_pod_that_is_killed_is_retried_and_nothing_is_there_twice(tmp_path: Path) -> None:
    settings = {"RETRY_DELAY_SECONDS": "5", "MEDUSA_CHUNK": "10", "HTTP_ATTEMPTS": "1"}
    with installation(tmp_path, **settings) as found:
        deployment = found.deployment
        deployment.turn_on_sensor("retry_failed_partitions")
        # The second chunk hangs: the first is in Medusa by then, and its ids may or may not be in ERPNext.
        deployment.break_medusa(action="latency", seconds=600, path=CREATE, skip=1)
        cut = deployment.launch(EXPORT, BATCHES[0])
        wait_for("products of the first chunk", lambda: external_ids(deployment.shop), 120)
        found.job_of(cut).kill()
        deployment.heal()
        ended = deployment.ended(cut, 180)
        assert ended.status == "FAILURE", ended.messages
        wait_for("green", lambda: deployment.partitions("medusa_stock")["green"] == [BATCHES[0]], 240)
        tag = {"key": "dagster/partition", "value": BATCHES[0]}
        assert len([run for run in deployment.runs() if tag in run["tags"]]) == 2
        assert len(found.cluster.jobs) == 2
        products = external_ids(deployment.shop)
        assert len(products) == len(set(products))


def test_a_run_that_an_operator_ends_ends_its_job(tmp_path: Path) -> None:
    with installation(tmp_path, MEDUSA_CHUNK="10") as found:
        deployment = found.deployment
        deployment.break_medusa(action="latency", seconds=600, path=CREATE, skip=1)
        run_id = deployment.launch(EXPORT, BATCHES[0])
        job = found.job_of(run_id)
        wait_for("products of the first chunk", lambda: external_ids(deployment.shop), 120)
        deployment.terminate(run_id)
        assert deployment.ended(run_id, 300).status == "CANCELED"
        wait_for("the end of its process", lambda: job.process.poll() is not None, 60)
