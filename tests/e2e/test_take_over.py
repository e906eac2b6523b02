"""Switching over on a running installation: both commands as an operator starts them, with a kill in between.

That each slot is done once is shown second by second in tests/unit/cli/test_switch.py; here the calls are real.
"""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from dev.background import Background
from dev.deployment import BIN, Deployment, deployed, wait_for
from erp_medusa_pipelines.orchestration.schedules.crontab import times_after
from erp_medusa_pipelines.readiness.frappe_app import FrappeJob, first_due
from erp_medusa_pipelines.tasks import TASKS

pytestmark = pytest.mark.slow

TIMEOUT = 240
NAMES = {task.name for task in TASKS}
TAKEN = {task.name for task in TASKS if not task.opt_in}
OF_THE_APP = {task.name for task in TASKS if task.in_app}
MINUTELY = ("expire_otps", "send_quotation_emails")
ROWS = "/api/resource/Scheduled Job Type"
FIELDS = ["name", "method", "stopped", "frequency", "cron_format", "last_execution", "creation"]
ZONE = ZoneInfo("Asia/Muscat")


class FrappeScheduler(Background):
    """Frappe's scheduler as its rows show it: it runs due jobs that are not stopped, and records when."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__()
        self.deployment = deployment
        self.done: list[tuple[str, datetime]] = []
        """(task, slot)."""

    def work(self) -> None:
        """Do what is due until the block ends."""
        while not self.over.wait(2):
            query = {"fields": json.dumps(FIELDS), "filters": json.dumps([["stopped", "=", 0]]), "limit_page_length": 0}
            for row in erp(self.deployment, "GET", ROWS, params=query):
                task = row["method"].rsplit(".", 1)[1]
                now = datetime.now(ZONE)
                if task not in OF_THE_APP:
                    continue
                job = FrappeJob(row["name"], task, False, *(row[name] for name in FIELDS[3:]))
                due = first_due(job, now, times_after)
                if due <= now:
                    moment = f"{datetime.now(ZONE):%Y-%m-%d %H:%M:%S}"
                    erp(self.deployment, "PUT", f"{ROWS}/{row['name']}", json={"last_execution": moment})
                    self.done.append((task, due))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("take_over")) as deployment:
        just_now = f"{datetime.now(ZONE):%Y-%m-%d %H:%M:%S}"
        for name in OF_THE_APP:
            erp(deployment, "PUT", f"{ROWS}/api.{name}", json={"stopped": 0, "last_execution": just_now})
        yield deployment


@pytest.fixture(scope="module")
def frappe(installation: Deployment) -> Iterator[FrappeScheduler]:
    with FrappeScheduler(installation) as scheduler:
        yield scheduler


def erp(deployment: Deployment, method: str, path: str, **options: Any) -> Any:
    shop = deployment.shop
    headers = {"Authorization": f"token {shop.erpnext_api_key}:{shop.erpnext_api_secret}"}
    answer = requests.request(method, shop.erpnext_url + path, headers=headers, timeout=30, **options)
    answer.raise_for_status()
    return answer.json()["data"]


def stopped(deployment: Deployment) -> set[str]:
    query = {"fields": json.dumps(["method", "stopped"]), "limit_page_length": 0}
    rows = erp(deployment, "GET", ROWS, params=query)
    return {row["method"].rsplit(".", 1)[1] for row in rows if row["stopped"]} & OF_THE_APP


def on(deployment: Deployment) -> set[str]:
    return {name for name in NAMES if deployment.instigator(f"{name}_schedule")["status"] == "RUNNING"}


def start(deployment: Deployment, *arguments: str) -> subprocess.Popen[str]:
    where = [] if "--dagster-url" in arguments else ["--dagster-url", deployment.url]
    command = [str(BIN / "erp-medusa"), *arguments, *where, "--json"]
    return subprocess.Popen(
        command, cwd=deployment.home, env=dict(deployment.environment), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(deployment: Deployment, *arguments: str) -> tuple[int, dict[str, Any]]:
    process = start(deployment, *arguments)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert output, errors
    return process.returncode, json.loads(output)


def killed_after(deployment: Deployment, steps: int, *arguments: str) -> None:
    """Start a command and kill it as soon as it has reported this many steps."""
    process = start(deployment, *arguments)
    assert process.stderr
    seen = 0
    for line in process.stderr:
        seen += ": " in line and "SANDBOX" not in line and "waiting" not in line
        if seen == steps:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=TIMEOUT)


def assert_one_side_each(deployment: Deployment) -> None:
    """A task whose job is stopped has its schedule on, so that each task is run by one side."""
    assert stopped(deployment) <= on(deployment)


def assert_each_minute_once(deployment: Deployment, frappe: FrappeScheduler, begin: datetime) -> None:
    """Each slot of a minute task was Frappe's or ours, never both and never nobody's."""
    for task in MINUTELY:
        ticks = [tick for tick in deployment.ticks(f"{task}_schedule") if "Frappe" not in str(tick["skipReason"])]
        ours = {datetime.fromtimestamp(tick["timestamp"], ZONE) for tick in ticks}
        theirs = Counter(slot for name, slot in frappe.done if name == task)
        # The newest slot may still be looked at.
        until = datetime.now(ZONE) - timedelta(minutes=1, seconds=30)
        slots = [begin + timedelta(minutes=number) for number in range(int((until - begin) / timedelta(minutes=1)) + 1)]
        wrong = {f"{slot:%H:%M}": (theirs[slot], slot in ours) for slot in slots if theirs[slot] + (slot in ours) != 1}
        assert not wrong, f"{task}: (by Frappe, by us)"


@pytest.mark.usefixtures("frappe")
def test_a_schedule_that_is_turned_on_too_early_starts_nothing_beside_frappe(installation: Deployment) -> None:
    name = "expire_otps_schedule"
    installation.turn_on_schedule(name)
    tick = wait_for("a tick", lambda: next((t for t in installation.ticks(name) if t["status"] == "SKIPPED"), None), 90)
    assert "Frappe's scheduler does this" in tick["skipReason"]
    assert not installation.runs(pipelineName="expire_otps")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("steps", [3, 10])
def test_a_switch_that_is_killed_leaves_one_side_each_and_is_finished_by_the_next(
    installation: Deployment, frappe: FrappeScheduler, steps: int
) -> None:
    begin = datetime.now(ZONE).replace(second=0, microsecond=0) + timedelta(minutes=1)
    killed_after(installation, steps, "take-over")
    assert_one_side_each(installation)
    code, output = run(installation, "take-over")
    assert (code, set(output["tasks"].values())) == (0, {"dagster"})
    assert stopped(installation) == OF_THE_APP
    assert on(installation) == TAKEN
    killed_after(installation, steps, "hand-back")
    assert_one_side_each(installation)
    code, output = run(installation, "hand-back")
    assert (code, set(output["tasks"].values())) == (0, {"frappe"})
    assert stopped(installation) == on(installation) == set()
    assert_each_minute_once(installation, frappe, begin)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("frappe")
def test_a_hand_back_after_a_restart_that_moved_the_code_sees_our_ticks(installation: Deployment) -> None:
    """`dg dev` serves the code from another address each time; the schedules were turned on under the old one."""
    assert run(installation, "take-over")[0] == 0
    installation.kill_everything()
    installation.has_code_server = True
    installation.start_everything()
    code, output = run(installation, "hand-back")
    assert (code, set(output["tasks"].values())) == (0, {"frappe"})
    assert stopped(installation) == on(installation) == set()


@pytest.mark.usefixtures("frappe")
def test_what_the_app_still_does_is_told(installation: Deployment) -> None:
    erp(installation, "PUT", "/api/resource/Medusa Configuration/Medusa Configuration", json={"enable": 1})
    _, output = run(installation, "take-over")
    assert [finding["name"] for finding in output["app_still_does"]] == ["save hooks"]
    run(installation, "hand-back")


def test_nothing_is_turned_where_no_dagster_answers(installation: Deployment) -> None:
    code, output = run(installation, "take-over", "--dagster-url", "http://127.0.0.1:9")
    assert code == 2
    assert "no Dagster webserver answers" in output["error"]
    assert stopped(installation) == set()


@pytest.mark.usefixtures("frappe")
def test_frappe_can_be_started_again_although_dagster_is_gone(installation: Deployment) -> None:
    run(installation, "take-over")
    code, output = run(installation, "hand-back", "--only-frappe", "--dagster-url", "http://127.0.0.1:9")
    assert (code, set(output["tasks"].values())) == (0, {"frappe"})
    assert stopped(installation) == set()
