"""The command line's reference as Markdown, made from the program itself: `python -m counterfoil.cli.reference > docs/reference/cli.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer.main

HEAD = """\
# Command line

Made by `python -m counterfoil.cli.reference`; do not edit.

Data goes to stdout, words to stderr. Exit codes: 0 fine, 1 found something, 2 misuse or something to be set right, 3 try again later.
What would hurt if it were a mistake shows its plan and needs `--apply`.
"""


def reference() -> str:
    """Return the reference of every command, argument and option, in the order of the program's own help."""
    from counterfoil.cli.main import app

    return "\n".join([HEAD, *_commands(typer.main.get_command(app), ("counterfoil",))])


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    inner: dict[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield from _command(command, path)
        return
    if len(path) > 1:
        yield f"## {' '.join(path)}\n"
        yield f"{_text(command.help)}\n"
    for name, child in inner.items():
        yield from _commands(child, (*path, name))


def _command(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    shown = [param for param in command.params if not getattr(param, "hidden", False)]
    arguments = [param for param in shown if param.param_type_name == "argument"]
    options = [param for param in shown if param.param_type_name == "option" and param.name != "help"]
    usage = " ".join([*path, *(_usage(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])])
    yield f"{'##' if len(path) == 2 else '###'} {' '.join(path)}\n"
    yield f"```text\n{usage}\n```\n"
    yield f"{_text(command.help)}\n"
    if arguments:
        yield "| argument | |\n|---|---|"
        yield from (f"| `{_cell(_usage(argument))}` | {_cell(argument.help)} |" for argument in arguments)
        yield ""
    if options:
        yield "| option | default | |\n|---|---|---|"
        hints = get_type_hints(command.callback, include_extras=True)
        yield from (_row(option, hints[option.name]) for option in options)
        yield ""


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper().rstrip("_")
    return str(name if argument.required or name.startswith("[") else f"[{name}]")


def _row(option: Any, annotation: Any) -> str:
    names = ", ".join(option.opts)
    default = "" if option.default in (None, "", False, ()) or callable(option.default) or option.required else _plain(option.default)
    notes = [_text(option.help)]
    if option.required:
        notes.append("Required.")
    if option.envvar:
        notes.append(f"Environment: `{option.envvar}`.")
    return f"| `{names}`{_value(option, annotation)} | {_cell(f'`{default}`' if default else '')} | {_cell(' '.join(notes))} |"


def _value(option: Any, annotation: Any) -> str:
    """Return what stands after an option: nothing, its placeholder, its choices or its type."""
    if option.is_flag:
        return ""
    if option.metavar:
        return f" {_cell(option.metavar)}"
    kind = next((part for part in _parts(annotation) if isinstance(part, type) and part is not type(None)), str)
    if issubclass(kind, Enum):
        return " " + _cell(" or ".join(f"`{choice.value}`" for choice in kind))
    return f" {_KINDS.get(kind, kind.__name__.upper())}"


_KINDS = {str: "TEXT", int: "NUMBER", float: "NUMBER"}


def _parts(annotation: Any) -> list[Any]:
    """Return the types an annotation is made of, without what is said about them."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    inner = [found for part in get_args(annotation) for found in _parts(part)]
    return inner or [annotation]


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def _text(text: str | None) -> str:
    return inspect.cleandoc(text or "")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    sys.stdout.write(reference())
