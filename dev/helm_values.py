"""What Dagster's Helm chart makes of deploy/kubernetes/: instance file, workspace file, and what a run's pod is given.

The chart's naming and merging, in the words of its values, for tests where neither Helm nor the chart is.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = Path(__file__).resolve().parents[1] / "deploy" / "kubernetes"
VALUES, SHOPS = KUBERNETES / "values.yaml", KUBERNETES / "shops.yaml"
RELEASE = "pipelines"
"""The release's name in the command that values.yaml shows."""


def read_values(*paths: Path) -> dict[str, Any]:
    """The values of these files, by default of values.yaml, each laid over those before it."""
    found: dict[str, Any] = {}
    for path in paths or (VALUES,):
        found = merged(found, yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm does it: maps are merged, lists and all else replaced, and null takes a key away."""
    both = {
        key: merged(lower[key], value) if isinstance(value, Mapping) and isinstance(lower.get(key), Mapping) else value
        for key, value in upper.items()
    }
    return {key: value for key, value in {**lower, **both}.items() if value is not None}


def snake(value: Any) -> Any:
    """Keys as dagster.yaml spells them: the chart's are in camel case."""
    if isinstance(value, Mapping):
        return {_snake_key(str(key)): snake(each) for key, each in value.items()}
    return [snake(each) for each in value] if isinstance(value, list) else value


def _snake_key(key: str) -> str:
    # The one name that Dagster itself writes in camel case.
    return key if key == "applyLimitPerUniqueValue" else re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def instance_file(values: Mapping[str, Any], *, namespace: str, kubeconfig: Path | None = None) -> dict[str, Any]:
    """dagster.yaml for these values. With `kubeconfig` the launcher reaches the cluster from outside."""
    daemon = values["dagsterDaemon"]
    coordinator = daemon["runCoordinator"]["config"]["customRunCoordinator"]
    logs = values["computeLogManager"]["config"]["s3ComputeLogManager"]
    postgres = values["postgresql"]
    database = {
        "username": postgres["postgresqlUsername"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "hostname": postgres["postgresqlHost"],
        "db_name": postgres["postgresqlDatabase"],
        "port": postgres["service"]["port"],
    }
    return {
        "storage": {"postgres": {"postgres_db": database}},
        "run_launcher": {
            "module": "dagster_k8s",
            "class": "K8sRunLauncher",
            "config": _launcher(values, namespace, kubeconfig),
        },
        "run_coordinator": coordinator,
        "compute_logs": {
            "module": "dagster_aws.s3.compute_log_manager",
            "class": "S3ComputeLogManager",
            "config": snake(logs),
        },
        "concurrency": {key: snake(each) for key, each in values["concurrency"].items() if key != "enabled"},
        "run_monitoring": snake(daemon["runMonitoring"]),
        "run_retries": daemon["runRetries"],
        "schedules": snake(daemon["schedules"]),
        "sensors": snake(daemon["sensors"]),
        "retention": {key: snake(each) for key, each in values["retention"].items() if key != "enabled"},
        "telemetry": values["telemetry"],
        **values["additionalInstanceConfig"],
    }


def _launcher(values: Mapping[str, Any], namespace: str, kubeconfig: Path | None) -> dict[str, Any]:
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    return {
        "load_incluster_config": given["loadInclusterConfig"] and kubeconfig is None,
        **({"kubeconfig_file": str(kubeconfig)} if kubeconfig else {}),
        "job_namespace": namespace,
        "image_pull_policy": given["imagePullPolicy"],
        "service_account_name": f"{RELEASE}-dagster",
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": instance_config_map(),
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "env_config_maps": [each["name"] for each in given["envConfigMaps"]],
        "env_secrets": [each["name"] for each in given["envSecrets"]],
        "fail_pod_on_run_failure": given["failPodOnRunFailure"],
        "run_k8s_config": snake_shallow(given["runK8sConfig"]),
    }


def instance_config_map() -> str:
    """Name of the ConfigMap that holds dagster.yaml."""
    return f"{RELEASE}-dagster-instance"


def deployments(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The code deployments, one a shop."""
    return values["dagster-user-deployments"]["deployments"]


def user_env(deployment: Mapping[str, Any]) -> str:
    """Name of the ConfigMap that the chart makes of a code deployment's `env`."""
    return f"{RELEASE}-dagster-user-deployments-{deployment['name']}-user-env"


def code_server_environment(deployment: Mapping[str, Any], *, namespace: str) -> dict[str, Any]:
    """What the chart tells a code server of itself, for the pods of its runs: its image and its configuration.

    The launcher lays this over its own configuration, the resources too.
    """
    image = f"{deployment['image']['repository']}:{deployment['image']['tag']}"
    context = {
        "image_pull_policy": deployment["image"]["pullPolicy"],
        "env_config_maps": [user_env(deployment), *(each["name"] for each in deployment["envConfigMaps"])],
        "env_secrets": [each["name"] for each in deployment["envSecrets"]],
        "resources": deployment["resources"],
        "namespace": namespace,
        "service_account_name": f"{RELEASE}-dagster-user-deployments-user-deployments",
        "run_k8s_config": {"pod_spec_config": {"automount_service_account_token": True}},
    }
    return {"DAGSTER_CURRENT_IMAGE": image, "DAGSTER_CONTAINER_CONTEXT": {"k8s": context}}


def workspace_file(values: Mapping[str, Any]) -> dict[str, Any]:
    """workspace.yaml for these values: fixed servers where they are named, else each deployment by its own name."""
    given = values["dagsterWebserver"].get("workspace", {})
    servers = (
        given["servers"] if given.get("enabled") else [{**each, "host": each["name"]} for each in deployments(values)]
    )
    return {
        "load_from": [
            {"grpc_server": {"host": each["host"], "port": each["port"], "location_name": each["name"]}}
            for each in servers
        ]
    }


def snake_shallow(config: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of runK8sConfig in dagster_k8s' spelling; below them it takes Kubernetes' own."""
    return {_snake_key(section): dict(content) for section, content in config.items()}
