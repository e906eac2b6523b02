"""Run the embedded servers: in a thread for tests, else as one background process.

Uvicorn, ports, keys, the state directory and the life of the background process. What the servers answer belongs to
`erpnext/` and `medusa/`, how they fail to `faults.py`, the words on the terminal to `__main__.py`.

Files of a state directory: `keys.json` (made once, kept), `sandbox.json` (where the running process is), `sample`
(which shop it is, kept), `sandbox.log`, the two databases and Medusa's `static/` uploads. `start.lock` makes concurrent
callers share one process; `serve.lock` is held by it for as long as it lives, so "is it alive" does not depend on a
reused process id.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import uvicorn
from filelock import FileLock, Timeout
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from erp_medusa_sandbox.faults import TRANSPORT, FaultInjector

LOOPBACK = "127.0.0.1"
# gunicorn behind nginx keeps idle connections for long, Medusa's node closes them after 5 s.
MEDUSA_KEEP_ALIVE = 5
ERPNEXT_KEEP_ALIVE = 65
IDLE_SECONDS = 30 * 60
START_SECONDS = 180
STOP_SECONDS = 15
# A server that is busy with one long request is slow to answer, not dead.
HEALTH_SECONDS = 20
TICK_SECONDS = 0.1
AWKWARD, CLINIC = "awkward", "clinic"
"""The sample shops: many items, as awkward as real ones (the default); few, with all that a catalogue can have."""


class SandboxError(RuntimeError):
    """The sandbox could not be started or stopped."""


@dataclass(frozen=True)
class SandboxAddress:
    """Where a running sandbox answers, and its keys."""

    erpnext_url: str
    erpnext_api_key: str
    erpnext_api_secret: str
    medusa_url: str
    medusa_api_key: str
    medusa_publishable_key: str
    medusa_admin_email: str
    medusa_admin_password: str
    pid: int

    def __repr__(self) -> str:
        """Leave out the keys."""
        return (
            f"SandboxAddress(SANDBOX, erpnext_url={self.erpnext_url!r}, medusa_url={self.medusa_url!r}, pid={self.pid})"
        )

    def environment(self) -> dict[str, str]:
        """Return the settings that point the project at this sandbox, by its keys."""
        return {
            key.upper(): str(value)
            for key, value in asdict(self).items()
            if key != "pid" and not key.startswith("medusa_admin")
        }

    def log_in(self) -> dict[str, str]:
        """Return the settings by which the project logs in at Medusa instead of sending the key."""
        return {"MEDUSA_ADMIN_EMAIL": self.medusa_admin_email, "MEDUSA_ADMIN_PASSWORD": self.medusa_admin_password}


# -- in this process --------------------------------------------------------------------------------------------


class _SandboxProtocol(H11Protocol):
    """Gives `faults.py` the connection: ASGI cannot close it without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


