"""Posting and its undoing: what is refused, which date and number a document gets, what is matched by posting."""

from __future__ import annotations

from counterfoil.connectors.odoo.sandbox.books import amounts, chart, locks, reconcile, sequences, sync, terms
from counterfoil.connectors.odoo.sandbox.books.residuals import refresh_line, refresh_totals
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError, UserError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

PAPERS = {"out_invoice": "Customer Invoice", "out_refund": "Customer Credit Note", "out_receipt": "Sales Receipt"}


def post(env: Env, moves: list[Row]) -> None:
    """Post drafts. Raises UserError naming everything that stands against it; then nothing is posted."""
    if not env.su and not env.has_group("account.group_account_invoice") and not env.has_group("base.group_system"):
        raise AccessError("You don't have the access rights to post an invoice.")
    env.db.check_documents(len(moves))
    refusals: dict[str, None] = {}
    for move in moves:
        if env.version >= 19:
            _refuse_archived(env, move)
        _default_date(env, move)
        for refusal in _refusals(env, move):
            refusals[refusal] = None
    if refusals:
        raise UserError("\n".join(refusals))
    for move in moves:
        _shift(env, move)
    for move in moves:
        _post_one(env, move)
    for move in moves:
        refresh_totals(env, move)
    _after(env, moves)


def _default_date(env: Env, move: Row) -> None:
    if amounts.is_sale(move) and not move["invoice_date"] and move["state"] == "draft":
        with sync.batch(env, [move["id"]]):
            env.set("account.move", move, invoice_date=env.today, date=env.today)
            if not move["invoice_date_due"]:
                env.set("account.move", move, invoice_date_due=env.today)


def _refusals(env: Env, move: Row) -> list[str]:
    said: list[str] = []
    lines = [ln for ln in sync.lines_of(env, move) if ln["display_type"] not in amounts.TEXT_TYPES]
    if not lines:
        said.append("Even magicians can't post nothing!" if env.version >= 19 else "You need to add a line before posting.")
    if move["amount_total"] < 0 and amounts.is_invoice(move):
        said.append(
            "You cannot validate an invoice with a negative total amount. You should create a credit note instead. Use the action menu"
            " to transform it"
            " into a credit note or refund."
        )
    if amounts.is_invoice(move) and not move["partner_id"]:
        said.append(_no_partner(env, move))
    if move["move_type"] in amounts.PURCHASES and not move["invoice_date"]:
        said.append("The Bill/Refund date is required to validate this document.")
    if move["state"] in ("posted", "cancel"):
        said.append(f"The entry {move['name']} (id {move['id']}) must be in draft.")
    journal = env.rows("account.journal")[move["journal_id"]]
    if not journal["active"]:
        said.append(f"You cannot post an entry in an archived journal ({journal['name']})")
    currency = env.rows("res.currency")[move["currency_id"]]
    if not currency["active"]:
        said.append(f"You cannot validate a document with an inactive currency: {currency['name']}")
    accounts = [env.rows("account.account")[ln["account_id"]] for ln in lines if ln["account_id"]]
    if env.version < 19 and any(_archived(env, a) for a in accounts):
        said.append("A line of this move is using a deprecated account, you cannot post it.")
    strangers = [a for a in accounts if move["company_id"] not in chart.companies_of(env, a)]
    if strangers:
        names = ", ".join(env.model("account.account").display_name(env, a) for a in strangers)
        said.append(f"The entry is using accounts ({names}) from a different company.")
    return said


def _refuse_archived(env: Env, move: Row) -> None:
    for line in sync.lines_of(env, move):
        account = env.rows("account.account").get(line["account_id"] or 0)
        if account is not None and _archived(env, account):
            raise UserError(f"The account {account['name']} ({account['code']}) is archived.")


def _archived(env: Env, account: Row) -> bool:
    return not account["active"] if env.version >= 19 else bool(account["deprecated"])


def _no_partner(env: Env, move: Row) -> str:
    if not amounts.is_sale(move):
        return "The field 'Vendor' is required, please complete it to validate the Vendor Bill."
    if env.version >= 19:
        return (
            "The 'Customer' field is required to validate the invoice.\nYou probably don't want to explain to your auditor that you"
            " invoiced an invisible"
            " man :)"
        )
    return "The field 'Customer' is required, please complete it to validate the Customer Invoice."


def has_tax(env: Env, move: Row) -> bool:
    """Return whether a tax lock concerns a move."""
    return any(ln["tax_ids"] or ln["tax_line_id"] for ln in sync.lines_of(env, move))


