"""What is wrong in a configuration is told in plain words, with its line and its whole path, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterfoil.app.settings import load, parse
from counterfoil.kit.errors import SetupError

from .conftest import PLAIN, Program

BOOKS = """
[connections.odoo]
connector = "odoo"
url = "https://example.odoo.com"
database = "example"
api_key = "k"
[connections.odoo.companies.de]
company = "DE GmbH"
[connections.odoo.companies.de.accounts]
fees = "6600"
"""
PYDANTIC = ("Input should", "Value error", "String should", "[key]", "unable to parse", ".str:", ".int:")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_STRIPE_KEY", "sk_test_1")
    monkeypatch.setenv("TEST_STRIPE_SECRET", "whsec_1")


def refused(text: str) -> str:
    with pytest.raises(SetupError) as caught:
        parse(text)
    message = str(caught.value)
    assert not [words for words in PYDANTIC if words in message], message
    return message


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('currency = "EUR"', 'currency = "eur"', 'configuration:3: entities.de.currency: must look like "EUR"'),
        ('currency = "EUR"', 'curency = "EUR"', "configuration:3: entities.de.curency: is not a known setting; did you mean currency?"),
        (
            'time_zone = "Europe/Berlin"',
            'time_zone = "Berlin"',
            "configuration:4: entities.de.time_zone: 'Berlin' is not an IANA time zone; write for example Europe/Berlin",
        ),
        ("[entities.de]", "[entity.de]", "configuration:1: entity: is not a known setting; did you mean entities?"),
        (
            'account = "acct_sandbox"',
            'account = "sandbox"',
            'configuration:16: connections.stripe_de.account: must look like "acct_1ABC"',
        ),
        (
            'account = "acct_sandbox"',
            'account = "acct_sandbox"\ntolerance_s = "soon"',
            "configuration:17: connections.stripe_de.tolerance_s: must be a whole number",
        ),
        (
            'account = "acct_sandbox"',
            'account = "acct_sandbox"\ntolerance_s = 0',
            "configuration:17: connections.stripe_de.tolerance_s: must be at least 1",
        ),
        (
            'account = "acct_sandbox"',
            'account = "acct_sandbox"\nlane = "fast"',
            "configuration:17: connections.stripe_de.lane: must be 'real_time', 'micro_batch' or 'batch'",
        ),
        (
            'api_key = { env = "TEST_STRIPE_KEY" }',
            'api_key = "env:TEST_STRIPE_KEY"',
            'configuration:12: connections.stripe_de: api_key = "env:..." would be taken as the secret itself; write { env = "..." }',
        ),
    ],
)
def test_each_mistake_is_told_in_one_plain_line(good: str, bad: str, message: str) -> None:
    assert message in refused(PLAIN.replace(good, bad, 1)).splitlines()


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('fees = "6600"', 'feees = "6600"', "connections.odoo.companies.de.accounts.feees: 'feees' is not an account role; write one of"),
        (
            'company = "DE GmbH"',
            "company = 1.5",
            "connections.odoo.companies.de.company: must be a text in quotation marks or a whole number",
        ),
        ('company = "DE GmbH"', 'compani = "x"', "connections.odoo.companies.de.compani: is not a known setting; did you mean company?"),
    ],
)
def test_a_mistake_deep_in_a_connection_has_its_whole_path(good: str, bad: str, message: str) -> None:
    assert message in refused(PLAIN + BOOKS.replace(good, bad, 1))


def test_an_empty_variable_is_said_to_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_STRIPE_KEY", "")
    assert refused(PLAIN) == "configuration:12: connections.stripe_de: environment variable TEST_STRIPE_KEY is empty"


def test_an_empty_secret_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    assert f"secret file {tmp_path / 'key'} is empty" in refused(
        PLAIN.replace('{ env = "TEST_STRIPE_KEY" }', f'{{ file = "{tmp_path / "key"}" }}')
    )


@pytest.mark.parametrize("command", [("status",), ("check",), ("case", "list"), ("map", "list"), ("trace", "in_1")])
def test_programs_are_told_what_is_wrong_in_json(folder: Program, command: tuple[str, ...]) -> None:
    folder.configure(PLAIN.replace('currency = "EUR"', 'currency = "eur"'))
    ended = folder.run(*command, "--json")
    error = json.loads(ended.out)["error"]
    assert (ended.code, error["code"], error["exit_code"]) == (2, "settings.invalid", 2)
    assert error["message"].endswith('entities.de.currency: must look like "EUR"')
    assert folder.run(*command).out == ""


def test_a_home_that_cannot_be_made_is_named(folder: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    (folder.folder / "taken").write_text("")
    folder.config.write_text(f'[hub]\nhome = "{folder.folder / "taken" / "home"}"\n{PLAIN}')
    ended = folder.run("check")
    assert ended.code == 2
    assert f"home: the folder {folder.folder / 'taken' / 'home'} cannot be made: Not a directory" in " ".join(ended.err.split())
    assert load(folder.config).hub.home == folder.folder / "taken" / "home"


def test_trying_a_home_leaves_nothing_behind(folder: Program) -> None:
    from counterfoil.store.home import try_home

    try_home(folder.folder / "a" / "b")
    assert not (folder.folder / "a").exists()


def test_a_tax_key_that_can_never_match_is_not_set(program: Program) -> None:
    ended = program.run("map", "set", "tax", "de", "19%", "VAT 19")
    assert ended.code == 2
    assert "write '19|exclusive', or '19|inclusive' if it is" in " ".join(ended.err.split())
    assert program.run("map", "set", "tax", "de", "19|exclusive", "VAT 19").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        ("status",),
        ("top", "--once"),
        ("case", "list"),
        ("trace", "in_1"),
        ("map", "list"),
        ("map", "set", "tax", "de", "19|exclusive", "VAT 19"),
        ("prove", "--period", "2026-10"),
        ("replay", "--list"),
        ("migrate",),
        ("notify", "test"),
        ("up",),
        ("up", "--no-work"),
    ],
)
def test_every_command_tells_a_mistake_in_the_configuration_in_the_same_words(program: Program, command: tuple[str, ...]) -> None:
    program.configure(PLAIN.replace('account = "acct_sandbox"', 'acount = "acct_sandbox"'))
    ended = program.run(*command)
    assert ended.code == 2
    name = program.config  # its first three lines are [hub]; the table of the connection begins in line 15
    assert ended.err.replace("\n", "").replace(" ", "") == (
        f"{name}:15: connections.stripe_de.account: is required and missing"
        f"{name}:19: connections.stripe_de.acount: is not a known setting; did you mean account?"
    ).replace(" ", "")


def test_a_command_that_opens_no_connection_needs_no_secrets_and_tells_mistakes_beside_them(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_STRIPE_KEY")
    monkeypatch.delenv("TEST_STRIPE_SECRET")
    assert program.run("case", "list").code == 0
    program.configure(PLAIN.replace("api_key = ", "api_kee = "))
    ended = program.run("case", "list")
    assert (ended.code, "connections.stripe_de.api_kee: is not a known setting; did you mean api_key?" in ended.err) == (2, True)
    program.configure(PLAIN.replace('target = "books"', 'target = "book"'))
    assert "entities.de.target: target 'book' is not under [connections]" in program.run("case", "list").err
    channel = '[[notify]]\nname = "chat"\nurl = { env = "TEST_CHAT_URL" }\n'
    program.configure(PLAIN + channel)
    assert program.run("case", "list").code == 0
    program.configure(PLAIN + channel + channel.replace('{ env = "TEST_CHAT_URL" }', '"json://127.0.0.1"'))
    assert "notify.1.name: 'chat' is there twice" in program.run("case", "list").err


def test_what_is_wrong_with_matching_is_told_with_its_line() -> None:
    text = PLAIN + ('\n[[matching]]\nsame = 0.9\nreview = 0.95\n[[matching]]\nentity = "fr"\nlinks = "always"\n')
    lines = text.splitlines()
    links, review, entity = (lines.index(line) + 1 for line in ('links = "always"', "review = 0.95", 'entity = "fr"'))
    assert f"configuration:{links}: matching.1.links: must be 'never' or 'certain'" in refused(text)
    message = refused(text.replace("always", "certain") + "[[matching]]\nsame = 1\n")
    assert f"configuration:{review}: matching.0.review: must be no more than same, 0.9" in message
    assert f"configuration:{entity}: matching.1.entity: entity 'fr' is not under [entities]" in message
    assert "matching.2.entity: what holds for all entities is declared twice" in message
    assert "'matching' is what the hub calls its own word" in refused(PLAIN.replace("connections.stripe_de", "connections.matching"))


def test_an_ownership_declared_twice_or_of_what_is_not_there_is_refused_with_its_line() -> None:
    text = PLAIN + (
        '\n[[ownership]]\nkind = "customer"\nconnection = "stripe_de"\nfields = ["email"]\n'
        '[[ownership]]\nkind = "customer"\nconnection = "crm"\nfields = ["name", "email"]\n'
        '[[ownership]]\nkind = "payment"\nconnection = "stripe_de"\nfields = ["amount"]\n'
    )
    lines = text.splitlines()
    first, twice, whole = (place for place, line in enumerate(lines, start=1) if line.startswith("fields"))
    assert first < twice < whole
    message = refused(text)
    assert (
        f"configuration:{twice}: ownership.1.fields: field 'email' of customer is owned twice: 'stripe_de' already is its owner" in message
    )
    assert "ownership.1.connection: connection 'crm' is not under [connections]" in message
    assert f"configuration:{whole}: ownership.2.fields: a payment is told whole, by one system: declare its owner without fields" in message
