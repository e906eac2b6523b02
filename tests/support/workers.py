"""Workers of Celery for a test, each as a machine of its own runs it: a home and a folder of its own."""

import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from dev.deployment import BIN, ROOT, Deployment, wait_for

INSTANCE = ROOT / "deploy" / "celery" / "dagster.yaml"
TASK_TAG = "dagster-celery/task_id"
AT_ONCE = "2"
"""Two workers have a place for each run of two queues that the limits admit: one that waits in Celery would fail."""


@dataclass
class Worker:
    """A Celery worker, as a machine of its own runs it."""

    name: str
    home: Path
    environment: dict[str, str] = field(repr=False)
    instance_file: Path = INSTANCE
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.home / "worker.log").read_text(encoding="utf-8", errors="replace")

    def start(self, *queues: str) -> None:
        self.home.mkdir()
        shutil.copy(self.instance_file, self.home / "dagster.yaml")
        command = [
            *(str(BIN / "celery"), "-A", "erp_medusa_pipelines.celery_worker", "worker"),
            *("-n", f"{self.name}@%h", "-Q", ",".join(queues), "-c", AT_ONCE, "--loglevel", "INFO"),
        ]
        with (self.home / "worker.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.home, env={**self.environment, "DAGSTER_HOME": str(self.home)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_for(f"worker {self.name}", self._is_ready, 120)

    def _is_ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log
        return "ready." in self.log

    def kill(self) -> None:
        """As when its machine loses power."""
        assert self.process
        family = psutil.Process(self.process.pid).children(recursive=True)
        for each in (self.process, *family):
            each.kill()
        self.process.wait()
        psutil.wait_procs(family, timeout=30)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def has_taken(self, task_id: str) -> bool:
        return f"[{task_id}] received" in self.log


def worker_of(run_id: str, deployment: Deployment, workers: list[Worker]) -> Worker:
    """The worker that took the run."""
    task = wait_for("a task of Celery", lambda: deployment.run(run_id).tags.get(TASK_TAG))
    return wait_for("a worker", lambda: next((each for each in workers if each.has_taken(task)), None))
