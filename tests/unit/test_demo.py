"""`make demo` without a shop: what it says while runs go on, what it sums up, and how it ends. Whole: tests/e2e."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from erp_medusa_pipelines import demo
from erp_medusa_sandbox.server import running

DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
UI = """\
import http.server, json, sys
class Ui(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": {"repositoriesOrError": {"nodes": [{"name": "ours"}]}}}).encode())
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Ui).serve_forever()
"""
"""A `dg dev` whose UI is up at once."""


def test_an_installation_that_does_not_hear_ctrl_c_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "END_SECONDS", 0.1)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        demo._end(process)
        assert process.returncode == -signal.SIGTERM


# --- the runs -------------------------------------------------------------------------------------------------


@dg.asset
def medusa_products() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"found": 3, "written": 2, "seconds": 0.5})


@dg.asset
def medusa_images() -> None:
    raise dg.Failure("Medusa is down")


GOOD, BAD = (
    dg.Definitions([asset]).resolve_implicit_global_asset_job_def() for asset in (medusa_products, medusa_images)
)


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr(demo, "SECONDS_BETWEEN_LOOKS", 0.05)
    (tmp_path / "dagster.yaml").touch()
    with dg.DagsterInstance.get() as made:
        yield made


def test_each_run_is_followed_to_its_end_and_a_failed_one_is_named(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = make_new_run_id(), make_new_run_id()
    GOOD.execute_in_process(run_id=good, instance=instance)
    late = threading.Timer(
        0.5, BAD.execute_in_process, kwargs={"run_id": bad, "instance": instance, "raise_on_error": False}
    )
    late.start()
    rows, all_good = demo._follow({good: "export batch_0", bad: "export batch_1"}, assets=2)
    late.join()
    assert not all_good
    assert rows == [{"asset": "medusa_products", "found": 3, "written": 2, "seconds": 0.5}]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1 of 2 runs, 1 of 2 assets: medusa_products found 3, written 2"
    assert said[-2:] == ["2 of 2 runs, 1 of 2 assets", "    export batch_1 FAILED: open it in the UI"]
    assert len(said) == len(set(said)), "a line for each change"


def test_the_summary_adds_up_the_batches_of_an_asset(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"asset": "medusa_products", "found": 3, "written": 2, "seconds": 0.5},
        {"asset": "medusa_products", "found": 4, "seconds": 0.7},
        {"asset": "medusa_images"},
    ]
    demo._print_summary(rows, 12.3)
    said = capsys.readouterr().out.splitlines()
    numbers = {line.split()[0]: line.split()[1:] for line in said if line.startswith("medusa")}
    assert numbers["medusa_products"] == ["7", "2", "0", "0", "0", "0", "0", "1.2"]
    assert numbers["medusa_images"] == ["0"] * 7 + ["0.0"]
    assert said[-1] == "Done in 12 s."


# --- the command ----------------------------------------------------------------------------------------------


def start_demo(
    monkeypatch: pytest.MonkeyPatch, folder: Path, port: int, dg_dev: str, *arguments: str, good: bool = True
) -> int:
    """Run `make demo`'s command with another program in the place of `dg dev`, and runs that went well or did not."""
    folder.mkdir()
    (folder / "dev.py").write_text(dg_dev, encoding="utf-8")
    (folder / "dg").write_text(f'#!/bin/sh\nexec {sys.executable} {folder / "dev.py"} "$@"\n', encoding="utf-8")
    (folder / "dg").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(sys, "argv", ["demo", "--port", str(port), *arguments])
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    monkeypatch.setenv("USE_SANDBOX", "false")
    monkeypatch.setattr(demo, "_night", lambda _port: ([{"asset": "medusa_products", "found": 400}], good))
    return demo.main()


@pytest.fixture
def free_port() -> int:
    with running(Starlette()) as url:
        return int(url.rsplit(":", 1)[1])


@pytest.mark.parametrize("good", [True, False])
def test_its_exit_code_is_that_of_the_night(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int, capsys: pytest.CaptureFixture[str], good: bool
) -> None:
    code = start_demo(monkeypatch, tmp_path / "demo", free_port, UI, "--no-serve", good=good)
    assert code == (0 if good else 1)
    said = capsys.readouterr().out
    assert "SANDBOX" in said
    assert "400" in said


def test_ctrl_c_ends_the_ui_that_stays_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None:
            raise KeyboardInterrupt
        return wait(process, timeout)

    wait = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", end)
    assert start_demo(monkeypatch, tmp_path / "demo", free_port, UI) == 0
    assert f"The Dagster UI: http://127.0.0.1:{free_port}" in capsys.readouterr().out


def test_a_dagster_that_does_not_start_is_said_with_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Starlette(routes=[Route("/graphql", lambda _: PlainTextResponse("not ours"), methods=["POST"])])
    with running(other) as url:
        port = int(url.rsplit(":", 1)[1])
        assert start_demo(monkeypatch, tmp_path / "demo", port, "raise SystemExit('port is taken')") == 1
    said = capsys.readouterr().err
    assert f"Dagster does not start on port {port}" in said
    assert "port is taken" in said
