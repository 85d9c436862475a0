"""Payments: the entry a payment makes, by version, and its state as its sides are matched."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.books import amounts, chart, posting, reconcile, residuals, sync
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.store import Row

PAYMENT = "account.payment"


def outstanding_account(env: Env, payment: Row) -> int | bool:
    """Return where the money waits for the bank: the method line's account, else the chart's (in Enterprise of 18/19: none)."""
    method = env.rows("account.payment.method.line").get(payment["payment_method_line_id"] or 0)
    if method is not None and method["payment_account_id"]:
        return int(method["payment_account_id"])
    if env.db.settings.enterprise and env.version >= 18:
        return False
    company = env.rows("res.company")[payment["company_id"]]
    found = chart.outstanding_account(env, company, payment["payment_type"])
    return int(found) if found else False


def destination_account(env: Env, payment: Row) -> int | bool:
    """Return the receivable or payable account of the partner, else the company's."""
    side = "receivable" if payment["partner_type"] == "customer" else "payable"
    inner = env.with_context(allowed_company_ids=[payment["company_id"]]).sudo()
    if payment["partner_id"]:
        model = env.model("res.partner")
        found = model.value(inner, env.rows("res.partner")[payment["partner_id"]], f"property_account_{side}_id")
        if found:
            return int(found)
    found = chart.default_account(env, payment["company_id"], side)
    return int(found) if found else False


def make_move(env: Env, payment: Row, write_off: list[dict[str, object]] | None = None) -> Row | None:
    """Create the draft entry of a payment, or nothing where Enterprise keeps it without one."""
    account = payment["outstanding_account_id"] or outstanding_account(env, payment)
    if not account:
        return None
    company = env.rows("res.company")[payment["company_id"]]
    own = company["currency_id"]
    sign = 1 if payment["payment_type"] == "inbound" else -1
    amount = sign * payment["amount"]
    rate_move = {
        "currency_id": payment["currency_id"],
        "company_id": company["id"],
        "move_type": "entry",
        "invoice_date": False,
        "date": payment["date"],
    }
    balance = amounts.rounded(env, own, amount / amounts.move_rate(env, rate_move))
    label = _label(env, payment)
    shared = {"name": label, "currency_id": payment["currency_id"], "partner_id": payment["partner_id"], "date_maturity": payment["date"]}
    rest, rest_balance = amount, balance
    for extra in write_off or []:
        rest += float(extra["amount_currency"])  # type: ignore[arg-type]
        rest_balance += float(extra["balance"])  # type: ignore[arg-type]
    rest, rest_balance = amounts.rounded(env, payment["currency_id"], rest), amounts.rounded(env, own, rest_balance)
    commands = [
        [0, 0, {**shared, "account_id": account, "balance": balance, "amount_currency": amount}],
        [0, 0, {**shared, "account_id": payment["destination_account_id"], "balance": -rest_balance, "amount_currency": -rest}],
        *[[0, 0, {**shared, "date_maturity": False, **extra}] for extra in write_off or []],
    ]
    inner = env.with_context(allowed_company_ids=[company["id"]]).sudo()
    link = "payment_id" if env.version == 17 else "origin_payment_id"
    values = {
        "move_type": "entry",
        "journal_id": payment["journal_id"],
        "date": payment["date"],
        "partner_id": payment["partner_id"],
        "currency_id": payment["currency_id"],
        "ref": payment["ref" if env.version == 17 else "memo"],
        link: payment["id"],
        "line_ids": commands,
    }
    move = env.rows("account.move")[env.model("account.move").create(inner, [values])[0]]
    env.set(PAYMENT, payment, move_id=move["id"])
    return move


def _label(env: Env, payment: Row) -> str:
    memo = payment["ref" if env.version == 17 else "memo"]
    if env.version == 17:
        kind = {("inbound", "customer"): "Customer Payment", ("outbound", "customer"): "Customer Reimbursement"}.get(
            (payment["payment_type"], payment["partner_type"]), "Vendor Payment"
        )
        money = _money(env, payment)
        partner = env.rows("res.partner")[payment["partner_id"]]["name"] if payment["partner_id"] else ""
        day = f"{payment['date'][5:7]}/{payment['date'][8:10]}/{payment['date'][:4]}"
        return f"{kind} {money} - {partner} - {day}" if partner else f"{kind} {money} - {day}"
    method = env.rows("account.payment.method.line").get(payment["payment_method_line_id"] or 0)
    name = method["name"] if method is not None else "No Payment Method"
    return f"{name}: {memo}" if memo else str(name)


