"""The launcher: servers in a thread, and the one background process of a state directory."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from starlette.applications import Starlette

from erp_medusa_sandbox import server
from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.server import SandboxAddress, ensure_running

pytestmark = pytest.mark.slow


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "state of a shop"
    yield directory
    server.stop(directory)


def command(state_dir: Path, word: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "erp_medusa_sandbox", word, "--state-dir", str(state_dir)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=False)


def collections_of(address: SandboxAddress) -> list[str]:
    headers = {"Authorization": f"Basic {address.medusa_api_key}"}
    answer = requests.get(f"{address.medusa_url}/admin/collections", headers=headers, timeout=10)
    return [collection["title"] for collection in answer.json()["collections"]]


def make_collection(address: SandboxAddress) -> None:
    headers = {"Authorization": f"Basic {address.medusa_api_key}"}
    url = f"{address.medusa_url}/admin/collections"
    requests.post(url, headers=headers, json={"title": "Kept"}, timeout=10).raise_for_status()


def website_items_of(address: SandboxAddress) -> int:
    headers = {"Authorization": f"token {address.erpnext_api_key}:{address.erpnext_api_secret}"}
    url = f"{address.erpnext_url}/api/resource/Website Item?limit_page_length=0"
    return len(requests.get(url, headers=headers, timeout=30).json()["data"])


def wait_until_gone(state_dir: Path) -> None:
    deadline = time.monotonic() + 60
    while server.find_running(state_dir) is not None:
        assert time.monotonic() < deadline, "the process still answers"
        time.sleep(0.05)


def test_a_server_in_a_thread_answers_on_loopback_and_ends_with_its_context() -> None:
    with server.running(FaultInjector(Starlette(), name="empty")) as url:
        assert url.startswith("http://127.0.0.1:")
        assert requests.get(f"{url}/x", timeout=10).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/x", timeout=10)


def test_a_chosen_port_is_used_again_at_once() -> None:
    with server.running(Starlette()) as url:
        requests.get(url, timeout=10)
    port = int(url.rsplit(":", 1)[1])
    with server.running(Starlette(), port=port) as again:
        assert again == url


def test_it_starts_with_a_filled_shop_and_private_files(state_dir: Path) -> None:
    address = ensure_running(state_dir)
    assert website_items_of(address) > 0
    assert collections_of(address) == []
    for name in ("sandbox.json", "keys.json"):
        assert stat.S_IMODE((state_dir / name).stat().st_mode) == 0o600
    for url in (address.erpnext_url, address.medusa_url):
        assert requests.get(f"{url}/anything", timeout=10).headers["X-Sandbox"] == "1"
    assert address.medusa_api_key not in repr(address)
    assert address.erpnext_api_secret not in repr(address)


def test_callers_at_the_same_time_share_one_process(state_dir: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        addresses = set(pool.map(lambda _: ensure_running(state_dir), range(4)))
    assert len(addresses) == 1


def test_a_killed_process_comes_back_with_its_data_keys_and_ports(state_dir: Path) -> None:
    before = ensure_running(state_dir)
    make_collection(before)
    os.kill(before.pid, signal.SIGKILL)
    wait_until_gone(state_dir)
    after = ensure_running(state_dir)
    assert after.pid != before.pid
    assert after.environment() == before.environment()
    assert collections_of(after) == ["Kept"]
    assert website_items_of(after) == website_items_of(before)


def test_a_port_taken_meanwhile_is_replaced(state_dir: Path) -> None:
    before = ensure_running(state_dir)
    assert server.stop(state_dir)
    with contextlib.closing(socket.create_server(("127.0.0.1", int(before.medusa_url.rsplit(":", 1)[1])))):
        after = ensure_running(state_dir)
        assert after.medusa_url != before.medusa_url
        assert after.erpnext_url == before.erpnext_url
        assert collections_of(after) == []


def test_a_process_that_no_longer_answers_is_replaced(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ensure_running(state_dir)
    monkeypatch.setattr(server, "HEALTH_SECONDS", 1)
    os.kill(before.pid, signal.SIGSTOP)
    after = ensure_running(state_dir)
    assert after.pid != before.pid
    assert collections_of(after) == []


def test_reset_forgets_the_data_and_keeps_the_keys(state_dir: Path) -> None:
    before = ensure_running(state_dir)
    make_collection(before)
    server.reset(state_dir)
    assert server.find_running(state_dir) is None
    after = ensure_running(state_dir)
    assert collections_of(after) == []
    assert after.environment() == before.environment()


def test_it_ends_by_itself_when_nobody_asks(state_dir: Path) -> None:
    ensure_running(state_dir, idle_seconds=0.2)
    wait_until_gone(state_dir)
    assert "no request" in (state_dir / "sandbox.log").read_text()


def test_stopping_what_does_not_run_is_no_error(state_dir: Path) -> None:
    assert server.stop(state_dir) is False
    server.reset(state_dir)
    assert server.find_running(state_dir) is None


def test_a_start_that_fails_says_why(state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "medusa.sqlite").write_text("this is no database, it is a text of some length")
    with pytest.raises(server.SandboxError, match=r"(?s)SANDBOX.*not a database"):
        ensure_running(state_dir)


def test_the_command_line_prints_the_environment_and_says_sandbox(state_dir: Path) -> None:
    started = command(state_dir, "start")
    lines = started.stdout.splitlines()
    assert "SANDBOX" in lines[0]
    assert [line.split("=")[0] for line in lines[1:]] == [
        "ERPNEXT_URL",
        "ERPNEXT_API_KEY",
        "ERPNEXT_API_SECRET",
        "MEDUSA_URL",
        "MEDUSA_API_KEY",
        "MEDUSA_PUBLISHABLE_KEY",
    ]
    assert command(state_dir, "status").stdout == started.stdout
    stopped = command(state_dir, "stop")
    assert "SANDBOX" in stopped.stdout
    assert command(state_dir, "status").returncode == 3


def test_another_sample_shop_replaces_the_data_and_stays_through_a_reset(tmp_path: Path) -> None:
    def items(address: SandboxAddress) -> set[str]:
        query = {"limit_page_length": 0, "fields": '["item_code"]'}
        key = {"Authorization": f"token {address.erpnext_api_key}:{address.erpnext_api_secret}"}
        rows = requests.get(f"{address.erpnext_url}/api/resource/Item", query, headers=key, timeout=30).json()["data"]
        return {row["item_code"] for row in rows}

    try:
        assert "ITM-00001" in items(server.ensure_running(tmp_path))
        assert "NG-M-BLUE" in items(server.ensure_running(tmp_path, sample=server.CLINIC))
        server.reset(tmp_path)
        assert "NG-M-BLUE" in items(server.ensure_running(tmp_path))
    finally:
        server.stop(tmp_path)