def _shift(env: Env, move: Row) -> None:
    company = env.rows("res.company")[move["company_id"]]
    kind = env.rows("account.journal")[move["journal_id"]]["type"]
    hit = locks.violated(env, company, kind, move["date"], has_tax(env, move))
    if not hit:
        return
    reference = sequences.reference(env, move)
    reset = sequences.reset_of(reference) if reference else ""
    source = move["invoice_date"] if amounts.is_invoice(move) and move["invoice_date"] else move["date"]
    is_sale = amounts.is_sale(move)
    with sync.batch(env, [move["id"]]):
        env.set("account.move", move, date=locks.shifted(env, is_sale, reset, source, hit))


def _post_one(env: Env, move: Row) -> None:
    sequences.give(env, move)
    env.set("account.move", move, state="posted", posted_before=True)
    if env.version >= 18:
        env.set("account.move", move, checked=True)
    sequences.check_unique(env, move)
    if move["move_type"] == "out_invoice" and not move["payment_reference"]:
        env.set("account.move", move, payment_reference=move["name"])
    lines = sync.lines_of(env, move)
    labeled: list[int] = []
    count = sum(ln["display_type"] == "payment_term" for ln in lines)
    for line in lines:
        if line["display_type"] == "payment_term":
            env.set("account.move.line", line, name=terms.label(env, move, len(labeled), count))
            labeled.append(line["id"])
        refresh_line(env, line)
    if move["reversed_entry_id"]:
        env.db.reversals.append(move["id"])


def _after(env: Env, moves: list[Row]) -> None:
    waiting, env.db.reversals = env.db.reversals, []
    for move_id in waiting:
        move = env.rows("account.move")[move_id]
        original = env.rows("account.move")[move["reversed_entry_id"]]
        if original["state"] == "posted":
            reconcile.reconcile_reversal(env, original, move)
    reconcile.reconcile_marked(env, moves)
    for move in moves:
        if amounts.is_sale(move) and move["partner_id"]:
            partner = env.rows("res.partner")[move["partner_id"]]
            env.store.set("res.partner", partner, "customer_rank", partner["customer_rank"] + 1)


def refuse_locked(env: Env, move: Row) -> None:
    """Raise when a posted move lies in a locked period."""
    company = env.rows("res.company")[move["company_id"]]
    kind = env.rows("account.journal")[move["journal_id"]]["type"]
    locks.refuse(env, company, kind, move["date"], has_tax(env, move))


def refuse_deletion(env: Env, move: Row) -> None:
    """Raise the refusal to delete a posted entry."""
    matched = any(ln["matching_number"] and not str(ln["matching_number"]).startswith("I") for ln in sync.lines_of(env, move))
    if env.version < 19 and matched:
        raise UserError(
            "You cannot do this modification on a reconciled journal entry. You can just change some non legal fields or you must"
            " unreconcile first.\n"
            f"Journal Entry (id): {move['name']} ({move['id']})"
        )
    raise UserError(
        "You can't delete a posted journal item. Don’t play games with your accounting records; reset the journal entry to draft before"
        " deleting it."
    )


def to_draft(env: Env, moves: list[Row]) -> None:
    """Take moves back to draft: numbers stay; 17 and 18 undo matches, 19 keeps them."""
    for move in moves:
        if move["state"] not in ("posted", "cancel"):
            raise UserError("Only posted/cancelled journal entries can be reset to draft.")
        if move["state"] == "posted":
            refuse_locked(env, move)
        if _is_exchange(env, move):
            raise UserError("You cannot reset to draft an exchange difference journal entry.")
    if env.version < 19:
        reconcile.unmatch(env, [ln["id"] for move in moves for ln in sync.lines_of(env, move)])
    for move in moves:
        env.set("account.move", move, state="draft")
        for line in sync.lines_of(env, move):
            refresh_line(env, line)
        refresh_totals(env, move)


def refresh(env: Env, moves: list[Row]) -> None:
    """Refresh residuals and totals of moves whose state was written."""
    for move in moves:
        for line in sync.lines_of(env, move):
            refresh_line(env, line)
        refresh_totals(env, move)


def _is_exchange(env: Env, move: Row) -> bool:
    return bool(env.find("account.partial.reconcile", "exchange_move_id", move["id"]))


def cancel(env: Env, moves: list[Row]) -> None:
    """Cancel moves from draft or posted, undoing their matches."""
    posted = [m for m in moves if m["state"] == "posted"]
    to_draft(env, posted)
    for move in moves:
        if move["state"] != "draft":
            raise UserError("Only draft journal entries can be cancelled.")
    reconcile.unmatch(env, [ln["id"] for move in moves for ln in sync.lines_of(env, move)])
    for move in moves:
        env.set("account.move", move, state="cancel", auto_post="no")
        for line in sync.lines_of(env, move):
            refresh_line(env, line)
        refresh_totals(env, move)
