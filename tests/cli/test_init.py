"""The configuration that `init` writes."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from counterfoil.app.initializing import DESTINATIONS, ROUTES, TAXES, NewConnection, configuration
from counterfoil.app.sections import literal, notes_of, section, suggested, typed
from counterfoil.kit.suggestions import SettingLine, SettingTable, SuggestedBooks, Suggestion

from .conftest import Program

SUGGESTION = Suggestion(
    ("Acme Books 7.",),
    (
        SuggestedBooks(
            "example_gmbh",
            "Example GmbH",
            "EUR",
            (
                SettingTable(("companies", "example_gmbh", "journals"), (SettingLine("sales", "INV", "Customer\ninvoices"),)),
                SettingTable(
                    ("companies", "example_gmbh", "accounts"),
                    (SettingLine("clearing:acme_us", "1360"), SettingLine("fees", "", "an expense")),
                ),
                SettingTable(
                    ("companies", "example_gmbh", "taxes"), (SettingLine('7% "red."', 13, "7 on top", is_meant=False),), "where they differ"
                ),
            ),
        ),
    ),
)


class AcmeConfig(BaseModel):
    """Settings.

    Attributes:
        key: what it is read with.
        site: the ``https`` address,
            with its port. pace: calls per second.
    """

    key: SecretStr
    signing_secrets: tuple[SecretStr, ...] = Field(min_length=1)
    site: str
    pace: float = 2.5
    tables: Annotated[dict[str, str], Field()] = {}
    mode: str | None = None


def test_a_section_holds_what_is_given_marks_what_is_required_and_lists_the_rest() -> None:
    assert section("acme_us", "acme", AcmeConfig, {"key": {"env": "ACME"}}) == [
        "[connections.acme_us]",
        'connector = "acme"',
        'key = { env = "ACME" }',
        'signing_secrets = [{ env = "ACME_US_SIGNING_SECRET" }]',
        "# the `https` address, with its port",
        'site = "..."  # required: fill this in',
        "# Settings with their defaults:",
        "# pace = 2.5  # calls per second.",
        '# mode = ""  # not set by default',
    ]


def test_notes_on_the_same_lines_are_told_apart() -> None:
    assert notes_of(AcmeConfig) == {
        "key": "what it is read with.",
        "site": "the `https` address, with its port",
        "pace": "calls per second.",
    }


@pytest.mark.parametrize("value", ["plain", 'a "quoted" \\ one', "two\nlines", 3, 2.5, True, ["a", "b"], {"env": "X"}])
def test_literals_are_read_back_as_they_were(value: Any) -> None:
    assert tomllib.loads(f"value = {literal(value)}") == {"value": value}


def test_what_a_target_suggests_is_written_with_what_is_missing_as_a_comment() -> None:
    assert list(suggested("books", SUGGESTION)) == [
        "# Acme Books 7.",
        "# Example GmbH, books in EUR",
        "[connections.books.companies.example_gmbh.journals]",
        'sales = "INV"  # Customer invoices',
        "",
        "[connections.books.companies.example_gmbh.accounts]",
        '"clearing:acme_us" = "1360"',
        '# fees = "CODE"  # an expense',
        "",
        "[connections.books.companies.example_gmbh.taxes]  # where they differ",
        '# "7% \\"red.\\"" = 13  # 7 on top',
        "",
    ]


def test_a_file_that_is_there_is_not_overwritten(folder: Program) -> None:
    folder.config.write_text("mine", "utf-8")
    arguments = (
        "init",
        "--connect",
        "books=files",
        "--set",
        "books.inbox=in",
        "--set",
        "books.outbox=out",
        "--set",
        "books.namespace=files",
    )
    refused = folder.run(*arguments)
    assert (refused.code, "--force overwrites it" in refused.err, folder.config.read_text("utf-8")) == (2, True, "mine")
    assert folder.run(*arguments, "--force").code == 0
    assert tomllib.loads(folder.config.read_text("utf-8"))["connections"]["books"]["connector"] == "files"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name what is to be connected"),
        (["--odoo-url", "http://127.0.0.1:9"], "--odoo-url needs --odoo-db"),
        (["--odoo-key-env", "KEY"], "--odoo-key-env needs --odoo-url and --odoo-db"),
        (["--stripe", "stripe_us"], "write it as KEY=VALUE"),
        (["--stripe", "us=A_KEY", "--stripe", "us=B_KEY"], "us is named twice"),
        (["--stripe", "us=A_KEY", "--connect", "us=files"], "us is named twice"),
        (["--connect", "x=acme"], "there is no connector 'acme'"),
        (["--stripe", "stripe_us=KEY", "--set", "stripe_us.colour=red"], "stripe has no setting colour"),
        (["--stripe", "stripe_us=KEY", "--set", "other.account=acct_1"], "NAME one of stripe_us"),
        (
            ["--odoo-url", "http://127.0.0.1:9", "--odoo-db", "books", "--odoo-key-env", "NO_SUCH_KEY"],
            "environment variable NO_SUCH_KEY is not set",
        ),
    ],
)
def test_misuse_is_told_and_nothing_written(folder: Program, arguments: list[str], said: str) -> None:
    ended = folder.run("init", *arguments)
    assert (ended.code, said in ended.err) == (2, True), ended.err
    assert not folder.config.exists()


def test_books_that_do_not_answer_are_a_matter_for_later(folder: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODOO_KEY", "key")
    ended = folder.run("init", "--odoo-url", "http://127.0.0.1:9", "--odoo-db", "books")
    assert (ended.code, folder.config.exists()) == (3, False)


def test_odoo_is_asked_for_companies_journals_accounts_and_taxes(
    folder: Program, sandboxes: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    odoo = sandboxes["odoo"]
    monkeypatch.setenv("ODOO_KEY", odoo["api_key"])
    ended = folder.run(
        "init",
        "--odoo-url",
        odoo["url"],
        "--odoo-db",
        odoo["db"],
        "--odoo-login",
        odoo["login"],
        "--stripe",
        "stripe_us=STRIPE_KEY",
        "--json",
    )
    assert ended.code == 0, ended.err
    assert ended.json() == {"path": str(folder.config), "connections": ["stripe_us", "odoo"], "to_fill_in": 1}
    text = folder.config.read_text("utf-8")
    written = tomllib.loads(text)
    assert written["connections"]["stripe_us"]["api_key"] == {"env": "STRIPE_KEY"}
    assert odoo["api_key"] not in text
    company = written["connections"]["odoo"]["companies"]["my_company"]
    assert company["company"] == "My Company"
    assert company["journals"]["sales"] == "INV"
    assert "clearing:stripe_us" in company["accounts"]
    assert written["entities"]["my_company"] == {"target": "odoo", "currency": "USD", "time_zone": "UTC"}
    assert written["routes"] == [{"entity": "my_company", "connection": "stripe_us"}]
    assert '# "15|exclusive" = "15%"' in text


def test_a_connectors_own_options_come_from_its_declaration(folder: Program) -> None:
    ended = folder.run("init", "--hubspot", "sales=TOKEN", "--hubspot", "more=OTHER", "--set", "sales.currency=EUR", "--json")
    assert ended.json()["connections"] == ["sales", "more"]
    written = tomllib.loads(folder.config.read_text("utf-8"))["connections"]
    assert written["sales"]["access_token"] == {"env": "TOKEN"}
    assert (written["more"]["access_token"], written["sales"]["currency"]) == ({"env": "OTHER"}, "EUR")


async def test_a_source_of_which_nothing_is_booked_gets_no_route() -> None:
    written = await configuration([NewConnection("stripe_us", "stripe", {}), NewConnection("sales", "hubspot", {})])
    assert "[connections.sales]" in written
    routes = written[written.index(ROUTES) : written.index(DESTINATIONS)]
    assert 'connection = "sales"' not in routes
    assert '# connection = "stripe_us"' in written.splitlines()


async def test_what_could_be_written_beside_the_books_is_named_with_its_fields_and_holds_once_it_is_uncommented() -> None:
    written = await configuration([NewConnection("sales", "hubspot", {}), NewConnection("org", "salesforce", {})])
    told = written[written.index(DESTINATIONS) : written.index(TAXES)]
    assert "destinations" not in tomllib.loads(written)
    assert "#   counterfoil_overdue: The part of the open balance that is due and not under way." in told.splitlines()
    assert "#   Counterfoil_Open__c: Still to be paid; what was written off is left out." in told.splitlines()
    meant = "\n".join(line.removeprefix("# ") for line in told.splitlines() if "[[" in line or " = " in line)
    assert tomllib.loads(meant)["destinations"] == [
        {"purpose": "crm_status", "connection": "sales"}, {"purpose": "crm_status", "connection": "org"},
    ]  # fmt: skip
    alone = await configuration([NewConnection("stripe_us", "stripe", {})])
    assert DESTINATIONS not in alone


async def test_a_table_of_settings_is_written_as_an_example_that_is_toml_once_it_is_uncommented() -> None:
    written = await configuration([NewConnection("org", "salesforce", {})])
    [ids] = [line for line in written.splitlines() if line.startswith("# customer_ids = ")]
    [topics] = [line for line in written.splitlines() if line.startswith("# event_topics = ")]
    assert ids.startswith('# customer_ids = { Billing_Id__c = "billing" }  # for example; fields of accounts that hold a customer\'s id')
    meant = tomllib.loads("\n".join(line.removeprefix("# ") for line in (ids, topics)))
    assert meant["event_topics"] == {"/event/Order_Confirmed__e": "Opportunity_Id__c"}


async def test_a_setting_that_looks_like_a_number_is_one_only_where_its_setting_may_be() -> None:
    given = {"account": "123", "poll_overlap_s": "30"}
    written = tomllib.loads(await configuration([NewConnection("stripe_us", "stripe", given)]))["connections"]["stripe_us"]
    assert (written["account"], written["poll_overlap_s"]) == ("123", 30)


class _Typed(BaseModel):
    text: str = ""
    number: int | None = None
    is_on: bool = False
    texts: tuple[str, ...] = ()
    amount: Decimal = Decimal(0)


@pytest.mark.parametrize(
    ("setting", "said", "value"),
    [
        ("text", "123", "123"),
        ("text", "1e3", "1e3"),
        ("text", "true", "true"),
        ("text", "null", "null"),
        ("text", "[1]", "[1]"),
        ("text", '"quoted"', "quoted"),
        ("text", "plain words", "plain words"),
        ("number", "123", 123),
        ("number", "true", "true"),
        ("is_on", "true", True),
        ("is_on", "1", "1"),
        ("texts", '["a", 7, true]', ["a", "7", "true"]),
        ("amount", "0.5", 0.5),
        ("text", {"env": "KEY"}, {"env": "KEY"}),
    ],
)
def test_what_is_written_of_a_setting_is_read_by_its_type(setting: str, said: Any, value: Any) -> None:
    found = typed(_Typed.model_fields[setting], said)
    assert (found, type(found)) == (value, type(value))