def _money(env: Env, payment: Row) -> str:
    currency = env.rows("res.currency")[payment["currency_id"]]
    number = f"{payment['amount']:,.{currency['decimal_places']}f}"
    return f"{number}\u00a0{currency['symbol']}" if currency["position"] == "after" else f"{currency['symbol']}\u00a0{number}"


def state_names(env: Env) -> tuple[str, str]:
    """Return what a payment is once posted, and once matched: 20 says paid and reconciled where 18 and 19 say in_process and paid."""
    return ("paid", "reconciled") if env.version >= 20 else ("in_process", "paid")


def post(env: Env, payments: list[Row]) -> None:
    """Post payments with their entries; twice is an error on 17 and nothing on 18 and 19."""
    env.db.check_documents(len(payments))
    for payment in payments:
        move = env.rows("account.move").get(payment["move_id"] or 0)
        if env.version == 17:
            assert move is not None  # noqa: S101 - made at creation
            posting.post(env, [move])
            env.set(PAYMENT, payment, state="posted", name=move["name"], date=move["date"])
            continue
        posted_as = state_names(env)[0]
        if payment["state"] not in ("draft", posted_as):
            continue
        if move is None:
            move = make_move(env, payment)
        if move is not None and move["state"] == "draft":
            posting.post(env, [move])
            env.set(PAYMENT, payment, name=move["name"])
        elif move is None and not payment["name"]:
            env.set(PAYMENT, payment, name=_number_without_move(env, payment))
        if payment["state"] == "draft":
            env.set(PAYMENT, payment, state=posted_as)
        follow(env, [payment["move_id"]] if payment["move_id"] else [], [payment])


def _number_without_move(env: Env, payment: Row) -> str:
    journal = env.rows("account.journal")[payment["journal_id"]]
    stem = f"P{journal['code']}/{payment['date'][:4]}/"
    used = [
        int(p["name"][len(stem) :])
        for p in env.rows(PAYMENT).values()
        if p["name"] and p["name"].startswith(stem) and p["name"][len(stem) :].isdigit()
    ]
    return f"{stem}{max(used, default=0) + 1:05d}"


def to_draft(env: Env, payments: list[Row]) -> None:
    """Take payments back to draft, unmatching them."""
    for payment in payments:
        move = env.rows("account.move").get(payment["move_id"] or 0)
        if move is not None:
            if env.version < 19:
                reconcile.unmatch(env, [ln["id"] for ln in sync.lines_of(env, move)])
            if move["state"] in ("posted", "cancel"):
                posting.to_draft(env, [move])
        env.set(PAYMENT, payment, state="draft")


def cancel(env: Env, payments: list[Row]) -> None:
    """Cancel payments: 18 and 19 delete a draft entry, 17 keeps it canceled."""
    for payment in payments:
        move = env.rows("account.move").get(payment["move_id"] or 0)
        if env.version == 17:
            if move is not None:
                posting.cancel(env, [move])
            env.set(PAYMENT, payment, state="cancel")
            continue
        if move is not None:
            if move["state"] == "posted":
                to_draft(env, [payment])
            reconcile.unmatch(env, [ln["id"] for ln in sync.lines_of(env, move)])
            env.set(PAYMENT, payment, move_id=False)
            env.model("account.move").remove(env, move)
        env.set(PAYMENT, payment, state="canceled")


