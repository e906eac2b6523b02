"""docs/where.md and the walk in docs/architecture.md name files and functions that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "erp_medusa_pipelines"
WHERE = (ROOT / "docs" / "where.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| [^|]+ \| `([^`]+\.py)` \| `(\w+)` \|$", WHERE, re.MULTILINE)


def defined_in(path: Path) -> set[str]:
    """Functions, classes and constants at the top of a module."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize(("path", "name"), ROWS, ids=lambda value: value)
def test_a_row_names_what_exists(path: str, name: str) -> None:
    assert name in defined_in(PACKAGE / path)


def test_every_row_of_the_table_is_read() -> None:
    assert len(ROWS) >= 15
    assert WHERE.count("\n| ") - 2 == len(ROWS)


@pytest.mark.parametrize("page", ["where.md", "architecture.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)`", text)
    assert named
    assert [path for path in named if not (PACKAGE / path).exists()] == []
