"""Every task by its schedule, as an installation has it: the daemon ticks, runs are queued and launched, and end well.

Settings are the defaults but for the cron lines: nobody waits for one o'clock at night.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dev.deployment import Deployment, deployed, private_postgres, wait_for
from dev.mail_sink import LOOPBACK, MailSink, mail_sink
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS

pytestmark = pytest.mark.slow

ALL = (*TASKS, *HOUSEKEEPING)
EACH_MINUTE = json.dumps({task.name: "* * * * *" for task in ALL})
BATCHES = 4


@contextmanager
def installation(home: Path, storage: str) -> Iterator[tuple[Deployment, MailSink]]:
    with ExitStack() as stack:
        mails = stack.enter_context(mail_sink())
        url = stack.enter_context(private_postgres(home / "postgres")) if storage == "postgresql" else None
        deployment = stack.enter_context(deployed(home, postgres_url=url, SCHEDULES=EACH_MINUTE))
        deployment.send_mail_to(LOOPBACK, mails.port)
        yield deployment, mails


def starts(deployment: Deployment, task: str) -> list[list[str]]:
    """Ids of the runs of each tick that started some."""
    ticks = deployment.ticks(f"{task}_schedule")
    failed = [tick["error"]["message"] for tick in ticks if tick["status"] == "FAILURE"]
    assert not failed, f"{task}: {failed[0]}"
    return [tick["runIds"] for tick in ticks if tick["runIds"]]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("storage", ["postgresql", "sqlite"])
def test_two_ticks_of_every_schedule_start_all_their_runs(storage: str, tmp_path: Path) -> None:
    with installation(tmp_path, storage) as (deployment, mails):
        for task in ALL:
            deployment.turn_on_schedule(f"{task.name}_schedule")
        # A minute task starts a run while there is work; the sample shop has enough for one.
        needed = {task.name: 1 if task.gate else 2 for task in ALL}
        wait_for(
            "two ticks of every schedule",
            lambda: all(len(starts(deployment, name)) >= count for name, count in needed.items()),
            600,
        )
        for task in ALL:
            deployment.turn_off_schedule(f"{task.name}_schedule")
        found = {task.name: starts(deployment, task.name) for task in ALL}
        for task in ALL:
            if task.partitioned:
                first = [deployment.run(run_id).tags["dagster/partition"] for run_id in found[task.name][0]]
                assert sorted(first) == [f"batch_{number}" for number in range(BATCHES)]
        for run_id in [run_id for ticks in found.values() for run_ids in ticks for run_id in run_ids]:
            ended = deployment.ended(run_id, 300)
            assert ended.status == "SUCCESS", ended.messages
        assert mails.recipients
        assert set(mails.times_received.values()) == {1}
