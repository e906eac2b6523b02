"""The gate before a run, as the schedule calls it: over a real socket, with a server that answers, fails or hangs."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from erp_medusa_pipelines.clients import rate_limit
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.connections import open_erpnext
from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration import rate_limits
from erp_medusa_pipelines.orchestration.schedules import gates
from erp_medusa_pipelines.orchestration.schedules.gates import reason_to_skip
from erp_medusa_pipelines.sync.engine.gate import Answer
from erp_medusa_pipelines.tasks import DEFAULT, LONG, SHORT, TASKS, Task, task_named
from erp_medusa_sandbox.faults import Fault
from tests.support.servers import ErpServer, use_erpnext

MINUTE_TASKS = [task for task in TASKS if task.gate and task.queue == SHORT]


@pytest.fixture
def instance(erp: ErpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    use_erpnext(erp, monkeypatch)
    with dg.instance_for_test() as made:
        yield made


@cache
def repository() -> dg.RepositoryDefinition:
    """Built once: what a gate needs to know it reads from the environment at each tick."""
    return build_defs().get_repository_def()


def tick(task: Task, instance: dg.DagsterInstance) -> list[Any]:
    """What the task's schedule answers now."""
    schedule = repository().get_schedule_def(f"{task.name}_schedule")
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=datetime.now(UTC), repository_def=repository()
    ) as context:
        data = schedule.evaluate_tick(context)
    return [*(data.run_requests or []), *([data.skip_message] if data.skip_message else [])]


def wait_for(erp: ErpServer) -> None:
    """Both tasks have something to do."""
    erp.store.insert("Email OTP", email="a@example.com", status="Pending", expiration_time="2020-01-01 00:00:00")
    erp.store.insert("Email Queue", reference_doctype="Quotation", status="Not Sent", creation="2020-01-01 00:00:00")


def test_the_tasks_with_a_gate_are_those_that_run_many_times_a_day() -> None:
    assert {task.name: (task.cron, task.queue, task.seconds) for task in TASKS if task.gate} == {
        "sync_customer_groups": ("*/15 * * * *", DEFAULT, 300),
        "send_quotation_emails": ("* * * * *", SHORT, 60),
        "expire_otps": ("* * * * *", SHORT, 60),
        "continue_weekly_newsletter": ("0 * * * *", LONG, 1500),
    }


