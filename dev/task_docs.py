"""Write the tables of tasks, assets, fields and rights into their pages; `--check` only says what is out of date.

The form of those tables. Tasks and rights are defined in `tasks.py`, what an asset writes beside it, a product's
fields in `product_fields.py`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOUR, LONGEST_IN_SECONDS = 3600, 1800


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    heads = list(heads)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, ["---"] * len(heads), *rows))


def tasks() -> str:
    """Return the crontab."""
    from erp_medusa_pipelines.tasks import TASKS

    heads = ("job", "schedule (`SCHEDULES` changes it)", "queue, limit", "what it does")
    return table(
        heads,
        (
            (f"`{task.name}`", clock(task.cron), f"{task.queue.name}, {limit(task.seconds)}", task.description)
            for task in TASKS
        ),
    )


def clock(cron: str) -> str:
    """Return a cron line in words, or as it is where it has no short ones."""
    minute, hour, *others = cron.split()
    if others != ["*"] * 3:
        return f"`{cron}`"
    if (minute, hour) == ("*", "*"):
        return "every minute"
    return f"{int(hour):02}:{int(minute):02}" if minute.isdigit() and hour.isdigit() else f"`{cron}`"


def limit(seconds: int) -> str:
    """Return a time limit as people say it."""
    return f"{seconds // HOUR} h" if seconds > LONGEST_IN_SECONDS and not seconds % HOUR else f"{seconds} s"


def written() -> str:
    """Return what each asset writes on either server."""
    from erp_medusa_pipelines.assets import find_assets
    from erp_medusa_pipelines.assets.links import WRITES_ERPNEXT, WRITES_MEDUSA
    from erp_medusa_pipelines.orchestration.partitions import batches_definition
    from erp_medusa_pipelines.tasks import TASKS

    specs = {spec.key.to_user_string(): spec for each in find_assets(batches_definition(1)) for spec in each.specs}
    names = dict.fromkeys(name for task in TASKS for name in task.assets)
    output = {name: specs[name].metadata for name in names if WRITES_ERPNEXT in specs[name].metadata}
    rows = ((f"`{name}`", said[WRITES_ERPNEXT], said[WRITES_MEDUSA]) for name, said in output.items())
    return table(("asset", "ERPNext", "Medusa"), rows)


def fields() -> str:
    """Return every field of a product: where it is, what it is made of, and what becomes of a change in Medusa."""
    from erp_medusa_pipelines.product_fields import FIELDS, How

    heads = ("field", "in Medusa", "made from", "where ERPNext has nothing", "policy")
    rows = []
    for field in FIELDS:
        sources = ", ".join(f"`{column.partition(' as ')[0]}`" for column in field.columns)
        constant = f" `{json.dumps(field.constant)}`" if field.how == How.ALWAYS else ""
        made = f"{sources}: {field.how}" if sources else f"{field.how}{constant}"
        rows.append((f"`{field.name}`", f"`{field.path}`", made, field.empty, field.policy or "–"))
    return table(heads, rows)


def settings_asking(doctype: str) -> str:
    """Return the variables of the settings that ask for rights on a DocType."""
    from erp_medusa_pipelines.settings import variable_name
    from erp_medusa_pipelines.tasks import TASKS

    names = {name for task in TASKS for name, rights in task.rights_if.items() if doctype in rights}
    return ", ".join(sorted(map(variable_name, names)))


def rights() -> str:
    """Return every right that the tasks need, by DocType."""
    from erp_medusa_pipelines.readiness import needs

    kinds: dict[str, list[str]] = {}
    always = needs.rights_of_role()
    needed_by: dict[str, set[str]] = {}
    for right in needs.rights(needs.SETTINGS):
        only = "" if right.doctype in always else f" (with {settings_asking(right.doctype)})"
        kinds.setdefault(right.doctype, []).append(f"{right.kind}{only}")
        needed_by.setdefault(right.doctype, set()).update(right.tasks)
    rows = ((name, ", ".join(given), ", ".join(sorted(needed_by[name]))) for name, given in kinds.items())
    return table(("DocType", "rights", "tasks"), rows)


BLOCKS: dict[str, tuple[Callable[[], str], tuple[str, ...]]] = {
    "tasks": (tasks, ("README.md", "docs/tasks.md")),
    "written": (written, ("docs/tasks.md",)),
    "fields": (fields, ("docs/tasks.md",)),
    "rights": (rights, ("docs/cli.md",)),
}
"""By the name in a page's comment: what makes the table, and the pages that have it."""


def with_tables(page: str, text: str) -> str:
    """Return the text of a page with its tables as they should be. Raises ValueError for one without its comments."""
    for name, (make, pages) in BLOCKS.items():
        if page in pages:
            begin, end = f"<!-- {name}: `make docs` -->\n", f"<!-- /{name} -->"
            block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
            if not block.search(text):
                raise ValueError(f"{page} has no place for the table of {name}: {begin.strip()} ... {end}")
            made = f"{begin}\n{make()}\n{end}"
            text = block.sub(lambda _match, made=made: made, text)
    return text


def main() -> int:
    """Return the exit code: 1 if a page is out of date."""
    stale = []
    for page in sorted({page for _, pages in BLOCKS.values() for page in pages}):
        current = (ROOT / page).read_text(encoding="utf-8")
        text = with_tables(page, current)
        if text == current:
            continue
        stale.append(page)
        if "--check" not in sys.argv:
            (ROOT / page).write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"out of date: {', '.join(stale)}; run `make docs` and commit the result", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
