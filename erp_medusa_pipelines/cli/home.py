"""Which installation a command works in: the folder that DAGSTER_HOME names.

Belongs here: finding it and refusing a wrong one, before anything is made there. A mistyped name would otherwise become
a new and empty installation in which nothing ever ran. Does not belong here: opening its instance (dagster_side.py).
"""

import os
from pathlib import Path

from dotenv import dotenv_values

from erp_medusa_pipelines.cli.frame import CommandError

NAME = "DAGSTER_HOME"
OURS = "erp_medusa_pipelines"
"""What every dagster.yaml of this project names: the module of the run coordinator."""


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
    """Raise CommandError if the dagster.yaml in DAGSTER_HOME is another project's."""
    file = Path(os.environ[NAME]) / "dagster.yaml"
    if OURS not in file.read_text(encoding="utf-8", errors="replace"):
        raise CommandError(
            f"{file} is not this project's: name the folder of your installation in {NAME}, or copy the project's"
            " dagster.yaml there"
        )
