"""What the doctor says about this Dagster installation: instance file, daemon, schedules.

Belongs here: asking the instance of DAGSTER_HOME. Does not belong here: both servers (readiness/), and the same facts
as asset checks in the UI (orchestration/installation.py).
"""

import os
from collections.abc import Iterator, Sequence

from dotenv import dotenv_values

from erp_medusa_pipelines.readiness.findings import Finding, Level
from erp_medusa_pipelines.readiness.frappe_app import FrappeJob
from erp_medusa_pipelines.settings import Settings, variable_name
from erp_medusa_pipelines.tasks import TASKS

AREA = "Dagster"


def examine_installation(jobs: Sequence[FrappeJob] | None) -> Iterator[Finding]:
    """Return findings about the instance of DAGSTER_HOME; `jobs` are the Frappe app's, which may do the same work."""
    yield _settings()
    if not os.environ.get("DAGSTER_HOME"):
        yield Finding(
            AREA,
            "instance",
            Level.SKIPPED,
            "DAGSTER_HOME is not set here",
            "whether dagster.yaml is in force and the schedules are on is not known",
            "start the command with the installation's DAGSTER_HOME",
        )
        return
    # Imported late: Dagster takes seconds to load.
    import dagster as dg

    from erp_medusa_pipelines.orchestration import installation
    from erp_medusa_pipelines.orchestration.dagster_internals import instigators, silent_daemons

    with dg.DagsterInstance.get() as instance:
        yield from _instance_file(installation.shortcomings(instance))
        yield _daemon(silent_daemons(instance))
        on = {stored.name for stored in instigators(instance) if stored.on}
    yield from _schedules(on, jobs)


def _settings() -> Finding:
    """Dagster's code server reads .env over its environment, everything else the environment over .env."""
    in_file = dotenv_values(".env")
    names = [variable_name(field) for field in Settings.model_fields]
    # To both readers an empty value is none.
    differing = [name for name in names if in_file.get(name) and os.environ.get(name) not in ("", None, in_file[name])]
    if not differing:
        return Finding(AREA, "settings", Level.OK, "no variable has two values")
    return Finding(
        AREA,
        "settings",
        Level.WARN,
        f"{', '.join(differing)}: not the same in the environment and in .env",
        "Dagster's runs use .env, this command the environment",
        "set each variable in one place",
    )


def _instance_file(found: dict[str, str]) -> Iterator[Finding]:
    fix = "copy the project's dagster.yaml into DAGSTER_HOME and restart webserver and daemon"
    for section, means in found.items():
        yield Finding(AREA, "dagster.yaml", Level.FAIL, f"{section} is missing or wrong", means, fix)
    if not found:
        yield Finding(AREA, "dagster.yaml", Level.OK, "in force")


def _daemon(silent: Sequence[str]) -> Finding:
    if not silent:
        return Finding(AREA, "daemon", Level.OK, "alive")
    found = f"no heartbeat from {', '.join(silent)}"
    return Finding(AREA, "daemon", Level.FAIL, found, "no schedule ticks and no run starts", "start dagster-daemon run")


def _schedules(on: set[str], jobs: Sequence[FrappeJob] | None) -> Iterator[Finding]:
    """Return who runs each task: this installation, Frappe, both or nobody."""
    frappe = {job.task for job in jobs or () if not job.stopped}
    ours = {task.name for task in TASKS if f"{task.name}_schedule" in on}
    said = {task.name: _who(task.name in ours, task.name in frappe, task.in_app and bool(jobs)) for task in TASKS}
    if jobs is None:
        not_known = Level.UNKNOWN, "schedule off, and Frappe's jobs cannot be read", "Frappe may do it", ""
        said |= {task.name: not_known for task in TASKS if task.in_app and task.name not in ours}
    for words in dict.fromkeys(said.values()):
        tasks = [task for task, same in said.items() if same == words]
        yield Finding(AREA, "all tasks" if len(tasks) == len(TASKS) else ", ".join(tasks), *words)
    if ours and "retry_failed_partitions" not in on:
        means = "what fails temporarily waits for the next night"
        fix = "turn the sensor retry_failed_partitions on"
        yield Finding(AREA, "retries", Level.WARN, "the sensor is off", means, fix)
    if ours and "alerts" not in on:
        means = "nobody is told of failures"
        yield Finding(AREA, "alerts", Level.WARN, "the sensor is off", means, "set ALERT_URLS and turn it on")


def _who(ours: bool, frappe: bool, has_app: bool) -> tuple[Level, str, str, str]:
    """Return level, finding, meaning and remedy of who runs a task."""
    if ours and frappe:
        means = "Frappe does the work: ticks are skipped until its job is stopped"
        return Level.WARN, "schedule on, and so is Frappe's job", means, "erp-medusa take-over, or hand-back"
    if ours:
        return Level.OK, "done here", "", ""
    if frappe:
        return Level.OK, "done by Frappe: not taken over", "", ""
    found = "schedule off" + (", and Frappe's job is stopped" if has_app else "")
    return Level.WARN, found, "nobody does it", "erp-medusa take-over, or turn the schedule on in the UI"
