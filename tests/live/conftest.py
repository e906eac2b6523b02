"""What every live test needs: a real Medusa, the one of the environment or the project's own, and an ERPNext.

The ERPNext is the one that ERPNEXT_URL names, else the embedded one. Fixtures shared by the live tests. Not here: test
data - each test makes its own, under a unique prefix, because the shop may be in use by others.

Two tests at once need two shops: the price lists of a shop are one test's at a time. The first worker has the project's
own Medusa, each other one a Medusa beside it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import MISSING, dataclass, field, fields
from itertools import takewhile
from pathlib import Path

import pytest

from tests.support.plain_runs import quick_runner
from tests.support.real_site import RealSite, empty_site, proxied_site
from tests.support.runs import Runner
from tests.support.servers import MedusaServer as ProxiedServer
from tests.support.servers import embedded_erpnext, proxied_medusa
from tests.support.site import AnyErp

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "dev" / "medusa.py"
# The first start installs Medusa's packages inside the first test that asks for the server.
FIRST_START_SECONDS = 900
FIRST_WORKER = "gw0"
DATABASE = "MEDUSA_DATABASE_URL"


@dataclass(frozen=True)
class MedusaServer:
    """How to reach the shop. A field's name in capitals, after MEDUSA_, is its environment variable."""

    url: str
    api_key: str = field(repr=False)
    publishable_key: str
    sales_channel_id: str
    stock_location_id: str
    region_id: str
    admin_email: str = ""
    admin_password: str = field(default="", repr=False)
    plugin_secret: str = field(default="", repr=False)

    @classmethod
    def from_lines(cls, lines: list[str]) -> "MedusaServer":
        variables = dict(line.split("=", 1) for line in lines if "=" in line)
        names = {f"MEDUSA_{each.name.upper()}": each.name for each in fields(cls)}
        needed = [f"MEDUSA_{each.name.upper()}" for each in fields(cls) if each.default is MISSING]
        missing = [variable for variable in needed if not variables.get(variable)]
        if missing:
            pytest.fail(
                f"MEDUSA_URL names a Medusa to test against; set these too: {', '.join(missing)}", pytrace=False
            )
        return cls(**{name: variables[variable] for variable, name in names.items() if variables.get(variable)})


LONGEST = ("test_week", "test_halfmade", "test_nginx")
"""Files that start first, or one worker would be left with them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_START_SECONDS))


def script(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, command], capture_output=True, text=True, check=False)


@contextmanager
def proxied(real: MedusaServer) -> Iterator[ProxiedServer]:
    """A real Medusa behind a proxy of the test's own, so that suites can put faults in front of it."""
    known = {each.name: getattr(real, each.name) for each in fields(real) if each.name != "url"}
    with proxied_medusa(real.url, **known) as server:
        yield server


@pytest.fixture
def medusa(medusa_server: MedusaServer) -> Iterator[ProxiedServer]:
    """The real Medusa behind a proxy of the test's own."""
    with proxied(medusa_server) as server:
        yield server


@pytest.fixture(scope="session")
def real_site() -> RealSite | None:
    """The site of the environment, which has to be without a catalogue; None without ERPNEXT_URL."""
    return empty_site(dict(os.environ)) if os.environ.get("ERPNEXT_URL") else None


@pytest.fixture(scope="session")
def real_keys() -> tuple[str, str]:
    """The pipelines' own key on that site."""
    return os.environ.get("ERPNEXT_API_KEY", ""), os.environ.get("ERPNEXT_API_SECRET", "")


@pytest.fixture
def erp(real_site: RealSite | None, real_keys: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[AnyErp]:
    """The real ERPNext if one is named, else a fresh embedded one.

    What a real one cannot show says so with the marker `embedded_erp`, and always runs on the embedded one.
    """
    if real_site is None or request.node.get_closest_marker("embedded_erp"):
        with embedded_erpnext() as server:
            yield server
    else:
        with proxied_site(real_site, *real_keys) as server:
            yield server


@pytest.fixture(scope="session")
def medusa_server() -> Iterator[MedusaServer]:
    """The Medusa of the environment if MEDUSA_URL is set, else the project's own, left as it was found."""
    if os.environ.get("MEDUSA_URL"):
        yield MedusaServer.from_lines([f"{name}={value}" for name, value in os.environ.items()])
    elif os.environ.get("PYTEST_XDIST_WORKER", FIRST_WORKER) == FIRST_WORKER:
        with own_medusa() as lines:
            yield MedusaServer.from_lines(lines)
    else:
        with medusa_beside() as lines, pytest.MonkeyPatch.context() as patch:
            patch.setenv(DATABASE, dict(line.split("=", 1) for line in lines)[DATABASE])
            yield MedusaServer.from_lines(lines)


@contextmanager
def own_medusa() -> Iterator[list[str]]:
    """The project's own Medusa, stopped afterwards unless it ran before. Yields its settings."""
    was_running = script("status").returncode == 0
    started = script("up")
    if started.returncode != 0:
        pytest.fail(f"The project's own Medusa did not start.\n{started.stderr}", pytrace=False)
    yield started.stdout.splitlines()
    if not was_running:
        stopped = script("down")
        assert stopped.returncode == 0, stopped.stderr


@contextmanager
def medusa_beside(**variables: str) -> Iterator[list[str]]:
    """One more Medusa, with an empty shop, started with these variables. Yields its settings."""
    command, environment = [sys.executable, str(SCRIPT), "beside"], {**os.environ, **variables}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        # An empty line is the end of the settings.
        lines = list(takewhile(str, (line.strip() for line in process.stdout)))
        if not lines:
            pytest.fail("A second Medusa did not start: see above.", pytrace=False)
        yield lines
        process.stdin.close()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the project's own Medusa for all workers, and stop it after the last one."""
    is_first_of_many = session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput")
    if is_first_of_many and not os.environ.get("MEDUSA_URL"):
        until_the_end = ExitStack()
        until_the_end.enter_context(own_medusa())
        session.config.add_cleanup(until_the_end.close)


@pytest.fixture
def runner(shop_env: pytest.MonkeyPatch) -> Runner:
    """Runs tasks against the servers of `shop_env`, without Dagster."""
    return quick_runner()
