"""account.payment and its wizard, the reversal wizard, statement lines."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import payments, reconcile, residuals, reversal, statements, sync, wizard
from counterfoil.connectors.odoo.sandbox.orm.core import record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError, ValidationError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, day, many, monetary, one
from counterfoil.connectors.odoo.sandbox.orm.model import FieldRefusal, Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values

STATES_17 = (("draft", "Draft"), ("posted", "Posted"), ("cancel", "Cancelled"))
STATES_20 = (("draft", "Draft"), ("paid", "Paid"), ("reconciled", "Reconciled"), ("canceled", "Canceled"), ("rejected", "Rejected"))
STATES = (("draft", "Draft"), ("in_process", "In Process"), ("paid", "Paid"), ("canceled", "Canceled"), ("rejected", "Rejected"))
DIRECTIONS = (("outbound", "Send"), ("inbound", "Receive"))
PARTIES = (("customer", "Customer"), ("supplier", "Vendor"))


class Payment(Model):
    """account.payment."""

    documents = True
    name = "account.payment"
    label = "Payments"
    order = "date desc, name desc"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Number", copied=False, index=True),
        "date": day("Date", required=True, default=lambda env: env.today),
        "state": choice("State", *STATES, required=True, default="draft", copied=False),
        "move_id": one("account.move", "Journal Entry", copied=False),
        "journal_id": one("account.journal", "Journal", required=True),
        "company_id": one("res.company", "Company"),
        "payment_type": choice("Payment Type", *DIRECTIONS, required=True, default="inbound"),
        "partner_type": choice("Partner Type", *PARTIES, required=True, default="customer"),
        "partner_id": one("res.partner", "Customer/Vendor", ondelete="restrict"),
        "amount": monetary("Amount"),
        "currency_id": one("res.currency", "Currency"),
        "memo": char("Memo", since=18, index=True),
        "ref": char("Reference", until=17, index=True),
        "payment_reference": char("Payment Reference", copied=False),
        "payment_method_line_id": one("account.payment.method.line", "Payment Method"),
        "payment_method_id": one("account.payment.method", "Method", compute=lambda env, r: _method(env, r)),
        "payment_method_code": char("Payment Method Code", compute=lambda env, r: "manual" if r["payment_method_line_id"] else False),
        "outstanding_account_id": one("account.account", "Outstanding Account"),
        "destination_account_id": one("account.account", "Destination Account"),
        "invoice_ids": many("account.move", "Invoices", since=18, index=True),
        "is_internal_transfer": boolean("Internal Transfer", until=17),
        "is_reconciled": boolean("Is Reconciled", compute=payments.is_reconciled),
        "is_matched": boolean("Is Matched With a Bank Statement", compute=residuals.is_matched),
        "reconciled_invoice_ids": many("account.move", "Reconciled Invoices", compute=payments.invoices_of),
        "amount_signed": monetary("Amount Signed", compute=lambda env, r: r["amount"] * (1 if r["payment_type"] == "inbound" else -1)),
        "amount_company_currency_signed": monetary("Amount Company Currency Signed", compute=lambda env, r: _company_amount(env, r)),
    }

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.fields["state"].selection = STATES_17 if version == 17 else STATES if version < 20 else STATES_20

    def display_name(self, env: Env, row: Row) -> str:
        """Return its number, or a draft."""
        return str(row["name"]) if row["name"] and row["name"] != "/" else "Draft Payment"

    def prepare(self, env: Env, values: Values) -> Values:
        """Fill journal, currency, method and accounts."""
        rows = env.rows("account.journal")
        if not values.get("journal_id"):
            mine = [
                j
                for j in rows.values()
                if j["type"] in ("bank", "cash", "credit") and j["company_id"] == (values.get("company_id") or env.company_id)
            ]
            if not mine:
                raise UserError("No bank or cash journal found.")
            values["journal_id"] = min(mine, key=lambda j: (j["sequence"], j["id"]))["id"]
        journal = env.row("account.journal", int(values["journal_id"]))
        company = env.rows("res.company")[journal["company_id"]]
        values["company_id"] = company["id"]
        values["currency_id"] = values.get("currency_id") or journal["currency_id"] or company["currency_id"]
        if not values.get("payment_method_line_id"):
            kind = values.get("payment_type") or "inbound"
            lines = env.model("account.journal").value(env, journal, f"{kind}_payment_method_line_ids")
            values["payment_method_line_id"] = lines[0] if lines else False
        if not values["payment_method_line_id"]:
            raise ValidationError("Please define a payment method line on your payment.")
        if float(values.get("amount") or 0.0) < 0:
            raise FieldRefusal("The operation cannot be completed: The payment amount cannot be negative.", "amount")
        return values

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Settle the accounts; 17 makes the entry at once."""
        for row, values in zip(rows, values_list, strict=True):
            self._accounts(env, row)
            if env.version == 17:
                move = payments.make_move(env, row, values.get("write_off_line_vals"))
                if move is None:
                    raise UserError(
                        "You can't create a new payment without an outstanding payments/receipts account set either on the company or"
                        " the journal."
                    )
                env.set(self.name, row, name=move["name"])

    def _accounts(self, env: Env, row: Row) -> None:
        env.set(self.name, row, outstanding_account_id=row["outstanding_account_id"] or payments.outstanding_account(env, row))
        env.set(self.name, row, destination_account_id=row["destination_account_id"] or payments.destination_account(env, row))

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Refuse changes of what is booked."""
        booked = {"amount", "currency_id", "date", "journal_id", "partner_id", "payment_type"} & values.keys()
        for row in rows:
            if booked and env.version <= 18 and row["state"] != "draft":
                names = ", ".join(sorted(booked)) if env.version == 17 else "date, partner_id, currency_id, line_ids"
                raise UserError(f"You cannot modify the following readonly fields on a posted move: {names}")
        return values

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Keep a draft entry in step."""
        for row in rows:
            if "partner_id" in values or "partner_type" in values:
                env.set(self.name, row, destination_account_id=payments.destination_account(env, row))
            if row["move_id"] and {"amount", "currency_id", "date", "partner_id"} & values.keys():
                payments.rewrite(env, row)

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Refuse deleting posted payments; delete the entry with the payment."""
        for row in rows:
            move = env.rows("account.move").get(row["move_id"] or 0)
            if move is not None:
                if move["state"] == "posted" and env.version >= 18:
                    raise ValidationError("A payment with an outstanding account cannot be confirmed without having a journal entry.")
                reconcile.unmatch(env, [ln["id"] for ln in sync.lines_of(env, move)])
                env.set(self.name, row, move_id=False)
                env.model("account.move").remove(env, move)

    @record_method
    def action_post(self, env: Env, ids: list[int]) -> None:
        """Post payments."""
        payments.post(env, self.existing(env, ids))

    @record_method
    def action_draft(self, env: Env, ids: list[int]) -> None:
        """Take payments back to draft."""
        payments.to_draft(env, self.existing(env, ids))

    @record_method
    def action_cancel(self, env: Env, ids: list[int]) -> None:
        """Cancel payments."""
        payments.cancel(env, self.existing(env, ids))

    @record_method
    def action_validate(self, env: Env, ids: list[int]) -> None:
        """Mark payments as paid (18, 19)."""
        for row in self.existing(env, ids):
            env.set(self.name, row, state="paid" if env.version >= 18 else row["state"])


def _method(env: Env, payment: Row) -> Any:
    line = env.rows("account.payment.method.line").get(payment["payment_method_line_id"] or 0)
    return line["payment_method_id"] if line is not None else False


def _company_amount(env: Env, payment: Row) -> float:
    liquidity = payments.sides(env, payment)[0]
    if liquidity:
        return float(sum(ln["balance"] for ln in liquidity))
    return float(payment["amount"] * (1 if payment["payment_type"] == "inbound" else -1))


class Register(Model):
    """account.payment.register: the wizard behind "Pay"."""

    name = "account.payment.register"
    label = "Pay"
    transient = True
    declared: ClassVar[dict[str, Field]] = {
        "line_ids": many("account.move.line", "Journal items"),
        "payment_date": day("Payment Date", required=True, default=lambda env: env.today),
        "amount": monetary("Amount"),
        "communication": char("Memo"),
        "group_payment": boolean("Group Payments"),
        "currency_id": one("res.currency", "Currency"),
        "journal_id": one("account.journal", "Journal"),
        "company_id": one("res.company", "Company"),
        "partner_id": one("res.partner", "Customer/Vendor"),
        "payment_type": choice("Payment Type", ("outbound", "Send Money"), ("inbound", "Receive Money")),
        "partner_type": choice("Partner Type", *PARTIES),
        "payment_method_line_id": one("account.payment.method.line", "Payment Method"),
        "payment_difference_handling": choice(
            "Payment Difference Handling", ("open", "Keep open"), ("reconcile", "Mark as fully paid"), default="open"
        ),
        "writeoff_account_id": one("account.account", "Difference Account"),
        "writeoff_label": char("Journal Item Label", default="Write-Off"),
        "payment_difference": monetary("Payment Difference", compute=lambda env, r: wizard.difference(env, r)),
        "source_amount": monetary("Amount to Pay (company currency)", compute=lambda env, r: wizard.source(env, r)[0]),
        "source_amount_currency": monetary("Amount to Pay (foreign currency)", compute=lambda env, r: wizard.source(env, r)[1]),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Take the open lines of the documents in context."""
        return wizard.complete(env, values)

    @record_method
    def action_create_payments(self, env: Env, ids: list[int]) -> Any:
        """Create, post and match the payments: twice makes two."""
        return wizard.pay(env, env.row(self.name, self.ensure_one(ids)))


