"""What the doctor says about this Dagster installation: instance file, daemon, schedules."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dotenv import dotenv_values

from erp_medusa_pipelines.cli.frame import sentence
from erp_medusa_pipelines.cli.home import enter_home
from erp_medusa_pipelines.readiness.findings import Finding, Level, judged
from erp_medusa_pipelines.readiness.frappe_app import FrappeJob
from erp_medusa_pipelines.settings import Settings, load_settings, variable_name
from erp_medusa_pipelines.tasks import ALERT_SENSOR, RETRY_SENSOR, TASKS

AREA = "Dagster"
NAME = "workspace.yaml"
NOTHING_RUNS = "no schedule ticks, no run starts and nobody hears of it"
MOST_QUIET = timedelta(minutes=5)
"""Both sensors tick every half minute; a tick may take one."""


def examine_installation(jobs: Sequence[FrappeJob] | None) -> Iterator[Finding]:
    """Return findings about the instance of DAGSTER_HOME; `jobs` are the Frappe app's, which may do the same work."""
    yield _settings()
    yield from _receivers()
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

    from erp_medusa_pipelines.orchestration.checks import installation
    from erp_medusa_pipelines.orchestration.copies import copy_of
    from erp_medusa_pipelines.orchestration.dagster_internals import instigators, silent_daemons
    from erp_medusa_pipelines.orchestration.state import session_time_zone

    yield _code()
    try:
        enter_home()
        opened = dg.DagsterInstance.get()
    # Whatever keeps its storage from being opened: with it, nothing runs.
    except Exception as error:  # noqa: BLE001
        fix = "correct what it names; webserver, daemon and code server need it as well"
        yield Finding(AREA, "instance", Level.FAIL, f"it cannot be opened: {sentence(error)}", NOTHING_RUNS, fix)
        return
    with opened as instance:
        yield from _instance_file(installation.shortcomings(instance))
        yield _daemon(silent_daemons(instance))
        if copy := copy_of(instance):
            yield Finding(AREA, "copy", Level.FAIL, str(copy), NOTHING_RUNS, copy.what_to_do)
        yield from _database(session_time_zone(instance))
        found = instigators(instance)
        on = {stored.name for stored in found if stored.on}
        yield from _ticks({stored.name: stored.newest_tick(instance) for stored in found if stored.on})
    yield from _code_servers()
    yield from _schedules(on, jobs)
    yield from _red()


def _settings() -> Finding:
    """Dagster's code server reads .env over its environment, everything else the environment over .env."""
    in_file = dotenv_values(".env")
    names = [variable_name(field) for field in Settings.model_fields]
    # To both readers an empty value is none.
    differing = [name for name in names if in_file.get(name) and os.environ.get(name) not in ("", None, in_file[name])]
    wrong = f"{', '.join(differing)}: not the same in the environment and in .env" if differing else ""
    means = "Dagster's runs use .env, this command the environment"
    fine, fix = "no variable has two values", "set each variable in one place"
    return judged(AREA, "settings", fine, wrong, means, fix, level=Level.WARN)


def _instance_file(found: dict[str, str]) -> Iterator[Finding]:
    fix = "copy the project's dagster.yaml into DAGSTER_HOME and restart webserver and daemon"
    for section, means in found.items():
        yield Finding(AREA, "dagster.yaml", Level.FAIL, f"{section} is missing or wrong", means, fix)
    if not found:
        yield Finding(AREA, "dagster.yaml", Level.OK, "in force")


def _code() -> Finding:
    """Load what the code server loads, with the settings of this place."""
    try:
        from erp_medusa_pipelines import definitions as _loaded  # noqa: F401
    # Whatever keeps the code from loading.
    except Exception as error:  # noqa: BLE001
        found = f"it does not load: {str(error) or type(error).__name__}"
        return Finding(
            AREA, "code", Level.FAIL, found, NOTHING_RUNS, "correct what it names and restart the code server"
        )
    return Finding(AREA, "code", Level.OK, "loads")


def _code_servers() -> Iterator[Finding]:
    """Ask each code server of the workspace.yaml beside dagster.yaml, or else of this folder, whether it serves."""
    from erp_medusa_pipelines.orchestration.dagster_internals import silent_code_servers

    file = next((path for path in (Path(os.environ["DAGSTER_HOME"]) / NAME, Path(NAME)) if path.exists()), None)
    for name, place in silent_code_servers(file) if file else ():
        fix = f"start it, or correct {file}; its log says why it ended"
        found = f"{name} at {place} does not answer"
        yield Finding(AREA, "code server", Level.FAIL, found, NOTHING_RUNS, fix)


