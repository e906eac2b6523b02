"""What surrounds the installation: the proxy with its log-in, back-up and restore of the instance."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest
import requests
import sqlalchemy as sa

from dev.deployment import ROOT, private_postgres, wait_for
from dev.postgres import find_programs, free_port
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.copies import copy_of

pytestmark = pytest.mark.slow

CADDY = Path(sys.executable).with_name("caddy")
COMPOSE = ROOT / "deploy" / "compose"
PASSWORD = "s3c@/ret:x"  # pragma: allowlist secret
ACCOUNT = ("operator", "a-long-password")


class Webserver(BaseHTTPRequestHandler):
    """Stands in for Dagster's: says which path it saw, and whether the log-in reached it."""

    seen: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the UI")

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def webserver() -> Iterator[ThreadingHTTPServer]:
    Webserver.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Webserver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(webserver: ThreadingHTTPServer, tmp_path: Path) -> Iterator[str]:
    command = [str(CADDY), "hash-password", "--algorithm", "bcrypt", "--bcrypt-cost", "4", "--plaintext", ACCOUNT[1]]
    hashed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "ui_accounts").write_text(f"{ACCOUNT[0]} {hashed}\n", encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "UI_HOST": url,
        "WEBSERVER": f"127.0.0.1:{webserver.server_port}",
        "ACCOUNTS": str(tmp_path / "ui_accounts"),
    }
    with (tmp_path / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [str(CADDY), "run", "--config", str(COMPOSE / "Caddyfile"), "--adapter", "caddyfile"],
            env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_for("the proxy", lambda: answers(url, process))
        yield url
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "it ended: see caddy.log"
    try:
        return bool(requests.get(url, timeout=5).status_code)
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("path", ["/", "/graphql", "/server_info", "/report_asset_materialization/x", "/logs/x"])
def test_nothing_is_seen_or_done_without_a_log_in(proxy: str, path: str) -> None:
    for method in ("GET", "POST"):
        assert requests.request(method, proxy + path, timeout=60).status_code == 401
        assert requests.request(method, proxy + path, auth=(ACCOUNT[0], "wrong"), timeout=60).status_code == 401
    assert Webserver.seen == []
    answer = requests.post(proxy + path, auth=ACCOUNT, timeout=60)
    assert (answer.status_code, answer.text) == (200, "the UI")
    assert Webserver.seen == [(path, None)], "the webserver is not told the password"


def test_another_sites_page_cannot_use_the_browsers_log_in(proxy: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert requests.post(f"{proxy}/graphql", auth=ACCOUNT, headers=foreign, timeout=60).status_code == 403
    assert Webserver.seen == []


def script(name: str, url: str, file: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{find_programs()}:{os.environ['PATH']}", "DATABASE_URL": url}
    return subprocess.run(
        [str(COMPOSE / name), str(file)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(300)
def test_an_instance_comes_back_whole_from_its_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (find_programs() / "pg_dump").exists():
        pytest.fail("pg_dump is missing: apt-get install postgresql")
    shutil.copy(ROOT / "deploy" / "dagster.yaml", tmp_path / "dagster.yaml")
    with private_postgres(tmp_path / "postgres") as url:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
        backup = tmp_path / "instance.dump"
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert instance.run_coordinator, "as webserver and daemon have it: the storage notes where it is"
            kept = instance.add_run(dg.DagsterRun(job_name="kept", status=dg.DagsterRunStatus.SUCCESS))
            instance.report_runless_asset_event(dg.AssetMaterialization("medusa_products", partition="batch_0"))
            state.save(instance, "rejects/medusa_products", {"WEB-1": "held back"})
            done = script("backup", url, backup)
            assert done.returncode == 0, done.stderr
            assert backup.stat().st_mode & 0o077 == 0, "it holds what the runs logged"
            later = instance.add_run(dg.DagsterRun(job_name="later"))
            state.save(instance, "rejects/medusa_products", {})
        # As an upgrade does.
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE of_an_upgrade (id int)"))
        content = backup.read_bytes()
        for length in (2000, len(content) * 3 // 4):
            (tmp_path / "broken.dump").write_bytes(content[:length])
            done = script("restore", url, tmp_path / "broken.dump")
            assert done.returncode != 0
            assert "broken.dump is damaged: nothing is changed" in done.stderr
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert instance.get_run_by_id(later.run_id), "a damaged file changes nothing"
        done = script("restore", url, backup)
        assert done.returncode == 0, done.stderr
        assert not sa.inspect(engine).has_table("of_an_upgrade"), "the next upgrade would find it in its way"
        engine.dispose()
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert instance.get_run_by_id(kept.run_id)
            assert instance.get_run_by_id(later.run_id) is None
            assert instance.get_materialized_partitions(dg.AssetKey("medusa_products")) == {"batch_0"}
            assert state.load(instance, "rejects/medusa_products") == {"WEB-1": "held back"}
            assert instance.run_coordinator
            assert copy_of(instance) is None, "it is where it was"
        with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(sa.text(f"CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'"))
            connection.execute(sa.text("CREATE DATABASE elsewhere OWNER plain"))
        place = sa.make_url(url).set(database="elsewhere", username="plain", password=PASSWORD)
        elsewhere = place.render_as_string(hide_password=False)
        done = script("restore", elsewhere, backup)
        assert done.returncode == 0, done.stderr
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", elsewhere)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert instance.run_coordinator
            assert copy_of(instance), "it says so, and all is off: tests/sandbox/orchestration/test_copies.py"


@pytest.mark.parametrize(("name", "program"), [("backup", "pg_dump"), ("restore", "psql"), ("restore", "pg_restore")])
def test_no_password_is_in_a_command_line(name: str, program: str, tmp_path: Path) -> None:
    """Everybody on the machine can read those. In an address, %40 is an @."""
    for each in ("pg_dump", "pg_restore", "psql"):
        said = f'echo "$* $PGPASSWORD" >"{tmp_path}/{each}.said"; [ {each} != pg_dump ] || touch "{tmp_path}/file.part"'
        (tmp_path / each).write_text(f"#!/bin/sh\n{said}\ncat >/dev/null\n", encoding="utf-8")
        (tmp_path / each).chmod(0o755)
    (tmp_path / "file").touch()
    url = "postgresql://dagster:s3c%40%2Fret:x@db.example:5432/shop?sslmode=require"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DATABASE_URL": url}
    command = [str(COMPOSE / name), str(tmp_path / "file")]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)
    arguments, password = (tmp_path / f"{program}.said").read_text(encoding="utf-8").rsplit(maxsplit=1)
    assert "s3c" not in arguments
    assert password == PASSWORD
    if program != "pg_restore":  # It writes a script, and connects to nothing.
        assert "--dbname=postgresql://dagster@db.example:5432/shop?sslmode=require" in arguments
    bad = {**environment, "DATABASE_URL": "postgresql://db.example/shop?user=x&password=y"}
    refused = subprocess.run(command, env=bad, capture_output=True, text=True, check=False)
    assert (refused.returncode, "before the @" in refused.stderr) == (2, True)
