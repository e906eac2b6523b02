"""The frame of every command: exit codes, JSON, errors in one sentence, no secrets."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from erp_medusa_pipelines.cli.frame import CommandError, command
from erp_medusa_pipelines.cli.main import app as real_app
from erp_medusa_pipelines.cli.output import Answer, ExitCode, say_once, table
from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.settings import SettingsError, variable_name

SECRET = "s3cret-of-the-erp-user"


def run(function, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(command(function))
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("code", [ExitCode.FINE, ExitCode.TO_DO, ExitCode.CANNOT_TELL])
def test_the_exit_code_is_the_answers(code: ExitCode) -> None:
    def ask() -> Answer:
        return Answer({"items": 3}, ["three items"], code)

    assert run(ask).exit_code == code
    shown = run(ask, "--json")
    assert shown.exit_code == code
    assert json.loads(shown.stdout) == {"status": code.name.lower(), "items": 3}


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("Wrong settings (environment or .env):\n  ERPNEXT_URL: must be an address"),
        TransientError("ERPNext", "GET /api/method/ping", "connection refused: is the server running?"),
        CommandError("there is no item SKU-1: look at its name in ERPNext"),
        KeyError("items"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_one_line_without_a_traceback(error: Exception) -> None:
    def ask() -> Answer:
        raise error

    told = run(ask)
    assert told.exit_code == ExitCode.CANNOT_TELL
    assert told.stdout == ""
    assert "Traceback" not in told.stderr
    words = " ".join(told.stderr.split())
    assert words.count(str(error).split(":")[0].strip("'")) == 1
    parsed = json.loads(run(ask, "--json").stdout)
    assert parsed["status"] == "cannot_tell"
    assert "\n" not in parsed["error"]


def test_a_warning_is_said_once_by_each_command() -> None:
    def ask() -> Answer:
        say_once("SANDBOX")
        say_once("SANDBOX")
        return Answer({})

    assert [run(ask).stderr for _ in range(2)] == ["SANDBOX\n"] * 2


def test_an_unexpected_error_names_the_line_and_debug_raises_it() -> None:
    def ask() -> Answer:
        return Answer({"variable": variable_name("no_such_setting")})

    told = run(ask)
    assert told.exit_code == ExitCode.CANNOT_TELL
    assert "KeyError" in told.stderr
    assert "erp_medusa_pipelines.settings:" in " ".join(told.stderr.split())
    assert run(ask, "--debug").exception is not None


def test_no_secret_of_the_environment_or_the_env_file_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADMIN_API_SECRET", "an-administrators-secret")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets"))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "medusa_api_key").write_text("key-in-a-file\n", encoding="utf-8")
    (tmp_path / ".env").write_text(f"ERPNEXT_API_SECRET={SECRET}\nUSE_SANDBOX=true\n", encoding="utf-8")

    def ask() -> Answer:
        raise ValueError(f"cannot log in with {SECRET}, key-in-a-file or an-administrators-secret")

    for shown in (run(ask), run(ask, "--json")):
        assert SECRET not in shown.output
        assert "an-administrators-secret" not in shown.output
        assert "key-in-a-file" not in shown.output
        assert "***" in shown.output


def test_secrets_are_kept_even_where_the_settings_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERPNEXT_API_SECRET", SECRET)
    monkeypatch.delenv("ERPNEXT_URL", raising=False)

    def ask() -> Answer:
        raise ValueError(f"cannot log in with {SECRET}")

    assert SECRET not in run(ask).output


def test_ctrl_c_ends_a_command_with_a_word_and_130() -> None:
    def ask() -> Answer:
        raise KeyboardInterrupt

    told = run(ask)
    assert told.exit_code == ExitCode.STOPPED
    assert "continues from what is done" in " ".join(told.stderr.split())
    assert json.loads(run(ask, "--json").stdout)["status"] == "stopped"


def test_what_a_server_sent_is_shown_as_it_is() -> None:
    def ask() -> Answer:
        return Answer({}, [table("", ["name"], [["[bold]Gloves[/bold] [S/M]"]])])

    assert "[bold]Gloves[/bold] [S/M]" in run(ask).stdout


@pytest.mark.parametrize(
    "name", [info.name or getattr(info.callback, "__name__", "") for info in real_app.registered_commands]
)
def test_every_command_takes_json_and_shows_examples(name: str) -> None:
    name = name.replace("_", "-")
    shown = CliRunner().invoke(real_app, [name, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "--json" in shown.stdout
    assert f"erp-medusa {name}" in shown.stdout, "the help text has no example"
