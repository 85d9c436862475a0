"""The options of `counterfoil init` that connectors declare: read from the declarations when the command is called, not before."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from counterfoil.kit.questions import Question

ANSWERS = "counterfoil.answers"
"""Where a call's context holds what was answered: connector -> its questions and the answers given, in order."""

Answers = Mapping[str, list[tuple["Question", Any]]]


def questions() -> dict[str, tuple[Question, ...]]:
    """Return what each connector asks, by its name; of one whose package cannot be loaded nothing is asked."""
    from counterfoil.kit.discovery import connector_names, load_connector
    from counterfoil.kit.errors import SetupError

    found: dict[str, tuple[Question, ...]] = {}
    for name in connector_names():
        try:
            found[name] = load_connector(name).asks
        except SetupError:
            continue
    return {name: asks for name, asks in found.items() if asks}


class InitCommand(TyperCommand):
    """The command with the connectors' options before its own; what is answered is in the context, under :data:`ANSWERS`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of connectors, then the command's own."""
        return [*_options(), *super().get_params(ctx)]

    def invoke(self, ctx: Any) -> Any:
        """Take the connectors' options out of what the command's function is called with."""
        ctx.meta[ANSWERS] = {
            connector: [(question, ctx.params.pop(_name(connector, question), None)) for question in asked]
            for connector, asked in questions().items()
        }
        return super().invoke(ctx)


def _name(connector: str, question: Question) -> str:
    return question.option_of(connector).strip("-").replace("-", "_")


def _options() -> list[Any]:
    """Return options as the command line's library makes them of a function's parameters."""

    def asked() -> None:
        """Exists for its signature."""

    asked.__signature__ = inspect.Signature(list(_parameters()))  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False)
    app.command()(asked)
    return list(typer.main.get_command(app).params)


def _parameters() -> Iterator[inspect.Parameter]:
    for connector, asked in questions().items():
        for question in asked:
            option = typer.Option(question.option_of(connector), metavar=question.placeholder, help=_help(question))
            kind: Any = Annotated[str, option]
            default: str | None = question.default
            if question.is_repeated:
                kind, default = Annotated[list[str] | None, option], None
            yield inspect.Parameter(_name(connector, question), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _help(question: Question) -> str:
    return f"{question.help} May be repeated." if question.is_repeated else question.help
