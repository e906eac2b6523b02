"""`erp-medusa`: the list of commands.

Each is a function in a module of its own, decorated with `frame.command`, whose docstring is its help text. To add one:
write it, add it here, describe it in docs/cli.md.
"""

import signal
import socket
import threading
import time

import typer

from erp_medusa_pipelines.cli.again import again
from erp_medusa_pipelines.cli.doctor import doctor
from erp_medusa_pipelines.cli.drift import drift
from erp_medusa_pipelines.cli.explain import explain
from erp_medusa_pipelines.cli.log import log
from erp_medusa_pipelines.cli.mapping import mapping
from erp_medusa_pipelines.cli.metrics import metrics
from erp_medusa_pipelines.cli.plan import apply, plan
from erp_medusa_pipelines.cli.setup import setup
from erp_medusa_pipelines.cli.status import status
from erp_medusa_pipelines.cli.sync import sync
from erp_medusa_pipelines.cli.take_over import hand_back, take_over
from erp_medusa_pipelines.clients.http import stop_all

SECONDS_TO_END = 5.0
"""For requests under way: most end well in that time, and their ids are kept."""

app = typer.Typer(
    name="erp-medusa",
    help="Operate a shop that runs on ERPNext and Medusa. Settings come from the environment or .env.\n\n"
    "Exit codes: 0 fine, 1 something to do, 2 cannot tell, 130 ended by Ctrl-C. Every command takes --json.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(status)
app.command()(doctor)
app.command()(setup)
app.command()(plan)
app.command()(apply)
app.command()(drift)
app.command()(explain)
app.command()(sync)
app.command()(again)
app.command()(log)
app.command()(mapping)
app.command()(metrics)
app.command()(take_over)
app.command()(hand_back)


def _listen_for_ctrl_c() -> None:
    """Start the thread that closes all connections some seconds after Ctrl-C, also while a server takes its time.

    The main thread waits for its workers and they for their answers. Dagster sets a signal handler of its own while a
    run works, so that none of ours would be called; Python tells a file descriptor of every signal whoever handles it.
    """
    signals, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_ctrl_c, args=(signals, wakeup), name="ctrl-c", daemon=True).start()


def _end_after_ctrl_c(signals: socket.socket, _wakeup: socket.socket) -> None:
    while signal.SIGINT not in signals.recv(64):
        pass
    time.sleep(SECONDS_TO_END)
    stop_all()


def main() -> None:
    """The entry point of the installed command."""
    _listen_for_ctrl_c()
    app()


if __name__ == "__main__":
    main()