@pytest.mark.parametrize("task", MINUTE_TASKS, ids=lambda task: task.name)
class TestTicks:
    def test_nothing_to_do_costs_one_request_and_starts_nothing(
        self, task: Task, erp: ErpServer, instance: dg.DagsterInstance
    ) -> None:
        for _ in range(3):
            (message,) = tick(task, instance)
            assert message.startswith(f"{task.name}: no ")
        assert len(erp.faults.requests) == 3

    def test_work_starts_a_run_with_queue_and_limit(
        self, task: Task, erp: ErpServer, instance: dg.DagsterInstance
    ) -> None:
        wait_for(erp)
        (request,) = tick(task, instance)
        assert isinstance(request, dg.RunRequest)
        assert request.tags["queue"] == "short"
        assert request.tags["dagster/max_runtime"] == "60"

    def test_the_zone_is_asked_for_once_a_day_at_most(
        self, task: Task, erp: ErpServer, instance: dg.DagsterInstance
    ) -> None:
        wait_for(erp)
        for _ in range(3):
            tick(task, instance)
        # Per tick: is there work, and is it Frappe's.
        assert len(erp.faults.requests) == 3 * 2 + 1

    def test_a_tick_during_a_run_asks_nothing(self, task: Task, erp: ErpServer, instance: dg.DagsterInstance) -> None:
        wait_for(erp)
        create_run_for_test(
            instance,
            job_name=task.name,
            status=DagsterRunStatus.STARTED,
            asset_selection=frozenset(dg.AssetKey(asset) for asset in task.assets),
        )
        (message,) = tick(task, instance)
        assert "still running" in message
        assert erp.faults.requests == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (Fault("status", status=503), "temporarily unavailable"),
            (Fault("status", status=401, json={"exc_type": "AuthenticationError"}), "key or secret not accepted"),
            (Fault("drop_before"), "connection was lost"),
            (Fault("truncate"), ""),
            (Fault("status", status=200, json={"data": [{"name": None}]}), ""),
            (Fault("status", status=200, text="<html>Welcome</html>"), "something else answered in its place"),
        ],
        ids=lambda value: value.action if isinstance(value, Fault) else "",
    )
    @pytest.mark.long
    def test_a_wrong_answer_skips_the_tick_with_its_reason(
        self, task: Task, erp: ErpServer, instance: dg.DagsterInstance, fault: Fault, reason: str
    ) -> None:
        wait_for(erp)
        erp.faults.add(replace(fault))
        (message,) = tick(task, instance)
        assert "could not ask" in message
        assert reason in message
        assert len(erp.faults.requests) == 1, "a gate tries once"
        assert erp.secret not in message

    def test_a_server_that_is_down_skips_the_tick(
        self, task: Task, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ERPNEXT_URL", "http://127.0.0.1:9")
        (message,) = tick(task, instance)
        assert "connection refused" in message

    def test_wrong_settings_skip_the_tick(
        self, task: Task, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ERPNEXT_URL", "erp.example.com")
        reason = reason_to_skip(task, instance)
        assert reason is not None
        assert "ERPNEXT_URL" in reason


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accept connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_silent_server_is_waited_for_no_longer_than_the_limit(
    silent_server: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERPNEXT_URL", silent_server)
    monkeypatch.setenv("GATE_TIMEOUT", "0.2")
    for task in MINUTE_TASKS:
        (message,) = tick(task, instance)
        assert "0.2 s" in message or "time limit" in message


@pytest.mark.parametrize("within", ["the headers", "the body"])
def test_a_server_that_dribbles_bytes_keeps_no_gate_open(
    instance: dg.DagsterInstance, erp: ErpServer, monkeypatch: pytest.MonkeyPatch, within: str
) -> None:
    """A read time-out restarts with every byte."""
    start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    with dribbling_server(start if within == "the headers" else start + b"Content-Length: 100000\r\n\r\n{") as url:
        monkeypatch.setenv("ERPNEXT_URL", url)
        monkeypatch.setenv("GATE_TIMEOUT", "0.4")
        first = reason_to_skip(MINUTE_TASKS[0], instance)
        assert "did not answer within 0.4 s" in (first or "")
        wait_until(lambda: not any(thread.name.startswith("gate:") for thread in threading.enumerate()))
    monkeypatch.setenv("ERPNEXT_URL", erp.url)
    monkeypatch.setenv("GATE_TIMEOUT", "5")
    assert "no Quotation e-mail waits" in (reason_to_skip(MINUTE_TASKS[0], instance) or "")


@contextmanager
def dribbling_server(start: bytes) -> Iterator[str]:
    """Sends the start of an answer, then a byte every 0.1 s for ever."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(start)
            with contextlib.suppress(OSError):
                while not over.wait(0.1):
                    self.request.sendall(b"x")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        over.set()
        server.shutdown()


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_question_that_hangs_is_given_up_and_not_asked_twice(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only a socket can hang: a name server or a lock can too."""
    monkeypatch.setenv("GATE_TIMEOUT", "0.2")
    release, asked = threading.Event(), []

    def hangs(*_: Any) -> Answer:
        asked.append(1)
        release.wait(30)
        return Answer(True)

    monkeypatch.setattr(gates, "resolve_name", lambda _: hangs)
    task = replace(MINUTE_TASKS[0], name="hanging")
    first = reason_to_skip(task, instance)
    second = reason_to_skip(task, instance)
    release.set()
    assert "did not answer within 0.2 s" in (first or "")
    assert "still not answered" in (second or "")
    assert len(asked) == 1


def test_a_question_that_was_answered_does_not_hold_the_next_one_up(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection may take a while to close."""
    release = threading.Event()

    @contextmanager
    def closes_slowly(*arguments: Any) -> Iterator[ErpNextClient]:
        with open_erpnext(*arguments) as erp:
            yield erp
            release.wait(30)

    monkeypatch.setattr(gates, "open_erpnext", closes_slowly)
    monkeypatch.setattr(gates, "resolve_name", lambda _: lambda *_: Answer(True))
    task = replace(MINUTE_TASKS[0], name="closing")
    answers = [reason_to_skip(task, instance) for _ in range(2)]
    release.set()
    assert answers == [None, None]


def test_a_task_without_a_gate_is_never_held_up(instance: dg.DagsterInstance) -> None:
    assert reason_to_skip(replace(MINUTE_TASKS[0], gate=None), instance) is None


class TestSignsOfLife:
    """A task that was asked and had nothing to do is not stale."""

    def delivered(self, instance: dg.DagsterInstance, task: Task) -> int:
        key = dg.AssetKey(task.assets[0])
        return len(instance.fetch_materializations(key, limit=100).records)

    def test_quiet_ticks_write_one_an_hour(self, instance: dg.DagsterInstance) -> None:
        task = MINUTE_TASKS[0]
        for _ in range(5):
            assert reason_to_skip(task, instance)
        assert self.delivered(instance, task) == 1

    def test_a_server_that_does_not_answer_is_no_sign_of_life(
        self, erp: ErpServer, instance: dg.DagsterInstance
    ) -> None:
        erp.faults.add(Fault("status", status=503))
        assert reason_to_skip(MINUTE_TASKS[0], instance)
        assert self.delivered(instance, MINUTE_TASKS[0]) == 0


class TestRateLimit:
    """ERPNext says how much of its limit is left, in seconds of worker time; here nearly nothing."""

    @pytest.fixture
    def site(self, erp: ErpServer, instance: dg.DagsterInstance) -> dg.DagsterInstance:
        erp.site(rate_limit={"limit": 0.0001, "window": 3600})
        return instance

    def test_ticks_ask_less_often_before_they_are_refused(self, erp: ErpServer, site: dg.DagsterInstance) -> None:
        tick(MINUTE_TASKS[0], site)
        asked = len(erp.faults.requests)
        answers = [tick(task, site) for task in MINUTE_TASKS for _ in range(3)]
        assert len(erp.faults.requests) == asked
        (message,) = answers[-1]
        assert "of its rate limit is left for" in message
        assert "it is asked again at" in message
        assert rate_limits.known(site)["ERPNext"].share < rate_limit.LOW

    def test_the_next_window_begins_anew(self, site: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        tick(MINUTE_TASKS[0], site)
        monkeypatch.setattr(rate_limits, "_now", lambda: datetime.now(UTC) + timedelta(hours=2))
        assert rate_limits.known(site)["ERPNext"].share == 1
        assert rate_limits.reason_to_rest(site) == ""

    def test_a_refusal_is_waited_for_and_is_no_wrong_key(self, erp: ErpServer, instance: dg.DagsterInstance) -> None:
        (task, *_) = MINUTE_TASKS
        erp.faults.add(Fault("status", status=429, headers={"Retry-After": "600"}))
        (message,) = tick(task, instance)
        assert "too many requests" in message
        asked = len(erp.faults.requests)
        for _ in range(3):
            (message,) = tick(task, instance)
            assert "0% of its rate limit is left for" in message
        assert len(erp.faults.requests) == asked


def test_customers_are_grouped_only_where_the_setting_asks_for_it(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_named("sync_customer_groups")
    (message,) = tick(task, instance)
    assert message == "sync_customer_groups: PRICE_GROUPS is off"
    monkeypatch.setenv("PRICE_GROUPS", "true")
    (request,) = tick(task, instance)
    assert request.tags["queue"] == "default"
