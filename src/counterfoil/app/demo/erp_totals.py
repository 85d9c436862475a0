"""The ERP's side of the proof: totals read from Odoo's API, each document by what it is there, accounts by their posted lines.

Documents of an earlier run in the same database are left out: those that stood there before (``baseline``) and whose external id names
nothing this run's source knows. Everything else counts, also what has no external id at all: a document entered twice shows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from counterfoil.core.commands.books import AccountRole
from counterfoil.core.language.money import exponent_of

from .odoo_plain import OdooPlain
from .provision import ProvisionedCompany
from .totals import Parts, Stock, Tally, TotalKind

OdooRow = dict[str, Any]

NAMESPACE = "counterfoil"
_SOURCE_ID = re.compile(r"(?:^|[._])([a-z]+_[A-Za-z0-9]{8,})")
"""Ids of the source within an external id, e.g. ``in_1V3R1UdTaZ2N`` in ``payment_stripe.oob_in_1V3R1UdTaZ2N``."""
_READ_ROLES = (
    AccountRole.RECEIVABLE,
    AccountRole.CLEARING,
    AccountRole.FEES,
    AccountRole.FEE_TAX,
    AccountRole.ADJUSTMENT,
    AccountRole.DISPUTED_FUNDS,
    AccountRole.BAD_DEBT,
    AccountRole.BANK_IN_TRANSIT,
    AccountRole.CUSTOMER_CREDIT,
)
_STOCKS: Mapping[AccountRole, Stock] = {
    AccountRole.RECEIVABLE: Stock.RECEIVABLE,
    AccountRole.CUSTOMER_CREDIT: Stock.CUSTOMER_CREDIT,
    AccountRole.DISPUTED_FUNDS: Stock.DISPUTED_FUNDS,
    AccountRole.BAD_DEBT: Stock.BAD_DEBT,
}
_LINE_FIELDS = ("move_id", "account_id", "partner_id", "currency_id", "amount_currency", "balance")


@dataclass(frozen=True, slots=True)
class Erp:
    """A company's totals, what its clearing account stands at in its own currency, and what stands on the accounts compared at rest."""

    tally: Tally
    clearing_minor: int
    stocks: Mapping[Stock, Parts]


@dataclass(slots=True)
class _Entry:
    """What one posted entry moves on the accounts we read: (role -> amount in the company's currency), and the same by currency."""

    company: dict[AccountRole, int] = field(default_factory=lambda: defaultdict(int))
    document: dict[AccountRole, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))


def to_minor(amount: Any, currency: str) -> int:
    """Return an amount of Odoo's in minor units of a currency.

    Raises:
        ValueError: it is not a whole number of minor units (to the thousandth, for what a binary fraction leaves behind).
    """
    scaled = Decimal(str(amount)).scaleb(exponent_of(currency))
    whole = scaled.to_integral_value()
    if abs(scaled - whole) > Decimal("0.001"):
        raise ValueError(f"{amount} is not a whole number of minor units of {currency}")
    return int(whole)


async def baseline(odoo: OdooPlain) -> int:
    """Return the newest journal entry's id: what is there before a run starts."""
    found = await odoo.call("account.move", "search_read", domain=[], fields=["id"], order="id desc", limit=1, load="")
    return int(found[0]["id"]) if found else 0


async def read_erp(odoo: OdooPlain, company: ProvisionedCompany, source_ids: Collection[str], before: int) -> Erp:
    """Read a company; ``before`` is the baseline taken when the run started."""
    reader = _Reader(odoo, company, {}, set(), {}, {})
    await reader.prepare(source_ids, before)
    tally = Tally()
    await reader.documents(tally)
    await reader.payments(tally)
    entries = await reader.entries()
    credit = await reader.customer_credit()
    home = company.entity.currency
    for move, entry in entries.items():
        _classify(tally, home, entry)
        if move not in reader.payment_of:
            _classify_payment(tally, entry)
    for (currency, _partner), minor in credit.items():
        if minor:
            tally.add(currency, TotalKind.CUSTOMER_CREDIT, -minor)
    return Erp(tally, sum(entry.company[AccountRole.CLEARING] for entry in entries.values()), await reader.stocks())


