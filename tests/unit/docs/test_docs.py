"""The documentation agrees with the code: files, anchors, commands, settings, tasks, roles."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.task_docs import with_tables
from erp_medusa_pipelines.clients.rights import ROLES
from erp_medusa_pipelines.settings import Settings, variable_name
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS, Task

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("**/*.md"), *ROOT.glob("*.md")])
REFUSED = json.loads((Path(__file__).parent / "refused_without_role.json").read_text(encoding="utf-8"))
"""What ERPNext 15 refused a user with the five roles less the one named; under "" what it refused one with all five."""

OF_OTHERS = {
    *("DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "DAGSTER_REDIS_URL", "REQUESTS_CA_BUNDLE", "SANDBOX"),
    *("ADMIN_API_KEY", "ADMIN_API_SECRET"),
    *("DAGSTER_CELERY_BROKER_URL", "DAGSTER_CELERY_BACKEND_URL", "COMPUTE_LOGS_BUCKET"),
    *("UI_HOST", "DATABASE_URL"),
}
"""Variables that Dagster, requests and the command read, and the word that marks the sandbox."""

IN_SHORT = {
    "the Singles": "Expiring Items, Homepage Landing, Product Collection",
    "the app's configuration": "Medusa Configuration",
}
FOLLOWS = {"Scheduled Job Type", "Sales Invoice Item"}
"""DocTypes that the table of roles leaves out."""

WORDS_OF_README = 650
BYTES_OF_PICTURE = 200_000


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if not target.startswith(("http://", "https://")):
            yield target


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of any level."""
    _, _, rest = text(ROOT / page).partition(f"{heading}\n")
    assert rest, f"{page} has no heading {heading}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name(page)} links to {link}"


def test_every_page_is_in_the_index() -> None:
    listed = set(links(ROOT / "docs" / "index.md"))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - listed == {"index.md"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:`| {4})make ([a-z0-9-]+)", text(page))) <= targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_exists(page: Path) -> None:
    known = {variable_name(field) for field in Settings.model_fields} | OF_OTHERS
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", text(page)))
    # The changelog also names settings that are gone.
    assert page.name == "CHANGELOG.md" or named <= known


@pytest.mark.parametrize("page", ["README.md", "docs/tasks.md", "docs/cli.md"])
def test_the_tables_of_tasks_assets_fields_and_rights_are_the_code_s(page: str) -> None:
    current = text(ROOT / page)
    assert with_tables(page, current) == current, "run `make docs`"


@pytest.mark.parametrize("task", [*TASKS, *HOUSEKEEPING], ids=lambda task: task.name)
def test_every_task_and_asset_is_described(task: Task) -> None:
    output = text(ROOT / "docs" / "tasks.md")
    missing = {word for word in (task.name, *task.assets) if f"`{word}`" not in output}
    assert not missing


def test_the_roles_are_the_recorded_ones() -> None:
    """Each of the five is needed for what its row says, and no sixth is: nothing needs Quotation."""
    table = section("docs/rights.md", "## Roles of the ERPNext user")
    rows = dict(re.findall(r"^\| ([A-Z][\w ]+) \| ([^|]+) \|$", table, re.MULTILINE))
    assert list(rows) == list(ROLES)
    assert {*rows, ""} == set(REFUSED)
    assert REFUSED[""] == ["read Quotation"]
    for role, output in rows.items():
        needed = {doctype for doctype in ROLES[role] if any(call.endswith(doctype) for call in REFUSED[role])}
        whole = output + "".join(f", {more}" for short, more in IN_SHORT.items() if short in output)
        assert needed - FOLLOWS <= set(re.findall(r"[A-Z]\w+(?: [A-Z]\w+)*", whole))


def test_readme_is_short() -> None:
    # The table of tasks grows with them, and what the demo prints with its shop.
    own = re.sub(
        r"<!-- tasks:.*?<!-- /tasks -->|^ {4}.*?$", "", text(ROOT / "README.md"), flags=re.DOTALL | re.MULTILINE
    )
    assert len(own.split()) <= WORDS_OF_README


def test_pictures_are_small_and_shown() -> None:
    pictures = [path for path in (ROOT / "docs").iterdir() if path.suffix in (".png", ".svg")]
    assert len(pictures) > 1
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert set(pictures) <= shown
    assert all(picture.stat().st_size <= BYTES_OF_PICTURE for picture in pictures)
