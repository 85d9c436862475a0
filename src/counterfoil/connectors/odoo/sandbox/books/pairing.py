"""One debit against one credit: in which currency they meet, how much is matched, what exchange difference remains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts
from counterfoil.connectors.odoo.sandbox.models.currencies import rate_on
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.rounding import compare, is_zero, round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row


@dataclass
class Open:
    """A line with what is still open of it (credits negative)."""

    line: Row
    residual: float
    residual_currency: float


@dataclass
class Fix:
    """An exchange difference to take off a line: company amount, or foreign amount."""

    line: Row
    residual: float = 0.0
    residual_currency: float = 0.0


@dataclass
class Pairing:
    """The outcome: the partial's values, the differences to book, which side is through."""

    partial: dict[str, Any] | None = None
    fixes: list[Fix] = field(default_factory=list)
    debit_done: bool = False
    credit_done: bool = False


Available = dict[int, tuple[float, float]]  # currency -> (residual, units per company unit)


def _rate(env: Env, line: Row, other: Row, currency: int) -> float:
    move, other_move = env.rows("account.move")[line["move_id"]], env.rows("account.move")[other["move_id"]]
    if not _is_payment(env, move) and _is_payment(env, other_move):
        return _own_rate(env, other, currency, move["company_id"])
    day = move["invoice_date"] if amounts.is_invoice(move) else move["date"]
    return rate_on(env, currency, move["company_id"], day or move["date"])


def _is_payment(env: Env, move: Row) -> bool:
    return bool(move["payment_id" if env.version == 17 else "origin_payment_id"] or move["statement_line_id"])


def _own_rate(env: Env, line: Row, currency: int, company: int) -> float:
    own = amounts.digits(env, amounts.company_currency(env, company))
    if not is_zero(line["balance"], own) and not is_zero(line["amount_currency"], amounts.digits(env, currency)):
        return float(abs(line["amount_currency"] / line["balance"]))
    return 0.0


def _available(env: Env, this: Open, other: Open, own: int) -> Available:
    line = this.line
    currency, counter = line["currency_id"], other.line["currency_id"]
    company = env.rows("account.move")[line["move_id"]]["company_id"]
    account = env.rows("account.account")[line["account_id"]]
    found: Available = {}
    has_residual = not is_zero(this.residual, amounts.digits(env, own))
    has_foreign = not is_zero(this.residual_currency, amounts.digits(env, currency))
    if has_residual:
        found[own] = (this.residual, 1.0)
    if currency != own and has_foreign:
        found[currency] = (this.residual_currency, _own_rate(env, line, currency, company))
    trade = account["account_type"] in ("asset_receivable", "liability_payable")
    if currency == own and trade and has_residual and counter != own:
        rate = _rate(env, line, other.line, counter)
        shown = amounts.rounded(env, counter, this.residual * rate)
        if shown:
            found[counter] = (shown, rate)
    return found


def pair(env: Env, debit: Open, credit: Open, differences: bool) -> Pairing:
    """Match one pair; the open amounts of both are reduced in place."""
    company = env.rows("account.move")[debit.line["move_id"]]["company_id"]
    own = amounts.company_currency(env, company)
    d_currency, c_currency = debit.line["currency_id"], credit.line["currency_id"]
    d_have, c_have = _available(env, debit, credit, own), _available(env, credit, debit, own)
    meet = own
    for currency in (d_currency, c_currency):
        if currency != own and currency in d_have and currency in c_have:
            meet = currency
            break
    result = Pairing(debit_done=meet not in d_have, credit_done=meet not in c_have)
    if result.debit_done or result.credit_done:
        return result
    plain = meet == own and d_currency == c_currency and (d_currency not in d_have or c_currency not in c_have)
    d_amount, c_amount = d_have[meet][0], -c_have[meet][0]
    least = min(d_amount, c_amount)
    order = compare(d_amount, c_amount, amounts.digits(env, meet))
    d_rate = 0.0 if plain else (d_have.get(d_currency, (0.0, 0.0))[1] if meet == own else d_have[meet][1])
    c_rate = 0.0 if plain else (c_have.get(c_currency, (0.0, 0.0))[1] if meet == own else c_have[meet][1])
    if meet == own:
        _in_company_currency(env, debit, credit, least, d_rate, c_rate, order, differences, result)
    else:
        _in_foreign_currency(env, debit, credit, least, d_rate, c_rate, order, differences, result, own, meet)
    own_digits = amounts.digits(env, own)
    for side in (debit, credit):
        side.residual = round_half_up(side.residual, own_digits)
        side.residual_currency = round_half_up(side.residual_currency, amounts.digits(env, side.line["currency_id"]))
    result.debit_done = not debit.residual and not debit.residual_currency
    result.credit_done = not credit.residual and not credit.residual_currency
    return result


