"""docs/cli.md agrees with the code."""

from pathlib import Path

from erp_medusa_pipelines.cli.main import app

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_is_described() -> None:
    for info in app.registered_commands:
        name = str(info.name or getattr(info.callback, "__name__", "")).replace("_", "-")
        assert f"| `{name}" in PAGE, f"{name} is missing from the table of commands"
