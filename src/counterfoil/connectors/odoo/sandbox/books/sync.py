"""Dynamic lines: whatever changes on a draft document, its product amounts, tax lines and payment-term lines follow.

Every change of moves or lines runs inside :func:`batch`; when the outermost one ends, each touched move is brought in step, checked for
balance and its totals are refreshed. A tax line the user wrote keeps its amount as long as no base line changes in the same call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from counterfoil.connectors.odoo.sandbox.books import amounts, taxes, terms
from counterfoil.connectors.odoo.sandbox.books.residuals import refresh_line, refresh_totals
from counterfoil.connectors.odoo.sandbox.models.currencies import rate_on
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row

BASE_FIELDS = ("tax_ids", "price_unit", "quantity", "discount", "account_id", "currency_id", "product_id")


@dataclass
class Snapshot:
    """What a move looked like before the change."""

    is_new: bool
    header: tuple[Any, ...] = ()
    base: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    tax: dict[int, tuple[float, float]] = field(default_factory=dict)
    rate_written: bool = False
    due_written: bool = False


def lines_of(env: Env, move: Row) -> list[Row]:
    """Return a move's lines in id order."""
    rows = env.rows("account.move.line")
    return [rows[i] for i in sorted(env.find("account.move.line", "move_id", move["id"]))]


def snapshot(env: Env, move: Row) -> Snapshot:
    """Remember a move."""
    lines = lines_of(env, move)
    return Snapshot(
        False,
        _header(env, move),
        {ln["id"]: _base(ln) for ln in lines if ln["display_type"] in amounts.BASE_TYPES},
        {ln["id"]: (ln["amount_currency"], ln["balance"]) for ln in lines if ln["tax_repartition_line_id"]},
    )


def _base(line: Row) -> tuple[Any, ...]:
    return tuple(line[f] for f in BASE_FIELDS)


def _header(env: Env, move: Row) -> tuple[Any, ...]:
    return (move["currency_id"], move["move_type"], move["partner_id"], move["invoice_date"], amounts.move_rate(env, move))


@contextmanager
def batch(env: Env, move_ids: Iterable[int], new: bool = False) -> Iterator[dict[int, Snapshot]]:
    """Open moves for change; the outermost batch of a move settles it."""
    opened = env.db.open_moves
    mine = [i for i in dict.fromkeys(move_ids) if i not in opened]
    rows = env.rows("account.move")
    for i in mine:
        opened[i] = Snapshot(True) if new else snapshot(env, rows[i])
    try:
        yield opened
        for i in mine:
            before = opened[i]
            if i in rows:
                settle(env, rows[i], before)
    finally:
        for i in mine:
            opened.pop(i, None)


def settle(env: Env, move: Row, before: Snapshot) -> None:
    """Bring one move in step with its lines."""
    if move["state"] == "draft" or before.is_new or env.version == 17:
        if amounts.is_invoice(move) and not env.context.get("skip_invoice_sync"):
            _refresh_rate(env, move, before)
            _refresh_products_and_taxes(env, move, before)
            terms.refresh(env, move, keep_due=before.due_written)
            _refresh_partner(env, move)
        elif not amounts.is_invoice(move):
            _entry_taxes(env, move, before)
            if env.version >= 18:
                _mirror_entry(env, move)
    check_balanced(env, move)
    for line in lines_of(env, move):
        refresh_line(env, line)
    refresh_totals(env, move)


def _refresh_rate(env: Env, move: Row, before: Snapshot) -> None:
    if env.version == 17 or before.rate_written:
        return
    own = amounts.company_currency(env, move["company_id"])
    changed = before.is_new or before.header[0] != move["currency_id"] or before.header[3] != move["invoice_date"]
    if before.is_new and move["invoice_currency_rate"] and env.version >= 19:  # 18 does not take it at creation
        return
    if changed:
        same = move["currency_id"] == own
        day = move["invoice_date"] or move["date"] or env.today
        rate = 1.0 if same else rate_on(env, move["currency_id"], move["company_id"], day)
        env.set("account.move", move, invoice_currency_rate=rate)


