"""A cluster for a test as deploy/kubernetes/ has it: its Secrets, ConfigMaps and instance file, behind a fake Jobs API.

What an operator and the chart put into the cluster before a run.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from dev.deployment import ROOT
from dev.helm_values import code_server_environment, deployments, instance_config_map, instance_file, merged, user_env
from dev.kubernetes_api import Cluster, kubernetes_api

NAMESPACE = "shop"
DATABASE_SECRET = "pipelines-postgresql"
RESOURCES = {"default": {"requests": {"memory": "300Mi"}, "limits": {"memory": "600Mi"}}}
"""KUBERNETES_RESOURCES, for one queue."""


@dataclass(frozen=True)
class Prepared:
    """A cluster that is ready for runs."""

    cluster: Cluster
    instance_file: Path
    database_password: str
    code_servers: Mapping[str, Mapping[str, str]]
    """What the chart sets in the environment of each code deployment, by its name."""


@contextmanager
def prepared_cluster(
    folder: Path, values: Mapping[str, Any], database_url: str, settings: Mapping[str, Mapping[str, str]]
) -> Iterator[Prepared]:
    """`settings` are those of each code deployment, with its keys: a Secret and a ConfigMap of its own have them."""
    database = urlsplit(database_url)
    password = database.password or ""
    here = {
        "postgresqlHost": database.hostname,
        "postgresqlUsername": database.username,
        "postgresqlDatabase": database.path.strip("/"),
        "service": {"port": database.port},
    }
    kubeconfig, path = folder / "kubeconfig", folder / "dagster.yaml"
    text = yaml.safe_dump(
        instance_file(merged(values, {"postgresql": here}), namespace=NAMESPACE, kubeconfig=kubeconfig)
    )
    path.write_text(text, encoding="utf-8")
    secrets: dict[str, dict[str, str]] = {DATABASE_SECRET: {"postgresql-password": password}}
    config_maps: dict[str, dict[str, str]] = {instance_config_map(): {"dagster.yaml": text}}
    code_servers: dict[str, dict[str, str]] = {}
    for deployment in deployments(values):
        known = settings[deployment["name"]]
        (secret,), (config_map,) = deployment["envSecrets"], deployment["envConfigMaps"]
        secrets[secret["name"]] = {key: value for key, value in known.items() if is_secret(key)}
        config_maps[config_map["name"]] = {key: value for key, value in known.items() if not is_secret(key)}
        config_maps[user_env(deployment)] = {}
        output = code_server_environment(deployment, namespace=NAMESPACE)
        code_servers[deployment["name"]] = {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in output.items()
        }
    os.environ["PYTHONPATH"] = str(ROOT)
    with kubernetes_api(folder / "pods", secrets, config_maps) as cluster:
        kubeconfig.write_text(cluster.kubeconfig(), encoding="utf-8")
        yield Prepared(cluster, path, password, code_servers)


def is_secret(setting: str) -> bool:
    """Whether a setting belongs into a Secret."""
    return "KEY" in setting or "SECRET" in setting
