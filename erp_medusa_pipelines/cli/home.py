"""The installation that a command works in: the folder that DAGSTER_HOME names, its instance, and the code location.

A wrong one is refused before anything is made there: a mistyped name would otherwise become a new and empty
installation in which nothing ever ran. Dagster takes seconds to load, so commands import it only when they need it.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.settings import FOLDER_OF_SECRETS, Settings

if TYPE_CHECKING:
    import dagster as dg

NAME = "DAGSTER_HOME"
OURS = "erp_medusa_pipelines"
"""What every dagster.yaml of this project names: the module of the run coordinator."""

VARIABLE = re.compile(r"^[^#\n]*\benv: *([A-Z][A-Z0-9_]*)", re.MULTILINE)
"""A value that dagster.yaml takes from the environment."""


def settle_home() -> None:
    """Make DAGSTER_HOME absolute, from the environment or else .env. Raises CommandError if it is no installation."""
    in_environment = os.environ.get(NAME)
    value = in_environment or dotenv_values(".env").get(NAME)
    if not value:
        return
    home = Path(value).expanduser().resolve()
    if not (home / "dagster.yaml").is_file():
        lacks = "has no dagster.yaml" if home.is_dir() else "does not exist"
        raise CommandError(
            f"{NAME}{'' if in_environment else ' in .env'} names {home}, which {lacks}, so it is no installation: name"
            " the folder of yours, or for a new one make it and copy the project's dagster.yaml into it"
        )
    os.environ[NAME] = str(home)


def enter_home() -> None:
    """Make ready to open the installation in DAGSTER_HOME: its dagster.yaml is ours, and its variables are set.

    Raises CommandError with what to correct.
    """
    file = Path(os.environ[NAME]) / "dagster.yaml"
    text = file.read_text(encoding="utf-8", errors="replace")
    if OURS not in text:
        raise CommandError(
            f"{file} is not this project's: name the folder of your installation in {NAME}, or copy the project's"
            " dagster.yaml there"
        )
    for name in dict.fromkeys(VARIABLE.findall(text)):
        if not os.environ.get(name):
            os.environ[name] = _variable(name, file)
    # Dagster reads the times that its database session wrote as UTC.
    os.environ.setdefault("PGTZ", "UTC")


def _variable(name: str, file: Path) -> str:
    """Return a variable that is not in the environment, from .env or a file of SECRETS_DIR.

    Those who start the services read these files in a shell script; a command that is started beside them, as by
    `docker compose exec`, finds them here.
    """
    if value := dotenv_values(".env").get(name):
        return value
    folder = os.environ.get(FOLDER_OF_SECRETS)
    secret = Path(folder) / name.lower() if folder else None
    if secret and secret.is_file() and (value := secret.read_text(encoding="utf-8").strip()):
        return value
    raise CommandError(
        f"{file} takes {name} from the environment, and it is not set: set it, or put it into a file"
        f" {name.lower()} of the folder that {FOLDER_OF_SECRETS} names"
    )


def definitions(settings: Settings) -> "dg.Definitions":
    """Build the code location for these settings."""
    from erp_medusa_pipelines.definitions import build_defs

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    return build_defs(settings)


@contextmanager
def instance_if_any() -> Iterator["dg.DagsterInstance | None"]:
    """Yield the instance of DAGSTER_HOME, or None if it is not set."""
    if not os.environ.get("DAGSTER_HOME"):
        yield None
        return
    enter_home()
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        yield instance


@contextmanager
def the_instance() -> Iterator["dg.DagsterInstance"]:
    """Yield the instance of DAGSTER_HOME. Raises CommandError if it is not set."""
    with instance_if_any() as instance:
        if instance is None:
            raise CommandError(
                "set DAGSTER_HOME to the installation's folder, where its runs are recorded (in a checkout:"
                " export DAGSTER_HOME=$PWD/.dagster)"
            )
        yield instance
