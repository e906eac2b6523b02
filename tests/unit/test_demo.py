"""`make demo` without a shop: what it says while runs go on, what it sums up, and how it ends. Whole: tests/e2e."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from dev import demo
from erp_medusa_sandbox.server import running, stop

UI = "import time; time.sleep(60)"
"""A `dg dev` that works."""


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


@pytest.mark.long
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


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The demo changes its process's environment and folder, which here is the tests'."""
    before = dict(os.environ)
    monkeypatch.chdir(Path.cwd())
    yield
    os.environ.clear()
    os.environ.update(before)


def start_demo(
    monkeypatch: pytest.MonkeyPatch, folder: Path, port: int, dg_dev: str, *arguments: str, good: bool | None = True
) -> int:
    """Run `make demo`'s command with another program in the place of `dg dev`, and runs that went well or did not."""
    folder.mkdir()
    (folder / "dev.py").write_text(dg_dev, encoding="utf-8")
    (folder / "dg").write_text(f'#!/bin/sh\nexec {sys.executable} {folder / "dev.py"} "$@"\n', encoding="utf-8")
    (folder / "dg").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(sys, "argv", ["demo", "--home", str(folder / "home"), "--port", str(port), *arguments])
    monkeypatch.setattr(demo, "_open_shop", lambda _: SimpleNamespace(seen=lambda: "What customers see"))
    if good is not None:
        monkeypatch.setattr(demo, "_is_ours", lambda *_: True)
        monkeypatch.setattr(demo, "_night", lambda *_: ([{"asset": "medusa_products", "found": 400}], good))
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
    assert ("What customers see" in said) == good


@pytest.mark.slow
def test_each_line_that_it_prints_to_be_tried_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("USE_SANDBOX", "true")
    try:
        lines = [line[line.index("curl") :] for line in demo._what_to_try(tmp_path).splitlines() if "curl " in line]
        # Medusa is healed by the last one.
        assert len(lines) == 10
        for line in lines:
            subprocess.run(["sh", "-c", f"{line} --fail --silent --show-error"], check=True, stdout=subprocess.DEVNULL)
    finally:
        stop(tmp_path / "sandbox")


def test_ctrl_c_ends_the_ui_that_stays_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None and process.returncode is None:
            monkeypatch.setattr(subprocess.Popen, "wait", wait)
            raise KeyboardInterrupt
        return wait(process, timeout)

    wait = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", end)
    monkeypatch.setattr(demo, "_what_to_try", lambda home: f"what to try in {home}")
    assert start_demo(monkeypatch, tmp_path / "demo", free_port, UI) == 0
    assert f"The Dagster UI: http://127.0.0.1:{free_port}" in capsys.readouterr().out


def test_a_dagster_that_does_not_start_is_said_with_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dg_dev = "raise SystemExit('no such module')"
    assert start_demo(monkeypatch, tmp_path / "demo", free_port, dg_dev, good=None) == 1
    said = capsys.readouterr().err
    assert f"Dagster does not start on port {free_port}" in said
    assert "no such module" in said


def test_a_port_that_was_asked_for_and_is_taken_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(Starlette()) as url:
        port = int(url.rsplit(":", 1)[1])
        assert start_demo(monkeypatch, tmp_path / "demo", port, UI, good=None) == 1
    assert f"Port {port} is taken" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [{"data": {"instance": {"concurrencyLimits": []}}}, {"data": None}, [], "no"])
def test_what_answers_on_the_port_and_does_not_know_the_mark_is_not_ours(
    instance: dg.DagsterInstance, answer: object
) -> None:
    other = Starlette(routes=[Route("/graphql", lambda _: JSONResponse(answer), methods=["POST"])])
    with running(other) as url:
        port = int(url.rsplit(":", 1)[1])
        assert not demo._is_ours(port, instance)
        with pytest.raises(demo.DemoError, match="nothing more was started"):
            demo._launch(port, instance, "export_items_and_images_custom", {})


@pytest.mark.long
def test_a_port_that_was_taken_meanwhile_is_left_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dg_dev = (
        f"import sys, time; print('{demo.PORT_IS_TAKEN}' if sys.argv[5] == '3000' else '', flush=True); time.sleep(60)"
    )
    ports = iter((3000, 3001))
    monkeypatch.setattr(demo, "free_port", lambda *_, after=None: next(ports))
    monkeypatch.setattr(demo, "_is_ours", lambda port, _: port == 3001)
    monkeypatch.setattr(demo, "_night", lambda *_: ([], True))
    assert start_demo(monkeypatch, tmp_path / "demo", 3000, dg_dev, "--no-serve", good=None) == 0
    assert "Port 3000 was taken meanwhile.\nStarting Dagster on port 3001" in capsys.readouterr().out


def test_a_folder_that_is_somebody_elses_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.setattr(sys, "argv", ["demo", "--home", str(tmp_path)])
    assert demo.main() == 1
    assert "is not the demo's folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["dagster.yaml"]


def test_no_setting_of_the_environment_and_no_env_file_reach_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("USE_SANDBOX=false\nMEDUSA_URL=https://api.example.com\n", encoding="utf-8")
    monkeypatch.setenv("ERPNEXT_URL", "https://erp.example.com")
    monkeypatch.setenv("SHOP_NAME", "oman")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "somebody"))
    note = (
        "import os, pathlib; from erp_medusa_pipelines.settings import load_settings; found = load_settings()\n"
        "said = [found.uses_sandbox, found.medusa_url, found.erpnext_url, found.shop_name]\n"
        "said.append(os.environ['DAGSTER_HOME'])\n"
        "pathlib.Path('seen').write_text(repr(said)); import time; time.sleep(60)"
    )
    home = tmp_path / "demo" / "home"

    def night(*_: object) -> tuple[list[dict[str, object]], bool]:
        until = time.monotonic() + 60
        while time.monotonic() < until and not ((home / "seen").exists() and (home / "seen").read_text()):
            time.sleep(0.05)
        return [], True

    monkeypatch.setattr(demo, "_is_ours", lambda *_: True)
    monkeypatch.setattr(demo, "_night", night)
    assert start_demo(monkeypatch, tmp_path / "demo", free_port, note, "--no-serve", good=None) == 0
    assert (home / "seen").read_text() == repr([True, None, None, None, str(home)])