def _ticks(newest: Mapping[str, datetime | None]) -> Iterator[Finding]:
    """Say whether the sensors tick: they stop when daemon, code server or code have a problem, whatever it is."""
    sensors = {name: at for name, at in newest.items() if name in (ALERT_SENSOR, RETRY_SENSOR)}
    now = datetime.now(UTC)
    silent = [f"{name} (last {at:%Y-%m-%d %H:%M} UTC)" for name, at in sensors.items() if at and now - at > MOST_QUIET]
    if silent:
        found = f"no tick of {', '.join(silent)}"
        fix = "look at the daemon's log: does it run, does the code server answer, does the code load?"
        yield Finding(AREA, "ticks", Level.FAIL, found, NOTHING_RUNS, fix)
    elif any(sensors.values()):
        yield Finding(AREA, "ticks", Level.OK, "on time")


def _database(zone: str | None) -> Iterator[Finding]:
    if zone and zone.upper() not in ("UTC", "ETC/UTC", "GMT"):
        means = "times of runs are off by hours: runs fail as waiting too long, or are reported hours late"
        fix = "set PGTZ=UTC in the environment of webserver, daemon and code server"
        yield Finding(AREA, "database", Level.FAIL, f"its sessions are in the time zone {zone}", means, fix)


def _receivers() -> Iterator[Finding]:
    """Try the addresses of ALERT_URLS without sending anything."""
    from erp_medusa_pipelines.orchestration.sensors.problems.receivers import receivers

    for receiver in receivers(load_settings()):
        problem = receiver.unreachable()
        fine, wrong = f"{receiver.name}: nothing speaks against it", problem and f"{receiver.name}: {problem}"
        means = "it hears of nothing; what waits for it is sent for a week"
        yield judged(AREA, "alerts", fine, wrong, means, "correct ALERT_URLS")


def _daemon(silent: Sequence[str]) -> Finding:
    wrong = f"no heartbeat from {', '.join(silent)}" if silent else ""
    return judged(AREA, "daemon", "alive", wrong, "no schedule ticks and no run starts", "start dagster-daemon run")


def _schedules(on: set[str], jobs: Sequence[FrappeJob] | None) -> Iterator[Finding]:
    """Return who runs each task: this installation, Frappe, both or nobody."""
    frappe = {job.task for job in jobs or () if not job.stopped}
    ours = {task.name for task in TASKS if task.schedule in on}
    said = {task.name: _who(task.name in ours, task.name in frappe, task.in_app and bool(jobs)) for task in TASKS}
    if not ours:
        # As the check schedules_are_on has it.
        chosen = Level.OK, f"{_OFF}, as all are", "nothing runs by itself here: a choice of yours", _TURN_ON
        said |= {task: chosen for task, words in said.items() if words[2] == _NOBODY}
    if jobs is None:
        not_known = Level.UNKNOWN, f"{_OFF}, and Frappe's jobs cannot be read", "Frappe may do it", ""
        said |= {task.name: not_known for task in TASKS if task.in_app and task.name not in ours}
    for words in dict.fromkeys(said.values()):
        tasks = [task for task, same in said.items() if same == words]
        yield Finding(AREA, "all tasks" if len(tasks) == len(TASKS) else ", ".join(tasks), *words)
    if ours and RETRY_SENSOR not in on:
        means = "what fails temporarily waits for the next night"
        fix = "turn the sensor retry_failed_partitions on"
        yield Finding(AREA, "retries", Level.WARN, "the sensor is off", means, fix)
    if ours and ALERT_SENSOR not in on:
        means = "nobody hears of failures"
        yield Finding(AREA, "alerts", Level.WARN, "the sensor is off", means, "set ALERT_URLS and turn it on")


def _red() -> Iterator[Finding]:
    """Return each task or batch that is left failed, with its reason."""
    from erp_medusa_pipelines.cli.home import the_instance
    from erp_medusa_pipelines.cli.status import red_now

    with the_instance() as instance:
        for one in red_now(instance, load_settings()):
            name = f"{one.task} {one.batch}".strip()
            means = f"{', '.join(one.assets)}: left as the last run left it (run {one.run_id[:8]})"
            fix = f"erp-medusa again {one.task}" + (f" --batch {one.batch}" if one.batch else "")
            yield Finding(AREA, name, Level.FAIL, f"failed: {one.reason}", means, fix)


def _who(ours: bool, frappe: bool, has_app: bool) -> tuple[Level, str, str, str]:
    """Return level, finding, meaning and remedy of who runs a task."""
    if ours and frappe:
        means = "Frappe does the work: ticks are skipped until its job is stopped"
        return Level.WARN, "schedule on, and so is Frappe's job", means, "erp-medusa take-over, or hand-back"
    if ours:
        return Level.OK, "done here", "", ""
    if frappe:
        return Level.OK, "done by Frappe: not taken over", "", ""
    found = _OFF + (", and Frappe's job is stopped" if has_app else "")
    return Level.WARN, found, _NOBODY, _TURN_ON


_OFF, _NOBODY = "schedule off", "nobody does it"
_TURN_ON = "erp-medusa take-over, or turn the schedule on in the UI"
