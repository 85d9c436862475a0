"""The check before anything is posted: every missing right, module, company, journal, account, tax, currency and rate, with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_read import read_since, readings_so_far
from counterfoil.connectors.odoo.check_journals import journal_findings
from counterfoil.connectors.odoo.check_shared import shared_findings
from counterfoil.connectors.odoo.check_taxes import tax_findings
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.language.money import exponent_of
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError, TransientError
from counterfoil.kit.requirements import Requirements

RIGHTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("res.partner", ("read", "create", "write"), "Extra Rights: Contact Creation"),
    ("product.product", ("read", "create", "write"), "Products: Create"),
    ("account.move", ("read", "create", "write", "unlink"), "Accounting: Invoicing"),
    ("account.move.line", ("read", "create", "write"), "Accounting: Invoicing"),
    ("account.payment", ("read", "create", "write", "unlink"), "Accounting: Invoicing"),
    ("account.partial.reconcile", ("read", "create", "unlink"), "Accounting: Invoicing"),
    ("account.full.reconcile", ("create",), "Accounting: Invoicing"),
    ("account.journal", ("read",), "Accounting: Invoicing"),
    ("account.account", ("read",), "Accounting: Invoicing"),
    ("account.tax", ("read",), "Accounting: Invoicing"),
    ("res.currency.rate", ("read",), "Technical: Multi Currencies"),
    ("res.company", ("read",), "User types: Internal User"),
)
"""What the integration user must be allowed to do, and the group that allows it."""


async def check(ctx: Context, requirements: Requirements) -> tuple[Finding, ...]:
    """Return all findings. What makes further checks pointless (no connection, no rights) is returned alone."""
    try:
        session = await connect(ctx)
    except SetupError as error:
        return (Finding(Severity.ERROR, error.code, str(error), "Mend the connection's settings"),)
    except TransientError as error:
        if error.code != "odoo.database_away":
            raise
        return (Finding(Severity.ERROR, error.code, str(error), "Start the database, or name one that exists"),)
    findings = [Finding(Severity.OK, "odoo.version", f"Odoo {session.dialect.version}, {_edition(session)}")]
    findings += _version_findings(session)
    findings += _module_findings(session)
    findings += await right_findings(session)
    for entity, currency in requirements.entities.items():
        findings += await _entity_findings(ctx, session, entity, currency, requirements)
    return tuple(findings)


def _edition(session: Session) -> str:
    if session.dialect.modules is None:
        return "edition unknown"
    return "Enterprise" if session.dialect.has("account_accountant") else "Community"


def _version_findings(session: Session) -> Iterator[Finding]:
    """Say what was not proven of a version this connector has never met."""
    dialect = session.dialect
    if not dialect.is_proven:
        name = f"{dialect.major}.{dialect.minor}" if dialect.minor else str(dialect.major)
        yield Finding(
            Severity.WARNING,
            "odoo.version_unproven",
            f"Odoo {name} was not run against: its payment states, tax mode and VAT rules are known from its sources and papers only. Not"
            " known: whether entries on bank accounts and in bank journals are taken, and whether given taxes outlast a fiscal position",
            "Book a month into a copy of the database first; Odoo 17.0, 18.0 and 19.0 are proven",
        )


def _module_findings(session: Session) -> Iterator[Finding]:
    dialect = session.dialect
    if dialect.modules is None:
        yield Finding(
            Severity.WARNING,
            "odoo.modules_unknown",
            "the integration user may not read the list of modules; edition and checks are guessed",
        )
    elif not dialect.has("account"):
        yield Finding(Severity.ERROR, "odoo.module_missing", "the module Invoicing (account) is not installed", "Install it under Apps")
    if dialect.checks_vat:
        yield Finding(Severity.OK, "odoo.base_vat", "VAT ids are checked by Odoo; invalid ones are left out of customers")
    if session.settings.namespace in (dialect.modules or ()):
        yield Finding(
            Severity.ERROR,
            "odoo.namespace",
            f"namespace {session.settings.namespace!r} is the name of an installed module",
            "Set another namespace",
        )


async def right_findings(session: Session) -> list[Finding]:
    """Return the rights the user lacks, or cannot be seen to have; one OK if there are none."""
    findings: list[Finding] = []
    for model, operations, group in RIGHTS:
        answers = {operation: await _may(session, model, operation) for operation in operations}
        missing = [operation for operation, answer in answers.items() if answer is False]
        unknown = [operation for operation, answer in answers.items() if answer is None]
        if missing:
            words = f"the integration user may not {', '.join(missing)} {model}"
            findings.append(Finding(Severity.ERROR, "odoo.right_missing", words, f"Give the user the group {group}"))
        if unknown:
            words = f"Odoo does not tell whether the integration user may {', '.join(unknown)} {model}"
            findings.append(Finding(Severity.WARNING, "odoo.right_unknown", words, f"Make sure the user has the group {group}"))
    return findings or [Finding(Severity.OK, "odoo.rights", "the integration user has the rights it needs")]


async def _may(session: Session, model: str, operation: str) -> bool | None:
    """Return whether the user may do an operation on a model; None if this Odoo does not say."""
    client = session.client
    try:
        if session.dialect.major >= 18:
            return bool(await client.call(model, "has_access", [], operation=operation))
        return bool(await client.call(model, "check_access_rights", operation=operation, raise_exception=False))
    except SetupError as error:
        return False if error.code == "odoo.forbidden" else None
    except RejectedError:
        return None


async def _entity_findings(ctx: Context, session: Session, entity: str, currency: str, requirements: Requirements) -> list[Finding]:
    try:
        company = await read_since(ctx, session, entity, readings_so_far(ctx))
    except RejectedError as error:
        return [Finding(Severity.ERROR, error.code, str(error), "Map the entity to a company the user may use", entity)]
    accounts = requirements.accounts.get(entity, ())
    findings = [
        *_currency_findings(company, currency, requirements.currencies),
        *_account_findings(company, accounts),
        *shared_findings(company, accounts),
        *tax_findings(company, entity, requirements),
        *await journal_findings(session, company, accounts),
    ]
    return findings or [Finding(Severity.OK, "odoo.entity", f"{entity}: company {company.name} has all that is needed", entity=entity)]


def _currency_findings(company: CompanyCatalog, currency: str, currencies: Sequence[str]) -> Iterator[Finding]:
    if company.currency != currency:
        yield Finding(
            Severity.ERROR,
            "odoo.company_currency",
            f"{company.name} keeps its books in {company.currency}, the entity in {currency}",
            "Map the entity to a company with its currency",
            company.entity,
        )
    for code in sorted({*currencies, currency}):
        if code not in company.currencies:
            yield Finding(
                Severity.ERROR,
                "odoo.currency_inactive",
                f"currency {code} is not active",
                "Activate it under Accounting, Configuration, Currencies",
                company.entity,
            )
            continue
        kept, exponent = company.decimals.get(code), exponent_of(code)
        if kept not in (None, exponent):
            yield Finding(
                Severity.WARNING,
                "odoo.currency_decimals",
                f"{code} has {kept} decimals in Odoo and {exponent} in ISO 4217: amounts that are not whole in both are refused",
                f"Set its Rounding Factor under Accounting, Configuration, Currencies so that it has {exponent} decimals",
                company.entity,
            )
        if code != company.currency and not company.rates.get(code):
            yield Finding(
                Severity.ERROR,
                "odoo.rate_missing",
                f"{company.name} has no rate for {code}; Odoo would book it 1:1",
                "Add rates under Accounting, Configuration, Currencies",
                company.entity,
            )


def _account_findings(company: CompanyCatalog, accounts: Sequence[Account]) -> Iterator[Finding]:
    for account in accounts:
        try:
            account_id = company.account_id(account)
        except RejectedError as error:
            yield Finding(Severity.ERROR, error.code, str(error), "Map it to the code of an active account", company.entity)
            continue
        row = next((row for row in company.accounts.values() if row.id == account_id), None)
        if account.role is AccountRole.RECEIVABLE and row is not None and row.account_type != "asset_receivable":
            yield Finding(
                Severity.ERROR,
                "odoo.account_type",
                f"account {row.code} {row.name} is not a receivable account",
                "Map receivable to an account of type Receivable",
                company.entity,
            )
        if account.role is AccountRole.CLEARING and row is not None and not row.reconcile:
            yield Finding(
                Severity.WARNING,
                "odoo.clearing_not_reconcilable",
                f"clearing account {row.code} {row.name} does not allow reconciliation",
                "Switch on Allow Reconciliation (20: Payment Reconciliation) on the account",
                company.entity,
            )
