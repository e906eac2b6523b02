"""What Dagster's Helm chart makes of deploy/kubernetes/values.yaml: the instance file of webserver, daemon and pods.

Belongs here: the chart's naming, in the words of values.yaml, for tests where neither Helm nor the chart is.
Does not belong here: Deployments, Services and the rest of what the chart renders.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

VALUES = Path(__file__).resolve().parents[1] / "deploy" / "kubernetes" / "values.yaml"


def read_values(path: Path = VALUES) -> dict[str, Any]:
    """The values as YAML has them."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


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
    return {
        "storage": {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}},
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
    code = values["dagster-user-deployments"]["deployments"][0]
    image = code["image"]
    return {
        "load_incluster_config": given["loadInclusterConfig"] and kubeconfig is None,
        **({"kubeconfig_file": str(kubeconfig)} if kubeconfig else {}),
        "job_namespace": namespace,
        "image_pull_policy": given["imagePullPolicy"],
        "service_account_name": "pipelines",
        "job_image": f"{image['repository']}:{image['tag']}",
        "dagster_home": {"env": "DAGSTER_HOME"},
        "instance_config_map": "pipelines-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "fail_pod_on_run_failure": given["failPodOnRunFailure"],
        # By way of the code deployment, whose configuration its runs get.
        "env_config_maps": [each["name"] for each in code["envConfigMaps"]],
        "env_secrets": [each["name"] for each in code["envSecrets"]],
        "run_k8s_config": snake_shallow(given["runK8sConfig"]),
    }


def snake_shallow(config: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of runK8sConfig in dagster_k8s' spelling; below them it takes Kubernetes' own."""
    return {_snake_key(section): dict(content) for section, content in config.items()}
