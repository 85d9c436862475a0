"""A mapping to something the books do not have is refused with what was probably meant; books that are away are said to be so."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Program


@pytest.fixture
def connected(program: Program, sandboxes: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program with the books of Odoo's sandbox, and a processor whose key is not there."""
    odoo = sandboxes["odoo"]
    monkeypatch.setenv("ODOO_KEY", odoo["api_key"])
    monkeypatch.delenv("STRIPE_KEY", raising=False)
    program.config.unlink()
    given = ("--odoo-url", odoo["url"], "--odoo-db", odoo["db"], "--odoo-login", odoo["login"], "--stripe", "stripe_us=STRIPE_KEY")
    assert program.run("init", *given, "--set", "stripe_us.account=acct_sandbox").code == 0
    return program


def test_a_tax_the_books_do_not_have_is_refused_with_what_was_probably_meant(connected: Program) -> None:
    refused = connected.run("map", "set", "tax", "my_company", "15|exclusive", "15 %")
    assert refused.code == 2
    assert "there is no active sales tax of this name or id (near it: 15%)" in refused.err
    assert "Nothing was set. If it is meant so, say it with --confirmed." in refused.err
    assert connected.run("map", "list", "--json").json() == []
    assert connected.run("map", "set", "tax", "my_company", "15|exclusive", "15 %", "--confirmed").code == 0
    good = connected.run("map", "set", "tax", "my_company", "15|exclusive", "15%")
    assert (good.code, "asked" in good.err) == (0, False)


def test_a_tax_of_another_rate_is_refused_unless_confirmed(connected: Program) -> None:
    refused = connected.run("map", "set", "tax", "my_company", "7|exclusive", "15%")
    assert (refused.code, "tax 15% computes 15 %, and 7 % of the source is mapped to it" in refused.err) == (2, True)
    assert connected.run("map", "set", "tax", "my_company", "7|exclusive", "15%", "--confirmed").code == 0


def test_an_account_the_books_do_not_have_is_refused_with_those_near_it(connected: Program) -> None:
    refused = connected.run("map", "set", "account", "my_company", "product_group/plans", "40000")
    assert refused.code == 2
    assert "account 40000 does not exist or is out of use (near it: " in refused.err
    assert "400000 Product Sales" in refused.err
    assert connected.run("map", "set", "account", "my_company", "product_group/plans", "400000").code == 0
    assert connected.run("map", "set", "product", "my_company", "stripe:prod_1", "SEAT").code == 0  # check compares no products either


@pytest.mark.parametrize("by", ["address", "key"])
def test_books_that_cannot_be_asked_are_said_to_be_so_and_the_mapping_is_set(
    connected: Program, monkeypatch: pytest.MonkeyPatch, sandboxes: dict[str, dict[str, Any]], by: str
) -> None:
    if by == "address":
        connected.config.write_text(connected.config.read_text("utf-8").replace(sandboxes["odoo"]["url"], "http://127.0.0.1:9"), "utf-8")
    else:
        monkeypatch.delenv("ODOO_KEY")
    ended = connected.run("map", "set", "tax", "my_company", "15|exclusive", "nonsense")
    assert ended.code == 0
    assert "odoo could not be asked about 'nonsense'; `counterfoil check` does later: " in ended.err
    assert len(connected.run("map", "list", "--json").json()) == 1
