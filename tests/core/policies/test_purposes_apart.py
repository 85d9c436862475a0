"""Two purposes that wish something of one connection under one key: the first has it, and everything else goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, PRO, RULES, World, invoice, usd

from counterfoil.core.commands.crm import CrmCommand, ShowStatus
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies import decide
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.policy import Policy, nobody
from counterfoil.core.policies.requests import DisplayRequest
from counterfoil.core.policies.rules import Destination

BILL = invoice(usd(10_000))


def _show(draft: Draft, state: Invoice) -> None:
    for place in draft.routes.destinations():
        for name in ("invoice", "shown"):
            shown = ShowStatus(INVOICE.ref(state.id))
            draft.outbox.show(DisplayRequest(place, CrmCommand.SHOW_STATUS, name, state.id, shown))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    policy = Policy(kind=INVOICE, purpose=Purpose.CRM_STATUS, decide=_show, after=nobody, looks_back=False, sees_documents=False)
    policies = {**decide.POLICIES[INVOICE.name], Purpose.CRM_STATUS: policy}
    monkeypatch.setattr(decide, "POLICIES", {**decide.POLICIES, INVOICE.name: policies})
    return World(replace(RULES, destinations=(Destination(Purpose.CRM_STATUS, "odoo"),))).know(ANN, PRO)


def test_the_purpose_that_comes_second_goes_without_the_key_with_one_case_and_the_rest_goes_on(world: World) -> None:
    alone = [one.id for one in World(RULES).know(ANN, PRO).decide(BILL).commands]
    decision = world.decide(BILL)
    assert [one.id for one in decision.commands[:-1]] == alone
    assert (decision.commands[-1].kind, decision.commands[-1].external_key) == ("show_status", "shown_stripe.in_1")
    [problem] = decision.problems
    assert (problem.code, problem.releases_on) == ("decide.key_taken", "destination/odoo/crm_status")
    assert problem.cause == "invoice/stripe:in_1 wishes invoice_stripe.in_1 of odoo for crm_status, which books has."
    assert decision.held == (Purpose.CRM_STATUS,)
    other = world.decide(replace(BILL, id="stripe:in_2")).problems
    assert [one.releases_on for one in other] == [problem.releases_on]  # one case of all


def test_another_connection_keeps_them_apart(world: World) -> None:
    world.rules = replace(RULES, destinations=(Destination(Purpose.CRM_STATUS, "hubspot"),))
    decision = world.decide(BILL)
    assert [one.external_key for one in decision.commands if one.target == "hubspot"] == ["invoice_stripe.in_1", "shown_stripe.in_1"]
    assert decision.problems == ()
