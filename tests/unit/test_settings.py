"""Wrong settings are named, with what to do, and never with a secret."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.settings import CONNECTION_VARIABLES, FORMER, Settings, SettingsError, load_settings, misspelt

SECRET = "Zq9-very-secret"
SERVERS = {
    "ERPNEXT_URL": "https://erp.example.com/",
    "ERPNEXT_API_KEY": "key",
    "ERPNEXT_API_SECRET": SECRET,
    "MEDUSA_URL": "https://api.example.com",
    "MEDUSA_API_KEY": f"sk_{SECRET}",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any of our variables."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(None)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None, "a traceback would show the value"
    return str(error)


def test_without_any_server_nothing_stands_in_unless_it_is_asked_for(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(None)
    assert not settings.uses_sandbox
    with (
        pytest.raises(SettingsError, match=r"set ERPNEXT_URL, .*MEDUSA_API_KEY, or USE_SANDBOX=true"),
        open_shop(settings),
    ):
        pass
    environment.setenv("USE_SANDBOX", "true")
    assert load_settings(None).uses_sandbox


def test_with_all_servers_it_does_not(environment: pytest.MonkeyPatch) -> None:
    for name, value in SERVERS.items():
        environment.setenv(name, value)
    settings = load_settings(None)
    assert not settings.uses_sandbox
    assert settings.erpnext_url == "https://erp.example.com"
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())


def test_a_change_of_the_environment_or_of_a_file_is_seen_at_once(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are kept between readings."""
    secrets, file = tmp_path / "secrets", tmp_path / ".env"
    secrets.mkdir()
    environment.setenv("SECRETS_DIR", str(secrets))
    for name in {*SERVERS} - {"MEDUSA_API_KEY"}:
        environment.setenv(name, SERVERS[name])
    for batches in (2, 3):
        file.write_text(f"EXPORT_BATCHES={batches}\n")
        (secrets / "medusa_api_key").write_text(f"sk_{batches}")
        settings = load_settings(file)
        assert (settings.export_batches, settings.medusa_api_key) == (batches, SecretStr(f"sk_{batches}"))
        assert load_settings(file) is settings
    environment.setenv("EXPORT_BATCHES", "5")
    assert load_settings(file).export_batches == 5
    file.unlink()
    environment.delenv("EXPORT_BATCHES")
    assert load_settings(file).export_batches == 4


@pytest.mark.parametrize("missing", CONNECTION_VARIABLES)
def test_a_partial_set_names_what_is_missing(environment: pytest.MonkeyPatch, missing: str) -> None:
    text = refused(environment, **{name: value for name, value in SERVERS.items() if name != missing})
    assert f"{missing} not set" in text
    assert SECRET not in text


