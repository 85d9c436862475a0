"""Odoo's side of the proof: what was posted in a month and what stands now, read by the plain client, each record by what it is there.

It knows nothing of how the connector beside it writes. Documents are those that bear one of our external ids; of the processor's
journals and accounts everything counts, so what a person entered there shows. Money that was adopted bears one of our ids as well, and
stands wherever a person booked it.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import aiohttp

from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.connectors.odoo.plain import OdooPlain, OdooPlainError
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.language.money import exponent_of
from counterfoil.core.proving.items import OPEN_DISPUTES, AccountingPeriod, ProofItem
from counterfoil.core.proving.totals import TotalKind
from counterfoil.kit.errors import SetupError, TransientError

EntryRow = dict[str, Any]

_FLOWS = (
    AccountRole.RECEIVABLE,
    AccountRole.FEES,
    AccountRole.FEE_TAX,
    AccountRole.ADJUSTMENT,
    AccountRole.DISPUTED_FUNDS,
    AccountRole.BANK_IN_TRANSIT,
)
_NO_PAYMENT = ("draft", "cancel", "canceled", "rejected")
_LINE_FIELDS = ("move_id", "account_id", "currency_id", "amount_currency", "balance", "date")
WINDOW = 200
"""Entries kept open while lines are read: those of one entry lie near each other, those written at the same time between them."""


@dataclass(slots=True)
class _Entry:
    """What one posted entry moves by role: in the company's currency, and by currency."""

    on: date
    company: dict[AccountRole, int] = field(default_factory=lambda: defaultdict(int))
    document: dict[AccountRole, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))


@dataclass(slots=True)
class _Company:
    """One company by ids: accounts by role (clearing by processor), journals by name, and its currency."""

    id: int
    currency: str
    roles: dict[int, AccountRole]
    clearing: dict[int, str]
    journals: dict[str, int]


async def items(settings: OdooConfig, entity: str, period: AccountingPeriod, processors: Sequence[str]) -> AsyncIterator[ProofItem]:
    """Yield everything a company's books say of a month (and later, for what was booked late) and of now.

    ``processors``: the connections whose clearing accounts and journals count.

    Raises:
        TransientError: Odoo gave no answer. SetupError: it refused, or lacks something the configuration names.
    """
    try:
        async with OdooPlain(settings.url, settings.database, settings.api_key.get_secret_value(), settings.login or "admin") as odoo:
            reader = _Reader(odoo, settings, period)
            await reader.prepare(entity, processors)
            for part in (reader.documents, reader.payments, reader.adopted_payments, reader.entries, reader.standing):
                async for item in part():
                    yield item
    except (aiohttp.ClientError, TimeoutError) as error:
        raise TransientError(f"Odoo cannot be read: {type(error).__name__}", code="prove.unreachable") from error
    except OdooPlainError as error:
        raise (TransientError if error.is_transient else SetupError)(
            f"Odoo cannot be read: {error}", code="prove.unreachable" if error.is_transient else "prove.refused"
        ) from error


