"""`erp-medusa metrics`: the installation's numbers for Prometheus."""

from typing import Annotated

import typer
from rich.text import Text

from erp_medusa_pipelines.cli.frame import CommandError, command
from erp_medusa_pipelines.cli.home import the_instance
from erp_medusa_pipelines.cli.output import Answer, stderr

PORT = 9464

Host = Annotated[str, typer.Option("--host", help="Address to listen on. There is no log-in: keep it on loopback.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")]


@command
def metrics(host: Host = "127.0.0.1", port: Port = PORT) -> Answer:
    """Serve metrics for Prometheus until Ctrl-C: items, rejects, requests, seconds and queues by task.

    They are read from the installation of DAGSTER_HOME at each scrape. Nothing listens unless this command runs.

    Examples:

    - `erp-medusa metrics`
    - `erp-medusa metrics --port 9500`
    """
    from prometheus_client import CollectorRegistry, start_http_server

    from erp_medusa_pipelines.orchestration.metrics import Metrics

    with the_instance() as instance:
        registry = CollectorRegistry()
        registry.register(Metrics(instance))
        try:
            server, thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
        address = f"http://{host}:{server.server_port}/metrics"
        stderr().print(f"Metrics on {address}; Ctrl-C ends it.", markup=False, highlight=False, soft_wrap=True)
        try:
            thread.join()
        except KeyboardInterrupt:
            server.shutdown()
            server.server_close()
    return Answer({"address": address}, [Text("Ended.")])