def _finish(debit: Open, credit: Open, amount: float, d_foreign: float, c_foreign: float, result: Pairing) -> None:
    debit.residual -= amount
    credit.residual += amount
    debit.residual_currency -= d_foreign
    credit.residual_currency += c_foreign
    result.partial = {
        "debit_move_id": debit.line["id"],
        "credit_move_id": credit.line["id"],
        "amount": amount,
        "debit_amount_currency": d_foreign,
        "credit_amount_currency": c_foreign,
    }


def _in_company_currency(
    env: Env, debit: Open, credit: Open, least: float, d_rate: float, c_rate: float, order: int, differences: bool, result: Pairing
) -> None:
    d_foreign = min(amounts.rounded(env, debit.line["currency_id"], d_rate * least), debit.residual_currency) if d_rate else 0.0
    c_foreign = min(amounts.rounded(env, credit.line["currency_id"], c_rate * least), -credit.residual_currency) if c_rate else 0.0
    if differences:
        if order <= 0:
            gap = amounts.rounded(env, debit.line["currency_id"], debit.residual_currency - d_foreign)
            if gap:
                result.fixes.append(Fix(debit.line, residual_currency=gap))
                debit.residual_currency -= gap
        if order >= 0:
            gap = amounts.rounded(env, credit.line["currency_id"], credit.residual_currency + c_foreign)
            if gap:
                result.fixes.append(Fix(credit.line, residual_currency=gap))
                credit.residual_currency -= gap
    _finish(debit, credit, least, d_foreign, c_foreign, result)


def _range(amount: float, rate: float, step: float, digits: int) -> tuple[float, float, float]:
    if not rate:
        return 0.0, 0.0, 0.0
    return tuple(round_half_up((amount + shift) / rate, digits) for shift in (-step / 2, 0.0, step / 2))  # type: ignore[return-value]


def _in_foreign_currency(
    env: Env,
    debit: Open,
    credit: Open,
    least: float,
    d_rate: float,
    c_rate: float,
    order: int,
    differences: bool,
    result: Pairing,
    own: int,
    meet: int,
) -> None:
    digits, own_digits = amounts.digits(env, meet), amounts.digits(env, own)
    step = 10.0**-digits
    d_range = _range(least, d_rate, step if debit.line["currency_id"] == meet else 10.0**-own_digits, own_digits)
    c_range = _range(least, c_rate, step if credit.line["currency_id"] == meet else 10.0**-own_digits, own_digits)
    d_part, c_part = min(d_range[1], debit.residual), min(c_range[1], -credit.residual)
    amount = min(d_part, c_part)
    if c_range[0] <= d_part <= c_range[2] and d_range[0] <= c_part <= d_range[2]:
        amount = d_part = c_part = min(debit.residual, -credit.residual)
    d_foreign = amount if debit.line["currency_id"] == own else least
    c_foreign = amount if credit.line["currency_id"] == own else least
    if differences:
        _difference(debit, result, (debit.residual - amount) if order <= 0 else max(d_part - amount, 0.0), own, own_digits)
        _difference(credit, result, (credit.residual + amount) if order >= 0 else min(amount - c_part, 0.0), own, own_digits)
    _finish(debit, credit, amount, d_foreign, c_foreign, result)


def _difference(side: Open, result: Pairing, gap: float, own: int, own_digits: int) -> None:
    gap = round_half_up(gap, own_digits)
    if not gap:
        return
    result.fixes.append(Fix(side.line, residual=gap))
    side.residual -= gap
    if side.line["currency_id"] == own:
        side.residual_currency -= gap
