"""The files of deploy/: accepted by the schemas of what reads them, and in agreement with each other."""

import configparser
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from dev.helm_values import SHOPS, VALUES, deployments, instance_file, read_values, workspace_file
from dev.sbom import shipped_extras
from erp_medusa_pipelines.assets.links import LOCATION
from erp_medusa_pipelines.cli.main import app
from erp_medusa_pipelines.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
PRODUCTION = DEPLOY / "dagster.yaml"
COMPOSE = DEPLOY / "compose" / "compose.yaml"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
URL = "postgresql://dagster:it%27s@127.0.0.1/dagster"  # pragma: allowlist secret
OURS = ("code", "webserver", "daemon", "migrate")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("variant", "differs"),
    [("celery/dagster.yaml", {"run_launcher", "compute_logs"}), ("shops/dagster.yaml", {"concurrency"})],
)
def test_instance_files_agree_but_for_what_they_are_there_for(variant: str, differs: set[str]) -> None:
    production, other = read(PRODUCTION), read(DEPLOY / variant)
    assert {key for key in {*production, *other} if production.get(key) != other.get(key)} == differs


def locations(workspace: Any) -> list[str]:
    """Names of the code locations that a workspace file has."""
    return [place["location_name"] for entry in workspace["load_from"] for place in entry.values()]


@pytest.mark.parametrize(
    "workspace",
    [
        *(read(ROOT / name) for name in ("workspace.yaml", "deploy/workspace.yaml", "deploy/compose/workspace.yaml")),
        workspace_file(read_values()),
    ],
    ids=["checkout", "deploy", "compose", "chart"],
)
def test_the_code_location_has_the_name_that_assets_link_to(workspace: Any) -> None:
    assert locations(workspace) == [LOCATION]


