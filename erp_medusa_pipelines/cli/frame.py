"""What every command has in common: `--json`, `--debug`, exit codes, and errors in one sentence."""

import functools
import inspect
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from dotenv import dotenv_values

from erp_medusa_pipelines.cli.output import Answer, ExitCode, begin, print_json, say_once, show, stderr
from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.clients.http import Redactor
from erp_medusa_pipelines.settings import FOLDER_OF_SECRETS, Settings, SettingsError, misspelt

ADMIN_VARIABLES = ("ADMIN_API_KEY", "ADMIN_API_SECRET")
"""The administrator's key that `setup`, `take-over` and `hand-back` may be given; read from the environment only."""

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON object instead of tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and every request's log line.")]


class CommandError(Exception):
    """A command cannot continue; the message is one sentence that says what to do, `code` the command's exit code."""

    def __init__(self, text: str, code: ExitCode = ExitCode.CANNOT_TELL) -> None:
        super().__init__(text)
        self.code = code


def command(function: Callable[..., Answer]) -> Callable[..., None]:
    """Make a function that returns an Answer a command: adds `--json` and `--debug`, shows the answer, exits.

    Errors become one sentence on stderr (with `--json`: an object with `error`) and exit code 2, Ctrl-C exit code 130.
    """

    @functools.wraps(function)
    def run(*arguments: Any, as_json: bool = False, debug: bool = False, **options: Any) -> None:
        _log_to_stderr(debug)
        begin()
        try:
            _settle()
            answer = function(*arguments, **options)
        except KeyboardInterrupt:
            code = ExitCode.STOPPED
            _say(
                "Stopped. Start the same command again: it continues from what is done (apply needs a new plan).",
                code,
                as_json=as_json,
            )
            raise typer.Exit(code) from None
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception as error:
            if debug:
                raise
            code = error.code if isinstance(error, CommandError) else ExitCode.CANNOT_TELL
            _say(sentence(error), code, as_json=as_json)
            raise typer.Exit(code) from None
        show(answer, as_json=as_json)
        raise typer.Exit(answer.exit_code)

    _add_options(run, function, as_json=AsJson, debug=Debug)
    return run


def _settle() -> None:
    """What every command does first: find its installation, and name variables that nothing reads."""
    # Imported here: it raises this module's error.
    from erp_medusa_pipelines.cli.home import settle_home

    settle_home()
    for wrong, likely in misspelt().items():
        say_once(f"{wrong} in .env is no setting: is {likely} meant?")


def sentence(error: Exception) -> str:
    """Return what went wrong in one line, without any secret that this process knows."""
    if isinstance(error, SettingsError | ApiError | CommandError):
        text = str(error)
    else:
        where = _innermost(error)
        text = f"unexpected {type(error).__name__}: {error}{where} (--debug shows more)"
    return Redactor(_secrets())(" ".join(text.split()))


def _innermost(error: Exception) -> str:
    """Return the innermost line of this package in the traceback, for a bug report."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("erp_medusa_pipelines") and module != __name__:
            found = f" at {module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _secrets() -> list[str]:
    """Return the values of all secret variables, unvalidated: invalid settings may be the error."""
    names = [name.upper() for name, kind in Settings.model_fields.items() if "SecretStr" in str(kind.annotation)]
    folder = Path(os.environ.get(FOLDER_OF_SECRETS) or "/nowhere")
    files = {name: folder / name.lower() for name in names}
    in_files = {name: path.read_text(errors="replace").strip() for name, path in files.items() if path.is_file()}
    variables = {**in_files, **dotenv_values(".env"), **os.environ}
    values = [variables.get(name) or "" for name in (*names, *ADMIN_VARIABLES)]
    # ALERT_URLS holds several.
    return [part for value in values for part in (value, *value.split())]


def _say(text: str, code: ExitCode, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": text}, code)
    else:
        stderr().print(text, style="red" if code == ExitCode.CANNOT_TELL else "yellow", markup=False, highlight=False)


def _log_to_stderr(debug: bool) -> None:
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", force=True)
    # urllib3 logs whole addresses; our clients log method, path and outcome.
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    # Warnings of clients that continue do not matter to somebody who waits for the answer.
    logging.getLogger("erp_medusa_pipelines.clients").setLevel(level if debug else logging.ERROR)


def _add_options(run: Callable[..., None], function: Callable[..., Any], **options: Any) -> None:
    """Give the wrapper the function's parameters and these options, because typer reads signatures."""
    signature = inspect.signature(function)
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in options.items()
    ]
    run.__signature__ = signature.replace(  # pyright: ignore[reportFunctionMemberAccess]
        parameters=[*signature.parameters.values(), *extra], return_annotation=None
    )
    run.__annotations__ = {**function.__annotations__, **options, "return": None}
