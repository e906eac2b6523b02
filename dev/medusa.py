"""A real Medusa on PostgreSQL, on free loopback ports, for development, tests and CI.

    python dev/medusa.py up       install, start and set up what is missing, then print the settings for it
    python dev/medusa.py fresh    the same with an empty shop, in seconds: the keys stay, everything else goes
    python dev/medusa.py down     end it, keep its data        kill   SIGKILL Medusa alone, as a crash would
    python dev/medusa.py status   say what is running          env    print the settings again
    python dev/medusa.py reset    end it and throw its data away
    python dev/medusa.py beside   while it runs, a second one with an empty shop of its own, until stdin is closed

The packages, the processes and the databases. The shop in them: medusa_shop.py; PostgreSQL: postgres.py. Everything
created at run time is in `.medusa/`. Progress goes to stderr, so that stdout is an environment file.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil
import requests
from medusa_shop import ADMIN_EMAIL, MedusaError, seed_shop
from postgres import Cluster, PostgresError, free_port

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "dev" / "medusa"
PACKAGE_FILES = ("package.json", "package-lock.json", ".npmrc")
CONFIGURATION = "medusa-config.js"

RUNTIME = ROOT / ".medusa"
CLI = RUNTIME / "node_modules" / "@medusajs" / "cli" / "cli.js"
INSTALLED = RUNTIME / "node_modules" / ".installed"
PLUGIN = ROOT / "medusa_plugin"
PLUGIN_INSTALLED = RUNTIME / "node_modules" / ".plugin_installed"
STATE = RUNTIME / "state.json"
ENV = RUNTIME / "env"
LOG = RUNTIME / "medusa.log"
SETUP_LOG = RUNTIME / "setup.log"
UPLOADS = RUNTIME / "static"

DATABASE = "medusa"
# The shop as it is right after set-up; `fresh` copies it. Never served itself.
SEED_DATABASE = "medusa_seed"
UNFINISHED_SEED = "medusa_seed_unfinished"

BOOT_SECONDS = 120
STOP_SECONDS = 20
CLOCK_TOLERANCE_SECONDS = 2

STOPPED_EXIT_CODE = 3


@dataclass
class State:
    """State kept between commands: secrets that the data depends on, ports, ids of the shop, the running process."""

    database_password: str = field(default_factory=lambda: secrets.token_hex(24))
    jwt_secret: str = field(default_factory=lambda: secrets.token_hex(24))
    cookie_secret: str = field(default_factory=lambda: secrets.token_hex(24))
    plugin_secret: str = field(default_factory=lambda: secrets.token_hex(24))
    admin_password: str = field(default_factory=lambda: secrets.token_hex(24))
    database_port: int | None = None
    port: int | None = None
    # Process id and its start time: a number alone may meanwhile belong to somebody else.
    process: tuple[int, float] | None = None
    # The environment lines that do not depend on the port.
    shop: dict[str, str] = field(default_factory=dict)
    # Which packages and modules the databases were last migrated by.
    migrated_by: str | None = None

    @classmethod
    def load(cls) -> "State":
        """Read the state of earlier commands, or start with an empty one."""
        if not STATE.exists():
            return cls()
        values = json.loads(STATE.read_text())
        if values["process"]:
            pid, started = values["process"]
            values["process"] = (int(pid), float(started))
        return cls(**values)

    def save(self) -> None:
        """Write the state, readable by its owner only."""
        _write_private(STATE, json.dumps(asdict(self), indent=2) + "\n")

    @property
    def url(self) -> str:
        """Address of the backend."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> str:
        """Return the settings as lines of an .env file."""
        return "".join(
            f"{name}={value}\n"
            for name, value in {"MEDUSA_URL": self.url, **self.shop, "MEDUSA_PLUGIN_SECRET": self.plugin_secret}.items()
        )


