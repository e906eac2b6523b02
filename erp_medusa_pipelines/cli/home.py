"""Which installation a command works in: the folder that DAGSTER_HOME names.

Belongs here: finding it and refusing a wrong one, before anything is made there, and finding the variables that its
dagster.yaml names. A mistyped name would otherwise become a new and empty installation in which nothing ever ran. Does
not belong here: opening its instance (dagster_side.py).
"""

import os
import re
from pathlib import Path

from dotenv import dotenv_values

from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.settings import FOLDER_OF_SECRETS

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


def refuse_foreign_home() -> None:
    """Raise CommandError if the dagster.yaml in DAGSTER_HOME is another project's, or names a variable that is not set.

    Its variables may be files of SECRETS_DIR. Those who start the services read them in a shell script; a command that
    is started beside it, as by `docker compose exec`, finds them here.
    """
    file = Path(os.environ[NAME]) / "dagster.yaml"
    text = file.read_text(encoding="utf-8", errors="replace")
    if OURS not in text:
        raise CommandError(
            f"{file} is not this project's: name the folder of your installation in {NAME}, or copy the project's"
            " dagster.yaml there"
        )
    folder, in_file = os.environ.get(FOLDER_OF_SECRETS), dotenv_values(".env")
    for name in dict.fromkeys(VARIABLE.findall(text)):
        secret = Path(folder or "/nowhere") / name.lower()
        value = in_file.get(name) or (secret.read_text(encoding="utf-8").strip() if secret.is_file() else "")
        if not os.environ.get(name) and not value:
            raise CommandError(
                f"{file} takes {name} from the environment, and it is not set: set it, or put it into a file"
                f" {name.lower()} of the folder that {FOLDER_OF_SECRETS} names"
            )
        os.environ[name] = os.environ.get(name) or value
    # Dagster reads the times that its database session wrote as UTC.
    os.environ.setdefault("PGTZ", "UTC")
