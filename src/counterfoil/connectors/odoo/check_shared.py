"""The accounts' part of the check that compares roles with each other: which of them stand on one account although they must not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.errors import RejectedError

ALONE = {
    AccountRole.RECEIVABLE: "what customers owe",
    AccountRole.CUSTOMER_CREDIT: "what customers have left",
    AccountRole.CLEARING: "the processor's balance",
    AccountRole.RESERVE: "what the processor holds back",
    AccountRole.DISPUTED_FUNDS: "open disputes",
    AccountRole.BAD_DEBT: "what is uncollectible",
    AccountRole.BANK_IN_TRANSIT: "payouts the bank has not told of",
    AccountRole.OUT_OF_BAND: "money that came outside the processors",
    AccountRole.DEFERRED_REVENUE: "revenue still to be earned",
    AccountRole.INTERCOMPANY: "what companies owe each other",
    AccountRole.REFUNDS: "what was given back without a credit note",
    AccountRole.WITHHELD_TAX: "tax to be claimed back",
    AccountRole.FEE_TAX: "input tax",
}
"""Roles whose account says something by its balance, and what: it is compared with the source, or cleared to zero. Others (revenue, fees,
rounding, adjustments, exchange differences, accounts of product groups) are amounts of a period and may share one.
"""
_TOGETHER = frozenset({frozenset({AccountRole.BANK_IN_TRANSIT, AccountRole.OUT_OF_BAND})})
"""Both are cleared by the lines of a bank statement."""


def shared_findings(company: CompanyCatalog, accounts: Sequence[Account]) -> Iterator[Finding]:
    """Yield a warning for every two roles on one account of which one needs it for itself."""
    known: dict[Account, int] = {}
    for account in dict.fromkeys(accounts):
        try:
            known[account] = company.account_id(account)
        except RejectedError:
            continue  # that it is not there is told by itself
    codes = {row.id: f"{row.code} {row.name}" for row in company.accounts.values()}
    for one, other in combinations(known, 2):
        if known[one] != known[other] or frozenset({one.role, other.role}) in _TOGETHER:
            continue
        meant = next((ALONE[each.role] for each in (one, other) if each.role in ALONE), "")
        if meant:
            yield Finding(
                Severity.WARNING,
                "odoo.account_shared",
                f"{one} and {other} are both on account {codes.get(known[one], known[one])}: its balance no longer shows {meant}",
                "Map each to an account of its own",
                company.entity,
            )
