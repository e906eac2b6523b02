"""`erp-medusa setup`: create in ERPNext what the tasks need."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.frame import CommandError, command
from erp_medusa_pipelines.cli.output import Answer, ExitCode, progress, table
from erp_medusa_pipelines.cli.shop import connect_as_admin
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.readiness.install import (
    Outcome,
    State,
    Step,
    UserKey,
    carry_out,
    has_key,
    make_key,
    new_user,
    server_scripts_run,
    steps_of_site,
)
from erp_medusa_pipelines.readiness.needs import asked_for
from erp_medusa_pipelines.settings import Settings, load_settings

COLOURS = {State.THERE: "green", State.MADE: "cyan", State.MISSING: "yellow", State.LEFT: "yellow", State.FAILED: "red"}

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be created.")]
User = Annotated[
    str | None, typer.Option(help="E-mail address of the new user; default: erp-medusa@ERPNEXT_URL's host.")
]
KeyFile = Annotated[
    Path | None, typer.Option(help="Write the user's key there (made with mode 0600) instead of showing it.")
]
NewKey = Annotated[
    bool, typer.Option("--new-key", help="Create a new key although the user has one; the old key stops working.")
]
UpdateScript = Annotated[
    bool, typer.Option("--update-script", help="Replace the text of an older Server Script erp_medusa_set_values.")
]


@command
def setup(
    dry_run: DryRun = False,
    user: User = None,
    key_file: KeyFile = None,
    new_key: NewKey = False,
    update_script: UpdateScript = False,
) -> Answer:
    """Create what is missing in ERPNext: fields, DocTypes, a least-privilege role and its user, the Server Script.

    Takes an administrator's key from ADMIN_API_KEY and ADMIN_API_SECRET (roles System Manager and Script Manager),
    which is not stored. Nothing that exists is changed, so it can be run again at any time.

    Examples:

    - `erp-medusa setup --dry-run`
    - `ADMIN_API_KEY=... ADMIN_API_SECRET=... erp-medusa setup --key-file erpnext.env`
    """
    if key_file and not dry_run:
        _check_free(key_file)
    settings = load_settings(connection=False)
    _check_mapping(settings)
    with connect_as_admin() as erp:
        email = user or _default_user(erp)
        on = asked_for(settings)
        steps = [*steps_of_site(erp, update_script=update_script, on=on), new_user(erp, email)]
        outcomes = install(steps, dry_run=dry_run)
        key = None
        if not dry_run and _is_ours(outcomes) and (new_key or not has_key(erp, email)):
            key = make_key(erp, email)
        if key and key_file:
            write_key(key_file, key)
        return answer(outcomes, None if key_file else key, scripts_run=server_scripts_run(erp))


def install(steps: Sequence[Step], *, dry_run: bool) -> list[Outcome]:
    """Carry out every step, with progress."""
    with progress() as display:
        bar = display.add_task("Looking" if dry_run else "Setting up", total=len(steps))
        outcomes = []
        for outcome in carry_out(steps, dry_run=dry_run):
            outcomes.append(outcome)
            display.advance(bar)
    return outcomes


def answer(outcomes: Sequence[Outcome], key: UserKey | None, *, scripts_run: bool) -> Answer:
    """Build the answer from every step's outcome; only here is a new key shown."""
    counts = Counter(outcome.state for outcome in outcomes)
    open_ones = counts[State.MISSING] + counts[State.LEFT] + counts[State.FAILED]
    shown = steps_shown(outcomes)
    shown.append(Text(", ".join(f"{counts[state]} {state}" for state in State if counts[state])))
    data = {"steps": [asdict(outcome) for outcome in outcomes], "server_scripts_run": scripts_run}
    if not scripts_run:
        shown.append(Text("Server Scripts are disabled: bench set-config -g server_script_enabled 1", style="yellow"))
    if key:
        lines = _lines(key)
        data["key"] = {"ERPNEXT_API_KEY": key.api_key, "ERPNEXT_API_SECRET": key.api_secret}
        shown.append(Text(f"The user's key, shown this once:\n{lines}"))
    return Answer(data, shown, ExitCode.TO_DO if open_ones else ExitCode.FINE)


def steps_shown(outcomes: Sequence[Outcome]) -> list[RenderableType]:
    """Return a table of the steps that were not done already, or nothing if all were."""
    rows = [
        (Text(o.state, style=COLOURS[o.state]), o.area, o.name, o.found) for o in outcomes if o.state != State.THERE
    ]
    return [table("", ("", "what", "which", "why"), rows, heading=3)] if rows else []


def _is_ours(outcomes: Sequence[Outcome]) -> bool:
    return any(outcome.area == "user" and outcome.state in (State.THERE, State.MADE) for outcome in outcomes)


def _default_user(erp: ErpNextClient) -> str:
    host = urlsplit(erp.http.base_url).hostname or ""
    named = "." in host and not host.replace(".", "").isdigit()
    return f"erp-medusa@{host if named else 'pipelines.local'}"


def _check_free(path: Path) -> None:
    if path.exists():
        raise CommandError(f"{path} exists already: name a file that does not, it is not overwritten")
    if not os.access(path.resolve().parent, os.W_OK):
        raise CommandError(f"{path} cannot be made there: its directory is missing or not writable")


def _check_mapping(settings: Settings) -> None:
    """Raise MappingError if the shop's mapping cannot be read: it decides about a right, which would be left out."""
    # Imported late: it loads jinja2 and lxml.
    from erp_medusa_pipelines.sync.catalogue.shop_table import read_table

    read_table(settings.mapping)


def _lines(key: UserKey) -> str:
    return f"ERPNEXT_API_KEY={key.api_key}\nERPNEXT_API_SECRET={key.api_secret}\n"


def write_key(path: Path, key: UserKey) -> None:
    """Write the key with mode 0600; never over an existing file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_lines(key))