def _refresh_products_and_taxes(env: Env, move: Row, before: Snapshot) -> None:
    lines = lines_of(env, move)
    base = [ln for ln in lines if ln["display_type"] in amounts.BASE_TYPES]
    for line in base:
        if line["currency_id"] != move["currency_id"]:
            env.set("account.move.line", line, currency_id=move["currency_id"])
    header = _header(env, move)
    changed = {ln["id"] for ln in base if before.base.get(ln["id"]) != _base(ln)}
    removed = [i for i in before.base if i not in {ln["id"] for ln in base}]
    new_header = before.is_new or before.header[:2] != header[:2]
    new_rate = not before.is_new and before.header[4] != header[4]
    if not (changed or removed or new_header or new_rate):
        return
    money = _money(env, move)
    is_refund = move["move_type"] in amounts.REFUNDS
    taxed = _compute(env, move, base, money)
    for line, result in zip(base, taxed, strict=True):
        # 17 has no rate of the document: a line that did not change keeps what it was converted to, by whatever rate there was then.
        if env.version == 17 and line["id"] in before.base and line["id"] not in changed and not new_header:
            continue
        _set_product(env, move, line, result)
    if _keeps_taxes(env, move, before, base, changed, new_header):
        if new_rate:
            for line in lines:
                if line["tax_repartition_line_id"]:
                    _set_amount(
                        env, line, line["amount_currency"], round_half_up(line["amount_currency"] / money.rate, money.company_digits)
                    )
            if (before.header[3] == header[3] and env.version != 18) or env.version == 17:
                _write_tax_lines(env, move, base, taxed, money, is_refund, amounts_too=False)
        return
    _write_tax_lines(env, move, base, taxed, money, is_refund)


def _keeps_taxes(env: Env, move: Row, before: Snapshot, base: list[Row], changed: set[int], new_header: bool) -> bool:
    now = {ln["id"] for ln in lines_of(env, move) if ln["tax_repartition_line_id"]}
    if before.is_new:
        return bool(now)
    if new_header:
        return False
    if now != set(before.tax):
        return True
    taxed_now = any(ln["tax_ids"] for ln in base if ln["id"] in changed)
    taxed_before = any(sig[0] for i, sig in before.base.items() if i in changed or i not in {ln["id"] for ln in base})
    return not (taxed_now or taxed_before)


def _money(env: Env, move: Row) -> taxes.Money:
    company = env.rows("res.company")[move["company_id"]]
    return taxes.Money(
        amounts.digits(env, move["currency_id"]),
        amounts.digits(env, company["currency_id"]),
        amounts.move_rate(env, move),
        company["tax_calculation_rounding_method"] == "round_globally",
        env.version,
    )


def _compute(env: Env, move: Row, base: list[Row], money: taxes.Money) -> list[taxes.TaxedLine]:
    results = []
    for line in base:
        price = line["price_unit"] * (1.0 - line["discount"] / 100.0) * line["quantity"]
        result = taxes.TaxedLine(line["id"], price, line["quantity"])
        taxes.compute(env, result, line["tax_ids"], money)
        results.append(result)
    taxes.settle(results, money)
    return results


def _set_product(env: Env, move: Row, line: Row, result: taxes.TaxedLine) -> None:
    sign = amounts.sign(move)
    own = amounts.company_currency(env, move["company_id"])
    amount = amounts.rounded(env, move["currency_id"], sign * (result.untaxed + result.delta))
    balance = amounts.rounded(env, own, sign * (result.untaxed_company + result.delta_company))
    env.set("account.move.line", line, price_subtotal=result.untaxed, price_total=result.total)
    _set_amount(env, line, amount, balance)


def _set_amount(env: Env, line: Row, amount_currency: float, balance: float) -> None:
    env.set(
        "account.move.line",
        line,
        amount_currency=amount_currency,
        balance=balance,
        debit=max(balance, 0.0),
        credit=max(-balance, 0.0) or 0.0,
    )


TaxKey = tuple[int, int, int]  # distribution line, group tax, account


def _wanted(
    env: Env, move: Row, base: list[Row], taxed: list[taxes.TaxedLine], money: taxes.Money, is_refund: bool
) -> dict[TaxKey, tuple[float, float, float]]:
    """Return (amount, company amount, base) per tax line the document needs."""
    sign = amounts.sign(move)
    based = taxes.bases(taxed, money)
    wanted: dict[TaxKey, tuple[float, float, float]] = {}
    for line, result in zip(base, taxed, strict=True):
        for share in result.taxes:
            for part, amount, company_amount in taxes.repartition(env, share, is_refund, money.digits, money.company_digits):
                key = (part["id"], share.group, part["account_id"] or line["account_id"])
                old = wanted.get(key, (0.0, 0.0, 0.0))
                wanted[key] = (old[0] + sign * amount, old[1] + sign * company_amount, sign * based[share.tax["id"], share.group])
    own = {key: round_half_up(v[0] / money.rate if env.version == 17 else v[1], money.company_digits) for key, v in wanted.items()}
    return {key: (round_half_up(v[0], money.digits), own[key], v[2]) for key, v in wanted.items()}