def _classify(tally: Tally, home: str, entry: _Entry) -> None:
    """Add an entry under the kinds its accounts tell."""
    moved = {role: minor for role, minor in entry.company.items() if minor}
    touches_clearing = AccountRole.CLEARING in moved
    fee = moved.get(AccountRole.FEES, 0) + moved.get(AccountRole.FEE_TAX, 0)
    if fee:
        tally.add(home, TotalKind.FEE, fee)
    if AccountRole.BANK_IN_TRANSIT in moved:
        tally.add(home, TotalKind.PAYOUT, moved[AccountRole.BANK_IN_TRANSIT])
    if AccountRole.DISPUTED_FUNDS in moved:
        disputed = moved[AccountRole.DISPUTED_FUNDS]
        tally.add(home, TotalKind.DISPUTE if touches_clearing else TotalKind.DISPUTE_LOST, disputed if touches_clearing else -disputed)
    elif AccountRole.ADJUSTMENT in moved and touches_clearing:
        tally.add(home, TotalKind.ADJUSTMENT, moved[AccountRole.ADJUSTMENT])
    elif AccountRole.BAD_DEBT in moved:
        for currency, minor in entry.document[AccountRole.BAD_DEBT].items():
            # A recovered write-off takes the first one back.
            tally.add(currency, TotalKind.WRITE_OFF, minor, 1 if minor > 0 else -1)


def _classify_payment(tally: Tally, entry: _Entry) -> None:
    """Add an entry that moves money between the processor's balance and a customer: a payment that was settled in another currency."""
    if not entry.company.get(AccountRole.CLEARING):
        return
    for currency, minor in entry.document[AccountRole.RECEIVABLE].items():
        tally.add(currency, TotalKind.PAYMENT if minor < 0 else TotalKind.REFUND, abs(minor))


