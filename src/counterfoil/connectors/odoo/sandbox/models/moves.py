"""account.move: the documents and entries themselves; what may be created, changed, posted, canceled and deleted."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import drafts, entry_of_payment, posting, reconcile, sequences, sync
from counterfoil.connectors.odoo.sandbox.models.move_fields import MOVE
from counterfoil.connectors.odoo.sandbox.orm.core import record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values

PROTECTED = (
    "date",
    "invoice_date",
    "partner_id",
    "currency_id",
    "line_ids",
    "invoice_line_ids",
    "journal_id",
    "company_id",
    "fiscal_position_id",
)
DRAFT_NAMES = {
    "out_invoice": "Draft Invoice",
    "out_refund": "Draft Credit Note",
    "in_invoice": "Draft Bill",
    "in_refund": "Draft Vendor Credit Note",
    "out_receipt": "Draft Sales Receipt",
    "in_receipt": "Draft Purchase Receipt",
    "entry": "Draft Entry",
}


class Move(Model):
    """account.move."""

    documents = True
    name = "account.move"
    label = "Journal Entry"
    order = "date desc, name desc, invoice_date desc, id desc"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = MOVE

    def display_name(self, env: Env, row: Row) -> str:
        """Return how people call it: its number, or a draft with its kind."""
        ref = f" ({row['ref']})" if row["ref"] else ""
        if row["state"] == "draft":
            unnamed = f" (* {row['id']})" if env.version == 17 else ""
            name = f" {row['name']}" if sequences.is_named(row) else unnamed
            return f"{DRAFT_NAMES[row['move_type']]}{name}{ref}"
        return f"{row['name'] or ''}{ref}"

    # -- creating and writing -----------------------------------------------------------------------------------------------------

    def create(self, env: Env, vals_list: Any) -> list[int]:
        """Create documents with their lines and everything that follows from them."""
        values_list = [vals_list] if isinstance(vals_list, dict) else list(vals_list)
        rows = []
        for values in values_list:
            drafts.check_creation(self, values)
            plain = {k: v for k, v in values.items() if k not in ("line_ids", "invoice_line_ids")}
            row = self.insert(env, plain)
            rows.append(row)
            if env.version == 17:
                drafts.provisional_name(env, row)
            drafts.check_partner_company(env, row)
            with sync.batch(env, [row["id"]], new=True) as opened:
                opened[row["id"]].due_written = "invoice_date_due" in values and (env.version >= 18 or bool(values["invoice_date_due"]))
                for name in ("line_ids", "invoice_line_ids"):
                    if values.get(name):
                        self.command_lines(env, row, self.fields[name], values[name])
            if env.version >= 18 and sequences.is_named(row):
                drafts.take_name(env, row)
        self.created(env, rows, values_list)
        return [row["id"] for row in rows]

    def prepare(self, env: Env, values: Values) -> Values:
        """Fill journal, company, currency, dates and terms."""
        return drafts.complete(env, values)

    def write(self, env: Env, ids: list[int], vals: Values) -> bool:
        """Change moves; dynamic lines follow when all is written."""
        for name in vals:
            self.field(name)
        self.existing(env, ids)
        with sync.batch(env, ids) as opened:
            if "invoice_currency_rate" in vals:
                for i in ids:
                    opened[i].rate_written = True
            super().write(env.with_context(**{entry_of_payment.HELD_BACK: True}), ids, vals)
        if "line_ids" in vals:
            entry_of_payment.follow_lines(env, ids)
        return True

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Refuse what may not change on posted or locked moves; let dates follow each other."""
        for row in rows:
            if row["state"] == "posted":
                self._check_posted(env, row, values)
        if "invoice_date" in values and "date" not in values and values["invoice_date"]:
            for row in rows:
                if row["move_type"].startswith("out_") and row["state"] == "draft":
                    env.set(self.name, row, date=values["invoice_date"])
        if "partner_id" in values:
            values.setdefault("partner_shipping_id", values["partner_id"])
        return values

    def _check_posted(self, env: Env, row: Row, values: Values) -> None:
        if values.get("journal_id", row["journal_id"]) != row["journal_id"]:
            if env.version == 17:
                raise UserError("You cannot edit the journal of an account move if it has been posted once.")
            raise UserError(
                'You cannot edit the journal of an account move if it has been posted once, unless the name is removed or set to "/".'
                " This might"
                " create a gap in the sequence."
            )
        touched = [n for n in PROTECTED if n in values and (env.version >= 18 or n != "invoice_date")]
        if not any(self._differs(row, n, values[n]) for n in touched):
            return
        if env.version >= 18 and not env.context.get("skip_readonly_check"):
            names = ", ".join(touched)
            raise UserError(f"You cannot modify the following readonly fields on a posted move: {names}")
        posting.refuse_locked(env, row)

    @staticmethod
    def _differs(row: Row, name: str, value: Any) -> bool:
        return bool(value) if name in ("line_ids", "invoice_line_ids") else (value or False) != row[name]

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Let names enter their series; check them."""
        if "state" in values:
            posting.refresh(env, rows)
        if {"name", "date", "journal_id"} & values.keys():
            env.db.numbers.forget()
        if "name" in values:
            for row in rows:
                drafts.take_name(env, row)
                if row["state"] == "posted":
                    sequences.check_unique(env, row)
        drafts.remember_marks(env, rows)

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Refuse deleting posted entries; unmatch the rest."""
        for row in rows:
            if row["state"] == "posted":
                posting.refuse_deletion(env, row)
        reconcile.unmatch(env, [ln["id"] for row in rows for ln in sync.lines_of(env, row)])

    def remove(self, env: Env, row: Row) -> None:
        """Delete a move; its number is free again."""
        if sequences.is_named(row):
            env.db.numbers.forget()
        super().remove(env, row)

    def copied(self, env: Env, row: Row) -> Values:
        """Return a draft with the same lines."""
        return drafts.copied(env, row, super().copied(env, row))

    # -- life ---------------------------------------------------------------------------------------------------------------------

    @record_method
    def action_post(self, env: Env, ids: list[int]) -> bool:
        """Post drafts: number, date, matching of credit notes and marks."""
        posting.post(env, self.existing(env, ids))
        return False

    @record_method
    def button_draft(self, env: Env, ids: list[int]) -> None:
        """Take moves back to draft; 17 and 18 unmatch them."""
        posting.to_draft(env, self.existing(env, ids))

    @record_method
    def button_cancel(self, env: Env, ids: list[int]) -> None:
        """Cancel moves, unmatching them."""
        posting.cancel(env, self.existing(env, ids))

    @record_method
    def js_assign_outstanding_line(self, env: Env, ids: list[int], line_id: int) -> None:
        """Match one open line with a document."""
        row = env.row(self.name, self.ensure_one(ids))
        line = env.row("account.move.line", line_id)
        mine = [ln["id"] for ln in sync.lines_of(env, row) if ln["account_id"] == line["account_id"] and not ln["reconciled"]]
        reconcile.reconcile(env, [line_id, *mine])

    @record_method
    def js_remove_outstanding_partial(self, env: Env, ids: list[int], partial_id: int) -> bool:
        """Undo one match."""
        return env.model("account.partial.reconcile").unlink(env, [partial_id])
