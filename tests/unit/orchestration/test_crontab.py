"""Cron lines from the settings."""

from pkgutil import resolve_name

import pytest

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.schedules.crontab import tasks_in_force
from erp_medusa_pipelines.settings import Settings, SettingsError
from erp_medusa_pipelines.tasks import TASKS, Task


def settings(**crons: str) -> Settings:
    return Settings(_env_file=None, schedules=crons)  # pyright: ignore


def test_without_the_setting_the_rows_are_in_force() -> None:
    assert tasks_in_force(settings()) == TASKS


def test_a_line_of_the_settings_is_the_schedules() -> None:
    repository = build_defs(settings(expire_otps="*/5 * * * *", prune_runs="0 5 * * 0")).get_repository_def()
    crons = {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs}
    assert crons["expire_otps_schedule"] == "*/5 * * * *"
    assert crons["prune_runs_schedule"] == "0 5 * * 0"
    assert crons["send_quotation_emails_schedule"] == "* * * * *"


@pytest.mark.parametrize(
    ("crons", "text"),
    [
        ({"expire_otp": "* * * * *"}, "SCHEDULES: there is no task 'expire_otp'. Tasks: export_items"),
        ({"expire_otps": "every minute"}, r"SCHEDULES \(expire_otps\): 'every minute' is not a cron line"),
        ({"expire_otps": "* * * * * *"}, r"SCHEDULES \(expire_otps\): .* is not a cron line of five parts"),
    ],
)
def test_a_wrong_line_is_an_error_that_names_the_variable(crons: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        build_defs(settings(**crons))


@pytest.mark.parametrize("task", [task for task in TASKS if task.gate], ids=lambda task: task.name)
def test_the_gate_that_a_row_names_exists(task: Task) -> None:
    assert callable(resolve_name(task.gate or ""))
