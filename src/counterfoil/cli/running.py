"""What every command shares: the configuration option, --json, opening the database, and errors as one clear line with an exit code."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from counterfoil.cli.output import LATER, MISUSE, print_json, words

if TYPE_CHECKING:
    from rich.progress import Progress

    from counterfoil.app.database import Database
    from counterfoil.app.settings_file import FileSettings

T = TypeVar("T")

DEFAULT_CONFIG = Path("counterfoil.toml")

Config = Annotated[Path, typer.Option("--config", envvar="COUNTERFOIL_CONFIG", help="The configuration file.")]
_speaks_json: ContextVar[bool] = ContextVar("speaks_json", default=False)


def speak_json(value: bool) -> bool:
    """Remember whether the command was asked to speak JSON: what goes wrong is then told in JSON, too."""
    _speaks_json.set(value)
    return value


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", callback=speak_json)]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this the plan is shown and nothing is changed.")]
By = Annotated[str, typer.Option("--by", envvar="COUNTERFOIL_USER", help="Who does this, for the history; the user logged in otherwise.")]


def fail(message: str, code: int = MISUSE, error_code: str = "") -> NoReturn:
    """Say what is wrong and end with an exit code; with --json also as an object on stdout."""
    if _speaks_json.get():
        print_json({"error": {"code": error_code, "message": message, "exit_code": code}})
    words.print(message, style="red", markup=False)
    raise typer.Exit(code)


def need_sandboxes() -> None:
    """End with how to get them where the simulators, and what is made of them, are not installed: a production installation has none."""
    from counterfoil.kit.errors import SetupError

    if find_spec("counterfoil.kit.sandbox") is None:
        missing = SetupError(
            "The simulators and the demo company are not part of a production installation. To get them, install the distribution"
            " counterfoil-sandboxes of this version beside it (`pip install 'counterfoil[sandboxes]'`), in an environment of its own; or"
            " work in a checkout of the repository, where `make demo` sets everything up.",
            code="sandbox.not_installed",
        )
        fail(str(missing), error_code=missing.code)


def run(work: Coroutine[Any, Any, T], *, is_fast: bool = False) -> T:
    """Run a command's work; expected errors end the program with their message and no traceback.

    ``is_fast``: on the faster event loop, which takes a moment longer to load.

    Misuse (2): something has to be set right by a person. Later (3): a system does not answer now, or the user stopped it.
    """
    from counterfoil.app.errors import EXPECTED, NO_ANSWER, is_for_later

    try:
        with asyncio.Runner(loop_factory=_fast_loop() if is_fast else None) as runner:
            return runner.run(work)
    except EXPECTED as error:
        fail(*((f"{error}\nTry again later.", LATER) if is_for_later(error) else (str(error), MISUSE)), error.code)
    except ValueError as error:
        fail(str(error))
    except NO_ANSWER as error:
        fail(f"the database does not answer: {error}\nTry again later.", LATER)
    except OSError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped", LATER)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


@asynccontextmanager
async def database_of(config: Path, *, answer_within_s: float | None = None) -> AsyncIterator[tuple[FileSettings, Database]]:
    """Open the database a configuration names, without its connections. One that was never begun is not made.

    Raises SetupError, StoreError. ``answer_within_s``: give up, with the true cause, if it does not answer so soon; in any case if it says
    nothing at all for some seconds.
    """
    from counterfoil.app.database import ANSWER_WITHIN_S, open_database, url_of
    from counterfoil.app.logs import quiet
    from counterfoil.app.settings import has_hub, load_plain
    from counterfoil.kit.errors import SetupError

    quiet()
    file = load_plain(config)
    url = url_of(file.hub.database_url)
    if not url and not has_hub(file.hub.home):
        raise SetupError(f"there is no hub in {file.hub.home} yet: `counterfoil up` begins one", code="settings.no_hub")
    opening = open_database(
        file.hub.home,
        url,
        size_max=3,
        does_migrate=file.hub.does_migrate,
        answer_within_s=answer_within_s,
        silent_s=ANSWER_WITHIN_S,
    )
    async with opening as database:
        yield file, database


def check_reason(reason: str) -> None:
    """End with what is wrong with a reason, if anything is."""
    from counterfoil.app.reasons import reason_problem

    problem = reason_problem(reason)
    if problem:
        fail(f"--reason {problem}")


def who(by: str) -> str:
    """Return who acts: as given, or the user logged in; by number where a container's user has no name."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):  # the former up to Python 3.12, the latter from 3.13 on
        return f"uid {os.getuid()}"


def progress() -> Progress:
    """Return a progress display on stderr; its tasks carry a ``note``."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=words)
