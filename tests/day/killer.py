"""Who kills runs, Dagster's processes and servers during a day, and what is left alone."""

import os
import random
import re
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psutil
import requests

from dev.background import Background
from dev.deployment import Deployment, wait_for
from erp_medusa_pipelines.orchestration.runs.plan_jobs import SYNC_JOB
from tests.live.conftest import script

STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")


def may_be_killed(runs: Sequence[Mapping[str, Any]], killed: Collection[str]) -> list[str]:
    """Return the ids of runs at work, but not of a `sync_items` run that follows a killed one.

    Every change waits for such a run. If most of them were killed, the times of changes would be those of the kills.

    Parameters
    ----------
    runs
        Runs as GraphQL reports them, newest first.
    killed
        Ids of runs that were killed.
    """
    found = []
    for index, run in enumerate(runs):
        if run["status"] != "STARTED":
            continue
        before = next((one["runId"] for one in runs[index + 1 :] if one["jobName"] == SYNC_JOB), None)
        if run["jobName"] != SYNC_JOB or before not in killed:
            found.append(run["runId"])
    return found


class Killer(Background):
    """Kills a run, the daemon, the webserver or a server about every minute, and starts again what was killed."""

    def __init__(self, deployment: Deployment, chance: random.Random) -> None:
        super().__init__()
        self.deployment, self.chance = deployment, chance
        self.done: Counter[str] = Counter()
        self._killed: set[str] = set()
        commands = os.environ.get("DAY_KILLS", "").splitlines()
        self._servers = commands or ([] if os.environ.get("MEDUSA_URL") else ["own"])

    def work(self) -> None:
        """Kill until the block ends."""
        while not self.over.wait(self.chance.uniform(20, 60)):
            getattr(self, f"_kill_{self.chance.choice(('run', 'run', 'process', 'server'))}")()

    def _kill_run(self) -> None:
        with suppress(AssertionError):
            wait_for("a run that may be killed", self._has_killed_a_run, 40)

    def _has_killed_a_run(self) -> bool:
        # The webserver may be one that was just killed, and a run may have just ended.
        with suppress(AssertionError, requests.RequestException, psutil.NoSuchProcess):
            victims = may_be_killed(self.deployment.runs(), self._killed)
            victim = self.chance.choice(victims) if victims else ""
            if started := STARTED.search(self.deployment.run(victim).messages if victim else ""):
                psutil.Process(int(started[1])).kill()
                self._killed.add(victim)
                self.done["run"] += 1
                return True
        return False

    def _kill_process(self) -> None:
        name = self.chance.choice(sorted(self.deployment.processes))
        self.deployment.kill(name)
        self.over.wait(2)
        self.deployment.start_again(name)
        self.done[name] += 1

    def _kill_server(self) -> None:
        if self._servers:
            command = self.chance.choice(self._servers)
            if command == "own":
                assert script("kill").returncode == 0
                assert script("up").returncode == 0
            else:
                subprocess.run(command, shell=True, check=True, capture_output=True)  # noqa: S602 - the caller's own
            self.done["server"] += 1
