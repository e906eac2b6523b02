"""What commands need of Dagster: the code location and the installation's instance.

Dagster takes seconds to load, so commands import it only when they need it.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.cli.home import enter_home

if TYPE_CHECKING:
    import dagster as dg

    from erp_medusa_pipelines.settings import Settings


def definitions(settings: "Settings") -> "dg.Definitions":
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