def _write_tax_lines(
    env: Env, move: Row, base: list[Row], taxed: list[taxes.TaxedLine], money: taxes.Money, is_refund: bool, amounts_too: bool = True
) -> None:
    """Make the tax lines what the base lines call for; with ``amounts_too`` off only their shown bases."""
    wanted = _wanted(env, move, base, taxed, money, is_refund)
    have = {(ln["tax_repartition_line_id"], ln["group_tax_id"] or 0, ln["account_id"]): ln for ln in lines_of(env, move) if _is_tax(ln)}
    rows = env.rows("account.tax.repartition.line")
    for key, (amount, balance, based_on) in wanted.items():
        known = have.get(key)
        if known is None:
            if not amounts_too or not (amount or balance):
                continue
            known = _new_tax_line(env, move, rows[key[0]], key[1], key[2])
        env.set("account.move.line", known, tax_base_amount=based_on if env.version >= 19 else abs(based_on))
        if amounts_too:
            _set_amount(env, known, amount, balance)
    if amounts_too:
        for key, line in have.items():
            if key not in wanted or not (wanted[key][0] or wanted[key][1]):
                env.model("account.move.line").remove(env, line)


def _is_tax(line: Row) -> bool:
    return bool(line["tax_repartition_line_id"])


def _new_tax_line(env: Env, move: Row, part: Row, group: int, account: int) -> Row:
    tax = env.rows("account.tax")[part["tax_id"]]
    values = {
        "move_id": move["id"],
        "display_type": "tax",
        "name": tax["name"],
        "account_id": account,
        "tax_line_id": tax["id"],
        "sequence": 10000,
        "tax_repartition_line_id": part["id"],
        "group_tax_id": group or False,
        "currency_id": move["currency_id"],
        "tax_ids": [],
        "quantity": 0.0,
    }
    return env.model("account.move.line").insert(env, values)


def _refresh_partner(env: Env, move: Row) -> None:
    partner = move["partner_id"]
    partner = env.model("res.partner").value(env, env.rows("res.partner")[partner], "commercial_partner_id") if partner else False
    for line in lines_of(env, move):
        if line["partner_id"] != partner and line["display_type"] not in amounts.TEXT_TYPES:
            env.set("account.move.line", line, partner_id=partner)


def _entry_taxes(env: Env, move: Row, before: Snapshot) -> None:
    """Add the tax lines of an entry whose lines carry taxes, unless it brought its own."""
    lines = lines_of(env, move)
    base = [ln for ln in lines if ln["display_type"] == "product" and not _is_tax(ln)]
    if not any(ln["tax_ids"] for ln in base):
        return
    changed = [ln for ln in base if (before.base.get(ln["id"]) != _base(ln) or before.is_new) and ln["tax_ids"]]
    if not changed or {ln["id"] for ln in lines if _is_tax(ln)} != set(before.tax):
        return
    money = _money(env, move)
    taxed = []
    for line in base:
        result = taxes.TaxedLine(line["id"], line["amount_currency"], 1.0)
        taxes.compute(env, result, line["tax_ids"], money)
        taxed.append(result)
    taxes.settle(taxed, money)
    first = changed[0]
    use = env.rows("account.tax")[first["tax_ids"][0]]["type_tax_use"]
    is_refund = first["balance"] > 0 if use == "sale" else first["balance"] < 0
    _write_tax_lines(env, move, base, taxed, money, is_refund)
    for line, result in zip(base, taxed, strict=True):
        env.set("account.move.line", line, price_total=result.total)


def _mirror_entry(env: Env, move: Row) -> None:
    """Show balances as prices on plain entries, as the server does."""
    for line in lines_of(env, move):
        if line["display_type"] == "product":
            total = line["price_total"] if line["tax_ids"] else line["amount_currency"]
            env.set("account.move.line", line, price_subtotal=line["amount_currency"], price_total=total)


def check_balanced(env: Env, move: Row) -> None:
    """Raise when debits and credits differ."""
    own = amounts.company_currency(env, move["company_id"])
    lines = lines_of(env, move)
    total = amounts.rounded(env, own, sum(ln["balance"] for ln in lines))
    if not total:
        return
    if env.version >= 18:
        raise UserError("The entry is not balanced.")
    currency = env.rows("res.currency")[own]
    debit, credit = sum(ln["debit"] for ln in lines), sum(ln["credit"] for ln in lines)
    places = currency["decimal_places"]

    def shown(value: float) -> str:
        number = f"{value:,.{places}f}"
        return f"{number}\u00a0{currency['symbol']}" if currency["position"] == "after" else f"{currency['symbol']}\u00a0{number}"

    raise UserError(
        f"An error has occurred.\n\nThe move ({env.model('account.move').display_name(env, move)}) is not balanced.\nThe total of debits"
        " equals"
        f" {shown(debit)} and the total of credits equals {shown(credit)}.\nYou might want to specify a default account on journal"
        f' "{env.rows("account.journal")[move["journal_id"]]["name"]}" to automatically balance each move.'
    )
