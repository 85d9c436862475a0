"""The program `counterfoil`: nouns and verbs put together; each lives in a module of its own and is thin over `counterfoil.app`."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from counterfoil import __version__
from counterfoil.cli import (
    adopt,
    backfill,
    backup,
    case,
    check,
    connector,
    demo,
    identity,
    init,
    key,
    mapping,
    migrate,
    notify,
    observe,
    output,
    process,
    prove,
    quality,
    replay,
    restore,
    rules,
    sandbox,
    schema,
    simulate,
    status,
    top,
    trace,
    up,
    why,
)
from counterfoil.cli.init_options import InitCommand

app = typer.Typer(
    name="counterfoil",
    help="Every fact of your billing systems booked in your ERP exactly once, equal to the cent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("up")(up.up)
app.command("init", cls=InitCommand)(init.init)
app.command("migrate")(migrate.migrate)
app.command("check")(check.check)
app.command("prove")(prove.prove)
app.command("quality")(quality.quality)
app.command("status")(status.status)
app.command("top")(top.top)
app.command("trace")(trace.trace)
app.command("why")(why.why)
app.command("adopt")(adopt.adopt)
app.command("observe")(observe.observe)
app.command("backfill")(backfill.backfill)
app.command("replay")(replay.replay)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.add_typer(case.app, name="case")
app.add_typer(process.app, name="process")
app.add_typer(identity.app, name="identity")
app.add_typer(mapping.app, name="map")
app.add_typer(rules.app, name="rules")
app.add_typer(schema.app, name="schema")
app.add_typer(connector.app, name="connector")
app.add_typer(key.app, name="key")
app.add_typer(notify.app, name="notify")
app.add_typer(sandbox.app, name="sandbox")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"counterfoil {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")] = False,
) -> None:
    """Every fact of your billing systems booked in your ERP exactly once, equal to the cent.

    Exit codes: 0 fine, 1 found something, 2 misuse or something to be set right, 3 try again later. Data goes to stdout, words to stderr.
    """
    del version


_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Why output cannot be written, other than that nobody reads it any more."""


def main() -> None:
    """Run the program. Output that cannot be written, as on a full disk, is told in a line; what was to be done may be done by then."""
    code: str | int | None = output.FINE
    try:
        try:
            app()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
    except BrokenPipeError:  # who reads it has seen enough
        _drop_output()
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _drop_output()
        with suppress(OSError):
            output.words.print(f"the output cannot be written: {error.strerror}", style="red", markup=False)
        code = output.LATER
    sys.exit(code)


def _drop_output() -> None:
    """Let what is still to be written go nowhere: the interpreter would try again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
