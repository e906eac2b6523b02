"""`erp-medusa`: the list of commands.

Which commands there are. Each is a function in a module of its own, decorated with `frame.command`, whose docstring is
its help text. To add one: write it, add it here, describe it in docs/cli.md.
"""

import typer

from erp_medusa_pipelines.cli.again import again
from erp_medusa_pipelines.cli.ctrl_c import listen_for_ctrl_c
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


def main() -> None:
    """The entry point of the installed command."""
    listen_for_ctrl_c()
    app()


if __name__ == "__main__":
    main()
