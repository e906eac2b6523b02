"""A client for a running Dagster installation: its webserver's GraphQL API, which the UI uses too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import requests

from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.tasks import TASKS

if TYPE_CHECKING:
    import dagster as dg

# With a window of days ticks are looked up by the schedule's name. Without, Dagster looks by the address that the code
# was served from when the schedule was turned on: after a restart of `dg dev` it finds none.
# A tick that is still evaluated does not count: at its end the daemon stores the schedule as it was before, turned on.
_STATE = "{ id status ticks(limit: 1, dayRange: 2, statuses: [SUCCESS, SKIPPED, FAILURE]) { timestamp } }"
_INSTALLATION = f"""{{ repositoriesOrError {{ ... on RepositoryConnection {{ nodes {{ name location {{ name }}
  schedules {{ name scheduleState {_STATE} }} sensors {{ name sensorState {_STATE} }} }} }}
  ... on PythonError {{ message }} }}
  instance {{ daemonHealth {{ allDaemonStatuses {{ daemonType required healthy }} }} }} }}"""
_LINKS = """query($selector: RepositorySelector!) { repositoryOrError(repositorySelector: $selector) {
  ... on Repository { assetNodes { metadataEntries { label ... on UrlMetadataEntry { url } } } } } }"""
_SWITCHED = "{ __typename ... on PythonError { message } ... on UnauthorizedError { message } }"
_START = {
    "schedule": "mutation($selector: ScheduleSelector!) { done: startSchedule(scheduleSelector: $selector) %s }",
    "sensor": "mutation($selector: SensorSelector!) { done: startSensor(sensorSelector: $selector) %s }",
}
_STOP = {
    "schedule": "mutation($id: String!) { done: stopRunningSchedule(id: $id) %s }",
    "sensor": "mutation($id: String!) { done: stopSensor(id: $id) %s }",
}
_GOING_ON = (
    """query($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 1) { ... on Runs { results { runId } } } }"""
)
_POOLS = "{ instance { concurrencyLimits { concurrencyKey } } }"
_IN_PROGRESS = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]


@dataclass(frozen=True)
class Instigator:
    """A schedule or sensor of the installation."""

    name: str
    id: str
    on: bool
    last_tick: datetime | None


@dataclass(frozen=True)
class Installation:
    """The state of the installation: our code location, its schedules and sensors, and daemons without heartbeat."""

    location: str
    repository: str
    schedules: Mapping[str, Instigator]
    sensors: Mapping[str, Instigator]
    silent_daemons: tuple[str, ...]


class DagsterApi:
    """One webserver. Raises CommandError when it cannot do what is asked."""

    def __init__(self, url: str, *, shop: str | None = None, timeout: float = 30.0) -> None:
        """`shop` chooses one code location where the webserver serves several shops."""
        self.url = url.rstrip("/")
        self._shop = shop
        self._timeout = timeout

    def installation(self) -> Installation:
        """Read the state again. Raises CommandError if no code location has all our schedules."""
        answer = self._query(_INSTALLATION)
        repositories = answer["repositoriesOrError"].get("nodes") or []
        wanted = {task.schedule for task in TASKS}
        for repository in repositories:
            is_ours = self._shop in (None, repository["location"]["name"])
            if is_ours and wanted <= {entry["name"] for entry in repository["schedules"]}:
                break
        else:
            raise CommandError(
                f"the Dagster at {self.url} has not loaded this project with its {len(wanted)} schedules"
                f"{f' as the code location {self._shop}' if self._shop else ''}: look under Deployment in its UI"
            )
        statuses = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
        silent = tuple(one["daemonType"] for one in statuses if one["required"] and not one["healthy"])
        return Installation(
            repository["location"]["name"],
            repository["name"],
            {entry["name"]: _instigator(entry["name"], entry["scheduleState"]) for entry in repository["schedules"]},
            {entry["name"]: _instigator(entry["name"], entry["sensorState"]) for entry in repository["sensors"]},
            silent,
        )

    def serves(self, instance: "dg.DagsterInstance") -> bool:
        """Return whether this webserver works on the instance: whether it knows a mark that was made there just now."""
        # Imported late: Dagster takes seconds to load.
        from erp_medusa_pipelines.orchestration.dagster_internals import marked

        with marked(instance) as mark:
            found = self._query(_POOLS).get("instance") or {}
            return any(pool["concurrencyKey"] == mark for pool in found.get("concurrencyLimits", ()))

    def erpnext_url(self, installation: Installation) -> str:
        """Return the ERPNext that our code location works on, from its assets' links; empty if it shows none."""
        nodes = self._query(_LINKS, selector=_selector(installation))["repositoryOrError"].get("assetNodes") or []
        links = [entry["url"] for node in nodes for entry in node["metadataEntries"] if entry["label"] == "erpnext"]
        return links[0].rsplit("/app/", 1)[0] if links else ""

    def turn(self, installation: Installation, kind: Literal["schedule", "sensor"], name: str, *, on: bool) -> None:
        """As the toggle in the UI does."""
        known = installation.schedules if kind == "schedule" else installation.sensors
        start = {"selector": {**_selector(installation), f"{kind}Name": name}}
        variables = start if on else {"id": known[name].id}
        done = self._query((_START if on else _STOP)[kind] % _SWITCHED, **variables)["done"]
        if "message" in done or done["__typename"].endswith("Error"):
            raise CommandError(f"Dagster would not switch {name}: {done.get('message') or done['__typename']}")

    def is_going_on(self, job: str) -> bool:
        """Return whether a run of the job is queued or running."""
        tags = [{"key": "shop", "value": self._shop}] if self._shop else []
        answer = self._query(_GOING_ON, filter={"pipelineName": job, "statuses": _IN_PROGRESS, "tags": tags})
        return bool(answer["runsOrError"].get("results"))

    def _query(self, query: str, **variables: Any) -> dict[str, Any]:
        try:
            answer = requests.post(
                f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=self._timeout
            )
            body = answer.json()
        except requests.RequestException as error:
            raise CommandError(
                f"no Dagster webserver answers at {self.url} ({type(error).__name__}): name it with --dagster-url or"
                " DAGSTER_UI_URL"
            ) from None
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict) or body.get("errors"):
            said = (body.get("errors") or [{}])[0].get("message") if isinstance(body, dict) else ""
            raise CommandError(
                f"what answers at {self.url} is not a Dagster webserver that this command knows: {said or 'no data'}"
            )
        return body["data"]


def _selector(installation: Installation) -> dict[str, str]:
    return {"repositoryName": installation.repository, "repositoryLocationName": installation.location}


def _instigator(name: str, state: Mapping[str, Any]) -> Instigator:
    ticks = state["ticks"]
    last = datetime.fromtimestamp(ticks[0]["timestamp"], UTC) if ticks else None
    return Instigator(name, state["id"], state["status"] == "RUNNING", last)