@dataclass(slots=True)
class _Reader:
    """Reads one company. ``skipped`` holds the ids of entries of earlier runs, ``payment_of`` the payment by the id of its entry,
    ``customer_of`` the source's id of a customer by that of its partner.
    """

    odoo: OdooPlain
    company: ProvisionedCompany
    currencies: dict[int, str]
    skipped: set[int]
    payment_of: dict[int, int]
    customer_of: dict[int, str]

    async def rows(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> list[OdooRow]:
        return await self.odoo.rows(model, domain, fields, [self.company.company_id])

    async def prepare(self, source_ids: Collection[str], before: int) -> None:
        """Learn the currencies, and which entries are an earlier run's."""
        found = await self.odoo.rows("res.currency", [], ["name"], archived=True)
        self.currencies = {row["id"]: row["name"] for row in found}
        names = await self.odoo.rows("ir.model.data", [["module", "=", NAMESPACE]], ["name", "model", "res_id"])
        keys: dict[tuple[str, int], str] = {(row["model"], row["res_id"]): row["name"] for row in names}
        self.customer_of = {id: name.rpartition(".")[2] for (model, id), name in keys.items() if model == "res.partner"}
        own = [["company_id", "=", self.company.company_id]]
        moves = await self.rows("account.move", [*own, ["id", "<=", before]], ["id"])
        payments = await self.rows("account.payment", own, ["move_id"])
        self.payment_of = {row["move_id"]: row["id"] for row in payments if row["move_id"]}
        for move in (row["id"] for row in moves):
            key = keys.get(("account.move", move)) or keys.get(("account.payment", self.payment_of.get(move, 0)), "")
            if not set(_SOURCE_ID.findall(key)) & set(source_ids):
                self.skipped.add(move)

    def minor(self, amount: Any, currency_id: int) -> int:
        return to_minor(amount, self.currencies[currency_id])

    async def documents(self, tally: Tally) -> None:
        """Add posted invoices and credit notes, their tax, and what is open on invoices."""
        domain = [
            ["company_id", "=", self.company.company_id],
            ["state", "=", "posted"],
            ["move_type", "in", ["out_invoice", "out_refund"]],
        ]
        fields = ("move_type", "currency_id", "amount_total", "amount_tax", "amount_residual")
        for row in await self.rows("account.move", domain, fields):
            if row["id"] in self.skipped:
                continue
            currency, total, tax, open_part = (
                self.currencies[row["currency_id"]],
                *(self.minor(row[name], row["currency_id"]) for name in ("amount_total", "amount_tax", "amount_residual")),
            )
            is_invoice = row["move_type"] == "out_invoice"
            tally.add(currency, TotalKind.INVOICE if is_invoice else TotalKind.CREDIT_NOTE, total)
            tally.add(currency, TotalKind.TAX, tax if is_invoice else -tax, 0)
            if is_invoice and open_part:
                tally.add(currency, TotalKind.OPEN_INVOICE, open_part)

    async def payments(self, tally: Tally) -> None:
        """Add payments in force: by journal through the processor or out of band, by direction in or refunded."""
        journals = self.company.journals
        kinds = {
            (journals[self.company.entity.connection], "inbound"): TotalKind.PAYMENT,
            (journals[self.company.entity.connection], "outbound"): TotalKind.REFUND,
            (journals["out_of_band"], "inbound"): TotalKind.OUT_OF_BAND_PAYMENT,
            (journals["out_of_band"], "outbound"): TotalKind.OUT_OF_BAND_REFUND,
        }
        domain = [["company_id", "=", self.company.company_id], ["state", "not in", ["draft", "cancel", "canceled", "rejected"]]]
        for row in await self.rows("account.payment", domain, ("payment_type", "journal_id", "currency_id", "amount", "move_id")):
            kind = kinds.get((row["journal_id"], row["payment_type"]))
            if kind is not None and row["move_id"] not in self.skipped:
                tally.add(self.currencies[row["currency_id"]], kind, self.minor(row["amount"], row["currency_id"]))

    async def entries(self) -> dict[int, _Entry]:
        """Return what every posted entry moves on the accounts we read."""
        home = self.company.entity.currency
        role_of = {self.company.accounts[role]: role for role in _READ_ROLES}
        entries: dict[int, _Entry] = defaultdict(_Entry)
        for line in await self._lines(_READ_ROLES, [["move_id.move_type", "=", "entry"]]):
            role, entry = role_of[line["account_id"]], entries[line["move_id"]]
            entry.company[role] += to_minor(line["balance"], home)
            entry.document[role][self.currencies[line["currency_id"]]] += self.minor(line["amount_currency"], line["currency_id"])
        return dict(entries)

    async def customer_credit(self) -> Mapping[tuple[str, int], int]:
        """Return the customer credit account by currency and customer."""
        credit: dict[tuple[str, int], int] = defaultdict(int)
        for line in await self._lines([AccountRole.CUSTOMER_CREDIT]):
            credit[self.currencies[line["currency_id"]], line["partner_id"] or 0] += self.minor(
                line["amount_currency"], line["currency_id"]
            )
        return credit

    async def stocks(self) -> Mapping[Stock, Parts]:
        """Return what stands on the accounts compared at rest, by currency; customers' credit (a liability: sign turned) by customer."""
        accounts = {self.company.accounts[role]: stock for role, stock in _STOCKS.items()}
        found: dict[Stock, dict[tuple[str, str], int]] = {stock: defaultdict(int) for stock in Stock}
        for line in await self._lines(tuple(_STOCKS)):
            stock, minor = accounts[line["account_id"]], self.minor(line["amount_currency"], line["currency_id"])
            is_credit = stock is Stock.CUSTOMER_CREDIT
            partner = line["partner_id"] or 0
            whose = self.customer_of.get(partner, f"res.partner/{partner}") if is_credit else ""
            found[stock][self.currencies[line["currency_id"]], whose] += -minor if is_credit else minor
        return {stock: {key: minor for key, minor in parts.items() if minor} for stock, parts in found.items()}

    async def _lines(self, roles: Sequence[AccountRole], further: Sequence[Any] = ()) -> list[OdooRow]:
        accounts = [self.company.accounts[role] for role in roles]
        domain = [["account_id", "in", accounts], ["move_id.state", "=", "posted"], *further]
        lines = await self.rows("account.move.line", domain, _LINE_FIELDS)
        return [line for line in lines if line["move_id"] not in self.skipped]