def rewrite(env: Env, payment: Row) -> None:
    """Bring the entry of a payment in step after its amount, date or partner changed."""
    liquidity, counterpart, rest = sides(env, payment)
    if len(liquidity) != 1 or len(counterpart) != 1 or rest:
        return
    move = env.rows("account.move")[payment["move_id"]]
    own = amounts.company_currency(env, payment["company_id"])
    amount = payment["amount"] * (1 if payment["payment_type"] == "inbound" else -1)
    shared = {"currency_id": payment["currency_id"], "partner_id": payment["partner_id"], "date_maturity": payment["date"]}
    with sync.batch(env, [move["id"]]):
        env.set("account.move", move, partner_id=payment["partner_id"], currency_id=payment["currency_id"])
        if move["state"] == "draft":
            env.set("account.move", move, date=payment["date"])
        balance = amounts.rounded(env, own, amount / amounts.move_rate(env, {**move, "invoice_date": False}))
        for line, sign in ((liquidity[0], 1), (counterpart[0], -1)):
            env.set(
                "account.move.line",
                line,
                balance=sign * balance,
                amount_currency=sign * amount,
                debit=max(sign * balance, 0.0),
                credit=max(-sign * balance, 0.0),
                **shared,
            )
        env.set("account.move.line", counterpart[0], account_id=payment["destination_account_id"])


def sides(env: Env, payment: Row) -> tuple[list[Row], list[Row], list[Row]]:
    """Return (liquidity, counterpart, write-off) lines of a payment's entry."""
    move = env.rows("account.move").get(payment["move_id"] or 0)
    if move is None:
        return [], [], []
    journal = env.rows("account.journal")[payment["journal_id"]]
    wallets = {payment["outstanding_account_id"], journal["default_account_id"], outstanding_account(env, payment)}
    liquidity, counterpart, rest = [], [], []
    for line in sync.lines_of(env, move):
        if line["account_id"] in wallets:
            liquidity.append(line)
        elif line["account_id"] == payment["destination_account_id"]:
            counterpart.append(line)
        else:
            rest.append(line)
    return liquidity, counterpart, rest


def is_reconciled(env: Env, payment: Row) -> bool:
    """Return whether the receivable (or payable) side is matched."""
    _liquidity, counterpart, rest = sides(env, payment)
    open_lines = [ln for ln in (*counterpart, *rest) if _reconcilable(env, ln)]
    return bool(open_lines) and all(not ln["amount_residual_currency"] for ln in open_lines)


def _reconcilable(env: Env, line: Row) -> bool:
    return bool(env.rows("account.account")[line["account_id"]]["reconcile"])


def invoices_of(env: Env, payment: Row) -> list[int]:
    """Return the documents a payment's counterpart is matched with."""
    rows = env.rows("account.move.line")
    moves = env.rows("account.move")
    found: dict[int, None] = {}
    for line in sides(env, payment)[1]:
        for partial in residuals.partials_of(env, line["id"]):
            other = partial["credit_move_id"] if partial["debit_move_id"] == line["id"] else partial["debit_move_id"]
            move = moves[rows[other]["move_id"]]
            if amounts.is_invoice(move):
                found[move["id"]] = None
    return sorted(found)


def follow(env: Env, move_ids: list[int], more: list[Row] | None = None) -> None:
    """Let payments become paid when their money has reached the bank or their documents are paid (18, 19)."""
    if env.version == 17:
        return
    concerned: dict[int, Row] = {p["id"]: p for p in more or []}
    rows = env.rows("account.move.line")
    for move_id in move_ids:
        near = {move_id}
        for i in env.find("account.move.line", "move_id", move_id):
            for partial in residuals.partials_of(env, i):
                near |= {rows[partial["debit_move_id"]]["move_id"], rows[partial["credit_move_id"]]["move_id"]}
        for m in near:
            link = env.rows("account.move")[m]["origin_payment_id"]
            # 18 looks at a payment again for its own entry, or for a document that is noted on it, not for what it is matched with.
            if link and (env.version != 18 or m == move_id or move_id in env.rows(PAYMENT)[link]["invoice_ids"]):
                concerned[link] = env.rows(PAYMENT)[link]
    posted_as, matched_as = state_names(env)
    for payment in concerned.values():
        if payment["state"] not in (posted_as, matched_as) or not payment["move_id"]:
            continue
        liquidity = sides(env, payment)[0]
        through = bool(liquidity) and not amounts.rounded(env, payment["currency_id"], sum(ln["amount_residual"] for ln in liquidity))
        linked = payment["invoice_ids"] if env.version == 18 else invoices_of(env, payment)
        documents = [env.rows("account.move")[i] for i in linked]
        if through or (documents and all(d["payment_state"] == "paid" for d in documents)):
            env.set(PAYMENT, payment, state=matched_as)
        elif payment["state"] == matched_as:
            env.set(PAYMENT, payment, state=posted_as)