@pytest.mark.parametrize(
    "workspace",
    [read(DEPLOY / "shops" / "workspace.yaml"), workspace_file(read_values(VALUES, SHOPS))],
    ids=["shops", "chart"],
)
def test_each_shops_code_location_has_a_name_that_a_shop_may_have(
    workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SHOP_NAME assets link to their location, and a shop finds its schedules: test_shops.py shows it."""
    names = locations(workspace)
    assert len(set(names)) == 2
    for name in names:
        monkeypatch.setenv("SHOP_NAME", name)
        assert load_settings(env_file=None).shop_name == name


@pytest.mark.parametrize("paths", [(VALUES,), (VALUES, SHOPS)], ids=["one", "shops"])
def test_the_charts_code_locations_are_at_the_services_of_its_deployments(paths: tuple[Path, ...]) -> None:
    values = read_values(*paths)
    servers = [entry["grpc_server"] for entry in workspace_file(values)["load_from"]]
    found = [(each["host"], each["port"]) for each in servers]
    assert found == [(each["name"], each["port"]) for each in deployments(values)]


def test_each_shops_keys_are_known_to_its_own_code_deployment_alone() -> None:
    one, many = read_values(), read_values(VALUES, SHOPS)
    (model,) = deployments(one)
    named: list[str] = []
    for deployment in deployments(many):
        own = {"name", "envConfigMaps", "envSecrets"}
        assert {key for key in model if deployment[key] != model[key]} == own
        named += [each["name"] for key in ("envConfigMaps", "envSecrets") for each in deployment[key]]
    assert sorted(named) == sorted([*locations(workspace_file(many))] * 2)
    for role in ("dagsterWebserver", "dagsterDaemon"):
        assert not {each["name"] for key in ("envConfigMaps", "envSecrets") for each in many[role][key]} & set(named)


def test_several_shops_have_the_same_limits_each() -> None:
    one, many = (read(DEPLOY / name)["concurrency"] for name in ("dagster.yaml", "shops/dagster.yaml"))
    assert one["pools"] == many["pools"]
    limits = {limit["key"]: limit["limit"] for limit in many["runs"]["tag_concurrency_limits"]}
    assert limits == {"shop_queue": 2, "shop_batch": 1}
    shops = locations(read(DEPLOY / "shops" / "workspace.yaml"))
    assert many["runs"]["max_concurrent_runs"] == one["runs"]["max_concurrent_runs"] * len(shops)
    assert instance_file(read_values(VALUES, SHOPS), namespace="shop")["concurrency"] == many


def test_the_charts_values_say_what_the_instance_file_says() -> None:
    production, rendered = read(PRODUCTION), instance_file(read_values(), namespace="shop")
    for section in (
        "concurrency",
        "run_coordinator",
        "run_retries",
        "retention",
        "telemetry",
        "freshness",
        "backfills",
    ):
        assert rendered[section] == production[section], section
    assert rendered["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    assert rendered["run_monitoring"]["max_resume_run_attempts"] == 0
    launcher = read_values()["runLauncher"]["config"]["k8sRunLauncher"]
    assert launcher["envVars"] == [], "they would copy secrets into every Job"


def test_the_charts_webserver_listens_where_it_may_and_is_asked_there() -> None:
    """The chart starts it on the port of its Service, and asks on 80 whatever that is."""
    webserver = read_values()["dagsterWebserver"]
    assert webserver["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert webserver["podSecurityContext"]["runAsNonRoot"]
    assert webserver["service"]["port"] >= 1024
    assert webserver["readinessProbe"]["httpGet"]["port"] == webserver["service"]["port"]


@pytest.mark.long
def test_compose_is_what_its_schema_asks_for() -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_opens_the_proxy_alone_and_has_one_daemon() -> None:
    services = read(COMPOSE)["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    daemon = services["daemon"]
    # A fixed container name cannot be scaled.
    assert daemon["container_name"]
    assert [name for name, service in services.items() if service.get("command") == ["daemon"]] == ["daemon"]
    for name in OURS:
        assert services[name]["read_only"], name
        assert services[name]["cap_drop"] == ["ALL"], name
    assert "10m" in services["code"]["stop_grace_period"]


def test_compose_has_no_secret_in_an_environment() -> None:
    content = read(COMPOSE)
    for name, service in content["services"].items():
        named = [key for key in service.get("environment") or {} if key.endswith(("KEY", "SECRET", "PASSWORD", "URL"))]
        assert named == [], name
        assert set(service.get("secrets") or ()) <= set(content["secrets"]), name
    files = {entry["file"] for entry in content["secrets"].values()}
    assert all(name.startswith("./secrets/") for name in files)


def test_the_containerfile_has_nothing_that_hadolint_warns_of() -> None:
    done = subprocess.run(
        [str(BIN / "hadolint"), str(ROOT / "Containerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_restarts_and_can_write_its_own_folder_alone(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]  # names of options have capitals
    unit.read(path)
    service = unit["Service"]
    assert service["Restart"] == "always"
    assert service["ProtectSystem"] == "strict"
    assert service["User"] == "pipelines"
    assert service["StateDirectory"] == "erp-medusa-pipelines"
    assert "dagster_postgres_url" in service["ExecStart"], "the address is read from a file, not from the unit"


FAKE = """#!/bin/sh
echo "$0 $*" >"$SAID"
env >>"$SAID"
pwd >>"$SAID"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The folders of the section on systemd, below another root, with programs that say what they were given."""
    etc, programs = tmp_path / "etc/erp-medusa-pipelines", tmp_path / "opt/erp-medusa-pipelines/bin"
    for folder in (etc / "secrets", programs, tmp_path / "var/lib/erp-medusa-pipelines"):
        folder.mkdir(parents=True)
    settings = """# a comment\nERPNEXT_URL=https://erp.example.com\nSHOP='two words'\n\nEXECUTION_LIMITS={"x": 1}"""
    (etc / "settings.env").write_text(settings, encoding="utf-8")
    (etc / "secrets" / "dagster_postgres_url").write_text(f"{URL}\n", encoding="utf-8")
    (etc / "secrets" / "alert_urls").touch()
    for name in ("dagster", "dagster-webserver", "dagster-daemon", "erp-medusa"):
        (programs / name).write_text(FAKE, encoding="utf-8")
        (programs / name).chmod(0o755)
    return tmp_path


def on_that_machine(machine: Path, script: str, *arguments: str, **variables: str) -> tuple[str, dict[str, str], str]:
    """Run the script below that root: the command line of the program that it ends in, its variables, its folder."""
    for folder in ("/etc/", "/var/lib/", "/opt/"):
        script = script.replace(f"{folder}erp-medusa", f"{machine}{folder}erp-medusa")
    environment = {"PATH": "/usr/bin:/bin", "SAID": str(machine / "said"), **variables}
    subprocess.run(["/bin/sh", "-c", script, "sh", *arguments], env=environment, check=True, cwd="/")
    line, *rest = (machine / "said").read_text(encoding="utf-8").splitlines()
    return line, dict(each.split("=", 1) for each in rest[:-1]), rest[-1]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_units_line_starts_its_program_with_the_address_in_the_environment(path: Path, machine: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]  # names of options have capitals
    unit.read(path)
    secrets = "/etc/erp-medusa-pipelines/secrets"
    # As systemd reads the line: %d is the folder of credentials, $$ a dollar, quotes are the shell's.
    line = unit["Service"]["ExecStart"].replace("%d", secrets).replace("$$", "$")
    shell, option, script = shlex.split(line)
    assert (shell, option) == ("/bin/sh", "-c")
    command, variables, _ = on_that_machine(machine, script)
    assert command.split()[0].startswith(str(machine / "opt/erp-medusa-pipelines/bin/dagster"))
    assert (URL in command, variables["DAGSTER_POSTGRES_URL"]) == (False, URL)


def test_the_command_under_systemd_has_what_the_units_have(machine: Path) -> None:
    text = (DEPLOY / "systemd" / "erp-medusa-pipelines").read_text(encoding="utf-8")
    as_them = "setpriv --reuid=pipelines --regid=pipelines --init-groups "
    assert as_them in text, "not as root"
    command, variables, folder = on_that_machine(machine, text.replace(as_them, ""), "sync", "WEB-ITM 1", KEY="kept")
    assert command.endswith("/bin/erp-medusa sync WEB-ITM 1")
    assert folder == variables["DAGSTER_HOME"] == str(machine / "var/lib/erp-medusa-pipelines")
    assert {name: variables.get(name) for name in ("ERPNEXT_URL", "SHOP", "EXECUTION_LIMITS", "ALERT_URLS", "KEY")} == {
        "ERPNEXT_URL": "https://erp.example.com",
        "SHOP": "two words",
        "EXECUTION_LIMITS": '{"x": 1}',
        "ALERT_URLS": "",
        "KEY": "kept",
    }
    assert variables["DAGSTER_POSTGRES_URL"] == URL


def test_the_page_says_how_to_start_each_command_wherever_it_runs() -> None:
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    section = page.split("## The command `erp-medusa`")[1].split("\n## ")[0]
    for name in (command.name or "" for command in get_command(app).commands.values()):  # pyright: ignore
        assert name in section, name
    services = read(COMPOSE)["services"]
    assert "docker compose exec code " in section
    assert {"inside", "outside"} <= set(services["code"]["networks"]), "it reaches both servers, and the webserver"
    assert "http://webserver:3000" in section
    assert "webserver" in services


def test_there_is_a_unit_for_each_process() -> None:
    assert [path.stem for path in UNITS] == ["erp-medusa-code-server", "erp-medusa-daemon", "erp-medusa-webserver"]


def test_the_bill_of_materials_is_of_what_the_image_holds() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = shipped_extras()
    assert set(extras) == set(project["optional-dependencies"]) - {"sandbox", "dev"}


def test_the_chart_names_the_image_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for values in (read_values(), read_values(VALUES, SHOPS)):
        named = [*deployments(values), values["dagsterWebserver"], values["dagsterDaemon"]]
        assert {each["image"]["tag"] for each in named} == {version}
