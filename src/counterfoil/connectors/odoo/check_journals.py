"""The journals' part of the check: sales and general journals, and each processor's journal with its clearing account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_rows import JournalRow
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.payment_rows import journal_role
from counterfoil.connectors.odoo.wire import Ref, ref
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.errors import RejectedError

_TYPES = {"sales": ("sale",), "general": ("general",)}
_MONEY = ("bank", "cash", "credit")


class MethodLine(Struct, frozen=True):
    """A payment method of a journal, and the account its payments are booked to."""

    journal_id: Ref
    payment_type: str
    payment_account_id: Ref


async def journal_findings(session: Session, company: CompanyCatalog, accounts: Sequence[Account]) -> list[Finding]:
    """Return what is wrong with the journals of one company."""
    findings = [finding for role, types in _TYPES.items() for finding in _typed(company, role, types)]
    clearing = [account for account in accounts if account.role is AccountRole.CLEARING]
    journals = {account: _found(company, journal_role(account), findings, _MONEY) for account in clearing}
    known = [journal.id for journal in journals.values() if journal is not None]
    lines = await _method_lines(session, company, known)
    for account, journal in journals.items():
        if journal is not None:
            findings += _processor(company, account, journal, lines)
    return findings


def _typed(company: CompanyCatalog, role: str, types: tuple[str, ...]) -> list[Finding]:
    findings: list[Finding] = []
    _found(company, role, findings, types)
    return findings


def _found(company: CompanyCatalog, role: str, findings: list[Finding], types: tuple[str, ...]) -> JournalRow | None:
    """Return the journal of a role, or note what is wrong with it."""
    try:
        journal = company.journal(role)
    except RejectedError as error:
        findings.append(Finding(Severity.ERROR, error.code, str(error), "Create the journal, or map its code", company.entity))
        return None
    if journal.type in types:
        return journal
    findings.append(
        Finding(
            Severity.ERROR,
            "odoo.journal_type",
            f"journal {journal.code} {journal.name}, mapped to {role}, is of type {journal.type}, not {' or '.join(types)}",
            "Map another journal",
            company.entity,
        )
    )
    return None


async def _method_lines(session: Session, company: CompanyCatalog, journal_ids: Sequence[int]) -> list[MethodLine]:
    if not journal_ids:
        return []
    domain = [["journal_id", "in", list(journal_ids)]]
    return await session.client.read("account.payment.method.line", domain, MethodLine, context=company.context)


def _processor(company: CompanyCatalog, account: Account, journal: JournalRow, lines: Sequence[MethodLine]) -> Iterator[Finding]:
    """Check that payments in and out of a processor's journal are booked to its clearing account."""
    try:
        clearing_id = company.account_id(account)
    except RejectedError:
        return  # named by the check of accounts already
    for way in ("inbound", "outbound"):
        own = [line for line in lines if ref(line.journal_id) == journal.id and line.payment_type == way]
        if not own:
            yield Finding(
                Severity.ERROR,
                "odoo.payment_method_missing",
                f"journal {journal.code} {journal.name} has no {way} payment method",
                "Add the method Manual Payment to the journal",
                company.entity,
            )
        elif any(ref(line.payment_account_id) != clearing_id for line in own[:1]):
            yield Finding(
                Severity.ERROR,
                "odoo.outstanding_account",
                f"journal {journal.code} {journal.name} does not book {way} payments to {account}",
                f"Set account {company.config.account_code(account)} as outstanding account of the journal's {way} payment method",
                company.entity,
            )
