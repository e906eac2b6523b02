"""One-time passwords on the embedded ERPNext, where rows can be made old and requests counted."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dev.server_script import install_server_script
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.orchestration.schedules.gates import reason_to_skip
from erp_medusa_sandbox.faults import Fault
from tests.suites.otps import ASSET, DOCTYPE, JOB, TASK, OtpSuite, Passwords, before_call, passwords, runs
from tests.support.runs import Runner
from tests.support.servers import ErpServer

__all__ = ["TestOtps", "passwords", "runs"]


def many(erp: ErpServer, count: int) -> None:
    over = datetime.now(ZoneInfo("Asia/Muscat")) - timedelta(minutes=1)
    columns = ("name", "email", "otp", "status", "expiration_time", "modified", "creation")
    time = over.strftime("%Y-%m-%d %H:%M:%S")
    rows = [(f"otp{n:05}", f"{n}@example.com", 100000 + n, "Pending", time, time, time) for n in range(count)]
    erp.store.bulk_insert(DOCTYPE, columns, rows)


class TestOtps(OtpSuite):
    pass


def test_a_thousand_go_in_a_few_requests(erp: ErpServer, passwords: Passwords, runs: Runner) -> None:
    many(erp, 1000)
    run = runs.job(JOB)
    assert run.metadata(ASSET)["written"] == 1000
    assert erp.store.count(DOCTYPE, status="Expired") == 1000
    # Clock, zone, two lists and the probe for the Server Script; per hundred a look, a write, a look back.
    assert run.metadata(ASSET)["requests"] == 5 + 3 * 10


def test_with_the_server_script_in_fewer_and_without_saves(erp: ErpServer, passwords: Passwords, runs: Runner) -> None:
    install_server_script(erp.store)
    many(erp, 1000)
    run = runs.job(JOB)
    assert erp.store.count(DOCTYPE, status="Expired") == 1000
    assert run.metadata(ASSET)["requests"] == 5 + 5
    assert not [seen for seen in erp.faults.requests if "bulk_update" in seen.path]


@pytest.mark.parametrize("status", ["Verified", "Pending"])
def test_the_server_script_leaves_what_was_saved_since(
    erp: ErpServer, passwords: Passwords, runs: Runner, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    install_server_script(erp.store)
    faster, other = passwords.add(-2), passwords.add(-1)
    # The script's first call only asks whether it is there; that is after the rows were read and before any is written.
    before_call(
        monkeypatch, "erp_medusa_set_values", lambda: passwords.erp.store.save(DOCTYPE, faster, status=status, otp=1)
    )
    run = runs.job(JOB)
    assert passwords.status(faster) == status
    assert passwords.status(other) == "Expired"
    assert run.metadata(ASSET)["changed_meanwhile"] == 1


def test_a_change_that_leaves_modified_as_it_is_is_seen_by_the_look(
    erp: ErpServer, passwords: Passwords, runs: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = passwords.add(-1)
    # The probe for the Server Script comes after the rows were read and before the look that precedes the write.
    before_call(monkeypatch, "erp_medusa_set_values", lambda: erp.store.set(DOCTYPE, name, status="Verified"))
    run = runs.job(JOB)
    assert passwords.status(name) == "Verified"
    assert run.metadata(ASSET)["changed_meanwhile"] == 1


def test_a_lost_answer_is_settled_by_reading(erp: ErpServer, passwords: Passwords, runs: Runner) -> None:
    name = passwords.add(-1)
    erp.faults.add(Fault("drop_after", path="bulk_update", times=1))
    run = runs.job(JOB)
    assert run.success
    assert run.metadata(ASSET)["written"] == 1
    assert passwords.status(name) == "Expired"


def test_a_locked_row_makes_the_run_red_and_the_others_expire(
    erp: ErpServer, passwords: Passwords, runs: Runner
) -> None:
    name = passwords.add(-1)
    locked = {"exc_type": "QueryDeadlockError", "exception": "frappe.exceptions.QueryDeadlockError: (1213, 'Deadlock')"}
    erp.faults.add(Fault("status", path="bulk_update", status=500, json=locked, times=4))
    run = runs.job(JOB)
    assert not run.success
    assert run.metadata(ASSET)["left"] == 1
    assert passwords.status(name) == "Pending"
    assert runs.job(JOB).success
    assert passwords.status(name) == "Expired"


def test_one_that_cannot_be_written_is_tried_again_when_it_changes_and_once_a_day(
    erp: ErpServer, passwords: Passwords, runs: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = passwords.add(-3)
    refusal = "frappe.exceptions.ValidationError: a hook of this site refuses it"
    failed = {"message": {"failed_docs": [{"doc": {"docname": bad}, "exc": refusal}]}}
    erp.faults.add(Fault("status", path="bulk_update", body=bad, status=200, json=failed))
    assert not runs.job(JOB).check(ASSET).passed
    assert "1 that are held" in (reason_to_skip(TASK, runs.instance) or "")
    # Another one's time is over: it expires, and the held one is reported but not sent.
    good = passwords.add(-1)
    assert reason_to_skip(TASK, runs.instance) is None
    (fault,) = erp.faults.faults
    sent = fault.fired
    run = runs.job(JOB)
    assert passwords.status(good) == "Expired"
    assert run.rejects(ASSET)[0]["held"] == "since an earlier run"
    assert fault.fired == sent
    assert "1 that are held" in (reason_to_skip(TASK, runs.instance) or "")
    # The reason may lie elsewhere: the next day there is one more try.
    with monkeypatch.context() as tomorrow:
        today = ErpNextClient.clock
        tomorrow.setattr(ErpNextClient, "clock", lambda client: today(client) + timedelta(days=1))
        assert reason_to_skip(TASK, runs.instance) is None
        runs.job(JOB)
        assert fault.fired > sent
        assert "1 that are held" in (reason_to_skip(TASK, runs.instance) or "")
    # Somebody saves it: one more try.
    erp.faults.heal()
    passwords.erp.store.save(DOCTYPE, bad, status="Pending")
    assert reason_to_skip(TASK, runs.instance) is None
    assert runs.job(JOB).check(ASSET).passed
    assert passwords.status(bad) == "Expired"
    assert reason_to_skip(TASK, runs.instance) == "expire_otps: no one-time password has expired"


class TestRetention:
    """Off unless asked for."""

    @pytest.fixture
    def old(self, erp: ErpServer, passwords: Passwords) -> dict[str, str]:
        names = {
            "expired": passwords.add(-60, status="Expired"),
            "verified": passwords.add(-60, status="Verified"),
            "registered": passwords.add(-60, status="Verified", logged_in=1),
            "pending": passwords.add(None),
        }
        for name in names.values():
            erp.store.set(DOCTYPE, name, modified="2020-01-01 00:00:00")
        names["young"] = passwords.add(-60, status="Expired")
        return names

    def test_nothing_is_deleted_by_default(self, erp: ErpServer, old: dict[str, str], runs: Runner) -> None:
        runs.job(JOB)
        assert erp.store.count(DOCTYPE) == len(old)

    def test_old_ones_go_but_never_a_registered_address(
        self, erp: ErpServer, old: dict[str, str], runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTP_RETENTION_DAYS", "30")
        run = runs.job(JOB)
        kept = {row["name"] for row in erp.store.rows(DOCTYPE)}
        assert kept == {old["registered"], old["pending"], old["young"]}
        assert run.metadata(ASSET)["removed"] == 2

    def test_one_that_is_asked_for_again_in_time_stays(
        self, erp: ErpServer, old: dict[str, str], runs: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTP_RETENTION_DAYS", "30")
        original = ErpNextClient.rows_in

        def renewed_before_the_second_look(self: ErpNextClient, *arguments: Any, **options: Any) -> Any:
            erp.store.set(DOCTYPE, old["expired"], status="Pending")
            return original(self, *arguments, **options)

        monkeypatch.setattr(ErpNextClient, "rows_in", renewed_before_the_second_look)
        runs.job(JOB)
        assert erp.store.get(DOCTYPE, old["expired"]) is not None
        assert erp.store.get(DOCTYPE, old["verified"]) is None