def _write_private(path: Path, text: str) -> None:
    """Replace the file atomically. Only its owner can read it, from the first byte on."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(text)
    unfinished.rename(path)


def say(text: str) -> None:
    """Print a progress message to stderr."""
    print(text, file=sys.stderr, flush=True)


def _tail(path: Path, lines: int = 25) -> str:
    text = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join([f"The end of {path}:", *(f"  {line}" for line in text[-lines:])])


# --- Packages -------------------------------------------------------------------------------------------------------


def _node() -> str:
    node = shutil.which("node")
    wanted = "Medusa needs Node 20 (20.19 or newer) or Node 22.12 and newer"
    if node is None or shutil.which("npm") is None:
        raise MedusaError(f"{wanted}, with npm; `{'npm' if node else 'node'}` is not on the PATH. See nodejs.org.")
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    match = re.match(r"v(\d+)\.(\d+)", answer)
    major, minor = map(int, match.groups()) if match else (0, 0)
    if not ((major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22):
        raise MedusaError(f"{wanted}; {node} is {answer}.")
    return node


def _packages_hash(*more: str) -> str:
    return hashlib.sha256(b"".join((PACKAGES / name).read_bytes() for name in (*PACKAGE_FILES, *more))).hexdigest()


def install() -> bool:
    """Install the packages of the lock file and our plugin unless they are. Returns whether the plugin is another."""
    _node()
    for name in (*PACKAGE_FILES, CONFIGURATION):
        shutil.copy(PACKAGES / name, RUNTIME)
    if not (INSTALLED.exists() and INSTALLED.read_text() == _packages_hash()):
        say("Installing Medusa's packages (a minute or two, once) ...")
        _npm("ci", failed="the registry may be out of reach, or the disk full")
        INSTALLED.write_text(_packages_hash())
    if not (PLUGIN_INSTALLED.exists() and PLUGIN_INSTALLED.read_text() == _plugin_hash()):
        _install_plugin()
        return True
    return False


def _npm(*arguments: str, failed: str) -> None:
    log = RUNTIME / "npm.log"
    with log.open("w") as output:
        done = subprocess.run(  # noqa: S603
            ["npm", *arguments],  # noqa: S607 (found on the PATH by _node)
            cwd=RUNTIME,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise MedusaError(f"`npm {arguments[0]}` failed: {failed}.\n{_tail(log)}")


def _plugin_hash() -> str:
    files = sorted(path for path in PLUGIN.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _install_plugin() -> None:
    """Install our plugin from its tarball, as a shop does."""
    say("Installing the plugin ...")
    for old in RUNTIME.glob("medusa-plugin-*.tgz"):
        old.unlink()
    _npm("pack", str(PLUGIN), failed="medusa_plugin/package.json is damaged")
    (tarball,) = RUNTIME.glob("medusa-plugin-*.tgz")
    _npm("install", "--no-save", "--no-audit", f"./{tarball.name}", failed="the plugin's package is damaged")
    PLUGIN_INSTALLED.write_text(_plugin_hash())


# --- Processes ------------------------------------------------------------------------------------------------------


def _start_time(pid: int) -> float | None:
    """Return the Unix time at which the process started; None if it does not exist or is a zombie."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def running(state: State) -> bool:
    """Return whether the Medusa process of the last start is still running."""
    if state.process is None:
        return False
    pid, started = state.process
    now = _start_time(pid)
    # It is derived from the system's clock, which may have been set meanwhile.
    return now is not None and abs(now - started) < CLOCK_TOLERANCE_SECONDS


def _variables(state: State, cluster: Cluster, database: str) -> dict[str, str]:
    return {
        **os.environ,
        # In development mode the CLI looks for TypeScript, which a configuration in JavaScript does not need.
        "NODE_ENV": "production",
        "MEDUSA_DISABLE_TELEMETRY": "true",
        "DATABASE_URL": cluster.url(database),
        "MEDUSA_URL": state.url,
        "JWT_SECRET": state.jwt_secret,
        "COOKIE_SECRET": state.cookie_secret,
        "MEDUSA_PLUGIN_SECRET": state.plugin_secret,
    }


