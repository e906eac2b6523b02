"""What a command does first: it finds its installation, and names variables that nothing reads."""

import shutil
from pathlib import Path

import pytest

from erp_medusa_pipelines.cli import home as module
from erp_medusa_pipelines.cli.installation import examine_installation
from erp_medusa_pipelines.readiness.findings import Level
from tests.sandbox.cli.conftest import ROOT, Command


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, shop_env: pytest.MonkeyPatch) -> Path:
    """An empty folder to start commands in."""
    there = tmp_path / "checkout"
    there.mkdir()
    shop_env.chdir(there)
    shop_env.setenv("USE_SANDBOX", "true")
    for name in ("ERPNEXT_URL", "MEDUSA_URL"):
        shop_env.delenv(name)
    # So that what a command sets is taken back.
    shop_env.setenv("DAGSTER_HOME", "")
    return there


@pytest.mark.parametrize("command", [["sync", "WEB-ITM-0001"], ["log", "X"], ["doctor"], ["plan"], ["explain", "X"]])
def test_a_mistyped_home_is_refused_and_nothing_is_made_there(
    shop_env: pytest.MonkeyPatch, erp_medusa: Command, tmp_path: Path, command: list[str]
) -> None:
    shop_env.setenv("DAGSTER_HOME", str(tmp_path / "typo"))
    output = erp_medusa(*command)
    assert output.code == 2
    assert f"DAGSTER_HOME names {tmp_path / 'typo'}, which does not exist" in output.data["error"]
    assert not (tmp_path / "typo").exists()


def test_a_folder_without_our_instance_file_is_refused(
    shop_env: pytest.MonkeyPatch, erp_medusa: Command, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    shop_env.setenv("DAGSTER_HOME", str(tmp_path / "other"))
    assert "which has no dagster.yaml" in erp_medusa("log", "X").data["error"]
    (tmp_path / "other" / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    assert "is not this project's" in erp_medusa("metrics").data["error"]
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["dagster.yaml"]


def test_a_home_in_the_env_file_counts_and_a_relative_one_is_made_absolute(
    shop_env: pytest.MonkeyPatch, erp_medusa: Command, folder: Path
) -> None:
    (folder / ".env").write_text("DAGSTER_HOME=typo\n", encoding="utf-8")
    assert f"DAGSTER_HOME in .env names {folder / 'typo'}" in erp_medusa("log", "X").data["error"]
    (folder / "here").mkdir()
    (folder / "here" / "dagster.yaml").touch()
    shop_env.setenv("DAGSTER_HOME", "here")
    module.settle_home()
    assert module.os.environ["DAGSTER_HOME"] == str(folder / "here")


def test_the_address_of_the_database_is_read_from_a_secret_as_the_services_read_it(
    shop_env: pytest.MonkeyPatch, erp_medusa: Command, folder: Path
) -> None:
    """As `docker compose exec` starts it: without the image's entrypoint, which reads the files for the services."""
    for name in ("ERPNEXT_API_KEY", "ERPNEXT_API_SECRET", "MEDUSA_API_KEY"):
        shop_env.delenv(name)
    shutil.copy(ROOT / "deploy" / "dagster.yaml", folder)
    shop_env.setenv("DAGSTER_HOME", str(folder))
    shop_env.setenv("DAGSTER_POSTGRES_URL", "")
    shop_env.setenv("PGTZ", "")
    output = erp_medusa("status")
    assert output.code == 2
    assert f"{folder / 'dagster.yaml'} takes DAGSTER_POSTGRES_URL from the environment" in output.data["error"]
    assert output.data["error"].endswith("a file dagster_postgres_url of the folder that SECRETS_DIR names")
    found = {finding.name: finding for finding in examine_installation(None)}["instance"]
    assert (found.level, "takes DAGSTER_POSTGRES_URL from" in found.found) == (Level.FAIL, True)
    url = "postgresql://nobody:password@127.0.0.1:9/none"  # pragma: allowlist secret
    (folder / "dagster_postgres_url").write_text(f"{url}\n", encoding="utf-8")
    shop_env.setenv("SECRETS_DIR", str(folder))
    module.enter_home()
    assert module.os.environ["DAGSTER_POSTGRES_URL"] == url
