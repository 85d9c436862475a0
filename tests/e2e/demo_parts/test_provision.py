"""Provisioning finds what is there, creates what is missing, and says what it made in the words of a configuration file."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.app.demo.entities import DE, ENTITIES, JP
from counterfoil.app.demo.odoo_plain import OdooPlain, OdooPlainError
from counterfoil.app.demo.provision import Provisioned, provision
from counterfoil.core.commands.books import AccountRole

COUNTED = ("res.company", "account.account", "account.journal", "account.tax", "res.currency.rate", "account.payment.method.line")


async def counts(odoo: OdooPlain, provisioned: Provisioned) -> dict[str, int]:
    companies = [company.company_id for company in provisioned.companies.values()]
    context = {"allowed_company_ids": companies, "active_test": False}
    return {model: await odoo.call(model, "search_count", context=context, domain=[]) for model in COUNTED}


async def row(odoo: OdooPlain, model: str, record: int, company: int, fields: list[str]) -> dict[str, Any]:
    (found,) = await odoo.rows(model, [["id", "=", record]], fields, [company])
    return found


async def test_provisioning_twice_is_provisioning_once(odoo: OdooPlain) -> None:
    first = await provision(odoo, ENTITIES)
    before = await counts(odoo, first)
    again = await provision(odoo, ENTITIES)
    assert again == first
    assert await counts(odoo, again) == before


async def test_every_company_keeps_its_own_currency(odoo: OdooPlain) -> None:
    provisioned = await provision(odoo, ENTITIES)
    names = {r["id"]: r["name"] for r in await odoo.rows("res.currency", [], ["name"])}
    companies = [company.company_id for company in provisioned.companies.values()]
    rows = await odoo.rows("res.company", [["id", "in", companies]], ["name", "currency_id", "tax_calculation_rounding_method"])
    assert {r["name"]: names[r["currency_id"]] for r in rows} == {"Northwind US": "USD", "Nordwind DE": "EUR", "Kitakaze JP": "JPY"}
    assert {r["tax_calculation_rounding_method"] for r in rows} == {"round_per_line"}


async def test_payments_through_the_processor_are_booked_on_its_clearing_account(odoo: OdooPlain) -> None:
    company = (await provision(odoo, [DE])).companies["DE"]
    accounts = {"stripe_de": company.accounts[AccountRole.CLEARING], "out_of_band": company.accounts[AccountRole.OUT_OF_BAND]}
    for role, account in accounts.items():
        domain = [["journal_id", "=", company.journals[role]]]
        lines = await odoo.rows("account.payment.method.line", domain, ["payment_account_id"], [company.company_id])
        assert len(lines) >= 2, "a way in and a way out"
        assert {line["payment_account_id"] for line in lines} == {account}
    clearing = await row(odoo, "account.account", accounts["stripe_de"], company.company_id, ["reconcile", "account_type"])
    assert (clearing["reconcile"], clearing["account_type"]) == (True, "asset_current")


async def test_taxes_are_inclusive_and_exclusive_as_at_the_source(odoo: OdooPlain) -> None:
    provisioned = await provision(odoo, ENTITIES)
    found = {}
    for company in provisioned.companies.values():
        for key, tax in company.taxes.items():
            values = await row(odoo, "account.tax", tax, company.company_id, ["amount", "price_include"])
            found[key] = (str(values["amount"]).rstrip("0").rstrip("."), values["price_include"])
    assert found == {
        "ca": ("8.25", False),
        "ust19": ("19", False),
        "ust19_incl": ("19", True),
        "ust7": ("7", False),
        "jct10": ("10", False),
        "jct10_incl": ("10", True),
    }


async def test_foreign_currencies_have_a_rate_before_anything_is_posted(odoo: OdooPlain) -> None:
    company = (await provision(odoo, ENTITIES)).companies["DE"]
    currencies = {r["name"]: r["id"] for r in await odoo.rows("res.currency", [], ["name"])}
    domain = [["company_id", "=", company.company_id], ["currency_id", "=", currencies["USD"]], ["name", "=", "2025-12-01"]]
    (rate,) = await odoo.rows("res.currency.rate", domain, ["inverse_company_rate"], [company.company_id])
    assert round(float(rate["inverse_company_rate"]), 6) == 0.86


async def test_a_code_that_is_another_kind_of_account_is_named_and_left_alone(odoo: OdooPlain) -> None:
    company = (await provision(odoo, [JP])).companies["JP"]
    account, own = company.accounts[AccountRole.BAD_DEBT], company.company_id
    await odoo.write("account.account", [account], {"account_type": "income"}, own)
    with pytest.raises(OdooPlainError, match="account 620300 is income, not expense as Bad Debt must be"):
        await provision(odoo, [JP])
    await odoo.write("account.account", [account], {"account_type": "expense"}, own)


async def test_what_was_provisioned_is_said_as_a_configuration(odoo: OdooPlain) -> None:
    provisioned = await provision(odoo, ENTITIES)
    configured = provisioned.configuration()["companies"]["JP"]
    assert configured["company"] == "Kitakaze JP"
    assert configured["journals"] == {"sales": "CFS", "general": "CFG", "out_of_band": "CFO", "stripe_jp": "CFP"}
    assert configured["accounts"]["clearing:stripe_jp"] == "105601"
    assert set(configured["accounts"]) >= {"fees", "fee_tax", "disputed_funds", "bad_debt", "bank_in_transit", "customer_credit"}
    assert configured["taxes"] == {"jct10": "JCT 10%", "jct10_incl": "JCT 10% incl."}
    german = {"target": "books", "currency": "EUR", "time_zone": "Europe/Berlin", "uncredited_refunds": "account"}
    assert provisioned.entities("books")["DE"] == german
    assert provisioned.routes()[0] == {"entity": "US", "connection": "stripe_us"}
    assert provisioned.mappings()["tax"]["DE"] == {"19|exclusive": "ust19", "19|inclusive": "ust19_incl", "7|exclusive": "ust7"}
