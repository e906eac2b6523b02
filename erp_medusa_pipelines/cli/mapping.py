"""`erp-medusa mapping`: which field of Medusa is made of which fields of ERPNext.

What it may say is in sync/catalogue/mapping/; whether the site has its fields is a check of `doctor`.
"""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from erp_medusa_pipelines.cli.frame import CommandError, command
from erp_medusa_pipelines.cli.output import Answer, ExitCode, Verbatim
from erp_medusa_pipelines.settings import load_settings

FOLDER = "erp_medusa_pipelines.sync.catalogue.mapping"

Check = Annotated[Path | None, typer.Option("--check", help="Say whether this file can be used, and what is wrong.")]
Example = Annotated[bool, typer.Option("--example", help="Print a longer file: weight, customs, type, tags, address.")]
BuiltIn = Annotated[bool, typer.Option("--default", help="Print the built-in one, also where MAPPING is set.")]


@command
def mapping(check: Check = None, example: Example = False, default: BuiltIn = False) -> Answer:
    """Print the mapping that is in use: the file of MAPPING, or without it the built-in one. Asks no server.

    Examples:

    - `erp-medusa mapping > catalogue.yaml`
    - `erp-medusa mapping --check catalogue.yaml`
    - `erp-medusa mapping --example`
    """
    if sum((check is not None, example, default)) > 1:
        raise CommandError("choose one of --check, --example, --default")
    if check is not None:
        return _checked(check)
    if example or default:
        content = files(FOLDER).joinpath("example.yaml" if example else "default.yaml").read_text(encoding="utf-8")
    else:
        own = load_settings().mapping
        if own is None:
            content = files(FOLDER).joinpath("default.yaml").read_text(encoding="utf-8")
        else:
            from erp_medusa_pipelines.sync.catalogue.mapping.loading import content_of

            content = content_of(own).decode("utf-8", errors="replace")
    return Answer({"mapping": content}, [Verbatim(content.rstrip("\n"))])


def _checked(file: Path) -> Answer:
    # Imported late: it loads jinja2 and lxml, which no other command needs.
    from erp_medusa_pipelines.sync.catalogue.mapping.loading import MappingError, content_of, located, parse_mapping

    try:
        rows = parse_mapping(content_of(file), str(file))
    except MappingError as error:
        faults = [
            {"line": fault.place.line, "column": fault.place.column, "text": fault.text} for fault in error.faults
        ]
        lines = [Verbatim(located(str(file), fault.place, fault.text)) for fault in error.faults]
        return Answer({"file": str(file), "usable": False, "faults": faults}, lines, ExitCode.TO_DO)
    fields = sorted({field for row in rows for field in row.fields})
    said = f"{file}: {len(rows)} rows that read {', '.join(fields)}. `erp-medusa doctor` asks the site for them."
    return Answer({"file": str(file), "usable": True, "rows": len(rows), "fields": fields, "faults": []}, [Text(said)])
