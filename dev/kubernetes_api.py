"""As much of Kubernetes' API as Dagster's launcher uses, on a socket: a Job is a process of this machine.

Jobs, their pods and their ends; Secrets and ConfigMaps become the environment, as a kubelet does it. What is asked for
is checked against Kubernetes' own schema.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import yaml

VERSION = "1.34"
LOOPBACK = "127.0.0.1"
PROGRAMS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""An image has the environment's programs in its PATH; who starts the tests may not."""


@dataclass
class Job:
    """A Job as it was asked for, and the process that is its pod."""

    body: dict[str, Any]
    process: subprocess.Popen[bytes]
    started: str
    deleted: bool = False
    """The Job is gone from the API at once; its pod goes when its process has ended."""

    @property
    def name(self) -> str:
        """As the launcher named it."""
        return self.body["metadata"]["name"]

    @property
    def status(self) -> dict[str, Any]:
        """What the API says of it: one pod that is active, succeeded or failed."""
        code = self.process.poll()
        counts = {"active": 1} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
        return {"startTime": self.started, **counts}

    def kill(self) -> None:
        """As when its node loses power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def delete(self) -> None:
        """Ask the process to end, once: a pod that is ending is not asked again."""
        if not self.deleted and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.deleted = True

    @property
    def has_pod(self) -> bool:
        """Whether the pod is still there."""
        return not self.deleted or self.process.poll() is None

    @property
    def pod_name(self) -> str:
        """As the controller of Jobs names it, without its chance letters."""
        return f"{self.name}-pod"

    def pod(self) -> dict[str, Any]:
        """Its one pod."""
        template = self.body["spec"]["template"]
        phase = {"active": "Running", "succeeded": "Succeeded", "failed": "Failed"}
        return {
            "metadata": {
                "name": self.pod_name,
                "labels": {**template["metadata"]["labels"], "job-name": self.name},
            },
            "spec": template["spec"],
            "status": {"phase": next(word for key, word in phase.items() if key in self.status)},
        }


@dataclass
class Cluster:
    """The state behind the API."""

    folder: Path
    secrets: Mapping[str, Mapping[str, str]] = field(repr=False)
    config_maps: Mapping[str, Mapping[str, str]]
    jobs: dict[str, Job] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    url: str = ""

    def create(self, body: dict[str, Any]) -> Job:
        """Start what a Job asks for. Raises KeyError for a Secret or a ConfigMap that is not there."""
        kubernetes_validate.validate(without_nulls(body), VERSION, strict=True)
        container = body["spec"]["template"]["spec"]["containers"][0]
        home = self.folder / body["metadata"]["name"]
        home.mkdir()
        # The instance file is mounted from its ConfigMap in a real pod.
        for volume in body["spec"]["template"]["spec"]["volumes"]:
            for name, content in self.config_maps[volume["configMap"]["name"]].items():
                (home / name).write_text(content, encoding="utf-8")
        with (home / "pod.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                container["args"],
                cwd=home,
                env={**self._environment(container), "DAGSTER_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        job = Job(body, process, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.jobs[job.name] = job
        return job

    def _environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        # What an image has.
        found = {"PATH": PROGRAMS, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "LANG": "C.UTF-8"}
        for source in container.get("envFrom") or []:
            if "secretRef" in source:
                found |= self.secrets[source["secretRef"]["name"]]
            if "configMapRef" in source:
                found |= self.config_maps[source["configMapRef"]["name"]]
        for each in container.get("env") or []:
            reference = (each.get("valueFrom") or {}).get("secretKeyRef")
            found[each["name"]] = self.secrets[reference["name"]][reference["key"]] if reference else each["value"]
        return found

    def end(self) -> None:
        """End what still runs."""
        for job in self.jobs.values():
            if job.process.poll() is None:
                job.kill()

    def kubeconfig(self) -> str:
        """For clients outside the cluster."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "here", "cluster": {"server": self.url}}],
                "users": [{"name": "launcher", "user": {}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "launcher"}}],
                "current-context": "here",
            }
        )


def without_nulls(value: Any) -> Any:
    """The client leaves unset fields out; some serializers write them as null."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


class Handler(BaseHTTPRequestHandler):
    """Answers requests out of the state that `cluster` holds."""

    cluster: Cluster

    def do_GET(self) -> None:
        """Jobs, pods, their logs and events."""
        parts = urlsplit(self.path)
        words = parts.path.strip("/").split("/")
        selector = dict(
            pair.split("=", 1) for pair in parse_qs(parts.query).get("labelSelector", [""])[0].split(",") if pair
        )
        if words[-1] == "log":
            self._answer(200, "")
        elif "jobs" in words:
            self._jobs(words[words.index("jobs") + 1 :])
        elif words[-1] == "pods":
            pods = [job.pod() for job in self.cluster.jobs.values() if job.has_pod]
            items = [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]
            self._answer(200, {"kind": "PodList", "apiVersion": "v1", "items": items})
        elif "events" in words:
            self._answer(200, {"kind": "EventList", "apiVersion": "v1", "items": []})
        else:
            self._missing()

    def _jobs(self, rest: list[str]) -> None:
        if not rest:
            items = [{**job.body, "status": job.status} for job in self.cluster.jobs.values() if not job.deleted]
            self._answer(200, {"kind": "JobList", "apiVersion": "batch/v1", "items": items})
        elif (job := self.cluster.jobs.get(rest[0])) and not job.deleted:
            self._answer(200, {**job.body, "status": job.status})
        else:
            self._missing()

    def do_POST(self) -> None:
        """A new Job."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            with self.cluster.lock:
                if body["metadata"]["name"] in self.cluster.jobs:
                    self._answer(409, {"kind": "Status", "reason": "AlreadyExists", "code": 409})
                    return
                job = self.cluster.create(body)
        except (kubernetes_validate.ValidationError, KeyError) as error:
            self._answer(422, {"kind": "Status", "reason": "Invalid", "message": str(error), "code": 422})
            return
        self._answer(201, {**job.body, "status": {}})

    def do_DELETE(self) -> None:
        """The end of a Job, which is its pod's too, or of a pod."""
        kind, name = urlsplit(self.path).path.strip("/").split("/")[-2:]
        for job in self.cluster.jobs.values():
            there = not job.deleted if kind == "jobs" else job.has_pod
            if there and name == (job.name if kind == "jobs" else job.pod_name):
                job.delete()
                self._answer(200, {"kind": "Status", "status": "Success"})
                return
        self._missing()

    def _missing(self) -> None:
        self._answer(404, {"kind": "Status", "reason": "NotFound", "code": 404})

    def _answer(self, code: int, body: Any) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test says what it wants to know."""


@contextmanager
def kubernetes_api(
    folder: Path, secrets: Mapping[str, Mapping[str, str]], config_maps: Mapping[str, Mapping[str, str]]
) -> Iterator[Cluster]:
    """A cluster, empty at first; its processes are ended with it."""
    folder.mkdir(parents=True)
    cluster = Cluster(folder, secrets, config_maps)
    server = ThreadingHTTPServer((LOOPBACK, 0), type("HandlerOfCluster", (Handler,), {"cluster": cluster}))
    cluster.url = f"http://{LOOPBACK}:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        cluster.end()
