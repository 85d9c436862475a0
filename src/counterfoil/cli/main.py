"""The program `counterfoil`: nouns and verbs put together; each lives in a module of its own and is thin over `counterfoil.app`."""

from __future__ import annotations

import typer

from counterfoil.cli import demo, sandbox

app = typer.Typer(
    name="counterfoil",
    help="Every fact of your billing systems booked in Odoo exactly once, equal to the cent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.add_typer(sandbox.app, name="sandbox")


def main() -> None:
    """Run the program."""
    app()


if __name__ == "__main__":
    main()
