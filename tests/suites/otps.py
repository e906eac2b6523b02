"""One-time passwords over real sockets, on the embedded ERPNext or any other: a test makes and removes its own rows."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import requests

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.orchestration.schedules.gates import reason_to_skip
from erp_medusa_pipelines.tasks import task_named
from erp_medusa_sandbox.faults import Fault
from tests.support.plain_runs import quick_runner
from tests.support.runs import Runner
from tests.support.servers import use_erpnext
from tests.support.site import AnyErp

JOB = "expire_otps"
ASSET = "expired_otps"
DOCTYPE = "Email OTP"
WRITES = ("frappe.client.bulk_update", "erp_medusa_set_values")
TASK = task_named(JOB)


@dataclass
class Passwords:
    """Makes one-time passwords whose times are relative to the site's clock."""

    erp: AnyErp
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, minutes: float | None, *, status: str = "Pending", **more: Any) -> str:
        """One that ends in so many minutes (negative: has ended; None: never)."""
        time = None if minutes is None else (self.now() + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S.%f")
        number = len(self.made)
        values = {"email": f"otp-{uuid4().hex[:12]}@example.com", "otp": 731000 + number, "status": status, **more}
        now = self.now().strftime("%Y-%m-%d %H:%M:%S.%f")
        name = self.erp.store.insert(DOCTYPE, expiration_time=time, creation=now, modified=now, **values)
        self.made[name] = values
        return name

    def now(self) -> datetime:
        """The site's wall clock."""
        answer = requests.get(
            f"{self.erp.url}/api/method/frappe.client.get_time_zone",
            headers={"Authorization": f"token {self.erp.key}:{self.erp.secret}"},
            timeout=30,
        )
        return datetime.now(ZoneInfo(answer.json()["message"]["time_zone"])).replace(tzinfo=None)

    def status(self, name: str) -> str:
        return self.row(name)["status"]

    def row(self, name: str) -> dict[str, Any]:
        row = self.erp.store.get(DOCTYPE, name)
        assert row is not None
        return row


@pytest.fixture
def passwords(erp: AnyErp, monkeypatch: pytest.MonkeyPatch) -> Passwords:
    """On the ERPNext that the environment of the run names."""
    use_erpnext(erp, monkeypatch)
    return Passwords(erp)


@pytest.fixture
def runs(passwords: Passwords) -> Runner:
    return quick_runner()


def before_call(monkeypatch: pytest.MonkeyPatch, function: str, act: Callable[[], None]) -> None:
    """Do something right before the first call of a function reaches the server."""
    original, done = ErpNextClient.call, []

    def call(self: ErpNextClient, name: str, *arguments: Any, **options: Any) -> Any:
        if name == function and not done:
            done.append(name)
            act()
        return original(self, name, *arguments, **options)

    monkeypatch.setattr(ErpNextClient, "call", call)


def before_write(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something right before the first write of passwords, whichever way of writing the site has."""
    original, done = ErpNextClient.call, []

    def call(self: ErpNextClient, name: str, *arguments: Any, **options: Any) -> Any:
        if name in WRITES and DOCTYPE in str(arguments) and not done:
            done.append(name)
            act()
        return original(self, name, *arguments, **options)

    monkeypatch.setattr(ErpNextClient, "call", call)


def everything_kept(runs: Runner, log: pytest.LogCaptureFixture) -> str:
    """All that an instance keeps about its runs, and all that was logged, as one text."""
    # `mail.log` is the test's own mail server, which tells whom it talks to.
    texts = [record.getMessage() for record in log.records if record.name != "mail.log"]
    for run in runs.instance.get_runs():
        texts.append(str(run))
        texts += [entry.to_json() for entry in runs.instance.all_logs(run.run_id)]
        texts += [repr(entry) for entry in runs.instance.all_logs(run.run_id)]
    texts.append(repr(vars(runs.instance.daemon_cursor_storage)))
    return "\n".join(texts)


class OtpSuite:
    """Run by tests/sandbox and tests/live; both say what `erp` is."""

    def test_only_pending_ones_whose_time_is_over_expire(self, passwords: Passwords, runs: Runner) -> None:
        over, long_over = passwords.add(-0.1), passwords.add(-60 * 24 * 400)
        running, endless = passwords.add(5), passwords.add(None)
        verified = passwords.add(-5, status="Verified")
        run = runs.job(JOB)
        assert run.success
        assert [passwords.status(name) for name in (over, long_over)] == ["Expired", "Expired"]
        assert [passwords.status(name) for name in (running, endless)] == ["Pending", "Pending"]
        assert passwords.status(verified) == "Verified"
        metadata = run.metadata(ASSET)
        assert metadata["written"] >= 2
        assert metadata["pending_without_expiry"] >= 1
        assert metadata["oldest_seconds"] > 400 * 86_400 - 3_600

    def test_a_second_run_touches_nothing(self, passwords: Passwords, runs: Runner) -> None:
        name = passwords.add(-1)
        runs.job(JOB)
        modified = passwords.row(name)["modified"]
        assert runs.job(JOB).metadata(ASSET)["written"] == 0
        assert passwords.row(name)["modified"] == modified

    @pytest.mark.parametrize("change", [{"status": "Verified"}, {"status": "Pending", "otp": 123456}])
    def test_what_its_owner_does_between_look_and_write_stands(
        self, passwords: Passwords, runs: Runner, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
    ) -> None:
        faster, other = passwords.add(-2), passwords.add(-1)
        before_write(monkeypatch, lambda: passwords.erp.store.save(DOCTYPE, faster, **change))
        run = runs.job(JOB)
        assert run.success
        assert passwords.status(faster) == change["status"]
        assert passwords.status(other) == "Expired"
        assert run.metadata(ASSET)["changed_meanwhile"] == 1

    def test_the_gate_knows_by_the_clock_of_the_site(self, passwords: Passwords, runs: Runner) -> None:
        passwords.add(3)
        passwords.add(None)
        runs.job(JOB)
        quiet = reason_to_skip(TASK, runs.instance)
        passwords.add(-0.2)
        assert quiet == "expire_otps: no one-time password has expired"
        assert reason_to_skip(TASK, runs.instance) is None

    def test_no_password_and_no_address_is_kept_anywhere(
        self, passwords: Passwords, caplog: pytest.LogCaptureFixture
    ) -> None:
        runs = Runner()
        caplog.set_level(logging.DEBUG)
        for minutes in (-3, -2, -1, 5):
            passwords.add(minutes)
        refused = next(iter(passwords.made))
        address = passwords.made[refused]["email"]
        text = f"frappe.exceptions.ValidationError: {address} cannot be saved, <{address}>"
        failed = {"message": {"failed_docs": [{"doc": {"docname": refused}, "exc": text}]}}
        passwords.erp.faults.add(Fault("status", path="bulk_update", status=200, json=failed, times=1))
        runs.job(JOB)
        body = {"exc_type": "ValidationError", "exception": f"ValidationError: {address} is odd"}
        refusal = Fault("status", path="|".join(WRITES), body=DOCTYPE, status=417, json=body, times=1)
        passwords.erp.faults.add(refusal)
        passwords.add(-1)
        runs.job(JOB)
        passwords.erp.faults.add(Fault("status", path="Email OTP", status=417, json=body, times=1))
        assert not runs.job(JOB).success
        reason_to_skip(TASK, runs.instance)
        kept = everything_kept(runs, caplog)
        assert "is odd" in kept, "the refusals themselves must be told"
        for values in passwords.made.values():
            assert str(values["otp"]) not in kept
            assert values["email"] not in kept
        assert "@example.com" not in kept
        assert passwords.erp.secret not in kept
        json.dumps(kept)