class _Server(uvicorn.Server):
    """Ends at once: uvicorn looks ten times a second whether it should, and tests start hundreds of servers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in [*self.servers, *(sockets or [])]:
            listening.close()
        for connection in [*self.server_state.connections]:
            connection.shutdown()
        for _ in range(20):
            if not (self.server_state.connections or self.server_state.tasks):
                return
            await asyncio.sleep(0.005)
        # Somebody still waits for an answer.
        await super().shutdown(sockets)

    def end(self) -> None:
        """End the server; called from another thread."""
        self.should_exit = True
        # Before its loop runs, the first look finds the flag.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)


@contextlib.contextmanager
def running(app: ASGIApp, *, port: int = 0, keep_alive: int = MEDUSA_KEEP_ALIVE) -> Iterator[str]:
    """Serve `app` on the loopback interface while the context lasts and yield its base URL."""
    with _listening(port) as listener:
        config = uvicorn.Config(
            app,
            http=_SandboxProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=keep_alive,
            timeout_graceful_shutdown=5,
        )
        server = _Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name=f"sandbox:{listener.getsockname()[1]}", daemon=True
        )
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise SandboxError("SANDBOX: the embedded server ended while starting")
                time.sleep(0.005)
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            server.end()
            thread.join(timeout=STOP_SECONDS)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A restart on the same port must not wait for the old connections' TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(128)
        yield listener
    finally:
        listener.close()


# -- as a background process ------------------------------------------------------------------------------------


def ensure_running(
    state_dir: Path, *, idle_seconds: float = IDLE_SECONDS, timeout: float = START_SECONDS, sample: str | None = None
) -> SandboxAddress:
    """Return the running sandbox of `state_dir`, started if there was none. Many processes may call it at once.

    `sample` is AWKWARD or CLINIC; where the directory holds another, its data is replaced. None: what it holds.
    """
    state_dir = Path(state_dir).resolve()
    _make_private(state_dir)
    with FileLock(state_dir / "start.lock"):
        if sample and _sample(state_dir) != sample:
            _clear(state_dir)
            (state_dir / "sample").write_text(sample)
        address = find_running(state_dir)
        if address is not None:
            return address
        _end_process(state_dir, signal.SIGKILL)  # it may live, but it does not answer
        return _start_process(state_dir, idle_seconds, timeout)


def find_running(state_dir: Path) -> SandboxAddress | None:
    """Return the sandbox of `state_dir` if it lives and answers."""
    state_dir = Path(state_dir).resolve()
    address = _read_address(state_dir)
    if address is None or not _is_locked(state_dir):
        return None
    answering = all(_health_pid(url) == address.pid for url in (address.erpnext_url, address.medusa_url))
    return address if answering else None


def stop(state_dir: Path) -> bool:
    """Stop the sandbox of `state_dir` and keep its data. Returns whether it was running."""
    state_dir = Path(state_dir).resolve()
    if not state_dir.is_dir():
        return False
    with FileLock(state_dir / "start.lock"):
        return _end_process(state_dir)


def reset(state_dir: Path) -> None:
    """Stop the sandbox and delete its data. Keys and ports stay; the next start seeds the sample shop again."""
    state_dir = Path(state_dir).resolve()
    if not state_dir.is_dir():
        return
    with FileLock(state_dir / "start.lock"):
        _clear(state_dir)


def _clear(state_dir: Path) -> None:
    _end_process(state_dir)
    for path in state_dir.glob("*.sqlite*"):
        path.unlink()
    (state_dir / "seeded").unlink(missing_ok=True)
    shutil.rmtree(state_dir / "static", ignore_errors=True)


def _sample(state_dir: Path) -> str:
    path = state_dir / "sample"
    return path.read_text() if path.exists() else AWKWARD


def serve(state_dir: Path, *, idle_seconds: float = IDLE_SECONDS) -> None:
    """Serve both embedded servers until a signal or idleness ends it: the body of the background process."""
    state_dir = Path(state_dir).resolve()
    _make_private(state_dir)
    alive = FileLock(state_dir / "serve.lock")
    try:
        alive.acquire(timeout=2)  # a passing look by find_running() holds it for a moment
    except Timeout as error:
        raise SandboxError(f"SANDBOX: another process already serves {state_dir}") from error
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with alive, contextlib.ExitStack() as stack:
        keys = _keys(state_dir)
        injectors = _open_servers(state_dir, keys)
        ports = _last_ports(state_dir)
        urls = {
            "erpnext_url": _serve_on(stack, injectors[0], ports[0], ERPNEXT_KEEP_ALIVE),
            "medusa_url": _serve_on(stack, injectors[1], ports[1], MEDUSA_KEEP_ALIVE),
        }
        _write_private(state_dir / "sandbox.json", {**urls, **keys, "pid": os.getpid()})
        print(f"SANDBOX: serving {urls['erpnext_url']} (ERPNext) and {urls['medusa_url']} (Medusa)", flush=True)
        while not stopping.wait(min(1.0, idle_seconds / 4)):
            if time.monotonic() - max(injector.last_request for injector in injectors) > idle_seconds:
                print(f"SANDBOX: no request for {idle_seconds:.0f} s, ending", flush=True)
                break


def _open_servers(state_dir: Path, keys: dict[str, str]) -> tuple[FaultInjector, FaultInjector]:
    # Imported here: a client of ensure_running() needs none of the servers' code.
    from erp_medusa_sandbox.erpnext import app as erpnext
    from erp_medusa_sandbox.erpnext.store import ErpStore
    from erp_medusa_sandbox.medusa import app as medusa
    from erp_medusa_sandbox.medusa.login import Admin
    from erp_medusa_sandbox.medusa.plugin import PluginOptions
    from erp_medusa_sandbox.medusa.store import MedusaStore
    from erp_medusa_sandbox.shop.clinic_seed import seed_clinic
    from erp_medusa_sandbox.shop.seed import seed_shop

    database, seeded = state_dir / "erpnext.sqlite", state_dir / "seeded"
    if not seeded.exists():  # first start, or the last one died while seeding
        for path in state_dir.glob("erpnext.sqlite*"):
            path.unlink()
    erp_store = ErpStore(database)
    if not seeded.exists():
        (seed_clinic if _sample(state_dir) == CLINIC else seed_shop)(erp_store)
        seeded.touch()
    medusa_store = MedusaStore(state_dir / "medusa.sqlite")
    medusa_store.publishable_key = keys["medusa_publishable_key"]
    erp_app = erpnext.create_app(erp_store, api_key=keys["erpnext_api_key"], api_secret=keys["erpnext_api_secret"])
    admin = Admin(keys["medusa_admin_email"], keys["medusa_admin_password"])
    medusa_app = medusa.create_app(medusa_store, api_key=keys["medusa_api_key"], admin=admin, plugin=PluginOptions())
    return FaultInjector(erp_app, name="erpnext"), FaultInjector(medusa_app, name="medusa")


def _serve_on(stack: contextlib.ExitStack, app: ASGIApp, port: int, keep_alive: int) -> str:
    """Serve on the previous port, so that saved settings stay valid, or on another one if it is taken."""
    try:
        return stack.enter_context(running(app, port=port, keep_alive=keep_alive))
    except OSError:
        return stack.enter_context(running(app, keep_alive=keep_alive))


def _start_process(state_dir: Path, idle_seconds: float, timeout: float) -> SandboxAddress:
    package_root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.getenv("PYTHONPATH")]))}
    command = [sys.executable, "-m", "erp_medusa_sandbox", "serve", "--state-dir", str(state_dir)]
    log = state_dir / "sandbox.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [*command, "--idle-seconds", str(idle_seconds)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SandboxError(f"SANDBOX: the servers ended while starting; see {log}:\n{_tail(log)}")
        address = _read_address(state_dir)
        if address is not None and address.pid == process.pid and find_running(state_dir) is not None:
            return address
        time.sleep(0.05)
    process.kill()
    raise SandboxError(f"SANDBOX: the servers did not answer within {timeout:.0f} s; see {log}:\n{_tail(log)}")


def _end_process(state_dir: Path, *signals: signal.Signals) -> bool:
    address = _read_address(state_dir)
    if address is None or not _is_locked(state_dir):
        return False
    for number in signals or (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(address.pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not _is_locked(state_dir):
                return True
            with contextlib.suppress(ChildProcessError):
                os.waitpid(address.pid, os.WNOHANG)  # a child of ours would stay a zombie
            time.sleep(0.02)
    raise SandboxError(f"SANDBOX: process {address.pid} of {state_dir} does not end")


def _is_locked(state_dir: Path) -> bool:
    lock = FileLock(state_dir / "serve.lock", is_singleton=False)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def _health_pid(url: str) -> int | None:
    try:
        with urllib.request.urlopen(f"{url}/__sandbox__/health", timeout=HEALTH_SECONDS) as answer:  # noqa: S310 - loopback http
            return json.load(answer).get("pid")
    except (OSError, ValueError):
        return None


def _keys(state_dir: Path) -> dict[str, str]:
    """Return the keys of this folder; what an earlier version of the sandbox did not have is added."""
    path = state_dir / "keys.json"
    new = {
        "erpnext_api_key": secrets.token_hex(8),
        "erpnext_api_secret": secrets.token_hex(8),
        "medusa_api_key": f"sk_{secrets.token_hex(32)}",
        "medusa_publishable_key": f"pk_{secrets.token_hex(32)}",
        "medusa_admin_email": "admin@sandbox.example",
        "medusa_admin_password": secrets.token_hex(16),
    }
    stored = json.loads(path.read_text()) if path.exists() else {}
    if not new.keys() <= stored.keys():
        _write_private(path, {**new, **stored})
    return json.loads(path.read_text())


def _read_address(state_dir: Path) -> SandboxAddress | None:
    try:
        stored = json.loads((state_dir / "sandbox.json").read_text())
        return SandboxAddress(**{field.name: stored[field.name] for field in fields(SandboxAddress)})
    except (OSError, ValueError, KeyError):
        return None


def _last_ports(state_dir: Path) -> tuple[int, int]:
    address = _read_address(state_dir)
    if address is None:
        return 0, 0
    return int(address.erpnext_url.rsplit(":", 1)[1]), int(address.medusa_url.rsplit(":", 1)[1])


def _make_private(state_dir: Path) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    state_dir.chmod(0o700)


def _write_private(path: Path, content: dict[str, Any]) -> None:
    """Write a new file and rename it: readers never see half a file, and others may never read it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    temporary.replace(path)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
