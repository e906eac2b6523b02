"""docs/cli.md agrees with the code."""

from pathlib import Path

from erp_medusa_pipelines.cli.main import app
from erp_medusa_pipelines.readiness import needs

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_is_described() -> None:
    for info in app.registered_commands:
        name = str(info.name or getattr(info.callback, "__name__", "")).replace("_", "-")
        assert f"| `{name}" in PAGE, f"{name} is missing from the table of commands"


def test_the_table_of_rights_is_the_one_that_is_looked_at_and_given() -> None:
    kinds: dict[str, list[str]] = {}
    tasks: dict[str, set[str]] = {}
    for right in needs.rights():
        kinds.setdefault(right.doctype, []).append(right.kind)
        tasks.setdefault(right.doctype, set()).update(right.tasks)
    for doctype, given in kinds.items():
        assert f"| {doctype} | {', '.join(given)} | {', '.join(sorted(tasks[doctype]))} |" in PAGE
