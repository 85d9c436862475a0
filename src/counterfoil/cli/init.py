"""`counterfoil init`: write a commented configuration by asking the connected systems."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.init_options import ANSWERS, Answers
from counterfoil.cli.output import print_json, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, fail, run
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.app.initializing import NewConnection

    Found = tuple[str, str, dict[str, Any]]
    """A connection to be written: its name, its connector, its settings so far."""


def init(
    ctx: typer.Context,
    connect: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=CONNECTOR", help="A connection of any connector (`counterfoil connector list`); may be repeated."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.SETTING=VALUE", help="A setting of a connection; env:VARIABLE for a secret; may be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Ask the books for companies, journals, accounts and taxes, and write a commented configuration from that. Nothing is posted.

    Connectors have options of their own for what they must be told (`--help` names them, and the settings.md in a connector's folder);
    `--connect` and `--set` say any setting of any connector: --connect billing_us=NAME --set billing_us.api_key=env:BILLING_KEY
    """
    if config.exists() and not force:
        fail(f"{config} is there already; --force overwrites it, --config names another file")
    wanted = _wanted(ctx.meta[ANSWERS], connect or [], set_ or [])
    if not wanted:
        options = [question.option_of(name) for name, asked in ctx.meta[ANSWERS].items() for question, _ in asked[:1]]
        fail(f"name what is to be connected, with {', '.join(options)} or --connect NAME=CONNECTOR; --help says what each is given")
    text = run(_ask(wanted))
    try:
        config.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{config} cannot be written: {error.strerror}")
    left = text.count("# required: fill this in")
    if as_json:
        print_json({"path": str(config), "connections": [one.name for one in wanted], "to_fill_in": left})
        return
    typer.echo(config)
    if left:
        words.print(f"{plural(left, 'setting')} only you know: marked `required: fill this in`.")
    words.print("Read it, correct it, set the environment variables it names, then `counterfoil check`.")


def _wanted(answers: Answers, connect: list[str], settings: list[str]) -> list[NewConnection]:
    from counterfoil.app.initializing import NewConnection

    given: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    for name, kind, values in (*_repeated(answers), *(_named(connect)), *_single(answers)):
        if kinds.get(name, kind) != kind or given.get(name, {}).keys() & values.keys():
            fail(f"{name} is named twice: every connection has a name of its own")
        kinds[name], given[name] = kind, {**given.get(name, {}), **values}
    for text in settings:
        path, value = _pair(text, "--set")
        name, dot, setting = path.partition(".")
        if not dot or name not in kinds:
            fail(f"--set {path}: write NAME.SETTING=VALUE with NAME one of {', '.join(kinds) or 'the connections'}")
        given[name][setting] = _value(value)
    return [NewConnection(name, kind, given[name]) for name, kind in kinds.items()]


def _named(connect: list[str]) -> Iterator[Found]:
    for text in connect:
        name, kind = _pair(text, "--connect")
        yield name, kind, {}


def _repeated(answers: Answers) -> Iterator[Found]:
    """Yield a connection for each use of an option that may be repeated."""
    for connector, asked in answers.items():
        for question, texts in asked:
            for text in texts or [] if question.is_repeated else []:
                name, value = _pair(text, question.option_of(connector))
                yield name, connector, {question.setting: question.value(value)}


def _single(answers: Answers) -> Iterator[Found]:
    """Yield one connection for each connector of which an option was used that says a setting of it."""
    for connector, asked in answers.items():
        said = [(question, text or "") for question, text in asked if not question.is_repeated]
        used = [question for question, text in said if text != question.default]
        missing = [question.option_of(connector) for question, text in said if question.is_needed and not text]
        if used and missing:
            fail(f"{used[0].option_of(connector)} needs {' and '.join(missing)} as well")
        if used:
            yield connector, connector, {question.setting: question.value(text) for question, text in said if text}


def _pair(text: str, option: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        fail(f"{option} {text}: write it as KEY=VALUE")
    return key, value


def _value(text: str) -> Any:
    """Return what is said of a setting: where its secret is, or the text as it was written."""
    return {"env": text.removeprefix("env:")} if text.startswith("env:") else text


async def _ask(wanted: list[NewConnection]) -> str:
    from counterfoil.app.initializing import configuration
    from counterfoil.app.logs import quiet

    quiet()
    missing = [name for one in wanted for name in _secrets(one.given) if not os.environ.get(name)]
    if missing:
        words.print(f"Not set yet: {', '.join(missing)}.", markup=False)
    with words.status("Asking the connected systems ..."):
        return await configuration(wanted)


def _secrets(given: object) -> list[str]:
    if isinstance(given, dict):
        if set(given) == {"env"}:
            return [str(given["env"])]
        return [name for value in given.values() for name in _secrets(value)]
    return []