class _Reader:
    """Reads one company."""

    def __init__(self, odoo: OdooPlain, settings: OdooConfig, period: AccountingPeriod) -> None:
        self._odoo = odoo
        self._settings = settings
        self._period = period
        self._currencies: dict[int, str] = {}
        self._company = _Company(0, "", {}, {}, {})

    async def prepare(self, entity: str, processors: Sequence[str]) -> None:
        """Find the company, its accounts and journals by what the configuration calls them."""
        config = self._settings.companies[entity]
        self._currencies = {row["id"]: row["name"] for row in await self._odoo.rows("res.currency", [], ["name"], archived=True)}
        named = [["id", "=", config.company]] if isinstance(config.company, int) else [["name", "=", config.company]]
        found = await self._odoo.rows("res.company", named, ["currency_id"])
        if not found:
            raise SetupError(f"Odoo has no company {config.company!r}", code="prove.refused")
        company = int(found[0]["id"])
        field_name = "company_ids" if self._odoo.major >= 18 else "company_id"
        accounts = await self._odoo.rows("account.account", [[field_name, "in", [company]]], ["code"], [company])
        ids = {row["code"]: int(row["id"]) for row in accounts}
        roles = {config.account_code(Account(role)): role for role in (*_FLOWS, AccountRole.BAD_DEBT, AccountRole.CUSTOMER_CREDIT)}
        clearing = {config.account_code(Account(AccountRole.CLEARING, name)): name for name in processors}
        journals = await self._odoo.rows("account.journal", [["company_id", "=", company]], ["code"], [company])
        codes = {row["code"]: int(row["id"]) for row in journals}
        self._company = _Company(
            company,
            self._currencies[found[0]["currency_id"]],
            {ids[code]: role for code, role in roles.items() if code in ids},
            {ids[code]: name for code, name in clearing.items() if code in ids},
            {name: codes[code] for name, code in config.journals.items() if code in codes and name in (*processors, "out_of_band")},
        )

    def _pages(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> AsyncIterator[list[EntryRow]]:
        own: list[Any] = [["company_id", "=", self._company.id], *domain]
        return self._odoo.pages(model, own, fields, [self._company.id])

    async def _names(self, model: str, ids: Sequence[int]) -> Mapping[int, str]:
        """Return our external ids of records."""
        if not ids:
            return {}
        domain = [["module", "=", self._settings.namespace], ["model", "=", model], ["res_id", "in", list(ids)]]
        return {row["res_id"]: row["name"] for row in await self._odoo.rows("ir.model.data", domain, ["name", "res_id"])}

    async def _keys(self, model: str, ids: Sequence[int]) -> Mapping[int, str]:
        """Return what our external ids call records: the source's id, as far as they name one."""
        return {id: _source_id(name) for id, name in (await self._names(model, ids)).items()}

    def _minor(self, amount: Any, currency: str) -> int:
        scaled = Decimal(str(amount)).scaleb(exponent_of(currency))
        return int(scaled.to_integral_value())

    @property
    def _since(self) -> list[Any]:
        return ["date", ">=", self._period.first.isoformat()]

    async def documents(self) -> AsyncIterator[ProofItem]:
        """Yield posted invoices and credit notes of ours, and their tax."""
        domain = [["state", "=", "posted"], ["move_type", "in", ["out_invoice", "out_refund"]], self._since]
        fields = ("move_type", "name", "date", "currency_id", "amount_total", "amount_tax")
        async for page in self._pages("account.move", domain, fields):
            keys = await self._keys("account.move", [row["id"] for row in page])
            for row in page:
                if row["id"] in keys:
                    for item in self._document(row, keys[row["id"]]):
                        yield item

    def _document(self, row: EntryRow, id: str) -> Iterator[ProofItem]:
        currency, is_invoice = self._currencies[row["currency_id"]], row["move_type"] == "out_invoice"
        on, name = date.fromisoformat(row["date"]), row["name"] or ""
        total, tax = self._minor(row["amount_total"], currency), self._minor(row["amount_tax"], currency)
        yield ProofItem(TotalKind.INVOICE if is_invoice else TotalKind.CREDIT_NOTE, currency, total, id, on, name)
        yield ProofItem(TotalKind.TAX, currency, tax if is_invoice else -tax, id, on, name)

    async def payments(self) -> AsyncIterator[ProofItem]:
        """Yield payments in force of the processors' journals, and of the one for money received elsewhere."""
        outside = self._company.journals.get("out_of_band")
        domain = [["state", "not in", list(_NO_PAYMENT)], ["journal_id", "in", list(self._company.journals.values())], self._since]
        fields = ("payment_type", "journal_id", "name", "date", "currency_id", "amount")
        async for page in self._pages("account.payment", domain, fields):
            keys = await self._keys("account.payment", [row["id"] for row in page])
            for row in page:
                is_in, is_outside = row["payment_type"] == "inbound", row["journal_id"] == outside
                kind = (
                    (TotalKind.OUT_OF_BAND_PAYMENT if is_in else TotalKind.OUT_OF_BAND_REFUND)
                    if is_outside
                    else (TotalKind.PAYMENT if is_in else TotalKind.REFUND)
                )
                currency = self._currencies[row["currency_id"]]
                amount, name = self._minor(row["amount"], currency), row["name"] or ""
                yield ProofItem(kind, currency, amount, keys.get(row["id"], ""), date.fromisoformat(row["date"]), name)

    async def adopted_payments(self) -> AsyncIterator[ProofItem]:
        """Yield payments of customers that bear an id of ours and stand in other journals: people entered them before the hub came."""
        domain = [
            ["state", "not in", list(_NO_PAYMENT)],
            ["payment_type", "=", "inbound"],
            ["partner_type", "=", "customer"],
            ["journal_id", "not in", list(self._company.journals.values())],
            self._since,
        ]
        async for page in self._pages("account.payment", domain, ("name", "date", "currency_id", "amount")):
            keys = await self._keys("account.payment", [row["id"] for row in page])
            for row in page:
                if row["id"] in keys:
                    currency, on = self._currencies[row["currency_id"]], date.fromisoformat(row["date"])
                    yield _adopted(currency, self._minor(row["amount"], currency), keys[row["id"]], on, row["name"] or "")

    async def entries(self) -> AsyncIterator[ProofItem]:
        """Yield what entries move on the accounts of the processors: fees, payouts, disputes, other movements, and payments by entry."""
        accounts = [*(id for id, role in self._company.roles.items() if role in _FLOWS), *self._company.clearing]
        payment = "origin_payment_id" if self._odoo.major >= 18 else "payment_id"
        domain = [
            ["account_id", "in", accounts],
            ["parent_state", "=", "posted"],
            ["move_id.move_type", "=", "entry"],
            [f"move_id.{payment}", "=", False],
            self._since,
        ]
        open_now: OrderedDict[int, _Entry] = OrderedDict()
        async for page in self._pages("account.move.line", domain, _LINE_FIELDS):
            for line in page:
                self._add(open_now, line)
            ready = [(move, open_now.pop(move)) for move in list(open_now)[:-WINDOW]]
            async for item in self._classified(ready):
                yield item
        async for item in self._classified(list(open_now.items())):
            yield item

    def _add(self, entries: OrderedDict[int, _Entry], line: EntryRow) -> None:
        move, account = line["move_id"], line["account_id"]
        role = AccountRole.CLEARING if account in self._company.clearing else self._company.roles[account]
        entry = entries.setdefault(move, _Entry(date.fromisoformat(line["date"])))
        entries.move_to_end(move)
        entry.company[role] += self._minor(line["balance"], self._company.currency)
        currency = self._currencies[line["currency_id"]]
        entry.document[role][currency] += self._minor(line["amount_currency"], currency)

    async def _classified(self, entries: Sequence[tuple[int, _Entry]]) -> AsyncIterator[ProofItem]:
        names = await self._names("account.move", [move for move, _ in entries])
        for move, entry in entries:
            id, name = _source_id(names.get(move, "")), "" if move in names else f"account.move/{move}"
            for kind, currency, minor in _kinds(entry, self._company.currency):
                if minor:
                    yield ProofItem(kind, currency, minor, id, entry.on, name)
            if AccountRole.CLEARING not in entry.company and names.get(move, "").startswith(f"{PAYMENT.name}_"):
                for currency, minor in entry.document[AccountRole.RECEIVABLE].items():
                    yield _adopted(currency, -minor, id, entry.on, f"account.move/{move}")

    async def standing(self) -> AsyncIterator[ProofItem]:
        """Yield what stands now: open on our invoices, customers' credit, disputed funds, written off, the clearing accounts."""
        domain = [["state", "=", "posted"], ["move_type", "=", "out_invoice"], ["amount_residual", "!=", 0]]
        async for page in self._pages("account.move", domain, ("name", "currency_id", "amount_residual")):
            keys = await self._keys("account.move", [row["id"] for row in page])
            for row in page:
                if row["id"] in keys:
                    currency = self._currencies[row["currency_id"]]
                    residual = self._minor(row["amount_residual"], currency)
                    yield ProofItem(TotalKind.OPEN_INVOICE, currency, residual, keys[row["id"]], None, row["name"] or "")
        async for item in self._credit():
            yield item
        async for item in self._written_off():
            yield item
        home = self._company.currency
        for account, name in self._company.clearing.items():
            yield ProofItem(TotalKind.CLEARING, home, sum([minor for _, minor in await self._sums(account)]), f"{name} balance")

    async def _sums(self, account: int) -> list[tuple[int, int]]:
        """Return the posted balance of an account by partner (0: none), in the company's currency."""
        found: dict[int, int] = defaultdict(int)
        domain = [["account_id", "=", account], ["parent_state", "=", "posted"]]
        async for page in self._pages("account.move.line", domain, ("balance", "partner_id")):
            for line in page:
                found[line["partner_id"] or 0] += self._minor(line["balance"], self._company.currency)
        return list(found.items())

    async def _credit(self) -> AsyncIterator[ProofItem]:
        """Yield what customers have in hand, by customer."""
        found: dict[tuple[str, int], int] = defaultdict(int)
        accounts = [id for id, role in self._company.roles.items() if role is AccountRole.CUSTOMER_CREDIT]
        domain = [["account_id", "in", accounts], ["parent_state", "=", "posted"]]
        async for page in self._pages("account.move.line", domain, ("partner_id", "currency_id", "amount_currency")):
            for line in page:
                currency = self._currencies[line["currency_id"]]
                found[currency, line["partner_id"] or 0] += self._minor(line["amount_currency"], currency)
        held = {key: minor for key, minor in found.items() if minor}
        keys = await self._keys("res.partner", sorted({partner for _, partner in held}))
        for (currency, partner), minor in held.items():
            yield ProofItem(TotalKind.CUSTOMER_CREDIT, currency, -minor, keys.get(partner, ""), None, f"res.partner/{partner}")

    async def _written_off(self) -> AsyncIterator[ProofItem]:
        """Yield bad debt by invoice, without lost disputes, and what stands on the account of disputed funds."""
        roles = self._company.roles
        accounts = [id for id, role in roles.items() if role in (AccountRole.BAD_DEBT, AccountRole.DISPUTED_FUNDS)]
        domain = [["account_id", "in", accounts], ["parent_state", "=", "posted"]]
        entries: OrderedDict[int, _Entry] = OrderedDict()
        async for page in self._pages("account.move.line", domain, _LINE_FIELDS):
            for line in page:
                self._add(entries, line)
        keys = await self._keys("account.move", list(entries))
        disputed = 0
        for move, entry in entries.items():
            disputed += entry.company.get(AccountRole.DISPUTED_FUNDS, 0)
            if AccountRole.DISPUTED_FUNDS not in entry.company and move in keys:
                for currency, minor in entry.document[AccountRole.BAD_DEBT].items():
                    yield ProofItem(TotalKind.WRITE_OFF, currency, minor, keys[move])
        yield ProofItem(TotalKind.DISPUTED_FUNDS, self._company.currency, disputed, OPEN_DISPUTES)


def _source_id(name: str) -> str:
    return name.partition(".")[2] or name


def _adopted(currency: str, minor: int, id: str, on: date, name: str) -> ProofItem:
    """Return money that people booked where no journal says if it came through the processor; the source knows."""
    return ProofItem(TotalKind.PAYMENT, currency, minor, id, on, name, also=(TotalKind.OUT_OF_BAND_PAYMENT,))


def _kinds(entry: _Entry, home: str) -> Iterator[tuple[TotalKind, str, int]]:
    """Yield what an entry is by the accounts it moves."""
    moved = {role: minor for role, minor in entry.company.items() if minor}
    is_clearing = AccountRole.CLEARING in moved
    yield TotalKind.FEE, home, moved.get(AccountRole.FEES, 0) + moved.get(AccountRole.FEE_TAX, 0)
    yield TotalKind.PAYOUT, home, moved.get(AccountRole.BANK_IN_TRANSIT, 0)
    if is_clearing and AccountRole.DISPUTED_FUNDS in moved:
        yield TotalKind.DISPUTE, home, moved[AccountRole.DISPUTED_FUNDS]
    elif is_clearing and AccountRole.ADJUSTMENT in moved:
        yield TotalKind.ADJUSTMENT, home, moved[AccountRole.ADJUSTMENT]
    if is_clearing:
        for currency, minor in entry.document[AccountRole.RECEIVABLE].items():
            yield (TotalKind.PAYMENT if minor < 0 else TotalKind.REFUND), currency, abs(minor)
