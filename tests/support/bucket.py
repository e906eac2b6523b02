"""A real S3 server for one test, with keys and signatures: SeaweedFS from a wheel, on the loopback only.

Starting and ending it, and the environment that points boto3 at it. Not here: what is put into it.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError

from dev.postgres import free_port

PROGRAM = Path(sys.executable).with_name("weed")
LOOPBACK = "127.0.0.1"
START_SECONDS = 60


@dataclass(frozen=True)
class Bucket:
    """An empty bucket, and how to reach it."""

    name: str
    environment: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def stored(self) -> list[str]:
        """Return the keys in the bucket."""
        return [each["Key"] for each in self._client().list_objects_v2(Bucket=self.name).get("Contents", [])]

    def empty(self) -> None:
        """As after a lost disk."""
        for key in self.stored():
            self._client().delete_object(Bucket=self.name, Key=key)

    def make(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._client().create_bucket(Bucket=self.name)
                return
            except (EndpointConnectionError, ClientError):
                # Its parts find each other one after the other.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.25)

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_DEFAULT_REGION"],
        )


@contextmanager
def private_bucket(home: Path, name: str = "pipelines") -> Iterator[Bucket]:
    """A bucket on a server of its own, gone afterwards."""
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    port = free_port()
    home.mkdir(parents=True)
    identity = {
        "name": "pipelines",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (home / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    ports = [
        option
        for part in ("master", "volume", "filer")
        for option in (f"-{part}.port={free_port()}", f"-{part}.port.grpc={free_port()}")
    ]
    command = [
        *(str(PROGRAM), "server", "-s3", f"-dir={home}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", *ports),
        *(
            f"-s3.port={port}",
            f"-s3.port.grpc={free_port()}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={home / 's3.json'}",
        ),
        *("-master.volumeSizeLimitMB=64", "-volume.max=8"),
    ]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    environment = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        bucket = Bucket(name, environment)
        bucket.make()
        yield bucket
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        server.wait()
