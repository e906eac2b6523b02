"""`erp-medusa log ITEM`: what runs changed of an item, and what was refused."""

from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.frame import CommandError, command
from erp_medusa_pipelines.cli.home import the_instance
from erp_medusa_pipelines.cli.output import Answer, ExitCode, stderr, table
from erp_medusa_pipelines.cli.shop import connect, documents_of, website_items
from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.settings import load_settings

if TYPE_CHECKING:
    from erp_medusa_pipelines.orchestration.history import Entry

Named = Annotated[str, typer.Argument(help="A Website Item by name or item_code, or any document's name or id.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Number of entries to show, newest first.")]


@command
def log(item: Named, limit: Limit = 100) -> Answer:
    """Show what runs changed about an item, its prices, pictures and stock, and what was refused. Newest first.

    Kept for HISTORY_DAYS beside Dagster's own storage. Without ERPNext, only entries under exactly this name are found.

    Examples:

    - `erp-medusa log WEB-ITM-0001`
    - `erp-medusa log prod_01J... --limit 10 --json`
    """
    documents, known = _documents(item)
    from erp_medusa_pipelines.orchestration.history import History

    with the_instance() as instance:
        history = History.beside(instance)
        entries = history.of(documents, limit=limit) if history else []
    return _answer(item, entries, known=known)


def _documents(item: str) -> tuple[list[str], bool]:
    """Return the names to look for, and False if ERPNext has no such item."""
    try:
        with connect(patient=False, settings=load_settings()) as shop:
            names = website_items(shop, [item])
            return list(dict.fromkeys([item, *documents_of(shop.erp, names[0])])), True
    except CommandError:
        return [item], False
    except ApiError as error:
        stderr().print(f"Only entries under exactly this name: {error}", style="yellow", markup=False)
        return [item], True


def _answer(item: str, entries: "Sequence[Entry]", *, known: bool) -> Answer:
    data = {"item": item, "entries": [{"at": one.at, "run_id": one.run_id, **asdict(one.row)} for one in entries]}
    shown: list[RenderableType] = []
    if entries:
        columns = ("at", "run", "system", "kind", "document", "action", "field", "old", "new")
        rows = [(entry.at, entry.run_id[:8], *astuple(entry.row)) for entry in entries]
        shown.append(table("", columns, rows, heading=7))
    else:
        unknown = "" if known else ", and ERPNext has no Website Item with this name or item_code"
        shown.append(Text(f"No run changed anything of {item} in the days that are kept{unknown}."))
    return Answer(data, shown, ExitCode.FINE if known or entries else ExitCode.TO_DO)
