"""The command `erp-medusa metrics` beside an installation, and a Prometheus of a test's own that reads it."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from dev.deployment import free_port, wait_for

COMMAND = Path(sys.executable).with_name("erp-medusa")


@contextmanager
def served_metrics(environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Where the command serves them. Ctrl-C ends it well."""
    process = subprocess.Popen(
        [COMMAND, "metrics", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/metrics", said)
        assert found, said + process.stderr.read()
        yield found.group()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.wait()


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of a query now: each has `metric`, its labels, and `value`."""
        return self._get("/api/v1/query", query=expression)["result"]

    def values_of_label(self, metric: str, label: str) -> list[str]:
        """What Grafana's `label_values(metric, label)` asks for."""
        return self._get(f"/api/v1/label/{label}/values", **{"match[]": metric})

    def is_scraping(self) -> bool:
        """True once it has read its target."""
        return [series["value"][1] for series in self.query("up")] == ["1"]

    def _get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(self._url + path, params=parameters, timeout=30)
        said = answer.json()
        assert said["status"] == "success", said
        return said["data"]


@contextmanager
def private_prometheus(home: Path, address: str) -> Iterator[Prometheus]:
    """Debian's, on the loopback, reading that address each second."""
    program = shutil.which("prometheus")
    assert program, "prometheus is missing: apt-get install prometheus"
    home.mkdir(parents=True, exist_ok=True)
    target = address.removeprefix("http://").partition("/")[0]
    jobs = [{"job_name": "erp_medusa", "static_configs": [{"targets": [target]}]}]
    # JSON is YAML.
    (home / "prometheus.yml").write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    url = f"http://127.0.0.1:{free_port()}"
    options = [f"--web.listen-address={url.removeprefix('http://')}", f"--storage.tsdb.path={home / 'data'}"]
    with (home / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(
            [program, f"--config.file={home / 'prometheus.yml'}", *options], stdout=log, stderr=subprocess.STDOUT
        )
    prometheus = Prometheus(url)
    try:
        wait_for("prometheus", lambda: _answers(url), 60)
        wait_for("a first scrape", prometheus.is_scraping, 60)
        yield prometheus
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=5).ok
    except requests.ConnectionError:
        return False
