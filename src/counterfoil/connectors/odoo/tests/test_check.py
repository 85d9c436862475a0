"""The check names what is missing; complete books pass; the suggestion is TOML that names what was found."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.check import right_findings
from counterfoil.connectors.odoo.config import CompanyConfig, OdooConfig
from counterfoil.connectors.odoo.detect import Dialect, Session
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, NEXT, Desk
from counterfoil.connectors.odoo.tests.wishes import CLEARING, FEES, RECEIVABLE, REVENUE
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError
from counterfoil.kit.requirements import Requirements

COMPLETE = Requirements(
    entities={"US": "USD", "DE": "EUR", "JP": "JPY"},
    accounts=dict.fromkeys(("US", "DE", "JP"), (REVENUE, CLEARING, FEES, RECEIVABLE)),
    taxes={"DE": ("19%", "19% incl")},
    currencies=("USD", "EUR", "JPY"),
    tax_rates={"DE": {"19%": (Decimal(19),)}},
)


async def errors(ctx: Context, requirements: Requirements) -> list[Finding]:
    """Return the errors of a check."""
    assert CONNECTOR.books is not None
    findings = await CONNECTOR.books.check(ctx, requirements)
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def changed(desk: Desk, **changes: Any) -> Context:
    """Return the context with other settings of the company DE."""
    company = desk.ctx.settings.companies["DE"].model_copy(update=changes)
    companies = {**desk.ctx.settings.companies, "DE": company}
    return replace(desk.ctx, settings=desk.settings(companies=companies), state={})


async def test_complete_books_pass(desk: Desk) -> None:
    assert await errors(desk.ctx, COMPLETE) == []


async def test_two_roles_on_one_account_are_a_warning_unless_they_may_share_it(desk: Desk) -> None:
    assert CONNECTOR.books is not None
    clearing, fees, revenue = (desk.ctx.settings.companies["DE"].account_code(one) for one in (CLEARING, FEES, REVENUE))
    roles = {AccountRole.DISPUTED_FUNDS: clearing, AccountRole.ROUNDING: fees, AccountRole.BANK_IN_TRANSIT: "999001"}
    accounts = desk.ctx.settings.companies["DE"].accounts | {role.value: code for role, code in roles.items()}
    wanted = (CLEARING, FEES, REVENUE, *(Account(role) for role in roles), Account(AccountRole.EXPLICIT, revenue or ""))
    ctx = changed(desk, accounts=accounts)
    findings = await CONNECTOR.books.check(ctx, replace(COMPLETE, accounts={"DE": wanted}))
    shared = [one for one in findings if one.code == "odoo.account_shared"]
    # Fees and rounding are both amounts of a period, as are revenue and a product group's own account.
    assert [(one.severity, one.entity) for one in shared] == [(Severity.WARNING, "DE")]
    assert shared[0].message.startswith(f"{CLEARING} and disputed_funds are both on account {clearing} ")
    assert shared[0].message.endswith(": its balance no longer shows the processor's balance")


async def test_bank_in_transit_and_money_from_outside_may_share_an_account(desk: Desk) -> None:
    assert CONNECTOR.books is not None
    code = desk.ctx.settings.companies["DE"].account_code(FEES)
    roles = (AccountRole.BANK_IN_TRANSIT, AccountRole.OUT_OF_BAND)  # a bank statement clears both
    for more, found in (((), 0), ((AccountRole.REFUNDS,), 2)):
        ctx = changed(desk, accounts={role.value: code for role in (*roles, *more)})
        wanted = replace(COMPLETE, accounts={"DE": tuple(Account(role) for role in (*roles, *more))})
        findings = await CONNECTOR.books.check(ctx, wanted)
        assert len([one for one in findings if one.code == "odoo.account_shared"]) == found


async def test_a_tax_of_another_rate_or_without_an_account_is_an_error_unless_confirmed(desk: Desk) -> None:
    # 7 % of the source mapped to Odoo's 19 %: totals would differ by a cent or agree by chance, and the return would be wrong.
    rates = {"DE": {"19%": (Decimal(7), Decimal(19)), "0% reverse": (Decimal(0),)}}
    wanted = replace(COMPLETE, taxes={"DE": ("19%", "0% reverse")}, tax_rates=rates)
    (found,) = await errors(desk.ctx, wanted)
    assert (found.code, found.entity) == ("odoo.tax_rate", "DE")
    assert "19% computes 19 %, and 7 % of the source" in found.message
    assert "--confirmed" in found.remedy
    context = {"allowed_company_ids": [desk.company_id]}
    (tax,) = await desk.plain.find("account.tax", [["name", "=", "19%"], ["company_id", "=", desk.company_id]], ["id"], desk.company_id)
    domain = [["tax_id", "=", tax["id"]], ["account_id", "!=", False]]
    lines = await desk.plain.find("account.tax.repartition.line", domain, ["account_id"], desk.company_id)
    ids = [row["id"] for row in lines]
    write = ("account.tax.repartition.line", "write", ids)
    await desk.plain.call(*write, vals={"account_id": False}, context=context)
    desk.ctx.state.clear()  # what was read of the books is trusted for a while
    try:
        assert [one.code for one in await errors(desk.ctx, COMPLETE)] == ["odoo.tax_account"]
        confirmed = replace(COMPLETE, confirmed_taxes={"DE": frozenset({"19%"})}, tax_rates={})
        assert await errors(desk.ctx, confirmed) == []
    finally:
        await desk.plain.call(*write, vals={"account_id": lines[0]["account_id"]}, context=context)
        desk.ctx.state.clear()


@EVERY_VERSION
async def test_a_version_nobody_ran_against_is_said_and_rights_are_told(desk: Desk) -> None:
    assert CONNECTOR.books is not None
    findings = await CONNECTOR.books.check(desk.ctx, COMPLETE)
    warned = {finding.code for finding in findings if finding.severity is Severity.WARNING}
    assert warned - {"odoo.modules_unknown"} == ({"odoo.version_unproven"} if desk.plain.major == NEXT else set())


async def test_each_missing_thing_is_named_with_a_remedy(desk: Desk) -> None:
    wanted = Requirements(
        entities={"DE": "USD", "FR": "EUR"},
        accounts={"DE": (Account(AccountRole.INTERCOMPANY), Account(AccountRole.CLEARING, "paypal"))},
        taxes={"DE": ("7%",)},
        currencies=("EUR", "XPF"),
    )
    found = await errors(desk.ctx, wanted)
    assert {(finding.entity, finding.code) for finding in found} == {
        ("DE", "odoo.company_currency"),
        ("DE", "odoo.currency_inactive"),
        ("DE", "odoo.account_unmapped"),
        ("DE", "odoo.tax_unmapped"),
        ("DE", "odoo.journal_unmapped"),
        ("FR", "odoo.company_unmapped"),
    }
    assert all(finding.remedy for finding in found)
    words = " ".join(finding.message for finding in found)
    for name in ("intercompany", "clearing:paypal", "'7%'", "XPF", "paypal", "FR"):
        assert name in words


async def test_journals_of_the_wrong_type_are_named(desk: Desk) -> None:
    ctx = changed(desk, journals={"sales": "MISC", "general": "NOPE", "stripe": "BNK1"})
    found = await errors(ctx, Requirements({"DE": "EUR"}, {"DE": (CLEARING,)}, {}, ("EUR",)))
    assert {finding.code for finding in found} == {"odoo.journal_type", "odoo.journal_unmapped", "odoo.outstanding_account"}


async def test_an_account_that_does_not_exist_is_named(desk: Desk) -> None:
    ctx = changed(desk, accounts={"revenue": "987654"})
    (finding,) = await errors(ctx, Requirements({"DE": "EUR"}, {"DE": (REVENUE,)}, {}, ("EUR",)))
    assert "987654" in finding.message


async def test_a_wrong_key_is_one_error(desk: Desk) -> None:
    settings = OdooConfig.model_validate({**desk.ctx.settings.model_dump(), "api_key": "no-such-key"})
    assert CONNECTOR.client is not None
    async with CONNECTOR.client(settings) as http:
        (finding,) = await errors(Context("odoo", settings, http, SystemClock()), COMPLETE)
    assert finding.code == "odoo.unauthorized"
    assert "no-such-key" not in finding.message


async def test_a_wrong_database_is_one_error(desk: Desk) -> None:
    settings = desk.settings(database="nowhere")
    assert CONNECTOR.client is not None
    async with CONNECTOR.client(settings) as http:
        (finding,) = await errors(Context("odoo", settings, http, SystemClock()), COMPLETE)
    assert finding.code in ("odoo.database_away", "odoo.database_unknown", "odoo.unauthorized")


async def test_the_state_tells_version_and_locks(desk: Desk) -> None:
    assert CONNECTOR.books is not None
    desk.wishes.entity = "US"
    async with desk.locked(date(2023, 12, 31)):
        state = await CONNECTOR.books.state(desk.ctx)
    assert state.version.startswith(str(desk.plain.major))
    assert (state.locked_until["US"], state.locked_until["DE"]) == (date(2023, 12, 31), None)


async def test_the_suggestion_has_every_company_and_a_journal_for_each_processor(desk: Desk) -> None:
    assert CONNECTOR.books is not None
    found = (await CONNECTOR.books.suggest(desk.ctx, {"stripe_de": "stripe"})).books
    tables = {table.path: {line.key: line.value for line in table.lines} for books in found for table in books.tables}
    companies = {path[1]: table for path, table in tables.items() if len(path) == 2}
    assert {config["company"] for config in desk.books.config.values()} <= {table["company"] for table in companies.values()}
    mine = next(key for key, table in companies.items() if table["company"] == desk.books.config["DE"]["company"])
    assert tables["companies", mine, "journals"] == {"sales": "INV", "general": "MISC", "stripe_de": "STR"}
    for key, table in companies.items():
        accounts = {role: code for role, code in tables["companies", key, "accounts"].items() if code}
        CompanyConfig.model_validate({**table, "journals": tables["companies", key, "journals"], "accounts": accounts})


async def test_a_server_that_is_no_odoo_is_said_to_be_none(desk: Desk) -> None:
    settings = desk.settings(url=f"{desk.ctx.settings.url}/elsewhere")
    assert CONNECTOR.client is not None
    assert CONNECTOR.books is not None
    async with CONNECTOR.client(settings) as http:
        ctx = Context("odoo", settings, http, SystemClock())
        with pytest.raises(SetupError) as caught:
            await CONNECTOR.books.state(ctx)
    assert caught.value.code.startswith(("odoo.", "http."))


async def test_missing_rights_are_named_with_the_group_that_gives_them() -> None:
    class Invoicing:
        """Stands for a server where the user may invoice, but make neither contacts nor products."""

        async def call(self, model: str, method: str, *_: object, operation: str = "", **__: object) -> object:
            assert method == "has_access"
            return operation == "read" or model not in ("res.partner", "product.product")

    session = Session(Invoicing(), Dialect("19.0", 19, None, {}), None)  # type: ignore[arg-type]
    found = await right_findings(session)
    assert {finding.message: finding.remedy for finding in found} == {
        "the integration user may not create, write res.partner": "Give the user the group Extra Rights: Contact Creation",
        "the integration user may not create, write product.product": "Give the user the group Products: Create",
    }


async def test_a_real_server_tells_its_rights(desk: Desk) -> None:
    assert CONNECTOR.books is not None
    findings = await CONNECTOR.books.check(desk.ctx, COMPLETE)
    codes = {finding.code for finding in findings}
    assert codes & {"odoo.rights", "odoo.right_unknown"}
    if desk.sandbox is None:
        assert "odoo.rights" in codes
