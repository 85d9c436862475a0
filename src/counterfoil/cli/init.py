"""`counterfoil init`: write a commented configuration by asking the connected systems."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.output import print_json, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, fail, run
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from counterfoil.app.initializing import Wanted

ODOO = "odoo"


def init(
    odoo_url: Annotated[str, typer.Option(help="Address of the Odoo that keeps the books, e.g. https://example.odoo.com.")] = "",
    odoo_db: Annotated[str, typer.Option(help="Its database.")] = "",
    odoo_login: Annotated[str, typer.Option(help="The user the key belongs to.")] = "",
    odoo_key_env: Annotated[str, typer.Option(help="Environment variable that holds its API key.")] = "ODOO_KEY",
    stripe: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ENV_OF_KEY", help="A Stripe account: a name of yours and the variable with its key; may be repeated."),
    ] = None,
    connect: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=CONNECTOR", help="Any other connection (`counterfoil connector list`); may be repeated."),
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

    Example: counterfoil init --odoo-url https://example.odoo.com --odoo-db example --odoo-login bot@example.com
    --stripe stripe_us=STRIPE_KEY --set stripe_us.account=acct_1ABC
    """
    if config.exists() and not force:
        fail(f"{config} is there already; --force overwrites it, --config names another file")
    wanted = _wanted(_odoo(odoo_url, odoo_db, odoo_login, odoo_key_env), stripe or [], connect or [], set_ or [])
    if not wanted:
        fail("name what is to be connected, e.g. --odoo-url https://example.odoo.com --odoo-db example --stripe stripe_us=STRIPE_KEY")
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


def _odoo(url: str, database: str, login: str, key_env: str) -> dict[str, dict[str, Any]]:
    if not url:
        return {}
    if not database:
        fail("--odoo-url needs --odoo-db as well")
    given: dict[str, Any] = {"url": url, "database": database, "api_key": {"env": key_env}}
    return {ODOO: {**given, **({"login": login} if login else {})}}


def _wanted(odoo: dict[str, dict[str, Any]], stripe: list[str], connect: list[str], settings: list[str]) -> list[Wanted]:
    from counterfoil.app.initializing import Wanted

    given: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    for text in stripe:
        name, key_env = _pair(text, "--stripe")
        kinds[name], given[name] = "stripe", {"api_key": {"env": key_env}}
    for text in connect:
        name, kind = _pair(text, "--connect")
        kinds[name], given[name] = kind, {}
    for name, values in odoo.items():
        kinds[name], given[name] = ODOO, values
    for text in settings:
        path, value = _pair(text, "--set")
        name, dot, setting = path.partition(".")
        if not dot or name not in kinds:
            fail(f"--set {path}: write NAME.SETTING=VALUE with NAME one of {', '.join(kinds) or 'the connections'}")
        given[name][setting] = _value(value)
    return [Wanted(name, kind, given[name]) for name, kind in kinds.items()]


def _pair(text: str, option: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        fail(f"{option} {text}: write it as KEY=VALUE")
    return key, value


def _value(text: str) -> Any:
    if text.startswith("env:"):
        return {"env": text.removeprefix("env:")}
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return text if value is None or isinstance(value, dict) else value


async def _ask(wanted: list[Wanted]) -> str:
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