def _command(state: State, cluster: Cluster, database: str, *arguments: str, failed: str) -> None:
    """Run a command of Medusa's CLI until it exits."""
    with SETUP_LOG.open("a") as output:
        done = subprocess.run(  # noqa: S603
            [_node(), CLI, *arguments],
            cwd=RUNTIME,
            env=_variables(state, cluster, database),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise MedusaError(f"{failed}\n{_tail(SETUP_LOG)}")


def _choose_port(state: State) -> None:
    """Set the port: MEDUSA_PORT if set, else the previous one so that addresses stay valid, else any free one."""
    if named := os.environ.get("MEDUSA_PORT"):
        if not named.isdigit() or free_port(int(named)) != int(named):
            raise MedusaError(f"MEDUSA_PORT={named}: somebody else listens there, or it is no port. Choose another.")
        state.port = int(named)
    else:
        state.port = free_port(state.port)


def _serve(state: State, cluster: Cluster, database: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("a") as output:
        return subprocess.Popen(  # noqa: S603
            [_node(), CLI, "start", "-H", "127.0.0.1", "-p", str(state.port)],
            cwd=RUNTIME,
            env=_variables(state, cluster, database),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Neither Ctrl-C in this terminal nor its end reaches the server.
            start_new_session=True,
        )


def _start(state: State, cluster: Cluster, database: str) -> None:
    process = _serve(state, cluster, database, LOG)
    start_time = _start_time(process.pid)
    state.process = (process.pid, start_time) if start_time else None
    state.save()
    try:
        _await_health(state, process, LOG)
    except MedusaError:
        _stop(state)
        raise


def _await_health(state: State, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _healthy(state):
            return
        time.sleep(0.1)
    raise MedusaError(f"Medusa did not start within {BOOT_SECONDS} s, or ended at once.\n{_tail(log)}")


def _healthy(state: State) -> bool:
    try:
        return requests.get(f"{state.url}/health", timeout=5).ok
    except requests.RequestException:
        return False


def _stop(state: State, first: signal.Signals = signal.SIGTERM) -> None:
    for number in (first, signal.SIGKILL):
        if state.process is None or not running(state):
            break
        os.kill(state.process[0], number)
        deadline = time.monotonic() + STOP_SECONDS
        while running(state) and time.monotonic() < deadline:
            time.sleep(0.05)
    state.process = None
    state.save()


# --- The databases --------------------------------------------------------------------------------------------------


def _migrate(state: State, cluster: Cluster, database: str) -> None:
    _command(
        state,
        cluster,
        database,
        *("db:migrate", "--execute-safe-links", "--execute-safe-search"),
        failed=f"The migration of database {database} failed.",
    )


def _ensure_seed(state: State, cluster: Cluster) -> None:
    """Build the seed database under a temporary name, so that an interrupted set-up starts over."""
    if cluster.has_database(SEED_DATABASE):
        return
    say("Setting up the shop (half a minute, once) ...")
    cluster.drop_database(UNFINISHED_SEED)
    # What an earlier seed left behind would go with keys that this one does not know.
    cluster.drop_database(DATABASE)
    cluster.create_database(UNFINISHED_SEED)
    _migrate(state, cluster, UNFINISHED_SEED)
    _command(
        state,
        cluster,
        UNFINISHED_SEED,
        *("user", "--email", ADMIN_EMAIL, "--password", state.admin_password),
        failed="The admin user could not be created.",
    )
    _start(state, cluster, UNFINISHED_SEED)
    try:
        state.shop = seed_shop(state.url, state.admin_password)
    finally:
        _stop(state)
    state.migrated_by = _packages_hash(CONFIGURATION)
    state.save()
    cluster.rename_database(UNFINISHED_SEED, SEED_DATABASE)


# --- Commands -------------------------------------------------------------------------------------------------------


def _cluster(state: State) -> Cluster:
    return Cluster(RUNTIME / "pg", state.database_password, state.database_port)


def up(state: State, empty_shop: bool = False) -> None:
    """Start whatever is not running, and print the settings."""
    if not running(state):
        _choose_port(state)
    # Before the first start, so that no data can outlive the password that opens it.
    state.save()
    new_plugin = install()
    cluster = _cluster(state)
    cluster.start()
    wanted = _packages_hash(CONFIGURATION)
    if cluster.port != state.database_port or empty_shop or state.migrated_by != wanted or new_plugin:
        # A Medusa that still runs holds the old database, or the old packages.
        _stop(state)
    state.database_port = cluster.port
    _ensure_seed(state, cluster)
    if empty_shop:
        cluster.drop_database(DATABASE)
    if not cluster.has_database(DATABASE):
        shutil.rmtree(UPLOADS, ignore_errors=True)
        cluster.create_database(DATABASE, template=SEED_DATABASE)
    if state.migrated_by != wanted:
        for database in (SEED_DATABASE, DATABASE):
            _migrate(state, cluster, database)
        state.migrated_by = wanted
    if not running(state):
        _start(state, cluster, DATABASE)
    _write_private(ENV, state.environment())
    say(f"Medusa runs at {state.url}; its log is {LOG}, these settings are in {ENV}")
    print(state.environment(), end="")


def fresh(state: State) -> None:
    """Start with an empty shop."""
    up(state, empty_shop=True)


def down(state: State) -> None:
    """Stop Medusa and PostgreSQL; keep the data."""
    _stop(state)
    _cluster(state).stop()


def kill(state: State) -> None:
    """Kill Medusa as a crash would."""
    if not running(state):
        raise MedusaError("Medusa is not running.")
    _stop(state, signal.SIGKILL)


def reset(state: State) -> None:
    """Stop everything and delete its data."""
    _stop(state)
    _cluster(state).remove()
    shutil.rmtree(UPLOADS, ignore_errors=True)
    for path in (STATE, ENV, LOG, SETUP_LOG):
        path.unlink(missing_ok=True)


def status(state: State) -> None:
    """Print what is running. The exit code says the same to scripts."""
    medusa, database = running(state), _cluster(state).running()
    say(f"Medusa: {state.url if medusa else 'stopped'}\nPostgreSQL: {'running' if database else 'stopped'}")
    if not (medusa and database):
        sys.exit(STOPPED_EXIT_CODE)


def env(_state: State) -> None:
    """Print the settings again."""
    if not ENV.exists():
        raise MedusaError("No Medusa has been set up yet: python dev/medusa.py up")
    print(ENV.read_text(), end="")


def beside() -> None:
    """Serve an empty shop of its own in the same PostgreSQL until stdin is closed. Nothing of it stays."""
    state = State.load()
    if not running(state):
        raise MedusaError("The first Medusa is not running: python dev/medusa.py up")
    other, cluster = replace(state, port=free_port(None), process=None), _cluster(state)
    database, log = f"medusa_{other.port}", RUNTIME / f"medusa-{other.port}.log"
    with _locked():
        cluster.create_database(database, template=SEED_DATABASE)
    process = _serve(other, cluster, database, log)
    try:
        _await_health(other, process, log)
        print(f"{other.environment()}MEDUSA_DATABASE_URL={cluster.url(database)}\n", flush=True)
        sys.stdin.read()
    finally:
        process.kill()
        process.wait()
        cluster.drop_database(database)
        log.unlink()


COMMANDS: dict[str, Callable[[State], None]] = {
    "up": up,
    "start": up,
    "fresh": fresh,
    "down": down,
    "kill": kill,
    "status": status,
    "env": env,
    "reset": reset,
}


@contextmanager
def _locked() -> Iterator[None]:
    """Allow one command at a time: a second `up` waits, then finds everything running."""
    RUNTIME.mkdir(exist_ok=True)
    with (RUNTIME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another dev/medusa.py to finish ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[*COMMANDS, "beside"])
    command = parser.parse_args().command
    try:
        if command == "beside":
            beside()
            return 0
        with _locked():
            COMMANDS[command](State.load())
    except (MedusaError, PostgresError) as error:
        say(str(error))
        return 1
    except PermissionError as error:
        say(f"{error}. {RUNTIME} may belong to another user: run as that one, or remove it.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