def test_an_empty_variable_counts_as_missing(environment: pytest.MonkeyPatch) -> None:
    assert "MEDUSA_API_KEY not set" in refused(environment, **{**SERVERS, "MEDUSA_API_KEY": ""})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ERPNEXT_URL", "erp.example.com", "must be an address"),
        ("ERPNEXT_URL", "ftp://erp.example.com", "must be an address"),
        ("MEDUSA_URL", f"https://me:{SECRET}@api.example.com", "must not hold a user or password"),
        ("MEDUSA_URL", "https://api.example.com/?x=1", "without '?' or '#'"),
        ("ERPNEXT_API_SECRET", f"{SECRET} and more", "one word of ASCII"),
        ("ERPNEXT_API_KEY", "clé", "one word of ASCII"),
        ("MEDUSA_API_KEY", f"sk_{SECRET}\n", "one word of ASCII"),
        ("SCHEDULE_TIMEZONE", "Asia/Nowhere", "time zone name such as Asia/Muscat"),
        ("SCHEDULE_TIMEZONE", "/etc/passwd", "time zone name such as Asia/Muscat"),
        ("EXPORT_BATCHES", "0", "greater than or equal to 1"),
        ("EXPORT_BATCHES", "four", "valid integer"),
        ("MEDUSA_CHUNK_BYTES", "99999999", "less than or equal to"),
        ("HTTP_READ_TIMEOUT", "0", "greater than 0"),
        ("EXECUTION_LIMITS", "{not json", "must be JSON"),
        ("TOP_SELLER_CATEGORIES", '{"A": "t", "B": "t"}', "a child table of its own"),
    ],
)
def test_each_error_names_its_variable(environment: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    text = refused(environment, **{**SERVERS, name: value})
    assert f"{name}: " in text
    assert said in text
    assert SECRET not in text


@pytest.mark.parametrize("limit", ["0", "-1", '"often"'])
def test_an_error_inside_a_json_value_names_the_place(environment: pytest.MonkeyPatch, limit: str) -> None:
    assert "EXECUTION_LIMITS (expire_otps): " in refused(environment, EXECUTION_LIMITS=f'{{"expire_otps": {limit}}}')


def test_all_errors_are_told_at_once(environment: pytest.MonkeyPatch) -> None:
    text = refused(environment, EXPORT_BATCHES="0", ERPNEXT_PAGE_SIZE="x", SCHEDULE_TIMEZONE="?")
    assert len(text.splitlines()) == 4


def test_the_environment_comes_before_the_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("EXPORT_BATCHES=7\nMEDUSA_CHUNK=9\nSOMEBODY_ELSES=1\n")
    environment.setenv("EXPORT_BATCHES", "2")
    settings = load_settings(file)
    assert (settings.export_batches, settings.medusa_chunk) == (2, 9)


def test_every_setting_is_explained() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_mail_times_that_do_not_fit_into_the_run_are_refused_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUOTATION_EMAIL_SECONDS", "30")
    monkeypatch.setenv("QUOTATION_EMAIL_TIMEOUT", "30")
    with pytest.raises(SettingsError, match="QUOTATION_EMAIL_SECONDS and QUOTATION_EMAIL_TIMEOUT are 60 s together"):
        load_settings(env_file=None)


def test_secrets_are_read_from_files_and_the_environment_wins(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "erpnext_api_secret").write_text(f"{SECRET}\n", encoding="utf-8")
    (tmp_path / "medusa_api_key").write_text("sk_of_the_file\n", encoding="utf-8")
    environment.setenv("SECRETS_DIR", str(tmp_path))
    for name in ("ERPNEXT_URL", "ERPNEXT_API_KEY", "MEDUSA_URL", "MEDUSA_API_KEY"):
        environment.setenv(name, SERVERS[name])
    settings = load_settings(None)
    assert settings.erpnext_api_secret
    assert settings.medusa_api_key
    assert settings.erpnext_api_secret.get_secret_value() == SECRET
    assert settings.medusa_api_key.get_secret_value() == SERVERS["MEDUSA_API_KEY"]


def test_a_folder_of_secrets_that_is_not_mounted_is_no_error(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("SECRETS_DIR", str(tmp_path / "missing"))
    assert load_settings(None).erpnext_api_key is None


@pytest.mark.parametrize("url", ["file:///tmp/frames", "s3://", f"s3://key:{SECRET}@bucket/prefix"])
def test_frames_lie_in_a_bucket_or_in_postgresql(environment: pytest.MonkeyPatch, url: str) -> None:
    output = refused(environment, FRAMES_URL=url)
    assert "FRAMES_URL" in output
    assert SECRET not in output


def test_a_name_that_is_nearly_a_setting_is_named_with_the_one_that_is_meant(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "MEDUSA_APIKEY=x\nEXPORT_BATCH=8\nALERT_URL=x\nMEDUSA_PUBLISHABLE_KEY=x\nDAGSTER_HOME=x\nPOSTGRES_PASSWORD=x\n"
        "COMPOSE_PROJECT_NAME=x\nMEDUSA_API_KEY=x\nmedusa_url=x\n",
        encoding="utf-8",
    )
    assert misspelt(file) == {
        "MEDUSA_APIKEY": "MEDUSA_API_KEY",
        "EXPORT_BATCH": "EXPORT_BATCHES",
        "ALERT_URL": "ALERT_URLS",
    }


def test_a_variable_that_was_a_setting_once_changes_nothing(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    """It breaks no start, and nobody is asked whether another one is meant."""
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}=7\n" for name in FORMER), encoding="utf-8")
    assert misspelt(file) == {}
    before = load_settings(None)
    for name in FORMER:
        environment.setenv(name, "7")
    assert load_settings(file) == before