class Reversal(Model):
    """account.move.reversal: the wizard behind "Credit Note" and "Reverse"."""

    name = "account.move.reversal"
    label = "Account Move Reversal"
    transient = True
    declared: ClassVar[dict[str, Field]] = {
        "move_ids": many("account.move", "Move"),
        "new_move_ids": many("account.move", "New Move"),
        "date": day("Reversal date", default=lambda env: env.today),
        "reason": char("Reason displayed on Credit Note"),
        "journal_id": one("account.journal", "Journal"),
        "company_id": one("res.company", "Company"),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Take the documents of the context."""
        if not values.get("move_ids") and env.context.get("active_model") == "account.move":
            values["move_ids"] = [[6, 0, list(env.context.get("active_ids") or [])]]
        return values

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Refuse drafts."""
        for row in rows:
            if any(env.rows("account.move")[i]["state"] != "posted" for i in row["move_ids"]):
                raise (
                    ValidationError("You can only reverse posted moves.")
                    if env.version == 17
                    else UserError("You can only reverse posted moves.")
                )

    @record_method
    def refund_moves(self, env: Env, ids: list[int]) -> Any:
        """Create draft reversals."""
        return reversal.action(env, env.row(self.name, self.ensure_one(ids)), modify=False)

    @record_method
    def reverse_moves(self, env: Env, ids: list[int], is_modify: bool = False) -> Any:
        """Create reversals."""
        return reversal.action(env, env.row(self.name, self.ensure_one(ids)), modify=is_modify)

    @record_method
    def modify_moves(self, env: Env, ids: list[int]) -> Any:
        """Post matched reversals and open new drafts."""
        return reversal.action(env, env.row(self.name, self.ensure_one(ids)), modify=True)


class StatementLine(Model):
    """account.bank.statement.line: posted at creation against the suspense account."""

    name = "account.bank.statement.line"
    label = "Bank Statement Line"
    order = "date desc, id desc"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = {
        "move_id": one("account.move", "Journal Entry", copied=False),
        "journal_id": one("account.journal", "Journal", required=True),
        "company_id": one("res.company", "Company"),
        "date": day("Date", required=True, default=lambda env: env.today),
        "payment_ref": char("Label", index=True),
        "ref": char("Reference"),
        "amount": monetary("Amount"),
        "foreign_currency_id": one("res.currency", "Foreign Currency"),
        "amount_currency": monetary("Amount in Currency"),
        "currency_id": one("res.currency", "Journal Currency", compute=lambda env, r: statements.currency(env, r)),
        "partner_id": one("res.partner", "Partner"),
        "is_reconciled": boolean("Is Reconciled", compute=lambda env, r: statements.is_reconciled(env, r)),
        "amount_residual": monetary("Residual Amount", compute=lambda env, r: statements.residual(env, r)),
        "line_ids": many(
            "account.move.line", "Journal Items", compute=lambda env, r: sorted(env.find("account.move.line", "move_id", r["move_id"]))
        ),
        "state": char("Status", compute=lambda env, r: env.rows("account.move")[r["move_id"]]["state"]),
        "name": char("Number", compute=lambda env, r: env.rows("account.move")[r["move_id"]]["name"]),
    }

    def display_name(self, env: Env, row: Row) -> str:
        """Return the entry's number."""
        return env.model("account.move").display_name(env, env.rows("account.move")[row["move_id"]])

    def prepare(self, env: Env, values: Values) -> Values:
        """Take the journal's company."""
        if not values.get("journal_id"):
            raise ValidationError(self.mandatory("journal_id"))
        values["company_id"] = env.row("account.journal", int(values["journal_id"]))["company_id"]
        return values

    def create(self, env: Env, vals_list: Any) -> list[int]:
        """Book and post at once; ``counterpart_account_id`` is a word to creation, not a field (load does not know it)."""
        ids = []
        for given in [vals_list] if isinstance(vals_list, dict) else vals_list:
            values = dict(given)
            counterpart = values.pop("counterpart_account_id", False)
            row = self.insert(env, values)
            statements.book(env, row, int(counterpart) if counterpart else 0)
            ids.append(row["id"])
        return ids

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Line commands through the statement line do not balance, as on the server."""
        if "line_ids" in values:
            raise UserError("The entry is not balanced.")
        return values

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Delete the entry with the line."""
        for row in rows:
            statements.unbook(env, row)


MODELS: list[type[Model]] = [Payment, Register, Reversal, StatementLine]
